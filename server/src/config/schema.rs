//! The table of settings: their names, what they take and what they are for. The reader goes by it, and `qualm config
//! --schema` prints it for editors, so that no other list of settings has to be kept right.

use super::{Config, read};
use qualm_engine::{Confidence, Persona};
use serde_json::{Map, Value, json};

/// What a setting takes.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Persona,
    Confidence,
    Bool,
    Globs,
    /// A folder inside the project.
    Folder,
    /// Rule ids and levels.
    Levels,
}

/// A setting.
pub(super) struct Key {
    /// As in `qualm.toml` and in an editor's settings.
    pub name: &'static str,
    pub kind: Kind,
    /// Markdown, for people.
    about: &'static str,
}

/// Every setting there is.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "rules",
        kind: Kind::Levels,
        about: "The level of single rules, by id, for example `\"sql-injection\": \"warning\"`. Rules that are not named keep their own.",
    },
    Key {
        name: "persona",
        kind: Kind::Persona,
        about: "Which rules speak everywhere: the regular ones, also the pedantic ones (otherwise only for text from outside), or with `auditor` all of them.",
    },
    Key { name: "min-confidence", kind: Kind::Confidence, about: "Findings less sure than this are not shown." },
    Key { name: "exclude", kind: Kind::Globs, about: "Files that are not vetted: globs as in `.gitignore`." },
    Key { name: "foreign", kind: Kind::Bool, about: "Vet text of unknown origin as strictly as text from outside." },
    Key { name: "rules-dir", kind: Kind::Folder, about: "Folder of the team's own rules, inside the project." },
];

fn choice<T>(choices: &[(&str, T)]) -> Value {
    json!({"type": "string", "enum": choices.iter().map(|c| c.0).collect::<Vec<_>>()})
}

impl Kind {
    fn schema(self) -> Value {
        match self {
            Kind::Persona => choice::<Persona>(read::PERSONAS),
            Kind::Confidence => choice::<Confidence>(read::CONFIDENCES),
            Kind::Bool => json!({"type": "boolean"}),
            Kind::Globs => json!({"type": "array", "items": {"type": "string"}}),
            Kind::Folder => json!({"type": "string"}),
            Kind::Levels => json!({"type": "object", "additionalProperties": choice(read::LEVELS)}),
        }
    }

    fn default(self, config: &Config) -> Value {
        match self {
            Kind::Persona => super::persona_name(config.persona.value).into(),
            Kind::Confidence => super::confidence_name(config.min_confidence.value).into(),
            Kind::Bool => config.foreign.value.into(),
            Kind::Globs => json!(config.exclude.value),
            Kind::Folder => config.rules_dir.value.to_string_lossy().into(),
            Kind::Levels => json!({}),
        }
    }
}

/// The settings as a JSON schema, with their defaults.
pub fn schema() -> Value {
    let config = Config::new("");
    let properties: Map<String, Value> = KEYS
        .iter()
        .map(|key| {
            let mut property = key.kind.schema();
            property["default"] = key.kind.default(&config);
            property["description"] = key.about.into();
            (key.name.to_owned(), property)
        })
        .collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Settings of qualm",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_of_the_schema_is_read_and_changes_nothing() {
        let schema = schema();
        let defaults: Map<String, Value> =
            schema["properties"].as_object().unwrap().iter().map(|(k, p)| (k.clone(), p["default"].clone())).collect();
        assert_eq!(defaults.len(), KEYS.len());
        let mut config = Config::new("");
        assert_eq!(config.apply_json(&defaults.into(), &[]), []);
        let values = |c: &Config| c.settings().into_iter().map(|(k, v, _)| (k, v)).collect::<Vec<_>>();
        assert_eq!(values(&config), values(&Config::new("")));
        assert!(config.settings().iter().all(|(key, ..)| KEYS.iter().any(|k| k.name == key)));
    }

    #[test]
    fn every_choice_of_the_schema_is_read() {
        for (key, property) in schema()["properties"].as_object().unwrap() {
            for choice in property["enum"].as_array().into_iter().flatten() {
                assert_eq!(Config::new("").apply_json(&json!({key: choice}), &[]), [], "{key} = {choice}");
            }
            for choice in property["additionalProperties"]["enum"].as_array().into_iter().flatten() {
                assert_eq!(Config::new("").apply_json(&json!({key: {"some-rule": choice}}), &[]), [], "{key} = {choice}");
            }
        }
    }
}
