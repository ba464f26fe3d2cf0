//! Changes that a signal may still explain: what they brought, line by line, where it is now.

use crate::{
    ledger::event::{Hash, line_print, text_hash},
    memory::About,
    model::OriginId,
    text::significant,
};
use std::ops::Range;

/// New text on one line.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// Where it is now.
    pub place: Range<usize>,
    /// [`line_print`] of the whole line as it was when the text came.
    print: u64,
    /// The same of the line as it became: text may come in pieces.
    later: u64,
    /// The line has letters or digits.
    tells: bool,
}

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Recent {
    /// What it brought; text that was known otherwise is not in it.
    pub pieces: Vec<Piece>,
    hash: Hash,
    /// The document was replaced as a whole.
    pub reload: bool,
    /// It had the shape of a key.
    pub key: bool,
    pub time: i64,
    /// The origins its text was given.
    pub origins: Vec<OriginId>,
}

impl Recent {
    /// `inserted` came at `at`; `news` are the parts of it that nothing else explained, and `lines` the whole lines that
    /// hold it.
    pub fn new(at: usize, inserted: &str, news: &[Range<usize>], lines: &str, origin: OriginId, time: i64) -> Self {
        // Where it begins on its first line is not told: any place will do, the lines are the same.
        let lead = lines.find(inserted).unwrap_or(0);
        let mut pieces = Vec::new();
        let mut start = 0;
        for line in lines.split_inclusive('\n') {
            let end = start + line.len();
            for new in news {
                let place = (new.start + lead).max(start)..(new.end + lead).min(end);
                if !place.is_empty() {
                    let place = place.start - lead + at..place.end - lead + at;
                    let print = line_print(line);
                    pieces.push(Piece { place, print, later: print, tells: significant(line) });
                }
            }
            start = end;
        }
        Self { pieces, hash: text_hash(inserted), reload: false, key: false, time, origins: vec![origin] }
    }

    /// Takes notice of how the lines around a change are now, that came at `at` and is not this one.
    pub fn complete(&mut self, at: usize, inserted: &str, lines: &str) {
        let mut start = at.saturating_sub(lines.find(inserted).unwrap_or(0));
        for line in lines.split_inclusive('\n') {
            let end = start + line.len();
            let mut print = None;
            for piece in self.pieces.iter_mut().filter(|p| start <= p.place.start && p.place.end <= end) {
                piece.later = *print.get_or_insert_with(|| line_print(line));
                piece.tells |= significant(line);
            }
            start = end;
        }
    }

    /// Follows a later edit.
    pub fn shift(&mut self, edit: &Range<usize>, inserted: usize) {
        for piece in &mut self.pieces {
            piece.place = shifted(&piece.place, edit, inserted);
        }
        self.pieces.retain(|p| !p.place.is_empty());
    }

    /// The places of it that a signal is about.
    pub fn about(&self, about: &About) -> Vec<Range<usize>> {
        let all = || self.pieces.iter().map(|p| p.place.clone()).collect();
        match about {
            About::Reload if self.reload => all(),
            About::Reload => Vec::new(),
            // A key's text is found everywhere; its line is not.
            About::Text { hash, .. } if *hash == self.hash && !self.key => all(),
            About::Text { lines, .. } => self.told(lines),
        }
    }

    fn told(&self, lines: &[u64]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let claimed = |p: &Piece| p.later == 0 || lines.contains(&p.print) || lines.contains(&p.later);
        let mut rest = &self.pieces[..];
        while let Some(start) = rest.iter().position(claimed) {
            rest = &rest[start..];
            let block = rest.iter().position(|p| !claimed(p)).unwrap_or(rest.len());
            // Brackets and blank lines go with the lines that they stand with.
            if rest[..block].iter().any(|p| p.tells && p.later != 0) {
                found.extend(rest[..block].iter().map(|p| p.place.clone()));
            }
            rest = &rest[block..];
        }
        found
    }
}

/// A range after an edit elsewhere or inside of it; empty if nothing of it is left.
pub(crate) fn shifted(part: &Range<usize>, edit: &Range<usize>, inserted: usize) -> Range<usize> {
    let place = |at: usize| at - edit.len() + inserted;
    if edit.end <= part.start {
        return place(part.start)..place(part.end);
    }
    if edit.start >= part.end {
        return part.clone();
    }
    let start = if part.start < edit.start { part.start } else { edit.start + inserted };
    let end = if part.end > edit.end { place(part.end) } else { edit.start };
    start..end.max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_edits() {
        assert_eq!(shifted(&(5..9), &(0..2), 3), 6..10);
        assert_eq!(shifted(&(5..9), &(9..12), 3), 5..9);
        assert_eq!(shifted(&(5..9), &(5..5), 3), 8..12, "what is inserted at the start is not of it");
        assert_eq!(shifted(&(5..9), &(6..7), 3), 5..11);
        assert_eq!(shifted(&(5..9), &(3..7), 1), 4..6);
        assert_eq!(shifted(&(5..9), &(7..12), 4), 5..7);
        assert!(shifted(&(5..9), &(2..12), 4).is_empty());
    }

    #[test]
    fn only_the_lines_a_signal_tells_of_are_meant() {
        let text = "one();\n}\n\nmine();\n}\n";
        let recent = Recent::new(10, text, std::slice::from_ref(&(0..text.len())), text, OriginId::PRESENT, 0);
        assert_eq!(recent.about(&About::text("one();\n}\n")), [10..17, 17..19, 19..20]);
        assert_eq!(recent.about(&About::text("}\n")), [] as [Range<usize>; 0], "a bracket alone proves nothing");
        assert_eq!(recent.about(&About::text(text)).len(), 5);
    }

    #[test]
    fn a_part_of_a_line_is_known_by_its_line() {
        let recent = Recent::new(4, "sha256", std::slice::from_ref(&(0..6)), "h = sha256(x)", OriginId::PRESENT, 0);
        assert_eq!(recent.about(&About::text("h = sha256(x)\n")), std::slice::from_ref(&(4..10)));
        assert_eq!(recent.about(&About::text("h = md5(x)\n")), []);
    }
}
