//! After downtime: which lines of a text are the lines that were known before, though nobody saw what happened.
//!
//! Works on line fingerprints ([`crate::ledger::event::line_print`]), so that no source text has to be kept. Lines that
//! a diff finds equal keep their origin; then blocks that were moved are found among what is left.

use imara_diff::{Algorithm, Diff, InternedInput};
use std::collections::HashMap;

/// A block has to be this long to count as moved...
const MIN_BLOCK: usize = 3;

/// For each new line the index of the old line it is, if it is one. 0 is the print of a blank line.
pub fn carry(old: &[u64], new: &[u64]) -> Vec<Option<usize>> {
    let mut out = vec![None; new.len()];
    let mut taken = vec![false; old.len()];
    let mut input: InternedInput<u64> = InternedInput::default();
    input.update_before(old.iter().copied());
    input.update_after(new.iter().copied());
    let diff = Diff::compute(Algorithm::Histogram, &input);
    let (mut i, mut j) = (0, 0);
    let mut pair = |i: &mut usize, j: &mut usize, until: (usize, usize)| {
        while *i < until.0 && *j < until.1 {
            out[*j] = Some(*i);
            taken[*i] = true;
            (*i, *j) = (*i + 1, *j + 1);
        }
    };
    for hunk in diff.hunks() {
        pair(&mut i, &mut j, (hunk.before.start as usize, hunk.after.start as usize));
        (i, j) = (hunk.before.end as usize, hunk.after.end as usize);
    }
    pair(&mut i, &mut j, (old.len(), new.len()));
    moves(old, new, &mut taken, &mut out);
    out
}

/// Blocks of at least three lines, one of them telling, that stand elsewhere now.
fn moves(old: &[u64], new: &[u64], taken: &mut [bool], out: &mut [Option<usize>]) {
    let mut index: HashMap<[u64; MIN_BLOCK], Vec<usize>> = HashMap::new();
    let telling = |w: &[u64]| w.iter().filter(|l| **l != 0).count() >= 2;
    for i in 0..old.len().saturating_sub(MIN_BLOCK - 1) {
        if !taken[i..i + MIN_BLOCK].iter().any(|t| *t) && telling(&old[i..i + MIN_BLOCK]) {
            index.entry([old[i], old[i + 1], old[i + 2]]).or_default().push(i);
        }
    }
    if index.is_empty() {
        return;
    }
    let mut j = 0;
    while j + MIN_BLOCK <= new.len() {
        let free = out[j..j + MIN_BLOCK].iter().all(Option::is_none);
        let found = free
            .then(|| index.get(&[new[j], new[j + 1], new[j + 2]]))
            .flatten()
            .and_then(|places| places.iter().copied().find(|i| !taken[*i..*i + MIN_BLOCK].iter().any(|t| *t)));
        let Some(mut i) = found else {
            j += 1;
            continue;
        };
        while i < old.len() && j < new.len() && old[i] == new[j] && !taken[i] && out[j].is_none() {
            out[j] = Some(i);
            taken[i] = true;
            (i, j) = (i + 1, j + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moved_blocks_and_edits_are_told_apart() {
        let old = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        // 4 to 6 went to the end, 7 was changed, 100 is new.
        let new = [1, 2, 3, 70, 8, 9, 10, 11, 12, 100, 4, 5, 6];
        let expected = [0, 1, 2, 99, 7, 8, 9, 10, 11, 99, 3, 4, 5].map(|i| (i != 99).then_some(i));
        assert_eq!(carry(&old, &new), expected);
        assert_eq!(carry(&[], &[1]), [None]);
        assert_eq!(carry(&[1], &[]), []);
    }

    proptest! {
        /// A line keeps an origin only from an equal line, and no old line gives its origin twice.
        #[test]
        fn no_line_gets_the_origin_of_another(old in prop::collection::vec(0u64..12, 0..80), new in prop::collection::vec(0u64..12, 0..80)) {
            let carried = carry(&old, &new);
            let mut seen = std::collections::HashSet::new();
            for (j, from) in carried.iter().enumerate() {
                if let Some(i) = from {
                    prop_assert_eq!(old[*i], new[j]);
                    prop_assert!(seen.insert(*i));
                }
            }
        }
    }
}
