//! The run sequence: every byte of a text has exactly one origin, as runs of `(length, origin)`.
//!
//! Runs lie in leaves of at most [`LEAF`] runs; an edit touches one leaf and the sums of the leaves before it. Neighbours
//! of one origin are one run within a leaf.

use crate::model::OriginId;
use std::ops::Range;

/// Most runs in a leaf.
const LEAF: usize = 128;

/// Neighbouring bytes of one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Length in bytes.
    pub len: usize,
    /// Their origin.
    pub origin: OriginId,
}

#[derive(Clone, Debug, Default)]
struct Leaf {
    len: usize,
    runs: Vec<Run>,
}

/// The origins of a text, in order.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    leaves: Vec<Leaf>,
    len: usize,
}

impl Runs {
    /// A text of one origin.
    pub fn new(len: usize, origin: OriginId) -> Self {
        Self::of(&[Run { len, origin }])
    }

    /// A text of these runs.
    pub fn of(runs: &[Run]) -> Self {
        let mut out = Self::default();
        out.splice(0..0, runs);
        out
    }

    /// Length of the text in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of runs.
    pub fn count(&self) -> usize {
        self.leaves.iter().map(|l| l.runs.len()).sum()
    }

    /// The leaf of a position, and where in it.
    fn find(&self, at: usize) -> (usize, usize) {
        let mut rest = at;
        for (i, leaf) in self.leaves.iter().enumerate() {
            if rest < leaf.len {
                return (i, rest);
            }
            rest -= leaf.len;
        }
        (self.leaves.len(), 0)
    }

    /// The origin of a byte.
    pub fn at(&self, at: usize) -> Option<OriginId> {
        let (leaf, mut rest) = self.find(at);
        self.leaves.get(leaf)?.runs.iter().find_map(|r| {
            if rest < r.len {
                return Some(r.origin);
            }
            rest -= r.len;
            None
        })
    }

    /// The runs of a range (cut to it, neighbours merged), each with its place.
    pub fn slice(&self, range: Range<usize>) -> Vec<(Range<usize>, OriginId)> {
        let range = range.start.min(self.len)..range.end.min(self.len);
        let mut out: Vec<(Range<usize>, OriginId)> = Vec::new();
        if range.start >= range.end {
            return out;
        }
        let (first, inside) = self.find(range.start);
        let mut at = range.start - inside;
        for run in self.leaves[first..].iter().flat_map(|l| &l.runs) {
            if at >= range.end {
                break;
            }
            let (from, to) = (at.max(range.start), (at + run.len).min(range.end));
            at += run.len;
            if from >= to {
                continue;
            }
            match out.last_mut() {
                Some((last, origin)) if *origin == run.origin => last.end = to,
                _ => out.push((from..to, run.origin)),
            }
        }
        out
    }

    /// Puts runs in the place of a range. The range is cut to the text.
    pub fn splice(&mut self, range: Range<usize>, by: &[Run]) {
        let end = range.end.min(self.len);
        let start = range.start.min(end);
        let inserted: usize = by.iter().map(|r| r.len).sum();
        // The common case: everything happens in one leaf.
        let (leaf, inside) = match self.find(start) {
            (i, 0) if i > 0 => (i - 1, self.leaves[i - 1].len),
            found => found,
        };
        if self.leaves.is_empty() {
            self.leaves.push(Leaf::default());
        }
        let leaf = leaf.min(self.leaves.len() - 1);
        let mut last = leaf;
        let mut covered = self.leaves[leaf].len - inside;
        while covered < end - start {
            last += 1;
            covered += self.leaves[last].len;
        }
        let tail = covered - (end - start);
        let mut runs: Vec<Run> = Vec::with_capacity(self.leaves[leaf].runs.len() + by.len() + 2);
        let mut push = |run: Run| {
            if run.len == 0 {
                return;
            }
            match runs.last_mut() {
                Some(l) if l.origin == run.origin => l.len += run.len,
                _ => runs.push(run),
            }
        };
        let mut rest = inside;
        for run in &self.leaves[leaf].runs {
            if rest == 0 {
                break;
            }
            let len = run.len.min(rest);
            push(Run { len, ..*run });
            rest -= len;
        }
        for run in by {
            push(*run);
        }
        let mut skip = self.leaves[last].len - tail;
        for run in &self.leaves[last].runs {
            let gone = run.len.min(skip);
            skip -= gone;
            push(Run { len: run.len - gone, ..*run });
        }
        self.len = self.len - (end - start) + inserted;
        if leaf == last && runs.len() <= LEAF && !runs.is_empty() {
            self.leaves[leaf] = Leaf { len: runs.iter().map(|r| r.len).sum(), runs };
            return;
        }
        let new = runs.chunks(LEAF / 2).map(|c| Leaf { len: c.iter().map(|r| r.len).sum(), runs: c.to_vec() });
        self.leaves.splice(leaf..=last, new.collect::<Vec<_>>());
    }

    /// Gives a range another origin.
    pub fn paint(&mut self, range: Range<usize>, origin: OriginId) {
        let end = range.end.min(self.len);
        let start = range.start.min(end);
        self.splice(start..end, &[Run { len: end - start, origin }]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// After any edits the runs are what one origin for every byte would be.
        #[test]
        fn runs_equal_a_byte_model(edits in prop::collection::vec((0usize..5000, 0usize..400, prop::collection::vec((0usize..40, 0u32..6), 0..4)), 0..120)) {
            let mut runs = Runs::default();
            let mut model: Vec<u32> = Vec::new();
            for (at, deleted, inserted) in edits {
                let at = at.min(model.len());
                let end = (at + deleted).min(model.len());
                let by: Vec<Run> = inserted.iter().map(|(len, o)| Run { len: *len, origin: OriginId(*o) }).collect();
                runs.splice(at..end, &by);
                model.splice(at..end, inserted.iter().flat_map(|(len, o)| std::iter::repeat_n(*o, *len)));
                prop_assert_eq!(runs.len(), model.len());
            }
            let mut seen: Vec<u32> = Vec::new();
            for (range, origin) in runs.slice(0..runs.len()) {
                prop_assert_eq!(range.start, seen.len());
                seen.extend(std::iter::repeat_n(origin.0, range.len()));
            }
            prop_assert_eq!(&seen, &model);
            for (i, o) in model.iter().enumerate().step_by(7) {
                prop_assert_eq!(runs.at(i), Some(OriginId(*o)));
            }
            prop_assert!(runs.at(model.len()).is_none());
            prop_assert!(runs.leaves.iter().all(|l| !l.runs.is_empty() && l.runs.len() <= LEAF || model.is_empty()));
        }
    }

    #[test]
    fn a_slice_is_cut_and_merged() {
        let (a, b) = (OriginId(0), OriginId(1));
        let mut runs = Runs::new(10, a);
        runs.paint(4..6, b);
        assert_eq!(runs.slice(2..5), [(2..4, a), (4..5, b)]);
        runs.paint(4..6, a);
        assert_eq!(runs.slice(0..99), [(0..10, a)]);
        assert_eq!(runs.count(), 1);
    }
}
