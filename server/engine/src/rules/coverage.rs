//! What rules and models are made of, entry by entry, and which entries ever did something.

use super::{EntryIx, RuleSet};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// One table of a model or rule file, one snippet or one regular expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file as it was named to the loader.
    pub file: Arc<str>,
    /// Name of the table: `sink`, `call`, `pattern`, ...
    pub table: &'static str,
    /// 1-based line of the table.
    pub line: usize,
    /// Which of the table's snippets or expressions, counted from 1; 0 for the table itself.
    pub part: usize,
    /// Why no example can show it.
    pub untested: Option<Arc<str>>,
}

/// One flag for each entry.
#[derive(Debug, Default)]
pub struct Coverage(Vec<AtomicBool>);

impl RuleSet {
    /// From now on it is remembered which entries did something. Clones made afterwards share the memory.
    pub fn count(&mut self) {
        self.coverage = Some(Arc::new(Coverage(self.entries.iter().map(|_| AtomicBool::new(false)).collect())));
    }

    /// The entry did something: a finding, a source that was read, taint taken away or moved, a type given.
    pub(crate) fn used(&self, entry: EntryIx) {
        if let Some(flag) = self.coverage.as_ref().and_then(|c| c.0.get(entry as usize)) {
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the entry did something since [`RuleSet::count`].
    pub fn was_used(&self, entry: EntryIx) -> bool {
        self.coverage.as_ref().and_then(|c| c.0.get(entry as usize)).is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}
