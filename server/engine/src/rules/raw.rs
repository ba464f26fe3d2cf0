//! The files as they are written: serde structures that refuse unknown keys, one for one with `rules/README.md`.

use serde::Deserialize;

/// One or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Many<T> {
    One(T),
    Several(Vec<T>),
}

impl<T> Default for Many<T> {
    fn default() -> Self {
        Many::Several(Vec::new())
    }
}

impl<T: Clone> Many<T> {
    pub(super) fn to_vec(&self) -> Vec<T> {
        match self {
            Many::One(t) => vec![t.clone()],
            Many::Several(v) => v.clone(),
        }
    }
}

/// An argument selector.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Selector {
    Index(usize),
    Name(String),
    First(Vec<Selector>),
}

/// `tainted = true` or `tainted = ["request"]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Tainted {
    Any(bool),
    Kinds(Vec<String>),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    pub arg: Option<Selector>,
    pub key: Option<String>,
    pub is: Option<Vec<toml::Value>>,
    pub not: Option<Vec<toml::Value>>,
    pub missing: Option<bool>,
    pub matches: Option<String>,
    pub not_matches: Option<String>,
    pub random: Option<bool>,
    pub literal: Option<bool>,
    pub built: Option<bool>,
    pub object: Option<bool>,
    pub tainted: Option<Tainted>,
    pub path: Option<Many<String>>,
    pub not_path: Option<Many<String>>,
    pub name: Option<String>,
    pub not_name: Option<String>,
    pub unbounded: Option<bool>,
    pub below: Option<f64>,
    pub target: Option<String>,
    pub not_target: Option<String>,
    pub inside: Option<String>,
    pub not_inside: Option<String>,
    pub file: Option<String>,
    pub not_file: Option<String>,
    pub words: Option<String>,
    pub has: Option<String>,
    pub lacks: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    #[serde(default)]
    pub source: Vec<Source>,
    #[serde(default)]
    pub returns: Vec<Returns>,
    #[serde(default)]
    pub decides: Vec<Decides>,
    #[serde(default)]
    pub invoke: Vec<Invoke>,
    #[serde(default)]
    pub alias: Vec<Alias>,
    #[serde(default)]
    pub param: Vec<Param>,
    #[serde(default)]
    pub sink: Vec<Sink>,
    #[serde(default)]
    pub sanitizer: Vec<Sanitizer>,
    #[serde(default)]
    pub guard: Vec<Guard>,
    #[serde(default)]
    pub propagate: Vec<Propagate>,
    #[serde(default)]
    pub state: Vec<Returns>,
    #[serde(default)]
    pub signature: Vec<Signature>,
    #[serde(default, rename = "type")]
    pub types: Vec<Type>,
    #[serde(default)]
    pub constraint: Vec<Constraint>,
    #[serde(default)]
    pub validator: Vec<Validator>,
    #[serde(default)]
    pub schema: Vec<Schema>,
    #[serde(default)]
    pub route: Vec<Route>,
    #[serde(default)]
    pub app: Vec<App>,
    #[serde(default)]
    pub mark: Vec<Mark>,
    #[serde(default)]
    pub request_words: Vec<String>,
    #[serde(default)]
    pub stdlib: Vec<String>,
    #[serde(default)]
    pub known: Vec<String>,
    #[serde(default)]
    pub distributions: std::collections::BTreeMap<String, Many<String>>,
    #[serde(default)]
    pub namespaces: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub untested: Option<String>,
    pub kind: Option<String>,
    #[serde(default)]
    pub path: Many<String>,
    #[serde(default)]
    pub call: Many<String>,
    pub argument: Option<Selector>,
    #[serde(default)]
    pub safe_for: Vec<String>,
    #[serde(default)]
    pub when: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Invoke {
    pub untested: Option<String>,
    pub call: Many<String>,
    pub function: Selector,
    pub list: Option<Selector>,
    #[serde(default)]
    pub skip: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decides {
    pub untested: Option<String>,
    #[serde(default)]
    pub call: Many<String>,
    #[serde(default)]
    pub path: Many<String>,
    pub kinds: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Returns {
    pub untested: Option<String>,
    pub call: Many<String>,
    #[serde(rename = "type")]
    pub ty: String,
    #[serde(default)]
    pub when: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signature {
    pub call: Many<String>,
    pub params: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Alias {
    pub untested: Option<String>,
    pub from: Many<String>,
    pub to: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Param {
    pub untested: Option<String>,
    pub name: Many<String>,
    #[serde(default)]
    pub with: Vec<String>,
    #[serde(rename = "type")]
    pub ty: Option<String>,
    pub data: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Type {
    pub untested: Option<String>,
    pub path: Many<String>,
    pub kind: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Schema {
    pub untested: Option<String>,
    pub call: Many<String>,
    #[serde(default)]
    pub clears: Vec<String>,
    pub pattern: Option<Selector>,
    pub fields: Option<Selector>,
    pub element: Option<Selector>,
    pub parses: Option<Selector>,
    pub under: Option<String>,
    #[serde(default)]
    pub when: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Validator {
    pub untested: Option<String>,
    pub decorator: Many<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Constraint {
    pub untested: Option<String>,
    pub call: Many<String>,
    #[serde(default)]
    pub clears: Vec<String>,
    pub pattern: Option<Selector>,
    #[serde(default)]
    pub when: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sink {
    pub untested: Option<String>,
    pub kind: String,
    #[serde(default)]
    pub call: Many<String>,
    #[serde(default)]
    pub assign: Many<String>,
    pub arg: Option<Selector>,
    #[serde(default)]
    pub when: Vec<Condition>,
    pub placeholder: Option<String>,
    pub confidence: Option<crate::finding::Confidence>,
    #[serde(default)]
    pub deep: bool,
    pub message: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sanitizer {
    pub untested: Option<String>,
    #[serde(default)]
    pub call: Many<String>,
    /// A member whose value is no longer dangerous, whatever it is a member of.
    #[serde(default)]
    pub path: Many<String>,
    pub clears: Vec<String>,
    pub arg: Option<Selector>,
    #[serde(default)]
    pub when: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Guard {
    pub untested: Option<String>,
    pub call: Many<String>,
    pub arg: Selector,
    pub clears: Vec<String>,
    pub holds: Option<bool>,
    #[serde(default)]
    pub raises: bool,
    #[serde(default)]
    pub when: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Propagate {
    pub untested: Option<String>,
    pub call: Many<String>,
    pub from: Selector,
    pub to: Target,
}

/// `"receiver"`, `"result"`, `"none"`, `"callback:0"`, or an argument index.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Target {
    Index(usize),
    Name(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    pub untested: Option<String>,
    #[serde(default)]
    pub decorator: Many<String>,
    #[serde(default)]
    pub call: Many<String>,
    pub path_arg: Option<Selector>,
    #[serde(default)]
    pub params: Vec<String>,
    #[serde(default)]
    pub tainted_params: bool,
    pub returns: Option<String>,
    #[serde(default)]
    pub placeholder: Vec<Placeholder>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Placeholder {
    pub regex: String,
    pub clears: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct App {
    pub untested: Option<String>,
    pub call: Many<String>,
    pub framework: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    pub untested: Option<String>,
    pub kind: String,
    #[serde(default)]
    pub call: Many<String>,
    #[serde(default)]
    pub path: Many<String>,
    #[serde(default)]
    pub assign: Many<String>,
    #[serde(default)]
    pub import: Many<String>,
    pub route: Option<String>,
    pub define: Option<String>,
    pub string: Option<String>,
    #[serde(default)]
    pub when: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub id: String,
    pub cwe: Vec<u32>,
    pub owasp: Option<String>,
    pub severity: crate::finding::Severity,
    pub persona: Option<crate::finding::Persona>,
    pub confidence: Option<crate::finding::Confidence>,
    #[serde(default)]
    pub languages: Vec<String>,
    #[serde(default)]
    pub frameworks: Vec<String>,
    pub message: Option<String>,
    pub taint: Option<Taint>,
    #[serde(default)]
    pub call: Vec<Clause>,
    #[serde(default)]
    pub assign: Vec<Clause>,
    #[serde(default)]
    pub fallback: Vec<Clause>,
    pub pattern: Option<Many<PatternRule>>,
    pub missing: Option<Missing>,
    pub text: Option<Text>,
    pub change: Option<Change>,
    pub dependency: Option<Dependency>,
    pub fix: Option<Many<Fix>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Taint {
    pub sink: String,
    pub sources: Option<Vec<String>>,
    #[serde(default)]
    pub pedantic_sources: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Clause {
    pub untested: Option<String>,
    #[serde(default)]
    pub path: Many<String>,
    pub name: Option<String>,
    #[serde(default)]
    pub when: Vec<Condition>,
    pub report: Option<Selector>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PatternRule {
    pub untested: Option<String>,
    pub any: Vec<String>,
    #[serde(default, rename = "where")]
    pub filters: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    pub unless: std::collections::BTreeMap<String, String>,
    pub language: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Missing {
    pub subject: String,
    #[serde(default)]
    pub has: Vec<String>,
    pub lacks: Vec<String>,
    pub scope: Option<String>,
    pub anchor: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    pub untested: Option<String>,
    #[serde(rename = "in")]
    pub places: Vec<String>,
    pub regex: Many<String>,
    pub entropy: Option<f64>,
    #[serde(default)]
    pub random: bool,
    #[serde(default)]
    pub not: Many<String>,
    pub files: Option<String>,
    pub not_files: Option<String>,
    pub unless: Option<Unless>,
    #[serde(default)]
    pub outside_types: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unless {
    pub files: String,
    pub matches: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub added: Option<String>,
    pub removed: Option<String>,
    #[serde(default)]
    pub more_removed: bool,
    pub files: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dependency {
    #[serde(default)]
    pub undeclared: bool,
    #[serde(default)]
    pub like_known: bool,
    #[serde(default)]
    pub names: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fix {
    pub recipe: String,
    pub safety: crate::finding::Safety,
    #[serde(default)]
    pub languages: Vec<String>,
    pub call: Option<Many<String>>,
    #[serde(rename = "with")]
    pub with: Option<String>,
    pub import: Option<String>,
    pub argument: Option<Selector>,
    pub key: Option<String>,
    pub value: Option<String>,
    pub name: Option<String>,
    pub statement: Option<String>,
    pub without: Option<Selector>,
    pub unless: Option<Many<String>>,
}
