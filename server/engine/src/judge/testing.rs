//! Rules made by hand, for the judges' unit tests.

use crate::{
    analysis::{Engine, Foreign, SourceFile},
    finding::{Confidence, Finding, Persona, Severity},
    lang::Language,
    rules::{Models, NO_ENTRY, Pattern, Rule, RuleKind, RuleSet, TextPlace},
};
use std::sync::Arc;

pub(super) fn regex(source: &str) -> Pattern {
    Pattern::new(source).unwrap()
}

pub(super) fn rule(id: &str, kind: RuleKind) -> Rule {
    Rule {
        id: id.into(),
        title: id.to_string(),
        cwe: Vec::new(),
        owasp: None,
        severity: Severity::Warning,
        persona: Persona::Regular,
        confidence: Confidence::High,
        languages: Vec::new(),
        frameworks: Vec::new(),
        message: None,
        kind,
        fixes: Vec::new(),
        why: String::new(),
        lesson: String::new(),
        examples: Vec::new(),
        file: String::new(),
    }
}

pub(super) fn text(id: &str, place: TextPlace, source: &str) -> Rule {
    rule(
        id,
        RuleKind::Text {
            places: vec![place],
            regexes: vec![(regex(source), NO_ENTRY)],
            entropy: None,
            random: false,
            not: Vec::new(),
            files: None,
            not_files: None,
            unless: None,
            outside_types: false,
        },
    )
}

pub(super) fn set(mut rules: Vec<Rule>) -> Arc<RuleSet> {
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    let models = ["python", "javascript"].into_iter().map(|l| (l, Models::default())).collect();
    Arc::new(RuleSet { rules, models, ..RuleSet::default() })
}

/// Findings of a file named by its language, as `(rule, text)`.
pub(super) fn vet(rules: Vec<Rule>, language: Language, source: &str) -> Vec<(String, String)> {
    let path = format!("file.{}", language.info().extensions[0]);
    let file = SourceFile::parse(&path, language, source, Foreign::None).unwrap();
    let analysis = Engine::new(set(rules)).analyse(&file, &mut crate::Cache::default(), &crate::NoProject, &|| false).unwrap();
    shown(source, &analysis.findings)
}

pub(super) fn shown(source: &str, findings: &[Finding]) -> Vec<(String, String)> {
    findings.iter().map(|f| (f.rule.to_string(), source[f.span.clone()].to_string())).collect()
}
