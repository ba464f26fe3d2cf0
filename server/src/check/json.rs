//! The report for scripts: one JSON object. The structs here are the documentation of its shape; fields are only
//! ever added within a `version`.

use super::{FileReport, Report, Reported};
use crate::{lines::hidden, provenance::LineOrigin, rewrite, scan::Kind};
use qualm_engine::{Confidence, Edit, Persona, Safety, Severity, Step};
use serde::Serialize;
use serde_json::{
    Serializer,
    ser::{Formatter, PrettyFormatter},
};
use std::io::{self, Write};

/// The whole report.
#[derive(Debug, Serialize)]
pub struct JsonReport<'a> {
    /// Version of this shape: 1.
    pub version: u32,
    /// Version of qualm.
    pub qualm: &'static str,
    /// Number of files that were analysed.
    pub checked: usize,
    /// Sorted by file, then position.
    pub findings: Vec<JsonFinding<'a>>,
    /// Every file that was not looked at, or not all of it, in the order of the paths.
    pub incomplete: Vec<JsonIncomplete<'a>>,
    /// What people are told: `incomplete` in short, and what concerns no single file.
    pub notices: Vec<String>,
}

/// What is not known of a file.
#[derive(Debug, Serialize)]
pub struct JsonIncomplete<'a> {
    /// The file, as in a finding.
    pub file: &'a str,
    /// `by-name`, `binary`, `excluded`, `too-large`, `unreadable`, `time`, `memory`, `failed`; and of a file that was vetted,
    /// `unknown-language`, `encoding`, `syntax-errors`, `not-followed`, `rewrites`.
    pub kind: Kind,
    /// Whether it was vetted all the same.
    pub vetted: bool,
    /// For people.
    pub why: &'a str,
}

/// One finding.
#[derive(Debug, Serialize)]
pub struct JsonFinding<'a> {
    /// Rule id.
    pub rule: &'a str,
    /// The rule's title.
    pub title: &'a str,
    /// CWE numbers of the rule.
    pub cwe: &'a [u32],
    #[allow(missing_docs)]
    pub severity: Severity,
    #[allow(missing_docs)]
    pub confidence: Confidence,
    #[allow(missing_docs)]
    pub persona: Persona,
    /// What is wrong here.
    pub message: &'a str,
    /// The file: relative to the working directory if it is below it.
    pub file: &'a str,
    /// Where it starts.
    pub start: JsonPlace,
    /// Where it ends (exclusive).
    pub end: JsonPlace,
    /// Stays the same when lines move.
    pub fingerprint: String,
    /// Source, steps, sink.
    pub path: Vec<JsonStep<'a>>,
    /// Where its text came from (`origin`, `confidence`, `tool`, `model`, `session`, `evidence`, `time`, `foreign`,
    /// `reviewed`), if anybody recorded that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<serde_json::Value>,
    /// The proven rewrite, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<JsonFix<'a>>,
    /// Why there is none, if rewrites were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_fix: Option<&'a str>,
}

/// A position.
#[derive(Debug, Serialize)]
pub struct JsonPlace {
    /// 1-based.
    pub line: usize,
    /// 1-based, in Unicode scalar values.
    pub column: usize,
    /// 0-based offset into the file.
    pub byte: usize,
}

/// A step of the path.
#[derive(Debug, Serialize)]
pub struct JsonStep<'a> {
    /// The file, as in the finding; other files by their name in the project.
    pub file: &'a str,
    /// `null` if the other file can no longer be read.
    pub start: Option<JsonPlace>,
    /// What happens there.
    pub note: &'a str,
}

/// A rewrite.
#[derive(Debug, Serialize)]
pub struct JsonFix<'a> {
    /// What it does.
    pub title: &'a str,
    /// `safe`, `review` or `manual`.
    pub safety: Safety,
    /// Replacements in bytes of the file, sorted and disjoint.
    pub edits: &'a [Edit],
    /// The changed lines: ` ` same, `-` removed, `+` added, `@@ N` = the next part starts in line N.
    pub diff: String,
}

pub(super) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let findings = report.files.iter().flat_map(|file| with_fingerprints(file).map(|(r, f)| finding(report, file, r, f))).collect();
    let incomplete = report.incomplete.iter();
    let incomplete =
        incomplete.map(|i| JsonIncomplete { file: &i.shown, kind: i.gap.kind, vetted: !i.gap.kind.is_whole(), why: &i.gap.why });
    let report = JsonReport {
        version: 1,
        qualm: env!("CARGO_PKG_VERSION"),
        checked: report.checked,
        findings,
        incomplete: incomplete.collect(),
        notices: report.told(),
    };
    report.serialize(&mut Serializer::with_formatter(&mut *out, Seen(PrettyFormatter::new())))?;
    writeln!(out)
}

/// Writes characters that cannot be seen as escapes: the same strings, and nothing reorders what a person looks at.
pub(super) struct Seen<F>(pub F);

impl<F: Formatter> Formatter for Seen<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| hidden(*c)) {
            self.0.write_string_fragment(out, &rest[..at])?;
            c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))?;
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.write_string_fragment(out, rest)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }
    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }
    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }
    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }
    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }
    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }
    fn end_object_key<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_key(out)
    }
    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }
    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

fn finding<'a>(report: &'a Report, file: &'a FileReport, reported: &'a Reported, fingerprint: String) -> JsonFinding<'a> {
    let finding = &reported.finding;
    let rule = file.workspace.engine.rules().rule(&finding.rule);
    let (fix, no_fix) = match &reported.fix {
        Some(Ok(fix)) => {
            let diff = rewrite::diff_text(&rewrite::diff(&file.text, &file.lines, fix));
            (Some(JsonFix { title: &fix.title, safety: fix.safety, edits: &fix.edits, diff }), None)
        }
        Some(Err(refusal)) => (None, Some(refusal.as_str())),
        None => (None, None),
    };
    JsonFinding {
        rule: &finding.rule,
        title: rule.map_or("", |r| &r.title),
        cwe: rule.map_or(&[], |r| &r.cwe),
        severity: finding.severity,
        confidence: finding.confidence,
        persona: finding.persona,
        message: &finding.message,
        file: &file.shown,
        start: place(&file.lines, &file.text, finding.span.start),
        end: place(&file.lines, &file.text, finding.span.end),
        fingerprint,
        path: finding.path.iter().map(|s| step(report, file, s)).collect(),
        origin: reported.origin.as_ref().map(LineOrigin::json),
        fix,
        no_fix,
    }
}

fn step<'a>(report: &'a Report, file: &'a FileReport, step: &'a Step) -> JsonStep<'a> {
    let start = match &step.file {
        None => Some(place(&file.lines, &file.text, step.span.start)),
        Some(name) => report.others.get(&file.workspace, name).map(|o| place(&o.1, &o.0, step.span.start)),
    };
    JsonStep { file: step.file.as_deref().unwrap_or(&file.shown), start, note: &step.note }
}

fn place(lines: &crate::lines::Lines, text: &str, byte: usize) -> JsonPlace {
    let place = lines.place(text, byte);
    JsonPlace { line: place.line, column: place.column, byte }
}

/// The findings of a file, each with a fingerprint made of rule, file, the text of its line and how many findings of
/// the same rule stood on an equal line before: stable when other lines are added, removed or moved.
pub(super) fn with_fingerprints(file: &FileReport) -> impl Iterator<Item = (&Reported, String)> {
    let mut seen = rustc_hash::FxHashMap::default();
    file.findings.iter().map(move |reported| {
        let line = file.lines.line(reported.finding.span.start);
        let text: String = file.text[file.lines.range(&file.text, line)].split_whitespace().collect();
        let mut hash = fnv(&[&reported.finding.rule, &file.name, &text]);
        let count: &mut u32 = seen.entry(hash).or_default();
        if *count > 0 {
            hash = fnv(&[&format!("{hash:016x}"), &count.to_string()]);
        }
        *count += 1;
        (reported, format!("{hash:016x}"))
    })
}

/// FNV-1a, 64 bits: fingerprints are stored by others, so the function must never change.
fn fnv(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|p| p.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_hash_is_the_published_one() {
        // FNV-1a of "a\0": computed from the definition.
        let by_hand = ((0xcbf2_9ce4_8422_2325_u64 ^ 0x61).wrapping_mul(0x0100_0000_01b3)).wrapping_mul(0x0100_0000_01b3);
        assert_eq!(super::fnv(&["a"]), by_hand);
        assert_ne!(super::fnv(&["ab", "c"]), super::fnv(&["a", "bc"]));
    }
}
