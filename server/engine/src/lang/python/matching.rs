//! `match`: values are tests, captures are assignments in front of the body, and a case that may or may
//! not be taken (a class, a shape, a guard) tests an opaque value.

use super::expr::{add_name, dotted, expr, expr_or_opaque};
use super::kinds::{F, Kind, all, field, first, kind};
use super::stmt::block;
use crate::ir::{Case, ExprId, ExprKind, Lit, Pattern, Span, Stmt, StmtKind};
use crate::lang::Lowering;
use tree_sitter::Node;

/// When a pattern matches.
enum Test {
    Always,
    /// Exactly when the subject equals one of these.
    Values(Vec<ExprId>),
    /// It depends, on these among others.
    Maybe(Vec<ExprId>),
}

/// `match subject: case ..`.
pub(super) fn match_statement(l: &mut Lowering<'_>, node: Node<'_>) -> StmtKind {
    let subjects = all(node, F.subject);
    let subject = match subjects.as_slice() {
        [] => l.opaque(Vec::new(), node),
        [only] => expr(l, *only),
        [first, .., last] => {
            let span = Span { start: l.span(*first).start, end: l.span(*last).end };
            let items = subjects.iter().map(|item| expr(l, *item)).collect();
            l.unit.push(ExprKind::List(items), span)
        }
    };
    let mut cases = Vec::new();
    if let Some(body) = field(node, F.body) {
        for clause in l.children(body) {
            if kind(clause) == Kind::CaseClause {
                cases.push(case(l, clause, subject));
            }
        }
    }
    StmtKind::Switch { subject, cases, fallthrough: false }
}

fn case(l: &mut Lowering<'_>, clause: Node<'_>, subject: ExprId) -> Case {
    let patterns: Vec<_> = l.children(clause).into_iter().filter(|n| kind(*n) == Kind::CasePattern).collect();
    let mut body = Vec::new();
    let mut test = match patterns.as_slice() {
        [only] if !has_comma(clause) => pattern(l, *only, subject, &mut body),
        [] => Test::Maybe(Vec::new()),
        _ => sequence(l, clause, &patterns, subject, &mut body),
    };
    let consequence = field(clause, F.consequence);
    let mut stmts = consequence.map(|body| block(l, body)).unwrap_or_default();
    if let Some(guard) = field(clause, F.guard) {
        let condition = expr_or_opaque(l, first(guard), guard);
        let span = Span { start: l.span(guard).start, end: l.span(clause).end };
        stmts = vec![Stmt { kind: StmtKind::If { test: condition, then: stmts, other: Vec::new() }, span }];
        test = Test::Maybe(match test {
            Test::Always => Vec::new(),
            Test::Values(parts) | Test::Maybe(parts) => parts,
        });
    }
    body.append(&mut stmts);
    let tests = match test {
        Test::Always => Vec::new(),
        Test::Values(values) => values,
        Test::Maybe(parts) => vec![l.opaque(parts, patterns.first().copied().unwrap_or(clause))],
    };
    Case { tests, body }
}

fn has_comma(node: Node<'_>) -> bool {
    let mut cursor = node.walk();
    node.children(&mut cursor).any(|child| child.kind() == ",")
}

fn bind(l: &Lowering<'_>, target: Pattern, value: ExprId, node: Node<'_>, out: &mut Vec<Stmt>) {
    out.push(Stmt { kind: StmtKind::Assign { target, op: None, value, ty: None, declares: true }, span: l.span(node) });
}

/// Binds the captures of a pattern that `subject` is matched with.
fn pattern(l: &mut Lowering<'_>, node: Node<'_>, subject: ExprId, out: &mut Vec<Stmt>) -> Test {
    l.deeper(|l| pattern_here(l, node, subject, out)).unwrap_or(Test::Maybe(Vec::new()))
}

fn pattern_here(l: &mut Lowering<'_>, node: Node<'_>, subject: ExprId, out: &mut Vec<Stmt>) -> Test {
    match kind(node) {
        Kind::CasePattern => match first(node) {
            None => Test::Always,
            Some(number) if matches!(kind(number), Kind::Integer | Kind::Float) => Test::Values(vec![signed(l, number)]),
            Some(inner) => pattern(l, inner, subject, out),
        },
        Kind::DottedName => {
            let parts = l.children(node);
            match parts.as_slice() {
                [name] if l.text(*name) == "_" => Test::Always,
                [name] => {
                    bind(l, Pattern::Name(l.symbol(*name), l.span(*name)), subject, node, out);
                    Test::Always
                }
                _ => Test::Values(vec![dotted(l, node)]),
            }
        }
        Kind::Integer | Kind::Float => Test::Values(vec![signed(l, node)]),
        Kind::String | Kind::ConcatenatedString | Kind::True | Kind::False | Kind::None => Test::Values(vec![expr(l, node)]),
        Kind::UnionPattern => union(l, node, subject, out),
        Kind::AsPattern => {
            let parts = l.children(node);
            let test = parts.first().map_or(Test::Always, |inner| pattern(l, *inner, subject, out));
            if let [_, name] = parts.as_slice() {
                bind(l, Pattern::Name(l.symbol(*name), l.span(*name)), subject, *name, out);
            }
            test
        }
        Kind::ListPattern | Kind::TuplePattern => {
            let items = l.children(node);
            match items.as_slice() {
                [only] if kind(node) == Kind::TuplePattern && !has_comma(node) => pattern(l, *only, subject, out),
                _ => sequence(l, node, &items, subject, out),
            }
        }
        Kind::DictPattern => mapping(l, node, subject, out),
        Kind::ClassPattern => class(l, node, subject, out),
        _ => Test::Maybe(Vec::new()),
    }
}

/// A number with the minus sign that stands before it as a token of its own.
fn signed(l: &mut Lowering<'_>, number: Node<'_>) -> ExprId {
    let id = expr(l, number);
    if let Some(sign) = number.prev_sibling().filter(|token| token.kind() == "-") {
        let start = l.span(sign).start;
        let literal = &mut l.unit.exprs[id.0 as usize];
        literal.span.start = start;
        match &mut literal.kind {
            ExprKind::Lit(Lit::Int(value)) => *value = value.wrapping_neg(),
            ExprKind::Lit(Lit::Float(value)) => *value = -*value,
            _ => {}
        }
    }
    id
}

fn union(l: &mut Lowering<'_>, node: Node<'_>, subject: ExprId, out: &mut Vec<Stmt>) -> Test {
    let (mut parts, mut certain, mut always) = (Vec::new(), true, false);
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        if !child.is_named() {
            always |= child.kind() == "_";
            continue;
        }
        match pattern(l, child, subject, out) {
            Test::Always => always = true,
            Test::Values(values) => parts.extend(values),
            Test::Maybe(values) => {
                certain = false;
                parts.extend(values);
            }
        }
    }
    match (always, certain) {
        (true, _) => Test::Always,
        (_, true) => Test::Values(parts),
        _ => Test::Maybe(parts),
    }
}

/// `[a, *rest, _]`: destructured as an assignment would do it.
fn sequence(l: &mut Lowering<'_>, node: Node<'_>, items: &[Node<'_>], subject: ExprId, out: &mut Vec<Stmt>) -> Test {
    let mut targets = Vec::with_capacity(items.len());
    let mut later = Vec::new();
    for item in items {
        targets.push(element(l, *item, subject, &mut later));
    }
    if targets.iter().any(|target| !matches!(target, Pattern::Ignore)) {
        bind(l, Pattern::List(targets), subject, node, out);
    }
    out.append(&mut later);
    Test::Maybe(Vec::new())
}

fn element(l: &mut Lowering<'_>, item: Node<'_>, subject: ExprId, later: &mut Vec<Stmt>) -> Pattern {
    let inner = if kind(item) == Kind::CasePattern { first(item) } else { Some(item) };
    let Some(inner) = inner else { return Pattern::Ignore };
    match kind(inner) {
        Kind::SplatPattern => Pattern::Rest(Box::new(splat(l, inner))),
        Kind::DottedName => {
            let parts = l.children(inner);
            match parts.as_slice() {
                [name] if l.text(*name) != "_" => Pattern::Name(l.symbol(*name), l.span(*name)),
                _ => Pattern::Ignore,
            }
        }
        _ => {
            let part = l.opaque(vec![subject], inner);
            pattern(l, inner, part, later);
            Pattern::Ignore
        }
    }
}

fn splat(l: &Lowering<'_>, node: Node<'_>) -> Pattern {
    first(node).filter(|name| l.text(*name) != "_").map_or(Pattern::Ignore, |name| Pattern::Name(l.symbol(name), l.span(name)))
}

/// `{"key": pattern, **rest}`.
fn mapping(l: &mut Lowering<'_>, node: Node<'_>, subject: ExprId, out: &mut Vec<Stmt>) -> Test {
    let mut cursor = node.walk();
    let mut key = None;
    let mut more = cursor.goto_first_child();
    while more {
        let child = cursor.node();
        let field = cursor.field_id().map_or(0, u16::from);
        if field == F.key && child.is_named() {
            key = Some(child);
        } else if field == F.value {
            let index = match key.take() {
                Some(key) if kind(key) == Kind::DottedName => dotted(l, key),
                key => expr_or_opaque(l, key, child),
            };
            let span = l.span(child);
            let part = l.unit.push(ExprKind::Index { object: subject, index }, span);
            pattern(l, child, part, out);
        } else if kind(child) == Kind::SplatPattern {
            let target = splat(l, child);
            let rest = l.opaque(vec![subject], child);
            bind(l, target, rest, child, out);
        }
        more = cursor.goto_next_sibling();
    }
    Test::Maybe(Vec::new())
}

/// Classes whose one positional pattern matches the whole subject.
const WHOLE: [&str; 11] = ["bool", "bytearray", "bytes", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple"];

/// `Point(0, y=name)`.
fn class(l: &mut Lowering<'_>, node: Node<'_>, subject: ExprId, out: &mut Vec<Stmt>) -> Test {
    let parts = l.children(node);
    let Some((name, arguments)) = parts.split_first() else { return Test::Maybe(Vec::new()) };
    let whole = WHOLE.contains(&l.text(*name));
    let ty = dotted(l, *name);
    for argument in arguments {
        let inner = if kind(*argument) == Kind::CasePattern { first(*argument) } else { Some(*argument) };
        let Some(inner) = inner else { continue };
        if kind(inner) == Kind::KeywordPattern {
            let pair = l.children(inner);
            if let [attribute, value] = pair.as_slice() {
                let (name, span) = (l.symbol(*attribute), l.span(*attribute));
                let part = add_name(l, Some(subject), name, span);
                l.unit.exprs[part.0 as usize].span = span;
                pattern(l, *value, part, out);
            }
        } else {
            let part = if whole { subject } else { l.opaque(vec![subject], inner) };
            pattern(l, *argument, part, out);
        }
    }
    Test::Maybe(vec![ty])
}
