//! Files and configurations that mean harm or are broken: never a crash, never silence.

use super::{MARKER, Project, REWRITE, Ran, command, ended, row};
use std::{process::Stdio, time::Instant};

const BAD: &str = "y = 'FORBIDDEN_KEY'\n";

#[test]
fn a_line_of_fifty_megabytes_is_skipped_with_a_notice() {
    let project = Project::new(&[("b.py", BAD)]);
    project.write("huge.py", "x".repeat(50 * 1024 * 1024).as_bytes());
    let started = Instant::now();
    let ran = project.qualm(&["check", "--format", "json"]).expect(1);
    assert_eq!(ran.found().len(), 1);
    assert!(ran.json()["notices"][0].as_str().unwrap().starts_with("huge.py: skipped: 52428800 bytes"));
    assert!(started.elapsed().as_secs() < 20);
    project.qualm_with(&["check", "-", "--language", "python"], &vec![b'x'; 3 * 1024 * 1024]).expect(2);
}

#[test]
fn long_lines_and_deep_nesting_end() {
    let long = format!("x = [{}'FORBIDDEN_KEY']\n", "1, ".repeat(300_000));
    let deep = format!("x = {}1{}\n{BAD}", "(".repeat(20_000), ")".repeat(20_000));
    let project = Project::new(&[("long.py", &long), ("deep.py", &deep), ("deep.js", &"[".repeat(100_000))]);
    let ran = project.qualm(&["check"]).expect(1);
    assert!(ran.out().contains("long.py:1:"), "{}", ran.out());
    assert!(ran.out().len() < 20_000, "an excerpt of a long line is short");
}

#[test]
fn bytes_that_are_not_text_are_borne() {
    let project = Project::new(&[]);
    project.write("nul.py", format!("a = 'a\0'  # {}\ny = 'FORBIDDEN_KEY'\n", "-".repeat(80)).as_bytes());
    project.write("latin.py", b"# caf\xe9\ny = 'FORBIDDEN_KEY'\n");
    project.write("bom.py", b"\xef\xbb\xbfy = 'FORBIDDEN_KEY'\n");
    let wide =
        |order: fn(u16) -> [u8; 2]| "\u{feff}x = '😀'\r\ny = 'FORBIDDEN_KEY'\r\n".encode_utf16().flat_map(order).collect::<Vec<u8>>();
    project.write("wide.js", &wide(u16::to_le_bytes));
    project.write("wider.py", &wide(u16::to_be_bytes));
    project.write("binary.py", b"\x7fELF\0\0\0\xff\xfe FORBIDDEN_KEY");
    let ran = project.qualm(&["check", "--format", "json"]).expect(1);
    let lines = [("bom.py", 1), ("latin.py", 2), ("nul.py", 2), ("wide.js", 2), ("wider.py", 2)];
    assert_eq!(ran.found(), lines.map(|(file, line)| row(file, line, "team-marker")));
    assert_eq!(ran.json()["findings"][0]["start"]["column"], 6, "a byte order mark takes no column");
    let notices = ran.json()["notices"].to_string();
    for told in ["latin.py: not UTF-8", "nul.py: NUL bytes", "wide.js: UTF-16", "wider.py: UTF-16", "binary.py: skipped: not a text file"] {
        assert!(notices.contains(told), "{told}: {notices}");
    }
    project.qualm(&["fix", "--yes", "--review"]).expect(0);
}

/// `(file, kind, vetted)` of what a JSON report calls incomplete.
fn incomplete(ran: &Ran) -> Vec<(String, String, bool)> {
    let report = ran.json();
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    let rows = report["incomplete"].as_array().unwrap();
    rows.iter().map(|r| (text(&r["file"]), text(&r["kind"]), r["vetted"].as_bool().unwrap())).collect()
}

#[test]
fn what_was_not_understood_is_named_in_every_format() {
    let project = Project::new(&[
        ("broken.py", "def f(:\n    )\n"),
        ("a.go", "package a\n"),
        ("b.ipynb", "{\"cells\": []}\n"),
        ("lib.min.js", "x\n"),
        ("gen/x.py", "x = 1\n"),
        ("qualm.toml", "exclude = ['gen/']\n"),
        ("fine.py", "x = 1\n"),
        ("kill.py", "x = 1\n"),
    ]);
    project.write("large.py", "x = 1\n".repeat(400_000).as_bytes());
    project.write("b.png", b"\x89PNG\0\0\0");
    project.write("c.dat", b"\0\0\0\xff");
    project.write("code.py", b"\0\0\0\xff");
    let expected = [
        ("a.go", "unknown-language", true),
        ("b.ipynb", "unknown-language", true),
        ("b.png", "by-name", false),
        ("broken.py", "syntax-errors", true),
        ("c.dat", "binary", false),
        ("code.py", "binary", false),
        ("gen/x.py", "excluded", false),
        ("kill.py", "failed", false),
        ("large.py", "too-large", false),
        ("lib.min.js", "by-name", false),
        ("qualm.toml", "unknown-language", true),
    ];
    let check = |format: &str| faulty(&project, "scan:abort:kill.py", &["check", "--format", format, ".", "gen/x.py"]).expect(2);
    let mut told = incomplete(&check("json"));
    told.sort();
    assert_eq!(told, expected.map(|(file, kind, vetted)| (file.to_owned(), kind.to_owned(), vetted)));
    let log = check("sarif").json();
    let run = &log["runs"][0]["invocations"][0];
    assert_eq!(run["executionSuccessful"], false);
    let notifications = run["toolExecutionNotifications"].as_array().unwrap();
    for (file, kind, _) in expected {
        let named = notifications.iter().filter(|n| n["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == file);
        assert_eq!(named.map(|n| n["descriptor"]["id"].as_str().unwrap()).collect::<Vec<_>>(), [kind], "{file}");
    }
    let (text, github) = (check("text").out(), check("github").out());
    for (file, kind, whole) in [
        ("b.ipynb", "a notebook: its cells were searched", false),
        ("broken.py", "with syntax errors, the first from line 1 on", false),
        ("code.py", "not a text file", true),
        ("kill.py", "not vetted: the worker process ended", true),
        ("large.py", "2400000 bytes, the limit is", true),
        ("gen/x.py", "the settings exclude it", false),
        ("lib.min.js", "left out by its name", true),
    ] {
        assert!(text.lines().any(|l| l.contains(&format!("notice: {file}: ")) && l.contains(kind)), "{file}: {text}");
        let command = if whole { "::warning" } else { "::notice" };
        assert!(github.lines().any(|l| l.starts_with(&format!("{command} file={file},")) && l.contains(kind)), "{file}: {github}");
    }
    for counted in ["2 files not in a language that is parsed", "(1 .go, 1 .toml)", "1 file left out", "1 file not text (1 .dat)"] {
        assert!(text.contains(counted) && github.contains(counted), "{counted}: {text}{github}");
    }
    assert!(text.contains("incomplete: 5 files checked, no findings, but 2 files not vetted"), "{text}");
}

#[test]
fn many_gaps_are_counted_where_people_read() {
    let files: Vec<(String, &str)> = (0..50).map(|n| (format!("f{n:02}.py"), "def f(:\n")).collect();
    let project = Project::new(&files.iter().map(|(n, t)| (n.as_str(), *t)).collect::<Vec<_>>());
    let text = project.qualm(&["check"]).out();
    assert_eq!(text.lines().filter(|l| l.contains("syntax errors, the first")).count(), 20, "{text}");
    assert!(text.contains("30 more files: syntax errors (--format json names them)"), "{text}");
    assert_eq!(incomplete(&project.qualm(&["check", "--format", "json"])).iter().filter(|i| i.1 == "syntax-errors").count(), 50);
}

#[cfg(unix)]
#[test]
fn unreadable_and_strange_files_are_told() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let project = Project::new(&[("b.py", BAD), ("closed.py", BAD)]);
    let closed = project.path().join("closed.py");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    symlink("/dev/zero", project.path().join("zero.py")).unwrap();
    symlink("..", project.path().join("loop")).unwrap();
    symlink("nowhere.py", project.path().join("dangling.py")).unwrap();
    let ran = project.qualm(&["check", "--format", "json"]).expect(1);
    // A privileged user can read everything.
    let readable = std::fs::read(&closed).is_ok();
    assert_eq!(ran.found().len(), if readable { 2 } else { 1 });
    assert_eq!(ran.json()["notices"].to_string().contains("closed.py: skipped"), !readable);
    assert!(project.qualm(&["check", "zero.py"]).expect(2).out().contains("zero: skipped: not a regular file"));
    project.qualm(&["check", "dangling.py"]).expect(2);
}

#[test]
fn names_and_messages_cannot_write_to_the_terminal() {
    let project = Project::new(&[("a\u{1b}[2Jb.py", "y = 'FORBIDDEN_KEY' # \u{1b}[31m \u{202e}\n")]);
    let ran = project.qualm(&["check"]).expect(1);
    assert!(!ran.out().contains('\u{1b}') && !ran.out().contains('\u{202e}'), "{:?}", ran.out());
}

#[test]
fn a_broken_configuration_stops_with_file_and_line() {
    for (text, line, word) in [
        ("persona = \"regular\"\nnonsense = 1\n", 2, "unknown key `nonsense`"),
        ("\n\npersona = [\n", 3, ""),
        ("rules-dir = \"/etc\"\n", 1, "inside the project"),
        ("rules-dir = \"../x\"\n", 1, "inside the project"),
        ("[rules]\n\"team-marker\" = \"loud\"\n", 2, "must be one of"),
    ] {
        let project = Project::new(&[("a.py", ""), ("qualm.toml", text)]);
        let err = project.qualm(&["check"]).expect(2).err();
        assert!(err.contains(&format!("qualm.toml:{line}: ")) && err.contains(word), "{text:?}: {err}");
    }
    let project = Project::new(&[("a.py", BAD), ("qualm.toml", "[rules]\nno-such-rule = \"off\"\n")]);
    let out = project.qualm(&["check"]).expect(1).out();
    assert!(out.contains("qualm.toml:2: no rule has the id `no-such-rule`"), "{out}");
}

#[test]
fn a_bad_rule_is_told_and_takes_no_other_down() {
    let project = Project::new(&[
        ("a.py", BAD),
        (".qualm/rules/team/broken.md", "+++\nid = \n+++\n"),
        (".qualm/rules/team/regex.md", &MARKER.replace("team-marker", "regex").replace("FORBIDDEN_[A-Z]+", "(")),
        (".qualm/rules/team/empty.md", ""),
    ]);
    project.write(".qualm/rules/team/binary.md", b"\0\0\0");
    let out = project.qualm(&["check"]).expect(1).out();
    assert!(out.contains("warning[team-marker]"), "{out}");
    for name in ["broken.md", "regex.md", "empty.md", "binary.md"] {
        assert!(out.contains(name), "{name} is told: {out}");
    }
}

#[cfg(unix)]
#[test]
fn rules_from_outside_are_not_read() {
    let project = Project::new(&[("a.py", "x = 'OUTSIDE_KEY'\n")]);
    let outside = tempfile::tempdir().unwrap();
    let rule = MARKER.replace("team-marker", "outside").replace("FORBIDDEN", "OUTSIDE");
    std::fs::write(outside.path().join("outside.md"), rule).unwrap();
    std::os::unix::fs::symlink(outside.path(), project.path().join("linked")).unwrap();
    project.write("qualm.toml", b"rules-dir = \"linked\"\n");
    let out = project.qualm(&["check"]).expect(0).out();
    assert!(out.contains("outside of the project"), "{out}");
}

#[test]
fn files_that_import_each_other_end() {
    let ring = |next: &str| format!("from {next} import *\nimport {next}\n\ndef f(x):\n    return {next}.f(x)\n\n{BAD}");
    let project = Project::new(&[("a.py", &ring("b")), ("b.py", &ring("c")), ("c.py", &ring("a")), ("own.py", &ring("own"))]);
    assert_eq!(project.qualm(&["check", "--format", "json"]).expect(1).found().len(), 4);
}

#[test]
fn ten_thousand_functions_that_call_each_other_end() {
    let mut text = String::new();
    for n in 0..10_000 {
        text += &format!("def f{n}(x):\n    return f{}(f{}(x))\n\n", (n * 7 + 1) % 10_000, (n * 13 + 5) % 10_000);
    }
    text += BAD;
    let project = Project::new(&[("many.py", &text)]);
    assert!(project.qualm(&["check", "--format", "json"]).expect(1).found().contains(&row("many.py", 30_001, "team-marker")));
}

/// Runs with an engine that fails for some files (`QUALM_TEST_FAULTS`).
fn faulty(project: &Project, faults: &str, args: &[&str]) -> Ran {
    Ran(command(&project.path(), args).env("QUALM_TEST_FAULTS", faults).output().unwrap())
}

#[test]
fn a_file_that_kills_the_analysis_costs_no_other() {
    let names: Vec<String> = (0..12).map(|n| format!("f{n:02}.py")).collect();
    let project = Project::new(&names.iter().map(|n| (n.as_str(), BAD)).collect::<Vec<_>>());
    let faults = "scan:abort:f01.py,scan:overflow:f02.py,scan:panic:f05.py,scan:eat:f09.py,scan:abort:f11.py";
    let args = ["check", "--format", "json", "--max-memory", "200"];
    let ran = faulty(&project, faults, &args).expect(2);
    let spared = names.iter().enumerate().filter(|(n, _)| ![1, 2, 5, 9, 11].contains(n));
    assert_eq!(ran.found(), spared.map(|(_, n)| row(n, 1, "team-marker")).collect::<Vec<_>>());
    let notices = ran.json()["notices"].as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let told = ["f01.py: not vetted: the worker process ended", "f02.py: not vetted: the analysis ran out of stack"];
    let also =
        ["f05.py: not vetted: the analysis failed", "f09.py: not vetted: the analysis takes more than 200 MiB", "f11.py: not vetted"];
    for told in told.into_iter().chain(also) {
        assert_eq!(notices.iter().filter(|n| n.starts_with(told)).count(), 1, "{told}: {notices:?}");
    }
    assert_eq!(incomplete(&ran).iter().filter(|i| !i.2).count(), 5);
    // However many there are at a time, the report is the same.
    for threads in ["1", "2", "7"] {
        let mut other = command(&project.path(), &args);
        let other = other.env("QUALM_TEST_FAULTS", faults).env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&other.stdout), ran.out(), "{threads} threads");
    }
}

#[test]
fn a_file_that_hangs_is_given_up_and_its_findings_outlive_its_rewrites() {
    let hashed = "import hashlib\nhashlib.md5(b'x')\n";
    let project =
        Project::new(&[("a.py", BAD), ("b.py", BAD), ("c.py", hashed), ("d.py", hashed), (".qualm/rules/team/team-digest.md", REWRITE)]);
    let ran = faulty(&project, "scan:spin:b.py,fix:spin:c.py", &["check", "--format", "json", "--max-seconds", "1"]).expect(2);
    let expected = [row("a.py", 1, "team-marker"), row("c.py", 2, "team-digest"), row("d.py", 2, "team-digest")];
    let of_team = ran.found().into_iter().filter(|f| f.2.starts_with("team-")).collect::<Vec<_>>();
    assert_eq!(of_team, expected);
    let notices = ran.json()["notices"].to_string();
    assert!(notices.contains("b.py: not vetted: the analysis takes longer than 1 s"), "{notices}");
    assert!(notices.contains("c.py: rewrites were not worked out: the analysis takes longer than 1 s"), "{notices}");
    for finding in ran.json()["findings"].as_array().unwrap().iter().filter(|f| f["rule"] == "team-digest") {
        assert_eq!(finding.get("fix").is_some(), finding["file"] == "d.py", "{finding}");
    }
}

#[test]
fn fix_and_standard_input_survive_too() {
    let hashed = "import hashlib\nhashlib.md5(b'x')\n";
    let project = Project::new(&[("a.py", hashed), ("b.py", hashed), (".qualm/rules/team/team-digest.md", REWRITE)]);
    let ran = faulty(&project, "scan:overflow:a.py", &["fix", "--yes", "--rule", "team-digest"]).expect(2);
    assert!(ran.err().contains("a.py: not vetted: the analysis ran out of stack"), "{}", ran.err());
    assert_eq!(project.read("a.py"), hashed);
    assert!(project.read("b.py").contains("sha256"));
    let mut child = command(&project.path(), &["check", "-", "--stdin-filename", "c.py"]);
    let child = child.env("QUALM_TEST_FAULTS", "scan:abort:c.py").output().unwrap();
    assert_eq!(child.status.code(), Some(2));
    // A worker that cannot even begin is told, not tried for ever.
    let ran = faulty(&project, "", &["check", "--max-memory", "1", "a.py"]).expect(2);
    assert!(ran.out().contains("a.py: not vetted"), "{}", ran.out());
}

#[cfg(unix)]
pub(super) fn pipe(project: &Project, name: &str) {
    let path = project.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[cfg(unix)]
#[test]
fn pipes_hold_nobody() {
    let code = "import requests\nfrom m import x\nimport './n'\ny = 'FORBIDDEN_KEY'\n";
    let project = Project::new(&[("a.py", code), ("sub/b.ts", "import { x } from 'lib'\nconst y = 'FORBIDDEN_KEY'\n")]);
    let names = ["requirements.txt", "requirements/x.txt", "package.json", "tsconfig.json", ".gitignore", "sub/.ignore", "pyproject.toml"];
    for name in names.into_iter().chain(["m.py", "sub/setup.py", ".venv/pyvenv.cfg", ".qualm/rules/team/p.md", "sub/qualm.toml", "c.py"]) {
        pipe(&project, name);
    }
    let ran = ended(command(&project.path(), &["check", "--format", "json"]).spawn().unwrap()).expect(1);
    assert!(ran.found().contains(&row("a.py", 4, "team-marker")) && ran.found().contains(&row("sub/b.ts", 2, "team-marker")));
    for told in [".gitignore: this ignore file does not count", ".ignore: this ignore file does not count"] {
        assert!(ran.json()["notices"].to_string().contains(told), "{}", ran.json()["notices"]);
    }
    let ran = ended(command(&project.path(), &["check", "c.py"]).spawn().unwrap()).expect(2);
    assert!(ran.out().contains("c.py: skipped: not a regular file"), "{}", ran.out());
    ended(command(&project.path(), &["origin", "."]).spawn().unwrap()).expect(0);
    ended(command(&project.path(), &["fix", "--dry-run"]).spawn().unwrap());
}

#[cfg(unix)]
#[test]
fn pipes_hold_no_agent() {
    use std::io::Write;
    let project = Project::new(&[("a.py", BAD)]);
    project.git(&["init", "-q"]);
    for name in ["b.py", "t.jsonl", ".git/logs/HEAD"] {
        pipe(&project, name);
    }
    let event = serde_json::json!({
        "session_id": "s-1", "cwd": project.path(), "hook_event_name": "PostToolUse", "tool_name": "Edit", "tool_use_id": "toolu_1",
        "transcript_path": project.path().join("t.jsonl"),
        "tool_input": { "file_path": "b.py", "old_string": "    pass", "new_string": "    return 1", "replace_all": false },
    });
    let mut child = command(&project.path(), &["hook", "claude"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(event.to_string().as_bytes()).unwrap();
    ended(child).expect(0);
    ended(command(&project.path(), &["origin", "a.py"]).spawn().unwrap()).expect(0);
}

#[test]
fn manifests_that_name_each_other_often_cost_little() {
    let all = "-r requirements.txt\n-r more.txt\n".repeat(60);
    let many: String = (0..200_000).map(|n| format!("-r missing{n}.txt\n")).collect();
    let project =
        Project::new(&[("a.py", "import requests\nimport flask\n"), ("requirements.txt", &(all.clone() + "flask\n")), ("more.txt", &all)]);
    let undeclared = |project: &Project| {
        let ran = ended(
            command(&project.path(), &["check", "--format", "json", "--as", "foreign", "--rule", "undeclared-import"]).spawn().unwrap(),
        );
        ran.found().into_iter().map(|f| f.1).collect::<Vec<_>>()
    };
    assert_eq!(undeclared(&project), [1]);
    // What stands behind the limit may name anything.
    project.write("more.txt", many.as_bytes());
    assert_eq!(undeclared(&project), [0_u64; 0]);
}

#[test]
fn settings_of_any_size_are_answered() {
    let ids: String = (0..20_000).map(|n| format!("\"no-such-rule-{n:05}\" = \"off\"\n")).collect();
    let project = Project::new(&[("a.py", BAD), ("qualm.toml", &format!("[rules]\n{ids}"))]);
    let ran = ended(command(&project.path(), &["check", "--format", "json"]).spawn().unwrap()).expect(1);
    let notices = ran.json()["notices"].as_array().unwrap().len();
    assert!(notices < 100 && ran.json()["notices"].to_string().contains("more rule ids that no rule has"), "{notices}");
    for globs in
        [format!("['{{{}}}']", (0..60_000).map(|n| format!("a{n},")).collect::<String>()), format!("[{}]", "'*a', ".repeat(60_000))]
    {
        let project = Project::new(&[("a.py", BAD), ("qualm.toml", &format!("exclude = {globs}\n"))]);
        let err = ended(command(&project.path(), &["check"]).spawn().unwrap()).expect(2).err();
        assert!(err.contains("qualm.toml:1: `exclude` may have at most"), "{err}");
    }
    let project = Project::new(&[("a.py", BAD), ("qualm.toml", &(0..20_000).map(|n| format!("key{n} = 1\n")).collect::<String>())]);
    let err = ended(command(&project.path(), &["check"]).spawn().unwrap()).expect(2).err();
    assert!(err.contains("19900 more mistakes") && err.lines().count() < 200, "{err}");
    let project = Project::new(&[("a.py", BAD), ("b.py", BAD), (".gitignore", &"b.py\n".repeat(60_000))]);
    let ran = ended(command(&project.path(), &["check", "--format", "json"]).spawn().unwrap()).expect(1);
    assert_eq!(ran.found().len(), 2);
    assert!(ran.json()["notices"].to_string().contains(".gitignore: this ignore file does not count: it has more than"));
}

#[test]
fn no_format_lets_a_name_reorder_or_forge_lines() {
    let name = "a\u{1b}[2J\u{7}\u{202e}\r\n::error::b,c:d%.py";
    let project = Project::new(&[(name, BAD)]);
    for format in ["text", "json", "sarif", "github"] {
        let out = project.qualm(&["check", "--format", format]).expect(1).out();
        assert!(!out.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']), "{format}: {out:?}");
    }
    let out = project.qualm(&["check", "--format", "github"]).out();
    assert_eq!(out.lines().filter(|l| l.starts_with("::warning")).count(), 1, "{out}");
    assert!(out.starts_with("::warning file=a\\u{1b}[2J\\u{7}\\u{202e}\\u{d}%0A%3A%3Aerror%3A%3Ab%2Cc%3Ad%25.py,line=1"), "{out}");
    assert_eq!(project.qualm(&["check", "--format", "json"]).json()["findings"][0]["file"], name, "escaped, not changed");
}
