//! Interned strings: names and access paths, compared and hashed in one step.
//!
//! Our own instead of a library's, because those reserve megabytes before the first name, which a process that
//! answers within milliseconds of its start feels. A name is never freed: a file's names stay for as long as the server
//! runs, as with every interner without counting.

use rustc_hash::{FxBuildHasher, FxHashMap};
use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher},
    ops::Deref,
    sync::{LazyLock, PoisonError, RwLock},
};

/// Threads that intern at once seldom want the same part of the table.
const SHARDS: usize = 16;

struct Entry {
    text: Box<str>,
    /// Of the text: the same in every run, so that nothing that is ordered by it differs from run to run.
    hash: u64,
}

type Shard = RwLock<FxHashMap<&'static str, &'static Entry>>;

static TABLE: LazyLock<[Shard; SHARDS]> = LazyLock::new(Default::default);
static EMPTY: LazyLock<Sym> = LazyLock::new(|| sym(""));

/// An interned string.
#[derive(Clone, Copy)]
pub struct Sym(&'static Entry);

fn place(text: &str) -> (&'static Shard, u64) {
    let hash = FxBuildHasher.hash_one(text);
    // The low bits choose within the shard's own table.
    (&TABLE[(hash >> 60) as usize % SHARDS], hash)
}

/// Interns a string.
pub fn sym(text: &str) -> Sym {
    let (shard, hash) = place(text);
    if let Some(entry) = shard.read().unwrap_or_else(PoisonError::into_inner).get(text) {
        return Sym(entry);
    }
    let mut names = shard.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(entry) = names.get(text) {
        return Sym(entry);
    }
    let entry: &'static Entry = Box::leak(Box::new(Entry { text: text.into(), hash }));
    names.insert(&entry.text, entry);
    Sym(entry)
}

impl Sym {
    /// The symbol of a string that was interned before.
    pub fn existing(text: &str) -> Option<Self> {
        let (shard, _) = place(text);
        shard.read().unwrap_or_else(PoisonError::into_inner).get(text).copied().map(Self)
    }

    /// Its text.
    pub fn as_str(self) -> &'static str {
        &self.0.text
    }
}

impl Default for Sym {
    fn default() -> Self {
        *EMPTY
    }
}

impl Deref for Sym {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Sym {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Sym {}

impl Hash for Sym {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl PartialOrd for Sym {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sym {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialEq<str> for Sym {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Sym {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl From<&str> for Sym {
    fn from(text: &str) -> Self {
        sym(text)
    }
}

impl fmt::Debug for Sym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Sym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_are_one_symbol_in_all_threads() {
        let names: Vec<String> = (0..2000).map(|i| format!("sym_test_{i}")).collect();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let names = names.clone();
                std::thread::spawn(move || names.iter().map(|n| sym(n)).collect::<Vec<_>>())
            })
            .collect();
        let all: Vec<Vec<Sym>> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        assert!(all.windows(2).all(|w| w[0] == w[1]));
        assert!(all[0].iter().zip(&names).all(|(s, n)| s == n.as_str() && Sym::existing(n) == Some(*s)));
        assert_eq!(Sym::existing("sym_test_never_interned"), None);
        assert!(Sym::default().is_empty() && sym("b") > sym("a"));
    }
}
