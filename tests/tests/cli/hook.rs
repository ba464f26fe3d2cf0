//! `hook` and `ledger`: what an agent's hook gets back, and what is kept of it.

use super::{Project, Ran};
use serde_json::json;
use std::fs;

const EDITED: &str = "import os\n\ndef f():\n    return 1\n";

fn repository() -> Project {
    let project = Project::new(&[("src/app.py", EDITED)]);
    project.git(&["init", "-q"]);
    project
}

fn edit(project: &Project, file: &str) -> Vec<u8> {
    json!({
        "session_id": "s-1", "cwd": project.path(), "hook_event_name": "PostToolUse", "tool_name": "Edit", "tool_use_id": "toolu_1",
        "tool_input": { "file_path": file, "old_string": "    pass", "new_string": "    return 1", "replace_all": false },
        "tool_response": {},
    })
    .to_string()
    .into_bytes()
}

fn events(project: &Project) -> u64 {
    project.qualm(&["ledger", "verify", "--json"]).expect(0).json()["events"].as_u64().unwrap()
}

#[test]
fn an_edit_is_recorded_without_its_text() {
    let project = repository();
    let ran = project.qualm_with(&["hook", "claude"], &edit(&project, "src/app.py")).expect(0);
    assert_eq!((ran.out().as_str(), ran.err().as_str()), ("", ""));
    assert_eq!(events(&project), 1);
    let mut kept = Vec::new();
    for entry in fs::read_dir(project.path().join(".git/qualm")).unwrap() {
        kept.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |text: &str| kept.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(holds("src/app.py") && holds("toolu_1") && !holds("return 1"), "names are kept, text is not");
    let text = project.qualm(&["ledger", "verify"]).expect(0).out();
    assert!(text.contains("events: 1") && text.contains("the chain is whole"), "{text}");
}

#[test]
fn nothing_a_hook_is_given_makes_it_fail() {
    let project = repository();
    let inputs: [(&[&str], &[u8]); 7] = [
        (&["hook", "claude"], b"{\"session_id\": "),
        (&["hook", "claude"], b"\xff\xfe\x00"),
        (&["hook", "claude"], b""),
        (&["hook", "nobody"], b"{}"),
        (&["hook"], b"{}"),
        (&["hook", "claude", "--surprise"], b"{}"),
        (&["hook", "gemini"], b"[]"),
    ];
    for (args, input) in inputs {
        let ran = project.qualm_with(args, input).expect(0);
        assert!(!ran.err().contains("panicked"), "{}", ran.err());
    }
    assert_eq!(project.qualm_with(&["hook", "gemini"], b"broken").expect(0).out(), "{}\n", "Gemini reads JSON only");
    assert_eq!(events(&project), 0);
}

#[test]
fn files_outside_of_the_project_are_nobodys_business() {
    let project = repository();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("x.py"), EDITED).unwrap();
    let outer = outside.path().join("x.py");
    for file in ["../x.py", "/etc/passwd", ".git/config", outer.to_str().unwrap(), ""] {
        project.qualm_with(&["hook", "claude"], &edit(&project, file)).expect(0);
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outside.path(), project.path().join("link")).unwrap();
        project.qualm_with(&["hook", "claude"], &edit(&project, "link/x.py")).expect(0);
    }
    assert_eq!(events(&project), 0);
}

#[cfg(unix)]
#[test]
fn a_ledger_that_cannot_be_written_is_told_and_does_no_harm() {
    let project = repository();
    project.write(".git/qualm", b"in the way");
    let ran = project.qualm_with(&["hook", "cursor"], &edit(&project, "src/app.py")).expect(0);
    assert_eq!(ran.out(), "{}\n");
    assert!(ran.err().contains("in memory only"), "{}", ran.err());
}

#[test]
fn a_changed_ledger_is_noticed() {
    let project = repository();
    for _ in 0..5 {
        project.qualm_with(&["hook", "claude"], &edit(&project, "src/app.py")).expect(0);
    }
    // Folded into one file, so that the bytes are where they can be changed.
    project.qualm(&["ledger", "prune", "--keep", "30"]).expect(0);
    assert_eq!(events(&project), 5);
    let path = project.path().join(".git/qualm/ledger.sqlite");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(7).rposition(|w| w == b"toolu_1").unwrap();
    bytes[at + 6] = b'2';
    fs::write(&path, bytes).unwrap();
    let out = project.qualm(&["ledger", "verify"]).expect(1).out();
    assert!(out.contains("was changed") && out.contains("the chain is broken"), "{out}");
}

#[test]
fn many_hooks_at_once_all_get_through() {
    let project = repository();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let ran: Ran = project.qualm_with(&["hook", "claude"], &edit(&project, "src/app.py")).expect(0);
                assert_eq!(ran.err(), "");
            });
        }
    });
    assert_eq!(events(&project), 8);
}

#[test]
fn outside_of_repositories_the_ledger_is_in_the_users_state_folder() {
    use std::io::Write;
    let project = Project::new(&[("src/app.py", EDITED)]);
    let state = tempfile::tempdir().unwrap();
    let run = |args: &[&str], input: &[u8]| {
        let mut command = super::command(&project.path(), args);
        let mut child = command.env("XDG_STATE_HOME", state.path()).stdin(std::process::Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ran(child.wait_with_output().unwrap())
    };
    assert_eq!(run(&["hook", "claude"], &edit(&project, "src/app.py")).expect(0).err(), "");
    assert!(state.path().join("qualm/ledger.sqlite").is_file() && !project.path().join(".git").exists());
    let report = run(&["origin", "src/app.py", "--json"], b"").expect(0).json();
    let regions = report["files"][0]["regions"].as_array().unwrap();
    assert_eq!(regions.iter().map(|r| r["origin"].as_str().unwrap()).collect::<Vec<_>>(), ["unknown", "agent"]);
}
