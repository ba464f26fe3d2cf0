//! The door of the engine: a file goes in, findings come out, and for a finding a proven rewrite.

use crate::{
    finding::{Finding, Fix},
    fix::{Demand, Rewrites},
    incremental,
    ir::Unit,
    judge::Judges,
    lang::{self, Language},
    rules::RuleSet,
    syntax,
};
use std::{ops::Range, sync::Arc};
use tree_sitter::Tree;

/// Which parts of a file are foreign text (pasted, completed, written by an agent): pedantic rules speak there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Foreign {
    /// Nothing.
    #[default]
    None,
    /// The whole file.
    All,
    /// These byte ranges, sorted and disjoint.
    Ranges(Vec<Range<usize>>),
}

impl Foreign {
    /// Whether any byte of `span` is foreign (an empty span: the byte position).
    pub fn touches(&self, span: &Range<usize>) -> bool {
        match self {
            Foreign::None => false,
            Foreign::All => true,
            Foreign::Ranges(ranges) => ranges.iter().any(|r| r.start < span.end.max(span.start + 1) && span.start < r.end),
        }
    }
}

/// An immutable file as the engine sees it.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The name the project gives it: relative to the root, `/` separated.
    pub path: Arc<str>,
    #[allow(missing_docs)]
    pub language: Language,
    #[allow(missing_docs)]
    pub text: Arc<str>,
    /// Tree of exactly this text.
    pub tree: Tree,
    #[allow(missing_docs)]
    pub foreign: Foreign,
}

impl SourceFile {
    /// Parses `text` without a deadline. `None` only if the grammar refuses to load.
    pub fn parse(path: &str, language: Language, text: &str, foreign: Foreign) -> Option<Self> {
        let tree = syntax::parse(language, text, None, || true)?;
        Some(Self { path: path.into(), language, text: text.into(), tree, foreign })
    }
}

/// What is known of an imported package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// In a manifest, lockfile, installed or part of the workspace.
    Known,
    /// There is a manifest, and it is not in it nor installed.
    Undeclared,
    /// No manifest: nothing can be said.
    NoManifest,
}

/// A whole file lowered for use by others (imports).
#[derive(Debug)]
pub struct Module {
    /// The name the project gives it.
    pub path: Arc<str>,
    #[allow(missing_docs)]
    pub language: Language,
    /// Items with their first byte in the file.
    pub items: Vec<(usize, Arc<Unit>)>,
    /// Hash of the text, for caches.
    pub hash: u64,
}

impl Module {
    /// Parses and lowers a file.
    pub fn parse(path: &str, language: Language, text: &str) -> Option<Self> {
        let tree = syntax::parse(language, text, None, || true)?;
        let items = syntax::items(&tree).into_iter().map(|n| (n.start_byte(), Arc::new(lang::lower(language, text, n)))).collect();
        Some(Self { path: path.into(), language, items, hash: hash(text) })
    }
}

/// Hash of a text for cache keys: keyed per process, so that no file can be written to collide with another.
pub fn hash(text: &str) -> u64 {
    use std::{
        hash::{BuildHasher, RandomState},
        sync::LazyLock,
    };
    static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    STATE.hash_one(text)
}

pub use crate::items::Cache;

/// What the engine may ask about other files; answers may come from memory, never block on a network.
pub trait Project: Sync {
    /// The project file that `specifier` (an IR import's `module`: `a.b`, `.m`, `./m`) names when written in `from`.
    fn module(&self, from: &str, specifier: &str, language: Language) -> Option<Arc<Module>>;
    /// What is known of a package imported in `from` (top level name: `yaml`, `@scope/name`).
    fn dependency(&self, from: &str, package: &str, language: Language) -> Dependency;
}

/// A file on its own.
pub struct NoProject;

impl Project for NoProject {
    fn module(&self, _: &str, _: &str, _: Language) -> Option<Arc<Module>> {
        None
    }
    fn dependency(&self, _: &str, _: &str, _: Language) -> Dependency {
        Dependency::NoManifest
    }
}

/// What an analysis says of a file.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    /// Sorted by position, then rule; suppressed ones are left out.
    pub findings: Vec<Finding>,
    /// Byte ranges of items with syntax errors: while text is being typed a caller may keep their earlier findings.
    pub broken: Vec<Range<usize>>,
    /// Other project files that had a part in this result.
    pub depends_on: Vec<Arc<str>>,
    /// What was not followed to its end, by position: findings may be missing there.
    pub not_followed: Vec<NotFollowed>,
}

impl Analysis {
    /// Something was not followed to its end.
    pub fn exhausted(&self) -> bool {
        !self.not_followed.is_empty()
    }
}

/// A part of a file that was not followed to its end, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFollowed {
    /// The item (function, class or statement at the top level), in bytes of the file. Empty: the file's top level as a whole.
    pub span: Range<usize>,
    #[allow(missing_docs)]
    pub limit: Limit,
}

/// Does something that only a mistake in the analysis can end; such a mistake costs that and nothing else.
pub(crate) fn guarded<T>(f: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).ok()
}

/// What stopped an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// The budget of steps was spent: there are too many ways through the code.
    Steps,
    /// Calls, blocks and expressions nest too deep.
    Depth,
    /// More modules are imported than are looked into.
    Modules,
    /// A mistake in the analysis itself.
    Fault,
}

impl Limit {
    pub(crate) const ALL: [Limit; 4] = [Limit::Steps, Limit::Depth, Limit::Modules, Limit::Fault];
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Limit::Steps => "too many ways through the code",
            Limit::Depth => "too deep",
            Limit::Modules => "too many imported modules",
            Limit::Fault => "the analysis failed; this is a bug in qualm",
        })
    }
}

/// A set of [`Limit`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits(u8);

impl Limits {
    pub(crate) fn add(&mut self, limit: Limit) {
        self.0 |= 1 << limit as u8;
    }
    pub(crate) fn extend(&mut self, other: Limits) {
        self.0 |= other.0;
    }
    pub(crate) fn iter(self) -> impl Iterator<Item = Limit> {
        Limit::ALL.into_iter().filter(move |l| self.0 & 1 << *l as u8 != 0)
    }
}

/// Why no rewrite is offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// None would be right here, for this reason.
    #[error("{0}")]
    Unfit(String),
    /// Not worked out: the rewrites of a file may take a share of its analysis, and that is spent. There may be one.
    #[error("rewrite not worked out: the file's budget for rewrites is spent")]
    Budget,
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Refusal::Unfit(why)
    }
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        Refusal::Unfit(why.into())
    }
}

/// The engine: rules and models, shared by all doors and threads.
pub struct Engine {
    rules: Arc<RuleSet>,
    judges: Judges,
}

impl Engine {
    /// An engine with these rules.
    pub fn new(rules: Arc<RuleSet>) -> Self {
        Self { judges: Judges::compile(rules.clone()), rules }
    }

    /// Its rules.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Its judges of text, edits, imports and snippets.
    pub fn judges(&self) -> &Judges {
        &self.judges
    }

    /// All findings of a file. `None` when `cancelled` said so.
    pub fn analyse(
        &self,
        file: &SourceFile,
        cache: &mut Cache,
        project: &dyn Project,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Option<Analysis> {
        incremental::analyse(&self.rules, &self.judges, file, cache, project, cancelled)
    }

    /// The same after an edit, from the few items that it touched: the cost hardly depends on the file's length. `file.tree`
    /// may be that of an earlier text; it is not looked at. While the touched items are half-typed, what follows them is
    /// judged as if they were whole, so [`Engine::analyse`] must have the last word once the author pauses.
    ///
    /// `None`: this takes the whole file (or `cancelled` said so).
    pub fn analyse_edit(
        &self,
        file: &SourceFile,
        cache: &mut Cache,
        project: &dyn Project,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Option<Analysis> {
        incremental::analyse_edit(&self.rules, &self.judges, file, cache, project, cancelled)
    }

    /// Findings in a file of a language without lowering (text rules only).
    pub fn analyse_text(&self, path: &str, text: &str, foreign: &Foreign) -> Vec<Finding> {
        self.judges.plain(path, text, foreign)
    }

    /// What the step from `before` to this file did (`change` rules).
    pub fn changes(&self, before: &str, file: &SourceFile) -> Vec<Finding> {
        self.judges.changes(before, file)
    }

    /// The rewrites of the findings of this very file, to be worked out one by one on what its analysis left in `cache`. They
    /// share one budget, which depends on the file and its project alone; what is left out is answered with [`Refusal::Budget`].
    pub fn rewrites<'a>(&'a self, cache: Cache, file: &'a SourceFile, project: &'a dyn Project) -> Rewrites<'a> {
        Rewrites::new(&self.rules, &self.judges, cache, file, project, Demand::All)
    }

    /// The proven rewrite of a finding of this very file, or why there is none; with a budget of its own.
    pub fn fix(&self, file: &SourceFile, finding: &Finding, project: &dyn Project) -> Result<Fix, Refusal> {
        self.fix_from(Cache::default(), file, finding, project)
    }

    /// As [`Engine::fix`], with a [`Cache::fork`] of what earlier analyses of the file left, which saves most of the time.
    pub fn fix_from(&self, cache: Cache, file: &SourceFile, finding: &Finding, project: &dyn Project) -> Result<Fix, Refusal> {
        Rewrites::new(&self.rules, &self.judges, cache, file, project, Demand::One).of(finding)
    }
}
