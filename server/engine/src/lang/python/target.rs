//! What assignments, loops and `with` bind.

use super::expr::{add_name, arguments, expr_or_opaque, follow, index, spine};
use super::kinds::{F, Kind, all, field, first, kind};
use crate::ir::{ExprId, ExprKind, Pattern, Span, sym};
use crate::lang::Lowering;
use tree_sitter::Node;

/// What an assignment binds.
pub(super) fn target(l: &mut Lowering<'_>, node: Node<'_>) -> Pattern {
    l.deeper(|l| target_here(l, node)).unwrap_or(Pattern::Ignore)
}

fn target_here(l: &mut Lowering<'_>, node: Node<'_>) -> Pattern {
    match kind(node) {
        Kind::Identifier if !node.is_missing() => Pattern::Name(l.symbol(node), l.span(node)),
        Kind::Attribute | Kind::Subscript => {
            let object = field(node, if kind(node) == Kind::Attribute { F.object } else { F.value });
            let object = expr_or_opaque(l, object, node);
            let span = l.span(node);
            target_link(l, node, object, span).unwrap_or(Pattern::Ignore)
        }
        Kind::TuplePattern | Kind::ListPattern | Kind::PatternList | Kind::Tuple | Kind::List | Kind::ExpressionList => {
            let mut items = Vec::new();
            for child in l.children(node) {
                items.push(target(l, child));
            }
            Pattern::List(items)
        }
        Kind::ListSplatPattern | Kind::ListSplat => {
            let inner = first(node).map_or(Pattern::Ignore, |inner| target(l, inner));
            Pattern::Rest(Box::new(inner))
        }
        Kind::ParenthesizedExpression | Kind::AsPatternTarget => first(node).map_or(Pattern::Ignore, |inner| target(l, inner)),
        _ => Pattern::Ignore,
    }
}

/// `type(a).b = c` reads as the type alias statement `type (a).b = c`: the target it really is.
pub(super) fn target_of_type_call(l: &mut Lowering<'_>, word: Node<'_>, left: Node<'_>) -> Option<Pattern> {
    let (links, base) = spine(left);
    let (outermost, inner) = links.split_first().filter(|(_, inner)| inner.len() < l.room())?;
    let args = match kind(base) {
        Kind::ParenthesizedExpression | Kind::Tuple => arguments(l, base),
        _ => return None,
    };
    let span = l.span(word);
    let callee = add_name(l, None, sym("type"), span);
    let call = ExprKind::Call { callee, args, construct: false, tagged: false };
    let value = l.unit.push(call, Span { start: span.start, end: l.span(base).end });
    let object = follow(l, inner, value);
    // The spans of the links start at the bracket, without the word.
    let bracket = l.span(base).start;
    for link in &mut l.unit.exprs[value.0 as usize..=object.0 as usize] {
        if link.span.start == bracket {
            link.span.start = span.start;
        }
    }
    target_link(l, *outermost, object, Span { start: span.start, end: l.span(*outermost).end })
}

/// The attribute or element `node` of `object` as a target.
fn target_link(l: &mut Lowering<'_>, node: Node<'_>, object: ExprId, span: Span) -> Option<Pattern> {
    match kind(node) {
        Kind::Attribute => Some(Pattern::Member { object, name: l.symbol(field(node, F.attribute)?), span }),
        Kind::Subscript => {
            let index = index(l, node, all(node, F.subscript));
            Some(Pattern::Index { object, index, span })
        }
        _ => None,
    }
}
