//! Which bytes of a replacement were there before: lines first, then the tokens of what is left. What a formatter adds
//! is no news, and a rewritten passage keeps nothing only because it uses the same brackets.

use crate::{
    lines::{self, Line},
    text::{key, significant},
};
use imara_diff::{Algorithm, Diff, InternedInput};
use std::ops::Range;

/// So much of the words of a passage must survive, in percent, for it to count as edited and not as rewritten.
const SURVIVES: usize = 70;
/// A telling line has so many characters.
pub(crate) const TELLING: usize = 12;
/// What formatters add, drop and exchange.
const FORMATTING: &str = ",;()\"'`\\";

/// Where bytes of the new text come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// They are the old text's bytes from this offset on.
    Old(usize),
    /// White space or a formatter's punctuation: they are what the byte before them is.
    Near,
    /// Indentation: it is what the text behind it is.
    Ahead,
    /// They were not there.
    New,
}

/// A part of the new text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub range: Range<usize>,
    pub source: Source,
}

/// The new text in parts, in order, without gaps.
pub(crate) fn align(old: &str, new: &str) -> Vec<Part> {
    let mut parts = Parts::default();
    if old.contains('\n') && new.contains('\n') {
        by_lines(old, new, &mut parts);
    } else {
        passage((old, 0), (new, 0), &mut parts);
    }
    parts.0
}

#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn push(&mut self, range: Range<usize>, source: Source) {
        if range.is_empty() {
            return;
        }
        if let Some(last) = self.0.last_mut() {
            let goes_on = match (last.source, source) {
                (Source::Old(a), Source::Old(b)) => a + last.range.len() == b,
                (a, b) => a == b,
            };
            if goes_on {
                last.range.end = range.end;
                return;
            }
        }
        self.0.push(Part { range, source });
    }
}

fn by_lines(old: &str, new: &str, parts: &mut Parts) {
    let (old_lines, new_lines) = (split(old), split(new));
    let found = lines::matches(&described(old, &old_lines), &described(new, &new_lines), true);
    let mut at = 0;
    // The old line that the next unmatched one would follow.
    let mut next_old = 0usize;
    while at < found.len() {
        if let Some(from) = found[at] {
            let (from, to) = (&old_lines[from as usize], &new_lines[at]);
            same_but_for_blanks((&old[from.clone()], from.start), (&new[to.clone()], to.start), parts);
            next_old = found[at].map_or(0, |o| o as usize + 1);
            at += 1;
            continue;
        }
        let end = found[at..].iter().position(Option::is_some).map_or(found.len(), |n| at + n);
        let old_end = found.get(end).copied().flatten().map_or(old_lines.len(), |o| o as usize);
        let to = new_lines[at].start..new_lines[end - 1].end;
        let from = match old_lines.get(next_old..old_end) {
            Some([first, .., last]) => first.start..last.end,
            Some([only]) => only.clone(),
            _ => 0..0,
        };
        passage((&old[from.clone()], from.start), (&new[to.clone()], to.start), parts);
        at = end;
    }
}

fn split(text: &str) -> Vec<Range<usize>> {
    let mut at = 0;
    text.split_inclusive('\n')
        .map(|line| {
            at += line.len();
            at - line.len()..at
        })
        .collect()
}

fn described(text: &str, lines: &[Range<usize>]) -> Vec<Line> {
    let lines = lines.iter().map(|r| &text[r.clone()]);
    lines.map(|l| Line { key: key(l), significant: significant(l), telling: l.trim().len() >= TELLING }).collect()
}

/// Two texts that differ in white space only.
fn same_but_for_blanks((old, old_at): (&str, usize), (new, new_at): (&str, usize), parts: &mut Parts) {
    if old == new {
        parts.push(new_at..new_at + new.len(), Source::Old(old_at));
        return;
    }
    let mut from = old.bytes().enumerate().filter(|(_, b)| !b.is_ascii_whitespace());
    let mut indents = true;
    for (i, byte) in new.bytes().enumerate() {
        let there = if byte.is_ascii_whitespace() { None } else { from.next() };
        indents &= there.is_none();
        let blank = if indents { Source::Ahead } else { Source::Near };
        let source = there.map_or(blank, |(o, _)| Source::Old(old_at + o));
        parts.push(new_at + i..new_at + i + 1, source);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Token<'t> {
    text: &'t str,
    at: usize,
    word: bool,
}

impl Token<'_> {
    fn end(&self) -> usize {
        self.at + self.text.len()
    }
}

/// A text as words and single other characters; white space only separates.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        let mut end = at + c.len_utf8();
        if is_word(c) {
            while let Some((i, c)) = chars.next_if(|(_, c)| is_word(*c)) {
                end = i + c.len_utf8();
            }
        }
        found.push(Token { text: &text[at..end], at, word: is_word(c) });
    }
    found
}

/// Text of which no line is the same.
fn passage((old, old_at): (&str, usize), (new, new_at): (&str, usize), parts: &mut Parts) {
    let all = new_at..new_at + new.len();
    let (a, b) = (tokens(old), tokens(new));
    if b.is_empty() {
        // White space only; where there was none before and nothing around it is old, its neighbour still says most.
        parts.push(all, Source::Near);
        return;
    }
    if a.is_empty() {
        parts.push(all, Source::New);
        return;
    }
    let pairs = pairs(&a, &b);
    let formatted = formatted(&a, &b, &pairs);
    if !formatted && !edited(&a, &b, &pairs) {
        parts.push(all, Source::New);
        return;
    }
    let (mut end, mut last): (usize, Option<usize>) = (0, None);
    for (j, token) in b.iter().enumerate() {
        let gap = new_at + end..new_at + token.at;
        let from = pairs[j].map(|i| a[i]);
        let before = if j == 0 { Some(0) } else { last.map(|i: usize| a[i].end()) };
        match (from, before) {
            (Some(from), Some(before)) if old.get(before..from.at) == Some(&new[end..token.at]) => {
                parts.push(gap, Source::Old(old_at + before));
            }
            (None, _) if !formatted => parts.push(gap, Source::New),
            _ => {
                let line = gap.start + new[end..token.at].rfind('\n').map_or(0, |n| n + 1);
                parts.push(gap.start..line, Source::Near);
                parts.push(line..gap.end, if line > gap.start { Source::Ahead } else { Source::Near });
            }
        }
        let source = from.map_or(if formatted { Source::Near } else { Source::New }, |f| Source::Old(old_at + f.at));
        parts.push(new_at + token.at..new_at + token.end(), source);
        (end, last) = (token.end(), pairs[j]);
    }
    let source =
        last.map_or(Source::Near, |i| if old[a[i].end()..] == new[end..] { Source::Old(old_at + a[i].end()) } else { Source::Near });
    parts.push(new_at + end..all.end, source);
}

/// For each new token the old one it is.
fn pairs(a: &[Token<'_>], b: &[Token<'_>]) -> Vec<Option<usize>> {
    let most = a.len().min(b.len());
    let first = (0..most).take_while(|i| a[*i].text == b[*i].text).count();
    let last = (0..most - first).take_while(|i| a[a.len() - 1 - i].text == b[b.len() - 1 - i].text).count();
    let mut found = vec![None; b.len()];
    for (j, pair) in found[..first].iter_mut().enumerate() {
        *pair = Some(j);
    }
    for j in 1..=last {
        found[b.len() - j] = Some(a.len() - j);
    }
    let (a_end, b_end) = (a.len() - last, b.len() - last);
    if first < a_end && first < b_end {
        let mut input = InternedInput::default();
        input.update_before(a[first..a_end].iter().map(|t| t.text));
        input.update_after(b[first..b_end].iter().map(|t| t.text));
        let diff = Diff::compute(Algorithm::Myers, &input);
        let (mut o, mut n) = (first, first);
        let mut same = |range: Range<usize>, from: usize| {
            for (i, pair) in found[range].iter_mut().enumerate() {
                *pair = Some(from + i);
            }
        };
        for hunk in diff.hunks() {
            same(n..first + hunk.after.start as usize, o);
            (o, n) = (first + hunk.before.end as usize, first + hunk.after.end as usize);
        }
        same(n..b_end, o);
    }
    found
}

/// Whether only white space and a formatter's punctuation changed.
fn formatted(a: &[Token<'_>], b: &[Token<'_>], pairs: &[Option<usize>]) -> bool {
    let mut kept = vec![false; a.len()];
    for i in pairs.iter().copied().flatten() {
        kept[i] = true;
    }
    let formatting = |t: &Token<'_>| FORMATTING.contains(t.text);
    let lost = a.iter().zip(&kept).filter(|(_, kept)| !**kept).map(|(t, _)| t);
    let come = b.iter().zip(pairs).filter(|(_, pair)| pair.is_none()).map(|(t, _)| t);
    lost.chain(come).all(formatting)
}

/// Whether enough survives to call it an edit of the old text.
fn edited(a: &[Token<'_>], b: &[Token<'_>], pairs: &[Option<usize>]) -> bool {
    let words = |tokens: &[Token<'_>]| tokens.iter().filter(|t| t.word).count();
    let kept = pairs.iter().copied().flatten().filter(|i| a[*i].word).count();
    let most = words(a).max(words(b)).max(1);
    if kept * 100 >= most * SURVIVES {
        return true;
    }
    // All of it, in one piece, with more text around.
    let Some(start) = pairs.iter().position(Option::is_some) else { return false };
    a.len() >= 3 && (0..a.len()).all(|i| pairs.get(start + i) == Some(&Some(i)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The new text with `+` for news, `.` for near, and the rest as it is.
    fn shown(old: &str, new: &str) -> String {
        let mut out = String::new();
        for part in align(old, new) {
            match part.source {
                Source::Old(_) => out.push_str(&new[part.range]),
                Source::Near => out.extend(part.range.map(|_| '.')),
                Source::Ahead => out.extend(part.range.map(|_| '>')),
                Source::New => out.extend(part.range.map(|_| '+')),
            }
        }
        out
    }

    #[test]
    fn formatting_is_no_news() {
        assert_eq!(shown("f( 'a',b )", "f(\n    \"a\",\n    b,\n)"), "f(.>>>>.a.,.>>>>b..)");
        assert_eq!(shown("a=1\nb=2\n", "a = 1\nb = 2\n"), "a.=.1.b.=.2.");
    }

    #[test]
    fn an_edit_keeps_the_rest_and_a_rewrite_keeps_nothing() {
        assert_eq!(shown("if alpha and beta and gamma:", "if alpha and delta and gamma:"), "if alpha and++++++.and gamma:");
        assert_eq!(shown("    return total", "    raise Error(value)"), "+".repeat(22));
        assert_eq!(shown("use(x)", "if ok { use(x) }"), "+++++++.use(x)++");
    }

    #[test]
    fn one_changed_line_of_many_is_one_changed_line() {
        let old = (0..10).map(|i| format!("let value_{i} = {i};\n")).collect::<Vec<_>>().concat();
        let new = old.replace("let value_4 = 4;", "emit_everything(now);");
        assert_eq!(shown(&old, &new), new.replace("emit_everything(now);\n", &"+".repeat(22)));
    }

    proptest! {
        #[test]
        fn parts_cover_the_new_text_and_old_bytes_are_the_same(old in "[ab(){}, \n]{0,60}", new in "[ab(){}, \n]{0,60}") {
            let mut at = 0;
            for part in align(&old, &new) {
                prop_assert_eq!(part.range.start, at);
                at = part.range.end;
                if let Source::Old(from) = part.source {
                    prop_assert_eq!(&old.as_bytes()[from..from + part.range.len()], &new.as_bytes()[part.range.clone()]);
                }
            }
            prop_assert_eq!(at, new.len());
        }
    }
}
