//! Code of the project is followed: functions, constructors and callbacks, and what a call of them does beyond its value.

use super::{
    bind::{receiver_is_param, receiver_name},
    site::{ArgValue, CallSite, SmallRoles},
};
use crate::{
    interp::{Callee, Effects, Env, Evaluated, Exit, Frame, FuncRef, Interp, MAX_CALL_DEPTH, Pos, Value},
    ir::{ExprKind, FuncId, Lit, Pattern, Stmt, StmtKind, Sym, Unit, sym},
    rules::{Destination, Selector, SinkBits},
};
use rustc_hash::FxHashMap;
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

impl<'a> Interp<'a> {
    /// Function arguments of an unknown call run with what the call may hand them.
    pub(in crate::interp) fn callbacks(&mut self, site: &CallSite<'_>, registered: bool, roles: &SmallRoles<'a>) {
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

    pub(in crate::interp) fn is_local(&self, f: &FuncRef) -> bool {
        f.env.is_some()
    }

    /// Runs a callback in place: assignments to variables of the function around it stay visible.
    pub(in crate::interp) fn run_callback(&mut self, f: &Arc<FuncRef>, args: Vec<Value>) {
        let key = (Arc::as_ptr(&f.unit) as usize, f.func.0);
        if self.active.contains(&key) || self.call_depth >= MAX_CALL_DEPTH * 2 {
            return;
        }
        self.visited.insert(key);
        self.active.push(key);
        self.call_depth += 1;
        let unit = f.unit.clone();
        let func = unit.func(f.func);
        let env = Env::inside(Some(Arc::new(self.env.fork())));
        let frame = Frame { name: func.name.or(self.frame.name), class: self.frame.class, is_entry: true, ..Frame::default() };
        let ((), _, after) = self.inside(f.module, f.item, frame, env, |me| {
            me.bind_params(&unit, f.func, &args, None);
            me.block(&unit, &func.body);
        });
        // What the callback put into outer variables: keep what it wrote.
        for name in after.own_names() {
            if let (Some(old), Some(value)) = (self.env.get(name), after.own(name))
                && !func.params.iter().any(|p| p.name == Some(name))
                && assigns(&unit, &func.body, name)
            {
                let joined = old.join(value);
                self.env.set(name, joined);
            }
        }
        self.call_depth -= 1;
        self.active.pop();
    }

    /// Evaluates a project function with these arguments.
    pub(in crate::interp) fn follow(&mut self, f: &Arc<FuncRef>, args: &[ArgValue], at: Option<Pos>) -> Effects {
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
        if self.call_depth >= MAX_CALL_DEPTH || self.active.contains(&key) {
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
        let env = Env::inside(f.env.clone());
        let frame = Frame { name: func.name, class: f.class.as_ref().and_then(|c| c.unit.class(c.class).name), ..Frame::default() };
        let ((), frame, after) = self.inside(f.module, f.item, frame, env, |me| {
            if let Some(this) = &f.this {
                me.env.set(sym("this"), this.clone());
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
    pub(in crate::interp) fn construct(&mut self, f: &Arc<FuncRef>, args: &[ArgValue], at: Pos) -> Option<Value> {
        let key = (Arc::as_ptr(&f.unit) as usize, f.func.0);
        if self.call_depth >= MAX_CALL_DEPTH || self.active.contains(&key) {
            return None;
        }
        self.share_globals();
        self.active.push(key);
        self.call_depth += 1;
        let unit = f.unit.clone();
        let func = unit.func(f.func);
        let values = self.arrange(&unit, f.func, args, Some(at));
        let receiver_name = receiver_name(&unit, f.func);
        let env = Env::inside(f.env.clone());
        let frame = Frame { name: func.name, class: f.class.as_ref().and_then(|c| c.unit.class(c.class).name), ..Frame::default() };
        let ((), _, after) = self.inside(f.module, f.item, frame, env, |me| {
            if let Some(this) = &f.this {
                me.env.set(sym("this"), this.clone());
            }
            me.bind_params(&unit, f.func, &values, f.this.as_ref());
            me.block(&unit, &func.body);
        });
        self.call_depth -= 1;
        self.active.pop();
        after.own(receiver_name).cloned()
    }

    pub(in crate::interp) fn memo_key(&self, f: &FuncRef, args: &[ArgValue]) -> Option<u64> {
        if f.env.is_some()
            || f.this.as_ref().is_some_and(|t| t.object.as_ref().is_some_and(|o| !o.fields.is_empty()))
            || self.modules[f.module as usize].state != Evaluated::Done
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
    pub(in crate::interp) fn apply_effects(&mut self, site: &CallSite<'_>, effects: &Effects) {
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
}

/// Whether the statements assign this variable (not as a declaration of their own parameters).
fn assigns(u: &Unit, body: &[Stmt], name: Sym) -> bool {
    use StmtKind as K;
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
