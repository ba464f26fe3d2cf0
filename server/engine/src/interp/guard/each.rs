//! Tests about each element: `list.some(f)`, `text.every(f)`, `any(.. for ..)`, `next(.. for .. if ..)`.

use super::U;
use crate::{
    interp::{Callee, Env, Interp, Value, call::ArgValue},
    ir::{ExprId, ExprKind, StmtKind, Sym},
    rules::SinkBits,
};
use rustc_hash::FxHashMap;

impl Interp<'_> {
    /// A test by a callback: what it says when the call as a whole came out as `truth`. False: it is no such test.
    pub(super) fn predicate_test(&mut self, receiver: &Value, name: Sym, args: &[ArgValue], truth: bool) -> bool {
        let each = match name.as_str() {
            "every" => true,
            "some" | "find" | "findIndex" | "findLast" | "filter" => false,
            _ => return false,
        };
        let Some(Callee::Func(f)) = args.first().map(|a| &a.value.callee) else { return false };
        let (f, unit) = (f.clone(), f.unit.clone());
        let func = unit.func(f.func);
        let [only] = &func.body[..] else { return true };
        let (StmtKind::Return(Some(test)), Some(parameter)) = (&only.kind, func.params.first().and_then(|p| p.name)) else { return true };
        let element = self.element(receiver);
        let known = self.inside_test(|me| {
            me.bind_params(&unit, f.func, &[element], None);
            me.refine(&unit, *test, truth);
        });
        // Each element passed `every`, none passed `some`; else it was one of them.
        self.take_over(known, &[(parameter, receiver.clone())], each == truth);
        true
    }

    /// The kinds for which the elements that a filter keeps are harmless.
    pub(in crate::interp) fn kept_by(&mut self, f: &std::sync::Arc<crate::interp::FuncRef>, element: &Value) -> SinkBits {
        let unit = f.unit.clone();
        let func = unit.func(f.func);
        let ([only], Some(parameter)) = (&func.body[..], func.params.first().and_then(|p| p.name)) else { return 0 };
        let StmtKind::Return(Some(test)) = only.kind else { return 0 };
        let element = element.clone();
        let known = self.inside_test(|me| {
            me.bind_params(&unit, f.func, &[element], None);
            me.refine(&unit, test, true);
        });
        known.get(&parameter).copied().unwrap_or(0)
    }

    /// A test over a comprehension: there is an element (`any`, a comprehension as such), or each passes (`all`).
    pub(super) fn comprehension_test(&mut self, u: U<'_>, x: ExprId, truth: bool, each: bool) {
        let ExprKind::Comprehension { element, clauses, conditions } = &u.expr(x).kind else { return };
        let mut bound = Vec::new();
        let known = self.inside_test(|me| {
            for (pattern, iter) in clauses {
                let walked = me.quiet(u, *iter);
                let e = me.element(&walked);
                if let crate::ir::Pattern::Name(name, _) = pattern {
                    bound.push((*name, walked));
                }
                me.bind(u, pattern, e, None);
            }
            // Where an element was found it met the conditions; where each passes, those that do not meet them were not asked.
            if truth && !each {
                for c in conditions {
                    me.refine(u, *c, true);
                }
            }
            if !matches!(u.expr(*element).kind, ExprKind::Name(_)) {
                me.refine(u, *element, truth);
            }
        });
        self.take_over(known, &bound, each == truth && conditions.is_empty());
    }

    /// What guards clear while `f` runs, in a scope of its own.
    fn inside_test(&mut self, f: impl FnOnce(&mut Self)) -> FxHashMap<Sym, SinkBits> {
        let outer = std::sync::Arc::new(self.env.fork());
        let saved = std::mem::replace(&mut self.env, Env::inside(Some(outer)));
        f(self);
        std::mem::replace(&mut self.env, saved).cleared
    }

    /// Guards on the elements (by the name that stood for them) hold for the whole if `all` passed them; guards on anything else hold.
    fn take_over(&mut self, known: FxHashMap<Sym, SinkBits>, elements: &[(Sym, Value)], all: bool) {
        for (place, bits) in known {
            let root = place.split('.').next().unwrap_or_default();
            match elements.iter().find(|(name, _)| *name == *root) {
                Some((name, whole)) => {
                    if all && place == *name {
                        self.clear_value(&whole.clone(), bits);
                    }
                }
                None => self.env.clear(place, bits),
            }
        }
    }
}
