//! `argv`: a command line for the shell becomes a list of arguments without one.

use super::{
    Outcome, Proposal, call,
    edits::{self, Edits, Piece},
    gate::Failure,
    imports,
    shape::{Part, Shape, shown},
    site::{Call, Context},
};
use crate::{
    finding::Safety,
    ir::{ExprId, ExprKind, Lit, Span},
};
use std::ops::Range;

pub(super) fn propose(context: &Context<'_>) -> Outcome {
    let plain = list(context, false)?;
    let proven = plain.edits.clone().into_fix(&context.file.text, plain.title.clone(), Safety::Review).map(|fix| context.prove(&fix));
    if matches!(proven, Ok(Err(Failure::New(_)))) {
        // Where an option of the program would be a risk of its own, values that look like one are refused.
        return list(context, true);
    }
    Ok(plain)
}

fn list(context: &Context<'_>, guarded: bool) -> Outcome {
    let call = context.the_call()?;
    let (index, arg) = context.the_argument()?;
    let value = context.built(arg.value, context.range(call.span).start)?;
    let inline = value == arg.value;
    if let ExprKind::List(_) = context.unit.expr(value).kind {
        return Err("the command is a list already: the dangerous part is the program or one of its options".into());
    }
    let shape = Shape::of(context, value)?;
    let split = words(&shape)?;
    let words: Vec<String> = split.iter().map(|w| edits::build(context.file.language, &context.file.text, w)).collect::<Result<_, _>>()?;
    let mut edits = Edits::default();
    let title = "Run the program without a shell";
    if guarded {
        let values = split.iter().filter_map(|w| match w.first() {
            Some(Piece::Code(code)) if !code.starts_with(['*', '.']) => Some(code.as_str()),
            _ => None,
        });
        // A list that is made before its use is tested before it is made.
        let place = if inline || !context.python() { context.around.clone() } else { context.range(context.unit.expr(value).span) };
        refuse_options(context, values.collect(), &place, &mut edits)?;
    }
    let whole = context.range(context.unit.expr(value).span);
    if context.python() {
        let spread = python(context, &call, index, &mut edits)?;
        if spread && !inline {
            return Err("the command is put together apart from its call".into());
        }
        let list = words.join(", ");
        let place = if inline { context.value_range(arg) } else { whole };
        edits.replace(place, if spread { list } else { format!("[{list}]") });
        return Ok(Proposal::new(title, edits));
    }
    javascript(context, &call, &mut edits)?;
    let (program, rest) = words.split_first().ok_or("the command is empty")?;
    edits.replace(context.value_range(arg), format!("{program}, [{}]", rest.join(", ")));
    if !inline {
        let statement = context.block_statement(&whole).ok_or("the command's definition does not stand alone")?;
        if statement.kind() == "lexical_declaration" && statement.named_child_count() > 1 {
            return Err("the command is declared together with others".into());
        }
        edits.replace(context.whole_lines(statement.byte_range()).ok_or("the command's definition shares its line")?, "");
    }
    Ok(Proposal::new(title, edits))
}

/// Before the statement: values that begin with `-` are refused.
fn refuse_options(context: &Context<'_>, mut values: Vec<&str>, place: &Range<usize>, edits: &mut Edits) -> Result<(), String> {
    values.dedup();
    let statement = context.block_statement(place).ok_or("there is no place for a test before the call")?;
    context.movable(place, statement)?;
    let lines = context.whole_lines(statement.byte_range()).ok_or("the statement shares its line with others")?;
    let indent = edits::indent(&context.file.text, statement.start_byte());
    let unit = edits::unit(context.file, context.finding.span.start);
    let dash = edits::literal(&context.file.text, "-");
    let refusal = super::path::refusal(context, place.start, "not an option", edits)?;
    for value in values {
        edits.insert(
            lines.start,
            if context.python() {
                format!("{indent}if {value}.startswith({dash}):\n{indent}{unit}{refusal}\n")
            } else {
                format!("{indent}if ({value}.startsWith({dash})) {{\n{indent}{unit}{refusal}\n{indent}}}\n")
            },
        );
    }
    Ok(())
}

/// Takes the shell out of a Python call. True: the words are arguments of their own.
fn python(context: &Context<'_>, call: &Call<'_>, index: usize, edits: &mut Edits) -> Result<bool, String> {
    let callee = context.range(context.unit.expr(call.callee).span);
    let spelled = |module: &str, function: &str, edits: &mut Edits| -> Result<String, String> {
        call::qualified(context, &format!("{module}.{function}"), Some(&format!("import {module}")), edits)
    };
    match context.path.as_str() {
        "os.system" => {
            if !context.only_tested(call.span) {
                return Err("`os.system` gives a status of its own kind, which is used here".into());
            }
            let name = spelled("subprocess", "call", edits)?;
            edits.replace(callee, name);
            Ok(false)
        }
        "os.popen" => {
            let own = context.range(call.span);
            let read = context.exprs().find(|(_, e)| match &e.kind {
                ExprKind::Call { callee, args, .. } if args.is_empty() => match &context.unit.expr(*callee).kind {
                    ExprKind::Member { object, name } => *name == "read" && context.range(context.unit.expr(*object).span) == own,
                    _ => false,
                },
                _ => false,
            });
            let (_, read) = read.ok_or("the output is read elsewhere")?;
            if call.args.len() != 1 {
                return Err("`os.popen` is called with a mode".into());
            }
            let end = context.range(read.span).end;
            let name = spelled("subprocess", "run", edits)?;
            edits.replace(callee, name);
            edits.insert(context.range(call.args[index].span).end, ", stdout=subprocess.PIPE, text=True");
            edits.replace(own.end..end, ".stdout");
            Ok(false)
        }
        "asyncio.create_subprocess_shell" | "asyncio.subprocess.create_subprocess_shell" => {
            let start = context.text(callee.clone()).rfind('.').map_or(callee.start, |i| callee.start + i + 1);
            if start == callee.start {
                return Err("`create_subprocess_shell` is imported by itself".into());
            }
            edits.replace(start..callee.end, "create_subprocess_exec");
            Ok(true)
        }
        path if path.starts_with("subprocess.") && !matches!(path, "subprocess.getoutput" | "subprocess.getstatusoutput") => {
            let shell = call.args.iter().position(|a| a.name.is_some_and(|n| n == "shell")).ok_or("the shell is asked for elsewhere")?;
            if !matches!(context.unit.expr(call.args[shell].value).kind, ExprKind::Lit(Lit::Bool(true))) {
                return Err("whether a shell is used depends on a value".into());
            }
            if call.args.iter().any(|a| a.name.is_some_and(|n| n == "executable")) {
                return Err("the call names its own shell".into());
            }
            if shell == 0 {
                return Err("the call's arguments are in an unusual order".into());
            }
            edits.replace(call::with_comma(context, call, shell), "");
            Ok(false)
        }
        path => Err(format!("`{path}` always runs a shell")),
    }
}

/// Calls the function that takes a list.
fn javascript(context: &Context<'_>, call: &Call<'_>, edits: &mut Edits) -> Result<(), String> {
    let (module, last) = context.path.rsplit_once('.').unwrap_or_default();
    if module != "child_process" {
        return Err(format!("`{}` has no form that takes a list", context.path));
    }
    let new = match last {
        "exec" => "execFile",
        "execSync" => "execFileSync",
        other => return Err(format!("`{other}` is asked for a shell in its options")),
    };
    if let Some(options) = call.args.get(1)
        && context.source(options.value).contains("shell")
    {
        return Err("the call names its own shell".into());
    }
    let e = context.unit.expr(call.callee);
    let range = context.range(e.span);
    match &e.kind {
        ExprKind::Member { name, .. } if *name == last => edits.replace(range.end - name.len()..range.end, new),
        ExprKind::Name(name) if *name == last => {
            let module = if context.file.text.contains("node:child_process") { "node:child_process" } else { "child_process" };
            imports::ensure(context, &format!("import {{ {new} }} from \"{module}\";"), edits)?;
            edits.replace(range, new);
        }
        _ => return Err(format!("`{}` is another form of `{last}`", context.text(range))),
    }
    Ok(())
}

/// The words of a command line as a shell would see them.
fn words(shape: &Shape) -> Result<Vec<Vec<Piece>>, String> {
    let mut words: Vec<Vec<Piece>> = Vec::new();
    let mut word: Option<Vec<Piece>> = None;
    let mut quote: Option<char> = None;
    let mut parts = shape.parts.iter().peekable();
    let text = |word: &mut Option<Vec<Piece>>, c: char| {
        let word = word.get_or_insert_with(Vec::new);
        match word.last_mut() {
            Some(Piece::Text(t)) => t.push(c),
            _ => word.push(Piece::Text(c.to_string())),
        }
    };
    while let Some(part) = parts.next() {
        match part {
            Part::Join(_) => {}
            Part::Hole(hole) => {
                if hole.formatted {
                    return Err("a value is formatted".into());
                }
                if words.is_empty() {
                    return Err("the program itself comes from outside: choose it from a fixed list".into());
                }
                let quoted = unquoted(&hole.code);
                let code = quoted.unwrap_or(&hole.code);
                let alone = quote.is_none() && word.is_none() && matches!(parts.peek(), None | Some(Part::Char(' ', _)));
                if let Some(list) = joined(code) {
                    if !alone {
                        return Err(format!("`{}` stands for several words", shown(code)));
                    }
                    word = Some(vec![Piece::Code(list)]);
                } else if quoted.is_none() && alone && several(code) {
                    return Err(format!("`{}` may stand for several words, which only a shell would take apart", shown(code)));
                } else {
                    word.get_or_insert_with(Vec::new).push(Piece::Code(code.to_string()));
                }
            }
            Part::Char(c, _) => match (quote, *c) {
                (Some(q), c) if c == q => {
                    quote = None;
                    word.get_or_insert_with(Vec::new);
                }
                (Some('"'), c @ ('$' | '`' | '\\')) => return Err(format!("the command uses `{c}`, which only a shell understands")),
                (Some(_), c) => text(&mut word, c),
                (None, q @ ('\'' | '"')) => quote = Some(q),
                (None, c) if c.is_whitespace() => {
                    if c == '\n' && parts.peek().is_some() {
                        return Err("the command has several lines".into());
                    }
                    words.extend(word.take());
                }
                (
                    None,
                    c @ ('|' | ';' | '&' | '<' | '>' | '$' | '`' | '*' | '?' | '~' | '(' | ')' | '{' | '}' | '[' | ']' | '\\' | '#' | '!'),
                ) => {
                    return Err(format!("the command uses `{c}`, which only a shell understands"));
                }
                (None, c) => text(&mut word, c),
            },
        }
    }
    if quote.is_some() {
        return Err("a quote in the command is not closed".into());
    }
    words.extend(word);
    if let Some([Piece::Text(t)]) = words.first().map(Vec::as_slice) {
        if t.contains('=') {
            return Err("the command sets a variable first".into());
        }
        if matches!(t.as_str(), "cd" | "export" | "source" | "." | "exit" | "set" | "ulimit" | "umask" | "eval") {
            return Err(format!("`{t}` is a command of the shell itself"));
        }
    }
    Ok(words)
}

/// The spread elements of a list that is joined with spaces: `" ".join(files)`, `files.join(" ")`.
fn joined(code: &str) -> Option<String> {
    for q in ['"', '\''] {
        if let Some(list) = code.strip_prefix(&format!("{q} {q}.join(")).and_then(|c| c.strip_suffix(')')) {
            return Some(format!("*{list}"));
        }
        if let Some(list) = code.strip_suffix(&format!(".join({q} {q})")) {
            return Some(format!("...{list}"));
        }
    }
    None
}

/// Whether a value is called what several words would be called.
fn several(code: &str) -> bool {
    let last = code.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).find(|w| !w.is_empty()).unwrap_or_default().to_lowercase();
    ["flags", "args", "arguments", "options", "opts", "params", "parameters", "command", "cmd", "files", "paths", "names"]
        .iter()
        .any(|w| last.ends_with(w))
}

/// `x` of `shlex.quote(x)`: a list needs no quoting.
fn unquoted(code: &str) -> Option<&str> {
    ["shlex.quote(", "pipes.quote(", "quote("]
        .iter()
        .find_map(|q| code.strip_prefix(q)?.strip_suffix(')'))
        .filter(|c| !c.contains(['(', ')']))
}

impl Context<'_> {
    /// Whether of a value nothing is of interest but whether it is zero.
    fn only_tested(&self, span: Span) -> bool {
        let range = self.range(span);
        let root = self.file.tree.root_node();
        let Some(mut node) = root.descendant_for_byte_range(range.start, range.end) else { return false };
        while let Some(parent) = node.parent() {
            match parent.kind() {
                "parenthesized_expression" | "boolean_operator" => node = parent,
                "expression_statement" | "not_operator" => return true,
                "if_statement" | "while_statement" | "elif_clause" | "conditional_expression" => {
                    return parent.child_by_field_name("condition").is_some_and(|c| c.id() == node.id())
                        || parent.kind() == "conditional_expression" && parent.named_child(1).is_some_and(|c| c.id() == node.id());
                }
                "comparison_operator" => {
                    let others =
                        (0..parent.named_child_count()).filter_map(|i| parent.named_child(i as u32)).filter(|c| c.id() != node.id());
                    let signs = self.text(parent.byte_range());
                    return others.clone().count() == 1
                        && others.map(|o| self.text(o.byte_range())).all(|o| o == "0")
                        && (signs.contains("==") || signs.contains("!="));
                }
                _ => return false,
            }
        }
        false
    }

    /// The expression that puts a value together: itself, or the only definition of the variable it is, if nothing else uses it.
    pub(super) fn built(&self, id: ExprId, at: usize) -> Result<ExprId, String> {
        let ExprKind::Name(name) = self.unit.expr(id).kind else { return Ok(id) };
        let (statement, value) = self.definition(name, at)?;
        if self.uses(name, at) > 1 {
            return Err(format!("`{name}` is used in other places too"));
        }
        let from = self.range(statement.span).end;
        // A value that changes between the definition and the use is another one there.
        let parts = self.source(value);
        let mut changed = None;
        self.each_statement(&mut |s| {
            if let crate::ir::StmtKind::Assign { target: crate::ir::Pattern::Name(n, _), .. } = &s.kind {
                let range = self.range(s.span);
                if range.start >= from && range.end <= at && parts.contains(n.as_str()) {
                    changed = Some(*n);
                }
            }
        });
        match changed {
            Some(n) => Err(format!("`{n}` changes between the text and its use")),
            None => Ok(value),
        }
    }
}
