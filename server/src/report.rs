//! What the commands that write to a terminal share: style, diffs, and small phrases.

use crate::{lines::printable, rewrite::DiffLine};
use qualm_engine::Safety;
use std::io::{self, IsTerminal, Write};

/// Characters of a diff line that are shown.
const MAX_WIDTH: usize = 240;

/// How the report is drawn.
pub struct Style {
    color: bool,
    width: usize,
}

impl Style {
    /// Colours only on a terminal, and never under `NO_COLOR`.
    pub fn of_terminal() -> Self {
        let color = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let width = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).unwrap_or(120);
        Self { color, width }
    }

    /// No colours.
    pub fn plain() -> Self {
        Self { color: false, width: 100 }
    }

    /// Whether colours are on.
    pub fn color(&self) -> bool {
        self.color
    }

    /// Columns of the terminal.
    pub fn width(&self) -> usize {
        self.width
    }

    /// `text` in an ANSI style, if colours are on.
    pub fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// How a rewrite is announced.
pub fn safety_note(safety: Safety) -> &'static str {
    match safety {
        Safety::Safe => "safe",
        Safety::Review => "review it",
        Safety::Manual => "by hand",
    }
}

/// Prints a diff, indented.
pub fn write_diff(out: &mut impl Write, diff: &[DiffLine], style: &Style) -> io::Result<()> {
    let cut = |line: &str| {
        let line = printable(line);
        match line.char_indices().nth(MAX_WIDTH) {
            Some((at, _)) => format!("{} ...", &line[..at]),
            None => line,
        }
    };
    for line in diff {
        match line {
            DiffLine::At(line) => writeln!(out, "    {}", style.paint("36", &format!("@@ line {line}")))?,
            DiffLine::Same(text) => writeln!(out, "      {}", cut(text))?,
            DiffLine::Removed(text) => writeln!(out, "    {}", style.paint("31", &format!("- {}", cut(text))))?,
            DiffLine::Added(text) => writeln!(out, "    {}", style.paint("32", &format!("+ {}", cut(text))))?,
        }
    }
    Ok(())
}

/// The first sentence of a Markdown paragraph, without markup that only makes sense rendered.
pub fn first_sentence(markdown: &str) -> String {
    let paragraph = markdown.split("\n\n").map(str::trim).find(|p| !p.is_empty()).unwrap_or("");
    let text = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = text.match_indices(". ").find(|(at, _)| {
        let before = text[..*at].rsplit(' ').next().unwrap_or("");
        !matches!(before, "e.g" | "i.e" | "vs")
    });
    end.map_or(text.clone(), |(at, _)| text[..=at].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sentence_ends_where_it_ends() {
        assert_eq!(first_sentence("A b, e.g. c.\nd. E f.\n\nG."), "A b, e.g. c.");
        assert_eq!(first_sentence("\n\nOne only"), "One only");
        assert_eq!(first_sentence(""), "");
    }
}
