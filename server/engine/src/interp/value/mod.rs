//! What the interpreter knows of a value: taint with its path, constant, string shape, access path,
//! fields, and what it calls.

mod env;
mod flow;
mod object;
pub(crate) mod work;

pub(crate) use env::{Answer, Env};
pub(crate) use flow::{Flow, Note, Pos};
pub(crate) use object::{Key, MAX_FIELDS, Object};

use crate::{
    ir::{ClassId, FuncId, Lit, Sym, Unit},
    rules::{DOUBTFUL, SinkBits, SourceBits},
};
use object::MAX_NESTING;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// The literal parts of a string and its holes.
#[derive(Debug, Default, Clone)]
pub(crate) struct Shape {
    /// Literal text; every hole is one `\0`.
    pub text: String,
    /// The byte of the text from which on somebody else chose it: what is before decides where an address leads.
    pub tainted: Option<u32>,
}

impl Shape {
    /// Whether what stands before the text that somebody else chose says where an address leads: a host with something behind it,
    /// a base that is not theirs, a path on the own site.
    pub(crate) fn fixes_host(&self) -> bool {
        let Some(prefix) = self.tainted.and_then(|at| self.text.get(..at as usize)) else { return false };
        let ends = |rest: &str| rest.find(['/', '?', '#']).is_some_and(|i| i > 0);
        match prefix.find("://") {
            Some(i) => ends(&prefix[i + 3..]),
            None => match prefix.as_bytes() {
                [b'/', second, ..] => !matches!(second, b'/' | b'\\'),
                [b'\0', ..] => ends(prefix),
                [first, ..] => first.is_ascii_alphanumeric() && ends(prefix) && !prefix.contains(':'),
                [] => false,
            },
        }
    }

    /// One of two shapes: that of which the other chose more.
    fn either(a: Option<&Arc<Shape>>, b: Option<&Arc<Shape>>, raw: bool) -> Option<Arc<Shape>> {
        match (a, b) {
            (Some(a), Some(b)) if Arc::ptr_eq(a, b) => Some(a.clone()),
            (Some(a), Some(b)) => {
                let from = |s: &Shape| s.tainted.unwrap_or(u32::MAX);
                Some(if from(b) < from(a) { b.clone() } else { a.clone() })
            }
            // The other may be theirs as a whole.
            (Some(one), None) | (None, Some(one)) if raw => Some(Arc::new(Shape { tainted: Some(0), text: one.text.clone() })),
            (one, None) | (None, one) => one.cloned(),
        }
    }
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
    /// The call in which it was made, if it captured variables: while that goes on, it sees them as they are by then.
    pub frame: u32,
    /// See [`Value::closures`].
    closures: u16,
}

impl FuncRef {
    /// A function of a unit. Where functions have captured each other too often, it forgets what it captured.
    pub(crate) fn new(module: u32, item: u64, unit: Arc<Unit>, func: FuncId, env: Option<Arc<Env>>, frame: u32) -> Self {
        let env = env.filter(|e| e.closures() < MAX_CLOSURES);
        let closures = 1 + env.as_ref().map_or(0, |e| e.closures());
        FuncRef { module, item, unit, func, env, this: None, class: None, frame, closures }
    }

    /// A method of a class, bound to a receiver if there is one.
    pub(crate) fn method(class: &Arc<ClassRef>, func: FuncId, this: Option<Value>) -> Self {
        let this = this.filter(|t| t.closures() < MAX_CLOSURES);
        let closures = 1 + class.closures.max(this.as_ref().map_or(0, Value::closures));
        FuncRef {
            module: class.module,
            item: class.item,
            unit: class.unit.clone(),
            func,
            env: class.env.clone(),
            this,
            class: Some(class.clone()),
            frame: 0,
            closures,
        }
    }
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
    /// See [`Value::closures`].
    closures: u16,
}

impl ClassRef {
    /// A class of a unit. Where functions and classes have captured each other too often, it forgets what it captured.
    pub(crate) fn new(module: u32, item: u64, unit: Arc<Unit>, class: ClassId, env: Option<Arc<Env>>, mut bases: Vec<Value>) -> Self {
        let env = env.filter(|e| e.closures() < MAX_CLOSURES);
        bases.retain(|b| b.closures() < MAX_CLOSURES);
        let closures = 1 + bases.iter().map(Value::closures).chain(env.iter().map(|e| e.closures())).max().unwrap_or(0);
        ClassRef { module, item, unit, class, env, bases, closures }
    }
}

/// Functions and classes capture each other at most this deep: it bounds what walks or frees them.
const MAX_CLOSURES: u16 = 400;

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
    /// Places it was computed from, each with the kinds for which a guard on this value decides about that place: all for a copy,
    /// none for a part.
    pub derived: SmallVec<[(Sym, SinkBits); 2]>,
    /// Sink kinds for which somebody whose code is not at hand has vouched.
    pub vouched: SinkBits,
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
        self.lit.is_some() || self.object.as_ref().is_some_and(|o| o.summary().constant)
    }
    /// Containers inside each other.
    pub(crate) fn nesting(&self) -> u16 {
        self.object.as_ref().map_or(0, |o| o.summary().nesting)
    }
    /// How often functions and classes that it leads to captured variables that lead to others.
    pub(crate) fn closures(&self) -> u16 {
        let own = match &self.callee {
            Callee::Func(f) => f.closures,
            Callee::Class(c) => c.closures,
            _ => 0,
        };
        own.max(self.object.as_ref().map_or(0, |o| o.summary().closures))
    }
    /// The value, to be put into a container: one that is nested too deep already is only known by its taint.
    fn shallow(mut self) -> Value {
        if self.nesting() >= MAX_NESTING {
            let (taint, sources, flow) = self.deep();
            let flow = flow.cloned();
            (self.taint, self.sources, self.flow, self.object) = (taint, sources, flow, None);
        }
        self
    }
    /// It is harmless for these kinds.
    pub(crate) fn clear(&mut self, bits: SinkBits) {
        self.taint &= !bits;
        self.vouched &= self.taint;
        if self.taint == 0 {
            self.sources = 0;
            self.flow = None;
        }
    }
    /// Surely the same value, told without looking into it.
    fn same(&self, other: &Value) -> bool {
        fn one<T: ?Sized>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
            match (a, b) {
                (None, None) => true,
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                _ => false,
            }
        }
        let callee = match (&self.callee, &other.callee) {
            (Callee::None, Callee::None) => true,
            (Callee::Func(a), Callee::Func(b)) => Arc::ptr_eq(a, b),
            (Callee::Class(a), Callee::Class(b)) => Arc::ptr_eq(a, b),
            (Callee::Import(a, x), Callee::Import(b, y)) => a == b && x == y,
            _ => false,
        };
        callee
            && self.taint == other.taint
            && self.sources == other.sources
            && self.path == other.path
            && self.place == other.place
            && self.bounded == other.bounded
            && self.typed == other.typed
            && self.derived == other.derived
            && self.vouched == other.vouched
            && one(self.object.as_ref(), other.object.as_ref())
            && one(self.flow.as_ref(), other.flow.as_ref())
            && one(self.shape.as_ref(), other.shape.as_ref())
            && match (&self.lit, &other.lit) {
                (Some(Lit::Str(a)), Some(Lit::Str(b))) => Arc::ptr_eq(a, b),
                (a, b) => a == b,
            }
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
        let own = if self.taint == 0 { None } else { self.flow.as_ref() };
        match self.object.as_ref().map(|o| o.summary()) {
            Some(inner) => (self.taint | inner.taint, self.sources | inner.sources, own.or(inner.flow.as_ref())),
            None => (self.taint, self.sources, own),
        }
    }
    /// Takes on the taint of another value.
    pub(crate) fn add_taint(&mut self, of: &Value) {
        let (taint, sources, flow) = of.deep();
        if taint != 0 {
            if self.flow.is_none() || harm(taint, sources) > harm(self.taint, self.sources) {
                self.flow = flow.cloned();
            }
            // Vouched for is what somebody vouched for in each part.
            let inner = of.object.as_ref().map_or(0, |o| o.summary().taint);
            let vouched = of.vouched & !(inner & !of.vouched);
            self.vouched = (self.vouched | !self.taint) & (vouched | !taint) & (self.taint | taint);
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

    /// Remembers that this was computed from `of`; a guard on this says nothing of that.
    pub(crate) fn derive(&mut self, of: &Value) {
        self.derive_for(of, 0);
    }
    /// Remembers that this is another form of `of`: a guard on it decides about that as well.
    pub(crate) fn derive_same(&mut self, of: &Value) {
        self.derive_for(of, !0);
    }
    /// Remembers that this was computed from `of`, and for which kinds a guard on it decides about that.
    pub(crate) fn derive_for(&mut self, of: &Value, decides: SinkBits) {
        for (p, inner) in std::iter::once((of.place, !0)).chain(of.derived.iter().copied()) {
            self.add_derived(p, inner & decides);
        }
    }
    /// Remembers a place that this was computed from; see [`Value::derived`].
    pub(crate) fn add_derived(&mut self, place: Sym, decides: SinkBits) {
        if place.is_empty() {
            return;
        }
        if let Some(known) = self.derived.iter_mut().find(|d| d.0 == place) {
            known.1 |= decides;
        } else if self.derived.len() < 6 {
            self.derived.push((place, decides));
        }
    }
    /// Somebody unseen has vouched for it.
    pub(crate) fn doubt_less(&mut self, bits: SinkBits) {
        self.vouched |= bits & self.taint;
    }
    /// Truthiness in languages where an empty container is false, and whether there is anything in one elsewhere.
    pub(crate) fn fills(&self) -> Option<bool> {
        self.truth().or_else(|| {
            let o = self.object.as_ref().filter(|o| o.class.is_none() && o.rest.is_none() && self.taint == 0)?;
            match &o.list {
                Some(list) => Some(!list.is_empty()),
                None => o.closed.then_some(!o.fields.is_empty()),
            }
        })
    }
    /// What one of two values may be.
    pub(crate) fn join(&self, other: &Value) -> Value {
        Joiner::default().values(self, other)
    }
}

/// How much harm a taint does: of several flows, the one that is kept leads to the worst.
fn harm(taint: SinkBits, sources: SourceBits) -> (bool, u32) {
    (taint != 0 && sources & !DOUBTFUL != 0, taint.count_ones())
}

/// Joins values. Objects that are shared are joined once, and a join has an end: what lies behind it is the first of the two
/// with the taint of both.
#[derive(Default)]
pub(crate) struct Joiner {
    /// By address; the objects are kept along, so that no other gets theirs.
    memo: FxHashMap<(*const Object, *const Object), [Arc<Object>; 3]>,
    objects: usize,
}

/// One join looks into at most this many pairs of objects.
const MAX_JOINED: usize = 2_000;

impl Joiner {
    /// What one of two values may be.
    pub(crate) fn values(&mut self, a: &Value, b: &Value) -> Value {
        let (better, other) = if harm(b.taint, b.sources) > harm(a.taint, a.sources) { (b, a) } else { (a, b) };
        let flow = better.flow.clone().or_else(|| other.flow.clone());
        let mut derived = a.derived.clone();
        // A guard on either may be about what only one was made of: it decides what it decides for both.
        for d in &mut derived {
            d.1 &= b.derived.iter().find(|o| o.0 == d.0).map_or(if b.place == d.0 { !0 } else { 0 }, |o| o.1);
        }
        for (p, _) in &b.derived {
            if derived.len() < 6 && !derived.iter().any(|d| d.0 == *p) {
                derived.push((*p, 0));
            }
        }
        let mut joined = Value {
            taint: a.taint | b.taint,
            sources: a.sources | b.sources,
            flow,
            lit: if a.lit == b.lit { a.lit.clone() } else { None },
            path: if a.path == b.path || b.lit.is_some() && b.path.is_empty() {
                a.path
            } else if a.lit.is_some() && a.path.is_empty() {
                b.path
            } else {
                Sym::default()
            },
            object: None,
            callee: match (&a.callee, &b.callee) {
                (Callee::None, c) => c.clone(),
                (c, _) => c.clone(),
            },
            shape: Shape::either(
                a.shape.as_ref(),
                b.shape.as_ref(),
                a.shape.is_none() && a.taint != 0 || b.shape.is_none() && b.taint != 0,
            ),
            place: if a.place == b.place { a.place } else { Sym::default() },
            derived,
            vouched: (a.vouched | !a.taint) & (b.vouched | !b.taint) & (a.taint | b.taint),
            bounded: a.bounded && b.bounded,
            typed: a.typed || b.typed,
        };
        joined.object = match (&a.object, &b.object) {
            (Some(x), Some(y)) if Arc::ptr_eq(x, y) => Some(x.clone()),
            (Some(x), Some(y)) if self.objects >= MAX_JOINED => {
                let (taint, sources) = (x.summary().taint | y.summary().taint, x.summary().sources | y.summary().sources);
                joined.flow = joined.flow.or_else(|| x.summary().flow.clone()).or_else(|| y.summary().flow.clone());
                (joined.taint, joined.sources) = (joined.taint | taint, joined.sources | sources);
                Some(x.clone())
            }
            (Some(x), Some(y)) => Some(self.objects(x, y)),
            (Some(x), None) | (None, Some(x)) => Some(x.clone()),
            (None, None) => None,
        };
        joined
    }

    fn objects(&mut self, a: &Arc<Object>, b: &Arc<Object>) -> Arc<Object> {
        let pair = (Arc::as_ptr(a), Arc::as_ptr(b));
        if let Some(known) = self.memo.get(&pair) {
            return known[2].clone();
        }
        self.objects += 1;
        work::spend(2);
        let joined = Arc::new(a.join(b, self));
        if joined.values().any(|v| v.object.is_some()) {
            self.memo.insert(pair, [a.clone(), b.clone(), joined.clone()]);
        }
        joined
    }
}
