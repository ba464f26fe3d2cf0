//! `qualm ledger`: checks and shortens the record of where text came from.

use crate::{
    cli::{LedgerArgs, LedgerCommand, Outcome},
    hook::now,
    lines::one_line,
};
use anyhow::Context;
use qualm_origin::ledger::{Ledger, Options, Place, event::hex};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Runs the command.
pub fn run(args: &LedgerArgs) -> anyhow::Result<Outcome> {
    match &args.command {
        LedgerCommand::Verify { path, json } => verify(path.as_deref(), *json),
        LedgerCommand::Prune { path, keep } => prune(path.as_deref(), *keep),
    }
}

/// The ledger that holds what is known of a path; `None` if nothing was ever recorded there.
pub fn existing(path: &Path) -> anyhow::Result<Option<(Place, Ledger)>> {
    let Some(place) = Place::of(path).filter(|p| p.file.is_file()) else { return Ok(None) };
    let ledger = Ledger::open(Some(&place), Options::default());
    if let Some(fault) = ledger.fault() {
        anyhow::bail!("the ledger cannot be read: {fault}");
    }
    Ok(Some((place, ledger)))
}

fn here(path: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = path.map_or_else(std::env::current_dir, |p| Ok(p.to_owned()))?;
    path.canonicalize().with_context(|| path.display().to_string())
}

fn verify(path: Option<&Path>, json: bool) -> anyhow::Result<Outcome> {
    let mut out = io::stdout().lock();
    let Some((place, ledger)) = existing(&here(path)?)? else {
        if json {
            writeln!(out, "{}", serde_json::json!({ "ledger": null, "events": 0, "sound": true, "faults": [] }))?;
        } else {
            writeln!(out, "nothing was recorded here yet")?;
        }
        return Ok(Outcome::Clean);
    };
    let report = ledger.verify()?;
    let shown = place.file.display().to_string();
    if json {
        let value = serde_json::json!({
            "ledger": shown,
            "events": report.events,
            "pruned": report.pruned,
            "head": { "seq": report.head.0, "hash": hex(&report.head.1) },
            "sound": report.sound(),
            "faults": report.faults,
        });
        writeln!(out, "{value:#}")?;
    } else {
        writeln!(out, "ledger: {}", one_line(&shown))?;
        writeln!(out, "events: {}, removed by age: {}", report.events, report.pruned)?;
        writeln!(out, "head:   {} {}", report.head.0, hex(&report.head.1))?;
        for fault in &report.faults {
            writeln!(out, "fault:  {}", one_line(fault))?;
        }
        writeln!(out, "{}", if report.sound() { "ok: the chain is whole" } else { "the chain is broken" })?;
    }
    Ok(if report.sound() { Outcome::Clean } else { Outcome::Findings })
}

fn prune(path: Option<&Path>, keep: u32) -> anyhow::Result<Outcome> {
    let removed = match existing(&here(path)?)? {
        Some((_, ledger)) => {
            let removed = ledger.prune(now() - i64::from(keep) * 24 * 60 * 60 * 1000, now())?;
            ledger.sync()?;
            removed
        }
        None => 0,
    };
    writeln!(io::stdout(), "{removed} events removed")?;
    Ok(Outcome::Clean)
}
