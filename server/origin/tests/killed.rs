//! Processes that write the ledger are killed at random moments: nothing acknowledged is lost, nothing is damaged.
//! `QUALM_KILLS=1000 cargo test -p qualm-origin --test killed -- --nocapture` for a long run.
#![allow(clippy::unwrap_used)]

use qualm_origin::ledger::{Durability, Event, Ledger, Options, Query};
use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

const WRITERS: usize = 3;

/// The process that is killed: appends for ever and names on standard output what was acknowledged.
#[test]
fn writer() {
    let Some(file) = std::env::var_os("QUALM_TEST_LEDGER") else { return };
    let name = std::env::var("QUALM_TEST_WRITER").unwrap();
    let ledger = Ledger::open_file(
        file.as_ref(),
        Options { durability: Durability::Process, patience: Duration::from_secs(20), ..Options::default() },
    );
    assert_eq!(ledger.notice(), None);
    let mut out = std::io::stdout().lock();
    for n in 0u64.. {
        let size = n % 4 + 1;
        let events: Vec<Event> = (0..size)
            .map(|i| Event { call: format!("{name}-{n}-{i}"), file: "a.py".into(), ..Event::default() }.with_text(&"x = 1\n".repeat(20)))
            .collect();
        assert!(ledger.append(&events).unwrap().durable);
        writeln!(out, "ack {name}-{n} {size}").unwrap();
        out.flush().unwrap();
    }
}

fn start(file: &std::path::Path, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--nocapture", "--test-threads=1"])
        .env("QUALM_TEST_LEDGER", file)
        .env("QUALM_TEST_WRITER", name)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

#[test]
fn killed_writers_lose_nothing_acknowledged() {
    let kills: usize = std::env::var("QUALM_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(30);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("qualm/ledger.sqlite");
    let mut random = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1;
    let mut below = |n: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % n
    };
    let started = Instant::now();
    let mut acknowledged: Vec<(String, u64)> = Vec::new();
    let mut killed = 0;
    while killed < kills {
        let children: Vec<Child> = (0..WRITERS).map(|w| start(&file, &format!("{killed}-{w}"))).collect();
        for mut child in children {
            std::thread::sleep(Duration::from_micros(below(30_000)));
            child.kill().unwrap();
            let mut text = Vec::new();
            BufReader::new(child.stdout.take().unwrap()).read_to_end(&mut text).unwrap();
            child.wait().unwrap();
            killed += 1;
            // Only whole lines were acknowledged.
            let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            for line in text[..whole].lines() {
                let line = line.unwrap();
                // The test harness writes its own words in front of the first line.
                let Some(at) = line.find("ack ") else { continue };
                let (name, size) = line[at + 4..].split_once(' ').unwrap();
                acknowledged.push((name.to_owned(), size.parse().unwrap()));
            }
        }
    }
    let ledger = Ledger::open_file(&file, Options::default());
    assert_eq!(ledger.notice(), None);
    let calls: Vec<String> = ledger.query(&Query::default()).unwrap().into_iter().map(|r| r.event.call).collect();
    let stored: HashSet<&str> = calls.iter().map(String::as_str).collect();
    assert_eq!(stored.len(), calls.len(), "nothing is stored twice");
    let mut events = 0;
    for (name, size) in &acknowledged {
        for i in 0..*size {
            assert!(stored.contains(format!("{name}-{i}").as_str()), "{name}-{i} was acknowledged and is gone");
            events += 1;
        }
    }
    // A transaction is there whole or not at all.
    for call in &calls {
        let (rest, _) = call.rsplit_once('-').unwrap();
        let n: u64 = rest.rsplit_once('-').unwrap().1.parse().unwrap();
        assert!((0..=n % 4).all(|i| stored.contains(format!("{rest}-{i}").as_str())), "{rest} is torn");
    }
    let report = ledger.verify().unwrap();
    assert!(report.sound(), "{report:?}");
    assert!(events > 0, "nobody got as far as writing");
    eprintln!(
        "{killed} processes killed, {WRITERS} at a time: {events} events acknowledged, {} stored, none lost, chain sound ({:.0} s)",
        calls.len(),
        started.elapsed().as_secs_f64()
    );
}
