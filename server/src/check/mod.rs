//! `qualm check`: finds the files, vets them in parallel and hands what was found to a format.

mod github;
mod json;
mod sarif;
mod text;

pub use json::{JsonFinding, JsonFix, JsonPlace, JsonReport};

use crate::{
    cli::{CheckArgs, Format, Outcome},
    files::{self, Content, LeftOut, Task},
    git,
    lines::Lines,
    provenance::{self, LineOrigin},
    report::Style,
    scan::{Before, Crew, Gap, Job, Kind, Scanned, Setup, Want},
    workspace::{Workspace, Workspaces},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qualm_engine::{Finding, Fix, Language};
use rustc_hash::FxHashMap;
use std::{
    collections::BTreeMap,
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

/// A file that was not looked at, or not all of it.
pub(crate) struct Incomplete {
    /// As a person at the command line would name it.
    pub(crate) shown: String,
    /// As the project names it.
    pub(crate) name: Arc<str>,
    /// Named by the user, or of a kind of which more would be expected.
    pub(crate) explicit: bool,
    pub(crate) gap: Gap,
}

impl Incomplete {
    /// Whether people are told how many such files there are rather than which: nobody expects more of them.
    fn is_counted(&self) -> bool {
        !self.explicit && matches!(self.gap.kind, Kind::ByName | Kind::UnknownLanguage | Kind::Binary)
    }
}

/// Everything a format needs.
pub(crate) struct Report {
    /// In the order of the paths.
    pub(crate) files: Vec<FileReport>,
    /// In the order of the paths.
    pub(crate) incomplete: Vec<Incomplete>,
    /// What else has to be told.
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

    /// How many files were not vetted though somebody may have written code in them.
    pub(crate) fn unvetted(&self) -> usize {
        let unvetted = |i: &&Incomplete| i.gap.kind.is_whole() && !matches!(i.gap.kind, Kind::ByName | Kind::Binary | Kind::Excluded);
        self.incomplete.iter().filter(unvetted).count()
    }

    /// What people have to be told. Files of one kind of gap are named until they are many.
    pub(crate) fn told(&self) -> Vec<String> {
        let mut told = self.notices.clone();
        let mut named: BTreeMap<Kind, usize> = BTreeMap::new();
        for Incomplete { shown, gap, .. } in self.incomplete.iter().filter(|i| !i.is_counted()) {
            let count = named.entry(gap.kind).or_default();
            *count += 1;
            if *count <= MAX_NAMED {
                told.push(line(shown, gap));
            }
        }
        for (kind, count) in named.into_iter().filter(|(_, count)| *count > MAX_NAMED) {
            told.push(format!("{}: {} (--format json names them)", text::plural(count - MAX_NAMED, "more file"), kind.name()));
        }
        told.extend(self.counted());
        told
    }

    /// How many files there are of which nobody expects more, by the ends of their names.
    pub(crate) fn counted(&self) -> Vec<String> {
        let mut kinds: BTreeMap<Kind, BTreeMap<&str, usize>> = BTreeMap::new();
        for Incomplete { shown, gap, .. } in self.incomplete.iter().filter(|i| i.is_counted()) {
            *kinds.entry(gap.kind).or_default().entry(ending(shown)).or_default() += 1;
        }
        let told = kinds.into_iter().map(|(kind, ends)| {
            let files = text::plural(ends.values().sum(), "file");
            let mut ends: Vec<(&str, usize)> = ends.into_iter().collect();
            ends.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
            let more = if ends.len() > MAX_ENDS { ", ..." } else { "" };
            let ends: Vec<String> = ends.into_iter().take(MAX_ENDS).map(|(end, count)| format!("{count} {end}")).collect();
            format!("{files} {} ({}{more})", kind.name(), ends.join(", "))
        });
        told.collect()
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

/// So many files of one kind of gap are named to people, and so many ends of names.
const MAX_NAMED: usize = 20;
const MAX_ENDS: usize = 6;

/// A gap on one line.
fn line(shown: &str, gap: &Gap) -> String {
    let skipped = if matches!(gap.kind, Kind::Binary | Kind::Excluded | Kind::TooLarge | Kind::Unreadable) { "skipped: " } else { "" };
    format!("{shown}: {skipped}{}", gap.why)
}

/// What a file's name ends with, or all of it.
fn ending(shown: &str) -> &str {
    let name = shown.rsplit('/').next().unwrap_or(shown);
    name.rfind('.').map_or(name, |at| &name[at..])
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
    let mut report = Report {
        files: Vec::new(),
        incomplete: Vec::new(),
        notices: Vec::new(),
        checked: 0,
        elapsed: Duration::ZERO,
        others: Others::default(),
    };
    for file in looked_at {
        report.checked += usize::from(file.scanned.vetted);
        report.incomplete.extend(session.incomplete(&file));
        report.files.extend(session.report(file));
    }
    report.notices.append(&mut notices);
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
        for notice in &report.told() {
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
            Some(reference) => {
                Some(git::Bases::read(reference, tasks.iter().filter(|t| t.left_out.is_none()).map(|t| t.path.as_path()), files::MAX_FILE)?)
            }
            None => None,
        };
        let (mut looked_at, mut jobs) = (Vec::new(), Vec::new());
        for Task { path, shown, explicit, left_out } in tasks {
            if let Some(why) = left_out {
                let scanned = match why {
                    LeftOut::Excluded => Scanned::lost(Kind::Excluded, "the settings exclude it"),
                    LeftOut::ByName => Scanned::lost(Kind::ByName, "left out by its name; name it on the command line to have it vetted"),
                };
                looked_at.push((jobs.len(), LookedAt { path, shown, explicit, scanned }));
                continue;
            }
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

    /// What is incomplete of a file.
    fn incomplete(&self, file: &LookedAt) -> Vec<Incomplete> {
        let gaps = &file.scanned.gaps;
        if gaps.is_empty() {
            return Vec::new();
        }
        let workspace = self.workspaces.of(file.path.parent().unwrap_or(&self.cwd));
        let name = workspace.name_of(&file.path);
        let explicit = file.explicit || Language::by_path(&name).is_some() || name.ends_with(".ipynb");
        gaps.iter().map(|gap| Incomplete { shown: file.shown.clone(), name: name.clone(), explicit, gap: gap.clone() }).collect()
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
