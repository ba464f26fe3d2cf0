//! SARIF 2.1.0 for code scanning services: rules with their pages and CWE tags, paths as code flows, rewrites as
//! fixes, fingerprints that survive moved lines. Columns are UTF-16 code units, as GitHub expects.

use super::{
    FileReport, Incomplete, Report, Reported,
    json::{Seen, with_fingerprints},
    line,
};
use crate::{lines::Lines, report::first_sentence, scan::Kind, workspace::Workspace};
use qualm_engine::{Confidence, Finding, Fix, Safety, Severity, Step, rules::Rule};
use rustc_hash::FxHashMap;
use serde::Serialize;
use serde_json::{Serializer, Value, json, ser::CompactFormatter};
use std::{
    io::{self, Write},
    ops::Range,
    sync::Arc,
};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn write(out: &mut impl Write, report: &Report, workspaces: &[Arc<Workspace>]) -> io::Result<()> {
    let mut rules: Vec<&Rule> = Vec::new();
    let mut index: FxHashMap<&str, usize> = FxHashMap::default();
    for rule in workspaces.iter().flat_map(|w| &w.engine.rules().rules) {
        index.entry(&rule.id).or_insert_with(|| {
            rules.push(rule);
            rules.len() - 1
        });
    }
    let several = workspaces.len() > 1;
    let results: Vec<Value> = report
        .files
        .iter()
        .flat_map(|file| with_fingerprints(file).map(move |(r, f)| (file, r, f)))
        .map(|(file, reported, print)| result(report, file, reported, &print, index.get(&*reported.finding.rule).copied(), several))
        .collect();
    let told = report.notices.iter().map(|n| json!({ "level": "warning", "message": { "text": n } }));
    let notifications: Vec<Value> = told.chain(report.incomplete.iter().map(|i| notification(i, several))).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "qualm",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|r| descriptor(r)).collect::<Vec<_>>(),
            }},
            "columnKind": "utf16CodeUnits",
            "originalUriBaseIds": { "SRCROOT": { "description": { "text": "The root of the project that was checked." } } },
            "invocations": [{ "executionSuccessful": !report.incomplete.iter().any(|i| i.gap.kind.is_trouble()), "toolExecutionNotifications": notifications }],
            "results": results,
        }],
    });
    log.serialize(&mut Serializer::with_formatter(&mut *out, Seen(CompactFormatter)))?;
    writeln!(out)
}

/// A file that was not looked at, or not all of it.
fn notification(incomplete: &Incomplete, several: bool) -> Value {
    let level = match incomplete.gap.kind {
        Kind::Time | Kind::Memory | Kind::Failed => "error",
        Kind::ByName | Kind::Binary | Kind::Excluded | Kind::UnknownLanguage => "note",
        _ => "warning",
    };
    let uri = if several { &incomplete.shown } else { &*incomplete.name };
    json!({
        "level": level,
        "message": { "text": line(&incomplete.shown, &incomplete.gap) },
        "descriptor": { "id": incomplete.gap.kind },
        "locations": [{ "physicalLocation": { "artifactLocation": artifact(uri) } }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn descriptor(rule: &Rule) -> Value {
    let mut tags = vec!["security".to_owned()];
    tags.extend(rule.cwe.iter().map(|n| format!("external/cwe/cwe-{n:03}")));
    tags.extend(rule.owasp.iter().map(|o| format!("external/owasp/{o}")));
    let precision = match rule.confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    };
    // GitHub derives its critical/high/medium/low from this number.
    let weight = match rule.severity {
        Severity::Error => "8.0",
        Severity::Warning => "5.5",
        Severity::Info => "2.0",
    };
    let help = format!("{}\n\n{}", rule.why.trim(), rule.lesson.trim());
    let mut descriptor = json!({
        "id": &*rule.id,
        "name": &*rule.id,
        "shortDescription": { "text": non_empty(&rule.title, &rule.id) },
        "fullDescription": { "text": non_empty(&first_sentence(&rule.why), non_empty(&rule.title, &rule.id)) },
        "help": { "text": non_empty(help.trim(), &rule.id), "markdown": non_empty(help.trim(), &rule.id) },
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": { "tags": tags, "precision": precision, "security-severity": weight },
    });
    if let Some(cwe) = rule.cwe.first() {
        descriptor["helpUri"] = json!(format!("https://cwe.mitre.org/data/definitions/{cwe}.html"));
    }
    descriptor
}

fn non_empty<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

fn result(report: &Report, file: &FileReport, reported: &Reported, print: &str, rule: Option<usize>, several: bool) -> Value {
    let finding = &reported.finding;
    let mut result = json!({
        "ruleId": &*finding.rule,
        "level": level(finding.severity),
        "message": { "text": non_empty(&finding.message, &finding.rule) },
        "locations": [{ "physicalLocation": location(file, &finding.span, several) }],
        "partialFingerprints": { "qualmFinding/v1": print },
        "properties": { "confidence": finding.confidence, "persona": finding.persona },
    });
    if let Some(origin) = &reported.origin {
        result["properties"]["qualm"] = origin.json();
    }
    if let Some(index) = rule {
        result["ruleIndex"] = json!(index);
    }
    if !finding.path.is_empty() {
        result["codeFlows"] = json!([{ "threadFlows": [{ "locations": flow(report, file, finding, several) }] }]);
    }
    if let Some(Ok(fix)) = &reported.fix
        && fix.safety != Safety::Manual
        && !fix.edits.is_empty()
    {
        result["fixes"] = json!([sarif_fix(file, fix, several)]);
    }
    result
}

fn flow(report: &Report, file: &FileReport, finding: &Finding, several: bool) -> Vec<Value> {
    let step_location = |step: &Step| match &step.file {
        None => location(file, &step.span, several),
        Some(name) => {
            let artifact = artifact(&project_uri(file, name, several));
            match report.others.get(&file.workspace, name) {
                Some(other) => json!({ "artifactLocation": artifact, "region": region(&other.0, &other.1, &step.span) }),
                None => json!({ "artifactLocation": artifact }),
            }
        }
    };
    finding
        .path
        .iter()
        .map(
            |step| json!({ "location": { "physicalLocation": step_location(step), "message": { "text": non_empty(&step.note, "step") } } }),
        )
        .collect()
}

fn sarif_fix(file: &FileReport, fix: &Fix, several: bool) -> Value {
    let replacements: Vec<Value> = fix
        .edits
        .iter()
        .map(|e| json!({ "deletedRegion": region(&file.text, &file.lines, &e.span), "insertedContent": { "text": e.text } }))
        .collect();
    let name = project_uri(file, &file.name, several);
    json!({
        "description": { "text": fix.title },
        "artifactChanges": [{ "artifactLocation": artifact(&name), "replacements": replacements }],
    })
}

fn location(file: &FileReport, span: &Range<usize>, several: bool) -> Value {
    json!({
        "artifactLocation": artifact(&project_uri(file, &file.name, several)),
        "region": region(&file.text, &file.lines, span),
    })
}

/// Names are relative to the project's root; when several projects were checked, as the user named the file.
fn project_uri(file: &FileReport, name: &str, several: bool) -> String {
    if !several {
        name.to_owned()
    } else if *name == *file.name {
        file.shown.clone()
    } else {
        file.workspace.root.join(name).to_string_lossy().into_owned()
    }
}

fn artifact(name: &str) -> Value {
    if name.starts_with('/') {
        return json!({ "uri": format!("file://{}", encode(name)) });
    }
    json!({ "uri": encode(name), "uriBaseId": "SRCROOT" })
}

/// Percent-encodes what a URI path may not hold; `:` too, or the first part could read as a scheme.
fn encode(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"-._~/@+,=!$&'()*;".contains(&b) {
            out.push(b as char);
        } else {
            out.extend(['%', hex(b >> 4), hex(b & 15)]);
        }
        out
    })
}

fn hex(digit: u8) -> char {
    char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase()
}

fn region(text: &str, lines: &Lines, span: &Range<usize>) -> Value {
    let start = lines.place(text, span.start);
    let end = lines.place(text, span.end);
    json!({
        "startLine": start.line,
        "startColumn": start.utf16,
        "endLine": end.line,
        "endColumn": end.utf16,
        "byteOffset": span.start,
        "byteLength": span.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_become_uris() {
        assert_eq!(encode("a b/é#?.py"), "a%20b/%C3%A9%23%3F.py");
        assert_eq!(artifact("c:x.py")["uri"], "c%3Ax.py");
        assert_eq!(artifact("/x/a.py")["uri"], "file:///x/a.py");
    }
}
