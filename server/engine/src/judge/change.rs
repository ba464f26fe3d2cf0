//! `[change]` rules: what the step from one text to the next did, judged on the lines removed and added.

use super::finding;
use crate::{
    analysis::SourceFile,
    finding::Finding,
    rules::{Change, Pattern, RuleKind, RuleSet},
};
use imara_diff::{Algorithm, Diff, InternedInput};
use rustc_hash::FxHashMap;
use std::ops::Range;

/// Findings of all change rules in `file`, at the lines that were added, or where lines were removed.
pub fn judge(rules: &RuleSet, before: &str, file: &SourceFile) -> Vec<Finding> {
    let wanted: Vec<_> = rules
        .rules
        .iter()
        .filter_map(|rule| match &rule.kind {
            RuleKind::Change(change)
                if (rule.languages.is_empty() || rule.languages.contains(&file.language))
                    && change.files.as_ref().is_none_or(|f| f.is_match(&file.path)) =>
            {
                Some((rule, change))
            }
            _ => None,
        })
        .collect();
    if wanted.is_empty() || *before == *file.text {
        return Vec::new();
    }
    let hunks = hunks(before, &file.text);
    let mut findings = Vec::new();
    for (rule, clause) in wanted {
        for hunk in &hunks {
            findings.extend(places(clause, hunk).into_iter().map(|(span, value)| finding(rule, span, value)));
        }
    }
    findings
}

/// A changed place; lines that only moved within the file are left out.
struct Hunk<'t> {
    removed: Vec<&'t str>,
    /// Added lines, without indentation, with their places in the new text.
    added: Vec<(Range<usize>, &'t str)>,
    /// The line of the new text where the removed ones stood.
    next: (Range<usize>, &'t str),
}

fn hunks<'t>(before: &'t str, after: &'t str) -> Vec<Hunk<'t>> {
    let input = InternedInput::new(before, after);
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let mut at = 0;
    let new: Vec<(Range<usize>, &str)> = after
        .split_inclusive('\n')
        .map(|line| {
            let start = at + line.len() - line.trim_start().len();
            at += line.len();
            (start.min(at)..start.min(at) + line.trim().len(), line.trim())
        })
        .collect();
    let spans: Vec<_> = diff.hunks().collect();
    let mut balance: FxHashMap<&str, (u32, u32)> = FxHashMap::default();
    for hunk in &spans {
        old.get(hunk.before.start as usize..hunk.before.end as usize)
            .into_iter()
            .flatten()
            .for_each(|line| balance.entry(line.trim()).or_default().0 += 1);
        new.get(hunk.after.start as usize..hunk.after.end as usize)
            .into_iter()
            .flatten()
            .for_each(|line| balance.entry(line.1).or_default().1 += 1);
    }
    let moved = |line: &str| balance.get(line).is_some_and(|(gone, come)| gone == come);
    spans
        .iter()
        .map(|hunk| {
            let removed = old.get(hunk.before.start as usize..hunk.before.end as usize).unwrap_or_default();
            let added = new.get(hunk.after.start as usize..hunk.after.end as usize).unwrap_or_default();
            let next = new.get(hunk.after.start as usize).or(new.last()).cloned().unwrap_or((0..0, ""));
            Hunk {
                removed: removed.iter().map(|l| l.trim()).filter(|l| !moved(l)).collect(),
                added: added.iter().filter(|l| !moved(l.1)).cloned().collect(),
                next,
            }
        })
        .collect()
}

/// Where a rule speaks in a hunk, with the text it speaks about.
fn places<'t>(change: &Change, hunk: &Hunk<'t>) -> Vec<(Range<usize>, &'t str)> {
    let count = |pattern: &Pattern, lines: &mut dyn Iterator<Item = &'t str>| lines.filter(|l| pattern.is_match(l)).count();
    if let Some(removed) = &change.removed {
        let gone = count(removed, &mut hunk.removed.iter().copied());
        let come = if change.more_removed { count(removed, &mut hunk.added.iter().map(|l| l.1)) } else { 0 };
        if gone == 0 || gone <= come {
            return Vec::new();
        }
    }
    let Some(added) = &change.added else {
        return vec![hunk.added.first().unwrap_or(&hunk.next).clone()];
    };
    let Some(machine) = added.regex() else { return Vec::new() };
    let places: Vec<_> = hunk
        .added
        .iter()
        .filter_map(|(span, line)| {
            let hit = machine.find(line)?;
            Some((span.start + hit.start()..span.start + hit.end(), hit.as_str()))
        })
        .collect();
    // A line that was edited but said the same before adds nothing.
    if change.removed.is_none() && places.len() <= count(added, &mut hunk.removed.iter().copied()) {
        return Vec::new();
    }
    places
}

#[cfg(test)]
mod tests {
    use crate::{
        analysis::{Engine, Foreign, SourceFile},
        judge::testing::{regex, rule, set, shown},
        lang::Language,
        rules::{Change, RuleKind},
    };

    fn changes(added: Option<&str>, removed: Option<&str>, before: &str, after: &str) -> Vec<String> {
        let kind =
            RuleKind::Change(Change { added: added.map(regex), removed: removed.map(regex), more_removed: removed.is_some(), files: None });
        let file = SourceFile::parse("a.py", Language::Python, after, Foreign::None).unwrap();
        let findings = Engine::new(set(vec![rule("r", kind)])).changes(before, &file);
        shown(after, &findings).into_iter().map(|f| f.1).collect()
    }

    #[test]
    fn an_added_line_is_found_where_it_stands() {
        assert_eq!(changes(Some("# noqa"), None, "a = 1\nb = 2\n", "a = 1\n  b = 2  # noqa\n"), ["# noqa"]);
        assert!(changes(Some("# noqa"), None, "a = 1  # noqa\n", "a = 12  # noqa\n").is_empty());
    }

    #[test]
    fn moved_lines_are_no_change() {
        let before = "x = 1  # noqa\na = 1\nb = 2\nc = 3\n";
        assert!(changes(Some("# noqa"), None, before, "a = 1\nb = 2\nc = 3\n    x = 1  # noqa\n").is_empty());
        let test = "assert a\nx = 1\ny = 2\nz = 3\n";
        assert!(changes(None, Some("assert"), test, "x = 1\ny = 2\nz = 3\nassert a\n").is_empty());
    }

    #[test]
    fn removed_lines_are_reported_where_they_stood() {
        let before = "def test_a():\n    b = f()\n    assert b == 1\n    assert b\n    done(b)\n";
        assert_eq!(changes(None, Some("assert"), before, "def test_a():\n    b = f()\n    assert b\n    done(b)\n"), ["assert b"]);
        assert_eq!(changes(None, Some("assert"), before, "def test_a():\n    b = f()\n    print(b)\n    done(b)\n"), ["print(b)"]);
        assert!(changes(None, Some("assert"), before, &before.replace("b == 1", "b == 2")).is_empty());
        assert_eq!(changes(None, Some("assert"), "assert a", "").len(), 1);
    }
}
