//! `qualm check`: exit codes, formats, what is looked at and what is shown.

use super::{Project, row};
use serde_json::{Value, json};

const BAD: &str = "x = 1\ny = 'FORBIDDEN_KEY'\n";

#[test]
fn exit_codes_say_clean_findings_trouble() {
    let project = Project::new(&[("a.py", "x = 1\n")]);
    project.qualm(&["check"]).expect(0);
    project.write("b.py", BAD.as_bytes());
    project.qualm(&["check"]).expect(1);
    project.qualm(&["check", "a.py"]).expect(0);
    assert!(project.qualm(&["check", "nowhere.py"]).expect(2).err().contains("nowhere.py"));
    project.qualm(&["check", "--min-confidence", "maybe"]).expect(2);
    assert!(project.qualm(&["check", "--rule", "team-markr"]).expect(2).err().contains("did you mean `team-marker`?"));
}

#[test]
fn text_shows_the_place_and_has_no_colour_in_a_pipe() {
    let project = Project::new(&[("src/b.py", BAD)]);
    let out = project.qualm(&["check"]).expect(1).out();
    assert!(out.contains("warning[team-marker]"), "{out}");
    assert!(out.contains("--> src/b.py:2:6"), "{out}");
    assert!(out.contains("2 | y = 'FORBIDDEN_KEY'"), "{out}");
    assert!(out.contains("why: Nothing marked so may be shipped."), "{out}");
    assert!(out.contains("1 finding in 1 file"), "{out}");
    assert!(!out.contains('\u{1b}'), "{out}");
}

#[test]
fn ignored_hidden_and_excluded_files_are_left_out_unless_named() {
    let project = Project::new(&[
        (".gitignore", "ignored/\n"),
        ("ignored/a.py", BAD),
        (".hidden/a.py", BAD),
        ("node_modules/m/a.js", "x = 'FORBIDDEN_KEY'"),
        ("generated/a.py", BAD),
        ("qualm.toml", "exclude = ['generated/']\n"),
        ("b.py", BAD),
        (".github/scripts/a.py", BAD),
    ]);
    let all = |args: &[&str]| project.qualm(&[&["check", "--format", "json"], args].concat()).found();
    assert_eq!(all(&[]), [row(".github/scripts/a.py", 2, "team-marker"), row("b.py", 2, "team-marker")], "CI runs the first");
    assert_eq!(all(&["--hidden"]).len(), 3);
    assert_eq!(all(&["ignored/a.py"]), [row("ignored/a.py", 2, "team-marker")]);
    assert_eq!(all(&["generated/a.py"]), []);
    assert_eq!(all(&["b.py", ".", "./b.py"]).len(), 2, "each file once");
}

#[test]
fn json_keeps_its_shape() {
    let project = Project::new(&[("b.py", "é = 'FORBIDDEN_KEY'\n")]);
    let report = project.qualm(&["check", "--format", "json"]).expect(1).json();
    assert_eq!(report["version"], 1);
    let finding = &report["findings"][0];
    assert_eq!(finding["title"], "Marker of the team");
    assert_eq!(finding["cwe"], json!([798]));
    assert_eq!(finding["severity"], "warning");
    assert_eq!(finding["start"], json!({"line": 1, "column": 6, "byte": 6}));
    assert_eq!(finding["end"], json!({"line": 1, "column": 19, "byte": 19}));
    assert_eq!(finding["fingerprint"].as_str().unwrap().len(), 16);
}

pub(super) fn validate(log: &Value) {
    let schema: Value = serde_json::from_str(include_str!("../../data/sarif-schema-2.1.0.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(log).take(5).map(|e| format!("{}: {e}", e.instance_path)).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn sarif_is_valid_with_and_without_findings() {
    let project = Project::new(&[("a b/é.py", "é = '😀 FORBIDDEN_KEY'\n"), ("big.py", &"#".repeat(4000))]);
    let log = project.qualm(&["check", "--format", "sarif", "--max-size", "3"]).expect(1).json();
    validate(&log);
    let run = &log["runs"][0];
    let result = &run["results"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
    assert_eq!(rule["id"], "team-marker");
    assert!(rule["properties"]["tags"].as_array().unwrap().contains(&json!("external/cwe/cwe-798")));
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a%20b/%C3%A9.py");
    assert_eq!((&place["region"]["startLine"], &place["region"]["startColumn"]), (&json!(1), &json!(9)));
    assert!(run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].as_str().unwrap().contains("big.py"));
    validate(&project.qualm(&["check", "--format", "sarif", "--no-rule", "team-marker"]).expect(0).json());
}

#[test]
fn sarif_fingerprints_survive_moved_lines() {
    let project = Project::new(&[("b.py", BAD)]);
    let print = || project.qualm(&["check", "--format", "sarif"]).json()["runs"][0]["results"][0]["partialFingerprints"].clone();
    let before = print();
    project.write("b.py", format!("# a\n# b\n{BAD}").as_bytes());
    assert_eq!(before, print());
}

#[test]
fn github_annotations_are_workflow_commands() {
    let project = Project::new(&[("b.py", BAD)]);
    let out = project.qualm(&["check", "--format", "github"]).expect(1).out();
    assert!(out.starts_with("::warning file=b.py,line=2,endLine=2,col=6,endColumn=19,title=qualm%3A team-marker::"), "{out}");
}

#[test]
fn foreign_text_is_vetted_more_strictly() {
    let project = Project::new(&[("a.py", "x = 'ODD_THING'\n")]);
    project.qualm(&["check"]).expect(0);
    project.qualm(&["check", "--as", "foreign"]).expect(1);
    project.qualm(&["check", "--persona", "pedantic"]).expect(1);
    project.write("qualm.toml", b"foreign = true\n");
    project.qualm(&["check"]).expect(1);
    project.qualm(&["check", "--as", "typed"]).expect(0);
}

#[test]
fn rules_are_chosen_by_flag_and_file() {
    let project = Project::new(&[("a.py", "x = 'FORBIDDEN_A ODD_B'\n")]);
    let rules = |args: &[&str]| {
        let found = project.qualm(&[&["check", "--format", "json", "--as", "foreign"], args].concat()).found();
        found.into_iter().map(|f| f.2).collect::<Vec<_>>()
    };
    assert_eq!(rules(&[]), ["team-marker", "team-pedantic"]);
    assert_eq!(rules(&["--rule", "team-pedantic"]), ["team-pedantic"]);
    assert_eq!(rules(&["--no-rule", "team-pedantic"]), ["team-marker"]);
    project.write("qualm.toml", b"[rules]\n\"team-marker\" = \"off\"\n\"team-pedantic\" = \"error\"\n");
    assert_eq!(rules(&[]), ["team-pedantic"]);
    let report = project.qualm(&["check", "--format", "json", "--as", "foreign"]).json();
    assert_eq!(report["findings"][0]["severity"], "error");
}

#[test]
fn standard_input_has_a_name_or_a_language() {
    let project = Project::new(&[("qualm.toml", "exclude = ['x']\n")]);
    let out = project.qualm_with(&["check", "-", "--stdin-filename", "src/new.py", "--format", "json"], BAD.as_bytes());
    assert_eq!(out.expect(1).found(), [row("src/new.py", 2, "team-marker")]);
    let out = project.qualm_with(&["check", "-", "--language", "javascript", "--format", "json"], b"let a = 'FORBIDDEN_B'");
    assert_eq!(out.expect(1).found(), [row("<stdin>", 1, "team-marker")]);
    project.qualm_with(&["check", "-"], BAD.as_bytes()).expect(2);
    project.qualm_with(&["check", "-", "a.py"], BAD.as_bytes()).expect(2);
}

#[test]
fn diff_shows_only_what_concerns_changed_lines() {
    let project = Project::new(&[("src/a.py", "a = 'FORBIDDEN_OLD'\nb = 1\n"), ("same.py", BAD)]);
    project.git(&["init", "-q"]);
    project.git(&["add", "-A"]);
    project.git(&["commit", "-qm", "one"]);
    let diff = |args: &[&str]| project.qualm(&[&["check", "--format", "json", "--diff", "HEAD"], args].concat());
    assert_eq!(diff(&[]).expect(0).found(), []);
    project.write("src/a.py", b"a = 'FORBIDDEN_OLD'\nb = 'FORBIDDEN_NEW'\n");
    project.write("src/new.py", BAD.as_bytes());
    assert_eq!(diff(&[]).expect(1).found(), [row("src/a.py", 2, "team-marker"), row("src/new.py", 2, "team-marker")]);
    assert_eq!(diff(&["src/a.py"]).found(), [row("src/a.py", 2, "team-marker")]);
    // The same text with other line ends is not a change.
    project.write("same.py", BAD.replace('\n', "\r\n").as_bytes());
    assert_eq!(diff(&["same.py"]).expect(0).found(), []);
    let trouble = project.qualm(&["check", "--diff", "no-such-branch"]).expect(2).err();
    assert!(trouble.contains("no-such-branch"), "{trouble}");
    project.qualm(&["check", "--diff", "--output=stolen"]).expect(2);
    assert!(!project.path().join("stolen").exists());
}

#[test]
fn diff_follows_a_moved_file() {
    let lines = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"].map(|n| n.to_owned() + " = 1\n").concat();
    let project = Project::new(&[("a.py", &format!("old = 'FORBIDDEN_OLD'\n{lines}"))]);
    project.git(&["init", "-q"]);
    project.git(&["add", "-A"]);
    project.git(&["commit", "-qm", "one"]);
    std::fs::remove_file(project.path().join("a.py")).unwrap();
    project.write("pkg/b.py", format!("old = 'FORBIDDEN_OLD'\n{lines}new = 'FORBIDDEN_NEW'\n").as_bytes());
    project.write("pkg/c.py", BAD.as_bytes());
    let ran = project.qualm(&["check", "--format", "json", "--diff", "HEAD"]).expect(1);
    assert_eq!(ran.found(), [row("pkg/b.py", 12, "team-marker"), row("pkg/c.py", 2, "team-marker")]);
}

#[test]
fn diff_runs_nothing_a_repository_names() {
    let project = Project::new(&[("a.py", "b = 1\n")]);
    project.git(&["init", "-q"]);
    project.git(&["add", "-A"]);
    project.git(&["commit", "-qm", "one"]);
    let trap = project.path().join("ran");
    let touch = format!("touch {}", trap.display());
    for key in ["diff.external", "core.fsmonitor", "filter.x.clean", "filter.x.smudge", "diff.x.textconv", "core.pager", "core.sshCommand"]
    {
        project.git(&["config", key, &touch]);
    }
    project.write(".gitattributes", b"*.py filter=x diff=x\n");
    project.write("a.py", b"b = 'FORBIDDEN_X'\n");
    project.qualm(&["check", "--diff", "HEAD"]).expect(1);
    assert!(!trap.exists());
}

#[test]
fn outside_of_a_repository_diff_is_trouble() {
    let project = Project::new(&[("a.py", "")]);
    assert!(project.qualm(&["check", "--diff", "HEAD"]).expect(2).err().contains("not in a git repository"));
}
