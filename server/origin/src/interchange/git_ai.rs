//! The authorship notes of git-ai (`refs/notes/ai`, format 3.0.0): which lines of a commit come from which session.
//!
//! Lines that such a note calls human are read as unknown: git-ai attests so whenever a file was saved that no
//! checkpoint explains, which includes text pasted from a chat window.

use super::{At, Claim, path_in_repository};
use serde_json::Value;

/// The ref that git-ai keeps its notes in. It is read and never written.
pub const REF: &str = "refs/notes/ai";

/// The ref of its notes on stashed work.
pub const STASH_REF: &str = "refs/notes/ai-stash";

/// The claims of one commit's note. What cannot be understood is passed over.
pub fn read(note: &str, commit: &str) -> Vec<Claim> {
    let (entries, metadata) = sections(note);
    let metadata: Value = serde_json::from_str(metadata).unwrap_or_default();
    let mut claims = Vec::new();
    let mut file = None;
    for line in entries.lines().filter(|l| !l.trim().is_empty()) {
        let Some(entry) = line.strip_prefix("  ") else {
            file = path(line.trim_end());
            continue;
        };
        let (Some(file), Some((key, ranges))) = (&file, entry.trim().split_once(' ')) else { continue };
        let author = author(key, &metadata);
        for (start, end) in ranges.split(',').filter_map(range) {
            claims.push(Claim { file: file.clone(), start, end, at: At::Commit(commit.to_owned()), ..author.clone() });
        }
    }
    claims
}

/// The two parts around the line `---`.
fn sections(note: &str) -> (&str, &str) {
    let mut at = 0;
    for line in note.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return (&note[..at], &note[at + line.len()..]);
        }
        at += line.len();
    }
    (note, "")
}

/// A path, in quotes if it holds blanks.
fn path(line: &str) -> Option<String> {
    let quoted = line.starts_with('"');
    let path = if quoted { serde_json::from_str(line).unwrap_or_else(|_| line.trim_matches('"').to_owned()) } else { line.to_owned() };
    path_in_repository(&path)
}

fn range(text: &str) -> Option<(u32, u32)> {
    let (start, end) = text.trim().split_once('-').unwrap_or((text.trim(), text.trim()));
    let (start, end) = (start.parse().ok()?, end.parse().ok()?);
    (start >= 1 && end >= start).then_some((start, end))
}

/// Everything about an entry but its lines.
fn author(key: &str, metadata: &Value) -> Claim {
    let base = Claim { evidence: format!("git-ai note: {key}"), session: key.to_owned(), ..Claim::default() };
    if key.starts_with("h_") {
        return Claim { origin: "unknown".into(), evidence: format!("{} (a save that no agent explains)", base.evidence), ..base };
    }
    // `session::trace`; older notes name a prompt.
    let id = key.split("::").next().unwrap_or(key);
    let group = if key.starts_with("s_") { "sessions" } else { "prompts" };
    let agent = metadata.get(group).and_then(|g| g.get(id)).and_then(|s| s.get("agent_id"));
    let field = |name: &str| {
        let text = agent.and_then(|a| a.get(name)).and_then(Value::as_str).unwrap_or("");
        text.chars().filter(|c| !c.is_control()).take(200).collect::<String>()
    };
    let model = field("model");
    Claim {
        origin: "agent".into(),
        confidence: 90,
        tool: field("tool"),
        model: if matches!(model.as_str(), "unknown" | "default") { String::new() } else { model },
        session: Some(field("id")).filter(|s| !s.is_empty()).unwrap_or(base.session.clone()),
        ..base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: &str = r#"src/main.rs
  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1-10,15
  h_31dce776f88375 35-40
"src/my file.rs"
  abcd1234abcd1234 1-50
../outside.rs
  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1-10
---
{ "schema_version":"authorship/3.0.0","base_commit_sha":"x","prompts":{"abcd1234abcd1234":{"agent_id":{"tool":"claude","id":"p","model":"unknown"}}},
  "humans":{"h_31dce776f88375":{"author":"Developer <dev@example.com>"}},
  "sessions":{"s_c9883b05a2487d":{"agent_id":{"tool":"cursor","id":"conv","model":"claude-sonnet-4-5"}, "human_author":"dev@example.com"}} }
"#;

    #[test]
    fn a_note_names_sessions_prompts_and_saves() {
        let claims = read(NOTE, "c0ffee");
        let told: Vec<_> = claims.iter().map(|c| (&*c.file, c.start, c.end, &*c.origin, &*c.tool, &*c.model, &*c.session)).collect();
        assert_eq!(
            told,
            [
                ("src/main.rs", 1, 10, "agent", "cursor", "claude-sonnet-4-5", "conv"),
                ("src/main.rs", 15, 15, "agent", "cursor", "claude-sonnet-4-5", "conv"),
                ("src/main.rs", 35, 40, "unknown", "", "", "h_31dce776f88375"),
                ("src/my file.rs", 1, 50, "agent", "claude", "", "p"),
            ]
        );
        assert!(claims.iter().all(|c| c.at == At::Commit("c0ffee".into()) && !c.evidence.contains("dev@")));
    }

    #[test]
    fn broken_notes_yield_what_is_whole() {
        for end in 0..NOTE.len() {
            if NOTE.is_char_boundary(end) {
                read(&NOTE[..end], "c");
            }
        }
        assert_eq!(read("a\n  s_1 4-2,0,x,-,9999999999999\n  s_1\n", "c"), []);
        assert_eq!(read("  s_1 1-2\n---\n", "c"), [], "no file");
    }
}
