//! Containers: fields of an object, entries of a map, elements of a list.

use super::{ClassRef, Flow, Joiner, Value, work};
use crate::{
    ir::Sym,
    rules::{SinkBits, SourceBits},
};
use std::sync::{Arc, OnceLock};

/// Keys of containers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    Str(Sym),
    Int(i64),
}

/// Containers larger than this forget single entries.
pub(crate) const MAX_FIELDS: usize = 64;
/// Containers nest at most this deep; what lies deeper is only known by its taint. Everything that recurses over values is
/// bounded by it.
pub(crate) const MAX_NESTING: u16 = 32;

/// Fields of an object, entries of a map, elements of a list.
#[derive(Debug, Default)]
pub(crate) struct Object {
    pub class: Option<Arc<ClassRef>>,
    /// Known entries (small: looked up linearly).
    pub fields: Vec<(Key, Value)>,
    /// A list with exactly known elements.
    pub list: Option<Vec<Value>>,
    /// Join of what went in under unknown keys.
    pub rest: Option<Box<Value>>,
    /// A literal whose keys are all known (no spread).
    pub closed: bool,
    /// Made when first asked for. An object is changed only before it is shared, and a copy starts without.
    summary: OnceLock<Summary>,
}

/// What is known of an object with everything in it.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub taint: SinkBits,
    pub sources: SourceBits,
    /// Leads to some of the taint.
    pub flow: Option<Arc<Flow>>,
    /// Nothing in it but constants.
    pub constant: bool,
    /// Containers inside each other, this one included.
    pub nesting: u16,
    /// Functions in it that captured variables that hold functions ...
    pub closures: u16,
}

impl Clone for Object {
    fn clone(&self) -> Self {
        work::spend(1 + self.fields.len() / 8 + self.list.as_ref().map_or(0, |l| l.len() / 8));
        Object {
            class: self.class.clone(),
            fields: self.fields.clone(),
            list: self.list.clone(),
            rest: self.rest.clone(),
            closed: self.closed,
            summary: OnceLock::new(),
        }
    }
}

impl Object {
    /// An empty list whose elements are all known.
    pub(crate) fn empty_list() -> Self {
        Object { list: Some(Vec::new()), closed: true, ..Object::default() }
    }

    /// A map whose keys are all known.
    pub(crate) fn empty_map() -> Self {
        Object { closed: true, ..Object::default() }
    }

    /// An instance of a class of the project.
    pub(crate) fn instance(class: Arc<ClassRef>) -> Self {
        Object { class: Some(class), ..Object::default() }
    }

    /// Every value in it.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.fields.iter().map(|f| &f.1).chain(self.list.iter().flatten()).chain(self.rest.as_deref())
    }

    /// What is known of it with everything in it.
    pub(crate) fn summary(&self) -> &Summary {
        self.summary.get_or_init(|| {
            work::spend(1 + self.fields.len() / 4 + self.list.as_ref().map_or(0, |l| l.len() / 4));
            let constant = self.class.is_none()
                && self.rest.is_none()
                && (self.list.as_ref().is_some_and(|l| l.iter().all(Value::is_constant))
                    || (self.closed && self.fields.iter().all(|(_, v)| v.is_constant())));
            let closures = self.class.as_ref().map_or(0, |c| c.closures);
            let mut sum = Summary { taint: 0, sources: 0, flow: None, constant, nesting: 0, closures };
            let mut worst = (false, 0);
            for v in self.values() {
                let (taint, sources, flow) = v.deep();
                sum.taint |= taint;
                sum.sources |= sources;
                if sum.flow.is_none() || super::harm(taint, sources) > worst {
                    sum.flow = flow.cloned();
                    worst = super::harm(taint, sources);
                }
                sum.nesting = sum.nesting.max(v.nesting());
                sum.closures = sum.closures.max(v.closures());
            }
            sum.nesting += 1;
            sum
        })
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Value> {
        if let (Key::Int(i), Some(list)) = (key, &self.list) {
            let i = if *i < 0 { list.len() as i64 + i } else { *i };
            return usize::try_from(i).ok().and_then(|i| list.get(i));
        }
        self.fields.iter().find(|f| f.0 == *key).map(|f| &f.1)
    }

    pub(crate) fn set(&mut self, key: Key, value: Value) {
        let value = value.shallow();
        self.summary.take();
        if let (Key::Int(i), Some(list)) = (&key, &mut self.list) {
            if let Some(slot) = usize::try_from(*i).ok().and_then(|i| list.get_mut(i)) {
                *slot = value;
                return;
            }
        } else if let Some(slot) = self.fields.iter_mut().find(|f| f.0 == key) {
            slot.1 = value;
            return;
        } else if self.fields.len() < MAX_FIELDS {
            self.fields.push((key, value));
            return;
        }
        self.add(&value);
    }

    /// Something went in under an unknown key.
    pub(crate) fn add(&mut self, value: &Value) {
        let mut value = value.clone().shallow();
        value.lit = None;
        self.summary.take();
        self.rest = Some(Box::new(match &self.rest {
            Some(old) => old.join(&value),
            None => value,
        }));
        self.closed = false;
    }

    /// Appends to a list.
    pub(crate) fn push(&mut self, value: Value) {
        self.summary.take();
        match &mut self.list {
            Some(list) if list.len() < MAX_FIELDS => list.push(value.shallow()),
            _ => self.add(&value),
        }
    }

    /// Any of its elements.
    pub(crate) fn any(&self) -> Value {
        let mut all = self.values();
        let Some(first) = all.next() else { return Value::default() };
        let mut joiner = Joiner::default();
        all.fold(first.clone(), |a, b| joiner.values(&a, b))
    }

    /// What one of two objects may be.
    pub(super) fn join(&self, other: &Object, joiner: &mut Joiner) -> Object {
        let mut out = Object {
            class: self.class.clone().or_else(|| other.class.clone()),
            fields: self.fields.clone(),
            list: None,
            rest: match (&self.rest, &other.rest) {
                (Some(a), Some(b)) => Some(Box::new(joiner.values(a, b))),
                (a, b) => a.clone().or_else(|| b.clone()),
            },
            closed: self.closed && other.closed,
            summary: OnceLock::new(),
        };
        for (k, v) in &other.fields {
            match out.fields.iter().position(|f| f.0 == *k) {
                Some(at) => out.fields[at].1 = joiner.values(&out.fields[at].1, v),
                None if out.fields.len() < MAX_FIELDS => out.fields.push((k.clone(), v.clone())),
                None => out.add(v),
            }
        }
        match (&self.list, &other.list) {
            (Some(a), Some(b)) if a.len() == b.len() => out.list = Some(a.iter().zip(b).map(|(a, b)| joiner.values(a, b)).collect()),
            (Some(a), Some(b)) => {
                for v in a.iter().chain(b) {
                    out.add(v);
                }
            }
            (Some(l), None) | (None, Some(l)) => {
                for v in l {
                    out.add(v);
                }
            }
            (None, None) => {}
        }
        out
    }
}
