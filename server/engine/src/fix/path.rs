//! `contain-path`: the path is resolved, and refused where it leaves its base folder.

use super::{
    Outcome, Proposal,
    edits::{self, Edits, Piece},
    imports,
    shape::{Part, Shape},
    site::Context,
};
use crate::ir::{Arg, ExprId, ExprKind, Op, Spread};

/// How a path is put together.
struct Joined {
    /// Source of the base folder.
    base: String,
    /// With `pathlib`: `base / name`.
    object: bool,
}

pub(super) fn propose(context: &Context<'_>) -> Outcome {
    let value = context.the_value()?;
    let mut edits = Edits::default();
    let title = "Refuse paths outside the base folder";
    let at = context.finding.span.start;
    let (expression, variable, place) = match context.unit.expr(value).kind {
        ExprKind::Name(name) => {
            let (statement, built) =
                context.definition(name, at).map_err(|e| format!("{e}: there is no base folder that the path could be kept under"))?;
            (built, name.to_string(), Some(context.range(statement.span)))
        }
        _ => (value, fresh(context, at), None),
    };
    let joined = joined(context, expression)?;
    let whole = context.range(context.unit.expr(expression).span);
    let source = context.text(whole.clone());
    let resolved = if joined.object {
        let bare = source.strip_prefix('(').and_then(|s| s.strip_suffix(')')).unwrap_or(source);
        if source.ends_with(')') && !source.starts_with('(') { format!("{source}.resolve()") } else { format!("({bare}).resolve()") }
    } else if context.python() {
        imports::ensure(context, "import os", &mut edits)?;
        format!("os.path.realpath({source})")
    } else {
        format!("{}.resolve({source})", path_module(context, &mut edits)?)
    };
    // The test goes behind the definition, or before the statement that uses the path.
    let statement =
        context.block_statement(place.as_ref().unwrap_or(&whole)).ok_or("there is no place for a test before the path is used")?;
    let lines = context.whole_lines(statement.byte_range()).ok_or("the statement shares its line with others")?;
    let text = &context.file.text;
    let indent = edits::indent(text, statement.start_byte()).to_string();
    let unit = edits::unit(text, context.file.language);
    let refusal = refusal(context, at, "path outside the base folder", &mut edits)?;
    let test = if joined.object {
        format!("{indent}if not {variable}.is_relative_to({}.resolve()):\n{indent}{unit}{refusal}\n", object(&joined.base))
    } else if context.python() {
        format!("{indent}if not {variable}.startswith(os.path.realpath({}) + os.sep):\n{indent}{unit}{refusal}\n", joined.base)
    } else {
        let module = path_module(context, &mut Edits::default())?;
        let base = format!("{module}.resolve({}) + {module}.sep", joined.base);
        format!("{indent}if (!{variable}.startsWith({base})) {{\n{indent}{unit}{refusal}\n{indent}}}\n")
    };
    if place.is_some() {
        edits.replace(whole, resolved);
        let newline = if text[..lines.end].ends_with('\n') { "" } else { "\n" };
        edits.insert(lines.end, format!("{newline}{test}"));
    } else {
        let declare = if context.python() { format!("{variable} = {resolved}") } else { format!("const {variable} = {resolved};") };
        edits.insert(lines.start, format!("{indent}{declare}\n{test}"));
        edits.replace(whole, variable);
    }
    Ok(Proposal::new(title, edits))
}

/// A base that can have a method called on it.
fn object(base: &str) -> String {
    let simple =
        base.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.')) || base.ends_with(')') && base.matches('(').count() == 1;
    if simple { base.to_string() } else { format!("({base})") }
}

/// A name that nothing around the finding has.
fn fresh(context: &Context<'_>, at: usize) -> String {
    let scope = context.function_at(at).map_or(0..context.file.text.len(), |f| context.range(f.span));
    let text = context.text(scope);
    let names: &[&str] = if context.python() { &["path", "full_path", "resolved_path"] } else { &["fullPath", "resolvedPath", "safePath"] };
    let used = |name: &str| text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|w| w == name);
    names.iter().find(|n| !used(n)).map_or_else(|| "contained_path".to_string(), |n| (*n).to_string())
}

/// The name that Node's `path` module has in this file.
fn path_module(context: &Context<'_>, edits: &mut Edits) -> Result<String, String> {
    if let Some(name) = imports::spelled(context, "path") {
        return Ok(name);
    }
    imports::ensure(context, "import path from \"path\";", edits)?;
    Ok("path".into())
}

fn joined(context: &Context<'_>, id: ExprId) -> Result<Joined, String> {
    let none = || "there is no base folder that the path could be kept under: choose one".to_string();
    match &context.unit.expr(id).kind {
        ExprKind::Call { callee, args, .. } => {
            let callee = context.source(*callee);
            let last = callee.rsplit('.').next().unwrap_or_default();
            if matches!(last, "Path" | "PurePath") && args.len() == 1 {
                return joined(context, args[0].value)
                    .map(|j| Joined { base: if j.object { j.base } else { format!("{callee}({})", j.base) }, object: true });
            }
            if matches!(last, "String" | "str" | "normalize" | "normpath" | "abspath" | "realpath") && args.len() == 1 {
                return joined(context, args[0].value);
            }
            if !matches!(last, "join" | "resolve") || args.len() < 2 || args.iter().any(|a| a.spread != Spread::No || a.name.is_some()) {
                return Err(none());
            }
            let split = args.iter().position(|a| !constant(context, a)).unwrap_or(args.len());
            // The first folder may come from anywhere, as long as something is put under it.
            let base = &args[..split.clamp(1, args.len() - 1)];
            let sources: Vec<&str> = base.iter().map(|a| context.source(a.value)).collect();
            let base = match sources.as_slice() {
                [one] => (*one).to_string(),
                many if context.python() => format!("{callee}({})", many.join(", ")),
                many => many.join(", "),
            };
            Ok(Joined { base, object: false })
        }
        ExprKind::Binary { op: Op::Div, left, .. } if context.python() => {
            Ok(Joined { base: context.source(*left).to_string(), object: true })
        }
        _ => {
            let shape = Shape::of(context, id).map_err(|_| none())?;
            let mut pieces: Vec<Piece> = Vec::new();
            for part in &shape.parts {
                match part {
                    // The folder ends where a value begins behind a slash.
                    Part::Hole(_) if matches!(pieces.last(), Some(Piece::Text(t)) if t.ends_with('/')) => break,
                    Part::Hole(h) if pieces.is_empty() => pieces.push(Piece::Code(h.code.clone())),
                    Part::Hole(_) => return Err(none()),
                    Part::Char(c, _) => match pieces.last_mut() {
                        Some(Piece::Text(t)) => t.push(*c),
                        _ => pieces.push(Piece::Text(c.to_string())),
                    },
                    Part::Join(_) => {}
                }
            }
            let Some(Piece::Text(last)) = pieces.last_mut() else { return Err(none()) };
            // What stands behind the last slash is part of a file's name.
            let slash = last.rfind('/').ok_or_else(none)?;
            last.truncate(slash);
            pieces.retain(|p| !matches!(p, Piece::Text(t) if t.is_empty()));
            if pieces.is_empty() {
                return Err(none());
            }
            Ok(Joined { base: edits::build(context.file.language, &context.file.text, &pieces)?, object: false })
        }
    }
}

/// A part that the program chooses itself: a literal, a constant by its name, the folder of the file.
fn constant(context: &Context<'_>, arg: &Arg) -> bool {
    let source = context.source(arg.value);
    match &context.unit.expr(arg.value).kind {
        ExprKind::Lit(_) => true,
        ExprKind::Name(n) => matches!(n.as_str(), "__dirname" | "__file__") || !n.chars().any(char::is_lowercase),
        ExprKind::Index { object, .. } => context.source(*object).ends_with("config"),
        _ => {
            let last = source.rsplit('.').next().unwrap_or_default();
            matches!(source, "process.cwd()" | "os.getcwd()" | "os.path.dirname(__file__)")
                || !last.is_empty() && last.chars().all(|c| c.is_ascii_uppercase() || c == '_')
        }
    }
}

/// What refusing a value does, in the manner of the framework at hand; `why` is for an error's text.
pub(super) fn refusal(context: &Context<'_>, at: usize, why: &str, edits: &mut Edits) -> Result<String, String> {
    let bound = context.imports();
    let uses = |module: &str| bound.iter().any(|b| b.path.split('.').next() == Some(module));
    if context.python() {
        for (framework, import, statement) in [
            ("flask", "from flask import abort", "abort(400)"),
            ("fastapi", "from fastapi import HTTPException", "raise HTTPException(status_code=400)"),
            ("django", "from django.core.exceptions import SuspiciousFileOperation", "raise SuspiciousFileOperation()"),
        ] {
            if uses(framework) {
                imports::ensure(context, import, edits)?;
                return Ok(statement.into());
            }
        }
        return Ok(format!("raise ValueError({})", edits::literal(&context.file.text, why)));
    }
    let function = context.function_at(at);
    // An error thrown in a handler that is async, or in a callback, would end the whole process.
    let answers = function.is_some_and(|f| {
        let named = |n: &str| f.params.iter().any(|p| super::site::binds(&p.pattern, crate::ir::sym(n)));
        named("req") && named("res")
    });
    if answers && uses("express") {
        return Ok("return res.sendStatus(400);".into());
    }
    Ok(format!("throw new Error({});", edits::literal(&context.file.text, why)))
}
