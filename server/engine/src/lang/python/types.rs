//! Annotations, as the expressions they spell.

use super::expr::{add_name, expr, expr_or_opaque};
use super::kinds::{F, Kind, all, field, first, kind};
use crate::ir::{ExprId, ExprKind, Op, Span, sym};
use crate::lang::Lowering;
use tree_sitter::Node;

/// Lowers an annotation; a string that spells a dotted name is that name.
pub(super) fn annotation(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    match l.deeper(|l| lower(l, node)) {
        Some(id) => id,
        None => l.opaque(Vec::new(), node),
    }
}

fn lower(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    match kind(node) {
        Kind::Type => match first(node) {
            Some(inner) => annotation(l, inner),
            None => l.opaque(Vec::new(), node),
        },
        // Only the name of a type parameter, without its bound.
        Kind::ConstrainedType => match first(node) {
            Some(inner) => annotation(l, inner),
            None => l.opaque(Vec::new(), node),
        },
        Kind::String => quoted(l, node).unwrap_or_else(|| expr(l, node)),
        Kind::GenericType => {
            let parts = l.children(node);
            let object = expr_or_opaque(l, parts.first().copied(), node);
            let arguments = parts.get(1).map(|list| l.children(*list)).unwrap_or_default();
            let plain = literal_arguments(l, object);
            let index = arguments_of(l, node, &arguments, plain);
            l.push(ExprKind::Index { object, index }, node)
        }
        Kind::Subscript => {
            let object = expr_or_opaque(l, field(node, F.value), node);
            let plain = literal_arguments(l, object);
            let index = arguments_of(l, node, &all(node, F.subscript), plain);
            l.push(ExprKind::Index { object, index }, node)
        }
        Kind::UnionType => {
            let parts = l.children(node);
            let [left, right] = parts.as_slice() else { return l.opaque(Vec::new(), node) };
            either(l, node, *left, *right)
        }
        Kind::BinaryOperator => match (field(node, F.left), field(node, F.right)) {
            (Some(left), Some(right)) => either(l, node, left, right),
            _ => expr(l, node),
        },
        Kind::MemberType => {
            let parts = l.children(node);
            let [object, name] = parts.as_slice() else { return l.opaque(Vec::new(), node) };
            let (object, name) = (annotation(l, *object), l.symbol(*name));
            l.push(ExprKind::Member { object, name }, node)
        }
        Kind::SplatType => {
            let value = expr_or_opaque(l, first(node), node);
            l.push(ExprKind::Spread(value), node)
        }
        _ => expr(l, node),
    }
}

fn either(l: &mut Lowering<'_>, node: Node<'_>, left: Node<'_>, right: Node<'_>) -> ExprId {
    let left = annotation(l, left);
    let right = annotation(l, right);
    l.push(ExprKind::Binary { op: Op::Other, left, right }, node)
}

/// Strings among these type arguments are values, not types.
fn literal_arguments(l: &Lowering<'_>, object: ExprId) -> bool {
    match l.expr(object).kind {
        ExprKind::Name(name) | ExprKind::Member { name, .. } => name == "Literal" || name == "Annotated",
        _ => false,
    }
}

fn arguments_of(l: &mut Lowering<'_>, node: Node<'_>, arguments: &[Node<'_>], plain: bool) -> ExprId {
    let mut ids = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let inner = if kind(*argument) == Kind::Type { first(*argument).unwrap_or(*argument) } else { *argument };
        ids.push(if plain { expr(l, inner) } else { annotation(l, inner) });
    }
    match (ids.as_slice(), arguments.first(), arguments.last()) {
        ([only], ..) => *only,
        (_, Some(first), Some(last)) => {
            let span = Span { start: l.span(*first).start, end: l.span(*last).end };
            l.unit.push(ExprKind::List(ids), span)
        }
        _ => l.opaque(ids, node),
    }
}

/// `"flask.Request"` as the expression it spells, with the spans of the names inside the quotes.
fn quoted(l: &mut Lowering<'_>, node: Node<'_>) -> Option<ExprId> {
    let parts = l.children(node);
    let content = *parts.iter().find(|part| kind(**part) == Kind::StringContent)?;
    let text = l.text(content);
    let name = |part: &str| !part.starts_with(|c: char| c.is_numeric()) && part.chars().all(|c| c == '_' || c.is_alphanumeric());
    // The start, the content and the end: anything more is a hole.
    if parts.len() != 3 || !text.split('.').all(|part| !part.is_empty() && name(part)) || l.text(parts[0]).len() != 1 {
        return None;
    }
    let (mut value, mut start) = (None, l.span(content).start);
    for part in text.split('.') {
        let end = start + part.len() as u32;
        value = Some(add_name(l, value, sym(part), Span { start, end }));
        start = end + 1;
    }
    value
}
