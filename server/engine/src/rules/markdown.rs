//! The Markdown side of a rule file: front matter, title, prose and example blocks.

use super::{Example, ExampleKind};
use crate::lang::Language;

/// A rule file taken apart; everything is a slice of it.
pub(super) struct Page<'t> {
    /// TOML between the `+++` lines.
    pub front: &'t str,
    /// 1-based line of the front matter's first line.
    pub front_line: usize,
    pub title: &'t str,
    pub why: String,
    pub lesson: String,
    pub examples: Vec<Example>,
}

/// `(line, message)`.
pub(super) type Problem = (usize, String);

pub(super) fn parse(text: &str) -> Result<Page<'_>, Problem> {
    let rest = text
        .strip_prefix("+++\n")
        .or_else(|| text.strip_prefix("+++\r\n"))
        .ok_or((1, "a rule file starts with a line `+++`".to_string()))?;
    let end = rest.find("\n+++").ok_or((1, "the front matter is not closed by a line `+++`".to_string()))?;
    let front = &rest[..=end];
    let body = &rest[end + 4..];
    let body_line = text[..text.len() - body.len()].matches('\n').count() + 1;
    let mut page = Page { front, front_line: 2, title: "", why: String::new(), lesson: String::new(), examples: Vec::new() };
    page.read(body, body_line, example)?;
    if page.title.is_empty() {
        return Err((body_line, "a rule needs a title: a line `# Title` after the front matter".to_string()));
    }
    Ok(page)
}

/// The examples on the page of a library, `models/<language>/<library>.md`: each fenced block of a known language is one. Lines that end
/// in a comment `finding: rule, rule` are where these rules speak.
pub fn library_examples(text: &str) -> Result<Vec<Example>, (usize, String)> {
    let mut page = Page { front: "", front_line: 1, title: "", why: String::new(), lesson: String::new(), examples: Vec::new() };
    page.read(text, 1, |info, line| {
        let kinds = ["foreign", "with"];
        let known = |w: &str| kinds.contains(&w) || w.starts_with("path=");
        let mut words = info.split_whitespace();
        let Some(language) = words.next().and_then(Language::by_name) else { return Ok(None) };
        if let Some(other) = words.find(|w| !known(w)) {
            return Err((line, format!("unknown word `{other}` after the fence; known: foreign, with, path=NAME")));
        }
        // What stands there is shown to do what the comments say, neither bad nor good as a whole.
        let info = if info.contains(" with") { info.to_string() } else { format!("{info} good") };
        let read = example(&info, line)?;
        Ok(read.map(|e| Example { language: Some(language), ..e }))
    })?;
    Ok(page.examples)
}

impl<'t> Page<'t> {
    fn read(
        &mut self,
        body: &'t str,
        body_line: usize,
        example: impl Fn(&str, usize) -> Result<Option<Example>, Problem>,
    ) -> Result<(), Problem> {
        let page = self;
        let mut section = "";
        let mut fence: Option<(Example, &str)> = None;
        let mut block = String::new();
        for (i, line) in body.split_inclusive('\n').enumerate() {
            let at = body_line + i;
            let bare = line.trim_end();
            if let Some((example, ticks)) = &mut fence {
                if bare == *ticks {
                    let (example, _) = fence.take().unwrap_or_else(|| unreachable!("inside a fence"));
                    page.examples.push(close(example, &std::mem::take(&mut block)));
                } else {
                    let _ = example;
                    block.push_str(line);
                }
                continue;
            }
            if let Some(info) = bare.strip_prefix("```") {
                let ticks = if info.starts_with('`') { "````" } else { "```" };
                match example(info.trim_start_matches('`'), at)? {
                    Some(e) => {
                        fence = Some((e, ticks));
                        continue;
                    }
                    None => {
                        // An ordinary block of the prose.
                    }
                }
            }
            if let Some(title) = bare.strip_prefix("# ") {
                page.title = title.trim();
            } else if let Some(name) = bare.strip_prefix("## ") {
                section = name.trim();
            } else if section.is_empty() && !page.title.is_empty() {
                page.why.push_str(line);
            } else if section == "Lesson" {
                page.lesson.push_str(line);
            }
        }
        if let Some((e, _)) = fence {
            return Err((e.line, "this example block is not closed".to_string()));
        }
        page.why = page.why.trim().to_string();
        page.lesson = page.lesson.trim().to_string();
        Ok(())
    }
}

/// Reads a fence's info string; `None` for blocks that are no examples.
fn example(info: &str, line: usize) -> Result<Option<Example>, Problem> {
    let mut words = info.split_whitespace();
    let Some(language) = words.next() else { return Ok(None) };
    let mut kind = None;
    let mut foreign = false;
    let mut path = None;
    for w in words {
        match w {
            "bad" => kind = Some(ExampleKind::Bad),
            "good" => kind = Some(ExampleKind::Good),
            "fixed" => kind = Some(ExampleKind::Fixed),
            "refused" => kind = Some(ExampleKind::Refused),
            "before" => kind = Some(ExampleKind::Before),
            "with" => kind = Some(ExampleKind::With),
            "foreign" => foreign = true,
            _ => match w.strip_prefix("path=") {
                Some(p) if !p.is_empty() && !p.contains("..") && !p.starts_with('/') => path = Some(p.to_string()),
                _ => {
                    return Err((
                        line,
                        format!("unknown word `{w}` after the fence; known: bad, good, fixed, refused, before, with, foreign, path=NAME"),
                    ));
                }
            },
        }
    }
    let Some(kind) = kind else { return Ok(None) };
    Ok(Some(Example {
        kind,
        language: Language::by_name(language),
        foreign,
        path,
        text: String::new(),
        findings: Vec::new(),
        named: Vec::new(),
        line,
    }))
}

/// Takes the `finding` comments out of an example's text.
fn close(mut example: Example, block: &str) -> Example {
    let mut text = String::with_capacity(block.len());
    for (i, line) in block.split_inclusive('\n').enumerate() {
        let bare = line.trim_end();
        match marked(bare) {
            Some((code, rules)) => {
                example.findings.push(i);
                example.named.extend(rules.split(',').map(str::trim).filter(|r| !r.is_empty()).map(|r| (i, r.to_string())));
                text.push_str(code.trim_end());
                text.push('\n');
            }
            None => text.push_str(line),
        }
    }
    // What would set off those who look for keys is written in two pieces.
    if text.contains(CUT) {
        text = text.replace(CUT, "");
    }
    example.text = text;
    example
}

/// In an example, what stands before and behind it is one word.
const CUT: &str = "{cut}";

/// The code before a `finding` comment, and the rules that it names.
fn marked(line: &str) -> Option<(&str, &str)> {
    if let Some(code) = ["# finding", "// finding", "<!-- finding -->", "-- finding"].iter().find_map(|m| line.strip_suffix(m)) {
        return Some((code, ""));
    }
    let rules = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'-' | b',' | b' '));
    ["# finding: ", "// finding: "].iter().find_map(|m| line.rsplit_once(m)).filter(|(_, names)| rules(names))
}
