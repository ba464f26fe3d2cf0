//! What is said about a finding under the cursor: at most eight lines.

use super::answer::Answer;
use qualm_engine::{Finding, Fix, RuleSet};

/// Lines of one hover.
const LINES: usize = 8;
/// Characters of one line of prose.
const WIDTH: usize = 320;

/// The findings at a byte, the narrowest first; if there are none, nothing.
pub fn at(answer: &Answer, byte: usize) -> Vec<&Finding> {
    let mut found: Vec<&Finding> = answer.findings.iter().filter(|f| f.span.start <= byte && byte <= f.span.end).collect();
    found.sort_by_key(|f| f.span.len());
    found.dedup_by(|a, b| a.rule == b.rule && a.span == b.span);
    found
}

/// The text: what and why, the input that exploits it, the rewrite.
pub fn text(findings: &[&Finding], rules: &RuleSet, fix: Option<&Fix>, origin: Option<&str>, markdown: bool) -> String {
    let mut lines = Vec::new();
    let Some(first) = findings.first() else { return String::new() };
    let rule = rules.rule(&first.rule);
    let title = rule.map_or(&*first.rule, |r| r.title.as_str());
    let mut names = vec![first.rule.to_string()];
    names.extend(rule.iter().flat_map(|r| r.cwe.iter().map(|c| format!("CWE-{c}"))));
    lines.push(if markdown { format!("**{title}** `{}`", names.join("` `")) } else { format!("{title} ({})", names.join(", ")) });
    lines.push(plain(&first.message));
    if let Some(origin) = origin {
        let origin = plain(origin);
        lines.push(if markdown { format!("*Origin:* {origin}") } else { format!("Origin: {origin}") });
    }
    if let Some(rule) = rule {
        let why: Vec<String> = sentences(&rule.why);
        let lesson = sentences(&rule.lesson).into_iter().next();
        lines.extend(why.into_iter().take(3));
        if fix.is_none() {
            lines.extend(lesson.map(|l| if markdown { format!("*Instead:* {l}") } else { format!("Instead: {l}") }));
        }
    }
    if let Some(fix) = fix {
        lines.push(if markdown { format!("*Rewrite:* {}", fix.title) } else { format!("Rewrite: {}", fix.title) });
    }
    let others: Vec<&str> = findings[1..].iter().map(|f| &*f.rule).collect();
    if !others.is_empty() {
        lines.truncate(LINES - 1);
        lines.push(format!("Also here: {}", others.join(", ")));
    }
    lines.truncate(LINES);
    // Markdown joins lines unless they end in two spaces.
    lines.join(if markdown { "  \n" } else { "\n" })
}

/// One line without markup that a message might bring along by accident.
fn plain(text: &str) -> String {
    crate::lines::one_line(text)
}

/// The sentences of a paragraph, each on one line of bounded length.
fn sentences(prose: &str) -> Vec<String> {
    let text = prose.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    for (i, c) in text.char_indices() {
        let next_starts = bytes.get(i + 1) == Some(&b' ') && text[i + 1..].trim_start().chars().next().is_some_and(|c| !c.is_lowercase());
        if matches!(c, '.' | '!' | '?') && next_starts {
            out.push(text[start..=i].trim().to_owned());
            start = i + 1;
        }
    }
    out.push(text[start..].trim().to_owned());
    out.retain(|s| !s.is_empty());
    for sentence in &mut out {
        if sentence.chars().count() > WIDTH {
            *sentence = sentence.chars().take(WIDTH - 1).chain(['\u{2026}']).collect();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_the_next_begins() {
        assert_eq!(sentences("One thing, e.g. this.\nTwo `a.b` things! End"), ["One thing, e.g. this.", "Two `a.b` things!", "End"]);
    }
}
