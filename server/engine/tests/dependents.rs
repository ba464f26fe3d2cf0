//! What is kept of a file never outlives a change of a file that it leans on.

#![allow(clippy::unwrap_used)]

use qualm_engine::{Analysis, Cache, Dependency, Engine, Foreign, Language, Module, Project, RuleSet, SourceFile};
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(Arc::new(RuleSet::load(qualm_rules::FILES.iter().copied()).0)))
}

/// Files in one folder, by name.
struct Folder(Language, BTreeMap<&'static str, &'static str>);

impl Project for Folder {
    fn module(&self, _: &str, specifier: &str, _: Language) -> Option<Arc<Module>> {
        let name = specifier.trim_start_matches(['.', '/']);
        let (name, text) = self.1.get_key_value(name)?;
        Module::parse(name, self.0, text).map(Arc::new)
    }
    fn dependency(&self, _: &str, _: &str, _: Language) -> Dependency {
        Dependency::Known
    }
}

struct Session {
    folder: Folder,
    text: String,
    cache: Cache,
}

fn lines(analysis: &Analysis) -> Vec<String> {
    analysis.findings.iter().map(|f| format!("{} {:?} {} {:?}", f.rule, f.span, f.message, f.path)).collect()
}

impl Session {
    fn file(&self) -> SourceFile {
        SourceFile::parse("main", self.folder.0, &self.text, Foreign::All).unwrap()
    }

    fn now(&mut self) -> Analysis {
        let file = self.file();
        engine().analyse(&file, &mut self.cache, &self.folder, &|| false).unwrap()
    }

    fn fresh(&self) -> Analysis {
        engine().analyse(&self.file(), &mut Cache::default(), &self.folder, &|| false).unwrap()
    }
}

const MAIN_PY: &str = "import os
from flask import Flask, request
import a
from b import clean, Box
from c import VALUE
import gone

app = Flask(__name__)
PREFIX = VALUE

@app.route('/1')
def one():
    os.system('x' + a.clean(request.args['q']))

@app.route('/2')
def two():
    os.system('x' + clean(request.args['q']))

@app.route('/3')
def three():
    os.system(PREFIX + 'x')

@app.route('/4')
def four():
    a.run(request.args['q'])

@app.route('/5')
def five():
    box = Box(request.args['q'])
    os.system('x' + box.name)

@app.route('/6')
def six():
    gone.run(request.args['q'])
";

const MAIN_JS: &str = "const { exec } = require('child_process')
const express = require('express')
const a = require('./a')
const { clean } = require('./b')
const { VALUE } = require('./c')
const gone = require('./gone')
const app = express()
const PREFIX = VALUE
app.get('/1', (req, res) => { exec('x' + a.clean(req.query.q)) })
app.get('/2', one)
function one(req, res) { exec('x' + clean(req.query.q)) }
app.get('/3', two)
function two(req, res) { exec(PREFIX + 'x') }
app.get('/4', three)
function three(req, res) { a.run(req.query.q) }
app.get('/5', four)
function four(req, res) { gone.run(req.query.q) }
";

/// What each file may be; nothing: it is not there.
const PYTHON: &[(&str, &[&str])] = &[
    ("a", &["from b import clean\nfrom d import run\n", "def clean(x):\n    return 'y'\ndef run(x):\n    pass\n", ""]),
    (
        "b",
        &[
            "def clean(x):\n    return x\nclass Box:\n    def __init__(self, n):\n        self.name = n\n",
            "def clean(x):\n    return 1\nclass Box:\n    def __init__(self, n):\n        self.name = 'n'\n",
            "",
        ],
    ),
    ("c", &["from flask import request\nVALUE = request.args\n", "VALUE = 'x'\n", "from d import VALUE\n", ""]),
    (
        "d",
        &[
            "import os\ndef run(x):\n    os.system(x)\nVALUE = 1\n",
            "def run(x):\n    pass\nfrom flask import request\nVALUE = request.args['x']\n",
            "",
        ],
    ),
    ("gone", &["", "import os\ndef run(x):\n    os.system('y' + x)\n", "def run(x):\n    pass\n"]),
];

const SCRIPT: &[(&str, &[&str])] = &[
    (
        "a",
        &[
            "const { clean } = require('./b')\nconst { run } = require('./d')\nmodule.exports = { clean, run }\n",
            "exports.clean = (x) => 'y'\nexports.run = (x) => {}\n",
            "",
        ],
    ),
    ("b", &["exports.clean = (x) => x\n", "exports.clean = (x) => 1\n", ""]),
    ("c", &["exports.VALUE = process.argv[2]\n", "exports.VALUE = 'x'\n", "const { VALUE } = require('./d')\nexports.VALUE = VALUE\n", ""]),
    (
        "d",
        &[
            "const { exec } = require('child_process')\nexports.run = (x) => exec(x)\nexports.VALUE = 1\n",
            "exports.run = (x) => {}\nexports.VALUE = process.argv[3]\n",
            "",
        ],
    ),
    ("gone", &["", "const { exec } = require('child_process')\nexports.run = (x) => exec('y' + x)\n", "exports.run = (x) => {}\n"]),
];

#[test]
fn a_changed_dependency_counts_as_if_the_file_were_opened_anew() {
    for (language, main, files) in [(Language::Python, MAIN_PY, PYTHON), (Language::JavaScript, MAIN_JS, SCRIPT)] {
        let mut differing = std::collections::BTreeSet::new();
        for seed in 1..30_u64 {
            let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut below = |n: usize| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                (random >> 11) as usize % n
            };
            let first = files.iter().map(|(name, texts)| (*name, texts[0])).filter(|f| !f.1.is_empty());
            let mut session = Session { folder: Folder(language, first.collect()), text: main.into(), cache: Cache::default() };
            session.now();
            let mut done = Vec::new();
            for _ in 0..12 {
                let (name, texts) = files[below(files.len())];
                let text = texts[below(texts.len())];
                if below(5) == 0 {
                    // Somewhere else in the file itself.
                    session.text = if session.text.len() == main.len() { format!("{main}\nx = 1\n") } else { main.into() };
                } else if text.is_empty() {
                    session.folder.1.remove(name);
                } else {
                    session.folder.1.insert(name, text);
                }
                done.push((name, text));
                let (now, fresh) = (session.now(), session.fresh());
                assert_eq!(lines(&now), lines(&fresh), "{language:?}, seed {seed}: {done:#?}");
                assert_eq!(now.depends_on, fresh.depends_on, "{language:?}, seed {seed}: {done:#?}");
                differing.insert(lines(&now));
            }
        }
        assert!(differing.len() > 12, "{language:?}: only {} different answers were seen", differing.len());
    }
}

#[test]
fn what_a_file_leans_on_is_all_that_had_a_part_in_it() {
    let files = [("a", PYTHON[0].1[0]), ("b", PYTHON[1].1[0]), ("d", PYTHON[3].1[0])];
    let folder = Folder(Language::Python, files.into_iter().collect());
    let text = "import os, a\nfrom flask import request\ndef f():\n    a.run(request.args['x'])\n";
    let mut session = Session { folder, text: text.into(), cache: Cache::default() };
    for _ in 0..2 {
        let depends: Vec<String> = session.now().depends_on.iter().map(ToString::to_string).collect();
        assert_eq!(depends, ["a", "b", "d"]);
    }
}
