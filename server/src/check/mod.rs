//! `qualm check`: finds the files, vets them in parallel and hands what was found to a format.

mod github;
mod json;
mod sarif;
mod text;

pub use json::{JsonFinding, JsonFix, JsonPlace, JsonReport};

use crate::{
    cli::{CheckArgs, Format, Outcome},
    files::{self, Content, Task, Text},
    git,
    lines::Lines,
    project::{Files, Projects},
    provenance::{self, Ledgers, LineOrigin},
    report::Style,
    workspace::{Vetted, Workspace, Workspaces},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qualm_engine::{Cache, Finding, Fix, Language, Refusal};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::{
    io::{self, IsTerminal, Write},
    panic::{AssertUnwindSafe, catch_unwind},
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
    pub(crate) fix: Option<Result<Fix, Refusal>>,
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

/// What vetting one file gave.
#[derive(Default)]
struct Done {
    report: Option<FileReport>,
    notices: Vec<String>,
    checked: bool,
    failed: bool,
    exhausted: bool,
}

/// Runs the command.
pub fn run(args: &CheckArgs) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let session = Session::new(args)?;
    let mut notices = Vec::new();
    let done: Vec<Done> = if args.paths.iter().any(|p| p.as_os_str() == "-") {
        anyhow::ensure!(args.paths.len() == 1, "`-` (standard input) cannot be combined with other paths");
        anyhow::ensure!(args.diff.is_none(), "--diff needs files, not standard input");
        vec![session.stdin()?]
    } else {
        let (tasks, left_out) = files::collect(&args.paths, &session.cwd, args.hidden, |path| {
            !session.workspaces.of(path.parent().unwrap_or(&session.cwd)).config.excluded(path)
        })?;
        notices.extend(left_out);
        session.workspaces.check(&args.judging.rule_ids())?;
        session.vet_all(&tasks)?
    };
    let mut report = Report { files: Vec::new(), notices, checked: 0, elapsed: Duration::ZERO, others: Others::default() };
    let failed = done.iter().any(|d| d.failed);
    for one in done {
        report.checked += usize::from(one.checked);
        report.notices.extend(one.notices);
        report.files.extend(one.report);
    }
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

struct Session<'a> {
    args: &'a CheckArgs,
    cwd: PathBuf,
    workspaces: Workspaces,
    ledgers: Ledgers,
    /// Whether the format shows rewrites.
    fixes: bool,
}

impl<'a> Session<'a> {
    fn new(args: &'a CheckArgs) -> anyhow::Result<Self> {
        let cwd = std::env::current_dir()?;
        let cwd = cwd.canonicalize().unwrap_or(cwd);
        let fallback = files::fallback_root(&cwd, &args.paths);
        let workspaces = Workspaces::new(fallback, args.judging.overrides(args.origin));
        Ok(Self { args, cwd, workspaces, ledgers: Ledgers::default(), fixes: !args.no_fixes && args.format != Format::Github })
    }

    fn vet_all(&self, tasks: &[Task]) -> anyhow::Result<Vec<Done>> {
        let bases = match &self.args.diff {
            Some(reference) => Some(git::Bases::read(reference, tasks.iter().map(|t| t.path.as_path()), files::MAX_FILE)?),
            None => None,
        };
        let progress = Progress::new(tasks.len());
        let projects = Projects::default();
        let done = tasks
            .par_iter()
            .map(|task| {
                // One file that the engine cannot bear must not take the others' findings with it.
                let done = catch_unwind(AssertUnwindSafe(|| self.vet_file(task, bases.as_ref(), &projects)));
                progress.step();
                done.unwrap_or_else(|_| Done {
                    notices: vec![format!("{}: the analysis failed; this is a bug in qualm, please report it", task.shown)],
                    failed: true,
                    ..Done::default()
                })
            })
            .collect();
        progress.finish();
        Ok(done)
    }

    fn vet_file(&self, task: &Task, bases: Option<&git::Bases>, projects: &Projects) -> Done {
        let notice = |message: String| Done { notices: vec![format!("{}: {message}", task.shown)], ..Done::default() };
        let base = match bases.map(|b| b.of(&task.path)) {
            Some(git::Base::Same) => return Done { checked: true, ..Done::default() },
            other => other,
        };
        let Text { text, lossy } = match files::read(&task.path, self.args.max_size()) {
            Ok(Content::Text(text)) => text,
            Ok(Content::Binary) if task.explicit => return notice("skipped: not a text file".into()),
            Ok(Content::Binary) => return Done::default(),
            Ok(Content::TooLarge(size)) => return notice(format!("skipped: {size} bytes, the limit is {}", self.args.max_size())),
            Err(error) => return notice(format!("skipped: {error}")),
        };
        let workspace = self.workspaces.of(task.path.parent().unwrap_or(&self.cwd));
        let name = workspace.name_of(&task.path);
        let language = self.args.language.or_else(|| Language::by_path(&name));
        let project = projects.of(&workspace.root);
        let mut done = self.vet(&workspace, &name, language, text, lossy, base, &project);
        if let Some(report) = &mut done.report {
            report.shown.clone_from(&task.shown);
        }
        if done.exhausted {
            done.notices.push(format!("{}: too involved to follow to the end; findings may be missing", task.shown));
        }
        if lossy && language.is_some() {
            done.notices.push(format!("{}: not UTF-8; other bytes were read as `?`", task.shown));
        }
        done
    }

    #[allow(clippy::too_many_arguments)]
    fn vet(
        &self,
        workspace: &Arc<Workspace>,
        name: &Arc<str>,
        language: Option<Language>,
        text: String,
        lossy: bool,
        base: Option<git::Base<'_>>,
        project: &Files,
    ) -> Done {
        let foreign = self.ledgers.strictness(workspace, &workspace.root.join(&**name), &text);
        let file = Vetted::new(name, language, &text, foreign);
        drop(text);
        let Some(analysis) = workspace.analyse(&file, &mut Cache::default(), project, &|| false) else { return Done::default() };
        let mut done = Done { checked: true, exhausted: analysis.exhausted, ..Done::default() };
        let lines = Lines::new(file.text());
        let mut findings = analysis.findings;
        if let Some(base) = base {
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
        let findings = findings
            .into_iter()
            .map(|finding| {
                let fix = match &file {
                    Vetted::Source(source) if self.fixes && !lossy => Some(workspace.engine.fix(source, &finding, project)),
                    _ => None,
                };
                Reported { finding, fix, origin: None }
            })
            .collect();
        let text = file.text().clone();
        done.report = Some(FileReport { shown: name.to_string(), name: name.clone(), workspace: workspace.clone(), text, lines, findings });
        done
    }

    fn stdin(&self) -> anyhow::Result<Done> {
        let given = self.args.stdin_filename.as_deref();
        let path = self.cwd.join(given.unwrap_or(Path::new("stdin")));
        let workspace = self.workspaces.of(path.parent().unwrap_or(&self.cwd));
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
        let name: Arc<str> = if given.is_some() { workspace.name_of(&path) } else { "<stdin>".into() };
        let project = Files::new(workspace.root.clone());
        let mut done = self.vet(&workspace, &name, language, text.text, text.lossy, None, &project);
        if let Some(report) = &mut done.report {
            report.shown = shown;
        }
        Ok(done)
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
