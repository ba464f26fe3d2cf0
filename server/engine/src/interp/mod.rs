//! The forward abstract interpreter. One pass over the IR computes taint, constants with dead branches,
//! string shapes, object fields and API access paths together; models and rules are looked up by path
//! wherever a call, a member or an assignment is evaluated.
//!
//! Bounded by construction: every statement and expression costs a step of a budget, calls into project
//! functions are followed to a fixed depth, and results for arguments already seen are remembered.

mod call;
mod condition;
mod declared;
mod exec;
mod expr;
mod guard;
mod member;
mod module;
mod record;
#[cfg(test)]
mod reveal;
mod schema;
mod strings;
mod value;

pub(crate) use module::unit_mutations;
pub(crate) use record::{Facts, Lean, MarkFact, RawFinding, RawStep, Record, RouteFact};
pub(crate) use value::{Answer, Callee, Env, Flow, FuncRef, Key, Note, Object, Pos, Shape, Value};

use crate::{
    analysis::{Limit, Limits, Module, Project},
    ir::{ExprId, Span, Sym, Unit, sym},
    lang::Language,
    rules::{Models, Pattern, Route, RuleSet, SinkBits, SourceBits},
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// Calls into project functions are followed this deep.
pub(crate) const MAX_CALL_DEPTH: u32 = 5;
/// Expressions, statements, calls and modules nest at most this deep altogether (the lowering is limited too; followed calls add up).
const MAX_DEPTH: u32 = 1_500;
/// Nothing is followed deeper when less than this is left of the stack, in bytes: the last resort, on threads smaller than
/// [`crate::STACK_SIZE`].
const MIN_STACK: usize = 512 << 10;
/// Modules that take part in a run.
const MAX_MODULES: usize = 200;
/// Steps for one entry point (a function, or the module's top level).
const ROOT_STEPS: u32 = 200_000;
/// Access paths longer than this are forgotten.
const MAX_PATH: usize = 160;

/// A module taking part in a run.
#[derive(Clone)]
pub(crate) struct ModuleState {
    pub path: Arc<str>,
    /// Item ids with their units, in order (module 0: unique ids, others: first bytes).
    pub items: Arc<[(u64, Arc<Unit>)]>,
    pub globals: Arc<Env>,
    /// JavaScript exports.
    pub exports: FxHashMap<Sym, Value>,
    /// Names of module level containers that functions change.
    pub mutated: FxHashSet<Sym>,
    pub state: Evaluated,
    /// Module the import named, for submodules.
    pub specifier: Sym,
    /// Marks its top level set (not for the analysed file).
    pub marks: Vec<Sym>,
    /// Imports that were looked up in it, each with the index of what was found if it takes part.
    pub imports: Vec<(Lean, Option<u32>)>,
}

/// How far a module's top level was evaluated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evaluated {
    Not,
    Running,
    Done,
}

/// What a framework says of a function it calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registration {
    pub params: Vec<Sym>,
    pub tainted_params: bool,
    pub returns: Option<SinkBits>,
    /// `METHOD /path`.
    pub label: String,
    /// See [`crate::rules::Route::placeholders`].
    pub placeholders: Arc<[(Pattern, SinkBits)]>,
}

impl Registration {
    /// What a route says, registered as `METHOD /path`.
    pub(crate) fn of(route: &Route, label: String) -> Self {
        let Route { params, tainted_params, returns, placeholders, .. } = route;
        Registration {
            params: params.clone(),
            tainted_params: *tainted_params,
            returns: *returns,
            label,
            placeholders: placeholders.clone(),
        }
    }

    /// What a parameter cannot be that is a part of the route's path.
    pub(crate) fn cleared(&self, param: Sym) -> SinkBits {
        self.placeholders.iter().fold(0, |bits, (pattern, clears)| {
            let named =
                |regex: &regex::Regex| regex.captures_iter(&self.label).any(|c| c.name("name").is_some_and(|n| *param == *n.as_str()));
            if pattern.regex().is_some_and(named) { bits | clears } else { bits }
        })
    }
}

/// An entry point that is evaluated after the top level.
pub(crate) struct EntryPoint {
    pub func: Arc<FuncRef>,
}

/// The state of the function being evaluated.
#[derive(Default)]
pub(crate) struct Frame {
    /// Tells it from all others of the run; 0: the top level.
    pub id: u32,
    /// `(value, what its truth clears, guards that hold at this point)`.
    pub returns: Vec<Exit>,
    pub breaks: Vec<Env>,
    /// Sink kind of returned strings.
    pub returns_sink: Option<SinkBits>,
    /// Name of the function.
    pub name: Option<Sym>,
    /// Name of its class.
    pub class: Option<Sym>,
    pub is_entry: bool,
    /// Name of what the value in evaluation is assigned to.
    pub target: Option<Sym>,
    /// Loops around the statement.
    pub loops: u32,
    /// Names that were declared to be those of an enclosing function.
    pub outer: FxHashSet<Sym>,
    /// Variables of enclosing functions that were assigned or changed.
    pub captured: FxHashSet<Sym>,
    /// Variables whose contents were changed: parameters (unless assigned anew) and captured ones.
    pub touched: FxHashSet<Sym>,
    /// Parameters and variables that were assigned here: they are not what the caller has.
    pub rebound: FxHashSet<Sym>,
}

/// One way out of a function.
pub(crate) struct Exit {
    pub value: Value,
    /// Places cleared when the returned value is truthy / falsy.
    pub when_true: FxHashMap<Sym, SinkBits>,
    pub when_false: FxHashMap<Sym, SinkBits>,
    /// What variables hold that were changed and outlive the function.
    pub writes: Vec<(Sym, Value)>,
}

/// What a call says of an argument.
#[derive(Clone, Debug)]
pub(crate) struct Learned {
    /// Index of the parameter, without the receiver.
    pub param: usize,
    /// Its name.
    pub name: Sym,
    /// The part of it: `.body.id`, or empty for the whole.
    pub part: Sym,
    pub bits: SinkBits,
}

/// What a function changes that outlives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// The argument for a parameter, by its index without the receiver, and its name.
    Param(usize, Sym),
    Receiver,
    /// A variable of an enclosing function.
    Captured(Sym),
}

/// What calling a project function with given arguments does, beyond its value.
#[derive(Clone, Default)]
pub(crate) struct Effects {
    pub value: Value,
    /// What holds on every normal return.
    pub cleared: Vec<Learned>,
    pub when_true: Vec<Learned>,
    pub when_false: Vec<Learned>,
    pub writes: Vec<(Root, Value)>,
}

/// What a run needs from outside.
pub(crate) struct Setup<'a> {
    pub rules: &'a RuleSet,
    pub models: &'a Models,
    pub project: &'a dyn Project,
    pub language: Language,
    pub path: &'a Arc<str>,
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// One run over one file.
pub(crate) struct Interp<'a> {
    pub(crate) setup: Setup<'a>,
    pub(crate) modules: Vec<ModuleState>,
    by_path: FxHashMap<Arc<str>, u32>,
    specifiers: FxHashMap<(u32, Sym), Option<u32>>,
    pub(crate) env: Env,
    pub(crate) module: u32,
    pub(crate) item: u64,
    pub(crate) frame: Frame,
    call_depth: u32,
    depth: u32,
    steps: u32,
    pub(crate) limits: Limits,
    /// Steps taken since the last record was handed over.
    taken: u64,
    /// Where findings, marks and dependencies go.
    pub(crate) record: Record,
    pub(crate) roots: Vec<EntryPoint>,
    pub(crate) registrations: FxHashMap<(u64, u32), Registration>,
    /// Functions that nobody calls but code of the file; see [`crate::callers`].
    pub(crate) called: FxHashSet<Sym>,
    /// Functions whose body was evaluated in place.
    visited: FxHashSet<(usize, u32)>,
    active: Vec<(usize, u32)>,
    /// Frames so far.
    frames: u32,
    /// What the promise being made was resolved with.
    resolved: Vec<Value>,
    memo: FxHashMap<u64, (Effects, Arc<FxHashSet<Sym>>)>,
    members: FxHashMap<(Sym, Sym), Sym>,
    /// Predicate effects of the calls evaluated last, by call expression, for conditions.
    predicates: FxHashMap<(usize, ExprId), Effects>,
    /// Top level of module 0 is running: functions found become roots.
    at_top: bool,
    /// Module-level variables changed since `globals` was last shared.
    globals_dirty: bool,
    pub(crate) param_source: SourceBits,
    pub(crate) stored_source: SourceBits,
    pub(crate) unknown_source: SourceBits,
    size_bit: SinkBits,
}

/// What evaluating a module's top level left behind, apart from what it found.
#[derive(Clone)]
pub(crate) struct Top {
    modules: Vec<ModuleState>,
    by_path: FxHashMap<Arc<str>, u32>,
    specifiers: FxHashMap<(u32, Sym), Option<u32>>,
    registrations: FxHashMap<(u64, u32), Registration>,
}

impl Top {
    /// The item of the analysed file that defines the function or class of this name, if the name is bound to one. `None`: it is
    /// not bound.
    pub(crate) fn defined_by(&self, name: Sym) -> Option<Option<u64>> {
        Some(match &self.modules.first()?.globals.get(name)?.callee {
            Callee::Func(f) if f.module == 0 => Some(f.item),
            Callee::Class(c) if c.module == 0 => Some(c.item),
            _ => None,
        })
    }
}

impl<'a> Interp<'a> {
    /// Goes on from a top level that was evaluated before.
    pub(crate) fn resume(setup: Setup<'a>, top: Top, mutated: FxHashSet<Sym>) -> Self {
        let mut interp = Self::new(setup, Vec::new(), FxHashSet::default());
        interp.modules = top.modules;
        interp.by_path = top.by_path;
        interp.specifiers = top.specifiers;
        interp.registrations = top.registrations;
        if let Some(main) = interp.modules.first_mut() {
            main.mutated = mutated;
        }
        interp
    }

    /// What the top level left, for a later run: call it right after the top level. `self` goes on with a share of it.
    pub(crate) fn top(&self) -> Top {
        Top {
            modules: self.modules.clone(),
            by_path: self.by_path.clone(),
            specifiers: self.specifiers.clone(),
            registrations: self.registrations.clone(),
        }
    }

    /// Evaluates items that only define things, on what the top level left.
    pub(crate) fn run_definitions(&mut self, items: &[(u64, Arc<Unit>)]) {
        self.refill();
        self.at_top = true;
        let base = self.modules[0].globals.clone();
        self.modules[0].state = Evaluated::Running;
        self.env = Env::inside(Some(base));
        for (item, unit) in items {
            self.item = *item;
            self.hoist(unit);
        }
        for (item, unit) in items {
            self.item = *item;
            self.block(unit, &unit.body);
        }
        self.modules[0].globals = Arc::new(std::mem::take(&mut self.env));
        self.modules[0].state = Evaluated::Done;
        self.at_top = false;
        self.globals_dirty = false;
    }

    /// The items of the file of which a function's body was evaluated.
    pub(crate) fn visited_items(&self) -> FxHashSet<u64> {
        let units: FxHashSet<usize> = self.visited.iter().map(|(unit, _)| *unit).collect();
        self.modules[0].items.iter().filter(|(_, unit)| units.contains(&(Arc::as_ptr(unit) as usize))).map(|(id, _)| *id).collect()
    }

    pub(crate) fn new(setup: Setup<'a>, items: Vec<(u64, Arc<Unit>)>, mutated: FxHashSet<Sym>) -> Self {
        let source = |name: &str| setup.rules.source_kinds.iter().position(|k| *k == name).map_or(0, |i| 1 << i);
        let sink = |name: &str| setup.rules.sink_kinds.iter().position(|k| *k == name).map_or(0, |i| 1 << i);
        let (param_source, stored_source, size_bit) = (source("param"), source("stored"), sink("size"));
        let unknown_source = source("unknown");
        let main = ModuleState {
            path: setup.path.clone(),
            mutated,
            items: items.into(),
            globals: Arc::default(),
            exports: FxHashMap::default(),
            state: Evaluated::Not,
            specifier: Sym::default(),
            marks: Vec::new(),
            imports: Vec::new(),
        };
        Interp {
            by_path: std::iter::once((setup.path.clone(), 0)).collect(),
            setup,
            modules: vec![main],
            specifiers: FxHashMap::default(),
            env: Env::default(),
            module: 0,
            item: 0,
            frame: Frame::default(),
            call_depth: 0,
            depth: 0,
            steps: ROOT_STEPS,
            limits: Limits::default(),
            taken: 0,
            record: Record::default(),
            roots: Vec::new(),
            registrations: FxHashMap::default(),
            called: FxHashSet::default(),
            visited: FxHashSet::default(),
            active: Vec::new(),
            frames: 0,
            resolved: Vec::new(),
            memo: FxHashMap::default(),
            members: FxHashMap::default(),
            predicates: FxHashMap::default(),
            at_top: false,
            globals_dirty: false,
            param_source,
            stored_source,
            unknown_source,
            size_bit,
        }
    }

    pub(crate) fn sink_bit(&self, kind: &str) -> SinkBits {
        self.setup.rules.sink_kinds.iter().position(|k| *k == kind).map_or(0, |i| 1 << i)
    }

    pub(crate) fn source_bit(&self, kind: &str) -> SourceBits {
        self.setup.rules.source_kinds.iter().position(|k| *k == kind).map_or(0, |i| 1 << i)
    }

    /// All sink kinds but resource consumption: what a value equal to a constant is harmless for.
    pub(crate) fn all_bits(&self) -> SinkBits {
        !0
    }

    /// Everything a check of form (not of size) clears.
    pub(crate) fn form_bits(&self) -> SinkBits {
        !self.size_bit
    }

    pub(crate) fn size_bit(&self) -> SinkBits {
        self.size_bit
    }

    pub(crate) fn pos(&self, span: Span) -> Pos {
        Pos { module: self.module, item: self.item, span }
    }

    /// Spends one step, and what values cost since the last one; false when the budget is gone.
    fn step(&mut self) -> bool {
        self.charge(1)
    }

    /// Spends some steps; false when the budget is gone.
    fn charge(&mut self, steps: u32) -> bool {
        let spent = steps.saturating_add(value::work::take());
        self.taken += u64::from(spent.min(self.steps));
        if self.steps <= spent {
            self.steps = 0;
            self.limits.add(Limit::Steps);
            return false;
        }
        if (self.steps - spent) >> 12 != self.steps >> 12 && (self.setup.cancelled)() {
            self.steps = 0;
            return false;
        }
        self.steps -= spent;
        true
    }

    /// Goes one level deeper, for whatever recurses on the input; false when that is too deep. Every true answer is followed by
    /// a [`Self::up`].
    fn down(&mut self) -> bool {
        // Asked for the stack now and then only: the levels between need far less than what is kept back.
        let stack = || stacker::remaining_stack().is_none_or(|left| left > MIN_STACK);
        if self.depth >= MAX_DEPTH || self.depth.is_multiple_of(4) && !stack() {
            self.limits.add(Limit::Depth);
            return false;
        }
        self.depth += 1;
        true
    }

    fn up(&mut self) {
        self.depth -= 1;
    }

    fn refill(&mut self) {
        value::work::take();
        self.steps = ROOT_STEPS;
    }

    /// Makes sense of itself again after a panic in the middle of an evaluation.
    pub(crate) fn recover(&mut self) {
        self.limits.add(Limit::Fault);
        self.env = Env::default();
        self.frame = Frame::default();
        (self.module, self.call_depth, self.depth) = (0, 0, 0);
        (self.at_top, self.globals_dirty) = (false, false);
        self.active.clear();
        self.resolved.clear();
        for module in &mut self.modules {
            if module.state == Evaluated::Running {
                module.state = Evaluated::Done;
            }
        }
    }

    /// `base.name` as an access path, aliases applied.
    pub(crate) fn member_path(&mut self, base: Sym, name: Sym) -> Sym {
        if base.is_empty() {
            return base;
        }
        if let Some(p) = self.members.get(&(base, name)) {
            return *p;
        }
        let path = if base.len() + name.len() + 1 > MAX_PATH {
            Sym::default()
        } else if name.starts_with('(') {
            sym(&format!("{base}{name}"))
        } else {
            self.alias(sym(&format!("{base}.{name}")))
        };
        self.members.insert((base, name), path);
        path
    }

    /// Applies aliases to a path, whole or prefix.
    pub(crate) fn alias(&self, path: Sym) -> Sym {
        let aliases = &self.setup.models.aliases;
        if aliases.is_empty() {
            return path;
        }
        if let Some((to, entry)) = aliases.get(&path) {
            self.setup.rules.used(*entry);
            return *to;
        }
        let text = path.as_str();
        let mut end = text.len();
        while let Some(dot) = text[..end].rfind('.') {
            if let Some((to, entry)) = Sym::existing(&text[..dot]).and_then(|p| aliases.get(&p)) {
                self.setup.rules.used(*entry);
                return sym(&format!("{to}{}", &text[dot..]));
            }
            end = dot;
        }
        path
    }

    /// Evaluates the module's top level, then every entry point of the items that `wanted` names.
    pub(crate) fn run_top(&mut self) {
        self.refill();
        self.at_top = true;
        self.evaluate_module(0);
        self.at_top = false;
    }

    /// Evaluates the project modules that the file imports; the marks their top levels set.
    pub(crate) fn imported_marks(&mut self) -> Vec<Sym> {
        let count = self.modules.len() as u32;
        let mut marks = Vec::new();
        for index in 1..count {
            self.refill();
            self.evaluate_module(index);
            marks.extend(self.modules[index as usize].marks.iter().copied());
        }
        marks
    }

    /// Forgets what entry points evaluated before left behind, so that results do not depend on their order.
    pub(crate) fn start_item(&mut self) -> Record {
        self.visited.clear();
        self.memo.clear();
        self.predicates.clear();
        self.roots.clear();
        let record = std::mem::take(&mut self.record);
        Record { steps: std::mem::take(&mut self.taken), leans: self.leans(&record.touched), ..record }
    }

    /// The look-ups behind these modules: how they are reached, and whatever they looked up themselves.
    fn leans(&self, touched: &FxHashSet<u32>) -> Vec<Lean> {
        let mut all = touched.clone();
        let mut at: Vec<u32> = touched.iter().copied().collect();
        while let Some(index) = at.pop() {
            let imports = self.modules.get(index as usize).into_iter().flat_map(|m| &m.imports);
            at.extend(imports.filter_map(|i| i.1).filter(|i| *i != 0 && all.insert(*i)));
        }
        let mut leans = Vec::new();
        for (index, module) in self.modules.iter().enumerate() {
            let within = all.contains(&(index as u32));
            leans.extend(module.imports.iter().filter(|(_, i)| within || i.is_some_and(|i| all.contains(&i))).map(|(l, _)| l.clone()));
        }
        leans
    }

    /// What the file itself imports, and what there is of it.
    pub(crate) fn imports(&self) -> Vec<Lean> {
        self.modules[0].imports.iter().map(|(l, _)| l.clone()).collect()
    }

    /// Evaluates one entry point with a fresh budget.
    pub(crate) fn run_root(&mut self, func: &Arc<FuncRef>) {
        self.refill();
        self.env = Env::default();
        self.call_depth = 0;
        self.depth = 0;
        self.active.clear();
        self.entry(func);
    }

    /// The models' view of a module: index of the project module an import names, if it is one.
    fn project_module(&mut self, specifier: Sym) -> Option<u32> {
        if let Some(known) = self.specifiers.get(&(self.module, specifier)) {
            return *known;
        }
        let from = self.modules[self.module as usize].path.clone();
        let mut found = self.setup.project.module(&from, &specifier, self.setup.language);
        let lean = Lean { from, specifier, found: found.as_ref().map(|m| (m.path.clone(), m.hash)) };
        if self.modules.len() >= MAX_MODULES && found.as_ref().is_some_and(|m| !self.by_path.contains_key(&m.path)) {
            self.limits.add(Limit::Modules);
            found = None;
        }
        let index = found.map(|m| self.add_module(&m, specifier));
        self.modules[self.module as usize].imports.push((lean, index));
        self.specifiers.insert((self.module, specifier), index);
        index
    }

    fn add_module(&mut self, module: &Arc<Module>, specifier: Sym) -> u32 {
        if let Some(i) = self.by_path.get(&module.path) {
            return *i;
        }
        let items: Vec<_> = module.items.iter().map(|(base, unit)| (*base as u64, unit.clone())).collect();
        let index = self.modules.len() as u32;
        self.modules.push(ModuleState {
            path: module.path.clone(),
            mutated: module::mutated(&items),
            items: items.into(),
            globals: Arc::default(),
            exports: FxHashMap::default(),
            state: Evaluated::Not,
            specifier,
            marks: Vec::new(),
            imports: Vec::new(),
        });
        self.by_path.insert(module.path.clone(), index);
        index
    }
}
