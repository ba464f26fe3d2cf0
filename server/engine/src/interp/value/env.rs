//! Variables of a function, and what guards have made of places.
//!
//! An environment is copied at every branch, closure and callback, so copies must be cheap: the variables are layers of hash
//! maps, of which only the topmost and small one is copied; the others are shared. Layers are merged so that each is more than
//! twice as large as the one above it: a look-up sees few of them, and every variable is moved a few times only.

use super::{Joiner, Value, work};
use crate::{ir::Sym, rules::SinkBits};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// A topmost layer larger than this is shared rather than copied.
const SMALL: usize = 12;

/// A persistent map from names to values.
#[derive(Clone, Debug, Default)]
struct Vars {
    top: FxHashMap<Sym, Value>,
    under: Option<Arc<Layer>>,
}

#[derive(Debug)]
struct Layer {
    map: FxHashMap<Sym, Value>,
    under: Option<Arc<Layer>>,
}

impl Vars {
    fn layers(&self) -> impl Iterator<Item = &Arc<Layer>> {
        std::iter::successors(self.under.as_ref(), |l| l.under.as_ref())
    }

    fn get(&self, name: Sym) -> Option<&Value> {
        self.top.get(&name).or_else(|| self.layers().find_map(|l| l.map.get(&name)))
    }

    fn fork(&mut self) -> Self {
        if self.top.len() > SMALL {
            let mut map = std::mem::take(&mut self.top);
            let mut under = self.under.take();
            while let Some(layer) = under.take() {
                if layer.map.len() > 2 * map.len() {
                    under = Some(layer);
                    break;
                }
                work::spend(layer.map.len() / 8);
                match Arc::try_unwrap(layer) {
                    Ok(mut own) => {
                        own.map.extend(map);
                        (map, under) = (own.map, own.under);
                    }
                    Err(shared) => {
                        for (name, value) in &shared.map {
                            map.entry(*name).or_insert_with(|| value.clone());
                        }
                        under.clone_from(&shared.under);
                    }
                }
            }
            self.under = Some(Arc::new(Layer { map, under }));
        }
        work::spend(1 + self.top.len() / 8);
        self.clone()
    }

    /// Names that may be bound to something else than in `other`.
    fn differing(&self, other: &Self) -> FxHashSet<Sym> {
        let mine: FxHashSet<*const Layer> = self.layers().map(Arc::as_ptr).collect();
        let mut names: FxHashSet<Sym> = self.top.keys().chain(other.top.keys()).copied().collect();
        let mut common = None;
        for layer in other.layers() {
            if mine.contains(&Arc::as_ptr(layer)) {
                common = Some(Arc::as_ptr(layer));
                break;
            }
            names.extend(layer.map.keys().copied());
        }
        for layer in self.layers().take_while(|l| Some(Arc::as_ptr(l)) != common) {
            names.extend(layer.map.keys().copied());
        }
        work::spend(names.len() / 8);
        names
    }

    fn names(&self) -> FxHashSet<Sym> {
        let all = self.top.keys().chain(self.layers().flat_map(|l| l.map.keys()));
        all.copied().collect()
    }
}

/// What is cleared where a variable is true, and where it is false.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub when_true: Vec<(Sym, SinkBits)>,
    pub when_false: Vec<(Sym, SinkBits)>,
}

impl Answer {
    pub(crate) fn is_empty(&self) -> bool {
        self.when_true.is_empty() && self.when_false.is_empty()
    }

    /// Whether one of its places belongs to this variable.
    pub(crate) fn speak_of(&self, variable: Sym) -> bool {
        self.when_true.iter().chain(&self.when_false).any(|(p, _)| p.split(['.', '#']).next() == Some(variable.as_str()))
    }
}

/// Variables of a function, what guards have cleared, and the enclosing function's variables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Env {
    vars: Vars,
    /// Sink kinds that guards have made harmless, by place.
    pub cleared: FxHashMap<Sym, SinkBits>,
    /// Sink kinds for which somebody whose code is not at hand has vouched, by place.
    promised: FxHashMap<Sym, SinkBits>,
    /// What variables that hold the answer of a test say of other places.
    answers: FxHashMap<Sym, Arc<Answer>>,
    parent: Option<Arc<Env>>,
    /// See [`Value::closures`]: the most of any variable, the enclosing ones included.
    closures: u16,
}

impl Env {
    /// A function's own variables, none yet, within those around it.
    pub(crate) fn inside(parent: Option<Arc<Env>>) -> Self {
        let closures = parent.as_ref().map_or(0, |p| p.closures);
        Env { parent, closures, ..Env::default() }
    }

    /// A copy that goes its own way; its cost hardly depends on how many variables there are.
    pub(crate) fn fork(&mut self) -> Self {
        work::spend((self.cleared.len() + self.promised.len() + self.answers.len()) / 8);
        Env {
            vars: self.vars.fork(),
            cleared: self.cleared.clone(),
            promised: self.promised.clone(),
            answers: self.answers.clone(),
            parent: self.parent.clone(),
            closures: self.closures,
        }
    }

    /// Functions that captured variables inside each other: how deep the variables lead.
    pub(crate) fn closures(&self) -> u16 {
        self.closures
    }

    /// A variable, its own or an enclosing one.
    pub(crate) fn get(&self, name: Sym) -> Option<&Value> {
        let mut env = self;
        loop {
            if let Some(v) = env.vars.get(name) {
                return Some(v);
            }
            env = env.parent.as_deref()?;
        }
    }

    /// A variable of its own.
    pub(crate) fn own(&self, name: Sym) -> Option<&Value> {
        self.vars.get(name)
    }

    /// The names of its own variables.
    pub(crate) fn own_names(&self) -> FxHashSet<Sym> {
        self.vars.names()
    }

    /// Gives a variable of its own a value; guards stay as they are.
    pub(crate) fn set(&mut self, name: Sym, value: Value) {
        self.closures = self.closures.max(value.closures());
        self.vars.top.insert(name, value);
    }

    /// This scope and those around it, up to the one that owns a place's variable.
    fn scopes_of(&self, place: Sym) -> impl Iterator<Item = &Env> {
        let mut next = Some(self);
        std::iter::from_fn(move || {
            let env = next?;
            next = env.parent.as_deref().filter(|_| {
                let root = place.split(['.', '#']).next().and_then(Sym::existing);
                root.is_none_or(|r| env.own(r).is_none())
            });
            Some(env)
        })
    }

    /// What guards have cleared for this place.
    pub(crate) fn cleared(&self, place: Sym) -> SinkBits {
        self.scopes_of(place).filter_map(|e| e.cleared.get(&place)).fold(0, |a, b| a | b)
    }

    /// The kinds for which somebody unseen has vouched for this place.
    pub(crate) fn promised(&self, place: Sym) -> SinkBits {
        self.scopes_of(place).filter_map(|e| e.promised.get(&place)).fold(0, |a, b| a | b)
    }

    /// What a variable that holds an answer says of other places.
    pub(crate) fn facts(&self, place: Sym) -> Option<Arc<Answer>> {
        self.scopes_of(place).find_map(|e| e.answers.get(&place)).cloned()
    }

    /// A variable holds the answer of a test.
    pub(crate) fn answer(&mut self, name: Sym, facts: Answer) {
        if !facts.is_empty() {
            self.answers.insert(name, Arc::new(facts));
        }
    }

    /// A variable gets another value: what was known of its places holds no more.
    pub(crate) fn forget(&mut self, name: Sym) {
        let text = name.as_str();
        let other = |p: &Sym| !p.strip_prefix(text).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '#']));
        if !self.cleared.is_empty() {
            self.cleared.retain(|p, _| other(p));
        }
        if !self.promised.is_empty() {
            self.promised.retain(|p, _| other(p));
        }
        if !self.answers.is_empty() {
            self.answers.retain(|p, facts| other(p) && !facts.speak_of(name));
        }
    }

    /// Somebody unseen has vouched for a place.
    pub(crate) fn promise(&mut self, place: Sym, bits: SinkBits) {
        *self.promised.entry(place).or_insert(0) |= bits;
    }

    /// Of two tests of which one came out: keeps what both clear.
    pub(crate) fn meet_guards(&mut self, other: &Env) {
        meet(&mut self.cleared, &other.cleared);
        meet(&mut self.promised, &other.promised);
    }

    /// A guard has made a place harmless for these kinds.
    pub(crate) fn clear(&mut self, place: Sym, bits: SinkBits) {
        *self.cleared.entry(place).or_insert(0) |= bits;
    }

    /// What may be, after one of two ways. A guard that one way passed holds for the value that came that way.
    pub(crate) fn join(mut self, mut other: Env) -> Env {
        let mut joiner = Joiner::default();
        let answers = self.joined_answers(&other);
        self.settle(&other.cleared, &other.promised);
        other.settle(&self.cleared, &self.promised);
        self.answers = answers;
        for name in self.vars.differing(&other.vars) {
            let Some(theirs) = other.vars.get(name) else { continue };
            match self.vars.get(name) {
                Some(mine) if mine.same(theirs) => {}
                Some(mine) => {
                    let joined = joiner.values(mine, theirs);
                    self.vars.top.insert(name, joined);
                }
                None => {
                    self.vars.top.insert(name, theirs.clone());
                }
            }
        }
        self.closures = self.closures.max(other.closures);
        self.meet_guards(&other);
        self
    }

    /// What variables say of other places after one of two ways. A variable that is true after one way only tells which way it was.
    fn joined_answers(&self, other: &Env) -> FxHashMap<Sym, Arc<Answer>> {
        let mut joined = FxHashMap::default();
        if self.cleared.is_empty() && other.cleared.is_empty() && self.answers.is_empty() && other.answers.is_empty() {
            return joined;
        }
        let names = self.vars.differing(&other.vars);
        for name in names.into_iter().chain(self.answers.keys().copied()).chain(other.answers.keys().copied()) {
            if joined.contains_key(&name) {
                continue;
            }
            if let (Some(a), Some(b)) = (self.answers.get(&name), other.answers.get(&name))
                && Arc::ptr_eq(a, b)
            {
                joined.insert(name, a.clone());
                continue;
            }
            let (Some(mine), Some(theirs)) = (self.vars.get(name), other.vars.get(name)) else { continue };
            if mine.fills() == theirs.fills() && !self.answers.contains_key(&name) && !other.answers.contains_key(&name) {
                continue;
            }
            let known = |truth: bool| {
                // What holds if the variable came out so, on each way on which it can.
                let ways = [(self, mine), (other, theirs)].into_iter().filter(|(_, v)| v.fills() != Some(!truth)).map(|(env, _)| {
                    let mut all = env.cleared.clone();
                    if let Some(facts) = env.answers.get(&name) {
                        for (place, bits) in if truth { &facts.when_true } else { &facts.when_false } {
                            *all.entry(*place).or_insert(0) |= bits;
                        }
                    }
                    all
                });
                let mut sure = ways.reduce(|mut a, b| {
                    meet(&mut a, &b);
                    a
                });
                let mut list: Vec<_> = sure.take().into_iter().flatten().collect();
                list.sort_unstable();
                list
            };
            let facts = Answer { when_true: known(true), when_false: known(false) };
            work::spend(1 + facts.when_true.len() / 4);
            if !facts.is_empty() && !facts.speak_of(name) {
                joined.insert(name, Arc::new(facts));
            }
        }
        joined
    }

    /// Lets own variables keep what guards have cleared here and not elsewhere, before those guards are forgotten.
    fn settle(&mut self, cleared: &FxHashMap<Sym, SinkBits>, promised: &FxHashMap<Sym, SinkBits>) {
        work::spend((self.cleared.len() + self.promised.len()) / 8);
        for (guards, others, promise) in [(&self.cleared, cleared, false), (&self.promised, promised, true)] {
            for (place, bits) in guards {
                let bits = bits & !others.get(place).copied().unwrap_or(0);
                if bits != 0
                    && let Some(value) = self.vars.get(*place)
                    && value.taint & bits != 0
                {
                    let mut value = value.clone();
                    if promise {
                        value.doubt_less(bits);
                    } else {
                        value.clear(bits);
                    }
                    self.vars.top.insert(*place, value);
                }
            }
        }
    }

    /// Whether what came round a loop makes another round worth it: a variable that was there before has become untrusted, or is
    /// no longer the constant it was.
    pub(crate) fn gained(&self, before: &Env) -> bool {
        self.vars.differing(&before.vars).into_iter().any(|name| {
            let (Some(now), Some(then)) = (self.vars.get(name), before.vars.get(name)) else { return false };
            now.deep().0 & !then.deep().0 != 0
                || then.lit.is_some() && now.lit != then.lit
                || now.path != then.path
                || now.callee_is_none() != then.callee_is_none()
        })
    }
}

/// Keeps what both maps have.
fn meet(map: &mut FxHashMap<Sym, SinkBits>, other: &FxHashMap<Sym, SinkBits>) {
    map.retain(|place, bits| {
        *bits &= other.get(place).copied().unwrap_or(0);
        *bits != 0
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Lit, sym};
    use proptest::prelude::*;

    fn number(v: Option<&Value>) -> Option<i64> {
        match v?.lit {
            Some(Lit::Int(i)) => Some(i),
            _ => None,
        }
    }

    proptest! {
        /// Layers are an optimisation: environments that are forked and written to at random hold what plain maps would.
        #[test]
        fn environments_are_maps(acts in prop::collection::vec((0usize..4, 0u8..3, 0i64..60, 0i64..1000), 1..300)) {
            let mut envs = vec![(Env::default(), std::collections::BTreeMap::new())];
            for (at, act, name, value) in acts {
                let at = at % envs.len();
                if act == 0 && envs.len() < 6 {
                    let copy = (envs[at].0.fork(), envs[at].1.clone());
                    envs.push(copy);
                } else {
                    envs[at].0.set(sym(&format!("v{name}")), Value::lit(Lit::Int(value)));
                    envs[at].1.insert(name, value);
                }
            }
            for (env, map) in &envs {
                for name in 0..60 {
                    prop_assert_eq!(number(env.get(sym(&format!("v{name}")))), map.get(&name).copied());
                }
                prop_assert_eq!(env.own_names().len(), map.len());
            }
            // What a join says of a name: the value where both agree or one has none, nothing certain else.
            let (b, map_b) = envs.pop().unwrap();
            if let Some((a, map_a)) = envs.pop() {
                let joined = a.join(b);
                for name in 0..60 {
                    let (x, y) = (map_a.get(&name), map_b.get(&name));
                    let expected = if x.is_none() || x == y { y } else if y.is_none() { x } else { None };
                    prop_assert_eq!(number(joined.get(sym(&format!("v{name}")))), expected.copied());
                }
            }
        }
    }
}
