//! What all open documents share: interned origins, text that was deleted lately, and signals that wait for their text.

use crate::{
    deleted::{Deleted, carried},
    ledger::event::{Hash, line_print, text_hash},
    model::{Evidence, Kind, Origin, Origins},
    runs::{Run, Runs},
    text::key,
    tracker::Tracker,
};
use std::collections::VecDeque;

/// A signal and the text it is about find each other within this time, in either order (milliseconds).
pub const JOIN_WINDOW: i64 = 10_000;
/// So many places of a line are looked at for a copy.
const TRIED: usize = 64;
/// What a signal says about a change that came or is to come.
#[derive(Clone, Debug)]
pub struct Signal {
    /// The origin of the text.
    pub origin: Origin,
    /// Which text.
    pub about: About,
    /// When it was given, in milliseconds.
    pub time: i64,
}

/// The text that a signal is about.
#[derive(Clone, Debug)]
pub enum About {
    /// Text with this hash, or some of its lines.
    Text {
        /// [`text_hash`] of the whole.
        hash: Hash,
        /// [`line_print`]s of its lines.
        lines: Vec<u64>,
    },
    /// Whatever is replaced as a whole, as after a checkout.
    Reload,
}

impl About {
    /// About this very text.
    pub fn text(text: &str) -> Self {
        About::Text { hash: text_hash(text), lines: text.lines().map(line_print).collect() }
    }
}

/// Shared by all documents of a server.
#[derive(Debug, Default)]
pub struct Memory {
    /// All origins that runs refer to.
    pub origins: Origins,
    pub(crate) deleted: Deleted,
    signals: VecDeque<Signal>,
}

impl Memory {
    /// Forgets the origins that no text has any more, neither that of these documents (all there are) nor what was deleted
    /// lately. Ids that somebody else keeps are worth nothing afterwards.
    pub fn forget_origins<'t>(&mut self, trackers: impl IntoIterator<Item = &'t mut Tracker>) {
        let mut trackers: Vec<&mut Tracker> = trackers.into_iter().collect();
        let mut wanted = vec![false; self.origins.count()];
        wanted[0] = true;
        for id in trackers.iter().flat_map(|t| t.origins()).chain(self.deleted.origins()) {
            wanted[id.index()] = true;
        }
        let ids = self.origins.keep(&wanted);
        for tracker in &mut trackers {
            tracker.renumber(&ids);
        }
        self.deleted.renumber(&ids);
    }

    /// Keeps a signal for text that is still to come.
    pub fn expect(&mut self, signal: Signal) {
        let now = signal.time;
        self.signals.retain(|s| now - s.time <= JOIN_WINDOW);
        self.signals.push_back(signal);
    }

    /// The signals that may still explain what comes now, the surest first.
    pub(crate) fn fresh(&self, now: i64) -> Vec<Signal> {
        let mut fresh: Vec<Signal> = self.signals.iter().filter(|s| (now - s.time).abs() <= JOIN_WINDOW).cloned().collect();
        fresh.sort_by_key(|s| s.origin.evidence);
        fresh
    }

    /// The origins of a copy: text of a hand becomes an own copy, everything else stays what it is.
    pub(crate) fn own_copy(&mut self, runs: &mut [Run], now: i64) {
        for run in runs {
            if self.origins.get(run.origin).kind == Kind::Typed {
                run.origin = self.origins.intern(&Origin::new(Kind::OwnCopy, Evidence::SameText, now));
            }
        }
    }
}

/// Looks for a text in another one that may hold it, perhaps with other white space. `runs` are those of `source`; the
/// answer is about `text`.
pub fn copy_of(text: &str, source: &str, runs: &Runs) -> Option<Vec<Run>> {
    let bare = text.trim();
    if bare.is_empty() {
        return None;
    }
    if let Some(at) = source.find(bare) {
        return Some(carried(bare, &runs.lengths(at..at + bare.len()), text));
    }
    let lines: Vec<&str> = bare.lines().collect();
    let (longest, line) = lines.iter().map(|l| l.trim()).enumerate().max_by_key(|(_, l)| l.len())?;
    if lines.len() < 2 {
        return None;
    }
    let wanted = key(text);
    for (at, _) in source.match_indices(line).take(TRIED) {
        let start = source[..at].rmatch_indices('\n').nth(longest).map_or(0, |(n, _)| n + 1);
        let end = source[at..].match_indices('\n').nth(lines.len() - longest - 1).map_or(source.len(), |(n, _)| at + n);
        if let Some(there) = source.get(start..end)
            && key(there) == wanted
        {
            return Some(carried(there, &runs.lengths(start..end), text));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::OriginId,
        tracker::{Change, Nowhere},
    };

    #[test]
    fn origins_that_no_text_has_are_forgotten() {
        let mut memory = Memory::default();
        let mut tracker = Tracker::open(1, 0, OriginId::PRESENT);
        let paste = |n: usize| format!("first_{n} = one()\nsecond_{n} = two()\nthird_{n} = three()\nfourth_{n} = four()\n");
        let mut len = 0;
        for n in 0..1000 {
            let text = paste(n);
            let change = Change { at: 0, deleted: "", inserted: &text, lines: &text };
            tracker.change(&mut memory, &[change], 100_000 * n as i64, &Nowhere);
            len += text.len();
            if n % 2 == 0 {
                tracker.told(&mut memory, 0..len, Origin::new(Kind::Agent, Evidence::Hook, n as i64));
            }
        }
        assert!(memory.origins.count() > 1400);
        let shown = |memory: &Memory, tracker: &Tracker| -> Vec<(usize, Origin)> {
            tracker.runs().lengths(0..len).iter().map(|r| (r.len, memory.origins.get(r.origin).clone())).collect()
        };
        let before = shown(&memory, &tracker);
        memory.forget_origins([&mut tracker]);
        assert_eq!(shown(&memory, &tracker), before);
        assert!(memory.origins.count() < 10, "{}", memory.origins.count());
    }

    #[test]
    fn copies_are_found_re_indented_and_in_part() {
        let mut memory = Memory::default();
        let agent = memory.origins.intern(&Origin::new(Kind::Agent, Evidence::Hook, 1));
        let typed = memory.origins.intern(&Origin::new(Kind::Typed, Evidence::Keystrokes, 1));
        let source = "fn a() {\n    let first = one();\n    let second = two();\n}\n";
        let mut runs = Runs::new(source.len(), typed);
        runs.paint(33..57, agent);
        let copy = "let first = one();\n        let second = two();";
        let mut found = copy_of(copy, source, &runs).unwrap();
        assert_eq!(found.iter().map(|r| r.len).sum::<usize>(), copy.len());
        memory.own_copy(&mut found, 5);
        let kinds: Vec<Kind> = found.iter().map(|r| memory.origins.get(r.origin).kind).collect();
        assert_eq!(kinds, [Kind::OwnCopy, Kind::Agent]);
        assert_eq!(copy_of("let third = three();", source, &runs), None);
        assert_eq!(copy_of(" \n", source, &runs), None);
    }
}
