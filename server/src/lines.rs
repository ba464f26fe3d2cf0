//! Positions people and report formats use, computed from byte offsets: 1-based lines (ended by `\n`),
//! columns in characters or in UTF-16 code units.

use std::ops::Range;

/// The first byte of every line of a text.
#[derive(Clone, Debug)]
pub struct Lines {
    starts: Vec<usize>,
    len: usize,
}

/// A place in a text. All three are 1-based.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column in Unicode scalar values.
    pub column: usize,
    /// Column in UTF-16 code units.
    pub utf16: usize,
}

impl Lines {
    /// Finds the line starts of `text`.
    pub fn new(text: &str) -> Self {
        let mut starts = vec![0];
        starts.extend(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1));
        Self { starts, len: text.len() }
    }

    /// Number of lines; a text that ends in a newline has an empty last line.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// 0-based line of a byte offset; offsets past the end are on the last line.
    pub fn line(&self, byte: usize) -> usize {
        self.starts.partition_point(|s| *s <= byte).saturating_sub(1)
    }

    /// Bytes of a 0-based line, without its line break.
    pub fn range(&self, text: &str, line: usize) -> Range<usize> {
        let start = self.starts.get(line).copied().unwrap_or(self.len);
        let end = self.starts.get(line + 1).copied().unwrap_or(self.len);
        let body = text.get(start..end).unwrap_or("");
        start..start + body.trim_end_matches('\n').trim_end_matches('\r').len()
    }

    /// 0-based lines that a byte range touches; an empty range touches the line it is on.
    pub fn touched(&self, span: &Range<usize>) -> Range<usize> {
        let last = if span.end > span.start { span.end - 1 } else { span.start };
        self.line(span.start)..self.line(last) + 1
    }

    /// The place of a byte offset; one inside a character counts as the character's start.
    pub fn place(&self, text: &str, byte: usize) -> Place {
        let mut byte = byte.min(text.len());
        while !text.is_char_boundary(byte) {
            byte -= 1;
        }
        let line = self.line(byte);
        // A byte order mark takes no column: editors and report readers do not count it either.
        let before = text[self.starts[line]..byte].trim_start_matches('\u{feff}');
        Place { line: line + 1, column: before.chars().count() + 1, utf16: before.encode_utf16().count() + 1 }
    }
}

/// The range clamped to the text and widened to character boundaries, so that slicing cannot fail.
pub fn clamp(text: &str, span: &Range<usize>) -> Range<usize> {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = span.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// Whether a character is seen only by what it does to others; line breaks and tabs are none of these.
pub fn hidden(c: char) -> bool {
    (c.is_control() && c != '\t' && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Text for a terminal or a report line: control characters and bidirectional overrides made visible,
/// so that hostile file content cannot move the cursor or reorder what is shown.
pub fn printable(text: &str) -> String {
    if !text.chars().any(hidden) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len() + 8), |mut out, c| {
        if hidden(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        out
    })
}

/// [`printable`] on one line: line breaks and tabs become spaces.
pub fn one_line(text: &str) -> String {
    printable(&text.replace(['\n', '\r', '\t'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_and_code_units() {
        let text = "a\r\nx😀y\n";
        let lines = Lines::new(text);
        assert_eq!(lines.count(), 3);
        assert_eq!(lines.place(text, 8), Place { line: 2, column: 3, utf16: 4 });
        assert_eq!(lines.place(text, 6), Place { line: 2, column: 2, utf16: 2 }, "inside a character: its start");
        assert_eq!(lines.place(text, 99), Place { line: 3, column: 1, utf16: 1 });
        assert_eq!(lines.range(text, 0), 0..1);
        assert_eq!(lines.touched(&(0..3)), 0..1);
        assert_eq!(lines.touched(&(0..4)), 0..2);
        assert_eq!(lines.touched(&(3..3)), 1..2);
    }

    #[test]
    fn hidden_characters_become_visible() {
        assert_eq!(printable("a\u{1b}[2J\u{202e}"), "a\\u{1b}[2J\\u{202e}");
        assert_eq!(one_line("a\nb"), "a b");
    }

    #[test]
    fn a_clamped_range_can_be_sliced() {
        assert_eq!(clamp("aé", &(2..9)), 1..3);
    }
}
