//! Literals: strings with their escapes, templates, numbers.

use crate::{ir::Lit, lang::Lowering};
use tree_sitter::Node;

/// A string literal's value.
pub(super) fn string(l: &Lowering<'_>, node: Node<'_>) -> String {
    let raw = l.text(node);
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if inner.contains('\\') { unescape(inner) } else { inner.to_string() }
}

/// Resolves the escapes of strings and templates.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(c) = rest.chars().next() else { break };
        rest = &rest[c.len_utf8()..];
        match c {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'v' => out.push('\u{b}'),
            '0' if !rest.starts_with(|c: char| c.is_ascii_digit()) => out.push('\0'),
            '\r' => rest = rest.strip_prefix('\n').unwrap_or(rest),
            '\n' | '\u{2028}' | '\u{2029}' => {}
            'x' => rest = code(rest, 2, &mut out),
            'u' => match rest.strip_prefix('{').and_then(|r| r.split_once('}')) {
                Some((digits, after)) if digits.len() <= 6 => {
                    out.extend(u32::from_str_radix(digits, 16).ok().and_then(char::from_u32));
                    rest = after;
                }
                _ => rest = code(rest, 4, &mut out),
            },
            other => out.push(other),
        }
    }
    out.push_str(rest);
    out
}

fn code<'t>(rest: &'t str, digits: usize, out: &mut String) -> &'t str {
    match rest.get(..digits).and_then(|d| u32::from_str_radix(d, 16).ok()) {
        Some(value) => {
            out.push(char::from_u32(value).unwrap_or('\u{fffd}'));
            &rest[digits..]
        }
        None => rest,
    }
}

/// A number literal.
pub(super) fn number(text: &str) -> Lit {
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    let plain = plain.trim_end_matches('n');
    let lower = plain.to_ascii_lowercase();
    let radix = |prefix: &str, radix| lower.strip_prefix(prefix).and_then(|d| i64::from_str_radix(d, radix).ok());
    if let Some(i) = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2)).or_else(|| lower.parse().ok()) {
        return Lit::Int(i);
    }
    lower.parse().map_or(Lit::Float(f64::NAN), Lit::Float)
}
