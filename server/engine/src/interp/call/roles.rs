//! What models say of a call: sources, sanitizers, propagation, routes, states of the receiver, guards that raise.

use super::site::{CallSite, SmallRoles};
use crate::{
    interp::{Callee, FuncRef, Interp, Registration, RouteFact, Value, exec::U},
    ir::{ExprId, ExprKind, Span, Sym},
    rules::{CallRoles, Destination, Selector},
};
use std::sync::Arc;

impl<'a> Interp<'a> {
    /// What sources, sanitizers and special propagation make of a call; `None` = nothing of the kind.
    pub(in crate::interp) fn role_result(&mut self, site: &CallSite<'_>, r: &CallRoles) -> Option<Value> {
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
                v.derive(&all);
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
            // A constant is kept as well: a pattern that was compiled.
            if v.deep().0 != 0 || v.lit.is_some() {
                self.setup.rules.used(p.entry);
            }
            return Some(v);
        }
        None
    }

    /// Taint that a call moves elsewhere: into its receiver or an argument; sources that fill an argument.
    pub(in crate::interp) fn propagate(&mut self, site: &CallSite<'_>, roles: &SmallRoles<'a>) {
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

    pub(in crate::interp) fn taint_place(&mut self, u: U<'_>, x: ExprId, from: &Value) {
        if let ExprKind::Name(name) = u.expr(x).kind
            && let Some(mut v) = self.env.get(name).cloned()
        {
            v.add_taint(from);
            v.lit = None;
            self.env.set(name, v);
            self.globals_dirty = true;
        }
    }

    /// Route registrations of a call; true when its functions are handlers.
    pub(in crate::interp) fn routes(&mut self, site: &CallSite<'_>, r: &CallRoles, name: Sym) -> bool {
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
                    let registration = Registration::of(route, label.clone());
                    let handler = (f.item, f.func.0);
                    let pos = self.pos(span);
                    self.record.facts.routes.push(RouteFact { pos, handler });
                    self.route_marks(&label, pos, handler);
                    self.entry_nested(&f, &registration);
                }
            }
        }
        true
    }

    /// Calls that change what kind of object their receiver is.
    pub(in crate::interp) fn states(&mut self, site: &CallSite<'_>, r: &CallRoles) {
        for s in &r.states {
            if self.holds(site, &s.when)
                && let Some(x) = site.receiver_expr
                && let ExprKind::Name(name) = site.unit.expr(x).kind
                && let Some(v) = self.env.own(name)
            {
                self.setup.rules.used(s.entry);
                let v = Value { path: s.ty, typed: true, ..v.clone() };
                self.env.set(name, v);
            }
        }
    }

    pub(in crate::interp) fn raising_guards(&mut self, site: &CallSite<'_>, r: &CallRoles) {
        for g in r.guards.iter().filter(|g| g.raises) {
            if !self.holds(site, &g.when) {
                continue;
            }
            let v = match &g.arg {
                Selector::Receiver => site.receiver.cloned(),
                s => site.select(s).map(|a| a.value.clone()),
            };
            if let Some(v) = v {
                if v.deep().0 & g.clears != 0 {
                    self.setup.rules.used(g.entry);
                }
                self.clear_value(&v, g.clears);
            }
        }
    }
}
