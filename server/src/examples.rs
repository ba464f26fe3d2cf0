//! Runs the examples of rules: what a rule page claims is what the engine does.

use crate::{project::Files, rewrite, workspace::Vetted};
use qualm_engine::{
    Cache, Confidence, Engine, Finding, Foreign, NoProject, Persona, Project,
    rules::{Example, ExampleKind, Rule},
};
use rayon::prelude::*;
use std::{fmt, fs, path::Path};
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

/// An example with the further files of its project and the text it replaced.
struct Case<'r> {
    example: &'r Example,
    with: Vec<&'r Example>,
    before: Option<&'r Example>,
    /// The `fixed` or `refused` block that follows.
    answer: Option<&'r Example>,
}

fn cases(rule: &Rule) -> Vec<Case<'_>> {
    let mut out: Vec<Case<'_>> = Vec::new();
    let mut before = None;
    for example in &rule.examples {
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
    for case in cases(rule) {
        let mut fail = |line: usize, message: String| failures.push(Failure { file: rule.file.clone(), line, message });
        claims += 1;
        let bench = match Bench::new(engine, rule, &case) {
            Ok(bench) => bench,
            Err(error) => {
                fail(case.example.line, format!("the example's files cannot be written: {error}"));
                continue;
            }
        };
        let findings = bench.findings(&case.example.text);
        let verdict = match case.example.kind {
            ExampleKind::Good => bench.silent(&case.example.text, &findings),
            _ => bench.fires(case.example, &findings),
        };
        if let Err(message) = verdict {
            fail(case.example.line, message);
        } else if let Some(answer) = case.answer {
            claims += 1;
            if let Err(message) = bench.answers(case.example, answer) {
                fail(answer.line, message);
            }
        }
    }
    (claims, failures)
}

/// Where an example is vetted.
struct Bench<'r> {
    engine: &'r Engine,
    rule: &'r Rule,
    name: String,
    example: &'r Example,
    before: Option<&'r str>,
    foreign: bool,
    project: Option<(Files, TempDir)>,
}

impl<'r> Bench<'r> {
    fn new(engine: &'r Engine, rule: &'r Rule, case: &Case<'r>) -> std::io::Result<Self> {
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
        let implied = rule.persona == Persona::Pedantic && case.example.kind == ExampleKind::Bad;
        let before = case.before.map(|b| b.text.as_str());
        Ok(Self { engine, rule, name, example: case.example, before, foreign: case.example.foreign || implied, project })
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
    fn fires(&self, example: &Example, findings: &[Finding]) -> Result<(), String> {
        let lines = crate::lines::Lines::new(&example.text);
        let mut found: Vec<usize> = self.own(findings).map(|f| lines.line(f.span.start)).collect();
        found.sort_unstable();
        let numbers = |lines: &[usize]| lines.iter().map(|l| (l + 1).to_string()).collect::<Vec<_>>().join(", ");
        if example.findings.is_empty() {
            return match found.len() {
                1 => Ok(()),
                0 => Err(format!("`{}` is silent about this bad example", self.rule.id)),
                _ => Err(format!("`{}` fires {} times (in line {}), not once", self.rule.id, found.len(), numbers(&found))),
            };
        }
        found.dedup();
        if found == example.findings {
            Ok(())
        } else {
            let found = if found.is_empty() { "nowhere".to_owned() } else { format!("in line {} of the example", numbers(&found)) };
            Err(format!("`{}` fires {found}, marked: {}", self.rule.id, numbers(&example.findings)))
        }
    }

    /// A good example: nobody speaks whom a reader would hear.
    fn silent(&self, text: &str, findings: &[Finding]) -> Result<(), String> {
        let heard =
            findings.iter().find(|f| *f.rule == *self.rule.id || (f.confidence >= Confidence::Medium && f.persona == Persona::Regular));
        heard.map_or(Ok(()), |f| {
            let line = crate::lines::Lines::new(text).line(f.span.start) + 1;
            Err(format!("`{}` speaks in line {line} of this good example: {}", f.rule, f.message))
        })
    }

    fn own<'f>(&self, findings: &'f [Finding]) -> impl Iterator<Item = &'f Finding> {
        let id = self.rule.id.clone();
        findings.iter().filter(move |f| f.rule == id)
    }

    /// The rewrite of a bad example, applied to every finding in turn, is the `fixed` block; with `refused` there is none.
    fn answers(&self, bad: &Example, answer: &Example) -> Result<(), String> {
        let mut text = bad.text.clone();
        for round in 0..50 {
            let Vetted::Source(source) = self.vetted(&text) else { return Err("only source code is rewritten".to_owned()) };
            let findings = self.findings(&text);
            let mut refusal = None;
            let fix = self.own(&findings).find_map(|f| match self.engine.fix(&source, f, self.project()) {
                Ok(fix) => Some(fix),
                Err(no) => {
                    refusal.get_or_insert(no.0);
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
        match self.own(&self.findings(&text)).next() {
            Some(left) => Err(format!("after the rewrite the rule still speaks: {}", left.message)),
            None => Ok(()),
        }
    }
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
