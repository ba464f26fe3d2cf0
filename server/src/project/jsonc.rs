//! JSON as people write it in configuration files: with comments and trailing commas.

use serde_json::Value;

/// Parses JSON with `//` and `/* */` comments and trailing commas.
pub(super) fn parse(text: &str) -> Option<Value> {
    let text = text.trim_start_matches('\u{feff}');
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&plain(text)).ok())
}

fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('"', _) => {
                out.push('"');
                while let Some(c) = chars.next() {
                    out.push(c);
                    match c {
                        '\\' => out.extend(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            ('/', Some('/')) => {
                chars.by_ref().find(|c| *c == '\n');
                out.push('\n');
            }
            ('/', Some('*')) => {
                chars.next();
                let mut last = ' ';
                for c in chars.by_ref() {
                    if last == '*' && c == '/' {
                        break;
                    }
                    last = c;
                }
                out.push(' ');
            }
            (']' | '}', _) => {
                let kept = out.trim_end().len();
                if out[..kept].ends_with(',') {
                    out.truncate(kept - 1);
                }
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn comments_and_trailing_commas_are_dropped_but_not_in_strings() {
        let text = "{ // one\n \"a\": \"x // y, }\", /* two */ \"b\": [1, 2, ], \"c\": \"q\\\"//\", }";
        assert_eq!(super::parse(text).unwrap(), serde_json::json!({"a": "x // y, }", "b": [1, 2], "c": "q\"//"}));
        assert!(super::parse("{ \"a\": /* ").is_none());
    }
}
