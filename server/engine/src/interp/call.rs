//! Calls: roles of the callee's path (sinks, sources, sanitizers, routes, rules), project functions
//! followed in place, callbacks, and what an unknown call does to taint.

use super::{Callee, Effects, Env, Exit, Flow, Frame, FuncRef, Interp, Note, Object, Registration, Value, exec::U};
use crate::{
    ir::{Arg, ExprId, ExprKind, FuncId, Lit, ParamKind, Pattern, Span, Spread, Sym, Unit, sym},
    rules::{CallRoles, Destination, Models, Selector, SinkBits},
};
use rustc_hash::FxHashMap;
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// The path of the function a promise's executor is given.
const RESOLVE: &str = "(resolve)";

/// An evaluated argument.
#[derive(Clone)]
pub(super) struct ArgValue {
    pub name: Option<Sym>,
    pub value: Value,
    pub expr: ExprId,
    pub spread: bool,
    pub span: Span,
}

/// A call with everything conditions and rules ask about.
pub(super) struct CallSite<'s> {
    pub unit: U<'s>,
    pub args: &'s [ArgValue],
    pub receiver: Option<&'s Value>,
    pub receiver_expr: Option<ExprId>,
    pub path: Sym,
    pub span: Span,
}

impl CallSite<'_> {
    /// The argument a selector names.
    pub(super) fn select(&self, selector: &Selector) -> Option<&ArgValue> {
        match selector {
            Selector::Index(i) => self.args.iter().filter(|a| a.name.is_none() && !a.spread).nth(*i).or_else(|| {
                // `f(*args)`: any position may be in there.
                self.args.iter().find(|a| a.spread && a.name.is_none())
            }),
            Selector::Position(i) => self.args.iter().filter(|a| a.name.is_none() && !a.spread).nth(*i),
            Selector::Keyword(k) => self.args.iter().find(|a| a.name == Some(*k)),
            Selector::First(all) => all.iter().find_map(|s| self.select(s)),
            Selector::Callback => self.args.iter().rev().find(|a| matches!(a.value.callee, Callee::Func(_))),
            Selector::Any | Selector::Receiver | Selector::Value => None,
        }
    }
}

impl<'a> Interp<'a> {
    /// Roles of calling `path`; `*.name` roles apply when the receiver is not known.
    fn roles(&self, path: Sym, name: Sym, receiver: Option<&Value>) -> SmallRoles<'a> {
        let models: &'a Models = self.setup.models;
        let mut out = SmallRoles::default();
        if !path.is_empty() {
            if let Some(r) = models.calls.get(&path) {
                out.push(r);
            } else if let Some((head, _)) = path.rsplit_once('.')
                && let Some(head) = Sym::existing(head)
                && let Some(r) = models.call_prefixes.get(&head)
            {
                out.push(r);
            }
        }
        if out.is_empty()
            && receiver.is_some_and(is_unknown)
            && let Some(r) = models.methods.get(&name)
        {
            out.push(r);
        }
        out
    }

    pub(super) fn call(&mut self, u: U<'_>, id: ExprId, callee: ExprId, args: &[Arg], construct: bool) -> Value {
        let span = u.expr(id).span;
        let pos = self.pos(span);
        let (receiver, function, name, receiver_expr) = match &u.expr(callee).kind {
            ExprKind::Member { object, name } => {
                let r = self.expr(u, *object);
                let f = self.member_value(&r, *name, self.pos(u.expr(callee).span));
                (Some(r), f, *name, Some(*object))
            }
            ExprKind::Name(n) => (None, self.expr(u, callee), *n, None),
            _ => (None, self.expr(u, callee), Sym::default(), None),
        };
        let function = self.force(&function);
        let args: Vec<ArgValue> = args
            .iter()
            .map(|a| ArgValue { name: a.name, value: self.expr(u, a.value), expr: a.value, spread: a.spread != Spread::No, span: a.span })
            .collect();
        let path = if function.path.is_empty() && function.callee_is_none() && receiver.is_none() { name } else { function.path };
        let roles = self.roles(path, name, receiver.as_ref());
        let site = CallSite {
            unit: u,
            args: &args,
            receiver: receiver.as_ref(),
            receiver_expr,
            path: if path.is_empty() { name } else { path },
            span,
        };

        let mut result = None;
        let mut registered = false;
        for r in roles.iter() {
            self.judge_call(&site, r);
            registered |= self.routes(&site, r, name);
            if result.is_none() {
                result = self.role_result(&site, r);
            }
            self.raising_guards(&site, r);
            self.states(&site, r);
        }
        self.propagate(&site, &roles);
        if let Some(r) = result {
            self.callbacks(&site, registered, &roles);
            return self.typed_result(path, name, construct, receiver.as_ref(), r, pos);
        }

        if let Some(v) = self.special_call(u, &function, receiver.as_ref(), name, path, &args, construct) {
            return v;
        }
        // Code of the project is followed.
        match &function.callee {
            Callee::Func(f) => {
                let f = f.clone();
                let effects = self.follow(&f, &args, Some(pos));
                self.apply_effects(&site, &effects);
                self.predicates.insert((Arc::as_ptr(u) as usize, id), effects.clone());
                let mut v = effects.value;
                v.place = Sym::default();
                for a in &args {
                    v.derive(&a.value);
                }
                return v;
            }
            Callee::Class(c) => {
                let c = c.clone();
                let mut this = self.instance(&c, None);
                let constructor = [sym("__init__"), sym("constructor")].into_iter().find_map(|n| {
                    let unit = c.unit.clone();

                    unit.class(c.class).methods.iter().copied().find(|m| unit.func(*m).name == Some(n))
                });
                if let Some(m) = constructor {
                    let f = Arc::new(FuncRef {
                        module: c.module,
                        item: c.item,
                        unit: c.unit.clone(),
                        func: m,
                        env: c.env.clone(),
                        this: Some(this.clone()),
                        class: Some(c.clone()),
                    });
                    if let Some(after) = self.construct(&f, &args, pos) {
                        this = after;
                    }
                } else {
                    // Data classes and models keep what they are given.
                    let mut object = this.object.as_deref().cloned().unwrap_or_default();
                    for a in &args {
                        match a.name {
                            Some(n) => object.set(super::Key::Str(n), a.value.clone()),
                            None => object.add(&a.value),
                        }
                    }
                    this.object = Some(Arc::new(object));
                }
                if let Some(n) = c.unit.class(c.class).name
                    && c.module == 0
                {
                    self.record.deps.insert(n);
                }
                return this;
            }
            _ => {}
        }

        self.callbacks(&site, registered, &roles);
        if let Some(r) = &receiver {
            if let Some(effect) = self.container_effect(name, &args)
                && let Some(object) = receiver_expr
            {
                let tracked = r.object.as_ref().is_some_and(|o| o.class.is_none())
                    || r.path.is_empty()
                    || matches!(r.path.as_str(), "Map" | "Set" | "dict()" | "list()" | "set()")
                    || r.path.starts_with("configparser.");
                if tracked && !registered {
                    let taint = match &effect {
                        super::strings::Effect::Remove(_) => self.native_method(r, name, &args).unwrap_or_default(),
                        _ => args.iter().fold(Value::default(), |mut v, a| {
                            v.add_taint(&a.value);
                            v
                        }),
                    };
                    self.update(u, object, 0, |o, _| effect.apply(o));
                    return taint;
                }
            }
            if (r.path.is_empty() || is_unknown(r) || r.object.is_some())
                && let Some(v) = self.native_method(r, name, &args)
            {
                return v;
            }
        } else if let Some(v) = self.native_function(path, &args, construct) {
            return v;
        }
        // An unknown call: the result may be made of anything that goes in.
        let mut v = Value::default();
        if let Some(r) = &receiver {
            v.add_taint(r);
        }
        for a in &args {
            v.add_taint(&a.value);
            // Something unknown was given the whole request: what comes back may be part of it.
            if self.setup.models.carriers.contains(&a.value.path) && v.taint == 0 {
                v.taint = self.all_bits();
                v.sources = self.param_source;
                v.flow = Some(Flow::then(None, pos, Note::Source(a.value.path)));
            }
        }
        v.taint &= !self.promised(name);
        self.typed_result(path, name, construct, receiver.as_ref(), v, pos)
    }

    /// What a function that cannot be looked into promises by its name: `sanitize_name(x)`, `escapeHtml(x)`.
    fn promised(&self, name: Sym) -> SinkBits {
        let (mut clean, mut escaped) = (false, false);
        for word in words(&name) {
            clean |= matches!(
                word.as_str(),
                "safe" | "safely" | "sanitize" | "sanitise" | "sanitized" | "sanitised" | "sanitizer" | "purify" | "purified"
            );
            escaped |= matches!(word.as_str(), "escape" | "escaped" | "esc");
        }
        let escapes = || ["html", "xml", "xpath", "ldap", "sql", "regex", "log"].iter().fold(0, |bits, kind| bits | self.sink_bit(kind));
        match (clean, escaped) {
            (true, _) => self.all_bits() & !self.sink_bit("size"),
            (_, true) => escapes(),
            _ => 0,
        }
    }

    /// Calls whose meaning is in the language, not in a library: promises, bound functions.
    #[allow(clippy::too_many_arguments)]
    fn special_call(
        &mut self,
        u: U<'_>,
        function: &Value,
        receiver: Option<&Value>,
        name: Sym,
        path: Sym,
        args: &[ArgValue],
        construct: bool,
    ) -> Option<Value> {
        if function.path == RESOLVE {
            let v = args.first().map(|a| a.value.clone()).unwrap_or_default();
            self.resolved.push(v);
            return Some(Value::default());
        }
        match (path.as_str(), name.as_str()) {
            ("Promise", _) if construct => {
                let Callee::Func(f) = &args.first()?.value.callee else { return None };
                let f = f.clone();
                let outer = std::mem::take(&mut self.resolved);
                self.run_callback(&f, vec![Value { typed: true, ..Value::path(sym(RESOLVE)) }, Value::default()]);
                let values = std::mem::replace(&mut self.resolved, outer);
                Some(values.into_iter().reduce(|a, b| a.join(&b)).unwrap_or_default())
            }
            ("Promise.all" | "Promise.allSettled" | "Promise.race" | "Promise.any" | "Promise.resolve" | "asyncio.gather", _) => {
                args.first().map(|a| a.value.clone())
            }
            ("util.promisify" | "promisify", _) => args.first().map(|a| a.value.clone()),
            (_, "bind") if receiver.is_some_and(|r| !r.path.is_empty() || !r.callee_is_none()) => receiver.cloned(),
            (_, "call" | "apply") if receiver.is_some_and(|r| matches!(r.callee, Callee::Func(_))) => {
                let Callee::Func(f) = &receiver?.callee else { return None };
                let f = f.clone();
                let at = self.pos(args.first().map_or(Span::default(), |a| a.span));
                let _ = u;
                Some(self.follow(&f, args.get(1..).unwrap_or_default(), Some(at)).value)
            }
            // What a promise was resolved with is what its reader gets.
            (_, "then") if matches!(args.first().map(|a| &a.value.callee), Some(Callee::Func(_))) => {
                let Callee::Func(f) = &args.first()?.value.callee else { return None };
                let f = f.clone();
                let mut given = receiver.cloned().unwrap_or_default();
                given.place = Sym::default();
                let effects =
                    self.follow(&f, &[ArgValue { name: None, value: given, expr: args[0].expr, spread: false, span: args[0].span }], None);
                Some(effects.value)
            }
            _ => None,
        }
    }

    /// Gives a call's result its path.
    fn typed_result(&mut self, path: Sym, name: Sym, construct: bool, receiver: Option<&Value>, mut v: Value, pos: super::Pos) -> Value {
        let models = self.setup.models;
        if let Some((t, entry)) = models.returns.get(&path) {
            self.setup.rules.used(*entry);
            v.path = *t;
            v.typed = true;
        } else if let Some((t, entry)) = receiver.filter(|r| is_unknown(r)).and_then(|_| models.method_returns.get(&name)) {
            self.setup.rules.used(*entry);
            v.path = *t;
            v.typed = true;
        } else if !path.is_empty() && v.path.is_empty() {
            let last = path.rsplit(['.', '/']).next().unwrap_or_default();
            if construct || last.starts_with(|c: char| c.is_ascii_uppercase()) {
                v.path = path;
                v.typed = true;
            } else {
                v.path = self.member_path(path, sym("()"));
            }
        }
        if v.taint == 0 { self.of_path(v, pos) } else { v }
    }

    /// What sources, sanitizers and special propagation make of a call; `None` = nothing of the kind.
    fn role_result(&mut self, site: &CallSite<'_>, r: &CallRoles) -> Option<Value> {
        let mut all = Value::default();
        if let Some(recv) = site.receiver {
            all.add_taint(recv);
        }
        for a in site.args {
            all.add_taint(&a.value);
        }
        for s in &r.sources {
            if s.argument.is_none() && self.holds(site, &s.when) {
                let mut v = Value { path: site.path, ..Value::default() };
                let pos = self.pos(site.span);
                self.enter(&mut v, s, pos);
                v.path = Sym::default();
                return Some(v);
            }
        }
        for s in &r.sanitizers {
            if !self.holds(site, &s.when) {
                continue;
            }
            let mut v = match &s.arg {
                None => all.clone(),
                Some(Selector::Receiver) => site.receiver.cloned().unwrap_or_default(),
                Some(sel) => site.select(sel).map(|a| a.value.clone()).unwrap_or_default(),
            };
            let (taint, sources, flow) = v.deep();
            let (taint, sources, flow) = (taint, sources, flow.cloned());
            v = Value { derived: v.derived.clone(), ..Value::default() };
            v.derive(&all);
            v.taint = taint & !s.clears;
            if v.taint != taint {
                self.setup.rules.used(s.entry);
            }
            if v.taint != 0 {
                v.sources = sources;
                v.flow = flow;
            }
            return Some(v);
        }
        if let Some(p) = r.propagates.iter().find(|p| matches!(p.to, Destination::None)) {
            if all.deep().0 != 0 {
                self.setup.rules.used(p.entry);
            }
            return Some(Value { derived: all.derived, ..Value::default() });
        }
        if let Some(p) = r.propagates.iter().find(|p| matches!(p.to, Destination::Result)) {
            let mut v = Value::default();
            match &p.from {
                Selector::Receiver => {
                    if let Some(recv) = site.receiver {
                        v.add_taint(recv);
                    }
                }
                Selector::Any => v = all,
                s => {
                    if let Some(a) = site.select(s) {
                        v = Value { path: Sym::default(), place: Sym::default(), ..a.value.clone() };
                        v.derive(&a.value);
                    }
                }
            }
            if v.deep().0 != 0 {
                self.setup.rules.used(p.entry);
            }
            return Some(v);
        }
        None
    }

    /// Taint that a call moves elsewhere: into its receiver or an argument; sources that fill an argument.
    fn propagate(&mut self, site: &CallSite<'_>, roles: &SmallRoles<'a>) {
        for r in roles.iter() {
            for p in &r.propagates {
                let from = match &p.from {
                    Selector::Receiver => site.receiver.cloned(),
                    Selector::Any => Some(site.args.iter().fold(Value::default(), |mut v, a| {
                        v.add_taint(&a.value);
                        v
                    })),
                    s => site.select(s).map(|a| a.value.clone()),
                };
                let Some(from) = from else { continue };
                let target = match p.to {
                    Destination::Receiver => site.receiver_expr,
                    Destination::Arg(i) => site.args.get(i).map(|a| a.expr),
                    _ => None,
                };
                if let Some(x) = target {
                    if from.deep().0 != 0 {
                        self.setup.rules.used(p.entry);
                    }
                    self.taint_place(site.unit, x, &from);
                }
            }
            for s in &r.sources {
                let Some(sel) = &s.argument else { continue };
                if !self.holds(site, &s.when) {
                    continue;
                }
                let Some(a) = site.select(sel) else { continue };
                let mut v = Value { path: site.path, ..Value::default() };
                let pos = self.pos(a.span);
                self.enter(&mut v, s, pos);
                if let Callee::Func(f) = &a.value.callee {
                    let f = f.clone();
                    let n = f.unit.func(f.func).params.len();
                    let args = vec![v; n.max(1)];
                    self.run_callback(&f, args);
                } else {
                    self.taint_place(site.unit, a.expr, &v);
                }
            }
        }
    }

    fn taint_place(&mut self, u: U<'_>, x: ExprId, from: &Value) {
        if let ExprKind::Name(name) = u.expr(x).kind
            && let Some(mut v) = self.env.get(name).cloned()
        {
            v.add_taint(from);
            v.lit = None;
            self.env.vars.insert(name, v);
            self.globals_dirty = true;
        }
    }

    /// Route registrations of a call; true when its functions are handlers.
    fn routes(&mut self, site: &CallSite<'_>, r: &CallRoles, name: Sym) -> bool {
        if r.routes.is_empty() {
            return false;
        }
        for route in &r.routes {
            let path =
                route.path_arg.as_ref().and_then(|s| site.select(s)).and_then(|a| a.value.as_str().map(str::to_string)).unwrap_or_default();
            let label = format!("{} {path}", name.to_uppercase());
            let mut functions: Vec<(Arc<FuncRef>, Span)> = Vec::new();
            let mut add = |v: &Value, span| {
                if let Callee::Func(f) = &v.callee {
                    functions.push((f.clone(), span));
                }
            };
            for a in site.args {
                let v = self.force(&a.value);
                add(&v, a.span);
                if let Some(o) = &v.object
                    && o.class.is_none()
                {
                    o.list.iter().flatten().chain(o.fields.iter().map(|f| &f.1)).for_each(|v| add(v, a.span));
                }
            }
            for (f, span) in functions {
                // Handlers wrapped around variables of a function are evaluated here, with those variables.
                if f.module == 0 && f.env.is_none() {
                    self.register(&f, route, label.clone(), site.span);
                } else if f.module == 0 {
                    self.setup.rules.used(route.entry);
                    let registration = Registration {
                        params: route.params.clone(),
                        tainted_params: route.tainted_params,
                        returns: route.returns,
                        label: label.clone(),
                    };
                    let handler = (f.item, f.func.0);
                    let pos = self.pos(span);
                    self.record.facts.routes.push(super::RouteFact { pos, handler });
                    self.route_marks(&label, pos, handler);
                    self.entry_nested(&f, &registration);
                }
            }
        }
        true
    }

    /// Function arguments of an unknown call run with what the call may hand them.
    fn callbacks(&mut self, site: &CallSite<'_>, registered: bool, roles: &SmallRoles<'a>) {
        if registered {
            return;
        }
        let takes = roles.iter().flat_map(|r| &r.propagates).find_map(|p| match p.to {
            Destination::Callback(i) => {
                self.setup.rules.used(p.entry);
                Some((i, p.from.clone()))
            }
            _ => None,
        });
        for a in site.args {
            let Callee::Func(f) = &a.value.callee else { continue };
            // A named function defined elsewhere is an entry point of its own.
            if !matches!(site.unit.expr(a.expr).kind, ExprKind::Func(_)) && !self.is_local(f) {
                continue;
            }
            let f = f.clone();
            let params = f.unit.func(f.func).params.len();
            let mut given = vec![Value::default(); params];
            if let Some((i, from)) = &takes {
                let v = match from {
                    Selector::Receiver => site.receiver.cloned(),
                    s => site.select(s).map(|a| a.value.clone()),
                };
                if let (Some(slot), Some(v)) = (given.get_mut(*i), v) {
                    *slot = v;
                }
            } else if let (Some(r), Some(slot)) = (site.receiver, given.first_mut()) {
                // `list.map(x => ..)`, `promise.then(x => ..)`: an element of the receiver.
                *slot = self.element(r);
                if r.object.is_none() && !r.path.is_empty() {
                    slot.path = r.path;
                }
            }
            self.run_callback(&f, given);
        }
    }

    fn is_local(&self, f: &FuncRef) -> bool {
        f.env.is_some()
    }

    /// Runs a callback in place: assignments to variables of the function around it stay visible.
    fn run_callback(&mut self, f: &Arc<FuncRef>, args: Vec<Value>) {
        let key = (Arc::as_ptr(&f.unit) as usize, f.func.0);
        if self.active.contains(&key) || self.call_depth >= super::MAX_CALL_DEPTH * 2 {
            return;
        }
        self.visited.insert(key);
        self.active.push(key);
        self.call_depth += 1;
        let unit = f.unit.clone();
        let func = unit.func(f.func);
        let outer = self.env.clone();
        let env = Env { parent: Some(Arc::new(outer)), ..Env::default() };
        let frame = Frame { name: func.name.or(self.frame.name), class: self.frame.class, is_entry: true, ..Frame::default() };
        let ((), _, after) = self.inside(f.module, f.item, frame, env, |me| {
            me.bind_params(&unit, f.func, &args, None);
            me.block(&unit, &func.body);
        });
        // What the callback put into outer variables: keep what it wrote.
        for (name, value) in after.vars {
            if self.env.get(name).is_some() && !func.params.iter().any(|p| p.name == Some(name)) && assigns(&unit, &func.body, name) {
                let joined = self.env.get(name).map(|old| old.join(&value)).unwrap_or(value);
                self.env.vars.insert(name, joined);
            }
        }
        self.call_depth -= 1;
        self.active.pop();
    }

    /// Calls that change what kind of object their receiver is.
    fn states(&mut self, site: &CallSite<'_>, r: &CallRoles) {
        for s in &r.states {
            if self.holds(site, &s.when)
                && let Some(x) = site.receiver_expr
                && let ExprKind::Name(name) = site.unit.expr(x).kind
                && let Some(v) = self.env.vars.get_mut(&name)
            {
                self.setup.rules.used(s.entry);
                v.path = s.ty;
                v.typed = true;
            }
        }
    }

    fn raising_guards(&mut self, site: &CallSite<'_>, r: &CallRoles) {
        for g in r.guards.iter().filter(|g| g.raises) {
            if !self.holds(site, &g.when) {
                continue;
            }
            let v = match &g.arg {
                Selector::Receiver => site.receiver.cloned(),
                s => site.select(s).map(|a| a.value.clone()),
            };
            if let Some(v) = v {
                self.clear_value(&v, g.clears);
            }
        }
    }

    /// Whether control goes on after an expression statement with this value.
    pub(super) fn never_returns(&self, value: &Value) -> bool {
        matches!(value.path.as_str(), "sys.exit()" | "exit()" | "quit()" | "flask.abort()" | "process.exit()" | "os._exit()" | "os.abort()")
    }

    // ---- following project functions -------------------------------------------------------

    /// Evaluates a project function with these arguments.
    pub(super) fn follow(&mut self, f: &Arc<FuncRef>, args: &[ArgValue], at: Option<super::Pos>) -> Effects {
        let key = (Arc::as_ptr(&f.unit) as usize, f.func.0);
        let unit = f.unit.clone();
        let func = unit.func(f.func);
        if f.module == 0 && f.env.is_none() {
            let name = f.class.as_ref().and_then(|c| c.unit.class(c.class).name).or(func.name);
            if let Some(n) = name {
                self.record.deps.insert(n);
            }
        }
        let unknown = || {
            let mut v = Value::default();
            for a in args {
                v.add_taint(&a.value);
            }
            Effects { value: v, ..Effects::default() }
        };
        if self.call_depth >= super::MAX_CALL_DEPTH || self.active.contains(&key) {
            return unknown();
        }
        let memo = self.memo_key(f, args);
        if let Some(m) = memo
            && let Some((effects, deps)) = self.memo.get(&m)
        {
            self.record.deps.extend(deps.iter().copied());
            return effects.clone();
        }
        self.share_globals();
        self.visited.insert(key);
        self.active.push(key);
        self.call_depth += 1;
        let deps_before = memo.map(|_| std::mem::take(&mut self.record.deps));
        let values = self.arrange(&unit, f.func, args, at);
        let env = Env { parent: f.env.clone(), ..Env::default() };
        let frame = Frame { name: func.name, class: f.class.as_ref().and_then(|c| c.unit.class(c.class).name), ..Frame::default() };
        let ((), frame, after) = self.inside(f.module, f.item, frame, env, |me| {
            if let Some(this) = &f.this {
                me.env.vars.insert(sym("this"), this.clone());
            }
            me.bind_params(&unit, f.func, &values, f.this.as_ref());
            if me.block(&unit, &func.body) {
                let cleared = me.env.cleared.clone();
                me.frame.returns.push(Exit { value: Value::lit(Lit::Null), when_true: FxHashMap::default(), when_false: cleared });
            }
        });
        drop(after);
        self.call_depth -= 1;
        self.active.pop();
        let effects = summarise(&unit, f.func, frame.returns, f.this.is_some());
        if let (Some(m), Some(before)) = (memo, deps_before) {
            let deps = Arc::new(std::mem::replace(&mut self.record.deps, before));
            self.record.deps.extend(deps.iter().copied());
            if self.steps > 0 {
                self.memo.insert(m, (effects.clone(), deps));
            }
        }
        effects
    }

    /// Runs a constructor; the receiver afterwards.
    fn construct(&mut self, f: &Arc<FuncRef>, args: &[ArgValue], at: super::Pos) -> Option<Value> {
        let key = (Arc::as_ptr(&f.unit) as usize, f.func.0);
        if self.call_depth >= super::MAX_CALL_DEPTH || self.active.contains(&key) {
            return None;
        }
        self.share_globals();
        self.active.push(key);
        self.call_depth += 1;
        let unit = f.unit.clone();
        let func = unit.func(f.func);
        let values = self.arrange(&unit, f.func, args, Some(at));
        let receiver_name = receiver_name(&unit, f.func);
        let env = Env { parent: f.env.clone(), ..Env::default() };
        let frame = Frame { name: func.name, class: f.class.as_ref().and_then(|c| c.unit.class(c.class).name), ..Frame::default() };
        let ((), _, after) = self.inside(f.module, f.item, frame, env, |me| {
            if let Some(this) = &f.this {
                me.env.vars.insert(sym("this"), this.clone());
            }
            me.bind_params(&unit, f.func, &values, f.this.as_ref());
            me.block(&unit, &func.body);
        });
        self.call_depth -= 1;
        self.active.pop();
        after.vars.get(&receiver_name).cloned()
    }

    /// Evaluates an entry point: parameters are typed by the framework or unknown.
    pub(super) fn entry(&mut self, f: &Arc<FuncRef>) {
        let registration = self.registrations.get(&(f.item, f.func.0)).cloned();
        self.entry_with(f, registration.as_ref());
    }

    fn entry_nested(&mut self, f: &Arc<FuncRef>, registration: &Registration) {
        let env = self.env.clone();
        self.call_depth += 1;
        if self.call_depth < super::MAX_CALL_DEPTH * 2 {
            self.entry_with(f, Some(registration));
        }
        self.call_depth -= 1;
        self.env = env;
    }

    fn entry_with(&mut self, f: &Arc<FuncRef>, registration: Option<&Registration>) {
        let key = (Arc::as_ptr(&f.unit) as usize, f.func.0);
        if self.active.contains(&key) {
            return;
        }
        self.visited.insert(key);
        self.active.push(key);
        let unit = f.unit.clone();
        let func = unit.func(f.func);
        let handler = (f.item, f.func.0);
        let saved_route = self.record.route;
        if registration.is_some() {
            self.record.route = Some(handler);
        }
        let html = self.sink_bit("html");
        let frame = Frame {
            name: func.name,
            class: f.class.as_ref().and_then(|c| c.unit.class(c.class).name),
            is_entry: true,
            returns_sink: registration.and_then(|r| r.returns).filter(|b| *b != 0 || html != 0),
            ..Frame::default()
        };
        let env = Env { parent: f.env.clone(), ..Env::default() };
        let this = match (&f.this, &f.class) {
            (Some(_), Some(c)) => Some(self.receiver_of(c, f)),
            _ => None,
        };
        self.inside(f.module, f.item, frame, env, |me| {
            if let Some(t) = &this {
                me.env.vars.insert(sym("this"), t.clone());
            }
            me.bind_entry_params(&unit, f.func, registration, this.as_ref());
            me.block(&unit, &func.body);
        });
        self.active.pop();
        self.record.route = saved_route;
    }

    /// The receiver of an entry method: fields as the constructor leaves them.
    fn receiver_of(&mut self, class: &Arc<super::value::ClassRef>, f: &Arc<FuncRef>) -> Value {
        let this = self.instance(class, None);
        let unit = class.unit.clone();
        let constructor = unit
            .class(class.class)
            .methods
            .iter()
            .copied()
            .find(|m| unit.func(*m).name.is_some_and(|n| n == "__init__" || n == "constructor"));
        match constructor {
            Some(m) if m != f.func => {
                let init = Arc::new(FuncRef {
                    module: class.module,
                    item: class.item,
                    unit: unit.clone(),
                    func: m,
                    env: class.env.clone(),
                    this: Some(this.clone()),
                    class: Some(class.clone()),
                });
                let pos = self.pos(unit.func(m).name_span);
                self.construct(&init, &[], pos).unwrap_or(this)
            }
            _ => this,
        }
    }

    fn bind_entry_params(&mut self, u: U<'_>, id: FuncId, registration: Option<&Registration>, this: Option<&Value>) {
        let func = u.func(id);
        let names: Vec<Sym> = func.params.iter().filter_map(|p| p.name).collect();
        let skip = usize::from(this.is_some() && receiver_is_param(u, id));
        for (i, p) in func.params.iter().enumerate() {
            if i < skip {
                if let (Some(n), Some(t)) = (p.name, this) {
                    self.env.vars.insert(n, t.clone());
                }
                continue;
            }
            let pos = self.pos(p.span);
            let mut v = Value::default();
            let mut harmless = false;
            let mut injected = false;
            if let Some(t) = p.ty {
                self.apply_type(u, t, &mut v);
                harmless = self.harmless_type(u, t);
            }
            if let Some(d) = p.default {
                let d = self.expr(u, d);
                injected = d.path.ends_with("Depends") || d.path.ends_with("Security") || d.path.ends_with("BackgroundTasks");
                if v.path.is_empty() && !injected {
                    v.path = d.path;
                    v.typed = d.typed;
                }
            }
            for d in &p.decorators {
                let d = self.expr(u, *d);
                if v.path.is_empty() {
                    v.path = d.path;
                }
                if let Some(t) = d.path.strip_suffix("()") {
                    v.path = sym(t);
                }
            }
            if let Some(r) = registration {
                if let Some(t) = r.params.get(i - skip).filter(|t| !t.is_empty()) {
                    if v.path.is_empty() || !v.typed {
                        v.path = *t;
                        v.typed = true;
                    }
                } else if r.tainted_params && !(harmless || injected || v.typed && is_framework_type(v.path)) {
                    let request = self.setup.rules.source_kinds.iter().position(|k| *k == "request").map_or(0, |b| 1 << b);
                    v.taint = self.all_bits();
                    v.sources = request;
                    v.flow = Some(Flow::then(None, pos, Note::Source(p.name.unwrap_or_else(|| sym("parameter")))));
                }
            }
            if v.path.is_empty()
                && let Some(n) = p.name
            {
                let known = self.setup.models.params.iter().find(|t| t.name == n && t.with.iter().all(|w| names.contains(w)));
                if let Some(t) = known {
                    self.setup.rules.used(t.entry);
                    v.path = t.ty;
                    v.typed = true;
                }
            }
            if v.taint == 0 && self.param_source != 0 && !harmless && !v.typed && registration.is_none() && !is_request_like(p.name) {
                v.taint = self.all_bits();
                v.sources = self.param_source;
                v.flow = Some(Flow::then(None, pos, Note::Source(p.name.unwrap_or_else(|| sym("parameter")))));
            }
            v = self.of_path(v, pos);
            if p.kind == ParamKind::Rest {
                let mut o = Object::default();
                o.add(&v);
                v = Value { object: Some(Arc::new(o)), ..Value::default() };
            }
            self.bind_quietly(u, &p.pattern, v);
        }
    }

    /// Arguments in the order of the parameters.
    fn arrange(&mut self, u: &Arc<Unit>, id: FuncId, args: &[ArgValue], at: Option<super::Pos>) -> Vec<Value> {
        let func = u.func(id);
        let skip =
            usize::from(receiver_is_param(u, id) && func.params.first().and_then(|p| p.name).is_some_and(|n| n == "self" || n == "cls"));
        let mut out = vec![None; func.params.len()];
        let mut next = skip;
        let mut rest = Vec::new();
        for a in args {
            let mut v = a.value.clone();
            if v.taint != 0
                && let Some(pos) = at
            {
                v.flow = Some(Flow::then(
                    v.flow.as_ref(),
                    super::Pos { span: a.span, ..pos },
                    Note::Passed(func.name.unwrap_or_else(|| sym("function"))),
                ));
            }
            v.place = Sym::default();
            if let Some(name) = a.name {
                if let Some(i) = func.params.iter().position(|p| p.name == Some(name)) {
                    out[i] = Some(v);
                } else {
                    rest.push(v);
                }
                continue;
            }
            if a.spread {
                let e = self.element(&v);
                for slot in out.iter_mut().skip(next).filter(|s| s.is_none()) {
                    *slot = Some(e.clone());
                }
                continue;
            }
            match func.params.get(next) {
                Some(p) if p.kind == ParamKind::Normal => {
                    out[next] = Some(v);
                    next += 1;
                }
                _ => rest.push(v),
            }
        }
        for (slot, p) in out.iter_mut().zip(&func.params) {
            if p.kind == ParamKind::Rest || p.kind == ParamKind::KeywordRest {
                *slot = Some(Value::list(rest.clone()));
            }
        }
        out.into_iter()
            .zip(&func.params)
            .map(|(v, p)| {
                v.unwrap_or_else(|| if p.default.is_some() { Value { lit: Some(Lit::Null), ..Value::default() } } else { Value::default() })
            })
            .collect()
    }

    fn bind_params(&mut self, u: &Arc<Unit>, id: FuncId, values: &[Value], this: Option<&Value>) {
        let func = u.func(id);
        let skip = usize::from(this.is_some() && receiver_is_param(u, id));
        for (i, p) in func.params.iter().enumerate() {
            if i < skip {
                if let (Some(n), Some(t)) = (p.name, this) {
                    self.env.vars.insert(n, t.clone());
                }
                continue;
            }
            let mut v = values.get(i).cloned().unwrap_or_default();
            if let (Some(d), true) = (p.default, v.lit == Some(Lit::Null)) {
                v = self.expr(u, d);
            }
            if let Some(t) = p.ty {
                self.apply_type(u, t, &mut v);
            }
            self.bind_quietly(u, &p.pattern, v);
        }
    }

    /// Binds a parameter: no rule speaks about it.
    fn bind_quietly(&mut self, u: &Arc<Unit>, pattern: &Pattern, mut v: Value) {
        if let Pattern::Name(n, _) = pattern {
            v.place = Sym::default();
            self.env.vars.insert(*n, v);
        } else {
            self.bind(u, pattern, v, None);
        }
    }

    fn memo_key(&self, f: &FuncRef, args: &[ArgValue]) -> Option<u64> {
        if f.env.is_some()
            || f.this.as_ref().is_some_and(|t| t.object.as_ref().is_some_and(|o| !o.fields.is_empty()))
            || self.modules[f.module as usize].state != super::Evaluated::Done
        {
            return None;
        }
        let mut h = rustc_hash::FxHasher::default();
        (Arc::as_ptr(&f.unit) as usize, f.func.0, self.record.route).hash(&mut h);
        for a in args {
            let v = &a.value;
            if v.object.is_some() || !v.callee_is_none() || v.shape.is_some() {
                return None;
            }
            // Flows differ by call: each tainted argument is its own.
            (a.name, v.taint, v.sources, v.path, v.flow.as_ref().map(|f| Arc::as_ptr(f) as usize), v.bounded).hash(&mut h);
            match &v.lit {
                Some(Lit::Str(s)) => s.hash(&mut h),
                Some(Lit::Int(i)) => i.hash(&mut h),
                Some(Lit::Bool(b)) => b.hash(&mut h),
                Some(Lit::Float(x)) => x.to_bits().hash(&mut h),
                Some(Lit::Null) => 7u8.hash(&mut h),
                None => {}
            }
        }
        Some(h.finish())
    }

    /// What a followed call tells about its arguments.
    fn apply_effects(&mut self, site: &CallSite<'_>, effects: &Effects) {
        for (i, bits) in &effects.cleared {
            if let Some(a) = site.args.iter().filter(|a| a.name.is_none()).nth(*i) {
                self.clear_value(&a.value.clone(), *bits);
            }
        }
    }

    /// Functions found while the roots ran that nothing called: evaluated with unknown parameters.
    pub(crate) fn was_visited(&self, f: &FuncRef) -> bool {
        self.visited.contains(&(Arc::as_ptr(&f.unit) as usize, f.func.0))
    }

    /// Functions of the language itself.
    fn native_function(&mut self, path: Sym, args: &[ArgValue], _construct: bool) -> Option<Value> {
        let first = args.first().map(|a| &a.value);
        Some(match path.as_str() {
            "str" | "String" | "bytes" | "repr" | "list" | "tuple" | "sorted" | "reversed" | "set" | "Array.from" | "Object.values"
            | "frozenset" | "Object.freeze" | "iter" | "next" => {
                let v = first.cloned().unwrap_or_else(|| match path.as_str() {
                    "list" | "set" | "tuple" => Value::list(Vec::new()),
                    _ => Value::default(),
                });
                let derived = v.derived.clone();
                let mut out = Value { place: Sym::default(), path: if v.typed { Sym::default() } else { v.path }, derived, ..v.clone() };
                out.derive(&v);
                out
            }
            "dict" | "Object.assign" => {
                let mut object = Object { closed: true, ..Object::default() };
                for a in args {
                    match a.name {
                        Some(n) if !a.spread => object.set(super::Key::Str(n), a.value.clone()),
                        _ => super::strings::Effect::Extend(a.value.clone()).apply(&mut object),
                    }
                }
                Value { object: Some(Arc::new(object)), ..Value::default() }
            }
            "getattr" => {
                let name = args.get(1)?.value.as_str().map(sym)?;
                let owner = first?.clone();
                self.member_value(&owner, name, super::Pos { module: self.module, item: self.item, span: Span::default() })
            }
            "min" | "Math.min" => {
                let mut v = args.iter().fold(Value::default(), |mut v, a| {
                    v.add_taint(&a.value);
                    v
                });
                v.taint &= !self.size_bit();
                v.bounded = true;
                v
            }
            "isinstance" | "hasattr" | "callable" | "Array.isArray" | "Number.isInteger" | "isNaN" | "Number.isFinite" | "Number.isNaN"
            | "bool" | "Boolean" => {
                let mut v = Value::default();
                for a in args {
                    v.derive(&a.value);
                }
                v
            }
            "len" => {
                let mut v = Value::default();
                if let Some(a) = first {
                    v.derive(a);
                }
                v
            }
            _ => return None,
        })
    }
}

/// One or no entry: a path has one table of roles.
#[derive(Default)]
pub(super) struct SmallRoles<'a>(Option<&'a CallRoles>);

impl<'a> SmallRoles<'a> {
    fn push(&mut self, r: &'a CallRoles) {
        self.0 = Some(r);
    }
    fn is_empty(&self) -> bool {
        self.0.is_none()
    }
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a CallRoles> + use<'a> {
        self.0.into_iter()
    }
}

/// Nothing certain is known of what kind of object this is: not an import, an instance or a declared type.
/// Data from outside is never an object of a library, whatever it was read from.
pub(super) fn is_unknown(v: &Value) -> bool {
    v.path.is_empty() || !v.typed || v.taint != 0 || v.path.starts_with('.')
}

/// Parameters typed by a framework object are not data.
fn is_framework_type(path: Sym) -> bool {
    path.contains("Request")
        || path.contains("Response")
        || path.contains("Session")
        || path.contains("BackgroundTasks")
        || path.contains("Connection")
}

/// Names that stand for framework objects rather than data.
fn is_request_like(name: Option<Sym>) -> bool {
    name.is_some_and(|n| {
        matches!(
            n.as_str(),
            "self"
                | "cls"
                | "this"
                | "next"
                | "done"
                | "callback"
                | "cb"
                | "app"
                | "db"
                | "conn"
                | "cursor"
                | "session"
                | "logger"
                | "request"
                | "req"
                | "res"
                | "response"
                | "reply"
                | "ctx"
        )
    })
}

fn receiver_is_param(u: &Unit, id: FuncId) -> bool {
    u.func(id).params.first().and_then(|p| p.name).is_some_and(|n| n == "self" || n == "cls")
}

fn receiver_name(u: &Unit, id: FuncId) -> Sym {
    if receiver_is_param(u, id) { u.func(id).params[0].name.unwrap_or_default() } else { sym("this") }
}

/// Whether the statements assign this variable (not as a declaration of their own parameters).
fn assigns(u: &Unit, body: &[crate::ir::Stmt], name: Sym) -> bool {
    use crate::ir::StmtKind as K;
    body.iter().any(|s| match &s.kind {
        K::Assign { target, .. } => targets(target, name),
        K::If { then, other, .. } => assigns(u, then, name) || assigns(u, other, name),
        K::Loop { body, other, .. } => assigns(u, body, name) || assigns(u, other, name),
        K::Try { body, handlers, other, finally } => {
            assigns(u, body, name)
                || handlers.iter().any(|h| assigns(u, &h.body, name))
                || assigns(u, other, name)
                || assigns(u, finally, name)
        }
        K::Block(b) => assigns(u, b, name),
        // `list.push(x)` and the like.
        K::Expr(_) => true,
        _ => false,
    })
}

fn targets(p: &Pattern, name: Sym) -> bool {
    match p {
        Pattern::Name(n, _) => *n == name,
        Pattern::Member { .. } | Pattern::Index { .. } => true,
        Pattern::List(ps) => ps.iter().any(|p| targets(p, name)),
        Pattern::Map(ps) => ps.iter().any(|p| targets(&p.1, name)),
        Pattern::Default(p, _) | Pattern::Rest(p) => targets(p, name),
        Pattern::Ignore => false,
    }
}

/// Joins the ways out of a function.
fn summarise(u: &Unit, id: FuncId, exits: Vec<Exit>, bound: bool) -> Effects {
    let func = u.func(id);
    let skip = usize::from(
        bound && receiver_is_param(u, id) || func.params.first().and_then(|p| p.name).is_some_and(|n| n == "self" || n == "cls"),
    );
    let params: Vec<(usize, Sym)> = func.params.iter().enumerate().skip(skip).filter_map(|(i, p)| Some((i - skip, p.name?))).collect();
    let mut effects = Effects::default();
    if exits.is_empty() {
        return effects;
    }
    let meet = |maps: &mut dyn Iterator<Item = &FxHashMap<Sym, SinkBits>>| -> Vec<(usize, SinkBits)> {
        let maps: Vec<_> = maps.collect();
        if maps.is_empty() {
            return Vec::new();
        }
        params
            .iter()
            .map(|(i, name)| (*i, maps.iter().map(|m| m.get(name).copied().unwrap_or(0)).fold(!0, |a, b| a & b)))
            .filter(|(_, bits)| *bits != 0)
            .collect()
    };
    let truthy = |e: &&Exit| e.value.truth() != Some(false);
    let falsy = |e: &&Exit| e.value.truth() != Some(true);
    effects.when_true = meet(&mut exits.iter().filter(truthy).map(|e| &e.when_true));
    effects.when_false = meet(&mut exits.iter().filter(falsy).map(|e| &e.when_false));
    // Cleared whatever the result: what every exit has cleared.
    effects.cleared = effects
        .when_true
        .iter()
        .filter_map(|(i, t)| effects.when_false.iter().find(|(j, _)| i == j).map(|(_, f)| (*i, t & f)))
        .filter(|(_, b)| *b != 0)
        .collect();
    if exits.iter().all(|e| e.value.truth() == Some(true)) {
        effects.cleared.clone_from(&effects.when_true);
    } else if exits.iter().all(|e| e.value.truth() == Some(false)) {
        effects.cleared.clone_from(&effects.when_false);
    }
    let mut values = exits.into_iter().map(|e| e.value);
    if let Some(first) = values.next() {
        // A null beside a real value is an early way out.
        effects.value = values.fold(first, |a, b| {
            if a.lit == Some(Lit::Null) && b.lit != Some(Lit::Null) {
                b
            } else if b.lit == Some(Lit::Null) {
                a
            } else {
                a.join(&b)
            }
        });
    }
    effects
}

/// The words of a name, in lower case: `get_safe_value` and `getSafeValue` have three.
fn words(name: &str) -> impl Iterator<Item = String> + '_ {
    let mut start = 0;
    let mut ends: Vec<std::ops::Range<usize>> = Vec::new();
    let mut lower = false;
    for (i, c) in name.char_indices() {
        if c == '_' || c == '$' {
            ends.push(start..i);
            start = i + 1;
        } else if c.is_uppercase() && lower {
            ends.push(start..i);
            start = i;
        }
        lower = c.is_lowercase();
    }
    ends.push(start..name.len());
    ends.into_iter().map(|r| name[r].to_lowercase())
}
