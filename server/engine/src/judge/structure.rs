//! Comparison of a snippet's IR with a piece of code's, hole by hole.

use crate::ir::{Arg, Entry, ExprId, ExprKind, FuncId, Handler, Lit, Param, Pattern, Span, Stmt, StmtKind, Sym, Unit};
use std::cell::Cell;

/// What a hole `$X` becomes before the snippet is parsed.
const HOLE: &str = "__qualm_";
/// What `...` becomes.
const REST: &str = "__qualm";

/// Replaces `$X` and `...` outside strings by reserved identifiers. A `...` right before an identifier is
/// JavaScript's spread and stays.
pub(super) fn fill_holes(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 32);
    let mut quote: Option<char> = None;
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let starts_name = |s: &str| s.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if let Some(open) = quote {
            if c == open {
                quote = None;
            }
        } else if matches!(c, '"' | '\'') {
            quote = Some(c);
        } else if c == '$' && starts_name(after) {
            out.push_str(HOLE);
            rest = after;
            continue;
        } else if let Some(after) = rest.strip_prefix("...").filter(|a| !starts_name(a) && !a.starts_with('$')) {
            out.push_str(REST);
            rest = after;
            continue;
        }
        out.push(c);
        rest = after;
    }
    out
}

/// What the holes of a snippet stand for.
#[derive(Clone, Default)]
pub(super) struct Bindings(Vec<Binding>);

#[derive(Clone)]
struct Binding {
    hole: Sym,
    span: Span,
    /// The expression, or else the name.
    value: Result<ExprId, Sym>,
}

impl Bindings {
    /// The code of hole `name`.
    pub(super) fn text<'t>(&self, name: &str, item: &'t str) -> Option<&'t str> {
        self.all(item).find(|b| b.0 == name).map(|b| b.1)
    }

    /// All holes with their code, longest name first, so that `$AB` is not read as `$A`.
    pub(super) fn all<'t>(&self, item: &'t str) -> impl Iterator<Item = (&'static str, &'t str)> {
        let code = |b: &Binding| match b.value {
            Ok(_) => item.get(b.span.in_file(0)).unwrap_or(""),
            Err(name) => name.as_str(),
        };
        let mut all: Vec<_> = self.0.iter().map(|b| (&b.hole.as_str()[HOLE.len()..], code(b))).collect();
        all.sort_by_key(|b| std::cmp::Reverse(b.0.len()));
        all.into_iter()
    }
}

/// `...` as a statement.
pub(super) fn is_rest(unit: &Unit, stmt: &Stmt) -> bool {
    matches!(stmt.kind, StmtKind::Expr(e) if is_rest_expr(unit, e))
}

fn is_rest_expr(unit: &Unit, id: ExprId) -> bool {
    matches!(unit.expr(id).kind, ExprKind::Name(n) if n == REST)
}

/// Where a finding about a statement is shown: at the first handler of a `try`.
pub(super) fn place(stmt: &Stmt) -> Span {
    match &stmt.kind {
        StmtKind::Try { handlers, .. } if !handlers.is_empty() => handlers[0].span,
        _ => stmt.span,
    }
}

/// The statement lists directly inside a statement.
pub(super) fn lists(kind: &StmtKind) -> Vec<&[Stmt]> {
    match kind {
        StmtKind::If { then, other, .. } => vec![then, other],
        StmtKind::Loop { body, other, .. } => vec![body, other],
        StmtKind::Switch { cases, .. } => cases.iter().map(|c| &c.body[..]).collect(),
        StmtKind::Try { body, handlers, other, finally } => {
            let mut all: Vec<&[Stmt]> = vec![body, other, finally];
            all.extend(handlers.iter().map(|h| &h.body[..]));
            all
        }
        StmtKind::Block(body) => vec![body],
        _ => Vec::new(),
    }
}

/// One comparison.
#[derive(Clone, Copy)]
pub(super) struct Matcher<'a> {
    pub(super) pattern: &'a Unit,
    pub(super) target: &'a Unit,
    pub(super) item: &'a str,
    /// What comparing may still cost in this item, in elements of sequences.
    pub(super) steps: &'a Cell<u32>,
}

impl Matcher<'_> {
    /// Binds a hole; the second time the code must be equal.
    fn bind(self, hole: Sym, span: Span, value: Result<ExprId, Sym>, bindings: &mut Bindings) -> bool {
        if !hole.starts_with(HOLE) {
            return false;
        }
        let Some(old) = bindings.0.iter().find(|b| b.hole == hole) else {
            bindings.0.push(Binding { hole, span, value });
            return true;
        };
        let named = |value: Result<ExprId, Sym>| match value {
            Ok(id) => match self.target.expr(id).kind {
                ExprKind::Name(name) => Some(name),
                _ => None,
            },
            Err(name) => Some(name),
        };
        match (old.value, value) {
            (Ok(old), Ok(new)) => Matcher { pattern: self.target, ..self }.expr(old, new, &mut Bindings::default()),
            (old, new) => named(old).is_some() && named(old) == named(new),
        }
    }

    /// Binds a hole to a place that is assigned to, known by its text.
    fn place(self, hole: Sym, span: Span, bindings: &mut Bindings) -> bool {
        let text = self.item.get(span.in_file(0)).unwrap_or("");
        self.bind(hole, span, Err(crate::ir::sym(text)), bindings)
    }

    /// A name in the snippet against a name in the code.
    fn name(self, pattern: Sym, target: Sym, span: Span, bindings: &mut Bindings) -> bool {
        pattern == target || pattern == REST || self.bind(pattern, span, Err(target), bindings)
    }

    fn optional(self, pattern: Option<ExprId>, target: Option<ExprId>, bindings: &mut Bindings) -> bool {
        match (pattern, target) {
            (Some(p), _) if is_rest_expr(self.pattern, p) => true,
            (Some(p), Some(t)) => self.expr(p, t, bindings),
            (None, None) => true,
            _ => false,
        }
    }

    /// An expression of the snippet against one of the code.
    pub(super) fn expr(self, pattern: ExprId, target: ExprId, bindings: &mut Bindings) -> bool {
        let (p, t) = (self.pattern.expr(pattern), self.target.expr(target));
        if let ExprKind::Name(name) = p.kind
            && (name == REST || self.bind(name, t.span, Ok(target), bindings))
        {
            return true;
        }
        match (&p.kind, &t.kind) {
            (ExprKind::Await(a), ExprKind::Await(b)) => self.expr(*a, *b, bindings),
            (_, ExprKind::Await(inner)) => self.expr(pattern, *inner, bindings),
            (ExprKind::Lit(Lit::Str(p)), ExprKind::Lit(Lit::Str(t))) => &**p == "..." || p == t,
            (ExprKind::Lit(p), ExprKind::Lit(t)) => p == t,
            (ExprKind::Regex(p), ExprKind::Regex(t)) => p == t,
            (ExprKind::Name(p), ExprKind::Name(t)) => p == t,
            (ExprKind::Member { object: po, name: pn }, ExprKind::Member { object: to, name: tn }) => {
                let end = Span { start: t.span.end.saturating_sub(tn.len() as u32), end: t.span.end };
                self.expr(*po, *to, bindings) && self.name(*pn, *tn, end, bindings)
            }
            (ExprKind::Index { object: po, index: pi }, ExprKind::Index { object: to, index: ti }) => {
                self.expr(*po, *to, bindings) && self.expr(*pi, *ti, bindings)
            }
            (ExprKind::Slice { object: po, from: pf, to: pt }, ExprKind::Slice { object: to, from: tf, to: tt }) => {
                self.expr(*po, *to, bindings) && self.optional(*pf, *tf, bindings) && self.optional(*pt, *tt, bindings)
            }
            (
                ExprKind::Call { callee: pc, args: pa, construct: pn, tagged: pt },
                ExprKind::Call { callee: tc, args: ta, construct: tn, tagged: tt },
            ) => pn == tn && pt == tt && self.expr(*pc, *tc, bindings) && self.args(pa, ta, bindings),
            (ExprKind::Binary { op: po, left: pl, right: pr }, ExprKind::Binary { op: to, left: tl, right: tr }) => {
                po == to && self.expr(*pl, *tl, bindings) && self.expr(*pr, *tr, bindings)
            }
            (ExprKind::Not(p), ExprKind::Not(t))
            | (ExprKind::TypeOf(p), ExprKind::TypeOf(t))
            | (ExprKind::Unary(p), ExprKind::Unary(t))
            | (ExprKind::Spread(p), ExprKind::Spread(t)) => self.expr(*p, *t, bindings),
            (ExprKind::Cond { test: pt, then: pn, other: po }, ExprKind::Cond { test: tt, then: tn, other: to }) => {
                self.expr(*pt, *tt, bindings) && self.expr(*pn, *tn, bindings) && self.expr(*po, *to, bindings)
            }
            (ExprKind::Format { value: p, spec: ps }, ExprKind::Format { value: t, spec: ts }) => ps == ts && self.expr(*p, *t, bindings),
            (ExprKind::Template(p), ExprKind::Template(t))
            | (ExprKind::List(p), ExprKind::List(t))
            | (ExprKind::Opaque(p), ExprKind::Opaque(t)) => self.exprs(p, t, bindings),
            (ExprKind::Map(p), ExprKind::Map(t)) => self.entries(p, t, bindings),
            (ExprKind::Func(p), ExprKind::Func(t)) => self.func(*p, *t, bindings),
            (ExprKind::Assign { target: pt, value: pv }, ExprKind::Assign { target: tt, value: tv }) => {
                self.binding(pt, tt, bindings) && self.expr(*pv, *tv, bindings)
            }
            _ => false,
        }
    }

    fn exprs(self, pattern: &[ExprId], target: &[ExprId], bindings: &mut Bindings) -> bool {
        sequence(
            self.steps,
            pattern,
            target,
            bindings,
            &|p| is_rest_expr(self.pattern, *p),
            &|_| false,
            &|p, t, b| self.expr(*p, *t, b),
            true,
        )
    }

    /// Arguments: those by position in order, those by name in any.
    fn args(self, pattern: &[Arg], target: &[Arg], bindings: &mut Bindings) -> bool {
        let split = |args: &[Arg]| -> (Vec<Arg>, Vec<Arg>) { args.iter().cloned().partition(|a| a.name.is_none()) };
        let ((pattern, named), (target, given)) = (split(pattern), split(target));
        let rest = |a: &Arg| is_rest_expr(self.pattern, a.value);
        if !pattern.iter().any(rest) && given.len() != named.len() {
            return false;
        }
        for p in &named {
            let Some(t) = given.iter().find(|t| t.name == p.name) else { return false };
            if !self.expr(p.value, t.value, bindings) {
                return false;
            }
        }
        let equal = |p: &Arg, t: &Arg, b: &mut Bindings| p.spread == t.spread && self.expr(p.value, t.value, b);
        sequence(self.steps, &pattern, &target, bindings, &rest, &|_| false, &equal, true)
    }

    /// Entries of a map: in any order; with `...` others may be there.
    fn entries(self, pattern: &[Entry], target: &[Entry], bindings: &mut Bindings) -> bool {
        let rest = |e: &Entry| is_rest_expr(self.pattern, e.value);
        if !pattern.iter().any(rest) && pattern.len() != target.len() {
            return false;
        }
        pattern.iter().filter(|e| !rest(e)).all(|p| {
            target.iter().any(|t| {
                let mut tried = bindings.clone();
                let equal = self.optional(p.key, t.key, &mut tried) && self.expr(p.value, t.value, &mut tried);
                if equal {
                    *bindings = tried;
                }
                equal
            })
        })
    }

    /// A function: name, parameters and body; decorators and types of the snippet must be there, others may.
    pub(super) fn func(self, pattern: FuncId, target: FuncId, bindings: &mut Bindings) -> bool {
        let (p, t) = (self.pattern.func(pattern), self.target.func(target));
        let named = match (p.name, t.name) {
            (Some(p), Some(t_name)) => self.name(p, t_name, t.name_span, bindings),
            (None, _) => true,
            (Some(p), None) => p == REST,
        };
        let rest = |p: &Param| p.name.is_some_and(|n| n == REST);
        let equal = |p: &Param, t: &Param, b: &mut Bindings| p.kind == t.kind && self.binding(&p.pattern, &t.pattern, b);
        named
            && (!p.is_async || t.is_async)
            && p.decorators.iter().all(|&d| t.decorators.iter().any(|&other| self.expr(d, other, bindings)))
            && sequence(self.steps, &p.params, &t.params, bindings, &rest, &|_| false, &equal, true)
            && self.stmts(&p.body, &t.body, bindings)
    }

    /// A whole list of statements.
    fn stmts(self, pattern: &[Stmt], target: &[Stmt], bindings: &mut Bindings) -> bool {
        self.statements(pattern, target, bindings, true)
    }

    /// The beginning of a list of statements.
    pub(super) fn prefix(self, pattern: &[Stmt], target: &[Stmt], bindings: &mut Bindings) -> bool {
        self.statements(pattern, target, bindings, false)
    }

    fn statements(self, pattern: &[Stmt], target: &[Stmt], bindings: &mut Bindings, whole: bool) -> bool {
        // Documentation strings and imports inside functions do nothing a snippet could mean.
        let idle = |s: &Stmt| match s.kind {
            StmtKind::Expr(e) => matches!(self.target.expr(e).kind, ExprKind::Lit(_)),
            _ => false,
        };
        let equal = |p: &Stmt, t: &Stmt, b: &mut Bindings| self.stmt(p, t, b);
        sequence(self.steps, pattern, target, bindings, &|p| is_rest(self.pattern, p), &idle, &equal, whole)
    }

    fn stmt(self, pattern: &Stmt, target: &Stmt, b: &mut Bindings) -> bool {
        match (&pattern.kind, &target.kind) {
            (StmtKind::Assign { target: pt, op: po, value: pv, .. }, StmtKind::Assign { target: tt, op: to, value: tv, .. }) => {
                po == to && self.binding(pt, tt, b) && self.expr(*pv, *tv, b)
            }
            (StmtKind::Expr(p), StmtKind::Expr(t)) | (StmtKind::Assert(p), StmtKind::Assert(t)) => self.expr(*p, *t, b),
            (StmtKind::If { test: pt, then: pn, other: po }, StmtKind::If { test: tt, then: tn, other: to }) => {
                self.expr(*pt, *tt, b) && self.stmts(pn, tn, b) && self.stmts(po, to, b)
            }
            (
                StmtKind::Loop { binding: pb, iter: pi, test: pt, body: pn, other: po, .. },
                StmtKind::Loop { binding: tb, iter: ti, test: tt, body: tn, other: to, .. },
            ) => {
                let bound = match (pb, tb) {
                    (Some(p), Some(t)) => self.binding(p, t, b),
                    (None, None) => true,
                    _ => false,
                };
                bound && self.optional(*pi, *ti, b) && self.optional(*pt, *tt, b) && self.stmts(pn, tn, b) && self.stmts(po, to, b)
            }
            (
                StmtKind::Try { body: pn, handlers: ph, other: po, finally: pf },
                StmtKind::Try { body: tn, handlers: th, other: to, finally: tf },
            ) => {
                // Parts the snippet does not mention may be there.
                let handlers = ph.len() == th.len() && ph.iter().zip(th).all(|(p, t)| self.handler(p, t, b));
                handlers && self.stmts(pn, tn, b) && (po.is_empty() || self.stmts(po, to, b)) && (pf.is_empty() || self.stmts(pf, tf, b))
            }
            (StmtKind::Return(p), StmtKind::Return(t)) | (StmtKind::Throw(p), StmtKind::Throw(t)) => self.optional(*p, *t, b),
            (StmtKind::Break, StmtKind::Break) | (StmtKind::Continue, StmtKind::Continue) => true,
            (StmtKind::Func(p), StmtKind::Func(t)) => self.func(*p, *t, b),
            (StmtKind::Import { path: p, .. }, StmtKind::Import { path: t, .. }) => p == t,
            (StmtKind::Export { name: p, value: pv }, StmtKind::Export { name: t, value: tv }) => p == t && self.expr(*pv, *tv, b),
            (StmtKind::Delete(p), StmtKind::Delete(t)) => self.exprs(p, t, b),
            (StmtKind::Block(p), StmtKind::Block(t)) => self.stmts(p, t, b),
            _ => false,
        }
    }

    /// Names bound to the error do not matter unless the snippet names one.
    fn handler(self, pattern: &Handler, target: &Handler, bindings: &mut Bindings) -> bool {
        if let (Some(p), Some(t)) = (pattern.name, target.name)
            && p.starts_with(HOLE)
            && !self.bind(p, target.span, Err(t), bindings)
        {
            return false;
        }
        self.exprs(&pattern.types, &target.types, bindings) && self.stmts(&pattern.body, &target.body, bindings)
    }

    fn binding(self, pattern: &Pattern, target: &Pattern, b: &mut Bindings) -> bool {
        match (pattern, target) {
            (Pattern::Name(p, _), _) if *p == REST => true,
            (Pattern::Name(p, _), Pattern::Name(t, span)) => self.name(*p, *t, *span, b),
            (Pattern::Name(p, _), Pattern::Member { span, .. } | Pattern::Index { span, .. }) => self.place(*p, *span, b),
            (Pattern::Member { object: po, name: pn, .. }, Pattern::Member { object: to, name: tn, span }) => {
                let end = Span { start: span.end.saturating_sub(tn.len() as u32), end: span.end };
                self.expr(*po, *to, b) && self.name(*pn, *tn, end, b)
            }
            (Pattern::Index { object: po, index: pi, .. }, Pattern::Index { object: to, index: ti, .. }) => {
                self.expr(*po, *to, b) && self.expr(*pi, *ti, b)
            }
            (Pattern::List(p), Pattern::List(t)) => p.len() == t.len() && p.iter().zip(t).all(|(p, t)| self.binding(p, t, b)),
            (Pattern::Map(p), Pattern::Map(t)) => p.iter().all(|(key, p)| t.iter().any(|(k, t)| k == key && self.binding(p, t, b))),
            (Pattern::Default(p, pv), Pattern::Default(t, tv)) => self.binding(p, t, b) && self.expr(*pv, *tv, b),
            (p, Pattern::Default(t, _)) => self.binding(p, t, b),
            (Pattern::Rest(p), Pattern::Rest(t)) => self.binding(p, t, b),
            (Pattern::Ignore, Pattern::Ignore) => true,
            _ => false,
        }
    }
}

/// The most elements that a rest element stands for where something follows it.
const MAX_REST: usize = 256;

/// Compares two sequences; a rest element stands for any number, idle elements of the code may be passed over.
/// Without `whole` the code may go on after the snippet has ended.
fn sequence<P, T>(
    steps: &Cell<u32>,
    pattern: &[P],
    mut target: &[T],
    bindings: &mut Bindings,
    rest: &dyn Fn(&P) -> bool,
    idle: &dyn Fn(&T) -> bool,
    equal: &dyn Fn(&P, &T, &mut Bindings) -> bool,
    whole: bool,
) -> bool {
    let Some((first, after)) = pattern.split_first() else { return !whole || target.iter().all(idle) };
    if rest(first) {
        if after.iter().all(rest) {
            return true;
        }
        return (0..=target.len().min(MAX_REST)).any(|skip| {
            let mut tried = bindings.clone();
            let found = sequence(steps, after, &target[skip..], &mut tried, rest, idle, equal, whole);
            if found {
                *bindings = tried;
            }
            found
        });
    }
    while let Some((head, tail)) = target.split_first() {
        let Some(left) = steps.get().checked_sub(1) else { return false };
        steps.set(left);
        let mut tried = bindings.clone();
        if equal(first, head, &mut tried) && sequence(steps, after, tail, &mut tried, rest, idle, equal, whole) {
            *bindings = tried;
            return true;
        }
        if !idle(head) {
            return false;
        }
        target = tail;
    }
    false
}
