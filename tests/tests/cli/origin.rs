//! `origin`: which line came from where, by hooks, notes, records and trailers, and what stays unknown.

use super::Project;
use serde_json::{Value, json};

const APP: &str = "import os\n\ndef f():\n    return os.name\n";

pub(super) fn repository(files: &[(&str, &str)]) -> Project {
    let project = Project::new(files);
    project.git(&["init", "-q"]);
    project.git(&["config", "user.name", "T"]);
    project.git(&["config", "user.email", "t@example.org"]);
    project
}

pub(super) fn commit(project: &Project, message: &str) -> String {
    project.git(&["add", "-A"]);
    project.git(&["commit", "-q", "-m", message]);
    head(project)
}

pub(super) fn head(project: &Project) -> String {
    let output = std::process::Command::new("git").args(["rev-parse", "HEAD"]).current_dir(project.path()).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Replaces text in a file as an agent does, hook included.
pub(super) fn agent_edit(project: &Project, file: &str, old: &str, new: &str) {
    let text = project.read(file);
    assert!(text.contains(old), "{text}");
    project.write(file, text.replacen(old, new, 1).as_bytes());
    let event = json!({
        "session_id": "s-1", "cwd": project.path(), "hook_event_name": "PostToolUse", "tool_name": "Edit", "tool_use_id": "toolu_1",
        "model": "claude-opus-4-5",
        "tool_input": { "file_path": project.path().join(file), "old_string": old, "new_string": new }, "tool_response": {},
    });
    let ran = project.qualm_with(&["hook", "claude"], event.to_string().as_bytes()).expect(0);
    assert_eq!(ran.err(), "");
}

/// `first-last origin tool confidence` of each region.
pub(super) fn regions(project: &Project, file: &str) -> Vec<String> {
    let report = project.qualm(&["origin", file, "--json"]).expect(0).json();
    let regions = report["files"][0]["regions"].as_array().unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    regions
        .iter()
        .map(|r| format!("{}-{} {} {} {}", r["start_line"], r["end_line"], text(&r["origin"]), text(&r["tool"]), r["confidence"]))
        .collect()
}

#[test]
fn what_an_agent_wrote_stays_its_own_through_edits_and_commits() {
    let project = repository(&[("a.py", APP)]);
    assert_eq!(regions(&project, "a.py"), ["1-4 unknown  0.0"], "unknown is not human");
    commit(&project, "Start");
    agent_edit(&project, "a.py", "    return os.name\n", "    x = os.name\n    y = x * 2\n    return y\n");
    assert_eq!(regions(&project, "a.py"), ["1-3 unknown  0.0", "4-6 agent claude-code 0.99"]);
    // Lines before move it, a line inside splits it, and neither takes a neighbour along.
    let text = project
        .read("a.py")
        .replace("import os\n", "# mine\nimport os\nimport sys\n")
        .replace("    y = x * 2\n", "    y = x * 2\n    mine = 1\n");
    project.write("a.py", text.as_bytes());
    let split = [
        "1-1 unknown  0.0",
        "2-2 unknown  0.0",
        "3-3 unknown  0.0",
        "4-5 unknown  0.0",
        "6-7 agent claude-code 0.9",
        "8-8 unknown  0.0",
        "9-9 agent claude-code 0.9",
    ];
    assert_eq!(regions(&project, "a.py"), split);
    commit(&project, "Work");
    assert_eq!(
        regions(&project, "a.py"),
        ["1-5 unknown  0.0", "6-7 agent claude-code 0.9", "8-8 unknown  0.0", "9-9 agent claude-code 0.9"]
    );
    let text = project.qualm(&["origin", "a.py"]).expect(0).out();
    assert!(text.contains("the agent's hook told so (claude:PostToolUse:Edit), content match in part"), "{text}");
    assert!(text.contains("model claude-opus-4-5") && text.contains("no record explains the commit"), "{text}");
    assert!(
        text.contains("       3   33.3 %  agent  claude-code  claude-opus-4-5") && text.contains("       6   66.7 %  unknown"),
        "{text}"
    );
    assert!(!text.contains("human"), "{text}");
}

#[test]
fn a_renamed_file_keeps_its_origins() {
    let project = repository(&[("a.py", APP)]);
    commit(&project, "Start");
    agent_edit(&project, "a.py", "    return os.name\n", "    x = os.name\n    return x\n");
    commit(&project, "Work");
    project.git(&["mv", "a.py", "b.py"]);
    commit(&project, "Rename");
    assert_eq!(regions(&project, "b.py"), ["1-3 unknown  0.0", "4-5 agent claude-code 0.99"]);
}

#[test]
fn lines_committed_before_an_edit_are_not_its_own() {
    let project = repository(&[("a.py", APP)]);
    project.git(&["add", "-A"]);
    // Long before the hook speaks of the same text.
    let status = std::process::Command::new("git")
        .args(["commit", "-q", "-m", "Old"])
        .env("GIT_COMMITTER_DATE", "2020-01-01T00:00:00Z")
        .current_dir(project.path())
        .status()
        .unwrap();
    assert!(status.success());
    let event = json!({
        "session_id": "s-1", "cwd": project.path(), "hook_event_name": "AfterTool", "tool_name": "write_file",
        "tool_input": { "file_path": "a.py", "content": format!("{APP}new = 1\n") }, "tool_response": {},
    });
    project.write("a.py", format!("{APP}new = 1\n").as_bytes());
    project.qualm_with(&["hook", "gemini"], event.to_string().as_bytes()).expect(0);
    assert_eq!(regions(&project, "a.py"), ["1-4 unknown  0.0", "5-5 agent gemini-cli 0.8"]);
}

#[test]
fn commits_and_notes_of_others_are_evidence() {
    let project = repository(&[("a.py", "one = 1\n")]);
    commit(&project, "Start");
    project.write("a.py", b"one = 1\ntwo = 2\n");
    commit(&project, "Two\n\nCo-Authored-By: Claude Opus 4.5 <noreply@anthropic.com>");
    project.write("a.py", b"one = 1\ntwo = 2\nthree = 3\nfour = 4\n");
    let third = commit(&project, "Three");
    let note = "a.py\n  s_c9883b05a2487d::t_9f8e7d6c5b4a32 3\n  h_31dce776f88375 4\n---\n{\"sessions\":{\"s_c9883b05a2487d\":{\"agent_id\":{\"tool\":\"cursor\",\"id\":\"c\",\"model\":\"m\"}}}}";
    project.git(&["notes", "--ref", "ai", "add", "-m", note, &third]);
    assert_eq!(regions(&project, "a.py"), ["1-1 unknown  0.0", "2-2 agent claude-code 0.6", "3-3 agent cursor 0.9", "4-4 unknown  0.0"]);
    let report = project.qualm(&["origin", "--summary", "HEAD~2..HEAD", "--json"]).expect(0).json();
    assert_eq!(
        (&report["lines"], &report["summary"][2]["origin"], &report["summary"][2]["lines"]),
        (&json!(3), &json!("unknown"), &json!(1))
    );
    project.qualm(&["origin", "--summary", "nowhere..HEAD"]).expect(2);
}

#[test]
fn trace_records_count_where_they_hold() {
    let project = repository(&[("a.py", "a = 1\nb = 2\nc = 3\n")]);
    let first = commit(&project, "Start");
    let record = |version: &str, start: u32, end: u32| {
        json!({
            "version": version, "id": "r", "timestamp": "2026-01-23T14:30:00Z", "vcs": { "type": "git", "revision": first },
            "tool": { "name": "amp" },
            "files": [{ "path": "a.py", "conversations": [{ "contributor": { "type": "ai" }, "ranges": [{ "start_line": start, "end_line": end }] }] }],
        })
        .to_string()
    };
    let traces = |lines: &[String]| project.write(".agent-trace/traces.jsonl", lines.join("\n").as_bytes());
    traces(&[record("0.1.0", 2, 2)]);
    assert_eq!(regions(&project, "a.py"), ["1-1 unknown  0.0", "2-2 agent amp 0.9", "3-3 unknown  0.0"]);
    // The reference writer names the commit before the edit, and line 1 when it does not know.
    traces(&[record("1.0", 1, 3), record("1.0", 2, 4), "broken".to_owned()]);
    project.write("a.py", b"a = 1\nb = 2\nc = 3\nd = 4\n");
    let ran = project.qualm(&["origin", "a.py", "--json"]).expect(0);
    assert!(ran.err().contains("begin on line 1") && ran.err().contains("no trace record"), "{}", ran.err());
    assert_eq!(regions(&project, "a.py"), ["1-3 unknown  0.0", "4-4 agent amp 0.5"]);
}

#[test]
fn exports_read_back_and_notes_travel() {
    let project = repository(&[("a.py", APP)]);
    commit(&project, "Start");
    agent_edit(&project, "a.py", "    return os.name\n", "    x = os.name\n    return x\n");
    let work = commit(&project, "Work");
    let record = project.qualm(&["origin", "a.py", "--agent-trace"]).expect(0);
    assert_eq!(record.out().lines().count(), 1);
    let record = record.json();
    assert_eq!((&record["version"], &record["vcs"]["revision"]), (&json!("0.1.0"), &json!(work)));
    let bom = project.qualm(&["origin", "a.py", "--cyclonedx"]).expect(0).json();
    assert_eq!(bom["citations"][0]["attributedTo"], "model:anthropic/claude-opus-4-5");
    let told = project.qualm(&["origin", "--write-note", "HEAD"]).expect(0).out();
    assert!(told.contains("refs/notes/qualm") && told.contains("git config --add notes.rewriteRef refs/notes/qualm"), "{told}");
    // Another clone has no ledger; the note speaks for it.
    std::fs::remove_dir_all(project.path().join(".git/qualm")).unwrap();
    assert_eq!(regions(&project, "a.py"), ["1-3 unknown  0.0", "4-5 agent qualm 0.9"].map(|s| s.replace("qualm", "claude-code")));
    project.qualm(&["origin", "--write-note", "HEAD~1"]).expect(0);
}

#[test]
fn a_folder_without_a_repository_and_odd_files_do_no_harm() {
    let project = Project::new(&[("a.py", "a = 1\n"), ("empty.py", "")]);
    project.write("bin.dat", b"\0\x01");
    project.write("bad.py", b"x = '\xff\xfe'\n");
    let report = project.qualm(&["origin", "--summary", "--json"]).expect(0).json();
    let rows = report["summary"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["origin"], &rows[0]["percent"]), (1, &json!("unknown"), &json!(100.0)));
    project.qualm(&["origin", "a.py", "empty.py"]).expect(0);
    project.qualm(&["origin", "bin.dat"]).expect(0);
    project.qualm(&["origin", "missing.py"]).expect(2);
    project.qualm(&["origin", "--write-note", "HEAD"]).expect(2);
}

#[test]
fn a_whole_file_is_credited_only_with_what_it_changed() {
    let project = repository(&[("a.py", APP)]);
    let changed = APP.replace("os.name", "os.sep");
    let event = |phase: &str| {
        json!({
            "session_id": "s-1", "cwd": project.path(), "hook_event_name": phase, "tool_name": "write_file",
            "tool_input": { "file_path": "a.py", "content": changed }, "tool_response": {},
        })
        .to_string()
    };
    project.qualm_with(&["hook", "gemini"], event("BeforeTool").as_bytes()).expect(0);
    project.write("a.py", changed.as_bytes());
    project.qualm_with(&["hook", "gemini"], event("AfterTool").as_bytes()).expect(0);
    assert_eq!(regions(&project, "a.py"), ["1-3 unknown  0.0", "4-4 agent gemini-cli 0.99"]);
    let text = project.qualm(&["origin"]).expect(0).out();
    assert!(text.contains("agent  gemini-cli") && !text.contains("import os"), "{text}");
}

#[test]
fn a_ledger_that_cannot_be_read_is_told_and_the_rest_still_counts() {
    let project = repository(&[("a.py", APP)]);
    commit(&project, "Work\n\nAssisted-by: generic LLM chatbot");
    project.write(".git/qualm/ledger.sqlite", "no database at all, whatever its name says\n".repeat(50).as_bytes());
    let ran = project.qualm(&["origin", "a.py"]).expect(0);
    assert!(ran.err().contains("cannot be read") && ran.out().contains("agent 60% generic LLM"), "{}{}", ran.err(), ran.out());
    project.qualm(&["ledger", "verify"]).expect(2);
}

#[test]
fn hostile_records_cannot_move_the_cursor() {
    let project = repository(&[("a.py", APP)]);
    let evil = commit(&project, "Work\n\nAssisted-by: \u{1b}[2Jx\u{202e}y");
    let record = json!({
        "version": "0.1.0", "id": "\u{1b}]0;x", "timestamp": "t", "vcs": { "type": "git", "revision": evil }, "tool": { "name": "\u{1b}[31m" },
        "files": [{ "path": "a.py", "conversations": [{ "url": "\u{9b}x", "contributor": { "type": "ai", "model_id": "\u{202e}" },
            "ranges": [{ "start_line": 2, "end_line": 4_000_000_000u32 }] }] }],
    });
    project.write(".agent-trace/traces.jsonl", record.to_string().as_bytes());
    for args in [&["origin", "a.py"][..], &["origin"]] {
        let out = project.qualm(args).expect(0).out();
        assert!(out.contains("agent") && !out.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{out:?}");
    }
    project.qualm(&["origin", "a.py", "--json"]).expect(0).json();
    // A repository that git refuses is told, not taken for one without commits.
    project.write(".git/config", b"[core\n");
    assert!(project.qualm(&["origin", "a.py"]).err().contains("git"), "told");
}

#[test]
fn findings_say_where_their_text_came_from() {
    let project = repository(&[("a.py", "x = 'FORBIDDEN_KEY'\n")]);
    commit(&project, "Start");
    let found = |format: &str| project.qualm(&["check", "--format", format]).expect(1).json();
    assert_eq!(found("json")["findings"][0]["origin"], Value::Null, "nobody recorded anything");
    let text = "y = 'FORBIDDEN_AGENT'\nz = 'ODD_AGENT'\n";
    agent_edit(&project, "a.py", "x = 'FORBIDDEN_KEY'\n", &format!("x = 'FORBIDDEN_KEY'\n{text}"));
    let report = found("json");
    let told: Vec<_> = report["findings"].as_array().unwrap().iter().map(|f| (&f["rule"], &f["origin"]["tool"])).collect();
    let (marker, pedantic, claude) = (json!("team-marker"), json!("team-pedantic"), json!("claude-code"));
    assert_eq!(told, [(&marker, &Value::Null), (&marker, &claude), (&pedantic, &claude)], "more doubt about foreign text");
    let log = found("sarif");
    super::check::validate(&log);
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results[0]["properties"].get("qualm"), None);
    let origin = &results[1]["properties"]["qualm"];
    assert_eq!((&origin["origin"], &origin["model"], &origin["confidence"]), (&json!("agent"), &json!("claude-opus-4-5"), &json!(0.99)));
    let text = project.qualm(&["check"]).expect(1).out();
    assert!(text.contains("origin: agent (claude-code, model claude-opus-4-5"), "{text}");
    let typed = project.qualm(&["check", "--as", "typed", "--format", "json"]).expect(1).json();
    assert_eq!(typed["findings"].as_array().unwrap().len(), 2);
}

#[test]
fn the_summary_names_what_waits_for_a_person() {
    let project = repository(&[("a.py", APP), ("b.py", "b = 1\n")]);
    commit(&project, "Start");
    agent_edit(&project, "b.py", "b = 1\n", "b = 1\nc = 2\n");
    std::thread::sleep(std::time::Duration::from_millis(5));
    agent_edit(&project, "a.py", "    return os.name\n", "    x = 'FORBIDDEN_THING'\n    return x\n");
    let report = project.qualm(&["origin", "--summary", "--json"]).expect(0).json();
    let foreign = &report["foreign"];
    assert_eq!((&foreign["lines"], &foreign["with_findings"], &foreign["unreviewed"]), (&json!(3), &json!(1), &json!(3)));
    assert_eq!(foreign["regions"][0]["file"], "a.py", "the newest first");
    assert_eq!(foreign["regions"][0]["findings"], json!([{ "rule": "team-marker", "line": 4 }]));
    assert_eq!(foreign["regions"][1]["findings"], json!([]));
    let text = project.qualm(&["origin", "--summary"]).expect(0).out();
    assert!(text.contains("3 foreign lines, 1 with open findings, 3 not reviewed"), "{text}");
    assert!(text.contains("a.py:4-5  agent claude-code claude-opus-4-5, 1 finding, not reviewed"), "{text}");
}
