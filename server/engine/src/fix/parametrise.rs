//! `parametrise`: holes of a built query become placeholders of the driver, and their values a list of parameters.

use super::{
    Outcome, Proposal, call,
    edits::{self, Edits, Piece},
    shape::{Hole, Part, Shape, shown},
    site::{Call, Context},
    sql::{self, Place},
};
use crate::{
    ir::{Arg, ExprKind},
    lang::Language,
};
use std::ops::Range;

/// A placeholder in the making: the parts it takes the place of, and the value's source.
struct Parameter {
    parts: Range<usize>,
    code: String,
    /// Placeholders of the text that stand before it.
    before: usize,
}

pub(super) fn propose(context: &Context<'_>) -> Outcome {
    let call = context.the_call()?;
    let style = context.placeholder.ok_or("the database driver is not known, so neither are its placeholders")?;
    let method = context.path.rsplit('.').next().unwrap_or_default();
    if matches!(method, "executescript" | "exec" | "extra" | "executemany") {
        return Err(format!("`{method}` takes no parameters for a single statement").into());
    }
    let (index, arg) = context.the_argument()?;
    if arg.name.is_some() {
        return Err("the query is given by keyword, so the place of its parameters is not known".into());
    }
    let value = context.built(arg.value, context.range(call.span).start)?;
    let shape = Shape::of(context, value)?;
    let mut kept = Vec::new();
    let mut left = None;
    let mut parameters: Vec<Parameter> = Vec::new();
    for (at, place, before) in sql::places(&shape.parts, &style) {
        let Part::Hole(hole) = &shape.parts[at] else { continue };
        match place {
            Place::Kept(why) => {
                left.get_or_insert_with(|| format!("`{}` {why}", shown(&hole.code)));
                kept.push(at);
            }
            Place::Value(_) if hole.formatted => {
                return Err(format!("`{}` is formatted in a way that a parameter can't be", shown(&hole.code)).into());
            }
            // Two holes between the same quotes are one value.
            Place::Value(parts) if parameters.last().is_some_and(|p| p.parts == parts) => {}
            Place::Value(parts) => parameters.push(Parameter { code: code(context, &shape, parts.clone())?, parts, before }),
        }
    }
    if parameters.is_empty() {
        return Err(left.unwrap_or_else(|| "no value is put into the query here".to_string()).into());
    }

    let mut edits = Edits::default();
    let runner = runner(context, &call, index, method)?;
    let given = match &runner {
        Runner::Elements(list, _) => list.len(),
        Runner::Rest => call.args.len() - index - 1,
        _ => 0,
    };
    if style == "%s" && given == 0 {
        double_percents(&shape, &parameters, &mut edits)?;
    }
    for (i, p) in parameters.iter().enumerate() {
        let placeholder = match &*style {
            "$n" => format!("${}", given + i + 1),
            style => style.to_string(),
        };
        let glue = shape.parts[p.parts.clone()].iter().rev().find_map(|p| if let Part::Hole(h) = p { Some(&*h.glue) } else { None });
        shape.replace(p.parts.clone(), &format!("{placeholder}{}", glue.unwrap_or_default()), &mut edits);
    }
    let gone: Vec<Range<usize>> = parameters.iter().map(|p| p.parts.clone()).collect();
    shape.settle(&kept, &gone, &context.file.text, &mut edits)?;
    pass(context, &call, index, &style, runner, &parameters, &mut edits)?;
    let title = if parameters.len() == 1 { "Pass the value as a parameter" } else { "Pass the values as parameters" };
    Ok(Proposal { title: title.into(), edits, left })
}

/// The value that a placeholder stands for: what stood between the quotes, or the hole alone.
fn code(context: &Context<'_>, shape: &Shape, parts: Range<usize>) -> Result<String, String> {
    let quoted = parts.len() > 1;
    let inner: &[Part] = if quoted { &shape.parts[parts.start + 1..parts.end - 1] } else { &shape.parts[parts] };
    if let [Part::Hole(Hole { code, bare, .. })] = inner {
        // Between quotes `str(x)` is the text that was meant; without them the query held what `x` looks like.
        return Ok(if quoted { code.clone() } else { bare.clone().unwrap_or_else(|| code.clone()) });
    }
    let mut pieces: Vec<Piece> = Vec::new();
    for part in inner {
        match part {
            Part::Hole(h) => pieces.push(Piece::Code(h.code.clone())),
            Part::Char(c, _) => match pieces.last_mut() {
                Some(Piece::Text(t)) => t.push(*c),
                _ => pieces.push(Piece::Text(c.to_string())),
            },
            Part::Join(_) => {}
        }
    }
    edits::build(context.file.language, &context.file.text, &pieces)
}

/// How the driver gets parameters.
enum Runner {
    /// As a list behind the query, where there is none yet.
    List,
    /// As further arguments behind the query.
    Rest,
    /// As arguments of the method that runs the prepared statement; the argument list's end.
    Prepared(Range<usize>, bool),
    /// As the elements of a literal list that is there.
    Elements(Vec<Range<usize>>, Range<usize>),
}

fn runner<'u>(context: &'u Context<'_>, call: &Call<'u>, index: usize, method: &str) -> Result<Runner, String> {
    let next: Option<&Arg> = call.args.get(index + 1);
    if method == "prepare" {
        return prepared(context, call);
    }
    if context.path.starts_with("asyncpg.") {
        return Ok(Runner::Rest);
    }
    let Some(next) = next else { return Ok(Runner::List) };
    if next.name.is_some() || matches!(context.unit.expr(next.value).kind, ExprKind::Func(_)) {
        return Ok(Runner::List);
    }
    match &context.unit.expr(next.value).kind {
        ExprKind::List(items) if !items.iter().any(|i| matches!(context.unit.expr(*i).kind, ExprKind::Spread(_))) => {
            let items = items.iter().map(|i| context.range(context.unit.expr(*i).span)).collect();
            Ok(Runner::Elements(items, context.range(context.unit.expr(next.value).span)))
        }
        // The name of a callback, as in `db.all(query, done)`.
        ExprKind::Name(n) if context.file.language != Language::Python && call.args.len() == index + 2 && callback(n) => Ok(Runner::List),
        _ => Err("the query's parameters are put together elsewhere".into()),
    }
}

fn callback(name: &str) -> bool {
    matches!(name, "callback" | "cb" | "done" | "next" | "handler" | "fn")
}

/// `db.prepare(query).get(..)`: the values go to the call that runs it.
fn prepared<'u>(context: &'u Context<'_>, call: &Call<'u>) -> Result<Runner, String> {
    let elsewhere = || "the prepared statement is run elsewhere".to_string();
    let own = context.range(call.span);
    let run = context.exprs().find_map(|(_, e)| match &e.kind {
        ExprKind::Call { callee, args, .. } => match &context.unit.expr(*callee).kind {
            ExprKind::Member { object, name }
                if context.range(context.unit.expr(*object).span) == own
                    && matches!(name.as_str(), "run" | "get" | "all" | "each" | "iterate" | "values") =>
            {
                Some((context.range(e.span), args))
            }
            _ => None,
        },
        _ => None,
    });
    let (range, args) = run.ok_or_else(elsewhere)?;
    match args.first() {
        None => Ok(Runner::Prepared(range.end - 1..range.end - 1, false)),
        Some(a) if matches!(context.unit.expr(a.value).kind, ExprKind::Func(_)) => {
            let at = context.range(a.span).start;
            Ok(Runner::Prepared(at..at, true))
        }
        Some(_) => Err("the prepared statement gets parameters already".into()),
    }
}

/// Hands the values over.
fn pass(
    context: &Context<'_>,
    call: &Call<'_>,
    index: usize,
    style: &str,
    runner: Runner,
    parameters: &[Parameter],
    edits: &mut Edits,
) -> Result<(), String> {
    let codes: Vec<&str> = parameters.iter().map(|p| p.code.as_str()).collect();
    let joined = codes.join(", ");
    let after = context.range(call.args[index].span).end;
    match runner {
        Runner::List => {
            let list = match (context.python(), codes.len()) {
                (true, 1) => format!("({joined},)"),
                (true, _) => format!("({joined})"),
                (false, _) => format!("[{joined}]"),
            };
            edits.insert(after, format!(", {list}"));
        }
        Runner::Rest => call::append(context, call, &joined, edits)?,
        Runner::Prepared(at, more) => edits.insert(at.start, if more { format!("{joined}, ") } else { joined }),
        Runner::Elements(items, list) => {
            if items.is_empty() {
                let comma = if context.python() && context.text(list.clone()).starts_with('(') && codes.len() == 1 { "," } else { "" };
                edits.insert(list.start + 1, format!("{joined}{comma}"));
                return Ok(());
            }
            for p in parameters {
                let before = if style == "$n" { items.len() } else { p.before };
                match items.get(before) {
                    Some(item) => edits.insert(item.start, format!("{}, ", p.code)),
                    None if before == items.len() => edits.insert(items[before - 1].end, format!(", {}", p.code)),
                    None => return Err("there are fewer parameters than placeholders".into()),
                }
            }
        }
    }
    Ok(())
}

/// With parameters, `%` in the text of a `%s` driver has to be written twice.
fn double_percents(shape: &Shape, parameters: &[Parameter], edits: &mut Edits) -> Result<(), String> {
    for (i, part) in shape.parts.iter().enumerate() {
        if let Part::Char('%', range) = part
            && !parameters.iter().any(|p| p.parts.contains(&i))
        {
            if shape.is_percent_format() || range.len() > 1 {
                return Err("a `%` of the text would change its meaning".into());
            }
            edits.replace(range.clone(), "%%");
        }
    }
    Ok(())
}
