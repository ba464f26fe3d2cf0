//! Edits in the making, and the file's own habits: line ends, indentation, quotes.

use crate::{
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

/// One level of indentation as the file has it.
pub(super) fn unit(file: &str, language: Language) -> String {
    let mut width = usize::MAX;
    for line in file.lines() {
        if line.starts_with('\t') {
            return "\t".into();
        }
        let spaces = line.len() - line.trim_start_matches(' ').len();
        if spaces > 1 && !line.trim().is_empty() && !line.trim_start().starts_with('*') {
            width = width.min(spaces);
        }
    }
    let default = if language == Language::Python { 4 } else { 2 };
    " ".repeat(if width > 8 { default } else { width })
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
