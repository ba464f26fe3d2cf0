//! A project folder with its settings and an engine that knows its rules: what every door works on.

use crate::{
    config::{self, Config, ConfigError},
    files::{self, Content},
};
use qualm_engine::{Analysis, Cache, Engine, Finding, Foreign, Language, Persona, Project, RuleSet, SourceFile};
use std::{
    collections::HashMap,
    fmt,
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// A team's rule files together may not be larger than this many bytes each, nor more than [`MAX_RULE_FILES`].
const MAX_RULE_FILE: u64 = 256 * 1024;
const MAX_RULE_FILES: usize = 2000;
/// So many unknown rule ids in the settings are told one by one: finding what was meant has its cost.
const MAX_UNKNOWN: usize = 50;
/// Longer ids are not compared with those of the rules.
const MAX_ID: usize = 64;

/// Something wrong with the configuration or with a team's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    #[allow(missing_docs)]
    pub file: PathBuf,
    /// 1-based; 0 = the whole file.
    pub line: usize,
    #[allow(missing_docs)]
    pub message: String,
    /// The configuration is not what its author meant: a command should not go on.
    pub fatal: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.message),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.message),
        }
    }
}

impl From<ConfigError> for Problem {
    fn from(e: ConfigError) -> Self {
        Self { file: e.file, line: e.line, message: e.message, fatal: true }
    }
}

/// A project: root folder, settings, engine. Cheap to share, never changes; reload by building a new one.
pub struct Workspace {
    /// The top folder, absolute with symbolic links resolved. Files are named relative to it.
    pub root: PathBuf,
    #[allow(missing_docs)]
    pub config: Config,
    #[allow(missing_docs)]
    pub engine: Arc<Engine>,
    /// What was wrong with configuration and team rules.
    pub problems: Vec<Problem>,
}

impl Workspace {
    /// Opens the project in `root` with settings that were read already; loads the embedded and the team's rules.
    pub fn open(root: &Path, config: Config, errors: Vec<ConfigError>) -> Self {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let mut problems: Vec<Problem> = errors.into_iter().map(Problem::from).collect();
        let team = team_rules(&config, &mut problems);
        let engine = if team.is_empty() { embedded_engine() } else { engine_with(&config.base, &team, &mut problems) };
        let unknown = config.rules.iter().filter_map(|(id, level)| match &level.source {
            config::Source::File(file, line) if engine.rules().rule(id).is_none() => Some((id, file, *line)),
            _ => None,
        });
        let count = unknown.clone().count();
        for (id, file, line) in unknown.clone().take(MAX_UNKNOWN) {
            let message = format!("no rule has the id `{}`{}", config::shortened(id), suggest(engine.rules(), id));
            problems.push(Problem { file: file.clone(), line, message, fatal: false });
        }
        if let Some((_, file, _)) = unknown.clone().next().filter(|_| count > MAX_UNKNOWN) {
            let message = format!("{} more rule ids that no rule has", count - MAX_UNKNOWN);
            problems.push(Problem { file: file.clone(), line: 0, message, fatal: false });
        }
        Self { root, config, engine, problems }
    }

    /// Opens the project a file or folder belongs to. `fallback` is the root when nothing marks one.
    pub fn discover(place: &Path, fallback: &Path) -> Self {
        let located = config::locate(place);
        let root = located.root.unwrap_or_else(|| fallback.to_owned());
        let (config, errors) = match &located.config {
            Some(file) => Config::load(file),
            None => (Config::new(&root), Vec::new()),
        };
        Self::open(&root, config, errors)
    }

    /// The project's name of a file: relative to the root, `/` separated; files outside keep their whole path.
    pub fn name_of(&self, path: &Path) -> Arc<str> {
        let inner = path.strip_prefix(&self.root).unwrap_or(path);
        inner.to_string_lossy().replace('\\', "/").into()
    }

    /// What of a file counts as foreign under the configured persona, given where it came from.
    pub fn strictness(&self, origin: Foreign) -> Foreign {
        if self.config.persona.value == Persona::Regular { origin } else { Foreign::All }
    }

    /// Findings of a text, as configured; text of a language without lowering is judged by text rules only.
    /// `None`: cancelled. Excluded paths are the caller's business ([`Config::excluded`]).
    pub fn analyse(
        &self,
        file: &Vetted,
        cache: &mut Cache,
        project: &dyn Project,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Option<Analysis> {
        let mut analysis = match file {
            Vetted::Source(source) => self.engine.analyse(source, cache, project, cancelled)?,
            Vetted::Plain { path, text, foreign } => {
                Analysis { findings: self.engine.analyse_text(path, text, foreign), ..Analysis::default() }
            }
        };
        analysis.findings = self.shown(analysis.findings);
        Some(analysis)
    }

    /// The findings that the settings let through.
    pub fn shown(&self, findings: Vec<Finding>) -> Vec<Finding> {
        findings.into_iter().filter_map(|f| self.config.show(f)).collect()
    }
}

/// A text on its way into the engine.
pub enum Vetted {
    /// In a language with a lowering.
    Source(SourceFile),
    /// Anything else.
    Plain {
        /// The project's name of the file.
        path: Arc<str>,
        #[allow(missing_docs)]
        text: Arc<str>,
        #[allow(missing_docs)]
        foreign: Foreign,
    },
}

impl Vetted {
    /// Parses a text if its language is known.
    pub fn new(path: &str, language: Option<Language>, text: &str, foreign: Foreign) -> Self {
        match language.and_then(|l| SourceFile::parse(path, l, text, foreign.clone())) {
            Some(source) => Vetted::Source(source),
            None => Vetted::Plain { path: path.into(), text: text.into(), foreign },
        }
    }

    /// Its text.
    pub fn text(&self) -> &Arc<str> {
        match self {
            Vetted::Source(s) => &s.text,
            Vetted::Plain { text, .. } => text,
        }
    }
}

/// All projects a command meets, each opened once. Flags given on the command line are put on top of each.
pub struct Workspaces {
    fallback: PathBuf,
    overrides: Box<dyn Fn(&mut Config) + Send + Sync>,
    open: Mutex<HashMap<PathBuf, Arc<Workspace>>>,
}

impl Workspaces {
    /// `fallback` is the root of files in no marked project.
    pub fn new(fallback: PathBuf, overrides: impl Fn(&mut Config) + Send + Sync + 'static) -> Self {
        Self { fallback, overrides: Box::new(overrides), open: Mutex::default() }
    }

    /// The project of the files in a folder (absolute).
    pub fn of(&self, folder: &Path) -> Arc<Workspace> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(workspace) = open.get(folder) {
            return workspace.clone();
        }
        let located = config::locate(folder);
        // Folders of one project share its workspace: they are the same when root and configuration are.
        let known = open
            .values()
            .find(|w| w.config.file == located.config && located.root.as_ref().map_or(w.root == self.fallback, |r| w.root == *r));
        let workspace = known.cloned().unwrap_or_else(|| {
            let root = located.root.unwrap_or_else(|| self.fallback.clone());
            let (mut config, errors) = located.config.as_deref().map_or_else(|| (Config::new(&root), Vec::new()), Config::load);
            (self.overrides)(&mut config);
            Arc::new(Workspace::open(&root, config, errors))
        });
        open.insert(folder.to_owned(), workspace.clone());
        workspace
    }

    /// Stops on a broken configuration and on rule ids that no project knows, before time is spent.
    pub fn check(&self, ids: &[&str]) -> anyhow::Result<()> {
        let all = self.all();
        let fatal: Vec<String> = all.iter().flat_map(|w| &w.problems).filter(|p| p.fatal).map(ToString::to_string).collect();
        anyhow::ensure!(fatal.is_empty(), "{}", fatal.join("\n"));
        for id in ids {
            let known = all.is_empty() || all.iter().any(|w| w.engine.rules().rule(id).is_some());
            anyhow::ensure!(known, "no rule has the id `{id}`{}", suggest(all[0].engine.rules(), id));
        }
        Ok(())
    }

    /// Every project met so far, each once.
    pub fn all(&self) -> Vec<Arc<Workspace>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Arc<Workspace>> = Vec::new();
        for workspace in open.values() {
            if !all.iter().any(|w| Arc::ptr_eq(w, workspace)) {
                all.push(workspace.clone());
            }
        }
        all.sort_by(|a, b| (&a.root, &a.config.file).cmp(&(&b.root, &b.config.file)));
        all
    }
}

/// The engine with the embedded pack alone, built once a process.
pub fn embedded_engine() -> Arc<Engine> {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    ENGINE.get_or_init(|| engine_with(Path::new(""), &[], &mut Vec::new())).clone()
}

/// The embedded pack and a team's files (named relative to `base`) on top of it.
fn engine_with(base: &Path, team: &[(String, String)], problems: &mut Vec<Problem>) -> Arc<Engine> {
    let embedded = qualm_rules::FILES.iter().copied();
    let (rules, errors) = RuleSet::load(embedded.chain(team.iter().map(|(name, text)| (name.as_str(), text.as_str()))));
    let ours = |file: &str| team.iter().any(|(name, _)| name == file);
    problems.extend(errors.into_iter().filter(|e| ours(&e.file)).map(|e| Problem {
        file: base.join(e.file),
        line: e.line,
        message: e.message,
        fatal: false,
    }));
    Arc::new(Engine::new(Arc::new(rules)))
}

/// The text of every team rule file, named relative to the configuration's folder. A rules folder that leads out of the project is refused.
fn team_rules(config: &Config, problems: &mut Vec<Problem>) -> Vec<(String, String)> {
    let folder = config.base.join(&config.rules_dir.value);
    let mut problem = |file: &Path, message: String| problems.push(Problem { file: file.to_owned(), line: 0, message, fatal: false });
    let (Ok(real), Ok(base)) = (folder.canonicalize(), config.base.canonicalize()) else {
        if config.rules_dir.source != config::Source::Default {
            problem(&folder, "this rules folder does not exist".into());
        }
        return Vec::new();
    };
    if !real.starts_with(&base) {
        problem(&folder, "this rules folder lies outside of the project and is not read".into());
        return Vec::new();
    }
    let mut out = Vec::new();
    for path in files::walk(&real, false).into_iter().flatten() {
        if !path.extension().is_some_and(|e| e == "md" || e == "toml") || path.file_name().is_some_and(|n| n == "README.md") {
            continue;
        }
        if out.len() == MAX_RULE_FILES {
            problem(&folder, format!("only the first {MAX_RULE_FILES} rule files are read"));
            break;
        }
        let name = path.strip_prefix(&real).unwrap_or(&path);
        match files::read(&path, MAX_RULE_FILE) {
            Ok(Content::Text(text)) => {
                let name: PathBuf = config.rules_dir.value.join(name).components().filter(|c| *c != Component::CurDir).collect();
                out.push((name.to_string_lossy().replace('\\', "/"), text.text));
            }
            Ok(_) => problem(&path, format!("not a text file of at most {} KiB", MAX_RULE_FILE / 1024)),
            Err(error) => problem(&path, format!("cannot be read: {error}")),
        }
    }
    out
}

/// `; did you mean ...` for the rule id nearest to `id`, or nothing.
pub fn suggest(rules: &RuleSet, id: &str) -> String {
    if id.len() > MAX_ID {
        return String::new();
    }
    rules
        .rules
        .iter()
        .map(|r| (similar::TextDiff::from_chars(id, &*r.id).ratio(), &r.id))
        .filter(|(ratio, _)| *ratio > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, id)| format!("; did you mean `{id}`?"))
}
