//! Calls: what a call means is asked of the models first (roles of the callee's path), then of the language, then of the code of
//! the project, which is followed; what an unknown call does to taint comes last.

mod bind;
mod builtin;
mod elements;
mod entry;
mod follow;
mod roles;
mod site;

pub(super) use site::{ArgValue, CallSite, is_unknown};

use super::{Callee, Flow, FuncRef, Interp, Note, Value, exec::U, strings};
use crate::{
    ir::{Arg, ExprId, ExprKind, Span, Spread, Sym, sym},
    rules::{EntryIx, Models, SinkBits},
};
use site::SmallRoles;
use std::sync::Arc;

/// The path of the function a promise's executor is given.
const RESOLVE: &str = "(resolve)";

/// The path of what something unknown made of a whole request.
const WRAPPED: &str = "(request)";

impl<'a> Interp<'a> {
    /// Roles of calling `path`; `*.name` roles apply when the receiver is not known.
    pub(in crate::interp) fn roles(&self, path: Sym, name: Sym, receiver: Option<&Value>) -> SmallRoles<'a> {
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

    pub(in crate::interp) fn call(&mut self, u: U<'_>, id: ExprId, callee: ExprId, args: &[Arg], construct: bool) -> Value {
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
        #[cfg(test)]
        if name == "reveal"
            && let ([a], 0) = (&args[..], self.module)
        {
            super::reveal::reveal(self, &a.value, self.item, span.start);
        }
        let path = if function.path.is_empty() && function.callee_is_none() && receiver.is_none() { name } else { function.path };
        let roles = self.roles(path, name, receiver.as_ref());
        let decides = self.setup.models.decides.get(&self.member_path(path, sym("()"))).copied();
        let site = CallSite {
            unit: u,
            args: &args,
            receiver: receiver.as_ref(),
            receiver_expr,
            path: if path.is_empty() { name } else { path },
            span,
            callee: u.expr(callee).span,
        };

        self.keywords(&site);
        let mut result = None;
        let mut registered = false;
        for r in roles.iter() {
            self.judge_call(&site, r);
            registered |= self.routes(&site, r, name);
            if result.is_none() {
                let schema = r.schemas.iter().find_map(|s| self.schema(&site, s));
                result = schema.or_else(|| self.role_result(&site, r));
            }
            self.raising_guards(&site, r);
            self.states(&site, r);
        }
        self.propagate(&site, &roles);
        if let Some(r) = result {
            self.callbacks(&site, registered, &roles);
            let mut r = self.typed_result(path, name, construct, receiver.as_ref(), r, pos);
            self.decide(&mut r, decides, receiver.as_ref(), &args);
            return r;
        }
        if let Some(v) = self.invoke(&site, &roles) {
            return v;
        }
        if let Some(v) = self.over_elements(&site, name, &function) {
            return v;
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
                return effects.value;
            }
            Callee::Class(c) => {
                let c = c.clone();
                if let Some(v) = self.chosen(&c, &args) {
                    return v;
                }
                let mut this = self.instance(&c);
                let constructor = [sym("__init__"), sym("constructor")].into_iter().find_map(|n| {
                    let unit = c.unit.clone();

                    unit.class(c.class).methods.iter().copied().find(|m| unit.func(*m).name == Some(n))
                });
                if let Some(m) = constructor {
                    let f = Arc::new(FuncRef::method(&c, m, Some(this.clone())));
                    if let Some(after) = self.construct(&f, &args, pos) {
                        this = after;
                    }
                } else {
                    this = self.new_record(&c, &args);
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
                        strings::Effect::Remove(_) => self.native_method(r, name, &args).unwrap_or_default(),
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
                v.flow = Some(Flow::then(None, self.pos(a.span), Note::Source(a.value.path)));
                let known = self.member_path(path, sym("()"));
                if !self.setup.models.owners.contains(&known) {
                    v.path = sym(WRAPPED);
                }
            }
        }
        // `wrapped.get_form_parameter("a")`: what is asked for by a word for a part of a request is that part.
        if receiver.as_ref().is_some_and(|r| r.path == WRAPPED)
            && args.iter().any(|a| a.value.as_str().is_some())
            && words(&name).any(|w| self.setup.models.request_words.iter().any(|known| *known == w.as_str()))
        {
            v.sources |= self.setup.rules.source_kinds.iter().position(|k| *k == "request").map_or(0, |b| 1 << b);
        }
        v.doubt_less(self.promised(name));
        let mut v = self.typed_result(path, name, construct, receiver.as_ref(), v, pos);
        self.decide(&mut v, decides, receiver.as_ref(), &args);
        // `form.get("name")` is a member, too: what was tested of it holds when it is read again.
        if let (Some(r), "get", Some(key)) = (&receiver, name.as_str(), args.first().and_then(|a| a.value.as_str()))
            && !r.place.is_empty()
        {
            let place = self.member_path_raw(r.place, sym(key));
            self.at_place(&mut v, place);
        }
        v
    }

    /// For which kinds a guard on a result decides about what it was made of.
    fn decide(&self, v: &mut Value, decides: Option<(SinkBits, EntryIx)>, receiver: Option<&Value>, args: &[ArgValue]) {
        let Some((bits, entry)) = decides else { return };
        self.setup.rules.used(entry);
        for of in receiver.into_iter().chain(args.iter().map(|a| &a.value)) {
            v.derive_for(of, bits);
        }
    }

    /// What a function that cannot be looked into promises by its name: `sanitize_name(x)`, `escapeHtml(x)`. A promise is not
    /// proof: what it covers is doubted less.
    pub(in crate::interp) fn promised(&self, name: Sym) -> SinkBits {
        let (mut clean, mut escaped) = (false, false);
        for word in words(&name) {
            clean |= matches!(word.as_str(), "sanitize" | "sanitise" | "sanitized" | "sanitised" | "sanitizer" | "purify" | "purified");
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
    pub(in crate::interp) fn special_call(
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
    pub(in crate::interp) fn typed_result(
        &mut self,
        path: Sym,
        name: Sym,
        construct: bool,
        receiver: Option<&Value>,
        mut v: Value,
        pos: super::Pos,
    ) -> Value {
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
