//! Which strings a text must contain for a regular expression to have any chance of matching: the
//! prefilter that keeps a keystroke's cost independent of the number of text rules.

use regex_syntax::hir::{Class, Hir, HirKind};

/// More alternatives than this are not worth a prefilter.
const MAX_LITERALS: usize = 64;
/// Classes of at most this many characters are written out inside a literal.
const FEW: u32 = 8;
/// Classes with more characters than this are not looked into.
const MAX_CLASS: u32 = 512;

/// Byte strings of which at least one occurs (ASCII case aside) in every text `pattern` matches; `None`
/// if there are no such strings, or none long enough to tell texts apart.
pub(super) fn required(pattern: &str) -> Option<Vec<Vec<u8>>> {
    // Without the tables of Unicode, which say nothing about what is looked for here, unless the expression asks for them.
    let plain = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).ok();
    let hir = plain.or_else(|| regex_syntax::parse(pattern).ok())?;
    let mut found = of(&hir)?;
    found.sort();
    found.dedup();
    useful(&found).then_some(found)
}

fn useful(literals: &[Vec<u8>]) -> bool {
    !literals.is_empty() && literals.len() <= MAX_LITERALS && literals.iter().all(|l| weight(l) >= 3)
}

/// How rare a literal is, roughly: a character outside ASCII says as much as three letters.
fn weight(literal: &[u8]) -> usize {
    literal.iter().map(|b| if b.is_ascii() { 1 } else { 2 }).sum()
}

fn of(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => None,
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Class(class) => letter(class).map(|b| vec![vec![b]]).or_else(|| expand(class)),
        HirKind::Repetition(repetition) => (repetition.min > 0).then(|| of(&repetition.sub)).flatten(),
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(of(part)?);
                if all.len() > MAX_LITERALS {
                    return None;
                }
            }
            Some(all)
        }
    }
}

/// Any one part of a sequence is required; the best is the one whose shortest literal is longest.
fn concat(parts: &[Hir]) -> Option<Vec<Vec<u8>>> {
    let mut candidates = Vec::new();
    // What the literal stretch that is being read may look like.
    let mut run = vec![Vec::new()];
    for part in parts {
        match part.kind() {
            HirKind::Literal(literal) => run.iter_mut().for_each(|r: &mut Vec<u8>| r.extend_from_slice(&literal.0)),
            HirKind::Class(class) if few(class).is_some_and(|f| f.len() * run.len() <= MAX_LITERALS) => {
                let few = few(class).unwrap_or_default();
                run = run.iter().flat_map(|r| few.iter().map(|&byte| [&r[..], &[byte]].concat())).collect();
            }
            HirKind::Look(_) => {}
            _ => {
                candidates.push(std::mem::replace(&mut run, vec![Vec::new()]));
                candidates.extend(of(part));
            }
        }
    }
    candidates.push(run);
    candidates.into_iter().max_by_key(|c| (c.iter().map(|l| weight(l)).min().unwrap_or(0), usize::MAX - c.len()))
}

/// The characters of a small ASCII class, in lower case.
fn few(class: &Class) -> Option<Vec<u8>> {
    if let Some(letter) = letter(class) {
        return Some(vec![letter]);
    }
    let ranges: Vec<(u32, u32)> = match class {
        Class::Unicode(class) => class.iter().map(|r| (r.start() as u32, r.end() as u32)).collect(),
        Class::Bytes(class) => class.iter().map(|r| (r.start().into(), r.end().into())).collect(),
    };
    if ranges.iter().map(|(from, to)| to - from + 1).sum::<u32>() > FEW {
        return None;
    }
    let mut all = Vec::new();
    for character in ranges.iter().flat_map(|(from, to)| *from..=*to) {
        all.push(u8::try_from(character).ok().filter(u8::is_ascii)?.to_ascii_lowercase());
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

/// The letter of a class that is one letter in both cases (as `(?i)a` becomes).
fn letter(class: &Class) -> Option<u8> {
    let mut letter = None;
    let mut see = |from: u32, to: u32| {
        // `(?i)k` and `(?i)s` also hold the Kelvin sign and the long s: nobody writes those in code.
        if matches!((from, to), (0x212A, 0x212A) | (0x17F, 0x17F)) {
            return true;
        }
        let Ok(byte) = u8::try_from(from) else { return false };
        from == to && byte.is_ascii() && *letter.get_or_insert(byte.to_ascii_lowercase()) == byte.to_ascii_lowercase()
    };
    let one = match class {
        Class::Unicode(class) => class.iter().all(|r| see(r.start() as u32, r.end() as u32)),
        Class::Bytes(class) => class.iter().all(|r| see(r.start() as u32, r.end() as u32)),
    };
    letter.filter(|_| one)
}

/// The first bytes (at most three) of every character of a class outside ASCII.
fn expand(class: &Class) -> Option<Vec<Vec<u8>>> {
    let Class::Unicode(class) = class else { return None };
    if class.iter().map(|r| r.end() as u32 - r.start() as u32 + 1).sum::<u32>() > MAX_CLASS {
        return None;
    }
    let mut all: Vec<Vec<u8>> = Vec::new();
    for character in class.iter().flat_map(|r| r.start()..=r.end()) {
        if character.is_ascii() {
            return None;
        }
        let mut buffer = [0; 4];
        let bytes = character.encode_utf8(&mut buffer).as_bytes();
        all.push(bytes[..bytes.len().min(3)].to_vec());
        all.dedup();
    }
    (all.len() <= MAX_LITERALS).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(pattern: &str) -> Option<Vec<String>> {
        Some(required(pattern)?.into_iter().map(|l| String::from_utf8_lossy(&l).into_owned()).collect())
    }

    #[test]
    fn the_longest_certain_part_is_chosen() {
        assert_eq!(strings(r"\bAKIA[0-9A-Z]{16}\b").unwrap(), ["AKIA"]);
        assert_eq!(strings(r"(?:ghp|gho)_[a-z]{36}").unwrap(), ["gho", "ghp"]);
        assert_eq!(strings(r"(?i)rest of (?:the )?(code|file)").unwrap(), ["rest of "]);
        assert_eq!(strings(r"[a-z]+-----BEGIN (?P<value>x)").unwrap(), ["-----BEGIN "]);
        assert_eq!(strings("gh[ps]_[A-Z]{36}").unwrap(), ["ghp_", "ghs_"]);
        assert_eq!(strings("x?ab"), None);
        assert_eq!(strings(r"\d{3}"), None);
    }

    #[test]
    fn invisible_characters_count_as_literals() {
        assert_eq!(required("[\u{202A}-\u{202E}]").unwrap().len(), 5);
        assert_eq!(required("[\u{E0000}-\u{E007F}]").unwrap().len(), 2);
    }
}
