//! Origins through rewritten history: amended, rebased, melted, picked, squashed and stashed work keeps them, by the
//! ledger here and by the notes elsewhere, and no line gets the origin of another.

use super::{
    Project,
    origin::{agent_edit, commit, head, regions, repository},
};
use std::process::Command;

const APP: &str = "import os\n\n\ndef first():\n    return os.name\n\n\ndef last():\n    return os.sep\n";
const ONE: &str = "\n\ndef agent_one(rows):\n    agent_sum = sum(rows)\n    return agent_sum\n";
const TWO: &str = "def agent_two(path):\n    agent_name = path.name\n    return agent_name\n\n\n";

/// On `side`, on top of `main`'s first commit: the agent's work, then a hand's, then the agent's again further up.
fn story() -> Project {
    let project = repository(&[("a.py", APP)]);
    project.git(&["checkout", "-q", "-b", "main"]);
    commit(&project, "Start");
    project.git(&["checkout", "-q", "-b", "side"]);
    agent_edit(&project, "a.py", "    return os.sep\n", &format!("    return os.sep\n{ONE}"));
    commit(&project, "One");
    edit(&project, "    return os.name\n", "    mine = 1\n    return os.name + str(mine)\n");
    commit(&project, "Mine");
    agent_edit(&project, "a.py", "def first", &format!("{TWO}def first"));
    commit(&project, "Two");
    // Meanwhile others went on.
    project.git(&["checkout", "-q", "main"]);
    edit(&project, "import os\n", "\"\"\"The head of the file.\"\"\"\n\nimport os\nimport sys\n");
    commit(&project, "Theirs");
    project.git(&["checkout", "-q", "side"]);
    project
}

fn edit(project: &Project, old: &str, new: &str) {
    let text = project.read("a.py");
    assert!(text.contains(old), "{text}");
    project.write("a.py", text.replacen(old, new, 1).as_bytes());
}

/// Every line that names the agent is the agent's, and no other line with words in it.
fn right(project: &Project, expected: usize) {
    let report = project.qualm(&["origin", "a.py", "--json"]).expect(0).json();
    let text = project.read("a.py");
    let lines: Vec<&str> = text.lines().collect();
    let mut agents = 0;
    for region in report["files"][0]["regions"].as_array().unwrap() {
        let end = region["end_line"].as_u64().unwrap() as usize;
        for line in &lines[region["start_line"].as_u64().unwrap() as usize - 1..end] {
            if !line.is_empty() {
                assert_eq!(region["origin"] == "agent", line.contains("agent"), "{line:?}\n{report:#}");
                agents += usize::from(line.contains("agent"));
            }
        }
    }
    assert_eq!(agents, expected, "{text}");
}

/// Notes on all commits of the side branch; what the hooks recorded is lost.
fn only_notes(project: &Project) {
    for commit in ["side", "side~1", "side~2"] {
        project.qualm(&["origin", "--write-note", commit]).expect(0);
    }
    std::fs::remove_dir_all(project.path().join(".git/qualm")).unwrap();
}

/// Old commits are gone for good, as in another clone.
fn forget(project: &Project) {
    project.git(&["reflog", "expire", "--expire=now", "--all"]);
    project.git(&["gc", "-q", "--prune=now"]);
}

fn each(rewrite: fn(&Project), expected: usize) {
    for notes in [false, true] {
        let project = story();
        if notes {
            only_notes(&project);
        }
        rewrite(&project);
        right(&project, expected);
    }
}

#[test]
fn amending_keeps_origins() {
    each(
        |p| {
            edit(p, "    agent_name = path.name\n", "    agent_name = path.name\n    checked = 1\n");
            p.git(&["commit", "-q", "-a", "--amend", "-m", "Two and mine"]);
        },
        6,
    );
}

/// A branch of additions and deletions loses nothing by a rebase.
#[test]
fn git_ai_1079_a_rebase_keeps_origins() {
    each(
        |p| {
            edit(p, "    mine = 1\n", "");
            commit(p, "Only a deletion");
            p.git(&["rebase", "-q", "main"]);
            assert!(p.read("a.py").starts_with("\"\"\"The head"));
        },
        6,
    );
}

/// Commits of an agent, of a hand, and of the agent again are melted into one: all of the agent's lines stay its own and
/// none of the hand's become so, whether git joins the notes or not, and with the old commits gone.
#[test]
fn git_ai_1214_melted_commits_lose_nothing() {
    let melt = |p: &Project| p.git(&["-c", "sequence.editor=sed -i '2,$s/^pick/fixup/'", "rebase", "-q", "-i", "main"]);
    for (joined, forgotten) in [(false, false), (true, false), (true, true)] {
        let project = story();
        if joined {
            project.git(&["config", "notes.rewriteRef", "refs/notes/qualm"]);
            project.git(&["config", "notes.rewriteMode", "concatenate"]);
        }
        only_notes(&project);
        melt(&project);
        if forgotten {
            forget(&project);
        }
        right(&project, 6);
    }
    let project = story();
    melt(&project);
    right(&project, 6);
}

/// A squash carries the side's origins to the commit that it makes, and to no other.
#[test]
fn git_ai_1473_a_squash_is_credited_with_its_own_lines_only() {
    each(
        |p| {
            p.git(&["checkout", "-q", "main"]);
            p.git(&["merge", "-q", "--squash", "side"]);
            right(p, 6);
            commit(p, "Squashed");
            p.git(&["branch", "-q", "-D", "side"]);
            let of = |range: &str| {
                let report = p.qualm(&["origin", "--summary", range, "--json"]).expect(0).json();
                let rows = report["summary"].as_array().unwrap().clone();
                rows.iter().filter(|r| r["origin"] == "agent").map(|r| r["lines"].as_u64().unwrap()).sum::<u64>()
            };
            assert!(of("main~1..main") >= 6, "blank lines may go along");
            assert_eq!(of("main~2..main~1"), 0);
        },
        6,
    );
}

#[test]
fn picked_commits_keep_origins() {
    each(
        |p| {
            p.git(&["checkout", "-q", "main"]);
            p.git(&["cherry-pick", "side"]);
        },
        3,
    );
    each(
        |p| {
            p.git(&["checkout", "-q", "main"]);
            p.git(&["cherry-pick", "--no-commit", "side~2"]);
        },
        3,
    );
}

#[test]
fn stashes_and_checkouts_keep_origins() {
    let project = story();
    agent_edit(&project, "a.py", "def last", "def agent_three():\n    agent_path = os.path\n    return agent_path\n\n\ndef last");
    right(&project, 9);
    project.git(&["stash", "-q"]);
    right(&project, 6);
    project.git(&["checkout", "-q", "main"]);
    right(&project, 0);
    project.git(&["stash", "pop", "-q"]);
    right(&project, 3);
    project.git(&["checkout", "-q", "-f", "side"]);
    right(&project, 6);
}

/// git-ai keeps the authorship of stashed work in notes on the stash.
#[test]
fn notes_on_a_stash_are_read() {
    let project = repository(&[("a.py", "one = 1\n")]);
    commit(&project, "Start");
    project.write("a.py", b"one = 1\ntwo = agent()\nthree = agent()\n");
    project.git(&["stash", "-q"]);
    let output = Command::new("git").args(["rev-parse", "stash@{0}"]).current_dir(project.path()).output().unwrap();
    let stash = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let note = "a.py\n  s_c9883b05a2487d::t_9f8e7d6c5b4a32 2-3\n---\n{\"sessions\":{\"s_c9883b05a2487d\":{\"agent_id\":{\"tool\":\"cursor\",\"id\":\"c\",\"model\":\"m\"}}}}";
    project.git(&["notes", "--ref", "ai-stash", "add", "-m", note, &stash]);
    project.git(&["stash", "pop", "-q"]);
    assert_eq!(regions(&project, "a.py"), ["1-1 unknown  0.0", "2-3 agent cursor 0.9"]);
    assert!(!head(&project).is_empty());
}

/// A note that git moved along does not speak of lines by their old numbers.
#[test]
fn a_moved_note_does_not_name_the_wrong_lines() {
    let project = story();
    project.git(&["config", "notes.rewriteRef", "refs/notes/qualm"]);
    only_notes(&project);
    project.git(&["rebase", "-q", "main"]);
    forget(&project);
    right(&project, 6);
}
