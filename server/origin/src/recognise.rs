//! Which lines of a file are text that the ledger speaks of: found by fingerprints, not by time or place alone, and
//! only where the place is certain. An event recognises itself in whole or in part; lines nobody recognises are nobody's.

use crate::ledger::event::Event;
use imara_diff::{Algorithm, Diff, InternedInput};
use std::{collections::HashMap, ops::Range};

/// Comparing one event with a file ends in "not certain" after so many lines: text that repeats itself so often has no
/// certain place anyway.
const MAX_COMPARED: usize = 4_000_000;

/// An event that recognised itself, one for each line it claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// Index of the event.
    pub event: usize,
    /// Whether its whole text stands there, not only some lines of it.
    pub whole: bool,
}

/// For each line of a file (by its fingerprint) the event that brought it. `possible(line, event)` says whether the
/// line (0-based) may come from the event at all; a line that was committed before it cannot.
pub fn recognise(lines: &[u64], events: &[Event], possible: impl Fn(usize, &Event) -> bool) -> Vec<Option<Recognised>> {
    let mut found: Vec<Option<Recognised>> = vec![None; lines.len()];
    let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, print) in lines.iter().enumerate().filter(|(_, p)| **p != 0) {
        places.entry(*print).or_default().push(at);
    }
    // The surest first, of equally sure ones the newest: it saw the text last.
    let mut order: Vec<usize> = (0..events.len()).filter(|e| events[*e].lines.iter().any(|p| *p != 0)).collect();
    order.sort_by_key(|e| std::cmp::Reverse((events[*e].confidence, events[*e].time, *e)));
    for index in order {
        let event = &events[index];
        let free = |at: usize, found: &[Option<Recognised>]| found[at].is_none() && possible(at, event);
        match whole(lines, &places, event, |range| range.clone().all(|at| free(at, &found))) {
            Place::At(at) => {
                for line in &mut found[at..at + event.lines.len()] {
                    *line = Some(Recognised { event: index, whole: true });
                }
            }
            Place::Several => {}
            Place::Nowhere => {
                for at in part(lines, &places, event) {
                    if free(at, &found) {
                        found[at] = Some(Recognised { event: index, whole: false });
                    }
                }
            }
        }
    }
    found
}

enum Place {
    At(usize),
    /// More than one, and nothing tells which.
    Several,
    Nowhere,
}

/// Where the event's whole text stands.
fn whole(lines: &[u64], places: &HashMap<u64, Vec<usize>>, event: &Event, free: impl Fn(&Range<usize>) -> bool) -> Place {
    // Looked for by the event's rarest line.
    let rarest = event.lines.iter().enumerate().filter(|(_, p)| **p != 0);
    let rarest = rarest.map(|(at, p)| (at, places.get(p).map_or(&[][..], Vec::as_slice))).min_by_key(|(_, places)| places.len());
    let Some((offset, candidates)) = rarest else { return Place::Nowhere };
    if candidates.len().saturating_mul(event.lines.len()) > MAX_COMPARED {
        return Place::Several;
    }
    let starts = candidates.iter().filter_map(|at| at.checked_sub(offset));
    let mut hits = starts.filter(|start| lines.get(*start..start + event.lines.len()) == Some(&event.lines[..]));
    let hits: Vec<usize> = hits.by_ref().filter(|start| free(&(*start..start + event.lines.len()))).collect();
    match hits.as_slice() {
        [] => Place::Nowhere,
        [at] => Place::At(*at),
        _ if event.line == 0 => Place::Several,
        _ => {
            let told = event.line as usize - 1;
            let near = hits.iter().min_by_key(|at| at.abs_diff(told));
            near.map_or(Place::Nowhere, |at| Place::At(*at))
        }
    }
}

/// The lines (0-based) that still stand of an event's text: runs in the event's order, of at least two lines that say
/// something or of one that stands nowhere else.
fn part(lines: &[u64], places: &HashMap<u64, Vec<usize>>, event: &Event) -> Vec<usize> {
    if !event.lines.iter().any(|p| places.contains_key(p)) {
        return Vec::new();
    }
    let mut input = InternedInput::default();
    input.update_before(event.lines.iter().copied());
    input.update_after(lines.iter().copied());
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_no_heuristic(&input);
    let mut kept = Vec::new();
    let (mut old, mut new) = (0usize, 0usize);
    let ends = (event.lines.len() as u32, lines.len() as u32);
    for hunk in diff.hunks().map(|h| (h.before, h.after)).chain([(ends.0..ends.0, ends.1..ends.1)]) {
        let run = new..hunk.1.start as usize;
        let same = event.lines.get(old..old + run.len()).unwrap_or(&[]);
        let telling = same.iter().filter(|p| **p != 0).count();
        let alone = |p: &u64| places.get(p).is_some_and(|at| at.len() == 1) && event.lines.iter().filter(|o| *o == p).count() == 1;
        if telling >= 2 || same.iter().any(alone) {
            kept.extend(run);
        }
        (old, new) = (hunk.0.end as usize, hunk.1.end as usize);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::event::line_print;

    fn prints(text: &str) -> Vec<u64> {
        text.split(' ').map(|w| line_print(if w == "_" { "" } else { w })).collect()
    }

    fn event(text: &str, line: u32) -> Event {
        Event { lines: prints(text), line, confidence: 99, ..Event::default() }
    }

    /// The index of the event for each line, `.` for none, in capitals where only a part stands.
    fn told(file: &str, events: &[Event]) -> String {
        let found = recognise(&prints(file), events, |_, _| true);
        found.iter().map(|f| f.map_or('.', |f| (if f.whole { b'a' } else { b'A' } + f.event as u8) as char)).collect()
    }

    #[test]
    fn text_is_found_wherever_it_moved() {
        assert_eq!(told("x a b c y", &[event("a b c", 40)]), ".aaa.");
        assert_eq!(told("x a _ c y", &[event("a _ c", 1)]), ".aaa.");
        assert_eq!(told("x y", &[event("a b", 1)]), "..");
        assert_eq!(told("", &[event("a", 1)]), ".");
    }

    #[test]
    fn one_of_several_places_is_chosen_only_by_its_line() {
        assert_eq!(told("} x } y }", &[event("}", 3)]), "..a..");
        assert_eq!(told("} x } y }", &[event("}", 0)]), ".....");
        assert_eq!(told("} x }", &[event("}", 1), event("}", 1)]), "b.a", "two events, two places");
    }

    #[test]
    fn an_edit_inside_splits_and_flips_no_neighbour() {
        assert_eq!(told("a b mine c d", &[event("a b c d", 1)]), "AA.AA");
        assert_eq!(told("a mine c } }", &[event("a b c }", 1)]), "A.AA.", "a lone common line goes with its run");
        assert_eq!(told("p } q }", &[event("a } b", 1)]), "....", "a common line alone proves nothing");
    }

    #[test]
    fn repetition_costs_bounded_time() {
        let file = vec![7; 200_000];
        let event = Event { lines: vec![7; 100_000], line: 1, ..Event::default() };
        let started = std::time::Instant::now();
        assert!(recognise(&file, &[event], |_, _| true).iter().all(Option::is_none));
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }

    #[test]
    fn the_newer_event_speaks_and_a_vague_one_comes_last() {
        let older = Event { time: 1, ..event("a b", 1) };
        let newer = Event { time: 2, ..event("b", 2) };
        assert_eq!(told("a b", &[older.clone(), newer]), "Ab");
        let vague = Event { time: 3, confidence: 80, ..event("a b c", 1) };
        assert_eq!(told("a b c", &[older, vague]), "aaB");
        let found = recognise(&prints("a b"), &[event("a b", 1)], |line, _| line == 1);
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
    }
}
