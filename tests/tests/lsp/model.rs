//! The client's side of a document: a plain string, edited at random, positions counted the slow and obvious way.

use serde_json::{Value, json};

/// How columns are counted.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    Utf8,
    Utf16,
    Utf32,
}

/// A small generator: the same seed gives the same session.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2) + 1)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n.max(1)
    }
}

pub struct Model {
    pub text: String,
    pub random: Random,
    unit: Unit,
    history: Vec<String>,
}

const PIECES: &[&str] = &[
    "x",
    "漢",
    "😀",
    "é\n",
    "    y = f(1)\n",
    "",
    "🦀🦀",
    "(",
    ")",
    "\"",
    "'''",
    "[",
    "}",
    "\r\n",
    "#",
    ":",
    "def g(a):\n    return a\n",
    "    ",
    "eval(",
];

impl Model {
    pub fn new(seed: u64, unit: Unit, text: &str) -> Self {
        Self { text: text.to_owned(), random: Random::new(seed), unit, history: Vec::new() }
    }

    /// `{"line", "character"}` of a byte offset.
    pub fn position(&self, byte: usize) -> Value {
        let head = &self.text.as_bytes()[..byte];
        let mut line = 0;
        let mut start = 0;
        for (i, b) in head.iter().enumerate() {
            let ends = *b == b'\n' || (*b == b'\r' && self.text.as_bytes().get(i + 1) != Some(&b'\n'));
            if ends {
                line += 1;
                start = i + 1;
            }
        }
        let before = &self.text[start..byte];
        let column = match self.unit {
            Unit::Utf8 => before.len(),
            Unit::Utf16 => before.encode_utf16().count(),
            Unit::Utf32 => before.chars().count(),
        };
        json!({"line": line, "character": column})
    }

    pub fn range(&self, start: usize, end: usize) -> Value {
        json!({"start": self.position(start), "end": self.position(end)})
    }

    /// Replaces a byte range; gives the content change.
    pub fn edit(&mut self, start: usize, end: usize, text: &str) -> Value {
        let change = json!({"range": self.range(start, end), "text": text});
        self.text.replace_range(start..end, text);
        change
    }

    /// A place that positions can name: between characters, not inside a line break.
    fn place(&mut self, below: usize) -> usize {
        let mut at = self.random.below(below + 1);
        while !self.text.is_char_boundary(at) || self.text.as_bytes()[..at].ends_with(b"\r") && self.text.as_bytes().get(at) == Some(&b'\n')
        {
            at -= 1;
        }
        at
    }

    pub fn random_edit(&mut self) -> Value {
        let start = self.place(self.text.len());
        let longest = if self.text.len() < 2500 { 3 } else { 60 };
        let length = self.random.below(longest + 1);
        let mut end = (start + length).min(self.text.len());
        while !self.text.is_char_boundary(end)
            || self.text.as_bytes()[..end].ends_with(b"\r") && self.text.as_bytes().get(end) == Some(&b'\n')
        {
            end += 1;
        }
        let piece = PIECES[self.random.below(PIECES.len())];
        self.edit(start, end, piece)
    }

    /// A random edit that may also take back what was done: the whole text of an earlier moment.
    pub fn random_step(&mut self) -> Value {
        if self.random.below(12) == 0
            && let Some(earlier) = self.history.pop()
        {
            self.text.clone_from(&earlier);
            return json!({"text": earlier});
        }
        if self.random.below(4) == 0 {
            self.history.push(self.text.clone());
        }
        self.random_edit()
    }
}
