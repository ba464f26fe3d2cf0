//! Judges of the rule kinds that need no interpretation: raw text, edits, imports and code snippets;
//! and the comments with which people answer a finding.

pub mod change;
pub mod dependency;
#[cfg(test)]
mod examples;
mod literals;
pub mod pattern;
mod structure;
pub mod suppress;
#[cfg(test)]
mod testing;
pub mod text;
pub(crate) mod words;

use crate::{
    analysis::{Foreign, Limit, Limits, Project, SourceFile, guarded},
    finding::{Finding, Persona},
    ir::Unit,
    lang::{self, Language},
    rules::{Rule, RuleSet},
    syntax,
};
use dependency::Import;
use pattern::PatternRules;
use std::{ops::Range, sync::Arc};
use text::TextRules;
use tree_sitter::Node;

/// Longest part of the source that a message quotes, in characters.
const QUOTE: usize = 60;

/// The rules of a [`RuleSet`] that are judged here, compiled once.
pub struct Judges {
    rules: Arc<RuleSet>,
    text: TextRules,
    patterns: PatternRules,
    errors: Vec<String>,
}

impl Judges {
    /// Compiles them.
    pub fn compile(rules: Arc<RuleSet>) -> Self {
        let (text, (patterns, errors)) = std::thread::scope(|scope| {
            let text = scope.spawn(|| TextRules::compile(rules.clone()));
            let patterns = PatternRules::compile(rules.clone());
            (text.join().unwrap_or_else(|_| TextRules::compile(rules.clone())), patterns)
        });
        Self { rules, text, patterns, errors }
    }

    /// Snippets that could not be compiled, each with its rule and why.
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// What can be said of one item by itself, whatever is around it; spans are relative to its first byte. A mistake of one kind
    /// of judge costs what that one would have said, and is told by a limit.
    pub(crate) fn item(&self, language: Language, path: &str, text: &str, node: Node<'_>, unit: &Unit) -> (Vec<Finding>, Limits) {
        let mut limits = Limits::default();
        let mut findings = guarded(|| self.text.item(language, path, text, node)).unwrap_or_else(|| {
            limits.add(Limit::Fault);
            Vec::new()
        });
        if let Some(item) = text.get(node.byte_range()) {
            match guarded(|| self.patterns.item(language, path, unit, item)) {
                Some((found, whole)) => {
                    findings.extend(found);
                    if !whole {
                        limits.add(Limit::Steps);
                    }
                }
                None => limits.add(Limit::Fault),
            }
        }
        (findings, limits)
    }

    /// What the file as a whole adds: its raw text and its imports (of each item, with its first byte). `hits` is kept
    /// from one text of the file to the next.
    pub(crate) fn file<'u>(
        &self,
        file: &SourceFile,
        imports: impl Iterator<Item = (usize, &'u [Import])>,
        project: &dyn Project,
        hits: &mut Option<text::Hits>,
    ) -> Vec<Finding> {
        let mut findings = self.text.file_again(&file.path, &file.text, hits);
        findings.extend(dependency::judge(&self.rules, file, imports, project));
        findings
    }

    /// What the step from `before` to this file did.
    pub fn changes(&self, before: &str, file: &SourceFile) -> Vec<Finding> {
        let mut findings = change::judge(&self.rules, before, file);
        findings.retain(|f| speaks(f, &file.foreign));
        let comments = if suppress::possible(&file.text) { comments(file) } else { Vec::new() };
        let context = suppress::Context { rules: &self.rules, text: &file.text, tree: Some(&file.tree), complete: false };
        suppress::answered(context, &comments, findings)
    }

    /// All findings of a file in a language without lowering.
    pub fn plain(&self, path: &str, text: &str, foreign: &Foreign) -> Vec<Finding> {
        let mut findings = self.text.file(path, text);
        findings.retain(|f| speaks(f, foreign));
        let context = suppress::Context { rules: &self.rules, text, tree: None, complete: true };
        suppress::apply(context, &suppress::plain_comments(text), findings)
    }
}

/// A finding of `rule` with its fields filled in; `{value}` in the message becomes `value`, shortened.
fn finding(rule: &Rule, span: Range<usize>, value: &str) -> Finding {
    let mut message = rule.message.clone().unwrap_or_else(|| rule.title.clone());
    if message.contains("{value}") {
        let mut quote: String = value.chars().take(QUOTE).collect();
        if quote.len() < value.len() {
            quote.push('…');
        }
        message = message.replace("{value}", &quote);
    }
    Finding {
        rule: rule.id.clone(),
        span,
        message,
        severity: rule.severity,
        confidence: rule.confidence,
        persona: rule.persona,
        path: Vec::new(),
    }
}

/// Whether a finding is said at all: pedantic ones only where the text is foreign.
pub fn speaks(finding: &Finding, foreign: &Foreign) -> bool {
    finding.persona != Persona::Pedantic || foreign.touches(&finding.span)
}

/// The comments of a file.
fn comments(file: &SourceFile) -> Vec<Range<usize>> {
    let units = syntax::items(&file.tree).into_iter().map(|n| (n.start_byte(), lang::lower(file.language, &file.text, n)));
    units.flat_map(|(base, unit)| unit.comments.into_iter().map(move |c| c.in_file(base))).collect()
}

/// The finding of an item that starts at `base`, with spans in the file.
pub(crate) fn shifted(finding: &Finding, base: usize) -> Finding {
    let mut shifted = finding.clone();
    shifted.span = base + shifted.span.start..base + shifted.span.end;
    shifted
}
