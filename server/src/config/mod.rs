//! Configuration: `qualm.toml`, the editor's settings and command line flags end in one typed [`Config`]
//! that remembers where every value came from (`qualm config --why`).

mod read;
mod schema;

pub use schema::schema;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use qualm_engine::{Confidence, Finding, Persona, Severity};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Component, Path, PathBuf},
};

/// The configuration file's name.
pub const FILE_NAME: &str = "qualm.toml";
/// Where a team keeps its own rules, relative to the configuration file.
pub const RULES_DIR: &str = ".qualm/rules";
/// What marks the top of a project; the search for `qualm.toml` ends there.
const MARKERS: &[&str] = &[".git", ".hg", ".jj"];

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Built in.
    Default,
    /// A configuration file and its 1-based line.
    File(PathBuf, usize),
    /// A command line flag.
    Flag(&'static str),
    /// The settings an editor sent.
    Editor,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File(path, line) => write!(f, "{}:{line}", path.display()),
            Source::Flag(flag) => write!(f, "flag {flag}"),
            Source::Editor => f.write_str("editor settings"),
        }
    }
}

/// A value with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub source: Source,
}

impl<T> Setting<T> {
    fn default(value: T) -> Self {
        Self { value, source: Source::Default }
    }

    /// A value from a command line flag.
    pub fn flag(value: T, flag: &'static str) -> Self {
        Self { value, source: Source::Flag(flag) }
    }
}

/// What the configuration makes of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It does not speak.
    Off,
    /// It speaks with this severity.
    As(Severity),
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::As(severity) => severity_name(severity),
        }
    }
}

/// Lower-case name of a severity.
pub fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// Lower-case name of a confidence.
pub fn confidence_name(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

/// Lower-case name of a persona.
pub fn persona_name(persona: Persona) -> &'static str {
    match persona {
        Persona::Regular => "regular",
        Persona::Pedantic => "pedantic",
        Persona::Auditor => "auditor",
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {message}", file.display())]
pub struct ConfigError {
    /// The file, or `editor settings`.
    pub file: PathBuf,
    /// 1-based line; 0 where there are no lines.
    pub line: usize,
    #[allow(missing_docs)]
    pub message: String,
}

/// All settings of one project.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder that `exclude` and `rules-dir` are relative to.
    pub base: PathBuf,
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
    /// Rule id -> level. Rules without an entry keep their own severity.
    pub rules: BTreeMap<String, Setting<Level>>,
    /// If set, only these rules speak (command line).
    pub only: Option<BTreeSet<String>>,
    /// Which rules speak in all text: `pedantic` = pedantic ones too, `auditor` = every rule.
    pub persona: Setting<Persona>,
    /// Findings below are not shown.
    pub min_confidence: Setting<Confidence>,
    /// Globs in the manner of `.gitignore`.
    pub exclude: Setting<Vec<String>>,
    /// Whether text of unknown origin is vetted as foreign.
    pub foreign: Setting<bool>,
    /// The team's own rules, relative to `base`; never outside of it.
    pub rules_dir: Setting<PathBuf>,
    matcher: Gitignore,
}

impl Config {
    /// The built-in settings for a project in `base`.
    pub fn new(base: impl Into<PathBuf>) -> Self {
        Self {
            base: base.into(),
            file: None,
            rules: BTreeMap::new(),
            only: None,
            persona: Setting::default(Persona::Regular),
            min_confidence: Setting::default(Confidence::Medium),
            exclude: Setting::default(Vec::new()),
            foreign: Setting::default(false),
            rules_dir: Setting::default(PathBuf::from(RULES_DIR)),
            matcher: Gitignore::empty(),
        }
    }

    /// Reads a configuration file. What is wrong in it is told; the rest counts.
    pub fn load(file: &Path) -> (Self, Vec<ConfigError>) {
        let mut config = Self::new(file.parent().unwrap_or(Path::new("")));
        config.file = Some(file.to_owned());
        let errors = match crate::files::read(file, 1024 * 1024) {
            Ok(crate::files::Content::Text(text)) => config.apply_toml(&text.text, file),
            Ok(_) => vec![ConfigError { file: file.into(), line: 0, message: "is not a text file of at most 1 MiB".into() }],
            Err(error) => vec![ConfigError { file: file.into(), line: 0, message: format!("cannot be read: {error}") }],
        };
        (config, errors)
    }

    /// Takes settings from the text of a configuration file.
    pub fn apply_toml(&mut self, text: &str, file: &Path) -> Vec<ConfigError> {
        read::toml(self, text, file)
    }

    /// Takes settings an editor sent: the same keys as in `qualm.toml`, with or without a `qualm` object around
    /// them. Keys that are the editor's own business are named in `ignore`.
    pub fn apply_json(&mut self, value: &serde_json::Value, ignore: &[&str]) -> Vec<ConfigError> {
        read::json(self, value, ignore)
    }

    /// Sets the excluded globs. On error nothing changes and the offending glob's index is told.
    fn set_exclude(&mut self, globs: Setting<Vec<String>>) -> Result<(), (usize, String)> {
        let mut builder = GitignoreBuilder::new("");
        for (index, glob) in globs.value.iter().enumerate() {
            builder.add_line(None, glob).map_err(|e| (index, e.to_string()))?;
        }
        self.matcher = builder.build().map_err(|e| (0, e.to_string()))?;
        self.exclude = globs;
        Ok(())
    }

    /// Whether a file is excluded. Files outside `base` never are.
    pub fn excluded(&self, path: &Path) -> bool {
        let Ok(relative) = path.strip_prefix(&self.base) else { return false };
        !self.matcher.is_empty()
            && relative.components().all(|c| matches!(c, Component::Normal(_)))
            && self.matcher.matched_path_or_any_parents(relative, false).is_ignore()
    }

    /// Judges whether a finding is shown, and with which severity.
    pub fn show(&self, mut finding: Finding) -> Option<Finding> {
        if self.only.as_ref().is_some_and(|only| !only.contains(&*finding.rule)) {
            return None;
        }
        match self.rules.get(&*finding.rule).map(|s| s.value) {
            Some(Level::Off) => return None,
            Some(Level::As(severity)) => finding.severity = severity,
            None => {}
        }
        let asked = finding.persona != Persona::Auditor || self.persona.value == Persona::Auditor;
        (asked && finding.confidence >= self.min_confidence.value).then_some(finding)
    }

    /// Every setting as key, value and source, for `qualm config --why`.
    pub fn settings(&self) -> Vec<(String, String, Source)> {
        let mut out = vec![
            ("persona".into(), persona_name(self.persona.value).into(), self.persona.source.clone()),
            ("min-confidence".into(), confidence_name(self.min_confidence.value).into(), self.min_confidence.source.clone()),
            ("foreign".into(), self.foreign.value.to_string(), self.foreign.source.clone()),
            ("exclude".into(), format!("{:?}", self.exclude.value), self.exclude.source.clone()),
            ("rules-dir".into(), self.rules_dir.value.display().to_string(), self.rules_dir.source.clone()),
        ];
        out.extend(self.rules.iter().map(|(id, level)| (format!("rules.{id}"), level.value.name().into(), level.source.clone())));
        out
    }
}

/// Where a project begins and which configuration holds for a place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The top of the project; nothing outside is read.
    pub root: Option<PathBuf>,
    /// The nearest configuration file, at or below the root.
    pub config: Option<PathBuf>,
}

/// Looks upwards from a folder (absolute) for the configuration and the root of the project. Without a version
/// control folder the configuration's folder is the root.
pub fn locate(folder: &Path) -> Located {
    let mut config: Option<PathBuf> = None;
    for dir in folder.ancestors() {
        if config.is_none() {
            let file = dir.join(FILE_NAME);
            config = file.is_file().then_some(file);
        }
        if MARKERS.iter().any(|m| dir.join(m).exists()) {
            return Located { root: Some(dir.to_owned()), config };
        }
    }
    Located { root: config.as_ref().and_then(|c| c.parent()).map(Path::to_owned), config }
}

/// A path from a configuration that stays below the folder it is relative to.
fn inner_path(text: &str) -> Option<PathBuf> {
    let path = PathBuf::from(text);
    let inner = path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    (inner && !text.is_empty()).then_some(path)
}

/// What somebody wrote, as far as a message has room for it.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}...", &text[..at]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests;
