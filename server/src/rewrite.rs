//! Rewrites as people and files see them: as a small diff, and with the file's own line ends.

use crate::lines::Lines;
use qualm_engine::{Edit, Fix};
use similar::{ChangeTag, TextDiff};
use std::{ops::Range, time::Duration};

/// A line of a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiffLine {
    /// 1-based line number in the old text where the next part starts.
    At(usize),
    #[allow(missing_docs)]
    Same(String),
    #[allow(missing_docs)]
    Removed(String),
    #[allow(missing_docs)]
    Added(String),
}

/// Whether the edits are sorted, disjoint and within the text.
pub fn is_sound(text: &str, fix: &Fix) -> bool {
    let mut at = 0;
    fix.edits.iter().all(|e| {
        let sound = e.span.start >= at && e.span.end >= e.span.start && text.get(e.span.clone()).is_some();
        at = e.span.end;
        sound
    })
}

/// The rewrite with line breaks as the file has them.
pub fn with_line_ends_of(text: &str, mut fix: Fix) -> Fix {
    if text.contains("\r\n") {
        for edit in &mut fix.edits {
            if edit.text.contains('\n') {
                edit.text = edit.text.replace("\r\n", "\n").replace('\n', "\r\n");
            }
        }
    }
    fix
}

/// The changed lines of a rewrite, part by part, without a diff of the whole file.
pub fn diff(text: &str, lines: &Lines, fix: &Fix) -> Vec<DiffLine> {
    let mut out = Vec::new();
    if !is_sound(text, fix) {
        return out;
    }
    for (touched, edits) in groups(lines, fix) {
        let span = lines.range(text, touched.start).start..lines.range(text, touched.end - 1).end;
        let span = span.start..span.end.max(edits.iter().map(|e| e.span.end).max().unwrap_or(0));
        let base = span.start;
        let shifted = edits.iter().map(|e| Edit { span: e.span.start - base..e.span.end - base, text: e.text.clone() });
        let old = &text[span];
        let new = Fix { title: String::new(), edits: shifted.collect(), safety: fix.safety }.apply(old);
        out.push(DiffLine::At(touched.start + 1));
        out.extend(line_diff(old, &new));
    }
    out
}

/// Edits whose lines touch or adjoin, with the 0-based lines they cover together.
fn groups<'f>(lines: &Lines, fix: &'f Fix) -> Vec<(Range<usize>, Vec<&'f Edit>)> {
    let mut groups: Vec<(Range<usize>, Vec<&Edit>)> = Vec::new();
    for edit in &fix.edits {
        let touched = lines.line(edit.span.start)..lines.line(edit.span.end) + 1;
        match groups.last_mut() {
            Some((range, edits)) if touched.start <= range.end => {
                range.end = range.end.max(touched.end);
                edits.push(edit);
            }
            _ => groups.push((touched, vec![edit])),
        }
    }
    groups
}

/// A line by line comparison.
pub fn line_diff(old: &str, new: &str) -> Vec<DiffLine> {
    let diff = TextDiff::from_lines(old, new);
    diff.iter_all_changes().map(|change| diff_line(change.tag(), change.value())).collect()
}

/// A comparison of whole texts, reduced to the changed parts with two lines around them.
pub fn unified(old: &str, new: &str) -> Vec<DiffLine> {
    let diff = TextDiff::configure().timeout(Duration::from_secs(2)).diff_lines(old, new);
    let mut out = Vec::new();
    for group in diff.grouped_ops(2) {
        out.extend(group.first().map(|op| DiffLine::At(op.old_range().start + 1)));
        out.extend(group.iter().flat_map(|op| diff.iter_changes(op)).map(|c| diff_line(c.tag(), c.value())));
    }
    out
}

/// A diff as text: ` ` same, `-` removed, `+` added, `@@ N` = the next part starts in line N.
pub fn diff_text(diff: &[DiffLine]) -> String {
    diff.iter().fold(String::new(), |mut out, line| {
        match line {
            DiffLine::At(n) => out.extend(["@@ ", &n.to_string()]),
            DiffLine::Same(t) => out.extend([" ", t]),
            DiffLine::Removed(t) => out.extend(["-", t]),
            DiffLine::Added(t) => out.extend(["+", t]),
        }
        out.push('\n');
        out
    })
}

fn diff_line(tag: ChangeTag, line: &str) -> DiffLine {
    let line = line.trim_end_matches('\n').trim_end_matches('\r').to_owned();
    match tag {
        ChangeTag::Equal => DiffLine::Same(line),
        ChangeTag::Delete => DiffLine::Removed(line),
        ChangeTag::Insert => DiffLine::Added(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qualm_engine::Safety;

    fn fix(edits: &[(Range<usize>, &str)]) -> Fix {
        let edits = edits.iter().map(|(span, text)| Edit { span: span.clone(), text: (*text).into() }).collect();
        Fix { title: "x".into(), edits, safety: Safety::Safe }
    }

    #[test]
    fn only_the_touched_lines_are_compared() {
        let text = "import a\nx = 1\ny = 2\nz = 3\n";
        let found = diff(text, &Lines::new(text), &fix(&[(0..0, "import b\n"), (25..26, "4")]));
        let expected = vec![
            DiffLine::At(1),
            DiffLine::Added("import b".into()),
            DiffLine::Same("import a".into()),
            DiffLine::At(4),
            DiffLine::Removed("z = 3".into()),
            DiffLine::Added("z = 4".into()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_edit_at_the_very_end_of_the_text_is_shown() {
        let text = "x = 1\n";
        let found = diff(text, &Lines::new(text), &fix(&[(6..6, "y = 2\n")]));
        assert_eq!(found, [DiffLine::At(2), DiffLine::Added("y = 2".into())]);
    }

    #[test]
    fn unsound_edits_show_nothing() {
        let text = "é";
        assert!(diff(text, &Lines::new(text), &fix(&[(1..2, "x")])).is_empty());
        assert!(diff(text, &Lines::new(text), &fix(&[(0..9, "x")])).is_empty());
        assert!(!is_sound("abc", &fix(&[(1..2, ""), (0..1, "")])));
    }

    #[test]
    fn line_breaks_follow_the_file() {
        let fixed = with_line_ends_of("a\r\nb\r\n", fix(&[(0..0, "x\ny\r\n")]));
        assert_eq!(fixed.edits[0].text, "x\r\ny\r\n");
        assert_eq!(with_line_ends_of("a\n", fix(&[(0..0, "x\n")])).edits[0].text, "x\n");
    }
}
