//! Statements.

use super::expr::{expr, expr_or_opaque, exprs, operator_of};
use super::kinds::{F, Kind, all, field, first, kind};
use super::target::target;
use super::types::annotation;
use super::{def, imports, matching};
use crate::ir::{Arg, Case, ExprId, ExprKind, Handler, Lit, Pattern, Span, Spread, Stmt, StmtKind, sym};
use crate::lang::Lowering;
use tree_sitter::Node;

/// An `elif` chain nests, and longer ones than this would nest too deep: the rest becomes a switch.
const LONG_CHAIN: usize = 24;

/// Lowers a statement to the end of `out`; one nested too deep is skipped.
pub(super) fn stmt(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let _ = l.deeper(|l| {
        lower(l, node, out);
        if node.has_error() && !matches!(kind(node), Kind::Error | Kind::Block) {
            skipped(l, node, out);
        }
    });
}

/// The parts of what the parser skipped between the parts of a statement.
fn skipped(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let mut cursor = node.walk();
    for child in node.named_children(&mut cursor) {
        if child.is_error() {
            stmt(l, child, out);
        }
    }
}

/// The statements of a block.
pub(super) fn block(l: &mut Lowering<'_>, node: Node<'_>) -> Vec<Stmt> {
    let mut out = Vec::new();
    statements(l, node, &mut out);
    out
}

fn statements(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let mut cursor = node.walk();
    for child in node.named_children(&mut cursor) {
        if kind(child) != Kind::Comment {
            stmt(l, child, out);
        }
    }
}

fn optional_block(l: &mut Lowering<'_>, node: Option<Node<'_>>) -> Vec<Stmt> {
    node.map(|node| block(l, node)).unwrap_or_default()
}

/// The block of a clause that has no field for it.
fn clause_block(l: &mut Lowering<'_>, clause: Node<'_>) -> Vec<Stmt> {
    let body = l.children(clause).into_iter().rev().find(|n| kind(*n) == Kind::Block);
    optional_block(l, body)
}

fn push(l: &Lowering<'_>, kind: StmtKind, node: Node<'_>, out: &mut Vec<Stmt>) {
    out.push(Stmt { kind, span: l.span(node) });
}

fn lower(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let stmt = match kind(node) {
        Kind::ExpressionStatement => return expression(l, node, out),
        Kind::Assignment => return assignment(l, node, out),
        Kind::AugmentedAssignment => {
            let value = expr_or_opaque(l, field(node, F.right), node);
            let target = field(node, F.left).map_or(Pattern::Ignore, |left| target(l, left));
            StmtKind::Assign { target, op: Some(operator_of(node)), value, ty: None, declares: true }
        }
        Kind::ReturnStatement => StmtKind::Return(first(node).map(|value| expr(l, value))),
        Kind::IfStatement => return if_statement(l, node, out),
        Kind::ForStatement => {
            let iter = field(node, F.right).map(|iter| expr(l, iter));
            let binding = field(node, F.left).map(|left| target(l, left));
            let body = optional_block(l, field(node, F.body));
            StmtKind::Loop { binding, iter, test: None, test_last: false, body, other: else_block(l, node) }
        }
        Kind::WhileStatement => {
            let test = field(node, F.condition).map(|test| expr(l, test));
            let body = optional_block(l, field(node, F.body));
            StmtKind::Loop { binding: None, iter: None, test, test_last: false, body, other: else_block(l, node) }
        }
        Kind::TryStatement => try_statement(l, node),
        Kind::WithStatement => return with_statement(l, node, out),
        Kind::MatchStatement => matching::match_statement(l, node),
        Kind::FunctionDefinition | Kind::ClassDefinition => return def::define(l, node, node, Vec::new(), out),
        Kind::DecoratedDefinition => return def::decorated(l, node, out),
        Kind::ImportStatement | Kind::ImportFromStatement | Kind::FutureImportStatement => return imports::import(l, node, out),
        Kind::RaiseStatement => return raise(l, node, out),
        Kind::AssertStatement => return assert(l, node, out),
        Kind::PassStatement | Kind::Comment => return,
        Kind::BreakStatement => StmtKind::Break,
        Kind::ContinueStatement => StmtKind::Continue,
        Kind::GlobalStatement | Kind::NonlocalStatement => {
            StmtKind::Global(l.children(node).into_iter().map(|name| l.symbol(name)).collect())
        }
        Kind::DeleteStatement => {
            let targets = match first(node) {
                Some(list) if matches!(kind(list), Kind::ExpressionList | Kind::Tuple | Kind::List) => l.children(list),
                one => one.into_iter().collect(),
            };
            StmtKind::Delete(exprs(l, targets))
        }
        Kind::TypeAliasStatement => return def::type_alias(l, node, out),
        Kind::PrintStatement => {
            let mut args = Vec::new();
            for child in l.children(node) {
                let (name, value) = if kind(child) == Kind::Chevron { (Some(sym("file")), first(child)) } else { (None, Some(child)) };
                let value = expr_or_opaque(l, value, child);
                args.push(Arg { name, value, spread: Spread::No, span: l.span(child) });
            }
            return def::statement_call(l, node, args, out);
        }
        Kind::ExecStatement => {
            let mut args = Vec::new();
            for child in l.children(node) {
                let value = expr(l, child);
                args.push(Arg { name: None, value, spread: Spread::No, span: l.span(child) });
            }
            return def::statement_call(l, node, args, out);
        }
        // The parts of what does not parse, in their order.
        Kind::Error | Kind::Block | Kind::ElseClause | Kind::FinallyClause => return statements(l, node, out),
        _ if node.is_named() => StmtKind::Expr(expr(l, node)),
        _ => return,
    };
    push(l, stmt, node, out);
}

fn expression(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let parts = l.children(node);
    let value = match parts.as_slice() {
        [] => return,
        [only] if matches!(kind(*only), Kind::Assignment | Kind::AugmentedAssignment) => return lower(l, *only, out),
        [only] => expr(l, *only),
        _ => {
            let items = exprs(l, parts);
            l.push(ExprKind::List(items), node)
        }
    };
    push(l, StmtKind::Expr(value), node, out);
}

/// `a = b = value`, `a: T = value`, `a: T`.
fn assignment(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let (mut parts, mut at) = (Vec::new(), node);
    let value = loop {
        parts.push(at);
        match field(at, F.right) {
            None => break None,
            Some(right) if kind(right) == Kind::Assignment => at = right,
            Some(right) if kind(right) == Kind::AugmentedAssignment => {
                lower(l, right, out);
                break Some(l.opaque(Vec::new(), right));
            }
            Some(right) => break Some(expr(l, right)),
        }
    };
    for part in parts {
        let target = field(part, F.left).map_or(Pattern::Ignore, |left| target(l, left));
        let ty = field(part, F.ty).map(|ty| annotation(l, ty));
        if let (Some(value), Pattern::Name(name, _)) = (value, &target)
            && let ExprKind::Func(func) = l.expr(value).kind
        {
            l.unit.funcs[func.0 as usize].name.get_or_insert(*name);
        }
        let kind = match value {
            Some(value) => StmtKind::Assign { target, op: None, value, ty, declares: true },
            None => StmtKind::Declare { target, ty },
        };
        push(l, kind, part, out);
    }
}

fn if_statement(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let clauses = all(node, F.alternative);
    let (elifs, other): (Vec<_>, Vec<_>) = clauses.into_iter().partition(|clause| kind(*clause) == Kind::ElifClause);
    let nested = elifs.len().min(LONG_CHAIN).min(l.room());
    let test = expr_or_opaque(l, field(node, F.condition), node);
    let then = optional_block(l, field(node, F.consequence));
    let mut tests = Vec::with_capacity(nested);
    for (above, clause) in elifs.iter().take(nested).enumerate() {
        let lowered = l.deeper_by(above + 1, |l| {
            (expr_or_opaque(l, field(*clause, F.condition), *clause), optional_block(l, field(*clause, F.consequence)))
        });
        tests.extend(lowered.map(|(test, then)| (*clause, test, then)));
    }
    let end = l.span(node).end;
    let mut last = l.deeper_by(nested, |l| otherwise(l, node, &elifs[nested..], other.first().copied())).unwrap_or_default();
    for (clause, test, then) in tests.into_iter().rev() {
        let span = Span { start: l.span(clause).start, end };
        last = vec![Stmt { kind: StmtKind::If { test, then, other: last }, span }];
    }
    push(l, StmtKind::If { test, then, other: last }, node, out);
}

/// The `else` of an `if`, after the `elif`s that would nest too deep.
fn otherwise(l: &mut Lowering<'_>, node: Node<'_>, rest: &[Node<'_>], other: Option<Node<'_>>) -> Vec<Stmt> {
    let other = optional_block(l, other.and_then(|clause| field(clause, F.body)));
    let Some(first) = rest.first() else { return other };
    let mut cases = Vec::with_capacity(rest.len() + 1);
    for clause in rest {
        let test = expr_or_opaque(l, field(*clause, F.condition), *clause);
        cases.push(Case { tests: vec![test], body: optional_block(l, field(*clause, F.consequence)) });
    }
    cases.push(Case { tests: Vec::new(), body: other });
    let subject = l.push(ExprKind::Lit(Lit::Bool(true)), *first);
    let span = Span { start: l.span(*first).start, end: l.span(node).end };
    vec![Stmt { kind: StmtKind::Switch { subject, cases, fallthrough: false }, span }]
}

fn else_block(l: &mut Lowering<'_>, node: Node<'_>) -> Vec<Stmt> {
    optional_block(l, field(node, F.alternative).and_then(|clause| field(clause, F.body)))
}

fn try_statement(l: &mut Lowering<'_>, node: Node<'_>) -> StmtKind {
    let body = optional_block(l, field(node, F.body));
    let (mut handlers, mut other, mut finally) = (Vec::new(), Vec::new(), Vec::new());
    for clause in l.children(node) {
        match kind(clause) {
            Kind::ExceptClause => handlers.push(handler(l, clause)),
            Kind::ElseClause => other = clause_block(l, clause),
            Kind::FinallyClause => finally = clause_block(l, clause),
            _ => {}
        }
    }
    StmtKind::Try { body, handlers, other, finally }
}

fn handler(l: &mut Lowering<'_>, clause: Node<'_>) -> Handler {
    let mut name = field(clause, F.alias);
    let mut caught = all(clause, F.value);
    // Python 2: `except Error, error`. Error types are written with a capital letter.
    if let [_, last] = caught.as_slice()
        && kind(*last) == Kind::Identifier
        && l.text(*last).starts_with(|c: char| c.is_lowercase() || c == '_')
    {
        name = caught.pop();
    }
    let mut types: Vec<ExprId> = Vec::new();
    for mut value in caught {
        if kind(value) == Kind::AsPattern {
            name = field(value, F.alias).and_then(first);
            value = first(value).unwrap_or(value);
        }
        match kind(value) {
            Kind::Tuple => types.extend(exprs(l, l.children(value))),
            _ => types.push(expr(l, value)),
        }
    }
    let name = name.filter(|name| kind(*name) == Kind::Identifier).map(|name| l.symbol(name));
    Handler { types, name, body: clause_block(l, clause), span: l.span(clause) }
}

fn with_statement(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    for clause in l.children(node) {
        if kind(clause) == Kind::WithClause {
            for item in l.children(clause) {
                if let Some(value) = field(item, F.value) {
                    with_item(l, value, out);
                }
            }
        }
    }
    if let Some(body) = field(node, F.body) {
        let stmts = block(l, body);
        push(l, StmtKind::Block(stmts), body, out);
    }
}

fn with_item(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    match kind(node) {
        Kind::AsPattern => {
            let value = expr_or_opaque(l, first(node), node);
            let target = field(node, F.alias).map_or(Pattern::Ignore, |alias| target(l, alias));
            push(l, StmtKind::Assign { target, op: None, value, ty: None, declares: true }, node, out);
        }
        // `with (a as b, c):` is read as a tuple.
        Kind::Tuple | Kind::ParenthesizedExpression if l.children(node).iter().any(|n| kind(*n) == Kind::AsPattern) => {
            for item in l.children(node) {
                with_item(l, item, out);
            }
        }
        _ => {
            let value = expr(l, node);
            push(l, StmtKind::Expr(value), node, out);
        }
    }
}

fn raise(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let cause = field(node, F.cause);
    let value = first(node).filter(|value| Some(*value) != cause).map(|value| expr(l, value));
    effect(l, cause, out);
    push(l, StmtKind::Throw(value), node, out);
}

fn assert(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let parts = l.children(node);
    effect(l, parts.get(1).copied(), out);
    let test = expr_or_opaque(l, parts.first().copied(), node);
    push(l, StmtKind::Assert(test), node, out);
}

/// An expression that the statement has no place for: evaluated before it, if it can do anything.
fn effect(l: &mut Lowering<'_>, node: Option<Node<'_>>, out: &mut Vec<Stmt>) {
    let Some(node) = node else { return };
    let value = expr(l, node);
    if !matches!(l.expr(value).kind, ExprKind::Name(_) | ExprKind::Lit(_)) {
        push(l, StmtKind::Expr(value), node, out);
    }
}
