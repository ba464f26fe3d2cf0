//! The gate: a rewrite is applied to a copy of the file and must prove itself there.

use crate::{
    analysis::{Analysis, Cache, Dependency, Foreign, Project, Refusal, SourceFile},
    finding::{Finding, Fix},
    incremental::{self, Site},
    ir::{ExprKind, Pattern, StmtKind, Sym, Unit},
    items::Item,
    judge::Judges,
    rules::RuleSet,
    syntax,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::{
    cell::{Cell, OnceCell, RefCell},
    ops::Range,
    sync::Arc,
};

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
    New(Arc<str>),
    /// The new text uses a name that nothing gives a meaning.
    Unbound(Sym),
    /// The share of work is spent.
    Budget,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Refusal::Unfit(match failure {
            Failure::Edits => "the rewrite's edits do not fit the file".into(),
            Failure::Parser | Failure::Syntax => "the code would not parse as well after the rewrite".into(),
            Failure::StillThere => "the finding would still be there after the rewrite".into(),
            Failure::New(rule) => format!("the rewrite would bring a new finding ({rule})"),
            Failure::Unbound(name) => format!("nothing here defines `{name}`, which the rewrite would use"),
            Failure::Budget => return Refusal::Budget,
        })
    }
}

/// For whom the rewrites are worked out, which decides how much work they may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// Somebody asked for the rewrite of one finding.
    One,
    /// All rewrites of the file are collected.
    All,
}

/// Steps that the rewrites of any file may take. A step takes some 400 ns.
const LEAST: u64 = 200_000;
/// Steps that somebody who asked waits for.
const ASKED: u64 = 8_000_000;
/// A copy costs one step for so many bytes of it, whatever was edited in it.
const BYTES_A_STEP: u64 = 16;

/// Proves rewrites of one file.
pub(super) struct Gate<'a> {
    rules: &'a Arc<RuleSet>,
    judges: &'a Judges,
    file: &'a SourceFile,
    project: &'a dyn Project,
    /// The findings of the file as it is; without words.
    before: Analysis,
    counts: FxHashMap<Arc<str>, usize>,
    /// Every name that the file reads or gives a meaning.
    names: OnceCell<FxHashSet<Sym>>,
    sites: Vec<Site>,
    items: Vec<Item>,
    /// What the analyses of the copies share.
    cache: RefCell<Cache>,
    /// Steps left.
    left: Cell<u64>,
}

impl<'a> Gate<'a> {
    /// Takes from the cache what it has of the file as it is. `None`: its language has no grammar.
    pub(super) fn new(
        rules: &'a Arc<RuleSet>,
        judges: &'a Judges,
        mut cache: Cache,
        file: &'a SourceFile,
        project: &'a dyn Project,
        demand: Demand,
    ) -> Option<Self> {
        let mut sites = Vec::new();
        let (before, items) = incremental::analyse_copy(rules, judges, file, &mut cache, project, &mut sites)?;
        let share = match demand {
            Demand::One => ASKED,
            Demand::All => LEAST.max((cache.cost.worth + file.text.len() as u64) / 3),
        };
        let counts = counts(&before.findings);
        Some(Self {
            rules,
            judges,
            file,
            project,
            before,
            counts,
            names: OnceCell::new(),
            sites,
            items,
            cache: RefCell::new(cache),
            left: Cell::new(share),
        })
    }

    /// Whether it is one of the file's findings.
    pub(super) fn knows(&self, finding: &Finding) -> bool {
        self.before.findings.iter().any(|f| f.rule == finding.rule && f.span == finding.span)
    }

    /// Whether a rule has a finding in `range` of the file as it is.
    pub(super) fn speaks(&self, rule: &str, range: &Range<usize>) -> bool {
        self.before.findings.iter().any(|f| *f.rule == *rule && f.span.start < range.end && range.start < f.span.end)
    }

    /// What the analysis knows about the places of findings.
    pub(super) fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// Whether the project of the file knows a package.
    pub(super) fn depends_on(&self, package: &str) -> bool {
        self.project.dependency(&self.file.path, package, self.file.language) == Dependency::Known
    }

    /// The file's items, lowered.
    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// A name that the items of a copy use, if it is new in the file and nothing gives it a meaning.
    fn unbound(&self, copy: &[Item]) -> Option<Sym> {
        let old: FxHashSet<u64> = self.items.iter().map(|i| i.id).collect();
        let fresh: Vec<_> = copy.iter().filter(|i| !old.contains(&i.id)).map(|i| names(&i.unit)).collect();
        let known = self.names.get_or_init(|| {
            self.items.iter().fold(FxHashSet::default(), |mut all, i| {
                let (bound, read) = names(&i.unit);
                all.extend(bound);
                all.extend(read);
                all
            })
        });
        let globals = self.file.language.info().globals;
        let mut unbound = fresh
            .iter()
            .flat_map(|(_, read)| read)
            .filter(|n| !known.contains(n) && !fresh.iter().any(|(bound, _)| bound.contains(n)) && !globals.contains(&n.as_str()));
        unbound.next().copied()
    }

    fn pay(&self, steps: u64) {
        self.left.set(self.left.get().saturating_sub(steps));
    }

    /// Whether the rewrite does what it is for and nothing else that could be seen.
    pub(super) fn prove(&self, finding: &Finding, fix: &Fix) -> Result<(), Failure> {
        if self.left.get() == 0 {
            return Err(Failure::Budget);
        }
        let text = &self.file.text;
        let mut at = 0;
        for edit in &fix.edits {
            if edit.span.start < at || edit.span.end < edit.span.start || text.get(edit.span.clone()).is_none() {
                return Err(Failure::Edits);
            }
            at = edit.span.end;
        }
        let after = fix.apply(text);
        self.pay(after.len() as u64 / BYTES_A_STEP);
        let tree = syntax::reparse(self.file.language, text, &self.file.tree, &fix.edits, &after).ok_or(Failure::Parser)?;
        if errors(&tree) > errors(&self.file.tree) {
            return Err(Failure::Syntax);
        }
        let foreign = moved(&self.file.foreign, fix);
        let copy = SourceFile { path: self.file.path.clone(), language: self.file.language, text: after.as_str().into(), tree, foreign };
        let mut cache = self.cache.borrow_mut();
        let analysis = incremental::analyse_copy(self.rules, self.judges, &copy, &mut cache, self.project, &mut Vec::new());
        self.pay(cache.cost.taken);
        let (analysis, items) = analysis.ok_or(Failure::Parser)?;
        if let Some(name) = self.unbound(&items) {
            return Err(Failure::Unbound(name));
        }
        let mine = &finding.rule;
        let new = counts(&analysis.findings);
        let count = |of: &FxHashMap<Arc<str>, usize>, rule: &Arc<str>| of.get(rule).copied().unwrap_or(0);
        if count(&new, mine) >= count(&self.counts, mine) {
            return Err(Failure::StillThere);
        }
        // Others of the rule may go away too (one definition, two sinks), but this one has to.
        let place = moved_span(&finding.span, fix);
        let same = |f: &&Finding| f.rule == *mine && f.span.start < place.end && place.start < f.span.end;
        let others = self.before.findings.iter().filter(|f| f.rule == *mine && f.span != finding.span);
        let overlapping = others.filter(|f| f.span.start < finding.span.end && finding.span.start < f.span.end).count();
        if analysis.findings.iter().filter(same).count() > overlapping {
            return Err(Failure::StillThere);
        }
        if let Some(rule) = new.keys().filter(|rule| count(&new, rule) > count(&self.counts, rule)).min() {
            return Err(Failure::New(rule.clone()));
        }
        if analysis.exhausted() && !self.before.exhausted() {
            return Err(Failure::StillThere);
        }
        Ok(())
    }
}

/// The names that a piece of code gives a meaning, and those that it reads.
fn names(unit: &Unit) -> (FxHashSet<Sym>, FxHashSet<Sym>) {
    let (mut bound, mut read) = (FxHashSet::default(), FxHashSet::default());
    let mut pattern = |p: &Pattern| bound_by(p, &mut bound);
    unit.each_statement(&mut |s| match &s.kind {
        StmtKind::Assign { target, .. } => pattern(target),
        StmtKind::Loop { binding: Some(p), .. } => pattern(p),
        StmtKind::Import { local, .. } => pattern(&Pattern::Name(*local, s.span)),
        _ => {}
    });
    for f in &unit.funcs {
        f.params.iter().for_each(|p| pattern(&p.pattern));
    }
    for e in &unit.exprs {
        match &e.kind {
            ExprKind::Assign { target, .. } => pattern(target),
            ExprKind::Name(n) => drop(read.insert(*n)),
            _ => {}
        }
    }
    bound.extend(unit.funcs.iter().filter_map(|f| f.name));
    bound.extend(unit.classes.iter().filter_map(|c| c.name));
    (bound, read)
}

/// The names that a pattern binds.
fn bound_by(pattern: &Pattern, bound: &mut FxHashSet<Sym>) {
    match pattern {
        Pattern::Name(n, _) => drop(bound.insert(*n)),
        Pattern::List(all) => all.iter().for_each(|p| bound_by(p, bound)),
        Pattern::Map(all) => all.iter().for_each(|(_, p)| bound_by(p, bound)),
        Pattern::Default(p, _) | Pattern::Rest(p) => bound_by(p, bound),
        Pattern::Member { .. } | Pattern::Index { .. } | Pattern::Ignore => {}
    }
}

/// Number of findings of each rule.
fn counts(findings: &[Finding]) -> FxHashMap<Arc<str>, usize> {
    let mut counts: FxHashMap<Arc<str>, usize> = FxHashMap::default();
    for f in findings {
        *counts.entry(f.rule.clone()).or_default() += 1;
    }
    counts
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
