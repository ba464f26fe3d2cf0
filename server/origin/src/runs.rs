//! The origin of every byte of a text: a sequence of runs `(length, origin)` that always covers the whole text.
//!
//! A B+ tree with leaves of up to 128 runs and cached byte sums: an edit costs O(log n). Nodes are shared between
//! copies, so a snapshot is a pointer.

use crate::model::OriginId;
use std::{ops::Range, sync::Arc};

/// Most runs of a leaf, and most children of an inner node.
const LEAF: usize = 128;
const INNER: usize = 32;

/// So many bytes of one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Length in bytes.
    pub len: usize,
    /// Where they came from.
    pub origin: OriginId,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Vec<Run>),
    Inner(Vec<Child>),
}

#[derive(Clone, Debug)]
struct Child {
    bytes: usize,
    node: Arc<Node>,
}

/// The runs of one text. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Runs {
    root: Child,
}

impl Default for Runs {
    fn default() -> Self {
        Self { root: Child { bytes: 0, node: Arc::new(Node::Leaf(Vec::new())) } }
    }
}

impl FromIterator<Run> for Runs {
    fn from_iter<T: IntoIterator<Item = Run>>(runs: T) -> Self {
        let mut joined = Vec::new();
        for run in runs {
            push(&mut joined, run);
        }
        // Leaves are left half empty for the edits to come.
        let mut level: Vec<Child> = joined.chunks(LEAF / 2).map(|c| Child::new(Node::Leaf(c.to_vec()))).collect();
        while level.len() > 1 {
            level = level.chunks(INNER / 2).map(|c| Child::new(Node::Inner(c.to_vec()))).collect();
        }
        level.pop().map_or_else(Self::default, |root| Self { root })
    }
}

impl Runs {
    /// A text of one origin.
    pub fn new(len: usize, origin: OriginId) -> Self {
        Self::of(&[Run { len, origin }])
    }

    /// A text of these runs.
    pub fn of(runs: &[Run]) -> Self {
        runs.iter().copied().collect()
    }

    /// Length of the text in bytes.
    pub fn len(&self) -> usize {
        self.root.bytes
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of runs.
    pub fn count(&self) -> usize {
        self.slice(0..self.len()).len()
    }

    /// The origin of a byte; `None` past the end.
    pub fn at(&self, offset: usize) -> Option<OriginId> {
        let (mut node, mut rest) = (&self.root, offset);
        if rest >= node.bytes {
            return None;
        }
        loop {
            match &*node.node {
                Node::Inner(children) => {
                    node = children.iter().find(|c| {
                        let inside = rest < c.bytes;
                        rest -= if inside { 0 } else { c.bytes };
                        inside
                    })?;
                }
                Node::Leaf(runs) => {
                    let run = runs.iter().find(|r| {
                        let inside = rest < r.len;
                        rest -= if inside { 0 } else { r.len };
                        inside
                    });
                    return run.map(|r| r.origin);
                }
            }
        }
    }

    /// The runs of a range (cut to it, neighbours merged), each with its place.
    pub fn slice(&self, range: Range<usize>) -> Vec<(Range<usize>, OriginId)> {
        let mut found: Vec<(Range<usize>, OriginId)> = Vec::new();
        self.root.visit(0, &range, &mut |at, run| match found.last_mut() {
            Some((last, origin)) if *origin == run.origin => last.end = at + run.len,
            _ => found.push((at..at + run.len, run.origin)),
        });
        found
    }

    /// The runs of a range (cut to it, neighbours merged), to be put in elsewhere.
    pub fn lengths(&self, range: Range<usize>) -> Vec<Run> {
        let mut found = Vec::new();
        self.root.visit(0, &range, &mut |_, run| push(&mut found, run));
        found
    }

    /// Gives every run the origin that a table has under its id.
    pub(crate) fn renumber(&mut self, ids: &[OriginId]) {
        let renumbered = self.lengths(0..self.len()).into_iter();
        *self = renumbered.map(|run| Run { origin: new_id(ids, run.origin), ..run }).collect();
    }

    /// Replaces the bytes of a range by others. A range beyond the end is cut off.
    pub fn splice(&mut self, range: Range<usize>, new: &[Run]) {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        if start == 0 && end == self.len() {
            *self = Self::default();
        } else if start < end {
            self.root.remove(start..end);
        }
        let mut at = start;
        for run in new.iter().filter(|r| r.len > 0) {
            if let Some(right) = self.root.insert(at, *run) {
                let left = std::mem::replace(&mut self.root, Child { bytes: 0, node: Arc::new(Node::Leaf(Vec::new())) });
                self.root = Child::new(Node::Inner(vec![left, right]));
            }
            at += run.len;
        }
        while let Node::Inner(children) = &*self.root.node
            && children.len() <= 1
        {
            self.root = children.first().cloned().unwrap_or_else(|| Runs::default().root);
        }
    }

    /// Gives a range another origin.
    pub fn paint(&mut self, range: Range<usize>, origin: OriginId) {
        self.paint_where(range, origin, |_| true);
    }

    /// Gives the bytes of a range that have one of certain origins another one.
    pub fn paint_where(&mut self, range: Range<usize>, origin: OriginId, only: impl Fn(OriginId) -> bool) {
        for (range, old) in self.slice(range) {
            if old != origin && only(old) {
                let len = range.len();
                self.splice(range, &[Run { len, origin }]);
            }
        }
    }
}

/// The id that stands in a table for an old one.
pub(crate) fn new_id(ids: &[OriginId], old: OriginId) -> OriginId {
    ids.get(old.index()).copied().unwrap_or(OriginId::PRESENT)
}

/// Appends a run, joined with the last if of the same origin.
pub(crate) fn push(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        _ if run.len == 0 => {}
        Some(last) if last.origin == run.origin => last.len += run.len,
        _ => runs.push(run),
    }
}

impl Child {
    fn new(node: Node) -> Self {
        let bytes = match &node {
            Node::Leaf(runs) => runs.iter().map(|r| r.len).sum(),
            Node::Inner(children) => children.iter().map(|c| c.bytes).sum(),
        };
        Self { bytes, node: Arc::new(node) }
    }

    fn visit(&self, at: usize, range: &Range<usize>, see: &mut impl FnMut(usize, Run)) {
        let mut at = at;
        match &*self.node {
            Node::Inner(children) => {
                for child in children {
                    if at >= range.end {
                        break;
                    }
                    if at + child.bytes > range.start {
                        child.visit(at, range, see);
                    }
                    at += child.bytes;
                }
            }
            Node::Leaf(runs) => {
                for run in runs {
                    if at >= range.end {
                        break;
                    }
                    let (from, to) = (at.max(range.start), (at + run.len).min(range.end));
                    if from < to {
                        see(from, Run { len: to - from, origin: run.origin });
                    }
                    at += run.len;
                }
            }
        }
    }

    fn remove(&mut self, range: Range<usize>) {
        self.bytes -= range.len();
        match Arc::make_mut(&mut self.node) {
            Node::Inner(children) => {
                let (first, mut at) = find(children.iter().map(|c| c.bytes), range.start);
                let mut i = first;
                while i < children.len() && at < range.end {
                    let bytes = children[i].bytes;
                    let (from, to) = (range.start.max(at) - at, (range.end - at).min(bytes));
                    if to - from < bytes {
                        children[i].remove(from..to);
                        i += 1;
                    } else {
                        // Whole children between are dropped at once, not one by one.
                        let mut end = i + 1;
                        let mut past = at + bytes;
                        while end < children.len() && past + children[end].bytes <= range.end {
                            past += children[end].bytes;
                            end += 1;
                        }
                        children.drain(i..end);
                        at = past;
                        continue;
                    }
                    at += bytes;
                }
                for i in [first, first.wrapping_sub(1)] {
                    merge(children, i);
                }
            }
            Node::Leaf(runs) => {
                let (first, at) = find(runs.iter().map(|r| r.len), range.start);
                let mut kept: [Option<Run>; 2] = [None, None];
                let (mut i, mut past) = (first, at);
                while i < runs.len() && past < range.end {
                    let run = runs[i];
                    if past < range.start {
                        kept[0] = Some(Run { len: range.start - past, ..run });
                    }
                    past += run.len;
                    if past > range.end {
                        kept[1] = Some(Run { len: past - range.end, ..run });
                    }
                    i += 1;
                }
                runs.splice(first..i, kept.into_iter().flatten());
                join(runs, first.saturating_sub(1), 3);
            }
        }
    }

    /// Inserts a run; a node that became too large gives its right half away.
    fn insert(&mut self, at: usize, run: Run) -> Option<Child> {
        self.bytes += run.len;
        match Arc::make_mut(&mut self.node) {
            Node::Inner(children) => {
                let mut start = 0;
                let mut i = 0;
                while i + 1 < children.len() && start + children[i].bytes < at {
                    start += children[i].bytes;
                    i += 1;
                }
                let right = children.get_mut(i)?.insert(at - start, run)?;
                children.insert(i + 1, right);
                if children.len() <= INNER {
                    return None;
                }
                let right = Child::new(Node::Inner(children.split_off(INNER / 2)));
                self.bytes -= right.bytes;
                Some(right)
            }
            Node::Leaf(runs) => {
                let (i, start) = find(runs.iter().map(|r| r.len), at);
                if i < runs.len() && start < at {
                    let there = runs[i];
                    if there.origin == run.origin {
                        runs[i].len += run.len;
                    } else {
                        let left = Run { len: at - start, ..there };
                        let right = Run { len: there.len - left.len, ..there };
                        runs.splice(i..=i, [left, run, right]);
                    }
                } else if i > 0 && runs[i - 1].origin == run.origin {
                    runs[i - 1].len += run.len;
                } else if i < runs.len() && runs[i].origin == run.origin {
                    runs[i].len += run.len;
                } else {
                    runs.insert(i, run);
                }
                if runs.len() <= LEAF {
                    return None;
                }
                let right = Child::new(Node::Leaf(runs.split_off(LEAF / 2)));
                self.bytes -= right.bytes;
                Some(right)
            }
        }
    }
}

/// The first item that ends after `at`, and where it starts.
fn find(lens: impl Iterator<Item = usize>, at: usize) -> (usize, usize) {
    let (mut i, mut start) = (0, 0);
    for len in lens {
        if start + len > at {
            break;
        }
        start += len;
        i += 1;
    }
    (i, start)
}

/// Joins equal neighbours among the `count` pairs from `i` on.
fn join(runs: &mut Vec<Run>, i: usize, count: usize) {
    for i in (i..i + count).rev() {
        if i + 1 < runs.len() && runs[i].origin == runs[i + 1].origin {
            runs[i].len += runs[i + 1].len;
            runs.remove(i + 1);
        }
    }
}

/// Merges child `i` with the next one if both together are at most half full, so that deletions leave no crumbs.
fn merge(children: &mut Vec<Child>, i: usize) {
    let Some([left, right]) = children.get_mut(i..).and_then(|c| c.get_mut(..2)) else { return };
    match (Arc::make_mut(&mut left.node), &*right.node) {
        (Node::Leaf(a), Node::Leaf(b)) if a.len() + b.len() <= LEAF / 2 => {
            for run in b {
                push(a, *run);
            }
        }
        (Node::Inner(a), Node::Inner(b)) if a.len() + b.len() <= INNER / 2 => a.extend(b.iter().cloned()),
        _ => return,
    }
    left.bytes += right.bytes;
    children.remove(i + 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Evidence, Kind, Origin, Origins};
    use proptest::prelude::*;

    fn ids() -> Vec<OriginId> {
        let mut table = Origins::default();
        (0..5).map(|t| table.intern(&Origin::new(Kind::Agent, Evidence::Hook, t))).collect()
    }

    fn bytes(runs: &Runs) -> Vec<OriginId> {
        runs.slice(0..runs.len()).into_iter().flat_map(|(range, origin)| range.map(move |_| origin)).collect()
    }

    fn depth(child: &Child) -> usize {
        match &*child.node {
            Node::Leaf(runs) => {
                assert!(runs.len() <= LEAF && runs.iter().all(|r| r.len > 0));
                assert_eq!(child.bytes, runs.iter().map(|r| r.len).sum::<usize>());
                1
            }
            Node::Inner(children) => {
                assert!(!children.is_empty() && children.len() <= INNER);
                assert_eq!(child.bytes, children.iter().map(|c| c.bytes).sum::<usize>());
                let depths: Vec<usize> = children.iter().map(depth).collect();
                assert!(depths.iter().all(|d| *d == depths[0]), "all leaves at one depth");
                depths[0] + 1
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn any_splices_equal_a_byte_array(
            start in 0usize..4000,
            edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..60, prop::collection::vec((0usize..9, 0usize..5), 0..6), any::<bool>()), 0..300),
        ) {
            let ids = ids();
            let mut naive: Vec<OriginId> = (0..start).map(|i| ids[i * 7 % 5]).collect();
            let mut runs: Runs = naive.iter().map(|id| Run { len: 1, origin: *id }).collect();
            for (at, del, new, much) in edits {
                let at = at.index(naive.len() + 1);
                let end = (at + if much { del * 40 } else { del }).min(naive.len());
                let new: Vec<Run> = new.into_iter().map(|(len, id)| Run { len, origin: ids[id] }).collect();
                let before = runs.clone();
                let was = naive.clone();
                runs.splice(at..end, &new);
                naive.splice(at..end, new.iter().flat_map(|r| std::iter::repeat_n(r.origin, r.len)));
                prop_assert_eq!(runs.len(), naive.len());
                prop_assert_eq!(bytes(&before), was, "a snapshot does not change");
            }
            depth(&runs.root);
            prop_assert_eq!(bytes(&runs), naive.clone());
            for (i, id) in naive.iter().enumerate() {
                prop_assert_eq!(runs.at(i), Some(*id));
            }
            prop_assert_eq!(runs.at(naive.len()), None);
            let spans = runs.slice(0..runs.len());
            prop_assert!(spans.windows(2).all(|w| w[0].1 != w[1].1 && w[0].0.end == w[1].0.start));
        }
    }

    #[test]
    fn ranges_beyond_the_end_are_cut() {
        let ids = ids();
        let mut runs = Runs::new(3, ids[0]);
        runs.splice(2..90, &[Run { len: 4, origin: ids[1] }]);
        runs.splice(80..90, &[Run { len: 1, origin: ids[2] }]);
        assert_eq!(runs.lengths(0..99).iter().map(|r| r.len).collect::<Vec<_>>(), [2, 4, 1]);
        runs.paint_where(1..5, ids[3], |id| id == ids[1]);
        assert_eq!(runs.lengths(0..99).iter().map(|r| r.len).collect::<Vec<_>>(), [2, 3, 1, 1]);
        runs.splice(0..99, &[]);
        assert!(runs.is_empty() && runs.slice(0..9).is_empty());
    }
}
