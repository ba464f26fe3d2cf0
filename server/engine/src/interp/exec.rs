//! Statements.

use super::{Callee, EntryPoint, Env, Exit, Flow, FuncRef, Interp, Key, Note, Object, Registration, Value, value::ClassRef};
use crate::ir::{Case, ClassId, ExprId, ExprKind, FuncId, Handler, Lit, Pattern, Span, Stmt, StmtKind, Sym, Unit, sym};
use crate::rules::SinkBits;
use std::sync::Arc;

/// The last name of an assignment's target.
fn target_name(u: &Unit, target: &Pattern) -> Option<Sym> {
    match target {
        Pattern::Name(name, _) | Pattern::Member { name, .. } => Some(*name),
        Pattern::Index { index, .. } => match &u.expr(*index).kind {
            ExprKind::Lit(Lit::Str(s)) => Some(sym(s)),
            _ => None,
        },
        _ => None,
    }
}

/// How often a loop is gone round at most, by how many loops are around it: values move one variable further each time.
const ROUNDS: [u32; 3] = [4, 3, 2];

/// What decides how often a loop runs.
#[derive(Clone, Copy)]
struct LoopHead<'s> {
    binding: Option<&'s Pattern>,
    iter: Option<ExprId>,
    test: Option<ExprId>,
    test_last: bool,
}

/// A unit in evaluation.
pub(super) type U<'u> = &'u Arc<Unit>;

impl Interp<'_> {
    /// Runs statements; false when control never comes out at the end.
    pub(super) fn block(&mut self, u: U<'_>, stmts: &[Stmt]) -> bool {
        for s in stmts {
            if !self.step() {
                return true;
            }
            if !self.down() {
                return true;
            }
            let goes_on = self.statement(u, s);
            self.up();
            if !goes_on {
                return false;
            }
        }
        true
    }

    fn fork(&mut self, u: U<'_>, from: &mut Env, stmts: &[Stmt]) -> Option<Env> {
        self.env = from.fork();
        self.block(u, stmts).then(|| std::mem::take(&mut self.env))
    }

    /// Goes on with whatever came out of the branches; false when nothing did.
    fn merge(&mut self, outs: Vec<Env>) -> bool {
        match outs.into_iter().reduce(Env::join) {
            Some(env) => {
                self.env = env;
                true
            }
            None => false,
        }
    }

    fn statement(&mut self, u: U<'_>, s: &Stmt) -> bool {
        match &s.kind {
            StmtKind::Expr(x) => {
                let value = self.expr(u, *x);
                !self.never_returns(&value)
            }
            StmtKind::Assign { target, op, value, ty, declares } => {
                let outer = std::mem::replace(&mut self.frame.target, target_name(u, target));
                let mut v = self.expr(u, *value);
                self.frame.target = outer;
                if let Some(op) = op {
                    let old = self.read(u, target);
                    v = self.binary(*op, &old, &v);
                }
                if let Some(t) = ty {
                    self.apply_type(u, *t, &mut v);
                }
                if let (Pattern::Name(name, _), false) = (target, *declares) {
                    self.outer_write(*name);
                }
                self.bind(u, target, v, Some(*value));
                true
            }
            StmtKind::Declare { target, ty } => {
                let mut v = Value::default();
                if let Some(t) = ty {
                    self.apply_type(u, *t, &mut v);
                }
                if let (Pattern::Name(n, _), true) = (target, ty.is_some() || self.setup.language != crate::lang::Language::Python) {
                    self.bind_name(*n, v);
                }
                true
            }
            StmtKind::If { test, then, other } => self.branch(u, *test, then, other),
            StmtKind::Loop { binding, iter, test, test_last, body, other } => {
                let head = LoopHead { binding: binding.as_ref(), iter: *iter, test: *test, test_last: *test_last };
                self.run_loop(u, head, body, other)
            }
            StmtKind::Switch { subject, cases, fallthrough } => self.switch(u, *subject, cases, *fallthrough),
            StmtKind::Try { body, handlers, other, finally } => self.run_try(u, body, handlers, other, finally),
            StmtKind::Return(x) => {
                let value = x.map_or_else(|| Value::lit(Lit::Null), |x| self.expr(u, x));
                if let (Some(bits), Some(x)) = (self.frame.returns_sink, x) {
                    self.returned_to_client(u, *x, &value, bits);
                }
                self.record_exit(u, *x, value);
                false
            }
            StmtKind::Throw(x) => {
                if let Some(x) = x {
                    self.expr(u, *x);
                }
                false
            }
            StmtKind::Break | StmtKind::Continue => {
                let env = self.env.fork();
                self.frame.breaks.push(env);
                false
            }
            StmtKind::Assert(x) => {
                self.expr(u, *x);
                self.refine(u, *x, true);
                true
            }
            StmtKind::Func(id) => {
                let value = self.function_value(u, *id);
                self.define(u, *id, &value);
                if let Some(name) = u.func(*id).name {
                    self.bind_name(name, value);
                }
                true
            }
            StmtKind::Class(id) => {
                let value = self.class_value(u, *id, true);
                if let Some(name) = u.class(*id).name.filter(|n| !u.class(*id).is_type || self.names_type(*n)) {
                    self.bind_name(name, value);
                }
                true
            }
            StmtKind::Import { local, path, module, member } => {
                self.import(*local, *path, *module, *member);
                true
            }
            StmtKind::Export { name, value } => {
                let v = self.expr(u, *value);
                let module = self.module as usize;
                self.modules[module].exports.insert(*name, v);
                true
            }
            StmtKind::Global(names) => {
                self.frame.outer.extend(names.iter().copied());
                true
            }
            StmtKind::Delete(xs) => {
                for x in xs {
                    self.expr(u, *x);
                }
                true
            }
            StmtKind::Block(b) => self.block(u, b),
        }
    }

    fn branch(&mut self, u: U<'_>, test: ExprId, then: &[Stmt], other: &[Stmt]) -> bool {
        let t = self.expr(u, test);
        match t.truth() {
            Some(true) => return self.block(u, then),
            Some(false) => return self.block(u, other),
            None => {}
        }
        let before = self.env.fork();
        self.refine(u, test, true);
        let mut outs = Vec::with_capacity(2);
        if self.block(u, then) {
            outs.push(std::mem::take(&mut self.env));
        }
        self.env = before;
        self.refine(u, test, false);
        if self.block(u, other) {
            outs.push(std::mem::take(&mut self.env));
        }
        self.merge(outs)
    }

    fn run_loop(&mut self, u: U<'_>, head: LoopHead<'_>, body: &[Stmt], other: &[Stmt]) -> bool {
        let mut walked = Vec::new();
        let element = head.iter.map(|x| {
            let v = self.expr(u, x);
            let whole = v.derived.iter().filter(|d| d.1 != 0).map(|d| d.0);
            walked.extend(std::iter::once(v.place).chain(whole).filter(|p| !p.is_empty()));
            self.element(&v)
        });
        let before = self.env.fork();
        let saved = std::mem::take(&mut self.frame.breaks);
        self.frame.loops += 1;
        let rounds = ROUNDS.get(self.frame.loops as usize - 1).copied().unwrap_or(1);
        // What holds where a round begins: what came in, and what came round.
        let mut start = self.env.fork();
        let mut outs: Vec<Env> = Vec::new();
        let (mut endless, mut skipped) = (false, false);
        for round in 0..rounds {
            self.env = start.fork();
            if let (Some(t), true) = (head.test, round > 0 || !head.test_last) {
                let v = self.expr(u, t);
                if v.truth() == Some(false) {
                    skipped = round == 0;
                    break;
                }
                endless = v.truth() == Some(true);
                self.refine(u, t, true);
            }
            if let Some(p) = head.binding {
                self.bind(u, p, element.clone().unwrap_or_default(), head.iter);
            }
            outs.clear();
            if self.block(u, body) {
                outs.push(std::mem::take(&mut self.env));
            }
            outs.append(&mut self.frame.breaks);
            if round + 1 == rounds {
                break;
            }
            let next = outs.iter_mut().map(Env::fork).fold(start.fork(), Env::join);
            if !next.gained(&start) {
                break;
            }
            start = next;
        }
        self.frame.loops -= 1;
        self.frame.breaks = saved;
        if skipped {
            self.env = before;
            return self.block(u, other);
        }
        if endless && outs.is_empty() {
            return false;
        }
        // What every element passed, the whole has passed: `for c in text: if c not in ALLOWED: return`.
        let element = match head.binding {
            Some(Pattern::Name(name, _)) => outs.iter().map(|o| o.cleared(*name)).reduce(|a, b| a & b).unwrap_or(0),
            _ => 0,
        };
        let passed = |p: Sym| element | outs.iter().map(|o| o.cleared(p)).reduce(|a, b| a & b).unwrap_or(0);
        let passed: Vec<(Sym, SinkBits)> = walked.iter().map(|p| (*p, passed(*p))).filter(|(_, bits)| *bits != 0).collect();
        // Any other guard inside says nothing of what comes after a loop that may not run.
        if !head.test_last || outs.is_empty() {
            outs.push(before);
        }
        let alive = self.merge(outs);
        for (place, bits) in passed {
            self.env.clear(place, bits);
        }
        if alive && !other.is_empty() { self.block(u, other) } else { alive }
    }

    fn switch(&mut self, u: U<'_>, subject: ExprId, cases: &[Case], fallthrough: bool) -> bool {
        let v = self.expr(u, subject);
        let mut before = self.env.fork();
        let saved = std::mem::take(&mut self.frame.breaks);
        let mut outs = Vec::new();
        let mut total = false;
        let mut carried: Option<Env> = None;
        for case in cases {
            self.env = before.fork();
            let mut hit = case.tests.is_empty().then_some(true);
            if !case.tests.is_empty() {
                let mut all_constant = v.lit.is_some();
                for t in &case.tests {
                    let c = self.expr(u, *t);
                    match (&v.lit, &c.lit) {
                        (Some(a), Some(b)) if a == b => hit = Some(true),
                        (Some(_), Some(_)) => {}
                        _ => all_constant = false,
                    }
                }
                if hit.is_none() && all_constant {
                    hit = Some(false);
                }
                // The subject equals one of some constants here.
                self.clear_value(&v, self.all_bits());
            }
            total |= case.tests.is_empty();
            if hit == Some(false) && carried.is_none() {
                continue;
            }
            if let Some(c) = carried.take() {
                self.env = std::mem::take(&mut self.env).join(c);
            }
            if self.block(u, &case.body) {
                let env = std::mem::take(&mut self.env);
                if fallthrough {
                    carried = Some(env);
                } else {
                    outs.push(env);
                }
            }
            if hit == Some(true) && v.lit.is_some() && !case.tests.is_empty() && carried.is_none() {
                total = true;
                break;
            }
        }
        outs.extend(carried);
        outs.append(&mut self.frame.breaks);
        self.frame.breaks = saved;
        if !total {
            outs.push(before);
        }
        self.merge(outs)
    }

    fn run_try(&mut self, u: U<'_>, body: &[Stmt], handlers: &[Handler], other: &[Stmt], finally: &[Stmt]) -> bool {
        let mut before = self.env.fork();
        let mut done = self.fork(u, &mut before, body);
        // A handler may start after any statement of the body.
        let mut thrown = before.fork();
        if let Some(after) = &mut done {
            thrown = thrown.join(after.fork());
        }
        thrown.cleared.clone_from(&before.cleared);
        let mut outs = Vec::new();
        if let Some(mut after) = done
            && let Some(env) = self.fork(u, &mut after, other)
        {
            outs.push(env);
        }
        for h in handlers {
            self.env = thrown.fork();
            for t in &h.types {
                self.expr(u, *t);
            }
            if let Some(name) = h.name {
                let error = Value { path: sym("caught"), typed: true, ..Value::default() };
                let error = self.of_path(error, self.pos(h.span));
                self.bind_name(name, error);
            }
            if self.block(u, &h.body) {
                outs.push(std::mem::take(&mut self.env));
            }
        }
        let alive = self.merge(outs);
        if finally.is_empty() {
            return alive;
        }
        if !alive {
            self.env = thrown;
        }
        self.block(u, finally) && alive
    }

    /// A returned value, with what its truth says of the guarded places.
    fn record_exit(&mut self, u: U<'_>, x: Option<ExprId>, value: Value) {
        let here = self.env.cleared.clone();
        let answered = match x.map(|x| &u.expr(x).kind) {
            Some(ExprKind::Name(name)) => self.env.facts(*name).map(|f| (*f).clone()),
            Some(_) if value.truth().is_none() => x.filter(|x| self.is_test(u, *x)).map(|x| self.facts_of(u, x)),
            _ => None,
        };
        let with = |more: &[(Sym, SinkBits)]| {
            let mut all = here.clone();
            for (place, bits) in more {
                *all.entry(*place).or_insert(0) |= bits;
            }
            all
        };
        let (when_true, when_false) = match &answered {
            Some(facts) => (with(&facts.when_true), with(&facts.when_false)),
            None => (here.clone(), here),
        };
        let writes = self.written();
        self.frame.returns.push(Exit { value, when_true, when_false, writes });
    }

    /// What the function has changed so far that outlives it, by variable.
    pub(super) fn written(&self) -> Vec<(Sym, Value)> {
        let frame = &self.frame;
        let mut names: Vec<Sym> = frame.touched.iter().copied().collect();
        names.sort_unstable();
        names.into_iter().filter_map(|n| Some((n, self.env.own(n)?.clone()))).collect()
    }

    /// A variable is assigned that this function may not own.
    fn outer_write(&mut self, name: Sym) {
        if self.env.own(name).is_none() && !self.frame_is_top() && self.env.get(name).is_some() {
            self.frame.captured.insert(name);
            self.frame.touched.insert(name);
        }
    }

    // ---- functions and classes -------------------------------------------------------------

    /// A function as a value, bound to the variables around it.
    pub(super) fn function_value(&mut self, u: U<'_>, id: FuncId) -> Value {
        let nested = self.call_depth > 0 || !self.frame_is_top();
        let env = nested.then(|| Arc::new(self.env.fork()));
        let func = Arc::new(FuncRef::new(self.module, self.item, u.clone(), id, env, self.frame.id));
        Value { callee: Callee::Func(func), ..Value::default() }
    }

    pub(super) fn frame_is_top(&self) -> bool {
        self.frame.name.is_none() && !self.frame.is_entry && self.call_depth == 0
    }

    /// A definition runs: decorators may register it, and at the top level it is an entry point.
    fn define(&mut self, u: U<'_>, id: FuncId, value: &Value) {
        let Callee::Func(func) = &value.callee else { return };
        let f = u.func(id);
        self.define_marks(f.name, f.name_span);
        for d in &f.decorators {
            self.decorator(u, *d, func, f.name_span);
        }
        for p in &f.params {
            if let Some(d) = p.default {
                self.expr(u, d);
            }
        }
        self.add_root(func);
    }

    /// Registers a function as an entry point when it belongs to the analysed file.
    pub(super) fn add_root(&mut self, func: &Arc<FuncRef>) {
        if func.module == 0 && self.module == 0 && (self.at_top || self.frame.is_entry) {
            self.roots.push(EntryPoint { func: func.clone() });
        }
    }

    fn decorator(&mut self, u: U<'_>, x: ExprId, func: &Arc<FuncRef>, span: Span) {
        let (callee, args) = match &u.expr(x).kind {
            ExprKind::Call { callee, args, .. } => (*callee, args.as_slice()),
            _ => (x, &[][..]),
        };
        let value = self.expr(u, x);
        let target = if callee == x { value } else { self.expr(u, callee) };
        let Some(routes) = self.setup.models.decorators.get(&target.path) else {
            self.decorator_marks(target.path, u.expr(x).span);
            return;
        };
        self.decorator_marks(target.path, u.expr(x).span);
        for route in routes {
            let mut method = target.path.rsplit('.').next().unwrap_or_default().to_uppercase();
            let mut path = String::new();
            for a in args {
                let v = self.expr(u, a.value);
                let first = args.first().is_some_and(|f| std::ptr::eq(f, a));
                if a.name.is_some_and(|n| n == "methods") {
                    let methods: Vec<_> =
                        v.object.iter().flat_map(|o| o.list.iter().flatten()).filter_map(|m| m.as_str().map(str::to_uppercase)).collect();
                    method = methods.join("|");
                } else if first || a.name.is_some_and(|n| n == "path" || n == "rule") {
                    path = v.as_str().unwrap_or_default().to_string();
                }
            }
            self.register(func, route, format!("{method} {path}"), span);
        }
    }

    /// A framework will call this function.
    pub(super) fn register(&mut self, func: &Arc<FuncRef>, route: &crate::rules::Route, label: String, span: Span) {
        if func.module != 0 {
            return;
        }
        self.setup.rules.used(route.entry);
        let handler = (func.item, func.func.0);
        let pos = self.pos(span);
        self.record.facts.routes.push(super::RouteFact { pos, handler });
        self.route_marks(&label, pos, handler);
        let entry = self.registrations.entry(handler).or_default();
        if entry.label.is_empty() {
            *entry = Registration::of(route, label);
        }
        self.roots.push(EntryPoint { func: func.clone() });
    }

    /// A class as a value; `define` = the definition runs (methods become entry points).
    pub(super) fn class_value(&mut self, u: U<'_>, id: ClassId, define: bool) -> Value {
        let c = u.class(id);
        let mut bases: Vec<Value> = Vec::new();
        for b in c.bases.iter().filter(|_| define) {
            let base = self.expr(u, *b);
            bases.push(self.force(&base));
        }
        let nested = self.call_depth > 0 || !self.frame_is_top();
        let env = nested.then(|| Arc::new(self.env.fork()));
        let base_path = bases.iter().map(|b| b.path).find(|p| !p.is_empty()).unwrap_or_default();
        let class = Arc::new(ClassRef::new(self.module, self.item, u.clone(), id, env, bases));
        let value = Value { callee: Callee::Class(class.clone()), path: base_path, typed: !base_path.is_empty(), ..Value::default() };
        if !define {
            return value;
        }
        if !c.is_type {
            self.define_marks(c.name, c.name_span);
        }
        let mut prefixes = Vec::new();
        for d in &c.decorators {
            let v = self.expr(u, *d);
            self.decorator_marks(v.path, u.expr(*d).span);
            prefixes.push(v);
        }
        for f in &c.fields {
            if let Some(v) = f.value {
                let value = self.expr(u, v);
                self.assigned(u, Sym::default(), f.name, &value, v, f.span);
            }
        }
        self.block(u, &c.body);
        let this = self.instance(&class);
        for m in &c.methods {
            let f = u.func(*m);
            let bound = Arc::new(FuncRef::method(&class, *m, (!f.is_static).then(|| this.clone())));
            self.define_marks(f.name, f.name_span);
            for d in &f.decorators {
                self.decorator(u, *d, &bound, f.name_span);
            }
            self.add_root(&bound);
        }
        value
    }

    /// An instance of which nothing is known but its class: what a field's declaration says is looked at when the field is read, so
    /// that classes may name each other in any way.
    pub(super) fn instance(&mut self, class: &Arc<ClassRef>) -> Value {
        let base = class.bases.iter().map(|b| b.path).find(|p| !p.is_empty()).unwrap_or_default();
        let object = Object::instance(class.clone());
        Value { object: Some(Arc::new(object)), path: base, typed: !base.is_empty(), ..Value::default() }
    }

    // ---- binding ---------------------------------------------------------------------------

    pub(super) fn bind_name(&mut self, name: Sym, value: Value) {
        if self.frame.outer.contains(&name) {
            self.outer_write(name);
        } else if !self.frame.captured.contains(&name) {
            // The parameter is another thing from here on; what happens to it stays here.
            self.frame.touched.remove(&name);
            self.frame.rebound.insert(name);
        }
        self.env.forget(name);
        self.env.set(name, value);
        self.globals_dirty = true;
    }

    /// Binds a pattern. `from` is the expression the value came from, for reports.
    pub(super) fn bind(&mut self, u: U<'_>, pattern: &Pattern, mut value: Value, from: Option<ExprId>) {
        match pattern {
            Pattern::Name(name, span) => {
                if value.taint != 0 && !matches!(value.callee, Callee::Func(_)) {
                    let pos = self.pos(*span);
                    value.flow = Some(Flow::then(value.flow.as_ref(), pos, Note::Assigned(*name)));
                }
                if let Some(x) = from {
                    self.assigned(u, Sym::default(), *name, &value, x, *span);
                }
                // The variable is a place of its own, computed from where the value was read.
                let place = value.place;
                if place != *name {
                    value.add_derived(place, !0);
                }
                value.place = Sym::default();
                value.derived.retain(|p| p.0 != *name);
                let facts = match from {
                    Some(x) if value.lit.is_none() && self.is_test(u, x) => Some(self.facts_of(u, x)),
                    _ => None,
                };
                self.bind_name(*name, value);
                if let Some(facts) = facts.filter(|f| !f.speak_of(*name)) {
                    self.env.answer(*name, facts);
                }
            }
            Pattern::Member { object, name, span } => {
                let owner = self.expr(u, *object);
                let path = self.member_path(owner.path, *name);
                if let Some(x) = from {
                    self.assigned(u, path, *name, &value, x, *span);
                    self.assign_sinks(u, path, *name, &owner, &value, x, *span);
                }
                self.store(u, *object, Some(Key::Str(*name)), value);
            }
            Pattern::Index { object, index, span } => {
                let owner = self.expr(u, *object);
                let key = self.expr(u, *index);
                let name = key.as_str().map_or_else(|| sym("[]"), sym);
                let path = self.member_path(owner.path, name);
                if let Some(x) = from {
                    self.assigned(u, path, name, &value, x, *span);
                    let mut both = value.clone();
                    both.add_taint(&key);
                    self.assign_sinks(u, path, name, &owner, &both, x, *span);
                    self.dynamic_key(u, &owner, &key, *index, *span);
                }
                let key = self.key(&key);
                self.store(u, *object, key, value);
            }
            Pattern::List(parts) => {
                for (i, p) in parts.iter().enumerate() {
                    let part = match value.object.as_ref().and_then(|o| o.get(&Key::Int(i as i64))) {
                        Some(v) => v.clone(),
                        None => {
                            let mut v = self.element(&value);
                            if i == 0 && v.path.is_empty() {
                                v.path = value.path;
                            }
                            v
                        }
                    };
                    self.bind(u, p, part, None);
                }
            }
            Pattern::Map(parts) => {
                for (key, p) in parts {
                    let part = self.member_value(&value, *key, self.pos(Span::default()));
                    self.bind(u, p, part, None);
                }
            }
            Pattern::Default(p, x) => {
                let default = self.expr(u, *x);
                let v = if value.lit == Some(Lit::Null) { default } else { Value { lit: None, ..value } };
                self.bind(u, p, v, None);
            }
            Pattern::Rest(p) => {
                let v = Value { lit: None, place: Sym::default(), ..value };
                self.bind(u, p, v, None);
            }
            Pattern::Ignore => {}
        }
    }

    fn read(&mut self, u: U<'_>, pattern: &Pattern) -> Value {
        match pattern {
            Pattern::Name(name, _) => self.name(*name),
            Pattern::Member { object, name, span } => {
                let owner = self.expr(u, *object);
                self.member_value(&owner, *name, self.pos(*span))
            }
            Pattern::Index { object, index, span } => {
                let owner = self.expr(u, *object);
                let key = self.expr(u, *index);
                self.index_value(&owner, &key, self.pos(*span))
            }
            _ => Value::default(),
        }
    }

    /// Puts a value into the container at `place` (a variable or a chain of members of one).
    pub(super) fn store(&mut self, u: U<'_>, place: ExprId, key: Option<Key>, value: Value) {
        self.update(u, place, 0, |object, taint| match key {
            Some(k) => object.set(k, value),
            None => {
                let _ = taint;
                object.add(&value);
            }
        });
    }

    /// Changes the object at a place and writes it back through the chain of members.
    pub(super) fn update(&mut self, u: U<'_>, place: ExprId, depth: u32, change: impl FnOnce(&mut Object, &mut Value)) {
        self.update_boxed(u, place, depth, Box::new(change));
    }

    /// [`Self::update`] with one type for every depth: a generic closure would be instantiated without end.
    fn update_boxed(&mut self, u: U<'_>, place: ExprId, depth: u32, change: Box<dyn FnOnce(&mut Object, &mut Value) + '_>) {
        if depth > 6 {
            return;
        }
        match &u.expr(place).kind {
            ExprKind::Name(name) => {
                let mut value = self.name(*name);
                let mut object = value.object.as_deref().cloned().unwrap_or_default();
                change(&mut object, &mut value);
                value.object = Some(Arc::new(object));
                value.lit = None;
                value.place = Sym::default();
                if self.env.own(*name).is_some() || self.frame_is_top() {
                    self.globals_dirty = true;
                } else if self.env.get(*name).is_some() {
                    self.frame.captured.insert(*name);
                } else {
                    return;
                }
                if !self.frame.rebound.contains(name) {
                    self.frame.touched.insert(*name);
                }
                self.env.set(*name, value);
            }
            ExprKind::Member { object: owner, name } => {
                let (owner, name) = (*owner, *name);
                let base = self.expr(u, owner);
                let mut inner = self.member_value(&base, name, self.pos(Span::default()));
                let mut object = inner.object.as_deref().cloned().unwrap_or_default();
                change(&mut object, &mut inner);
                inner.object = Some(Arc::new(object));
                inner.place = Sym::default();
                self.update_boxed(u, owner, depth + 1, Box::new(|o, _| o.set(Key::Str(name), inner)));
            }
            ExprKind::Index { object: owner, index } => {
                let owner = *owner;
                let key = self.expr(u, *index);
                let key = self.key(&key);
                let mut object = Object::default();
                let mut inner = Value::default();
                change(&mut object, &mut inner);
                inner.object = Some(Arc::new(object));
                self.update_boxed(
                    u,
                    owner,
                    depth + 1,
                    Box::new(|o, _| match key {
                        Some(k) => o.set(k, inner),
                        None => o.add(&inner),
                    }),
                );
            }
            ExprKind::Await(x) => self.update_boxed(u, *x, depth + 1, change),
            _ => {}
        }
    }

    /// The container key a value is, if it is constant.
    pub(super) fn key(&self, value: &Value) -> Option<Key> {
        match &value.lit {
            Some(Lit::Str(s)) => Some(Key::Str(sym(s))),
            Some(Lit::Int(i)) => Some(Key::Int(*i)),
            _ => None,
        }
    }
}
