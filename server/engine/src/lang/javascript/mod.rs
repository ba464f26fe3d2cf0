//! JavaScript, TypeScript, JSX and TSX to the IR: statements and modules. The grammars name most nodes alike;
//! where they differ both names are handled.

mod class;
mod expr;
#[cfg(test)]
mod tests;
mod text;

use super::Lowering;
use crate::ir::{Case, ExprId, ExprKind, FuncId, Handler, Op, Pattern, Stmt, StmtKind, Sym, sym};
use expr::{expr, lower_function, pattern};
use tree_sitter::Node;

/// Names that are there without an import, in browsers or in Node.
pub(super) const GLOBALS: &[&str] = &[
    "AbortController",
    "AbortSignal",
    "Array",
    "BigInt",
    "Boolean",
    "Buffer",
    "Date",
    "Error",
    "Infinity",
    "JSON",
    "Map",
    "Math",
    "NaN",
    "Number",
    "Object",
    "Promise",
    "Proxy",
    "RangeError",
    "Reflect",
    "RegExp",
    "Set",
    "String",
    "Symbol",
    "SyntaxError",
    "TypeError",
    "URL",
    "URLSearchParams",
    "Uint8Array",
    "WeakMap",
    "WeakSet",
    "__dirname",
    "__filename",
    "arguments",
    "atob",
    "btoa",
    "clearTimeout",
    "console",
    "crypto",
    "decodeURIComponent",
    "document",
    "encodeURIComponent",
    "exports",
    "fetch",
    "global",
    "globalThis",
    "isFinite",
    "isNaN",
    "module",
    "parseFloat",
    "parseInt",
    "process",
    "require",
    "setTimeout",
    "structuredClone",
    "this",
    "undefined",
    "window",
];

/// Lowers one top level node.
pub(super) fn lower(l: &mut Lowering<'_>, item: Node<'_>) {
    let mut out = Vec::new();
    statement(l, item, &mut out);
    l.unit.body = out;
}

/// The child in a field.
fn field<'t>(node: Node<'t>, name: &str) -> Option<Node<'t>> {
    node.child_by_field_name(name)
}

fn add(l: &Lowering<'_>, out: &mut Vec<Stmt>, kind: StmtKind, node: Node<'_>) {
    out.push(Stmt { kind, span: l.span(node) });
}

/// Lowers a block or a single statement into a list; function declarations come first, as they are hoisted.
fn body(l: &mut Lowering<'_>, node: Option<Node<'_>>) -> Vec<Stmt> {
    let mut out = Vec::new();
    let Some(node) = node else { return out };
    if matches!(node.kind(), "statement_block" | "class_static_block") {
        let children = l.children(node);
        for pass in [true, false] {
            for child in &children {
                let hoisted = matches!(child.kind(), "function_declaration" | "generator_function_declaration");
                if hoisted == pass {
                    statement(l, *child, &mut out);
                }
            }
        }
    } else if node.kind() == "else_clause" {
        for child in l.children(node) {
            out.extend(body(l, Some(child)));
        }
    } else {
        statement(l, node, &mut out);
    }
    out
}

fn statement(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let _ = l.deeper(|l| lower_statement(l, node, out));
}

fn lower_statement(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    match node.kind() {
        "expression_statement" => {
            for child in l.children(node) {
                expression_statement(l, child, node, out);
            }
        }
        "lexical_declaration" | "variable_declaration" => {
            for d in l.children(node) {
                if d.kind() == "variable_declarator" {
                    declarator(l, d, out);
                }
            }
        }
        "function_declaration" | "generator_function_declaration" | "function_signature" => {
            if field(node, "body").is_some() {
                let id = lower_function(l, node, None);
                add(l, out, StmtKind::Func(id), node);
            }
        }
        "class_declaration" | "abstract_class_declaration" => {
            let id = class::class(l, node);
            add(l, out, StmtKind::Class(id), node);
        }
        "if_statement" => {
            let test = condition(l, node);
            let then = body(l, field(node, "consequence"));
            let other = body(l, field(node, "alternative"));
            add(l, out, StmtKind::If { test, then, other }, node);
        }
        "for_statement" => {
            let mut block = Vec::new();
            if let Some(init) = field(node, "initializer") {
                statement_or_expr(l, init, &mut block);
            }
            let test = field(node, "condition").filter(|c| c.kind() != "empty_statement").map(|c| {
                let c = if c.kind() == "expression_statement" { c.named_child(0).unwrap_or(c) } else { c };
                expr(l, c)
            });
            let mut inner = body(l, field(node, "body"));
            if let Some(step) = field(node, "increment") {
                expression_statement(l, step, step, &mut inner);
            }
            add(l, &mut block, StmtKind::Loop { binding: None, iter: None, test, test_last: false, body: inner, other: Vec::new() }, node);
            add(l, out, StmtKind::Block(block), node);
        }
        "for_in_statement" => {
            let binding = field(node, "left").map(|p| pattern(l, p));
            let mut iter = field(node, "right").map(|x| expr(l, x));
            let keys = field(node, "operator").is_some_and(|o| l.text(o) == "in");
            if keys && let Some(x) = iter {
                // Keys of an object: what is in them was chosen by whoever made the object.
                let span = l.expr(x).span;
                let object = l.unit.push(ExprKind::Name(sym("Object")), span);
                let callee = l.unit.push(ExprKind::Member { object, name: sym("keys") }, span);
                let arg = crate::ir::Arg { name: None, value: x, spread: crate::ir::Spread::No, span };
                iter = Some(l.unit.push(ExprKind::Call { callee, args: vec![arg], construct: false, tagged: false }, span));
            }
            let inner = body(l, field(node, "body"));
            add(l, out, StmtKind::Loop { binding, iter, test: None, test_last: false, body: inner, other: Vec::new() }, node);
        }
        "while_statement" => {
            let test = Some(condition(l, node));
            let inner = body(l, field(node, "body"));
            add(l, out, StmtKind::Loop { binding: None, iter: None, test, test_last: false, body: inner, other: Vec::new() }, node);
        }
        "do_statement" => {
            let inner = body(l, field(node, "body"));
            let test = Some(condition(l, node));
            add(l, out, StmtKind::Loop { binding: None, iter: None, test, test_last: true, body: inner, other: Vec::new() }, node);
        }
        "switch_statement" => {
            let subject = match field(node, "value") {
                Some(v) => expr(l, v),
                None => l.opaque(Vec::new(), node),
            };
            let mut cases = Vec::new();
            for c in field(node, "body").map(|b| l.children(b)).unwrap_or_default() {
                let value = field(c, "value");
                let tests = value.map(|v| expr(l, v)).into_iter().collect();
                let mut inner = Vec::new();
                for s in l.children(c) {
                    if Some(s) != value {
                        statement(l, s, &mut inner);
                    }
                }
                cases.push(Case { tests, body: inner });
            }
            add(l, out, StmtKind::Switch { subject, cases, fallthrough: true }, node);
        }
        "try_statement" => {
            let inner = body(l, field(node, "body"));
            let mut handlers = Vec::new();
            if let Some(h) = field(node, "handler") {
                let mut caught = Vec::new();
                let mut name = None;
                match field(h, "parameter") {
                    Some(p) if p.kind() == "identifier" => name = Some(l.symbol(p)),
                    Some(p) => {
                        // A taken apart error: bound from a name nobody writes.
                        let hidden = sym("(error)");
                        name = Some(hidden);
                        let value = l.push(ExprKind::Name(hidden), p);
                        let target = pattern(l, p);
                        add(l, &mut caught, StmtKind::Assign { target, op: None, value, ty: None, declares: true }, p);
                    }
                    None => {}
                }
                caught.extend(body(l, field(h, "body")));
                handlers.push(Handler { types: Vec::new(), name, body: caught, span: l.span(h) });
            }
            let finally = field(node, "finalizer").map(|f| body(l, field(f, "body"))).unwrap_or_default();
            add(l, out, StmtKind::Try { body: inner, handlers, other: Vec::new(), finally }, node);
        }
        "return_statement" => {
            let value = l.children(node).first().map(|v| expr(l, *v));
            add(l, out, StmtKind::Return(value), node);
        }
        "throw_statement" => {
            let value = l.children(node).first().map(|v| expr(l, *v));
            add(l, out, StmtKind::Throw(value), node);
        }
        "break_statement" => add(l, out, StmtKind::Break, node),
        "continue_statement" => add(l, out, StmtKind::Continue, node),
        "statement_block" | "class_static_block" => {
            let inner = body(l, Some(node));
            add(l, out, StmtKind::Block(inner), node);
        }
        "labeled_statement" => {
            if let Some(b) = field(node, "body") {
                statement(l, b, out);
            }
        }
        "import_statement" => import(l, node, out),
        "export_statement" => export(l, node, out),
        "interface_declaration" | "type_alias_declaration" => {
            if let Some(id) = class::named_type(l, node) {
                add(l, out, StmtKind::Class(id), node);
            }
        }
        "ambient_declaration" | "import_alias" | "empty_statement" | "comment" | "hash_bang_line" | "debugger_statement" => {}
        "enum_declaration" => {
            if let Some(name) = field(node, "name") {
                let value = class::enumeration(l, node);
                let target = Pattern::Name(l.symbol(name), l.span(name));
                add(l, out, StmtKind::Assign { target, op: None, value, ty: None, declares: true }, node);
            }
        }
        "internal_module" | "module" => {
            let inner = body(l, field(node, "body"));
            add(l, out, StmtKind::Block(inner), node);
        }
        "ERROR" => {
            for child in l.children(node) {
                statement_or_expr(l, child, out);
            }
        }
        _ => statement_or_expr(l, node, out),
    }
}

/// In places where both may stand, and inside errors.
fn statement_or_expr(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let kind = node.kind();
    if kind.ends_with("_statement") || kind.ends_with("_declaration") || matches!(kind, "statement_block" | "ERROR") {
        statement(l, node, out);
    } else {
        expression_statement(l, node, node, out);
    }
}

fn condition(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    match field(node, "condition") {
        Some(c) => expr(l, c),
        None => l.opaque(Vec::new(), node),
    }
}

/// An expression for its effect; assignments become statements of their own.
fn expression_statement(l: &mut Lowering<'_>, node: Node<'_>, whole: Node<'_>, out: &mut Vec<Stmt>) {
    match node.kind() {
        "internal_module" => statement(l, node, out),
        "parenthesized_expression" if node.named_child_count() == 1 => {
            if let Some(inner) = node.named_child(0) {
                expression_statement(l, inner, whole, out);
            }
        }
        "sequence_expression" => {
            for child in l.children(node) {
                expression_statement(l, child, whole, out);
            }
        }
        "assignment_expression" => {
            let (Some(left), Some(right)) = (field(node, "left"), field(node, "right")) else { return };
            let value = expr::named_value(l, right, name_of(l, left));
            let target = pattern(l, left);
            if let Some(name) = exported_name(l, left) {
                add(l, out, StmtKind::Export { name, value }, whole);
            }
            add(l, out, StmtKind::Assign { target, op: None, value, ty: None, declares: false }, whole);
        }
        "augmented_assignment_expression" => {
            let (Some(left), Some(right)) = (field(node, "left"), field(node, "right")) else { return };
            let value = expr(l, right);
            let target = pattern(l, left);
            let op = field(node, "operator").map_or("", |o| l.text(o));
            let op = match op.trim_end_matches('=') {
                "+" => Op::Add,
                "-" => Op::Sub,
                "*" => Op::Mul,
                "/" => Op::Div,
                "%" => Op::Mod,
                "||" => Op::Or,
                "&&" => Op::And,
                "??" => Op::Coalesce,
                _ => Op::Other,
            };
            add(l, out, StmtKind::Assign { target, op: Some(op), value, ty: None, declares: false }, whole);
        }
        "unary_expression" if field(node, "operator").is_some_and(|o| l.text(o) == "delete") => {
            let value = field(node, "argument").map(|a| expr(l, a));
            add(l, out, StmtKind::Delete(value.into_iter().collect()), whole);
        }
        _ => {
            let value = expr(l, node);
            add(l, out, StmtKind::Expr(value), whole);
        }
    }
}

/// The name a function takes from what it is assigned to.
fn name_of(l: &Lowering<'_>, target: Node<'_>) -> Option<Sym> {
    match target.kind() {
        "identifier" => Some(l.symbol(target)),
        "member_expression" => field(target, "property").map(|p| l.symbol(p)),
        _ => None,
    }
}

/// `module.exports`, `module.exports.a`, `exports.a`.
fn exported_name(l: &Lowering<'_>, target: Node<'_>) -> Option<Sym> {
    if target.kind() != "member_expression" {
        return None;
    }
    let (object, property) = (field(target, "object")?, field(target, "property")?);
    match (l.text(object), l.text(property)) {
        ("module", "exports") => Some(sym("default")),
        ("exports" | "module.exports", name) => Some(sym(name)),
        _ => None,
    }
}

fn declarator(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let Some(name) = field(node, "name") else { return };
    let ty = field(node, "type").and_then(|t| expr::type_expr(l, t));
    let Some(value) = field(node, "value") else {
        let target = pattern(l, name);
        add(l, out, StmtKind::Declare { target, ty }, node);
        return;
    };
    if required(l, name, value, node, out) {
        return;
    }
    let bound = (name.kind() == "identifier").then(|| l.symbol(name));
    let value = expr::named_value(l, value, bound);
    let target = pattern(l, name);
    add(l, out, StmtKind::Assign { target, op: None, value, ty, declares: true }, node);
}

/// `const x = require("m")`, `const { a, b: c } = require("m")`, `const x = require("m").y`.
fn required(l: &mut Lowering<'_>, name: Node<'_>, value: Node<'_>, node: Node<'_>, out: &mut Vec<Stmt>) -> bool {
    let mut value = value;
    while matches!(value.kind(), "await_expression" | "as_expression" | "non_null_expression" | "parenthesized_expression") {
        let Some(inner) = value.named_child(0) else { return false };
        value = inner;
    }
    let (call, member) = match value.kind() {
        "member_expression" => match (field(value, "object"), field(value, "property")) {
            (Some(o), Some(p)) => (o, Some(l.symbol(p))),
            _ => return false,
        },
        _ => (value, None),
    };
    let Some(module) = required_module(l, call) else { return false };
    match (name.kind(), member) {
        ("identifier", _) => import_one(l, l.symbol(name), module, member, node, out),
        ("object_pattern", None) => {
            for p in l.children(name) {
                match p.kind() {
                    "shorthand_property_identifier_pattern" => {
                        let key = l.symbol(p);
                        import_one(l, key, module, Some(key), node, out);
                    }
                    "pair_pattern" => {
                        if let (Some(k), Some(v)) = (field(p, "key"), field(p, "value"))
                            && v.kind() == "identifier"
                        {
                            import_one(l, l.symbol(v), module, Some(l.symbol(k)), node, out);
                        }
                    }
                    _ => {}
                }
            }
        }
        _ => return false,
    }
    true
}

/// The module a `require("m")` or `import("m")` names.
fn required_module(l: &Lowering<'_>, call: Node<'_>) -> Option<Sym> {
    if call.kind() != "call_expression" {
        return None;
    }
    let function = field(call, "function")?;
    if !matches!(l.text(function), "require" | "import") {
        return None;
    }
    let args = field(call, "arguments")?;
    let first = args.named_child(0).filter(|a| a.kind() == "string" && args.named_child_count() == 1)?;
    Some(module_name(l, first))
}

fn module_name(l: &Lowering<'_>, string: Node<'_>) -> Sym {
    let text = text::string(l, string);
    sym(text.strip_prefix("node:").unwrap_or(&text))
}

fn import_one(l: &Lowering<'_>, local: Sym, module: Sym, member: Option<Sym>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let member = member.filter(|m| *m != "default");
    let path = match member {
        Some(m) if m != "*" => sym(&format!("{module}.{m}")),
        _ => module,
    };
    add(l, out, StmtKind::Import { local, path, module, member }, node);
}

fn import(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let Some(source) = field(node, "source") else {
        // `import x = require("m")`
        for child in l.children(node) {
            if child.kind() == "import_require_clause"
                && let (Some(name), Some(source)) = (child.named_child(0), field(child, "source"))
            {
                let module = module_name(l, source);
                import_one(l, l.symbol(name), module, None, node, out);
            }
        }
        return;
    };
    let module = module_name(l, source);
    let mut any = false;
    for clause in l.children(node) {
        if clause.kind() != "import_clause" {
            continue;
        }
        for part in l.children(clause) {
            any = true;
            match part.kind() {
                "identifier" => import_default(l, l.symbol(part), module, node, out),
                "namespace_import" => {
                    if let Some(name) = part.named_child(0) {
                        import_one(l, l.symbol(name), module, None, node, out);
                    }
                }
                "named_imports" => {
                    for s in l.children(part) {
                        let Some(name) = field(s, "name") else { continue };
                        let local = field(s, "alias").unwrap_or(name);
                        let member = sym(l.text(name).trim_matches(['"', '\'']));
                        if member == "default" {
                            import_default(l, l.symbol(local), module, node, out);
                        } else {
                            import_one(l, l.symbol(local), module, Some(member), node, out);
                        }
                    }
                }
                _ => {}
            }
        }
    }
    if !any {
        // For its effects only: the module is still named.
        import_one(l, sym("(effect)"), module, None, node, out);
    }
}

/// A default import goes by the module's path, and is its export `default`.
fn import_default(l: &Lowering<'_>, local: Sym, module: Sym, node: Node<'_>, out: &mut Vec<Stmt>) {
    let relative = module.starts_with('.');
    let member = relative.then(|| sym("default"));
    add(l, out, StmtKind::Import { local, path: module, module, member }, node);
}

fn export(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let source = field(node, "source").map(|s| module_name(l, s));
    let is_default = {
        let mut cursor = node.walk();
        node.children(&mut cursor).any(|c| c.kind() == "default")
    };
    // A decorated class: the decorators stand before `export`.
    if let Some(declaration) = field(node, "declaration") {
        let before = out.len();
        statement(l, declaration, out);
        let mut names = Vec::new();
        for s in &out[before..] {
            match &s.kind {
                StmtKind::Func(f) => names.extend(l.unit.func(*f).name),
                StmtKind::Class(c) => names.extend(l.unit.class(*c).name),
                StmtKind::Assign { target, .. } => expr::names(target, &mut names),
                StmtKind::Import { local, .. } => names.push(*local),
                _ => {}
            }
        }
        if declaration.kind().contains("class") && node.child(0).is_some_and(|c| c.kind() == "decorator") {
            class::outer_decorators(l, node, out.last());
        }
        for name in names {
            let value = l.push(ExprKind::Name(name), declaration);
            add(l, out, StmtKind::Export { name: if is_default { sym("default") } else { name }, value }, node);
        }
        return;
    }
    if let Some(value) = field(node, "value") {
        let value = expr(l, value);
        add(l, out, StmtKind::Export { name: sym("default"), value }, node);
        return;
    }
    for clause in l.children(node) {
        if clause.kind() != "export_clause" {
            continue;
        }
        for s in l.children(clause) {
            let Some(name) = field(s, "name") else { continue };
            let exported = l.symbol(field(s, "alias").unwrap_or(name));
            if let Some(module) = source {
                import_one(l, exported, module, Some(l.symbol(name)), node, out);
            }
            let value = if source.is_some() { l.push(ExprKind::Name(exported), s) } else { expr(l, name) };
            add(l, out, StmtKind::Export { name: exported, value }, node);
        }
    }
    if let Some(module) = source
        && !l.children(node).iter().any(|c| c.kind() == "export_clause")
    {
        import_one(l, sym("*"), module, Some(sym("*")), node, out);
    }
}

/// A function's statements.
fn function_body(l: &mut Lowering<'_>, node: Node<'_>) -> Vec<Stmt> {
    if node.kind() == "statement_block" {
        return body(l, Some(node));
    }
    let value = expr(l, node);
    vec![Stmt { kind: StmtKind::Return(Some(value)), span: l.span(node) }]
}

/// Adds a function.
fn add_function(l: &mut Lowering<'_>, f: crate::ir::Func) -> FuncId {
    l.unit.funcs.push(f);
    FuncId(l.unit.funcs.len() as u32 - 1)
}
