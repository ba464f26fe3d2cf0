//! The report for people: excerpt, path, reason, rewrite.

use super::{FileReport, Report, Reported};
use crate::{
    config::confidence_name,
    lines::{clamp, one_line},
    report::{Style, first_sentence, safety_note, write_diff},
    rewrite,
};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use qualm_engine::{Fix, Severity, Step};
use std::{
    io::{self, Write},
    ops::Range,
};

/// An excerpt shows at most this many lines and this many bytes of a line.
const MAX_LINES: usize = 6;
const MAX_WIDTH: usize = 240;

pub(super) fn write(out: &mut impl Write, report: &Report, style: &Style) -> io::Result<()> {
    let renderer = if style.color() { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(style.width());
    for file in &report.files {
        for reported in &file.findings {
            finding(out, report, file, reported, style, &renderer)?;
        }
    }
    for notice in &report.told() {
        writeln!(out, "{} {}", style.paint("33", "notice:"), one_line(notice))?;
    }
    let files = plural(report.checked, "file");
    match report.findings() {
        0 if report.unvetted() > 0 => {
            let left = plural(report.unvetted(), "file");
            let seconds = report.elapsed.as_secs_f32();
            writeln!(out, "{} {files} checked, no findings, but {left} not vetted ({seconds:.1} s)", style.paint("33", "incomplete:"))
        }
        0 => writeln!(out, "{} {files} checked, no findings ({:.1} s)", style.paint("32", "ok:"), report.elapsed.as_secs_f32()),
        n => writeln!(
            out,
            "{} in {} ({files} checked, {:.1} s)",
            style.paint("1", &plural(n, "finding")),
            plural(report.files.len(), "file"),
            report.elapsed.as_secs_f32()
        ),
    }
}

pub(super) fn plural(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn finding(
    out: &mut impl Write,
    report: &Report,
    file: &FileReport,
    reported: &Reported,
    style: &Style,
    renderer: &Renderer,
) -> io::Result<()> {
    let finding = &reported.finding;
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let (first, source, span) = excerpt(file, &finding.span);
    let shown = one_line(&file.shown);
    let place = file.lines.place(&file.text, finding.span.start);
    let snippet = Snippet::source(&source).line_start(first + 1).path(shown.as_str()).annotation(AnnotationKind::Primary.span(span));
    let message = one_line(&finding.message);
    let title = level.primary_title(message.as_str()).id(&*finding.rule);
    let rendered = renderer.render(&[title.element(snippet)]);
    // The second line names the place; its column is that of the excerpt, which may be cut out of a long line.
    for (number, line) in rendered.lines().enumerate() {
        match line.find(shown.as_str()).filter(|_| number == 1) {
            Some(at) => writeln!(out, "{}{shown}:{}:{}", &line[..at], place.line, place.column)?,
            None => writeln!(out, "{line}")?,
        }
    }
    if !finding.path.is_empty() {
        writeln!(out, "  {}", style.paint("1", "path:"))?;
        for step in &finding.path {
            writeln!(out, "    {}", step_line(report, file, step))?;
        }
    }
    let rule = file.workspace.engine.rules().rule(&finding.rule);
    if let Some(why) = rule.map(|r| first_sentence(&r.why)).filter(|w| !w.is_empty()) {
        writeln!(out, "  {} {}", style.paint("1", "why:"), one_line(&why))?;
    }
    if let Some(origin) = &reported.origin {
        writeln!(out, "  {} {}", style.paint("1", "origin:"), one_line(&origin.told()))?;
    }
    if finding.confidence != qualm_engine::Confidence::High {
        writeln!(out, "  {} {}", style.paint("1", "confidence:"), confidence_name(finding.confidence))?;
    }
    if let Some(Ok(fix)) = &reported.fix {
        write_fix(out, file, fix, style)?;
    }
    writeln!(out)
}

fn step_line(report: &Report, file: &FileReport, step: &Step) -> String {
    let place = match &step.file {
        None => {
            let place = file.lines.place(&file.text, step.span.start);
            format!("{}:{}:{}", file.shown, place.line, place.column)
        }
        Some(name) => match report.others.get(&file.workspace, name) {
            Some(other) => {
                let place = other.1.place(&other.0, step.span.start);
                format!("{name}:{}:{}", place.line, place.column)
            }
            None => name.to_string(),
        },
    };
    one_line(&format!("{place}  {}", step.note))
}

fn write_fix(out: &mut impl Write, file: &FileReport, fix: &Fix, style: &Style) -> io::Result<()> {
    writeln!(out, "  {} {} ({})", style.paint("1", "rewrite:"), one_line(&fix.title), safety_note(fix.safety))?;
    write_diff(out, &rewrite::diff(&file.text, &file.lines, fix), style)
}

/// The lines around a span (first line 0-based, their text, the span in it). Long lines and long spans are cut, so
/// that a report stays readable and cheap whatever the file.
fn excerpt(file: &FileReport, span: &Range<usize>) -> (usize, String, Range<usize>) {
    let span = clamp(&file.text, span);
    let touched = file.lines.touched(&span);
    let last = touched.end.min(touched.start + MAX_LINES);
    let whole = file.lines.range(&file.text, touched.start).start..file.lines.range(&file.text, last - 1).end;
    let mut window = whole.clone();
    if touched.len() == 1 {
        if span.start.saturating_sub(window.start) > MAX_WIDTH {
            window.start = span.start - MAX_WIDTH / 2;
        }
        window.end = window.end.min(window.start + 2 * MAX_WIDTH).max(span.start);
    } else {
        window.end = window.end.min(window.start + MAX_LINES * MAX_WIDTH).max(span.start);
    }
    let window = clamp(&file.text, &window);
    let text = file.text[window.clone()].to_owned();
    let start = span.start.clamp(window.start, window.end) - window.start;
    let end = span.end.clamp(window.start + start, window.end) - window.start;
    (touched.start, text, start..end)
}
