//! An editor with one document, the truth about every byte of it, and the server's view.
#![allow(dead_code, missing_docs)]

use qualm_origin::{About, Change, Elsewhere, Evidence, Kind, Memory, Origin, Run, Signal, Tracker};
use std::ops::Range;

/// Who really wrote a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    Typed,
    /// Pasted from outside, completed or written by an agent.
    Foreign,
    /// A tool, version control, or there from the start.
    Other,
}

/// An editor with one document, and the server's view of it.
pub struct Editor {
    pub text: String,
    pub truth: Vec<Truth>,
    pub tracker: Tracker,
    pub memory: Memory,
    pub now: i64,
    /// Whether the editor and the hooks say what they know.
    pub told: bool,
    undo: Vec<Vec<Step>>,
    redo: Vec<Vec<Step>>,
    pub random: u64,
}

/// A replacement with the truth of what it puts in.
#[derive(Clone, Debug)]
pub struct Step {
    at: usize,
    deleted: String,
    deleted_truth: Vec<Truth>,
    inserted: String,
    inserted_truth: Vec<Truth>,
}

struct Open<'t> {
    tracker: &'t Tracker,
    text: &'t str,
    changed: Range<usize>,
}

impl Elsewhere for Open<'_> {
    fn find(&self, text: &str) -> Option<Vec<Run>> {
        let at = self.text.match_indices(text).map(|(i, _)| i).find(|i| *i >= self.changed.end || i + text.len() <= self.changed.start)?;
        Some(self.tracker.runs().slice(at..at + text.len()).into_iter().map(|(r, origin)| Run { len: r.len(), origin }).collect())
    }
}

impl Editor {
    pub fn open(text: &str, told: bool) -> Self {
        let mut memory = Memory::default();
        let found = memory.origins.intern(&Origin::present());
        Self {
            text: text.into(),
            truth: vec![Truth::Other; text.len()],
            tracker: Tracker::open(1, text.len(), found),
            memory,
            now: 1_000_000,
            told,
            undo: Vec::new(),
            redo: Vec::new(),
            random: 7,
        }
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.random >> 33) as usize) % n.max(1)
    }

    /// Sends replacements as one notification.
    pub fn send(&mut self, edits: &[(usize, usize, &str, Truth)]) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut whole: Vec<(usize, String, String, String)> = Vec::new();
        // The server sees its trackers before the change and the text after it.
        let before = self.tracker.clone();
        let before_text = self.text.clone();
        let (mut first, mut last) = (usize::MAX, 0);
        for (at, len, by, truth) in edits {
            let (at, end) = (*at, at + len);
            let deleted = self.text[at..end].to_owned();
            let deleted_truth = self.truth[at..end].to_vec();
            self.text.replace_range(at..end, by);
            self.truth.splice(at..end, std::iter::repeat_n(*truth, by.len()));
            let from = self.text[..at].rfind('\n').map_or(0, |i| i + 1);
            let to = self.text[at + by.len()..].find('\n').map_or(self.text.len(), |i| at + by.len() + i);
            whole.push((at, deleted.clone(), (*by).to_owned(), self.text[from..to].to_owned()));
            (first, last) = (first.min(at), last.max(end));
            steps.push(Step { at, deleted, deleted_truth, inserted: (*by).to_owned(), inserted_truth: vec![*truth; by.len()] });
        }
        let changes: Vec<Change<'_>> =
            whole.iter().map(|(at, deleted, inserted, lines)| Change { at: *at, deleted, inserted, lines }).collect();
        let open = Open { tracker: &before, text: &before_text, changed: first..last };
        self.tracker.change(&mut self.memory, &changes, self.now, &open);
        assert_eq!(self.tracker.runs().len(), self.text.len());
        steps
    }

    pub fn act(&mut self, edits: &[(usize, usize, &str, Truth)]) {
        self.now += 1_000;
        let steps = self.send(edits);
        self.undo.push(steps);
        self.redo.clear();
    }

    pub fn type_in(&mut self, at: usize, text: &str) {
        let mut at = at;
        let mut steps = Vec::new();
        for c in text.chars() {
            self.now += 60 + self.below(120) as i64;
            let mut buffer = [0; 4];
            steps.extend(self.send(&[(at, 0, c.encode_utf8(&mut buffer), Truth::Typed)]));
            at += c.len_utf8();
        }
        self.now += 300;
        self.tracker.settle(&mut self.memory, self.now);
        self.undo.push(steps);
        self.redo.clear();
    }

    /// Types as people do: keys that roll over, slips that are taken back, indentation that the editor adds.
    pub fn type_loosely(&mut self, at: usize, text: &str) {
        let mut at = at;
        let mut steps = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            self.now += if self.below(8) == 0 { 9 + self.below(20) as i64 } else { 70 + self.below(160) as i64 };
            if self.below(20) == 0 {
                steps.extend(self.send(&[(at, 0, "q", Truth::Typed)]));
                self.now += 180;
                steps.extend(self.send(&[(at, 1, "", Truth::Typed)]));
                self.now += 120;
            }
            let indent = rest[1.min(rest.len())..].bytes().take_while(|b| *b == b' ').count();
            let key = if first == '\n' { &rest[..=indent] } else { &rest[..first.len_utf8()] };
            steps.extend(self.send(&[(at, 0, key, Truth::Typed)]));
            at += key.len();
            rest = &rest[key.len()..];
        }
        self.now += 300;
        self.tracker.settle(&mut self.memory, self.now);
        self.undo.push(steps);
        self.redo.clear();
    }

    /// A formatter gives the whole file another form: other quotes, blanks around operators, a comma at the end. The truth
    /// of every character that stays goes along; what is put in is nobody's.
    pub fn format(&mut self) {
        let (mut text, mut truth) = (String::new(), Vec::new());
        let mut before = ' ';
        for (at, c) in self.text.char_indices() {
            let form = match c {
                '\'' => "\"",
                '=' if before.is_alphanumeric() => " =",
                ',' => ",  ",
                _ => "",
            };
            before = c;
            if form.is_empty() {
                text.push(c);
                truth.extend_from_slice(&self.truth[at..at + c.len_utf8()]);
            } else {
                text.push_str(form);
                truth.extend(form.bytes().map(|b| if b == c as u8 { self.truth[at] } else { Truth::Other }));
            }
        }
        let old = self.text.len();
        self.act(&[(0, old, &text, Truth::Other)]);
        if let Some(step) = self.undo.last_mut().and_then(|s| s.last_mut()) {
            step.inserted_truth.clone_from(&truth);
        }
        self.truth = truth;
    }

    /// An agent puts its tokens into the buffer one by one.
    pub fn stream(&mut self, at: usize, text: &str) {
        let mut at = at;
        let mut steps = Vec::new();
        self.now += 1_000;
        for token in text.split_inclusive([' ', '(', '.', ',']) {
            self.now += 8 + self.below(40) as i64;
            steps.extend(self.send(&[(at, 0, token, Truth::Foreign)]));
            at += token.len();
        }
        self.undo.push(steps);
        self.redo.clear();
    }

    pub fn signal(&mut self, kind: Kind, evidence: Evidence, about: About) {
        if self.told {
            let signal = Signal { origin: Origin::new(kind, evidence, self.now), about, time: self.now };
            self.tracker.signal(&mut self.memory, &signal);
            self.memory.expect(signal);
        }
    }

    pub fn paste_from_outside(&mut self, at: usize, text: &str) {
        self.act(&[(at, 0, text, Truth::Foreign)]);
        self.signal(Kind::Pasted, Evidence::Editor, About::text(text));
    }

    /// Copies or moves own text: the truth goes along.
    pub fn transfer(&mut self, from: Range<usize>, to: usize, cut: bool) {
        let (text, truth) = (self.text[from.clone()].to_owned(), self.truth[from.clone()].to_vec());
        let mut to = to;
        if cut {
            self.act(&[(from.start, from.len(), "", Truth::Other)]);
            if to >= from.end {
                to -= from.len();
            }
        }
        self.act(&[(to, 0, &text, Truth::Other)]);
        self.truth.splice(to..to + text.len(), truth.clone());
        if let Some(step) = self.undo.last_mut().and_then(|s| s.last_mut()) {
            step.inserted_truth = truth;
        }
    }

    pub fn revert(&mut self, undo: bool) {
        let Some(steps) = (if undo { self.undo.pop() } else { self.redo.pop() }) else { return };
        self.now += 1_500;
        // Editors take back typing as one change, where the keys were side by side.
        let joined = joined(&steps);
        let list: Vec<Step> = if undo { joined.iter().rev().cloned().collect() } else { joined.clone() };
        for s in list {
            let (len, by, truth) =
                if undo { (s.inserted.len(), s.deleted, s.deleted_truth) } else { (s.deleted.len(), s.inserted, s.inserted_truth) };
            self.send(&[(s.at, len, &by, Truth::Other)]);
            self.truth.splice(s.at..s.at + by.len(), truth);
        }
        if undo { self.redo.push(joined) } else { self.undo.push(joined) }
    }

    /// An agent wrote the file; the editor reloads it as one replacement.
    pub fn agent_on_disk(&mut self, at: usize, len: usize, by: &str, hook_first: bool) {
        if hook_first {
            self.signal(Kind::Agent, Evidence::Hook, About::text(by));
            self.now += 500;
        }
        let new = format!("{}{by}{}", &self.text[..at], &self.text[at + len..]);
        let mut truth = self.truth.clone();
        truth.splice(at..at + len, std::iter::repeat_n(Truth::Foreign, by.len()));
        let old = self.text.len();
        self.act(&[(0, old, &new, Truth::Other)]);
        if let Some(step) = self.undo.last_mut().and_then(|s| s.last_mut()) {
            step.inserted_truth.clone_from(&truth);
        }
        self.truth = truth;
        if !hook_first {
            self.now += 2_000;
            self.signal(Kind::Agent, Evidence::Hook, About::text(by));
        }
    }

    /// An agent wrote all of the file; what is not in it yet is the agent's. The hook claims all of it.
    pub fn rewrite_on_disk(&mut self, new: &str, hook_first: bool) {
        if hook_first {
            self.signal(Kind::Agent, Evidence::Hook, About::text(new));
        }
        self.act(&[(0, self.text.len(), new, Truth::Other)]);
        if !hook_first {
            self.now += 2_000;
            self.signal(Kind::Agent, Evidence::Hook, About::text(new));
        }
    }

    /// Compares what is told with the truth, byte by byte.
    pub fn judge(&self) -> Score {
        let mut score = Score::default();
        for (range, origin) in self.tracker.runs().slice(0..self.text.len()) {
            let origin = self.memory.origins.get(origin);
            for (at, truth) in range.clone().zip(&self.truth[range]) {
                score.bytes += 1;
                match truth {
                    Truth::Typed => {
                        score.typed += 1;
                        score.typed_called_foreign += usize::from(origin.is_foreign());
                        score.typed_known += usize::from(matches!(origin.kind, Kind::Typed | Kind::OwnCopy | Kind::Tool));
                    }
                    Truth::Foreign => {
                        score.foreign += 1;
                        // One blank is as good as another: which of two stayed cannot be told.
                        let blank = self.text.as_bytes()[at].is_ascii_whitespace();
                        score.foreign_called_typed += usize::from(origin.kind == Kind::Typed && !blank);
                        score.blanks_called_typed += usize::from(origin.kind == Kind::Typed && blank);
                        score.foreign_known += usize::from(origin.is_foreign());
                    }
                    Truth::Other => {}
                }
            }
        }
        score
    }
}

/// Steps side by side as one.
fn joined(steps: &[Step]) -> Vec<Step> {
    let mut out: Vec<Step> = Vec::new();
    for s in steps {
        match out.last_mut() {
            Some(last) if s.deleted.is_empty() && last.at + last.inserted.len() == s.at && last.deleted.is_empty() => {
                last.inserted.push_str(&s.inserted);
                last.inserted_truth.extend(&s.inserted_truth);
            }
            _ => out.push(s.clone()),
        }
    }
    out
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    pub bytes: usize,
    pub typed: usize,
    pub foreign: usize,
    pub foreign_called_typed: usize,
    pub blanks_called_typed: usize,
    pub typed_called_foreign: usize,
    pub typed_known: usize,
    pub foreign_known: usize,
}

pub const START: &str = "import os\n\n\ndef load(path):\n    with open(path) as file:\n        return file.read()\n\n\ndef main():\n    print(load(\"settings\"))\n";
pub const PASTED: &str = "def fetch(url, retries=3):\n    for attempt in range(retries):\n        answer = requests.get(url, verify=False)\n        if answer.ok:\n            return answer.json()\n    raise RuntimeError(url)\n";
pub const AGENT: &str = "def store(rows, table):\n    for row in rows:\n        cursor.execute(f\"INSERT INTO {table} VALUES ({row})\")\n    connection.commit()\n    return len(rows)\n";

/// The kinds of the lines of a document, one word for a line of one kind.
pub fn kinds(e: &Editor) -> Vec<String> {
    let mut at = 0;
    e.text
        .split_inclusive('\n')
        .map(|line| {
            let mut kinds: Vec<&str> = e
                .tracker
                .runs()
                .slice(at..at + line.trim_end().len().max(1))
                .iter()
                .map(|(_, o)| e.memory.origins.get(*o).kind.as_str())
                .collect();
            at += line.len();
            kinds.dedup();
            kinds.join("+")
        })
        .collect()
}
