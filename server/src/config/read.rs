//! Reads settings from TOML or JSON into a [`Config`]; unknown keys and wrong values are errors with a place.

use super::{
    Config, ConfigError, Level, Setting, Source, inner_path,
    schema::{KEYS, Kind},
    shortened,
};
use qualm_engine::{Confidence, Persona, Severity};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// So many mistakes are told one by one.
const MAX_ERRORS: usize = 100;
/// `exclude` has at most so many globs, and so many bytes in all: a matcher is built of them each time.
const MAX_GLOBS: usize = 2000;
const MAX_GLOB_BYTES: usize = 32 * 1024;

/// What both formats have in common. Each part carries its 1-based line (0 in JSON).
enum Raw {
    Text(String),
    Bool(bool),
    List(Vec<(Raw, usize)>),
    Table(Vec<(String, Raw, usize)>),
    Other,
}

pub(super) fn toml(config: &mut Config, text: &str, file: &Path) -> Vec<ConfigError> {
    let lines = crate::lines::Lines::new(text);
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map_or(0, |s| lines.line(s.start) + 1);
            return vec![ConfigError { file: file.into(), line, message: error.message().to_owned() }];
        }
    };
    let mut reader = Reader { config, file: Some(file.to_owned()), errors: Vec::new(), untold: 0 };
    reader.table(entries(table.get_ref(), &lines), &[]);
    reader.errors()
}

pub(super) fn json(config: &mut Config, value: &Json, ignore: &[&str]) -> Vec<ConfigError> {
    let value = value.get("qualm").unwrap_or(value);
    let mut reader = Reader { config, file: None, errors: Vec::new(), untold: 0 };
    match from_json(value) {
        Raw::Table(table) => reader.table(table, ignore),
        _ if value.is_null() => {}
        _ => reader.error(0, "settings must be an object".into()),
    }
    reader.errors()
}

fn entries(table: &DeTable<'_>, lines: &crate::lines::Lines) -> Vec<(String, Raw, usize)> {
    table
        .iter()
        .map(|(key, value)| (key.get_ref().to_string(), from_toml(value.get_ref(), lines), lines.line(key.span().start) + 1))
        .collect()
}

fn from_toml(value: &DeValue<'_>, lines: &crate::lines::Lines) -> Raw {
    match value {
        DeValue::String(s) => Raw::Text(s.to_string()),
        DeValue::Boolean(b) => Raw::Bool(*b),
        DeValue::Array(a) => Raw::List(a.iter().map(|v| (from_toml(v.get_ref(), lines), lines.line(v.span().start) + 1)).collect()),
        DeValue::Table(t) => Raw::Table(entries(t, lines)),
        _ => Raw::Other,
    }
}

fn from_json(value: &Json) -> Raw {
    match value {
        Json::String(s) => Raw::Text(s.clone()),
        Json::Bool(b) => Raw::Bool(*b),
        Json::Array(a) => Raw::List(a.iter().map(|v| (from_json(v), 0)).collect()),
        Json::Object(o) => Raw::Table(o.iter().map(|(k, v)| (k.clone(), from_json(v), 0)).collect()),
        _ => Raw::Other,
    }
}

struct Reader<'c> {
    config: &'c mut Config,
    file: Option<PathBuf>,
    errors: Vec<ConfigError>,
    /// Mistakes beyond [`MAX_ERRORS`].
    untold: usize,
}

impl Reader<'_> {
    fn error(&mut self, line: usize, message: String) {
        self.untold += usize::from(self.errors.len() >= MAX_ERRORS);
        if self.errors.len() < MAX_ERRORS {
            let file = self.file.clone().unwrap_or_else(|| PathBuf::from("editor settings"));
            self.errors.push(ConfigError { file, line, message });
        }
    }

    /// What is wrong, in order.
    fn errors(mut self) -> Vec<ConfigError> {
        self.errors.sort_by_key(|e| e.line);
        if let Some(last) = self.errors.last().filter(|_| self.untold > 0) {
            let more = ConfigError { file: last.file.clone(), line: 0, message: format!("{} more mistakes", self.untold) };
            self.errors.push(more);
        }
        self.errors
    }

    fn setting<T>(&self, value: T, line: usize) -> Setting<T> {
        Setting { value, source: self.file.clone().map_or(Source::Editor, |f| Source::File(f, line)) }
    }

    fn table(&mut self, table: Vec<(String, Raw, usize)>, ignore: &[&str]) {
        for (key, value, line) in table {
            match KEYS.iter().find(|k| k.name == key) {
                Some(known) => self.value(&key, known.kind, value, line),
                None if ignore.contains(&key.as_str()) => {}
                None => {
                    let names: Vec<&str> = KEYS.iter().map(|k| k.name).collect();
                    self.error(line, format!("unknown key `{}`; the keys are {}", shortened(&key), names.join(", ")));
                }
            }
        }
    }

    fn value(&mut self, key: &str, kind: Kind, value: Raw, line: usize) {
        match (kind, value) {
            (Kind::Persona, value) => {
                if let Some(v) = self.choice(key, &value, line, PERSONAS) {
                    self.config.persona = self.setting(v, line);
                }
            }
            (Kind::Confidence, value) => {
                if let Some(v) = self.choice(key, &value, line, CONFIDENCES) {
                    self.config.min_confidence = self.setting(v, line);
                }
            }
            (Kind::Bool, Raw::Bool(b)) => self.config.foreign = self.setting(b, line),
            (Kind::Bool, _) => self.error(line, format!("`{key}` must be true or false")),
            (Kind::Folder, Raw::Text(text)) => match inner_path(&text) {
                Some(path) => self.config.rules_dir = self.setting(path, line),
                None => self.error(line, format!("`{key}` must be a folder inside the project, not {:?}", shortened(&text))),
            },
            (Kind::Folder, _) => self.error(line, format!("`{key}` must be a string")),
            (Kind::Globs, Raw::List(items)) => self.exclude(items, line),
            (Kind::Globs, _) => self.error(line, format!("`{key}` must be a list of glob strings")),
            (Kind::Levels, Raw::Table(rules)) => {
                for (id, value, line) in rules {
                    if let Some(level) = self.choice(&format!("{key}.{id}"), &value, line, LEVELS) {
                        let level = self.setting(level, line);
                        self.config.rules.insert(id, level);
                    }
                }
            }
            (Kind::Levels, _) => self.error(line, format!("`{key}` must be a table of rule ids and levels")),
        }
    }

    fn exclude(&mut self, items: Vec<(Raw, usize)>, line: usize) {
        let mut globs = Vec::new();
        let mut lines = Vec::new();
        for (item, item_line) in items {
            match item {
                Raw::Text(glob) => {
                    globs.push(glob);
                    lines.push(item_line);
                }
                _ => self.error(item_line, "`exclude` must be a list of glob strings".into()),
            }
        }
        if globs.len() > MAX_GLOBS || globs.iter().map(String::len).sum::<usize>() > MAX_GLOB_BYTES {
            self.error(line, format!("`exclude` may have at most {MAX_GLOBS} globs and {} KiB in all", MAX_GLOB_BYTES / 1024));
            return;
        }
        let globs = self.setting(globs, line);
        if let Err((index, message)) = self.config.set_exclude(globs) {
            self.error(lines.get(index).copied().unwrap_or(line), format!("bad glob in `exclude`: {message}"));
        }
    }

    fn choice<T: Copy>(&mut self, key: &str, value: &Raw, line: usize, choices: &[(&str, T)]) -> Option<T> {
        let found = match value {
            Raw::Text(text) => choices.iter().find(|(name, _)| name == text).map(|(_, v)| *v),
            _ => None,
        };
        if found.is_none() {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
            self.error(line, format!("`{}` must be one of {}", shortened(key), names.join(", ")));
        }
        found
    }
}

pub(super) const PERSONAS: &[(&str, Persona)] =
    &[("regular", Persona::Regular), ("pedantic", Persona::Pedantic), ("auditor", Persona::Auditor)];
pub(super) const CONFIDENCES: &[(&str, Confidence)] =
    &[("low", Confidence::Low), ("medium", Confidence::Medium), ("high", Confidence::High)];
pub(super) const LEVELS: &[(&str, Level)] = &[
    ("off", Level::Off),
    ("info", Level::As(Severity::Info)),
    ("warning", Level::As(Severity::Warning)),
    ("error", Level::As(Severity::Error)),
];
