//! One open document: its text, its tree, its version, and what is known about it. Changed in one function only,
//! synchronously, in the order in which messages arrive.

use super::{answer::Answer, text::Encoding};
use qualm_engine::{Cache, Language};
use ropey::Rope;
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};
use tokio::{sync::watch, task::AbortHandle};
use tower_lsp::lsp_types::Uri;
use tree_sitter::{InputEdit, Point, Tree};

/// What a result belongs to: the text's version, and how often the world around it changed (settings, rules, other files).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Version as counted by the client.
    pub version: i32,
    /// Counts openings, settings and other files.
    pub epoch: u64,
}

/// One change of a document, as sent. No range: the whole text is replaced.
#[derive(Clone, Debug)]
pub struct Change {
    /// `(start line, start column, end line, end column)` in the agreed encoding.
    pub range: Option<[u32; 4]>,
    /// What is there now.
    pub text: String,
}

/// Bytes `start..old_end` became `start..new_end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Splice {
    pub start: usize,
    pub old_end: usize,
    pub new_end: usize,
}

/// Why a change cannot be applied: the client's copy is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Desync {
    #[error("version {got} after {have}")]
    Version { have: i32, got: i32 },
    #[error("a range that is not in the text")]
    Range,
}

/// An open document.
pub struct Document {
    /// As the client names it.
    pub uri: Uri,
    /// On disk, for `file:` documents.
    pub path: Option<PathBuf>,
    /// `None`: text rules only.
    pub language: Option<Language>,
    /// The text.
    pub rope: Rope,
    /// Current version and epoch.
    pub stamp: Stamp,
    /// A tree with all edits applied to it, to parse the text from.
    pub tree: Option<Tree>,
    /// `tree` is the tree of exactly this text.
    pub tree_is_current: bool,
    /// A line break that the parser counts differently was seen: its positions cannot be kept up by edits.
    odd_breaks: bool,
    /// The client's copy is not ours: nothing is offered until the whole text comes.
    pub desynced: bool,
    /// Edits since the text of the last answer.
    pub splices: Vec<Splice>,
    /// What the changes of the last message took and brought.
    pub taken: Vec<Taken>,
    /// When the text last changed.
    pub changed: Instant,
    /// Set when the analysis under way became useless.
    pub cancel: Arc<AtomicBool>,
    /// Somebody analyses this document or will.
    pub busy: bool,
    /// What the engine keeps between analyses.
    pub cache: Arc<Mutex<Cache>>,
    /// The last answer.
    pub answers: watch::Sender<Option<Arc<Answer>>>,
    /// The timer that ends the patience with half-typed code.
    pub settle: Option<AbortHandle>,
    /// The author paused: the text is to be analysed as a whole, whatever is known of it.
    pub paused: bool,
    /// "Too slow" was said.
    pub gave_up: bool,
}

/// What one change took and brought, for the origins of the text.
#[derive(Clone, Debug)]
pub struct Taken {
    /// First byte, in the text as it was before this change.
    pub at: usize,
    #[allow(missing_docs)]
    pub deleted: String,
    #[allow(missing_docs)]
    pub inserted: String,
    /// The whole lines that hold `inserted`, after the change.
    pub lines: String,
}

impl Document {
    /// A document as opened.
    pub fn new(uri: Uri, path: Option<PathBuf>, language: Option<Language>, stamp: Stamp, text: &str) -> Self {
        Self {
            uri,
            path,
            language,
            rope: Rope::from_str(text),
            stamp,
            tree: None,
            tree_is_current: false,
            odd_breaks: has_lone_cr(text),
            desynced: false,
            splices: Vec::new(),
            taken: Vec::new(),
            changed: Instant::now(),
            cancel: Arc::default(),
            busy: false,
            cache: Arc::default(),
            answers: watch::Sender::new(None),
            settle: None,
            paused: false,
            gave_up: false,
        }
    }

    /// Applies the changes of one message. On error the document is out of step until a full text arrives.
    pub fn change(&mut self, version: i32, changes: &[Change], encoding: Encoding) -> Result<(), Desync> {
        self.cancel.store(true, Ordering::Relaxed);
        if let Some(timer) = self.settle.take() {
            timer.abort();
        }
        self.changed = Instant::now();
        self.paused = false;
        self.taken.clear();
        self.tree_is_current = false;
        // A full text mends everything, whatever came before it in the same message.
        let from = changes.iter().rposition(|c| c.range.is_none());
        if let Some(full) = from {
            self.replace(&changes[full].text);
        } else if self.desynced {
            return Ok(());
        } else if version <= self.stamp.version {
            self.desynced = true;
            return Err(Desync::Version { have: self.stamp.version, got: version });
        }
        self.stamp.version = version;
        for change in &changes[from.map_or(0, |f| f + 1)..] {
            if let Some(range) = change.range
                && let Err(error) = self.splice(range, &change.text, encoding)
            {
                self.desynced = true;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes a whole text. Clients that send nothing else send it for every key, so only the lines that differ count as
    /// changed: for the tree, for what shows meanwhile, and for where the text came from.
    fn replace(&mut self, text: &str) {
        let old = String::from(&self.rope);
        self.desynced = false;
        self.odd_breaks = has_lone_cr(text);
        if old == text {
            return;
        }
        let (head, tail) = common_lines(&old, text);
        self.put(head, old.len() - tail, &text[head..text.len() - tail]);
    }

    fn splice(&mut self, [line, column, end_line, end_column]: [u32; 4], text: &str, encoding: Encoding) -> Result<(), Desync> {
        // The line after the last one is how clients say "end"; beyond that the two copies differ.
        if line as usize > self.rope.len_lines() {
            return Err(Desync::Range);
        }
        let start = encoding.byte(&self.rope, line, column);
        let old_end = encoding.byte(&self.rope, end_line, end_column);
        if old_end < start {
            return Err(Desync::Range);
        }
        self.put(start, old_end, text);
        Ok(())
    }

    /// Puts a text in the place of the bytes `start..old_end`.
    fn put(&mut self, start: usize, old_end: usize, text: &str) {
        let (from, to) = (self.rope.byte_to_char(start), self.rope.byte_to_char(old_end));
        let after_cr = from > 0 && self.rope.char(from - 1) == '\r';
        let before_lf = to < self.rope.len_chars() && self.rope.char(to) == '\n';
        self.odd_breaks |= after_cr || has_lone_cr(text) || (before_lf && text.ends_with('\r'));
        let start_position = self.point(start);
        let old_end_position = self.point(old_end);
        let deleted = self.rope.slice(from..to).to_string();
        self.rope.remove(from..to);
        self.rope.insert(from, text);
        let new_end = start + text.len();
        let lines = self.rope.byte_to_line(start)..=self.rope.byte_to_line(new_end);
        let lines = self.rope.line_to_char(*lines.start())..self.rope.line_to_char((lines.end() + 1).min(self.rope.len_lines()));
        let lines = self.rope.slice(lines).to_string();
        self.taken.push(Taken { at: start, deleted, inserted: text.to_owned(), lines });
        if self.odd_breaks {
            self.tree = None;
        } else if let Some(tree) = &mut self.tree {
            let new_end_position = point(&self.rope, new_end);
            tree.edit(&InputEdit {
                start_byte: start,
                old_end_byte: old_end,
                new_end_byte: new_end,
                start_position,
                old_end_position,
                new_end_position,
            });
        }
        self.splices.push(Splice { start, old_end, new_end });
    }

    fn point(&self, byte: usize) -> Point {
        point(&self.rope, byte)
    }
}

fn point(rope: &Rope, byte: usize) -> Point {
    let line = rope.byte_to_line(byte);
    Point { row: line, column: byte - rope.line_to_byte(line) }
}

/// How many bytes of whole lines two texts have in common at their beginning and at their end.
fn common_lines(old: &str, new: &str) -> (usize, usize) {
    let (old, new) = (old.as_bytes(), new.as_bytes());
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let head = old[..head].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    // What is left of either begins a line: at its very beginning, or behind a line break.
    let starts = |text: &[u8], at: usize| at == 0 || text[at - 1] == b'\n';
    let whole = |t: &usize| starts(old, old.len() - t) && starts(new, new.len() - t);
    (head, (0..=tail).rev().find(whole).unwrap_or(0))
}

/// Whether a carriage return stands without a line feed after it.
fn has_lone_cr(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.contains(&b'\r') && bytes.iter().enumerate().any(|(i, b)| *b == b'\r' && bytes.get(i + 1) != Some(&b'\n'))
}

/// Where a byte range went. `None`: its text was deleted.
pub fn shift(span: &std::ops::Range<usize>, splices: &[Splice]) -> Option<std::ops::Range<usize>> {
    let (mut start, mut end) = (span.start, span.end);
    for s in splices {
        let delta = s.new_end as isize - s.old_end as isize;
        if s.start <= start && end <= s.old_end && s.old_end > s.start {
            return None;
        }
        if s.old_end <= start {
            start = start.checked_add_signed(delta)?;
            end = end.checked_add_signed(delta)?;
        } else if s.start < end {
            // Cut from one side or changed inside: what is left of the old text stays marked.
            end = if s.old_end < end { end.checked_add_signed(delta)? } else { s.start };
            start = if s.start <= start { s.new_end } else { start };
        }
    }
    (start <= end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::new("file:///a.py".parse().unwrap(), None, Some(Language::Python), Stamp { version: 1, epoch: 0 }, text)
    }

    fn edit(range: [u32; 4], text: &str) -> Change {
        Change { range: Some(range), text: text.into() }
    }

    #[test]
    fn of_a_whole_text_only_what_differs_changes() {
        let mut d = document("a\nb\nc\n");
        let mut full = |text: &str, version| {
            d.change(version, &[Change { range: None, text: text.into() }], Encoding::Utf16).unwrap();
            assert_eq!(String::from(&d.rope), text);
            d.taken.iter().map(|t| (t.at, t.deleted.clone(), t.inserted.clone())).collect::<Vec<_>>()
        };
        assert_eq!(full("a\nbé\nc\n", 2), [(2, "b\n".into(), "bé\n".into())]);
        assert_eq!(full("a\nbé\nc\nc\n", 3), [(8, String::new(), "c\n".into())]);
        assert_eq!(full("a\nbé\nc\nc\n", 4), []);
        assert_eq!(full("c\n", 5), [(0, "a\nbé\nc\n".into(), String::new())]);
        assert_eq!(full("x", 6), [(0, "c\n".into(), "x".into())]);
        assert_eq!(full("", 7), [(0, "x".into(), String::new())]);
    }

    #[test]
    fn changes_apply_one_after_the_other() {
        let mut d = document("a😀b\r\nc");
        let changes = [edit([0, 3, 0, 4], "x"), edit([0, 4, 1, 0], "")];
        d.change(2, &changes, Encoding::Utf16).unwrap();
        assert_eq!(d.rope, "a😀xc");
        assert_eq!(d.stamp.version, 2);
    }

    #[test]
    fn an_old_version_desyncs_until_a_full_text() {
        let mut d = document("abc");
        assert_eq!(d.change(1, &[edit([0, 0, 0, 1], "")], Encoding::Utf16), Err(Desync::Version { have: 1, got: 1 }));
        assert!(d.desynced);
        d.change(5, &[edit([0, 0, 0, 1], "")], Encoding::Utf16).unwrap();
        assert_eq!(d.rope, "abc", "nothing is guessed");
        d.change(6, &[Change { range: None, text: "new".into() }, edit([0, 0, 0, 1], "f")], Encoding::Utf16).unwrap();
        assert!(!d.desynced);
        assert_eq!(d.rope, "few");
    }

    #[test]
    fn a_range_outside_desyncs() {
        let mut d = document("abc");
        assert_eq!(d.change(2, &[edit([7, 0, 8, 0], "")], Encoding::Utf16), Err(Desync::Range));
        let mut d = document("abc");
        assert_eq!(d.change(2, &[edit([0, 2, 0, 1], "")], Encoding::Utf16), Err(Desync::Range));
        let mut d = document("abc");
        d.change(2, &[edit([0, 0, u32::MAX, 0], "x")], Encoding::Utf16).unwrap();
        assert_eq!(d.rope, "x");
    }

    #[test]
    fn shifted_spans_follow_their_text() {
        let s = |start, old_end, new_end| Splice { start, old_end, new_end };
        assert_eq!(shift(&(10..20), &[s(0, 0, 3)]), Some(13..23));
        assert_eq!(shift(&(10..20), &[s(20, 25, 20)]), Some(10..20));
        assert_eq!(shift(&(10..20), &[s(12, 14, 13)]), Some(10..19));
        assert_eq!(shift(&(10..20), &[s(5, 12, 6)]), Some(6..14));
        assert_eq!(shift(&(10..20), &[s(15, 30, 16)]), Some(10..15));
        assert_eq!(shift(&(10..20), &[s(10, 20, 11)]), None);
        assert_eq!(shift(&(10..20), &[s(0, 40, 0)]), None);
    }
}
