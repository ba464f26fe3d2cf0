//! Our own git notes: one Agent Trace record a line, so that git may join the notes of commits that are melted into
//! one (`notes.rewriteMode = concatenate`) and the result is still a note.

use crate::interchange::{At, Claim, FileOrigins, agent_trace};

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

/// Reads a note. Its lines are those of the commit it is attached to, whatever commit a record names: after a rebase
/// the note has moved and the record has not.
pub fn read(note: &str, commit: &str) -> Vec<Claim> {
    let claims = agent_trace::read(note).claims.into_iter();
    claims.map(|c| Claim { at: At::Commit(commit.to_owned()), evidence: format!("qualm note: {}", c.evidence), ..c }).collect()
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
        let claims = read(&format!("{first}\n{second}"), "new");
        assert_eq!(claims.iter().map(|c| (c.start, c.end)).collect::<Vec<_>>(), [(3, 4), (5, 6)]);
        assert_eq!(claims.iter().map(|c| c.origin.as_str()).collect::<Vec<_>>(), ["agent", "completion"]);
        assert!(claims.iter().all(|c| c.at == At::Commit("new".into())));
    }
}
