//! Comments that answer a finding: `qualm: allow(rule[, rule]) because REASON`, for the line it stands on
//! or the code that follows it, and `qualm: allow-file(rule) because REASON` for the whole file.
//!
//! An answer without a reason still holds, and is itself reported; one that answers nothing is reported too.

use super::finding;
use crate::{
    finding::{Finding, Persona},
    rules::{Rule, RuleKind, RuleSet},
};
use std::ops::Range;
use tree_sitter::{Node, Tree};

/// Rule of an answer that says no reason.
pub const WITHOUT_REASON: &str = "suppression-without-reason";
/// Rule of an answer to nothing.
pub const UNUSED: &str = "unused-suppression";
/// The rules judged here; their files describe them, their expressions are not searched for.
pub(super) const BUILT_IN: [&str; 2] = [WITHOUT_REASON, UNUSED];

const MARKER: &str = "qualm:";

/// What the comments of a file are judged with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    #[allow(missing_docs)]
    pub rules: &'a RuleSet,
    /// The file.
    pub text: &'a str,
    /// Its tree, if its language has a grammar.
    pub tree: Option<&'a Tree>,
    /// Everything was analysed: what answers nothing now is really unused.
    pub complete: bool,
}

/// One parsed comment.
struct Suppression<'a> {
    /// From the marker to the end of the rule list.
    span: Range<usize>,
    /// Rule ids with their places.
    rules: Vec<(&'a str, Range<usize>)>,
    reason: bool,
    reach: Reach,
}

enum Reach {
    File,
    /// The line that starts at this byte.
    Line(usize),
}

/// Whether a text may hold suppressions at all: without the marker nothing else needs to be collected.
pub fn possible(text: &str) -> bool {
    text.contains(MARKER)
}

/// Leaves out what the comments (byte ranges in the file, sorted) answer, and adds what is wrong with the
/// comments themselves. The result is sorted by position, then rule.
pub fn apply(context: Context<'_>, comments: &[Range<usize>], findings: Vec<Finding>) -> Vec<Finding> {
    run(context, comments, findings, true)
}

/// Leaves out what the comments answer, and says nothing about the comments.
pub fn answered(context: Context<'_>, comments: &[Range<usize>], findings: Vec<Finding>) -> Vec<Finding> {
    run(context, comments, findings, false)
}

fn run(context: Context<'_>, comments: &[Range<usize>], mut findings: Vec<Finding>, judged: bool) -> Vec<Finding> {
    if !comments.is_empty() && possible(context.text) {
        let suppressions: Vec<_> = comments.iter().flat_map(|c| parse(context.text, comments, c)).collect();
        let mut used: Vec<Vec<bool>> = suppressions.iter().map(|s| vec![false; s.rules.len()]).collect();
        findings.retain(|finding| {
            let mut answered = false;
            for (suppression, used) in suppressions.iter().zip(&mut used) {
                for ((id, _), used) in suppression.rules.iter().zip(used) {
                    if *id == &*finding.rule && covers(context, &suppression.reach, finding) {
                        answered = true;
                        *used = true;
                    }
                }
            }
            !answered
        });
        for (suppression, used) in suppressions.iter().zip(&used).filter(|_| judged) {
            judge(context, suppression, used, &mut findings);
        }
    }
    findings.sort_by(|a, b| (a.span.start, a.span.end, &a.rule).cmp(&(b.span.start, b.span.end, &b.rule)));
    findings
}

fn judge(context: Context<'_>, suppression: &Suppression<'_>, used: &[bool], findings: &mut Vec<Finding>) {
    if let Some(rule) = context.rules.rule(WITHOUT_REASON).filter(|_| !suppression.reason) {
        findings.push(finding(rule, suppression.span.clone(), ""));
    }
    let Some(unused) = context.rules.rule(UNUSED) else { return };
    for ((id, span), used) in suppression.rules.iter().zip(used) {
        match context.rules.rule(id) {
            None => {
                let mut new = finding(unused, span.clone(), id);
                new.message = format!("There is no rule `{id}`");
                findings.push(new);
            }
            Some(rule) if !used && context.complete && always_judged(rule) => findings.push(finding(unused, span.clone(), id)),
            Some(_) => {}
        }
    }
}

/// Whether the silence of a rule means that there is nothing to find: not so for rules that speak in foreign
/// text or on request only, or that look at edits or at the state of the project.
fn always_judged(rule: &Rule) -> bool {
    rule.persona == Persona::Regular && !matches!(rule.kind, RuleKind::Change { .. } | RuleKind::Dependency { .. } | RuleKind::Missing(_))
}

fn parse<'a>(text: &'a str, comments: &[Range<usize>], comment: &Range<usize>) -> Vec<Suppression<'a>> {
    let Some(body) = text.get(comment.clone()) else { return Vec::new() };
    let mut found = Vec::new();
    for (at, _) in body.match_indices(MARKER) {
        let rest = &body[at + MARKER.len()..];
        let order = rest.trim_start();
        let Some(tail) = order.strip_prefix("allow") else { continue };
        let (tail, whole_file) = tail.strip_prefix("-file").map_or((tail, false), |t| (t, true));
        let Some(list) = tail.trim_start().strip_prefix('(') else { continue };
        let Some(close) = list.find([')', '\n']).filter(|&c| list.as_bytes()[c] == b')') else { continue };
        let offset = |part: &str| comment.start + (part.as_ptr() as usize - body.as_ptr() as usize);
        let rules =
            list[..close].split(',').map(str::trim).filter(|id| !id.is_empty()).map(|id| (id, offset(id)..offset(id) + id.len())).collect();
        let reach = if whole_file { Reach::File } else { Reach::Line(answered_line(text, comments, comment)) };
        found.push(Suppression {
            span: comment.start + at..offset(&list[close..]) + 1,
            rules,
            reason: has_reason(&list[close + 1..]),
            reach,
        });
    }
    found
}

/// `because` and at least one word.
fn has_reason(rest: &str) -> bool {
    let rest = rest.trim_start_matches([' ', '\t', ',', ':', '-', '\u{2014}']);
    rest.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("because"))
        && rest[7..].lines().next().is_some_and(|reason| reason.chars().filter(|c| c.is_alphabetic()).count() >= 3)
}

/// Start of the line a comment speaks about: its own if there is code on it, or else that of the next code.
fn answered_line(text: &str, comments: &[Range<usize>], comment: &Range<usize>) -> usize {
    let line = line_start(text, comment.start);
    let before = text[line..comment.start].trim();
    // `{/* .. */}` is how a comment stands alone inside JSX.
    let jsx = before == "{" && text[comment.end..].trim_start().starts_with('}');
    if !before.is_empty() && !jsx && !comments.iter().any(|c| c.end <= comment.start && c.start >= line) {
        return line;
    }
    let mut at = comment.end;
    if jsx {
        at += text[at..].find('}').map_or(0, |p| p + 1);
    }
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        let next = comments.partition_point(|c| c.end <= at);
        match comments.get(next) {
            Some(other) if other.start <= at && at < other.end => at = other.end,
            _ => return line_start(text, at),
        }
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().rposition(|b| *b == b'\n').map_or(0, |p| p + 1)
}

fn covers(context: Context<'_>, reach: &Reach, finding: &Finding) -> bool {
    let &Reach::Line(line) = reach else { return true };
    let at = finding.span.start;
    line_start(context.text, at) == line || context.tree.is_some_and(|tree| starts_on(context.text, tree, line, at))
}

/// Whether some part of the innermost statement around `at` starts that line and holds `at`: the statement
/// itself, an argument, an entry of a literal. Statements nested in it answer for themselves.
fn starts_on(text: &str, tree: &Tree, line: usize, at: usize) -> bool {
    let mut node = tree.root_node().descendant_for_byte_range(at, at);
    while let Some(inner) = node {
        let start = inner.start_byte();
        if start >= line && start <= at && text[line..start].trim().is_empty() && line_start(text, start) == line {
            return true;
        }
        let parent = inner.parent();
        if is_statement(inner, parent) {
            return false;
        }
        node = parent;
    }
    false
}

fn is_statement(node: Node<'_>, parent: Option<Node<'_>>) -> bool {
    const HOLDS_STATEMENTS: [&str; 7] = ["block", "module", "program", "statement_block", "class_body", "switch_case", "switch_default"];
    const CLAUSES: [&str; 8] = [
        "elif_clause",
        "else_clause",
        "except_clause",
        "except_group_clause",
        "finally_clause",
        "catch_clause",
        "case_clause",
        "switch_case",
    ];
    CLAUSES.contains(&node.kind()) || parent.is_none_or(|p| HOLDS_STATEMENTS.contains(&p.kind()))
}

/// Comments of a file whose language has no grammar: from a comment sign that starts a line or follows a
/// blank, and stands before the marker, to the end of its line.
pub fn plain_comments(text: &str) -> Vec<Range<usize>> {
    const SIGNS: [&str; 8] = ["#", "//", "/*", "<!--", "--", ";", "%", "*"];
    let mut found = Vec::new();
    for (at, _) in text.match_indices(MARKER) {
        let line = line_start(text, at);
        let head = &text[line..at];
        let sign = SIGNS.iter().filter_map(|sign| {
            head.match_indices(sign).map(|(p, _)| p).find(|&p| head[..p].chars().next_back().is_none_or(char::is_whitespace))
        });
        if let Some(start) = sign.min() {
            let end = text[at..].find('\n').map_or(text.len(), |p| at + p);
            let range = line + start..end;
            if found.last() != Some(&range) {
                found.push(range);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::{
        analysis::{Engine, Foreign},
        judge::testing::{set, shown, text, vet},
        lang::Language,
        rules::{Rule, TextPlace},
    };

    fn rules() -> Vec<Rule> {
        let mut all = vec![text("bad", TextPlace::Code, r"\bbad[0-9]?\("), text("raw", TextPlace::File, "BAD")];
        all.extend([super::WITHOUT_REASON, super::UNUSED].map(|id| text(id, TextPlace::Comment, "x")));
        all
    }

    fn python(source: &str) -> Vec<(String, String)> {
        vet(rules(), Language::Python, source)
    }

    #[test]
    fn a_comment_answers_its_line_or_the_next_code() {
        assert_eq!(python("bad(1)  # qualm: allow(bad) because tests need it\n"), []);
        assert_eq!(python("# qualm: allow(bad) because tests need it\n# and more\n\nbad(1)\n"), []);
        let two = python("# qualm: allow(bad) because tests need it\nbad1(1)\nbad2(2)\n");
        assert_eq!(two, [("bad".to_string(), "bad2(".to_string())]);
    }

    #[test]
    fn a_statement_is_covered_whole_but_not_what_it_holds() {
        let call = "# qualm: allow(bad) because tests need it\ngood(\n    1,\n    bad(1),\n)\n";
        assert_eq!(python(call), []);
        let held = "# qualm: allow(bad) because tests need it\nif bad1(\n    bad2(1)):\n    bad3(3)\n";
        assert_eq!(python(held), [("bad".to_string(), "bad3(".to_string())]);
        let entry = "f(1,\n  # qualm: allow(bad) because tests need it\n  g(2,\n    bad1(3)),\n  bad2(4))\n";
        assert_eq!(python(entry), [("bad".to_string(), "bad2(".to_string())]);
    }

    #[test]
    fn a_file_is_answered_at_once() {
        assert_eq!(python("# qualm: allow-file(bad) because generated\ndef f():\n    bad(1)\nbad(2)\n"), []);
    }

    #[test]
    fn answers_without_reason_or_use_are_reported() {
        assert_eq!(python("bad(1)  # qualm: allow(bad)\n"), [("suppression-without-reason".to_string(), "qualm: allow(bad)".to_string())]);
        assert_eq!(
            python("good(1)  # qualm: allow(bad, typo) because it is fine\n"),
            [("unused-suppression".to_string(), "bad".to_string()), ("unused-suppression".to_string(), "typo".to_string())]
        );
    }

    #[test]
    fn strings_answer_nothing() {
        assert_eq!(python("bad('# qualm: allow(bad) because no')\n").len(), 1);
    }

    #[test]
    fn jsx_comments_answer_the_next_element() {
        let source = "const a = (\n  <div>\n    {/* qualm: allow(bad) because it is static */}\n    <p x={bad1(2)} />\n    <p x={bad2(3)} />\n  </div>\n);\n";
        assert_eq!(vet(rules(), Language::Tsx, source), [("bad".to_string(), "bad2(".to_string())]);
    }

    #[test]
    fn files_without_grammar_have_comments_too() {
        let engine = Engine::new(set(rules()));
        let text = "a: BAD # qualm: allow(raw) because of reasons\n# qualm: allow(raw) because of reasons\nb: BAD\nc: BAD\n";
        assert_eq!(shown(text, &engine.analyse_text("x.yml", text, &Foreign::None)), [("raw".to_string(), "BAD".to_string())]);
    }

    #[test]
    fn odd_comments_do_no_harm() {
        for comment in
            ["# qualm:", "# qualm: allow", "# qualm: allow(", "# qualm: allow()", "# qualm: allow(é) because ñ", "# qualm: allow(bad"]
        {
            assert!(python(&format!("bad(1)  {comment}\n{comment}")).iter().any(|f| f.0 == "bad"), "{comment}");
        }
    }
}
