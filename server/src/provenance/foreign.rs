//! Origins for the doors that vet: which lines of a file are foreign, before it is judged, and where the text of a
//! finding came from, after.

use super::{LineOrigin, Project, Sources, lines};
use crate::{config::Source, workspace::Workspace};
use qualm_engine::Foreign;
use qualm_origin::{
    ledger::{Action, Event, Ledger, Options, Place, Query, event::line_print},
    recognise::recognise,
};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::{
    collections::HashMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// The ledgers of a run, each opened once.
#[derive(Default)]
pub struct Ledgers {
    places: Mutex<HashMap<PathBuf, Option<Arc<(Place, Ledger)>>>>,
}

impl Ledgers {
    /// How strictly to judge a file, given its settings and what its ledger tells of its lines.
    pub fn strictness(&self, workspace: &Workspace, path: &Path, text: &str) -> Foreign {
        let foreign = &workspace.config.foreign;
        workspace.strictness(match &foreign.source {
            _ if foreign.value => Foreign::All,
            // Who says "as typed" wants to see it so.
            Source::Flag(_) => Foreign::None,
            _ => self.foreign(path, text),
        })
    }

    /// What of a file is foreign as far as its ledger tells, in bytes of its text: what the editor would show as such
    /// after opening it. A ledger that cannot be read tells nothing.
    fn foreign(&self, path: &Path, text: &str) -> Foreign {
        let Some(known) = self.of(path) else { return Foreign::None };
        let Some(name) = known.0.name(path) else { return Foreign::None };
        let records = known.1.query(&Query::file(&name)).unwrap_or_default();
        let brought = |e: &Event| matches!(e.action, Action::Insert | Action::Relabel);
        let events: Vec<Event> = records.into_iter().map(|r| r.event).filter(brought).collect();
        if events.is_empty() {
            return Foreign::None;
        }
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let prints: Vec<u64> = lines.iter().map(|l| line_print(l)).collect();
        let found = recognise(&prints, &events, |_, _| true);
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        for (line, found) in lines.iter().zip(found) {
            let here = at..at + line.len();
            at = here.end;
            if !found.is_some_and(|f| events[f.event].believed().is_foreign()) {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.end == here.start => last.end = here.end,
                _ => ranges.push(here),
            }
        }
        if ranges.is_empty() { Foreign::None } else { Foreign::Ranges(ranges) }
    }

    fn of(&self, path: &Path) -> Option<Arc<(Place, Ledger)>> {
        let folder = path.parent()?;
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = places.get(folder) {
            return known.clone();
        }
        let place = Place::of(path).filter(|p| p.file.is_file());
        let same = |p: &Place| places.values().flatten().find(|k| k.0 == *p).cloned();
        let known = place.and_then(|place| {
            same(&place).or_else(|| {
                let ledger = Ledger::open(Some(&place), Options::default());
                ledger.fault().is_none().then(|| Arc::new((place, ledger)))
            })
        });
        places.insert(folder.to_owned(), known.clone());
        known
    }
}

/// A file's path and text, and the lines in question (0-based).
pub type Places<'t> = (PathBuf, &'t str, Vec<usize>);

/// The origin of lines of files: for each file and each line asked for, if anything is known of it. Files of projects
/// in which nobody recorded anything cost nothing. Also what has to be told.
pub fn of_places(files: &[Places<'_>]) -> (Vec<Vec<Option<LineOrigin>>>, Vec<String>) {
    let mut groups: FxHashMap<Option<PathBuf>, Vec<usize>> = FxHashMap::default();
    let mut places: FxHashMap<PathBuf, Option<Place>> = FxHashMap::default();
    for (at, (path, ..)) in files.iter().enumerate() {
        let folder = path.parent().unwrap_or(path).to_owned();
        let place = places.entry(folder).or_insert_with(|| Place::of(path));
        groups.entry(place.as_ref().and_then(|p| p.top.clone())).or_default().push(at);
    }
    let mut origins: Vec<Vec<Option<LineOrigin>>> = files.iter().map(|f| vec![None; f.2.len()]).collect();
    let mut notices = Vec::new();
    for group in groups.into_values() {
        let size = group.len().div_ceil(rayon::current_num_threads()).max(1);
        let done: Vec<anyhow::Result<Part>> = group.par_chunks(size).map(|part| of_part(files, part)).collect();
        for part in done {
            match part {
                Ok((found, told)) => {
                    for (at, lines) in found {
                        origins[at] = lines;
                    }
                    notices.extend(told);
                }
                Err(error) => notices.push(format!("origins are left out: {error:#}")),
            }
        }
    }
    notices.sort();
    notices.dedup();
    (origins, notices)
}

/// What was found of files, by their place in the list, and what has to be told.
type Part = (Vec<(usize, Vec<Option<LineOrigin>>)>, Vec<String>);

/// The same for files of one project.
fn of_part(files: &[Places<'_>], part: &[usize]) -> anyhow::Result<Part> {
    let Some(first) = part.first() else { return Ok(Part::default()) };
    let mut project = Project::open(Place::of(&files[*first].0))?;
    let top = project.place.as_ref().and_then(|p| p.top.clone());
    let mut sources = Sources::new(top.as_deref().unwrap_or(Path::new("")), project.ledger.as_ref());
    if !sources.any(project.repository.as_mut()) {
        return Ok(Part::default());
    }
    let mut found = Vec::new();
    for at in part {
        let (path, text, wanted) = &files[*at];
        let Some(name) = project.place.as_ref().and_then(|p| p.name(path)) else { continue };
        let (origins, _, _) = lines(&mut sources, &mut project.repository, project.head.as_deref(), &name, text)?;
        let known = |line: &usize| origins.get(*line).filter(|o| o.origin != "unknown" || o.foreign).cloned();
        found.push((*at, wanted.iter().map(known).collect()));
    }
    Ok((found, project.notice.into_iter().collect()))
}
