//! Joins everything that is known of a file's lines into one origin a line, the strongest evidence first: events of
//! the ledger whose text stands there, then records that came with the repository, then what a commit says of itself.
//! A line that nothing explains is of unknown origin.

use super::repository::{Blamed, Commit, Repository};
use qualm_origin::{
    interchange::{At, Claim, agent_trace, commit, git_ai},
    ledger::{
        Action, Event, Ledger, Query,
        event::{hex, line_print, text_hash},
    },
    notes,
    recognise::recognise,
};
use rustc_hash::FxHashMap;
use std::path::Path;

/// Where tools that follow the Agent Trace specification keep their records, relative to the top of the repository.
const TRACES: &str = ".agent-trace/traces.jsonl";

/// What is believed of one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineOrigin {
    /// The word of the kind of origin.
    pub origin: String,
    /// Confidence in percent.
    pub confidence: u8,
    /// The program; empty if not known.
    pub tool: String,
    /// The model; empty if not known.
    pub model: String,
    /// Session; empty if not known.
    pub session: String,
    /// Why.
    pub evidence: String,
    /// When, in milliseconds since 1970; 0 if not known.
    pub time: i64,
}

impl LineOrigin {
    fn unknown(evidence: &str) -> Self {
        Self { origin: "unknown".to_owned(), evidence: evidence.to_owned(), ..Self::default() }
    }
}

/// All sources of a project.
pub struct Sources<'l> {
    ledger: Option<&'l Ledger>,
    traces: FxHashMap<String, Vec<Claim>>,
    noted: FxHashMap<String, Vec<Claim>>,
    /// What could not be read, in words for the user.
    pub notices: Vec<String>,
}

impl<'l> Sources<'l> {
    /// Reads what does not depend on a file.
    pub fn new(top: &Path, ledger: Option<&'l Ledger>) -> Self {
        let mut sources = Self { ledger, traces: FxHashMap::default(), noted: FxHashMap::default(), notices: Vec::new() };
        let file = top.join(TRACES);
        if let Ok(crate::files::Content::Text(text)) = crate::files::read(&file, agent_trace::MAX_BYTES as u64) {
            let import = agent_trace::read(&text.text);
            if let Some(first) = import.unreadable.first() {
                let count = import.unreadable.len();
                sources.notices.push(format!("{TRACES}: {count} lines are no trace record, the first is line {first}"));
            }
            if import.doubtful > 0 {
                sources
                    .notices
                    .push(format!("{TRACES}: {} ranges that begin on line 1 are a known fault and not believed", import.doubtful));
            }
            for claim in import.claims {
                sources.traces.entry(claim.file.clone()).or_default().push(claim);
            }
        }
        sources
    }

    /// The origin of every line of `text`. `name` is the file's in the ledger; `blamed` the commit of each line, `None`
    /// for a line that is in no commit; `head` the commit that is checked out.
    pub fn lines(
        &mut self,
        name: &str,
        text: &str,
        blamed: &[Option<Blamed>],
        head: Option<&str>,
        mut repository: Option<&mut Repository>,
    ) -> anyhow::Result<Vec<LineOrigin>> {
        let lines: Vec<&str> = text.lines().collect();
        let prints: Vec<u64> = lines.iter().map(|l| line_print(l)).collect();
        let commits: Vec<Option<Commit>> = blamed.iter().map(|b| Some(repository.as_deref_mut()?.commit(&b.as_ref()?.commit))).collect();
        let events = self.events(name, blamed)?;
        let recognised = recognise(&prints, &events, |line, event| {
            // A line that was committed before the event cannot come from it.
            let committed = commits.get(line).and_then(Option::as_ref).map(|c| c.time.saturating_mul(1000).saturating_add(999));
            committed.is_none_or(|at| at >= event.time)
        });
        let mut origins = Vec::with_capacity(lines.len());
        for (at, found) in recognised.iter().enumerate() {
            let blamed = blamed.get(at).and_then(Option::as_ref);
            let origin = match found {
                Some(found) => of_event(&events[found.event], found.whole),
                None => self
                    .of_record(name, at, &lines, blamed, commits.get(at).and_then(Option::as_ref), head, repository.as_deref_mut())
                    .or_else(|| of_commit(commits.get(at)?.as_ref()?))
                    .unwrap_or_else(|| {
                        LineOrigin::unknown(if blamed.is_some() { "no record explains the commit" } else { "not committed, no record" })
                    }),
            };
            origins.push(origin);
        }
        Ok(origins)
    }

    /// The events of a file, under the names it had before too.
    fn events(&self, name: &str, blamed: &[Option<Blamed>]) -> anyhow::Result<Vec<Event>> {
        let Some(ledger) = self.ledger else { return Ok(Vec::new()) };
        let mut names: Vec<&str> = blamed.iter().flatten().map(|b| b.path.as_str()).filter(|n| *n != name).collect();
        names.sort_unstable();
        names.dedup();
        let mut events = Vec::new();
        for name in names.into_iter().chain([name]) {
            let records = ledger.query(&Query::file(name))?.into_iter().map(|r| r.event);
            events.extend(records.filter(|e| matches!(e.action, Action::Insert | Action::Relabel)));
        }
        Ok(events)
    }

    /// A record of another tool (or our own note) about the line.
    #[allow(clippy::too_many_arguments)]
    fn of_record(
        &mut self,
        name: &str,
        at: usize,
        lines: &[&str],
        blamed: Option<&Blamed>,
        commit: Option<&Commit>,
        head: Option<&str>,
        repository: Option<&mut Repository>,
    ) -> Option<LineOrigin> {
        if let (Some(blamed), Some(repository)) = (blamed, repository) {
            let noted = self.noted.entry(blamed.commit.clone()).or_insert_with(|| notes_of(repository, &blamed.commit));
            let hit = |c: &&Claim| c.file == blamed.path && (c.start..=c.end).contains(&blamed.line);
            if let Some(claim) = noted.iter().filter(hit).max_by_key(|c| c.confidence) {
                return Some(of_claim(claim, claim.confidence, ""));
            }
        }
        let path = blamed.map_or(name, |b| b.path.as_str());
        let mut best: Option<LineOrigin> = None;
        for claim in self.traces.get(path)? {
            let line = at as u32 + 1;
            // Content says more than position: it holds for any state of the file.
            let here = (claim.start..=claim.end).contains(&line);
            let proven = here && same_content(claim, lines);
            let placed = match (&claim.at, blamed, commit) {
                (At::Commit(id), Some(blamed), _) => *id == blamed.commit && (claim.start..=claim.end).contains(&blamed.line),
                (At::EditOn(id), Some(blamed), Some(commit)) => {
                    commit.parents.contains(id) && (claim.start..=claim.end).contains(&blamed.line)
                }
                // Made after the last commit, and so were these lines.
                (At::EditOn(id), None, _) => here && head == Some(id.as_str()),
                _ => false,
            };
            let found = match (proven, placed) {
                (true, _) => of_claim(claim, claim.confidence.max(90), ", content match"),
                (false, true) => of_claim(claim, claim.confidence, ", by position"),
                (false, false) => continue,
            };
            if best.as_ref().is_none_or(|b| b.confidence <= found.confidence) {
                best = Some(found);
            }
        }
        best
    }
}

fn notes_of(repository: &mut Repository, commit: &str) -> Vec<Claim> {
    let mut claims = repository.note(notes::REF, commit).map(|n| notes::read(&n, commit)).unwrap_or_default();
    claims.extend(repository.note(git_ai::REF, commit).map(|n| git_ai::read(&n, commit)).unwrap_or_default());
    claims
}

/// Whether the record's hash is that of the lines it names.
fn same_content(claim: &Claim, lines: &[&str]) -> bool {
    let Some(digits) = claim.content.strip_prefix("blake3:") else { return false };
    let range = claim.start as usize - 1..(claim.end as usize).min(lines.len());
    let Some(lines) = lines.get(range) else { return false };
    hex(&text_hash(&joined(lines))) == digits
}

/// Lines as one text, each ended.
pub fn joined(lines: &[&str]) -> String {
    lines.iter().flat_map(|l| [*l, "\n"]).collect()
}

fn of_event(event: &Event, whole: bool) -> LineOrigin {
    let part = if whole { "content match" } else { "content match in part" };
    LineOrigin {
        origin: event.origin.clone(),
        confidence: if whole { event.confidence } else { event.confidence.min(90) },
        tool: event.tool.clone(),
        model: event.model.clone(),
        session: event.session.clone(),
        evidence: format!("{}, {part}", event.evidence),
        time: event.time,
    }
}

fn of_claim(claim: &Claim, confidence: u8, how: &str) -> LineOrigin {
    LineOrigin {
        origin: claim.origin.clone(),
        confidence: if claim.origin == "unknown" { 0 } else { confidence },
        tool: claim.tool.clone(),
        model: claim.model.clone(),
        session: claim.session.clone(),
        evidence: format!("{}{how}", claim.evidence),
        time: 0,
    }
}

fn of_commit(commit: &Commit) -> Option<LineOrigin> {
    let assisted = commit::assisted(&commit.message, &commit.author)?;
    Some(LineOrigin {
        origin: "agent".to_owned(),
        confidence: commit::CONFIDENCE,
        tool: assisted.tool,
        model: assisted.model,
        session: String::new(),
        evidence: format!("{}, for the commit as a whole", assisted.evidence),
        time: commit.time.saturating_mul(1000),
    })
}
