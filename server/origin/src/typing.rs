//! Which changes were made by hands: single characters, at the cursor, no faster than fingers.
//!
//! A keystroke proves nothing alone. It counts once three in a row keep the rhythm, and only when the next one has not
//! come too fast either, so that the head of a stream of text is not taken for its author's.

use std::{collections::VecDeque, ops::Range};

/// Hands need at least so long for a character, over several keystrokes, in milliseconds.
const PER_CHARACTER: i64 = 40;
/// Two keystrokes are at least so far apart.
const ROLLOVER: i64 = 8;
/// So many keystrokes in a row prove that somebody types.
const PROOF: usize = 3;
/// The rhythm is taken over so many keystrokes.
const WINDOW: usize = 5;
/// After so long without a change the last keystroke stands.
const QUIET: i64 = 100;
/// Editors close brackets and quotes themselves.
const PAIRS: [&str; 7] = ["()", "[]", "{}", "<>", "\"\"", "''", "``"];

/// How an editor reports typing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// So many characters may be one report of typing: 1 where each keystroke is reported, 4 where the editor waits a
    /// moment and reports several together (Neovim).
    pub characters: usize,
}

impl Default for Habits {
    fn default() -> Self {
        Self { characters: 1 }
    }
}

/// The shape of one keystroke, or `None`: the number of characters it stands for.
pub(crate) fn shape(removed: &str, inserted: &str, habits: Habits) -> Option<usize> {
    let count = inserted.chars().count();
    if count == 0 {
        // More than a key removes is taken back or cut out.
        return removed.chars().nth(habits.characters.max(1)).is_none().then_some(1);
    }
    if count <= habits.characters.max(1) && !inserted.contains('\n') {
        return Some(count.max(1));
    }
    let broken = inserted.strip_prefix("\r\n").or_else(|| inserted.strip_prefix('\n'));
    if let Some(rest) = broken {
        // Enter, with the indentation and the comment's mark that the editor adds; between brackets it is two lines.
        let marks = rest.trim_matches(|c| " \t\r\n".contains(c));
        let breaks = rest.matches('\n').count();
        return (breaks <= 1 && matches!(marks, "" | "*" | "//" | "///" | "//!" | "#" | "--") && removed.trim().is_empty()).then_some(1);
    }
    // The tabulator key may insert spaces.
    let tab = count <= 8 && inserted.bytes().all(|b| b == b' ');
    (tab || PAIRS.contains(&inserted)).then_some(1)
}

/// What became certain about a stretch of typing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proven(pub Option<Range<usize>>);

/// The stretch of typing under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typing {
    keys: VecDeque<(i64, usize)>,
    count: usize,
    /// What it inserted and is not yet proven to be typed.
    open: Range<usize>,
    /// The last keystroke's part of it.
    newest: Range<usize>,
    /// The keys so far prove that somebody types.
    steady: bool,
    /// All that it inserted.
    whole: Range<usize>,
    caret: usize,
}

impl Typing {
    /// Takes a keystroke of so many characters. Returns what it proves, in positions before it, and whether
    /// hands are at work for certain.
    pub fn key(&mut self, range: Range<usize>, inserted: usize, characters: usize, time: i64) -> (Proven, bool) {
        let there = range.start;
        // Behind the cursor only what the editor closed itself is stepped over.
        let stepped = self.caret < there && there <= self.whole.end && there - self.caret <= 2;
        let here = range.end == self.caret || there == self.caret || stepped || self.newest.contains(&there);
        let goes_on = self.count > 0 && here;
        let (in_time, steady) = self.rhythm(characters, time);
        let mut proven = Proven::default();
        if !goes_on || !in_time {
            // What comes too fast makes the keys before it doubtful too.
            if !goes_on {
                proven = self.end(time);
            }
            *self = Self { open: range.start..range.start, whole: range.start..range.start, ..Self::default() };
        } else if steady && self.whole.len() >= PROOF {
            proven = self.prove(self.open.end);
        }
        self.keys.push_back((time, characters));
        if self.keys.len() > WINDOW {
            self.keys.pop_front();
        }
        self.count += 1;
        // The stretch is one piece around the cursor: what is removed from it shrinks it, what is inserted extends it.
        let without = |at: usize| if at >= range.end { at - range.len() } else { at.min(range.start) };
        for piece in [&mut self.open, &mut self.whole] {
            piece.start = without(piece.start).min(range.start);
            piece.end = without(piece.end).max(range.start) + inserted;
        }
        // Taking one character back and forth is no typing: some of it must stand.
        self.steady = goes_on && steady && self.whole.len() >= PROOF;
        self.newest = range.start..range.start + inserted;
        self.caret = if inserted == 0 { range.start } else { range.start + inserted };
        (proven, self.steady)
    }

    /// Some other change came, or nothing for a while: returns what is certain and starts afresh.
    pub fn end(&mut self, time: i64) -> Proven {
        let last = self.keys.back().map_or(time, |k| k.0);
        let until = if time - last >= QUIET { self.open.end } else { self.newest.start.max(self.open.start) };
        let proven = if self.steady { self.prove(until) } else { Proven::default() };
        *self = Self::default();
        proven
    }

    /// Nothing came for a while: the last keystroke stands. The stretch may go on.
    pub fn rest(&mut self, time: i64) -> Proven {
        let last = self.keys.back().map_or(time, |k| k.0);
        if self.steady && time - last >= QUIET { self.prove(self.open.end) } else { Proven::default() }
    }

    fn prove(&mut self, until: usize) -> Proven {
        let range = self.open.start..until.min(self.open.end).max(self.open.start);
        self.open.start = range.end;
        Proven((!range.is_empty()).then_some(range))
    }

    /// Whether a key may still be a hand's, and whether the keys up to it are one's for certain.
    fn rhythm(&self, characters: usize, time: i64) -> (bool, bool) {
        let (Some(first), Some(last)) = (self.keys.front(), self.keys.back()) else { return (true, false) };
        let typed = (self.keys.iter().skip(1).map(|k| k.1).sum::<usize>() + characters) as i64;
        let steady = time - first.0 >= PER_CHARACTER * typed;
        // Two keys pressed almost at once are common, five are not.
        let in_time = time - last.0 >= ROLLOVER && (steady || self.keys.len() + 1 < WINDOW);
        (in_time, in_time && steady && self.keys.len() + 1 >= PROOF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types keys (`<` for backspace) at such gaps and returns which bytes are proven in the end, by the text.
    fn typed(keys: &str, gaps: &[i64]) -> String {
        let (mut typing, mut text, mut time) = (Typing::default(), String::new(), 0);
        let mut proven: Vec<bool> = Vec::new();
        let mark = |p: Proven, proven: &mut Vec<bool>| {
            if let Some(range) = p.0 {
                proven[range].fill(true);
            }
        };
        for (i, key) in keys.chars().enumerate() {
            time += gaps[i % gaps.len()];
            let at = text.len();
            if key == '<' {
                let (p, _) = typing.key(at - 1..at, 0, 1, time);
                mark(p, &mut proven);
                text.pop();
                proven.pop();
            } else {
                let (p, _) = typing.key(at..at, 1, 1, time);
                mark(p, &mut proven);
                text.push(key);
                proven.push(false);
            }
        }
        mark(typing.rest(time + 500), &mut proven);
        text.chars().zip(proven).map(|(c, proven)| if proven { c } else { '?' }).collect()
    }

    #[test]
    fn hands_are_known_by_their_rhythm() {
        assert_eq!(typed("hello", &[90, 140, 60]), "hello");
        assert_eq!(typed("helo<lo", &[90, 140, 60]), "hello");
        assert_eq!(typed("teh the<<<<he", &[120, 15, 150]), "tehhe");
        assert_eq!(typed("hi", &[100]), "??", "two keys prove nothing");
        assert_eq!(typed("streamed", &[5]), "????????");
        assert_eq!(typed("streamed", &[12]), "????????", "slower than keys that roll over, faster than hands");
    }

    #[test]
    fn the_head_of_a_stream_is_not_proven_by_the_hand_before_it() {
        let mut gaps = vec![100; 5];
        gaps.extend([2; 20]);
        assert_eq!(typed("handsmachinewrites", &gaps), "hand??????????????");
    }

    #[test]
    fn keys_have_a_shape() {
        let one = Habits::default();
        assert_eq!(shape("", "x", one), Some(1));
        assert_eq!(shape("", "xy", one), None);
        assert_eq!(shape("", "xyz", Habits { characters: 4 }), Some(3));
        assert_eq!(shape("", "()", one), Some(1));
        assert_eq!(shape("", "\n    ", one), Some(1));
        assert_eq!(shape("", "\n * ", one), Some(1));
        assert_eq!(shape("", "\n\n\n", one), None);
        assert_eq!(shape("", "\nx = 1", one), None);
        assert_eq!((shape("x", "", one), shape("selected", "", one)), (Some(1), None));
        assert_eq!(shape("selected", "x", one), Some(1));
        assert_eq!(shape("", "    ", one), Some(1));
    }
}
