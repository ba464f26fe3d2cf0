use super::*;
use serde_json::json;

fn read(text: &str) -> (Config, Vec<String>) {
    let mut config = Config::new("/p");
    let errors = config.apply_toml(text, Path::new("qualm.toml"));
    (config, errors.iter().map(ToString::to_string).collect())
}

fn finding(rule: &str, persona: Persona, confidence: Confidence) -> Finding {
    Finding { rule: rule.into(), span: 0..1, message: String::new(), severity: Severity::Error, confidence, persona, path: Vec::new() }
}

#[test]
fn every_value_remembers_its_line() {
    let (config, errors) =
        read("persona = \"pedantic\"\nexclude = [\n  'gen/',\n]\nforeign = true\n[rules]\n\"a\" = \"off\"\nb = \"info\"\n");
    assert!(errors.is_empty(), "{errors:?}");
    let lines: Vec<String> = config.settings().into_iter().map(|(k, v, s)| format!("{k}={v} {s}")).collect();
    assert_eq!(
        lines,
        [
            "persona=pedantic qualm.toml:1",
            "min-confidence=medium default",
            "foreign=true qualm.toml:5",
            "exclude=[\"gen/\"] qualm.toml:2",
            "rules-dir=.qualm/rules default",
            "rules.a=off qualm.toml:7",
            "rules.b=info qualm.toml:8",
        ]
    );
}

#[test]
fn errors_have_a_place_and_the_rest_counts() {
    let (config, errors) =
        read("persone = 1\nmin-confidence = \"sure\"\nrules-dir = \"../x\"\nexclude = ['a', 'b{c']\nforeign = true\nrules.x = 1\n");
    assert_eq!(errors.len(), 5, "{errors:?}");
    assert!(errors.iter().any(|e| e.starts_with("qualm.toml:1: unknown key `persone`")), "{errors:?}");
    assert!(errors.iter().any(|e| e.starts_with("qualm.toml:4: bad glob")), "{errors:?}");
    assert!(config.foreign.value);
    assert_eq!(config.rules_dir.value, Path::new(RULES_DIR));
    let (_, errors) = read("a = \n");
    assert!(errors[0].starts_with("qualm.toml:1: "), "{errors:?}");
    let deep = format!("a = {}", "[".repeat(100_000));
    assert_eq!(read(&deep).1.len(), 1);
}

#[test]
fn an_editor_sends_the_same_keys() {
    let mut config = Config::new("/p");
    let sent = json!({"qualm": {"persona": "auditor", "rules": {"a": "off"}, "trace": 1, "nope": 2}});
    let errors = config.apply_json(&sent, &["trace"]);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().contains("`nope`"));
    assert_eq!(config.persona, Setting { value: Persona::Auditor, source: Source::Editor });
    assert!(config.apply_json(&json!(null), &[]).is_empty());
    assert_eq!(config.apply_json(&json!([1]), &[]).len(), 1);
}

#[test]
fn excluded_paths_are_relative_to_the_file() {
    let (config, _) = read("exclude = ['gen/', '*.spec.ts', '!keep.spec.ts']\n");
    assert!(config.excluded(Path::new("/p/gen/a.py")));
    assert!(config.excluded(Path::new("/p/x/b.spec.ts")));
    assert!(!config.excluded(Path::new("/p/x/keep.spec.ts")));
    assert!(!config.excluded(Path::new("/q/gen/a.py")));
}

#[test]
fn findings_are_judged() {
    let (mut config, _) = read("[rules]\na = \"off\"\nb = \"info\"\n");
    assert!(config.show(finding("a", Persona::Regular, Confidence::High)).is_none());
    assert_eq!(config.show(finding("b", Persona::Regular, Confidence::High)).unwrap().severity, Severity::Info);
    assert!(config.show(finding("c", Persona::Regular, Confidence::Low)).is_none());
    assert!(config.show(finding("c", Persona::Pedantic, Confidence::Medium)).is_some());
    assert!(config.show(finding("c", Persona::Auditor, Confidence::High)).is_none());
    config.persona = Setting::flag(Persona::Auditor, "--persona");
    assert!(config.show(finding("c", Persona::Auditor, Confidence::High)).is_some());
    config.only = Some(["b".to_owned()].into());
    assert!(config.show(finding("c", Persona::Regular, Confidence::High)).is_none());
}

#[test]
fn the_search_ends_at_the_root_marker() {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path();
    std::fs::create_dir_all(top.join("repo/.git")).unwrap();
    std::fs::create_dir_all(top.join("repo/a/b")).unwrap();
    std::fs::write(top.join(FILE_NAME), "").unwrap();
    assert_eq!(locate(&top.join("repo/a/b")), Located { root: Some(top.join("repo")), config: None });
    std::fs::write(top.join("repo/a").join(FILE_NAME), "").unwrap();
    let located = locate(&top.join("repo/a/b"));
    assert_eq!(located.config, Some(top.join("repo/a").join(FILE_NAME)));
    assert_eq!(located.root, Some(top.join("repo")));
    std::fs::create_dir_all(top.join("c")).unwrap();
    assert_eq!(locate(&top.join("c")).root, Some(top.to_owned()));
}
