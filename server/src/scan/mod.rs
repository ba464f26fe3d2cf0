//! From files to reports, once for every command: read, name, judge how strictly, analyse, work out rewrites.
//!
//! What is analysed is hostile until proven otherwise, and a stack overflow or a lack of memory cannot be caught within
//! a process. So the work is done in a worker process of the same binary ([`worker`]), and [`Crew`] loses of a worker
//! that dies, hangs or starves nothing but the file that did it.

mod crew;
pub(crate) mod fault;
mod wire;
pub mod worker;

pub(crate) use crew::Crew;

use crate::{
    cli::{Judging, Limits, Origin},
    files::{self, Content, Loss, Text},
    git,
    lines::Lines,
    project::Projects,
    provenance::Ledgers,
    rewrite,
    workspace::{Vetted, Workspace, Workspaces},
};
use cpu_time::ThreadTime;
use qualm_engine::{Analysis, Cache, Finding, Fix, Foreign, Language, Limit, Refusal, Safety};
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    ffi::OsString,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

/// Stack of each thread that analyses, in bytes; only what is touched costs memory.
pub use qualm_engine::STACK_SIZE;
/// A file with more rewrites than this is left for the next run of `fix`.
const MAX_REWRITES: usize = 500;

/// What holds for all files of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// The root of files in no marked project.
    pub fallback: OsString,
    pub judging: Judging,
    pub origin: Option<Origin>,
    pub limits: Limits,
    /// Larger files are not read.
    pub max_size: u64,
    /// As many files are analysed at the same time.
    pub threads: usize,
}

impl Setup {
    /// The projects of the run, with the flags on top of their settings.
    pub fn workspaces(&self) -> Workspaces {
        Workspaces::new(PathBuf::from(&self.fallback), self.judging.overrides(self.origin))
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(self.limits.max_seconds)
    }
}

/// A file to look at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Absolute.
    path: OsString,
    /// What the project calls it, if that does not follow from the path.
    name: Option<String>,
    /// Its text, if that is not the file's, and how that differs from what was there.
    text: Option<(String, Option<Loss>)>,
    /// The name of its language, if that does not follow from the file's name.
    language: Option<String>,
    /// What of it is foreign, if not what its ledger says.
    foreign: Option<Vec<Range<usize>>>,
    before: Before,
    want: Want,
}

/// What a file was before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Before {
    /// Nobody asks.
    Whatever,
    /// It is new.
    Missing,
    Text(String),
}

/// What is wanted of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Want {
    Findings,
    /// A rewrite for each finding too.
    Fixes,
    /// The text after all rewrites that are at least so safe.
    Rewritten(Safety),
}

impl Job {
    pub fn new(path: &Path, want: Want) -> Self {
        let path = path.as_os_str().to_owned();
        Self { path, name: None, text: None, language: None, foreign: None, before: Before::Whatever, want }
    }

    pub fn in_language(mut self, language: Option<Language>) -> Self {
        self.language = language.map(|l| l.info().name.to_owned());
        self
    }

    /// Only what is new since then is of interest.
    pub fn since(mut self, before: Before) -> Self {
        self.before = before;
        self
    }

    /// This text instead of the file's.
    pub fn with_text(mut self, text: Text) -> Self {
        self.text = Some((text.text, text.loss));
        self
    }

    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// These bytes are foreign, whatever the ledger says.
    pub fn with_foreign(mut self, ranges: Vec<Range<usize>>) -> Self {
        self.foreign = Some(ranges);
        self
    }
}

/// What came of a file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Scanned {
    /// Whether its findings are known.
    pub vetted: bool,
    /// What the project calls it.
    pub name: String,
    /// Left empty where nothing was found.
    pub text: String,
    pub findings: Vec<Found>,
    /// What was left out or not understood.
    pub gaps: Vec<Gap>,
    /// For [`Want::Rewritten`], if there is something to do.
    pub change: Option<Change>,
}

/// A finding, and its rewrite or why there is none, if rewrites were wanted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    pub finding: Finding,
    pub fix: Option<Result<Fix, String>>,
}

/// A file before and after its rewrites.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Change {
    pub before: String,
    pub after: String,
    pub applied: Vec<Fix>,
}

/// Something of a file that was not looked at or not understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    pub kind: Kind,
    /// For people.
    pub why: String,
}

/// The kinds of gaps. The first ones are those of files of which nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Its name says that it is no text that anybody writes.
    ByName,
    /// Not a text.
    Binary,
    /// The settings exclude it, though it was named.
    Excluded,
    /// It has more bytes than are read.
    TooLarge,
    /// It could not be read.
    Unreadable,
    /// The analysis took too long.
    Time,
    /// The analysis took too much memory.
    Memory,
    /// The analysis failed.
    Failed,
    /// Its language is not parsed.
    UnknownLanguage,
    /// It is not what it would be in UTF-8.
    Encoding,
    /// Parts of it cannot be parsed.
    SyntaxErrors,
    /// Parts were not followed to their end.
    NotFollowed,
    /// Rewrites were not all worked out.
    Rewrites,
}

impl Kind {
    /// For people who want no more than the kind.
    pub fn name(self) -> &'static str {
        match self {
            Kind::ByName => "left out, as their names tell of media, archives, lockfiles or minified code",
            Kind::Binary => "not text",
            Kind::Excluded => "excluded by the settings",
            Kind::TooLarge => "too large",
            Kind::Unreadable => "could not be read",
            Kind::Time => "not vetted: take too long",
            Kind::Memory => "not vetted: take too much memory",
            Kind::Failed => "not vetted: the analysis failed",
            Kind::UnknownLanguage => "not in a language that is parsed: searched for secrets, hidden characters and unfinished work only",
            Kind::Encoding => "not UTF-8, or with NUL bytes",
            Kind::SyntaxErrors => "syntax errors",
            Kind::NotFollowed => "not followed to the end",
            Kind::Rewrites => "rewrites not worked out",
        }
    }

    /// Whether nothing is known of the file.
    pub fn is_whole(self) -> bool {
        self < Kind::UnknownLanguage
    }

    /// Whether qualm itself could not do its work.
    pub fn is_trouble(self) -> bool {
        matches!(self, Kind::Time | Kind::Memory | Kind::Failed)
    }
}

impl Scanned {
    /// A file of which nothing is known.
    pub fn lost(kind: Kind, why: impl Into<String>) -> Self {
        Self { gaps: vec![Gap { kind, why: why.into() }], ..Self::default() }
    }

    fn gap(&mut self, kind: Kind, why: impl Into<String>) {
        self.gaps.push(Gap { kind, why: why.into() });
    }
}

/// What a worker has open.
struct Scanner {
    setup: Setup,
    workspaces: Workspaces,
    projects: Projects,
    ledgers: Ledgers,
}

/// A file on its way through.
struct Open<'s> {
    workspace: &'s Workspace,
    project: &'s crate::project::Files,
    path: &'s Path,
    name: &'s str,
    language: Option<Language>,
    /// [`processor_time`] when work on it began.
    started: Duration,
}

/// One way through the findings of a file that is rewritten, from the first to the last.
struct Pass<'o> {
    open: &'o Open<'o>,
    least: Safety,
    cache: Cache,
    /// Findings that start before this byte had their turn.
    from: usize,
}

impl Scanner {
    fn new(setup: Setup) -> Self {
        Self { workspaces: setup.workspaces(), setup, projects: Projects::default(), ledgers: Ledgers::default() }
    }

    /// Does what a job says. What is known before rewrites are worked out is told to `early`.
    fn scan(&self, job: Job, early: &mut dyn FnMut(&Scanned)) -> Scanned {
        let started = processor_time();
        let path = PathBuf::from(job.path);
        fault::here("scan", &path.to_string_lossy());
        let (text, loss) = match job.text {
            Some(text) => text,
            None => match files::read(&path, self.setup.max_size) {
                Ok(Content::Text(text)) => (text.text, text.loss),
                Ok(Content::Binary) => return Scanned::lost(Kind::Binary, "not a text file"),
                Ok(Content::TooLarge(size)) => {
                    return Scanned::lost(Kind::TooLarge, format!("{size} bytes, the limit is {}", self.setup.max_size));
                }
                Err(error) => return Scanned::lost(Kind::Unreadable, error.to_string()),
            },
        };
        let workspace = self.workspaces.of(path.parent().unwrap_or(&path));
        let name = job.name.map_or_else(|| workspace.name_of(&path), Into::into);
        let language = job.language.and_then(|l| Language::by_name(&l)).or_else(|| Language::by_path(&name));
        let project = self.projects.of(&workspace.root);
        let open = Open { workspace: &workspace, project: &project, path: &path, name: &name, language, started };
        if let Want::Rewritten(least) = job.want {
            return match loss {
                Some(loss) => Scanned::lost(Kind::Encoding, format!("not rewritten: {loss}")),
                None => self.rewritten(&open, text, least),
            };
        }
        let foreign = match job.foreign {
            Some(ranges) => workspace.strictness(Foreign::Ranges(ranges)),
            None => self.ledgers.strictness(&workspace, &path, &text),
        };
        let file = Vetted::new(&name, language, &text, foreign);
        drop(text);
        let mut cache = Cache::default();
        let analysis = workspace.analyse(&file, &mut cache, &*project, &|| self.is_late(started));
        let Some(analysis) = analysis else { return self.too_long() };
        let mut done = Scanned { vetted: true, name: name.to_string(), ..Scanned::default() };
        if let Some(loss) = loss {
            done.gap(Kind::Encoding, loss.to_string());
        }
        match &file {
            Vetted::Plain { .. } => done.gap(Kind::UnknownLanguage, not_parsed(&name)),
            Vetted::Source(source) => not_understood(&mut done, &source.text, &analysis),
        }
        let mut findings = analysis.findings;
        let base = match &job.before {
            Before::Whatever => None,
            Before::Missing => Some(git::Base::New),
            Before::Text(text) => Some(git::Base::Text(Cow::Borrowed(text))),
        };
        if let Some(base) = base {
            let lines = Lines::new(file.text());
            let changed = base.changed(file.text());
            findings.retain(|f| changed.concerns(&lines, f));
            if let (Vetted::Source(source), git::Base::Text(before)) = (&file, &base) {
                findings.extend(workspace.shown(workspace.engine.changes(before, source)));
                findings.sort_by(|a, b| (a.span.start, a.span.end, &a.rule).cmp(&(b.span.start, b.span.end, &b.rule)));
                findings.dedup();
            }
        }
        if findings.is_empty() {
            return done;
        }
        file.text().as_ref().clone_into(&mut done.text);
        done.findings = findings.into_iter().map(|finding| Found { finding, fix: None }).collect();
        if job.want == Want::Fixes && loss.is_none() && matches!(file, Vetted::Source(_)) {
            early(&done);
            self.work_out_fixes(&open, cache, &file, &mut done);
        }
        done
    }

    /// `cache` is what the analysis of the file left.
    fn work_out_fixes(&self, open: &Open<'_>, cache: Cache, file: &Vetted, done: &mut Scanned) {
        let Vetted::Source(source) = file else { return };
        fault::here("fix", open.name);
        let mut rewrites = open.workspace.engine.rewrites(cache, source, open.project);
        let mut left_out = 0;
        for found in &mut done.findings {
            // The findings themselves must not be lost for rewrites that take too long together.
            if processor_time().saturating_sub(open.started) > self.setup.deadline() / 2 {
                left_out += 1;
                continue;
            }
            found.fix = Some(rewrites.of(&found.finding).map_err(|refusal| refusal.to_string()));
        }
        if rewrites.left_out() > 0 {
            let what = "rewrites were not worked out, as the file's budget for them is spent; `qualm fix` goes on";
            done.gap(Kind::Rewrites, format!("{} {what}", rewrites.left_out()));
        }
        if left_out > 0 {
            done.gap(Kind::Rewrites, format!("{left_out} rewrites were not worked out, as they took too long together"));
        }
    }

    /// Applies one rewrite after the other until none is left.
    fn rewritten(&self, open: &Open<'_>, before: String, least: Safety) -> Scanned {
        let mut done = Scanned { vetted: true, name: open.name.to_owned(), ..Scanned::default() };
        let mut text = before.clone();
        let mut applied = Vec::new();
        let mut pass = Pass { open, least, cache: Cache::default(), from: 0 };
        let mut applied_before_pass = 0;
        // Two rules that undo each other would go on for ever.
        let mut seen = FxHashSet::from_iter([qualm_engine::analysis::hash(&text)]);
        while applied.len() < MAX_REWRITES {
            let next = self.next_rewrite(&mut pass, &text);
            if next.is_none() && applied.is_empty() {
                return self.too_long();
            }
            let Some(next) = next else {
                done.gap(Kind::Rewrites, "working out rewrites takes too long; run again for the rest");
                break;
            };
            let Some((fix, after)) = next else {
                if applied.len() == applied_before_pass {
                    break;
                }
                // What was refused may be right after the others.
                applied_before_pass = applied.len();
                pass.from = 0;
                continue;
            };
            if !seen.insert(qualm_engine::analysis::hash(&after)) {
                break;
            }
            applied.push(fix);
            text = after;
        }
        if !applied.is_empty() {
            done.change = Some(Change { before, after: text, applied });
        }
        done
    }

    /// The next rewrite of the text that may be applied, and the text after it. `None`: it takes too long.
    fn next_rewrite(&self, pass: &mut Pass<'_>, text: &str) -> Option<Option<(Fix, String)>> {
        let open = pass.open;
        let Open { workspace, project, started, .. } = *open;
        let foreign = self.ledgers.strictness(workspace, open.path, text);
        let vetted = Vetted::new(open.name, open.language, text, foreign);
        let analysis = workspace.analyse(&vetted, &mut pass.cache, project, &|| self.is_late(started))?;
        let Vetted::Source(source) = &vetted else { return Some(None) };
        let share = || workspace.engine.rewrites(pass.cache.fork(), source, project);
        let mut rewrites = share();
        for finding in analysis.findings.iter().filter(|f| f.span.start >= pass.from) {
            if self.is_late(started) {
                break;
            }
            let mut outcome = rewrites.of(finding);
            if outcome == Err(Refusal::Budget) {
                // Here somebody asked for all of them: the next share is begun.
                rewrites = share();
                outcome = rewrites.of(finding);
            }
            let Ok(fix) = outcome else { continue };
            let fix = rewrite::with_line_ends_of(text, fix);
            if fix.safety < pass.least || fix.edits.is_empty() || !rewrite::is_sound(text, &fix) {
                continue;
            }
            let after = fix.apply(text);
            if after != text {
                pass.from = finding.span.start;
                return Some(Some((fix, after)));
            }
        }
        Some(None)
    }

    fn is_late(&self, started: Duration) -> bool {
        processor_time().saturating_sub(started) > self.setup.deadline()
    }

    fn too_long(&self) -> Scanned {
        crew::after_failure(None, Kind::Time, took_too_long(&self.setup))
    }
}

/// Why only text rules speak about a file.
fn not_parsed(name: &str) -> &'static str {
    if Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case("ipynb")) {
        "a notebook: its cells were searched for secrets, hidden characters and unfinished work only"
    } else {
        Kind::UnknownLanguage.name()
    }
}

/// Names what an analysis had to leave out of a file.
fn not_understood(done: &mut Scanned, text: &str, analysis: &Analysis) {
    let lines = Lines::new(text);
    let line = |span: &Range<usize>| lines.line(span.start) + 1;
    if let Some(first) = analysis.broken.first() {
        let parts = if analysis.broken.len() == 1 { "a part".to_owned() } else { format!("{} parts", analysis.broken.len()) };
        done.gap(
            Kind::SyntaxErrors,
            format!("{parts} with syntax errors, the first from line {} on; findings may be missing", line(first)),
        );
    }
    // Why, and the first place of each reason.
    let mut reasons: Vec<(Limit, usize, usize)> = Vec::new();
    for part in &analysis.not_followed {
        match reasons.iter_mut().find(|r| r.0 == part.limit) {
            Some(reason) => reason.2 += 1,
            None => reasons.push((part.limit, line(&part.span), 1)),
        }
    }
    for (limit, line, parts) in reasons {
        let more = if parts > 1 { format!(" and in {} other places", parts - 1) } else { String::new() };
        done.gap(Kind::NotFollowed, format!("not followed to the end from line {line} on{more}: {limit}; findings may be missing"));
    }
}

/// What this thread has used of a processor: what else the machine does must have no part in what is found.
fn processor_time() -> Duration {
    ThreadTime::now().as_duration()
}

fn took_too_long(setup: &Setup) -> String {
    format!("the analysis takes longer than {} s (--max-seconds)", setup.limits.max_seconds)
}
