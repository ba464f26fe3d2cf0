//! What the interpreter knows of a value: taint with its path, constant, string shape, access path,
//! fields, and what it calls.

use crate::{
    ir::{ClassId, FuncId, Lit, Span, Sym, Unit},
    rules::{SinkBits, SourceBits},
};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// A place in some item of some module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pos {
    /// Index of the module in the run; 0 is the analysed file.
    pub module: u32,
    /// Module 0: unique id of the item. Others: first byte of the item.
    pub item: u64,
    pub span: Span,
}

/// One step of a flow; linked backwards.
#[derive(Debug)]
pub(crate) struct Flow {
    pub prev: Option<Arc<Flow>>,
    pub pos: Pos,
    pub note: Note,
    pub length: u16,
}

/// What a step of a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// Untrusted data enters from this path.
    Source(Sym),
    /// Assigned to a variable.
    Assigned(Sym),
    /// Passed to a function of the project.
    Passed(Sym),
    /// Kept in a container at module level and read again.
    Stored(Sym),
}

/// Longer flows keep their source and their last steps.
const MAX_FLOW: u16 = 24;

impl Flow {
    pub(crate) fn then(prev: Option<&Arc<Flow>>, pos: Pos, note: Note) -> Arc<Flow> {
        if let Some(p) = prev
            && (p.length >= MAX_FLOW || (p.pos == pos && p.note == note))
        {
            return p.clone();
        }
        let length = prev.map_or(1, |p| p.length + 1);
        Arc::new(Flow { prev: prev.cloned(), pos, note, length })
    }
}

/// The literal parts of a string and its holes.
#[derive(Debug, Default, Clone)]
pub(crate) struct Shape {
    /// Literal text; every hole is one `\0`.
    pub text: String,
}

/// Longer shapes are cut: rules look at beginnings.
pub(crate) const MAX_SHAPE: usize = 4096;

/// Something callable that the project defines.
#[derive(Clone, Debug, Default)]
pub(crate) enum Callee {
    #[default]
    None,
    Func(Arc<FuncRef>),
    Class(Arc<ClassRef>),
    /// A project module (by index in the run), or a member of it, not looked at yet.
    Import(u32, Option<Sym>),
}

/// A function with where it was defined.
#[derive(Debug)]
pub(crate) struct FuncRef {
    pub module: u32,
    pub item: u64,
    pub unit: Arc<Unit>,
    pub func: FuncId,
    /// Variables of the enclosing function, if any.
    pub env: Option<Arc<Env>>,
    /// Bound receiver.
    pub this: Option<Value>,
    /// The class it is a method of.
    pub class: Option<Arc<ClassRef>>,
}

/// A class with where it was defined.
#[derive(Debug)]
pub(crate) struct ClassRef {
    pub module: u32,
    pub item: u64,
    pub unit: Arc<Unit>,
    pub class: ClassId,
    pub env: Option<Arc<Env>>,
    /// Evaluated base classes.
    pub bases: Vec<Value>,
}

/// Keys of containers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    Str(Sym),
    Int(i64),
}

/// Fields of an object, entries of a map, elements of a list.
#[derive(Clone, Debug, Default)]
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
}

/// Containers larger than this forget single entries.
pub(crate) const MAX_FIELDS: usize = 64;

/// What is known of a value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Value {
    /// Sink kinds it is still dangerous for.
    pub taint: SinkBits,
    pub sources: SourceBits,
    pub flow: Option<Arc<Flow>>,
    pub lit: Option<Lit>,
    /// API access path; empty = unknown.
    pub path: Sym,
    pub object: Option<Arc<Object>>,
    pub callee: Callee,
    /// A string put together from parts that are not all constant.
    pub shape: Option<Arc<Shape>>,
    /// The variable chain it was read from.
    pub place: Sym,
    /// Places it was computed from.
    pub derived: SmallVec<[Sym; 2]>,
    /// A number with an upper bound.
    pub bounded: bool,
    /// The path names a declared type or an instance, not code that was followed.
    pub typed: bool,
}

impl Value {
    pub(crate) fn lit(lit: Lit) -> Self {
        Value { lit: Some(lit), ..Value::default() }
    }
    pub(crate) fn str(text: &str) -> Self {
        Value::lit(Lit::Str(text.into()))
    }
    pub(crate) fn path(path: Sym) -> Self {
        Value { path, ..Value::default() }
    }
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.lit {
            Some(Lit::Str(s)) => Some(s),
            _ => None,
        }
    }
    pub(crate) fn is_built(&self) -> bool {
        self.shape.is_some()
    }
    pub(crate) fn is_constant(&self) -> bool {
        self.lit.is_some()
            || self.object.as_ref().is_some_and(|o| {
                o.class.is_none()
                    && o.rest.is_none()
                    && (o.list.as_ref().is_some_and(|l| l.iter().all(Value::is_constant))
                        || (o.closed && o.fields.iter().all(|(_, v)| v.is_constant())))
            })
    }
    /// Truthiness, where the constant tells.
    pub(crate) fn truth(&self) -> Option<bool> {
        match self.lit.as_ref()? {
            Lit::Str(s) => Some(!s.is_empty()),
            Lit::Int(i) => Some(*i != 0),
            Lit::Float(f) => Some(*f != 0.0),
            Lit::Bool(b) => Some(*b),
            Lit::Null => Some(false),
        }
    }
    /// Taint of the value and of everything in it: bits, sources, and a flow that leads to some of it.
    pub(crate) fn deep(&self) -> (SinkBits, SourceBits, Option<&Arc<Flow>>) {
        self.deep_to(4)
    }
    fn deep_to(&self, depth: u8) -> (SinkBits, SourceBits, Option<&Arc<Flow>>) {
        let mut sum = (self.taint, self.sources, if self.taint == 0 { None } else { self.flow.as_ref() });
        if let (Some(o), true) = (&self.object, depth > 0) {
            for v in o.fields.iter().map(|f| &f.1).chain(o.list.iter().flatten()).chain(o.rest.as_deref()) {
                let inner = v.deep_to(depth - 1);
                sum.0 |= inner.0;
                sum.1 |= inner.1;
                sum.2 = sum.2.or(inner.2);
            }
        }
        sum
    }
    /// Takes on the taint of another value.
    pub(crate) fn add_taint(&mut self, of: &Value) {
        let (taint, sources, flow) = of.deep();
        if taint != 0 {
            if self.flow.is_none() || self.taint == 0 {
                self.flow = flow.cloned();
            }
            self.taint |= taint;
            self.sources |= sources;
        }
        self.derive(of);
    }
    /// A variable that nothing in the file declares, as in a fragment of something larger.
    pub(crate) fn is_undeclared(&self) -> bool {
        self.taint == 0
            && self.place.is_empty()
            && !self.typed
            && self.lit.is_none()
            && self.object.is_none()
            && self.path.starts_with(|c: char| c.is_ascii_lowercase())
            && self.path.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// Remembers that this was computed from `of`.
    pub(crate) fn derive(&mut self, of: &Value) {
        for p in std::iter::once(of.place).chain(of.derived.iter().copied()) {
            if !p.is_empty() && self.derived.len() < 6 && !self.derived.contains(&p) {
                self.derived.push(p);
            }
        }
    }
    /// What one of two values may be.
    pub(crate) fn join(&self, other: &Value) -> Value {
        let flow = if self.taint == 0 { other.flow.clone().or_else(|| self.flow.clone()) } else { self.flow.clone() };
        let mut derived = self.derived.clone();
        for p in &other.derived {
            if derived.len() < 6 && !derived.contains(p) {
                derived.push(*p);
            }
        }
        Value {
            taint: self.taint | other.taint,
            sources: self.sources | other.sources,
            flow,
            lit: if self.lit == other.lit { self.lit.clone() } else { None },
            path: if self.path == other.path || other.lit.is_some() && other.path.is_empty() {
                self.path
            } else if self.lit.is_some() && self.path.is_empty() {
                other.path
            } else {
                Sym::default()
            },
            object: match (&self.object, &other.object) {
                (Some(a), Some(b)) if Arc::ptr_eq(a, b) => Some(a.clone()),
                (Some(a), Some(b)) => Some(Arc::new(a.join(b))),
                (Some(a), None) | (None, Some(a)) => Some(a.clone()),
                (None, None) => None,
            },
            callee: match (&self.callee, &other.callee) {
                (Callee::None, c) => c.clone(),
                (c, _) => c.clone(),
            },
            shape: self.shape.clone().or_else(|| other.shape.clone()),
            place: if self.place == other.place { self.place } else { Sym::default() },
            derived,
            bounded: self.bounded && other.bounded,
            typed: self.typed || other.typed,
        }
    }
}

impl Object {
    pub(crate) fn get(&self, key: &Key) -> Option<&Value> {
        if let (Key::Int(i), Some(list)) = (key, &self.list) {
            let i = if *i < 0 { list.len() as i64 + i } else { *i };
            return usize::try_from(i).ok().and_then(|i| list.get(i));
        }
        self.fields.iter().find(|f| f.0 == *key).map(|f| &f.1)
    }
    pub(crate) fn set(&mut self, key: Key, value: Value) {
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
        let mut value = value.clone();
        value.lit = None;
        self.rest = Some(Box::new(match &self.rest {
            Some(old) => old.join(&value),
            None => value,
        }));
        self.closed = false;
    }
    /// Appends to a list.
    pub(crate) fn push(&mut self, value: Value) {
        match &mut self.list {
            Some(list) if list.len() < MAX_FIELDS => list.push(value),
            _ => self.add(&value),
        }
    }
    /// Any of its elements.
    pub(crate) fn any(&self) -> Value {
        let mut all = self.list.iter().flatten().chain(self.fields.iter().map(|f| &f.1)).chain(self.rest.as_deref());
        let Some(first) = all.next() else { return Value::default() };
        all.fold(first.clone(), |a, b| a.join(b))
    }
    fn join(&self, other: &Object) -> Object {
        let mut out = Object {
            class: self.class.clone().or_else(|| other.class.clone()),
            fields: self.fields.clone(),
            list: None,
            rest: match (&self.rest, &other.rest) {
                (Some(a), Some(b)) => Some(Box::new(a.join(b))),
                (a, b) => a.clone().or_else(|| b.clone()),
            },
            closed: self.closed && other.closed,
        };
        for (k, v) in &other.fields {
            match out.fields.iter_mut().find(|f| f.0 == *k) {
                Some(slot) => slot.1 = slot.1.join(v),
                None => out.fields.push((k.clone(), v.clone())),
            }
        }
        match (&self.list, &other.list) {
            (Some(a), Some(b)) if a.len() == b.len() => out.list = Some(a.iter().zip(b).map(|(a, b)| a.join(b)).collect()),
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

/// Variables of a function, what guards have cleared, and the enclosing function's variables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Env {
    pub vars: FxHashMap<Sym, Value>,
    /// Sink kinds that guards have made harmless, by place.
    pub cleared: FxHashMap<Sym, SinkBits>,
    pub parent: Option<Arc<Env>>,
}

impl Env {
    pub(crate) fn get(&self, name: Sym) -> Option<&Value> {
        let mut env = self;
        loop {
            if let Some(v) = env.vars.get(&name) {
                return Some(v);
            }
            env = env.parent.as_deref()?;
        }
    }
    /// What guards have cleared for this place.
    pub(crate) fn cleared(&self, place: Sym) -> SinkBits {
        let mut bits = 0;
        let mut env = Some(self);
        while let Some(e) = env {
            bits |= e.cleared.get(&place).copied().unwrap_or(0);
            env = e.parent.as_deref();
        }
        bits
    }
    pub(crate) fn join(self, other: Env) -> Env {
        let mut out = self;
        for (name, value) in other.vars {
            match out.vars.get_mut(&name) {
                Some(old) => *old = old.join(&value),
                None => {
                    out.vars.insert(name, value);
                }
            }
        }
        out.cleared.retain(|place, bits| {
            *bits &= other.cleared.get(place).copied().unwrap_or(0);
            *bits != 0
        });
        out
    }
}
