//! Random programs: pieces of the grammars put together, the examples of the rules, and what spoils either.

use fastrand::Rng;
use qualm_engine::{Language, RuleSet};
use std::sync::LazyLock;

/// The examples of all rules.
static EXAMPLES: LazyLock<Vec<(Language, String)>> = LazyLock::new(|| {
    let rules = RuleSet::load(qualm_rules::FILES.iter().copied()).0;
    let examples = rules.rules.iter().flat_map(|r| &r.examples).filter_map(|e| Some((e.language?, e.text.clone())));
    examples.collect()
});

/// The program of this number.
pub fn random(seed: u64) -> (Language, String) {
    let mut rng = Rng::with_seed(seed);
    let examples = &*EXAMPLES;
    let (language, mut text) = if rng.u8(..) < 110 {
        let python = rng.bool();
        let language = if python { Language::Python } else { pick(&mut rng, &[Language::JavaScript, Language::TypeScript, Language::Tsx]) };
        let mut grower = Grower { rng: &mut rng, python, typed: language != Language::JavaScript, out: String::new(), left: 400 };
        grower.file();
        (language, grower.out)
    } else {
        examples[rng.usize(..examples.len())].clone()
    };
    for _ in 0..rng.usize(..6) {
        spoil(&mut rng, language, &mut text);
    }
    text.truncate((0..=text.len().min(200_000)).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0));
    (language, text)
}

fn pick<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
    all[rng.usize(..all.len())]
}

/// A place on the border of a character.
fn place(rng: &mut Rng, text: &str) -> usize {
    let at = rng.usize(..=text.len());
    (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// Changes a program in one of many ways, most of which leave something that nobody would write.
fn spoil(rng: &mut Rng, language: Language, text: &mut String) {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    if lines.is_empty() {
        return;
    }
    let (from, to) = (rng.usize(..lines.len()), rng.usize(..lines.len()));
    let (from, to) = (from.min(to), from.max(to) + 1);
    match rng.u8(..14) {
        // A stretch of lines again, some or very many times.
        0 => {
            let often = pick(rng, &[1, 1, 2, 10, 100, 1000]);
            let block = lines[from..to].concat().repeat(often);
            *text = [&lines[..to].concat(), &block, &lines[to..].concat()].map(|s: &String| s.as_str()).concat();
        }
        1 => *text = [lines[..from].concat(), lines[to..].concat()].concat(),
        2 => {
            let mut all = lines.clone();
            all.swap(from, to - 1);
            *text = all.concat();
        }
        // Another example, behind it or in its middle.
        3 => {
            let same: Vec<&(Language, String)> = EXAMPLES.iter().filter(|(l, _)| l.info().models == language.info().models).collect();
            let other = &pick(rng, &same).1;
            *text = [&lines[..from].concat(), other, &lines[from..].concat()].map(|s: &String| s.as_str()).concat();
        }
        // Deeper: a block of blocks, an expression in parentheses.
        4 => {
            let deep = pick(rng, &[1, 3, 30, 200]);
            let mut out = lines[..from].concat();
            for k in 0..deep {
                let opener = if language == Language::Python { format!("{}if x:\n", " ".repeat(k)) } else { "if (x) {\n".into() };
                out.push_str(&opener);
            }
            for line in &lines[from..to] {
                out.push_str(&if language == Language::Python { " ".repeat(deep) } else { String::new() });
                out.push_str(line);
            }
            if language != Language::Python {
                out.push_str(&"}".repeat(deep));
                out.push('\n');
            }
            *text = out + &lines[to..].concat();
        }
        5 => {
            let words: Vec<_> = text.match_indices(|c: char| c.is_alphabetic()).map(|(i, _)| i).collect();
            if let Some(at) = (!words.is_empty()).then(|| pick(rng, &words)) {
                let deep = pick(rng, &[1, 5, 100, 3000]);
                let (open, close) =
                    pick(rng, &[("(", ")"), ("[", "]"), ("{", "}"), ("f(", ")"), ("-", ""), ("not ", ""), ("!", ""), ("`${", "}`")]);
                let end = at + text[at..].find(|c: char| !c.is_alphanumeric()).unwrap_or(0);
                text.insert_str(end, &close.repeat(deep));
                text.insert_str(at, &open.repeat(deep));
            }
        }
        // Characters that mean something, or nothing, or take several bytes.
        6 | 7 => {
            let at = place(rng, text);
            let pieces = [
                "\0", "\r", "\u{feff}", "é", "漢", "🚀", "\u{2028}", "\u{202e}", "\"", "'", "`", "\"\"\"", "\\", "${", "{{", "#", "//",
                "/*", "\t", "\u{c}", ";", "@", "...", "*", "**", "=>", "?.", "<", "</a>", ":", "\n",
            ];
            text.insert_str(at, pick(rng, &pieces));
        }
        8 => {
            let (a, b) = (place(rng, text), place(rng, text));
            text.replace_range(a.min(b)..a.max(b), "");
        }
        9 => *text = text.replace('\n', "\r\n"),
        10 => text.truncate(place(rng, text)),
        // A name becomes another one everywhere.
        11 => {
            let names: Vec<&str> = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| w.len() > 2).collect();
            if names.len() > 1 {
                let (one, other) = (pick(rng, &names).to_owned(), pick(rng, &names).to_owned());
                *text = text.replace(&one, &other);
            }
        }
        12 => text.insert_str(
            0,
            pick(
                rng,
                &[
                    "# qualm: allow(path-traversal) because x\n",
                    "// qualm: allow-file(sql-injection)\n",
                    "#!/usr/bin/env x\n",
                    "'use strict'\n",
                    "from .other import *\n",
                    "import a from './other'\n",
                ],
            ),
        ),
        _ => {
            let wide = pick(rng, &[50, 500, 3000]);
            let line = if language == Language::Python { "v@ = [v@, v@]\n" } else { "let v@ = {a: v@, b: () => v@};\n" };
            let many: String = (0..wide).map(|i| line.replace('@', &(i % 97).to_string())).collect::<Vec<_>>().concat();
            text.insert_str(lines[..from].concat().len(), &many);
        }
    }
}

/// Writes a random file along the grammar.
struct Grower<'r> {
    rng: &'r mut Rng,
    python: bool,
    typed: bool,
    out: String,
    /// Statements and expressions that may still be written.
    left: usize,
}

const NAMES: &[&str] =
    &["a", "b", "name", "path", "data", "request", "req", "res", "app", "db", "self", "os", "x", "N", "M", "cursor", "TOKEN"];
const MEMBERS: &[&str] =
    &["args", "get", "join", "execute", "query", "body", "append", "read", "format", "next", "items", "map", "then", "parent"];
const PYTHON_CALLS: &[&str] = &[
    "open",
    "os.system",
    "eval",
    "os.path.join",
    "subprocess.run",
    "request.args.get",
    "db.execute",
    "str",
    "Path",
    "yaml.load",
    "len",
    "N",
    "hashlib.md5",
    "requests.get",
    "abs",
    "print",
    "a",
    "html.escape",
    "os.environ.get",
];
const SCRIPT_CALLS: &[&str] = &[
    "fs.readFileSync",
    "exec",
    "eval",
    "path.join",
    "fetch",
    "res.send",
    "db.query",
    "String",
    "JSON.parse",
    "new N",
    "require",
    "a",
    "Object.assign",
    "app.get",
    "encodeURIComponent",
    "console.log",
    "Promise.resolve",
];
const PYTHON_HEAD: &[&str] = &[
    "import os",
    "import subprocess, yaml",
    "from flask import Flask, request",
    "from fastapi import FastAPI",
    "import hashlib",
    "import sqlite3",
    "from pathlib import Path",
    "from .other import N, a",
    "from .other import *",
    "import requests",
    "app = Flask(__name__)",
    "app = FastAPI()",
    "db = sqlite3.connect('a.db')",
];
const SCRIPT_HEAD: &[&str] = &[
    "import fs from 'fs'",
    "const path = require('path')",
    "import { exec } from 'child_process'",
    "import express from 'express'",
    "const app = express()",
    "import { N, a } from './other'",
    "const db = new Client()",
    "import React from 'react'",
    "export * from './other'",
];

impl Grower<'_> {
    fn one(&mut self, all: &[&'static str]) -> &'static str {
        pick(self.rng, all)
    }

    fn file(&mut self) {
        let head = if self.python { PYTHON_HEAD } else { SCRIPT_HEAD };
        for _ in 0..self.rng.usize(..7) {
            let line = self.one(head);
            self.line(0, line);
        }
        for _ in 0..self.rng.usize(1..12) {
            self.statement(0);
        }
    }

    fn line(&mut self, depth: usize, text: &str) {
        self.out.push_str(&"    ".repeat(depth));
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// What opens a block, the block, and what closes it.
    fn block(&mut self, depth: usize, python: &str, script: &str) {
        let head = if self.python { format!("{python}:") } else { format!("{script} {{") };
        self.line(depth, &head);
        for _ in 0..self.rng.usize(1..5) {
            self.statement(depth + 1);
        }
        if !self.python {
            self.line(depth, "}");
        }
    }

    fn statement(&mut self, depth: usize) {
        self.left = self.left.saturating_sub(1);
        let name = self.one(NAMES);
        if self.left == 0 || depth > 7 {
            return self.line(depth, if self.python { "pass" } else { ";" });
        }
        let value = self.expression(0);
        let other = self.expression(1);
        match self.rng.u8(..22) {
            0..=4 => {
                let target = match self.rng.u8(..6) {
                    0 => format!("{name}.{}", self.one(MEMBERS)),
                    1 => format!("{name}[{other}]"),
                    2 if self.python => format!("{name}, *b"),
                    2 => format!("const {{ {name}, ...b }}"),
                    3 if !self.python => format!("let {name}"),
                    _ => name.to_owned(),
                };
                let sign = self.one(&["=", "=", "=", "+=", "||="]);
                let sign = if self.python && sign == "||=" { "|=" } else { sign };
                self.line(depth, &format!("{target} {sign} {value}"));
            }
            5 | 6 => self.line(depth, &value),
            7 => self.block(depth, &format!("if {value}"), &format!("if ({value})")),
            8 => {
                self.block(depth, &format!("if {value}"), &format!("if ({value})"));
                self.block(depth, "else", "else");
            }
            9 => self.block(depth, &format!("for {name} in {value}"), &format!("for (const {name} of {value})")),
            10 => self.block(depth, &format!("while {value}"), &format!("while ({value})")),
            11 => {
                self.block(depth, "try", "try");
                self.block(depth, "except Exception as e", "catch (e)");
            }
            12 => self.block(depth, &format!("with {value} as {name}"), &format!("switch ({value}) {{ case 1: default:")),
            13 => {
                let word = self.one(&["return", "raise", "return await", "yield"]);
                let word = if self.python { word } else { word.trim_start_matches("raise").trim_start_matches("yield") };
                self.line(depth, &format!("{word} {value}"));
            }
            14..=16 => self.function(depth),
            17 | 18 => self.class(depth),
            19 => self.block(
                depth,
                &format!("match {value}:\n{}case {name}", "    ".repeat(depth)),
                &format!("label: do {{ {value} }} while (x);"),
            ),
            20 => self.line(depth, self.one_of("global name, data", "export { name }")),
            _ => self.line(depth, &format!("{}{value}", self.one_of("assert ", "delete "))),
        }
    }

    fn one_of(&self, python: &'static str, script: &'static str) -> &'static str {
        if self.python { python } else { script }
    }

    fn parameters(&mut self) -> String {
        let mut all = Vec::new();
        for _ in 0..self.rng.usize(..4) {
            let name = self.one(NAMES);
            let kind = if self.typed { format!(": {}", self.kind()) } else { String::new() };
            all.push(match self.rng.u8(..6) {
                0 => format!("{name}{kind} = {}", self.expression(2)),
                1 => format!("{}{name}", self.one_of("*", "...")),
                _ => format!("{name}{kind}"),
            });
        }
        all.join(", ")
    }

    fn kind(&mut self) -> &'static str {
        let all = if self.python {
            &["str", "int", "N", "'M'", "list[N]", "Optional[N]", "N | None"]
        } else {
            &["string", "number", "N", "M | null", "N[]", "Array<N>", "any"]
        };
        self.one(all)
    }

    fn function(&mut self, depth: usize) {
        let (name, parameters) = (self.one(NAMES), self.parameters());
        if self.python && self.rng.bool() {
            let route = self.one(&["@app.route('/x')", "@app.get('/x/{name}')", "@a", "@property", "@staticmethod"]);
            self.line(depth, route);
        }
        let word = self.one(&["", "async "]);
        let script = match self.rng.u8(..3) {
            0 => format!("app.get('/x', (req, res) => {{ const {name} = ({parameters}) =>"),
            1 => format!("const {name} = {word}({parameters}) =>"),
            _ => format!("{word}function {name}({parameters})"),
        };
        self.block(depth, &format!("{word}def {name}({parameters})"), &script);
    }

    fn class(&mut self, depth: usize) {
        let (name, base) = (self.one(&["N", "M", "A"]), self.one(&["N", "M", "Base", "BaseModel"]));
        let fields: Vec<String> = (0..self.rng.usize(..4)).map(|_| format!("{}: {}", self.one(MEMBERS), self.kind())).collect();
        if self.python {
            let bases = if self.rng.bool() { format!("({base})") } else { String::new() };
            self.line(depth, &format!("class {name}{bases}:"));
            for field in fields {
                self.line(depth + 1, &field);
            }
        } else {
            let typed = if self.typed { fields.join("; ") } else { String::new() };
            self.line(depth, &format!("class {name} extends {base} {{ {typed}"));
        }
        for _ in 0..self.rng.usize(1..3) {
            let (method, parameters) = (self.one(MEMBERS), self.parameters());
            self.block(depth + 1, &format!("def {method}(self, {parameters})"), &format!("{method}({parameters})"));
        }
        if !self.python {
            self.line(depth, "}");
        }
    }

    fn expression(&mut self, depth: usize) -> String {
        self.left = self.left.saturating_sub(1);
        let name = self.one(NAMES).to_owned();
        if self.left == 0 || depth > 5 {
            return name;
        }
        let (mut a, mut b) = (String::new(), String::new());
        let shape = self.rng.u8(..20);
        if shape > 5 {
            a = self.expression(depth + 1);
            b = self.expression(depth + 1);
        }
        let call = self.one(if self.python { PYTHON_CALLS } else { SCRIPT_CALLS });
        match shape {
            0..=2 => name,
            3 => self.one(&["'x'", "\"SELECT * FROM t WHERE a = \"", "1", "'/srv/'", "-1.5e3", "'rm '"]).to_owned(),
            4 => self.one_of("None", "null").to_owned(),
            5 => self.one(&["[]", "{}", "()", "(1)"]).replace("()", self.one_of("()", "[]")),
            6..=8 => format!("{call}({a}, {b})"),
            9 => format!("{call}({a}, {})", if self.python { format!("x={b}") } else { format!("{{ x: {b} }}") }),
            10 => format!("{name}.{}({a})", self.one(MEMBERS)),
            11 => format!("{a}.{}", self.one(MEMBERS)),
            12 => format!("{name}[{a}]"),
            13 | 14 => format!("{a} {} {b}", self.one(&["+", "+", "%", "/", "==", "<", "*"])),
            15 => {
                if self.python {
                    format!("f\"x {{{name}}} y {{{name}!r:>10}}\"")
                } else {
                    format!("`x ${{{a}}} y ${{{b}}}`")
                }
            }
            16 => {
                if self.python {
                    format!("[{a} for {name} in {b} if {name}]")
                } else {
                    format!("{name}.map(({name}) => {a})")
                }
            }
            17 => {
                if self.python {
                    format!("{{'k': {a}, **{b}}}")
                } else {
                    format!("({{ k: {a}, ...{b} }})")
                }
            }
            18 => {
                if self.python {
                    format!("({a} if {name} else {b})")
                } else {
                    format!("({name} ? {a} : {b})")
                }
            }
            _ => {
                if self.python {
                    format!("(lambda {name}: {a})")
                } else {
                    format!("(async ({name}) => {a})")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_always_the_same_program_and_most_are_code() {
        let programs: Vec<_> = (0..200).map(random).collect();
        assert_eq!(programs, (0..200).map(random).collect::<Vec<_>>());
        let well_formed = programs.iter().filter(|(language, text)| {
            let tree = qualm_engine::syntax::parse(*language, text, None, || true).unwrap();
            !text.is_empty() && !tree.root_node().has_error()
        });
        let share = well_formed.count();
        assert!((20..190).contains(&share), "{share} of 200 parse without an error");
    }
}
