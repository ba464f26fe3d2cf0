//! What the ledger records: one event a hunk of text, as hashes and lengths, never as text.
//!
//! # Canonical encoding
//!
//! The chain hashes bytes, so an event has exactly one encoding: the tag `qualm-event-1\0`, the hash of the event
//! before (32 bytes), then the fields in the order of [`Event`]. Integers are 8 bytes, little endian; a text is its
//! length in bytes as such an integer and then its UTF-8; the line fingerprints are their count and then 8 bytes each.
//! The hash is BLAKE3 of all that.

use std::fmt;

/// A hash of 32 bytes (BLAKE3).
pub type Hash = [u8; 32];

/// A text field keeps at most this many bytes.
pub const MAX_FIELD: usize = 512;
/// A hunk keeps the fingerprints of at most this many lines; further lines can then not be recognised later.
pub const MAX_LINES: usize = 100_000;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Text came into a file.
    Insert,
    /// What a file held before something replaced all of it.
    Before,
    /// A file was deleted.
    Delete,
    /// A command ran that may have changed any file.
    Command,
    /// Somebody corrected the origin of text.
    Relabel,
    /// Somebody looked at text and found it good.
    Review,
    /// Old events were removed; their number is in [`Event::bytes`].
    Prune,
    /// An action of a later version.
    Other(String),
}

impl Action {
    /// The word in the ledger.
    pub fn as_str(&self) -> &str {
        match self {
            Action::Insert => "insert",
            Action::Before => "before",
            Action::Delete => "delete",
            Action::Command => "command",
            Action::Relabel => "relabel",
            Action::Review => "review",
            Action::Prune => "prune",
            Action::Other(word) => word,
        }
    }

    /// The action of a word; unknown words are kept.
    pub fn parse(word: &str) -> Self {
        match word {
            "insert" => Action::Insert,
            "before" => Action::Before,
            "delete" => Action::Delete,
            "command" => Action::Command,
            "relabel" => Action::Relabel,
            "review" => Action::Review,
            "prune" => Action::Prune,
            other => Action::Other(other.to_owned()),
        }
    }
}

/// One thing that happened to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in milliseconds since 1970 (UTC).
    pub time: i64,
    /// What.
    pub action: Action,
    /// The file: its path in the repository with `/`, or its absolute path outside of one. Empty: no certain file.
    pub file: String,
    /// The kind of origin, by its stable word (`agent`, `pasted`, ...; [`crate::Kind::as_str`]).
    pub origin: String,
    /// How sure, in percent.
    pub confidence: u8,
    /// The program that made the text (`claude-code`, ...); empty if not known.
    pub tool: String,
    /// The model; empty if not known.
    pub model: String,
    /// The session or conversation; empty if not known.
    pub session: String,
    /// The tool call within the session; empty if not known.
    pub call: String,
    /// Why this origin is believed.
    pub evidence: String,
    /// 1-based line on which the text began right after the event; 0 if not known.
    pub line: u32,
    /// Length of the text in bytes.
    pub bytes: u64,
    /// [`text_hash`] of the text; zeros where there is none.
    pub hash: Hash,
    /// [`line_print`] of each of its lines.
    pub lines: Vec<u64>,
}

impl Default for Event {
    fn default() -> Self {
        Self {
            time: 0,
            action: Action::Insert,
            file: String::new(),
            origin: "unknown".to_owned(),
            confidence: 0,
            tool: String::new(),
            model: String::new(),
            session: String::new(),
            call: String::new(),
            evidence: String::new(),
            line: 0,
            bytes: 0,
            hash: [0; 32],
            lines: Vec::new(),
        }
    }
}

impl Event {
    /// Takes length, hash and fingerprints from a text, which itself is not kept.
    #[must_use]
    pub fn with_text(mut self, text: &str) -> Self {
        self.bytes = text.len() as u64;
        self.hash = text_hash(text);
        self.lines = text.lines().take(MAX_LINES).map(line_print).collect();
        self
    }

    /// The event as it may be stored: no control characters, no field beyond its limit.
    pub(super) fn bounded(&self) -> Self {
        let mut event = self.clone();
        let fields = [&mut event.origin, &mut event.tool, &mut event.model, &mut event.session, &mut event.call, &mut event.evidence];
        for field in fields {
            *field = bounded(field, MAX_FIELD);
        }
        // A path that is cut would be another file's.
        event.file = bounded(&event.file, usize::MAX);
        event.confidence = event.confidence.min(100);
        event.lines.truncate(MAX_LINES);
        // SQLite's integers are signed.
        event.bytes = event.bytes.min(i64::MAX as u64);
        event
    }

    /// The hash that chains this event to the one before.
    pub fn chained(&self, previous: &Hash) -> Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"qualm-event-1\0").update(previous);
        let number = |n: u64, hasher: &mut blake3::Hasher| {
            hasher.update(&n.to_le_bytes());
        };
        number(self.time as u64, &mut hasher);
        let text = |text: &str, hasher: &mut blake3::Hasher| {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        };
        text(self.action.as_str(), &mut hasher);
        text(&self.file, &mut hasher);
        text(&self.origin, &mut hasher);
        number(u64::from(self.confidence), &mut hasher);
        for field in [&self.tool, &self.model, &self.session, &self.call, &self.evidence] {
            text(field, &mut hasher);
        }
        number(u64::from(self.line), &mut hasher);
        number(self.bytes, &mut hasher);
        hasher.update(&self.hash);
        number(self.lines.len() as u64, &mut hasher);
        hasher.update(&lines_to_bytes(&self.lines));
        *hasher.finalize().as_bytes()
    }
}

/// An event with its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Place in the chain, from 1.
    pub seq: u64,
    /// The event.
    pub event: Event,
    /// Its chained hash.
    pub hash: Hash,
}

/// BLAKE3 of a text whose line ends are `\n`, so that a checkout with other line ends still matches.
pub fn text_hash(text: &str) -> Hash {
    let mut hasher = blake3::Hasher::new();
    let mut rest = text;
    while let Some(at) = rest.find("\r\n") {
        hasher.update(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
    }
    hasher.update(rest.as_bytes());
    *hasher.finalize().as_bytes()
}

/// The fingerprint of a line: the first 8 bytes (little endian) of BLAKE3 of the line without any white space, so that
/// indentation and a formatter's blanks do not hide it. 0 for a blank line.
pub fn line_print(line: &str) -> u64 {
    // At once: a hasher that is fed word by word takes three times as long.
    let mut bare = Vec::with_capacity(line.len());
    for word in line.split_whitespace() {
        bare.extend_from_slice(word.as_bytes());
    }
    if bare.is_empty() {
        return 0;
    }
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(&bare).as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// A hash in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

pub(super) fn lines_to_bytes(lines: &[u64]) -> Vec<u8> {
    lines.iter().flat_map(|l| l.to_le_bytes()).collect()
}

pub(super) fn lines_from_bytes(bytes: &[u8]) -> Vec<u64> {
    let chunks = bytes.chunks_exact(8);
    chunks.map(|c| c.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))).collect()
}

fn bounded(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    for c in text.chars().filter(|c| !c.is_control()) {
        if out.len() + c.len_utf8() > limit {
            break;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_look_past_white_space_and_line_ends() {
        assert_eq!(line_print("  if (a) {"), line_print("\tif (a)  {\r"));
        assert_eq!(line_print(" \t"), 0);
        assert_ne!(line_print("ab"), line_print("ac"));
        assert_eq!(text_hash("a\r\nb\r\n"), text_hash("a\nb\n"));
        assert_ne!(text_hash("a\nb"), text_hash("a\nb\n"));
        assert_eq!(lines_from_bytes(&lines_to_bytes(&[1, u64::MAX, 7])), [1, u64::MAX, 7]);
    }

    #[test]
    fn every_field_is_under_the_hash() {
        let plain = Event::default();
        let changes: [fn(&mut Event); 14] = [
            |e| e.time = 1,
            |e| e.action = Action::Delete,
            |e| e.file = "a".into(),
            |e| e.origin = "agent".into(),
            |e| e.confidence = 1,
            |e| e.tool = "a".into(),
            |e| e.model = "a".into(),
            |e| e.session = "a".into(),
            |e| e.call = "a".into(),
            |e| e.evidence = "a".into(),
            |e| e.line = 1,
            |e| e.bytes = 1,
            |e| e.hash = [1; 32],
            |e| e.lines = vec![1],
        ];
        let mut seen = std::collections::HashSet::from([plain.chained(&[0; 32]), plain.chained(&[1; 32])]);
        for change in changes {
            let mut event = plain.clone();
            change(&mut event);
            assert!(seen.insert(event.chained(&[0; 32])), "{event:?}");
        }
    }

    #[test]
    fn fields_are_bounded_and_no_text_is_kept() {
        let event =
            Event { tool: "x\u{1b}[2J".repeat(1000), confidence: 200, ..Event::default() }.with_text("secret = 'hunter2'\n").bounded();
        assert!(event.tool.len() <= MAX_FIELD && !event.tool.contains('\u{1b}'));
        assert_eq!((event.confidence, event.bytes, event.lines.len()), (100, 19, 1));
        assert!(!format!("{event:?}").contains("hunter2"));
    }
}
