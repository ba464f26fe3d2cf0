//! Edits as a client can take them: what some get wrong is told so that they cannot.

use super::announced::Announced;
use qualm_engine::Edit;
use ropey::Rope;
use std::{borrow::Cow, ops::Range};

/// Edits of `rope`'s text that make the same of it. They stay apart, and may come in another order.
pub fn told<'a>(announced: &Announced, rope: &Rope, edits: &'a [Edit]) -> Cow<'a, [Edit]> {
    let mut edits = Cow::Borrowed(edits);
    if announced.unit_unsaid && edits.iter().any(|e| ambiguous(rope, &e.span)) {
        edits = by_lines(rope, &edits).into();
    }
    if announced.line_feeds && edits.iter().any(|e| e.text.contains('\r')) {
        edits.to_mut().iter_mut().for_each(|e| e.text = e.text.replace("\r\n", "\n"));
    }
    edits
}

/// One of the columns depends on what they are counted in.
fn ambiguous(rope: &Rope, span: &Range<usize>) -> bool {
    [span.start, span.end].iter().any(|&b| rope.byte_slice(line_start(rope, b)..b).bytes().any(|b| !b.is_ascii()))
}

fn line_start(rope: &Rope, byte: usize) -> usize {
    rope.line_to_byte(rope.byte_to_line(byte))
}

/// Ambiguous edits replace their lines from the first column to the first column of the next line.
fn by_lines(rope: &Rope, edits: &[Edit]) -> Vec<Edit> {
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort_by_key(|e| (e.span.start, e.span.end));
    let mut out: Vec<Edit> = Vec::new();
    // Up to where the last edit's text stands for the old text.
    let mut told = 0;
    let fill = |last: &mut Edit, from: usize, to: usize| last.text.extend(rope.byte_slice(from..to).chunks());
    for edit in sorted {
        let span = if ambiguous(rope, &edit.span) { lines(rope, &edit.span) } else { edit.span.clone() };
        match out.last_mut() {
            Some(last) if span.start < last.span.end => {
                fill(last, told, edit.span.start);
                last.text.push_str(&edit.text);
                last.span.end = last.span.end.max(span.end);
            }
            last => {
                if let Some(last) = last {
                    let end = last.span.end;
                    fill(last, told, end);
                }
                let mut next = Edit { text: String::new(), span: span.clone() };
                fill(&mut next, span.start, edit.span.start);
                next.text.push_str(&edit.text);
                out.push(next);
            }
        }
        told = edit.span.end;
    }
    if let Some(last) = out.last_mut() {
        let end = last.span.end;
        fill(last, told, end);
    }
    out
}

/// The whole lines that a span touches.
fn lines(rope: &Rope, span: &Range<usize>) -> Range<usize> {
    let start = line_start(rope, span.start);
    let whole = span.end > start && line_start(rope, span.end) == span.end;
    start..if whole { span.end } else { rope.line_to_byte(rope.byte_to_line(span.end) + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qualm_engine::{Fix, Safety};

    const TEXT: &str = "a b\r\n'\u{1f680}' c d\r\n'\u{e9}' e\r\nf";

    fn edit(old: &str, new: &str) -> Edit {
        let at = TEXT.find(old).unwrap();
        Edit { span: at..at + old.len(), text: new.into() }
    }

    fn told_to(announced: &Announced, edits: &[Edit]) -> Vec<Edit> {
        let told = told(announced, &Rope::from_str(TEXT), edits).into_owned();
        assert!(told.is_sorted_by(|a, b| a.span.end <= b.span.start), "{told:?}");
        told
    }

    fn apply(edits: &[Edit]) -> String {
        Fix { title: String::new(), edits: edits.to_vec(), safety: Safety::Safe }.apply(TEXT)
    }

    #[test]
    fn behind_other_characters_than_ascii_whole_lines_are_replaced() {
        let announced = Announced { unit_unsaid: true, ..Announced::default() };
        let plain = [edit("b", "B"), edit("f", "F")];
        assert_eq!(told_to(&announced, &plain), plain, "units agree here");
        let all = ["a", "b", "c", "d", "e", "f", "b\r\n", "\r\n'\u{e9}", "'\u{1f680}", "e\r\nf", " d\r\n"];
        for first in all {
            for second in all {
                let mut edits = vec![edit(first, "1\n2"), edit(second, "")];
                edits.sort_by_key(|e| e.span.start);
                if edits[0].span.end > edits[1].span.start {
                    continue;
                }
                let told = told_to(&announced, &edits);
                assert_eq!(apply(&told), apply(&edits), "{first:?} {second:?}: {told:?}");
                let rope = Rope::from_str(TEXT);
                assert!(!told.iter().any(|e| e.span.end < TEXT.len() && ambiguous(&rope, &e.span)), "{told:?}");
            }
        }
        let insert = [Edit { span: 5..5, text: "x\r\n".into() }, edit("c", "C")];
        assert_eq!(apply(&told_to(&announced, &insert)), apply(&insert));
    }

    #[test]
    fn carriage_returns_are_left_out_where_they_become_lines() {
        let edits = [edit("c", "1\r\n2\r\n")];
        assert_eq!(told_to(&Announced { line_feeds: true, ..Announced::default() }, &edits)[0].text, "1\n2\n");
        assert_eq!(told_to(&Announced::default(), &edits), edits);
    }
}
