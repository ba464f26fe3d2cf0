//! Payloads as the agents send them, and what the ledger gets from each.
#![allow(clippy::unwrap_used)]

use qualm_origin::{
    hooks::{self, Agent, Surroundings},
    ledger::{
        Action, Event,
        event::{line_print, text_hash},
    },
};
use std::path::Path;

const AFTER: &str = "import os\n\ndef f():\n    return 1\n";

/// Shortly after the payloads were sent.
const NOW: i64 = 1_795_384_230_000;

/// A project in `/repo` whose `src/app.py` is as the edits leave it.
struct Repo {
    before: Option<Vec<u64>>,
}

impl Surroundings for Repo {
    fn name(&self, path: &str) -> Option<String> {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/repo/{path}") };
        Some(path.strip_prefix("/repo/")?.to_owned())
    }
    fn text(&self, path: &str) -> Option<String> {
        path.ends_with("src/app.py").then(|| AFTER.to_owned())
    }
    fn before(&self, _name: &str) -> Option<Vec<u64>> {
        self.before.clone()
    }
    fn now(&self) -> i64 {
        NOW
    }
}

fn payload(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hooks").join(format!("{name}.json"))).unwrap()
}

fn events_of(name: &str, repo: &Repo) -> Vec<Event> {
    let agent = Agent::ALL.into_iter().find(|a| name.starts_with(a.name())).unwrap();
    hooks::events(&hooks::parse(agent, &payload(name)).unwrap(), repo)
}

/// `action file:line lines` of each event.
fn told(name: &str) -> Vec<String> {
    let events = events_of(name, &Repo { before: None });
    events.iter().map(|e| format!("{} {}:{} {}", e.action.as_str(), e.file, e.line, e.lines.len())).collect()
}

#[test]
fn every_agent_is_understood() {
    let replaced = &["insert src/app.py:4 1"][..];
    let created = &["insert src/new.py:1 2"][..];
    let command = &["command :0 0"][..];
    let table: &[(&str, &[&str])] = &[
        ("claude-edit", replaced),
        ("claude-write", created),
        ("claude-write-before", &["before src/app.py:0 4"]),
        ("claude-write-over", &["insert src/app.py:1 4"]),
        ("claude-multi-edit", &["insert src/app.py:1 1", "insert src/app.py:4 1"]),
        ("claude-bash", command),
        ("claude-stop", &[]),
        ("codex-apply-patch", &["insert src/app.py:4 1", "insert src/new.py:1 1", "delete src/old.py:0 0"]),
        ("codex-shell-patch", &["insert src/app.py:4 1", "insert src/new.py:1 1", "delete src/old.py:0 0"]),
        ("codex-shell", command),
        ("gemini-write", &["insert src/app.py:1 4"]),
        ("gemini-replace", replaced),
        ("gemini-failed", &[]),
        ("cursor-after-file-edit", replaced),
        ("cursor-after-tab-edit", replaced),
        ("cursor-post-tool", replaced),
        ("cursor-delete", &["delete src/old.py:0 0"]),
        ("windsurf-write", &["insert src/app.py:0 1"]),
        ("windsurf-command", command),
        ("copilot-edit", replaced),
        ("copilot-create", &["insert src/new.py:1 2"]),
        ("copilot-before", &[]),
        ("copilot-denied", &[]),
        ("vscode-replace", replaced),
        ("vscode-multi-replace", &["insert src/app.py:4 1", "insert src/b.py:0 1"]),
        ("vscode-create", created),
    ];
    for (name, expected) in table {
        assert_eq!(told(name), *expected, "{name}");
    }
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hooks")).unwrap().count();
    assert_eq!(files, table.len(), "every payload is in the table");
}

#[test]
fn who_did_it_is_told() {
    let session = "0b1c6a52-7d1e-4a43-9c55-0d6f5c1f2a11";
    for (name, tool, model, call, evidence) in [
        ("claude-edit", "claude-code", "", "toolu_01A", "hook:claude:PostToolUse:Edit"),
        ("codex-apply-patch", "codex", "gpt-5.2-codex", "call_9", "hook:codex:PostToolUse:apply_patch"),
        ("codex-shell", "codex", "gpt-5.2-codex", "call_9", "hook:codex:PostToolUse:exec_command"),
        ("gemini-replace", "gemini-cli", "", "", "hook:gemini:AfterTool:replace"),
        ("cursor-after-file-edit", "cursor", "claude-4.5-sonnet", "gen-3", "hook:cursor:afterFileEdit"),
        ("windsurf-write", "windsurf", "SWE-1.5", "exec-1", "hook:windsurf:post_write_code"),
        ("copilot-edit", "copilot-cli", "", "", "hook:copilot:edit"),
        ("vscode-replace", "github-copilot", "", "call_1", "hook:vscode:PostToolUse:replace_string_in_file"),
    ] {
        let event = events_of(name, &Repo { before: None }).remove(0);
        assert_eq!((&*event.tool, &*event.model, &*event.call, &*event.evidence, &*event.session), (tool, model, call, evidence, session));
        assert_eq!((&*event.origin, event.confidence), ("agent", 99), "{name}");
    }
    assert_eq!(events_of("cursor-after-tab-edit", &Repo { before: None })[0].origin, "completion");
    assert_eq!(events_of("gemini-replace", &Repo { before: None })[0].time, 1_795_384_200_000);
    assert_eq!(events_of("copilot-edit", &Repo { before: None })[0].time, 1_795_384_200_000);
    let old = String::from_utf8(payload("copilot-edit")).unwrap().replace("1795384200000", "1595384200000");
    let event = hooks::parse(Agent::Copilot, old.as_bytes()).unwrap();
    assert_eq!(hooks::events(&event, &Repo { before: None })[0].time, NOW, "a time that cannot be is not believed");
}

#[test]
fn the_text_itself_is_not_kept() {
    let event = events_of("claude-edit", &Repo { before: None }).remove(0);
    assert_eq!(event.hash, text_hash("    return 1\n"));
    assert_eq!(event.lines, [line_print("return 1")]);
    for name in ["claude-edit", "claude-bash", "codex-shell-patch"] {
        let shown = format!("{:?}", events_of(name, &Repo { before: None }));
        assert!(!shown.contains("return 1") && !shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn lines_that_were_there_before_are_not_credited() {
    let before = "import os\n\ndef f():\n    pass\n".lines().map(line_print).collect();
    let events = events_of("gemini-write", &Repo { before: Some(before) });
    assert_eq!(events.iter().map(|e| (e.line, e.lines.clone(), e.confidence)).collect::<Vec<_>>(), [(4, vec![line_print("return 1")], 99)]);
    assert_eq!(events_of("gemini-write", &Repo { before: None })[0].confidence, 80, "not known what was there");
}

#[test]
fn damaged_payloads_never_panic() {
    let names = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hooks")).unwrap();
    let mut random = 88_172_645_463_325_252_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    };
    for entry in names {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for round in 0..300 {
            let mut bytes = bytes.clone();
            if round % 3 == 0 {
                bytes.truncate(next() % (bytes.len() + 1));
            }
            for _ in 0..next() % 8 {
                let at = next() % bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = b"\"\\{}[]:,\0\xff09ae\n"[next() % 15];
                }
            }
            for agent in Agent::ALL {
                if let Ok(hook) = hooks::parse(agent, &bytes) {
                    hooks::events(&hook, &Repo { before: None });
                }
            }
        }
    }
    for text in [r#"{"tool_name":[],"tool_input":{"edits":[{"new_string":7},3]}}"#, r#"{"hook_event_name":"PostToolUse","tool_input":"x"}"#]
    {
        assert!(hooks::parse(Agent::Claude, text.as_bytes()).unwrap().work.is_empty());
    }
    assert!(matches!(Action::parse("later"), Action::Other(_)));
}

/// Windsurf puts control characters into JSON strings as they are.
#[test]
fn raw_control_characters_of_windsurf_are_part_of_the_text() {
    let raw = String::from_utf8(payload("windsurf-write")).unwrap();
    let raw = raw.replace("    return 1\t\n", "\treturn 1\u{c}\n\u{1b}[0m\r\n");
    assert!(raw.contains("[0m"));
    assert!(serde_json::from_str::<serde_json::Value>(&raw).is_err(), "no valid JSON");
    let events = hooks::events(
        &hooks::parse(Agent::ALL.into_iter().find(|a| a.name() == "windsurf").unwrap(), raw.as_bytes()).unwrap(),
        &Repo { before: None },
    );
    assert_eq!((events.len(), &*events[0].file), (1, "src/app.py"));
    assert_eq!(events[0].lines, [line_print("return 1\u{c}"), line_print("\u{1b}[0m")]);
}
