//! `[text]` rules: regular expressions over string literals, comments, code or whole files.
//!
//! All rules of a place share one automaton over the literals their expressions cannot do without; an
//! expression runs only where one of its literals occurs, so that text without them costs one pass.

use super::{finding, literals, suppress};
use crate::{
    finding::Finding,
    items,
    lang::Language,
    rules::{EntryIx, Pattern, Rule, RuleIx, RuleKind, RuleSet, TextPlace},
};
use aho_corasick::{AhoCorasick, MatchKind};
use std::{ops::Range, sync::Arc};
use tree_sitter::Node;

/// How far around a match its line is looked at, in bytes: minified files have endless lines.
const LINE_REACH: usize = 300;
/// A text with more literals than this is searched anew each time.
const MAX_HITS: usize = 20_000;

/// All text rules of a [`RuleSet`], compiled once.
pub struct TextRules {
    rules: Arc<RuleSet>,
    /// Expressions over the strings, comments and code of items.
    items: Scanner,
    /// Expressions over the raw text of files.
    files: Scanner,
}

/// Expressions with a shared prefilter.
#[derive(Default)]
struct Scanner {
    entries: Vec<Entry>,
    prefilter: Option<AhoCorasick>,
    /// Entry of each literal of the prefilter.
    owners: Vec<usize>,
    /// Entries without literals: they always run.
    always: Vec<usize>,
}

/// Where the literals of a [`Scanner`] occur in a text.
pub(crate) struct Hits {
    text: Arc<str>,
    found: Vec<Hit>,
}

impl Default for Hits {
    fn default() -> Self {
        Self { text: "".into(), found: Vec::new() }
    }
}

#[derive(Clone, Copy)]
struct Hit {
    start: usize,
    end: usize,
    owner: usize,
}

struct Entry {
    rule: RuleIx,
    regex: Pattern,
    shown_by: EntryIx,
    place: TextPlace,
}

impl Scanner {
    fn build(entries: Vec<Entry>) -> Self {
        let (mut patterns, mut owners, mut always) = (Vec::new(), Vec::new(), Vec::new());
        for (index, entry) in entries.iter().enumerate() {
            match literals::required(entry.regex.as_str()) {
                Some(found) => {
                    owners.extend(found.iter().map(|_| index));
                    patterns.extend(found);
                }
                None => always.push(index),
            }
        }
        let prefilter = if patterns.is_empty() {
            None
        } else {
            AhoCorasick::builder().ascii_case_insensitive(true).match_kind(MatchKind::Standard).build(&patterns).ok()
        };
        if prefilter.is_none() {
            always = (0..entries.len()).collect();
        }
        Self { entries, prefilter, owners, always }
    }

    /// The expressions that may match in `text`, in order: looked for where it differs from the text of `hits`.
    fn candidates_again(&self, text: &Arc<str>, hits: &mut Option<Hits>) -> Vec<&Entry> {
        let Some(prefilter) = &self.prefilter else { return self.entries.iter().collect() };
        let last = hits.take().unwrap_or_default();
        let (start, end) = items::difference(last.text.as_bytes(), text.as_bytes());
        // A literal may lie across the border of what differs.
        let reach = prefilter.max_pattern_len();
        let grown = |at: usize| (at + text.len()) - last.text.len();
        let (from, to) = (start.saturating_sub(reach), (grown(end) + reach).min(text.len()));
        let mut found: Vec<Hit> = last.found.iter().filter(|h| h.end <= start).copied().collect();
        for hit in prefilter.find_overlapping_iter(&text.as_bytes()[from..to]) {
            let (first, behind) = (from + hit.start(), from + hit.end());
            if behind > start && first < grown(end) {
                found.push(Hit { start: first, end: behind, owner: self.owners[hit.pattern().as_usize()] });
            }
        }
        let behind = last.found.iter().filter(|h| h.start >= end && h.end > start);
        found.extend(behind.map(|h| Hit { start: grown(h.start), end: grown(h.end), ..*h }));
        let mut owners: Vec<usize> = self.always.iter().copied().chain(found.iter().map(|h| h.owner)).collect();
        owners.sort_unstable();
        owners.dedup();
        if found.len() <= MAX_HITS {
            *hits = Some(Hits { text: text.clone(), found });
        }
        owners.into_iter().map(|i| &self.entries[i]).collect()
    }

    /// The expressions that may match in `text`, in order.
    fn candidates(&self, text: &str) -> Vec<&Entry> {
        let mut found = self.always.clone();
        if let Some(prefilter) = &self.prefilter {
            let mut seen = vec![false; self.entries.len()];
            for hit in prefilter.find_overlapping_iter(text) {
                let owner = self.owners[hit.pattern().as_usize()];
                if !std::mem::replace(&mut seen[owner], true) {
                    found.push(owner);
                }
            }
        }
        found.sort_unstable();
        found.into_iter().map(|i| &self.entries[i]).collect()
    }
}

impl TextRules {
    /// Compiles the text rules of a set. The rules about suppressions themselves are judged in [`suppress`].
    pub fn compile(rules: Arc<RuleSet>) -> Self {
        let (mut items, mut files) = (Vec::new(), Vec::new());
        for (index, rule) in rules.rules.iter().enumerate() {
            let RuleKind::Text { places, regexes, .. } = &rule.kind else { continue };
            if suppress::BUILT_IN.contains(&&*rule.id) {
                continue;
            }
            for &place in places {
                let to = if place == TextPlace::File { &mut files } else { &mut items };
                to.extend(regexes.iter().map(|(regex, entry)| Entry { rule: index, regex: regex.clone(), shown_by: *entry, place }));
            }
        }
        Self { rules, items: Scanner::build(items), files: Scanner::build(files) }
    }

    /// Findings in the strings, comments and code of one item; `node` is its top level node, `text` the
    /// whole file. Spans are relative to the first byte of the item, and nothing outside it has a say.
    pub fn item(&self, language: Language, path: &str, text: &str, node: Node<'_>) -> Vec<Finding> {
        let Some(item) = text.get(node.byte_range()) else { return Vec::new() };
        let mut places: Option<Places> = None;
        let mut found = Found::new(&self.rules);
        for entry in self.items.candidates(item) {
            let rule = &self.rules.rules[entry.rule];
            if !applies(rule, Some(language), path) {
                continue;
            }
            let places = places.get_or_insert_with(|| Places::of(node));
            match entry.place {
                TextPlace::String => search(rule, entry, path, item, &places.strings, &mut found),
                TextPlace::Comment => {
                    let outside = matches!(rule.kind, RuleKind::Text { outside_types: true, .. });
                    search(rule, entry, path, item, if outside { &places.outside_types } else { &places.comments }, &mut found);
                }
                TextPlace::Code => {
                    let code = places.code(item);
                    search_in(rule, entry, path, code, item, 0..item.len(), &mut found);
                }
                TextPlace::File => {}
            }
        }
        found.finish()
    }

    /// Findings of the rules that look at the raw text of a file, in a language with lowering or without.
    pub fn file(&self, path: &str, text: &str) -> Vec<Finding> {
        self.matches(path, text, self.files.candidates(text))
    }

    /// The same, with what is known of an earlier text.
    pub(crate) fn file_again(&self, path: &str, text: &Arc<str>, hits: &mut Option<Hits>) -> Vec<Finding> {
        self.matches(path, text, self.files.candidates_again(text, hits))
    }

    fn matches(&self, path: &str, text: &str, candidates: Vec<&Entry>) -> Vec<Finding> {
        let language = Language::by_path(path);
        let mut found = Found::new(&self.rules);
        for entry in candidates {
            let rule = &self.rules.rules[entry.rule];
            if applies(rule, language, path) {
                search_in(rule, entry, path, text, text, 0..text.len(), &mut found);
            }
        }
        found.finish()
    }

    /// Whether any rule looks at the raw text of a file of this path.
    pub fn wants_file(&self, path: &str) -> bool {
        let language = Language::by_path(path);
        self.files.entries.iter().any(|e| applies(&self.rules.rules[e.rule], language, path))
    }
}

fn applies(rule: &Rule, language: Option<Language>, path: &str) -> bool {
    let RuleKind::Text { files, not_files, .. } = &rule.kind else { return false };
    (rule.languages.is_empty() || language.is_some_and(|l| rule.languages.contains(&l)))
        && files.as_ref().is_none_or(|f| f.is_match(path))
        && !not_files.as_ref().is_some_and(|f| f.is_match(path))
}

/// Findings of one text, overlapping ones of the same rule merged into the first.
struct Found<'r> {
    rules: &'r RuleSet,
    findings: Vec<Finding>,
}

impl<'r> Found<'r> {
    fn new(rules: &'r RuleSet) -> Self {
        Self { rules, findings: Vec::new() }
    }

    fn add(&mut self, new: Finding) {
        let overlaps = |f: &Finding| f.rule == new.rule && f.span.start < new.span.end && new.span.start < f.span.end;
        if !self.findings.iter().any(overlaps) {
            self.findings.push(new);
        }
    }

    fn finish(mut self) -> Vec<Finding> {
        self.findings.sort_by(|a, b| (a.span.start, a.span.end, &a.rule).cmp(&(b.span.start, b.span.end, &b.rule)));
        self.findings
    }
}

fn search(rule: &Rule, entry: &Entry, path: &str, item: &str, ranges: &[Range<usize>], found: &mut Found<'_>) {
    for range in ranges {
        search_in(rule, entry, path, item, item, range.clone(), found);
    }
}

/// Matches `entry` in `text[range]`; `original` has the same length and is what the finding shows.
fn search_in(rule: &Rule, entry: &Entry, path: &str, text: &str, original: &str, range: Range<usize>, found: &mut Found<'_>) {
    let RuleKind::Text { entropy, random, not, unless, .. } = &rule.kind else { return };
    let calm = unless.as_ref().filter(|(files, _)| files.is_match(path)).map(|(_, matches)| matches);
    let Some(part) = text.get(range.clone()) else { return };
    let Some(machine) = entry.regex.regex() else { return };
    for captures in machine.captures_iter(part) {
        let Some(value) = captures.name("value").or_else(|| captures.get(0)) else { continue };
        let span = range.start + value.start()..range.start + value.end();
        let Some(shown) = original.get(span.clone()) else { continue };
        let whole = captures.get(0).map_or("", |m| m.as_str());
        if entropy.is_some_and(|least| bits(shown) < least)
            || *random && !is_random(shown)
            || harmless(not, original, &span)
            || calm.is_some_and(|c| c.is_match(whole))
        {
            continue;
        }
        found.rules.used(entry.shown_by);
        let mut new = finding(rule, span, shown);
        if new.message.contains("{character}") {
            new.message = new.message.replace("{character}", &characters(shown));
        }
        found.add(new);
    }
}

fn harmless(not: &[Pattern], text: &str, span: &Range<usize>) -> bool {
    if not.is_empty() {
        return false;
    }
    let line = around(text, span);
    not.iter().any(|p| p.is_match(&text[span.clone()]) || p.is_match(line))
}

/// The line or lines of a span, cut at [`LINE_REACH`].
fn around<'t>(text: &'t str, span: &Range<usize>) -> &'t str {
    let mut start = span.start.saturating_sub(LINE_REACH);
    let mut end = (span.end + LINE_REACH).min(text.len());
    while !text.is_char_boundary(start) {
        start += 1;
    }
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let start = text[start..span.start].rfind('\n').map_or(start, |at| start + at + 1);
    let end = text[span.end..end].find('\n').map_or(end, |at| span.end + at);
    &text[start..end]
}

/// What cannot be seen, by code point and name: `U+202E (right-to-left override)`.
fn characters(text: &str) -> String {
    let name = |c| match c {
        '\u{00AD}' => "soft hyphen",
        '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' => "Hangul filler",
        '\u{180E}' => "Mongolian vowel separator",
        '\u{200B}' => "zero width space",
        '\u{200C}' => "zero width non-joiner",
        '\u{200D}' => "zero width joiner",
        '\u{202A}' => "left-to-right embedding",
        '\u{202B}' => "right-to-left embedding",
        '\u{202C}' => "pop directional formatting",
        '\u{202D}' => "left-to-right override",
        '\u{202E}' => "right-to-left override",
        '\u{2060}' => "word joiner",
        '\u{2062}'..='\u{2064}' => "invisible operator",
        '\u{2066}' => "left-to-right isolate",
        '\u{2067}' => "right-to-left isolate",
        '\u{2068}' => "first strong isolate",
        '\u{2069}' => "pop directional isolate",
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' => "variation selector",
        '\u{FEFF}' => "zero width no-break space",
        '\u{E0000}'..='\u{E007F}' => "tag character",
        _ => "",
    };
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let name = match name(first) {
        "" => first.to_string(),
        name => name.to_string(),
    };
    let code = u32::from(first);
    match chars.count() {
        0 => format!("U+{code:04X} ({name})"),
        more => format!("U+{code:04X} ({name}) and {more} more"),
    }
}

/// Whether a text reads like a key or a password: letters mixed with digits or signs beyond what words, names of things, addresses
/// and paths hold.
pub(crate) fn is_random(text: &str) -> bool {
    let text = text.trim();
    let template = ["${", "{{", "<", "%(", "%%", "@{", "$(", "__"].iter().any(|open| text.starts_with(open));
    if text.len() < 8 || text.len() > 512 || template || text.contains(char::is_whitespace) || text.contains("://") || text.contains("...")
    {
        return false;
    }
    let text = text.trim_matches(|c: char| !c.is_alphanumeric());
    text.split(['-', '_', '.', '/', ':', '@', ',', '|', '~', '+', '=']).any(|part| !is_word(part))
}

/// Letters as words have them, and digits behind them: `sha256`, `charField`, `2024`, `v2`.
fn is_word(part: &str) -> bool {
    let stem = part.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.is_empty() {
        return true;
    }
    if part.len() - stem.len() > 4 || !stem.chars().all(char::is_alphabetic) {
        return part.len() < 4;
    }
    // `kJqmQvLx`: capitals all over are no words, `getHTTPResponse` is three.
    let humps = stem.chars().zip(stem.chars().skip(1)).filter(|(a, b)| a.is_lowercase() && b.is_uppercase()).count();
    let length = stem.chars().count();
    humps == 0 && length <= 24 || length / (humps + 1) >= 4
}

/// Shannon entropy in bits per character.
fn bits(text: &str) -> f64 {
    let mut counts = rustc_hash::FxHashMap::<char, u32>::default();
    let mut total = 0_u32;
    for character in text.chars() {
        *counts.entry(character).or_default() += 1;
        total += 1;
    }
    counts
        .values()
        .map(|&count| {
            let share = f64::from(count) / f64::from(total);
            -share * share.log2()
        })
        .sum()
}

/// Where strings and comments are in an item, relative to it.
struct Places {
    strings: Vec<Range<usize>>,
    comments: Vec<Range<usize>>,
    /// The comments that do not stand in the declaration of a type.
    outside_types: Vec<Range<usize>>,
    code: Option<String>,
}

impl Places {
    fn of(item: Node<'_>) -> Self {
        let mut places = Self { strings: Vec::new(), comments: Vec::new(), outside_types: Vec::new(), code: None };
        let base = item.start_byte();
        let mut cursor = item.walk();
        'walk: loop {
            let node = cursor.node();
            let kind = node.kind();
            if node.is_extra() && kind.contains("comment") {
                let range = node.start_byte() - base..node.end_byte() - base;
                let in_type = |n: Node<'_>| matches!(n.kind(), "interface_body" | "object_type" | "enum_body");
                if !node.parent().is_some_and(in_type) {
                    places.outside_types.push(range.clone());
                }
                places.comments.push(range);
            } else if node.is_named() && matches!(kind, "string" | "template_string") && node.child_count() > 0 {
                let last = node.child_count() - 1;
                if let (Some(open), Some(close)) = (node.child(0), node.child(last)) {
                    let end = if last == 0 { node.end_byte() } else { close.start_byte() };
                    places.strings.push(open.end_byte().min(end) - base..end - base);
                }
            } else if cursor.goto_first_child() {
                continue;
            }
            loop {
                if cursor.node() == item {
                    break 'walk;
                }
                if cursor.goto_next_sibling() {
                    break;
                }
                if !cursor.goto_parent() {
                    break 'walk;
                }
            }
        }
        places
    }

    /// The item with the contents of strings and comments blanked, byte for byte.
    fn code(&mut self, item: &str) -> &str {
        let (strings, comments) = (&self.strings, &self.comments);
        self.code.get_or_insert_with(|| {
            let mut bytes = item.as_bytes().to_vec();
            for range in strings.iter().chain(comments) {
                for byte in bytes.get_mut(range.clone()).into_iter().flatten() {
                    if *byte != b'\n' {
                        *byte = b' ';
                    }
                }
            }
            String::from_utf8(bytes).unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        judge::testing::{regex, rule, set, text, vet},
        rules::NO_ENTRY,
    };
    use TextPlace::{Code, Comment, File, String};

    const PYTHON: &str = "marker = 'marker one' + f'{marker} two'  # marker three\n";
    const SCRIPT: &str = "const marker = `marker ${marker}`; // marker é three\nf('');\n";

    fn found(place: TextPlace, language: Language, source: &str) -> Vec<std::string::String> {
        vet(vec![text("r", place, "marker[ a-zé]*")], language, source).into_iter().map(|f| f.1).collect()
    }

    #[test]
    fn each_place_sees_its_own_part() {
        assert_eq!(found(String, Language::Python, PYTHON), ["marker one", "marker"]);
        assert_eq!(found(Comment, Language::Python, PYTHON), ["marker three"]);
        assert_eq!(found(Code, Language::Python, PYTHON).len(), 1);
        assert_eq!(found(String, Language::TypeScript, SCRIPT), ["marker ", "marker"]);
        assert_eq!(found(Comment, Language::TypeScript, SCRIPT), ["marker é three"]);
        assert_eq!(found(File, Language::TypeScript, SCRIPT).len(), 4);
    }

    #[test]
    fn value_entropy_and_not_narrow_a_match() {
        let kind = |entropy, not: &[&str]| RuleKind::Text {
            places: vec![String],
            regexes: vec![(regex("key-(?P<value>[a-z0-9]{8})"), NO_ENTRY)],
            entropy,
            random: false,
            not: not.iter().map(|n| regex(n)).collect(),
            files: None,
            not_files: None,
            unless: None,
            outside_types: false,
        };
        let source = "keys = [\n  'key-aaaaaaaa',\n  'key-a8f3k2x9',\n  'key-b7d1c6e4',  # example\n]\n";
        let all = |kind| vet(vec![rule("r", kind)], Language::Python, source).into_iter().map(|f| f.1).collect::<Vec<_>>();
        assert_eq!(all(kind(None, &[])).len(), 3);
        assert_eq!(all(kind(Some(2.5), &[])), ["a8f3k2x9", "b7d1c6e4"]);
        assert_eq!(all(kind(Some(2.5), &["example"])), ["a8f3k2x9"]);
    }

    #[test]
    fn keys_are_told_from_words() {
        let keys = [
            "kJ8#mQ2$vL9x",
            "tR7#qLw9!zXv2Kp",
            "9c4e7a1f03b8d26e5fa70c9b",
            "s3cr3t-value-1",
            "django-insecure-8f$k2(q",
            "Zk8vQ1mR4tY7",
            "kJqmQvLxZwTpRs",
            "app_pass_20240101x7",
            "AbC1dEf2GhI3",
        ];
        for key in keys {
            assert!(is_random(key), "{key}");
        }
        let words = [
            "Geheimnis",
            "Sicherheitsschlüssel",
            "string",
            "CharField",
            "STRIPE_WEBHOOK_SECRET",
            "prod/payments/stripe",
            "registry-pull",
            "projects/shop/secrets/session/versions/latest",
            "analytics:stats:access-token",
            "X-Webhook-Signature-256",
            "pbkdf2:sha256",
            "new-password",
            "https://a.b/c9d8e7f6",
            "${SESSION_KEY_9}",
            "<your key 1>",
            "current_password",
            "getHTTPResponse",
            "Passwort!",
            "svc@example2.com",
            "secret",
            "v2",
            "2024-05-01",
            "__x9y8z7w6__",
        ];
        for word in words {
            assert!(!is_random(word), "{word}");
        }
    }

    #[test]
    fn comments_in_types_can_be_left_out() {
        let kind = |outside_types| RuleKind::Text {
            places: vec![Comment],
            regexes: vec![(regex("more"), NO_ENTRY)],
            entropy: None,
            random: false,
            not: Vec::new(),
            files: None,
            not_files: None,
            unless: None,
            outside_types,
        };
        let source = "interface A {\n  a: string;\n  // more\n}\nfunction f() {\n  // more\n}\n";
        assert_eq!(vet(vec![rule("r", kind(false))], Language::TypeScript, source).len(), 2);
        assert_eq!(vet(vec![rule("r", kind(true))], Language::TypeScript, source).len(), 1);
    }

    #[test]
    fn what_is_invisible_is_named() {
        assert_eq!(characters("\u{202E}"), "U+202E (right-to-left override)");
        assert_eq!(characters("\u{200D}\u{200C}\u{200C}"), "U+200D (zero width joiner) and 2 more");
    }

    #[test]
    fn file_rules_keep_to_their_paths_and_know_no_grammar() {
        let kind = RuleKind::Text {
            places: vec![File],
            regexes: vec![(regex("(?i)ignore all"), NO_ENTRY)],
            entropy: None,
            random: false,
            not: Vec::new(),
            files: Some(regex(r"\.md$")),
            not_files: None,
            unless: None,
            outside_types: false,
        };
        let rules = TextRules::compile(set(vec![rule("r", kind)]));
        assert_eq!(rules.file("AGENTS.md", "please IGNORE all of it").len(), 1);
        assert!(rules.file("notes.txt", "please ignore all of it").is_empty());
        assert!(rules.wants_file("a.md") && !rules.wants_file("a.py"));
    }
}
