//! Functions, lambdas, parameters, classes, decorators.

use super::expr::{add_name, expr, expr_or_opaque};
use super::kinds::{F, Kind, field, first, kind};
use super::stmt::block;
use super::target::{target, target_of_type_call};
use super::types::annotation;
use crate::ir::{Class, ClassId, ExprId, ExprKind, Field, Func, FuncId, Param, ParamKind, Pattern, Span, Spread, Stmt, StmtKind};
use crate::lang::Lowering;
use tree_sitter::Node;

/// A function or class with its decorators.
pub(super) fn decorated(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let mut decorators = Vec::new();
    for child in l.children(node) {
        if kind(child) == Kind::Decorator {
            decorators.push(expr_or_opaque(l, first(child), child));
        }
    }
    match field(node, F.definition) {
        Some(definition) => define(l, definition, node, decorators, out),
        None => out.extend(decorators.into_iter().map(|id| Stmt { kind: StmtKind::Expr(id), span: l.expr(id).span })),
    }
}

/// A function or class definition; `whole` is the node with the decorators.
pub(super) fn define(l: &mut Lowering<'_>, node: Node<'_>, whole: Node<'_>, decorators: Vec<ExprId>, out: &mut Vec<Stmt>) {
    let kind = if kind(node) == Kind::ClassDefinition {
        StmtKind::Class(class(l, node, whole, decorators))
    } else {
        StmtKind::Func(function(l, node, whole, decorators))
    };
    out.push(Stmt { kind, span: l.span(whole) });
}

fn add(l: &mut Lowering<'_>, func: Func) -> FuncId {
    l.unit.funcs.push(func);
    FuncId(l.unit.funcs.len() as u32 - 1)
}

fn function(l: &mut Lowering<'_>, node: Node<'_>, whole: Node<'_>, decorators: Vec<ExprId>) -> FuncId {
    let name = field(node, F.name);
    let params = field(node, F.parameters).map(|list| parameters(l, list)).unwrap_or_default();
    let returns = field(node, F.return_type).map(|ty| annotation(l, ty));
    let is_static = decorators.iter().any(|id| matches!(l.expr(*id).kind, ExprKind::Name(name) if name == "staticmethod"));
    let body = field(node, F.body);
    let body_span = body.map_or_else(|| l.span(node), |body| statements_span(l, body));
    let func = Func {
        name: name.map(|name| l.symbol(name)),
        params,
        decorators,
        returns,
        body: body.map(|body| block(l, body)).unwrap_or_default(),
        is_async: node.child(0).is_some_and(|token| token.kind() == "async"),
        is_static,
        span: l.span(whole),
        name_span: l.span(name.unwrap_or(node)),
        body_span,
    };
    add(l, func)
}

/// From the first statement's first byte to the last one's last.
fn statements_span(l: &Lowering<'_>, body: Node<'_>) -> Span {
    let mut span = l.span(body);
    let mut cursor = body.walk();
    let mut statements = body.named_children(&mut cursor).filter(|n| !n.is_extra()).map(|n| l.span(n));
    if let Some(first) = statements.next() {
        span = Span { start: first.start, end: statements.last().unwrap_or(first).end };
    }
    span
}

/// `lambda a: b`.
pub(super) fn lambda(l: &mut Lowering<'_>, node: Node<'_>) -> FuncId {
    let params = field(node, F.parameters).map(|list| parameters(l, list)).unwrap_or_default();
    let body = field(node, F.body);
    let value = expr_or_opaque(l, body, node);
    let body_span = l.span(body.unwrap_or(node));
    let func = Func {
        name: None,
        params,
        decorators: Vec::new(),
        returns: None,
        body: vec![Stmt { kind: StmtKind::Return(Some(value)), span: body_span }],
        is_async: false,
        is_static: false,
        span: l.span(node),
        name_span: l.span(node.child(0).unwrap_or(node)),
        body_span,
    };
    add(l, func)
}

fn parameters(l: &mut Lowering<'_>, list: Node<'_>) -> Vec<Param> {
    let mut params = Vec::new();
    let mut usual = ParamKind::Normal;
    for node in l.children(list) {
        if let Some(param) = parameter(l, node, usual) {
            if param.kind == ParamKind::Rest {
                usual = ParamKind::KeywordOnly;
            }
            params.push(param);
        } else if kind(node) == Kind::KeywordSeparator {
            usual = ParamKind::KeywordOnly;
        }
    }
    params
}

/// One parameter; `usual` is the kind of one without a star. `None` for the separators and other text.
fn parameter(l: &mut Lowering<'_>, node: Node<'_>, usual: ParamKind) -> Option<Param> {
    let name = match kind(node) {
        Kind::Identifier | Kind::TuplePattern | Kind::ListSplatPattern | Kind::DictionarySplatPattern => node,
        Kind::TypedParameter => first(node)?,
        Kind::DefaultParameter | Kind::TypedDefaultParameter => field(node, F.name)?,
        _ => return None,
    };
    let (name, kind) = match kind(name) {
        Kind::ListSplatPattern => (first(name)?, ParamKind::Rest),
        Kind::DictionarySplatPattern => (first(name)?, ParamKind::KeywordRest),
        _ => (name, usual),
    };
    let pattern = target(l, name);
    let ty = field(node, F.ty).map(|ty| annotation(l, ty));
    let default = field(node, F.value).map(|value| expr(l, value));
    let name = match &pattern {
        Pattern::Name(name, _) => Some(*name),
        _ => None,
    };
    Some(Param { pattern, name, ty, default, kind, decorators: Vec::new(), span: l.span(node) })
}

fn class(l: &mut Lowering<'_>, node: Node<'_>, whole: Node<'_>, decorators: Vec<ExprId>) -> ClassId {
    let name = field(node, F.name);
    let (mut bases, mut fields, mut methods, mut body) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for arg in field(node, F.superclasses).map(|list| super::expr::arguments(l, list)).unwrap_or_default() {
        if arg.name.is_none() && arg.spread == Spread::No {
            bases.push(arg.value);
        } else if !matches!(l.expr(arg.value).kind, ExprKind::Name(_) | ExprKind::Lit(_)) {
            // Keywords of the class statement have no place of their own; what they call must not be lost.
            body.push(Stmt { kind: StmtKind::Expr(arg.value), span: arg.span });
        }
    }
    for stmt in field(node, F.body).map(|body| block(l, body)).unwrap_or_default() {
        match stmt.kind {
            StmtKind::Func(id) => methods.push(id),
            StmtKind::Assign { target: Pattern::Name(name, _), op: None, value, ty, .. } => {
                fields.push(Field { name, value: Some(value), ty, decorators: Vec::new(), span: stmt.span });
            }
            StmtKind::Declare { target: Pattern::Name(name, _), ty } => {
                fields.push(Field { name, value: None, ty, decorators: Vec::new(), span: stmt.span });
            }
            _ => body.push(stmt),
        }
    }
    let name_span = l.span(name.unwrap_or(node));
    let name = name.map(|name| l.symbol(name));
    let span = l.span(whole);
    l.unit.classes.push(Class { name, bases, decorators, methods, fields, body, is_type: false, alias: None, span, name_span });
    ClassId(l.unit.classes.len() as u32 - 1)
}

/// `type X[T] = value`, and the assignments that read like one.
pub(super) fn type_alias(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let (Some(left), Some(right)) = (field(node, F.left), field(node, F.right)) else { return };
    // The name, or the name of a generic type.
    let mut name = left;
    while let Some(inner) = first(name).filter(|_| matches!(kind(name), Kind::Type | Kind::GenericType)) {
        name = inner;
    }
    let (target, value) = match node.child(0) {
        Some(word) if kind(name) != Kind::Identifier => {
            let value = expr_or_opaque(l, first(right), right);
            (target_of_type_call(l, word, name).unwrap_or(Pattern::Ignore), value)
        }
        _ => (target(l, name), annotation(l, right)),
    };
    out.push(Stmt { kind: StmtKind::Assign { target, op: None, value, ty: None, declares: true }, span: l.span(node) });
}

/// A call of the function that a statement of Python 2 has become.
pub(super) fn statement_call(l: &mut Lowering<'_>, node: Node<'_>, args: Vec<crate::ir::Arg>, out: &mut Vec<Stmt>) {
    let Some(word) = node.child(0) else { return };
    let (name, span) = (l.symbol(word), l.span(word));
    let callee = add_name(l, None, name, span);
    let value = l.push(ExprKind::Call { callee, args, construct: false, tagged: false }, node);
    out.push(Stmt { kind: StmtKind::Expr(value), span: l.span(node) });
}
