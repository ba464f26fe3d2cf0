//! A test aid: what an engine without faults no longer does has to be seen all the same. Only workers and the language
//! server's child listen to it.

use std::sync::LazyLock;

/// Fails in a given way: `QUALM_TEST_FAULTS` is a list of `STEP:FAULT:FILE` with commas in between, where a step is
/// `scan` or `fix`, a fault `abort`, `overflow`, `eat`, `spin` or `panic`, and a file is what a file's name ends with.
pub(super) fn here(step: &str, name: &str) {
    let Ok(faults) = std::env::var("QUALM_TEST_FAULTS") else { return };
    for fault in faults.split(',') {
        let mut parts = fault.splitn(3, ':');
        if parts.next() != Some(step) {
            continue;
        }
        let (fault, file) = (parts.next(), parts.next());
        if file.is_some_and(|file| name.ends_with(file)) {
            fail(fault.unwrap_or_default());
        }
    }
}

/// Fails as a text says: with `QUALM_TEST_FAULTS=text`, one that holds `qualm-test-abort`, or another of the faults.
pub(crate) fn in_text(text: &str) {
    static ON: LazyLock<bool> = LazyLock::new(|| std::env::var_os("QUALM_TEST_FAULTS").is_some_and(|v| v == "text"));
    if *ON && let Some(at) = text.find("qualm-test-") {
        let word = text[at + 11..].split(|c: char| !c.is_ascii_alphabetic()).next();
        fail(word.unwrap_or_default());
    }
}

fn fail(fault: &str) {
    match fault {
        "abort" => std::process::abort(),
        "overflow" => drop(deeper(1)),
        "eat" => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            loop {
                eaten.push(vec![1; 1 << 20]);
            }
        }
        "spin" => loop {
            std::hint::spin_loop();
        },
        "panic" => panic!("as the test wants it"),
        _ => {}
    }
}

fn deeper(depth: u64) -> Vec<u64> {
    let mut below = if depth == 0 { Vec::new() } else { deeper(std::hint::black_box(depth + 1)) };
    below.push(depth);
    below
}
