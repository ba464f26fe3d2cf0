//! `qualm origin`: where the lines of files came from and why that is believed, for people and in exchange formats.

mod foreign;
mod note;
mod show;
mod totals;

use crate::{
    cli::{OriginArgs, Outcome},
    hook::now,
    provenance::{Traced, of_paths, of_range},
    report::Style,
};
use qualm_origin::{
    interchange::{FileOrigins, agent_trace, cyclonedx},
    ledger::Place,
};
use std::{
    io::{self, Write},
    path::Path,
};

/// Runs the command.
pub fn run(args: &OriginArgs) -> anyhow::Result<Outcome> {
    let cwd = std::env::current_dir()?;
    let cwd = cwd.canonicalize().unwrap_or(cwd);
    if let Some(commit) = &args.write_note {
        return note::run(&cwd, commit);
    }
    let (traced, notices, span) = match range(args, &cwd) {
        Some((from, to)) => {
            let (traced, commits, notices) = of_range(&cwd, &from, &to)?;
            (traced, notices, Some(commits))
        }
        None => {
            let (traced, notices) = of_paths(&args.paths, &cwd)?;
            (traced, notices, None)
        }
    };
    for notice in notices {
        eprintln!("qualm: {}", crate::lines::one_line(&notice));
    }
    let wanted = |file: &Traced, line: usize| match &span {
        Some(commits) => file.blamed[line].as_ref().is_some_and(|b| commits.contains(&b.commit)),
        None => true,
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    if args.agent_trace || args.cyclonedx {
        let files: Vec<FileOrigins> = traced.iter().map(|f| f.export(|line| wanted(f, line))).collect();
        let value = if args.agent_trace {
            let committed = committed_state(&traced);
            agent_trace::write(&files, committed.as_deref(), now())
        } else {
            cyclonedx::write(&files, now())
        };
        // Agent Trace is one record a line.
        if args.agent_trace { writeln!(out, "{value}")? } else { writeln!(out, "{value:#}")? }
    } else {
        let totals = totals::Totals::of(traced.iter().flat_map(|f| (0..f.origins.len()).filter(|l| wanted(f, *l)).map(|l| &f.origins[l])));
        let (foreign, told) = foreign::Regions::of(&traced, &cwd, wanted)?;
        for notice in told {
            eprintln!("qualm: {}", crate::lines::one_line(&notice));
        }
        if args.json {
            show::json(&mut out, &traced, &totals, &foreign, args.summary, wanted)?;
        } else {
            let style = Style::of_terminal();
            // All lines of a folder are nothing to read.
            let files_only = !args.paths.is_empty() && args.paths.iter().all(|p| cwd.join(p).is_file());
            if !args.summary && files_only {
                show::blame(&mut out, &traced, &style)?;
            }
            show::totals(&mut out, &totals, traced.len(), &style)?;
            foreign.write(&mut out, &style)?;
        }
    }
    out.flush()?;
    Ok(Outcome::Clean)
}

/// The two ends of a range of commits, where the only argument is one and no file of that name exists.
fn range(args: &OriginArgs, cwd: &Path) -> Option<(String, String)> {
    let [only] = args.paths.as_slice() else { return None };
    if !args.summary || cwd.join(only).exists() {
        return None;
    }
    let (from, to) = only.to_str()?.split_once("..")?;
    let end = |name: &str| if name.is_empty() { "HEAD".to_owned() } else { name.to_owned() };
    Some((end(from), end(to.trim_start_matches('.'))))
}

/// The commit whose state all the files are in, if there is one.
fn committed_state(traced: &[Traced]) -> Option<String> {
    let complete = !traced.is_empty() && traced.iter().all(|f| f.blamed.iter().all(Option::is_some));
    if !complete {
        return None;
    }
    let place = Place::of(&std::env::current_dir().ok()?)?;
    crate::git::resolve(&place.top?, "HEAD").ok()
}
