//! Our own git notes: one Agent Trace record a line, so that git may join the notes of commits that are melted into
//! one (`notes.rewriteMode = concatenate`) and the result is still a note.

use crate::{
    interchange::{At, Claim, FileOrigins, agent_trace},
    ledger::event::{hex, text_hash},
};
use std::ops::Range;

/// A text is looked for among so many lines (those of the file times its own).
const MAX_SEARCHED: usize = 1_000_000;

/// The ref of the notes.
pub const REF: &str = "refs/notes/qualm";

/// The note of a commit: the origin of the lines it brought, counted in the files as they are in it. Regions of unknown
/// origin are left out: a missing record says the same. `time` is in milliseconds since 1970.
pub fn write(files: &[FileOrigins], commit: &str, time: i64) -> String {
    let known = |file: &FileOrigins| {
        let regions: Vec<_> = file.regions.iter().filter(|r| r.origin != "unknown").cloned().collect();
        (!regions.is_empty()).then(|| FileOrigins { regions, ..file.clone() })
    };
    let files: Vec<FileOrigins> = files.iter().filter_map(known).collect();
    if files.is_empty() { String::new() } else { format!("{}\n", agent_trace::write(&files, Some(commit), time)) }
}

/// Reads a note of a commit. Git moves notes along when it rewrites commits, and their lines may have moved differently:
/// what a record says of another commit holds nowhere by its line numbers ([`At::Unknown`]); [`place`] finds it again.
pub fn read(note: &str, commit: &str) -> Vec<Claim> {
    let claims = agent_trace::read(note).claims.into_iter();
    let own = At::Commit(commit.to_owned());
    claims
        .map(|c| {
            let at = if c.at == own { own.clone() } else { At::Unknown };
            Claim { at, evidence: format!("qualm note: {}", c.evidence), ..c }
        })
        .collect()
}

/// Where the text that a claim speaks of stands among lines, by its content (0-based). `None` if nowhere, or if it
/// stands in several places and not in its old one.
pub fn place(claim: &Claim, lines: &[&str]) -> Option<Range<usize>> {
    let digits = claim.content.strip_prefix("blake3:")?;
    let (start, count) = (claim.start as usize - 1, (claim.end - claim.start) as usize + 1);
    let same = |at: &usize| {
        let text: String = lines.get(*at..at + count)?.iter().flat_map(|l| [*l, "\n"]).collect();
        (hex(&text_hash(&text)) == digits).then_some(())
    };
    if same(&start).is_some() {
        return Some(start..start + count);
    }
    if lines.len().saturating_mul(count) > MAX_SEARCHED {
        return None;
    }
    let mut found = (0..lines.len()).filter(|at| same(at).is_some());
    let at = found.next()?;
    found.next().is_none().then(|| at..at + count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interchange::Region;

    #[test]
    fn a_note_is_read_after_it_moved_and_was_joined() {
        let region = |start, end, origin: &str| Region { start, end, origin: origin.into(), confidence: 99, ..Region::default() };
        let file = |regions| FileOrigins { path: "a.py".into(), lines: 9, regions, ..FileOrigins::default() };
        let old = "a".repeat(40);
        let first = write(&[file(vec![region(1, 2, "unknown"), region(3, 4, "agent")])], &old, 0);
        let second = write(&[file(vec![region(5, 6, "completion")])], &old, 1);
        assert_eq!(write(&[file(vec![region(1, 2, "unknown")])], &old, 0), "");
        let note = format!("{first}\n{second}");
        let claims = read(&note, "new");
        assert_eq!(claims.iter().map(|c| (c.start, c.end)).collect::<Vec<_>>(), [(3, 4), (5, 6)]);
        assert_eq!(claims.iter().map(|c| c.origin.as_str()).collect::<Vec<_>>(), ["agent", "completion"]);
        assert!(claims.iter().all(|c| c.at == At::Unknown), "line numbers of another commit");
        assert!(read(&note, &old).iter().all(|c| c.at == At::Commit(old.clone())));
    }

    #[test]
    fn moved_text_is_found_by_its_content_or_not_at_all() {
        let content = format!("blake3:{}", hex(&text_hash("b\nc\n")));
        let claim = Claim { start: 2, end: 3, content, ..Claim::default() };
        let placed = |lines: &str| place(&claim, &lines.split(' ').collect::<Vec<_>>());
        assert_eq!(placed("a b c"), Some(1..3));
        assert_eq!(placed("x y a b c"), Some(3..5));
        assert_eq!(placed("b c a b c"), None, "which of the two?");
        assert_eq!(placed("x b c b c"), Some(1..3), "where it was");
        assert_eq!((placed("a b"), placed("a b d")), (None, None));
        assert_eq!(place(&Claim { start: 1, end: 1, ..Claim::default() }, &["a"]), None);
    }
}
