//! What must hold of any text, whatever it says.

use qualm_engine::{Analysis, Cache, Dependency, Engine, Finding, Foreign, Language, Module, Project, Refusal, RuleSet, SourceFile};
use std::sync::{Arc, LazyLock};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Arc::new(RuleSet::load(qualm_rules::FILES.iter().copied()).0)));

/// Rewrites of so many findings are looked at closely.
const CLOSELY: usize = 12;

/// A project in which every import leads back to the text itself.
struct Mirror(Option<Arc<Module>>);

impl Project for Mirror {
    fn module(&self, _: &str, specifier: &str, _: Language) -> Option<Arc<Module>> {
        self.0.clone().filter(|_| specifier.starts_with('.'))
    }
    fn dependency(&self, _: &str, package: &str, _: Language) -> Dependency {
        if package.len().is_multiple_of(2) { Dependency::Known } else { Dependency::Undeclared }
    }
}

/// What does not hold, in words.
pub fn judge(language: Language, text: &str, seed: u64) -> Result<(), String> {
    let name = format!("app/main.{}", language.info().extensions[0]);
    let project = Mirror(Module::parse("app/other", language, text).map(Arc::new));
    let file = SourceFile::parse(&name, language, text, Foreign::All).ok_or("the grammar refuses to load")?;
    let mut cache = Cache::default();
    let analysis = analyse(&file, &mut cache, &project)?;
    sound(text, &analysis.findings)?;
    let again = analyse(&file, &mut Cache::default(), &project)?;
    same("a second analysis", &analysis, &again)?;
    rewrites(&file, &analysis, cache, &project)?;
    edited(&file, &project, seed)
}

fn analyse(file: &SourceFile, cache: &mut Cache, project: &dyn Project) -> Result<Analysis, String> {
    ENGINE.analyse(file, cache, project, &|| false).ok_or_else(|| "no analysis though nothing cancelled it".to_owned())
}

/// Places lie in the text, on the borders of characters.
fn sound(text: &str, findings: &[Finding]) -> Result<(), String> {
    let off = |f: &Finding| {
        let own = f.path.iter().filter(|s| s.file.is_none()).map(|s| &s.span);
        std::iter::once(&f.span).chain(own).any(|s| text.get(s.clone()).is_none())
    };
    findings.iter().find(|f| off(f)).map_or(Ok(()), |f| Err(format!("a place outside of the text: {f:?}")))
}

fn same(what: &str, one: &Analysis, other: &Analysis) -> Result<(), String> {
    if one.findings == other.findings {
        return Ok(());
    }
    let missing = one.findings.iter().find(|f| !other.findings.contains(f));
    let more = other.findings.iter().find(|f| !one.findings.contains(f));
    Err(format!("{what} gives other findings: not {missing:?} but {more:?}"))
}

/// What is offered does what it says, and is the same however it was asked for.
fn rewrites(file: &SourceFile, analysis: &Analysis, cache: Cache, project: &dyn Project) -> Result<(), String> {
    let mut shared = ENGINE.rewrites(cache, file, project);
    for finding in analysis.findings.iter().take(CLOSELY) {
        let outcome = shared.of(finding);
        if matches!(&outcome, Err(Refusal::Unfit(why)) if why.contains("bug in qualm") || why.contains("not in this text")) {
            return Err(format!("no rewrite of {finding:?}: {outcome:?}"));
        }
        let alone = ENGINE.fix(file, finding, project);
        if outcome != Err(Refusal::Budget) && alone != Err(Refusal::Budget) && outcome != alone {
            return Err(format!("the rewrite of {finding:?} is {outcome:?} among others and {alone:?} alone"));
        }
        let Ok(fix) = outcome else { continue };
        let mut at = 0;
        for edit in &fix.edits {
            if edit.span.start < at || file.text.get(edit.span.clone()).is_none() {
                return Err(format!("edits that do not fit the text: {fix:?}"));
            }
            at = edit.span.end;
        }
        let after = fix.apply(&file.text);
        let copy = SourceFile::parse(&file.path, file.language, &after, Foreign::All).ok_or("the grammar refuses to load")?;
        let left = analyse(&copy, &mut Cache::default(), project)?;
        let count = |findings: &[Finding]| findings.iter().filter(|f| f.rule == finding.rule).count();
        if count(&left.findings) >= count(&analysis.findings) {
            return Err(format!("after {fix:?} the finding is still there: {finding:?}"));
        }
    }
    Ok(())
}

/// What was kept of a text has no part in what is found in the next.
fn edited(file: &SourceFile, project: &dyn Project, seed: u64) -> Result<(), String> {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x5eed);
    let mut cache = Cache::default();
    analyse(file, &mut cache, project)?;
    let mut lines: Vec<&str> = file.text.split_inclusive('\n').collect();
    for _ in 0..2 {
        if lines.is_empty() {
            return Ok(());
        }
        let at = rng.usize(..lines.len());
        if rng.bool() {
            lines.remove(at);
        } else {
            let line = lines[rng.usize(..lines.len())];
            lines.insert(at, line);
        }
        let text = lines.concat();
        let next = SourceFile::parse(&file.path, file.language, &text, Foreign::All).ok_or("the grammar refuses to load")?;
        let kept = analyse(&next, &mut cache, project)?;
        let fresh = analyse(&next, &mut Cache::default(), project)?;
        same("after an edit what was kept", &fresh, &kept)?;
    }
    Ok(())
}
