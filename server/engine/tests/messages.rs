//! What findings say and where they stand.

#![allow(clippy::unwrap_used)]

use qualm_engine::{Cache, Engine, Finding, Foreign, Language, NoProject, RuleSet, SourceFile};
use std::sync::{Arc, OnceLock};

fn findings(language: Language, text: &str) -> Vec<Finding> {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Engine::new(Arc::new(RuleSet::load(qualm_rules::FILES.iter().copied()).0)));
    let file = SourceFile::parse("a", language, text, Foreign::All).unwrap();
    engine.analyse(&file, &mut Cache::default(), &NoProject, &|| false).unwrap().findings
}

/// Messages of injections.
fn said(language: Language, text: &str) -> Vec<String> {
    findings(language, text).into_iter().filter(|f| f.rule.ends_with("injection")).map(|f| f.message).collect()
}

#[test]
fn things_are_named_as_they_stand_in_the_file() {
    let script = "const express = require('express'); const { Client } = require('pg'); const db = new Client(); const app = express();
        app.get('/', (req, res) => { db.query('SELECT ' + req.query.a); db.query(`SELECT ${req.get('b')}`, []); });";
    assert_eq!(
        said(Language::JavaScript, script),
        ["req.query becomes part of the SQL text that db.query runs", "req.get becomes part of the SQL text that db.query runs"]
    );
    let module = "import sqlite3, flask\ndef f():\n    flask.request.args\n    sqlite3.connect('a').cursor().execute('SELECT ' + flask.request.form['x'])\n";
    assert_eq!(
        said(Language::Python, module),
        ["flask.request.form becomes part of the SQL text that sqlite3.connect().cursor().execute runs"]
    );
    let parameter =
        "from fastapi import FastAPI\nimport os\napp = FastAPI()\n@app.get('/{name}')\ndef f(name: str = 'x'):\n    os.system(name)\n";
    assert_eq!(said(Language::Python, parameter), ["name reaches the shell through os.system"]);
    // Where the file has no name for it, its path says what it is.
    let taken = "const { exec } = require('child_process');\nconst express = require('express');\nconst app = express();\napp.get('/', ({ query }, res) => exec('a' + query.x));\n";
    assert_eq!(said(Language::JavaScript, taken), ["express.Request.query reaches the shell through exec"]);
}

#[test]
fn the_path_leads_to_what_does_the_harm() {
    for text in ["q + request.args['x']", "request.args['x'] + q", "f'{q} {request.args[0]}'", "' '.join([q, request.args['x']])"] {
        let module = format!("import os\nfrom flask import request\ndef f(q):\n    os.system({text})\n");
        assert_eq!(said(Language::Python, &module), ["request.args reaches the shell through os.system"], "{text}");
    }
}

#[test]
fn several_callers_of_one_sink_are_one_finding_there() {
    let script = "const { exec } = require('child_process'); const app = require('express')();
function run(q) { exec('ls ' + q); }
app.get('/a', (req, res) => { run(req.query.a); });
app.get('/b', (req, res) => { run(req.query.b); });
";
    let found: Vec<Finding> = findings(Language::JavaScript, script).into_iter().filter(|f| &*f.rule == "command-injection").collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(&script[found[0].span.clone()], "'ls ' + q");
    assert!(found[0].path.iter().any(|s| s.note == "passed to run"), "{:?}", found[0].path);
}
