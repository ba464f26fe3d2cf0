//! Faults that trackers of AI-written text are known for, each by the number under which its users reported it to
//! git-ai, and the situations that no tracker should get wrong.

mod editor;

use editor::{AGENT, Editor, PASTED, START, Truth, kinds};
use qualm_origin::{
    About, Evidence, Habits, Kind, Origin, Tracker, copy_of,
    reanchor::{Kept, reanchor},
};

/// The agent writes the whole file again and its hook claims all of it; the lines that were there stay whose they are.
#[test]
fn git_ai_761_lines_of_a_hand_do_not_become_the_agents() {
    for hook_first in [false, true] {
        let mut e = Editor::open("", true);
        e.type_in(0, "rate = load(\"rate\")\nlimit = 3\n}\n\n");
        let new = e.text.replace("limit = 3\n", &format!("limit = 3\n{AGENT}"));
        e.rewrite_on_disk(&new, hook_first);
        let kinds = kinds(&e);
        assert_eq!(kinds[..2], ["typed", "typed"], "{kinds:?}");
        assert!(kinds[2..7].iter().all(|k| k == "agent"), "{kinds:?}");
        assert_eq!(kinds[7..], ["typed", "typed"], "a bracket and a blank line too");
    }
}

/// A line typed right behind or in the middle of an agent's lines is the hand's, however late the hook comes.
#[test]
fn git_ai_2067_a_typed_line_is_not_absorbed_by_the_agents_around_it() {
    let mut e = Editor::open("x = 1\n", true);
    e.agent_on_disk(6, 0, AGENT, false);
    let end = e.text.len();
    e.type_in(end, "print(store(rows))\n");
    let middle = e.text.find("    connection").unwrap();
    e.type_in(middle, "    check(rows)\n");
    e.signal(Kind::Agent, Evidence::Hook, About::text(AGENT));
    let all = e.text.clone();
    e.signal(Kind::Agent, Evidence::Hook, About::text(&all));
    let kinds = kinds(&e);
    assert_eq!((&*kinds[4], &*kinds[7]), ("typed", "typed"), "{kinds:?}");
    assert_eq!(kinds.iter().filter(|k| *k == "agent").count(), 5, "{kinds:?}");
}

/// A formatter over the whole file leaves every token whose it was, delivered at once or in many small changes.
#[test]
fn git_ai_1658_a_formatter_does_not_make_a_block_a_hands() {
    for at_once in [true, false] {
        let mut e = Editor::open("", true);
        e.agent_on_disk(0, 0, AGENT, true);
        let end = e.text.len();
        e.type_in(end, "store( [1,2],'t' )\n");
        let formatted = e
            .text
            .replace("store( [1,2],'t' )", "store(\n    [1, 2],\n    \"t\",\n)")
            .replace("(rows, table)", "(\n    rows,\n    table,\n)")
            .replace("        cursor", "\t\tcursor");
        if at_once {
            e.act(&[(0, e.text.len(), &formatted, Truth::Other)]);
        } else {
            let call = e.text.find("( [1,2]").unwrap();
            let quotes: Vec<usize> = e.text[call..].match_indices('\'').map(|m| call + m.0).collect();
            let indent = e.text.find("        cursor").unwrap();
            e.act(&[
                (quotes[1], 2, "\",\n", Truth::Other),
                (quotes[0], 1, "\n    \"", Truth::Other),
                (call + 4, 1, ", ", Truth::Other),
                (call + 1, 1, "\n    ", Truth::Other),
                (indent, 8, "\t\t", Truth::Other),
            ]);
        }
        let kinds = kinds(&e);
        let first = kinds.iter().position(|k| k == "typed").unwrap();
        assert!(kinds[..first].iter().all(|k| k == "agent"), "{kinds:?}");
        assert!(first >= 5 && kinds[first..].iter().all(|k| k == "typed"), "{kinds:?}");
    }
}

/// One line edited, but the whole file replaced: one line changes its origin.
#[test]
fn git_ai_589_an_edit_of_one_line_is_one_line() {
    let mut e = Editor::open("", true);
    e.agent_on_disk(0, 0, &format!("{AGENT}{}", PASTED.replace("fetch", "get")), true);
    let lines = kinds(&e).len();
    let new = e.text.replace("    return len(rows)", "    yield something_else(entirely)");
    e.act(&[(0, e.text.len(), &new, Truth::Other)]);
    let kinds = kinds(&e);
    assert_eq!(kinds.iter().filter(|k| *k == "agent").count(), lines - 1, "{kinds:?}");
    assert_eq!(kinds[4], "unknown");
}

/// Blank lines belong to the text they came with; a formatter's belong to the text they stand in.
#[test]
fn git_ai_619_blank_lines_are_not_a_hands() {
    let mut e = Editor::open(START, true);
    let block = format!("\n\n{AGENT}\n\n{}\n", AGENT.replace("store", "keep"));
    e.agent_on_disk(START.len(), 0, &block, false);
    let start = START.lines().count();
    assert!(kinds(&e)[start..].iter().all(|k| k == "agent"), "{:?}", kinds(&e));
    let places: Vec<usize> = e.text.match_indices("\n    for").chain(e.text.match_indices("\n    conn")).map(|m| m.0 + 1).collect();
    let edits: Vec<(usize, usize, &str, Truth)> = places.iter().rev().map(|p| (*p, 0, "\n", Truth::Other)).collect();
    e.act(&edits);
    assert!(kinds(&e)[start..].iter().all(|k| k == "agent"), "{:?}", kinds(&e));
}

/// A character or two in the buffer may be an agent's as well as a hand's: alone they prove nothing.
#[test]
fn a_small_edit_alone_is_unknown_until_somebody_tells() {
    let mut e = Editor::open("if a < b:\n    stop()\n", true);
    e.act(&[(6, 0, "=", Truth::Foreign)]);
    assert_eq!(kinds(&e)[0], "unknown");
    let id = e.tracker.runs().at(6).unwrap();
    assert!(!e.memory.origins.get(id).is_foreign());
    e.signal(Kind::Agent, Evidence::Hook, About::text("if a <= b:\n"));
    let id = e.tracker.runs().at(6).unwrap();
    assert_eq!(e.memory.origins.get(id).kind, Kind::Agent);
    assert_eq!(e.memory.origins.get(e.tracker.runs().at(5).unwrap()).kind, Kind::Unknown, "only what came");
}

/// Two hunks side by side, told of by two events of the hook, in one reload.
#[test]
fn several_events_explain_one_reload() {
    let mut e = Editor::open(START, true);
    let (one, two) = (AGENT.replace("store", "one"), AGENT.replace("store", "two"));
    e.signal(Kind::Agent, Evidence::Hook, About::text(&one));
    let new = format!("{START}{one}{two}unasked = 1\n");
    e.act(&[(0, START.len(), &new, Truth::Foreign)]);
    e.signal(Kind::Agent, Evidence::Hook, About::text(&two));
    let kinds = kinds(&e);
    assert_eq!(kinds.iter().filter(|k| *k == "agent").count(), 10);
    assert_eq!(kinds.last().map(String::as_str), Some("unknown"), "what nobody tells of stays unknown");
}

/// An agent that streams tokens into the buffer: each is small, together they are a burst.
#[test]
fn a_stream_of_tokens_is_a_burst() {
    let mut e = Editor::open("", true);
    for token in PASTED.split_inclusive([' ', '(', '.']) {
        e.now += 25;
        let at = e.text.len();
        e.send(&[(at, 0, token, Truth::Foreign)]);
    }
    let score = e.judge();
    assert_eq!(score.foreign_called_typed, 0);
    assert!(score.foreign_known * 100 >= score.foreign * 95, "{score:?}");
    // The hook tells of whole lines, though they came in pieces.
    e.signal(Kind::Agent, Evidence::Hook, About::text(PASTED));
    assert!(kinds(&e).iter().all(|k| k == "agent"), "{:?}", kinds(&e));
}

/// Typing at several cursors and a rename are no typing of one hand at one cursor, and nothing foreign either.
#[test]
fn several_cursors_and_renames_are_not_foreign() {
    let mut e = Editor::open("count = 0\ncount += 1\nprint(count)\n", false);
    for key in ["t", "o", "t"] {
        e.now += 120;
        let places: Vec<usize> = e.text.match_indices("count").map(|m| m.0).collect();
        let edits: Vec<(usize, usize, &str, Truth)> = places.iter().rev().map(|p| (*p, 0, key, Truth::Typed)).collect();
        e.send(&edits);
    }
    let places: Vec<usize> = e.text.match_indices("totcount").map(|m| m.0).collect();
    let edits: Vec<(usize, usize, &str, Truth)> = places.iter().rev().map(|p| (*p, 8, "number_of_entries", Truth::Other)).collect();
    e.act(&edits);
    assert!(e.tracker.foreign(&e.memory).is_empty());
}

/// Editors that report several keys together are believed only if that is their habit.
#[test]
fn keys_reported_together_are_typed_where_that_is_the_habit() {
    for (characters, kind) in [(4, "typed"), (1, "unknown")] {
        let mut e = Editor::open("", false);
        e.tracker = Tracker::open(1, 0, e.memory.origins.intern(&Origin::present())).habits(Habits { characters });
        for keys in ["val", "ue ", "= 1", "23"] {
            e.now += 170;
            let at = e.text.len();
            e.send(&[(at, 0, keys, Truth::Typed)]);
        }
        e.now += 500;
        e.tracker.settle(&mut e.memory, e.now);
        assert_eq!(kinds(&e), [kind]);
    }
}

/// Text copied from another document keeps what it is, with another indentation too.
#[test]
fn a_copy_from_another_document_keeps_its_origin() {
    struct Other(Editor);
    impl qualm_origin::Elsewhere for Other {
        fn find(&self, text: &str) -> Option<Vec<qualm_origin::Run>> {
            copy_of(text, &self.0.text, self.0.tracker.runs())
        }
    }
    let mut source = Editor::open("", true);
    source.type_in(0, "alpha = first(1)\nbeta = second(2)\n");
    source.paste_from_outside(0, PASTED);
    let mut memory = std::mem::take(&mut source.memory);
    let present = memory.origins.intern(&Origin::present());
    let mut tracker = Tracker::open(2, 0, present);
    let copies = ["    alpha = first(1)\n    beta = second(2)\n".to_owned(), PASTED.replace("    ", "\t"), AGENT.to_owned()];
    let mut expected = [Kind::OwnCopy, Kind::Pasted, Kind::Unknown].into_iter();
    let other = Other(source);
    for copy in copies {
        let change = qualm_origin::Change { at: 0, deleted: "", inserted: &copy, lines: &copy };
        tracker.change(&mut memory, &[change], 5_000_000, &other);
        let kinds: Vec<Kind> = tracker.runs().slice(0..copy.len()).iter().map(|r| memory.origins.get(r.1).kind).collect();
        assert_eq!(kinds, [expected.next().unwrap()]);
    }
}

/// In a generated file what is typed is typed, and the rest stays generated.
#[test]
fn typing_in_a_generated_file_splits_it() {
    let mut e = Editor::open(START, false);
    let generated = e.memory.origins.intern(&Origin::new(Kind::Generated, Evidence::FileMark, 0));
    e.tracker = Tracker::open(1, START.len(), generated);
    e.type_in(START.find("print").unwrap(), "trace(); ");
    assert_eq!(kinds(&e).last().map(String::as_str), Some("generated+typed+generated"));
}

/// While qualm was down a hand and an agent changed the file; the hook's event in the ledger explains its lines.
#[test]
fn an_offline_change_is_explained_by_what_the_ledger_knows() {
    let mut e = Editor::open("", true);
    e.type_in(0, "alpha = first(1)\nbeta = second(2)\n");
    let kept = Kept::of(&e.text, e.tracker.runs().clone());
    let offline = e.memory.origins.intern(&Origin::new(Kind::Unknown, Evidence::Offline, e.now));
    e.text = format!("alpha = first(1)\n{AGENT}gamma = third(3)\n");
    e.tracker = Tracker::with(2, reanchor(&[&kept], &e.text, offline));
    let signal = qualm_origin::Signal { origin: Origin::new(Kind::Agent, Evidence::Hook, e.now), about: About::text(AGENT), time: e.now };
    let mut at = 0;
    let lines: Vec<(usize, String)> = e
        .text
        .split_inclusive('\n')
        .map(|l| {
            at += l.len();
            (at - l.len(), l.to_owned())
        })
        .collect();
    e.tracker.recognise(&mut e.memory, lines.iter().map(|(at, l)| (*at, l.as_str())), &signal);
    let kinds = kinds(&e);
    assert_eq!(kinds[0], "typed");
    assert!(kinds[1..6].iter().all(|k| k == "agent"), "{kinds:?}");
    assert_eq!(kinds[6], "unknown");
}

/// A review survives what only moves or formats the text, and ends with any other change in it.
#[test]
fn a_review_survives_formatting_only() {
    let mut e = Editor::open("", true);
    e.paste_from_outside(0, PASTED);
    e.tracker.review(0..PASTED.len());
    let formatted = format!("import requests\n{}", PASTED.replace("    ", "\t"));
    e.act(&[(0, PASTED.len(), &formatted, Truth::Other)]);
    assert!(e.tracker.is_reviewed(&(16..formatted.trim_end().len())), "{:?}", kinds(&e));
    let changed = e.text.replace("raise", "return");
    e.act(&[(0, formatted.len(), &changed, Truth::Other)]);
    assert!(!e.tracker.is_reviewed(&(16..17)));
}
