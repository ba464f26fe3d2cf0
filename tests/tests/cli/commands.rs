//! `fix`, `explain` and `config`.

use super::{Project, REWRITE};

const MD5: &str = "import hashlib\na = hashlib.md5(b'1')\nb = hashlib.md5(b'2')\n";

fn rewriting(name: &str, text: &str) -> Project {
    Project::new(&[(".qualm/rules/team/team-digest.md", REWRITE), (name, text)])
}

#[test]
#[ignore = "the engine has no recipes yet"]
fn safe_rewrites_are_applied_until_none_is_left() {
    let project = rewriting("a.py", MD5);
    let dry = project.qualm(&["fix", "--dry-run"]).expect(1).out();
    assert!(dry.contains("- a = hashlib.md5(b'1')") && dry.contains("+ a = hashlib.sha256(b'1')"), "{dry}");
    assert_eq!(project.read("a.py"), MD5, "a dry run writes nothing");
    let nobody = project.qualm(&["fix"]).expect(2).err();
    assert!(nobody.contains("--yes"), "{nobody}");
    assert_eq!(project.read("a.py"), MD5);
    project.qualm(&["fix", "--yes"]).expect(0);
    assert_eq!(project.read("a.py"), MD5.replace("md5", "sha256"));
    assert!(project.qualm(&["fix", "--yes"]).expect(0).out().contains("0 rewrites applied"));
}

#[test]
#[ignore = "the engine has no recipes yet"]
fn line_ends_and_byte_order_mark_stay() {
    let text = format!("\u{feff}{}", MD5.replace('\n', "\r\n"));
    let project = rewriting("a.py", &text);
    project.qualm(&["fix", "--yes"]).expect(0);
    assert_eq!(project.read("a.py"), text.replace("md5", "sha256"));
}

#[test]
#[ignore = "the engine has no recipes yet"]
fn review_rewrites_want_to_be_asked_for() {
    let project = Project::new(&[(".qualm/rules/team/team-digest.md", &REWRITE.replace("\"safe\"", "\"review\"")), ("a.py", MD5)]);
    project.qualm(&["fix", "--yes"]).expect(0);
    assert_eq!(project.read("a.py"), MD5);
    project.qualm(&["fix", "--yes", "--review"]).expect(0);
    assert_eq!(project.read("a.py"), MD5.replace("md5", "sha256"));
}

#[cfg(unix)]
#[test]
fn links_out_of_the_project_are_not_followed() {
    let project = rewriting("b.py", "x = 1\n");
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("t.py");
    std::fs::write(&target, MD5).unwrap();
    std::os::unix::fs::symlink(&target, project.path().join("link.py")).unwrap();
    project.qualm(&["fix", "--yes"]).expect(0);
    assert_eq!(std::fs::read_to_string(&target).unwrap(), MD5);
}

#[test]
fn text_that_is_not_utf8_is_never_written() {
    let project = rewriting("b.py", "x = 1\n");
    let bytes = [b"# caf\xe9\n".as_slice(), MD5.as_bytes()].concat();
    project.write("a.py", &bytes);
    project.qualm(&["fix", "--yes"]).expect(0);
    assert_eq!(std::fs::read(project.path().join("a.py")).unwrap(), bytes);
}

#[test]
fn a_rule_explains_itself() {
    let project = Project::new(&[]);
    let page = project.qualm(&["explain", "team-marker"]).expect(0).out();
    for part in ["Marker of the team", "CWE-798", "Nothing marked so may be shipped.", "Remove it.", "    x = \"FORBIDDEN_THING\""] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = project.qualm(&["explain", "team-marker", "--format", "markdown"]).expect(0).out();
    assert!(page.contains("# Marker of the team") && page.contains("```python\n"), "{page}");
    assert!(project.qualm(&["explain"]).expect(0).out().contains("team-pedantic"));
    assert!(project.qualm(&["explain", "team-markers"]).expect(2).err().contains("did you mean `team-marker`?"));
}

#[test]
fn every_setting_says_where_it_came_from() {
    let project = Project::new(&[("sub/qualm.toml", "min-confidence = \"low\"\n\n[rules]\n\"team-marker\" = \"off\"\n"), ("sub/a.py", "")]);
    let out = project.qualm(&["config", "--why", "sub/a.py", "--persona", "auditor"]).expect(0).out();
    let line = |key: &str| out.lines().find(|l| l.starts_with(key)).unwrap_or_default().to_owned();
    let file = project.path().join("sub/qualm.toml").display().to_string();
    assert!(line("min-confidence").ends_with(&format!("{file}:1")), "{out}");
    assert!(line("rules.team-marker").ends_with(&format!("{file}:4")), "{out}");
    assert!(line("persona").ends_with("flag --persona"), "{out}");
    assert!(line("foreign").ends_with("default"), "{out}");
    project.write("qualm.toml", b"x = 1\n");
    project.qualm(&["config", "--why"]).expect(2);
}

#[test]
fn help_is_short_and_has_examples() {
    let project = Project::new(&[]);
    for command in ["check", "fix", "config"] {
        let help = project.qualm(&[command, "--help"]).expect(0).out();
        assert!(help.contains("Examples:"), "{help}");
        assert!(help.lines().all(|l| l.chars().count() <= 100), "{help}");
    }
}

#[test]
fn rule_examples_are_run() {
    let project = Project::new(&[]);
    let out = project.qualm(&["test-rules", ".qualm/rules"]).expect(0).out();
    assert!(out.contains("2 rules, 3 claims, 0 wrong"), "{out}");
    let wrong = super::MARKER.replace("x = \"FORBIDDEN_THING\"  # finding", "x = 1  # finding\ny = \"FORBIDDEN_THING\"");
    project.write(".qualm/rules/team/team-marker.md", wrong.replace("\"fine\"", "\"FORBIDDEN_FINE\"").as_bytes());
    let out = project.qualm(&["test-rules", ".qualm/rules"]).expect(1).out();
    assert!(out.contains(".qualm/rules/team/team-marker.md:18: `team-marker` fires in line 2 of the example, marked: 1"), "{out}");
    assert!(out.contains("speaks in line 1 of this good example"), "{out}");
    project.write(".qualm/rules/team/team-marker.md", b"nonsense");
    assert!(project.qualm(&["test-rules", ".qualm/rules"]).expect(1).out().contains(".qualm/rules/team/team-marker.md:1: "));
    project.qualm(&["test-rules", "nowhere"]).expect(2);
}

#[test]
fn an_example_may_have_further_files() {
    let rule = super::PEDANTIC.replace("persona = \"pedantic\"", "persona = \"regular\"").replace(
        "```python bad",
        "```python good path=pkg/a.py\nfrom . import b\n```\n```python with path=pkg/b.py\nx = 'ODD_THING'\n```\n```python bad",
    );
    let project = Project::new(&[(".qualm/rules/team/team-pedantic.md", &rule)]);
    project.qualm(&["test-rules", ".qualm/rules"]).expect(0);
}

#[test]
fn editors_get_their_configuration() {
    let project = Project::new(&[]);
    assert!(project.qualm(&["editor-config", "helix"]).expect(0).out().contains("[language-server.qualm]"));
    assert!(project.qualm(&["editor-config", "neovim"]).expect(0).out().contains("'qualm', 'lsp'"));
    assert!(project.qualm(&["editor-config", "emacs"]).expect(0).out().contains("(\"qualm\" \"lsp\")"));
    assert!(project.qualm(&["editor-config", "kakoune"]).expect(0).out().contains("[qualm]"));
    assert!(project.qualm(&["editor-config", "vim"]).expect(0).out().contains("'command': '%e lsp'"));
    project.qualm(&["editor-config", "ed"]).expect(2);
}

/// The settings of the VS Code extension are made from this file; `npm test` there compares the two.
#[test]
fn the_schema_of_the_editors_is_the_servers_own() {
    let said = Project::new(&[]).qualm(&["config", "--schema"]).expect(0).out();
    let kept = include_str!("../../../editors/vscode/schema/qualm.schema.json");
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(json(&said), json(kept), "run `qualm config --schema > editors/vscode/schema/qualm.schema.json` and `npm run settings`");
}
