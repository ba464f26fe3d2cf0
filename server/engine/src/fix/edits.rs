//! Edits in the making, and the file's own habits: line ends, indentation, quotes.

use crate::{
    analysis::SourceFile,
    finding::{Edit, Fix, Safety},
    lang::Language,
};
use std::ops::Range;

/// Edits in any order.
#[derive(Clone, Debug, Default)]
pub(super) struct Edits(Vec<Edit>);

impl Edits {
    /// Replaces `span` (bytes of the file).
    pub(super) fn replace(&mut self, span: Range<usize>, text: impl Into<String>) {
        self.0.push(Edit { span, text: text.into() });
    }

    /// Inserts at a byte position.
    pub(super) fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at..at, text);
    }

    /// Sorts and checks them: disjoint, inside the file, on character boundaries, and doing something.
    /// Their line ends become those of the file.
    pub(super) fn into_fix(self, file: &str, title: String, safety: Safety) -> Result<Fix, String> {
        let newline = newline(file);
        let mut edits: Vec<Edit> = Vec::with_capacity(self.0.len());
        let mut open = self.0;
        open.sort_by_key(|e| (e.span.start, e.span.end));
        for mut edit in open {
            if newline != "\n" && edit.text.contains('\n') {
                edit.text = edit.text.replace("\r\n", "\n").replace('\n', newline);
            }
            let Some(old) = file.get(edit.span.clone()) else { return Err("the rewrite would cut the text in the wrong place".into()) };
            if old == edit.text {
                continue;
            }
            match edits.last_mut() {
                Some(last) if edit.span.start < last.span.end => return Err("the parts of the rewrite overlap".into()),
                Some(last) if edit.span.start == last.span.end => {
                    last.span.end = edit.span.end;
                    last.text.push_str(&edit.text);
                }
                _ => edits.push(edit),
            }
        }
        if edits.is_empty() {
            return Err("the rewrite would change nothing".into());
        }
        Ok(Fix { title, edits, safety })
    }
}

/// The line end most lines of the file have.
pub(super) fn newline(file: &str) -> &'static str {
    let all = file.bytes().filter(|b| *b == b'\n').count();
    if file.matches("\r\n").count() * 2 > all { "\r\n" } else { "\n" }
}

/// First byte of the line that `at` is in.
pub(super) fn line_start(file: &str, at: usize) -> usize {
    file[..at].rfind('\n').map_or(0, |i| i + 1)
}

/// One past the line that `at` is in, its line end included.
pub(super) fn line_end(file: &str, at: usize) -> usize {
    file[at..].find('\n').map_or(file.len(), |i| at + i + 1)
}

/// The white space before the text of the line that `at` is in.
pub(super) fn indent(file: &str, at: usize) -> &str {
    let line = &file[line_start(file, at)..];
    let end = line.find(|c| c != ' ' && c != '\t').unwrap_or(line.len());
    &line[..end]
}

/// One level of indentation as the text around `at` has it, else as the file mostly has it.
pub(super) fn unit(file: &SourceFile, at: usize) -> String {
    let text = &file.text;
    let mut node = file.tree.root_node().descendant_for_byte_range(at, at);
    // The nearest block that is indented against what opens it.
    while let Some(n) = node {
        node = n.parent();
        if !matches!(n.kind(), "block" | "statement_block") {
            continue;
        }
        let opener = n.parent().map_or(n.start_byte(), |p| p.start_byte());
        let inner = (0..n.named_child_count()).filter_map(|i| n.named_child(i as u32));
        for child in inner.filter(|c| line_start(text, c.start_byte()) > opener) {
            let (outer, own) = (indent(text, opener), indent(text, child.start_byte()));
            if let Some(unit) = own.strip_prefix(outer).filter(|u| !u.is_empty() && (u.starts_with('\t') || u.len() <= 8)) {
                return unit.to_string();
            }
        }
    }
    let (mut steps, mut tabs, mut before) = ([0usize; 9], 0, 0);
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let spaces = line.len() - line.trim_start_matches(' ').len();
        tabs += usize::from(line.starts_with('\t'));
        if spaces > before + 1 && spaces - before <= 8 {
            steps[spaces - before] += 1;
        }
        before = spaces;
    }
    let default = if file.language == Language::Python { 4 } else { 2 };
    let (width, count) = (2..=8).map(|w| (w, steps[w])).max_by_key(|(w, n)| (*n, 9 - w)).unwrap_or((default, 0));
    match (tabs > count, count) {
        (true, _) => "\t".into(),
        (false, 0) => " ".repeat(default),
        (false, _) => " ".repeat(width),
    }
}

/// The quote that most strings of the file have.
pub(super) fn quote(file: &str) -> char {
    let count = |q: char| file.matches(q).count();
    if count('\'') > count('"') { '\'' } else { '"' }
}

/// A string literal with this text, in a quote that needs no escapes if there is one.
pub(super) fn literal(file: &str, text: &str) -> String {
    let first = quote(file);
    let other = if first == '"' { '\'' } else { '"' };
    let q = if text.contains(first) && !text.contains(other) { other } else { first };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(q);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == q => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push(q);
    out
}

/// A piece of a string that is put together.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    /// Source text of an expression.
    Code(String),
}

/// An f-string or template literal of these pieces. A single expression is said as it is.
pub(super) fn build(language: Language, file: &str, pieces: &[Piece]) -> Result<String, String> {
    match pieces {
        [] => return Ok(literal(file, "")),
        [Piece::Text(t)] => return Ok(literal(file, t)),
        [Piece::Code(c)] => return Ok(c.clone()),
        _ => {}
    }
    if pieces.iter().all(|p| matches!(p, Piece::Text(_))) {
        let text: String = pieces.iter().map(|p| if let Piece::Text(t) = p { t.as_str() } else { "" }).collect();
        return Ok(literal(file, &text));
    }
    let python = language == Language::Python;
    let mut quotes = if python { vec![quote(file), if quote(file) == '"' { '\'' } else { '"' }] } else { vec!['`'] };
    // Before Python 3.12 the quote of an f-string could not stand in its holes.
    quotes.retain(|q| !pieces.iter().any(|p| matches!(p, Piece::Code(c) if c.contains(*q))));
    let Some(q) = quotes.first().copied() else { return Err("the parts can't be put into one string without quoting trouble".into()) };
    let mut out = String::new();
    if python {
        out.push('f');
    }
    out.push(q);
    for piece in pieces {
        match piece {
            Piece::Code(c) => {
                if python && c.contains(['\\', '\n', '#']) {
                    return Err("an expression with line breaks or backslashes can't stand in a string's hole".into());
                }
                out.push_str(if python { "{" } else { "${" });
                out.push_str(c);
                out.push('}');
            }
            Piece::Text(t) => {
                for c in t.chars() {
                    match c {
                        '\\' => out.push_str("\\\\"),
                        '\n' => out.push_str("\\n"),
                        '\r' => out.push_str("\\r"),
                        '{' | '}' if python => {
                            out.push(c);
                            out.push(c);
                        }
                        '$' if !python => out.push_str("\\$"),
                        c if c == q => {
                            out.push('\\');
                            out.push(c);
                        }
                        c => out.push(c),
                    }
                }
            }
        }
    }
    out.push(q);
    Ok(out)
}
