//! What can be done about findings: rewrites that were proven, a suppression that was proven to work, and all safe
//! rewrites at once. Always computed on the present text, never on an earlier one.

use super::{
    answer::Answer,
    home::Home,
    session::{Snapshot, lock},
};
use crate::workspace::Vetted;
use qualm_engine::{Edit, Finding, Fix, Refusal, Safety, SourceFile, syntax};
use std::{
    collections::HashMap,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};
use tree_sitter::Node;

/// What was worked out for an answer so far, by index into its own findings.
#[derive(Default)]
pub struct Offers {
    fixes: HashMap<usize, Result<Fix, Refusal>>,
    allows: HashMap<usize, Option<Edit>>,
}

/// At most so many findings get actions in one menu.
const MENU: usize = 8;
/// Bounds of applying every safe rewrite.
const ROUNDS: usize = 500;
const FIX_ALL_TIME: Duration = Duration::from_secs(3);

/// What can be done about one finding.
pub struct Offer {
    /// Index into [`findings`] of the answer.
    pub index: usize,
    /// The rewrite, or why there is none.
    pub fix: Result<Fix, Refusal>,
    /// The rule has a rewrite at all.
    pub has_recipe: bool,
    /// Inserts a comment that silences the finding.
    pub allow: Option<Edit>,
}

/// The findings that actions may be about: those of the text itself.
pub fn findings(answer: &Answer) -> &Arc<Vec<Finding>> {
    answer.pure.as_ref().unwrap_or(&answer.findings)
}

/// What can be done about the findings on the lines that `bytes` touches. `snapshot` is the text of `answer`.
pub fn offers(snapshot: &Snapshot, answer: &Answer, bytes: &Range<usize>) -> Vec<Offer> {
    let rope = &snapshot.rope;
    let line = |byte: usize| rope.byte_to_line(byte.min(rope.len_bytes()));
    let wanted = line(bytes.start)..=line(bytes.end);
    let on_lines = |f: &Finding| line(f.span.start) <= *wanted.end() && *wanted.start() <= line(f.span.end);
    let indices: Vec<usize> = findings(answer).iter().enumerate().filter(|(_, f)| on_lines(f)).map(|(i, _)| i).take(MENU).collect();
    if indices.is_empty() {
        return Vec::new();
    }
    let Some(source) = answer.home.source(snapshot) else { return Vec::new() };
    let rules = answer.home.workspace.engine.rules();
    let mut known = lock(&answer.offers);
    let mut out = Vec::new();
    for index in indices {
        let finding = &findings(answer)[index];
        let fix = known.fixes.entry(index).or_insert_with(|| answer.home.fix(lock(&snapshot.cache).fork(), &source, finding)).clone();
        let allow = known.allows.entry(index).or_insert_with(|| allow(snapshot, &source, &answer.home, finding)).clone();
        let has_recipe = rules.rule(&finding.rule).is_some_and(|r| !r.fixes.is_empty());
        out.push(Offer { index, fix, has_recipe, allow });
    }
    out
}

/// The comment that silences a finding, on a line of its own above it; only if it really does.
fn allow(snapshot: &Snapshot, source: &SourceFile, home: &Home, finding: &Finding) -> Option<Edit> {
    let text = &source.text;
    let start = insertion(source, finding.span.start);
    let indent: String = text[start..].chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
    let eol = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let comment = source.language.info().line_comment;
    let insert = format!("{indent}{comment} qualm: allow({}) because <reason>{eol}", finding.rule);
    let edit = Edit { span: start..start, text: insert };
    let after = Fix { title: String::new(), edits: vec![edit.clone()], safety: Safety::Manual }.apply(text);
    let tree = syntax::reparse(source.language, text, &source.tree, std::slice::from_ref(&edit), &after)?;
    let copy = SourceFile { text: after.into(), tree, ..source.clone() };
    let span = finding.span.start + edit.text.len()..finding.span.end + edit.text.len();
    let mut cache = lock(&snapshot.cache).fork();
    let analysis = home.analyse(&Vetted::Source(copy), &mut cache, &|| false)?;
    let silenced = !analysis.findings.iter().any(|f| f.rule == finding.rule && f.span == span);
    silenced.then_some(edit)
}

/// The start of the line above which a comment may stand: not inside a string, a template or markup.
fn insertion(source: &SourceFile, byte: usize) -> usize {
    let text = &source.text;
    let line_start = |byte: usize| text[..byte].rfind('\n').map_or(0, |i| i + 1);
    let mut start = line_start(byte);
    let opaque = |n: &Node<'_>| {
        let kind = n.kind();
        n.start_byte() < start && n.end_byte() > start && (kind.contains("string") || kind.contains("template") || kind.starts_with("jsx"))
    };
    let mut node = source.tree.root_node().descendant_for_byte_range(start, start);
    let mut outermost = None;
    while let Some(n) = node {
        if opaque(&n) {
            outermost = Some(n.start_byte());
        }
        node = n.parent();
    }
    if let Some(at) = outermost {
        start = line_start(at);
    }
    start
}

/// One edit for each changed stretch of lines after all safe rewrites were made, one by one. `None`: there are none.
pub fn fix_all(snapshot: &Snapshot, home: &Home) -> Option<Vec<Edit>> {
    let mut source = home.source(snapshot)?;
    let original = source.text.clone();
    let deadline = Instant::now() + FIX_ALL_TIME;
    let mut cache = qualm_engine::Cache::default();
    for _ in 0..ROUNDS {
        let analysis = home.analyse(&Vetted::Source(source.clone()), &mut cache, &|| Instant::now() > deadline);
        let Some(analysis) = analysis else { break };
        let fixes = analysis.findings.iter().filter_map(|f| home.fix(cache.fork(), &source, f).ok());
        let Some(fix) = fixes.into_iter().find(|f| f.safety == Safety::Safe) else { break };
        let text = fix.apply(&source.text);
        let Some(tree) = syntax::parse(source.language, &text, None, || Instant::now() < deadline) else { break };
        source = SourceFile { text: text.into(), tree, ..source };
    }
    (source.text != original).then(|| difference(&original, &source.text))
}

/// The edits that turn one text into another, by lines.
fn difference(old: &str, new: &str) -> Vec<Edit> {
    let starts = |text: &str| -> Vec<usize> {
        let mut at = vec![0];
        at.extend(text.split_inclusive('\n').scan(0, |sum, line| {
            *sum += line.len();
            Some(*sum)
        }));
        at
    };
    let (a, b) = (starts(old), starts(new));
    let (old_lines, new_lines): (Vec<&str>, Vec<&str>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let deadline = Some(Instant::now() + Duration::from_millis(500));
    similar::capture_diff_slices_deadline(similar::Algorithm::Histogram, &old_lines, &new_lines, deadline)
        .iter()
        .filter(|op| !matches!(op, similar::DiffOp::Equal { .. }))
        .map(|op| {
            let (o, n) = (op.old_range(), op.new_range());
            Edit { span: a[o.start]..a[o.end], text: new[b[n.start]..b[n.end]].to_owned() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_turns_one_text_into_the_other() {
        let old = "a\nb\r\nc\nd";
        let new = "x\na\nb\r\nC\nd\n";
        let fix = Fix { title: String::new(), edits: difference(old, new), safety: Safety::Safe };
        assert_eq!(fix.apply(old), new);
        assert!(fix.edits.len() > 1);
    }

    #[test]
    fn a_comment_never_lands_inside_a_string() {
        let text = "x = f(\"\"\"a\nb\nc\"\"\", 1)\n";
        let source = SourceFile::parse("a.py", qualm_engine::Language::Python, text, qualm_engine::Foreign::None).unwrap();
        assert_eq!(insertion(&source, text.find('c').unwrap()), 0);
    }
}
