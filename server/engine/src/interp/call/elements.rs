//! Functions that are called by the function they are given to: for each element of a container, or later, on another thread.

use super::site::{ArgValue, CallSite, SmallRoles};
use crate::{
    interp::{Callee, Interp, Object, Value},
    ir::{Sym, sym},
};
use std::sync::Arc;

impl<'a> Interp<'a> {
    /// A call of a function that is at hand as a value: one of the project is followed, of any other the models are asked.
    fn call_value(&mut self, site: &CallSite<'_>, function: &Value, args: Vec<ArgValue>) -> Value {
        let function = self.force(function);
        if let Callee::Func(f) = &function.callee {
            let f = f.clone();
            let pos = self.pos(site.span);
            let effects = self.follow(&f, &args, Some(pos));
            let inner = CallSite {
                unit: site.unit,
                args: &args,
                receiver: None,
                receiver_expr: None,
                path: Sym::default(),
                span: site.span,
                callee: site.callee,
            };
            self.apply_effects(&inner, &effects);
            return effects.value;
        }
        let name = sym(function.path.rsplit('.').next().unwrap_or_default());
        let roles = self.roles(function.path, name, None);
        let inner = CallSite {
            unit: site.unit,
            args: &args,
            receiver: None,
            receiver_expr: None,
            path: function.path,
            span: site.span,
            callee: site.callee,
        };
        for r in roles.iter() {
            self.judge_call(&inner, r);
            if let Some(v) = self.role_result(&inner, r) {
                return v;
            }
        }
        if let Some(v) = self.native_function(function.path, &args, false) {
            return v;
        }
        let mut v = Value::default();
        for a in &args {
            v.add_taint(&a.value);
        }
        v.doubt_less(self.promised(name));
        v
    }

    /// Calls that call a function they are given with arguments they are given: threads, executors, timers, background tasks.
    pub(super) fn invoke(&mut self, site: &CallSite<'_>, roles: &SmallRoles<'a>) -> Option<Value> {
        let invoke = roles.iter().find_map(|r| r.invokes.iter().find(|i| site.select(&i.function).is_some()))?;
        self.setup.rules.used(invoke.entry);
        let function = site.select(&invoke.function)?.clone();
        let given: Vec<ArgValue> = match &invoke.list {
            // The arguments stand in a list of their own.
            Some(selector) => {
                let list = site.select(selector).cloned();
                let elements = list.iter().flat_map(|a| a.value.object.as_ref().and_then(|o| o.list.clone()).unwrap_or_default());
                let at = list.as_ref();
                elements.filter_map(|value| Some(ArgValue { name: None, value, spread: false, ..at?.clone() })).collect()
            }
            None => {
                let behind = site.args.iter().skip_while(|a| a.expr != function.expr).skip(1 + invoke.skip);
                behind.cloned().collect()
            }
        };
        let mut value = self.call_value(site, &function.value, given);
        value.place = Sym::default();
        Some(value)
    }

    /// Methods that call a function for each element. What comes out is what the function makes of the elements, not the elements.
    pub(super) fn over_elements(&mut self, site: &CallSite<'_>, name: Sym, function: &Value) -> Option<Value> {
        let argument = |i: usize| site.args.get(i).map(|a| a.value.clone());
        let element_of = |me: &mut Self, v: &Value| {
            let mut e = me.element(v);
            if v.object.is_none() && !v.path.is_empty() && e.taint == 0 {
                e.path = v.path;
            }
            e
        };
        // `map(f, list)`, `filter(f, list)`, `Array.from(list, f)`.
        let (list, f) = match (function.path.as_str(), site.receiver) {
            ("map" | "filter", None) => (argument(1)?, argument(0)?),
            ("Array.from", _) if site.args.len() > 1 => (argument(0)?, argument(1)?),
            // An executor maps a function over a list.
            (_, Some(r)) if name == "map" && r.taint == 0 && r.object.is_none() && site.args.len() > 1 => (argument(1)?, argument(0)?),
            (_, Some(r)) if matches!(name.as_str(), "map" | "flatMap" | "filter" | "reduce" | "reduceRight" | "sort" | "toSorted") => {
                // An object of a library may have methods of these names that do something else.
                if r.typed && r.taint == 0 && r.object.is_none() && name != "map" {
                    return None;
                }
                (r.clone(), argument(0)?)
            }
            _ => return None,
        };
        let named = !f.path.is_empty() && f.callee_is_none();
        if !named && !matches!(f.callee, Callee::Func(_) | Callee::Import(..)) {
            return None;
        }
        let position = Value { bounded: true, ..Value::default() };
        let element = element_of(self, &list);
        let call = |me: &mut Self, given: Vec<Value>| match &f.callee {
            Callee::Func(func) => {
                let func = func.clone();
                me.run_callback(&func, given)
            }
            _ => {
                let at = &site.args[0];
                let given = given.into_iter().take(1).map(|value| ArgValue { name: None, value, spread: false, ..at.clone() }).collect();
                me.call_value(site, &f, given)
            }
        };
        let into_list = |value: Value| {
            let mut object = Object::default();
            object.add(&value);
            Value { object: Some(Arc::new(object)), ..Value::default() }
        };
        Some(match name.as_str() {
            "reduce" | "reduceRight" => {
                let first = argument(1).unwrap_or_else(|| element.clone());
                let once = call(self, vec![first.clone(), element.clone(), position.clone()]);
                let again = call(self, vec![first.join(&once), element, position]);
                first.join(&again)
            }
            "sort" | "toSorted" => {
                call(self, vec![element.clone(), element]);
                Value { lit: None, place: Sym::default(), ..list.clone() }
            }
            "filter" => {
                call(self, vec![element.clone(), position]);
                let mut kept = element;
                if let Callee::Func(func) = &f.callee {
                    let bits = self.kept_by(&func.clone(), &kept);
                    kept.clear(bits);
                }
                into_list(kept)
            }
            _ => into_list(call(self, vec![element, position])),
        })
    }
}
