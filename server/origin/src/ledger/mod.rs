//! The ledger: what is known about where text came from, kept across restarts and shared by every process of qualm.
//!
//! An SQLite database in write-ahead mode. Appending waits its turn among processes; what several threads append
//! meanwhile becomes one transaction. Where the place cannot be written the ledger goes on in memory and says so once.
//! It holds no source text: hashes, lengths and line fingerprints only (see [`event`]).

mod belief;
pub mod event;
mod place;
mod schema;
mod state;
mod store;
mod verify;

pub use event::{Action, Event, Hash, Record};
pub use place::{Place, common_folder, last_checkout, resolved};
pub use state::State;
pub use verify::Report;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use store::Store;

/// What an acknowledged event survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, however violent. A power cut may take the last events, never the rest.
    Process,
    /// A power cut too; each acknowledgement waits for the disk.
    Power,
}

/// How a ledger is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What acknowledged events survive.
    pub durability: Durability,
    /// How long a write waits for other processes.
    pub patience: Duration,
    /// How long one question or change may take, the waiting not counted.
    pub deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { durability: Durability::Power, patience: Duration::from_secs(5), deadline: Duration::from_secs(10) }
    }
}

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Other processes wrote longer than the patience lasted.
    #[error("other processes keep the ledger busy")]
    Busy,
    /// The place does not take it.
    #[error("{0}")]
    Place(String),
    /// It is no ledger, or damaged.
    #[error("it is damaged or no database")]
    Broken,
    /// It is a database, but not one that this program made: it holds tables, views or triggers of others.
    #[error("it holds other things than a ledger does, so it is not used")]
    Foreign,
    /// What was asked for took longer than [`Options::deadline`].
    #[error("it takes too long to answer")]
    Slow,
    /// A later version of qualm made it.
    #[error("a newer version of qualm wrote it (format {0})")]
    Newer(i64),
    /// Anything else the database said.
    #[error("{0}")]
    Database(String),
}

/// What to read; by default everything.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only this file, by its name in the ledger.
    pub file: Option<String>,
    /// Only this session.
    pub session: Option<String>,
    /// Only at or after this time (milliseconds since 1970).
    pub since: Option<i64>,
    /// Only before this time.
    pub until: Option<i64>,
    /// Only events with a greater sequence number.
    pub after: u64,
    /// At most so many, the newest ones.
    pub limit: Option<usize>,
}

impl Query {
    /// Everything about a file.
    pub fn file(name: &str) -> Self {
        Self { file: Some(name.to_owned()), ..Self::default() }
    }
}

/// The acknowledgement of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Sequence number of the newest event of the transaction.
    pub seq: u64,
    /// Whether it is on disk; in memory it ends with the process.
    pub durable: bool,
}

/// An open ledger; every method may be called from any thread.
#[derive(Debug)]
pub struct Ledger {
    stores: Mutex<Stores>,
    waiting: Mutex<Vec<Waiting>>,
    notice: OnceLock<Notice>,
    shown: String,
}

#[derive(Debug)]
struct Stores {
    disk: Option<Store>,
    memory: Option<Store>,
    /// The disk took no more: later events go to memory, earlier ones are still read from disk.
    full: bool,
}

/// Why the ledger is in memory.
#[derive(Debug)]
struct Notice {
    reason: String,
    text: String,
}

#[derive(Debug)]
struct Waiting {
    events: Vec<Event>,
    answer: Arc<OnceLock<Result<Receipt, LedgerError>>>,
}

impl Ledger {
    /// Opens the ledger of a place, or one in memory where that cannot be (see [`Ledger::notice`]).
    pub fn open(place: Option<&Place>, options: Options) -> Self {
        match place {
            // A repository may come with a download, and with a folder for the ledger that leads anywhere.
            Some(Place { file, top: Some(_) }) if file.parent().is_some_and(Path::is_symlink) => {
                Self::in_memory("its folder is a link, and such are not written through", file.display().to_string())
            }
            Some(place) => Self::open_file(&place.file, options),
            None => Self::in_memory("there is neither a repository nor a home folder to keep it in", String::new()),
        }
    }

    /// Opens a ledger by its file.
    pub fn open_file(file: &Path, options: Options) -> Self {
        let shown = file.display().to_string();
        match Store::open(file, options) {
            Ok(store) => Self::with(Stores { disk: Some(store), memory: None, full: false }, shown),
            Err(error) => Self::in_memory(&error.to_string(), shown),
        }
    }

    fn in_memory(why: &str, shown: String) -> Self {
        let ledger = Self::with(Stores { disk: None, memory: None, full: true }, shown);
        ledger.say(why);
        ledger
    }

    fn with(stores: Stores, shown: String) -> Self {
        Self { stores: Mutex::new(stores), waiting: Mutex::default(), notice: OnceLock::new(), shown }
    }

    fn say(&self, why: &str) {
        let place = if self.shown.is_empty() { String::new() } else { format!(" ({})", self.shown) };
        let reason = format!("{why}{place}");
        let text = format!("origins are kept in memory only and end with this process: {reason}");
        let _ = self.notice.set(Notice { reason, text });
    }

    /// Why the ledger is in memory, once it is: one sentence for the user.
    pub fn notice(&self) -> Option<&str> {
        self.notice.get().map(|n| n.text.as_str())
    }

    /// The reason alone, and the file: for who only wants to read.
    pub fn fault(&self) -> Option<&str> {
        self.notice.get().map(|n| n.reason.as_str())
    }

    /// Appends events in order, all or none. When this returns they are kept as [`Receipt::durable`] and the
    /// [`Durability`] say. Fails if other processes keep the ledger busy beyond the patience.
    pub fn append(&self, events: &[Event]) -> Result<Receipt, LedgerError> {
        let answer = Arc::new(OnceLock::new());
        lock(&self.waiting).push(Waiting { events: events.to_vec(), answer: Arc::clone(&answer) });
        let mut stores = lock(&self.stores);
        // Whoever held the lock meanwhile may have written these events along with its own.
        if let Some(answer) = answer.get() {
            return answer.clone();
        }
        let batch = std::mem::take(&mut *lock(&self.waiting));
        let outcome = self.commit(&mut stores, &batch);
        for waiting in &batch {
            let _ = waiting.answer.set(outcome.clone());
        }
        outcome
    }

    fn commit(&self, stores: &mut Stores, batch: &[Waiting]) -> Result<Receipt, LedgerError> {
        let events = || batch.iter().flat_map(|w| &w.events);
        if let (Some(disk), false) = (&mut stores.disk, stores.full) {
            match disk.append(events()) {
                Ok(seq) => return Ok(Receipt { seq, durable: true }),
                Err(LedgerError::Busy) => return Err(LedgerError::Busy),
                Err(error) => {
                    stores.full = true;
                    self.say(&error.to_string());
                }
            }
        }
        let memory = match &mut stores.memory {
            Some(memory) => memory,
            none => none.insert(Store::memory()?),
        };
        Ok(Receipt { seq: memory.append(events())?, durable: false })
    }

    /// Reads events in the order of the chain: those on disk, then those in memory. Where there are more than can be
    /// borne, the newest.
    pub fn query(&self, query: &Query) -> Result<Vec<Record>, LedgerError> {
        let stores = lock(&self.stores);
        let mut found = Vec::new();
        for store in [&stores.disk, &stores.memory].into_iter().flatten() {
            found.extend(store.query(query)?);
        }
        found.drain(..found.len().saturating_sub(query.limit.unwrap_or(usize::MAX)));
        Ok(found)
    }

    /// Keeps what is known of a file now, instead of what was kept before.
    pub fn keep(&self, file: &str, state: &State) -> Result<(), LedgerError> {
        let stores = &mut *lock(&self.stores);
        let store = if stores.full { None } else { stores.disk.as_mut() };
        store.or(stores.memory.as_mut()).map_or(Ok(()), |store| store.keep(file, state))
    }

    /// What was kept of a file.
    pub fn state(&self, file: &str) -> Result<Option<State>, LedgerError> {
        let stores = lock(&self.stores);
        for store in [&stores.memory, &stores.disk].into_iter().flatten() {
            if let Some(state) = store.state(file)? {
                return Ok(Some(state));
            }
        }
        Ok(None)
    }

    /// Checks the whole chain.
    pub fn verify(&self) -> Result<Report, LedgerError> {
        let mut stores = lock(&self.stores);
        let stores = &mut *stores;
        match stores.disk.as_mut().or(stores.memory.as_mut()) {
            Some(store) => verify::verify(store),
            None => verify::verify(&mut Store::memory()?),
        }
    }

    /// Waits until the disk has everything, whatever the [`Durability`].
    pub fn sync(&self) -> Result<(), LedgerError> {
        lock(&self.stores).disk.as_ref().map_or(Ok(()), Store::sync)
    }

    /// Removes the oldest events, up to the first one at or after `before`; the chain stays whole from there on and
    /// records the removal. Times are milliseconds since 1970. How many were removed.
    pub fn prune(&self, before: i64, now: i64) -> Result<u64, LedgerError> {
        lock(&self.stores).disk.as_mut().map_or(Ok(0), |disk| disk.prune(before, now))
    }
}

/// A thread that panicked elsewhere does not take the ledger down: every change is one transaction.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
