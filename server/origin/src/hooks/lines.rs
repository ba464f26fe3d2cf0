//! Which lines of a file an edit brought: found in the file as it is afterwards, so that the fingerprints are those of
//! whole lines, and without the lines that only stood around the edit.

use super::Edit;
use crate::ledger::event::line_print;
use imara_diff::{Algorithm, Diff, InternedInput};
use std::ops::Range;

/// The lines of `new` (0-based) that `old` does not have, by their fingerprints.
pub fn added(old: &[u64], new: &[u64]) -> Vec<Range<usize>> {
    let mut input = InternedInput::default();
    input.update_before(old.iter().copied());
    input.update_after(new.iter().copied());
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_no_heuristic(&input);
    diff.hunks().filter(|h| !h.after.is_empty()).map(|h| h.after.start as usize..h.after.end as usize).collect()
}

/// The fingerprints of all lines.
pub(super) fn prints(text: &str) -> Vec<u64> {
    text.lines().map(line_print).collect()
}

/// The new lines of `text` against `old`, each run with its 1-based first line counted from `first` (0-based).
pub(super) fn new_lines(old: &[u64], text: &str, first: Option<usize>) -> Vec<(Option<u32>, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let new: Vec<u64> = lines.iter().map(|l| line_print(l)).collect();
    let runs = added(old, &new).into_iter().filter(|run| new[run.clone()].iter().any(|p| *p != 0));
    runs.map(|run| {
        let at = first.and_then(|first| u32::try_from(first + run.start + 1).ok());
        (at, lines[run].iter().flat_map(|l| [*l, "\n"]).collect())
    })
    .collect()
}

/// The lines an edit brought. `after` is the file as it is now, if it can be read.
pub(super) fn of_edit(edit: &Edit, after: Option<&str>) -> Vec<(Option<u32>, String)> {
    if edit.new.trim().is_empty() {
        return Vec::new();
    }
    let Some((after, places)) = after.and_then(|after| Some((after, places(edit, after)?))) else {
        // Changed since, or the file cannot be read: what the edit says must do.
        return new_lines(&prints(&edit.old), &edit.new, None);
    };
    let mut found = Vec::new();
    let (mut counted, mut first, mut told_to) = (0, 0, 0);
    for at in places {
        let end = at + edit.new.len();
        let start_of_line = after[..at].rfind('\n').map_or(0, |n| n + 1);
        let end_of_line = if after[..end].ends_with('\n') { end } else { after[end..].find('\n').map_or(after.len(), |n| end + n) };
        let old = format!("{}{}{}", &after[start_of_line..at], edit.old, &after[end..end_of_line]);
        if at < told_to {
            // On a line that the place before told already.
            continue;
        }
        first += newlines(&after[counted..start_of_line]);
        (counted, told_to) = (start_of_line, end_of_line);
        found.extend(new_lines(&prints(&old), &after[start_of_line..end_of_line], Some(first)));
    }
    found
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|b| *b == b'\n').count()
}

/// Where the new text stands: the line that was told, every place if all were replaced, else the only one.
fn places(edit: &Edit, after: &str) -> Option<Vec<usize>> {
    const MANY: usize = 1000;
    let all: Vec<usize> = after.match_indices(edit.new.as_str()).map(|m| m.0).take(MANY).collect();
    if let Some(line) = edit.line {
        let start = after.split_inclusive('\n').take(line as usize - 1).map(str::len).sum::<usize>();
        let end = after[start..].find('\n').map_or(after.len(), |n| start + n);
        if let Some(at) = all.iter().find(|at| (start..=end).contains(*at)) {
            return Some(vec![*at]);
        }
    }
    match all.len() {
        0 => None,
        1 => Some(all),
        _ if edit.all => Some(all),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(old: &str, new: &str) -> Edit {
        Edit { old: old.into(), new: new.into(), all: false, line: None }
    }

    #[test]
    fn lines_around_an_edit_are_not_its_own() {
        let after = "import os\n\ndef f():\n    a = 1\n    return a\n";
        let found = of_edit(&edit("def f():\n    return a\n", "def f():\n    a = 1\n    return a\n"), Some(after));
        assert_eq!(found, [(Some(4), "    a = 1\n".to_owned())]);
    }

    #[test]
    fn an_edit_within_a_line_brings_that_line() {
        let found = of_edit(&edit("md5", "sha256"), Some("x = 1\nh = sha256(y)\n"));
        assert_eq!(found, [(Some(2), "h = sha256(y)\n".to_owned())]);
        assert_eq!(of_edit(&edit("h = sha256(y)", "h  =  sha256( y )"), Some("h  =  sha256( y )")), [], "white space only");
        assert_eq!(of_edit(&edit("x", ""), Some("y")), []);
    }

    #[test]
    fn one_of_several_places_is_not_guessed() {
        let twice = "log(1)\na\nlog(1)\n";
        assert_eq!(of_edit(&edit("print(1)", "log(1)"), Some(twice)), [(None, "log(1)\n".to_owned())]);
        let all = Edit { all: true, ..edit("print(1)", "log(1)") };
        assert_eq!(of_edit(&all, Some(twice)).iter().map(|h| h.0).collect::<Vec<_>>(), [Some(1), Some(3)]);
        let same_line = Edit { all: true, ..edit("a", "bb") };
        assert_eq!(of_edit(&same_line, Some("x\nbb + bb\n")), [(Some(2), "bb + bb\n".to_owned())]);
        let told = Edit { line: Some(99), ..edit("print(1)", "log(1)") };
        assert_eq!(of_edit(&told, Some(twice)), [(None, "log(1)\n".to_owned())]);
        let told = Edit { line: Some(3), ..edit("print(1)", "log(1)") };
        assert_eq!(of_edit(&told, Some(twice)), [(Some(3), "log(1)\n".to_owned())]);
    }
}
