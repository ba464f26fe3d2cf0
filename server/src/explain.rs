//! `qualm explain`: the page of a rule, for a terminal or as Markdown, and the list of all rules.

use crate::{
    cli::{ExplainArgs, Outcome, Page},
    config::{confidence_name, persona_name, severity_name},
    lines::printable,
    report::{Style, safety_note},
    workspace::{Workspace, suggest},
};
use anyhow::bail;
use qualm_engine::rules::{ExampleKind, Rule};
use std::{
    fmt::Write as _,
    io::{self, Write},
};

/// Runs the command.
pub fn run(args: &ExplainArgs) -> anyhow::Result<Outcome> {
    let cwd = std::env::current_dir()?;
    let workspace = Workspace::discover(&cwd, &cwd);
    for problem in &workspace.problems {
        eprintln!("qualm: {}", printable(&problem.to_string()));
    }
    let rules = workspace.engine.rules();
    let style = Style::of_terminal();
    let text = match &args.id {
        None => list(&rules.rules, args.format),
        Some(id) => match rules.rule(id) {
            Some(rule) if args.format == Page::Markdown => markdown(rule),
            Some(rule) => render(&markdown(rule), &style),
            None => bail!("no rule has the id `{id}`{}; `qualm explain` lists them all", suggest(rules, id)),
        },
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Outcome::Clean),
    }
}

fn list(rules: &[Rule], format: Page) -> String {
    let width = rules.iter().map(|r| r.id.len()).max().unwrap_or(0);
    rules.iter().fold(String::new(), |mut out, rule| {
        let _ = match format {
            Page::Markdown => writeln!(out, "- `{}` ({}): {}", rule.id, severity_name(rule.severity), rule.title),
            Page::Text => writeln!(out, "{:width$}  {:7}  {}", rule.id, severity_name(rule.severity), printable(&rule.title)),
        };
        out
    })
}

/// The page of a rule: facts, why, lesson, examples.
pub fn markdown(rule: &Rule) -> String {
    let mut out = format!("# {}\n\n", rule.title);
    let mut facts = vec![
        format!("`{}`", rule.id),
        severity_name(rule.severity).to_owned(),
        format!("speaks to: {}", persona_name(rule.persona)),
        format!("confidence: {}", confidence_name(rule.confidence)),
    ];
    facts.extend(rule.cwe.iter().map(|n| format!("CWE-{n}")));
    facts.extend(rule.owasp.iter().map(|o| format!("OWASP {o}")));
    if let Some(safety) = rule.fixes.iter().map(|f| f.safety).max() {
        facts.push(format!("rewrite: {}", safety_note(safety)));
    }
    out.push_str(&facts.join(" · "));
    for part in [rule.why.trim(), rule.lesson.trim()] {
        if !part.is_empty() {
            out.push_str("\n\n");
            out.push_str(part);
        }
    }
    out.push('\n');
    for example in &rule.examples {
        let what = match example.kind {
            ExampleKind::Bad => "Found",
            ExampleKind::Good => "Not found",
            ExampleKind::Fixed => "Rewritten",
            ExampleKind::Refused => "Found, no rewrite",
            ExampleKind::Before => "Before",
            ExampleKind::With => "With this file",
        };
        let foreign = if example.foreign { ", in foreign text" } else { "" };
        let path = example.path.as_ref().map(|p| format!(" (`{p}`)")).unwrap_or_default();
        // A fence longer than any in the example.
        let longest = example.text.lines().map(|l| l.trim_start().bytes().take_while(|b| *b == b'`').count()).max().unwrap_or(0);
        let fence = "`".repeat(3.max(longest + 1));
        let language = example.language.map_or("", |l| l.info().name);
        let _ = write!(out, "\n**{what}{foreign}**{path}\n\n{fence}{language}\n{}\n{fence}\n", example.text.trim_end_matches('\n'));
    }
    out
}

/// Markdown for a terminal: headings stand out, code is indented, paragraphs are wrapped.
fn render(markdown: &str, style: &Style) -> String {
    let mut out = String::new();
    let mut paragraph = String::new();
    let mut fence: Option<String> = None;
    let flush = |paragraph: &mut String, out: &mut String| {
        let width = style.width().clamp(40, 100);
        let hang = if paragraph.starts_with("- ") { "  " } else { "" };
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.trim().is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                out.push_str(&inline(&line, style));
                out.push('\n');
                line.clear();
                line.push_str(hang);
            } else if !line.trim().is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.trim().is_empty() {
            out.push_str(&inline(&line, style));
            out.push('\n');
        }
        paragraph.clear();
    };
    for line in markdown.lines() {
        if let Some(open) = &fence {
            if line == open {
                fence = None;
            } else {
                let _ = writeln!(out, "    {}", style.paint("36", &printable(line)));
            }
            continue;
        }
        let ticks = line.bytes().take_while(|b| *b == b'`').count();
        if ticks >= 3 {
            flush(&mut paragraph, &mut out);
            fence = Some("`".repeat(ticks));
        } else if let Some(heading) = line.strip_prefix('#') {
            flush(&mut paragraph, &mut out);
            let _ = writeln!(out, "{}", style.paint("1;4", &printable(heading.trim_start_matches('#').trim())));
        } else if line.trim().is_empty() {
            flush(&mut paragraph, &mut out);
            out.push('\n');
        } else {
            if line.starts_with("- ") {
                flush(&mut paragraph, &mut out);
            }
            paragraph.push_str(line);
            paragraph.push(' ');
        }
    }
    flush(&mut paragraph, &mut out);
    out
}

/// `**bold**` and `` `code` `` of a line. A mark that is not closed on the line stays as it is.
fn inline(line: &str, style: &Style) -> String {
    let line = printable(line);
    let mut out = String::new();
    let mut rest = line.as_str();
    while let Some(at) = rest.find(['*', '`']) {
        let mark = if rest[at..].starts_with("**") { "**" } else { &rest[at..=at] };
        let after = &rest[at + mark.len()..];
        let end = if mark == "*" { None } else { after.find(mark) };
        out.push_str(&rest[..at]);
        if let Some(end) = end {
            out.push_str(&style.paint(if mark == "`" { "36" } else { "1" }, &after[..end]));
            rest = &after[end + mark.len()..];
        } else {
            out.push_str(mark);
            rest = after;
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_readable_without_colour() {
        let page = "# Title\n\nSome **bold** `code` and 2 * 3\ngoes on.\n\n- one\n- two\n\n```python\nx = `1`\n# no heading\n```\nEnd\n";
        let text = render(page, &Style::plain());
        assert_eq!(text, "Title\n\nSome bold code and 2 * 3 goes on.\n\n- one\n- two\n\n    x = `1`\n    # no heading\nEnd\n");
    }
}
