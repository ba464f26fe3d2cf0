//! Agents whose hooks call `qualm hook`, so that what they write is known to be theirs.

use super::{Folders, Plan, on_path};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Map, Value, json, ser::PrettyFormatter};
use std::path::PathBuf;

/// How one agent names its events.
struct Hooks {
    command: &'static str,
    events: &'static [&'static str],
    /// Tools that write; `None` where hooks take no matcher.
    matcher: Option<&'static str>,
    /// Hooks stand in groups with a matcher of their own (Claude's form), or are the elements themselves (Cursor's).
    grouped: bool,
    /// What a file that is not there begins with.
    head: fn() -> Value,
}

fn plan(found: bool, file: PathBuf, hooks: &Hooks, note: Option<&str>) -> (bool, Plan) {
    let mut plan = Plan::default();
    plan.file(file, |old| merged(old, hooks));
    if !plan.steps.is_empty() {
        plan.notes.extend(note.map(str::to_owned));
    }
    (found, plan)
}

pub(super) fn claude(folders: &Folders) -> (bool, Plan) {
    let hooks = Hooks {
        command: "qualm hook claude",
        events: &["PreToolUse", "PostToolUse"],
        matcher: Some("Write|Edit|MultiEdit|NotebookEdit|Bash"),
        grouped: true,
        head: || json!({}),
    };
    let folder = folders.home.join(".claude");
    plan(on_path(&["claude"]) || folder.is_dir(), folder.join("settings.json"), &hooks, None)
}

pub(super) fn codex(folders: &Folders) -> (bool, Plan) {
    let hooks = Hooks {
        command: "qualm hook codex",
        events: &["PreToolUse", "PostToolUse"],
        matcher: Some("apply_patch|Write|Edit|Bash"),
        grouped: true,
        head: || json!({}),
    };
    let folder = folders.home.join(".codex");
    let note = "Codex runs hooks only after you trust them: see /hooks there";
    plan(on_path(&["codex"]) || folder.is_dir(), folder.join("hooks.json"), &hooks, Some(note))
}

pub(super) fn gemini(folders: &Folders) -> (bool, Plan) {
    let hooks = Hooks {
        command: "qualm hook gemini",
        events: &["BeforeTool", "AfterTool"],
        matcher: Some("write_file|replace|run_shell_command"),
        grouped: true,
        head: || json!({}),
    };
    let folder = folders.home.join(".gemini");
    plan(on_path(&["gemini"]) || folder.is_dir(), folder.join("settings.json"), &hooks, None)
}

pub(super) fn cursor(folders: &Folders) -> (bool, Plan) {
    let hooks = Hooks {
        command: "qualm hook cursor",
        events: &["preToolUse", "postToolUse", "afterFileEdit", "afterTabFileEdit"],
        matcher: None,
        grouped: false,
        head: || json!({"version": 1}),
    };
    let folder = folders.home.join(".cursor");
    plan(on_path(&["cursor"]) || folder.is_dir(), folder.join("hooks.json"), &hooks, None)
}

/// The settings with our hooks in them; what else is there stays as it is.
fn merged(old: Option<&str>, hooks: &Hooks) -> Result<String> {
    let mut root: Value = match old.filter(|t| !t.trim().is_empty()) {
        Some(text) => serde_json::from_str(text).context("it is no plain JSON (comments are not)")?,
        None => (hooks.head)(),
    };
    let mut changed = old.is_none();
    {
        let Some(root) = root.as_object_mut() else { bail!("it is no JSON object") };
        let all = root.entry("hooks").or_insert_with(|| Value::Object(Map::new()));
        let Some(all) = all.as_object_mut() else { bail!("`hooks` is no object") };
        for event in hooks.events {
            let list = all.entry(*event).or_insert_with(|| json!([]));
            let Some(list) = list.as_array_mut() else { bail!("`hooks.{event}` is no list") };
            if list.iter().any(|entry| mentions(entry, hooks.command)) {
                continue;
            }
            changed = true;
            let hook = json!({"type": "command", "command": hooks.command});
            list.push(match (hooks.grouped, hooks.matcher) {
                (true, Some(matcher)) => json!({"matcher": matcher, "hooks": [hook]}),
                (true, None) => json!({"hooks": [hook]}),
                (false, _) => json!({"command": hooks.command}),
            });
        }
    }
    match old {
        Some(old) if !changed => Ok(old.to_owned()),
        _ => written(&root, old.unwrap_or("")),
    }
}

/// Whether some command in an entry is ours, whatever path it is called by.
fn mentions(entry: &Value, command: &str) -> bool {
    match entry {
        Value::String(text) => text.contains(command) || text.contains(&command.replacen("qualm ", "qualm.exe ", 1)),
        Value::Array(list) => list.iter().any(|v| mentions(v, command)),
        Value::Object(map) => map.values().any(|v| mentions(v, command)),
        _ => false,
    }
}

/// JSON with the indentation of the text before.
fn written(value: &Value, like: &str) -> Result<String> {
    let indent: String = like
        .lines()
        .find_map(|l| l.strip_prefix([' ', '\t']).map(|_| l.chars().take_while(|c| c.is_whitespace()).collect()))
        .unwrap_or_else(|| "  ".into());
    let mut out = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(indent.as_bytes())))?;
    out.push(b'\n');
    Ok(String::from_utf8(out)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAUDE: Hooks =
        Hooks { command: "qualm hook claude", events: &["PostToolUse"], matcher: Some("Write"), grouped: true, head: || json!({}) };

    #[test]
    fn hooks_are_added_beside_those_of_others() {
        let own = "{\n    \"model\": \"x\",\n    \"hooks\": {\n        \"PostToolUse\": [\n            {\"matcher\": \"Edit\", \"hooks\": [{\"type\": \"command\", \"command\": \"mine\"}]}\n        ]\n    }\n}\n";
        let text = merged(Some(own), &CLAUDE).unwrap();
        assert!(text.starts_with("{\n    \"model\": \"x\"") && text.contains("\"mine\"") && text.contains("qualm hook claude"), "{text}");
        assert_eq!(merged(Some(&text), &CLAUDE).unwrap(), text, "a second time changes nothing");
        let fresh = merged(None, &CLAUDE).unwrap();
        assert_eq!(merged(Some(&fresh), &CLAUDE).unwrap(), fresh);
        let elsewhere = own.replace("mine", "/opt/qualm hook claude");
        assert_eq!(merged(Some(&elsewhere), &CLAUDE).unwrap(), elsewhere);
    }

    #[test]
    fn what_cannot_be_merged_is_left_alone() {
        for text in ["[]", "{\"hooks\": 1}", "{\"hooks\": {\"PostToolUse\": {}}}", "// comment\n{}"] {
            assert!(merged(Some(text), &CLAUDE).is_err(), "{text}");
        }
    }
}
