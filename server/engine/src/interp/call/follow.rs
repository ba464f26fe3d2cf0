//! Code of the project is followed: functions, constructors and callbacks, and what a call of them does beyond its value.

use super::{
    bind::{receiver_is_param, receiver_name},
    site::{ArgValue, CallSite, SmallRoles},
};
use crate::{
    interp::{Callee, Effects, Env, Evaluated, Exit, Frame, FuncRef, Interp, Key, Learned, MAX_CALL_DEPTH, Pos, Root, Value},
    ir::{ExprId, ExprKind, FuncId, Lit, Sym, Unit, sym},
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

    /// The variables around a function that is called now: as they are, if they are those of the function that goes on.
    fn around(&mut self, f: &FuncRef) -> Env {
        let around = if f.env.is_some() && f.frame == self.frame.id { Some(Arc::new(self.env.fork())) } else { f.env.clone() };
        Env::inside(around)
    }

    /// Runs a callback in place and gives what it returns; assignments to variables of the function around it stay visible.
    pub(in crate::interp) fn run_callback(&mut self, f: &Arc<FuncRef>, args: Vec<Value>) -> Value {
        let key = (Arc::as_ptr(&f.unit) as usize, f.func.0);
        if self.active.contains(&key) || self.call_depth >= MAX_CALL_DEPTH * 2 {
            return args.iter().fold(Value::default(), |mut v, a| {
                v.add_taint(a);
                v
            });
        }
        self.visited.insert(key);
        self.active.push(key);
        self.call_depth += 1;
        let unit = f.unit.clone();
        let func = unit.func(f.func);
        let env = self.around(f);
        let frame = Frame { name: func.name.or(self.frame.name), class: self.frame.class, is_entry: true, ..Frame::default() };
        let ((), frame, after) = self.inside(f.module, f.item, frame, env, |me| {
            if let Some(this) = &f.this {
                me.env.set(sym("this"), this.clone());
            }
            me.bind_params(&unit, f.func, &args, f.this.as_ref());
            if me.block(&unit, &func.body) {
                me.falls_out();
            }
        });
        // What the callback put into outer variables: keep what it wrote, if it ran.
        for name in frame.captured {
            if let (Some(old), Some(value)) = (self.env.get(name), after.own(name)) {
                let joined = old.join(value);
                self.write_captured(name, joined);
            }
        }
        self.call_depth -= 1;
        self.active.pop();
        let mut value = summarise(&unit, f.func, frame.returns, f.this.is_some(), &[]).value;
        value.derived.clear();
        value.place = Sym::default();
        value
    }

    /// Control comes out at the end of a function.
    fn falls_out(&mut self) {
        let cleared = self.env.cleared.clone();
        let writes = self.written();
        self.frame.returns.push(Exit { value: Value::lit(Lit::Null), when_true: FxHashMap::default(), when_false: cleared, writes });
    }

    fn write_captured(&mut self, name: Sym, value: Value) {
        if self.env.own(name).is_none() && !self.frame_is_top() {
            self.frame.captured.insert(name);
        }
        if !self.frame.rebound.contains(&name) {
            self.frame.touched.insert(name);
        }
        self.env.forget(name);
        self.env.set(name, value);
        self.globals_dirty = true;
    }

    /// What a function wrote into an argument or its receiver goes into the place that was given.
    fn write_back(&mut self, u: &Arc<Unit>, x: ExprId, value: Value) {
        match &u.expr(x).kind {
            ExprKind::Name(name) => {
                let Some(old) = self.env.get(*name) else { return };
                let (path, typed, callee, derived) = (old.path, old.typed, old.callee.clone(), old.derived.clone());
                self.write_captured(*name, Value { path, typed, callee, derived, place: Sym::default(), ..value });
            }
            ExprKind::Member { object, name } => {
                let object = *object;
                self.store(u, object, Some(Key::Str(*name)), Value { place: Sym::default(), ..value });
            }
            ExprKind::Await(x) => self.write_back(u, *x, value),
            _ => {}
        }
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
        let env = self.around(f);
        let frame = Frame { name: func.name, class: f.class.as_ref().and_then(|c| c.unit.class(c.class).name), ..Frame::default() };
        let ((), frame, _) = self.inside(f.module, f.item, frame, env, |me| {
            if let Some(this) = &f.this {
                me.env.set(sym("this"), this.clone());
            }
            me.bind_params(&unit, f.func, &values, f.this.as_ref());
            if me.block(&unit, &func.body) {
                me.falls_out();
            }
        });
        self.call_depth -= 1;
        self.active.pop();
        let captured: Vec<(Sym, Value)> =
            frame.captured.iter().filter_map(|n| Some((*n, self.env.get(*n).or_else(|| f.env.as_ref()?.get(*n))?.clone()))).collect();
        let entry = entry_values(&unit, f, &values, captured);
        let mut effects = summarise(&unit, f.func, frame.returns, f.this.is_some(), &entry);
        rebase(&mut effects.value, &unit, f.func, args);
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

    /// What a followed call tells about its arguments, and what it wrote into them.
    pub(in crate::interp) fn apply_effects(&mut self, site: &CallSite<'_>, effects: &Effects) {
        let argument = |i: usize, name: Sym| {
            let by_position = site.args.iter().filter(|a| a.name.is_none() && !a.spread).nth(i);
            by_position.or_else(|| site.args.iter().find(|a| a.name == Some(name)))
        };
        for learned in &effects.cleared {
            let Some(a) = argument(learned.param, learned.name) else { continue };
            if learned.part.is_empty() {
                self.clear_value(&a.value.clone(), learned.bits);
            } else if !a.value.place.is_empty() {
                self.env.clear(sym(&format!("{}{}", a.value.place, learned.part)), learned.bits);
            }
        }
        for (root, value) in &effects.writes {
            let place = match root {
                Root::Param(i, name) => argument(*i, *name).map(|a| a.expr),
                Root::Receiver => site.receiver_expr,
                Root::Captured(name) => {
                    if self.env.get(*name).is_some() {
                        self.write_captured(*name, value.clone());
                    }
                    None
                }
            };
            if let Some(x) = place {
                self.write_back(site.unit, x, value.clone());
            }
        }
    }

    /// Functions found while the roots ran that nothing called: evaluated with unknown parameters.
    pub(crate) fn was_visited(&self, f: &FuncRef) -> bool {
        self.visited.contains(&(Arc::as_ptr(&f.unit) as usize, f.func.0))
    }
}

/// What a function's parameters, its receiver and what it captured held when it was entered.
fn entry_values(u: &Unit, f: &FuncRef, values: &[Value], captured: Vec<(Sym, Value)>) -> Vec<(Sym, Value, Root)> {
    let func = u.func(f.func);
    let skip = usize::from(f.this.is_some() && receiver_is_param(u, f.func));
    let params = func.params.iter().zip(values).enumerate().skip(skip);
    let params = params.filter_map(|(i, (p, v))| Some((p.name?, v.clone(), Root::Param(i - skip, p.name?))));
    let this = f.this.iter().map(|t| (receiver_name(u, f.func), t.clone(), Root::Receiver));
    params.chain(this).chain(captured.into_iter().map(|(n, v)| (n, v, Root::Captured(n)))).collect()
}

/// A result is made of arguments, not of the parameters that stood for them inside.
fn rebase(value: &mut Value, u: &Unit, id: FuncId, args: &[ArgValue]) {
    let func = u.func(id);
    let skip = usize::from(func.params.first().and_then(|p| p.name).is_some_and(|n| n == "self" || n == "cls"));
    let old = std::mem::take(&mut value.derived);
    let own = (value.place, !0);
    value.place = Sym::default();
    for (place, decides) in old.into_iter().chain([own]).filter(|d| !d.0.is_empty()) {
        let Some(i) = func.params.iter().skip(skip).position(|p| p.name == Some(place)) else { continue };
        let by_position = args.iter().filter(|a| a.name.is_none() && !a.spread).nth(i);
        if let Some(a) = by_position.or_else(|| args.iter().find(|a| a.name == Some(place))) {
            value.derive_for(&a.value, decides);
        }
    }
    for a in args {
        value.derive(&a.value);
    }
}

/// Joins the ways out of a function. `entry`: what held when it was entered.
fn summarise(u: &Unit, id: FuncId, exits: Vec<Exit>, bound: bool, entry: &[(Sym, Value, Root)]) -> Effects {
    let func = u.func(id);
    let skip = usize::from(
        bound && receiver_is_param(u, id) || func.params.first().and_then(|p| p.name).is_some_and(|n| n == "self" || n == "cls"),
    );
    let params: Vec<(usize, Sym)> = func.params.iter().enumerate().skip(skip).filter_map(|(i, p)| Some((i - skip, p.name?))).collect();
    let mut effects = Effects::default();
    if exits.is_empty() {
        return effects;
    }
    let meet = |maps: &mut dyn Iterator<Item = &FxHashMap<Sym, SinkBits>>| -> Vec<Learned> {
        let Some(mut sure) = maps.next().cloned() else { return Vec::new() };
        for map in maps {
            sure.retain(|place, bits| {
                *bits &= map.get(place).copied().unwrap_or(0);
                *bits != 0
            });
        }
        let mut list: Vec<_> = sure.into_iter().collect();
        list.sort_unstable();
        let learned = list.into_iter().filter_map(|(place, bits)| {
            let root = place.split(['.', '#']).next()?;
            let (param, name) = *params.iter().find(|(_, name)| name.as_str() == root)?;
            Some(Learned { param, name, part: sym(&place[root.len()..]), bits })
        });
        learned.collect()
    };
    let truthy = |e: &&Exit| e.value.fills() != Some(false);
    let falsy = |e: &&Exit| e.value.fills() != Some(true);
    effects.when_true = meet(&mut exits.iter().filter(truthy).map(|e| &e.when_true));
    effects.when_false = meet(&mut exits.iter().filter(falsy).map(|e| &e.when_false));
    // Whatever the result: what every exit has cleared.
    effects.cleared = if exits.iter().all(|e| e.value.fills() == Some(true)) {
        effects.when_true.clone()
    } else if exits.iter().all(|e| e.value.fills() == Some(false)) {
        effects.when_false.clone()
    } else {
        let both = |t: &Learned| {
            let f = effects.when_false.iter().find(|f| (f.param, f.part) == (t.param, t.part))?;
            Some(Learned { bits: t.bits & f.bits, ..t.clone() }).filter(|l| l.bits != 0)
        };
        effects.when_true.iter().filter_map(both).collect()
    };
    for (name, before, root) in entry {
        if !exits.iter().any(|e| e.writes.iter().any(|w| w.0 == *name)) {
            continue;
        }
        let ways = exits.iter().map(|e| e.writes.iter().find(|w| w.0 == *name).map_or(before, |w| &w.1));
        let mut value: Option<Value> = None;
        for way in ways {
            value = Some(value.map_or_else(|| way.clone(), |v| v.join(way)));
        }
        effects.writes.extend(value.map(|v| (*root, v)));
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
