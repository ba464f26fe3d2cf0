//! The gate: a rewrite is applied to a copy of the file and must prove itself there.

use crate::{
    analysis::{Analysis, Cache, Foreign, Project, SourceFile},
    finding::{Finding, Fix},
    incremental::{self, Site},
    judge::Judges,
    rules::RuleSet,
    syntax,
};
use rustc_hash::FxHashMap;
use std::{cell::RefCell, fmt, ops::Range, sync::Arc};

/// Why a rewrite is not offered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The edits are out of order, overlap, or leave the file.
    Edits,
    /// The parser gave up.
    Parser,
    /// More syntax errors than before.
    Syntax,
    /// The finding did not go away.
    StillThere,
    /// Another finding appeared.
    New(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Edits => f.write_str("the rewrite's edits do not fit the file"),
            Failure::Parser | Failure::Syntax => f.write_str("the code would not parse as well after the rewrite"),
            Failure::StillThere => f.write_str("the finding would still be there after the rewrite"),
            Failure::New(rule) => write!(f, "the rewrite would bring a new finding ({rule})"),
        }
    }
}

/// Proves rewrites of one finding of one file.
pub(super) struct Gate<'a> {
    rules: &'a Arc<RuleSet>,
    judges: &'a Judges,
    file: &'a SourceFile,
    finding: &'a Finding,
    project: &'a dyn Project,
    before: Analysis,
    sites: Vec<Site>,
    /// What the analyses of the copies may share.
    cache: RefCell<Cache>,
}

impl<'a> Gate<'a> {
    /// Analyses the file as it is; the finding must be one of it.
    pub(super) fn new(
        rules: &'a Arc<RuleSet>,
        judges: &'a Judges,
        mut cache: Cache,
        file: &'a SourceFile,
        finding: &'a Finding,
        project: &'a dyn Project,
    ) -> Result<Self, String> {
        let mut sites = Vec::new();
        let before = incremental::analyse_with_sites(rules, judges, file, &mut cache, project, &|| false, &mut sites).unwrap_or_default();
        if !before.findings.iter().any(|f| f.rule == finding.rule && f.span == finding.span) {
            return Err("the finding is not in this text any more".into());
        }
        Ok(Self { rules, judges, file, finding, project, before, sites, cache: RefCell::new(cache) })
    }

    /// What the analysis knows about the places of findings.
    pub(super) fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// Whether the rewrite does what it is for and nothing else that could be seen.
    pub(super) fn prove(&self, fix: &Fix) -> Result<(), Failure> {
        let text = &self.file.text;
        let mut at = 0;
        for edit in &fix.edits {
            if edit.span.start < at || edit.span.end < edit.span.start || text.get(edit.span.clone()).is_none() {
                return Err(Failure::Edits);
            }
            at = edit.span.end;
        }
        let after = fix.apply(text);
        let tree = syntax::reparse(self.file.language, text, &self.file.tree, &fix.edits, &after).ok_or(Failure::Parser)?;
        if errors(&tree) > errors(&self.file.tree) {
            return Err(Failure::Syntax);
        }
        let foreign = moved(&self.file.foreign, fix);
        let copy = SourceFile { path: self.file.path.clone(), language: self.file.language, text: after.as_str().into(), tree, foreign };
        let mut cache = self.cache.borrow_mut();
        let analysis = incremental::analyse(self.rules, self.judges, &copy, &mut cache, self.project, &|| false).ok_or(Failure::Parser)?;
        let count = |findings: &[Finding]| {
            let mut counts: FxHashMap<Arc<str>, usize> = FxHashMap::default();
            for f in findings {
                *counts.entry(f.rule.clone()).or_default() += 1;
            }
            counts
        };
        let (old, new) = (count(&self.before.findings), count(&analysis.findings));
        let mine = &self.finding.rule;
        let left = new.get(mine).copied().unwrap_or(0);
        if left >= old.get(mine).copied().unwrap_or(0) {
            return Err(Failure::StillThere);
        }
        // Others of the rule may go away too (one definition, two sinks), but this one has to.
        let place = moved_span(&self.finding.span, fix);
        let same = |f: &&Finding| f.rule == *mine && f.span.start < place.end && place.start < f.span.end;
        let others = self.before.findings.iter().filter(|f| f.rule == *mine && f.span != self.finding.span);
        let overlapping = others.filter(|f| f.span.start < self.finding.span.end && self.finding.span.start < f.span.end).count();
        if analysis.findings.iter().filter(same).count() > overlapping {
            return Err(Failure::StillThere);
        }
        if let Some((rule, _)) = new.iter().find(|(rule, n)| **n > old.get(*rule).copied().unwrap_or(0)) {
            return Err(Failure::New(rule.to_string()));
        }
        if analysis.exhausted() && !self.before.exhausted() {
            return Err(Failure::StillThere);
        }
        Ok(())
    }
}

/// Number of error and missing nodes.
pub(super) fn errors(tree: &tree_sitter::Tree) -> usize {
    let root = tree.root_node();
    if !root.has_error() {
        return 0;
    }
    let mut cursor = root.walk();
    let mut count = 0;
    loop {
        let node = cursor.node();
        if node.is_error() || node.is_missing() {
            count += 1;
        }
        if node.has_error() && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return count;
            }
        }
    }
}

/// Where a byte position is after the edits: inside an edit it goes to the end of the new text if `after`, else to its start.
fn moved_at(at: usize, fix: &Fix, after: bool) -> usize {
    let mut shift = 0isize;
    for edit in &fix.edits {
        if edit.span.end <= at && !(edit.span.end == at && after && edit.span.is_empty()) {
            shift += edit.text.len() as isize - edit.span.len() as isize;
        } else if edit.span.start < at {
            let start = (edit.span.start as isize + shift) as usize;
            return if after { start + edit.text.len() } else { start };
        } else {
            break;
        }
    }
    (at as isize + shift).max(0) as usize
}

/// Where a range is after the edits.
pub(super) fn moved_span(span: &Range<usize>, fix: &Fix) -> Range<usize> {
    let start = moved_at(span.start, fix, false);
    start..moved_at(span.end, fix, true).max(start + 1)
}

fn moved(foreign: &Foreign, fix: &Fix) -> Foreign {
    match foreign {
        Foreign::Ranges(ranges) => Foreign::Ranges(ranges.iter().map(|r| moved_span(r, fix)).collect()),
        other => other.clone(),
    }
}
