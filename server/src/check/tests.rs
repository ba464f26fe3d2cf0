use super::*;
use crate::config::Config;
use qualm_engine::{
    Confidence, Edit, Engine, Persona, RuleSet, Safety, Severity, Step,
    rules::{Rule, RuleKind},
};

const TEXT: &str = "import a\nname = '😀' + ask()\nrun('x' + name)\n";

fn rule() -> Rule {
    Rule {
        id: "shell".into(),
        title: "Shell command from outside".into(),
        cwe: vec![78],
        owasp: Some("A05:2025".into()),
        severity: Severity::Error,
        persona: Persona::Regular,
        confidence: Confidence::High,
        languages: Vec::new(),
        frameworks: Vec::new(),
        message: None,
        kind: RuleKind::Clauses,
        fixes: Vec::new(),
        why: "The shell runs what the caller wrote. More.\n".into(),
        lesson: "Use a list.".into(),
        examples: Vec::new(),
        file: "x.md".into(),
    }
}

fn report(text: &str, span: std::ops::Range<usize>, path: Vec<Step>, edits: Vec<Edit>) -> (Report, Vec<Arc<Workspace>>) {
    let rules = RuleSet { rules: vec![rule()], ..RuleSet::default() };
    let workspace = Arc::new(Workspace {
        root: "/nowhere".into(),
        config: Config::new("/nowhere"),
        engine: Arc::new(Engine::new(Arc::new(rules))),
        problems: Vec::new(),
    });
    let finding = Finding {
        rule: "shell".into(),
        span,
        message: "a\u{1b}[2J name\nreaches the shell".into(),
        severity: Severity::Error,
        confidence: Confidence::Medium,
        persona: Persona::Regular,
        path,
    };
    let fix = Fix { title: "Quote it".into(), edits, safety: Safety::Review };
    let file = FileReport {
        shown: "src/a b.py".into(),
        name: "src/a b.py".into(),
        workspace: workspace.clone(),
        text: text.into(),
        lines: Lines::new(text),
        findings: vec![Reported { finding, fix: Some(Ok(fix)), origin: None }],
    };
    let report = Report {
        files: vec![file],
        incomplete: vec![Incomplete {
            shown: "big.py".into(),
            name: "big.py".into(),
            explicit: true,
            gap: Gap { kind: Kind::TooLarge, why: "9 bytes".into() },
        }],
        notices: Vec::new(),
        checked: 2,
        elapsed: Duration::ZERO,
        others: Others::default(),
    };
    (report, vec![workspace])
}

fn sample() -> (Report, Vec<Arc<Workspace>>) {
    let at = |text: &str| {
        let start = TEXT.find(text).unwrap();
        start..start + text.len()
    };
    let step = |span, note: &str| Step { file: None, span, note: note.into() };
    let path = vec![step(at("ask()"), "asked"), step(at("'x' + name"), "joined")];
    report(TEXT, at("'x' + name"), path, vec![Edit { span: at("name)").start..at("name)").start + 4, text: "quote(name)".into() }])
}

fn written(write: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn people_see_place_excerpt_path_reason_and_rewrite() {
    let (report, _) = sample();
    let text = written(|out| text::write(out, &report, &Style::plain()));
    let expected = "\
error[shell]: a\\u{1b}[2J name reaches the shell
 --> src/a b.py:3:5
  |
3 | run('x' + name)
  |     ^^^^^^^^^^
  path:
    src/a b.py:2:14  asked
    src/a b.py:3:5  joined
  why: The shell runs what the caller wrote.
  confidence: medium
  rewrite: Quote it (review it)
    @@ line 3
    - run('x' + name)
    + run('x' + quote(name))

notice: big.py: skipped: 9 bytes
1 finding in 1 file (2 files checked, 0.0 s)
";
    assert_eq!(text, expected);
}

#[test]
fn a_line_of_a_megabyte_gives_a_short_excerpt() {
    let text = format!("{}ask(){}", "x = 1; ".repeat(100_000), "; y".repeat(100_000));
    let start = text.find("ask").unwrap();
    let (report, _) = report(&text, start..start + 5, Vec::new(), vec![Edit { span: start..start + 3, text: "tell".into() }]);
    let text = written(|out| text::write(out, &report, &Style::plain()));
    assert!(text.len() < 3000, "{}", text.len());
    assert!(text.contains("ask()"));
    assert!(text.contains(&format!("src/a b.py:1:{}", start + 1)));
}

#[test]
fn sarif_counts_columns_in_utf16_and_tells_the_whole_story() {
    let (report, workspaces) = sample();
    let log: serde_json::Value = serde_json::from_str(&written(|out| sarif::write(out, &report, &workspaces))).unwrap();
    let run = &log["runs"][0];
    assert_eq!(run["columnKind"], "utf16CodeUnits");
    let rule = &run["tool"]["driver"]["rules"][0];
    assert_eq!(rule["properties"]["tags"], serde_json::json!(["security", "external/cwe/cwe-078", "external/owasp/A05:2025"]));
    let result = &run["results"][0];
    assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "src/a%20b.py");
    let steps = &result["codeFlows"][0]["threadFlows"][0]["locations"];
    let region = &steps[0]["location"]["physicalLocation"]["region"];
    assert_eq!((&region["startLine"], &region["startColumn"]), (&2.into(), &15.into()), "the emoji counts two");
    let change = &result["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(change["insertedContent"]["text"], "quote(name)");
    assert_eq!((&change["deletedRegion"]["startColumn"], &change["deletedRegion"]["endColumn"]), (&11.into(), &15.into()));
}

#[test]
fn fingerprints_survive_moved_lines_and_tell_equal_lines_apart() {
    let prints = |text: &str, at: &[usize]| {
        let (mut report, _) = report(text, 0..1, Vec::new(), Vec::new());
        let mut file = report.files.remove(0);
        let finding = file.findings.remove(0).finding;
        file.findings.extend(at.iter().map(|at| Reported {
            finding: Finding { span: *at..at + 1, ..finding.clone() },
            fix: None,
            origin: None,
        }));
        json::with_fingerprints(&file).map(|(_, print)| print).collect::<Vec<_>>()
    };
    let before = prints("run(a)\nrun(a)\n", &[0, 7]);
    let after = prints("# new\n\n  run(a)\nx\nrun(a)\n", &[9, 18]);
    assert_eq!(before, after);
    assert_ne!(before[0], before[1]);
    assert_ne!(prints("run(b)\n", &[0])[0], before[0]);
}

#[test]
fn workflow_commands_stay_on_one_line() {
    let (report, _) = sample();
    let text = written(|out| github::write(out, &report));
    assert_eq!(
        text.lines().next().unwrap().to_owned() + "\n",
        "::error file=src/a b.py,line=3,endLine=3,col=5,endColumn=15,title=qualm%3A shell::a\\u{1b}[2J name%0Areaches the shell\n"
    );
}
