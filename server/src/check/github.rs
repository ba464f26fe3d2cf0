//! Workflow commands: GitHub shows them as annotations on the changed lines.

use super::Report;
use crate::{lines::printable, scan::Kind};
use qualm_engine::Severity;
use std::io::{self, Write};

pub(super) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for file in &report.files {
        for reported in &file.findings {
            let finding = &reported.finding;
            let start = file.lines.place(&file.text, finding.span.start);
            let end = file.lines.place(&file.text, finding.span.end);
            let command = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "notice",
            };
            write!(out, "::{command} file={},line={},endLine={}", property(&file.name), start.line, end.line)?;
            // Columns across several lines are refused.
            if start.line == end.line {
                write!(out, ",col={},endColumn={}", start.column, end.column)?;
            }
            writeln!(out, ",title={}::{}", property(&format!("qualm: {}", finding.rule)), data(&finding.message))?;
        }
    }
    for incomplete in report.incomplete.iter().filter(|i| !i.is_counted()) {
        let whole = incomplete.gap.kind.is_whole() && incomplete.gap.kind != Kind::Excluded;
        let command = if whole { "warning" } else { "notice" };
        let title = if whole { "qualm: not vetted" } else { "qualm: incomplete" };
        let (file, title) = (property(&incomplete.name), property(title));
        writeln!(out, "::{command} file={file},title={title}::{}", data(&incomplete.gap.why))?;
    }
    for counted in report.counted().iter().chain(&report.notices) {
        writeln!(out, "::notice title=qualm::{}", data(counted))?;
    }
    Ok(())
}

/// A message: line breaks would end the command and begin another, and logs are read in terminals too.
fn data(text: &str) -> String {
    printable(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property: separators too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_in_a_message_can_start_a_command() {
        assert_eq!(super::data("50%\n::error::x"), "50%25%0A::error::x");
        assert_eq!(super::property("a:b,c"), "a%3Ab%2Cc");
        assert_eq!(super::property("a\u{1b}[2J\u{7}\u{202e}\r\n.py"), "a\\u{1b}[2J\\u{7}\\u{202e}\\u{d}%0A.py");
    }
}
