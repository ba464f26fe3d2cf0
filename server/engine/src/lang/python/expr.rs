//! Expressions and binding targets.

use super::kinds::{F, Kind, all, field, first, kind};
use super::strings::{number, string};
use super::target::target;
use super::{def, types};
use crate::ir::{Arg, Entry, ExprId, ExprKind, Lit, Op, Pattern, Span, Spread, Sym};
use crate::lang::Lowering;
use smallvec::SmallVec;
use tree_sitter::Node;

/// Operator chains up to this length nest to the left as the language says; longer ones would nest
/// deeper than whoever walks the IR can follow.
const LONG_CHAIN: usize = 16;
/// Levels a balanced operator tree can have: more operands than two to this power fit in no file.
const TREE_LEVELS: usize = 32;

/// Lowers an expression; one nested too deep becomes opaque.
pub(super) fn expr(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    match l.deeper(|l| lower(l, node)) {
        Some(id) => id,
        None => l.opaque(Vec::new(), node),
    }
}

/// The expression, or an opaque one in the place of `around` where the text lacks it.
pub(super) fn expr_or_opaque(l: &mut Lowering<'_>, node: Option<Node<'_>>, around: Node<'_>) -> ExprId {
    match node {
        Some(node) => expr(l, node),
        None => l.opaque(Vec::new(), around),
    }
}

pub(super) fn exprs(l: &mut Lowering<'_>, nodes: Vec<Node<'_>>) -> Vec<ExprId> {
    nodes.into_iter().map(|node| expr(l, node)).collect()
}

fn lower(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    match kind(node) {
        Kind::Identifier if !node.is_missing() => {
            let name = l.symbol(node);
            l.push(ExprKind::Name(name), node)
        }
        Kind::Attribute | Kind::Call | Kind::Subscript => chain(l, node),
        Kind::String | Kind::ConcatenatedString => string(l, node),
        Kind::Integer | Kind::Float => {
            let lit = number(l.text(node));
            l.push(ExprKind::Lit(lit), node)
        }
        Kind::True => l.push(ExprKind::Lit(Lit::Bool(true)), node),
        Kind::False => l.push(ExprKind::Lit(Lit::Bool(false)), node),
        Kind::None => l.push(ExprKind::Lit(Lit::Null), node),
        Kind::BinaryOperator | Kind::BooleanOperator => binary(l, node),
        Kind::ComparisonOperator => comparison(l, node),
        Kind::NotOperator => {
            let value = expr_or_opaque(l, field(node, F.argument), node);
            l.push(ExprKind::Not(value), node)
        }
        Kind::UnaryOperator => unary(l, node),
        Kind::ParenthesizedExpression
        | Kind::ParenthesizedListSplat
        | Kind::Interpolation
        | Kind::FormatExpression
        | Kind::AsPatternTarget
        | Kind::WithItem => expr_or_opaque(l, first(node), node),
        Kind::Tuple | Kind::List | Kind::Set | Kind::ExpressionList | Kind::PatternList | Kind::ListPattern | Kind::TuplePattern => {
            let items = exprs(l, l.children(node));
            l.push(ExprKind::List(items), node)
        }
        Kind::Dictionary => dictionary(l, node),
        Kind::ListComprehension | Kind::SetComprehension | Kind::GeneratorExpression | Kind::DictionaryComprehension => {
            comprehension(l, node)
        }
        Kind::ConditionalExpression => conditional(l, node),
        Kind::Lambda => {
            let func = def::lambda(l, node);
            l.push(ExprKind::Func(func), node)
        }
        Kind::Await => {
            let value = expr_or_opaque(l, first(node), node);
            l.push(ExprKind::Await(value), node)
        }
        Kind::Yield => {
            let value = match first(node) {
                Some(value) => expr(l, value),
                None => l.push(ExprKind::Lit(Lit::Null), node),
            };
            l.push(ExprKind::Await(value), node)
        }
        Kind::NamedExpression => {
            let value = expr_or_opaque(l, field(node, F.value), node);
            let target = Box::new(field(node, F.name).map_or(Pattern::Ignore, |name| target(l, name)));
            l.push(ExprKind::Assign { target, value }, node)
        }
        Kind::AsPattern => {
            let value = expr_or_opaque(l, first(node), node);
            let target = Box::new(field(node, F.alias).map_or(Pattern::Ignore, |alias| target(l, alias)));
            l.push(ExprKind::Assign { target, value }, node)
        }
        Kind::ListSplat | Kind::ListSplatPattern | Kind::DictionarySplat | Kind::DictionarySplatPattern => {
            let value = expr_or_opaque(l, first(node), node);
            l.push(ExprKind::Spread(value), node)
        }
        Kind::DottedName => dotted(l, node),
        Kind::Type | Kind::GenericType | Kind::UnionType | Kind::ConstrainedType | Kind::MemberType | Kind::SplatType => {
            types::annotation(l, node)
        }
        _ => opaque(l, node),
    }
}

/// What can be made of a node that is no expression, or no valid one.
fn opaque(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let mut cursor = node.walk();
    let mut parts = Vec::new();
    for child in node.named_children(&mut cursor) {
        if kind(child) != Kind::Comment {
            parts.push(expr(l, child));
        }
    }
    l.opaque(parts, node)
}

pub(super) type Links<'t> = SmallVec<[Node<'t>; 8]>;

/// The links of `a.b().c[d]`, outermost first, and what they start from.
pub(super) fn spine(node: Node<'_>) -> (Links<'_>, Node<'_>) {
    let (mut links, mut base) = (Links::new(), node);
    loop {
        let id = match kind(base) {
            Kind::Attribute => F.object,
            Kind::Call => F.function,
            Kind::Subscript => F.value,
            _ => break,
        };
        let Some(inner) = field(base, id) else { break };
        links.push(base);
        base = inner;
    }
    (links, base)
}

/// `a.b().c[d]` nests to the left: the base first, then one link after the other.
fn chain(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let (mut links, mut base) = spine(node);
    let room = l.room();
    if links.len() > room {
        base = links[room];
        links.truncate(room);
    }
    let value = l.deeper_by(links.len(), |l| if links.is_empty() { opaque(l, base) } else { expr(l, base) });
    let value = value.unwrap_or_else(|| l.opaque(Vec::new(), base));
    follow(l, &links, value)
}

/// The links applied to `value`, innermost (last) first.
pub(super) fn follow(l: &mut Lowering<'_>, links: &[Node<'_>], mut value: ExprId) -> ExprId {
    for (above, link) in links.iter().enumerate().rev() {
        let base = value;
        if let Some(id) = l.deeper_by(above, |l| one_link(l, *link, base)) {
            value = id;
        }
    }
    value
}

fn one_link(l: &mut Lowering<'_>, node: Node<'_>, base: ExprId) -> ExprId {
    match kind(node) {
        Kind::Attribute => match field(node, F.attribute) {
            Some(name) if !name.is_missing() => {
                let name = l.symbol(name);
                l.push(ExprKind::Member { object: base, name }, node)
            }
            // `object.` while the name is being typed.
            _ => l.opaque(vec![base], node),
        },
        Kind::Call => {
            let args = match field(node, F.arguments) {
                Some(generator) if kind(generator) == Kind::GeneratorExpression => {
                    let value = expr(l, generator);
                    vec![Arg { name: None, value, spread: Spread::No, span: l.span(generator) }]
                }
                Some(list) => arguments(l, list),
                None => Vec::new(),
            };
            l.push(ExprKind::Call { callee: base, args, construct: false, tagged: false }, node)
        }
        _ => subscript(l, node, base),
    }
}

/// The arguments in an argument list.
pub(super) fn arguments(l: &mut Lowering<'_>, list: Node<'_>) -> Vec<Arg> {
    let mut args = Vec::new();
    for node in l.children(list) {
        let span = l.span(node);
        let (name, inner, spread) = match kind(node) {
            Kind::KeywordArgument => {
                let name = field(node, F.name).map(|name| l.symbol(name));
                (name, field(node, F.value), Spread::No)
            }
            Kind::ListSplat | Kind::ListSplatPattern => (None, first(node), Spread::Positional),
            Kind::DictionarySplat | Kind::DictionarySplatPattern => (None, first(node), Spread::Keyword),
            _ => (None, Some(node), Spread::No),
        };
        let value = expr_or_opaque(l, inner, node);
        args.push(Arg { name, value, spread, span });
    }
    args
}

fn subscript(l: &mut Lowering<'_>, node: Node<'_>, object: ExprId) -> ExprId {
    let indices = all(node, F.subscript);
    if let [only] = indices.as_slice()
        && kind(*only) == Kind::Slice
    {
        let (from, to) = bounds(*only);
        let from = from.map(|bound| expr(l, bound));
        let to = to.map(|bound| expr(l, bound));
        return l.push(ExprKind::Slice { object, from, to }, node);
    }
    let index = index(l, node, indices);
    l.push(ExprKind::Index { object, index }, node)
}

/// What stands between the brackets: one expression, or a tuple.
pub(super) fn index(l: &mut Lowering<'_>, node: Node<'_>, indices: SmallVec<[Node<'_>; 2]>) -> ExprId {
    if let [only] = indices.as_slice() {
        return expr(l, *only);
    }
    let (start, end) = match (indices.first(), indices.last()) {
        (Some(first), Some(last)) => (l.span(*first).start, l.span(*last).end),
        _ => return l.opaque(Vec::new(), node),
    };
    let items = indices.into_iter().map(|item| expr(l, item)).collect();
    l.unit.push(ExprKind::List(items), Span { start, end })
}

/// The bounds of `from:to:step`.
fn bounds(slice: Node<'_>) -> (Option<Node<'_>>, Option<Node<'_>>) {
    let mut cursor = slice.walk();
    let (mut bounds, mut at) = ([None, None, None], 0);
    for child in slice.children(&mut cursor) {
        if child.is_named() && !child.is_extra() {
            bounds[at] = Some(child);
        } else if child.kind() == ":" {
            at = (at + 1).min(2);
        }
    }
    (bounds[0], bounds[1])
}

fn operator(text: &str) -> Op {
    match text.strip_suffix('=').filter(|op| !matches!(*op, "" | "=" | "!" | "<" | ">")).unwrap_or(text) {
        "+" => Op::Add,
        "-" => Op::Sub,
        "*" => Op::Mul,
        "/" | "//" => Op::Div,
        "%" => Op::Mod,
        "and" => Op::And,
        "or" => Op::Or,
        "==" | "is" => Op::Eq,
        "!=" | "<>" | "is not" => Op::Ne,
        "<" => Op::Lt,
        ">" => Op::Gt,
        "<=" => Op::Le,
        ">=" => Op::Ge,
        "in" => Op::In,
        "not in" => Op::NotIn,
        _ => Op::Other,
    }
}

/// The operator of a binary node or of an augmented assignment (without its `=`).
pub(super) fn operator_of(node: Node<'_>) -> Op {
    field(node, F.operator).map_or(Op::Other, |op| operator(op.kind()))
}

/// `a + b + c` nests to the left. A long chain of one operator becomes a balanced tree (same operands in
/// the same order), a long mixed one is opaque.
fn binary(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let sort = kind(node);
    let joins = |a: Op, b: Op| a == b || matches!((a, b), (Op::Add, Op::Sub) | (Op::Sub, Op::Add));
    let op = operator_of(node);
    let mut links: SmallVec<[(Node<'_>, Op); 8]> = SmallVec::new();
    links.push((node, op));
    let mut base = field(node, F.left);
    while let Some(left) = base.filter(|left| kind(*left) == sort && !left.is_missing()) {
        let inner = operator_of(left);
        if !joins(op, inner) {
            break;
        }
        links.push((left, inner));
        base = field(left, F.left);
    }
    if links.len() <= LONG_CHAIN.min(l.room()) {
        let left = l.deeper_by(links.len(), |l| expr_or_opaque(l, base, node));
        let mut left = left.unwrap_or_else(|| l.opaque(Vec::new(), node));
        for (above, (link, op)) in links.iter().enumerate().rev() {
            let right = l.deeper_by(above, |l| expr_or_opaque(l, field(*link, F.right), *link));
            if let Some(right) = right {
                left = l.push(ExprKind::Binary { op: *op, left, right }, *link);
            }
        }
        return left;
    }
    let operands = l.deeper_by(TREE_LEVELS, |l| {
        let mut operands = Vec::with_capacity(links.len() + 1);
        operands.push(expr_or_opaque(l, base, node));
        for (link, _) in links.iter().rev() {
            operands.push(expr_or_opaque(l, field(*link, F.right), *link));
        }
        operands
    });
    match operands {
        Some(operands) if links.iter().all(|(_, other)| *other == op) => balanced(l, op, &operands),
        operands => l.opaque(operands.unwrap_or_default(), node),
    }
}

/// A tree of one operator over at least one operand, as flat as can be.
fn balanced(l: &mut Lowering<'_>, op: Op, operands: &[ExprId]) -> ExprId {
    if let [only] = operands {
        return *only;
    }
    let (left, right) = operands.split_at(operands.len() / 2);
    let left = balanced(l, op, left);
    let right = balanced(l, op, right);
    let span = Span { start: l.expr(left).span.start, end: l.expr(right).span.end };
    l.unit.push(ExprKind::Binary { op, left, right }, span)
}

/// `a < b`, and `a < b < c` as `a < b and b < c`.
fn comparison(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let mut cursor = node.walk();
    let (mut left, mut op, mut links) = (None, Op::Other, Vec::new());
    for child in node.children(&mut cursor) {
        if !child.is_named() {
            op = operator(child.kind());
        } else if !child.is_extra() {
            let value = match l.deeper_by(if links.is_empty() { 0 } else { TREE_LEVELS }, |l| expr(l, child)) {
                Some(value) => value,
                None => l.opaque(Vec::new(), child),
            };
            if let Some(left) = left {
                links.push((op, left, value));
            }
            left = Some(value);
        }
    }
    let mut tests = Vec::with_capacity(links.len());
    for (op, left, right) in links {
        let span = Span { start: l.expr(left).span.start, end: l.expr(right).span.end };
        tests.push(l.unit.push(ExprKind::Binary { op, left, right }, span));
    }
    if tests.is_empty() {
        return left.unwrap_or_else(|| l.opaque(Vec::new(), node));
    }
    let result = balanced(l, Op::And, &tests);
    l.unit.exprs[result.0 as usize].span = l.span(node);
    result
}

fn unary(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let value = expr_or_opaque(l, field(node, F.argument), node);
    let negative = field(node, F.operator).is_some_and(|op| op.kind() == "-");
    let kind = match &l.expr(value).kind {
        ExprKind::Lit(Lit::Int(number)) if negative => ExprKind::Lit(Lit::Int(number.wrapping_neg())),
        ExprKind::Lit(Lit::Float(number)) if negative => ExprKind::Lit(Lit::Float(-number)),
        _ => ExprKind::Unary(value),
    };
    l.push(kind, node)
}

fn conditional(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let parts = l.children(node);
    let [then, test, other] = parts.as_slice() else { return opaque(l, node) };
    let test = expr(l, *test);
    let then = expr(l, *then);
    let other = expr(l, *other);
    l.push(ExprKind::Cond { test, then, other }, node)
}

fn dictionary(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let mut entries = Vec::new();
    for child in l.children(node) {
        let span = l.span(child);
        let (key, value) = match kind(child) {
            Kind::Pair => {
                let key = expr_or_opaque(l, field(child, F.key), child);
                (Some(key), expr_or_opaque(l, field(child, F.value), child))
            }
            _ => (None, expr_or_opaque(l, first(child), child)),
        };
        entries.push(Entry { key, value, span });
    }
    l.push(ExprKind::Map(entries), node)
}

fn comprehension(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let (mut clauses, mut conditions) = (Vec::new(), Vec::new());
    for child in l.children(node) {
        match kind(child) {
            Kind::ForInClause => {
                let iter = index(l, child, all(child, F.right));
                let target = field(child, F.left).map_or(Pattern::Ignore, |left| target(l, left));
                clauses.push((target, iter));
            }
            Kind::IfClause => conditions.push(expr_or_opaque(l, first(child), child)),
            _ => {}
        }
    }
    let element = match field(node, F.body) {
        Some(pair) if kind(pair) == Kind::Pair => {
            let key = expr_or_opaque(l, field(pair, F.key), pair);
            // The key has no place of its own; what it calls must not be lost.
            if !matches!(l.expr(key).kind, ExprKind::Name(_) | ExprKind::Lit(_)) {
                conditions.push(key);
            }
            expr_or_opaque(l, field(pair, F.value), pair)
        }
        body => expr_or_opaque(l, body, node),
    };
    l.push(ExprKind::Comprehension { element, clauses, conditions }, node)
}

/// `a.b.c` written as a dotted name (patterns, types).
pub(super) fn dotted(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let mut value = None;
    for part in l.children(node) {
        let name = l.symbol(part);
        let span = l.span(part);
        value = Some(add_name(l, value, name, span));
    }
    value.unwrap_or_else(|| l.opaque(Vec::new(), node))
}

/// The name itself without `object`, else its member.
pub(super) fn add_name(l: &mut Lowering<'_>, object: Option<ExprId>, name: Sym, span: Span) -> ExprId {
    match object {
        None => l.unit.push(ExprKind::Name(name), span),
        Some(object) => {
            let start = l.expr(object).span.start;
            l.unit.push(ExprKind::Member { object, name }, Span { start, end: span.end })
        }
    }
}
