//! Answers that are kept: `const ok = ALLOWED.has(to)`, a flag that a branch set, the answer of a function.

use super::{TESTS, U};
use crate::{
    interp::{Answer, Interp, Learned},
    ir::{Arg, ExprId, ExprKind, Op, Sym, sym},
};
use std::sync::Arc;

impl Interp<'_> {
    /// Whether an expression answers a question.
    pub(in crate::interp) fn is_test(&self, u: U<'_>, x: ExprId) -> bool {
        match &u.expr(x).kind {
            ExprKind::Not(_) => true,
            ExprKind::Call { callee, .. } => {
                let known = self.predicates.get(&(Arc::as_ptr(u) as usize, x));
                if let Some(effects) = known {
                    return !(effects.when_true.is_empty() && effects.when_false.is_empty());
                }
                let (name, path) = match &u.expr(*callee).kind {
                    ExprKind::Member { name, .. } => (*name, Sym::default()),
                    ExprKind::Name(name) => (*name, self.env.get(*name).map(|v| v.path).unwrap_or_default()),
                    _ => return false,
                };
                let lower = name.to_lowercase();
                TESTS.contains(&name.as_str())
                    || super::CHECKERS.iter().any(|c| lower.contains(c))
                    || self.setup.models.calls.get(&path).is_some_and(|r| !r.guards.is_empty())
                    || lower.starts_with("is")
            }
            ExprKind::Binary { op: Op::And | Op::Or, left, right } => self.is_test(u, *left) || self.is_test(u, *right),
            ExprKind::Binary { op, .. } => !matches!(op, Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Mod | Op::Other | Op::Coalesce),
            ExprKind::Await(x) | ExprKind::Unary(x) => self.is_test(u, *x),
            _ => false,
        }
    }

    /// What a test says either way, without believing it yet.
    pub(in crate::interp) fn facts_of(&mut self, u: U<'_>, test: ExprId) -> Answer {
        let before = self.env.cleared.clone();
        let mut side = |truth: bool| {
            let saved = self.env.fork();
            self.refine(u, test, truth);
            let after = std::mem::replace(&mut self.env, saved).cleared;
            let mut new: Vec<_> = after
                .into_iter()
                .map(|(p, bits)| (p, bits & !before.get(&p).copied().unwrap_or(0)))
                .filter(|(_, bits)| *bits != 0)
                .collect();
            new.sort_unstable();
            new
        };
        let when_true = side(true);
        Answer { when_true, when_false: side(false) }
    }

    /// A variable that holds an answer came out as `truth`.
    pub(super) fn apply_facts(&mut self, place: Sym, truth: bool) {
        if place.is_empty() {
            return;
        }
        let Some(facts) = self.env.facts(place) else { return };
        let list = if truth { &facts.when_true } else { &facts.when_false };
        for (place, bits) in list.clone() {
            self.env.clear(place, bits);
        }
    }

    /// What a call of a function of the project says of an argument, or of a part of one.
    pub(super) fn learn(&mut self, u: U<'_>, args: &[Arg], learned: &Learned) {
        let Some(a) =
            args.iter().filter(|a| a.name.is_none()).nth(learned.param).or_else(|| args.iter().find(|a| a.name == Some(learned.name)))
        else {
            return;
        };
        let value = self.quiet(u, a.value);
        if learned.part.is_empty() {
            self.clear_value(&value, learned.bits);
        } else if !value.place.is_empty() {
            self.env.clear(sym(&format!("{}{}", value.place, learned.part)), learned.bits);
        }
    }
}
