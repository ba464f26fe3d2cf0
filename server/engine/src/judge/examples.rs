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
        for (regex, _) in regexes {
            assert!(regex.regex().is_some(), "{}: too large: {}", rule.id, regex.as_str());
            assert!(super::literals::required(regex.as_str()).is_some(), "{}: no literal is certain in {}", rule.id, regex.as_str());
        }
    }
}

/// Prefixes with the public shape of each provider's keys; put together here so that no key stands in the text.
#[test]
fn keys_of_providers_are_told_from_placeholders() {
    let (rules, _) = RuleSet::load(qualm_rules::FILES.iter().copied());
    let engine = Engine::new(Arc::new(rules));
    let body = |n: usize| "Zq8vR2mK4xT7wB1nY6cJ3hL9sD5fG0pAuEiO".chars().cycle().take(n).collect::<String>();
    let hex = |n: usize| "9c4e7a1f03b8d26e5fa70c9b".chars().cycle().take(n).collect::<String>();
    let keys = [
        format!("github_pat_{}_{}", body(22), body(59)),
        format!("glpat-{}", body(20)),
        format!("sk-proj-{}T3BlbkFJ{}", body(40), body(40)),
        format!("sk-ant-api03-{}AA", body(93)),
        format!("sk_live_{}", body(24)),
        format!("xoxb-123905671234-987105674321-{}", body(24)),
        format!("SG.{}.{}", body(22), body(43)),
        format!("npm_{}", body(36)),
        format!("dop_v1_{}", hex(64)),
        format!("shpat_{}", hex(32)),
    ];
    let said = |text: &str| engine.analyse_text("notes.txt", text, &Foreign::None).iter().any(|f| &*f.rule == "provider-api-key");
    for key in &keys {
        assert!(said(&format!("key = {key}\n")), "{key}");
        assert!(!said(&format!("key = {key}  # an example\n")), "{key}");
    }
    for placeholder in ["sk_live_xxxxxxxxxxxxxxxxxxxxxxxx", "AKIAIOSFODNN7EXAMPLE", "ghp_000000000000000000000000000000000000"] {
        assert!(!said(placeholder), "{placeholder}");
    }
}
