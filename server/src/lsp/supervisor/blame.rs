//! Which text a server died of, and how soon another one may begin.

use super::super::{
    slate::{Record, Task},
    ward::{Unvetted, Ward, text_hash},
};
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    time::{Duration, Instant},
};

/// A document's troubles are forgotten after so long without any.
const FORGET: Duration = Duration::from_secs(300);
/// So many ends within so long are a loop.
const MANY: usize = 30;
const WITHIN: Duration = Duration::from_secs(10);
/// Servers that end before they are ready may do so this often at once.
const STILLBORN: u32 = 3;
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);
/// Texts remembered for each document.
const TEXTS: usize = 8;
/// Documents remembered.
const DOCUMENTS: usize = 1000;

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By its own fault: a signal that code brings about.
    Crashed(i32),
    /// It gave itself up, because something took too long.
    GaveUp,
    /// It did not answer and was ended.
    Hung,
    /// Somebody ended it.
    Killed,
    /// With a code of its own.
    Left(i32),
    /// It could not be started.
    NotStarted,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Crashed(signal) => write!(f, "signal {signal}"),
            End::GaveUp => f.write_str("an analysis took too long"),
            End::Hung => f.write_str("no answer"),
            End::Killed => f.write_str("killed"),
            End::Left(code) => write!(f, "exit code {code}"),
            End::NotStarted => f.write_str("it could not be started"),
        }
    }
}

impl End {
    /// What is said of a text that was not survived.
    fn why(self, task: Task) -> String {
        let what = if task == Task::Rewrite { "working out its rewrites" } else { "its analysis" };
        match self {
            End::GaveUp | End::Hung => format!("{what} does not end"),
            End::Crashed(signal) => format!("{what} needs more memory than it may have, or failed (signal {signal}; please report this)"),
            _ => format!("{what} ended the server ({self}; please report this)"),
        }
    }

    /// How many times it takes to be sure that it was the text.
    fn needed(self) -> u32 {
        match self {
            End::GaveUp => 1,
            // The hunger may have been another's.
            End::Crashed(_) => 2,
            _ => 3,
        }
    }
}

#[derive(Default)]
struct Trouble {
    texts: VecDeque<(Unvetted, u32, u32)>,
    count: u32,
    last: Option<Instant>,
}

/// See the module.
#[derive(Default)]
pub struct Blame {
    documents: HashMap<String, Trouble>,
    ends: VecDeque<Instant>,
    stillborn: u32,
    wait: u32,
    /// The server there is now has said something.
    alive: bool,
}

impl Blame {
    /// The server there is now is ready.
    pub fn ready(&mut self) {
        self.alive = true;
        self.stillborn = 0;
    }

    /// A document that was looked at with care is vetted.
    pub fn survived(&mut self, key: &str) {
        if let Some(trouble) = self.documents.get_mut(key) {
            trouble.count = trouble.count.saturating_sub(1);
            trouble.texts.retain(|(_, strikes, needed)| strikes >= needed);
            if trouble.count == 0 && trouble.texts.is_empty() {
                self.documents.remove(key);
            }
        }
    }

    /// A server ended while it worked on these; `text` gives the text of an open document if it still has this version. Gives
    /// the time to wait before another one begins.
    pub fn ended(&mut self, end: End, records: &[Record], now: Instant, text: impl Fn(&str, i32) -> Option<String>) -> Duration {
        self.documents.retain(|_, t| t.last.is_some_and(|last| now.duration_since(last) < FORGET) || !t.texts.is_empty());
        if self.documents.len() > DOCUMENTS {
            self.documents.clear();
        }
        let late: Vec<&Record> = records.iter().filter(|r| r.late).collect();
        let suspects: Vec<&Record> = if late.is_empty() { records.iter().collect() } else { late };
        for record in suspects {
            let trouble = self.documents.entry(record.key.clone()).or_default();
            trouble.count += u32::from(matches!(end, End::GaveUp | End::Crashed(_)));
            trouble.last = Some(now);
            // Files that are not open are known by their name alone.
            let text = if record.task == Task::File { Some(String::new()) } else { text(&record.key, record.version) };
            let Some(text) = text else { continue };
            let (length, hash) = (text.len(), text_hash(&text));
            let same = |t: &Unvetted| t.task == record.task && (t.length, t.hash) == (length, hash);
            match trouble.texts.iter_mut().find(|t| same(&t.0)) {
                Some((unvetted, had, needed)) => {
                    *had += 1;
                    *needed = (*needed).min(end.needed());
                    unvetted.why = end.why(record.task);
                }
                None => {
                    let unvetted = Unvetted { length, hash, task: record.task, why: end.why(record.task) };
                    trouble.texts.push_back((unvetted, 1, end.needed()));
                    if trouble.texts.len() > TEXTS {
                        trouble.texts.pop_front();
                    }
                }
            }
        }
        self.ends.push_back(now);
        while self.ends.front().is_some_and(|e| now.duration_since(*e) > WITHIN) {
            self.ends.pop_front();
        }
        self.stillborn += u32::from(!std::mem::take(&mut self.alive));
        if self.ends.len() <= MANY && self.stillborn <= STILLBORN {
            self.wait = 0;
            return Duration::ZERO;
        }
        self.wait += 1;
        Duration::from_secs(1 << self.wait.min(6)).min(LONGEST)
    }

    /// What the next server is told.
    pub fn wards(&self) -> impl Iterator<Item = Ward> {
        self.documents.iter().map(|(key, trouble)| {
            let texts: Vec<Unvetted> = trouble.texts.iter().filter(|t| t.1 >= t.2).map(|t| t.0.clone()).collect();
            // Twice is chance.
            let delay = if trouble.count > 2 { 1000 << (trouble.count - 3).min(6) } else { 0 };
            Ward { key: key.clone(), texts, delay: delay.min(LONGEST.as_millis() as u64), alone: true }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, late: bool) -> Record {
        Record { task: Task::Vet, key: key.into(), version: 1, late }
    }

    fn refused(blame: &Blame) -> Vec<String> {
        let mut keys: Vec<String> = blame.wards().filter(|w| !w.texts.is_empty()).map(|w| w.key).collect();
        keys.sort();
        keys
    }

    // As the text of an open document is asked for.
    #[allow(clippy::unnecessary_wraps)]
    fn text(key: &str, _: i32) -> Option<String> {
        Some(format!("text of {key}"))
    }

    #[test]
    fn a_crash_may_be_chance_and_two_are_the_texts() {
        let now = Instant::now();
        let mut blame = Blame::default();
        blame.ended(End::Crashed(6), &[record("a", false), record("b", false)], now, text);
        assert_eq!(refused(&blame), [] as [&str; 0]);
        assert!(blame.wards().all(|w| w.alone));
        blame.ended(End::Crashed(6), &[record("b", false)], now, text);
        assert_eq!(refused(&blame), ["b"]);
        let mut blame = Blame::default();
        blame.ended(End::GaveUp, &[record("a", false), record("b", true)], now, text);
        assert_eq!(refused(&blame), ["b"]);
    }

    #[test]
    fn a_hand_that_kills_is_not_taken_for_the_text() {
        let now = Instant::now();
        let mut blame = Blame::default();
        for n in 1..=3 {
            blame.ended(End::Killed, &[record("a", false)], now, text);
            assert_eq!(refused(&blame).len(), usize::from(n == 3), "{n}");
        }
        let mut blame = Blame::default();
        for _ in 0..20 {
            blame.ready();
            assert_eq!(blame.ended(End::Killed, &[record("a", false)], now, |_, _| None), Duration::ZERO);
        }
        assert_eq!(blame.wards().next().map(|w| (w.texts.len(), w.delay)), Some((0, 0)), "its text changed each time");
        blame.survived("a");
        assert_eq!(blame.wards().count(), 0);
    }

    #[test]
    fn a_document_that_fails_again_and_again_is_looked_at_less_often() {
        let now = Instant::now();
        let mut blame = Blame::default();
        let delays: Vec<u64> = (0..12)
            .map(|_| {
                blame.ready();
                blame.ended(End::Crashed(11), &[record("a", false)], now, |_, _| None);
                blame.wards().next().unwrap().delay
            })
            .collect();
        assert_eq!(delays[..6], [0, 0, 1000, 2000, 4000, 8000]);
        assert_eq!(delays[11], 60_000);
    }

    #[test]
    fn loops_slow_down() {
        let now = Instant::now();
        let mut blame = Blame::default();
        let mut waits: Vec<u64> = (0..12).map(|_| blame.ended(End::NotStarted, &[], now, text).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        blame.ready();
        assert_eq!(blame.ended(End::Killed, &[], now, text), Duration::ZERO);
        let mut blame = Blame::default();
        waits = (0..40)
            .map(|_| {
                blame.ready();
                blame.ended(End::Killed, &[], now, text).as_secs()
            })
            .collect();
        assert_eq!((waits[29], waits[30], waits[39]), (0, 2, 60));
        blame.ready();
        assert_eq!(blame.ended(End::Killed, &[], now + WITHIN * 2, text), Duration::ZERO);
    }
}
