//! Classes and enumerations.

use super::{
    add_function,
    expr::{decorators, expr, lower_function, parameters, type_expr},
    field, text,
};
use crate::{
    ir::{Class, ClassId, Entry, ExprId, ExprKind, Field, Lit, Stmt, StmtKind, sym},
    lang::Lowering,
};
use std::sync::Arc;
use tree_sitter::Node;

/// Lowers a class declaration or expression.
pub(super) fn class(l: &mut Lowering<'_>, node: Node<'_>) -> ClassId {
    let name = field(node, "name");
    let mut class = Class {
        name: name.map(|n| l.symbol(n)),
        bases: Vec::new(),
        decorators: decorators(l, node),
        methods: Vec::new(),
        fields: Vec::new(),
        body: Vec::new(),
        is_type: false,
        alias: None,
        span: l.span(node),
        name_span: l.span(name.unwrap_or(node)),
    };
    for h in l.children(node).into_iter().filter(|c| c.kind() == "class_heritage") {
        for part in l.children(h) {
            match part.kind() {
                "extends_clause" | "implements_clause" => {
                    for b in l.children(part) {
                        if b.kind() == "type_arguments" {
                            continue;
                        }
                        let base = if part.kind() == "implements_clause" { type_expr(l, b) } else { Some(expr(l, b)) };
                        class.bases.extend(base);
                    }
                }
                _ => {
                    let base = expr(l, part);
                    class.bases.push(base);
                }
            }
        }
    }
    let mut pending: Vec<ExprId> = Vec::new();
    for member in field(node, "body").map(|b| l.children(b)).unwrap_or_default() {
        match member.kind() {
            "decorator" => {
                if let Some(d) = member.named_child(0) {
                    let d = expr(l, d);
                    pending.push(d);
                }
            }
            "method_definition" => {
                let id = lower_function(l, member, None);
                let f = &mut l.unit.funcs[id.0 as usize];
                f.decorators.splice(0..0, pending.drain(..));
                f.is_static |= has_word(member, "static");
                if field(member, "name").is_some_and(|n| l.text(n) == "constructor") {
                    parameter_properties(l, member, &mut class);
                }
                class.methods.push(id);
            }
            "field_definition" | "public_field_definition" => {
                let Some(property) = field(member, "property").or_else(|| field(member, "name")) else { continue };
                let name = sym(l.text(property).trim_start_matches('#').trim_matches(['"', '\'']));
                let ty = field(member, "type").and_then(|t| type_expr(l, t));
                let value = field(member, "value").map(|v| super::expr::named_value(l, v, Some(name)));
                let mut decorated = decorators(l, member);
                decorated.splice(0..0, pending.drain(..));
                // A method written as a field.
                if let Some(v) = value
                    && let ExprKind::Func(f) = l.expr(v).kind
                {
                    class.methods.push(f);
                }
                class.fields.push(Field { name, value, ty, decorators: decorated, span: l.span(member) });
            }
            "class_static_block" => {
                let inner = super::body(l, field(member, "body").or(Some(member)));
                class.body.extend(inner);
            }
            _ => pending.clear(),
        }
    }
    l.unit.classes.push(class);
    ClassId(l.unit.classes.len() as u32 - 1)
}

/// An interface, or a type that is given a name. `None` where nothing is known of the type.
pub(super) fn named_type(l: &mut Lowering<'_>, node: Node<'_>) -> Option<ClassId> {
    let mut class = type_class(l, node);
    let name = field(node, "name")?;
    (class.name, class.name_span) = (Some(l.symbol(name)), l.span(name));
    if node.kind() == "interface_declaration" {
        for extended in l.children(node).into_iter().filter(|c| c.kind() == "extends_type_clause") {
            for base in l.children(extended) {
                class.bases.extend(type_expr(l, base));
            }
        }
        members(l, field(node, "body")?, &mut class);
    } else {
        let value = field(node, "value")?;
        match value.kind() {
            "object_type" => members(l, value, &mut class),
            "intersection_type" => parts(l, value, &mut class),
            _ => class.alias = Some(type_expr(l, value)?),
        }
    }
    Some(add(l, class))
}

/// A type that is written out where it is used: `{ a: string }`.
pub(super) fn object_type(l: &mut Lowering<'_>, node: Node<'_>) -> ClassId {
    let mut class = type_class(l, node);
    members(l, node, &mut class);
    add(l, class)
}

fn type_class(l: &Lowering<'_>, node: Node<'_>) -> Class {
    Class {
        name: None,
        bases: Vec::new(),
        decorators: Vec::new(),
        methods: Vec::new(),
        fields: Vec::new(),
        body: Vec::new(),
        is_type: true,
        alias: None,
        span: l.span(node),
        name_span: l.span(node),
    }
}

fn add(l: &mut Lowering<'_>, class: Class) -> ClassId {
    l.unit.classes.push(class);
    ClassId(l.unit.classes.len() as u32 - 1)
}

/// `A & { b: string }`: what each part has.
fn parts(l: &mut Lowering<'_>, node: Node<'_>, class: &mut Class) {
    for part in l.children(node) {
        match part.kind() {
            "object_type" => members(l, part, class),
            "intersection_type" => {
                let _ = l.deeper(|l| parts(l, part, class));
            }
            _ => class.bases.extend(type_expr(l, part)),
        }
    }
}

fn members(l: &mut Lowering<'_>, body: Node<'_>, class: &mut Class) {
    for member in l.children(body) {
        if let ("property_signature", Some(name)) = (member.kind(), field(member, "name")) {
            let name = sym(l.text(name).trim_matches(['"', '\'']));
            let ty = field(member, "type").and_then(|t| type_expr(l, t));
            class.fields.push(Field { name, value: None, ty, decorators: Vec::new(), span: l.span(member) });
        }
    }
}

fn has_word(node: Node<'_>, word: &str) -> bool {
    let mut cursor = node.walk();
    node.children(&mut cursor).any(|c| c.kind() == word)
}

/// `constructor(private readonly db: Db)` declares a field.
fn parameter_properties(l: &mut Lowering<'_>, method: Node<'_>, class: &mut Class) {
    for p in field(method, "parameters").map(|p| l.children(p)).unwrap_or_default() {
        let is_property = l.children(p).iter().any(|c| c.kind() == "accessibility_modifier") || has_word(p, "readonly");
        let Some(name) = field(p, "pattern").filter(|n| is_property && n.kind() == "identifier") else { continue };
        let ty = field(p, "type").and_then(|t| type_expr(l, t));
        class.fields.push(Field { name: l.symbol(name), value: None, ty, decorators: Vec::new(), span: l.span(p) });
    }
}

/// Decorators written before `export`.
pub(super) fn outer_decorators(l: &mut Lowering<'_>, export: Node<'_>, class: Option<&Stmt>) {
    let Some(Stmt { kind: StmtKind::Class(id), .. }) = class else { return };
    let id = *id;
    let outer = decorators(l, export);
    l.unit.classes[id.0 as usize].decorators.splice(0..0, outer);
}

/// `enum E { A = "a", B }` as a map.
pub(super) fn enumeration(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let mut entries = Vec::new();
    let mut next = 0;
    for m in field(node, "body").map(|b| l.children(b)).unwrap_or_default() {
        let (name, value) = match m.kind() {
            "enum_assignment" => (field(m, "name"), field(m, "value")),
            _ => (Some(m), None),
        };
        let Some(name) = name else { continue };
        let key = if name.kind() == "string" { text::string(l, name) } else { l.text(name).to_string() };
        let key = l.push(ExprKind::Lit(Lit::Str(Arc::from(key))), name);
        let value = match value {
            Some(v) => expr(l, v),
            None => l.push(ExprKind::Lit(Lit::Int(next)), name),
        };
        if let ExprKind::Lit(Lit::Int(i)) = l.expr(value).kind {
            next = i.saturating_add(1);
        }
        entries.push(Entry { key: Some(key), value, span: l.span(m) });
    }
    l.push(ExprKind::Map(entries), node)
}

/// A getter, setter or method of an object literal or class.
pub(super) fn method(l: &mut Lowering<'_>, node: Node<'_>) -> crate::ir::FuncId {
    let name = field(node, "name");
    let params = field(node, "parameters").map(|p| parameters(l, p)).unwrap_or_default();
    let decorators = decorators(l, node);
    let returns = field(node, "return_type").and_then(|t| type_expr(l, t));
    let body_node = field(node, "body");
    let body = body_node.map(|b| super::function_body(l, b)).unwrap_or_default();
    let f = crate::ir::Func {
        name: name.map(|n| sym(l.text(n).trim_start_matches('#').trim_matches(['"', '\'', '[', ']']))),
        params,
        decorators,
        returns,
        body,
        is_async: has_word(node, "async"),
        is_static: false,
        span: l.span(node),
        name_span: l.span(name.unwrap_or(node)),
        body_span: l.span(body_node.unwrap_or(node)),
    };
    add_function(l, f)
}
