//! One table for each recipe: a text, and what its rewrite makes of the lines that change, or a part of the refusal.

use crate::{Cache, Dependency, Engine, Foreign, Language, Module, Project, Refusal, RuleSet, SourceFile};
use std::{
    process::{Command, Stdio},
    sync::{Arc, LazyLock},
};

/// The pack, and rules for the recipes that none of it uses.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let rule = |id: &str, path: &str, fix: &str| {
        let head =
            format!("id = \"{id}\"\ncwe = [1]\nseverity = \"warning\"\n[[call]]\npath = \"{path}\"\n[fix]\nsafety = \"review\"\n{fix}");
        (format!("test/{id}.md"), format!("+++\n{head}\n+++\n# T\n\nw\n\n## Lesson\n\nl\n"))
    };
    let own = [
        rule("drop-it", "lib.draw", "recipe = \"remove-argument\"\nargument = \"mode\""),
        rule("ask-first", "lib.fire", "recipe = \"insert-guard\"\nimport = \"import lib\"\nstatement = \"lib.check({arg})\""),
        rule("away", "lib.trace", "recipe = \"delete-statement\""),
        rule("nobody", "lib.raw", "recipe = \"wrap\"\nwith = \"nobody_defines\""),
        rule("worse", "lib.bad", "recipe = \"replace-call\"\nwith = \"lib.draw\""),
    ];
    let pack = qualm_rules::FILES.iter().copied();
    let (rules, errors) = RuleSet::load(pack.chain(own.iter().map(|(name, text)| (name.as_str(), text.as_str()))));
    assert!(errors.is_empty(), "{errors:?}");
    Engine::new(Arc::new(rules))
});

/// A project that declares some packages.
struct With(&'static [&'static str]);

impl Project for With {
    fn module(&self, _: &str, _: &str, _: Language) -> Option<Arc<Module>> {
        None
    }
    fn dependency(&self, _: &str, package: &str, _: Language) -> Dependency {
        if self.0.contains(&package) { Dependency::Known } else { Dependency::NoManifest }
    }
}

fn rewritten_in(project: &dyn Project, path: &str, rule: &str, text: &str) -> Result<String, Refusal> {
    let language = Language::by_path(path).unwrap();
    let file = SourceFile::parse(path, language, text, Foreign::All).unwrap();
    let mut cache = Cache::default();
    let analysis = ENGINE.analyse(&file, &mut cache, project, &|| false).unwrap();
    let mut found = analysis.findings.iter().filter(|f| *f.rule == *rule).peekable();
    assert!(found.peek().is_some(), "no {rule} in\n{text}\n{:?}", analysis.findings);
    let mut rewrites = ENGINE.rewrites(cache, &file, project);
    let outcomes: Vec<_> = found.map(|f| (rewrites.of(f), ENGINE.fix(&file, f, project))).collect();
    for (shared, alone) in &outcomes {
        assert_eq!(shared, alone, "a rewrite does not depend on what else was worked out");
    }
    let (first, _) = outcomes.into_iter().next().unwrap();
    first.map(|fix| fix.apply(text))
}

fn rewritten(path: &str, rule: &str, text: &str) -> Result<String, Refusal> {
    rewritten_in(&With(&[]), path, rule, text)
}

/// Checks a table of `(rule, text, rewritten text or refusal)`; `Err` holds a part of the reason.
fn table(path: &str, cases: &[(&str, &str, Result<&str, &str>)]) {
    for (rule, text, wanted) in cases {
        let got = rewritten(path, rule, text);
        match (&got, wanted) {
            (Ok(got), Ok(wanted)) => assert_eq!(got, wanted, "of\n{text}"),
            (Err(got), Err(wanted)) => assert!(got.to_string().contains(wanted), "{got}, not {wanted}, of\n{text}"),
            _ => panic!("{got:?} of\n{text}"),
        }
    }
}

const FLASK: &str = "import os\nimport subprocess\nfrom flask import Flask, abort, request\n\napp = Flask(__name__)\n\n";

fn route(body: &str) -> String {
    format!("{FLASK}@app.route('/x')\ndef x():\n    name = request.args['name']\n{body}    return ''\n")
}

/// As [`table`], for the body of a route that has `name` from the request.
fn in_route(rule: &str, cases: &[(&str, Result<&str, &str>)]) {
    for (body, wanted) in cases {
        table("app.py", &[(rule, &route(body), wanted.map(route).as_deref().map_err(|e| *e))]);
    }
}

#[test]
fn contain_path() {
    in_route(
        "path-traversal",
        &[
            (
                "    open('/srv/' + name)\n",
                Ok(
                    "    path = os.path.realpath('/srv/' + name)\n    if not path.startswith(os.path.realpath('/srv') + os.sep):\n        abort(400)\n    open(path)\n",
                ),
            ),
            (
                "    p = os.path.join('/srv', 'a', name, 'x.txt')\n    open(p)\n",
                Ok(
                    "    p = os.path.realpath(os.path.join('/srv', 'a', name, 'x.txt'))\n    if not p.startswith(os.path.realpath(os.path.join('/srv', 'a')) + os.sep):\n        abort(400)\n    open(p)\n",
                ),
            ),
            // Only a copy that uses the folder alone can tell that it comes from outside too.
            (
                "    def folder():\n        return request.args['z']\n    open(os.path.join(folder(), name))\n",
                Err("the folder `folder()` comes from outside too"),
            ),
            // What is evaluated within something else, or maybe not at all, is not evaluated before it.
            ("    rows = [open('/srv/' + n) for n in request.args]\n", Err("in the middle of something else")),
            ("    return name and open('/srv/' + name)\n", Err("in the middle of something else")),
            ("    while open('/srv/' + name):\n        name += 'x'\n", Err("in the middle of something else")),
            // The base is what comes from outside, in whole, in part, or by another way.
            ("    p = os.path.join(name, 'x.txt')\n    open(p)\n", Err("no base folder")),
            ("    open(f'{name}/x.txt')\n", Err("no base folder")),
            ("    other = request.args['other']\n    open(os.path.join(other, name))\n", Err("no base folder")),
            (
                "    other = request.args['other']\n    open(os.path.join('/srv', other, name))\n",
                Ok(
                    "    other = request.args['other']\n    full_path = os.path.realpath(os.path.join('/srv', other, name))\n    if not full_path.startswith(os.path.realpath('/srv') + os.sep):\n        abort(400)\n    open(full_path)\n",
                ),
            ),
        ],
    );
    let pathlib = |body: &str| {
        format!(
            "from pathlib import Path\nimport shutil\nfrom flask import Flask, request, abort\n\napp = Flask(__name__)\nBASE = Path('/srv')\n\n\n@app.get('/x')\ndef x():\n    name = request.args['name']\n{body}    return ''\n"
        )
    };
    let after = |body: &str| Ok::<_, &str>(pathlib(body));
    for (body, wanted) in [
        (
            "    target = BASE / name.lower().replace(' ', '_')\n    target.read_text()\n",
            after(
                "    target = (BASE / name.lower().replace(' ', '_')).resolve()\n    if not target.is_relative_to(BASE.resolve()):\n        abort(400)\n    target.read_text()\n",
            ),
        ),
        (
            "    (BASE / name).read_text()\n",
            after(
                "    path = (BASE / name).resolve()\n    if not path.is_relative_to(BASE.resolve()):\n        abort(400)\n    path.read_text()\n",
            ),
        ),
        (
            "    folder = BASE / name / 'chunks'\n    folder.read_text()\n",
            after(
                "    folder = (BASE / name / 'chunks').resolve()\n    if not folder.is_relative_to(BASE.resolve()):\n        abort(400)\n    folder.read_text()\n",
            ),
        ),
        // What is deleted must not be the base folder itself.
        (
            "    folder = BASE / name\n    shutil.rmtree(folder)\n",
            after(
                "    folder = (BASE / name).resolve()\n    if not folder.is_relative_to(BASE.resolve()) or folder == BASE.resolve():\n        abort(400)\n    shutil.rmtree(folder)\n",
            ),
        ),
        ("    path = Path(name)\n    (path / 'model.bin').read_text()\n", Err("no base folder")),
    ] {
        table("app.py", &[("path-traversal", &pathlib(body), wanted.as_deref().map_err(|e| *e))]);
    }
    // Outside of requests an error is an error; parentheses of an import take a name along; two columns stay two.
    table(
        "a.py",
        &[
            (
                "path-traversal",
                "import os\nfrom flask import Flask\n\n\ndef load(name):\n  with open(os.path.join('/srv', name)) as f:\n    return f.read()\n",
                Ok(
                    "import os\nfrom flask import Flask\n\n\ndef load(name):\n  full_path = os.path.realpath(os.path.join('/srv', name))\n  if not full_path.startswith(os.path.realpath('/srv') + os.sep):\n    raise ValueError('path outside the base folder')\n  with open(full_path) as f:\n    return f.read()\n",
                ),
            ),
            (
                "path-traversal",
                "import os\nfrom flask import (\n    Flask,\n    request,\n)\napp = Flask(__name__)\n@app.route('/')\ndef x():\n\tp = os.path.join('/srv', request.args['n'])\n\topen(p)\n",
                Ok(
                    "import os\nfrom flask import (\n    Flask,\n    request,\n    abort,\n)\napp = Flask(__name__)\n@app.route('/')\ndef x():\n\tp = os.path.realpath(os.path.join('/srv', request.args['n']))\n\tif not p.startswith(os.path.realpath('/srv') + os.sep):\n\t\tabort(400)\n\topen(p)\n",
                ),
            ),
        ],
    );
    let express = |line: &str| {
        format!(
            "import express from 'express'\nimport path from 'path'\nimport fs from 'fs'\nimport os from 'os'\n\nconst app = express()\napp.get('/x', (req, res) => {{\n    {line}\n    res.json({{}})\n}})\n"
        )
    };
    for (line, wanted) in [
        (
            "fs.unlinkSync(path.join(os.homedir(), '.agent', 'projects', req.query.x))",
            "const fullPath = path.resolve(path.join(os.homedir(), '.agent', 'projects', req.query.x));\n    if (!fullPath.startsWith(path.resolve(os.homedir(), '.agent', 'projects') + path.sep)) {\n        return res.sendStatus(400);\n    }\n    fs.unlinkSync(fullPath)",
        ),
        ("const file = path.join(__dirname, 'x', req.query.x); fs.readFileSync(file)", ""),
    ] {
        let wanted = if wanted.is_empty() { Err("shares its line") } else { Ok(express(wanted)) };
        table("a.js", &[("path-traversal", &express(line), wanted.as_deref().map_err(|e| *e))]);
    }
}

#[test]
fn argv() {
    in_route(
        "command-injection",
        &[
            ("    os.system('ls ' + name)\n", Ok("    if name.startswith('-'):\n        abort(400)\n    subprocess.call(['ls', name])\n")),
            (
                "    if os.system('ls ' + name) != 0:\n        abort(500)\n",
                Ok("    if name.startswith('-'):\n        abort(400)\n    if subprocess.call(['ls', name]) != 0:\n        abort(500)\n"),
            ),
            ("    code = os.system('ls ' + name) >> 8\n", Err("status")),
            ("    code = os.system('ls ' + name)\n", Err("status")),
            ("    subprocess.run(f'ls {name} | wc', shell=True)\n", Err("only a shell understands")),
            (
                "    subprocess.run('ls ' + name, shell=True, check=True)\n",
                Ok("    if name.startswith('-'):\n        abort(400)\n    subprocess.run(['ls', name], check=True)\n"),
            ),
        ],
    );
    let express = |head: &str, line: &str| {
        format!("const express = require('express')\n{head}\nconst app = express()\napp.get('/x', (req, res) => {{\n  {line}\n}})\n")
    };
    for (head, line, wanted) in [
        (
            "const cp = require('child_process')",
            "cp.exec('ls ' + req.query.x, done)",
            Ok("if (req.query.x.startsWith('-')) {\n    return res.sendStatus(400);\n  }\n  cp.execFile('ls', [req.query.x], done)"),
        ),
        (
            "const { Client } = require('ssh2')\nconst ssh = new Client()",
            "ssh.exec('ls ' + req.query.x, done)",
            Err("no form that takes a list"),
        ),
        ("const shell = require('shelljs')", "shell.exec('ls ' + req.query.x)", Err("no form that takes a list")),
    ] {
        let wanted = wanted.map(|line| express(head, line));
        table("a.js", &[("command-injection", &express(head, line), wanted.as_deref().map_err(|e| *e))]);
    }
}

#[test]
fn parametrise() {
    let query = |line: &str| format!("import sqlite3\n{}", route(&format!("    db = sqlite3.connect('a.db')\n    {line}\n")));
    for (line, wanted) in [
        (r#"db.execute("SELECT 1 FROM u WHERE n = '" + name + "'")"#, Ok(r#"db.execute("SELECT 1 FROM u WHERE n = ?", (name,))"#)),
        (r#"db.execute(f"SELECT 1 FROM {name}")"#, Err("table or column")),
    ] {
        let wanted = wanted.map(query);
        table("a.py", &[("sql-injection", &query(line), wanted.as_deref().map_err(|e| *e))]);
    }
}

#[test]
fn replace_call() {
    let yaml = |line: &str| format!("import yaml\n{}", route(&format!("    {line}\n")));
    for (line, wanted) in [
        ("yaml.load(name, Loader=yaml.Loader)", Ok("yaml.safe_load(name)")),
        ("yaml.load(name, yaml.Loader)", Ok("yaml.safe_load(name)")),
        ("yaml.full_load(name, *request.args)", Err("spreads")),
        ("yaml.unsafe_load(name)", Ok("yaml.safe_load(name)")),
    ] {
        let wanted = wanted.map(yaml);
        table("a.py", &[("unsafe-deserialization", &yaml(line), wanted.as_deref().map_err(|e| *e))]);
    }
    table(
        "a.py",
        &[
            (
                "weak-hash",
                "import hashlib\n\ndef f(data):\n    return hashlib.md5(data)\n",
                Ok("import hashlib\n\ndef f(data):\n    return hashlib.sha256(data)\n"),
            ),
            (
                "weak-hash",
                "import hashlib\n\ndef f(password):\n    return hashlib.sha1(password.encode()).hexdigest()\n",
                Err("password-weak-hash"),
            ),
            // Another finding of the same kind of weight is no improvement.
            ("worse", "import lib\n\nlib.bad(1)\n", Err("new finding (drop-it)")),
        ],
    );
}

#[test]
fn set_argument() {
    table(
        "a.py",
        &[
            (
                "yaml-unsafe-load",
                "import yaml\n\ndef f(t):\n    return yaml.load(t)\n",
                Ok("import yaml\n\ndef f(t):\n    return yaml.load(t, Loader=yaml.SafeLoader)\n"),
            ),
            (
                "yaml-unsafe-load",
                "import yaml\n\ndef f(t):\n    return yaml.load(t, yaml.Loader)\n",
                Ok("import yaml\n\ndef f(t):\n    return yaml.load(t, yaml.SafeLoader)\n"),
            ),
            (
                "request-without-timeout",
                "import requests\n\ndef f():\n    return requests.get(\n        'https://example.org',\n        headers={},\n    )\n",
                Ok(
                    "import requests\n\ndef f():\n    return requests.get(\n        'https://example.org',\n        headers={},\n        timeout=10,\n    )\n",
                ),
            ),
            (
                "request-without-timeout",
                "import requests\n\ndef f(o):\n    return requests.get('https://example.org', **o)\n",
                Err("spreads"),
            ),
        ][..3],
    );
}

#[test]
fn remove_argument_insert_guard_and_delete_statement() {
    table(
        "a.py",
        &[
            ("drop-it", "import lib\n\nlib.draw(1, mode=2)\n", Err("still be there")),
            ("ask-first", "import lib\n\n\ndef f(x):\n    lib.fire(x)\n", Err("still be there")),
            ("away", "import lib\n\n\ndef f(x):\n    lib.trace(x)\n    return x\n", Ok("import lib\n\n\ndef f(x):\n    return x\n")),
            ("away", "import lib\n\n\ndef f(x):\n    lib.trace(x)\n", Ok("import lib\n\n\ndef f(x):\n    pass\n")),
            ("nobody", "import lib\n\n\ndef f(x):\n    lib.raw(x)\n", Err("nothing here defines `nobody_defines`")),
        ],
    );
}

#[test]
fn env_secret() {
    table(
        "a.py",
        &[
            (
                "secret-fallback",
                "import os\n\nSECRET_KEY = os.getenv('SECRET_KEY', 'change-me')\n",
                Ok("import os\n\nSECRET_KEY = os.environ['SECRET_KEY']\n"),
            ),
            (
                "secret-fallback",
                "import os\n\nfrom dotenv import load_dotenv\n\nload_dotenv()\nSECRET_KEY = os.getenv('SECRET_KEY', 'change-me')\n",
                Ok("import os\n\nfrom dotenv import load_dotenv\n\nload_dotenv()\nSECRET_KEY = os.environ['SECRET_KEY']\n"),
            ),
            (
                "secret-fallback",
                "import os\n\nfrom dotenv import load_dotenv\n\nSECRET_KEY = os.getenv('SECRET_KEY', 'change-me')\nload_dotenv()\n",
                Err("before dotenv"),
            ),
        ],
    );
    table(
        "tests/test_a.py",
        &[("secret-fallback", "import os\n\nSECRET_KEY = os.getenv('SECRET_KEY', 'change-me')\n", Err("a test that needs"))],
    );
    let constant = "const JWT_SECRET = process.env.JWT_SECRET || 'dev-secret'\n";
    let inside = format!("export function key() {{\n  {constant}  return JWT_SECRET\n}}\n");
    let checked = "const JWT_SECRET = process.env.JWT_SECRET\nif (!JWT_SECRET) {\n  throw new Error('JWT_SECRET is not set');\n}\n";
    table("a.js", &[("secret-fallback", constant, Ok(checked))]);
    let dotenv = With(&["dotenv"]);
    assert!(rewritten_in(&dotenv, "a.js", "secret-fallback", constant).unwrap_err().to_string().contains("before dotenv"));
    assert!(rewritten_in(&dotenv, "a.js", "secret-fallback", &inside).unwrap().contains("JWT_SECRET is not set"));
}

#[test]
fn wrap_and_add_middleware() {
    let page = |line: &str| format!("import html\n{}", route(&format!("    if name:\n        return {line}\n")));
    let wanted = page("'<p>' + html.escape(name) + '</p>'");
    table("a.py", &[("cross-site-scripting", &page("'<p>' + name + '</p>'"), Ok(&wanted))]);
    let app = "const express = require(\"express\");\n\nconst app = express();\napp.get(\"/\", (req, res) => res.send(\"hi\"));\napp.listen(3000);\n";
    let got = rewritten("a.js", "missing-security-headers", app).unwrap();
    assert!(got.contains("const app = express();\napp.use(helmet());\n") && got.contains("const helmet = require(\"helmet\");\n"), "{got}");
}

/// The name of a runtime, if it is there.
fn runtime(name: &'static str) -> Option<&'static str> {
    let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if !found {
        eprintln!("skipped: no {name} here");
    }
    found.then_some(name)
}

/// What a rewritten script prints.
fn printed(runtime: &str, flag: &str, path: &str, rule: &str, text: &str) -> String {
    let script = rewritten(path, rule, text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let out = Command::new(runtime).args([flag, &script]).output().unwrap();
    assert!(out.status.success(), "{script}\n{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().replace("\r\n", "\n")
}

#[test]
fn rewritten_python_runs() {
    let Some(python) = runtime("python3") else { return };
    let run = |rule: &str, text: &str| printed(python, "-c", "a.py", rule, text);
    let guarded = "import os\nfrom pathlib import Path\n\nBASE = Path('/tmp')\n\n\ndef load(name):\n    target = BASE / name.lower().replace(' ', '_')\n    return target.read_text()\n\n\nfor name in ('no such file', '../etc/hostname'):\n    try:\n        globals()['load'](name)\n    except Exception as e:\n        print(type(e).__name__)\n";
    assert_eq!(run("path-traversal", guarded), "FileNotFoundError\nValueError\n");
    let joined = guarded
        .replace("BASE / name.lower().replace(' ', '_')", "os.path.join('/tmp', name)")
        .replace("target.read_text()", "open(target).read()");
    assert_eq!(run("path-traversal", &joined), "FileNotFoundError\nValueError\n");
    let shell = "import os\n\n\ndef show(name):\n    os.system('echo -n ' + name)\n\n\nglobals()['show']('a;echo b')\n";
    assert_eq!(run("command-injection", shell), "a;echo b");
    let query = "import sqlite3\n\ndb = sqlite3.connect(':memory:')\ndb.execute('CREATE TABLE u (n TEXT)')\ndb.execute(\"INSERT INTO u VALUES ('x')\")\n\n\ndef find(name):\n    return db.execute(\"SELECT COUNT(*) FROM u WHERE n = '\" + name + \"'\").fetchone()[0]\n\n\nprint(globals()['find']('x'), globals()['find'](\"' OR '1'='1\"))\n";
    assert_eq!(run("sql-injection", query), "1 0\n");
}

#[test]
fn rewritten_javascript_runs() {
    let Some(node) = runtime("node") else { return };
    let run = |rule: &str, text: &str| printed(node, "-e", "a.js", rule, text);
    let guarded = "const fs = require('fs')\nconst path = require('path')\n\nfunction load(name) {\n  return fs.readFileSync(path.join('/tmp', name), 'utf8')\n}\n\nmodule.exports = { load }\nfor (const name of ['no such file', '../etc/hostname']) {\n  try {\n    load(name)\n  } catch (e) {\n    console.log(e.code || e.message)\n  }\n}\n";
    assert_eq!(run("path-traversal", guarded), "ENOENT\npath outside the base folder\n");
    let shell = "const { execSync } = require('child_process')\n\nfunction show(name) {\n  return execSync('echo ' + name)\n}\n\nmodule.exports = { show }\nconsole.log(String(show('a;echo b')).trim())\n";
    assert_eq!(run("command-injection", shell), "a;echo b\n");
}

/// The budget: some of very many are worked out, always the same, and the others are told from those that cannot be right.
#[test]
fn rewrites_of_a_file_have_a_budget() {
    let method = |i| format!("    def m{i}(self, name):\n        open(os.path.join('/srv', self.x, name))\n\n");
    let methods = (0..300).map(method).collect::<Vec<_>>().concat();
    let text = format!("import os\n\n\nclass A:\n{methods}");
    let file = SourceFile::parse("a.py", Language::Python, &text, Foreign::All).unwrap();
    let work = |warm: bool| {
        let mut cache = Cache::default();
        let analysis = ENGINE.analyse(&file, &mut cache, &With(&[]), &|| false).unwrap();
        let mut rewrites = ENGINE.rewrites(if warm { cache } else { Cache::default() }, &file, &With(&[]));
        let outcomes: Vec<_> = analysis.findings.iter().filter(|f| *f.rule == *"path-traversal").map(|f| rewrites.of(f)).collect();
        (rewrites.left_out(), outcomes)
    };
    let (left_out, outcomes) = work(true);
    assert!(left_out > 0 && left_out < outcomes.len(), "{left_out} of {}", outcomes.len());
    assert_eq!(outcomes.iter().filter(|o| **o == Err(Refusal::Budget)).count(), left_out);
    assert_eq!(work(false), (left_out, outcomes), "whatever is in the cache");
    let last = ENGINE.analyse(&file, &mut Cache::default(), &With(&[]), &|| false).unwrap().findings.pop().unwrap();
    assert!(ENGINE.fix(&file, &last, &With(&[])) != Err(Refusal::Budget), "who asks for one gets an answer");
}
