//! The shipped pack: it loads without a complaint, every example is right, and rewrites are what a careful
//! person would have written, or refused with a reason.

use qualm::examples;
use qualm_engine::{Cache, Engine, Foreign, Language, NoProject, RuleSet, SourceFile};
use std::sync::LazyLock;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let (rules, errors) = RuleSet::load(qualm_rules::FILES.iter().copied());
    assert!(errors.is_empty(), "{errors:?}");
    Engine::new(rules.into())
});

#[test]
fn every_example_is_right() {
    let outcome = examples::run(&ENGINE, |_| true);
    let wrong: Vec<String> = outcome.failures.iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(outcome.claims > 200, "{} claims", outcome.claims);
}

#[test]
fn the_pages_of_libraries_are_right() {
    let outcome = examples::run_libraries(&ENGINE, qualm_rules::LIBRARY_PAGES);
    let wrong: Vec<String> = outcome.failures.iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every clause, sink, source, type, ... does something in an example, or says why none can show it; that is the exception.
#[test]
fn every_entry_of_the_pack_is_shown() {
    let mut rules = ENGINE.rules().clone();
    rules.count();
    let engine = Engine::new(rules.into());
    examples::run(&engine, |_| true);
    examples::run_libraries(&engine, qualm_rules::LIBRARY_PAGES);
    let (total, silent) = examples::uncovered(engine.rules(), |_| true);
    let silent: Vec<String> = silent.iter().map(ToString::to_string).collect();
    assert!(silent.is_empty(), "{}", silent.join("\n"));
    let reasons = engine.rules().entries.iter().filter(|e| e.untested.is_some()).count();
    assert!(total > 800 && reasons * 20 < total, "{reasons} of {total} entries are shown by no example");
}

#[test]
fn nothing_in_the_pack_is_without_effect() {
    let mistakes: Vec<String> = ENGINE.rules().lint().iter().map(ToString::to_string).collect();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

/// What the rewrite of the first finding of a rule makes of a text, or why there is none.
fn rewritten(language: Language, rule: &str, text: &str) -> Result<String, String> {
    rewritten_in(&Foreign::All, language, rule, text)
}

fn rewritten_in(foreign: &Foreign, language: Language, rule: &str, text: &str) -> Result<String, String> {
    let info = language.info();
    let name = format!("app.{}", info.extensions[0]);
    let file = SourceFile::parse(&name, language, text, foreign.clone()).unwrap();
    let analysis = ENGINE.analyse(&file, &mut Cache::default(), &NoProject, &|| false).unwrap();
    let finding = analysis.findings.iter().find(|f| *f.rule == *rule);
    let finding = finding.unwrap_or_else(|| panic!("no {rule} in {text}\n{:?}", analysis.findings));
    let fix = ENGINE.fix(&file, finding, &NoProject).map_err(|r| r.to_string())?;
    let after = fix.apply(text);
    // A second application finds nothing to do at the same place.
    let again = SourceFile::parse(&name, language, &after, foreign.clone()).unwrap();
    let left = ENGINE.analyse(&again, &mut Cache::default(), &NoProject, &|| false).unwrap();
    let before = analysis.findings.iter().filter(|f| *f.rule == *rule).count();
    assert!(left.findings.iter().filter(|f| *f.rule == *rule).count() < before, "{after}");
    Ok(after)
}

/// The lines of the rewrite that were not there before.
fn changed(language: Language, rule: &str, text: &str) -> String {
    let after = rewritten(language, rule, text).unwrap_or_else(|e| panic!("refused: {e}\n{text}"));
    let old: Vec<&str> = text.lines().collect();
    after.lines().filter(|l| !old.contains(l)).collect::<Vec<_>>().join("\n")
}

fn python_query(statement: &str) -> String {
    format!(
        "import sqlite3\nfrom flask import Flask, request\n\napp = Flask(__name__)\n\n\n@app.route(\"/user\")\ndef user():\n    \
         db = sqlite3.connect(\"app.db\")\n    name = request.args[\"name\"]\n    other = request.args[\"other\"]\n    \
         {statement}\n    return {{\"ok\": True}}\n"
    )
}

#[test]
fn queries_put_together_in_any_way_get_parameters() {
    for (statement, expected) in [
        (r#"db.execute(f"SELECT 1 FROM u WHERE n = '{name}'")"#, r#"db.execute("SELECT 1 FROM u WHERE n = ?", (name,))"#),
        (r#"db.execute("SELECT 1 FROM u WHERE n = '" + name + "'")"#, r#"db.execute("SELECT 1 FROM u WHERE n = ?", (name,))"#),
        (r#"db.execute("SELECT 1 FROM u WHERE n = " + str(name))"#, r#"db.execute("SELECT 1 FROM u WHERE n = ?", (name,))"#),
        (r#"db.execute("SELECT 1 FROM u WHERE n = '%s'" % name)"#, r#"db.execute("SELECT 1 FROM u WHERE n = ?", (name,))"#),
        (
            r#"db.execute("SELECT 1 FROM u WHERE n = '%s' AND o = '%s'" % (name, other))"#,
            r#"db.execute("SELECT 1 FROM u WHERE n = ? AND o = ?", (name, other))"#,
        ),
        (
            r#"db.execute("SELECT 1 FROM u WHERE n = '{}' AND o = '{}'".format(name, other))"#,
            r#"db.execute("SELECT 1 FROM u WHERE n = ? AND o = ?", (name, other))"#,
        ),
        (r#"db.execute(f"SELECT 1 FROM u WHERE n LIKE '%{name}%'")"#, r#"db.execute("SELECT 1 FROM u WHERE n LIKE ?", (f"%{name}%",))"#),
        (
            r#"db.execute(f"INSERT INTO u (a, b) VALUES ('{name}', {other})")"#,
            r#"db.execute("INSERT INTO u (a, b) VALUES (?, ?)", (name, other))"#,
        ),
        (
            r#"db.execute(f"SELECT 1 FROM u WHERE a = ? AND n = '{name}' AND b = ?", (1, 2))"#,
            r#"db.execute("SELECT 1 FROM u WHERE a = ? AND n = ? AND b = ?", (1, name, 2))"#,
        ),
    ] {
        assert_eq!(changed(Language::Python, "sql-injection", &python_query(statement)).trim(), expected);
    }
    // The text may have a name, and the file its own line ends.
    let text = python_query("query = f\"SELECT 1 FROM u WHERE n = '{name}'\"\n    db.execute(query)").replace('\n', "\r\n");
    let after = rewritten(Language::Python, "sql-injection", &text).unwrap();
    assert!(after.contains("query = \"SELECT 1 FROM u WHERE n = ?\"\r\n    db.execute(query, (name,))\r\n"), "{after}");
    assert_eq!(after.matches('\n').count(), after.matches("\r\n").count());
}

#[test]
fn queries_that_cannot_be_parametrised_are_refused_with_the_reason() {
    for (statement, reason) in [
        ("db.execute(f\"SELECT 1 FROM {name}\")", "table or column"),
        ("db.execute(f\"SELECT 1 FROM u ORDER BY {name}\")", "table or column"),
        ("db.execute(f\"SELECT 1 FROM u WHERE {name}\")", "piece of the query"),
        ("db.execute(f\"SELECT 1 FROM u WHERE n IN ({name})\")", "IN needs one placeholder for each"),
        ("db.executescript(f\"DELETE FROM u WHERE n = '{name}'\")", "takes no parameters"),
        ("q = f\"SELECT 1 FROM u WHERE n = '{name}'\"\n    db.execute(q)\n    print(q)", "used in other places"),
        ("q = \"SELECT 1\"\n    q += f\" WHERE n = '{name}'\"\n    db.execute(q)", "more than one place"),
    ] {
        let refused = rewritten(Language::Python, "sql-injection", &python_query(statement)).unwrap_err();
        assert!(refused.contains(reason), "{statement}: {refused}");
    }
}

fn express(head: &str, body: &str) -> String {
    format!(
        "const express = require(\"express\");\n{head}\nconst app = express();\n\napp.get(\"/user\", (req, res) => {{\n  {body}\n}});\n"
    )
}

#[test]
fn drivers_of_javascript_get_their_own_placeholders() {
    let pg = "const { Pool } = require(\"pg\");\nconst db = new Pool();";
    let mysql = "const mysql = require(\"mysql2\");\nconst db = mysql.createConnection({});";
    let better = "const Database = require(\"better-sqlite3\");\nconst db = new Database(\"a.db\");";
    for (head, body, expected) in [
        (
            pg,
            "db.query(`SELECT 1 FROM u WHERE a = '${req.query.a}' AND b = ${req.query.b}`, done);",
            "db.query(\"SELECT 1 FROM u WHERE a = $1 AND b = $2\", [req.query.a, req.query.b], done);",
        ),
        (
            pg,
            "db.query(\"SELECT 1 FROM u WHERE c = $1 AND a = '\" + req.query.a + \"'\", [1]);",
            "db.query(\"SELECT 1 FROM u WHERE c = $1 AND a = $2\", [1, req.query.a]);",
        ),
        (
            mysql,
            "db.query(\"SELECT 1 FROM u WHERE a = '\" + req.query.a + \"'\", (e, rows) => res.json(rows));",
            "db.query(\"SELECT 1 FROM u WHERE a = ?\", [req.query.a], (e, rows) => res.json(rows));",
        ),
        (
            better,
            "res.json(db.prepare(`SELECT 1 FROM u WHERE a = ${req.query.a}`).get());",
            "res.json(db.prepare(\"SELECT 1 FROM u WHERE a = ?\").get(req.query.a));",
        ),
    ] {
        assert_eq!(changed(Language::JavaScript, "sql-injection", &express(head, body)).trim(), expected);
    }
}

#[test]
fn shells_are_left_out_where_nothing_needs_them() {
    let flask = |imports: &str, body: &str| {
        format!(
            "{imports}\nfrom flask import Flask, request\n\napp = Flask(__name__)\n\n\n@app.route(\"/ping\")\ndef ping():\n    \
             host = request.args[\"host\"]\n    {body}\n    return {{\"ok\": True}}\n"
        )
    };
    let guard = "from flask import Flask, request, abort\n    if host.startswith(\"-\"):\n        abort(400)\n    ";
    for (imports, body, expected) in [
        (
            "import subprocess",
            "subprocess.run(\"ping -c 1 \" + host, shell=True, check=True)",
            "subprocess.run([\"ping\", \"-c\", \"1\", host], check=True)",
        ),
        ("import subprocess", "cmd = f\"ping {host}\"\n    subprocess.call(cmd, shell=True)", "cmd = [\"ping\", host]\n    "),
        ("import subprocess", "subprocess.run(f\"grep 'a b' {host}\", shell=True)", "subprocess.run([\"grep\", \"a b\", host])"),
    ] {
        let changed = changed(Language::Python, "command-injection", &flask(imports, body));
        assert!(
            changed.starts_with("from flask import Flask, request, abort\n") && changed.contains(expected.trim_end()),
            "{changed}\n{guard}"
        );
        assert!(!changed.contains("shell=True"), "{changed}");
    }
    let system = changed(Language::Python, "command-injection", &flask("import os", "os.system(\"ping \" + host)"));
    assert!(system.contains("import subprocess") && system.contains("subprocess.call([\"ping\", host])"), "{system}");
    for (body, reason) in [
        ("subprocess.run(f\"cat {host} | wc -l\", shell=True)", "`|`"),
        ("subprocess.run(f\"{host} --version\", shell=True)", "program itself"),
        ("subprocess.run(f\"cd {host}\", shell=True)", "the shell itself"),
        ("subprocess.getoutput(f\"ls {host}\")", "always runs a shell"),
        ("subprocess.run(f\"ls {host}/*\", shell=True)", "`*`"),
        ("flags = host\n    subprocess.run(f\"ls {flags}\", shell=True)", "several words"),
    ] {
        let refused = rewritten(Language::Python, "command-injection", &flask("import subprocess", body)).unwrap_err();
        assert!(refused.contains(reason), "{body}: {refused}");
    }
}

#[test]
fn lists_of_words_are_spread() {
    let text = express(
        "const { execSync } = require(\"child_process\");",
        "const files = req.body.files;\n  execSync(`pdfunite ${files.join(' ')} out.pdf`);",
    );
    // In foreign text the names could be options of the program, and no one test would do for a list of them.
    assert!(rewritten(Language::JavaScript, "command-injection", &text).unwrap_err().contains("argument-injection"));
    let after = rewritten_in(&Foreign::None, Language::JavaScript, "command-injection", &text).unwrap();
    assert!(after.contains("execFileSync(\"pdfunite\", [...files, \"out.pdf\"]);"), "{after}");
}

#[test]
fn paths_are_kept_under_their_base() {
    let fastapi = "from fastapi import FastAPI\n\napp = FastAPI()\nBASE = \"/srv/files\"\n\n\n@app.get(\"/read\")\ndef read(name: str):\n    return open(f\"{BASE}/{name}\").read()\n";
    let after = changed(Language::Python, "path-traversal", fastapi);
    let expected = "import os\nfrom fastapi import FastAPI, HTTPException\n    path = os.path.realpath(f\"{BASE}/{name}\")\n    \
                    if not path.startswith(os.path.realpath(BASE) + os.sep):\n        raise HTTPException(status_code=400)\n    return open(path).read()";
    assert_eq!(after, expected);
    let bare = fastapi.replace("f\"{BASE}/{name}\"", "name");
    assert!(rewritten(Language::Python, "path-traversal", &bare).unwrap_err().contains("no base folder"));
}

#[test]
fn only_what_needs_it_is_wrapped() {
    let text = "from flask import Flask, request\n\napp = Flask(__name__)\n\n\n@app.route(\"/\")\ndef page():\n    title = \"<b>x</b>\"\n    \
                name = request.args[\"name\"]\n    return f\"{title}<p>{name}</p>\"\n";
    let after = changed(Language::Python, "cross-site-scripting", text);
    assert_eq!(after, "import html\n    return f\"{title}<p>{html.escape(name)}</p>\"");
    // A name that is taken is not taken over.
    let taken = text.replace("title =", "html =").replace("{title}", "{html}");
    assert!(rewritten(Language::Python, "cross-site-scripting", &taken).unwrap_err().contains("already taken"));
}

#[test]
fn secrets_come_from_the_environment_or_not_at_all() {
    let text = "export const config = {\n  jwtSecret: process.env.JWT_SECRET || \"dev-secret\",\n};\n";
    let after = changed(Language::TypeScript, "secret-fallback", text);
    assert_eq!(
        after,
        "const JWT_SECRET = process.env.JWT_SECRET;\nif (!JWT_SECRET) {\n  throw new Error(\"JWT_SECRET is not set\");\n}\n  jwtSecret: JWT_SECRET,"
    );
}
