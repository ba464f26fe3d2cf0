//! Where the text of open documents came from: one tracker a document, fed by what the protocol shows, by what the editor
//! tells (`qualm/origin`), and by what agents' hooks wrote into the ledger. What is known is kept in the ledger on save and
//! found again on open.

use super::{
    document::Taken,
    publish::Out,
    session::{Session, lock},
    work,
};
use crate::provenance::Repository;
use qualm_engine::Foreign;
use qualm_origin::{
    About, Change, Elsewhere, Evidence, Kind, Memory, Origin, OriginId, Run, Runs, Signal, Tracker,
    ledger::{self, Action, Durability, Event, Hash, Ledger, Options, Place, Query, event::line_print, last_checkout},
    memory::JOIN_WINDOW,
    reanchor::reanchor,
    recognise::recognise,
};
use ropey::Rope;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hasher},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::Notify;

/// Longer texts are not looked for elsewhere, and no copy of them is noticed.
const MAX_SEARCH: usize = 256 * 1024;
/// With fewer origins nothing is forgotten.
const MIN_ORIGINS: usize = 2000;
/// When the ledger is asked whether a hook explains what came in at once.
const ASK_AFTER: [Duration; 3] = [Duration::from_millis(150), Duration::from_secs(2), Duration::from_secs(6)];

/// Milliseconds since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// The origins of all open documents.
#[derive(Default)]
pub struct Provenance {
    state: Mutex<State>,
    /// Documents whose origins are others than when they were last told to the supervisor. `None`: there is none.
    news: Option<Mutex<BTreeSet<String>>>,
    /// Told when there are news.
    pub heard: Notify,
    ledgers: Mutex<HashMap<PathBuf, Arc<Ledger>>>,
    /// Ledgers whose notice the user has seen.
    told: Mutex<HashSet<PathBuf>>,
}

#[derive(Default)]
struct State {
    memory: Memory,
    documents: HashMap<String, Kept>,
    numbers: u64,
    /// With so many origins those are forgotten that no text has.
    tidy_at: usize,
}

/// An event in short: a hash of its origin, and its text's.
type Mark = (u64, Hash);

fn mark(origin: &Origin, hash: Hash) -> Mark {
    let mut hasher = DefaultHasher::new();
    std::hash::Hash::hash(origin, &mut hasher);
    (hasher.finish(), hash)
}

struct Kept {
    rope: Rope,
    tracker: Tracker,
    /// What the ledger has already; `None`: it was not asked yet.
    written: Option<HashSet<Mark>>,
    /// How many words about its origins the client has said.
    words: u64,
}

/// What is known of where a document's text came from: no text, only lengths and origins. A server tells it to its supervisor,
/// who gives it to the next one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The document.
    pub uri: String,
    /// Its version.
    pub version: i32,
    /// How many words about its origins the client had said.
    pub words: u64,
    /// Length in bytes of each run, and its index in `origins`.
    pub runs: Vec<(usize, usize)>,
    /// Each origin once.
    pub origins: Vec<Origin>,
    /// Bytes that a person looked at.
    pub reviewed: Vec<Range<usize>>,
}

/// A foreign region, for lenses and maps.
#[derive(Clone, Debug)]
pub struct Region {
    /// Bytes.
    pub range: Range<usize>,
    /// What it is.
    pub origin: Origin,
    /// A person looked at all of it.
    pub reviewed: bool,
}

/// What of a text is judged as foreign.
pub fn foreign(regions: &[Region]) -> Foreign {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for region in regions {
        match ranges.last_mut() {
            Some(last) if last.end == region.range.start => last.end = region.range.end,
            _ => ranges.push(region.range.clone()),
        }
    }
    if ranges.is_empty() { Foreign::None } else { Foreign::Ranges(ranges) }
}

/// Open documents other than the place that was just changed.
struct Open<'s> {
    documents: &'s HashMap<String, Kept>,
    own: (&'s Rope, Option<&'s Runs>),
    changed: Range<usize>,
}

impl Elsewhere for Open<'_> {
    fn find(&self, text: &str) -> Option<Vec<Run>> {
        if text.len() > MAX_SEARCH {
            return None;
        }
        let runs =
            |runs: &Runs, at: usize| runs.slice(at..at + text.len()).into_iter().map(|(r, origin)| Run { len: r.len(), origin }).collect();
        if let (rope, Some(own)) = self.own {
            let whole = String::from(rope);
            let free = |at: &usize| *at >= self.changed.end || at + text.len() <= self.changed.start;
            if let Some(at) = whole.match_indices(text).map(|(at, _)| at).find(free) {
                return Some(runs(own, at));
            }
        }
        self.documents.values().find_map(|d| {
            let at = String::from(&d.rope).find(text)?;
            Some(runs(d.tracker.runs(), at))
        })
    }
}

impl State {
    /// Forgets origins once most of them are those of no text.
    fn tidy(&mut self) {
        if self.memory.origins.count() < self.tidy_at.max(MIN_ORIGINS) {
            return;
        }
        self.memory.forget_origins(self.documents.values_mut().map(|kept| &mut kept.tracker));
        self.tidy_at = 2 * self.memory.origins.count();
    }
}

impl Provenance {
    /// Without any document. `supervised`: whoever asks for [`Provenance::news`] gets some.
    pub fn new(supervised: bool) -> Self {
        Self { news: supervised.then(Mutex::default), ..Self::default() }
    }

    fn noted(&self, key: &str) {
        if let Some(news) = &self.news
            && lock(news).insert(key.to_owned())
        {
            self.heard.notify_one();
        }
    }

    /// The documents whose origins changed since this was last asked.
    pub fn news(&self) -> BTreeSet<String> {
        self.news.as_ref().map(|news| std::mem::take(&mut *lock(news))).unwrap_or_default()
    }

    /// The client said something about the origins of a document.
    pub fn word(&self, key: &str) {
        if let Some(kept) = lock(&self.state).documents.get_mut(key) {
            kept.words += 1;
        }
    }

    /// So many words were said to an earlier server.
    pub fn set_words(&self, key: &str, words: u64) {
        if let Some(kept) = lock(&self.state).documents.get_mut(key) {
            kept.words = words;
        }
    }

    /// What is known of a document's text, which has this version.
    pub fn known(&self, key: &str, version: i32) -> Option<Known> {
        let state = &*lock(&self.state);
        let kept = state.documents.get(key)?;
        let mut ids: Vec<OriginId> = Vec::new();
        let runs = kept.tracker.runs();
        let runs = runs.slice(0..runs.len()).into_iter().map(|(range, id)| {
            let index = ids.iter().position(|known| *known == id).unwrap_or_else(|| {
                ids.push(id);
                ids.len() - 1
            });
            (range.len(), index)
        });
        let runs = runs.collect();
        let origins = ids.into_iter().map(|id| state.memory.origins.get(id).clone()).collect();
        Some(Known { uri: key.to_owned(), version, words: kept.words, runs, origins, reviewed: kept.tracker.reviewed().to_vec() })
    }

    /// Takes what an earlier server knew of a document's text. False: it is about another text.
    pub fn learn(&self, known: &Known) -> bool {
        let state = &mut *lock(&self.state);
        let Some(kept) = state.documents.get_mut(&known.uri) else { return false };
        let ids: Vec<OriginId> = known.origins.iter().map(|o| state.memory.origins.intern(o)).collect();
        let id = |index: usize| ids.get(index).copied().unwrap_or(OriginId::PRESENT);
        let runs: Runs = known.runs.iter().map(|(len, index)| Run { len: *len, origin: id(*index) }).collect();
        let fits = runs.len() == kept.rope.len_bytes();
        if fits {
            kept.tracker.learn(runs, known.reviewed.clone());
        }
        fits
    }

    /// A document was opened: nothing is known of its text.
    pub fn open(&self, key: &str, rope: &Rope) {
        let state = &mut *lock(&self.state);
        state.numbers += 1;
        let tracker = Tracker::open(state.numbers, rope.len_bytes(), OriginId::PRESENT);
        state.documents.insert(key.to_owned(), Kept { rope: rope.clone(), tracker, written: None, words: 0 });
    }

    /// A document was closed.
    pub fn close(&self, key: &str) {
        lock(&self.state).documents.remove(key);
    }

    /// Changes of one message, in order, and the text after them, at this time (milliseconds since 1970). True: more came in
    /// at once than a hand brings.
    pub fn change(&self, key: &str, taken: &[Taken], rope: &Rope, time: i64) -> bool {
        self.noted(key);
        let state = &mut *lock(&self.state);
        let Some(mut kept) = state.documents.remove(key) else { return false };
        let much = taken.iter().any(|t| t.inserted.chars().nth(2).is_some() && !t.inserted.trim().is_empty());
        let before = much.then(|| kept.tracker.runs().clone());
        let first = taken.iter().map(|t| t.at).min().unwrap_or(0);
        let last = taken.iter().map(|t| t.at + t.deleted.len()).max().unwrap_or(0);
        let changes: Vec<Change<'_>> =
            taken.iter().map(|t| Change { at: t.at, deleted: &t.deleted, inserted: &t.inserted, lines: &t.lines }).collect();
        let open = Open { documents: &state.documents, own: (&kept.rope, before.as_ref()), changed: first..last };
        kept.tracker.change(&mut state.memory, &changes, time, &open);
        kept.rope = rope.clone();
        // Should they ever differ, nothing is known rather than something false.
        if kept.tracker.runs().len() != rope.len_bytes() {
            tracing::error!("the origins of a document do not cover its text; they are forgotten");
            state.numbers += 1;
            kept.tracker = Tracker::open(state.numbers, rope.len_bytes(), OriginId::PRESENT);
        }
        state.documents.insert(key.to_owned(), kept);
        state.tidy();
        much
    }

    /// All runs of a document with their origins.
    pub fn runs(&self, key: &str) -> Vec<(Range<usize>, Origin)> {
        let state = &*lock(&self.state);
        let Some(kept) = state.documents.get(key) else { return Vec::new() };
        let runs = kept.tracker.runs();
        runs.slice(0..runs.len()).into_iter().map(|(range, id)| (range, state.memory.origins.get(id).clone())).collect()
    }

    /// The foreign regions of a document; what touches and is of one kind and tool is one region.
    pub fn regions(&self, key: &str) -> Vec<Region> {
        let state = &*lock(&self.state);
        let Some(kept) = state.documents.get(key) else { return Vec::new() };
        let mut out: Vec<Region> = Vec::new();
        for r in kept.tracker.regions(&state.memory) {
            let origin = state.memory.origins.get(r.origin);
            match out.last_mut() {
                Some(last) if last.range.end == r.range.start && alike(&last.origin, origin) => last.range.end = r.range.end,
                _ => out.push(Region { range: r.range, origin: origin.clone(), reviewed: false }),
            }
        }
        for region in &mut out {
            region.reviewed = kept.tracker.is_reviewed(&region.range);
        }
        out
    }

    /// The editor, a hook or a person said where text came from. True: the document's origins are others now.
    pub fn told(&self, key: &str, range: Option<Range<usize>>, signal: &Signal) -> bool {
        self.noted(key);
        let state = &mut *lock(&self.state);
        let Some(kept) = state.documents.get_mut(key) else { return false };
        // Who wrote it is shown too, not only that somebody else did.
        let before = kept.tracker.regions(&state.memory);
        match range {
            Some(range) => kept.tracker.told(&mut state.memory, range, signal.origin.clone()),
            None => {
                kept.tracker.signal(&mut state.memory, signal);
                state.memory.expect(signal.clone());
            }
        }
        kept.tracker.regions(&state.memory) != before
    }

    /// Whether this text stands in an open document.
    pub fn is_known(&self, text: &str) -> bool {
        let text = text.trim();
        let state = &*lock(&self.state);
        !text.is_empty() && text.len() <= MAX_SEARCH && state.documents.values().any(|d| String::from(&d.rope).contains(text))
    }

    /// A person corrects an origin, or says that a region was looked at.
    pub fn relabel(&self, key: &str, range: Range<usize>, kind: Kind, author: &str) {
        self.noted(key);
        let state = &mut *lock(&self.state);
        if let Some(kept) = state.documents.get_mut(key) {
            kept.tracker.relabel(&mut state.memory, range, kind, author, now());
        }
    }

    /// See [`Tracker::review`].
    pub fn review(&self, key: &str, range: Range<usize>) {
        self.noted(key);
        if let Some(kept) = lock(&self.state).documents.get_mut(key) {
            kept.tracker.review(range);
        }
    }

    /// The ledger of a file.
    fn ledger(&self, path: &Path) -> Option<(Arc<Ledger>, String)> {
        let place = Place::of(path)?;
        let name = place.name(path)?;
        let ledger = lock(&self.ledgers)
            .entry(place.file.clone())
            .or_insert_with(|| {
                let options = Options { durability: Durability::Process, ..Options::default() };
                Arc::new(Ledger::open(Some(&place), options))
            })
            .clone();
        Some((ledger, name))
    }

    /// What the user should know of the ledgers, each thing once.
    fn notices(&self) -> Vec<String> {
        let ledgers = lock(&self.ledgers);
        let notices = ledgers.iter().filter_map(|(file, ledger)| Some((file, ledger.notice()?)));
        let mut told = lock(&self.told);
        notices.filter(|(file, _)| told.insert((*file).clone())).map(|(_, notice)| format!("qualm: {notice}")).collect()
    }

    /// Finds again what the ledger knows of a document that was just opened. Reads files; true: something foreign is in it.
    pub fn restore(&self, key: &str, path: &Path) -> bool {
        let Some((ledger, name)) = self.ledger(path) else { return false };
        let Ok(records) = ledger.query(&Query::file(&name)) else { return false };
        let known = ledger.state(&name).ok().flatten();
        let events = records.into_iter().map(|r| r.event);
        let (reviews, events): (Vec<Event>, Vec<Event>) = events
            .filter(|e| matches!(e.action, Action::Insert | Action::Relabel | Action::Review))
            .partition(|e| e.action == Action::Review);
        if events.is_empty() && known.is_none() {
            return false;
        }
        let Some(rope) = lock(&self.state).documents.get(key).map(|d| d.rope.clone()) else { return false };
        let text = String::from(&rope);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let prints: Vec<u64> = lines.iter().map(|l| line_print(l)).collect();
        let found = recognise(&prints, &events, |_, _| true);
        let seen = recognise(&prints, &reviews, |_, _| true);
        // What git put there is not what somebody did while nobody watched.
        let checkout = Place::of(path).and_then(|p| last_checkout(&p.top?)).unwrap_or(0);
        let state = &mut *lock(&self.state);
        let Some(kept) = state.documents.get_mut(key) else { return false };
        // Whoever typed already knows better.
        if kept.rope != rope {
            return false;
        }
        let origins = &mut state.memory.origins;
        let unexplained = match &known {
            Some(known) if checkout < known.time => origins.intern(&Origin::new(Kind::Unknown, Evidence::Offline, now())),
            _ => OriginId::PRESENT,
        };
        let mut runs = match known {
            Some(known) => reanchor(&[&known.kept(origins)], &text, unexplained),
            None => Runs::new(text.len(), unexplained),
        };
        let mut at = 0;
        for (line, found) in lines.iter().zip(&found) {
            if let Some(found) = found {
                let id = origins.intern(&events[found.event].believed());
                runs.paint_where(at..at + line.len(), id, |old| old == unexplained);
            }
            at += line.len();
        }
        kept.written = Some(events.iter().map(|e| mark(&e.believed(), e.hash)).collect());
        state.numbers += 1;
        kept.tracker = Tracker::with(state.numbers, runs);
        let mut at = 0;
        for (line, seen) in lines.iter().zip(&seen) {
            // A part of what was looked at, among other lines, is something else.
            if seen.is_some_and(|s| s.whole) {
                kept.tracker.review(at..at + line.len());
            }
            at += line.len();
        }
        let foreign = !kept.tracker.foreign(&state.memory).is_empty();
        self.noted(key);
        foreign
    }

    /// What the ledger has of a file, asked for once in the life of a document.
    fn ask_written(&self, key: &str, ledger: &Ledger, name: &str) {
        if lock(&self.state).documents.get(key).is_none_or(|kept| kept.written.is_some()) {
            return;
        }
        let records = ledger.query(&Query::file(name)).unwrap_or_default();
        let state = &mut *lock(&self.state);
        if let Some(kept) = state.documents.get_mut(key) {
            let told = records.iter().filter(|r| matches!(r.event.action, Action::Insert | Action::Relabel));
            let told = told.map(|r| mark(&r.event.believed(), r.event.hash));
            kept.written.get_or_insert_default().extend(told);
        }
    }

    /// Writes into the ledger that a person looked at a range. Writes files.
    pub fn keep_review(&self, key: &str, path: &Path, range: Range<usize>, author: &str) {
        let Some((ledger, name)) = self.ledger(path) else { return };
        let event = {
            let state = &*lock(&self.state);
            let Some(kept) = state.documents.get(key).filter(|k| range.end <= k.rope.len_bytes() && range.start < range.end) else {
                return;
            };
            // Whole lines: what is known of text later is known by its lines.
            let first = kept.rope.byte_to_line(range.start);
            let end = kept.rope.byte_to_line(range.end - 1) + 1;
            let text = kept.rope.slice(kept.rope.line_to_char(first)..kept.rope.line_to_char(end)).to_string();
            let Some(id) = kept.tracker.runs().at(range.start) else { return };
            Event::of_review(state.memory.origins.get(id), &name, first as u32 + 1, &text, author, now())
        };
        if let Err(error) = ledger.append(&[event]) {
            tracing::warn!("the review could not be kept: {error}");
        }
    }

    /// Writes into the ledger what is known of a document that was saved. Writes files.
    pub fn save(&self, key: &str, path: &Path) {
        let Some((ledger, name)) = self.ledger(path) else { return };
        self.ask_written(key, &ledger, &name);
        // Typing must not wait until a long text is hashed.
        let (rope, runs, origins, written) = {
            let state = &*lock(&self.state);
            let Some(kept) = state.documents.get(key) else { return };
            (kept.rope.clone(), kept.tracker.runs().clone(), state.memory.origins.clone(), kept.written.clone().unwrap_or_default())
        };
        let text = String::from(&rope);
        let (mut events, mut marks) = (Vec::new(), Vec::new());
        for (id, first, block) in blocks(&text, &runs) {
            let origin = origins.get(id);
            let event = Event::of_origin(origin, &name, first as u32 + 1, block);
            if origin != &Origin::present() && !written.contains(&mark(origin, event.hash)) {
                marks.push(mark(origin, event.hash));
                events.push(event);
            }
        }
        let kept = ledger::State::of(&text, &runs, &origins, now());
        // A file of which nothing is known needs no memory.
        let known = kept.origins.iter().any(|o| *o != Origin::present());
        let appended = if events.is_empty() { Ok(()) } else { ledger.append(&events).map(drop) };
        match appended.and_then(|()| if known { ledger.keep(&name, &kept) } else { Ok(()) }) {
            Ok(()) => {
                if let Some(kept) = lock(&self.state).documents.get_mut(key) {
                    kept.written.get_or_insert_default().extend(marks);
                }
            }
            Err(error) => tracing::warn!("where the saved text came from could not be kept: {error}"),
        }
    }

    /// What hooks have told of a file lately.
    fn hooked(&self, path: &Path) -> Vec<Signal> {
        let Some((ledger, name)) = self.ledger(path) else { return Vec::new() };
        let query = Query { since: Some(now() - JOIN_WINDOW), ..Query::file(&name) };
        let records = ledger.query(&query).unwrap_or_default();
        records.iter().filter(|r| r.event.evidence.starts_with(Evidence::Hook.as_str())).filter_map(|r| r.event.signal()).collect()
    }
}

/// Lines of one origin (that of most of the line), as `(origin, first line, text)`.
fn blocks<'t>(text: &'t str, runs: &Runs) -> Vec<(OriginId, usize, &'t str)> {
    let mut out: Vec<(OriginId, usize, Range<usize>)> = Vec::new();
    let mut at = 0;
    for (n, line) in text.split_inclusive('\n').enumerate() {
        let range = at..at + line.len();
        at = range.end;
        let bare = range.start..range.start + line.trim_end().len().max(1);
        let Some(id) = runs.slice(bare).into_iter().max_by_key(|(r, _)| r.len()).map(|(_, id)| id) else { continue };
        match out.last_mut() {
            Some((last, _, place)) if *last == id => place.end = range.end,
            _ => out.push((id, n, range)),
        }
    }
    out.into_iter().map(|(id, first, range)| (id, first, &text[range])).collect()
}

/// Whether two origins are one to a reader: [`short`] says the same of both.
fn alike(one: &Origin, other: &Origin) -> bool {
    let unknown = one.kind == Kind::Unknown;
    one.kind == other.kind && one.tool == other.tool && (!unknown || one.evidence == other.evidence)
}

/// The origin in a few words, for a diagnostic.
pub fn short(origin: &Origin) -> String {
    let what = match (origin.kind, origin.evidence) {
        (Kind::Unknown, Evidence::Offline) => "changed while nobody watched",
        (Kind::Unknown, Evidence::Disk) => "changed on disk",
        (Kind::Unknown, _) => "came in at once",
        (kind, _) => kind.label(),
    };
    if origin.tool.is_empty() { what.to_owned() } else { format!("{what}, {}", origin.tool) }
}

/// What is said at a region: "pasted from outside, 14 lines, 2 findings, review".
pub fn summary(region: &Region, findings: &[qualm_engine::Finding], rope: &Rope) -> String {
    let end = region.range.end.min(rope.len_bytes()).saturating_sub(1).max(region.range.start);
    let lines = rope.byte_to_line(end) - rope.byte_to_line(region.range.start.min(rope.len_bytes())) + 1;
    let open = findings.iter().filter(|f| f.span.start < region.range.end && region.range.start < f.span.end).count();
    let plural = |n: usize, what: &str| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
    let review = if region.reviewed { "reviewed" } else { "review" };
    format!("{}, {}, {}, {review}", short(&region.origin), plural(lines, "line"), plural(open, "finding"))
}

/// A document was opened: what is known of it is looked up.
pub fn opened(session: &Arc<Session>, key: &str, path: Option<PathBuf>) {
    let Some(path) = path else { return };
    let (worker, key) = (session.clone(), key.to_owned());
    session.errands.spawn(move || {
        if worker.origin.restore(&key, &path) {
            again(&worker, &key);
        }
        tell(&worker);
    });
}

/// A document was saved.
pub fn saved(session: &Arc<Session>, key: &str) {
    let Some(path) = session.snapshot(key).and_then(|s| s.path) else { return };
    let (worker, key) = (session.clone(), key.to_owned());
    session.errands.spawn(move || {
        worker.origin.save(&key, &path);
        tell(&worker);
    });
}

/// Tells the user when origins cannot be kept.
fn tell(session: &Session) {
    for notice in session.origin.notices() {
        session.send(Out::Warn(notice));
    }
}

/// A range was looked at by a person; `keep`: it is yet to be written into the ledger.
pub fn reviewed(session: &Arc<Session>, key: &str, range: Range<usize>, author: String, keep: bool) {
    session.origin.review(key, range.clone());
    if !keep {
        return;
    }
    let Some(path) = session.snapshot(key).and_then(|s| s.path) else { return };
    let (worker, key) = (session.clone(), key.to_owned());
    session.errands.spawn(move || {
        worker.origin.keep_review(&key, &path, range, &author);
        tell(&worker);
    });
}

/// Much came in at once: a hook may have told why, or will.
pub fn ask_hooks(session: &Arc<Session>, key: &str) {
    let Some(path) = session.snapshot(key).and_then(|s| s.path) else { return };
    let (session, key) = (session.clone(), key.to_owned());
    tokio::spawn(async move {
        let from = tokio::time::Instant::now();
        for at in ASK_AFTER {
            tokio::time::sleep_until(from + at).await;
            let (worker, key, path) = (session.clone(), key.clone(), path.clone());
            let asked = session.errands.run(move || {
                let mut changed = false;
                for signal in worker.origin.hooked(&path).into_iter().chain(checked_out(&path)) {
                    changed |= worker.origin.told(&key, None, &signal);
                }
                if changed {
                    again(&worker, &key);
                }
            });
            let _ = asked.await;
        }
    });
}

/// What git put into a file if it changed the working tree just now.
fn checked_out(path: &Path) -> Option<Signal> {
    let place = Place::of(path)?;
    let time = last_checkout(place.top.as_ref()?).filter(|time| (now() - time).abs() <= JOIN_WINDOW)?;
    let mut repository = Repository::open(place.top.as_ref()?).ok()?;
    let head = repository.resolve("HEAD")?;
    let text = repository.text(&head, &place.name(path)?)?;
    Some(Signal { origin: Origin::new(Kind::Checkout, Evidence::Git, time), about: About::text(&text), time })
}

/// What is foreign in a document is something else now: it is judged anew.
pub fn again(session: &Arc<Session>, key: &str) {
    session.rejudge(key);
    work::wake(session, key);
}

/// What an editor that knows more says of a change, before it or after it. All texts are optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Told {
    /// `pasted`, `own-copy`, `completion`, `agent`, `tool`, `generated`, `checkout`; also `paste`, `inline-accept`,
    /// `agent-edit`, `format`, `refactor`, `reload`.
    pub kind: String,
    /// Of a paste: `external`, `internal` or `unknown`.
    pub source: String,
    /// The text, when its place is not known yet.
    pub text: String,
    /// Who made it.
    pub provider: String,
    #[allow(missing_docs)]
    pub model: String,
    /// Session or conversation.
    pub session_id: String,
}

impl Told {
    /// The kind of origin. `None`: it says nothing.
    pub fn kind(&self) -> Option<Kind> {
        Some(match (self.kind.as_str(), self.source.as_str()) {
            ("paste" | "pasted", "internal") => Kind::OwnCopy,
            ("paste" | "pasted", "unknown") => return None,
            ("paste", _) => Kind::Pasted,
            ("inline-accept", _) => Kind::Completion,
            ("agent-edit", _) => Kind::Agent,
            ("format" | "refactor", _) => Kind::Tool,
            ("reload", _) => Kind::Checkout,
            (word, _) => word.parse().ok().filter(|k| !matches!(k, Kind::Unknown | Kind::Typed))?,
        })
    }
}

/// Takes what an editor told about a document at this time. `range` are bytes of its present text, when the place is known.
pub fn told(session: &Arc<Session>, key: &str, told: &Told, range: Option<Range<usize>>, time: i64) {
    let Some(kind) = told.kind() else { return };
    if range.is_none() && told.text.is_empty() && kind != Kind::Checkout {
        return;
    }
    // A copy of foreign text stays foreign; the search for its source knows better than the clipboard.
    if kind == Kind::OwnCopy && session.origin.is_known(&told.text) {
        return;
    }
    let origin = Origin::new(kind, Evidence::Editor, time).by(&told.provider, &told.model, &told.session_id);
    let about = if told.text.is_empty() { About::Reload } else { About::text(&told.text) };
    if session.origin.told(key, range, &Signal { origin, about, time }) {
        again(session, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(at: usize, deleted: &str, inserted: &str) -> Taken {
        Taken { at, deleted: deleted.into(), inserted: inserted.into(), lines: inserted.into() }
    }

    const CODE: &str = "def f(x):\n    y = g(x)\n    z = h(y)\n    return z\n";

    #[test]
    fn a_paste_is_foreign_and_a_copy_is_not() {
        let p = Provenance::default();
        let foreign = |key: &str| super::foreign(&p.regions(key));
        let rope = Rope::from_str(CODE);
        p.open("a", &rope);
        p.open("b", &Rope::from_str(""));
        assert!(matches!(foreign("a"), Foreign::None), "what was there is not foreign");
        p.change("b", &[taken(0, "", CODE)], &rope, now());
        assert!(matches!(foreign("b"), Foreign::None), "a copy of what was there");
        let other = "def other(x):\n    first = one(x)\n    second = two(first)\n    return second\n";
        let both = Rope::from_str(&format!("{CODE}{other}"));
        assert!(p.change("b", &[taken(CODE.len(), "", other)], &both, now()));
        assert!(foreign("b").touches(&(CODE.len()..CODE.len() + 1)) && !foreign("b").touches(&(0..CODE.len())));
        p.relabel("b", CODE.len()..both.len_bytes(), Kind::Typed, "me");
        assert!(matches!(foreign("b"), Foreign::None));
    }

    #[test]
    fn what_was_saved_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join(".git/objects")).unwrap();
        std::fs::write(folder.path().join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        let path = folder.path().join("a.py");
        let rope = Rope::from_str(CODE);
        {
            let p = Provenance::default();
            p.open("a", &Rope::from_str(""));
            p.change("a", &[taken(0, "", CODE)], &rope, now());
            p.save("a", &path);
            p.save("a", &path);
            let (ledger, name) = p.ledger(&path).unwrap();
            assert_eq!(ledger.query(&Query::file(&name)).unwrap().len(), 1, "nothing is written twice");
        }
        let p = Provenance::default();
        let moved = Rope::from_str(&format!("import os\n\n{CODE}"));
        p.open("a", &moved);
        assert!(p.restore("a", &path));
        let regions = p.regions("a");
        let told: Vec<_> = regions.iter().map(|r| (r.range.clone(), r.origin.evidence)).collect();
        assert_eq!(told, [(0..11, Evidence::Offline), (11..11 + CODE.len(), Evidence::Burst)]);
        assert!(regions.iter().all(|r| !r.reviewed));
        // What git brought meanwhile is not what somebody did unseen.
        std::fs::create_dir(folder.path().join(".git/logs")).unwrap();
        let id = "0".repeat(40);
        let log = format!("{id} {id} A <a@b> {} +0000\tpull: Fast-forward\n", now() / 1000 + 1);
        std::fs::write(folder.path().join(".git/logs/HEAD"), log).unwrap();
        p.open("a", &moved);
        assert!(p.restore("a", &path));
        assert_eq!(p.regions("a").len(), 1);
    }

    #[test]
    fn a_part_of_a_line_is_known_again() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join(".git/objects")).unwrap();
        std::fs::write(folder.path().join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        let path = folder.path().join("a.py");
        let rope = Rope::from_str(CODE);
        let place = CODE.find("h(y)").unwrap();
        {
            let p = Provenance::default();
            p.open("a", &rope);
            p.relabel("a", place..place + 4, Kind::Agent, "ann");
            p.save("a", &path);
        }
        let p = Provenance::default();
        p.open("a", &rope);
        assert!(p.restore("a", &path));
        let regions = p.regions("a");
        assert_eq!((regions.len(), &regions[0].range, &*regions[0].origin.author), (1, &(place..place + 4), "ann"));
    }
}
