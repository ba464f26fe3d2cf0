//! Text that was deleted lately, with its origins, so that undo, redo and moves restore them.
//!
//! The text itself is kept in memory only, up to a limit, because pieces of it come back, or come back re-indented.

use crate::{
    model::OriginId,
    runs::{Run, new_id, push},
    text::key,
};
use std::{collections::VecDeque, ops::Range};

/// At most so many bytes are remembered, each entry counted with what it costs beside its text.
const LIMIT: usize = 4 << 20;
const ENTRY: usize = 256;
/// For at most so long, in milliseconds.
const AGE: i64 = 24 * 3600 * 1000;
/// Longer text gets its entry alone; shorter deletions next to each other become one.
const JOINED: usize = 4096;
/// Small text is known again among so many deletions.
const UNDO: usize = 64;

#[derive(Debug)]
struct Entry {
    document: u64,
    /// Where it stood; only meaningful while nothing else changed in the document.
    at: usize,
    text: String,
    key: u64,
    runs: Vec<Run>,
    time: i64,
}

/// The deleted texts of all documents, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Deleted {
    /// Remembers a deletion. `follows`: the document's last edit was a deletion too.
    pub fn add(&mut self, document: u64, at: usize, text: &str, runs: Vec<Run>, time: i64, follows: bool) {
        if text.is_empty() || text.len() > LIMIT {
            return;
        }
        let last = self.entries.back_mut().filter(|e| follows && e.document == document && e.text.len() + text.len() <= JOINED);
        if let Some(last) = last
            && (at + text.len() == last.at || at == last.at)
        {
            // Backspace removes what is before, delete what is after.
            if at == last.at {
                last.text.push_str(text);
                for run in runs {
                    push(&mut last.runs, run);
                }
            } else {
                last.text.insert_str(0, text);
                let mut joined = runs;
                for run in last.runs.drain(..) {
                    push(&mut joined, run);
                }
                last.runs = joined;
            }
            (last.at, last.time, last.key) = (at, time, key(&last.text));
            self.bytes += text.len();
        } else {
            self.bytes += text.len() + ENTRY;
            self.entries.push_back(Entry { document, at, text: text.to_owned(), key: key(text), runs, time });
        }
        while let Some(first) = self.entries.front()
            && (self.bytes > LIMIT || first.time < time - AGE)
        {
            self.bytes -= first.text.len() + ENTRY;
            self.entries.pop_front();
        }
    }

    /// Every origin that it refers to.
    pub fn origins(&self) -> impl Iterator<Item = OriginId> {
        self.entries.iter().flat_map(|e| e.runs.iter().map(|run| run.origin))
    }

    /// The table of origins has other ids now.
    pub fn renumber(&mut self, ids: &[OriginId]) {
        for run in self.entries.iter_mut().flat_map(|e| &mut e.runs) {
            run.origin = new_id(ids, run.origin);
        }
    }

    /// The origins of a text that was deleted at this very place lately, however small.
    pub fn undone(&self, document: u64, at: usize, text: &str) -> Option<Vec<Run>> {
        let mut own = self.entries.iter().rev().take(UNDO).filter(|e| e.document == document);
        own.find(|e| e.at == at && e.text == text).map(|e| e.runs.clone())
    }

    /// The origins of a text that was deleted as a whole.
    pub fn whole(&self, text: &str) -> Option<Vec<Run>> {
        self.entries.iter().rev().find(|e| e.text == text).map(|e| e.runs.clone())
    }

    /// The origins of a text that was deleted as a whole or as a part of more, perhaps with other white space.
    pub fn find(&self, text: &str) -> Option<Vec<Run>> {
        if let Some(runs) = self.whole(text) {
            return Some(runs);
        }
        let part = self.entries.iter().rev().find_map(|e| Some((e, e.text.find(text)?)));
        if let Some((entry, at)) = part {
            return Some(clip(&entry.runs, at..at + text.len()));
        }
        let key = key(text);
        let indented = self.entries.iter().rev().find(|e| key != 0 && e.key == key)?;
        Some(carried(&indented.text, &indented.runs, text))
    }
}

/// The part of runs that is a range of their bytes.
pub(crate) fn clip(runs: &[Run], range: Range<usize>) -> Vec<Run> {
    let (mut at, mut out) = (0, Vec::new());
    for run in runs {
        let (from, to) = (at.max(range.start), (at + run.len).min(range.end));
        push(&mut out, Run { len: to.saturating_sub(from), origin: run.origin });
        at += run.len;
    }
    out
}

/// The runs of a text for another one that differs in white space only.
pub(crate) fn carried(old: &str, runs: &[Run], new: &str) -> Vec<Run> {
    let ids = runs.iter().flat_map(|r| std::iter::repeat_n(r.origin, r.len));
    let mut ids = old.bytes().zip(ids).filter(|(b, _)| !b.is_ascii_whitespace()).map(|(_, id)| id).peekable();
    let mut out = Vec::new();
    let mut last = ids.peek().copied();
    for byte in new.bytes() {
        if !byte.is_ascii_whitespace() {
            last = ids.next().or(last);
        }
        if let Some(id) = last {
            push(&mut out, Run { len: 1, origin: id });
        }
    }
    out
}
