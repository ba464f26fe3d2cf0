//! One SQLite database of events: opening, appending to the chain, reading.

use super::{
    Durability, LedgerError, Options, Query,
    event::{Action, Event, Hash, Record, lines_from_bytes, lines_to_bytes},
    schema,
};
use rusqlite::{
    Connection, ErrorCode, OpenFlags, Row, Transaction, TransactionBehavior,
    config::DbConfig,
    limits::Limit,
    params, params_from_iter,
    types::{ToSql, Value},
};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The write-ahead log is folded into the database when it has this many pages (4 KiB each).
const CHECKPOINT_PAGES: i64 = 4000;
/// No value of a row has more bytes.
const MAX_VALUE: i32 = 32 * 1024 * 1024;
/// The answer to a query has at most so many events, with at most so many line fingerprints in all.
const MAX_EVENTS: usize = 50_000;
const MAX_PRINTS: usize = 8_000_000;
/// The clock is looked at after so many of SQLite's instructions.
const LOOK: i32 = 10_000;
/// Looking at the whole of a ledger may take so many times as long as anything else.
const WHOLE: u32 = 60;

/// An open database.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    clock: Arc<Clock>,
}

/// When what is being done has to be done.
#[derive(Debug)]
struct Clock {
    started: Instant,
    allowance: Duration,
    /// Milliseconds since `started`.
    deadline: AtomicU64,
}

impl Clock {
    fn new(allowance: Duration) -> Self {
        let clock = Self { started: Instant::now(), allowance, deadline: AtomicU64::new(0) };
        clock.begin(1);
        clock
    }

    /// Something begins that may take so many times the allowance.
    fn begin(&self, times: u32) {
        let deadline = self.started.elapsed() + self.allowance * times;
        self.deadline.store(deadline.as_millis() as u64, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.started.elapsed().as_millis() as u64 >= self.deadline.load(Ordering::Relaxed)
    }
}

/// The two ends of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    /// The last event that was removed; its hash is what the first kept event continues.
    pub pruned: (u64, Hash),
    /// The newest event.
    pub head: (u64, Hash),
}

impl Store {
    /// Opens or makes the database. Waits up to `patience` for other processes, now and at every later write.
    pub fn open(file: &Path, options: Options) -> Result<Self, LedgerError> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|e| LedgerError::Place(e.to_string()))?;
        }
        // SQLite refuses links anywhere in the path, so those that lead to the folder are resolved first.
        let folder = file.parent().and_then(|f| f.canonicalize().ok());
        let file = folder.and_then(|f| Some(f.join(file.file_name()?))).unwrap_or_else(|| file.to_owned());
        // SQLite opens whatever bears the name, and may wait for ever for what a pipe has to say.
        for end in ["", "-wal", "-shm", "-journal"] {
            let mut name = file.clone().into_os_string();
            name.push(end);
            if std::fs::symlink_metadata(&name).is_ok_and(|m| !m.is_file()) {
                return Err(LedgerError::Place("it is not a regular file".to_owned()));
            }
        }
        let started = Instant::now();
        loop {
            match Self::try_open(&file, options) {
                // Changing to WAL does not wait for other processes that do the same.
                Err(LedgerError::Busy) if started.elapsed() < options.patience => std::thread::sleep(Duration::from_millis(2)),
                done => return done,
            }
        }
    }

    fn try_open(file: &Path, options: Options) -> Result<Self, LedgerError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(options.patience)?;
        let mut store = Self::guarded(connection, options.deadline)?;
        let connection = &store.connection;
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            return Err(LedgerError::Place("the file system cannot share memory between processes".to_owned()));
        }
        let level = match options.durability {
            Durability::Process => "NORMAL",
            Durability::Power => "FULL",
        };
        connection.pragma_update(None, "synchronous", level)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        // A hook opens and closes for one event; folding the log in each time would cost it two disk syncs.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        schema::migrate(&mut store.connection)?;
        Ok(store)
    }

    /// A database that ends with the process.
    pub fn memory() -> Result<Self, LedgerError> {
        let mut store = Self::guarded(Connection::open_in_memory()?, Options::default().deadline)?;
        schema::migrate(&mut store.connection)?;
        Ok(store)
    }

    /// Before anything of it is looked at: no program in it runs, and nothing takes longer or more than it may.
    fn guarded(mut connection: Connection, deadline: Duration) -> Result<Self, LedgerError> {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE)?;
        let clock = Arc::new(Clock::new(deadline));
        let asked = clock.clone();
        connection.progress_handler(LOOK, Some(move || asked.is_over()))?;
        Ok(Self { connection, clock })
    }

    /// Appends events as one transaction; the sequence number of the last one.
    pub fn append<'e>(&mut self, events: impl Iterator<Item = &'e Event>) -> Result<u64, LedgerError> {
        self.clock.begin(1);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let last = extend(&transaction, events)?;
        transaction.commit()?;
        Ok(last)
    }

    /// Folds the log into the database and waits until the disk has it.
    pub fn sync(&self) -> Result<(), LedgerError> {
        self.clock.begin(WHOLE);
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// The events a query asks for, in the order of the chain; the newest, if they are too many.
    pub fn query(&self, query: &Query) -> Result<Vec<Record>, LedgerError> {
        self.clock.begin(1);
        let mut sql = "SELECT * FROM event WHERE seq > ?".to_owned();
        let mut values = vec![Value::from(clamped(query.after))];
        let mut also = |condition: &str, value: Option<Value>| {
            if let Some(value) = value {
                sql.push_str(" AND ");
                sql.push_str(condition);
                values.push(value);
            }
        };
        also("file = ?", query.file.clone().map(Value::from));
        also("session = ? AND session <> ''", query.session.clone().map(Value::from));
        also("time >= ?", query.since.map(Value::from));
        also("time < ?", query.until.map(Value::from));
        sql.push_str(" ORDER BY seq DESC LIMIT ?");
        let most = query.limit.unwrap_or(MAX_EVENTS).min(MAX_EVENTS);
        values.push(Value::from(clamped(most as u64)));
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let (mut found, mut prints) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let record = record(row)?;
            prints += record.event.lines.len();
            if prints > MAX_PRINTS {
                break;
            }
            found.push(record);
        }
        found.reverse();
        Ok(found)
    }

    /// Calls `each` for every event in the order of the chain, all in one view of the database.
    pub fn each(&mut self, mut each: impl FnMut(Record)) -> Result<Anchor, LedgerError> {
        self.clock.begin(WHOLE);
        let transaction = self.connection.transaction()?;
        let anchor = anchor(&transaction)?;
        {
            let mut statement = transaction.prepare("SELECT * FROM event ORDER BY seq")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                each(record(row)?);
            }
        }
        Ok(anchor)
    }

    /// What SQLite says of the file's structure; empty if it is sound.
    pub fn structure(&self) -> Result<Vec<String>, LedgerError> {
        self.clock.begin(WHOLE);
        let mut statement = self.connection.prepare("PRAGMA quick_check(10)")?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        let rows: Vec<String> = rows.collect::<Result<_, _>>()?;
        Ok(rows.into_iter().filter(|r| r != "ok").collect())
    }

    /// For what is kept beside the chain.
    pub(super) fn connection(&self) -> &Connection {
        self.clock.begin(1);
        &self.connection
    }

    #[cfg(test)]
    pub fn limit_pages(&self, pages: u32) {
        self.connection.pragma_update(None, "max_page_count", pages).unwrap();
    }

    /// Removes the events before the first one at or after `time`, and records that. How many were removed.
    pub fn prune(&mut self, time: i64, now: i64) -> Result<u64, LedgerError> {
        self.clock.begin(WHOLE);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let ends = anchor(&transaction)?;
        transaction.execute("DELETE FROM state WHERE time < ?", [time])?;
        let kept: Option<i64> = transaction.query_row("SELECT min(seq) FROM event WHERE time >= ?", [time], |r| r.get(0))?;
        let kept = kept.unwrap_or_else(|| clamped(ends.head.0.saturating_add(1)));
        let last: Option<(i64, Vec<u8>)> = transaction
            .query_row("SELECT seq, hash FROM event WHERE seq < ? ORDER BY seq DESC LIMIT 1", [kept], |r| Ok((r.get(0)?, r.get(1)?)))
            .map(Some)
            .or_else(|e| if e == rusqlite::Error::QueryReturnedNoRows { Ok(None) } else { Err(e) })?;
        let Some((last, hash)) = last else {
            transaction.commit()?;
            return Ok(0);
        };
        let removed = transaction.execute("DELETE FROM event WHERE seq <= ?", [last])? as u64;
        transaction.execute("UPDATE anchor SET seq = ?, hash = ?", params![last, hash])?;
        let event = Event { time: now, action: Action::Prune, origin: String::new(), bytes: removed, ..Event::default() };
        extend(&transaction, std::iter::once(&event))?;
        transaction.commit()?;
        Ok(removed)
    }
}

fn extend<'e>(transaction: &Transaction<'_>, events: impl Iterator<Item = &'e Event>) -> Result<u64, LedgerError> {
    let (mut seq, mut hash) = anchor(transaction)?.head;
    {
        let mut insert = transaction.prepare_cached("INSERT INTO event VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")?;
        for event in events {
            let event = event.bounded();
            seq += 1;
            hash = event.chained(&hash);
            let values: [&dyn ToSql; 16] = [
                &clamped(seq),
                &event.time,
                &event.action.as_str(),
                &event.file,
                &event.origin,
                &event.confidence,
                &event.tool,
                &event.model,
                &event.session,
                &event.call,
                &event.evidence,
                &event.line,
                &clamped(event.bytes),
                &event.hash.as_slice(),
                &lines_to_bytes(&event.lines),
                &hash.as_slice(),
            ];
            insert.execute(values.as_slice())?;
        }
    }
    let mut head = transaction.prepare_cached("UPDATE anchor SET head = ?, head_hash = ?")?;
    head.execute(params![clamped(seq), hash.as_slice()])?;
    Ok(seq)
}

fn anchor(connection: &Connection) -> Result<Anchor, LedgerError> {
    let mut statement = connection.prepare_cached("SELECT seq, hash, head, head_hash FROM anchor")?;
    let anchor = statement.query_row([], |row| {
        let end = |at: usize| Ok::<_, rusqlite::Error>((row.get::<_, i64>(at)?.max(0) as u64, hash(&row.get::<_, Vec<u8>>(at + 1)?)));
        Ok(Anchor { pruned: end(0)?, head: end(2)? })
    })?;
    Ok(anchor)
}

fn record(row: &Row<'_>) -> Result<Record, rusqlite::Error> {
    let text = |at: usize| row.get::<_, String>(at);
    let event = Event {
        time: row.get(1)?,
        action: Action::parse(&text(2)?),
        file: text(3)?,
        origin: text(4)?,
        confidence: row.get(5)?,
        tool: text(6)?,
        model: text(7)?,
        session: text(8)?,
        call: text(9)?,
        evidence: text(10)?,
        line: row.get(11)?,
        bytes: row.get::<_, i64>(12)?.max(0) as u64,
        hash: hash(&row.get::<_, Vec<u8>>(13)?),
        lines: lines_from_bytes(&row.get::<_, Vec<u8>>(14)?),
    };
    Ok(Record { seq: row.get::<_, i64>(0)?.max(0) as u64, event, hash: hash(&row.get::<_, Vec<u8>>(15)?) })
}

/// A hash of the right length, or zeros, which no text has.
fn hash(bytes: &[u8]) -> Hash {
    bytes.try_into().unwrap_or([0; 32])
}

fn clamped(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LedgerError::Busy,
            Some(ErrorCode::OperationInterrupted) => LedgerError::Slow,
            Some(ErrorCode::DiskFull) => LedgerError::Place("the disk is full".to_owned()),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                LedgerError::Place("it cannot be written".to_owned())
            }
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => LedgerError::Broken,
            _ => LedgerError::Database(error.to_string()),
        }
    }
}
