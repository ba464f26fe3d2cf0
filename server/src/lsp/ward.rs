//! What earlier servers of this session stumbled over, as the supervisor tells it to the next one: texts that are not looked
//! at again, and documents that are looked at with care.

use super::{session::lock, slate::Task};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A text that a server did not survive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unvetted {
    /// Of the text, in bytes.
    pub length: usize,
    /// See [`text_hash`].
    pub hash: u64,
    /// What was done with it.
    pub task: Task,
    /// What happened then: "ended the server".
    pub why: String,
}

/// Care for one document or file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ward {
    /// The document's URI, or the file's path.
    pub key: String,
    /// These texts are left alone.
    pub texts: Vec<Unvetted>,
    /// Others are looked at only after so many milliseconds without a change.
    pub delay: u64,
    /// While it is looked at, nothing else is, so that it is known whose fault an end is.
    pub alone: bool,
}

/// All of them.
#[derive(Default)]
pub struct Wards {
    all: Mutex<HashMap<String, Ward>>,
    any: AtomicBool,
}

/// Hash of a text, the same in every process.
pub fn text_hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

impl Wards {
    /// Takes one in place of what was told of the same document.
    pub fn set(&self, ward: Ward) {
        lock(&self.all).insert(ward.key.clone(), ward);
        self.any.store(true, Ordering::Relaxed);
    }

    /// The document was looked at and nothing happened; the texts that are left alone stay so.
    pub fn survived(&self, key: &str) {
        if let Some(ward) = lock(&self.all).get_mut(key) {
            (ward.delay, ward.alone) = (0, false);
        }
    }

    /// Why this text is not looked at.
    pub fn refuses(&self, key: &str, task: Task, length: usize, text: impl FnOnce() -> String) -> Option<String> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        let candidates: Vec<Unvetted> = {
            let all = lock(&self.all);
            all.get(key)?.texts.iter().filter(|t| t.task == task && t.length == length).cloned().collect()
        };
        if candidates.is_empty() {
            return None;
        }
        let hash = text_hash(&text());
        candidates.into_iter().find(|t| t.hash == hash).map(|t| t.why)
    }

    /// How long to wait for a document's author to pause, and whether to leave everything else for the while.
    pub fn care(&self, key: &str) -> Option<(Duration, bool)> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        let all = lock(&self.all);
        let ward = all.get(key).filter(|ward| ward.delay > 0 || ward.alone)?;
        Some((Duration::from_millis(ward.delay), ward.alone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_text_is_refused() {
        let wards = Wards::default();
        let refused = |text: &str, task| wards.refuses("a", task, text.len(), || text.to_owned());
        assert_eq!((refused("bad", Task::Vet), wards.care("a")), (None, None));
        let bad = Unvetted { length: 3, hash: text_hash("bad"), task: Task::Vet, why: "ended it".into() };
        wards.set(Ward { key: "a".into(), texts: vec![bad], delay: 2000, alone: true });
        assert_eq!(refused("bad", Task::Vet).as_deref(), Some("ended it"));
        assert_eq!((refused("bax", Task::Vet), refused("bad", Task::Rewrite)), (None, None));
        assert_eq!(wards.refuses("b", Task::Vet, 3, || "bad".into()), None);
        assert_eq!((wards.care("a"), wards.care("b")), (Some((Duration::from_secs(2), true)), None));
        wards.survived("a");
        assert_eq!((wards.care("a"), refused("bad", Task::Vet).is_some()), (None, true));
    }
}
