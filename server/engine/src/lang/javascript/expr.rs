//! Expressions, patterns, functions and types.

use super::{add_function, class, field, function_body, text};
use crate::{
    ir::{Arg, Entry, ExprId, ExprKind, Func, FuncId, Lit, Op, Param, ParamKind, Pattern, Spread, Sym, sym},
    lang::Lowering,
};
use std::sync::Arc;
use tree_sitter::Node;

/// Lowers an expression; one nested too deep becomes opaque.
pub(super) fn expr(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    match l.deeper(|l| lower(l, node)) {
        Some(id) => id,
        None => l.opaque(Vec::new(), node),
    }
}

/// A value that takes a name, if it is a function without one.
pub(super) fn named_value(l: &mut Lowering<'_>, node: Node<'_>, name: Option<Sym>) -> ExprId {
    match node.kind() {
        "arrow_function" | "function_expression" | "generator_function" | "function" => {
            let id = lower_function(l, node, name);
            l.push(ExprKind::Func(id), node)
        }
        _ => expr(l, node),
    }
}

fn lower(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    match node.kind() {
        "identifier" | "shorthand_property_identifier" | "property_identifier" | "private_property_identifier" | "type_identifier" => {
            if l.text(node) == "undefined" {
                return l.push(ExprKind::Lit(Lit::Null), node);
            }
            let name = l.symbol(node);
            l.push(ExprKind::Name(name), node)
        }
        "this" | "super" | "import" => {
            let name = l.symbol(node);
            l.push(ExprKind::Name(name), node)
        }
        "string" => {
            let value = text::string(l, node);
            l.push(ExprKind::Lit(Lit::Str(Arc::from(value))), node)
        }
        "template_string" => template(l, node),
        "number" => {
            let lit = text::number(l.text(node));
            l.push(ExprKind::Lit(lit), node)
        }
        "true" | "false" => l.push(ExprKind::Lit(Lit::Bool(node.kind() == "true")), node),
        "null" | "undefined" => l.push(ExprKind::Lit(Lit::Null), node),
        "regex" => {
            let pattern = field(node, "pattern").map_or("", |p| l.text(p));
            // The other flags do not change which whole lines match.
            let multiline = field(node, "flags").is_some_and(|f| l.text(f).contains('m'));
            let pattern = if multiline { format!("(?m){pattern}") } else { pattern.to_string() };
            l.push(ExprKind::Regex(Arc::from(pattern)), node)
        }
        "member_expression" | "call_expression" | "subscript_expression" | "non_null_expression" | "new_expression" => chain(l, node),
        "binary_expression" => binary(l, node),
        "unary_expression" => unary(l, node),
        "update_expression" => {
            let Some(argument) = field(node, "argument") else { return l.opaque(Vec::new(), node) };
            let left = expr(l, argument);
            let right = l.push(ExprKind::Lit(Lit::Int(1)), node);
            let op = if field(node, "operator").is_some_and(|o| l.text(o) == "--") { Op::Sub } else { Op::Add };
            let value = l.push(ExprKind::Binary { op, left, right }, node);
            let target = Box::new(pattern(l, argument));
            l.push(ExprKind::Assign { target, value }, node)
        }
        "ternary_expression" => {
            let test = operand(l, field(node, "condition"), node);
            let then = operand(l, field(node, "consequence"), node);
            let other = operand(l, field(node, "alternative"), node);
            l.push(ExprKind::Cond { test, then, other }, node)
        }
        "assignment_expression" => {
            let (Some(left), Some(right)) = (field(node, "left"), field(node, "right")) else { return l.opaque(Vec::new(), node) };
            let value = expr(l, right);
            let target = Box::new(pattern(l, left));
            l.push(ExprKind::Assign { target, value }, node)
        }
        "augmented_assignment_expression" => {
            let (Some(left), Some(right)) = (field(node, "left"), field(node, "right")) else { return l.opaque(Vec::new(), node) };
            let old = expr(l, left);
            let new = expr(l, right);
            let op = field(node, "operator").map_or(Op::Other, |o| operator(l.text(o).trim_end_matches('=')));
            let value = l.push(ExprKind::Binary { op, left: old, right: new }, node);
            let target = Box::new(pattern(l, left));
            l.push(ExprKind::Assign { target, value }, node)
        }
        "parenthesized_expression" | "as_expression" | "satisfies_expression" | "type_assertion" | "instantiation_expression" => {
            let inner = if node.kind() == "type_assertion" { l.children(node).pop() } else { l.children(node).into_iter().next() };
            operand(l, inner, node)
        }
        "sequence_expression" => {
            let parts: Vec<ExprId> = l.children(node).into_iter().map(|n| expr(l, n)).collect();
            match parts.last() {
                // The last one is the value; the others are evaluated for their effects.
                Some(last) if parts.len() == 1 => *last,
                _ => l.opaque(parts, node),
            }
        }
        "await_expression" | "yield_expression" => {
            let inner = l.children(node).into_iter().next();
            let value = operand(l, inner, node);
            l.push(ExprKind::Await(value), node)
        }
        "spread_element" => {
            let inner = l.children(node).into_iter().next();
            let value = operand(l, inner, node);
            l.push(ExprKind::Spread(value), node)
        }
        "array" => {
            let items = l.children(node).into_iter().map(|n| expr(l, n)).collect();
            l.push(ExprKind::List(items), node)
        }
        "object" => object(l, node),
        "arrow_function" | "function_expression" | "generator_function" | "function" => {
            let id = lower_function(l, node, None);
            l.push(ExprKind::Func(id), node)
        }
        "class" => {
            let id = class::class(l, node);
            l.push(ExprKind::Class(id), node)
        }
        "jsx_element" | "jsx_self_closing_element" | "jsx_fragment" => jsx(l, node),
        "jsx_expression" => {
            let inner = l.children(node).into_iter().next();
            operand(l, inner, node)
        }
        "jsx_text" => {
            let text = l.text(node);
            l.string(text, node)
        }
        "meta_property" => {
            let name = l.symbol(node);
            l.push(ExprKind::Name(name), node)
        }
        _ => {
            let parts = l.children(node).into_iter().filter(|n| !n.kind().ends_with("_statement")).map(|n| expr(l, n)).collect();
            l.opaque(parts, node)
        }
    }
}

fn operand(l: &mut Lowering<'_>, node: Option<Node<'_>>, around: Node<'_>) -> ExprId {
    match node {
        Some(n) => expr(l, n),
        None => l.opaque(Vec::new(), around),
    }
}

/// Members, calls and subscripts: a long chain is walked from its inside out, not recursed into.
fn chain(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let mut links = Vec::new();
    let mut at = node;
    loop {
        let inner = match at.kind() {
            "member_expression" | "subscript_expression" => field(at, "object"),
            "call_expression" => field(at, "function"),
            "non_null_expression" => at.named_child(0),
            "new_expression" => {
                links.push(at);
                break;
            }
            "parenthesized_expression" if at.named_child_count() == 1 => at.named_child(0),
            _ => break,
        };
        let Some(inner) = inner else { break };
        links.push(at);
        at = inner;
    }
    let levels = links.len().saturating_sub(1);
    let mut value = if at.kind() == "new_expression" {
        match l.deeper_by(levels, |l| construct(l, at)) {
            Some(v) => v,
            None => return l.opaque(Vec::new(), node),
        }
    } else {
        match l.deeper_by(levels, |l| expr(l, at)) {
            Some(v) => v,
            None => return l.opaque(Vec::new(), node),
        }
    };
    for link in links.into_iter().rev() {
        value = match link.kind() {
            "member_expression" => {
                let name = field(link, "property").map_or_else(Sym::default, |p| sym(l.text(p).trim_start_matches('#')));
                l.push(ExprKind::Member { object: value, name }, link)
            }
            "subscript_expression" => {
                let index = operand(l, field(link, "index"), link);
                l.push(ExprKind::Index { object: value, index }, link)
            }
            "call_expression" => {
                let arguments = field(link, "arguments");
                let (args, tagged) = match arguments {
                    Some(a) if a.kind() == "template_string" => {
                        let t = template(l, a);
                        (vec![Arg { name: None, value: t, spread: Spread::No, span: l.span(a) }], true)
                    }
                    Some(a) => (self::arguments(l, a), false),
                    None => (Vec::new(), false),
                };
                l.push(ExprKind::Call { callee: value, args, construct: false, tagged }, link)
            }
            _ => value,
        };
    }
    value
}

fn construct(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let callee = operand(l, field(node, "constructor"), node);
    let args = field(node, "arguments").map(|a| arguments(l, a)).unwrap_or_default();
    l.push(ExprKind::Call { callee, args, construct: true, tagged: false }, node)
}

fn arguments(l: &mut Lowering<'_>, node: Node<'_>) -> Vec<Arg> {
    l.children(node)
        .into_iter()
        .map(|a| {
            let (inner, spread) = match a.kind() {
                "spread_element" => (a.named_child(0).unwrap_or(a), Spread::Positional),
                _ => (a, Spread::No),
            };
            Arg { name: None, value: expr(l, inner), spread, span: l.span(a) }
        })
        .collect()
}

fn template(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let mut parts = Vec::new();
    let mut any_hole = false;
    let mut cursor = node.walk();
    let children: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
    let mut pending: Option<(usize, usize)> = None;
    let flush = |l: &mut Lowering<'_>, pending: &mut Option<(usize, usize)>, parts: &mut Vec<ExprId>| {
        if let Some((start, end)) = pending.take() {
            let raw = l.file.get(start..end).unwrap_or_default();
            let value: Arc<str> = if raw.contains('\\') { text::unescape(raw).into() } else { raw.into() };
            let base = l.span(node).start as usize;
            let first = node.start_byte();
            let span = crate::ir::Span { start: (base + start - first) as u32, end: (base + end - first) as u32 };
            parts.push(l.unit.push(ExprKind::Lit(Lit::Str(value)), span));
        }
    };
    for child in children {
        if child.kind() == "template_substitution" {
            flush(l, &mut pending, &mut parts);
            any_hole = true;
            let value = operand(l, child.named_child(0), child);
            parts.push(value);
        } else {
            let (start, end) = (child.start_byte(), child.end_byte());
            pending = Some(pending.map_or((start, end), |(s, _)| (s, end)));
        }
    }
    flush(l, &mut pending, &mut parts);
    if any_hole {
        return l.push(ExprKind::Template(parts), node);
    }
    let raw = l.text(node);
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    let value = if inner.contains('\\') { text::unescape(inner) } else { inner.to_string() };
    l.push(ExprKind::Lit(Lit::Str(Arc::from(value))), node)
}

fn operator(text: &str) -> Op {
    match text {
        "+" => Op::Add,
        "-" => Op::Sub,
        "*" => Op::Mul,
        "/" => Op::Div,
        "%" => Op::Mod,
        "==" | "===" => Op::Eq,
        "!=" | "!==" => Op::Ne,
        "<" => Op::Lt,
        ">" => Op::Gt,
        "<=" => Op::Le,
        ">=" => Op::Ge,
        "&&" => Op::And,
        "||" => Op::Or,
        "??" => Op::Coalesce,
        "in" => Op::In,
        "instanceof" => Op::InstanceOf,
        _ => Op::Other,
    }
}

/// Operands of more levels than this are parts of an opaque expression: nobody writes them by hand.
const LONG_CHAIN: usize = 100;

fn binary(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let mut links = Vec::new();
    let mut at = node;
    while at.kind() == "binary_expression" {
        links.push(at);
        match field(at, "left") {
            Some(left) => at = left,
            None => break,
        }
    }
    if links.len() > LONG_CHAIN.min(l.room()) {
        let mut parts: Vec<ExprId> = Vec::new();
        for link in links.iter().rev() {
            if let Some(r) = field(*link, "right") {
                let part = expr(l, r);
                parts.push(part);
            }
        }
        return l.opaque(parts, node);
    }
    let levels = links.len().saturating_sub(1);
    let Some(mut value) = l.deeper_by(levels, |l| expr(l, at)) else { return l.opaque(Vec::new(), node) };
    for link in links.into_iter().rev() {
        let op = field(link, "operator").map_or(Op::Other, |o| operator(o.kind()));
        let right = operand(l, field(link, "right"), link);
        value = l.push(ExprKind::Binary { op, left: value, right }, link);
    }
    value
}

fn unary(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let op = field(node, "operator").map_or("", |o| o.kind());
    let value = operand(l, field(node, "argument"), node);
    match op {
        "!" => l.push(ExprKind::Not(value), node),
        "typeof" => l.push(ExprKind::TypeOf(value), node),
        "void" => l.push(ExprKind::Lit(Lit::Null), node),
        "delete" => l.opaque(vec![value], node),
        _ => l.push(ExprKind::Unary(value), node),
    }
}

fn object(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let mut entries = Vec::new();
    for p in l.children(node) {
        let span = l.span(p);
        match p.kind() {
            "pair" => {
                let (Some(k), Some(v)) = (field(p, "key"), field(p, "value")) else { continue };
                let (key, name) = key(l, k);
                let value = named_value(l, v, name);
                entries.push(Entry { key: Some(key), value, span });
            }
            "shorthand_property_identifier" => {
                let name = l.text(p);
                let key = l.string(name, p);
                let value = expr(l, p);
                entries.push(Entry { key: Some(key), value, span });
            }
            "method_definition" => {
                let Some(k) = field(p, "name") else { continue };
                let (key, _) = key(l, k);
                let id = class::method(l, p);
                let value = l.push(ExprKind::Func(id), p);
                entries.push(Entry { key: Some(key), value, span });
            }
            "spread_element" => {
                let inner = p.named_child(0);
                let value = operand(l, inner, p);
                entries.push(Entry { key: None, value, span });
            }
            _ => {}
        }
    }
    l.push(ExprKind::Map(entries), node)
}

/// A property's key, and its name where it has one.
fn key(l: &mut Lowering<'_>, node: Node<'_>) -> (ExprId, Option<Sym>) {
    match node.kind() {
        "computed_property_name" => (operand(l, node.named_child(0), node), None),
        "string" => {
            let text = text::string(l, node);
            (l.string(&text, node), Some(sym(&text)))
        }
        _ => {
            let text = l.text(node).trim_start_matches('#');
            (l.string(text, node), Some(sym(text)))
        }
    }
}

/// `<a href={x}>text</a>` as a call of `jsx`.
fn jsx(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let opening = field(node, "open_tag").or_else(|| l.children(node).into_iter().find(|c| c.kind() == "jsx_opening_element"));
    let head = opening.unwrap_or(node);
    let name = field(head, "name").filter(|_| node.kind() != "jsx_fragment");
    let callee = l.push(ExprKind::Name(sym("jsx")), name.unwrap_or(head));
    let tag = match name {
        Some(n) if n.kind() == "identifier" && l.text(n).starts_with(|c: char| c.is_ascii_lowercase()) => {
            let text = l.text(n);
            l.string(text, n)
        }
        Some(n) => expr(l, n),
        None => l.string("", head),
    };
    let span = l.span(head);
    let mut args = vec![Arg { name: None, value: tag, spread: Spread::No, span }];
    for a in l.children(head) {
        match a.kind() {
            "jsx_attribute" => {
                let parts = l.children(a);
                let Some(name) = parts.first() else { continue };
                let value = match parts.get(1) {
                    Some(v) => expr(l, *v),
                    None => l.push(ExprKind::Lit(Lit::Bool(true)), a),
                };
                args.push(Arg { name: Some(l.symbol(*name)), value, spread: Spread::No, span: l.span(a) });
            }
            "jsx_expression" if Some(a) != name => {
                // `{...props}`
                let inner = a.named_child(0).and_then(|s| if s.kind() == "spread_element" { s.named_child(0) } else { Some(s) });
                let value = operand(l, inner, a);
                args.push(Arg { name: None, value, spread: Spread::Keyword, span: l.span(a) });
            }
            _ => {}
        }
    }
    for c in l.children(node) {
        if Some(c) == opening || c.kind() == "jsx_closing_element" || (opening.is_none() && node.kind() == "jsx_self_closing_element") {
            continue;
        }
        if matches!(c.kind(), "jsx_text" | "jsx_expression" | "jsx_element" | "jsx_self_closing_element" | "jsx_fragment") {
            let value = expr(l, c);
            args.push(Arg { name: None, value, spread: Spread::No, span: l.span(c) });
        }
    }
    l.push(ExprKind::Call { callee, args, construct: false, tagged: false }, node)
}

// ---- patterns -----------------------------------------------------------------------------------

/// Lowers the target of a binding.
pub(super) fn pattern(l: &mut Lowering<'_>, node: Node<'_>) -> Pattern {
    l.deeper(|l| lower_pattern(l, node)).unwrap_or(Pattern::Ignore)
}

fn lower_pattern(l: &mut Lowering<'_>, node: Node<'_>) -> Pattern {
    match node.kind() {
        "identifier" | "shorthand_property_identifier_pattern" | "this" => Pattern::Name(l.symbol(node), l.span(node)),
        "member_expression" => {
            let Some(object) = field(node, "object") else { return Pattern::Ignore };
            let object = expr(l, object);
            let name = field(node, "property").map_or_else(Sym::default, |p| sym(l.text(p).trim_start_matches('#')));
            Pattern::Member { object, name, span: l.span(node) }
        }
        "subscript_expression" => {
            let Some(object) = field(node, "object") else { return Pattern::Ignore };
            let object = expr(l, object);
            let index = operand(l, field(node, "index"), node);
            Pattern::Index { object, index, span: l.span(node) }
        }
        "array_pattern" | "array" => {
            let mut parts = Vec::new();
            // Holes (`[, b]`) count: elements are told apart by the commas.
            let mut cursor = node.walk();
            let mut seen = false;
            for c in node.children(&mut cursor) {
                match c.kind() {
                    "," => {
                        if !seen {
                            parts.push(Pattern::Ignore);
                        }
                        seen = false;
                    }
                    "[" | "]" => {}
                    _ if c.is_extra() => {}
                    _ => {
                        parts.push(pattern(l, c));
                        seen = true;
                    }
                }
            }
            Pattern::List(parts)
        }
        "object_pattern" | "object" => {
            let mut parts = Vec::new();
            for p in l.children(node) {
                match p.kind() {
                    "shorthand_property_identifier_pattern" | "shorthand_property_identifier" => {
                        let name = l.symbol(p);
                        parts.push((name, Pattern::Name(name, l.span(p))));
                    }
                    "pair_pattern" | "pair" => {
                        let (Some(k), Some(v)) = (field(p, "key"), field(p, "value")) else { continue };
                        let name = sym(l.text(k).trim_matches(['"', '\'']));
                        parts.push((name, pattern(l, v)));
                    }
                    "object_assignment_pattern" => {
                        let (Some(left), Some(right)) = (field(p, "left"), field(p, "right")) else { continue };
                        let inner = pattern(l, left);
                        let default = expr(l, right);
                        parts.push((l.symbol(left), Pattern::Default(Box::new(inner), default)));
                    }
                    "rest_pattern" | "spread_element" => {
                        if let Some(inner) = p.named_child(0) {
                            let inner = pattern(l, inner);
                            parts.push((Sym::default(), Pattern::Rest(Box::new(inner))));
                        }
                    }
                    _ => {}
                }
            }
            Pattern::Map(parts)
        }
        "assignment_pattern" => {
            let (Some(left), Some(right)) = (field(node, "left"), field(node, "right")) else { return Pattern::Ignore };
            let inner = pattern(l, left);
            let default = expr(l, right);
            Pattern::Default(Box::new(inner), default)
        }
        "rest_pattern" | "spread_element" => match node.named_child(0) {
            Some(inner) => Pattern::Rest(Box::new(pattern(l, inner))),
            None => Pattern::Ignore,
        },
        "parenthesized_expression" | "non_null_expression" | "as_expression" => match node.named_child(0) {
            Some(inner) => pattern(l, inner),
            None => Pattern::Ignore,
        },
        _ => Pattern::Ignore,
    }
}

/// The variables a pattern binds.
pub(super) fn names(pattern: &Pattern, out: &mut Vec<Sym>) {
    match pattern {
        Pattern::Name(n, _) => out.push(*n),
        Pattern::List(ps) => ps.iter().for_each(|p| names(p, out)),
        Pattern::Map(ps) => ps.iter().for_each(|p| names(&p.1, out)),
        Pattern::Default(p, _) | Pattern::Rest(p) => names(p, out),
        _ => {}
    }
}

// ---- functions ----------------------------------------------------------------------------------

/// Lowers a function of any form. `given` is the name of what it is assigned to.
pub(super) fn lower_function(l: &mut Lowering<'_>, node: Node<'_>, given: Option<Sym>) -> FuncId {
    if node.kind() == "method_definition" {
        return class::method(l, node);
    }
    let name = field(node, "name");
    let params = match (field(node, "parameters"), field(node, "parameter")) {
        (Some(p), _) => parameters(l, p),
        (None, Some(p)) => {
            let inner = pattern(l, p);
            vec![param(l, p, inner)]
        }
        _ => Vec::new(),
    };
    let returns = field(node, "return_type").and_then(|t| type_expr(l, t));
    let body_node = field(node, "body");
    let body = body_node.map(|b| function_body(l, b)).unwrap_or_default();
    let is_async = {
        let mut cursor = node.walk();
        node.children(&mut cursor).any(|c| c.kind() == "async")
    };
    let first = node.child(0).unwrap_or(node);
    let f = Func {
        name: name.map(|n| l.symbol(n)).or(given),
        params,
        decorators: Vec::new(),
        returns,
        body,
        is_async,
        is_static: false,
        span: l.span(node),
        name_span: l.span(name.unwrap_or(first)),
        body_span: l.span(body_node.unwrap_or(node)),
    };
    add_function(l, f)
}

fn param(l: &Lowering<'_>, node: Node<'_>, pattern: Pattern) -> Param {
    let (pattern, default) = match pattern {
        Pattern::Default(inner, d) => (*inner, Some(d)),
        other => (other, None),
    };
    let (pattern, kind) = match pattern {
        Pattern::Rest(inner) => (*inner, ParamKind::Rest),
        other => (other, ParamKind::Normal),
    };
    let name = match &pattern {
        Pattern::Name(n, _) => Some(*n),
        _ => None,
    };
    Param { pattern, name, ty: None, default, kind, decorators: Vec::new(), span: l.span(node) }
}

pub(super) fn parameters(l: &mut Lowering<'_>, node: Node<'_>) -> Vec<Param> {
    let mut out = Vec::new();
    for p in l.children(node) {
        match p.kind() {
            "required_parameter" | "optional_parameter" => {
                let Some(inner) = field(p, "pattern") else { continue };
                if inner.kind() == "this" {
                    continue;
                }
                let bound = pattern(l, inner);
                let mut param = param(l, p, bound);
                param.ty = field(p, "type").and_then(|t| type_expr(l, t));
                if let Some(v) = field(p, "value") {
                    param.default = Some(expr(l, v));
                }
                param.decorators = decorators(l, p);
                out.push(param);
            }
            "decorator" | "type_annotation" => {}
            _ => {
                let bound = pattern(l, p);
                out.push(param(l, p, bound));
            }
        }
    }
    out
}

/// The decorators among a node's children.
pub(super) fn decorators(l: &mut Lowering<'_>, node: Node<'_>) -> Vec<ExprId> {
    let nodes: Vec<Node<'_>> = l.children(node).into_iter().filter(|c| c.kind() == "decorator").collect();
    nodes.into_iter().filter_map(|d| d.named_child(0)).map(|d| expr(l, d)).collect()
}

/// A type as an expression: dotted names, generics as an index; `None` for what has no name.
pub(super) fn type_expr(l: &mut Lowering<'_>, node: Node<'_>) -> Option<ExprId> {
    l.deeper(|l| match node.kind() {
        "type_annotation" | "parenthesized_type" | "readonly_type" | "optional_type" => node.named_child(0).and_then(|t| type_expr(l, t)),
        "type_identifier" | "identifier" | "predefined_type" => {
            let name = l.symbol(node);
            Some(l.push(ExprKind::Name(name), node))
        }
        "nested_type_identifier" | "nested_identifier" | "member_expression" => {
            let module = field(node, "module").or_else(|| field(node, "object")).or_else(|| node.named_child(0))?;
            let name = field(node, "name").or_else(|| field(node, "property")).or_else(|| node.named_child(1))?;
            let object = type_expr(l, module)?;
            let name = l.symbol(name);
            Some(l.push(ExprKind::Member { object, name }, node))
        }
        "generic_type" => {
            let object = field(node, "name").and_then(|n| type_expr(l, n))?;
            let arguments = field(node, "type_arguments");
            let types: Vec<_> = arguments.map(|a| l.children(a)).unwrap_or_default();
            let mut types: Vec<ExprId> = types.into_iter().map(|t| type_expr(l, t).unwrap_or_else(|| l.opaque(Vec::new(), t))).collect();
            Some(match (types.len(), arguments) {
                (0, _) | (_, None) => object,
                (1, _) => {
                    let index = types.remove(0);
                    l.push(ExprKind::Index { object, index }, node)
                }
                (_, Some(list)) => {
                    let index = l.push(ExprKind::List(types), list);
                    l.push(ExprKind::Index { object, index }, node)
                }
            })
        }
        "object_type" => {
            let id = super::class::object_type(l, node);
            Some(l.push(ExprKind::Class(id), node))
        }
        // A list of what it may be.
        "literal_type" => {
            let value = node.named_child(0).map(|value| expr(l, value))?;
            Some(l.push(ExprKind::List(vec![value]), node))
        }
        "array_type" => {
            let index = node.named_child(0).and_then(|t| type_expr(l, t))?;
            let object = l.push(ExprKind::Name(sym("Array")), node);
            Some(l.push(ExprKind::Index { object, index }, node))
        }
        "union_type" => {
            // `T | undefined` is a T that may be missing.
            let parts: Vec<_> = l.children(node).into_iter().filter(|p| !matches!(l.text(*p), "null" | "undefined")).collect();
            let mut types =
                parts.into_iter().map(|p| type_expr(l, p).unwrap_or_else(|| l.opaque(Vec::new(), p))).collect::<Vec<_>>().into_iter();
            let first = types.next()?;
            Some(types.fold(first, |left, right| l.push(ExprKind::Binary { op: Op::Other, left, right }, node)))
        }
        _ => None,
    })
    .flatten()
}
