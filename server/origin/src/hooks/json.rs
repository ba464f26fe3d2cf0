//! JSON as agents write it: a byte order mark, raw control characters in strings, text that is not UTF-8, output of
//! other programs after the object.

use super::HookError;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt::Write;

/// Reads the first JSON value and expects an object.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, HookError> {
    if bytes.len() > super::MAX_PAYLOAD {
        return Err(HookError::TooLarge);
    }
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim();
    let value = first(text).or_else(|error| first(&escaped(text)).map_err(|_| error));
    match value {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(HookError::NoObject),
        Err(error) => {
            let kind = match error.classify() {
                serde_json::error::Category::Eof => "it ends early",
                _ => "syntax",
            };
            Err(HookError::Json(format!("{kind}, line {} column {}", error.line(), error.column())))
        }
    }
}

fn first(text: &str) -> Result<Value, serde_json::Error> {
    Value::deserialize(&mut serde_json::Deserializer::from_str(text))
}

/// The text with control characters inside strings escaped.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let (mut inside, mut after_backslash) = (false, false);
    for c in text.chars() {
        if inside && c < ' ' {
            // A backslash before a raw control character escapes nothing that JSON knows.
            if after_backslash {
                out.push('\\');
            }
            let _ = write!(out, "\\u{:04x}", c as u32);
            after_backslash = false;
            continue;
        }
        match c {
            '"' if !after_backslash => inside = !inside,
            _ => {}
        }
        after_backslash = inside && c == '\\' && !after_backslash;
        out.push(c);
    }
    out
}

/// The first of these fields that is a text.
pub(super) fn text<'v>(map: &'v Map<String, Value>, names: &[&str]) -> Option<&'v str> {
    names.iter().find_map(|name| map.get(*name).and_then(Value::as_str))
}

/// The first of these fields that is an object; one written as a text of JSON counts too.
pub(super) fn inner(map: &Map<String, Value>, names: &[&str]) -> Option<Map<String, Value>> {
    names.iter().find_map(|name| match map.get(*name) {
        Some(Value::Object(map)) => Some(map.clone()),
        Some(Value::String(text)) => object(text.as_bytes()).ok(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_control_characters_are_text() {
        let map = object(b"\xef\xbb\xbf{\"a\": \"x\n\ty\\\"\r\", \"b\": \"\\\\\n\"} trailing").unwrap();
        assert_eq!(text(&map, &["a"]), Some("x\n\ty\"\r"));
        assert_eq!(text(&map, &["b"]), Some("\\\n"));
    }

    #[test]
    fn what_is_broken_is_refused_without_its_text() {
        for bytes in [&b""[..], b"{", b"{\"secret\": \"hunter2", b"[1]", b"null", b"\xff\xfe", b"{'a': 1}"] {
            let error = object(bytes).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && !error.contains("secret"), "{error}");
        }
        assert!(object("[".repeat(100_000).as_bytes()).is_err());
        assert!(object(format!("{{\"a\":{}", "[".repeat(100_000)).as_bytes()).is_err());
    }

    #[test]
    fn an_object_may_be_written_as_text() {
        let map = object(br#"{"args": "{\"path\": \"a\"}", "other": 3}"#).unwrap();
        assert_eq!(text(&inner(&map, &["missing", "args"]).unwrap(), &["path"]), Some("a"));
        assert!(inner(&map, &["other"]).is_none());
    }
}
