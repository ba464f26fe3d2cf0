//! The loader: what it takes, what it leaves out, and what it finds odd.
#![allow(clippy::unwrap_used)]

use qualm_engine::{Cache, Engine, Foreign, Language, NoProject, RuleSet, SourceFile};

const RULE: &str = "+++\nid = \"shell\"\ncwe = [78]\nseverity = \"error\"\n\n[taint]\nsink = \"command\"\n+++\n# Shell\n";
const MODEL: &str = "[[source]]\npath = \"web.form\"\n\n[[sink]]\nkind = \"command\"\ncall = \"web.run\"\narg = 0\n";

fn load(files: &[(&str, &str)]) -> (RuleSet, Vec<String>) {
    let (rules, errors) = RuleSet::load(files.iter().copied());
    (rules, errors.iter().map(ToString::to_string).collect())
}

fn lines(rules: RuleSet, text: &str) -> Vec<usize> {
    let file = SourceFile::parse("a.py", Language::Python, text, Foreign::None).unwrap();
    let analysis = Engine::new(rules.into()).analyse(&file, &mut Cache::default(), &NoProject, &|| false).unwrap();
    analysis.findings.iter().map(|f| text[..f.span.start].matches('\n').count() + 1).collect()
}

#[test]
fn a_model_with_a_mistake_is_left_out_whole() {
    let half = "[[sanitizer]]\ncall = \"web.run\"\nclears = [\"*\"]\n\n[[sanitizer]]\ncall = \"clean\"\nclears = [\"new-kind\"]\n\n\
                [[propagate]]\ncall = \"other\"\nfrom = 0\nto = \"nowhere\"\n";
    let code = "import web\nclean = web.clean\nweb.run(clean(web.form))\n";
    let whole = "[[sanitizer]]\ncall = \"web.clean\"\nclears = [\"*\"]\n";
    let (rules, errors) = load(&[("s/shell.md", RULE), ("models/python/web.toml", MODEL), ("models/python/clean.toml", whole)]);
    assert_eq!((lines(rules, code), errors), (vec![], vec![]));
    let broken = format!("{whole}\n{half}");
    let (rules, errors) = load(&[("s/shell.md", RULE), ("models/python/web.toml", MODEL), ("models/python/clean.toml", &broken)]);
    assert!(rules.sink_kinds.iter().all(|k| *k != "new-kind"));
    assert_eq!(lines(rules, code), [3]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with("models/python/clean.toml:13: unknown `to = \"nowhere\"`"), "{errors:?}");
}

#[test]
fn an_argument_is_the_same_by_position_and_by_name() {
    let signature = "\n[[signature]]\ncall = \"web.run\"\nparams = [\"command\", \"mode\"]\n";
    let when = MODEL.replace("arg = 0", "arg = 0\nwhen = [{ arg = \"mode\", not = [\"dry\"] }]");
    let model = format!("{when}{signature}");
    // A value is reported once: each line reads its own.
    let calls = [
        "web.run(web.form['1'], 'wet')",
        "web.run(web.form['2'], mode='wet')",
        "web.run(command=web.form['3'], mode='wet')",
        "web.run(mode='wet', command=web.form['4'])",
        "web.run(web.form['5'], 'dry')",
        "web.run(command=web.form['6'], mode='dry')",
        "web.run(web.form['7'])",
        "web.run(*web.form['8'], mode='wet')",
    ];
    let code = &format!("import web\n{}\n", calls.join("\n"));
    let (rules, _) = load(&[("s/shell.md", RULE), ("models/python/web.toml", &when)]);
    assert_eq!(lines(rules, code), [3, 9]);
    let (rules, errors) = load(&[("s/shell.md", RULE), ("models/python/web.toml", &model)]);
    assert_eq!((lines(rules, code), errors), (vec![2, 3, 4, 5, 9], vec![]));
}

#[test]
fn what_cannot_be_meant_is_told() {
    let (rules, errors) = load(&[
        ("s/shell.md", RULE),
        (
            "s/clause.md",
            "+++\nid = \"clause\"\ncwe = [1]\nseverity = \"info\"\nlanguages = [\"python\"]\nframeworks = [\"none\"]\n\n[[call]]\npath = \"web.go\"\n\
             when = [{ arg = 0, missing = true }, { arg = 0, not = [1] }]\n\n[[call]]\npath = \"web.run\"\nwhen = [{ has = \"no-mark\" }]\n\
             \n[[call]]\npath = \"web.make().go\"\n\n[[call]]\npath = \"web.Thing().go\"\n\n[[call]]\npath = \"old.go\"\n\n\
             [[call]]\npath = \"web.go\"\nwhen = [{ arg = \"verbose\", is = [1] }]\n+++\n# Clause\n",
        ),
        (
            "models/python/web.toml",
            &format!(
                "{MODEL}\n[[sink]]\nkind = \"unread\"\ncall = \"web.go\"\narg = 2\n\n[[sanitizer]]\ncall = [\"a\", \"a\"]\nclears = [\"comand\"]\n\n\
                 [[returns]]\ncall = \"web.make\"\ntype = \"web.Made\"\n\n[[alias]]\nfrom = \"old\"\nto = \"new\"\n\n\
                 [[signature]]\ncall = [\"web.go\"]\nparams = [\"a\", \"b\"]\n"
            ),
        ),
    ]);
    assert_eq!(errors, Vec::<String>::new());
    let said: Vec<String> = rules.lint().iter().map(ToString::to_string).collect();
    let expected = [
        "models/python/web.toml:4: argument 0 of `web.run` has no name: a [[signature]] of it is needed",
        "models/python/web.toml:9: `web.go` has no argument 2: its [[signature]] ends before",
        "models/python/web.toml:9: no rule reads sinks of kind `unread`",
        "models/python/web.toml:14: `a` has the same entry twice",
        "models/python/web.toml:14: nothing is a sink of kind `comand`",
        "s/clause.md:1: no [[app]] has the framework `none`",
        "s/clause.md:8: never holds: an argument is asked for that is missing by another condition",
        "s/clause.md:12: no model sets the mark `no-mark`",
        "s/clause.md:16: `web.make().go` is never met: `web.make()` has the type `web.Made`",
        "s/clause.md:19: `web.Thing().go` is never met: an instance of `web.Thing` has the path of its class",
        "s/clause.md:22: `old.go` is never met: `old` is another name of `new`",
        "s/clause.md:25: never holds: the function has no argument verbose",
    ];
    assert_eq!(said, expected, "{said:#?}");
}

#[test]
fn what_did_something_is_counted() {
    let more = format!(
        "{MODEL}\n[[sanitizer]]\ncall = \"web.clean\"\nclears = [\"*\"]\n\n[[returns]]\ncall = \"web.get\"\ntype = \"web\"\nuntested = \"x\"\n"
    );
    let more = more.replace("untested = \"x\"\n", "untested = \"nobody has it\"\n");
    let (mut rules, errors) = load(&[("s/shell.md", RULE), ("models/python/web.toml", &more)]);
    assert_eq!(errors, Vec::<String>::new());
    rules.count();
    let used = |rules: &RuleSet| -> Vec<&str> {
        let all = rules.entries.iter().enumerate();
        all.filter(|(i, _)| rules.was_used(*i as u32)).map(|(_, e)| e.table).collect()
    };
    assert_eq!(used(&rules), Vec::<&str>::new());
    lines(rules.clone(), "import web\nweb.run(web.clean(1))\nweb.run(2)\n");
    assert_eq!(used(&rules), Vec::<&str>::new());
    lines(rules.clone(), "import web\nweb.run(web.form)\n");
    assert_eq!(used(&rules), ["source", "sink"]);
    lines(rules.clone(), "import web\nweb.get().run(web.clean(web.form))\n");
    assert_eq!(used(&rules), ["source", "returns", "sink", "sanitizer"]);
    assert_eq!(rules.entries[1].untested.as_deref(), Some("nobody has it"));
    assert_eq!(rules.entries[1].line, 13);
}
