//! Whatever is kept between two analyses, the findings are those of a text that was never edited.

#![allow(clippy::unwrap_used, clippy::needless_raw_string_hashes)]

use qualm_engine::{Analysis, Cache, Engine, Foreign, Language, NoProject, RuleSet, SourceFile, syntax};
use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};
use tree_sitter::{InputEdit, Point, Tree};

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(Arc::new(RuleSet::load(qualm_rules::FILES.iter().copied()).0)))
}

/// With line ends of Windows, see [`open`].
const PYTHON: &str = r#"import os, hashlib
from flask import Flask, request

app = Flask(__name__)
SECRET = 'né🚀'

def helper(name):
    return os.path.join('/srv', name)

@app.route('/run')
def run():
    """Runs 漢字."""
    cmd = request.args['cmd']
    os.system('ls ' + cmd)
    return open(helper(cmd)).read()

# a comment
class Store:
    def put(self, data):
        self.sum = hashlib.md5(data)
        return eval(data)

def lone(code):
    return eval(code)

TABLE = {'a': [v ** 2 for v in range(3)], 'run': lambda x: eval(x)}
app.run(debug=True)
"#;

const SCRIPT: &str = r#"import { exec } from 'child_process'
const express = require('express')
const app = express()

function helper(name) {
  return 'ls ' + name
}

// né🚀 漢字
app.get('/run', (req, res) => {
  exec(helper(req.query.cmd))
  res.send(`<p>${req.query.name}</p>`)
})

class Store {
  put(data) {
    this.value = eval(data)
    return this
  }
}

function lone(code) {
  return eval(code)
}

const table = { a: [1, 2], run: (x) => eval(x) }
export function show(node, html) {
  node.innerHTML = html
}
"#;

const MARKUP: &str = r#"import React from 'react'

export function View({ html, items }: { html: string; items: string[] }) {
  const link = items.map((i) => <a href={i} key={i}>né🚀</a>)
  return (
    <div>
      {link}
      <p dangerouslySetInnerHTML={{ __html: html }} />
    </div>
  )
}

export const run = (code: string): unknown => eval(code)

interface Options {
  name: string
}
"#;

/// What people type, paste and break.
const PIECES: &[&str] = &[
    "x",
    "é",
    "😀",
    "\n",
    "\r\n",
    "    ",
    "(",
    ")",
    "[",
    "{",
    "}",
    "'",
    "\"",
    "`",
    "'''",
    "#",
    "//",
    "/*",
    "*/",
    ":",
    ";",
    ",",
    ".",
    "=",
    "@",
    "\\",
    "<a>",
    "</",
    "eval(x)",
    "os.system(cmd)",
    "\ndef g(a):\n    return eval(a)\n",
    "\nfunction g(a) {\n  return eval(a)\n}\n",
    "import pickle\n",
    "\nlone('1')\n",
    "lone",
    "helper",
    "app = None\n",
    "async ",
    "return ",
    "# qualm: allow(code-injection) because tests\n",
    "if x:\n",
    "else",
    "\t",
    "\u{feff}",
];

/// Findings one a line, to compare and to read.
fn lines(analysis: &Analysis) -> Vec<String> {
    analysis.findings.iter().map(|f| format!("{} {:?} {} {:?}", f.rule, f.span, f.message, f.path)).collect()
}

/// What only one of two has.
fn differ(a: &Analysis, b: &Analysis) -> Vec<String> {
    let (a, b) = (lines(a), lines(b));
    let more = a.iter().filter(|l| !b.contains(l)).map(|l| format!("edited: {l}"));
    more.chain(b.iter().filter(|l| !a.contains(l)).map(|l| format!("fresh: {l}"))).collect()
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n.max(1)
    }

    fn place(&mut self, text: &str) -> usize {
        let mut at = self.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// A document with its edited tree, as an editor's session keeps it.
struct Open {
    language: Language,
    text: String,
    tree: Option<Tree>,
    cache: Cache,
    random: Random,
    history: Vec<String>,
}

fn point(text: &str, at: usize) -> Point {
    let row = text[..at].matches('\n').count();
    Point { row, column: at - text[..at].rfind('\n').map_or(0, |p| p + 1) }
}

impl Open {
    fn replace(&mut self, range: Range<usize>, new: &str) {
        let before = self.text.clone();
        self.text.replace_range(range.clone(), new);
        let end = range.start + new.len();
        if let Some(tree) = &mut self.tree {
            tree.edit(&InputEdit {
                start_byte: range.start,
                old_end_byte: range.end,
                new_end_byte: end,
                start_position: point(&before, range.start),
                old_end_position: point(&before, range.end),
                new_end_position: point(&self.text, end),
            });
        }
        self.history.push(before);
    }

    fn step(&mut self) {
        let at = self.random.place(&self.text);
        match self.random.below(8) {
            0 if self.history.len() > 3 => {
                let back = self.history.len() - 1 - self.random.below(3);
                let old = self.history[back].clone();
                self.replace(0..self.text.len(), &old);
            }
            1 | 2 => {
                let mut end = (at + 1 + self.random.below(12)).min(self.text.len());
                while !self.text.is_char_boundary(end) {
                    end += 1;
                }
                self.replace(at..end, "");
            }
            3 => {
                // Moves a piece of the text.
                let end = self.random.place(&self.text);
                let piece = self.text[at.min(end)..at.max(end)].chars().take(60).collect::<String>();
                self.replace(at..at, &piece);
            }
            _ => {
                let piece = PIECES[self.random.below(PIECES.len())];
                self.replace(at..at, piece);
            }
        }
    }

    fn file(&self, tree: Tree) -> SourceFile {
        SourceFile { path: "src/a.x".into(), language: self.language, text: self.text.as_str().into(), tree, foreign: Foreign::All }
    }

    /// What a keystroke shows.
    fn edited(&mut self) -> Option<Analysis> {
        let file = self.file(self.tree.clone()?);
        engine().analyse_edit(&file, &mut self.cache, &NoProject, &|| false)
    }

    /// What a pause shows.
    fn whole(&mut self) -> Analysis {
        let tree = syntax::parse_settled(self.language, &self.text, self.tree.as_ref(), || true).unwrap();
        self.tree = Some(tree.clone());
        let file = self.file(tree);
        engine().analyse(&file, &mut self.cache, &NoProject, &|| false).unwrap()
    }

    /// Whether nothing is half-typed.
    fn sound(&self) -> bool {
        !syntax::parse(self.language, &self.text, None, || true).unwrap().root_node().has_error()
    }

    fn fresh(&self) -> Analysis {
        let file = self.file(syntax::parse(self.language, &self.text, None, || true).unwrap());
        engine().analyse(&file, &mut Cache::default(), &NoProject, &|| false).unwrap()
    }
}

fn open(language: Language, text: &str, seed: u64) -> Open {
    let random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let text = if language == Language::Python { text.replace('\n', "\r\n") } else { text.to_owned() };
    let mut open = Open { language, text, tree: None, cache: Cache::default(), random, history: Vec::new() };
    open.whole();
    open
}

fn seeds() -> u64 {
    std::env::var("QUALM_DRIFT_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(10)
}

#[test]
fn an_edited_text_has_the_findings_of_a_fresh_one() {
    for (language, text) in [(Language::Python, PYTHON), (Language::JavaScript, SCRIPT), (Language::Tsx, MARKUP)] {
        for seed in 0..seeds() {
            let mut open = open(language, text, seed);
            for step in 0..40 {
                for _ in 0..=open.random.below(2) {
                    open.step();
                }
                open.edited();
                if open.random.below(3) == 0 {
                    let now = open.whole();
                    let fresh = open.fresh();
                    assert_eq!(differ(&now, &fresh), Vec::<String>::new(), "{language:?}, seed {seed}, step {step}:\n{}", open.text);
                    assert_eq!(now.broken, fresh.broken, "{language:?}, seed {seed}, step {step}");
                }
            }
        }
    }
}

#[test]
fn a_sound_edit_shows_at_once_what_the_pause_will_show() {
    let mut quick = 0;
    for (language, text) in [(Language::Python, PYTHON), (Language::JavaScript, SCRIPT), (Language::Tsx, MARKUP)] {
        for seed in 1000..1000 + seeds() {
            let mut open = open(language, text, seed);
            for step in 0..40 {
                open.step();
                let shown = open.edited();
                let fresh = open.fresh();
                if let Some(shown) = shown.filter(|s| s.broken.is_empty() && open.sound()) {
                    quick += 1;
                    assert_eq!(differ(&shown, &fresh), Vec::<String>::new(), "{language:?}, seed {seed}, step {step}:\n{}", open.text);
                }
                if open.random.below(6) == 0 {
                    // Mended, as people do in the end.
                    open.replace(0..open.text.len(), text);
                    open.whole();
                }
            }
        }
    }
    assert!(quick > 100, "{quick} edits were answered from what was edited");
}

#[test]
fn typing_a_line_never_takes_the_whole_file() {
    let cases = [
        (Language::Python, PYTHON, "    cmd = ", "\n    label = \"né🚀\" + str(cmd.upper())\n    outcome = eval({1: [cmd]})"),
        (Language::JavaScript, SCRIPT, "  exec(", "\n  const label = `né🚀${req.query.a}`\n  const outcome = eval([{ a: req.query.b }])"),
        (Language::Tsx, MARKUP, "  const link", "\n  const label = \"né🚀\" + html.toUpperCase()\n  const outcome = eval(html)"),
    ];
    for (language, text, before, typed) in cases {
        let mut open = open(language, text, 1);
        let mut at = open.text.find(before).unwrap() - 1;
        if open.text.as_bytes()[at - 1] == b'\r' {
            at -= 1;
        }
        let start = at;
        for key in typed.chars() {
            open.replace(at..at, key.encode_utf8(&mut [0; 4]));
            at += key.len_utf8();
            assert!(open.edited().is_some(), "{language:?}: {}", &open.text[start..at]);
        }
        assert_eq!(open.edited().unwrap().findings, open.fresh().findings, "{language:?}");
        // A pause in the middle of a word does not end it.
        open.replace(at - 1..at, "");
        assert!(open.edited().is_some());
        open.whole();
        open.replace(at - 1..at - 1, ")");
        assert!(open.edited().is_some(), "{language:?}: after a pause");
        while at > start {
            let width = open.text[..at].chars().next_back().unwrap().len_utf8();
            open.replace(at - width..at, "");
            at -= width;
            assert!(open.edited().is_some(), "{language:?}: {}", &open.text[start..at]);
        }
        assert_eq!(open.edited().unwrap().findings, open.fresh().findings, "{language:?}");
    }
}

/// What a function read at the top level counts, though the function itself is the same.
#[test]
fn a_changed_top_level_is_read_anew() {
    let engine = engine();
    let mut cache = Cache::default();
    let mut found = Vec::new();
    for switch in ["False", "True", "False"] {
        let text = format!("import os\nRUN = {switch}\n\n\ndef f(command):\n    if RUN:\n        os.system(command)\n");
        let file = SourceFile::parse("a.py", Language::Python, &text, Foreign::All).unwrap();
        let analysis = engine.analyse(&file, &mut cache, &NoProject, &|| false).unwrap();
        found.push(analysis.findings.iter().any(|f| &*f.rule == "command-injection"));
    }
    assert_eq!(found, [false, true, false]);
}
