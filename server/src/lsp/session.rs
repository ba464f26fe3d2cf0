//! The state of a session: open documents and what is known about them. Only synchronous methods: a handler calls one
//! of them before its first `.await`, so that messages take effect in the order in which they arrived.

use super::{
    announced::Announced,
    answer::Answer,
    document::{Change, Document, Splice, Stamp},
    home::{Home, Homes},
    origin::{Known, Provenance, Region},
    publish::Out,
    slate::Slate,
    threads::Pool,
    ward::Wards,
};
use dashmap::DashMap;
use qualm_engine::{Cache, Language};
use ropey::Rope;
use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::AbortHandle,
};
use tower_lsp::{UriExt, lsp_types::Uri};
use tree_sitter::Tree;

/// This many documents keep their trees and caches; the others are parsed anew when they are touched again.
const WARM: usize = 8;

/// Locks a mutex whose data stays sound when a holder panics.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See the module.
pub struct Session {
    announced: OnceLock<Announced>,
    documents: DashMap<String, Document>,
    epochs: AtomicU64,
    warm: Mutex<VecDeque<String>>,
    /// Projects.
    pub homes: Homes,
    /// Where the text of open documents came from.
    pub origin: Provenance,
    /// To the task that talks to the client.
    pub out: mpsc::UnboundedSender<Out>,
    /// How many analyses may run at a time.
    pub slots: Semaphore,
    /// See `slots`.
    pub slot_count: u32,
    /// What is under way, for who asks after the process died.
    pub slate: Arc<Slate>,
    /// What earlier processes died of.
    pub wards: Wards,
    /// What waits runs here, also when other threads begin it.
    pub runtime: tokio::runtime::Handle,
    /// Analyses of open documents.
    pub analysts: Pool,
    /// Everything else that runs the engine: rewrites, and the files of the workspace.
    pub helpers: Pool,
    /// What reads and writes files.
    pub errands: Pool,
    /// `shutdown` was asked for.
    pub shut_down: AtomicBool,
    /// The engine's panic was told.
    pub panic_told: AtomicBool,
}

/// A document at one moment.
pub struct Snapshot {
    /// The document.
    pub key: String,
    #[allow(missing_docs)]
    pub uri: Uri,
    #[allow(missing_docs)]
    pub path: Option<PathBuf>,
    #[allow(missing_docs)]
    pub language: Option<Language>,
    #[allow(missing_docs)]
    pub rope: Rope,
    /// A tree to parse from, or the text's own.
    pub tree: Option<Tree>,
    /// `tree` is the text's own.
    pub tree_is_current: bool,
    #[allow(missing_docs)]
    pub stamp: Stamp,
    /// See [`Document::desynced`].
    pub desynced: bool,
    /// The document's answers, as they come.
    pub answers: watch::Receiver<Option<Arc<Answer>>>,
    /// The document's cache.
    pub cache: Arc<Mutex<Cache>>,
    /// Its foreign regions.
    pub regions: Vec<Region>,
}

/// An analysis to be made.
pub struct Job {
    /// Of this text.
    pub snapshot: Snapshot,
    /// The last answer and the edits since.
    pub before: Option<Arc<Answer>>,
    /// See `before`.
    pub splices: Vec<Splice>,
    /// Set when the result became useless.
    pub cancel: Arc<AtomicBool>,
    /// An answer for this very text was given that has yet to be completed, or none at all: patience is allowed.
    pub patient: bool,
    /// The text is to be analysed as a whole, not just what was edited.
    pub whole: bool,
    /// When the text last changed.
    pub changed: Instant,
}

/// What a change means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// The document is to be analysed.
    pub analyse: bool,
    /// More came in at once than a hand brings.
    pub burst: bool,
}

/// What happened when an answer was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installed {
    /// The document changed meanwhile; nothing was done.
    Stale,
    /// It is the document's answer now.
    Current {
        /// The client could not know that it should ask again, and the diagnostics are others than before.
        unasked: bool,
    },
}

impl Session {
    /// An empty session whose messages to the client go to `out`. Called within the runtime that serves.
    pub fn new(out: mpsc::UnboundedSender<Out>, slate: Arc<Slate>, supervised: bool) -> Self {
        let slots = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 4);
        Self {
            announced: OnceLock::new(),
            documents: DashMap::new(),
            epochs: AtomicU64::new(0),
            warm: Mutex::default(),
            homes: Homes::default(),
            origin: Provenance::new(supervised),
            out,
            slots: Semaphore::new(slots),
            slot_count: slots as u32,
            slate,
            wards: Wards::default(),
            runtime: tokio::runtime::Handle::current(),
            analysts: Pool::of_engines("analysis", slots),
            helpers: Pool::of_engines("helper", 2),
            errands: Pool::of_errands("errand", 2),
            shut_down: AtomicBool::new(false),
            panic_told: AtomicBool::new(false),
        }
    }

    /// The client's abilities; none before `initialize`.
    pub fn announced(&self) -> &Announced {
        static NONE: OnceLock<Announced> = OnceLock::new();
        self.announced.get().unwrap_or_else(|| NONE.get_or_init(Announced::default))
    }

    /// Notes the client's abilities; the first call counts.
    pub fn announce(&self, announced: Announced) {
        let _ = self.announced.set(announced);
    }

    /// Hands a message to the task that talks to the client.
    pub fn send(&self, out: Out) {
        // The receiver lives as long as the server does.
        let _ = self.out.send(out);
    }

    /// The project of a file; may read files.
    pub fn home(&self, path: Option<&Path>) -> Arc<Home> {
        let (home, news) = self.homes.of(path);
        if let Some(problems) = news {
            self.send(Out::Problems(problems));
        }
        home
    }

    fn next_epoch(&self) -> u64 {
        self.epochs.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A document was opened.
    pub fn open(&self, uri: Uri, language_id: &str, version: i32, text: &str) {
        let path = (uri.scheme().is_some_and(|s| s.as_str().eq_ignore_ascii_case("file"))).then(|| uri.to_file_path()).flatten();
        // The project names files by their real place; a file that does not exist yet is where it says.
        let path = path.map(|p| p.canonicalize().unwrap_or_else(|_| p.into_owned()));
        let language = Language::by_id(language_id).or_else(|| Language::by_path(uri.path().as_str()));
        let stamp = Stamp { version, epoch: self.next_epoch() };
        let document = Document::new(uri, path, language, stamp, text);
        if let Some(path) = &document.path {
            self.homes.texts.set(path, &document.uri, &document.rope);
        }
        self.origin.open(document.uri.as_str(), &document.rope);
        self.documents.insert(document.uri.as_str().to_owned(), document);
    }

    /// A document changed, at this time in milliseconds since 1970.
    pub fn change(&self, key: &str, version: i32, changes: &[Change], time: i64) -> Changed {
        let Some(mut document) = self.documents.get_mut(key) else { return Changed::default() };
        if let Err(error) = document.change(version, changes, self.announced().encoding) {
            tracing::warn!("the client's copy of a document and ours differ ({error}); waiting for its full text");
        }
        if let Some(path) = &document.path {
            self.homes.texts.set(path, &document.uri, &document.rope);
        }
        let burst = self.origin.change(key, &document.taken, &document.rope, time);
        document.taken.clear();
        Changed { analyse: !document.desynced, burst }
    }

    /// What is known of where a document's text came from, for a server that comes after this one.
    pub fn known(&self, key: &str) -> Option<Known> {
        // While the document is held, its text and its origins belong together.
        let document = self.documents.get(key)?;
        self.origin.known(key, document.stamp.version)
    }

    /// What is foreign in a document changed: its answer no longer holds.
    pub fn rejudge(&self, key: &str) {
        if let Some(mut document) = self.documents.get_mut(key) {
            document.stamp.epoch = self.next_epoch();
            document.cancel.store(true, Ordering::Relaxed);
        }
    }

    /// A document was closed; gives it back if it was open.
    pub fn close(&self, key: &str) -> Option<Document> {
        let (_, document) = self.documents.remove(key)?;
        document.cancel.store(true, Ordering::Relaxed);
        if let Some(timer) = &document.settle {
            timer.abort();
        }
        if let Some(path) = &document.path {
            self.homes.texts.remove(path);
        }
        lock(&self.warm).retain(|k| k != key);
        self.origin.close(key);
        Some(document)
    }

    /// The document as it is now.
    pub fn snapshot(&self, key: &str) -> Option<Snapshot> {
        self.documents.get(key).map(|d| self.snapshot_of(key, &d))
    }

    /// All open documents, those first that changed last.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<(Instant, String)> = self.documents.iter().map(|d| (d.changed, d.key().clone())).collect();
        keys.sort_by(|a, b| b.cmp(a));
        keys.into_iter().map(|(_, key)| key).collect()
    }

    /// True for the first who asks since the document was last at rest: the caller must then work on it.
    pub fn claim(&self, key: &str) -> bool {
        self.documents.get_mut(key).is_some_and(|mut d| !std::mem::replace(&mut d.busy, true))
    }

    /// The analysis to be made next, or `None`: the document is at rest and no longer claimed.
    pub fn next_job(&self, key: &str) -> Option<Job> {
        let mut document = self.documents.get_mut(key)?;
        let d = &mut *document;
        let before = d.answers.borrow().clone();
        let answered = before.as_ref().is_some_and(|a| a.stamp == d.stamp);
        let enough = |a: &Arc<Answer>| a.complete && !(a.quick && d.paused);
        if d.desynced || (answered && before.as_ref().is_some_and(enough)) {
            d.busy = false;
            return None;
        }
        d.cancel = Arc::default();
        Some(Job {
            splices: d.splices.clone(),
            cancel: d.cancel.clone(),
            // Without an answer there is nothing to show meanwhile.
            patient: answered || before.is_none(),
            whole: d.paused,
            before,
            changed: d.changed,
            snapshot: self.snapshot_of(key, d),
        })
    }

    /// When a document's text last changed.
    pub fn changed(&self, key: &str) -> Option<Instant> {
        self.documents.get(key).map(|d| d.changed)
    }

    /// Hands in an answer, and the text's tree, which is kept for the next parse.
    pub fn install(&self, key: &str, answer: Answer, tree: Option<Tree>) -> Installed {
        let Some(mut document) = self.documents.get_mut(key) else { return Installed::Stale };
        let d = &mut *document;
        if d.stamp != answer.stamp || d.desynced {
            return Installed::Stale;
        }
        if let Some(tree) = tree {
            d.tree = Some(tree);
            d.tree_is_current = true;
        }
        d.splices.clear();
        let before = d.answers.send_replace(Some(Arc::new(answer)));
        let now = d.answers.borrow();
        let unasked = before.zip(now.as_ref()).is_some_and(|(b, n)| b.stamp.version == n.stamp.version && b.id != n.id);
        Installed::Current { unasked }
    }

    /// The answer of the document's present text.
    pub fn current(&self, key: &str) -> Option<(Uri, Arc<Answer>)> {
        let document = self.documents.get(key)?;
        let answer = document.answers.borrow().clone()?;
        (answer.stamp == document.stamp && !document.desynced).then(|| (document.uri.clone(), answer))
    }

    /// Keeps the timer that ends the patience with half-typed code.
    pub fn set_settle(&self, key: &str, stamp: Stamp, timer: AbortHandle) {
        match self.documents.get_mut(key) {
            Some(mut d) if d.stamp == stamp => {
                if let Some(old) = d.settle.replace(timer) {
                    old.abort();
                }
            }
            _ => timer.abort(),
        }
    }

    /// The author of this text paused: an answer made from what was edited is not enough any more.
    pub fn pause(&self, key: &str, stamp: Stamp) {
        if let Some(mut d) = self.documents.get_mut(key).filter(|d| d.stamp == stamp) {
            d.paused = true;
        }
    }

    /// The first call for a document says true.
    pub fn first_give_up(&self, key: &str) -> bool {
        self.documents.get_mut(key).is_some_and(|mut d| !std::mem::replace(&mut d.gave_up, true))
    }

    /// The world around these documents changed: their answers no longer hold. Tells which must be analysed again.
    pub fn invalidate(&self, concerned: impl Fn(Option<&Path>, Option<&Answer>) -> bool) -> Vec<String> {
        let mut keys = Vec::new();
        for mut document in self.documents.iter_mut() {
            let (key, d) = document.pair_mut();
            let answer = d.answers.borrow().clone();
            if concerned(d.path.as_deref(), answer.as_deref()) {
                d.stamp.epoch = self.next_epoch();
                d.cancel.store(true, Ordering::Relaxed);
                keys.push(key.clone());
            }
        }
        keys
    }

    /// Whether the answer of an open document had help from the file of this name.
    pub fn any_depends_on(&self, name: &str) -> bool {
        self.documents.iter().any(|d| d.answers.borrow().as_ref().is_some_and(|a| a.depends_on.iter().any(|n| **n == *name)))
    }

    /// Notes that a document was worked on, and lets go of what is kept of the one not touched for longest.
    pub fn warmed(&self, key: &str) {
        let cold = {
            let mut warm = lock(&self.warm);
            if warm.front().is_some_and(|k| k == key) {
                return;
            }
            warm.retain(|k| k != key);
            warm.push_front(key.to_owned());
            if warm.len() > WARM { warm.pop_back() } else { None }
        };
        if let Some(mut document) = cold.and_then(|key| self.documents.get_mut(&key)) {
            document.tree = None;
            document.tree_is_current = false;
            // Whoever works on it right now keeps the old cache until done.
            document.cache = Arc::default();
        }
    }

    fn snapshot_of(&self, key: &str, d: &Document) -> Snapshot {
        Snapshot {
            key: key.to_owned(),
            uri: d.uri.clone(),
            path: d.path.clone(),
            language: d.language,
            rope: d.rope.clone(),
            tree: d.tree.clone(),
            tree_is_current: d.tree_is_current,
            stamp: d.stamp,
            desynced: d.desynced,
            answers: d.answers.subscribe(),
            cache: d.cache.clone(),
            regions: self.origin.regions(key),
        }
    }
}
