//! Runs the examples of rules and libraries: what a page claims is what the engine does.

use crate::{project::Files, rewrite, workspace::Vetted};
use qualm_engine::{
    Cache, Confidence, Engine, Finding, Foreign, NoProject, Persona, Project,
    rules::{Example, ExampleKind, Rule, RuleKind, RuleSet, library_examples},
};
use rayon::prelude::*;
use std::{collections::BTreeSet, fmt, fs, path::Path};
use tempfile::TempDir;

/// A claim that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The rule file as it was named to the loader.
    pub file: String,
    /// 1-based line of the example.
    pub line: usize,
    #[allow(missing_docs)]
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// What running examples gave.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Number of rules whose examples were run.
    pub rules: usize,
    /// Number of claims that were tested.
    pub claims: usize,
    /// Sorted by file and line.
    pub failures: Vec<Failure>,
}

/// Runs the examples of the rules that `wanted` picks, in parallel.
pub fn run(engine: &Engine, wanted: impl Fn(&Rule) -> bool) -> Outcome {
    let rules: Vec<&Rule> = engine.rules().rules.iter().filter(|r| wanted(r)).collect();
    let results: Vec<(usize, Vec<Failure>)> = rules.par_iter().map(|rule| run_rule(engine, rule)).collect();
    let mut out = Outcome { rules: rules.len(), ..Outcome::default() };
    for (claims, failures) in results {
        out.claims += claims;
        out.failures.extend(failures);
    }
    out.failures.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    out
}

/// Runs the examples on pages of libraries, given as `(name, text)`.
pub fn run_libraries(engine: &Engine, pages: &[(&str, &str)]) -> Outcome {
    let results: Vec<(usize, Vec<Failure>)> = pages.par_iter().map(|(name, text)| run_library(engine, name, text)).collect();
    let mut out = Outcome::default();
    for (claims, failures) in results {
        out.claims += claims;
        out.failures.extend(failures);
    }
    out.failures.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    out
}

fn run_library(engine: &Engine, name: &str, text: &str) -> (usize, Vec<Failure>) {
    let fail = |line, message| Failure { file: name.to_owned(), line, message };
    let examples = match library_examples(text) {
        Ok(examples) => examples,
        Err((line, message)) => return (0, vec![fail(line, message)]),
    };
    let mut failures = Vec::new();
    let all = cases(&examples);
    for case in &all {
        match Bench::new(engine, None, case) {
            Ok(bench) => failures.extend(bench.marks(case.example).into_iter().map(|(line, message)| fail(line, message))),
            Err(error) => failures.push(fail(case.example.line, format!("the example's files cannot be written: {error}"))),
        }
    }
    (all.len(), failures)
}

/// What of the files that `ours` names no example has shown since [`RuleSet::count`], and what claims to be untested though one has.
pub fn uncovered(rules: &RuleSet, ours: impl Fn(&str) -> bool) -> (usize, Vec<Failure>) {
    let mut failures = Vec::new();
    let mut total = 0;
    for (index, entry) in rules.entries.iter().enumerate().filter(|(_, e)| ours(&e.file)) {
        total += 1;
        let what = if entry.part == 0 { format!("[[{}]]", entry.table) } else { format!("{} {}", entry.table, entry.part) };
        let message = match (rules.was_used(index as u32), &entry.untested) {
            (false, None) => format!("no example shows that this {what} does anything"),
            (true, Some(_)) if entry.part == 0 => format!("this {what} is called untested, and an example shows it"),
            _ => continue,
        };
        failures.push(Failure { file: entry.file.to_string(), line: entry.line, message });
    }
    failures.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    (total, failures)
}

/// An example with the further files of its project and the text it replaced.
struct Case<'r> {
    example: &'r Example,
    with: Vec<&'r Example>,
    before: Option<&'r Example>,
    /// The `fixed` or `refused` block that follows.
    answer: Option<&'r Example>,
}

fn cases(examples: &[Example]) -> Vec<Case<'_>> {
    let mut out: Vec<Case<'_>> = Vec::new();
    let mut before = None;
    for example in examples {
        match example.kind {
            ExampleKind::Before => before = Some(example),
            ExampleKind::Bad | ExampleKind::Good => {
                out.push(Case { example, with: Vec::new(), before: before.take(), answer: None });
            }
            ExampleKind::With => {
                if let Some(case) = out.last_mut() {
                    case.with.push(example);
                }
            }
            ExampleKind::Fixed | ExampleKind::Refused => {
                if let Some(case) = out.last_mut().filter(|c| c.answer.is_none()) {
                    case.answer = Some(example);
                }
            }
        }
    }
    out
}

fn run_rule(engine: &Engine, rule: &Rule) -> (usize, Vec<Failure>) {
    let mut failures = Vec::new();
    let mut claims = 0;
    for case in cases(&rule.examples) {
        let mut fail = |line: usize, message: String| failures.push(Failure { file: rule.file.clone(), line, message });
        claims += 1;
        let bench = match Bench::new(engine, Some(rule), &case) {
            Ok(bench) => bench,
            Err(error) => {
                fail(case.example.line, format!("the example's files cannot be written: {error}"));
                continue;
            }
        };
        let findings = bench.findings(&case.example.text);
        let verdict = match case.example.kind {
            ExampleKind::Good => Bench::silent(rule, &case.example.text, &findings),
            _ => Bench::fires(rule, case.example, &findings),
        };
        if let Err(message) = verdict {
            fail(case.example.line, message);
        } else if let Some(answer) = case.answer {
            claims += 1;
            if let Err(message) = bench.answers(rule, case.example, answer) {
                fail(answer.line, message);
            }
        }
    }
    (claims, failures)
}

/// Where an example is vetted.
struct Bench<'r> {
    engine: &'r Engine,
    name: String,
    example: &'r Example,
    before: Option<&'r str>,
    foreign: bool,
    project: Option<(Files, TempDir)>,
}

impl<'r> Bench<'r> {
    fn new(engine: &'r Engine, rule: Option<&Rule>, case: &Case<'r>) -> std::io::Result<Self> {
        let extension = case.example.language.and_then(|l| l.info().extensions.first()).unwrap_or(&"txt");
        let name = case.example.path.clone().unwrap_or_else(|| format!("example.{extension}"));
        let project = if case.with.is_empty() {
            None
        } else {
            let folder = tempfile::tempdir()?;
            write(folder.path(), &name, &case.example.text)?;
            for other in &case.with {
                write(folder.path(), other.path.as_deref().unwrap_or("with.txt"), &other.text)?;
            }
            Some((Files::new(folder.path().to_owned()), folder))
        };
        // A pedantic rule could not be heard otherwise.
        let implied = rule.is_some_and(|r| r.persona == Persona::Pedantic) && case.example.kind == ExampleKind::Bad;
        let before = case.before.map(|b| b.text.as_str());
        Ok(Self { engine, name, example: case.example, before, foreign: case.example.foreign || implied, project })
    }

    fn project(&self) -> &dyn Project {
        self.project.as_ref().map_or(&NoProject, |(files, _)| files)
    }

    fn vetted(&self, text: &str) -> Vetted {
        let foreign = if self.foreign { Foreign::All } else { Foreign::None };
        Vetted::new(&self.name, self.example.language, text, foreign)
    }

    fn findings(&self, text: &str) -> Vec<Finding> {
        match self.vetted(text) {
            Vetted::Source(source) => {
                let analysis = self.engine.analyse(&source, &mut Cache::default(), self.project(), &|| false);
                let mut findings = analysis.unwrap_or_default().findings;
                if let Some(before) = self.before {
                    findings.extend(self.engine.changes(before, &source));
                }
                findings
            }
            Vetted::Plain { path, text, foreign } => self.engine.analyse_text(&path, &text, &foreign),
        }
    }

    /// A bad example: this rule fires on the marked lines and nowhere else; without marks, once.
    fn fires(rule: &Rule, example: &Example, findings: &[Finding]) -> Result<(), String> {
        let lines = crate::lines::Lines::new(&example.text);
        let mut found: Vec<usize> = own(rule, findings).map(|f| lines.line(f.span.start)).collect();
        found.sort_unstable();
        let numbers = |lines: &[usize]| lines.iter().map(|l| (l + 1).to_string()).collect::<Vec<_>>().join(", ");
        if example.findings.is_empty() {
            return match found.len() {
                1 => Ok(()),
                0 => Err(format!("`{}` is silent about this bad example", rule.id)),
                _ => Err(format!("`{}` fires {} times (in line {}), not once", rule.id, found.len(), numbers(&found))),
            };
        }
        found.dedup();
        if found == example.findings {
            Ok(())
        } else {
            let found = if found.is_empty() { "nowhere".to_owned() } else { format!("in line {} of the example", numbers(&found)) };
            Err(format!("`{}` fires {found}, marked: {}", rule.id, numbers(&example.findings)))
        }
    }

    /// A good example: nobody speaks whom a reader would hear.
    fn silent(rule: &Rule, text: &str, findings: &[Finding]) -> Result<(), String> {
        let heard = findings.iter().find(|f| *f.rule == *rule.id || heard(f));
        heard.map_or(Ok(()), |f| {
            let line = crate::lines::Lines::new(text).line(f.span.start) + 1;
            Err(format!("`{}` speaks in line {line} of this good example: {}", f.rule, f.message))
        })
    }

    /// The page of a library: each rule speaks in the lines that name it, and where none is named nobody does whom a reader would hear.
    fn marks(&self, example: &Example) -> Vec<(usize, String)> {
        let lines = crate::lines::Lines::new(&example.text);
        // What a whole application lacks is no matter of a library.
        let about_all = |id: &str| self.engine.rules().rule(id).is_some_and(|r| matches!(r.kind, RuleKind::Missing(_)));
        let named = |rule: &str| example.named.iter().any(|(_, r)| r == rule);
        let findings = self.findings(&example.text);
        let said = findings.iter().filter(|f| named(&f.rule) || (heard(f) && !about_all(&f.rule)));
        let said: BTreeSet<(usize, String)> = said.map(|f| (lines.line(f.span.start), f.rule.to_string())).collect();
        let marked: BTreeSet<(usize, String)> = example.named.iter().cloned().collect();
        let line = |at: &usize| example.line + at + 1;
        let lost = marked.difference(&said).map(|(at, rule)| (line(at), format!("`{rule}` is silent in this line")));
        let more = said.difference(&marked).map(|(at, rule)| (line(at), format!("`{rule}` speaks in this line, which does not say so")));
        lost.chain(more).collect()
    }

    /// The rewrite of a bad example, applied to every finding in turn, is the `fixed` block; with `refused` there is none.
    fn answers(&self, rule: &Rule, bad: &Example, answer: &Example) -> Result<(), String> {
        let mut text = bad.text.clone();
        for round in 0..50 {
            let Vetted::Source(source) = self.vetted(&text) else { return Err("only source code is rewritten".to_owned()) };
            let findings = self.findings(&text);
            let mut refusal = None;
            let fix = own(rule, &findings).find_map(|f| match self.engine.fix(&source, f, self.project()) {
                Ok(fix) => Some(fix),
                Err(no) => {
                    refusal.get_or_insert(no.to_string());
                    None
                }
            });
            match (answer.kind, fix) {
                (ExampleKind::Refused, None) => return Ok(()),
                (ExampleKind::Refused, Some(fix)) => return Err(format!("a rewrite is offered: {}", fix.title)),
                (_, Some(fix)) if rewrite::is_sound(&text, &fix) => {
                    let after = fix.apply(&text);
                    if after == text {
                        return Err("the rewrite changes nothing".to_owned());
                    }
                    text = after;
                }
                (_, Some(_)) => return Err("the rewrite's edits overlap or lie outside of the text".to_owned()),
                (_, None) if round == 0 => {
                    return Err(format!("no rewrite is offered: {}", refusal.unwrap_or_else(|| "no finding".to_owned())));
                }
                (_, None) => break,
            }
        }
        if text != answer.text {
            let diff = rewrite::line_diff(&answer.text, &text);
            return Err(format!("the rewrite is another one (- expected, + made):\n{}", rewrite::diff_text(&diff)));
        }
        match own(rule, &self.findings(&text)).next() {
            Some(left) => Err(format!("after the rewrite the rule still speaks: {}", left.message)),
            None => Ok(()),
        }
    }
}

/// The findings of a rule.
fn own<'f>(rule: &Rule, findings: &'f [Finding]) -> impl Iterator<Item = &'f Finding> {
    let id = rule.id.clone();
    findings.iter().filter(move |f| f.rule == id)
}

/// Whether a reader of the default persona sees it.
fn heard(finding: &Finding) -> bool {
    finding.confidence >= Confidence::Medium && finding.persona == Persona::Regular
}

/// Writes a file of an example; the loader has refused names that lead out.
fn write(folder: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let path = folder.join(name);
    if !path.starts_with(folder) || name.contains("..") {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "the name leads out of the project"));
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)
}
