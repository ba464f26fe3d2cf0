//! The ledger in one process; what killing processes does to it is in `tests/killed.rs`.

use super::*;
use rusqlite::Connection;

fn event(n: u32) -> Event {
    Event { time: i64::from(n) * 1000, file: format!("src/{}.py", n % 3), session: format!("s{}", n % 2), ..Event::default() }
        .with_text(&format!("x = {n}\n"))
}

fn on_disk() -> (tempfile::TempDir, std::path::PathBuf, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("qualm/ledger.sqlite");
    let ledger = Ledger::open_file(&file, Options::default());
    assert_eq!(ledger.notice(), None);
    (folder, file, ledger)
}

#[test]
fn what_was_appended_is_found_again() {
    let (_folder, file, ledger) = on_disk();
    let events: Vec<Event> = (0..10).map(event).collect();
    assert_eq!(ledger.append(&events[..6]).unwrap(), Receipt { seq: 6, durable: true });
    assert_eq!(ledger.append(&events[6..]).unwrap().seq, 10);
    drop(ledger);
    let ledger = Ledger::open_file(&file, Options::default());
    let times = |q: Query| ledger.query(&q).unwrap().iter().map(|r| r.event.time / 1000).collect::<Vec<_>>();
    assert_eq!(ledger.query(&Query::default()).unwrap().into_iter().map(|r| r.event).collect::<Vec<_>>(), events);
    assert_eq!(times(Query::file("src/1.py")), [1, 4, 7]);
    assert_eq!(times(Query { session: Some("s1".into()), ..Query::default() }), [1, 3, 5, 7, 9]);
    assert_eq!(times(Query { since: Some(3000), until: Some(5000), ..Query::default() }), [3, 4]);
    assert_eq!(times(Query { after: 8, ..Query::default() }), [8, 9]);
    assert_eq!(times(Query { limit: Some(2), ..Query::default() }), [8, 9]);
    let report = ledger.verify().unwrap();
    assert!(report.sound() && report.events == 10 && report.head.0 == 10, "{report:?}");
}

#[test]
fn threads_share_transactions_and_lose_nothing() {
    let (_folder, file, ledger) = on_disk();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..25).for_each(|n| assert!(ledger.append(&[event(n), event(n + 1)]).unwrap().durable)));
        }
    });
    let other = Ledger::open_file(&file, Options::default());
    assert_eq!(other.append(&[event(1)]).unwrap().seq, 401);
    assert_eq!(ledger.verify().unwrap().faults, Vec::<String>::new());
}

#[test]
fn any_tampering_is_named() {
    let attempts = [
        ("UPDATE event SET model = 'other' WHERE seq = 4", "event 4 was changed"),
        ("UPDATE event SET model = 'other' WHERE seq = 1", "event 1 was changed"),
        ("UPDATE event SET lines = x'' WHERE seq = 9", "event 9 was changed"),
        ("DELETE FROM event WHERE seq = 5", "events 5 to 5 are missing"),
        ("DELETE FROM event WHERE seq < 3", "events 1 to 2 are missing"),
        ("DELETE FROM event WHERE seq > 8", "events 9 to 10 are missing"),
        ("UPDATE event SET seq = seq + 1 WHERE seq = 10", "events 10 to 10 are missing"),
        ("UPDATE event SET hash = zeroblob(32) WHERE seq = 10", "event 10"),
        (
            "INSERT INTO event SELECT 11,time,action,file,origin,99,tool,model,session,call,evidence,line,bytes,text_hash,lines,hash FROM event WHERE seq = 10",
            "event 11",
        ),
    ];
    for (sql, fault) in attempts {
        let (_folder, file, ledger) = on_disk();
        ledger.append(&(0..10).map(event).collect::<Vec<_>>()).unwrap();
        assert!(ledger.verify().unwrap().sound());
        Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        let report = ledger.verify().unwrap();
        assert!(report.faults.first().is_some_and(|f| f.starts_with(fault)), "{sql}: {report:?}");
    }
}

#[test]
fn retention_keeps_the_chain_whole() {
    let (_folder, file, ledger) = on_disk();
    ledger.append(&(0..10).map(event).collect::<Vec<_>>()).unwrap();
    assert_eq!(ledger.prune(4000, 99_000).unwrap(), 4);
    assert_eq!(ledger.prune(4000, 99_000).unwrap(), 0);
    let report = ledger.verify().unwrap();
    assert!(report.sound() && report.events == 7 && report.pruned == 4, "{report:?}");
    let last = ledger.query(&Query { after: 10, ..Query::default() }).unwrap();
    assert!(matches!(last.as_slice(), [Record { event: Event { action: Action::Prune, bytes: 4, .. }, .. }]));
    assert_eq!(ledger.prune(i64::MAX, 99_000).unwrap(), 7);
    ledger.append(&[event(1)]).unwrap();
    assert!(ledger.verify().unwrap().sound());
    Connection::open(&file).unwrap().execute_batch("DELETE FROM event").unwrap();
    assert!(!ledger.verify().unwrap().sound());
}

#[test]
fn a_place_that_cannot_be_written_means_memory_and_one_notice() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("qualm"), "a file where the folder should be").unwrap();
    let ledger = Ledger::open_file(&folder.path().join("qualm/ledger.sqlite"), Options::default());
    assert!(ledger.notice().unwrap().starts_with("origins are kept in memory only"), "{:?}", ledger.notice());
    assert!(!ledger.append(&[event(1)]).unwrap().durable);
    assert_eq!(ledger.query(&Query::default()).unwrap().len(), 1);
    assert!(ledger.verify().unwrap().sound());
}

#[test]
fn a_file_that_is_no_ledger_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let junk = "not a database, but long enough to look at ".repeat(40);
    std::fs::write(&file, &junk).unwrap();
    let ledger = Ledger::open_file(&file, Options::default());
    assert!(ledger.notice().unwrap().contains("damaged or no database"), "{:?}", ledger.notice());
    assert!(!ledger.append(&[event(1)]).unwrap().durable);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), junk);
}

#[test]
fn when_the_disk_is_full_the_rest_goes_to_memory() {
    let (_folder, _file, ledger) = on_disk();
    ledger.append(&[event(1)]).unwrap();
    lock(&ledger.stores).disk.as_mut().unwrap().limit_pages(20);
    let long = Event { lines: vec![7; 50_000], ..event(2) };
    assert!(!ledger.append(&[long, event(3)]).unwrap().durable);
    assert!(ledger.notice().unwrap().contains("the disk is full"), "{:?}", ledger.notice());
    ledger.append(&[event(4)]).unwrap();
    let times: Vec<i64> = ledger.query(&Query::default()).unwrap().iter().map(|r| r.event.time).collect();
    assert_eq!(times, [1000, 2000, 3000, 4000]);
    assert_eq!(ledger.verify().unwrap().events, 1);
}

#[test]
fn a_busy_ledger_is_an_error_not_a_loss() {
    let (_folder, file, _ledger) = on_disk();
    let ledger = Ledger::open_file(&file, Options { patience: Duration::from_millis(20), ..Options::default() });
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(ledger.append(&[event(1)]), Err(LedgerError::Busy));
    other.execute_batch("COMMIT").unwrap();
    assert!(ledger.append(&[event(1)]).unwrap().durable);
    assert_eq!(ledger.query(&Query::default()).unwrap().len(), 1);
}

#[test]
fn forged_rows_without_number_or_measure_are_borne() {
    let row = |blob: &str| format!("'insert', 'a.py', 'agent', 99, 't', 'm', 's', 'c', 'hook', 1, 9, zeroblob(32), {blob}, zeroblob(32)");
    let forged = |last: u32, blob: &str| {
        let (folder, file, ledger) = on_disk();
        let rows = format!("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {last})");
        let sql = format!("INSERT INTO event {rows} SELECT n, n, {} FROM r", row(blob));
        Connection::open(&file).unwrap().execute_batch(&sql).unwrap();
        (folder, ledger)
    };
    // Many: the newest, in the order of the chain.
    let (_folder, ledger) = forged(60_000, "x''");
    let found = ledger.query(&Query::file("a.py")).unwrap();
    assert_eq!((found.len(), found.first().unwrap().seq, found.last().unwrap().seq), (50_000, 10_001, 60_000));
    let last = ledger.query(&Query { limit: Some(1), ..Query::file("a.py") }).unwrap();
    assert_eq!(last.iter().map(|r| r.seq).collect::<Vec<_>>(), [60_000]);
    let report = ledger.verify().unwrap();
    assert!(!report.sound() && report.faults.len() <= 20, "{}", report.faults.len());
    // Long: so many line fingerprints in all.
    let (_folder, ledger) = forged(12, "zeroblob(8000000)");
    let found = ledger.query(&Query::file("a.py")).unwrap();
    assert_eq!(found.iter().map(|r| r.seq).collect::<Vec<_>>(), (5..=12).collect::<Vec<_>>());
    // Longer than any value may be: SQLite does not even load it.
    let (_folder, ledger) = forged(1, "zeroblob(40000000)");
    assert!(ledger.query(&Query::file("a.py")).is_err());
}

#[test]
fn an_answer_that_takes_too_long_is_given_up() {
    let (_folder, file, ledger) = on_disk();
    ledger.append(&(0..2000).map(event).collect::<Vec<_>>()).unwrap();
    drop(ledger);
    // Few enough of SQLite's steps that it opens, too many for the query.
    let store = store::Store::open(&file, Options { deadline: Duration::ZERO, ..Options::default() }).unwrap();
    assert_eq!(store.query(&Query::default()).unwrap_err(), LedgerError::Slow);
}
