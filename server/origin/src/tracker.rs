//! The origins of one open document, kept under its changes.
//!
//! Each change is explained by the best evidence there is: a signal about this very text, text that was deleted or
//! stands elsewhere, a change of form only, and last the shape of the change. What none of them explains is unknown.

use crate::{
    ledger::event::{line_print, text_hash},
    memory::{Brought, JOIN_WINDOW, Memory, Signal, part},
    model::{Evidence, Kind, Origin, OriginId},
    runs::{Run, Runs},
};
use imara_diff::{Algorithm, Diff, InternedInput};
use std::{collections::VecDeque, ops::Range};

/// A hand brings at most so many characters at once (a key, or a key and the bracket the editor adds).
const KEY: usize = 2;
/// From here on a change is a burst: so many lines, or more characters than that.
const BURST_LINES: usize = 3;
const BURST_CHARS: usize = 50;
/// Keys that follow each other faster than a hand (milliseconds), and how many of them in a row are no hand's work.
const FASTER_THAN_HANDS: i64 = 8;
const STREAK: usize = 12;
/// Shorter text stands elsewhere by chance (bytes without the white space around it).
const MIN_COPY: usize = 12;
/// Changes kept for signals that come late.
const MAX_RECENT: usize = 256;

/// One change of a document: at a byte position one text is replaced by another.
#[derive(Clone, Copy, Debug)]
pub struct Change<'t> {
    /// First byte of the place, in the text before this change (and after the earlier ones of its batch).
    pub at: usize,
    /// What was there.
    pub deleted: &'t str,
    /// What is there now.
    pub inserted: &'t str,
    /// The whole lines that hold `inserted`, after the change.
    pub lines: &'t str,
}

/// Looks for text in the open documents.
pub trait Elsewhere {
    /// The runs of this very text in an open document, other than at the place that was just changed.
    fn find(&self, text: &str) -> Option<Vec<Run>>;
}

/// There is nowhere else.
pub struct Nowhere;

impl Elsewhere for Nowhere {
    fn find(&self, _: &str) -> Option<Vec<Run>> {
        None
    }
}

/// A change that a late signal may still explain.
#[derive(Clone, Debug)]
struct Recent {
    place: Range<usize>,
    brought: Brought,
    time: i64,
}

/// A region of one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Bytes.
    pub range: Range<usize>,
    /// Its origin, see [`Memory::origins`].
    pub origin: OriginId,
}

/// The origins of one document.
#[derive(Clone, Debug)]
pub struct Tracker {
    document: u64,
    runs: Runs,
    recent: VecDeque<Recent>,
    reviewed: Vec<Range<usize>>,
    /// Keys in a row that came too fast: how many, the bytes they brought, and when the last one came.
    streak: (usize, Range<usize>, i64),
}

impl Tracker {
    /// A document whose text is of one origin. `document` tells documents of a server apart.
    pub fn open(document: u64, len: usize, origin: OriginId) -> Self {
        Self::with(document, Runs::new(len, origin))
    }

    /// A document whose origins are known.
    pub fn with(document: u64, runs: Runs) -> Self {
        Self { document, runs, recent: VecDeque::new(), reviewed: Vec::new(), streak: (0, 0..0, i64::MIN / 2) }
    }

    /// The runs.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// The parts that are vetted as foreign, merged, in order.
    pub fn foreign(&self, memory: &Memory) -> Vec<Range<usize>> {
        let mut out: Vec<Range<usize>> = Vec::new();
        for (range, _) in self.runs.slice(0..self.runs.len()).into_iter().filter(|(_, o)| memory.origins.get(*o).is_foreign()) {
            match out.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => out.push(range),
            }
        }
        out
    }

    /// Foreign regions, each of one origin.
    pub fn regions(&self, memory: &Memory) -> Vec<Region> {
        let runs = self.runs.slice(0..self.runs.len()).into_iter();
        runs.filter(|(_, o)| memory.origins.get(*o).is_foreign()).map(|(range, origin)| Region { range, origin }).collect()
    }

    /// Takes the changes of one notification, in order.
    pub fn change(&mut self, memory: &mut Memory, changes: &[Change<'_>], now: i64, elsewhere: &dyn Elsewhere) {
        let renamed = changes.len() > 1
            && changes.iter().all(|c| {
                !c.deleted.is_empty()
                    && !c.inserted.is_empty()
                    && !c.inserted.contains('\n')
                    && c.deleted == changes[0].deleted
                    && c.inserted == changes[0].inserted
            });
        let batch = Batch { several: changes.len() > 1, renamed, now };
        for change in changes {
            self.one(memory, *change, &batch, elsewhere);
        }
    }

    fn one(&mut self, memory: &mut Memory, change: Change<'_>, batch: &Batch, elsewhere: &dyn Elsewhere) {
        let reload = change.at == 0 && change.deleted.len() == self.runs.len() && !change.deleted.is_empty();
        // By hand means: what came in is no more than a key brings. Parts of something larger never are.
        let by_hand = change.inserted.chars().count() <= KEY || change.inserted.trim().is_empty();
        if !change.deleted.is_empty() && change.inserted.contains('\n') && !same_form(change.deleted, change.inserted) {
            let mut shift = 0isize;
            for hunk in hunks(change.deleted, change.inserted) {
                let (deleted, inserted) = (&change.deleted[hunk.0.clone()], &change.inserted[hunk.1]);
                let at = (change.at + hunk.0.start).wrapping_add_signed(shift);
                shift += inserted.len() as isize - deleted.len() as isize;
                self.piece(memory, Change { at, deleted, inserted, lines: inserted }, reload, by_hand, batch, elsewhere);
            }
            return;
        }
        self.piece(memory, change, reload, by_hand, batch, elsewhere);
    }

    fn piece(&mut self, memory: &mut Memory, whole: Change<'_>, reload: bool, by_hand: bool, batch: &Batch, elsewhere: &dyn Elsewhere) {
        let now = batch.now;
        let brought = Brought {
            hash: text_hash(whole.inserted),
            lines: whole.lines.lines().map(line_print).collect(),
            reload,
            small: by_hand && !reload,
        };
        let end = whole.at + whole.deleted.len();
        let old: Vec<Run> = self.runs.slice(whole.at..end).into_iter().map(|(r, origin)| Run { len: r.len(), origin }).collect();
        if !whole.deleted.is_empty() && same_form(whole.deleted, whole.inserted) {
            let new = reshaped(whole.deleted, &old, whole.inserted);
            self.put(whole.at..end, &new);
            return;
        }
        // What stands on both sides stays what it is.
        let (front, back) = common(whole.deleted, whole.inserted);
        let deleted = &whole.deleted[front..whole.deleted.len() - back];
        let inserted = &whole.inserted[front..whole.inserted.len() - back];
        let at = whole.at + front;
        let gone = part(&old, front, deleted.len());
        let new = self.explain(memory, &brought, at, deleted, inserted, by_hand, batch, elsewhere);
        memory.deleted(self.document, at, deleted, gone, now);
        self.put(at..at + deleted.len(), &new);
        if !inserted.trim().is_empty() {
            if self.recent.len() == MAX_RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back(Recent { place: at..at + inserted.len(), brought, time: now });
        }
        if by_hand && !batch.several && !inserted.is_empty() {
            self.keep_time(memory, at..at + inserted.len(), now);
        }
    }

    /// Runs for new text, by the best evidence there is.
    fn explain(
        &mut self,
        memory: &mut Memory,
        brought: &Brought,
        at: usize,
        deleted: &str,
        inserted: &str,
        by_hand: bool,
        batch: &Batch,
        elsewhere: &dyn Elsewhere,
    ) -> Vec<Run> {
        if inserted.is_empty() {
            return Vec::new();
        }
        let all = |memory: &mut Memory, origin: Origin| vec![Run { len: inserted.len(), origin: memory.origins.intern(&origin) }];
        let when = coarse(batch.now);
        if let Some(origin) = memory.explained(brought, batch.now) {
            return all(memory, origin);
        }
        if inserted.trim().is_empty() {
            // White space belongs to what it stands in, unless a hand made it.
            let around = (at.checked_sub(1).and_then(|b| self.runs.at(b)), self.runs.at(at + deleted.len()));
            if let (Some(before), Some(after)) = around
                && (before == after && (batch.several || !deleted.is_empty()))
            {
                return vec![Run { len: inserted.len(), origin: before }];
            }
            return all(memory, Origin::new(Kind::Typed, Evidence::Keystrokes, when));
        }
        if !by_hand || brought.reload {
            if let Some(runs) = memory.restored(inserted, batch.now) {
                return runs;
            }
            let bare = inserted.trim();
            if bare.len() >= MIN_COPY
                && let Some(runs) = elsewhere.find(bare)
            {
                return copied(memory, inserted, bare, &runs, when);
            }
        }
        if batch.renamed {
            return all(memory, Origin::new(Kind::Tool, Evidence::Chunk, when));
        }
        if by_hand && !brought.reload {
            return all(memory, Origin::new(Kind::Typed, Evidence::Keystrokes, when));
        }
        let burst = inserted.matches('\n').count() >= BURST_LINES || inserted.chars().count() > BURST_CHARS;
        all(memory, Origin::new(Kind::Unknown, if burst { Evidence::Burst } else { Evidence::Chunk }, when))
    }

    /// Replaces runs, and moves what else has a place in the text.
    fn put(&mut self, range: Range<usize>, new: &[Run]) {
        let inserted: usize = new.iter().map(|r| r.len).sum();
        let moved = |p: usize| if p >= range.end { p - range.len() + inserted } else { p };
        let untouched = |r: &Range<usize>| r.end <= range.start || r.start >= range.end && r.start != range.start;
        // A review and a change yet to be explained are about the text as it was.
        self.reviewed.retain(|r| untouched(r) || range.is_empty() && (range.start == r.start || range.start == r.end));
        self.recent.retain(|r| !(range.start < r.place.end && r.place.start < range.end) || range.is_empty());
        for r in self.reviewed.iter_mut().chain(self.recent.iter_mut().map(|r| &mut r.place)).chain([&mut self.streak.1]) {
            if r.start >= range.end {
                *r = moved(r.start)..moved(r.end);
            } else if r.end > range.start {
                r.end = moved(r.end.max(range.end));
            }
        }
        self.runs.splice(range, new);
    }

    /// Keys that come faster than hands are no keys.
    fn keep_time(&mut self, memory: &mut Memory, place: Range<usize>, now: i64) {
        let (count, range, last) = &mut self.streak;
        if now - *last >= FASTER_THAN_HANDS || place.start != range.end {
            (*count, *range) = (0, place.start..place.start);
        }
        *count += 1;
        range.end = place.end;
        *last = now;
        if *count >= STREAK {
            let origin = memory.origins.intern(&Origin::new(Kind::Unknown, Evidence::Burst, coarse(now)));
            let range = range.clone();
            self.runs.paint(range, origin);
        }
    }

    /// A signal about text that may have come already. True: it explained some. Keep it with [`Memory::expect`] as well.
    pub fn signal(&mut self, memory: &mut Memory, signal: &Signal) -> bool {
        let id = memory.origins.intern(&signal.origin);
        let mut found = false;
        for i in 0..self.recent.len() {
            let recent = &self.recent[i];
            // A line that was typed key by key is no agent's, though it may read the same.
            let typed_on = recent.brought.small
                && self.recent.iter().filter(|r| r.brought.small && r.brought.lines.len() == 1 && near(&r.place, &recent.place)).count()
                    > 1;
            if (signal.time - recent.time).abs() <= JOIN_WINDOW && !typed_on && signal.explains(&recent.brought) {
                // A correction by a person, and better evidence, stay.
                for (range, origin) in self.runs.slice(recent.place.clone()) {
                    if memory.origins.get(origin).confidence <= signal.origin.confidence {
                        self.runs.paint(range, id);
                        found = true;
                    }
                }
            }
        }
        found
    }

    /// The editor says what a change was: the bytes of a range are of this origin.
    pub fn told(&mut self, memory: &mut Memory, range: Range<usize>, origin: Origin) {
        let id = memory.origins.intern(&origin);
        self.runs.paint(range, id);
    }

    /// A person corrects the origin of a range.
    pub fn relabel(&mut self, memory: &mut Memory, range: Range<usize>, kind: Kind, author: &str, now: i64) {
        let origin = Origin { author: author.into(), ..Origin::new(kind, Evidence::Correction, now) };
        self.told(memory, range, origin);
    }

    /// Marks a range as looked at by a person. A change inside it ends that.
    pub fn review(&mut self, range: Range<usize>) {
        self.reviewed.retain(|r| !(range.start <= r.start && r.end <= range.end));
        self.reviewed.push(range);
    }

    /// Whether every byte of a range was looked at.
    pub fn is_reviewed(&self, range: &Range<usize>) -> bool {
        let mut at = range.start;
        while at < range.end {
            match self.reviewed.iter().filter(|r| r.contains(&at)).map(|r| r.end).max() {
                Some(end) => at = end,
                None => return false,
            }
        }
        true
    }
}

/// What is typed within a minute is of one origin: otherwise every key would be a run.
fn coarse(now: i64) -> i64 {
    now - now.rem_euclid(60_000)
}

struct Batch {
    several: bool,
    renamed: bool,
    now: i64,
}

fn near(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start.abs_diff(b.end) <= 200 || b.start.abs_diff(a.end) <= 200
}

/// Origins of a copy: foreign text stays what it is, everything else is a copy of our own.
fn copied(memory: &mut Memory, inserted: &str, bare: &str, runs: &[Run], when: i64) -> Vec<Run> {
    let own = memory.origins.intern(&Origin::new(Kind::OwnCopy, Evidence::SameText, when));
    let mut out: Vec<Run> = Vec::new();
    let front = inserted.len() - inserted.trim_start().len();
    let back = inserted.len() - front - bare.len();
    let mut push = |len: usize, origin: OriginId| {
        if len > 0 {
            out.push(Run { len, origin });
        }
    };
    push(front, own);
    for run in runs {
        let origin = if memory.origins.get(run.origin).is_foreign() { run.origin } else { own };
        push(run.len, origin);
    }
    push(back, own);
    out
}

/// Bytes that two texts have in common at their beginning and at their end, on character boundaries.
fn common(a: &str, b: &str) -> (usize, usize) {
    let mut front = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    while !a.is_char_boundary(front) || !b.is_char_boundary(front) {
        front -= 1;
    }
    let most = a.len().min(b.len()) - front;
    let mut back = a.bytes().rev().zip(b.bytes().rev()).take(most).take_while(|(x, y)| x == y).count();
    while !a.is_char_boundary(a.len() - back) || !b.is_char_boundary(b.len() - back) {
        back -= 1;
    }
    (front, back)
}

/// Characters that formatters put in, take out and exchange.
fn is_form(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'' | '(' | ')')
}

/// Whether two texts differ in their form only.
fn same_form(a: &str, b: &str) -> bool {
    let mut any = false;
    let mut left = a.chars().filter(|c| !is_form(*c)).inspect(|_| any = true);
    let right = b.chars().filter(|c| !is_form(*c));
    left.by_ref().eq(right) && any
}

/// Runs of a text that was brought into another form: each character keeps its origin, form takes that of its neighbour.
fn reshaped(old: &str, runs: &[Run], new: &str) -> Vec<Run> {
    let mut at = 0;
    let origins: Vec<OriginId> = {
        let mut bounds = runs.iter();
        let mut run = bounds.next().copied();
        let mut left = run.map_or(0, |r| r.len);
        let mut out = Vec::new();
        for c in old.chars() {
            while left == 0 {
                run = bounds.next().copied();
                left = match run {
                    Some(r) => r.len,
                    None => break,
                };
            }
            if !is_form(c)
                && let Some(r) = run
            {
                out.push(r.origin);
            }
            left = left.saturating_sub(c.len_utf8());
        }
        out
    };
    let mut out: Vec<Run> = Vec::new();
    let Some(first) = origins.first().copied() else { return out };
    let mut current = first;
    for c in new.chars() {
        if !is_form(c) {
            current = origins.get(at).copied().unwrap_or(current);
            at += 1;
        }
        match out.last_mut() {
            Some(last) if last.origin == current => last.len += c.len_utf8(),
            _ => out.push(Run { len: c.len_utf8(), origin: current }),
        }
    }
    out
}

/// Where two texts differ, by lines, as byte ranges of each.
fn hunks(old: &str, new: &str) -> Vec<(Range<usize>, Range<usize>)> {
    let input = InternedInput::new(old, new);
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let starts = |text: &str| {
        let mut at = 0;
        let mut out: Vec<usize> = text
            .split_inclusive('\n')
            .map(|l| {
                at += l.len();
                at - l.len()
            })
            .collect();
        out.push(text.len());
        out
    };
    let (a, b) = (starts(old), starts(new));
    let bytes = |s: &[usize], r: Range<u32>| s[r.start as usize]..s[r.end as usize];
    diff.hunks().map(|h| (bytes(&a, h.before), bytes(&b, h.after))).collect()
}
