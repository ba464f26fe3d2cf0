//! `qualm check`: finds the files, vets them in parallel and hands what was found to a format.

mod github;
mod json;
mod sarif;
mod text;

pub use json::{JsonFinding, JsonFix, JsonPlace, JsonReport};

use crate::{
    cli::{CheckArgs, Format, Outcome},
    files::{self, Content, Task},
    git,
    lines::Lines,
    provenance::{self, LineOrigin},
    report::Style,
    scan::{Before, Crew, Job, Kind, Scanned, Setup, Want},
    workspace::{Workspace, Workspaces},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qualm_engine::{Finding, Fix, Language};
use rustc_hash::FxHashMap;
use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// One finding with its rewrite, if rewrites were asked for.
pub(crate) struct Reported {
    pub(crate) finding: Finding,
    pub(crate) fix: Option<Result<Fix, String>>,
    /// Where its text came from, if anybody recorded that.
    pub(crate) origin: Option<LineOrigin>,
}

/// A file with findings.
pub(crate) struct FileReport {
    /// As a person at the command line would name it.
    pub(crate) shown: String,
    /// As the project names it.
    pub(crate) name: Arc<str>,
    pub(crate) workspace: Arc<Workspace>,
    pub(crate) text: Arc<str>,
    pub(crate) lines: Lines,
    pub(crate) findings: Vec<Reported>,
}

/// Everything a format needs.
pub(crate) struct Report {
    /// In the order of the paths.
    pub(crate) files: Vec<FileReport>,
    /// What was left out, and why.
    pub(crate) notices: Vec<String>,
    /// Number of files that were analysed.
    pub(crate) checked: usize,
    pub(crate) elapsed: Duration,
    /// Texts of other files that paths lead through.
    pub(crate) others: Others,
}

/// Loads the text of files that a path step names, once each.
#[derive(Default)]
pub(crate) struct Others(std::sync::Mutex<FxHashMap<PathBuf, Option<OtherText>>>);

/// A text with its lines.
type OtherText = Arc<(String, Lines)>;

impl Others {
    /// The text of a project file, if it can still be read.
    pub(crate) fn get(&self, workspace: &Workspace, name: &str) -> Option<OtherText> {
        let path = workspace.root.join(name);
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known
            .entry(path)
            .or_insert_with_key(|path| match files::read(path, files::MAX_FILE) {
                Ok(Content::Text(text)) => {
                    let lines = Lines::new(&text.text);
                    Some(Arc::new((text.text, lines)))
                }
                _ => None,
            })
            .clone()
    }
}

impl Report {
    pub(crate) fn findings(&self) -> usize {
        self.files.iter().map(|f| f.findings.len()).sum()
    }

    /// Asks the ledger, git and records in the repository where the text of each finding came from.
    fn find_origins(&mut self) {
        let line = |file: &FileReport, found: &Reported| file.lines.line(found.finding.span.start);
        let wanted: Vec<provenance::Places<'_>> = self
            .files
            .iter()
            .map(|f| (f.workspace.root.join(&*f.name), &*f.text, f.findings.iter().map(|found| line(f, found)).collect()))
            .collect();
        let (origins, notices) = provenance::of_places(&wanted);
        drop(wanted);
        for (file, origins) in self.files.iter_mut().zip(origins) {
            for (found, origin) in file.findings.iter_mut().zip(origins) {
                found.origin = origin;
            }
        }
        self.notices.extend(notices);
    }
}

/// Runs the command.
pub fn run(args: &CheckArgs) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let session = Session::new(args)?;
    let (looked_at, mut notices) = if args.paths.iter().any(|p| p.as_os_str() == "-") {
        anyhow::ensure!(args.paths.len() == 1, "`-` (standard input) cannot be combined with other paths");
        anyhow::ensure!(args.diff.is_none(), "--diff needs files, not standard input");
        (vec![session.stdin()?], Vec::new())
    } else {
        session.files()?
    };
    let failed = looked_at.iter().any(LookedAt::is_trouble);
    let mut report = Report { files: Vec::new(), notices: Vec::new(), checked: 0, elapsed: Duration::ZERO, others: Others::default() };
    for file in looked_at {
        report.checked += usize::from(file.scanned.vetted);
        notices.extend(file.notices());
        report.files.extend(session.report(file));
    }
    report.notices = notices;
    let workspaces = session.workspaces.all();
    for problem in workspaces.iter().flat_map(|w| &w.problems) {
        report.notices.push(problem.to_string());
    }
    if args.format != Format::Github {
        report.find_origins();
    }
    report.elapsed = started.elapsed();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = match args.format {
        Format::Text => text::write(&mut out, &report, &Style::of_terminal()),
        Format::Json => json::write(&mut out, &report),
        Format::Sarif => sarif::write(&mut out, &report, &workspaces),
        Format::Github => github::write(&mut out, &report),
    };
    // A reader that has seen enough (`| head`) is no trouble of ours.
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    if args.format != Format::Text {
        for notice in &report.notices {
            eprintln!("qualm: {}", crate::lines::one_line(notice));
        }
    }
    if failed {
        return Ok(Outcome::Trouble);
    }
    Ok(if report.findings() > 0 { Outcome::Findings } else { Outcome::Clean })
}

/// A file and what came of it.
struct LookedAt {
    /// Absolute.
    path: PathBuf,
    shown: String,
    /// Named by the user.
    explicit: bool,
    scanned: Scanned,
}

impl LookedAt {
    fn is_trouble(&self) -> bool {
        self.scanned.gaps.iter().any(|g| g.kind.is_trouble() || (g.kind == Kind::Unreadable && self.explicit))
    }

    fn notices(&self) -> impl Iterator<Item = String> {
        // That a folder holds other files than texts surprises nobody.
        let told = self.scanned.gaps.iter().filter(|g| g.kind != Kind::Binary || self.explicit);
        told.map(|g| match g.kind {
            Kind::Binary | Kind::TooLarge | Kind::Unreadable => format!("{}: skipped: {}", self.shown, g.why),
            _ => format!("{}: {}", self.shown, g.why),
        })
    }
}

struct Session<'a> {
    args: &'a CheckArgs,
    cwd: PathBuf,
    setup: Setup,
    workspaces: Workspaces,
    /// What the format shows.
    want: Want,
}

impl<'a> Session<'a> {
    fn new(args: &'a CheckArgs) -> anyhow::Result<Self> {
        let cwd = std::env::current_dir()?;
        let cwd = cwd.canonicalize().unwrap_or(cwd);
        let setup = Setup {
            fallback: files::fallback_root(&cwd, &args.paths).into(),
            judging: args.judging.clone(),
            origin: args.origin,
            limits: args.limits,
            max_size: args.max_size(),
            threads: rayon::current_num_threads(),
        };
        let want = if args.no_fixes || args.format == Format::Github { Want::Findings } else { Want::Fixes };
        Ok(Self { args, cwd, workspaces: setup.workspaces(), setup, want })
    }

    /// Every file that was asked for, and what has to be told.
    fn files(&self) -> anyhow::Result<(Vec<LookedAt>, Vec<String>)> {
        let mut crew = Crew::new(self.setup.clone())?;
        let (tasks, notices) = files::collect(&self.args.paths, &self.cwd, self.args.hidden, |path| {
            !self.workspaces.of(path.parent().unwrap_or(&self.cwd)).config.excluded(path)
        })?;
        self.workspaces.check(&self.args.judging.rule_ids())?;
        let bases = match &self.args.diff {
            Some(reference) => Some(git::Bases::read(reference, tasks.iter().map(|t| t.path.as_path()), files::MAX_FILE)?),
            None => None,
        };
        let (mut looked_at, mut jobs) = (Vec::new(), Vec::new());
        for Task { path, shown, explicit } in tasks {
            let before = match bases.as_ref().map(|b| b.of(&path)) {
                None => Some(Before::Whatever),
                Some(git::Base::New) => Some(Before::Missing),
                Some(git::Base::Text(text)) => Some(Before::Text(text.into_owned())),
                Some(git::Base::Same) => None,
            };
            jobs.extend(before.map(|before| Job::new(&path, self.want).in_language(self.args.language).since(before)));
            // What did not change has no new findings.
            let scanned = Scanned { vetted: true, ..Scanned::default() };
            looked_at.push((jobs.len(), LookedAt { path, shown, explicit, scanned }));
        }
        let progress = Progress::new(jobs.len());
        let scanned = crew.scan(jobs, &mut || progress.step());
        progress.finish();
        let mut before = 0;
        let mut scanned = scanned.into_iter();
        let filled = looked_at.into_iter().map(|(jobs, mut file)| {
            if jobs > before
                && let Some(scanned) = scanned.next()
            {
                file.scanned = scanned;
            }
            before = jobs;
            file
        });
        Ok((filled.collect(), notices))
    }

    fn stdin(&self) -> anyhow::Result<LookedAt> {
        let given = self.args.stdin_filename.as_deref();
        let path = self.cwd.join(given.unwrap_or(Path::new("stdin")));
        let mut crew = Crew::new(self.setup.clone())?;
        self.workspaces.of(path.parent().unwrap_or(&self.cwd));
        self.workspaces.check(&self.args.judging.rule_ids())?;
        let language = self.args.language.or_else(|| Language::by_path(&path.to_string_lossy()));
        anyhow::ensure!(
            language.is_some() || given.is_some(),
            "what language is standard input? Say it with --stdin-filename NAME or --language LANGUAGE"
        );
        let shown = given.map_or_else(|| "<stdin>".into(), |p| p.to_string_lossy().into_owned());
        let text = match files::read_stdin(self.args.max_size())? {
            Content::Text(text) => text,
            Content::Binary => anyhow::bail!("standard input is not text"),
            Content::TooLarge(_) => anyhow::bail!("standard input is larger than {} bytes", self.args.max_size()),
        };
        let mut job = Job::new(&path, self.want).in_language(language).with_text(text);
        if given.is_none() {
            job = job.named("<stdin>");
        }
        Ok(LookedAt { path, shown, explicit: true, scanned: crew.scan_one(job) })
    }

    /// A file with findings as the formats see it.
    fn report(&self, file: LookedAt) -> Option<FileReport> {
        let Scanned { name, text, findings, .. } = file.scanned;
        if findings.is_empty() {
            return None;
        }
        let workspace = self.workspaces.of(file.path.parent().unwrap_or(&self.cwd));
        let findings = findings.into_iter().map(|f| Reported { finding: f.finding, fix: f.fix, origin: None }).collect();
        Some(FileReport { shown: file.shown, name: name.into(), workspace, lines: Lines::new(&text), text: text.into(), findings })
    }
}

/// A progress bar that appears only on a terminal and only when the work takes long.
struct Progress {
    total: usize,
    started: Instant,
    count: AtomicUsize,
    bar: OnceLock<ProgressBar>,
    terminal: bool,
}

impl Progress {
    fn new(total: usize) -> Self {
        let terminal = io::stderr().is_terminal();
        Self { total, started: Instant::now(), count: AtomicUsize::default(), bar: OnceLock::new(), terminal }
    }

    fn step(&self) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.terminal || self.started.elapsed() < Duration::from_millis(700) {
            return;
        }
        let bar = self.bar.get_or_init(|| {
            let bar = ProgressBar::with_draw_target(Some(self.total as u64), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{bar:32} {pos}/{len} files  {eta} left") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position(count as u64);
    }

    fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests;
