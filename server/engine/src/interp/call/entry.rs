//! Entry points: functions that a framework or somebody unseen calls.

use super::bind::receiver_is_param;
use crate::{
    interp::{Env, Flow, Frame, FuncRef, Interp, MAX_CALL_DEPTH, Note, Object, Registration, Value, value::ClassRef},
    ir::{ParamKind, Pattern, Sym, sym},
};
use std::sync::Arc;

impl Interp<'_> {
    /// Evaluates an entry point: parameters are typed by the framework or unknown.
    pub(in crate::interp) fn entry(&mut self, f: &Arc<FuncRef>) {
        let registration = self.registrations.get(&(f.item, f.func.0)).cloned();
        self.entry_with(f, registration.as_ref());
    }

    pub(in crate::interp) fn entry_nested(&mut self, f: &Arc<FuncRef>, registration: &Registration) {
        let env = self.env.fork();
        self.call_depth += 1;
        if self.call_depth < MAX_CALL_DEPTH * 2 {
            self.entry_with(f, Some(registration));
        }
        self.call_depth -= 1;
        self.env = env;
    }

    pub(in crate::interp) fn entry_with(&mut self, f: &Arc<FuncRef>, registration: Option<&Registration>) {
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
        let env = Env::inside(f.env.clone());
        let this = match (&f.this, &f.class) {
            (Some(_), Some(c)) => Some(self.receiver_of(c, f)),
            _ => None,
        };
        self.inside(f.module, f.item, frame, env, |me| {
            if let Some(t) = &this {
                me.env.set(sym("this"), t.clone());
            }
            me.bind_entry_params(f, registration, this.as_ref());
            me.block(&unit, &func.body);
        });
        self.active.pop();
        self.record.route = saved_route;
    }

    /// All who call this function of the analysed file are seen: its parameters are what they hand it.
    pub(crate) fn is_called(&self, f: &FuncRef) -> bool {
        let Some(name) = f.unit.func(f.func).name.filter(|_| f.module == 0 && f.env.is_none() && !self.called.is_empty()) else {
            return false;
        };
        match f.class {
            Some(_) => Sym::existing(&format!(".{name}")).is_some_and(|n| self.called.contains(&n)),
            None => self.called.contains(&name),
        }
    }

    /// The receiver of an entry method: fields as the constructor leaves them.
    pub(in crate::interp) fn receiver_of(&mut self, class: &Arc<ClassRef>, f: &Arc<FuncRef>) -> Value {
        let this = self.instance(class);
        let unit = class.unit.clone();
        let constructor = unit
            .class(class.class)
            .methods
            .iter()
            .copied()
            .find(|m| unit.func(*m).name.is_some_and(|n| n == "__init__" || n == "constructor"));
        match constructor {
            Some(m) if m != f.func => {
                let init = Arc::new(FuncRef::method(class, m, Some(this.clone())));
                let pos = self.pos(unit.func(m).name_span);
                self.construct(&init, &[], pos).unwrap_or(this)
            }
            _ => this,
        }
    }

    pub(in crate::interp) fn bind_entry_params(&mut self, f: &FuncRef, registration: Option<&Registration>, this: Option<&Value>) {
        let (u, id) = (&f.unit, f.func);
        let called = self.is_called(f);
        let func = u.func(id);
        let names: Vec<Sym> = func.params.iter().filter_map(|p| p.name).collect();
        let skip = usize::from(this.is_some() && receiver_is_param(u, id));
        for (i, p) in func.params.iter().enumerate() {
            if i < skip {
                if let (Some(n), Some(t)) = (p.name, this) {
                    self.env.set(n, t.clone());
                }
                continue;
            }
            let pos = self.pos(if let Pattern::Name(_, name) = p.pattern { name } else { p.span });
            let mut v = Value::default();
            let mut declared = p.ty.map(|t| self.declared(u, t, 0)).unwrap_or_default();
            (v.path, v.typed) = (declared.path, !declared.path.is_empty());
            let mut injected = false;
            if let Some(x) = p.default {
                let d = self.expr(u, x);
                injected = self.is_injection(u, x);
                declared.keeps &= !self.constraint(u, x);
                if v.path.is_empty() && !injected {
                    (v.path, v.typed) = (d.path, d.typed);
                }
            }
            for x in &p.decorators {
                let d = self.expr(u, *x);
                declared.keeps &= !self.constraint(u, *x);
                let path = d.path.strip_suffix("()").map_or(d.path, sym);
                let enters = self.setup.models.members.get(&path).is_some_and(|r| !r.sources.is_empty());
                if v.path.is_empty() || enters && !declared.object {
                    v.path = path;
                }
            }
            let harmless = self.is_harmless(&declared);
            if let Some(r) = registration {
                if let Some(t) = r.params.get(i - skip).filter(|t| !t.is_empty()) {
                    if v.path.is_empty() || !v.typed || !self.setup.models.owners.contains(&v.path) {
                        v.path = *t;
                        v.typed = true;
                    }
                } else if r.tainted_params && !(harmless || injected || declared.object) {
                    let request = self.setup.rules.source_kinds.iter().position(|k| *k == "request").map_or(0, |b| 1 << b);
                    v.taint = self.all_bits();
                    v.sources = request;
                    v.flow = Some(Flow::then(None, pos, Note::Source(p.name.unwrap_or_else(|| sym("parameter")))));
                }
                if let Some(n) = p.name {
                    declared.keeps &= !r.cleared(n);
                }
            }
            let mut object = declared.object || declared.class.is_some();
            if v.path.is_empty()
                && let Some(n) = p.name
            {
                let mut known = self.setup.models.params.iter().filter(|t| t.name == n && t.with.iter().all(|w| names.contains(w)));
                if let Some(t) = known.clone().find(|t| !t.ty.is_empty()).or_else(|| known.next()) {
                    self.setup.rules.used(t.entry);
                    v.path = t.ty;
                    v.typed = !t.ty.is_empty();
                    object |= t.ty.is_empty();
                }
            }
            if v.taint == 0 && self.param_source != 0 && !(harmless || v.typed || object || called) && registration.is_none() {
                v.taint = self.all_bits();
                v.sources = self.param_source;
                v.flow = Some(Flow::then(None, pos, Note::Source(p.name.unwrap_or_else(|| sym("parameter")))));
            }
            v = self.of_path(v, pos);
            if harmless {
                v.clear(!0);
            }
            self.declare(&declared, &mut v);
            if p.kind == ParamKind::Rest {
                let mut o = Object::default();
                o.add(&v);
                v = Value { object: Some(Arc::new(o)), ..Value::default() };
            }
            self.bind_quietly(u, &p.pattern, v);
        }
    }
}
