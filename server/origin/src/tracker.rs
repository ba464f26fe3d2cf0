//! The origins of one open document, kept under its changes.
//!
//! Each change is explained by the best evidence there is: a signal about this very text, text that was deleted or
//! stands elsewhere, a change of form only, and last the shape of the change. What none of them explains is unknown.

use crate::{
    align::{Part, Source, align},
    deleted::clip,
    memory::{About, JOIN_WINDOW, Memory, Signal},
    model::{Evidence, Kind, Origin, OriginId},
    recent::{Recent, shifted},
    review::survives,
    runs::{Run, Runs, new_id, push},
    text::{boundary, characters, key},
    typing::{Habits, Proven, Typing, shape},
};
use std::{collections::VecDeque, ops::Range};

/// From here on a change is a burst: so many lines, or more characters than that.
const BURST_LINES: usize = 3;
const BURST_CHARS: usize = 50;
/// Pieces that follow each other within so long (milliseconds) are one stream.
const STREAM: i64 = 300;
/// So many characters make a stream (less is a hand that stumbles).
const STREAMING: usize = 8;
/// Shorter text stands elsewhere by chance (characters that are no white space).
const MIN_COPY: usize = 8;
/// Changes kept for signals that come late.
const MAX_RECENT: usize = 256;

/// A line that comes in pieces comes in at most so many.
const LINE_PIECES: usize = 64;

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
    /// The runs of this very text in an open document, other than at the place that was just changed. They cover the
    /// text; [`crate::copy_of`] gives them, also where the copy has another indentation.
    fn find(&self, text: &str) -> Option<Vec<Run>>;
}

/// There is nowhere else.
pub struct Nowhere;

impl Elsewhere for Nowhere {
    fn find(&self, _: &str) -> Option<Vec<Run>> {
        None
    }
}

/// A region of one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Bytes.
    pub range: Range<usize>,
    /// Its origin, see [`Memory::origins`].
    pub origin: OriginId,
}

/// Small pieces that come one after the other faster than hands.
#[derive(Clone, Debug)]
struct Stream {
    place: Range<usize>,
    characters: usize,
    lines: usize,
    time: i64,
}

/// The origins of one document.
#[derive(Clone, Debug)]
pub struct Tracker {
    document: u64,
    habits: Habits,
    runs: Runs,
    typing: Typing,
    recent: VecDeque<Recent>,
    reviewed: Vec<Range<usize>>,
    stream: Option<Stream>,
    /// The last change only deleted.
    deleting: bool,
}

impl Tracker {
    /// A document whose text is of one origin. `document` tells documents of a server apart.
    pub fn open(document: u64, len: usize, origin: OriginId) -> Self {
        Self::with(document, Runs::new(len, origin))
    }

    /// A document whose origins are known.
    pub fn with(document: u64, runs: Runs) -> Self {
        Self {
            document,
            habits: Habits::default(),
            runs,
            typing: Typing::default(),
            recent: VecDeque::new(),
            reviewed: Vec::new(),
            stream: None,
            deleting: false,
        }
    }

    /// Takes what is known of this very text; what the tracker remembers of the changes so far stays.
    pub fn learn(&mut self, runs: Runs, reviewed: Vec<Range<usize>>) {
        self.runs = runs;
        self.reviewed = reviewed;
    }

    /// Every origin that it refers to.
    pub(crate) fn origins(&self) -> impl Iterator<Item = OriginId> {
        let runs = self.runs.lengths(0..self.runs.len()).into_iter().map(|run| run.origin);
        runs.chain(self.recent.iter().flat_map(|r| r.origins.iter().copied()))
    }

    /// The table of origins has other ids now.
    pub(crate) fn renumber(&mut self, ids: &[OriginId]) {
        self.runs.renumber(ids);
        for recent in &mut self.recent {
            recent.origins.iter_mut().for_each(|id| *id = new_id(ids, *id));
        }
    }

    /// What a person looked at, in bytes.
    pub fn reviewed(&self) -> &[Range<usize>] {
        &self.reviewed
    }

    /// Says how the editor reports typing.
    pub fn habits(mut self, habits: Habits) -> Self {
        self.habits = habits;
        self
    }

    /// The runs; cheap to clone.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// The parts that are vetted as foreign, merged, in order.
    pub fn foreign(&self, memory: &Memory) -> Vec<Range<usize>> {
        let mut out: Vec<Range<usize>> = Vec::new();
        for Region { range, .. } in self.regions(memory) {
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
        self.settle(memory, now);
        while self.recent.front().is_some_and(|r| now - r.time > JOIN_WINDOW) {
            self.recent.pop_front();
        }
        let alone = changes.len() == 1;
        for change in changes {
            let change = fitting(change, self.runs.len());
            let short = trimmed(&change);
            if short.deleted.is_empty() && short.inserted.is_empty() {
                continue;
            }
            match shape(short.deleted, short.inserted, self.habits).filter(|_| alone) {
                Some(count) => self.stroke(memory, &short, count, now),
                // Tokens are compared as a whole, so what both ends have in common is left on.
                None => self.replace(memory, &change, now, elsewhere),
            }
            self.deleting = short.inserted.is_empty();
        }
    }

    /// Time passed: keys that nothing followed too fast are typed for certain.
    pub fn settle(&mut self, memory: &mut Memory, now: i64) {
        let proven = self.typing.rest(now);
        self.prove(memory, &proven);
    }

    /// A change of the shape of a key.
    fn stroke(&mut self, memory: &mut Memory, change: &Change<'_>, count: usize, now: i64) {
        let range = change.at..change.at + change.deleted.len();
        let unproven = memory.origins.intern(&Origin::new(Kind::Unknown, Evidence::Chunk, coarse(now)));
        let (proven, steady) = self.typing.key(range.clone(), change.inserted.len(), count, now);
        self.prove(memory, &proven);
        // What hands typed and took back they may type again; everything else that comes back is what it was.
        let undone = if change.inserted.is_empty() { None } else { memory.deleted.undone(self.document, change.at, change.inserted) };
        let undone = undone.filter(|runs| runs.iter().any(|r| r.origin != unproven && memory.origins.get(r.origin).kind != Kind::Typed));
        let restored = undone.is_some();
        let new = undone.unwrap_or_else(|| vec![Run { len: change.inserted.len(), origin: unproven }]);
        self.put(memory, change, &new, now, &[]);
        if steady {
            self.stream = None;
        }
        if restored || change.inserted.is_empty() {
            return;
        }
        // A blank by hand leaves the line's fingerprint as it is, so it proves nothing; one in a stream goes with it.
        let streaming = self.stream.as_ref().is_some_and(|s| s.characters > STREAMING);
        let place = range.start..range.start + change.inserted.len();
        if streaming || !change.inserted.trim().is_empty() {
            let all = 0..change.inserted.len();
            let mut recent = Recent::new(change.at, change.inserted, std::slice::from_ref(&all), change.lines, unproven, now);
            recent.key = true;
            self.came(memory, recent, change, now);
        }
        if !steady {
            self.streamed(memory, place, (characters(change.inserted), change.inserted.matches('\n').count()), now);
        }
    }

    /// Any other change.
    fn replace(&mut self, memory: &mut Memory, change: &Change<'_>, now: i64, elsewhere: &dyn Elsewhere) {
        let proven = self.typing.end(now);
        self.prove(memory, &proven);
        let Change { at, deleted, inserted, .. } = *change;
        let end = at + deleted.len();
        let reload = at == 0 && end == self.runs.len() && end > 0;
        // In the middle of a stream small pieces are not asked where else they stand.
        let streaming = deleted.is_empty()
            && inserted.len() <= BURST_CHARS
            && self.stream.as_ref().is_some_and(|s| s.place.end == at && now - s.time <= STREAM);
        let whole = if characters(inserted) >= MIN_COPY && !streaming { memory.deleted.whole(inserted) } else { None };
        if let Some(runs) = memory.deleted.undone(self.document, at, inserted).or(whole) {
            self.put(memory, change, &runs, now, &[]);
            return;
        }
        let parts = align(deleted, inserted);
        let mut news: Vec<Range<usize>> = Vec::new();
        let mut own: Vec<Option<Vec<Run>>> = Vec::new();
        for part in parts.iter().filter(|p| p.source == Source::New) {
            let found = if streaming { None } else { owned(memory, &inserted[part.range.clone()], now, elsewhere) };
            if found.is_none() {
                news.push(part.range.clone());
            }
            own.push(found);
        }
        let size: usize = news.iter().map(|r| inserted[r.clone()].trim().chars().count()).sum();
        let lines: usize = news.iter().map(|r| inserted[r.clone()].matches('\n').count()).sum();
        let burst = size > BURST_CHARS || lines >= BURST_LINES && size > 0;
        let evidence = if burst { Evidence::Burst } else { Evidence::Chunk };
        let id = memory.origins.intern(&Origin::new(Kind::Unknown, evidence, now));
        let old = self.runs.lengths(at..end);
        // White space alone takes the place of what was there, or belongs to the line it indents.
        let (before, after) = (at.checked_sub(1).and_then(|at| self.runs.at(at)), self.runs.at(end));
        let indents = change.lines.starts_with(inserted) && !inserted.ends_with('\n');
        let beside = if indents { after.or(before) } else { before.or(after) };
        let beside = old.first().map(|r| r.origin).or(beside).unwrap_or(id);
        let mut new: Vec<Run> = Vec::new();
        let mut own = own.into_iter();
        let mut ahead = 0;
        for Part { range, source } in &parts {
            let len = range.len();
            let runs = match source {
                Source::Old(from) => clip(&old, *from..from + len),
                Source::Near => vec![Run { len, origin: new.last().map_or(beside, |r| r.origin) }],
                Source::New => own.next().flatten().unwrap_or_else(|| vec![Run { len, origin: id }]),
                Source::Ahead => {
                    ahead += len;
                    continue;
                }
            };
            let indented = runs.first().map_or(id, |r| r.origin);
            push(&mut new, Run { len: std::mem::take(&mut ahead), origin: indented });
            for run in runs {
                push(&mut new, run);
            }
        }
        let origin = after.or(new.last().map(|r| r.origin)).unwrap_or(id);
        push(&mut new, Run { len: ahead, origin });
        self.put(memory, change, &new, now, &parts);
        let (Some(first), Some(last)) = (news.first(), news.last()) else { return };
        let place = at + first.start..at + last.end;
        let mut recent = Recent::new(at, inserted, &news, change.lines, id, now);
        recent.reload = reload;
        self.came(memory, recent, change, now);
        if !burst {
            self.streamed(memory, place, (size, lines), now);
        }
    }

    /// Replaces runs, and moves what else has a place in the text.
    fn put(&mut self, memory: &mut Memory, change: &Change<'_>, new: &[Run], now: i64, parts: &[Part]) {
        let Change { at, deleted, inserted, .. } = *change;
        let range = at..at + deleted.len();
        let gone = self.runs.lengths(range.clone());
        memory.deleted.add(self.document, at, deleted, gone, now, self.deleting && inserted.is_empty());
        self.runs.splice(range.clone(), new);
        for recent in &mut self.recent {
            recent.shift(&range, inserted.len());
        }
        self.recent.retain(|r| !r.pieces.is_empty());
        if let Some(stream) = &mut self.stream {
            stream.place = shifted(&stream.place, &range, inserted.len());
        }
        let blank = !self.reviewed.is_empty() && key(deleted) == key(inserted);
        let reviewed = self.reviewed.drain(..);
        self.reviewed = reviewed.filter_map(|r| survives(&r, &range, (deleted, inserted), parts, blank)).collect();
    }

    /// Remembers what came for signals that come later, and asks those that came before.
    fn came(&mut self, memory: &mut Memory, recent: Recent, change: &Change<'_>, now: i64) {
        // Pieces that came before on the same line are known by the whole line too.
        let near = |r: &Recent| r.pieces.last().is_some_and(|p| p.place.end == change.at);
        if change.deleted.is_empty() && self.recent.back().is_some_and(near) {
            for earlier in self.recent.iter_mut().rev().take(LINE_PIECES) {
                earlier.complete(change.at, change.inserted, change.lines);
            }
        }
        if self.recent.len() == MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(recent);
        for signal in memory.fresh(now) {
            self.explain(memory, self.recent.len() - 1, &signal);
        }
    }

    /// Joins small pieces that follow each other into one burst once they are too much for hands.
    fn streamed(&mut self, memory: &mut Memory, place: Range<usize>, (characters, lines): (usize, usize), now: i64) {
        let mut stream = Stream { place, characters, lines, time: now };
        if let Some(before) = self.stream.take().filter(|b| b.place.end == stream.place.start && now - b.time <= STREAM) {
            stream.place.start = before.place.start;
            stream.characters += before.characters;
            stream.lines += before.lines;
        }
        if stream.characters > BURST_CHARS || stream.lines >= BURST_LINES && stream.characters > 0 {
            let burst = memory.origins.intern(&Origin::new(Kind::Unknown, Evidence::Burst, coarse(now)));
            self.runs.paint_where(stream.place.clone(), burst, |old| unproven(memory.origins.get(old)));
            for recent in &mut self.recent {
                recent.origins.push(burst);
            }
        }
        self.stream = Some(stream);
    }

    fn prove(&mut self, memory: &mut Memory, proven: &Proven) {
        let Some(range) = proven.0.clone() else { return };
        let time = self.runs.at(range.start).map_or(0, |id| coarse(memory.origins.get(id).time));
        let typed = memory.origins.intern(&Origin::new(Kind::Typed, Evidence::Keystrokes, time));
        self.runs.paint_where(range, typed, |old| unproven(memory.origins.get(old)));
    }

    /// Gives what a change brought the origin that a signal tells, where the signal weighs more. Whether it was about it.
    fn explain(&mut self, memory: &mut Memory, index: usize, signal: &Signal) -> bool {
        let Some(recent) = self.recent.get_mut(index) else { return false };
        let places = recent.about(&signal.about);
        if places.is_empty() {
            return false;
        }
        let id = memory.origins.intern(&signal.origin);
        for place in places {
            self.runs
                .paint_where(place, id, |old| recent.origins.contains(&old) && signal.origin.evidence < memory.origins.get(old).evidence);
        }
        recent.origins.push(id);
        true
    }

    /// A signal about text that may have come already. True: it explained some. Keep it with [`Memory::expect`] as well.
    pub fn signal(&mut self, memory: &mut Memory, signal: &Signal) -> bool {
        let mut found = false;
        for i in 0..self.recent.len() {
            if (signal.time - self.recent[i].time).abs() <= JOIN_WINDOW {
                found |= self.explain(memory, i, signal);
            }
        }
        found
    }

    /// Says of lines that came while nobody watched, or that nothing explained yet, what they are. `lines` gives the place
    /// and the text of each line of the document.
    pub fn recognise<'t>(&mut self, memory: &mut Memory, lines: impl Iterator<Item = (usize, &'t str)>, signal: &Signal) {
        let About::Text { lines: told, .. } = &signal.about else { return };
        let id = memory.origins.intern(&signal.origin);
        for (at, line) in lines {
            let print = crate::ledger::event::line_print(line);
            if print != 0 && crate::text::significant(line) && told.contains(&print) {
                self.runs.paint_where(at..at + line.len(), id, |old| {
                    let origin = memory.origins.get(old);
                    origin.kind == Kind::Unknown && origin.evidence != Evidence::Present && signal.origin.evidence < origin.evidence
                });
            }
        }
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

    /// Marks a range as looked at by a person. A change inside it ends that, unless only white space changed.
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

/// Text of which only the shape of its coming could still tell something.
fn unproven(origin: &Origin) -> bool {
    origin.kind == Kind::Unknown && origin.evidence == Evidence::Chunk
}

/// The origins of text that is the author's own: deleted lately, or a copy of what stands elsewhere.
fn owned(memory: &mut Memory, text: &str, now: i64, elsewhere: &dyn Elsewhere) -> Option<Vec<Run>> {
    if characters(text) < MIN_COPY {
        return None;
    }
    if let Some(runs) = memory.deleted.find(text) {
        return Some(runs);
    }
    let bare = text.trim();
    let mut runs = elsewhere.find(bare)?;
    memory.own_copy(&mut runs, coarse(now));
    // What stands around it belongs to it.
    let (front, back) = (text.len() - text.trim_start().len(), text.len() - text.trim_end().len());
    runs.first_mut()?.len += front;
    runs.last_mut()?.len += back;
    (runs.iter().map(|r| r.len).sum::<usize>() == text.len()).then_some(runs)
}

/// A change that lies in the text, whatever was told.
fn fitting<'t>(change: &Change<'t>, len: usize) -> Change<'t> {
    let at = change.at.min(len);
    Change { at, deleted: &change.deleted[..boundary(change.deleted, len - at)], ..*change }
}

/// A change without what its old and its new text have in common at both ends.
fn trimmed<'t>(change: &Change<'t>) -> Change<'t> {
    let (old, new) = (change.deleted, change.inserted);
    let head = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
    let head = boundary(new, head).min(boundary(old, head));
    let (a, b) = (&old[head..], &new[head..]);
    let tail = a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count();
    let tail = (0..=tail).rev().find(|t| a.is_char_boundary(a.len() - t) && b.is_char_boundary(b.len() - t)).unwrap_or(0);
    Change { at: change.at + head, deleted: &a[..a.len() - tail], inserted: &b[..b.len() - tail], ..*change }
}
