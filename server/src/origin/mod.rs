//! `qualm origin`: where the lines of files came from and why that is believed, for people and in exchange formats.

mod evidence;
mod note;
mod repository;
mod show;
mod totals;

use crate::{
    cli::{OriginArgs, Outcome},
    files::{self, Content, MAX_FILE, Task},
    hook::now,
    report::Style,
};
use anyhow::Context;
use evidence::{LineOrigin, Sources, joined};
use qualm_origin::{
    interchange::{FileOrigins, Region, agent_trace, cyclonedx},
    ledger::{Ledger, Place, event::text_hash},
};
use repository::{Blamed, Repository};
use rustc_hash::FxHashSet;
use similar::{Algorithm, DiffOp};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// A file with the origin of each of its lines.
pub(crate) struct Traced {
    /// As the user would name it.
    shown: String,
    /// Its path in the repository, or absolute outside of one.
    name: String,
    text: String,
    origins: Vec<LineOrigin>,
    blamed: Vec<Option<Blamed>>,
}

impl Traced {
    /// Runs of lines with the same origin (0-based).
    fn regions(&self) -> Vec<std::ops::Range<usize>> {
        let mut regions: Vec<std::ops::Range<usize>> = Vec::new();
        for at in 0..self.origins.len() {
            match regions.last_mut() {
                Some(last) if self.origins[last.start] == self.origins[at] => last.end = at + 1,
                _ => regions.push(at..at + 1),
            }
        }
        regions
    }

    /// For the exchange formats. `wanted` says which lines (0-based) are spoken of.
    fn export(&self, wanted: impl Fn(usize) -> bool) -> FileOrigins {
        let lines: Vec<&str> = self.text.lines().collect();
        let mut regions = Vec::new();
        for range in self.regions() {
            // The wanted lines of a region, as runs of their own.
            let mut at = range.start;
            while at < range.end {
                let end = (at..range.end).find(|l| !wanted(*l)).unwrap_or(range.end);
                if end > at {
                    regions.push(region(&self.origins[at], at, end, &lines));
                }
                at = end.max(at) + usize::from(end == at);
            }
        }
        FileOrigins { path: self.name.clone(), lines: lines.len() as u32, hash: text_hash(&self.text), regions }
    }
}

fn region(origin: &LineOrigin, start: usize, end: usize, lines: &[&str]) -> Region {
    Region {
        start: start as u32 + 1,
        end: end as u32,
        origin: origin.origin.clone(),
        confidence: origin.confidence,
        tool: origin.tool.clone(),
        model: origin.model.clone(),
        session: origin.session.clone(),
        evidence: origin.evidence.clone(),
        hash: text_hash(&joined(&lines[start..end])),
    }
}

/// One project's sources, opened once for all its files.
struct Project {
    notice: Option<String>,
    place: Option<Place>,
    ledger: Option<Ledger>,
    repository: Option<Repository>,
    head: Option<String>,
}

impl Project {
    fn open(place: Option<Place>) -> anyhow::Result<Self> {
        let ledger = match &place {
            Some(place) if place.file.is_file() => Some(Ledger::open(Some(place), qualm_origin::ledger::Options::default())),
            _ => None,
        };
        // Without the ledger the other evidence still counts, but the user has to know.
        let notice = ledger.as_ref().and_then(Ledger::fault).map(|why| format!("what hooks recorded cannot be read: {why}"));
        let ledger = ledger.filter(|_| notice.is_none());
        let top = place.as_ref().and_then(|p| p.top.clone());
        let repository = top.map(|top| Repository::open(&top)).transpose()?;
        let head = repository.as_ref().and_then(|r| r.resolve("HEAD"));
        let notice = notice.or_else(|| repository.as_ref().and_then(Repository::refused));
        Ok(Self { notice, place, ledger, repository, head })
    }
}

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
        if args.json {
            show::json(&mut out, &traced, &totals, args.summary, wanted)?;
        } else {
            let style = Style::of_terminal();
            // All lines of a folder are nothing to read.
            let files_only = !args.paths.is_empty() && args.paths.iter().all(|p| cwd.join(p).is_file());
            if !args.summary && files_only {
                show::blame(&mut out, &traced, &style)?;
            }
            show::totals(&mut out, &totals, traced.len(), &style)?;
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

fn of_paths(paths: &[PathBuf], cwd: &Path) -> anyhow::Result<(Vec<Traced>, Vec<String>)> {
    let (tasks, mut notices) = files::collect(paths, cwd, false, |_| true)?;
    let mut groups: Vec<(Option<Place>, Vec<Task>)> = Vec::new();
    for task in tasks {
        let place = Place::of(&task.path);
        match groups.iter_mut().find(|g| g.0 == place) {
            Some((_, tasks)) => tasks.push(task),
            None => groups.push((place, vec![task])),
        }
    }
    let mut traced = Vec::new();
    for (place, tasks) in groups {
        let mut project = Project::open(place)?;
        let top = project.place.as_ref().and_then(|p| p.top.clone()).unwrap_or_else(|| cwd.to_owned());
        let mut sources = Sources::new(&top, project.ledger.as_ref());
        for task in tasks {
            let text = match files::read(&task.path, MAX_FILE) {
                Ok(Content::Text(text)) => text.text,
                Ok(_) if !task.explicit => continue,
                Ok(_) => {
                    notices.push(format!("{}: not a text, or too large", task.shown));
                    continue;
                }
                Err(error) => {
                    notices.push(format!("{}: {error}", task.shown));
                    continue;
                }
            };
            let Some(name) = project.place.as_ref().and_then(|p| p.name(&task.path)) else { continue };
            let blamed = match (&mut project.repository, &project.head) {
                (Some(repository), Some(head)) => committed_lines(repository, head, &name, &text).unwrap_or_else(|error| {
                    notices.push(format!("{}: {error:#}", task.shown));
                    vec![None; text.lines().count()]
                }),
                _ => vec![None; text.lines().count()],
            };
            let origins = sources.lines(&name, &text, &blamed, project.head.as_deref(), project.repository.as_mut())?;
            traced.push(Traced { shown: task.shown, name, text, origins, blamed });
        }
        notices.append(&mut sources.notices);
        notices.extend(project.notice);
    }
    Ok((traced, notices))
}

/// The commit of every line of a text: that of the line in `commit` it is the same as, or none.
fn committed_lines(repository: &mut Repository, commit: &str, name: &str, text: &str) -> anyhow::Result<Vec<Option<Blamed>>> {
    let mut lines = vec![None; text.lines().count()];
    let Some(old) = repository.text(commit, name) else { return Ok(lines) };
    let blamed = repository.blame(commit, name)?;
    let known = |at: usize| blamed.get(at).filter(|b| !b.commit.is_empty()).cloned();
    if old == text {
        lines.iter_mut().enumerate().for_each(|(at, line)| *line = known(at));
        return Ok(lines);
    }
    let old: Vec<&str> = old.lines().collect();
    let new: Vec<&str> = text.lines().collect();
    let deadline = Instant::now() + Duration::from_secs(2);
    for op in similar::capture_diff_slices_deadline(Algorithm::Histogram, &old, &new, Some(deadline)) {
        if let DiffOp::Equal { old_index, new_index, len } = op {
            for at in 0..len {
                lines[new_index + at] = known(old_index + at);
            }
        }
    }
    Ok(lines)
}

/// The files that differ between two commits as they are in the second, and the commits in between.
fn of_range(cwd: &Path, from: &str, to: &str) -> anyhow::Result<(Vec<Traced>, FxHashSet<String>, Vec<String>)> {
    let mut project = Project::open(Place::of(cwd))?;
    let repository = project.repository.as_mut().with_context(|| format!("{} is not in a git repository", cwd.display()))?;
    let commit = |repository: &Repository, name: &str| repository.resolve(name).with_context(|| format!("{name:?} names no commit"));
    let (from, to) = (commit(repository, from)?, commit(repository, to)?);
    let commits: FxHashSet<String> = repository.between(&from, &to)?.into_iter().collect();
    let changed = repository.changed(&from, &to)?;
    let top = repository.top.clone();
    let mut sources = Sources::new(&top, project.ledger.as_ref());
    let traced = at_commit(repository, &mut sources, &to, changed)?;
    let mut notices = sources.notices;
    notices.extend(project.notice);
    Ok((traced, commits, notices))
}

/// Files as they are in a commit.
fn at_commit(repository: &mut Repository, sources: &mut Sources<'_>, commit: &str, names: Vec<String>) -> anyhow::Result<Vec<Traced>> {
    let mut traced = Vec::new();
    for name in names {
        let Some(text) = repository.text(commit, &name) else { continue };
        let blamed = committed_lines(repository, commit, &name, &text)?;
        let origins = sources.lines(&name, &text, &blamed, Some(commit), Some(repository))?;
        traced.push(Traced { shown: name.clone(), name, text, origins, blamed });
    }
    Ok(traced)
}
