//! Which lines of a text are lines of an earlier one: a line diff, then lines that moved. Works on fingerprints.

use imara_diff::{Algorithm, Diff, InternedInput};
use std::{collections::HashMap, ops::Range};

/// A block of lines counts as moved from so many lines on.
pub(crate) const MOVED: usize = 3;
/// So many places are tried for a block that may have moved.
const TRIED: usize = 64;

/// What is known of a line besides its fingerprint (see [`crate::text::key`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub key: u64,
    /// It has letters or digits; one that has none is found everywhere.
    pub significant: bool,
    /// Long enough to tell one block from another.
    pub telling: bool,
}

/// For each new line the old line it is, if any. `single`: a line that was the only one of its kind may move alone.
pub(crate) fn matches(old: &[Line], new: &[Line], single: bool) -> Vec<Option<u32>> {
    let mut input = InternedInput::default();
    input.update_before(old.iter().map(|l| l.key));
    input.update_after(new.iter().map(|l| l.key));
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    diff.postprocess_no_heuristic(&input);
    let mut found: Vec<Option<u32>> = vec![None; new.len()];
    let (mut removed, mut added): (Vec<Range<u32>>, Vec<Range<u32>>) = (Vec::new(), Vec::new());
    let (mut o, mut n) = (0u32, 0u32);
    let mut islands: Vec<(Range<u32>, u32)> = Vec::new();
    let ends = (old.len() as u32, new.len() as u32);
    for hunk in diff.hunks() {
        islands.push((n..hunk.after.start, o));
        (o, n) = (hunk.before.end, hunk.after.end);
        removed.push(hunk.before);
        added.push(hunk.after);
    }
    islands.push((n..ends.1, o));
    for (range, from) in islands {
        // Brackets and blank lines between two changes match by accident; at the ends of the text they are surely old.
        let edge = range.start == 0 || range.end == ends.1;
        if edge || new[range.start as usize..range.end as usize].iter().any(|l| l.significant) {
            for line in range.clone() {
                found[line as usize] = Some(from + (line - range.start));
            }
        } else if !range.is_empty() {
            added.push(range);
        }
    }
    moved((old, &removed), (new, &added), single, &mut found);
    found
}

/// Blocks of lines that were removed in one place and added in another.
fn moved((old, removed): (&[Line], &[Range<u32>]), (new, added): (&[Line], &[Range<u32>]), single: bool, found: &mut [Option<u32>]) {
    let mut free = vec![false; old.len()];
    let mut places: HashMap<u64, Vec<u32>> = HashMap::new();
    for line in removed.iter().cloned().flatten() {
        free[line as usize] = true;
        if old[line as usize].significant {
            places.entry(old[line as usize].key).or_default().push(line);
        }
    }
    if places.is_empty() {
        return;
    }
    for range in added {
        let (mut at, end) = (range.start as usize, range.end as usize);
        while at < end {
            let mut best = (0, 0);
            let tried = places.get(&new[at].key).map_or(&[][..], Vec::as_slice);
            if tried.is_empty() {
                at += 1;
                continue;
            }
            for &from in tried.iter().take(TRIED) {
                let from = from as usize;
                let same = (0..(end - at).min(old.len() - from)).take_while(|i| free[from + i] && old[from + i].key == new[at + i].key);
                best = best.max((same.count(), from));
            }
            let (len, from) = best;
            let block = &new[at..at + len];
            // A single line must be the only one of its kind to be known again.
            if len > 0 && block.iter().any(|l| l.telling) && (len >= MOVED || single && tried.len() == 1) {
                for i in 0..len {
                    found[at + i] = Some((from + i) as u32);
                    free[from + i] = false;
                }
                at += len;
            } else {
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{key, significant};

    fn lines(text: &str) -> Vec<Line> {
        text.lines().map(|l| Line { key: key(l), significant: significant(l), telling: l.trim().len() >= 12 }).collect()
    }

    fn origin(old: &str, new: &str) -> Vec<i64> {
        matches(&lines(old), &lines(new), true).into_iter().map(|m| m.map_or(-1, i64::from)).collect()
    }

    #[test]
    fn brackets_in_a_rewritten_block_are_not_old() {
        let old = "head\nif (a) {\n  one();\n}\ntail";
        let new = "head\nwhile (b) {\n  two();\n}\nthree();\ntail";
        assert_eq!(origin(old, new), [0, -1, -1, -1, -1, 4]);
    }

    #[test]
    fn blocks_move_and_may_be_indented_meanwhile() {
        let old = "fn first() {\n  let alpha = 1;\n  alpha\n}\nfn second() {}\nlast\n";
        let new = "fn second() {}\nlast\n  fn first() {\n    let alpha = 1;\n    alpha\n  }\n";
        assert_eq!(origin(old, new), [4, 5, 0, 1, 2, 3]);
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        assert_eq!(origin("", "a\nb"), [-1, -1]);
        assert_eq!(origin("a", ""), [] as [i64; 0]);
    }
}
