//! Path patterns: `{a,b}` alternatives, `*.name`, `prefix.*`.

use super::PathSet;
use crate::ir::sym;

/// More alternatives than this in one pattern are refused.
const MAX_PATHS: usize = 4096;

/// Expands patterns into full paths, members of unknown receivers and prefixes.
pub(super) fn expand(patterns: &[String]) -> Result<PathSet, String> {
    let mut set = PathSet::default();
    for pattern in patterns {
        for path in braces(pattern)? {
            let path = path.strip_prefix("node:").unwrap_or(&path);
            if path.is_empty() {
                return Err(format!("`{pattern}` gives an empty path"));
            }
            if let Some(name) = path.strip_prefix("*.") {
                if name.contains('*') {
                    return Err(format!("`{pattern}`: after `*.` stands one name"));
                }
                set.members.push(sym(name));
            } else if let Some(prefix) = path.strip_suffix(".*") {
                set.prefixes.push(sym(prefix));
            } else if path.contains('*') {
                return Err(format!("`{pattern}`: `*` stands only at the beginning (`*.name`) or at the end (`prefix.*`)"));
            } else {
                set.exact.push(sym(path));
            }
        }
    }
    Ok(set)
}

/// Expands `{a,b}` groups, nested ones too.
fn braces(pattern: &str) -> Result<Vec<String>, String> {
    if pattern.len() > 4096 {
        return Err("a path pattern is at most 4,096 bytes long".to_string());
    }
    let mut done = Vec::new();
    let mut open = vec![pattern.to_string()];
    while let Some(p) = open.pop() {
        let Some(start) = p.find('{') else {
            if p.contains('}') {
                return Err(format!("`{pattern}`: a `}}` without `{{`"));
            }
            done.push(p);
            if done.len() > MAX_PATHS {
                return Err(format!("`{pattern}` gives more than {MAX_PATHS} paths"));
            }
            continue;
        };
        let mut depth = 0usize;
        let mut parts = Vec::new();
        let mut from = start + 1;
        let mut end = None;
        for (i, c) in p.char_indices().skip_while(|(i, _)| *i < start) {
            match c {
                '{' => depth += 1,
                ',' if depth == 1 => {
                    parts.push(&p[from..i]);
                    from = i + 1;
                }
                '}' => {
                    depth -= 1;
                    if depth == 0 {
                        parts.push(&p[from..i]);
                        end = Some(i);
                        break;
                    }
                }
                _ => {}
            }
        }
        let Some(end) = end else { return Err(format!("`{pattern}`: a `{{` is not closed")) };
        for part in parts.iter().rev() {
            open.push(format!("{}{}{}", &p[..start], part, &p[end + 1..]));
            if open.len() > MAX_PATHS {
                return Err(format!("`{pattern}` gives more than {MAX_PATHS} paths"));
            }
        }
    }
    Ok(done)
}
