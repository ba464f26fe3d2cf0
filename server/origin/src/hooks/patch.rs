//! The two ways patches come: the envelope of `apply_patch` (`*** Begin Patch`) and hunks with line numbers.

use super::{Edit, Work};
use serde_json::Value;

const BEGIN: &str = "*** Begin Patch";

/// Whether a text holds an `apply_patch` envelope.
pub(super) fn is_envelope(text: &str) -> bool {
    text.contains(BEGIN)
}

/// Reads an envelope, wherever in the text it begins (it may stand in a shell command).
pub(super) fn envelope(text: &str) -> Vec<Work> {
    let Some(at) = text.find(BEGIN) else { return Vec::new() };
    let mut work = Vec::new();
    let mut lines = text[at..].lines().skip(1).peekable();
    while let Some(line) = lines.next() {
        let line = line.trim_end();
        if line.starts_with("*** End Patch") {
            break;
        } else if let Some(path) = line.strip_prefix("*** Add File: ") {
            let mut new = String::new();
            while let Some(line) = lines.next_if(|l| !l.starts_with("*** ")) {
                new.push_str(line.strip_prefix('+').unwrap_or(line));
                new.push('\n');
            }
            work.push(Work::Write { path: path.trim().to_owned(), text: new, before: Some(String::new()) });
        } else if let Some(path) = line.strip_prefix("*** Delete File: ") {
            work.push(Work::Delete { path: path.trim().to_owned() });
        } else if let Some(path) = line.strip_prefix("*** Update File: ") {
            let mut path = path.trim().to_owned();
            let mut edits = Vec::new();
            let mut edit = Sides::default();
            while let Some(line) =
                lines.next_if(|l| !l.starts_with("*** ") || l.starts_with("*** Move to: ") || l.starts_with("*** End of File"))
            {
                if let Some(to) = line.strip_prefix("*** Move to: ") {
                    work.push(Work::Delete { path: std::mem::replace(&mut path, to.trim().to_owned()) });
                } else if line.starts_with("@@") {
                    edits.extend(std::mem::take(&mut edit).done());
                } else if !line.starts_with("*** ") {
                    edit.push(line);
                }
            }
            edits.extend(edit.done());
            work.push(Work::Edit { path, edits });
        }
    }
    work
}

/// Both sides of a hunk.
#[derive(Default)]
struct Sides {
    old: String,
    new: String,
}

impl Sides {
    fn push(&mut self, line: &str) {
        let (mark, body) = line.split_at_checked(1).unwrap_or((" ", ""));
        let sides: &mut [&mut String] = match mark {
            "+" => &mut [&mut self.new],
            "-" => &mut [&mut self.old],
            _ => &mut [&mut self.old, &mut self.new],
        };
        for side in sides {
            side.push_str(body);
            side.push('\n');
        }
    }

    fn done(self) -> Option<Edit> {
        (self.old != self.new).then_some(Edit { old: self.old, new: self.new, all: false, line: None })
    }
}

/// Hunks as Claude Code reports them: `[{newStart, lines: ["+x", " y"]}]`. `None` if it is something else.
pub(super) fn structured(patch: &Value) -> Option<Vec<(Option<u32>, String)>> {
    let mut found = Vec::new();
    for hunk in patch.as_array()? {
        let start = u32::try_from(hunk.get("newStart")?.as_u64()?).ok()?;
        let mut line = start;
        let mut open: Option<(u32, String)> = None;
        for text in hunk.get("lines")?.as_array()? {
            let text = text.as_str()?;
            match text.split_at_checked(1).unwrap_or((" ", "")) {
                ("+", body) => {
                    let (_, new) = open.get_or_insert((line, String::new()));
                    new.push_str(body);
                    new.push('\n');
                    line = line.saturating_add(1);
                }
                ("-" | "\\", _) => {}
                _ => {
                    found.extend(open.take());
                    line = line.saturating_add(1);
                }
            }
        }
        found.extend(open);
    }
    Some(found.into_iter().map(|(line, text)| (Some(line), text)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_in_a_shell_command() {
        let text = "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: new.py\n+a = 1\n+\n*** Update File: old.py\n*** Move to: moved.py\n@@ def f\n x\n-y\n+z\n+é\n@@\n-last\n*** Delete File: gone.py\n*** End Patch\nEOF\n";
        let edit = |old: &str, new: &str| Edit { old: old.into(), new: new.into(), all: false, line: None };
        assert_eq!(
            envelope(text),
            [
                Work::Write { path: "new.py".into(), text: "a = 1\n\n".into(), before: Some(String::new()) },
                Work::Delete { path: "old.py".into() },
                Work::Edit { path: "moved.py".into(), edits: vec![edit("x\ny\n", "x\nz\né\n"), edit("last\n", "")] },
                Work::Delete { path: "gone.py".into() },
            ]
        );
    }

    #[test]
    fn broken_envelopes_yield_what_is_whole() {
        for text in [
            "",
            "*** Begin Patch",
            "*** Begin Patch\n*** Update File: ",
            "*** Begin Patch\n*** Update File: a\né",
            "*** Begin Patch\n+x\n*** x",
        ] {
            envelope(text);
        }
        assert!(structured(&serde_json::json!({"a": 1})).is_none());
        assert!(structured(&serde_json::json!([{"newStart": 1e300, "lines": []}])).is_none());
    }

    #[test]
    fn hunks_know_their_lines() {
        let patch = serde_json::json!([{"oldStart": 3, "newStart": 3, "lines": [" a", "-b", "+c", "+d", " e", "+f", "\\ No newline at end of file"]}]);
        assert_eq!(structured(&patch).unwrap(), [(Some(4), "c\nd\n".to_owned()), (Some(7), "f\n".to_owned())]);
    }
}
