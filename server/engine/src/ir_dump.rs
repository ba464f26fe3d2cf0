//! A compact text form of the intermediate representation, S-expression-like, one statement a line.
//! For tests and for looking at what a lowering made of a text; nothing parses it back.
//!
//! `(call (. os system) (template "rm " (format x "!r")) shell=true)`, patterns as they are written
//! (`[a *rest]`, `_`), statement bodies indented by two spaces, absent parts as `~`.

use crate::ir::{
    Arg, Case, Class, Expr, ExprId, ExprKind, Field, Func, FuncId, Handler, Lit, Op, Param, ParamKind, Pattern, Spread, Stmt, StmtKind,
    Unit,
};
use std::fmt::Write as _;

/// The unit's statements as text, ending in a line break unless there are none.
pub fn dump(unit: &Unit) -> String {
    let mut dumper = Dumper { unit, out: String::new(), indent: 0 };
    dumper.stmts(&unit.body);
    dumper.out
}

/// One expression of the unit as text, on one line.
pub fn dump_expr(unit: &Unit, id: ExprId) -> String {
    let mut dumper = Dumper { unit, out: String::new(), indent: 0 };
    dumper.expr(id);
    dumper.out
}

struct Dumper<'u> {
    unit: &'u Unit,
    out: String,
    indent: usize,
}

impl Dumper<'_> {
    fn put(&mut self, text: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{text}");
    }

    fn debug(&mut self, text: &str) {
        let _ = write!(self.out, "{text:?}");
    }

    fn line(&mut self, write: impl FnOnce(&mut Self)) {
        for _ in 0..self.indent {
            self.out.push_str("  ");
        }
        write(self);
        self.out.push('\n');
    }

    fn indented(&mut self, stmts: &[Stmt]) {
        self.indent += 1;
        self.stmts(stmts);
        self.indent -= 1;
    }

    /// A labelled part of a statement, left out when empty.
    fn part(&mut self, label: &str, stmts: &[Stmt]) {
        if !stmts.is_empty() {
            self.line(|d| d.put(label));
            self.indented(stmts);
        }
    }

    fn stmts(&mut self, stmts: &[Stmt]) {
        for stmt in stmts {
            self.stmt(stmt);
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Assign { target, op, value, ty, .. } => self.line(|d| {
                d.put("(assign");
                if let Some(op) = op {
                    d.put(op_name(*op));
                }
                d.put(" ");
                d.pattern(target);
                d.ty(*ty);
                d.put(" ");
                d.expr(*value);
                d.put(")");
            }),
            StmtKind::Declare { target, ty } => self.line(|d| {
                d.put("(declare ");
                d.pattern(target);
                d.ty(*ty);
                d.put(")");
            }),
            StmtKind::Expr(e) => self.line(|d| d.expr(*e)),
            StmtKind::If { test, then, other } => {
                self.line(|d| {
                    d.put("if ");
                    d.expr(*test);
                });
                self.indented(then);
                self.part("else", other);
            }
            StmtKind::Loop { binding, iter, test, body, other, test_last } => {
                self.line(|d| {
                    d.put(if *test_last { "do loop" } else { "loop" });
                    if let Some(binding) = binding {
                        d.put(" ");
                        d.pattern(binding);
                    }
                    if let Some(iter) = iter {
                        d.put(" in ");
                        d.expr(*iter);
                    }
                    if let Some(test) = test {
                        d.put(" while ");
                        d.expr(*test);
                    }
                });
                self.indented(body);
                self.part("else", other);
            }
            StmtKind::Switch { subject, cases, fallthrough } => {
                self.line(|d| {
                    d.put(if *fallthrough { "switch-through " } else { "switch " });
                    d.expr(*subject);
                });
                for case in cases {
                    self.case(case);
                }
            }
            StmtKind::Try { body, handlers, other, finally } => {
                self.line(|d| d.put("try"));
                self.indented(body);
                for handler in handlers {
                    self.handler(handler);
                }
                self.part("else", other);
                self.part("finally", finally);
            }
            StmtKind::Return(value) => self.line(|d| d.jump("return", *value)),
            StmtKind::Throw(value) => self.line(|d| d.jump("throw", *value)),
            StmtKind::Break => self.line(|d| d.put("break")),
            StmtKind::Continue => self.line(|d| d.put("continue")),
            StmtKind::Assert(test) => self.line(|d| d.jump("assert", Some(*test))),
            StmtKind::Func(id) => self.func_stmt(*id),
            StmtKind::Class(id) => self.class(self.unit.class(*id)),
            StmtKind::Import { local, path, module, member } => self.line(|d| {
                d.put(format_args!("import {local} -> {path} (module {module}"));
                if let Some(member) = member {
                    d.put(format_args!(" member {member}"));
                }
                d.put(")");
            }),
            StmtKind::Export { name, value } => self.line(|d| {
                d.put(format_args!("export {name} "));
                d.expr(*value);
            }),
            StmtKind::Global(names) => self.line(|d| {
                d.put("global");
                for name in names {
                    d.put(format_args!(" {name}"));
                }
            }),
            StmtKind::Delete(values) => self.line(|d| d.form("delete", values)),
            StmtKind::Block(stmts) => {
                self.line(|d| d.put("block"));
                self.indented(stmts);
            }
        }
    }

    fn jump(&mut self, word: &str, value: Option<ExprId>) {
        self.put(word);
        if let Some(value) = value {
            self.put(" ");
            self.expr(value);
        }
    }

    fn case(&mut self, case: &Case) {
        self.line(|d| {
            d.put(if case.tests.is_empty() { "default" } else { "case" });
            d.rest(&case.tests);
        });
        self.indented(&case.body);
    }

    fn handler(&mut self, handler: &Handler) {
        self.line(|d| {
            d.put("except");
            d.rest(&handler.types);
            if let Some(name) = handler.name {
                d.put(format_args!(" as {name}"));
            }
        });
        self.indented(&handler.body);
    }

    fn func_stmt(&mut self, id: FuncId) {
        let func = self.unit.func(id);
        self.decorators(&func.decorators);
        self.line(|d| d.signature(func));
        self.indented(&func.body);
    }

    fn signature(&mut self, func: &Func) {
        if func.is_async {
            self.put("async ");
        }
        if func.is_static {
            self.put("static ");
        }
        self.put("fn");
        if let Some(name) = func.name {
            self.put(format_args!(" {name}"));
        }
        self.put(" (");
        for (i, param) in func.params.iter().enumerate() {
            if i > 0 {
                self.put(" ");
            }
            self.param(param);
        }
        self.put(")");
        if let Some(returns) = func.returns {
            self.put(" -> ");
            self.expr(returns);
        }
    }

    fn param(&mut self, param: &Param) {
        for decorator in &param.decorators {
            self.put("@");
            self.expr(*decorator);
            self.put(" ");
        }
        self.put(match param.kind {
            ParamKind::Normal => "",
            ParamKind::Rest => "*",
            ParamKind::KeywordRest => "**",
            ParamKind::KeywordOnly => "kw:",
        });
        self.pattern(&param.pattern);
        self.ty(param.ty);
        if let Some(default) = param.default {
            self.put("=");
            self.expr(default);
        }
    }

    fn decorators(&mut self, decorators: &[ExprId]) {
        for decorator in decorators {
            self.line(|d| {
                d.put("@");
                d.expr(*decorator);
            });
        }
    }

    fn class(&mut self, class: &Class) {
        self.decorators(&class.decorators);
        self.line(|d| d.class_head(class));
        self.indent += 1;
        for field in &class.fields {
            self.field(field);
        }
        for method in &class.methods {
            self.func_stmt(*method);
        }
        self.stmts(&class.body);
        self.indent -= 1;
    }

    fn class_head(&mut self, class: &Class) {
        self.put(if class.is_type { "type" } else { "class" });
        if let Some(name) = class.name {
            self.put(format_args!(" {name}"));
        }
        if !class.bases.is_empty() {
            self.put(" :");
            self.rest(&class.bases);
        }
        if let Some(alias) = class.alias {
            self.put(" = ");
            self.expr(alias);
        }
    }

    fn field(&mut self, field: &Field) {
        self.decorators(&field.decorators);
        self.line(|d| {
            d.put(format_args!("field {}", field.name));
            d.ty(field.ty);
            if let Some(value) = field.value {
                d.put(" ");
                d.expr(value);
            }
        });
    }

    fn ty(&mut self, ty: Option<ExprId>) {
        if let Some(ty) = ty {
            self.put(":");
            self.expr(ty);
        }
    }

    fn pattern(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::Name(name, _) => self.put(name),
            Pattern::Member { object, name, .. } => {
                self.put("(. ");
                self.expr(*object);
                self.put(format_args!(" {name})"));
            }
            Pattern::Index { object, index, .. } => self.form("index", &[*object, *index]),
            Pattern::List(items) => {
                self.put("[");
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        self.put(" ");
                    }
                    self.pattern(item);
                }
                self.put("]");
            }
            Pattern::Map(entries) => {
                self.put("{");
                for (i, (key, value)) in entries.iter().enumerate() {
                    if i > 0 {
                        self.put(" ");
                    }
                    self.put(format_args!("{key}: "));
                    self.pattern(value);
                }
                self.put("}");
            }
            Pattern::Default(inner, default) => {
                self.pattern(inner);
                self.put("=");
                self.expr(*default);
            }
            Pattern::Rest(inner) => {
                self.put("*");
                self.pattern(inner);
            }
            Pattern::Ignore => self.put("_"),
        }
    }

    fn form(&mut self, head: &str, parts: &[ExprId]) {
        self.put("(");
        self.put(head);
        self.rest(parts);
        self.put(")");
    }

    fn rest(&mut self, parts: &[ExprId]) {
        for part in parts {
            self.put(" ");
            self.expr(*part);
        }
    }

    fn optional(&mut self, part: Option<ExprId>) {
        match part {
            Some(part) => self.expr(part),
            None => self.put("~"),
        }
    }

    fn arg(&mut self, arg: &Arg) {
        self.put(match arg.spread {
            Spread::No => " ",
            Spread::Positional => " *",
            Spread::Keyword => " **",
        });
        if let Some(name) = arg.name {
            self.put(format_args!("{name}="));
        }
        self.expr(arg.value);
    }

    /// Statements inside an expression: on one line, in braces.
    fn inline(&mut self, write: impl FnOnce(&mut Dumper<'_>)) {
        let mut inner = Dumper { unit: self.unit, out: String::new(), indent: 0 };
        write(&mut inner);
        self.put(" {");
        self.put(inner.out.trim_end().replace('\n', "; "));
        self.put("}");
    }

    fn expr(&mut self, id: ExprId) {
        let Expr { kind, .. } = self.unit.expr(id);
        match kind {
            ExprKind::Lit(lit) => self.lit(lit),
            ExprKind::Regex(pattern) => self.put(format_args!("/{pattern}/")),
            ExprKind::Name(name) => self.put(name),
            ExprKind::Member { object, name } => {
                self.put("(. ");
                self.expr(*object);
                self.put(format_args!(" {name})"));
            }
            ExprKind::Index { object, index } => self.form("index", &[*object, *index]),
            ExprKind::Slice { object, from, to } => {
                self.put("(slice ");
                self.expr(*object);
                self.put(" ");
                self.optional(*from);
                self.put(" ");
                self.optional(*to);
                self.put(")");
            }
            ExprKind::Call { callee, args, construct, tagged } => {
                self.put(match (construct, tagged) {
                    (_, true) => "(tagged ",
                    (true, _) => "(new ",
                    _ => "(call ",
                });
                self.expr(*callee);
                for arg in args {
                    self.arg(arg);
                }
                self.put(")");
            }
            ExprKind::Binary { op, left, right } => self.form(op_name(*op), &[*left, *right]),
            ExprKind::Not(value) => self.form("not", &[*value]),
            ExprKind::TypeOf(value) => self.form("typeof", &[*value]),
            ExprKind::Unary(value) => self.form("unary", &[*value]),
            ExprKind::Cond { test, then, other } => self.form("?", &[*test, *then, *other]),
            ExprKind::Template(parts) => self.form("template", parts),
            ExprKind::Format { value, spec } => {
                self.put("(format ");
                self.expr(*value);
                self.put(" ");
                self.debug(spec);
                self.put(")");
            }
            ExprKind::List(items) => self.form("list", items),
            ExprKind::Map(entries) => {
                self.put("(map");
                for entry in entries {
                    self.put(" ");
                    match entry.key {
                        Some(key) => {
                            self.expr(key);
                            self.put(":");
                        }
                        None => self.put("**"),
                    }
                    self.expr(entry.value);
                }
                self.put(")");
            }
            ExprKind::Comprehension { element, clauses, conditions } => {
                self.put("(comprehension ");
                self.expr(*element);
                for (pattern, iter) in clauses {
                    self.put(" for ");
                    self.pattern(pattern);
                    self.put(" in ");
                    self.expr(*iter);
                }
                for condition in conditions {
                    self.put(" if ");
                    self.expr(*condition);
                }
                self.put(")");
            }
            ExprKind::Func(id) => {
                let func = self.unit.func(*id);
                self.put("(");
                self.signature(func);
                self.inline(|d| d.stmts(&func.body));
                self.put(")");
            }
            ExprKind::Class(id) => {
                let class = self.unit.class(*id);
                self.inline(|d| d.class(class));
            }
            ExprKind::Await(value) => self.form("await", &[*value]),
            ExprKind::Assign { target, value } => {
                self.put("(:= ");
                self.pattern(target);
                self.put(" ");
                self.expr(*value);
                self.put(")");
            }
            ExprKind::Spread(value) => {
                self.put("*");
                self.expr(*value);
            }
            ExprKind::Opaque(parts) => self.form("opaque", parts),
        }
    }

    fn lit(&mut self, lit: &Lit) {
        match lit {
            Lit::Str(text) => self.debug(text),
            Lit::Int(value) => self.put(value),
            Lit::Float(value) => self.put(format_args!("{value:?}")),
            Lit::Bool(value) => self.put(value),
            Lit::Null => self.put("null"),
        }
    }
}

fn op_name(op: Op) -> &'static str {
    match op {
        Op::Add => "+",
        Op::Sub => "-",
        Op::Mul => "*",
        Op::Div => "/",
        Op::Mod => "%",
        Op::Eq => "==",
        Op::Ne => "!=",
        Op::Lt => "<",
        Op::Gt => ">",
        Op::Le => "<=",
        Op::Ge => ">=",
        Op::And => "and",
        Op::Or => "or",
        Op::Coalesce => "??",
        Op::In => "in",
        Op::NotIn => "not-in",
        Op::InstanceOf => "instanceof",
        Op::Other => "op",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Span, sym};

    #[test]
    fn prints_nested_forms() {
        let mut unit = Unit::default();
        let at = Span::default();
        let f = unit.push(ExprKind::Name(sym("f")), at);
        let text = unit.push(ExprKind::Lit(Lit::Str("a\n".into())), at);
        let arg = Arg { name: Some(sym("k")), value: text, spread: Spread::No, span: at };
        let call = unit.push(ExprKind::Call { callee: f, args: vec![arg], construct: false, tagged: false }, at);
        let then = vec![Stmt { kind: StmtKind::Return(Some(call)), span: at }];
        unit.body.push(Stmt { kind: StmtKind::If { test: f, then, other: vec![] }, span: at });
        assert_eq!(dump(&unit), "if f\n  return (call f k=\"a\\n\")\n");
        assert_eq!(dump_expr(&unit, call), "(call f k=\"a\\n\")");
    }
}
