//! How messages name things: as they stand in the file.

/// The longest name that is shown.
const LONGEST: usize = 48;

/// Code as the name of what it calls or reads: without what is handed over, on one line. `None` where it is no name.
pub(crate) fn shown(code: &str) -> Option<String> {
    let code = code.trim();
    let code = code.strip_prefix("await ").unwrap_or(code).trim_start();
    let mut out = String::new();
    let (mut depth, mut quote) = (0_u32, None);
    for c in code.chars() {
        match (quote, c) {
            (Some(q), _) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') if depth > 0 => quote = Some(c),
            (None, '(') => {
                depth += 1;
                if depth == 1 {
                    out.push_str("()");
                }
            }
            (None, ')') => depth = depth.saturating_sub(1),
            _ if depth > 0 || c.is_whitespace() => {}
            _ => out.push(c),
        }
        if out.len() > 4 * LONGEST {
            break;
        }
    }
    let name = out.strip_suffix("()").unwrap_or(&out);
    let plain =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.' | '#' | '@' | '?' | '!' | '(' | ')' | '[' | ']' | '"' | '\'' | '-');
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    Some(if name.len() > LONGEST { path(name) } else { name.to_owned() })
}

/// The last parts of an access path: `sqlite3.connect().cursor().execute` goes on too long.
pub(crate) fn path(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    if parts.len() > 3 { parts[parts.len() - 3..].join(".") } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_they_stand_in_the_file() {
        for (code, name) in [
            ("request.args", "request.args"),
            ("db.execute", "db.execute"),
            ("request.get_json(force=True)", "request.get_json"),
            ("await req.json()", "req.json"),
            ("sqlite3.connect(\"a)b\").execute", "sqlite3.connect().execute"),
            ("request.form[\"n\"]", "request.form[\"n\"]"),
            ("req\n  .query", "req.query"),
            ("a.very.long.chain.of().many().calls().that().goes().on().and().on", "on().and().on"),
        ] {
            assert_eq!(shown(code).as_deref(), Some(name), "{code}");
        }
        for code in ["", "\"key\": value", "(a, b) => c", "{ a }", "x = y"] {
            assert_eq!(shown(code), None, "{code}");
        }
    }
}
