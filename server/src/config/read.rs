//! Reads settings from TOML or JSON into a [`Config`]; unknown keys and wrong values are errors with a place.

use super::{Config, ConfigError, Level, Setting, Source, inner_path};
use qualm_engine::{Confidence, Persona, Severity};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// What both formats have in common. Each part carries its 1-based line (0 in JSON).
enum Raw {
    Text(String),
    Bool(bool),
    List(Vec<(Raw, usize)>),
    Table(Vec<(String, Raw, usize)>),
    Other,
}

const KEYS: &[&str] = &["rules", "persona", "min-confidence", "exclude", "foreign", "rules-dir"];

pub(super) fn toml(config: &mut Config, text: &str, file: &Path) -> Vec<ConfigError> {
    let lines = crate::lines::Lines::new(text);
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map_or(0, |s| lines.line(s.start) + 1);
            return vec![ConfigError { file: file.into(), line, message: error.message().to_owned() }];
        }
    };
    let mut reader = Reader { config, file: Some(file.to_owned()), errors: Vec::new() };
    reader.table(entries(table.get_ref(), &lines), &[]);
    reader.errors.sort_by_key(|e| e.line);
    reader.errors
}

pub(super) fn json(config: &mut Config, value: &Json, ignore: &[&str]) -> Vec<ConfigError> {
    let value = value.get("qualm").unwrap_or(value);
    let mut reader = Reader { config, file: None, errors: Vec::new() };
    match from_json(value) {
        Raw::Table(table) => reader.table(table, ignore),
        _ if value.is_null() => {}
        _ => reader.error(0, "settings must be an object".into()),
    }
    reader.errors
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
}

impl Reader<'_> {
    fn error(&mut self, line: usize, message: String) {
        let file = self.file.clone().unwrap_or_else(|| PathBuf::from("editor settings"));
        self.errors.push(ConfigError { file, line, message });
    }

    fn setting<T>(&self, value: T, line: usize) -> Setting<T> {
        Setting { value, source: self.file.clone().map_or(Source::Editor, |f| Source::File(f, line)) }
    }

    fn table(&mut self, table: Vec<(String, Raw, usize)>, ignore: &[&str]) {
        for (key, value, line) in table {
            match (key.as_str(), value) {
                ("persona", value) => {
                    if let Some(v) = self.choice(&key, &value, line, PERSONAS) {
                        self.config.persona = self.setting(v, line);
                    }
                }
                ("min-confidence", value) => {
                    if let Some(v) = self.choice(&key, &value, line, CONFIDENCES) {
                        self.config.min_confidence = self.setting(v, line);
                    }
                }
                ("foreign", Raw::Bool(b)) => self.config.foreign = self.setting(b, line),
                ("foreign", _) => self.error(line, "`foreign` must be true or false".into()),
                ("rules-dir", Raw::Text(text)) => match inner_path(&text) {
                    Some(path) => self.config.rules_dir = self.setting(path, line),
                    None => self.error(line, format!("`rules-dir` must be a folder inside the project, not {text:?}")),
                },
                ("rules-dir", _) => self.error(line, "`rules-dir` must be a string".into()),
                ("exclude", Raw::List(items)) => self.exclude(items, line),
                ("exclude", _) => self.error(line, "`exclude` must be a list of glob strings".into()),
                ("rules", Raw::Table(rules)) => {
                    for (id, value, line) in rules {
                        if let Some(level) = self.choice(&format!("rules.{id}"), &value, line, LEVELS) {
                            let level = self.setting(level, line);
                            self.config.rules.insert(id, level);
                        }
                    }
                }
                ("rules", _) => self.error(line, "`rules` must be a table of rule ids and levels".into()),
                (other, _) if ignore.contains(&other) => {}
                (other, _) => self.error(line, format!("unknown key `{other}`; the keys are {}", KEYS.join(", "))),
            }
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
            self.error(line, format!("`{key}` must be one of {}", names.join(", ")));
        }
        found
    }
}

const PERSONAS: &[(&str, Persona)] = &[("regular", Persona::Regular), ("pedantic", Persona::Pedantic), ("auditor", Persona::Auditor)];
const CONFIDENCES: &[(&str, Confidence)] = &[("low", Confidence::Low), ("medium", Confidence::Medium), ("high", Confidence::High)];
const LEVELS: &[(&str, Level)] = &[
    ("off", Level::Off),
    ("info", Level::As(Severity::Info)),
    ("warning", Level::As(Severity::Warning)),
    ("error", Level::As(Severity::Error)),
];
