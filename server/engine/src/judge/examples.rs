//! The embedded pack's examples of the rules that are judged here.

use crate::{
    analysis::{Cache, Engine, Foreign, NoProject, SourceFile},
    finding::{Finding, Persona},
    rules::{Example, ExampleKind, RuleKind, RuleSet},
};
use std::sync::Arc;

fn judged_here(kind: &RuleKind) -> bool {
    matches!(kind, RuleKind::Text { .. } | RuleKind::Change(_) | RuleKind::Pattern(_) | RuleKind::Dependency { undeclared: false, .. })
}

fn findings(engine: &Engine, persona: Persona, example: &Example, before: Option<&str>) -> Vec<Finding> {
    let foreign =
        if example.foreign || (example.kind == ExampleKind::Bad && persona == Persona::Pedantic) { Foreign::All } else { Foreign::None };
    let Some(language) = example.language else {
        return engine.analyse_text(example.path.as_deref().unwrap_or("file.txt"), &example.text, &foreign);
    };
    let name = format!("file.{}", language.info().extensions[0]);
    let file = SourceFile::parse(example.path.as_deref().unwrap_or(&name), language, &example.text, foreign).unwrap();
    match before {
        Some(before) => engine.changes(before, &file),
        None => engine.analyse(&file, &mut Cache::default(), &NoProject, &|| false).unwrap().findings,
    }
}

#[test]
fn examples_hold() {
    let (rules, errors) = RuleSet::load(qualm_rules::FILES.iter().copied());
    let errors: Vec<_> = errors.iter().filter(|e| e.file.ends_with(".md")).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let engine = Engine::new(Arc::new(rules));
    assert_eq!(engine.judges().errors(), Vec::<String>::new());
    let mut wrong = Vec::new();
    for rule in engine.rules().rules.iter().filter(|r| judged_here(&r.kind)) {
        let mut before = None;
        for example in &rule.examples {
            let at = format!("{}:{}", rule.file, example.line);
            match example.kind {
                ExampleKind::Before => before = Some(example.text.as_str()),
                ExampleKind::Bad => {
                    let found = findings(&engine, rule.persona, example, before.take());
                    let line = |f: &Finding| example.text[..f.span.start].matches('\n').count();
                    let mut lines: Vec<usize> = found.iter().filter(|f| f.rule == rule.id).map(line).collect();
                    lines.dedup();
                    if if example.findings.is_empty() { lines.len() != 1 } else { lines != example.findings } {
                        wrong.push(format!("{at}: found on lines {lines:?}, not {:?}: {found:?}", example.findings));
                    }
                }
                ExampleKind::Good => {
                    let found = findings(&engine, rule.persona, example, None);
                    if found.iter().any(|f| f.rule == rule.id) {
                        wrong.push(format!("{at}: {found:?}"));
                    }
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_text_rule_can_be_filtered() {
    let (rules, _) = RuleSet::load(qualm_rules::FILES.iter().copied());
    for rule in &rules.rules {
        let RuleKind::Text { regexes, .. } = &rule.kind else { continue };
        for regex in regexes {
            assert!(regex.regex().is_some(), "{}: too large: {}", rule.id, regex.as_str());
            assert!(super::literals::required(regex.as_str()).is_some(), "{}: no literal is certain in {}", rule.id, regex.as_str());
        }
    }
}
