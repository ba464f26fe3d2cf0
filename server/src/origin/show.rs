//! The report for people, and as JSON.

use super::{foreign::Regions, totals::Totals};
use crate::{
    lines::{one_line, printable},
    provenance::{LineOrigin, Traced},
    report::Style,
};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Columns of the label before each line, and of the code that is shown.
const LABEL: usize = 30;
const CODE: usize = 200;

/// Every line with its origin, and the evidence of each region below the file.
pub(super) fn blame(out: &mut impl Write, files: &[Traced], style: &Style) -> io::Result<()> {
    for file in files {
        writeln!(out, "{}", style.paint("1", &one_line(&file.shown)))?;
        let lines: Vec<&str> = file.text.lines().collect();
        let mut reasons: Vec<&LineOrigin> = Vec::new();
        for region in file.regions() {
            let origin = &file.origins[region.start];
            let number = reasons.iter().position(|r| *r == origin).unwrap_or_else(|| {
                reasons.push(origin);
                reasons.len() - 1
            });
            for at in region.clone() {
                let label = if at == region.start { label(origin, number + 1) } else { String::new() };
                let label: String = label.chars().take(LABEL).collect();
                let code = lines.get(at).copied().unwrap_or("");
                let code = code.char_indices().nth(CODE).map_or(code, |(cut, _)| &code[..cut]);
                let bar = style.paint(color(&origin.origin), "┃");
                writeln!(
                    out,
                    "{} {bar} {:>5}  {}",
                    style.paint(color(&origin.origin), &format!("{label:LABEL$}")),
                    at + 1,
                    printable(code)
                )?;
            }
        }
        writeln!(out)?;
        for (at, origin) in reasons.iter().enumerate() {
            writeln!(out, "{} {}", style.paint("2", &format!("[{}]", at + 1)), one_line(&origin.told()))?;
        }
        if !reasons.is_empty() {
            writeln!(out)?;
        }
    }
    Ok(())
}

fn label(origin: &LineOrigin, number: usize) -> String {
    let tool = if origin.tool.is_empty() { String::new() } else { format!(" {}", origin.tool) };
    let sure = if origin.confidence == 0 { String::new() } else { format!(" {}%", origin.confidence) };
    one_line(&format!("[{number}] {}{sure}{tool}", origin.origin))
}

fn color(origin: &str) -> &'static str {
    match origin {
        "agent" => "35",
        "completion" => "36",
        "pasted" => "33",
        "typed" | "own_copy" => "32",
        "unknown" => "2",
        _ => "34",
    }
}

/// Lines by origin, tool and model.
pub(super) fn totals(out: &mut impl Write, totals: &Totals, files: usize, style: &Style) -> io::Result<()> {
    let plural = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
    writeln!(out, "{} in {}", style.paint("1", &plural(totals.lines, "line")), plural(files, "file"))?;
    for row in &totals.rows {
        let name = [row.origin.as_str(), &row.tool, &row.model].into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("  ");
        let name = style.paint(color(&row.origin), &one_line(&name));
        writeln!(out, "{:>8} {:>6.1} %  {name}", row.lines, totals.percent(row))?;
    }
    Ok(())
}

/// Everything as one object; only the totals if `summary`.
pub(super) fn json(
    out: &mut impl Write,
    files: &[Traced],
    totals: &Totals,
    foreign: &Regions<'_>,
    summary: bool,
    wanted: impl Fn(&Traced, usize) -> bool,
) -> io::Result<()> {
    let rows: Vec<Value> = totals
        .rows
        .iter()
        .map(|r| {
            let percent = (totals.percent(r) * 10.0).round() / 10.0;
            json!({ "origin": r.origin, "tool": r.tool, "model": r.model, "lines": r.lines, "percent": percent })
        })
        .collect();
    let mut report = json!({ "version": 1, "lines": totals.lines, "summary": rows, "foreign": foreign.json() });
    if !summary {
        let files: Vec<Value> = files
            .iter()
            .map(|file| {
                let regions = file.regions();
                let regions = regions.iter().filter(|r| (r.start..r.end).any(|line| wanted(file, line)));
                let regions: Vec<Value> = regions.map(|r| region(&file.origins[r.start], r.start + 1, r.end)).collect();
                json!({ "file": file.shown, "lines": file.origins.len(), "regions": regions })
            })
            .collect();
        report["files"] = Value::Array(files);
    }
    writeln!(out, "{report:#}")
}

fn region(origin: &LineOrigin, start: usize, end: usize) -> Value {
    let mut region = origin.json();
    region["start_line"] = json!(start);
    region["end_line"] = json!(end);
    region
}
