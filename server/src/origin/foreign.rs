//! What waits for a person: the foreign regions, with the findings that are open in them and whether somebody looked
//! at them, the newest first.

use crate::{
    cli::{Judging, Limits},
    files::{MAX_FILE, Text, fallback_root},
    lines::{Lines, one_line},
    provenance::{LineOrigin, Traced},
    report::Style,
    scan::{Crew, Found, Job, Setup, Want},
};
use qualm_origin::time;
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    ops::Range,
    path::Path,
};

/// The report for people lists so many regions.
const LISTED: usize = 20;

/// Foreign lines of one origin that follow each other.
pub(super) struct Region<'t> {
    file: &'t Traced,
    /// Lines, 0-based.
    lines: Range<usize>,
    origin: &'t LineOrigin,
    /// When the newest of it came; 0 if not known.
    time: i64,
    /// Rule and line (0-based) of each finding.
    findings: Vec<(String, usize)>,
    /// How many of its lines a finding touches.
    touched: usize,
}

/// All foreign regions of some files, the newest first.
#[derive(Default)]
pub(super) struct Regions<'t>(Vec<Region<'t>>);

impl<'t> Regions<'t> {
    /// Looks for them and vets what is in them; also what could not be vetted. `wanted` says which lines (0-based) are
    /// spoken of.
    pub fn of(files: &'t [Traced], cwd: &Path, wanted: impl Fn(&Traced, usize) -> bool) -> anyhow::Result<(Self, Vec<String>)> {
        let found = files.iter().map(|file| (file, regions(file, |line| wanted(file, line))));
        let mut found: Vec<(&Traced, Vec<Region<'_>>)> = found.filter(|(_, regions)| !regions.is_empty()).collect();
        let told = vet(&mut found, cwd)?;
        let mut all: Vec<Region<'t>> = found.into_iter().flat_map(|(_, regions)| regions).collect();
        all.sort_by_key(|r| (std::cmp::Reverse(r.time), r.file.shown.as_str(), r.lines.start));
        Ok((Self(all), told))
    }

    fn lines(&self, only: impl Fn(&Region<'_>) -> bool) -> usize {
        self.0.iter().filter(|r| only(r)).map(|r| r.lines.len()).sum()
    }

    /// For people.
    pub fn write(&self, out: &mut impl Write, style: &Style) -> io::Result<()> {
        let lines = self.lines(|_| true);
        if lines == 0 {
            return Ok(());
        }
        let touched: usize = self.0.iter().map(|r| r.touched).sum();
        let unseen = self.lines(|r| !r.origin.reviewed);
        writeln!(out)?;
        writeln!(out, "{} foreign lines, {touched} with open findings, {unseen} not reviewed", style.paint("1", &lines.to_string()))?;
        for region in self.0.iter().take(LISTED) {
            let time = if region.time > 0 { time::format(region.time) } else { "time unknown".to_owned() };
            // To the second is enough here.
            let time = time.split_once('.').map_or(time.as_str(), |t| t.0).trim_end_matches('Z');
            let place = format!("{}:{}-{}", region.file.shown, region.lines.start + 1, region.lines.end);
            let by = [&region.origin.origin, &region.origin.tool, &region.origin.model].map(String::as_str).join(" ");
            let findings = match region.findings.len() {
                0 => String::new(),
                1 => ", 1 finding".to_owned(),
                n => format!(", {n} findings"),
            };
            let seen = if region.origin.reviewed { "reviewed" } else { "not reviewed" };
            let color = if region.findings.is_empty() { "0" } else { "31" };
            writeln!(out, "  {time:19}  {}  {}{}, {seen}", one_line(&place), one_line(by.trim_end()), style.paint(color, &findings))?;
        }
        if self.0.len() > LISTED {
            writeln!(out, "  and {} more regions (all of them: --json)", self.0.len() - LISTED)?;
        }
        Ok(())
    }

    /// For scripts.
    pub fn json(&self) -> Value {
        let region = |r: &Region<'_>| {
            let findings: Vec<Value> = r.findings.iter().map(|(rule, line)| json!({ "rule": rule, "line": line + 1 })).collect();
            json!({
                "file": r.file.shown, "start_line": r.lines.start + 1, "end_line": r.lines.end, "origin": r.origin.origin,
                "tool": r.origin.tool, "model": r.origin.model, "time": (r.time > 0).then(|| time::format(r.time)),
                "reviewed": r.origin.reviewed, "findings": findings,
            })
        };
        json!({
            "lines": self.lines(|_| true),
            "with_findings": self.0.iter().map(|r| r.touched).sum::<usize>(),
            "unreviewed": self.lines(|r| !r.origin.reviewed),
            "regions": self.0.iter().map(region).collect::<Vec<_>>(),
        })
    }
}

fn regions(file: &Traced, wanted: impl Fn(usize) -> bool) -> Vec<Region<'_>> {
    let mut regions: Vec<Region<'_>> = Vec::new();
    let who = |o: &'_ LineOrigin| (o.origin.clone(), o.tool.clone(), o.model.clone(), o.reviewed);
    for (at, origin) in file.origins.iter().enumerate().filter(|(at, o)| o.foreign && wanted(*at)) {
        match regions.last_mut() {
            Some(last) if last.lines.end == at && who(last.origin) == who(origin) => {
                last.lines.end = at + 1;
                last.time = last.time.max(origin.time);
            }
            _ => regions.push(Region { file, lines: at..at + 1, origin, time: origin.time, findings: Vec::new(), touched: 0 }),
        }
    }
    regions
}

/// Judges files with their foreign lines as such and gives each region its findings; what could not be judged is told.
fn vet(files: &mut [(&Traced, Vec<Region<'_>>)], cwd: &Path) -> anyhow::Result<Vec<String>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let setup = Setup {
        fallback: fallback_root(cwd, &[]).into(),
        judging: Judging::default(),
        origin: None,
        limits: Limits::default(),
        max_size: MAX_FILE,
        threads: rayon::current_num_threads(),
    };
    let workspaces = setup.workspaces();
    let mut crew = Crew::new(setup)?;
    files.sort_by(|a, b| a.0.shown.cmp(&b.0.shown));
    let (mut jobs, mut vetted) = (Vec::new(), Vec::new());
    for (file, regions) in files {
        if workspaces.of(file.path.parent().unwrap_or(&file.path)).config.excluded(&file.path) {
            continue;
        }
        let lines = Lines::new(&file.text);
        let bytes = |l: &Range<usize>| lines.range(&file.text, l.start).start..lines.range(&file.text, l.end - 1).end;
        let text = Text { text: file.text.clone(), loss: None };
        let foreign = regions.iter().map(|r| bytes(&r.lines)).collect();
        jobs.push(Job::new(&file.path, Want::Findings).with_text(text).with_foreign(foreign));
        vetted.push((lines, file, regions));
    }
    let mut told = Vec::new();
    for ((lines, file, regions), scanned) in vetted.into_iter().zip(crew.scan(jobs, &mut || ())) {
        told.extend(scanned.gaps.iter().map(|gap| format!("{}: {}", file.shown, gap.why)));
        for region in regions {
            let here = |touched: &Range<usize>| touched.start.max(region.lines.start)..touched.end.min(region.lines.end);
            let mut touched = vec![false; region.lines.len()];
            for Found { finding, .. } in &scanned.findings {
                let place = here(&lines.touched(&finding.span));
                if place.start < place.end {
                    region.findings.push((finding.rule.to_string(), place.start));
                    place.for_each(|line| touched[line - region.lines.start] = true);
                }
            }
            region.touched = touched.into_iter().filter(|t| *t).count();
        }
    }
    Ok(told)
}
