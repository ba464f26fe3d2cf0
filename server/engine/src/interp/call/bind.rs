//! Arguments become parameters.

use super::site::ArgValue;
use crate::{
    interp::{Flow, Interp, Note, Pos, Value},
    ir::{FuncId, Lit, ParamKind, Pattern, Sym, Unit, sym},
};
use std::sync::Arc;

impl Interp<'_> {
    /// Arguments in the order of the parameters.
    pub(in crate::interp) fn arrange(&mut self, u: &Arc<Unit>, id: FuncId, args: &[ArgValue], at: Option<Pos>) -> Vec<Value> {
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
                    Pos { span: a.span, ..pos },
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

    pub(in crate::interp) fn bind_params(&mut self, u: &Arc<Unit>, id: FuncId, values: &[Value], this: Option<&Value>) {
        let func = u.func(id);
        let skip = usize::from(this.is_some() && receiver_is_param(u, id));
        for (i, p) in func.params.iter().enumerate() {
            if i < skip {
                if let (Some(n), Some(t)) = (p.name, this) {
                    self.env.set(n, t.clone());
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
    pub(in crate::interp) fn bind_quietly(&mut self, u: &Arc<Unit>, pattern: &Pattern, mut v: Value) {
        if let Pattern::Name(n, _) = pattern {
            v.place = Sym::default();
            self.env.set(*n, v);
        } else {
            self.bind(u, pattern, v, None);
        }
    }
}

pub(super) fn receiver_is_param(u: &Unit, id: FuncId) -> bool {
    u.func(id).params.first().and_then(|p| p.name).is_some_and(|n| n == "self" || n == "cls")
}

pub(super) fn receiver_name(u: &Unit, id: FuncId) -> Sym {
    if receiver_is_param(u, id) { u.func(id).params[0].name.unwrap_or_default() } else { sym("this") }
}
