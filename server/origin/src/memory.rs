//! What all open documents share: interned origins, text that was deleted lately, and signals that wait for their text.

use crate::{
    ledger::event::{Hash, line_print, text_hash},
    model::{Origin, Origins},
    runs::Run,
};
use std::collections::VecDeque;

/// A signal and the text it is about find each other within this time, in either order (milliseconds).
pub const JOIN_WINDOW: i64 = 10_000;
/// Deleted text is remembered for a day (milliseconds)...
const KEEP_DELETED: i64 = 24 * 3_600_000;
/// ...and up to so many bytes.
const MAX_DELETED: usize = 4 << 20;
/// Deletions that touch and follow each other so soon are one (milliseconds).
const SAME_DELETION: i64 = 2_000;
/// Of a deletion that was restored only in part, at least so many bytes have to be recognised.
const MIN_PART: usize = 8;

/// What a signal says about a change that came or is to come.
#[derive(Clone, Debug)]
pub struct Signal {
    /// The origin of the text.
    pub origin: Origin,
    /// Which text.
    pub about: About,
    /// When it was given, in milliseconds.
    pub time: i64,
}

/// The text that a signal is about.
#[derive(Clone, Debug)]
pub enum About {
    /// Text with this hash, or some of its lines.
    Text {
        /// [`text_hash`] of the whole.
        hash: Hash,
        /// [`line_print`]s of its lines.
        lines: Vec<u64>,
    },
    /// Whatever is replaced as a whole, as after a checkout.
    Reload,
}

impl About {
    /// About this very text.
    pub fn text(text: &str) -> Self {
        About::Text { hash: text_hash(text), lines: text.lines().map(line_print).collect() }
    }
}

/// What one change brought, as far as signals ask.
#[derive(Clone, Debug)]
pub(crate) struct Brought {
    pub hash: Hash,
    /// Prints of the lines that hold the new text.
    pub lines: Vec<u64>,
    /// The document was replaced as a whole.
    pub reload: bool,
    /// It may have been a key.
    pub small: bool,
}

impl Signal {
    /// Whether a change is what the signal is about. Small changes have to be all that the signal tells of, on their line.
    pub(crate) fn explains(&self, brought: &Brought) -> bool {
        match &self.about {
            About::Reload => brought.reload,
            About::Text { hash, lines } => {
                if *hash == brought.hash && !brought.small {
                    return true;
                }
                let told: Vec<u64> = lines.iter().copied().filter(|l| *l != 0).collect();
                let came: Vec<u64> = brought.lines.iter().copied().filter(|l| *l != 0).collect();
                if came.is_empty() || told.is_empty() {
                    return false;
                }
                if brought.small { told == came } else { told.windows(came.len()).any(|w| w == came) }
            }
        }
    }
}

/// Deleted text with its origins.
#[derive(Clone, Debug)]
struct Cut {
    document: u64,
    at: usize,
    text: String,
    runs: Vec<Run>,
    time: i64,
}

/// Shared by all documents of a server.
#[derive(Debug, Default)]
pub struct Memory {
    /// All origins that runs refer to.
    pub origins: Origins,
    deleted: VecDeque<Cut>,
    deleted_bytes: usize,
    signals: VecDeque<Signal>,
}

impl Memory {
    /// Keeps a signal for text that is still to come.
    pub fn expect(&mut self, signal: Signal) {
        let now = signal.time;
        self.signals.retain(|s| now - s.time <= JOIN_WINDOW);
        self.signals.push_back(signal);
    }

    /// The origin that a signal gave for what came.
    pub(crate) fn explained(&self, brought: &Brought, now: i64) -> Option<Origin> {
        let fresh = self.signals.iter().rev().filter(|s| (now - s.time).abs() <= JOIN_WINDOW);
        fresh.filter(|s| s.explains(brought)).max_by_key(|s| s.origin.confidence).map(|s| s.origin.clone())
    }

    /// Remembers deleted text. `runs` cover it.
    pub(crate) fn deleted(&mut self, document: u64, at: usize, text: &str, runs: Vec<Run>, now: i64) {
        if text.is_empty() || text.len() > MAX_DELETED {
            return;
        }
        while self.deleted.front().is_some_and(|c| now - c.time > KEEP_DELETED || self.deleted_bytes + text.len() > MAX_DELETED) {
            if let Some(cut) = self.deleted.pop_front() {
                self.deleted_bytes -= cut.text.len();
            }
        }
        self.deleted_bytes += text.len();
        if let Some(last) = self.deleted.back_mut()
            && last.document == document
            && now - last.time <= SAME_DELETION
        {
            if last.at == at + text.len() {
                // Backspace after backspace.
                last.text.insert_str(0, text);
                last.runs.splice(0..0, runs);
                (last.at, last.time) = (at, now);
                return;
            }
            if last.at == at {
                last.text.push_str(text);
                last.runs.extend(runs);
                last.time = now;
                return;
            }
        }
        self.deleted.push_back(Cut { document, at, text: text.to_owned(), runs, time: now });
    }

    /// The origins of text that was deleted lately, here or in another document.
    pub(crate) fn restored(&self, text: &str, now: i64) -> Option<Vec<Run>> {
        for cut in self.deleted.iter().rev().filter(|c| now - c.time <= KEEP_DELETED) {
            if cut.text == text {
                return Some(cut.runs.clone());
            }
            if text.len() >= MIN_PART
                && let Some(from) = cut.text.find(text)
            {
                return Some(part(&cut.runs, from, text.len()));
            }
        }
        None
    }
}

/// `len` bytes of runs from a position.
pub(crate) fn part(runs: &[Run], from: usize, len: usize) -> Vec<Run> {
    let (mut at, end) = (0, from + len);
    let mut out = Vec::new();
    for run in runs {
        let (start, stop) = (at.max(from), (at + run.len).min(end));
        at += run.len;
        if start < stop {
            out.push(Run { len: stop - start, ..*run });
        }
    }
    out
}
