//! `[pattern]` rules: code snippets compared with the IR. `$X` stands for any expression or name (the same
//! name for equal ones), `...` for any statements, arguments, parameters or entries, `"..."` for any string.
//!
//! A snippet is lowered like any code, with reserved identifiers in place of the holes, so that it matches
//! what means the same, however it is written. Snippets are grouped by what their root is.

use super::{
    finding,
    structure::{self, Bindings, Matcher},
};
use crate::{
    finding::Finding,
    ir::{ExprKind, FuncId, Stmt, StmtKind, Unit},
    lang::{self, Language},
    rules::{EntryIx, Pattern, RuleIx, RuleKind, RuleSet, Snippets},
    syntax,
};
use rustc_hash::FxHashMap;
use std::{
    cell::Cell,
    mem::{Discriminant, discriminant},
    ops::Range,
    sync::Arc,
};

/// All snippets of a [`RuleSet`], lowered once.
pub struct PatternRules {
    rules: Arc<RuleSet>,
    /// By the models folder of the language: JavaScript's snippets hold for TypeScript too.
    families: FxHashMap<&'static str, Family>,
}

#[derive(Default)]
struct Family {
    snippets: Vec<Snippet>,
    exprs: FxHashMap<Discriminant<ExprKind>, Vec<usize>>,
    stmts: FxHashMap<Discriminant<StmtKind>, Vec<usize>>,
    funcs: Vec<usize>,
}

struct Snippet {
    rule: RuleIx,
    /// Which of the rule's lists of snippets it is from.
    part: usize,
    entry: EntryIx,
    /// One unit: the items of the snippet in a function of their own.
    unit: Unit,
    body: Vec<Stmt>,
}

impl PatternRules {
    /// Lowers the snippets; the strings say which could not be, and why.
    pub fn compile(rules: Arc<RuleSet>) -> (Self, Vec<String>) {
        let mut families: FxHashMap<&'static str, Family> = FxHashMap::default();
        let mut errors = Vec::new();
        for (index, rule) in rules.rules.iter().enumerate() {
            let RuleKind::Pattern(all) = &rule.kind else { continue };
            for (part, source) in all.iter().enumerate().flat_map(|(part, s)| s.any.iter().map(move |(text, entry)| (part, (text, *entry))))
            {
                let language = all[part].language;
                match Snippet::lower(index, part, language, source.0, source.1) {
                    Ok(snippet) => families.entry(language.info().models).or_default().add(snippet),
                    Err(why) => errors.push(format!("{}: snippet of `{}` {why}: {}", rule.file, rule.id, source.0.trim())),
                }
            }
        }
        (Self { rules, families }, errors)
    }

    /// Findings in one item, with spans relative to its first byte, and whether that is all: the search has a budget.
    pub fn item(&self, language: Language, path: &str, unit: &Unit, item: &str) -> (Vec<Finding>, bool) {
        let Some(family) = self.families.get(language.info().models) else { return (Vec::new(), true) };
        let steps = Cell::new(u32::try_from(unit.exprs.len()).unwrap_or(u32::MAX).saturating_mul(50).saturating_add(100_000));
        let mut search = Search { rules: &self.rules, family, language, path, unit, item, steps, found: Vec::new() };
        for (id, expr) in unit.exprs.iter().enumerate() {
            for &snippet in family.exprs.get(&discriminant(&expr.kind)).into_iter().flatten() {
                search.expr(snippet, id as u32);
            }
        }
        if !family.funcs.is_empty() {
            for id in 0..unit.funcs.len() as u32 {
                for &snippet in &family.funcs {
                    search.func(snippet, FuncId(id));
                }
            }
        }
        if !family.stmts.is_empty() {
            search.list(&unit.body);
            unit.funcs.iter().for_each(|f| search.list(&f.body));
            unit.classes.iter().for_each(|c| search.list(&c.body));
        }
        search.found.sort_by(|a, b| (a.span.start, a.span.end, &a.rule).cmp(&(b.span.start, b.span.end, &b.rule)));
        let whole = search.steps.get() > 0;
        (search.found, whole)
    }
}

impl Family {
    fn add(&mut self, snippet: Snippet) {
        let index = self.snippets.len();
        match &snippet.body[..] {
            [Stmt { kind: StmtKind::Expr(e), .. }] => {
                self.exprs.entry(discriminant(&snippet.unit.expr(*e).kind)).or_default().push(index);
            }
            [Stmt { kind: StmtKind::Func(_), .. }] => self.funcs.push(index),
            body => {
                if let Some(first) = body.iter().find(|s| !structure::is_rest(&snippet.unit, s)) {
                    self.stmts.entry(discriminant(&first.kind)).or_default().push(index);
                }
            }
        }
        self.snippets.push(snippet);
    }
}

impl Snippet {
    fn lower(rule: RuleIx, part: usize, language: Language, source: &str, entry: EntryIx) -> Result<Self, &'static str> {
        let body = structure::fill_holes(source.trim());
        // Inside a function so that it is one item, and `return` and `await` are at home.
        let text = if language == Language::Python {
            let indented: Vec<String> = body.lines().map(|l| format!("    {l}\n")).collect();
            format!("async def f():\n{}", indented.concat())
        } else {
            format!("async function f() {{\n{body}\n}}")
        };
        let tree = syntax::parse(language, &text, None, || true).ok_or("could not be parsed")?;
        let [item] = syntax::items(&tree)[..] else { return Err("is not a list of statements") };
        if item.has_error() {
            return Err("has a syntax error");
        }
        let unit = lang::lower(language, &text, item);
        let Some(StmtKind::Func(outer)) = unit.body.first().map(|s| &s.kind) else { return Err("has no lowering") };
        let body: Vec<Stmt> = unit.func(*outer).body.iter().skip_while(|s| structure::is_rest(&unit, s)).cloned().collect();
        if body.is_empty() {
            return Err("says nothing");
        }
        Ok(Self { rule, part, entry, unit, body })
    }
}

struct Search<'a> {
    rules: &'a RuleSet,
    family: &'a Family,
    language: Language,
    path: &'a str,
    unit: &'a Unit,
    item: &'a str,
    steps: Cell<u32>,
    found: Vec<Finding>,
}

impl Search<'_> {
    fn matcher<'s>(&'s self, snippet: &'s Snippet) -> Matcher<'s> {
        Matcher { pattern: &snippet.unit, target: self.unit, item: self.item, steps: &self.steps }
    }

    fn expr(&mut self, snippet: usize, id: u32) {
        let snippet = &self.family.snippets[snippet];
        let Some(Stmt { kind: StmtKind::Expr(root), .. }) = snippet.body.first() else { return };
        let id = crate::ir::ExprId(id);
        let mut bindings = Bindings::default();
        if self.matcher(snippet).expr(*root, id, &mut bindings) {
            self.report(snippet, &bindings, self.unit.expr(id).span.in_file(0));
        }
    }

    fn func(&mut self, snippet: usize, id: FuncId) {
        let snippet = &self.family.snippets[snippet];
        let Some(Stmt { kind: StmtKind::Func(root), .. }) = snippet.body.first() else { return };
        let mut bindings = Bindings::default();
        if self.matcher(snippet).func(*root, id, &mut bindings) {
            self.report(snippet, &bindings, self.unit.func(id).name_span.in_file(0));
        }
    }

    /// Looks for statement snippets at every place of a list and of the lists inside it.
    fn list(&mut self, list: &[Stmt]) {
        for (at, stmt) in list.iter().enumerate() {
            for &index in self.family.stmts.get(&discriminant(&stmt.kind)).into_iter().flatten() {
                let snippet = &self.family.snippets[index];
                let mut bindings = Bindings::default();
                if self.matcher(snippet).prefix(&snippet.body, &list[at..], &mut bindings) {
                    self.report(snippet, &bindings, structure::place(stmt).in_file(0));
                }
            }
            for inner in structure::lists(&stmt.kind) {
                self.list(inner);
            }
        }
    }

    fn report(&mut self, snippet: &Snippet, bindings: &Bindings, span: Range<usize>) {
        let rule = &self.rules.rules[snippet.rule];
        let RuleKind::Pattern(all) = &rule.kind else { return };
        let Some(Snippets { filters, unless, .. }) = all.get(snippet.part) else { return };
        let text = |name: &str| bindings.text(name, self.item);
        let wanted = rule.languages.is_empty() || rule.languages.contains(&self.language);
        let matches = |name: &str, regex: &Pattern| {
            if name == "file" { regex.is_match(self.path) } else { text(name).is_some_and(|t| regex.is_match(t)) }
        };
        if !wanted || !filters.iter().all(|(n, r)| matches(n, r)) || unless.iter().any(|(n, r)| matches(n, r)) {
            return;
        }
        let Some(shown) = self.item.get(span.clone()) else { return };
        // The first line says where; a body of many lines would only be coloured.
        let line = shown.lines().next().unwrap_or("").trim_end().len();
        let span = span.start..span.start + line;
        if !self.found.iter().any(|f| f.rule == rule.id && f.span == span) {
            let mut new = finding(rule, span.clone(), &self.item[span]);
            self.rules.used(snippet.entry);
            for (name, code) in bindings.all(self.item) {
                new.message = new.message.replace(&format!("${name}"), code);
            }
            self.found.push(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ir::sym,
        judge::testing::{regex, rule, set, vet},
        rules::NO_ENTRY,
    };

    fn found_where(snippet: &str, filters: &[(&str, &str)], code: &str) -> Vec<String> {
        let filters = filters.iter().map(|(name, r)| (sym(name), regex(r))).collect();
        let kind = RuleKind::Pattern(vec![Snippets {
            language: Language::Python,
            any: vec![(snippet.into(), NO_ENTRY)],
            filters,
            unless: Vec::new(),
        }]);
        assert_eq!(PatternRules::compile(set(vec![rule("r", kind.clone())])).1, Vec::<String>::new());
        vet(vec![rule("r", kind)], Language::Python, code).into_iter().map(|f| f.1).collect()
    }

    fn found(snippet: &str, code: &str) -> Vec<String> {
        found_where(snippet, &[], code)
    }

    #[test]
    fn an_expression_is_found_anywhere() {
        assert_eq!(found("$X == $X", "def f(a):\n    if g(a.b == a.b, a == b):\n        pass\n"), ["a.b == a.b"]);
        assert_eq!(found("f(..., x=1)", "f(1, 2, y=3, x=1)\nf(1, x=2)\nf(x=1)\n"), ["f(1, 2, y=3, x=1)", "f(x=1)"]);
        assert_eq!(found("f($A, $B)", "f(1)\nf(1, 2)\nf(1, 2, 3)\nf(1, 2, k=3)\n"), ["f(1, 2)"]);
        assert_eq!(found("f('...')", "f('any')\nf(x)\n"), ["f('any')"]);
        assert_eq!(found("[..., $X, 0]", "a = [1, 2, 0]\nb = [0]\nc = [5, 0]\n"), ["[1, 2, 0]", "[5, 0]"]);
    }

    #[test]
    fn statements_are_found_in_order() {
        let try_pass = "try:\n    ...\nexcept Exception:\n    pass\n";
        let code = "def f():\n    try:\n        a()\n        b()\n    except Exception as e:\n        pass\n    finally:\n        c()\n    try:\n        a()\n    except Exception:\n        raise\n";
        assert_eq!(found(try_pass, code), ["except Exception as e:"]);
        assert_eq!(found("$X = f()\n...\ng($X)", "a = f()\nh(a)\ng(a)\nb = f()\n"), Vec::<String>::new());
        assert_eq!(found("$X = f()\n...\ng($X)", "def m():\n    a = f()\n    h(a)\n    g(a)\n    b = f()\n    g(c)\n"), ["a = f()"]);
    }

    #[test]
    fn functions_are_found_by_name_and_body() {
        let snippet = "def $F(...):\n    return True\n";
        let code = "def is_admin(user):\n    \"\"\"Says who is.\"\"\"\n    return True\ndef other(a):\n    return True\ndef is_done(a):\n    x()\n    return True\n";
        assert_eq!(found_where(snippet, &[("F", "^is_")], code), ["is_admin"]);
        assert_eq!(
            found("async def $F($A, *args):\n    ...\n", "async def g(a, *args): pass\ndef h(a, *args): pass\nasync def i(a): pass\n"),
            ["g"]
        );
    }

    #[test]
    fn a_bad_snippet_is_an_error_and_no_more() {
        for bad in ["def (:", "", "..."] {
            let kind = RuleKind::Pattern(vec![Snippets {
                language: Language::Python,
                any: vec![(bad.into(), NO_ENTRY)],
                filters: Vec::new(),
                unless: Vec::new(),
            }]);
            assert_eq!(PatternRules::compile(set(vec![rule("r", kind)])).1.len(), 1, "{bad:?}");
        }
    }
}
