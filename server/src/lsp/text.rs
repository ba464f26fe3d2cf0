//! Positions: a type for every unit that a client may count columns in, and the way between them and byte offsets.

use ropey::Rope;
use std::marker::PhantomData;

/// The unit in which columns are counted.
pub trait Unit: Copy {
    /// Units before a character index.
    fn count(rope: &Rope, char_index: usize) -> usize;
    /// The character that holds the unit; one inside a character gives that character. `unit` is at most the rope's length.
    fn char_at(rope: &Rope, unit: usize) -> usize;
    /// Units of the whole text.
    fn len(rope: &Rope) -> usize;
}

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utf8;
/// UTF-16 code units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utf16;
/// Unicode scalar values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utf32;

impl Unit for Utf8 {
    fn count(rope: &Rope, char_index: usize) -> usize {
        rope.char_to_byte(char_index)
    }
    fn char_at(rope: &Rope, unit: usize) -> usize {
        rope.byte_to_char(unit)
    }
    fn len(rope: &Rope) -> usize {
        rope.len_bytes()
    }
}

impl Unit for Utf16 {
    fn count(rope: &Rope, char_index: usize) -> usize {
        rope.char_to_utf16_cu(char_index)
    }
    fn char_at(rope: &Rope, unit: usize) -> usize {
        rope.utf16_cu_to_char(unit)
    }
    fn len(rope: &Rope) -> usize {
        rope.len_utf16_cu()
    }
}

impl Unit for Utf32 {
    fn count(_: &Rope, char_index: usize) -> usize {
        char_index
    }
    fn char_at(_: &Rope, unit: usize) -> usize {
        unit
    }
    fn len(rope: &Rope) -> usize {
        rope.len_chars()
    }
}

/// A place in a text: 0-based line, and column in units of `U`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position<U> {
    /// 0-based.
    pub line: u32,
    /// 0-based, in `U`.
    pub column: u32,
    unit: PhantomData<U>,
}

impl<U: Unit> Position<U> {
    /// A place; it need not exist in any text.
    pub fn new(line: u32, column: u32) -> Self {
        Self { line, column, unit: PhantomData }
    }

    /// The place of a byte offset; an offset inside a character counts as the character's start, one past the end as the end.
    pub fn of(rope: &Rope, byte: usize) -> Self {
        let at = rope.byte_to_char(byte.min(rope.len_bytes()));
        let line = rope.char_to_line(at);
        let column = U::count(rope, at) - U::count(rope, rope.line_to_char(line));
        Self::new(line as u32, column as u32)
    }

    /// The byte offset, clamped as the protocol says: a line past the end is the end of the text, a column past the
    /// end of its line is the end of that line (before its terminator).
    pub fn byte(self, rope: &Rope) -> usize {
        let line = self.line as usize;
        if line >= rope.len_lines() {
            return rope.len_bytes();
        }
        let start = U::count(rope, rope.line_to_char(line));
        let wanted = start.saturating_add(self.column as usize).min(U::len(rope));
        rope.char_to_byte(U::char_at(rope, wanted).min(line_end(rope, line)))
    }
}

/// Character index just before the terminator of a line.
fn line_end(rope: &Rope, line: usize) -> usize {
    let mut end = rope.line_to_char(line + 1);
    let start = rope.line_to_char(line);
    if end > start && rope.char(end - 1) == '\n' {
        end -= 1;
    }
    if end > start && rope.char(end - 1) == '\r' {
        end -= 1;
    }
    end
}

/// The unit that was agreed with the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Encoding {
    Utf8,
    #[default]
    Utf16,
    Utf32,
}

impl Encoding {
    /// By the protocol's name.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "utf-8" => Some(Encoding::Utf8),
            "utf-16" => Some(Encoding::Utf16),
            "utf-32" => Some(Encoding::Utf32),
            _ => None,
        }
    }

    /// Byte offset of a `(line, column)` pair that a client sent in this unit; clamped.
    pub fn byte(self, rope: &Rope, line: u32, column: u32) -> usize {
        match self {
            Encoding::Utf8 => Position::<Utf8>::new(line, column).byte(rope),
            Encoding::Utf16 => Position::<Utf16>::new(line, column).byte(rope),
            Encoding::Utf32 => Position::<Utf32>::new(line, column).byte(rope),
        }
    }

    /// The `(line, column)` pair to send for a byte offset.
    pub fn place(self, rope: &Rope, byte: usize) -> (u32, u32) {
        fn pair<U: Unit>(rope: &Rope, byte: usize) -> (u32, u32) {
            let p = Position::<U>::of(rope, byte);
            (p.line, p.column)
        }
        match self {
            Encoding::Utf8 => pair::<Utf8>(rope, byte),
            Encoding::Utf16 => pair::<Utf16>(rope, byte),
            Encoding::Utf32 => pair::<Utf32>(rope, byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_their_own_unit() {
        let rope = Rope::from_str("x\r\nä😀b\rlast");
        for (encoding, column) in [(Encoding::Utf8, 6), (Encoding::Utf16, 3), (Encoding::Utf32, 2)] {
            assert_eq!(encoding.byte(&rope, 1, column), 9, "{encoding:?}");
            assert_eq!(encoding.place(&rope, 9), (1, column));
            assert_eq!(encoding.place(&rope, 7), (1, if encoding == Encoding::Utf8 { 2 } else { 1 }), "inside the emoji");
        }
        assert_eq!(Encoding::Utf16.byte(&rope, 1, 2), 5, "between the halves of a surrogate pair");
    }

    #[test]
    fn places_outside_are_clamped() {
        let rope = Rope::from_str("ab\r\nc\rd");
        assert_eq!(Encoding::Utf16.byte(&rope, 0, 99), 2);
        assert_eq!(Encoding::Utf16.byte(&rope, 1, 1), 5);
        assert_eq!(Encoding::Utf16.byte(&rope, 1, u32::MAX), 5);
        assert_eq!(Encoding::Utf16.byte(&rope, 2, 7), 7);
        assert_eq!(Encoding::Utf16.byte(&rope, u32::MAX, 0), 7);
        assert_eq!(Encoding::Utf32.place(&rope, 99), (2, 1));
        let empty = Rope::new();
        assert_eq!(Encoding::Utf8.byte(&empty, 0, 4), 0);
    }

    #[test]
    fn only_the_protocols_line_breaks_count() {
        let rope = Rope::from_str("a\u{2028}b\u{b}c\u{85}d\ne");
        assert_eq!(rope.len_lines(), 2);
    }
}
