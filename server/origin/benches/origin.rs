//! What keeping origins costs: one edit of the runs at several numbers of runs, one change of a tracked document,
//! carrying origins over to a text that changed while nobody watched, and appending to the ledger. Prints medians;
//! `cargo bench -p qualm-origin`.

use qualm_origin::{
    Change, Evidence, Kind, Memory, Nowhere, Origin, OriginId, Origins, Run, Runs, Tracker,
    ledger::{Durability, Event, Ledger, Options, event::line_print},
    reanchor::{Kept, carry, reanchor},
};
use std::{fmt::Write, hint::black_box, time::Instant};

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

fn ids() -> Vec<OriginId> {
    let mut table = Origins::default();
    (0..7).map(|t| table.intern(&Origin::new(Kind::Agent, Evidence::Hook, t))).collect()
}

/// Mean, median and 99th percentile of some durations in nanoseconds.
fn told(name: &str, mut times: Vec<u64>) {
    times.sort_unstable();
    let mean = times.iter().sum::<u64>() as f64 / times.len() as f64;
    let at = |percent: usize| times[(times.len() - 1) * percent / 100] as f64;
    println!("{name:55} mean {:9.2}  median {:9.2}  p99 {:9.2} us", mean / 1e3, at(50) / 1e3, at(99) / 1e3);
}

/// Edits as an author makes them: mostly typing on, sometimes elsewhere, now and then a paste or a deletion.
fn splices(count: usize) {
    let ids = ids();
    let mut random = Random(42);
    let runs: Vec<Run> = (0..count).map(|i| Run { len: 5 + i % 40, origin: ids[i % 2] }).collect();
    let mut runs = Runs::of(&runs);
    let mut times = Vec::new();
    let mut at = 0;
    for i in 0..50_000usize {
        at = at.min(runs.len());
        let (deleted, inserted) = match i % 20 {
            0 => {
                at = random.below(runs.len());
                (0, 1 + random.below(3000))
            }
            1..=2 => (random.below(60), 0),
            3 => {
                at = random.below(runs.len());
                (random.below(4), 1)
            }
            _ => (0, 1),
        };
        // What is typed on is of one origin.
        let origin = ids[2 + i / 20 % 5];
        let start = Instant::now();
        runs.splice(at..at + deleted, &[Run { len: inserted, origin }]);
        times.push(start.elapsed().as_nanos() as u64);
        at += inserted;
    }
    told(&format!("splice, {count} runs (then {})", runs.count()), times);
    let times = (0..1000).map(|_| {
        let start = Instant::now();
        black_box(runs.clone());
        start.elapsed().as_nanos() as u64
    });
    told(&format!("copy of {} runs", runs.count()), times.collect());
    let times = (0..10_000).map(|_| {
        let at = random.below(runs.len());
        let start = Instant::now();
        black_box(runs.at(at));
        start.elapsed().as_nanos() as u64
    });
    told(&format!("origin of a byte among {} runs", runs.count()), times.collect());
}

/// Keys typed into a long document.
fn keys(lines: usize) {
    let mut memory = Memory::default();
    let origin = memory.origins.intern(&Origin::present());
    let text = source(lines, 1);
    let mut tracker = Tracker::open(1, text.len(), origin);
    let mut random = Random(3);
    let (mut now, mut at) = (0, 0);
    let mut times = Vec::new();
    for i in 0..20_000usize {
        if i % 80 == 0 {
            at = random.below(text.len());
        }
        now += 90;
        let start = Instant::now();
        tracker.change(&mut memory, &[Change { at, deleted: "", inserted: "k", lines: "let key = keyboard(k);" }], now, &Nowhere);
        times.push(start.elapsed().as_nanos() as u64);
        at += 1;
    }
    told(&format!("a key in {lines} lines"), times);
}

/// Code in which nearly half of the lines are to be found everywhere.
fn source(lines: usize, seed: u64) -> String {
    let common = ["if err != nil {", "}", "return nil", "    x = x + 1", "", "# comment", "    else:", "import os"];
    let mut random = Random(seed);
    let mut text = String::new();
    for i in 0..lines {
        let _ = if random.below(100) < 45 {
            writeln!(text, "{}", common[random.below(8)])
        } else {
            writeln!(text, "    let v{i} = call_{}(a{});", random.below(500), random.below(50))
        };
    }
    text
}

fn reanchors(lines: usize) {
    let mut random = Random(9);
    let old = source(lines, 5);
    let mut new: Vec<String> = old.lines().map(str::to_owned).collect();
    for i in 0..lines / 100 {
        let at = random.below(new.len());
        match i % 3 {
            0 => new.insert(at, format!("new line {i}")),
            1 => drop(new.remove(at)),
            _ => new[at] = format!("changed {i}"),
        }
    }
    for _ in 0..5 {
        let at = random.below(new.len() - 40);
        let block: Vec<String> = new.drain(at..at + 20).collect();
        let to = random.below(new.len());
        new.splice(to..to, block);
    }
    let new = new.join("\n");
    let prints = |text: &str| text.lines().map(line_print).collect::<Vec<_>>();
    let kept = prints(&old);
    let times = |work: &dyn Fn()| -> Vec<u64> {
        let each = (0..30).map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_nanos() as u64
        });
        each.collect()
    };
    let fresh = prints(&new);
    told(&format!("fingerprints of {lines} lines"), times(&|| drop(black_box(prints(&new)))));
    told(&format!("re-anchoring {lines} lines"), times(&|| drop(black_box(carry(&kept, &fresh)))));
    let known = Kept::of(&old, Runs::new(old.len(), OriginId::PRESENT));
    let whole = || drop(black_box(reanchor(&[&known], &new, OriginId::PRESENT)));
    told(&format!("re-anchoring {lines} lines, fingerprints included"), times(&whole));
    let mut changed = fresh.clone();
    changed.iter_mut().step_by(2).for_each(|p| *p ^= 1);
    told(&format!("re-anchoring {lines} lines, every other one changed"), times(&|| drop(black_box(carry(&kept, &changed)))));
}

/// Events appended to a ledger on disk, in groups.
fn appends() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (durability, name) in [(Durability::Process, "process"), (Durability::Power, "power")] {
        let ledger = Ledger::open_file(&folder.path().join(name), Options { durability, ..Options::default() });
        let group: Vec<Event> = (0..64).map(|i| Event { file: format!("a{i}.py"), ..Event::default() }.with_text("x = 1\n")).collect();
        let mut times = Vec::new();
        let started = Instant::now();
        for _ in 0..500 {
            let start = Instant::now();
            let receipt = ledger.append(&group).expect("a ledger");
            assert!(receipt.durable);
            times.push(start.elapsed().as_nanos() as u64);
        }
        let rate = 64.0 * 500.0 / started.elapsed().as_secs_f64();
        told(&format!("64 events, surviving the end of the {name}: {rate:.0}/s"), times);
    }
}

fn main() {
    // Test runners call benches too; nothing is measured then.
    if std::env::args().any(|a| a == "--test") {
        return;
    }
    for count in [10, 1_000, 10_000, 100_000] {
        splices(count);
    }
    keys(20_000);
    for lines in [2_000, 20_000, 100_000] {
        reanchors(lines);
    }
    appends();
}
