//! Where the lines of files came from, as far as the ledger, git and records in the repository tell: for every door
//! that shows it.

mod evidence;
mod foreign;
mod repository;
mod strays;

pub use evidence::{LineOrigin, Sources, joined};
pub use foreign::{Ledgers, Places, of_places};
pub use repository::{Blamed, Commit, Repository};

use crate::files::{self, Content, MAX_FILE, Task};
use anyhow::Context;
use qualm_origin::{
    interchange::{FileOrigins, Region},
    ledger::{Ledger, Options, Place, event::text_hash},
};
use rustc_hash::FxHashSet;
use similar::{Algorithm, DiffOp};
use std::{
    ops::Range,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// A file with the origin of each of its lines.
pub struct Traced {
    /// As the user would name it.
    pub shown: String,
    /// Its path in the repository, or absolute outside of one.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    #[allow(missing_docs)]
    pub text: String,
    /// Of each line.
    pub origins: Vec<LineOrigin>,
    /// The commit of each line, if it is in one.
    pub blamed: Vec<Option<Blamed>>,
}

impl Traced {
    /// Runs of lines with the same origin (0-based).
    pub fn regions(&self) -> Vec<Range<usize>> {
        let mut regions: Vec<Range<usize>> = Vec::new();
        for at in 0..self.origins.len() {
            match regions.last_mut() {
                Some(last) if self.origins[last.start] == self.origins[at] => last.end = at + 1,
                _ => regions.push(at..at + 1),
            }
        }
        regions
    }

    /// For the exchange formats. `wanted` says which lines (0-based) are spoken of.
    pub fn export(&self, wanted: impl Fn(usize) -> bool) -> FileOrigins {
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
pub struct Project {
    /// Why the ledger or git could not be asked.
    pub notice: Option<String>,
    /// Where the ledger is, or would be.
    pub place: Option<Place>,
    /// What hooks and editors recorded, if they did.
    pub ledger: Option<Ledger>,
    #[allow(missing_docs)]
    pub repository: Option<Repository>,
    /// The commit that is checked out.
    pub head: Option<String>,
}

impl Project {
    /// Opens what there is of it.
    pub fn open(place: Option<Place>) -> anyhow::Result<Self> {
        let ledger = match &place {
            Some(place) if place.file.is_file() => Some(Ledger::open(Some(place), Options::default())),
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

/// Files and folders with the origin of each line, and what has to be told.
pub fn of_paths(paths: &[PathBuf], cwd: &Path) -> anyhow::Result<(Vec<Traced>, Vec<String>)> {
    let (tasks, mut notices) = files::collect(paths, cwd, false, |_| true)?;
    let mut groups: Vec<(Option<Place>, Vec<Task>)> = Vec::new();
    for task in tasks.into_iter().filter(|t| t.left_out.is_none()) {
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
            let (origins, blamed, fault) = lines(&mut sources, &mut project.repository, project.head.as_deref(), &name, &text)?;
            notices.extend(fault.map(|fault| format!("{}: {fault:#}", task.shown)));
            traced.push(Traced { shown: task.shown, name, path: task.path, text, origins, blamed });
        }
        notices.append(&mut sources.notices);
        notices.extend(project.notice);
    }
    Ok((traced, notices))
}

/// The files that differ between two commits as they are in the second, and the commits in between.
pub fn of_range(cwd: &Path, from: &str, to: &str) -> anyhow::Result<(Vec<Traced>, FxHashSet<String>, Vec<String>)> {
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
pub fn at_commit(repository: &mut Repository, sources: &mut Sources<'_>, commit: &str, names: Vec<String>) -> anyhow::Result<Vec<Traced>> {
    let mut traced = Vec::new();
    for name in names {
        let Some(text) = repository.text(commit, &name) else { continue };
        let blamed = committed_lines(repository, commit, &name, &text)?;
        let origins = sources.lines(&name, &text, &blamed, Some(commit), Some(repository))?;
        let path = repository.top.join(&name);
        traced.push(Traced { shown: name.clone(), name, path, text, origins, blamed });
    }
    Ok(traced)
}

/// The origin and the commit of every line of a file as it is now, and what git could not tell.
type Lines = (Vec<LineOrigin>, Vec<Option<Blamed>>, Option<anyhow::Error>);

fn lines(
    sources: &mut Sources<'_>,
    repository: &mut Option<Repository>,
    head: Option<&str>,
    name: &str,
    text: &str,
) -> anyhow::Result<Lines> {
    let committed = match (&mut *repository, head) {
        (Some(repository), Some(head)) => committed_lines(repository, head, name, text),
        _ => Ok(vec![None; text.lines().count()]),
    };
    let (blamed, fault) = match committed {
        Ok(blamed) => (blamed, None),
        Err(error) => (vec![None; text.lines().count()], Some(error)),
    };
    Ok((sources.lines(name, text, &blamed, head, repository.as_mut())?, blamed, fault))
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
