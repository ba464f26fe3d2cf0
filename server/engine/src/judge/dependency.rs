//! `[dependency]` rules: imports of packages that nobody declared, or whose name is a letter away from one
//! that people know.

use super::finding;
use crate::{
    analysis::{Dependency, Project, SourceFile},
    finding::Finding,
    ir::{ExprKind, Handler, Span, Stmt, StmtKind, Sym, Unit},
    lang::Language,
    rules::{Models, Rule, RuleKind, RuleSet},
};
use rustc_hash::FxHashMap;

/// Names shorter than this have too many neighbours to say that one is meant for another.
const SHORTEST: usize = 7;
/// From this length on two letters may differ.
const LONG: usize = 10;

/// All imports of an item.
pub(crate) fn imports(unit: &Unit) -> Vec<Import> {
    let mut found = Vec::new();
    collect(unit, &unit.body, false, &mut found);
    for func in &unit.funcs {
        collect(unit, &func.body, false, &mut found);
    }
    for class in &unit.classes {
        collect(unit, &class.body, false, &mut found);
    }
    found
}

/// Findings about the imports of a file's items (each with its first byte).
pub(crate) fn judge<'u>(
    rules: &RuleSet,
    file: &SourceFile,
    items: impl Iterator<Item = (usize, &'u [Import])>,
    project: &dyn Project,
) -> Vec<Finding> {
    let wanted: Vec<&Rule> = rules
        .rules
        .iter()
        .filter(|r| matches!(r.kind, RuleKind::Dependency { .. }) && (r.languages.is_empty() || r.languages.contains(&file.language)))
        .collect();
    let Some(models) = rules.models(file.language).filter(|_| !wanted.is_empty()) else { return Vec::new() };
    let mut known: FxHashMap<Sym, Verdict> = FxHashMap::default();
    let mut findings: Vec<Finding> = Vec::new();
    for (base, imports) in items {
        for import in imports {
            let Some(package) = package(file.language, import.module) else { continue };
            let verdict = known.entry(package).or_insert_with(|| Verdict::of(models, file, package, import.module, project)).clone();
            for rule in &wanted {
                if let Some(message) = verdict.speaks(rule, package, import.optional) {
                    let mut found = finding(rule, import.span.in_file(base), &package);
                    found.message = found.message.replace("{target}", &message);
                    if !findings.iter().any(|f| f.rule == found.rule && f.span == found.span) {
                        findings.push(found);
                    }
                }
            }
        }
    }
    findings
}

/// An import statement; its span is relative to the item.
pub(crate) struct Import {
    module: Sym,
    span: Span,
    /// Its absence is provided for.
    optional: bool,
}

/// What is known of one package.
#[derive(Clone)]
enum Verdict {
    /// Declared, built in, or a module of the project.
    Fine,
    Unknown {
        manifest: bool,
        /// The well-known package its name is close to.
        like: Option<Sym>,
    },
}

impl Verdict {
    fn of(models: &Models, file: &SourceFile, package: Sym, module: Sym, project: &dyn Project) -> Self {
        if models.stdlib.contains(&package) || models.stdlib.contains(&module) {
            return Verdict::Fine;
        }
        let others = models.distributions.get(&package).map(Vec::as_slice).unwrap_or_default();
        let answers: Vec<Dependency> =
            [package].iter().chain(others).map(|name| project.dependency(&file.path, name, file.language)).collect();
        // Which distribution a part of a namespace is from, nobody can tell.
        if models.namespaces.contains(&package)
            || answers.contains(&Dependency::Known)
            || project.module(&file.path, &module, file.language).is_some()
        {
            return Verdict::Fine;
        }
        // `types` packages and stubs stand for the package they describe.
        let famous = models.known.contains(&package) || others.iter().any(|d| models.known.contains(d));
        let like = if famous { None } else { neighbour(package, &models.known) };
        Verdict::Unknown { manifest: answers.contains(&Dependency::Undeclared), like }
    }

    /// The name to put into the message, if `rule` has something to say.
    fn speaks(&self, rule: &Rule, package: Sym, optional: bool) -> Option<String> {
        let RuleKind::Dependency { undeclared, like_known, names } = &rule.kind else { return None };
        if names.contains(&package) {
            return Some(package.to_string());
        }
        let Verdict::Unknown { manifest, like } = self else { return None };
        match (undeclared, like_known) {
            (_, true) => like.map(|l| l.to_string()),
            (true, false) => (*manifest && !optional).then(|| package.to_string()),
            (false, false) => None,
        }
    }
}

fn collect(unit: &Unit, body: &[Stmt], optional: bool, found: &mut Vec<Import>) {
    for stmt in body {
        match &stmt.kind {
            StmtKind::Import { module, .. } => found.push(Import { module: *module, span: stmt.span, optional }),
            StmtKind::If { then, other, test } => {
                // Imports for type checkers and version switches may be missing when the code runs.
                let switch = !matches!(unit.expr(*test).kind, ExprKind::Lit(_));
                collect(unit, then, optional || switch, found);
                collect(unit, other, optional || switch, found);
            }
            StmtKind::Try { body, handlers, other, finally } => {
                let guarded = optional || handlers.iter().any(|h| catches_import(unit, h));
                collect(unit, body, guarded, found);
                for handler in handlers {
                    collect(unit, &handler.body, guarded, found);
                }
                collect(unit, other, optional, found);
                collect(unit, finally, optional, found);
            }
            StmtKind::Loop { body, .. } | StmtKind::Block(body) => collect(unit, body, optional, found),
            _ => {}
        }
    }
}

fn catches_import(unit: &Unit, handler: &Handler) -> bool {
    const CAUGHT: [&str; 4] = ["ImportError", "ModuleNotFoundError", "Exception", "BaseException"];
    let named = |kind: &ExprKind| matches!(kind, ExprKind::Name(n) if CAUGHT.contains(&n.as_str()));
    handler.types.is_empty()
        || handler.types.iter().any(|&t| match &unit.expr(t).kind {
            ExprKind::List(parts) => parts.iter().any(|&p| named(&unit.expr(p).kind)),
            kind => named(kind),
        })
}

/// The package a module belongs to; `None` for relative modules and those a bundler or runtime resolves.
fn package(language: Language, module: Sym) -> Option<Sym> {
    let module = module.as_str();
    if language == Language::Python {
        let top = module.split('.').next()?;
        // A leading underscore marks what belongs to somebody else's package or to the interpreter.
        return (!top.is_empty() && !top.starts_with('_')).then(|| crate::ir::sym(top));
    }
    let name = match module.strip_prefix('@') {
        Some(scoped) => {
            let mut parts = scoped.splitn(3, '/');
            let (scope, name) = (parts.next()?, parts.next()?);
            if scope.is_empty() {
                return None;
            }
            &module[..scope.len() + name.len() + 2]
        }
        None => module.split('/').next()?,
    };
    let valid = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.' | '@' | '/'));
    (valid && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '@')).then(|| crate::ir::sym(name))
}

/// The known name that `package` is a slip of.
fn neighbour(package: Sym, known: &[Sym]) -> Option<Sym> {
    let name = package.as_str();
    if name.len() < SHORTEST || name.starts_with('@') {
        return None;
    }
    let most = if name.len() >= LONG { 2 } else { 1 };
    known
        .iter()
        .filter(|k| k.len() >= SHORTEST && k.len().abs_diff(name.len()) <= most && !k.starts_with('@'))
        .map(|k| (distance(name.as_bytes(), k.as_bytes()), *k))
        .filter(|(d, k)| (1..=most).contains(d) && !only_digits_differ(name, k))
        .min()
        .map(|(_, k)| k)
}

/// `lib2` and `lib3` are versions of each other, not slips.
fn only_digits_differ(a: &str, b: &str) -> bool {
    let letters = |s: &str| s.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    a[..letters(a)] == b[..letters(b)]
}

/// Damerau-Levenshtein distance (adjacent letters swapped count as one).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let width = b.len() + 1;
    let mut table = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = table[(i - 1) * width + j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = change.min(table[(i - 1) * width + j] + 1).min(table[i * width + j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(table[(i - 2) * width + j - 2] + 1);
                }
                best
            };
        }
    }
    table[a.len() * width + b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{Foreign, Module},
        ir::sym,
        judge::testing::rule,
    };
    use std::sync::Arc;

    struct Declares(&'static [&'static str]);
    impl Project for Declares {
        fn module(&self, _: &str, specifier: &str, _: Language) -> Option<Arc<Module>> {
            (specifier == "own").then(|| Arc::new(Module::parse("own.py", Language::Python, "").unwrap()))
        }
        fn dependency(&self, _: &str, package: &str, _: Language) -> Dependency {
            if self.0.contains(&package) { Dependency::Known } else { Dependency::Undeclared }
        }
    }

    fn found(project: &dyn Project, like_known: bool, language: Language, source: &str) -> Vec<String> {
        let kind = RuleKind::Dependency { undeclared: !like_known, like_known, names: vec![sym("leftpad")] };
        let mut rule = rule("r", kind);
        rule.message = Some("{value} {target}".into());
        let models = Models {
            stdlib: ["os", "fs", "crypto"].map(sym).to_vec(),
            known: ["requests", "express", "numpy", "cross-env"].map(sym).to_vec(),
            distributions: [(sym("yaml"), vec![sym("pyyaml")]), (sym("cv2"), vec![sym("opencv"), sym("opencv-headless")])]
                .into_iter()
                .collect(),
            namespaces: std::iter::once(sym("azure")).collect(),
            ..Models::default()
        };
        let rules = RuleSet {
            rules: vec![rule],
            models: [("python", models.clone()), ("javascript", models)].into_iter().collect(),
            ..RuleSet::default()
        };
        let file = SourceFile::parse("f", language, source, Foreign::None).unwrap();
        let module = Module::parse("f", language, source).unwrap();
        let items: Vec<_> = module.items.iter().map(|(base, unit)| (*base, imports(unit))).collect();
        judge(&rules, &file, items.iter().map(|(base, found)| (*base, &**found)), project).into_iter().map(|f| f.message).collect()
    }

    #[test]
    fn what_the_manifest_lacks_is_found() {
        let source = "import os.path, yaml, requests, own\nfrom . import x\nfrom flask_magic.sub import y\n\
            try:\n    import ujson\nexcept ImportError:\n    ujson = None\ndef f():\n    import late\n";
        assert_eq!(
            found(&Declares(&["pyyaml"]), false, Language::Python, source),
            ["requests requests", "flask_magic flask_magic", "late late"]
        );
        assert_eq!(found(&crate::NoProject, false, Language::Python, source), Vec::<String>::new());
        let shared = "import azure.core\nimport cv2\n";
        assert_eq!(found(&Declares(&["opencv-headless"]), false, Language::Python, shared), Vec::<String>::new());
        assert_eq!(found(&Declares(&[]), false, Language::Python, shared), ["cv2 cv2"]);
        let script = "import fs from 'node:fs';\nimport a from './a';\nimport b from '@/b';\nimport c from '@s/p/x';\n\
            import d from 'd/e';\nimport v from 'virtual:x';\nconst e = require('express');\n";
        assert_eq!(found(&Declares(&["express"]), false, Language::TypeScript, script), ["@s/p @s/p", "d d"]);
    }

    #[test]
    fn slips_of_known_names_are_found_without_a_manifest() {
        let source = "import requets\nimport requests\nimport reqeusts\nimport requests2\nimport os\n";
        assert_eq!(found(&crate::NoProject, true, Language::Python, source), ["requets requests", "reqeusts requests"]);
        assert_eq!(found(&Declares(&["requets"]), true, Language::Python, "import requets\n"), Vec::<String>::new());
        assert_eq!(found(&Declares(&["leftpad"]), true, Language::Python, "import leftpad\n").len(), 1);
    }

    #[test]
    fn a_specifier_names_a_package_or_none() {
        let name = |m: &str| package(Language::TypeScript, sym(m)).map(|p| p.to_string());
        assert_eq!(name("a/b/c").as_deref(), Some("a"));
        assert_eq!(name("@s/p/x").as_deref(), Some("@s/p"));
        for none in ["./a", "../a", "/a", "@/b", "~/b", "#in", "virtual:x", "https://x.y/z.js", "$lib/a", "@s", ""] {
            assert_eq!(name(none), None, "{none}");
        }
    }

    #[test]
    fn swapped_letters_are_one_slip() {
        assert_eq!(distance(b"reqeusts", b"requests"), 1);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"kitten", b"sitting"), 3);
    }
}
