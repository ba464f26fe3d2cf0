//! Joins everything that is known of a file's lines into one origin a line, the strongest evidence first: events of
//! the ledger whose text stands there, then records that came with the repository, then what a commit says of itself.
//! A line that nothing explains is of unknown origin.

use super::{
    repository::{Blamed, Commit, Repository},
    strays::Strays,
};
use qualm_origin::{
    Evidence, Kind,
    interchange::{At, Claim, agent_trace, commit, git_ai},
    ledger::{Action, Event, Ledger, Query, event::line_print},
    notes,
    recognise::recognise,
};
use rustc_hash::FxHashMap;
use serde_json::{Value, json};
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
    /// It arrived here without being written here.
    pub foreign: bool,
    /// A person looked at it since.
    pub reviewed: bool,
}

impl LineOrigin {
    fn unknown(evidence: &str) -> Self {
        Self { origin: "unknown".to_owned(), evidence: evidence.to_owned(), ..Self::default() }
    }

    /// For reports that scripts read; the confidence is between 0 and 1.
    pub fn json(&self) -> Value {
        let time = (self.time > 0).then(|| qualm_origin::time::format(self.time));
        json!({
            "origin": self.origin, "confidence": f64::from(self.confidence) / 100.0, "tool": self.tool, "model": self.model,
            "session": self.session, "evidence": self.evidence, "time": time, "foreign": self.foreign, "reviewed": self.reviewed,
        })
    }

    /// For people: what it is, and in brackets who made it and when.
    pub fn told(&self) -> String {
        let named = [("", &self.tool), ("model ", &self.model), ("session ", &self.session)];
        let mut parts: Vec<String> = named.iter().filter(|(_, t)| !t.is_empty()).map(|(word, text)| format!("{word}{text}")).collect();
        if self.time > 0 {
            parts.push(qualm_origin::time::format(self.time));
        }
        let who = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
        let reviewed = if self.reviewed { ", reviewed" } else { "" };
        format!("{}{who}{reviewed}: {}", self.origin, spoken(&self.evidence))
    }
}

/// Evidence as the ledger has it (`hook:claude:PostToolUse:Edit, content match`) in words for people.
fn spoken(evidence: &str) -> String {
    let (head, rest) = evidence.split_once(", ").unwrap_or((evidence, ""));
    let (word, more) = head.split_once(':').unwrap_or((head, ""));
    let known = Evidence::parse(word);
    if known.as_str() != word {
        return evidence.to_owned();
    }
    let said = match (known, more) {
        (_, "") => known.label().to_owned(),
        (Evidence::Correction, author) => format!("{author} said so"),
        (_, more) => format!("{} ({more})", known.label()),
    };
    if rest.is_empty() { said } else { format!("{said}, {rest}") }
}

/// All sources of a project.
#[derive(Default)]
pub struct Sources<'l> {
    ledger: Option<&'l Ledger>,
    traces: FxHashMap<String, Vec<Claim>>,
    noted: FxHashMap<String, Vec<Claim>>,
    strays: Strays,
    /// What could not be read, in words for the user.
    pub notices: Vec<String>,
}

impl<'l> Sources<'l> {
    /// Reads what does not depend on a file.
    pub fn new(top: &Path, ledger: Option<&'l Ledger>) -> Self {
        let mut sources = Self { ledger, ..Self::default() };
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

    /// Whether anybody recorded anything here, other than in the messages of commits.
    pub fn any(&self, repository: Option<&mut Repository>) -> bool {
        let noted = |r: &mut Repository| [notes::REF, git_ai::REF, git_ai::STASH_REF].iter().any(|notes| r.has(notes));
        self.ledger.is_some() || !self.traces.is_empty() || repository.is_some_and(noted)
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
        let (reviews, events): (Vec<Event>, Vec<Event>) = self.events(name, blamed)?.into_iter().partition(|e| e.action == Action::Review);
        let possible = |line: usize, event: &Event| {
            // A line that was committed before the event cannot come from it.
            let committed = commits.get(line).and_then(Option::as_ref).map(|c| c.time.saturating_mul(1000).saturating_add(999));
            committed.is_none_or(|at| at >= event.time)
        };
        let recognised = recognise(&prints, &events, possible);
        let mut origins: Vec<Option<LineOrigin>> = Vec::with_capacity(lines.len());
        for (at, found) in recognised.iter().enumerate() {
            let blamed = blamed.get(at).and_then(Option::as_ref);
            origins.push(match found {
                Some(found) => Some(of_event(&events[found.event], found.whole)),
                None => {
                    let commit = commits.get(at).and_then(Option::as_ref);
                    self.of_record(name, at, &lines, blamed, commit, head, repository.as_deref_mut())
                }
            });
        }
        if let Some(repository) = repository
            && origins.iter().any(Option::is_none)
        {
            let carried = self.strays.events(name, blamed, head, repository);
            let found = recognise(&prints, &carried, |line, event| origins[line].is_none() && possible(line, event));
            for (origin, found) in origins.iter_mut().zip(&found) {
                if let Some(found) = found {
                    *origin = Some(of_event(&carried[found.event], found.whole));
                }
            }
        }
        let of_trailer = |at: usize| of_commit(commits.get(at)?.as_ref()?);
        let mut origins: Vec<LineOrigin> = origins
            .into_iter()
            .enumerate()
            .map(|(at, origin)| {
                let committed = blamed.get(at).is_some_and(Option::is_some);
                let why = match head {
                    _ if committed => "no record explains the commit",
                    Some(_) => "not committed, no record",
                    None => "no record",
                };
                origin.or_else(|| of_trailer(at)).unwrap_or_else(|| LineOrigin::unknown(why))
            })
            .collect();
        for (origin, found) in origins.iter_mut().zip(recognise(&prints, &reviews, |_, _| true)) {
            // A part of what was looked at, among other lines, is something else.
            origin.reviewed = found.is_some_and(|f| f.whole);
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
            events.extend(records.filter(|e| matches!(e.action, Action::Insert | Action::Relabel | Action::Review)));
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
                return Some(of_claim(claim, claim.confidence, "", commit));
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
                (true, _) => of_claim(claim, claim.confidence.max(90), ", content match", commit),
                (false, true) => of_claim(claim, claim.confidence, ", by position", commit),
                (false, false) => continue,
            };
            if best.as_ref().is_none_or(|b| b.confidence <= found.confidence) {
                best = Some(found);
            }
        }
        best
    }
}

/// What the notes of a commit claim.
pub(super) fn notes_of(repository: &mut Repository, commit: &str) -> Vec<Claim> {
    let read = repository.note(notes::REF, commit).map(|n| notes::read(&n, commit)).unwrap_or_default();
    let mut claims: Vec<Claim> = read
        .into_iter()
        .filter_map(|claim| {
            if claim.at != At::Unknown {
                return Some(claim);
            }
            let text = repository.text(commit, &claim.file)?;
            let place = notes::place(&claim, &text.lines().collect::<Vec<_>>())?;
            Some(Claim { start: place.start as u32 + 1, end: place.end as u32, at: At::Commit(commit.to_owned()), ..claim })
        })
        .collect();
    for notes in [git_ai::REF, git_ai::STASH_REF] {
        claims.extend(repository.note(notes, commit).map(|n| git_ai::read(&n, commit)).unwrap_or_default());
    }
    claims
}

/// Whether the record's hash is that of the lines it names.
fn same_content(claim: &Claim, lines: &[&str]) -> bool {
    notes::place(claim, lines).is_some_and(|place| place.start + 1 == claim.start as usize)
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
        foreign: event.believed().is_foreign(),
        reviewed: false,
    }
}

fn of_claim(claim: &Claim, confidence: u8, how: &str, commit: Option<&Commit>) -> LineOrigin {
    LineOrigin {
        origin: claim.origin.clone(),
        confidence: if claim.origin == "unknown" { 0 } else { confidence },
        tool: claim.tool.clone(),
        model: claim.model.clone(),
        session: claim.session.clone(),
        evidence: format!("{}{how}", claim.evidence),
        time: commit.map_or(0, |c| c.time.saturating_mul(1000)),
        foreign: claim.origin.parse().is_ok_and(Kind::is_foreign),
        reviewed: false,
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
        foreign: true,
        reviewed: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_told_in_words() {
        let told = |evidence: &str| spoken(evidence);
        assert_eq!(
            told("hook:claude:PostToolUse:Edit, content match"),
            "the agent's hook told so (claude:PostToolUse:Edit), content match"
        );
        assert_eq!(told("burst, content match"), "arrived all at once, content match");
        assert_eq!((told("correction:ann"), told("correction")), ("ann said so".to_owned(), "you said so".to_owned()));
        assert_eq!(told("git-ai note: s_1"), "git-ai note: s_1");
    }
}
