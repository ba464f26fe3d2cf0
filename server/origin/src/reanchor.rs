//! After downtime: which lines of a text are the lines that were known before, though nobody saw what happened.
//!
//! Works on line fingerprints ([`crate::ledger::event::line_print`]), so that no source text has to be kept. Lines that
//! a diff finds equal keep their origin; then blocks that were moved are found among what is left.

use crate::{
    lines::{Line, MOVED, matches},
    model::OriginId,
    runs::{Run, Runs, push},
};
use std::collections::HashMap;

/// Beside a line that stayed, so many lines are looked at.
const BESIDE: usize = 64;

/// For each new line the index of the old line it is, if it is one. 0 is the print of a blank line; between two changes
/// it is nobody's.
pub fn carry(old: &[u64], new: &[u64]) -> Vec<Option<usize>> {
    let described = |prints: &[u64]| -> Vec<Line> {
        prints.iter().map(|print| Line { key: *print, significant: *print != 0, telling: *print != 0 }).collect()
    };
    matches(&described(old), &described(new), false).into_iter().map(|m| m.map(|m| m as usize)).collect()
}

/// What is kept of a text to know it again: no text, only fingerprints and lengths.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The [`crate::ledger::event::line_print`] of each line and its length in bytes, line break included.
    pub lines: Vec<(u64, usize)>,
    /// The origins.
    pub runs: Runs,
}

impl Kept {
    /// Keeps a text.
    pub fn of(text: &str, runs: Runs) -> Self {
        let lines = text.split_inclusive('\n').map(|l| (crate::ledger::event::line_print(l), l.len())).collect();
        Self { lines, runs }
    }
}

/// The origins of a text that came about while nobody watched, from what was known of earlier texts: that of the file
/// before (after downtime, an amended commit), those of several commits (a squash), those of both sides (a merge, a
/// rebase, a commit picked from elsewhere). A line is what the first text that has it says; `otherwise` is for lines
/// that none has.
pub fn reanchor(earlier: &[&Kept], text: &str, otherwise: OriginId) -> Runs {
    let now: Vec<(u64, usize)> = Kept::of(text, Runs::default()).lines;
    let prints: Vec<u64> = now.iter().map(|l| l.0).collect();
    let starts: Vec<Vec<usize>> = earlier.iter().map(|kept| starts(&kept.lines)).collect();
    // For each line which of the earlier texts has it, and which line of that.
    let mut found: Vec<Option<(usize, usize)>> = vec![None; now.len()];
    for (which, kept) in earlier.iter().enumerate() {
        let old: Vec<u64> = kept.lines.iter().map(|l| l.0).collect();
        let mut carried = carry(&old, &prints);
        undecided(kept, &starts[which], &old, &mut carried);
        for (place, from) in found.iter_mut().zip(carried) {
            *place = place.or(from.map(|line| (which, line)));
        }
    }
    let mut out: Vec<Run> = Vec::new();
    let mut at = 0;
    while at < now.len() {
        let Some((which, line)) = found[at] else {
            push(&mut out, Run { len: now[at].1, origin: otherwise });
            at += 1;
            continue;
        };
        // Lines that are the same to the byte are taken in one piece.
        let (kept, starts) = (earlier[which], &starts[which]);
        let same = |n: &usize| found.get(at + n) == Some(&Some((which, line + n))) && kept.lines[line + n].1 == now[at + n].1;
        let count = (0..now.len() - at).take_while(same).count().max(1);
        let len = now[at..at + count].iter().map(|l| l.1).sum();
        let runs = fitted(kept.runs.lengths(starts[line]..starts[line + count]), len);
        let missing = if runs.is_empty() { len } else { 0 };
        push(&mut out, Run { len: missing, origin: otherwise });
        for run in runs {
            push(&mut out, run);
        }
        at += count;
    }
    Runs::of(&out)
}

/// Where two pieces of the old text meet that did not, the border could as well lie some equal lines further up or down.
/// Lines whose origin depends on that are given up: nothing tells which of them are left.
fn undecided(kept: &Kept, starts: &[usize], old: &[u64], carried: &mut [Option<usize>]) {
    let mut gone = vec![true; old.len()];
    carried.iter().flatten().for_each(|line| gone[*line] = false);
    let runs = |line: usize| kept.runs.lengths(starts[line]..starts[line + 1]);
    let differ = |a: usize, b: usize| runs(a).iter().map(|r| r.origin).ne(runs(b).iter().map(|r| r.origin));
    for at in 1..carried.len() {
        let (Some(last), Some(next)) = (carried[at - 1], carried[at]) else { continue };
        if next == last + 1 {
            continue;
        }
        // Up: the last lines of the first piece could be those before the second one.
        for n in 0..at.min(last + 1).min(next) {
            let other = next - 1 - n;
            if carried[at - 1 - n] != Some(last - n) || old[last - n] != old[other] {
                break;
            }
            if differ(last - n, other) {
                carried[at - 1 - n] = None;
            }
        }
        // Down: the first lines of the second piece could be those after the first one.
        for n in 0..carried.len() - at {
            let other = last + 1 + n;
            if carried[at + n] != Some(next + n) || old.get(other) != Some(&old[next + n]) {
                break;
            }
            if differ(next + n, other) {
                carried[at + n] = None;
            }
        }
    }
    // An equal line that is gone may be the one that is left: anywhere for a few lines alone, near by for the ends of more.
    let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
    for line in (0..old.len()).filter(|l| gone[*l]) {
        places.entry(old[line]).or_default().push(line);
    }
    let doubtful = |line: usize, reach: usize| {
        let others = places.get(&old[line]).map_or(&[][..], Vec::as_slice);
        let near = others.partition_point(|o| *o + reach < line)..others.partition_point(|o| *o <= line.saturating_add(reach));
        others[near].iter().take(BESIDE).any(|other| differ(*other, line))
    };
    let mut end = 0;
    while end < carried.len() {
        let start = end;
        end += 1;
        let Some(line) = carried[start] else { continue };
        while carried.get(end) == Some(&Some(line + end - start)) {
            end += 1;
        }
        if end - start < MOVED {
            for place in &mut carried[start..end] {
                *place = place.filter(|line| !doubtful(*line, usize::MAX / 2));
            }
            continue;
        }
        let up = (start..end).rev().take_while(|at| doubtful(line + at - start, BESIDE)).count();
        let down = (start..end).take_while(|at| doubtful(line + at - start, BESIDE)).count();
        carried[end - up..end].fill(None);
        carried[start..start + down].fill(None);
    }
}

/// Where each line starts, and where the last one ends.
fn starts(lines: &[(u64, usize)]) -> Vec<usize> {
    let mut at = 0;
    let ends = lines.iter().map(|l| {
        at += l.1;
        at
    });
    std::iter::once(0).chain(ends).collect()
}

/// The runs of a line for the same line with another indentation: what is added or gone is at its beginning.
fn fitted(mut runs: Vec<Run>, len: usize) -> Vec<Run> {
    let have: usize = runs.iter().map(|r| r.len).sum();
    if let Some(first) = runs.first_mut().filter(|_| have < len) {
        first.len += len - have;
    }
    let mut gone = have.saturating_sub(len);
    for run in &mut runs {
        let cut = run.len.min(gone);
        run.len -= cut;
        gone -= cut;
    }
    runs.retain(|r| r.len > 0);
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Evidence, Kind, Origin, Origins};
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

    fn kinds(table: &Origins, runs: &Runs, text: &str) -> Vec<Kind> {
        assert_eq!(runs.len(), text.len());
        let mut at = 0;
        let starts = text.split_inclusive('\n').map(|l| {
            at += l.len();
            at - 1 - usize::from(l.ends_with('\n') && l.len() > 1)
        });
        starts.map(|at| table.get(runs.at(at).unwrap()).kind).collect()
    }

    /// A text of two lines by a hand, one by an agent, and its table.
    fn known() -> (Origins, Kept, OriginId) {
        let mut table = Origins::default();
        let typed = table.intern(&Origin::new(Kind::Typed, Evidence::Keystrokes, 1));
        let agent = table.intern(&Origin::new(Kind::Agent, Evidence::Hook, 1));
        let offline = table.intern(&Origin::new(Kind::Unknown, Evidence::Offline, 1));
        let text = "let first = one();\nlet second = two();\nlet third = three();\n";
        let runs = Runs::of(&[Run { len: 39, origin: typed }, Run { len: text.len() - 39, origin: agent }]);
        (table, Kept::of(text, runs), offline)
    }

    #[test]
    fn downtime_and_amending_keep_what_stays() {
        let (table, kept, offline) = known();
        let text = "let zeroth = none();\n    let first = one();\r\nlet second = two(2);\nlet third = three();";
        let runs = reanchor(&[&kept], text, offline);
        assert_eq!(kinds(&table, &runs, text), [Kind::Unknown, Kind::Typed, Kind::Unknown, Kind::Agent]);
    }

    #[test]
    fn a_squash_and_a_rebase_take_from_several_texts() {
        let (mut table, kept, _) = known();
        let checkout = table.intern(&Origin::new(Kind::Checkout, Evidence::Git, 2));
        let pasted = table.intern(&Origin::new(Kind::Pasted, Evidence::Editor, 2));
        let other = "let other = side();\n";
        let side = Kept::of(other, Runs::new(other.len(), pasted));
        let text = "let upstream = theirs();\nlet first = one();\nlet other = side();\nlet third = three();\n";
        let runs = reanchor(&[&kept, &side], text, checkout);
        assert_eq!(kinds(&table, &runs, text), [Kind::Checkout, Kind::Typed, Kind::Pasted, Kind::Agent]);
        assert!(reanchor(&[], "", checkout).is_empty());
    }

    #[test]
    fn a_broken_record_does_not_break_the_cover() {
        let (_, mut kept, offline) = known();
        kept.lines[0].1 = 4000;
        kept.runs = Runs::new(3, offline);
        let text = "let first = one();\nlet third = three();\n";
        assert_eq!(reanchor(&[&kept], text, offline).len(), text.len());
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
