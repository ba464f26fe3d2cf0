//! Ledgers and repositories that mean harm: nothing in them runs, holds anybody up, or is written where it does not belong.

use super::{Project, Ran, command, ended};
use rusqlite::Connection;
use serde_json::json;
use std::{io::Write, path::PathBuf, process::Stdio};

const LEDGER: &str = ".git/qualm/ledger.sqlite";
/// A query that never ends.
const FOR_EVER: &str = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r)";

fn repository() -> Project {
    let project = Project::new(&[("a.py", "x = 1\ny = 2\n")]);
    project.git(&["init", "-q"]);
    project
}

fn edit(project: &Project) -> Vec<u8> {
    json!({
        "session_id": "s-1", "cwd": project.path(), "hook_event_name": "PostToolUse", "tool_name": "Edit", "tool_use_id": "toolu_1",
        "tool_input": { "file_path": "a.py", "old_string": "x = 0", "new_string": "x = 1", "replace_all": false },
    })
    .to_string()
    .into_bytes()
}

fn hook(project: &Project) -> Ran {
    let mut command = command(&project.path(), &["hook", "claude"]);
    let mut child = command.env("XDG_STATE_HOME", project.path().join("state")).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&edit(project)).unwrap();
    ended(child).expect(0)
}

fn run(project: &Project, args: &[&str]) -> Ran {
    ended(command(&project.path(), args).env("XDG_STATE_HOME", project.path().join("state")).spawn().unwrap())
}

/// A ledger with an event, then changed.
fn forged(sql: &str) -> Project {
    let project = repository();
    assert_eq!(hook(&project).err(), "");
    Connection::open(project.path().join(LEDGER)).unwrap().execute_batch(sql).unwrap();
    project
}

#[test]
fn programs_in_a_ledger_do_not_run() {
    for sql in [
        format!("ALTER TABLE event RENAME TO e; CREATE VIEW event AS {FOR_EVER} SELECT n AS seq FROM r;"),
        format!(
            "CREATE TRIGGER t AFTER INSERT ON event BEGIN INSERT INTO state SELECT n, 1, x'', x'', '' FROM ({FOR_EVER} SELECT n FROM r); END;"
        ),
        "CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM event; END;".to_owned(),
        "CREATE TABLE more (x);".to_owned(),
        "PRAGMA user_version = 0;".to_owned(),
    ] {
        let project = forged(&sql);
        assert!(hook(&project).err().contains("it holds other things than a ledger does"), "{sql}: {}", hook(&project).err());
        run(&project, &["check"]).expect(0);
        assert!(run(&project, &["origin", "a.py"]).expect(0).err().contains("what hooks recorded cannot be read"));
        assert!(run(&project, &["ledger", "verify"]).expect(2).err().contains("the ledger cannot be read"), "{sql}");
    }
}

#[test]
fn values_and_events_without_number_cost_little() {
    let row = |blob: &str| format!("'insert', 'a.py', 'agent', 99, 't', 'm', 's-1', 'c', 'hook', 1, 9, zeroblob(32), {blob}, zeroblob(32)");
    let project = forged(&format!("INSERT INTO event SELECT 2, 5, {};", row("zeroblob(64000000)")));
    hook(&project);
    run(&project, &["check"]).expect(0);
    assert_ne!(run(&project, &["ledger", "verify"]).code(), 0);
    let many = "WITH RECURSIVE r(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM r WHERE n < 200000)";
    let project =
        forged(&format!("INSERT INTO event {many} SELECT n, n, {} FROM r; UPDATE anchor SET head = 200000;", row("zeroblob(80)")));
    assert_eq!(hook(&project).err(), "", "the newest is all it asks for");
    run(&project, &["check"]).expect(0);
    let out = run(&project, &["ledger", "verify"]).expect(1).out();
    assert!(out.lines().filter(|l| l.starts_with("fault:")).count() <= 20 && out.contains("was changed"), "{out}");
}

#[cfg(unix)]
#[test]
fn pipes_and_links_are_no_ledger() {
    use std::os::unix::fs::symlink;
    for name in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "ledger.sqlite-journal"] {
        let project = repository();
        super::hostile::pipe(&project, &format!(".git/qualm/{name}"));
        assert!(hook(&project).err().contains("it is not a regular file"), "{name}: {}", hook(&project).err());
        run(&project, &["check"]).expect(0);
        run(&project, &["ledger", "verify"]);
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let project = repository();
    symlink(elsewhere.path(), project.path().join(".git/qualm")).unwrap();
    assert!(hook(&project).err().contains("its folder is a link"), "{}", hook(&project).err());
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn a_ledger_is_written_into_no_other_repository() {
    let victim = repository();
    let git = victim.path().join(".git");
    for (name, text) in [(".git", format!("gitdir: {}\n", git.display())), (".git/commondir", format!("{}\n", git.display()))] {
        let project = Project::new(&[("a.py", "x = 1\n"), (name, &text)]);
        if name != ".git" {
            project.write(".git/HEAD", b"ref: refs/heads/main\n");
            std::fs::create_dir_all(project.path().join(".git/objects")).unwrap();
        }
        assert_eq!(hook(&project).err(), "");
        assert!(!git.join("qualm").exists() && project.path().join("state/qualm/ledger.sqlite").is_file(), "{name}");
    }
    // A working tree that the repository knows of shares its ledger.
    victim.git(&["add", "-A"]);
    victim.git(&["commit", "-qm", "one"]);
    let other = tempfile::tempdir().unwrap();
    let tree: PathBuf = other.path().canonicalize().unwrap().join("tree");
    victim.git(&["worktree", "add", "-q", tree.to_str().unwrap()]);
    let mut child = command(&tree, &["hook", "claude"]).stdin(Stdio::piped()).spawn().unwrap();
    let event = String::from_utf8(edit(&victim)).unwrap().replace(victim.path().to_str().unwrap(), tree.to_str().unwrap());
    child.stdin.take().unwrap().write_all(event.as_bytes()).unwrap();
    assert_eq!(ended(child).expect(0).err(), "");
    assert!(git.join("qualm/ledger.sqlite").is_file());
}

#[test]
fn an_event_that_never_ends_holds_no_agent() {
    let project = repository();
    let mut child = command(&project.path(), &["hook", "gemini"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"{\"session_id\": ").unwrap();
    let ran = ended(child).expect(0);
    drop(input);
    assert_eq!(ran.out(), "{}\n", "it has its answer");
    assert!(ran.err().contains("the event was not read: it took longer than"), "{}", ran.err());
}

/// A repository with a commit of an agent.
fn committed() -> Project {
    let project = repository();
    project.git(&["add", "-A"]);
    project.git(&["commit", "-qm", "one\n\nCo-Authored-By: Claude <noreply@anthropic.com>"]);
    project
}

#[test]
fn settings_of_a_repository_neither_blind_nor_tell() {
    let project = committed();
    let agents = run(&project, &["origin", "a.py", "--json"]).expect(0).out();
    assert!(agents.contains("claude"), "{agents}");
    project.write("secret.txt", b"the password is swordfish\n");
    project.git(&["config", "blame.ignoreRevsFile", project.path().join("secret.txt").to_str().unwrap()]);
    let ran = run(&project, &["origin", "a.py", "--json"]).expect(0);
    assert!(!ran.err().contains("swordfish") && !ran.out().contains("swordfish"), "{}", ran.err());
    assert_eq!(ran.out(), agents);
}

#[cfg(unix)]
#[test]
fn pipes_in_a_repository_hold_nobody() {
    for name in [".git/config", ".git/HEAD", ".git/packed-refs", ".git/shallow", ".git/index", "included"] {
        let project = committed();
        project.write("a.py", b"x = 1\ny = 'FORBIDDEN_KEY'\n");
        if name == "included" {
            project.git(&["config", "include.path", "../included"]);
        }
        let _ = std::fs::remove_file(project.path().join(name));
        super::hostile::pipe(&project, name);
        let out = run(&project, &["check"]).expect(1).out();
        // Without a head it is no repository.
        assert!(name == ".git/HEAD" || out.contains("is not a regular file, so git is not asked"), "{name}: {out}");
        assert!(run(&project, &["check", "--diff", "HEAD"]).expect(2).err().contains("is not a regular file"), "{name}");
        run(&project, &["origin", "a.py"]);
    }
    let project = committed();
    super::hostile::pipe(&project, ".mailmap");
    super::hostile::pipe(&project, ".gitattributes");
    assert!(run(&project, &["origin", "a.py", "--json"]).expect(0).out().contains("claude"));
}
