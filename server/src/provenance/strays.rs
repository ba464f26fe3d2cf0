//! Notes of commits that are not in the history of what is checked out: their lines were picked, squashed, rebased or
//! stashed and stand in other commits now. They are known again by their content, as those of the ledger are.

use super::{
    evidence::notes_of,
    repository::{Blamed, Repository},
};
use qualm_origin::{
    interchange::{Claim, git_ai},
    ledger::{Event, event::line_print},
    notes,
};
use rustc_hash::{FxHashMap, FxHashSet};

/// Only the newest of so many commits are asked.
const MAX_COMMITS: usize = 2000;

/// What the notes of such commits claim, by the file.
#[derive(Default)]
pub(super) struct Strays {
    claims: Option<FxHashMap<String, Vec<Stray>>>,
}

struct Stray {
    commit: String,
    /// When it was committed, in milliseconds since 1970.
    time: i64,
    claim: Claim,
}

impl Strays {
    /// What they claim of a file, under the names it had before too, as if hooks had told it.
    pub fn events(&mut self, name: &str, blamed: &[Option<Blamed>], head: Option<&str>, repository: &mut Repository) -> Vec<Event> {
        let claims = self.claims.get_or_insert_with(|| read(head, repository));
        if claims.is_empty() {
            return Vec::new();
        }
        let names: FxHashSet<&str> = blamed.iter().flatten().map(|b| b.path.as_str()).chain([name]).collect();
        let mut texts: FxHashMap<&str, Option<Vec<u64>>> = FxHashMap::default();
        let mut events = Vec::new();
        for name in names {
            texts.clear();
            for stray in claims.get(name).into_iter().flatten() {
                let prints = texts.entry(&stray.commit).or_insert_with(|| {
                    let text = repository.text(&stray.commit, name)?;
                    Some(text.lines().map(line_print).collect())
                });
                let Claim { start, end, .. } = stray.claim;
                let Some(lines) = prints.as_ref().and_then(|p| p.get(start as usize - 1..(end as usize).min(p.len()))) else { continue };
                let claim = &stray.claim;
                events.push(Event {
                    time: stray.time,
                    file: name.to_owned(),
                    origin: claim.origin.clone(),
                    confidence: claim.confidence,
                    tool: claim.tool.clone(),
                    model: claim.model.clone(),
                    session: claim.session.clone(),
                    evidence: format!("{} on {}", claim.evidence, stray.commit.get(..10).unwrap_or_default()),
                    line: start,
                    lines: lines.to_vec(),
                    ..Event::default()
                });
            }
        }
        events
    }
}

fn read(head: Option<&str>, repository: &mut Repository) -> FxHashMap<String, Vec<Stray>> {
    let mut claims: FxHashMap<String, Vec<Stray>> = FxHashMap::default();
    for commit in repository.noted_elsewhere(&[notes::REF, git_ai::REF, git_ai::STASH_REF], head).into_iter().take(MAX_COMMITS) {
        let time = repository.commit(&commit).time.saturating_mul(1000);
        for claim in notes_of(repository, &commit).into_iter().filter(|c| c.origin != "unknown") {
            claims.entry(claim.file.clone()).or_default().push(Stray { commit: commit.clone(), time, claim });
        }
    }
    claims
}
