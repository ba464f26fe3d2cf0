//! The database's tables and how an older version becomes the current one.

use super::LedgerError;
use rusqlite::{Connection, TransactionBehavior};
use std::sync::OnceLock;

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

/// An object of a database: its type, name, table and the statement that made it.
type Part = (String, String, String, Option<String>);

/// Whether a database holds what a ledger of its version holds, and nothing else: views and triggers of a forged one
/// would be programs that run in this process, and further tables and indices cost what they like.
fn is_ours(connection: &Connection, version: i64) -> Result<bool, LedgerError> {
    static OURS: OnceLock<Vec<Vec<Part>>> = OnceLock::new();
    let ours = match OURS.get() {
        Some(ours) => ours,
        None => {
            let made = made()?;
            OURS.get_or_init(|| made)
        }
    };
    let Some(ours) = usize::try_from(version).ok().and_then(|v| ours.get(v)) else { return Ok(false) };
    Ok(parts(connection, ours.len() + 1)? == *ours)
}

/// What every version holds.
fn made() -> Result<Vec<Vec<Part>>, LedgerError> {
    let connection = Connection::open_in_memory()?;
    let mut made = vec![Vec::new()];
    for statements in MIGRATIONS {
        connection.execute_batch(statements)?;
        made.push(parts(&connection, usize::MAX)?);
    }
    Ok(made)
}

fn parts(connection: &Connection, most: usize) -> Result<Vec<Part>, LedgerError> {
    let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name LIMIT ?")?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = statement.query_map([most], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Brings the database to the current version. Several processes may do so at once.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), LedgerError> {
    let newest = MIGRATIONS.len() as i64;
    let version = |c: &Connection| c.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    if version(connection)? == newest {
        return if is_ours(connection, newest)? { Ok(()) } else { Err(LedgerError::Foreign) };
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    let todo = usize::try_from(found).ok().and_then(|n| MIGRATIONS.get(n..)).ok_or(LedgerError::Newer(found))?;
    if !is_ours(&transaction, found)? {
        return Err(LedgerError::Foreign);
    }
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
    fn every_version_is_known_and_nothing_else_is() {
        for version in 0..=MIGRATIONS.len() {
            let made = || {
                let connection = Connection::open_in_memory().unwrap();
                MIGRATIONS[..version].iter().for_each(|m| connection.execute_batch(m).unwrap());
                connection.pragma_update(None, "user_version", version as i64).unwrap();
                connection
            };
            migrate(&mut made()).unwrap();
            let mut foreign = vec!["CREATE TABLE other (x)", "CREATE VIEW v AS SELECT 1"];
            if version > 0 {
                foreign.extend(["DROP TABLE anchor", "CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM event; END"]);
                foreign.extend(["CREATE INDEX more ON event (tool)", "DROP TABLE event; CREATE VIEW event AS SELECT 1", "ANALYZE"]);
                foreign.extend(["ALTER TABLE event ADD COLUMN more TEXT", "DROP INDEX event_file; CREATE INDEX event_file ON event (seq)"]);
            }
            for statements in foreign {
                let mut connection = made();
                connection.execute_batch(statements).unwrap();
                assert!(matches!(migrate(&mut connection), Err(LedgerError::Foreign)), "version {version}: {statements}");
            }
        }
    }

    #[test]
    fn a_newer_ledger_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(migrate(&mut connection), Err(LedgerError::Newer(99))));
    }
}
