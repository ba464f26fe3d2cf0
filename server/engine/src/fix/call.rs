//! Recipes on calls and values: another function, other arguments, another value.

use super::{
    Outcome, Proposal,
    edits::Edits,
    imports,
    site::{Call, Context},
};
use crate::{
    ir::{Arg, ExprKind, Spread},
    rules::Selector,
};
use std::ops::Range;

/// `replace-call`: another function, same arguments but for the one that it does not take. `{name}` in it is the name of the one
/// that was called.
pub(super) fn replace_call(context: &Context<'_>, with: &str, without: Option<&Selector>, import: Option<&str>) -> Outcome {
    let call = context.the_call()?;
    let with = &*with.replace("{name}", context.path.rsplit('.').next().unwrap_or_default());
    let mut edits = Edits::default();
    if let Some(selector) = without {
        if call.args.iter().any(|a| a.spread != Spread::No) {
            return Err("the call spreads its arguments: what it is given can't be seen".into());
        }
        if let Some((i, _)) = context.select(call.args, selector) {
            if call.args.iter().skip(i + 1).any(|a| a.name.is_none()) {
                return Err("arguments after the one that goes would move".into());
            }
            edits.replace(with_comma(context, &call, i), "");
        }
    }
    let callee = context.unit.expr(call.callee);
    let range = context.range(callee.span);
    let (old_module, _) = context.path.rsplit_once('.').unwrap_or_default();
    let new = match (&callee.kind, with.rsplit_once('.')) {
        (ExprKind::Member { object, name }, Some((module, last))) if module == old_module => {
            // Same module: only the function's name changes.
            let object = context.range(context.unit.expr(*object).span);
            let start = range.end - name.len();
            if start < object.end {
                return Err("the call is written in an unusual way".into());
            }
            edits.replace(start..range.end, last);
            return Ok(Proposal::new(format!("Call {with} instead"), edits));
        }
        (ExprKind::Member { .. }, _) if with.starts_with("*.") => {
            let name = &with[2..];
            let start = context.text(range.clone()).rfind('.').map_or(range.start, |i| range.start + i + 1);
            edits.replace(start..range.end, name);
            return Ok(Proposal::new(format!("Call {name} instead"), edits));
        }
        _ => with,
    };
    let spelled = qualified(context, new, import, &mut edits)?;
    edits.replace(range, spelled.clone());
    Ok(Proposal::new(format!("Call {spelled} instead"), edits))
}

/// Code that begins with a dotted name, said with the names of this file; its import is added if there is one.
pub(super) fn qualified(context: &Context<'_>, code: &str, import: Option<&str>, edits: &mut Edits) -> Result<String, String> {
    let end = code.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '$'))).unwrap_or(code.len());
    let (path, rest) = code.split_at(end);
    if let Some(statement) = import {
        // The module may be there under another name.
        if context.python()
            && let Some(name) = imports::spelled(context, path)
        {
            return Ok(format!("{name}{rest}"));
        }
        imports::ensure(context, statement, edits)?;
        return Ok(code.to_string());
    }
    if !path.contains('.') || path.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(code.to_string());
    }
    match imports::spelled(context, path) {
        Some(name) => Ok(format!("{name}{rest}")),
        None if context.python() => {
            let top = path.split('.').next().unwrap_or_default();
            Err(format!("`{top}` is not imported here"))
        }
        None => Ok(code.to_string()),
    }
}

/// `set-argument`: adds or changes an argument, or an option of an object argument.
pub(super) fn set_argument(context: &Context<'_>, argument: &Selector, key: Option<&str>, value: &str, import: Option<&str>) -> Outcome {
    let call = context.the_call()?;
    let mut edits = Edits::default();
    let value = qualified(context, value, import, &mut edits)?;
    if context.path == "jsx" {
        return set_attribute(context, &call, argument, &value);
    }
    let present = context.select(call.args, argument);
    if call.args.iter().any(|a| a.spread != Spread::No) && present.is_none() {
        return Err("the call spreads its arguments: what it is given already can't be seen".into());
    }
    match key {
        None => {
            match present {
                Some((_, arg)) => edits.replace(context.value_range(arg), value.clone()),
                None => {
                    let text = match named(argument) {
                        Some(name) if context.python() => format!("{name}={value}"),
                        _ => {
                            let index = index(argument).ok_or("the argument has no place in this language")?;
                            if call.args.iter().filter(|a| a.name.is_none()).count() != index || call.args.iter().any(|a| a.name.is_some())
                            {
                                return Err("arguments before it are missing".into());
                            }
                            value.clone()
                        }
                    };
                    append(context, &call, &text, &mut edits)?;
                }
            }
            let what = named(argument).map_or_else(|| "the argument".to_string(), |n| format!("`{n}`"));
            Ok(Proposal::new(format!("Set {what} to {value}"), edits))
        }
        Some(key) => {
            let keys: Vec<&str> = key.split('.').collect();
            match present {
                Some((_, arg)) => option(context, arg, &keys, &value, &mut edits)?,
                None => {
                    let index = index(argument).ok_or("the argument is not there")?;
                    let mut positional = call.args.iter().filter(|a| a.name.is_none()).count();
                    if positional > index {
                        return Err("the argument is not there".into());
                    }
                    let mut text = String::new();
                    while positional < index {
                        text.push_str(if context.python() { "None, " } else { "undefined, " });
                        positional += 1;
                    }
                    text.push_str(&object(context, &keys, &value));
                    append(context, &call, &text, &mut edits)?;
                }
            }
            Ok(Proposal::new(format!("Set `{key}` to {value}"), edits))
        }
    }
}

/// An attribute of an element: `<a rel="noopener">`.
fn set_attribute(context: &Context<'_>, call: &Call<'_>, argument: &Selector, value: &str) -> Outcome {
    let name = named(argument).ok_or("an attribute has a name")?;
    let mut edits = Edits::default();
    let said = if value.starts_with('"') { value.to_string() } else { format!("{{{value}}}") };
    match context.select(call.args, argument) {
        Some((_, present)) => edits.replace(context.range(present.span), format!("{name}={said}")),
        None => {
            let last = call.args.iter().filter(|a| a.name.is_some()).map(|a| context.range(a.span).end).max();
            let at = last.unwrap_or_else(|| context.range(context.unit.expr(call.callee).span).end);
            edits.insert(at, format!(" {name}={said}"));
        }
    }
    Ok(Proposal::new(format!("Set `{name}` to {value}"), edits))
}

fn named(selector: &Selector) -> Option<&str> {
    match selector {
        Selector::Keyword(k) => Some(k.as_str()),
        Selector::First(all) => all.iter().find_map(named),
        _ => None,
    }
}

fn index(selector: &Selector) -> Option<usize> {
    match selector {
        Selector::Index(i) => Some(*i),
        Selector::First(all) => all.iter().find_map(index),
        _ => None,
    }
}

/// `{ a: { b: value } }`.
fn object(context: &Context<'_>, keys: &[&str], value: &str) -> String {
    keys.iter().rev().fold(value.to_string(), |inner, k| {
        if context.python() { format!("{{\"{k}\": {inner}}}") } else { format!("{{ {}: {inner} }}", property(k)) }
    })
}

fn property(key: &str) -> String {
    let plain = key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$') && !key.starts_with(|c: char| c.is_ascii_digit());
    if plain { key.to_string() } else { format!("\"{key}\"") }
}

/// Sets an option in an object argument.
fn option(context: &Context<'_>, arg: &Arg, keys: &[&str], value: &str, edits: &mut Edits) -> Result<(), String> {
    let mut at = arg.value;
    for (depth, key) in keys.iter().enumerate() {
        let e = context.unit.expr(at);
        let ExprKind::Map(entries) = &e.kind else {
            return match &e.kind {
                ExprKind::Lit(_) => {
                    edits.replace(context.range(e.span), object(context, &keys[depth..], value));
                    Ok(())
                }
                _ => Err("the options are put together elsewhere".into()),
            };
        };
        let entry = entries.iter().rev().find(|n| n.key.is_some_and(|k| string(context, k).is_some_and(|s| s == *key)));
        match entry {
            Some(entry) if depth + 1 == keys.len() => {
                let value_range = context.range(context.unit.expr(entry.value).span);
                let whole = context.range(entry.span);
                if entry.key.is_some_and(|k| context.range(context.unit.expr(k).span) == value_range) {
                    // `{ key }`
                    edits.replace(whole, format!("{}: {value}", property(key)));
                } else {
                    edits.replace(value_range, value);
                }
                return Ok(());
            }
            Some(entry) => at = entry.value,
            None => {
                let inner = if depth + 1 == keys.len() { value.to_string() } else { object(context, &keys[depth + 1..], value) };
                let said = if context.python() { format!("\"{key}\": {inner}") } else { format!("{}: {inner}", property(key)) };
                let range = context.range(e.span);
                match entries.last() {
                    Some(last) => insert_after(context, context.range(last.span).end, range.end - 1, &said, edits),
                    None => edits.replace(range, if context.python() { format!("{{{said}}}") } else { format!("{{ {said} }}") }),
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

fn string<'u>(context: &'u Context<'_>, id: crate::ir::ExprId) -> Option<&'u str> {
    match &context.unit.expr(id).kind {
        ExprKind::Lit(crate::ir::Lit::Str(s)) => Some(s),
        _ => None,
    }
}

/// Adds an element after the last one of a list that closes at `close`.
fn insert_after(context: &Context<'_>, end: usize, close: usize, said: &str, edits: &mut Edits) {
    let rest = context.text(end..close);
    let text = &context.file.text;
    match rest.find(',') {
        // A trailing comma: the list may be one element a line.
        Some(comma) => {
            let at = end + comma + 1;
            if rest[comma..].contains('\n') {
                edits.insert(at, format!("\n{}{said},", super::edits::indent(text, end)));
            } else {
                edits.insert(at, format!(" {said},"));
            }
        }
        None if rest.contains('\n') => edits.insert(end, format!(",\n{}{said}", super::edits::indent(text, end))),
        None => edits.insert(end, format!(", {said}")),
    }
}

/// Adds an argument at the end of a call.
pub(super) fn append(context: &Context<'_>, call: &Call<'_>, said: &str, edits: &mut Edits) -> Result<(), String> {
    let end = context.range(call.span).end;
    if !context.text(0..end).ends_with(')') {
        return Err("the call has no list of arguments".into());
    }
    match call.args.last() {
        Some(last) => {
            let range = context.range(last.span);
            if range.end >= end {
                return Err("a lone generator can't be followed by another argument".into());
            }
            insert_after(context, range.end, end - 1, said, edits);
        }
        None => edits.insert(end - 1, said),
    }
    Ok(())
}

/// The place of an argument with the comma that goes with it.
pub(super) fn with_comma(context: &Context<'_>, call: &Call<'_>, i: usize) -> Range<usize> {
    let range = context.range(call.args[i].span);
    if i > 0 {
        return context.range(call.args[i - 1].span).end..range.end;
    }
    match call.args.get(1) {
        Some(next) => range.start..context.range(next.span).start,
        None => {
            let close = context.range(call.span).end.saturating_sub(1);
            let rest = context.text(range.end..close);
            range.start..rest.find(',').map_or(range.end, |c| range.end + c + 1)
        }
    }
}

/// `remove-argument`: drops it, with its comma.
pub(super) fn remove_argument(context: &Context<'_>, argument: &Selector) -> Outcome {
    let call = context.the_call()?;
    let (i, arg) = context.select(call.args, argument).ok_or("the argument is not there")?;
    if arg.name.is_none() && i + 1 < call.args.len() && call.args[i + 1..].iter().any(|a| a.name.is_none()) {
        return Err("arguments after it would move".into());
    }
    let mut edits = Edits::default();
    edits.replace(with_comma(context, &call, i), "");
    let what = named(argument).map_or_else(|| context.text(context.range(arg.span)).to_string(), ToString::to_string);
    Ok(Proposal::new(format!("Drop `{what}`"), edits))
}

/// `set-value`: replaces the reported value.
pub(super) fn set_value(context: &Context<'_>, value: &str, import: Option<&str>) -> Outcome {
    let mut edits = Edits::default();
    let value = qualified(context, value, import, &mut edits)?;
    let range = match context.the_argument() {
        Ok((_, arg)) if context.range(arg.span) == context.finding.span => context.value_range(arg),
        _ => context.finding.span.clone(),
    };
    edits.replace(range, value.clone());
    Ok(Proposal::new(format!("Use {value}"), edits))
}
