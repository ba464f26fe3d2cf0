//! The database's tables and how an older version becomes the current one.

use super::LedgerError;
use rusqlite::{Connection, TransactionBehavior};

/// Statements that lead from version `n` to `n + 1`. Only ever add to the end: ledgers of every version are about.
const MIGRATIONS: &[&str] = &[
    "CREATE TABLE event (
        seq INTEGER PRIMARY KEY,
        time INTEGER NOT NULL,
        action TEXT NOT NULL,
        file TEXT NOT NULL,
        origin TEXT NOT NULL,
        confidence INTEGER NOT NULL,
        tool TEXT NOT NULL,
        model TEXT NOT NULL,
        session TEXT NOT NULL,
        call TEXT NOT NULL,
        evidence TEXT NOT NULL,
        line INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        text_hash BLOB NOT NULL,
        lines BLOB NOT NULL,
        hash BLOB NOT NULL
    ) STRICT;
    CREATE INDEX event_file ON event (file, seq);
    CREATE TABLE anchor (
        id INTEGER PRIMARY KEY CHECK (id = 0),
        seq INTEGER NOT NULL,
        hash BLOB NOT NULL,
        head INTEGER NOT NULL,
        head_hash BLOB NOT NULL
    ) STRICT;
    INSERT INTO anchor VALUES (0, 0, zeroblob(32), 0, zeroblob(32));",
    "CREATE INDEX event_time ON event (time);
    CREATE INDEX event_session ON event (session, seq) WHERE session <> '';",
    "CREATE TABLE state (
        file TEXT PRIMARY KEY,
        time INTEGER NOT NULL,
        lines BLOB NOT NULL,
        runs BLOB NOT NULL,
        origins TEXT NOT NULL
    ) STRICT;
    CREATE INDEX state_time ON state (time);",
];

/// Brings the database to the current version. Several processes may do so at once.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), LedgerError> {
    let newest = MIGRATIONS.len() as i64;
    let version = |c: &Connection| c.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    if version(connection)? == newest {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    let todo = usize::try_from(found).ok().and_then(|n| MIGRATIONS.get(n..)).ok_or(LedgerError::Newer(found))?;
    for statements in todo {
        transaction.execute_batch(statements)?;
    }
    transaction.pragma_update(None, "user_version", newest)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_ledger_keeps_its_events() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
            .execute("INSERT INTO event VALUES (1, 5, 'insert', 'a', 'agent', 99, '', '', '', '', '', 0, 0, x'', x'', x'')", [])
            .unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        let version: i64 = connection.query_row("PRAGMA user_version", [], |r| r.get(0)).unwrap();
        assert_eq!(version, MIGRATIONS.len() as i64);
        let time: i64 = connection.query_row("SELECT time FROM event", [], |r| r.get(0)).unwrap();
        assert_eq!(time, 5);
    }

    #[test]
    fn a_newer_ledger_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(migrate(&mut connection), Err(LedgerError::Newer(99))));
    }
}
