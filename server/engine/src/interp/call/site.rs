//! A call as models and rules see it.

use crate::{
    interp::{Callee, Value, exec::U},
    ir::{ExprId, Span, Sym},
    rules::{CallRoles, Selector},
};

/// An evaluated argument.
#[derive(Clone)]
pub(in crate::interp) struct ArgValue {
    pub name: Option<Sym>,
    pub value: Value,
    pub expr: ExprId,
    pub spread: bool,
    pub span: Span,
}

/// A call with everything conditions and rules ask about.
pub(in crate::interp) struct CallSite<'s> {
    pub unit: U<'s>,
    pub args: &'s [ArgValue],
    pub receiver: Option<&'s Value>,
    pub receiver_expr: Option<ExprId>,
    pub path: Sym,
    /// The call.
    pub span: Span,
    /// What is called, as it is written.
    pub callee: Span,
}

impl CallSite<'_> {
    /// The argument a selector names.
    pub(in crate::interp) fn select(&self, selector: &Selector) -> Option<&ArgValue> {
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

/// One or no entry: a path has one table of roles.
#[derive(Default)]
pub(in crate::interp) struct SmallRoles<'a>(Option<&'a CallRoles>);

impl<'a> SmallRoles<'a> {
    pub(super) fn push(&mut self, r: &'a CallRoles) {
        self.0 = Some(r);
    }
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a CallRoles> + use<'a> {
        self.0.into_iter()
    }
}

/// Nothing certain is known of what kind of object this is: not an import, an instance or a declared type.
/// Data from outside is never an object of a library, whatever it was read from.
pub(in crate::interp) fn is_unknown(v: &Value) -> bool {
    v.path.is_empty() || !v.typed || v.taint != 0 || v.path.starts_with('.')
}
