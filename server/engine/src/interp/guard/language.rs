//! What a regular expression says of a text that it matches: which characters the text may hold.
//!
//! A pattern that admits `.` and `/` says nothing of a path, one that admits a line end says nothing of a log or a shell. So a
//! pattern is not believed or disbelieved as a whole: for each kind of harm, the characters that do it are looked for in the
//! classes of the pattern.

use crate::interp::Interp;
use crate::rules::SinkBits;
use regex_syntax::{
    ParserBuilder,
    hir::{Hir, HirKind, Look},
};

/// Characters that make a text harmful for a kind of sink; every other kind is harmed by any of [`GENERAL`].
const HARM: &[(&str, &str)] = &[
    ("command", ";&|`$<>(){}\n\r\"'\\*?!#~"),
    ("argument", "\n\r"),
    ("sql", "'\"`;\\"),
    ("html", "<>\"'&"),
    ("path", "/\\"),
    ("log", "\n\r"),
    ("header", "\n\r"),
    ("xpath", "'\"[]()/"),
    ("ldap", "*()\\&|"),
    ("redirect", "/:\\"),
    ("url", "/:@\\."),
    ("nosql", "${}"),
    ("regex", "()[]{}*+?\\"),
];
const GENERAL: &str = "<>'\"`;&|$\\(){}[]\n\r";

/// How a pattern is laid over a text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::interp) enum Over {
    /// The whole text must match.
    Whole,
    /// A beginning of the text must match.
    Start,
    /// Any part of the text may match.
    Part,
}

/// The characters of the texts that a pattern matches as a whole. `None`: a part of the text is not described at all.
struct Alphabet {
    /// Ranges, not merged.
    ranges: Vec<(char, char)>,
}

impl Alphabet {
    fn admits(&self, c: char) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&c))
    }
}

fn collect(hir: &Hir, out: &mut Vec<(char, char)>) {
    match hir.kind() {
        HirKind::Literal(l) => out.extend(String::from_utf8_lossy(&l.0).chars().map(|c| (c, c))),
        HirKind::Class(regex_syntax::hir::Class::Unicode(c)) => out.extend(c.ranges().iter().map(|r| (r.start(), r.end()))),
        HirKind::Class(regex_syntax::hir::Class::Bytes(c)) => {
            out.extend(c.ranges().iter().map(|r| (char::from(r.start()), char::from(r.end()))));
        }
        HirKind::Repetition(r) => collect(&r.sub, out),
        HirKind::Capture(c) => collect(&c.sub, out),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().for_each(|p| collect(p, out)),
        HirKind::Empty | HirKind::Look(_) => {}
    }
}

/// Whether every match begins (`first`) or ends at an end of the text itself, not of a line.
fn anchored(hir: &Hir, first: bool) -> bool {
    match hir.kind() {
        HirKind::Look(Look::Start) => first,
        HirKind::Look(Look::End) => !first,
        HirKind::Capture(c) => anchored(&c.sub, first),
        HirKind::Alternation(parts) => parts.iter().all(|p| anchored(p, first)),
        HirKind::Concat(parts) => if first { parts.first() } else { parts.last() }.is_some_and(|p| anchored(p, first)),
        _ => false,
    }
}

fn parse(pattern: &str) -> Option<Hir> {
    if pattern.len() > 4096 {
        return None;
    }
    // Python's name for the end of the text.
    let text = pattern.replace("\\Z", "\\z");
    ParserBuilder::new().unicode(true).utf8(false).nest_limit(50).build().parse(&text).ok()
}

impl Interp<'_> {
    /// The kinds for which a text that matches (or does not match) a pattern is harmless.
    pub(in crate::interp) fn pattern_clears(&self, pattern: &str, over: Over, truth: bool) -> SinkBits {
        let local = pattern.starts_with("^\\/(?!") || pattern.starts_with("^/(?!") || pattern.starts_with("^\\/(?:(?!");
        if local && truth {
            // `^/(?!/)`: a path on the own site.
            return self.sink_bit("redirect");
        }
        let Some(hir) = parse(pattern) else { return 0 };
        if !truth {
            return self.absence_clears(&hir);
        }
        let starts = over != Over::Part || anchored(&hir, true);
        let ends = over == Over::Whole || anchored(&hir, false);
        let mut bits = 0;
        if starts && let Some((prefix, behind)) = literal_prefix(&hir) {
            bits |= self.prefix_clears(&prefix);
            if prefix == "/" {
                // `^/[a-z]`: one slash and not a second one.
                let mut next = Vec::new();
                behind.iter().take(1).for_each(|b| collect(b, &mut next));
                let next = Alphabet { ranges: next };
                if !next.ranges.is_empty() && !next.admits('/') && !next.admits('\\') && behind.first().is_some_and(|b| !may_be_empty(b)) {
                    bits |= self.sink_bit("redirect") | self.sink_bit("url");
                }
            }
        }
        if starts && ends {
            let mut ranges = Vec::new();
            collect(&hir, &mut ranges);
            bits |= self.alphabet_clears(&Alphabet { ranges });
        }
        bits
    }

    fn alphabet_clears(&self, alphabet: &Alphabet) -> SinkBits {
        let mut bits = if GENERAL.chars().any(|c| alphabet.admits(c)) { 0 } else { self.form_bits() };
        for (kind, harmful) in HARM {
            let bit = self.sink_bit(kind);
            if harmful.chars().any(|c| alphabet.admits(c)) {
                bits &= !bit;
            } else {
                bits |= bit;
            }
        }
        bits
    }

    /// No part of the text matches: the characters of a pattern that is one class are not in it.
    fn absence_clears(&self, hir: &Hir) -> SinkBits {
        let mut at = hir;
        loop {
            match at.kind() {
                HirKind::Repetition(r) if r.min <= 1 => at = &r.sub,
                HirKind::Capture(c) => at = &c.sub,
                HirKind::Class(_) | HirKind::Literal(_) => break,
                // Each of several: absent are those that are one character.
                HirKind::Alternation(parts) => return parts.iter().map(|p| self.absence_clears(p)).fold(0, |a, b| a | b),
                _ => return 0,
            }
        }
        if matches!(at.kind(), HirKind::Literal(l) if String::from_utf8_lossy(&l.0).chars().count() != 1) {
            let mut ranges = Vec::new();
            collect(at, &mut ranges);
            // `..`: nothing climbs without it.
            return if ranges.iter().all(|r| r.0 == '.') { self.sink_bit("path") } else { 0 };
        }
        let mut ranges = Vec::new();
        collect(at, &mut ranges);
        let absent = Alphabet { ranges };
        let mut bits = if GENERAL.chars().all(|c| absent.admits(c)) { self.form_bits() } else { 0 };
        for (kind, harmful) in HARM {
            let bit = self.sink_bit(kind);
            if harmful.chars().all(|c| absent.admits(c)) {
                bits |= bit;
            } else {
                bits &= !bit;
            }
        }
        bits
    }

    /// What a fixed beginning of an address decides.
    pub(super) fn prefix_clears(&self, prefix: &str) -> SinkBits {
        let host = prefix.find("://").is_some_and(|i| prefix[i + 3..].contains('/'));
        if host || prefix.len() > 1 && prefix.starts_with('/') && !prefix.starts_with("//") && !prefix.starts_with("/\\") {
            self.sink_bit("redirect") | self.sink_bit("url")
        } else {
            0
        }
    }
}

fn may_be_empty(hir: &Hir) -> bool {
    hir.properties().minimum_len().is_none_or(|n| n == 0)
}

/// The literal text with which every match begins, and what follows it.
fn literal_prefix(hir: &Hir) -> Option<(String, &[Hir])> {
    match hir.kind() {
        HirKind::Concat(parts) => {
            let mut text = String::new();
            for (i, p) in parts.iter().enumerate() {
                match p.kind() {
                    HirKind::Look(_) => {}
                    HirKind::Literal(l) => text.push_str(&String::from_utf8_lossy(&l.0)),
                    _ => return (!text.is_empty()).then_some((text, &parts[i..])),
                }
            }
            (!text.is_empty()).then_some((text, &[]))
        }
        HirKind::Literal(l) => Some((String::from_utf8_lossy(&l.0).into_owned(), &[])),
        HirKind::Capture(c) => literal_prefix(&c.sub),
        _ => None,
    }
}
