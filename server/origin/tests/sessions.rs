//! Editing sessions in which the truth about every byte is known. With plain protocol evidence and with that of editors
//! and hooks, no byte of others may be called typed, and next to none of what was typed may be called foreign.

use qualm_origin::{
    About, Change, Elsewhere, Evidence, Kind, Memory, Origin, Run, Signal, Tracker, ledger::event::line_print, reanchor::carry,
};
use std::ops::Range;

/// Who really wrote a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    Typed,
    /// Pasted from outside, completed or written by an agent.
    Foreign,
    /// A tool, version control, or there from the start.
    Other,
}

/// An editor with one document, and the server's view of it.
struct Editor {
    text: String,
    truth: Vec<Truth>,
    tracker: Tracker,
    memory: Memory,
    now: i64,
    /// Whether the editor and the hooks say what they know.
    told: bool,
    undo: Vec<Vec<Step>>,
    redo: Vec<Vec<Step>>,
    random: u64,
}

/// A replacement with the truth of what it puts in.
#[derive(Clone, Debug)]
struct Step {
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
    fn open(text: &str, told: bool) -> Self {
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

    fn below(&mut self, n: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.random >> 33) as usize) % n.max(1)
    }

    /// Sends replacements as one notification.
    fn send(&mut self, edits: &[(usize, usize, &str, Truth)]) -> Vec<Step> {
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

    fn act(&mut self, edits: &[(usize, usize, &str, Truth)]) {
        self.now += 1_000;
        let steps = self.send(edits);
        self.undo.push(steps);
        self.redo.clear();
    }

    fn type_in(&mut self, at: usize, text: &str) {
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

    fn signal(&mut self, kind: Kind, evidence: Evidence, about: About) {
        if self.told {
            let signal = Signal { origin: Origin::new(kind, evidence, self.now), about, time: self.now };
            self.tracker.signal(&mut self.memory, &signal);
            self.memory.expect(signal);
        }
    }

    fn paste_from_outside(&mut self, at: usize, text: &str) {
        self.act(&[(at, 0, text, Truth::Foreign)]);
        self.signal(Kind::Pasted, Evidence::Editor, About::text(text));
    }

    /// Copies or moves own text: the truth goes along.
    fn transfer(&mut self, from: Range<usize>, to: usize, cut: bool) {
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

    fn revert(&mut self, undo: bool) {
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
    fn agent_on_disk(&mut self, at: usize, len: usize, by: &str, hook_first: bool) {
        if hook_first {
            self.signal(Kind::Agent, Evidence::Hook, About::text(by));
            self.now += 500;
        }
        let new = format!("{}{by}{}", &self.text[..at], &self.text[at + len..]);
        let mut truth = self.truth.clone();
        truth.splice(at..at + len, std::iter::repeat_n(Truth::Foreign, by.len()));
        let old = self.text.len();
        self.act(&[(0, old, &new, Truth::Other)]);
        self.truth = truth;
        if !hook_first {
            self.now += 2_000;
            self.signal(Kind::Agent, Evidence::Hook, About::text(by));
        }
    }

    /// `(typed bytes, foreign bytes, foreign called typed, typed called foreign, foreign called foreign)`.
    fn judge(&self) -> Score {
        let mut score = Score::default();
        for (range, origin) in self.tracker.runs().slice(0..self.text.len()) {
            let origin = self.memory.origins.get(origin);
            for truth in &self.truth[range] {
                score.bytes += 1;
                match truth {
                    Truth::Typed => {
                        score.typed += 1;
                        score.typed_called_foreign += usize::from(origin.is_foreign());
                        score.typed_known += usize::from(matches!(origin.kind, Kind::Typed | Kind::OwnCopy | Kind::Tool));
                    }
                    Truth::Foreign => {
                        score.foreign += 1;
                        score.foreign_called_typed += usize::from(matches!(origin.kind, Kind::Typed));
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
struct Score {
    bytes: usize,
    typed: usize,
    foreign: usize,
    foreign_called_typed: usize,
    typed_called_foreign: usize,
    typed_known: usize,
    foreign_known: usize,
}

const START: &str = "import os\n\n\ndef load(path):\n    with open(path) as file:\n        return file.read()\n\n\ndef main():\n    print(load(\"settings\"))\n";
const PASTED: &str = "def fetch(url, retries=3):\n    for attempt in range(retries):\n        answer = requests.get(url, verify=False)\n        if answer.ok:\n            return answer.json()\n    raise RuntimeError(url)\n";
const AGENT: &str = "def store(rows, table):\n    for row in rows:\n        cursor.execute(f\"INSERT INTO {table} VALUES ({row})\")\n    connection.commit()\n    return len(rows)\n";

/// Line starts, so that edits fall where people make them.
fn line_start(text: &str, n: usize) -> usize {
    let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
    starts[n % starts.len()]
}

fn session(seed: u64, told: bool) -> Score {
    let mut e = Editor::open(START, told);
    e.random = seed;
    for round in 0..40 {
        let n = e.below(200);
        let at = line_start(&e.text, n);
        match e.below(14) {
            0..=3 => {
                let text = format!("value_{round} = compute({}, \"text {round}\")\n", e.below(900));
                e.type_in(at, &text);
            }
            4 => {
                let text = PASTED.replace("fetch", &format!("fetch_{round}"));
                e.paste_from_outside(at, &text);
            }
            5 | 6 => {
                let n = e.below(200);
                let from = line_start(&e.text, n);
                let to = e.text[from..].match_indices('\n').nth(2).map_or(e.text.len(), |(i, _)| from + i + 1);
                let cut = e.below(2) == 0;
                let at = if (from..to).contains(&at) { to } else { at };
                if to > from {
                    e.transfer(from..to, at, cut);
                }
            }
            7 | 8 => e.revert(true),
            9 => e.revert(false),
            10 => {
                let text = AGENT.replace("store", &format!("store_{round}"));
                let first = e.below(2) == 0;
                e.agent_on_disk(at, 0, &text, first);
            }
            11 => {
                // In the buffer, several places in one notification.
                let text = AGENT.replace("store", &format!("write_{round}"));
                e.act(&[
                    (0, 0, "import sqlite3 as database_module_for_rows\n", Truth::Foreign),
                    (e.text.len().min(at) + 43, 0, &text, Truth::Foreign),
                ]);
                e.signal(Kind::Agent, Evidence::Hook, About::text("import sqlite3 as database_module_for_rows\n"));
                e.signal(Kind::Agent, Evidence::Hook, About::text(&text));
            }
            12 => {
                let text = format!(
                    "    result_{round} = [transform(item) for item in items if item.is_valid()]\n    return sorted(result_{round})\n"
                );
                e.act(&[(at, 0, &text, Truth::Foreign)]);
                e.signal(Kind::Completion, Evidence::Editor, About::text(&text));
            }
            _ => {
                // A formatter widens indentation and puts blanks in, in one notification, from the end to the start.
                let places: Vec<usize> = e.text.match_indices("\n    ").map(|(i, _)| i + 1).collect();
                let edits: Vec<(usize, usize, &str, Truth)> = places.iter().rev().map(|p| (*p, 4, "        ", Truth::Other)).collect();
                if !edits.is_empty() {
                    e.act(&edits);
                }
            }
        }
    }
    e.judge()
}

#[test]
fn no_foreign_byte_is_called_typed_and_next_to_no_typed_one_foreign() {
    for told in [false, true] {
        let mut sum = Score::default();
        for seed in 1..=60 {
            let s = session(seed, told);
            assert_eq!(s.foreign_called_typed, 0, "seed {seed}, told {told}: {s:?}");
            sum.bytes += s.bytes;
            sum.typed += s.typed;
            sum.foreign += s.foreign;
            sum.typed_called_foreign += s.typed_called_foreign;
            sum.typed_known += s.typed_known;
            sum.foreign_known += s.foreign_known;
        }
        println!(
            "{}: {} bytes, {} typed ({:.1} % known, {:.2} % called foreign), {} foreign ({:.1} % known, 0 called typed)",
            if told { "editor and hooks" } else { "plain protocol" },
            sum.bytes,
            sum.typed,
            100.0 * sum.typed_known as f64 / sum.typed as f64,
            100.0 * sum.typed_called_foreign as f64 / sum.typed as f64,
            sum.foreign,
            100.0 * sum.foreign_known as f64 / sum.foreign as f64,
        );
        assert!(sum.typed_called_foreign * 200 <= sum.typed, "{sum:?}");
    }
}

/// The kinds of the lines of a document, one word for a line of one kind.
fn kinds(e: &Editor) -> Vec<String> {
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

/// A line typed right behind an agent's stays the hand's, and the hook that comes late does not take it.
#[test]
fn a_human_line_next_to_an_agents_is_not_absorbed() {
    let mut e = Editor::open("x = 1\n", true);
    e.agent_on_disk(6, 0, AGENT, false);
    let end = e.text.len();
    e.type_in(end, "print(store(rows))\n");
    e.signal(Kind::Agent, Evidence::Hook, About::text(AGENT));
    let kinds = kinds(&e);
    assert_eq!(kinds[0], "unknown");
    assert!(kinds[1..6].iter().all(|k| k == "agent"), "{kinds:?}");
    assert_eq!(kinds[6], "typed");
    // Typing what an agent wrote, letter by letter, is typing.
    e.type_in(0, "    connection.commit()\n");
    e.signal(Kind::Agent, Evidence::Hook, About::text("    connection.commit()\n"));
    assert_eq!(self::kinds(&e)[0], "typed");
}

/// A formatter changes no origin, and blank lines belong to what they stand in.
#[test]
fn a_formatter_changes_no_origin() {
    let mut e = Editor::open("", true);
    e.paste_from_outside(0, PASTED);
    let end = e.text.len();
    e.type_in(end, "fetch('a', retries = 5)\n");
    let formatted = e.text.replace("    ", "\t").replace("'a', retries = 5", "\"a\", retries=5").replace("url, retries", "url,\n\tretries");
    let old = e.text.len();
    let truth_end = formatted.len();
    e.act(&[(0, old, &formatted, Truth::Other)]);
    assert_eq!(truth_end, e.text.len());
    let kinds = kinds(&e);
    assert!(kinds[..kinds.len() - 1].iter().all(|k| k == "pasted"), "{kinds:?}");
    assert_eq!(kinds[kinds.len() - 1], "typed");
    // Blank lines put in by a formatter between the lines of one origin.
    let places: Vec<usize> = e.text.match_indices('\n').map(|(i, _)| i + 1).take(3).collect();
    let edits: Vec<(usize, usize, &str, Truth)> = places.iter().rev().map(|p| (*p, 0, "\n", Truth::Other)).collect();
    e.act(&edits);
    assert!(self::kinds(&e)[..6].iter().all(|k| k == "pasted"));
}

/// One line edited by hand inside foreign text is that line and no other.
#[test]
fn an_edit_of_one_line_is_that_line() {
    let mut e = Editor::open("", true);
    e.paste_from_outside(0, PASTED);
    let at = e.text.find("verify=False").unwrap();
    e.act(&[(at, "verify=False".len(), "", Truth::Other)]);
    e.type_in(at, "timeout=5");
    let kinds = kinds(&e);
    assert_eq!(kinds[2], "pasted+typed+pasted");
    assert!(kinds.iter().enumerate().all(|(i, k)| i == 2 || k == "pasted"), "{kinds:?}");
}

/// Undo and redo give back exactly what was there.
#[test]
fn undo_redo_and_move_keep_origins() {
    let mut e = Editor::open(START, false);
    let end = e.text.len();
    e.type_in(end, "total = count + 1\n");
    e.paste_from_outside(0, PASTED);
    let before = e.tracker.runs().slice(0..e.text.len());
    e.act(&[(0, e.text.len(), "", Truth::Other)]);
    e.revert(true);
    assert_eq!(e.tracker.runs().slice(0..e.text.len()), before);
    e.revert(true);
    e.revert(false);
    assert_eq!(e.tracker.runs().slice(0..e.text.len()), before);
    let from = e.text.find("total").unwrap();
    e.transfer(from..e.text.len(), 0, true);
    assert_eq!(kinds(&e)[0], "typed");
}

/// Keys that no hand can press so fast are no keys.
#[test]
fn text_that_is_streamed_in_is_not_typed() {
    let mut e = Editor::open("", false);
    for c in PASTED.chars() {
        e.now += 1;
        let at = e.text.len();
        let mut buffer = [0; 4];
        e.send(&[(at, 0, c.encode_utf8(&mut buffer), Truth::Foreign)]);
    }
    assert_eq!(e.judge().foreign_called_typed, 0);
}

/// A checkout is neither typed nor foreign; an edit without evidence after it is unknown.
#[test]
fn a_checkout_is_told_from_an_agent() {
    let mut e = Editor::open(START, true);
    e.signal(Kind::Checkout, Evidence::Git, About::Reload);
    let new = START.replace("def main():\n", "def main():\n    check()\n    prepare()\n    start()\n");
    e.act(&[(0, e.text.len(), &new, Truth::Other)]);
    let kinds = kinds(&e);
    assert_eq!(kinds.iter().filter(|k| *k == "checkout").count(), 3);
    e.now += 60_000;
    let again = e.text.replace("start()", "begin_with_everything_that_is_there()");
    e.act(&[(0, e.text.len(), &again, Truth::Foreign)]);
    assert!(e.tracker.foreign(&e.memory).is_empty(), "short and unexplained is unknown, not foreign");
}

/// A correction by a person is an origin of its own, and a review ends with a change.
#[test]
fn corrections_and_reviews() {
    let mut e = Editor::open("", false);
    e.paste_from_outside(0, PASTED);
    assert!(e.tracker.foreign(&e.memory).iter().eq(std::iter::once(&(0..PASTED.len()))));
    e.tracker.review(0..PASTED.len());
    assert!(e.tracker.is_reviewed(&(0..PASTED.len())));
    e.type_in(0, "# a remark\n");
    assert!(e.tracker.is_reviewed(&(11..PASTED.len())), "what is before it moves it");
    let at = e.text.find("retries").unwrap();
    e.type_in(at, "x");
    assert!(!e.tracker.is_reviewed(&(11..PASTED.len())));
    e.tracker.relabel(&mut e.memory, 0..PASTED.len(), Kind::Typed, "someone", e.now);
    let origin = e.memory.origins.get(e.tracker.runs().at(50).unwrap());
    assert_eq!((origin.kind, origin.evidence, &*origin.author, origin.confidence), (Kind::Typed, Evidence::Correction, "someone", 100));
    // No signal takes a correction back.
    e.signal(Kind::Agent, Evidence::Hook, About::text(PASTED));
    e.told = true;
    e.signal(Kind::Agent, Evidence::Hook, About::text(PASTED));
    assert_eq!(e.memory.origins.get(e.tracker.runs().at(50).unwrap()).kind, Kind::Typed);
}

/// While nobody looked: what is the same keeps its origin, what is new is unknown.
#[test]
fn after_downtime_only_the_new_is_unknown() {
    let prints = |t: &str| t.lines().map(line_print).collect::<Vec<_>>();
    let old = format!("{START}{PASTED}");
    let new = format!("{PASTED}{START}").replace("retries=3", "retries=4").replace("    print", "\tprint");
    let carried = carry(&prints(&old), &prints(&new));
    let unknown: Vec<&str> = new.lines().zip(&carried).filter(|(_, c)| c.is_none()).map(|(l, _)| l).collect();
    assert_eq!(unknown, ["def fetch(url, retries=4):"], "{carried:?}");
}
