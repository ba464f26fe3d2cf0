//! Strings and numbers: prefixes, escapes, f-string holes, adjacent literals.

use super::expr::expr;
use super::kinds::{F, Kind, field, kind};
use crate::ir::{ExprId, ExprKind, Lit, Span};
use crate::lang::Lowering;
use std::borrow::Cow;
use std::sync::Arc;
use tree_sitter::Node;

/// What the letters before the quote say.
#[derive(Clone, Copy, Default)]
struct Prefix {
    raw: bool,
    format: bool,
    bytes: bool,
}

impl Prefix {
    fn of(start: &str) -> Prefix {
        let has = |letter: u8| start.bytes().any(|b| b.eq_ignore_ascii_case(&letter));
        Prefix { raw: has(b'r'), format: has(b'f') || has(b't'), bytes: has(b'b') }
    }
}

enum Part<'a> {
    Text(Cow<'a, str>, Span),
    Hole(ExprId),
}

/// A string or a run of adjacent strings: one literal, or a template when any of them has a hole.
pub(super) fn string(l: &mut Lowering<'_>, node: Node<'_>) -> ExprId {
    let mut parts = Vec::new();
    if kind(node) == Kind::ConcatenatedString {
        for child in l.children(node) {
            if kind(child) == Kind::String {
                collect(l, child, &mut parts);
            }
        }
    } else {
        collect(l, node, &mut parts);
    }
    if parts.iter().any(|part| matches!(part, Part::Hole(_))) {
        let mut ids = Vec::with_capacity(parts.len());
        for part in parts {
            ids.push(match part {
                Part::Text(text, span) => l.unit.push(ExprKind::Lit(Lit::Str(Arc::from(text))), span),
                Part::Hole(id) => id,
            });
        }
        return l.push(ExprKind::Template(ids), node);
    }
    let mut texts = parts.into_iter().filter_map(|part| match part {
        Part::Text(text, _) => Some(text),
        Part::Hole(_) => None,
    });
    let text = match (texts.next(), texts.next()) {
        (None, _) => Arc::from(""),
        (Some(only), None) => Arc::from(only),
        (Some(first), Some(second)) => Arc::from(first.into_owned() + &second + &texts.collect::<String>()),
    };
    l.push(ExprKind::Lit(Lit::Str(text)), node)
}

fn collect<'a>(l: &mut Lowering<'a>, node: Node<'_>, out: &mut Vec<Part<'a>>) {
    let mut prefix = Prefix::default();
    let (mut at, mut quotes) = (node.end_byte(), 0);
    let mut cursor = node.walk();
    for child in node.named_children(&mut cursor) {
        // What stands between the holes, not the content nodes: the grammar counts the text of a raw
        // string of backslashes as part of its closing quotes.
        let end = match kind(child) {
            Kind::StringStart => {
                let start = l.text(child);
                prefix = Prefix::of(start);
                quotes = start.bytes().filter(|b| matches!(b, b'"' | b'\'')).count();
                at = child.end_byte();
                continue;
            }
            Kind::Interpolation => child.start_byte(),
            Kind::StringEnd if child.is_missing() => child.start_byte(),
            Kind::StringEnd => child.end_byte().saturating_sub(quotes),
            _ => continue,
        };
        if end > at {
            let text = l.file.get(at..end).unwrap_or("");
            let start = l.span(node).start + (at - node.start_byte()) as u32;
            out.push(Part::Text(unescape(text, prefix), Span { start, end: start + text.len() as u32 }));
        }
        if kind(child) == Kind::Interpolation {
            hole(l, child, out);
        }
        at = child.end_byte();
    }
}

/// `{value}`, `{value!r:>{width}}`, `{value=}`.
fn hole<'a>(l: &mut Lowering<'a>, node: Node<'_>, out: &mut Vec<Part<'a>>) {
    let Some(inner) = field(node, F.expression) else { return };
    let mut value = expr(l, inner);
    let after = l.file.get(inner.end_byte()..node.end_byte()).unwrap_or("");
    let after = after.strip_suffix('}').unwrap_or(after);
    let mut spec = after.trim();
    if spec.starts_with('=') {
        // `{x = }` writes its own text before the value.
        let len = after.find(['!', ':']).unwrap_or(after.len()) as u32;
        let Span { start, end } = l.span(inner);
        let text = format!("{}{}", l.text(inner), &after[..len as usize]);
        out.push(Part::Text(Cow::Owned(text), Span { start, end: end + len }));
    }
    if let Some(format) = field(node, F.format_specifier) {
        let nested = l.children(format);
        if !nested.is_empty() {
            let mut parts = vec![value];
            for child in nested {
                if let Some(width) = field(child, F.expression) {
                    parts.push(expr(l, width));
                }
            }
            value = l.opaque(parts, inner);
        }
    }
    if spec.is_empty() {
        out.push(Part::Hole(value));
        return;
    }
    if spec.len() > 1 && spec.starts_with('=') {
        spec = spec[1..].trim_start();
    }
    let id = l.push(ExprKind::Format { value, spec: Arc::from(spec) }, node);
    out.push(Part::Hole(id));
}

/// The text a literal stands for. Bytes above 127 become the code points of the same number; a
/// character given by name or half of a surrogate pair becomes U+FFFD.
fn unescape(text: &str, prefix: Prefix) -> Cow<'_, str> {
    let escapes = !prefix.raw && text.contains('\\');
    let doubled = prefix.format && text.contains(['{', '}']);
    if !escapes && !doubled {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c| (escapes && c == '\\') || (doubled && (c == '{' || c == '}'))) {
        out.push_str(&rest[..at]);
        let first = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        if first == b'\\' {
            rest = escape(rest, prefix, &mut out);
        } else {
            out.push(char::from(first));
            rest = rest.strip_prefix(char::from(first)).unwrap_or(rest);
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Writes what the escape stands for (`rest` starts after the backslash) and returns what follows it.
fn escape<'a>(rest: &'a str, prefix: Prefix, out: &mut String) -> &'a str {
    let mut chars = rest.chars();
    let simple = match chars.next() {
        None => {
            out.push('\\');
            return rest;
        }
        Some('\n') => return chars.as_str(),
        Some('\r') => return chars.as_str().strip_prefix('\n').unwrap_or(chars.as_str()),
        Some('0'..='7') => {
            let len = rest.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
            out.extend(u32::from_str_radix(&rest[..len], 8).ok().and_then(char::from_u32));
            return &rest[len..];
        }
        Some('x') => return code(rest, 2, out),
        Some('u') if !prefix.bytes => return code(rest, 4, out),
        Some('U') if !prefix.bytes => return code(rest, 8, out),
        Some('N') if !prefix.bytes && rest.starts_with("N{") => {
            let Some(end) = rest.find('}') else {
                out.push('\\');
                return rest;
            };
            out.push(char::REPLACEMENT_CHARACTER);
            return &rest[end + 1..];
        }
        Some('n') => '\n',
        Some('t') => '\t',
        Some('r') => '\r',
        Some('a') => '\x07',
        Some('b') => '\x08',
        Some('f') => '\x0c',
        Some('v') => '\x0b',
        Some(c @ ('\\' | '\'' | '"')) => c,
        Some(_) => {
            out.push('\\');
            return rest;
        }
    };
    out.push(simple);
    chars.as_str()
}

/// `digits` hexadecimal digits after the letter that `rest` starts with.
fn code<'a>(rest: &'a str, digits: usize, out: &mut String) -> &'a str {
    match rest.get(1..=digits).and_then(|hex| u32::from_str_radix(hex, 16).ok()) {
        Some(value) => {
            out.push(char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER));
            &rest[digits + 1..]
        }
        None => {
            out.push('\\');
            rest
        }
    }
}

/// A number literal; integers that do not fit and imaginary numbers are floats.
pub(super) fn number(text: &str) -> Lit {
    let clean: String = text.chars().filter(|c| *c != '_').collect::<String>().to_ascii_lowercase();
    let digits = clean.trim_end_matches('l');
    let (radix, body) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', b'o', ..] => (8, &digits[2..]),
        [b'0', b'b', ..] => (2, &digits[2..]),
        // Python 2's octal numbers; Python 3 allows only zeros here.
        [b'0', b'0'..=b'7', ..] if digits.bytes().all(|b| (b'0'..=b'7').contains(&b)) => (8, &digits[1..]),
        _ => (10, digits),
    };
    if let Ok(value) = i64::from_str_radix(body, radix) {
        return Lit::Int(value);
    }
    if radix == 10 {
        return Lit::Float(body.trim_end_matches('j').parse().unwrap_or(f64::NAN));
    }
    let digit = |c: char| f64::from(c.to_digit(radix).unwrap_or(0));
    Lit::Float(body.chars().fold(0.0, |sum, c| sum * f64::from(radix) + digit(c)))
}
