//! `contain-path`: the path is resolved, and refused where it leaves its base folder.

use super::{
    Outcome, Proposal,
    edits::{self, Edits, Piece},
    gate::Failure,
    imports,
    shape::{Part, Shape, shown},
    site::Context,
};
use crate::{
    analysis::Refusal,
    finding::Safety,
    ir::{ExprId, ExprKind, Op, Spread},
};
use std::ops::Range;

/// A folder that a path is put together under.
struct Base {
    /// Its source, as arguments: `a, b` is a folder of two parts.
    source: String,
    /// Its source as an expression of its own.
    alone: String,
    /// Nothing but what the program chose itself is in it.
    constant: bool,
}

/// How a path is put together.
struct Joined {
    /// Folders that it could be kept under, the narrowest first.
    bases: Vec<Base>,
    /// With `pathlib`: `base / name`.
    object: bool,
}

/// Members that take away what they are given: for them the base folder is no better than what is outside.
const DELETING: [&str; 10] = ["rmtree", "unlink", "remove", "rmdir", "removedirs", "rm", "rmSync", "unlinkSync", "rmdirSync", "rimraf"];

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
    let base = trusted(context, joined.bases, &whole)?;
    let source = context.text(whole.clone());
    let resolved = if joined.object {
        let simple = matches!(
            context.unit.expr(expression).kind,
            ExprKind::Name(_) | ExprKind::Call { .. } | ExprKind::Member { .. } | ExprKind::Index { .. }
        );
        if simple { format!("{source}.resolve()") } else { format!("({source}).resolve()") }
    } else if context.python() {
        imports::ensure(context, "import os", &mut edits)?;
        format!("os.path.realpath({source})")
    } else {
        format!("{}.resolve({source})", path_module(context, &mut edits)?)
    };
    let whole = if place.is_none() { parenthesised(context, whole) } else { whole };
    // The test goes behind the definition, or before the statement that uses the path.
    let statement =
        context.block_statement(place.as_ref().unwrap_or(&whole)).ok_or("there is no place for a test before the path is used")?;
    if place.is_none() {
        context.movable(&whole, statement)?;
    }
    let lines = context.whole_lines(statement.byte_range()).ok_or("the statement shares its line with others")?;
    let text = &context.file.text;
    let indent = edits::indent(text, statement.start_byte()).to_string();
    let unit = edits::unit(context.file, context.finding.span.start);
    let refusal = refusal(context, at, "path outside the base folder", &mut edits)?;
    let test = if joined.object {
        let base = format!("{}.resolve()", object(&base.source));
        let last = context.path.rsplit('.').next().unwrap_or_default();
        let itself = if DELETING.contains(&last) { format!(" or {variable} == {base}") } else { String::new() };
        format!("{indent}if not {variable}.is_relative_to({base}){itself}:\n{indent}{unit}{refusal}\n")
    } else if context.python() {
        format!("{indent}if not {variable}.startswith(os.path.realpath({}) + os.sep):\n{indent}{unit}{refusal}\n", base.source)
    } else {
        let module = path_module(context, &mut Edits::default())?;
        let base = format!("{module}.resolve({}) + {module}.sep", base.source);
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

/// The narrowest of these folders that does not come from outside itself: a test against one that does would protect nothing.
fn trusted(context: &Context<'_>, bases: Vec<Base>, whole: &Range<usize>) -> Result<Base, Refusal> {
    let mut doubt = String::new();
    for base in bases {
        if base.constant {
            return Ok(base);
        }
        let mut edits = Edits::default();
        edits.replace(whole.clone(), base.alone.clone());
        let copy = edits.into_fix(&context.file.text, String::new(), Safety::Review)?;
        // With the folder alone the finding must be gone, else it was about the folder too.
        match context.prove(&copy) {
            Err(Failure::StillThere) => doubt = base.source,
            Err(Failure::Budget) => return Err(Refusal::Budget),
            _ => return Ok(base),
        }
    }
    Err(format!("the folder `{}` comes from outside too: there is no base folder that the path could be kept under", shown(&doubt)).into())
}

/// A range with the parentheses around it.
fn parenthesised(context: &Context<'_>, range: Range<usize>) -> Range<usize> {
    let node = context.file.tree.root_node().descendant_for_byte_range(range.start, range.end);
    let outer = node.filter(|n| n.byte_range() == range).and_then(|n| n.parent()).filter(|p| p.kind() == "parenthesized_expression");
    outer.map_or(range, |p| p.byte_range())
}

fn none() -> String {
    "there is no base folder that the path could be kept under: choose one".to_string()
}

fn joined(context: &Context<'_>, id: ExprId) -> Result<Joined, String> {
    match &context.unit.expr(id).kind {
        ExprKind::Call { callee, args, .. } => {
            let callee = context.source(*callee);
            let last = callee.rsplit('.').next().unwrap_or_default();
            if last == "Path" && args.len() == 1 {
                return joined(context, args[0].value).map(|mut j| {
                    for base in j.bases.iter_mut().filter(|_| !j.object) {
                        base.source = format!("{callee}({})", base.alone);
                        base.alone.clone_from(&base.source);
                    }
                    Joined { object: true, ..j }
                });
            }
            if matches!(last, "String" | "str" | "normalize" | "normpath" | "abspath" | "realpath") && args.len() == 1 {
                return joined(context, args[0].value);
            }
            if !matches!(last, "join" | "resolve") || args.len() < 2 || args.iter().any(|a| a.spread != Spread::No || a.name.is_some()) {
                return Err(none());
            }
            let parts: Vec<ExprId> = args.iter().map(|a| a.value).collect();
            let bases = splits(context, &parts)?.into_iter().map(|split| {
                let sources: Vec<&str> = parts[..split].iter().map(|a| context.source(*a)).collect();
                let alone = if let [one] = sources.as_slice() { (*one).to_string() } else { format!("{callee}({})", sources.join(", ")) };
                let source = if context.python() { alone.clone() } else { sources.join(", ") };
                Base { source, alone, constant: parts[..split].iter().all(|a| constant(context, *a)) }
            });
            Ok(Joined { bases: bases.collect(), object: false })
        }
        ExprKind::Binary { op: Op::Div, .. } if context.python() => {
            // `a / b / c`, from the left.
            let (mut parts, mut ends, mut at) = (Vec::new(), Vec::new(), id);
            while let ExprKind::Binary { op: Op::Div, left, right } = &context.unit.expr(at).kind {
                parts.push(*right);
                ends.push(*left);
                at = *left;
            }
            parts.push(at);
            parts.reverse();
            ends.reverse();
            let bases = splits(context, &parts)?.into_iter().map(|split| {
                let source = context.source(ends[split - 1]).to_string();
                Base { alone: source.clone(), source, constant: parts[..split].iter().all(|a| constant(context, *a)) }
            });
            Ok(Joined { bases: bases.collect(), object: true })
        }
        _ => {
            let shape = Shape::of(context, id).map_err(|_| none())?;
            let mut pieces: Vec<Piece> = Vec::new();
            let mut constant = true;
            for part in &shape.parts {
                match part {
                    // The folder ends where a value begins behind a slash.
                    Part::Hole(_) if matches!(pieces.last(), Some(Piece::Text(t)) if t.ends_with('/')) => break,
                    Part::Hole(h) if pieces.is_empty() => {
                        if context.carries(&h.value) {
                            return Err(none());
                        }
                        constant = h.code.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
                        pieces.push(Piece::Code(h.code.clone()));
                    }
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
            let source = edits::build(context.file.language, &context.file.text, &pieces)?;
            Ok(Joined { bases: vec![Base { alone: source.clone(), source, constant }], object: false })
        }
    }
}

/// How many of the parts of a path may be its base folder: up to the first through which the data of the finding comes in, or up
/// to the first that the program did not choose itself.
fn splits(context: &Context<'_>, parts: &[ExprId]) -> Result<Vec<usize>, String> {
    let carried = parts.iter().position(|a| context.carries(&context.range(context.unit.expr(*a).span)));
    if carried == Some(0) {
        return Err(none());
    }
    let chosen = parts.iter().position(|a| !constant(context, *a)).unwrap_or(parts.len()).clamp(1, parts.len() - 1);
    let mut splits: Vec<usize> = carried.into_iter().chain([chosen]).collect();
    splits.dedup();
    Ok(splits)
}

/// A part that the program chooses itself: a literal, a constant by its name, the folder of the file.
fn constant(context: &Context<'_>, id: ExprId) -> bool {
    let source = context.source(id);
    match &context.unit.expr(id).kind {
        ExprKind::Lit(_) => true,
        ExprKind::Name(n) => matches!(n.as_str(), "__dirname" | "__file__") || !n.chars().any(char::is_lowercase),
        ExprKind::Index { object, .. } => context.source(*object).ends_with("config"),
        _ => {
            let last = source.rsplit('.').next().unwrap_or_default();
            matches!(
                source,
                "process.cwd()" | "os.getcwd()" | "os.path.dirname(__file__)" | "os.homedir()" | "os.tmpdir()" | "homedir()" | "tmpdir()"
            ) || matches!(source, "Path.home()" | "Path.cwd()" | "tempfile.gettempdir()" | "import.meta.dirname")
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
            if uses(framework) && context.answers(at, framework) {
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
