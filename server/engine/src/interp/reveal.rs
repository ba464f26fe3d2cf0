//! Pages of what the interpreter knows: `reveal(x)` in a code block of `tests/*.md`, and behind it, in a comment, what is known of
//! `x` there. Run with `QUALM_BLESS=1` to write what came out into the pages, then read the difference.

use super::{Interp, Value};
use crate::{
    Language,
    analysis::{Cache, Engine, Foreign, NoProject, SourceFile},
    ir::Lit,
    rules::{RuleSet, SinkBits},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::PathBuf,
    sync::Arc,
};

thread_local! {
    /// What was revealed in this thread: item, first byte in it, what is known.
    static REVEALED: RefCell<Vec<(u64, u32, String)>> = const { RefCell::new(Vec::new()) };
}

/// Kinds of harm that pages tell apart.
const KINDS: &[&str] = &["command", "sql", "path", "html", "url", "redirect", "log", "size"];

/// Notes what is known of a value where `reveal` is called.
pub(super) fn reveal(interp: &Interp<'_>, value: &Value, item: u64, start: u32) {
    let bit = |kind: &str| interp.sink_bit(kind);
    let mut text = String::new();
    let list = |bits: SinkBits| KINDS.iter().filter(|k| bits & bit(k) != 0).copied().collect::<Vec<_>>().join(" ");
    match &value.lit {
        Some(Lit::Str(s)) => write!(text, "{s:?}").unwrap(),
        Some(Lit::Int(i)) => write!(text, "{i}").unwrap(),
        Some(Lit::Float(x)) => write!(text, "{x}").unwrap(),
        Some(Lit::Bool(b)) => write!(text, "{b}").unwrap(),
        Some(Lit::Null) => text.push_str("null"),
        None => {}
    }
    let (taint, sources, _) = value.deep();
    let all = KINDS.iter().fold(0, |bits, k| bits | bit(k));
    if text.is_empty() && value.typed && !value.path.is_empty() {
        write!(text, "{}", value.path).unwrap();
    }
    if let Some(shape) = &value.shape {
        write!(text, "{:?}", shape.text.replace('\0', "{}")).unwrap();
    }
    if taint & all == 0 {
        text.push_str(if text.is_empty() { "clean" } else { ", clean" });
    } else {
        let kinds = &interp.setup.rules.source_kinds;
        let from: Vec<&str> = kinds.iter().enumerate().filter(|(i, _)| sources & 1 << i != 0).map(|(_, k)| k.as_str()).collect();
        let sep = if text.is_empty() { "" } else { ", " };
        write!(text, "{sep}from {}", from.join(" ")).unwrap();
        if taint & all != all {
            write!(text, ", not {}", list(all & !taint)).unwrap();
        }
        if value.vouched & all != 0 {
            write!(text, ", vouched").unwrap();
        }
    }
    REVEALED.with_borrow_mut(|r| r.push((item, start, text)));
}

fn engine() -> Engine {
    let (rules, errors) = RuleSet::load(qualm_rules::FILES.iter().copied());
    assert!(errors.is_empty(), "{errors:?}");
    Engine::new(Arc::new(rules))
}

/// What is known at each line that reveals something.
fn revealed(engine: &Engine, language: Language, text: &str) -> BTreeMap<usize, String> {
    REVEALED.with_borrow_mut(Vec::clear);
    let file = SourceFile::parse(&format!("page.{}", language.info().extensions[0]), language, text, Foreign::All).unwrap();
    let mut cache = Cache::default();
    let analysis = engine.analyse(&file, &mut cache, &NoProject, &|| false).unwrap();
    assert!(analysis.broken.is_empty() && !analysis.exhausted(), "{text}");
    let bases = cache.bases();
    let mut lines: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (item, start, known) in REVEALED.take() {
        let Some(base) = bases.get(&item) else { continue };
        let line = text[..base + start as usize].matches('\n').count();
        lines.entry(line).or_default().insert(known);
    }
    lines.into_iter().map(|(line, known)| (line, known.into_iter().collect::<Vec<_>>().join(" | "))).collect()
}

#[test]
fn pages_hold() {
    let engine = engine();
    let bless = std::env::var_os("QUALM_BLESS").is_some();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/interp/tests");
    let mut wrong = Vec::new();
    let mut pages = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let page = std::fs::read_to_string(&path).unwrap();
        let mut out = String::new();
        let mut block: Option<(Language, Vec<&str>)> = None;
        for (number, line) in page.lines().enumerate() {
            match (&mut block, line.strip_prefix("```")) {
                (None, Some(name)) => {
                    block =
                        Some((Language::by_name(name).unwrap_or_else(|| panic!("{}:{}: {name}", path.display(), number + 1)), Vec::new()));
                    writeln!(out, "{line}").unwrap();
                }
                (Some((language, lines)), Some(_)) => {
                    let sign = if *language == Language::Python { "  # " } else { "  // " };
                    let bare: Vec<&str> =
                        lines.iter().map(|l| if l.contains("reveal(") { l.split(sign).next().unwrap_or(l) } else { l }).collect();
                    let known = revealed(&engine, *language, &(bare.join("\n") + "\n"));
                    for (i, l) in bare.iter().enumerate() {
                        let expected = lines[i].strip_prefix(l).and_then(|c| c.strip_prefix(sign)).unwrap_or("");
                        let now = match known.get(&i) {
                            Some(k) => k.as_str(),
                            None if l.contains("reveal(") => "never reached",
                            None => "",
                        };
                        if now != expected {
                            let at = number - lines.len() + i + 1;
                            wrong.push(format!("{}:{at}: {}\n    expected {expected}\n    revealed {now}", path.display(), l.trim()));
                        }
                        let comment = if now.is_empty() { String::new() } else { format!("{sign}{now}") };
                        writeln!(out, "{l}{comment}").unwrap();
                    }
                    writeln!(out, "{line}").unwrap();
                    block = None;
                }
                (Some((_, lines)), None) => lines.push(line),
                (None, None) => writeln!(out, "{line}").unwrap(),
            }
        }
        if bless {
            std::fs::write(&path, out).unwrap();
        }
        pages += 1;
    }
    assert!(pages > 0);
    assert!(bless || wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Where an address leads is decided by what stands before the first character that somebody else chose.
#[test]
fn the_host_decides_where_an_address_leads() {
    let engine = engine();
    for (address, silent) in [
        ("'https://api.example/search?q=' + x", true),
        ("f'https://api.example/users/{x}'", true),
        ("f'{BASE}/users/{x}'", true),
        ("'https://api.example' + x", false),
        ("f'https://{x}/users'", false),
        ("f'{x}/users'", false),
        ("x", false),
    ] {
        let head = "import requests\nfrom config import BASE\nfrom flask import Flask, request\napp = Flask(__name__)\n@app.get('/')\ndef f():\n    x = request.args['x']\n";
        let text = format!("{head}    requests.get({address}, timeout=5)\n    return ''\n");
        let file = SourceFile::parse("a.py", Language::Python, &text, Foreign::None).unwrap();
        let analysis = engine.analyse(&file, &mut Cache::default(), &NoProject, &|| false).unwrap();
        assert_eq!(!analysis.findings.iter().any(|f| &*f.rule == "server-side-request-forgery"), silent, "{address}");
    }
}

/// Tests that are true exactly where `x` is harmless, by language.
const TESTS: &[(Language, &str)] = &[
    (Language::Python, "x in ALLOWED"),
    (Language::Python, "x == 'a'"),
    (Language::Python, "'a' == x"),
    (Language::Python, "x.lower() in ALLOWED"),
    (Language::Python, "x.isalnum()"),
    (Language::Python, "re.fullmatch('[a-z]+', x)"),
    (Language::Python, "re.fullmatch('[a-z]+', x) is not None"),
    (Language::Python, "re.match('^[a-z]+$', x)"),
    (Language::Python, "RE.fullmatch(x)"),
    (Language::Python, "any(x == a for a in ALLOWED)"),
    (Language::Python, "all(c.isalnum() for c in x)"),
    (Language::Python, "bool(x in ALLOWED)"),
    (Language::Python, "(x in ALLOWED) is True"),
    (Language::Python, "(x not in ALLOWED) is False"),
    (Language::Python, "not x not in ALLOWED"),
    (Language::Python, "known(x)"),
    (Language::Python, "early(x)"),
    (Language::Python, "not bad(x)"),
    (Language::Python, "len(errors(x)) == 0"),
    (Language::JavaScript, "ALLOWED.includes(x)"),
    (Language::JavaScript, "x === 'a' || x === 'b'"),
    (Language::JavaScript, "SET.has(x)"),
    (Language::JavaScript, "SET.has(x) === true"),
    (Language::JavaScript, "SET.has(x) !== false"),
    (Language::JavaScript, "Boolean(SET.has(x))"),
    (Language::JavaScript, "!!SET.has(x)"),
    (Language::JavaScript, "ALLOWED.indexOf(x) !== -1"),
    (Language::JavaScript, "ALLOWED.indexOf(x) >= 0"),
    (Language::JavaScript, "ALLOWED.indexOf(x) > -1"),
    (Language::JavaScript, "~ALLOWED.indexOf(x)"),
    (Language::JavaScript, "ALLOWED.some((a) => a === x)"),
    (Language::JavaScript, "ALLOWED.find((a) => a === x)"),
    (Language::JavaScript, "ALLOWED.findIndex((a) => a === x) !== -1"),
    (Language::JavaScript, "ALLOWED.filter((a) => a === x).length > 0"),
    (Language::JavaScript, "!ALLOWED.every((a) => a !== x)"),
    (Language::JavaScript, "Object.hasOwn({ a: 1 }, x)"),
    (Language::JavaScript, "/^[a-z]+$/.test(x)"),
    (Language::JavaScript, "/^[a-z]+$/.test(x) === true"),
    (Language::JavaScript, "x.match(/^[a-z]+$/) !== null"),
    (Language::JavaScript, "x.match(/^[a-z]+$/)"),
    (Language::JavaScript, "x.split('').every((c) => 'abc'.includes(c))"),
    (Language::JavaScript, "known(x)"),
    (Language::JavaScript, "early(x)"),
    (Language::JavaScript, "!bad(x)"),
    (Language::JavaScript, "errors(x).length === 0"),
];

/// Tests that look at something else, or admit what does harm.
const NO_GUARDS: &[(Language, &str)] = &[
    (Language::Python, "request.method == 'POST'"),
    (Language::Python, "request.args['y'] == 'a'"),
    (Language::Python, "len(x) == 6"),
    (Language::Python, "x[0] == 'a'"),
    (Language::Python, "x.endswith('.txt')"),
    (Language::Python, "x.count('/') == 0"),
    (Language::Python, "re.match('[a-z]+', x)"),
    (Language::Python, "re.search('[a-z]+', x)"),
    (Language::Python, r"re.fullmatch(r'[a-z\s]+', x)"),
    (Language::Python, "x in request.args.getlist('z')"),
    (Language::Python, "helpers.contains_letters(x)"),
    (Language::JavaScript, "req.method === 'POST'"),
    (Language::JavaScript, "req.query.y === 'a'"),
    (Language::JavaScript, "x.length === 6"),
    (Language::JavaScript, "x[0] === 'a'"),
    (Language::JavaScript, "x.endsWith('.txt')"),
    (Language::JavaScript, "/[a-z]+/.test(x)"),
    (Language::JavaScript, "/^[a-z]+$/m.test(x)"),
    (Language::JavaScript, r"/^[a-z\s]+$/.test(x)"),
    (Language::JavaScript, "req.query.z.includes(x)"),
    (Language::JavaScript, "x.split(',').length === 2"),
];

/// The function around a test: what stands before it, `if`, `return`, the use, and what is true and false.
fn program(language: Language, body: &[&str]) -> String {
    if language == Language::Python {
        let head = "import os, re\nimport helpers\nfrom flask import Flask, request\napp = Flask(__name__)\nALLOWED = {'a', 'b'}\nRE = re.compile('^[a-z]+$')\n\
            def known(v):\n    return v in ALLOWED\ndef early(v):\n    if not v:\n        return False\n    if v not in ALLOWED:\n        return False\n    return True\n\
            def bad(v):\n    return v not in ALLOWED\ndef errors(v):\n    found = []\n    if v not in ALLOWED:\n        found.append('no')\n    return found\n\
            @app.post('/')\ndef f():\n    x = request.args['x']\n    y = request.args['o']\n";
        body.iter().fold(head.to_string(), |text, line| text + "    " + line + "\n")
    } else {
        let head = "const express = require('express');\nconst { exec } = require('child_process');\nconst app = express();\nconst ALLOWED = ['a', 'b'];\nconst SET = new Set(ALLOWED);\n\
            function known(v) { return SET.has(v); }\nfunction early(v) { if (!v) return false; if (!SET.has(v)) return false; return true; }\n\
            function bad(v) { return !SET.has(v); }\nfunction errors(v) { const found = []; if (!SET.has(v)) found.push('no'); return found; }\n\
            app.post('/', (req, res) => {\n  let x = req.query.x;\n  const y = req.query.o;\n";
        body.iter().fold(head.to_string(), |text, line| text + "  " + line + "\n") + "});\n"
    }
}

/// Each form of test, in each polarity and way of use: silent exactly where the value passed it.
#[test]
fn guards_hold_where_they_hold() {
    let engine = engine();
    let mut wrong = Vec::new();
    let mut tried = 0;
    let mut check = |language: Language, lines: Vec<String>, silent: bool| {
        let text = program(language, &lines.iter().map(String::as_str).collect::<Vec<_>>());
        let file = SourceFile::parse("a", language, &text, Foreign::None).unwrap();
        let analysis = engine.analyse(&file, &mut Cache::default(), &NoProject, &|| false).unwrap();
        let found = analysis.findings.iter().any(|f| &*f.rule == "command-injection");
        tried += 1;
        if found == silent {
            wrong.push(format!("{}: {}", if silent { "accused" } else { "missed" }, lines.join(" ; ")));
        }
    };
    let forms = |language: Language, test: &str| -> Vec<(Vec<String>, bool)> {
        let python = language == Language::Python;
        let branch = |test: &str, act: &str| if python { format!("if {test}: {act}") } else { format!("if ({test}) {act};") };
        let not = |test: &str| if python { format!("not ({test})") } else { format!("!({test})") };
        let (leave, usage, other) = if python { ("return ''", "os.system(x)", "os.system(y)") } else { ("return", "exec(x)", "exec(y)") };
        let keep = |test: &str| if python { format!("ok = {test}") } else { format!("const ok = {test};") };
        let replace = "x = 'a'";
        vec![
            (vec![branch(&not(test), leave), usage.to_string()], true),
            (vec![branch(test, leave), usage.to_string()], false),
            (vec![branch(test, usage)], true),
            (vec![branch(&not(test), usage)], false),
            (vec![keep(test), branch(&not("ok"), leave), usage.to_string()], true),
            (vec![keep(test), branch("ok", leave), usage.to_string()], false),
            (vec![keep(test), branch("ok", usage)], true),
            (vec![branch(&not(test), leave), other.to_string()], false),
            (vec![branch(&format!("{test} {} other(y)", if python { "or" } else { "||" }), usage)], false),
            (vec![branch(&not(test), replace), usage.to_string()], true),
            (vec![branch(test, replace), usage.to_string()], false),
        ]
    };
    for (language, test) in TESTS {
        for (lines, silent) in forms(*language, test) {
            check(*language, lines, silent);
        }
    }
    for (language, test) in NO_GUARDS {
        for (lines, _) in forms(*language, test).into_iter().take(4) {
            check(*language, lines, false);
        }
    }
    assert!(wrong.is_empty(), "{} of {tried} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
