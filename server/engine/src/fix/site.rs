//! The code a finding is about, found again: its item, call, argument, statement and function.

use super::{
    edits,
    gate::{Failure, Gate},
    imports::{self, Bound},
};
use crate::{
    analysis::SourceFile,
    finding::{Finding, Fix},
    incremental,
    ir::{Arg, Expr, ExprId, ExprKind, Func, Pattern, Span, Stmt, StmtKind, Sym, Unit},
    items::Item,
    lang,
    rules::{RuleSet, Selector},
};
use std::{cell::OnceCell, ops::Range, sync::Arc};
use tree_sitter::Node;

/// Everything recipes look at.
pub(super) struct Context<'a> {
    pub rules: &'a RuleSet,
    pub file: &'a SourceFile,
    pub finding: &'a Finding,
    gate: &'a Gate<'a>,
    habits: &'a Habits,
    /// The item that holds the finding, lowered.
    pub unit: Arc<Unit>,
    /// First byte of the item.
    pub base: usize,
    /// The call or statement the finding is about, in bytes of the file.
    pub around: Range<usize>,
    /// Access path of the call or member; empty if unknown.
    pub path: Sym,
    /// Placeholder style of the driver.
    pub placeholder: Option<Sym>,
    /// Creations of applications.
    pub apps: Arc<[Range<usize>]>,
    /// The call the finding is about.
    pub call: Option<ExprId>,
}

/// What is the same for all rewrites of a file, found out when it is first asked for.
#[derive(Default)]
pub(super) struct Habits {
    imports: OnceCell<Vec<Bound>>,
}

/// A call's parts.
#[derive(Clone, Copy)]
pub(super) struct Call<'u> {
    pub callee: ExprId,
    pub args: &'u [Arg],
    pub span: Span,
}

impl<'a> Context<'a> {
    pub(super) fn of(
        rules: &'a RuleSet,
        file: &'a SourceFile,
        finding: &'a Finding,
        gate: &'a Gate<'a>,
        habits: &'a Habits,
    ) -> Result<Self, String> {
        let sites = gate.sites();
        let known = sites
            .iter()
            .filter(|s| s.rule == finding.rule && s.span == finding.span)
            .max_by_key(|s| (s.placeholder.is_some(), !s.path.is_empty()));
        let around = known.map_or_else(|| finding.span.clone(), |s| s.around.clone());
        let items = gate.items();
        let item = items[..items.partition_point(|i| i.range.start <= finding.span.start)]
            .last()
            .filter(|i| finding.span.end <= i.range.end)
            .ok_or("the finding is not about a single piece of code")?;
        let (unit, base) = (item.unit.clone(), item.range.start);
        let mut context = Context {
            rules,
            file,
            finding,
            gate,
            habits,
            unit,
            base,
            around,
            path: known.map(|s| s.path).unwrap_or_default(),
            placeholder: known.and_then(|s| s.placeholder),
            apps: sites.first().map(|s| s.apps.clone()).unwrap_or_default(),
            call: None,
        };
        context.call = context.find_call();
        Ok(context)
    }

    /// The call that is exactly the place, or the smallest one that has the finding among its arguments.
    fn find_call(&self) -> Option<ExprId> {
        let is_call = |e: &Expr| matches!(e.kind, ExprKind::Call { .. });
        let exact = self.exprs().find(|(_, e)| is_call(e) && self.range(e.span) == self.around);
        exact
            .or_else(|| {
                let holds = |e: &Expr| match &e.kind {
                    ExprKind::Call { args, .. } => args.iter().any(|a| contains(&self.range(a.span), &self.finding.span)),
                    _ => false,
                };
                self.exprs().filter(|(_, e)| holds(e)).min_by_key(|(_, e)| e.span.end - e.span.start)
            })
            .map(|(id, _)| id)
    }

    /// Whether a rewrite of this finding holds.
    pub(super) fn prove(&self, fix: &Fix) -> Result<(), Failure> {
        self.gate.prove(self.finding, fix)
    }

    /// Whether the project of the file knows a package.
    pub(super) fn depends_on(&self, package: &str) -> bool {
        self.gate.depends_on(package)
    }

    /// The file's items, lowered.
    pub(super) fn items(&self) -> &'a [Item] {
        self.gate.items()
    }

    /// Every name that top level imports of the file bind.
    pub(super) fn imports(&self) -> &'a [Bound] {
        self.habits.imports.get_or_init(|| imports::bound(self.items()))
    }

    pub(super) fn exprs(&self) -> impl Iterator<Item = (ExprId, &Expr)> {
        self.unit.exprs.iter().enumerate().map(|(i, e)| (ExprId(i as u32), e))
    }

    /// A span of the item in bytes of the file.
    pub(super) fn range(&self, span: Span) -> Range<usize> {
        span.in_file(self.base)
    }

    /// Source text.
    pub(super) fn text(&self, range: Range<usize>) -> &'a str {
        self.file.text.get(range).unwrap_or_default()
    }

    /// Source text of an expression.
    pub(super) fn source(&self, id: ExprId) -> &'a str {
        self.text(self.range(self.unit.expr(id).span))
    }

    pub(super) fn python(&self) -> bool {
        self.file.language == lang::Language::Python
    }

    /// The call the finding is about.
    pub(super) fn the_call(&self) -> Result<Call<'_>, String> {
        let id = self.call.ok_or("there is no call to rewrite")?;
        let e = self.unit.expr(id);
        match &e.kind {
            ExprKind::Call { callee, args, tagged: false, .. } => Ok(Call { callee: *callee, args, span: e.span }),
            _ => Err("a tagged template is no ordinary call".into()),
        }
    }

    /// The argument the finding underlines.
    pub(super) fn the_argument(&self) -> Result<(usize, &Arg), String> {
        let call = self.the_call()?;
        let exact = call.args.iter().position(|a| self.range(a.span) == self.finding.span);
        let i = exact
            .or_else(|| call.args.iter().position(|a| contains(&self.range(a.span), &self.finding.span)))
            .ok_or("the dangerous part is no argument of the call")?;
        Ok((i, &call.args[i]))
    }

    /// The argument's value with the parentheses around it, without its keyword.
    pub(super) fn value_range(&self, arg: &Arg) -> Range<usize> {
        let whole = self.range(arg.span);
        if arg.name.is_none() {
            return whole;
        }
        let value = self.range(self.unit.expr(arg.value).span);
        let between = self.text(whole.start..value.start);
        match between.find('=') {
            Some(i) => {
                let rest = &between[i + 1..];
                whole.start + i + 1 + (rest.len() - rest.trim_start().len())..whole.end
            }
            None => value,
        }
    }

    /// The dangerous expression: what the finding underlines.
    pub(super) fn the_value(&self) -> Result<ExprId, String> {
        if let Ok((_, arg)) = self.the_argument()
            && self.range(arg.span) == self.finding.span
        {
            return Ok(arg.value);
        }
        // The outermost expression with this span comes last.
        let exact = self.exprs().filter(|(_, e)| self.range(e.span) == self.finding.span).last();
        exact.map(|(id, _)| id).ok_or_else(|| "the dangerous part is no single expression".to_string())
    }

    /// The smallest function around a place of the file.
    pub(super) fn function_at(&self, at: usize) -> Option<&Func> {
        let holds = |f: &&Func| self.range(f.span).contains(&at);
        self.unit.funcs.iter().filter(holds).min_by_key(|f| f.span.end - f.span.start)
    }

    /// The part of the way of the finding's data that lies in this file: places, and the variables it was given to there.
    fn way(&self) -> impl Iterator<Item = (&Range<usize>, Option<&str>)> {
        let own = self.finding.path.iter().filter(|s| s.file.is_none());
        own.map(|s| (&s.span, s.note.strip_prefix(incremental::ASSIGNED)))
    }

    /// Whether the finding's data comes in through the code in `range`: it names a variable that the data was given to before, or
    /// is where the data enters.
    pub(super) fn carries(&self, range: &Range<usize>) -> bool {
        let scope = self.function_at(range.start).map(|f| self.range(f.span));
        let here = |span: &Range<usize>| scope.as_ref().is_none_or(|s| contains(s, span));
        let names = || {
            self.exprs().filter(|(_, e)| contains(range, &self.range(e.span))).filter_map(|(_, e)| match e.kind {
                ExprKind::Name(n) => Some(n),
                _ => None,
            })
        };
        self.way().any(|(span, variable)| {
            let source = self.text(span.clone());
            contains(range, span)
                || here(span) && span.end <= range.start && names().any(|n| variable.is_some_and(|v| n == v) || n.as_str() == source)
        })
    }

    /// Whether the code at `at` runs while a request of the framework is answered, as far as can be seen.
    pub(super) fn answers(&self, at: usize, framework: &str) -> bool {
        let from_request =
            self.finding.path.first().is_some_and(|s| s.note.split_whitespace().any(|w| w.split('.').next() == Some(framework)));
        let starts = self.way().map(|(span, _)| span.start).chain([at]);
        from_request
            || starts.filter_map(|at| self.function_at(at)).any(|f| {
                let routed = f.decorators.iter().any(|d| {
                    let name = self.source(*d).split('(').next().unwrap_or_default().rsplit('.').next().unwrap_or_default();
                    matches!(name, "route" | "get" | "post" | "put" | "patch" | "delete" | "head" | "options" | "api_route" | "websocket")
                });
                routed || f.params.iter().any(|p| binds(&p.pattern, crate::ir::sym("request")))
            })
    }

    /// All statements of the item, nested ones included.
    pub(super) fn each_statement<'u>(&'u self, see: &mut dyn FnMut(&'u Stmt)) {
        self.unit.each_statement(see);
    }

    /// The value of a variable that is set once, in the function around `at`: its defining statement and value.
    pub(super) fn definition(&self, name: Sym, at: usize) -> Result<(&Stmt, ExprId), String> {
        let scope = self.function_at(at).map_or(0..self.file.text.len(), |f| self.range(f.span));
        let mut found: Option<(&Stmt, ExprId)> = None;
        let mut count = 0;
        self.each_statement(&mut |s| {
            if !contains(&scope, &self.range(s.span)) {
                return;
            }
            match &s.kind {
                StmtKind::Assign { target, op, value, .. } if binds(target, name) => {
                    count += 1;
                    if op.is_none() && matches!(target, Pattern::Name(..)) {
                        found = Some((s, *value));
                    }
                }
                StmtKind::Loop { binding: Some(p), .. } if binds(p, name) => count += 1,
                StmtKind::Global(names) if names.contains(&name) => count += 2,
                _ => {}
            }
        });
        count += self.exprs().filter(|(_, e)| matches!(&e.kind, ExprKind::Assign { target, .. } if binds(target, name))).count();
        match (found, count) {
            (Some((s, _)), _) if self.range(s.span).end > at => Err(format!("`{name}` is set after it is used here")),
            (Some(found), 1) => Ok(found),
            (_, 0) => Err(format!("`{name}` does not get its value in this function")),
            _ => Err(format!("`{name}` gets its value in more than one place")),
        }
    }

    /// How often a variable is read in the function around `at`.
    pub(super) fn uses(&self, name: Sym, at: usize) -> usize {
        let scope = self.function_at(at).map_or(0..self.file.text.len(), |f| self.range(f.span));
        self.exprs().filter(|(_, e)| matches!(e.kind, ExprKind::Name(n) if n == name) && contains(&scope, &self.range(e.span))).count()
    }

    /// The statement of a block (or of the file) around a range, as a syntax node.
    pub(super) fn block_statement(&self, range: &Range<usize>) -> Option<Node<'a>> {
        let mut node = self.file.tree.root_node().descendant_for_byte_range(range.start, range.end.max(range.start + 1))?;
        loop {
            let parent = node.parent()?;
            if matches!(parent.kind(), "module" | "program" | "block" | "statement_block") {
                return Some(node);
            }
            node = parent;
        }
    }

    /// Refuses code that cannot be evaluated before its statement: what it names may only be there within, or it may not be
    /// evaluated at all, or more than once.
    pub(super) fn movable(&self, range: &Range<usize>, statement: Node<'_>) -> Result<(), String> {
        let within = || Err("the value is made in the middle of something else, where no test can stand before it".to_string());
        let mut node = self.file.tree.root_node().descendant_for_byte_range(range.start, range.end.max(range.start + 1));
        while let Some(n) = node.filter(|n| n.id() != statement.id()) {
            let Some(parent) = n.parent() else { break };
            let part = |field: &str| parent.child_by_field_name(field).is_some_and(|c| c.id() == n.id());
            let kind = parent.kind();
            let chance = matches!(kind, "boolean_operator" | "binary_expression") && part("right") && {
                let sign = parent.child_by_field_name("operator").map_or("", |o| self.text(o.byte_range()));
                matches!(sign, "and" | "or" | "&&" | "||" | "??")
            };
            let branch = matches!(kind, "conditional_expression" | "ternary_expression") && !part("condition");
            let again = matches!(kind, "while_statement" | "do_statement" | "for_statement") && (part("condition") || part("increment"));
            let later = matches!(kind, "elif_clause" | "case_clause" | "switch_case" | "except_clause" | "catch_clause" | "else_clause");
            let inside = kind.ends_with("comprehension")
                || matches!(kind, "generator_expression" | "lambda" | "arrow_function" | "function_expression" | "class_body");
            if chance || branch || again || later || inside {
                return within();
            }
            node = Some(parent);
        }
        Ok(())
    }

    /// The lines of a statement that has them for itself, the last line end included.
    pub(super) fn whole_lines(&self, range: Range<usize>) -> Option<Range<usize>> {
        let text = &self.file.text;
        let (start, end) = (edits::line_start(text, range.start), edits::line_end(text, range.end.saturating_sub(1)));
        let before = text[start..range.start].trim().is_empty();
        let rest = text[range.end.min(end)..end].trim_start().trim_start_matches(';').trim();
        let after = rest.is_empty() || rest.starts_with('#') || rest.starts_with("//");
        (before && after).then_some(start..end)
    }

    /// The syntax node of an expression.
    pub(super) fn node(&self, id: ExprId) -> Option<Node<'a>> {
        let range = self.range(self.unit.expr(id).span);
        let node = self.file.tree.root_node().descendant_for_byte_range(range.start, range.end)?;
        (node.byte_range() == range).then_some(node)
    }

    /// The argument of a call that a selector names.
    pub(super) fn select<'u>(&self, args: &'u [Arg], selector: &Selector) -> Option<(usize, &'u Arg)> {
        match selector {
            Selector::Index(i) => args.iter().enumerate().filter(|(_, a)| a.name.is_none()).nth(*i),
            Selector::Keyword(k) => args.iter().enumerate().find(|(_, a)| a.name == Some(*k)),
            Selector::First(all) => all.iter().find_map(|s| self.select(args, s)),
            _ => None,
        }
    }
}

/// Whether `outer` holds all of `inner`.
pub(super) fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Whether a pattern binds a name.
pub(super) fn binds(pattern: &Pattern, name: Sym) -> bool {
    match pattern {
        Pattern::Name(n, _) => *n == name,
        Pattern::List(all) => all.iter().any(|p| binds(p, name)),
        Pattern::Map(all) => all.iter().any(|(_, p)| binds(p, name)),
        Pattern::Default(p, _) | Pattern::Rest(p) => binds(p, name),
        Pattern::Member { .. } | Pattern::Index { .. } | Pattern::Ignore => false,
    }
}
