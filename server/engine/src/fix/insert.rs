//! Recipes that put a statement somewhere, take one away, or move a secret out of the text.

use super::{
    Outcome, Proposal,
    edits::{self, Edits, line_end},
    imports,
    site::Context,
};
use crate::ir::{ExprKind, Lit, Op};
use tree_sitter::Node;

/// `add-middleware`: a statement right after the application is made.
pub(super) fn add_middleware(context: &Context<'_>, statement: &str, import: Option<&str>) -> Outcome {
    let text = &context.file.text;
    let mut edits = Edits::default();
    let app = context
        .apps
        .iter()
        .find(|a| **a == context.finding.span)
        .or_else(|| context.apps.iter().find(|a| a.start <= context.finding.span.start && context.finding.span.end <= a.end))
        .cloned()
        .unwrap_or_else(|| context.finding.span.clone());
    let made = context.block_statement(&app).ok_or("the application is not made in a statement of its own")?;
    let name = bound_to(context, made, app.start).ok_or("the application has no name here")?;
    if let Some(import) = import {
        imports::ensure(context, import, &mut edits)?;
    }
    let lines = context.whole_lines(made.byte_range()).ok_or("the statement that makes the application shares its line")?;
    let indent = edits::indent(text, made.start_byte());
    let said = statement.replace("{app}", &name);
    let newline = if text[..lines.end].ends_with('\n') { "" } else { "\n" };
    edits.insert(lines.end, format!("{newline}{}", indented(&said, indent)));
    Ok(Proposal::new(format!("Add `{}`", said.lines().next().unwrap_or_default()), edits))
}

/// Lines of a statement at an indentation.
fn indented(statement: &str, indent: &str) -> String {
    statement.lines().map(|l| if l.is_empty() { "\n".to_string() } else { format!("{indent}{l}\n") }).collect()
}

/// The variable or attribute that a statement gives the value at `at` to.
fn bound_to(context: &Context<'_>, statement: Node<'_>, at: usize) -> Option<String> {
    let mut node = statement.descendant_for_byte_range(at, at + 1)?;
    while node.id() != statement.id() {
        let parent = node.parent()?;
        let (name, value) = match parent.kind() {
            "variable_declarator" => ("name", "value"),
            "assignment" | "assignment_expression" => ("left", "right"),
            _ => {
                node = parent;
                continue;
            }
        };
        let holds = parent.child_by_field_name(value).is_some_and(|v| v.start_byte() <= at && at < v.end_byte());
        let target = parent.child_by_field_name(name).filter(|t| matches!(t.kind(), "identifier" | "attribute" | "member_expression"));
        return target.filter(|_| holds).map(|t| context.text(t.byte_range()).to_string());
    }
    None
}

/// `insert-guard`: a statement before the reported one.
pub(super) fn insert_guard(context: &Context<'_>, statement: &str, import: Option<&str>) -> Outcome {
    let mut edits = Edits::default();
    let place = context.block_statement(&context.finding.span).ok_or("there is no statement to put it before")?;
    let lines = context.whole_lines(place.byte_range()).ok_or("the statement shares its line with others")?;
    if let Some(import) = import {
        imports::ensure(context, import, &mut edits)?;
    }
    let mut said = statement.to_string();
    if said.contains("{arg}") {
        let value = context.the_value()?;
        said = said.replace("{arg}", context.source(value));
    }
    let unit = edits::unit(context.file, context.finding.span.start);
    let said = said.replace("    ", &unit);
    edits.insert(lines.start, indented(&said, edits::indent(&context.file.text, place.start_byte())));
    Ok(Proposal::new(format!("Add `{}`", said.lines().next().unwrap_or_default()), edits))
}

/// `delete-statement`: takes the reported statement away.
pub(super) fn delete_statement(context: &Context<'_>) -> Outcome {
    let mut edits = Edits::default();
    let place = context.block_statement(&context.finding.span).ok_or("the finding is not about a statement")?;
    let lines = context.whole_lines(place.byte_range()).ok_or("the statement shares its line with others")?;
    let alone = context.python() && place.parent().is_some_and(|p| p.kind() == "block" && p.named_child_count() == 1);
    if alone {
        edits.replace(place.byte_range(), "pass");
    } else {
        edits.replace(lines, "");
    }
    Ok(Proposal::new("Delete this statement", edits))
}

/// `env-secret`: the secret comes from the environment, and its absence is an error.
pub(super) fn env_secret(context: &Context<'_>, name: Option<&str>) -> Outcome {
    if in_tests(&context.file.path) {
        return Err("a test that needs a variable of the environment would no longer run by itself".into());
    }
    if let Some((expression, name)) = fallback(context) {
        return from_environment(context, expression, &name);
    }
    let node = literal(context).ok_or("the secret is not a plain text here")?;
    let name = match name {
        Some(name) => name.to_string(),
        None => variable(context, node).ok_or("nothing here says what the secret is called")?,
    };
    from_environment(context, node, &name)
}

/// `os.environ.get("NAME", "text")` or `process.env.NAME || "text"` around the finding, and the variable's name.
fn fallback<'a>(context: &Context<'a>) -> Option<(Node<'a>, String)> {
    let span = &context.finding.span;
    let touches = |r: &std::ops::Range<usize>| r.start <= span.start && span.end <= r.end || span.start <= r.start && r.end <= span.end;
    let mut best: Option<(usize, Node<'a>, String)> = None;
    for (id, e) in context.exprs() {
        let range = context.range(e.span);
        let name = match &e.kind {
            ExprKind::Call { callee, args, .. } if context.python() && args.len() == 2 => {
                let callee = context.source(*callee);
                match &context.unit.expr(args[0].value).kind {
                    ExprKind::Lit(Lit::Str(name)) if callee.ends_with("environ.get") || callee.ends_with("getenv") => name.to_string(),
                    _ => continue,
                }
            }
            ExprKind::Binary { op: Op::Or | Op::Coalesce, left, .. } => {
                let left = context.source(*left);
                if let Some(name) = left.strip_prefix("process.env.") {
                    name.to_string()
                } else if context.python() && left.contains("environ.get(") || left.contains("getenv(") {
                    left.split(['"', '\'']).nth(1)?.to_string()
                } else {
                    continue;
                }
            }
            _ => continue,
        };
        let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if valid
            && touches(&range)
            && best.as_ref().is_none_or(|(len, ..)| range.len() > *len)
            && let Some(node) = context.node(id)
        {
            best = Some((range.len(), node, name));
        }
    }
    best.map(|(_, node, name)| (node, name))
}

/// The string literal that the finding is in, or the only one inside it.
fn literal<'a>(context: &Context<'a>) -> Option<Node<'a>> {
    let span = &context.finding.span;
    let root = context.file.tree.root_node();
    let plain = |n: &Node<'_>| {
        matches!(n.kind(), "string" | "template_string" | "concatenated_string")
            && !(0..n.named_child_count())
                .any(|i| n.named_child(i as u32).is_some_and(|c| matches!(c.kind(), "interpolation" | "template_substitution")))
    };
    let mut node = root.descendant_for_byte_range(span.start, span.end)?;
    let inside = node;
    loop {
        if plain(&node) {
            // Literals side by side are one text.
            return Some(node.parent().filter(|p| p.kind() == "concatenated_string").unwrap_or(node));
        }
        match node.parent() {
            Some(parent) if node.kind().starts_with("string_") || parent.byte_range().len() <= span.len() + 16 => node = parent,
            _ => break,
        }
    }
    let mut found = None;
    let mut stack = vec![inside];
    while let Some(n) = stack.pop() {
        if plain(&n) {
            if found.is_some() {
                return None;
            }
            found = Some(n);
            continue;
        }
        stack.extend((0..n.named_child_count()).filter_map(|i| n.named_child(i as u32)));
    }
    found
}

/// What the text around a literal calls it, as a variable of the environment.
fn variable(context: &Context<'_>, literal: Node<'_>) -> Option<String> {
    let mut node = literal;
    let name = loop {
        let parent = node.parent()?;
        let field = match parent.kind() {
            "assignment" | "assignment_expression" => "left",
            "variable_declarator" | "keyword_argument" | "default_parameter" | "typed_default_parameter" | "jsx_attribute" => "name",
            "public_field_definition" | "field_definition" => "property",
            "pair" => "key",
            "parenthesized_expression"
            | "as_expression"
            | "satisfies_expression"
            | "concatenated_string"
            | "binary_operator"
            | "boolean_operator"
            | "binary_expression" => {
                node = parent;
                continue;
            }
            "arguments" | "argument_list" => {
                // `OpenAI("sk-..")`: nothing but the callee says what it is.
                let callee =
                    parent.parent()?.child_by_field_name("function").or_else(|| parent.parent()?.child_by_field_name("constructor"))?;
                let source = context.text(callee.byte_range());
                let last = source.rsplit('.').next()?;
                let first = source.split('.').next()?;
                let what = match last {
                    "sign" | "verify" | "encode" | "decode" => format!("{first}_secret"),
                    "connect" | "createConnection" | "createClient" | "create_engine" | "MongoClient" | "Pool" => "database_url".into(),
                    _ => format!("{last}_key"),
                };
                break what;
            }
            _ => return None,
        };
        let target = parent.child_by_field_name(field).or_else(|| parent.named_child(0))?;
        let source = context.text(target.byte_range());
        // `config["api_key"]`, `app.secret_key`, `"api-key"`.
        let source = source.trim_end_matches(']').trim_matches(['"', '\'']);
        break source.rsplit(['.', '[', '"', '\'']).find(|s| !s.is_empty())?.to_string();
    };
    let mut out = String::new();
    let mut lower = false;
    for c in name.chars() {
        if c.is_uppercase() && lower {
            out.push('_');
        }
        lower = c.is_lowercase() || c.is_ascii_digit();
        out.push(if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    }
    let out = out.trim_matches('_').to_string();
    (!out.is_empty() && !out.starts_with(|c: char| c.is_ascii_digit())).then_some(out)
}

/// Whether a file is part of a project's tests, by its name.
fn in_tests(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.split('.').next().unwrap_or_default();
    folders.split('/').any(|f| matches!(f, "test" | "tests" | "__tests__" | "e2e" | "spec"))
        || stem.starts_with("test_")
        || stem.ends_with("_test")
        || stem == "conftest"
        || name.contains(".test.")
        || name.contains(".spec.")
}

/// Words of names of settings that only tune: a program must start without them.
const TUNING: &str = " MAX MIN LIMIT LIMITS COUNT SIZE TTL AGE EXPIRE EXPIRES EXPIRY EXPIRATION LIFETIME TIMEOUT REQUIRED ENABLE ENABLED \
                      DISABLE DISABLED LENGTH ROUNDS COST RATE RETRIES DAYS HOURS MINUTES SECONDS ";

/// Why a setting is no secret, if its name or its default says so.
fn tunes(context: &Context<'_>, expression: Node<'_>, name: &str) -> Option<&'static str> {
    if name.to_ascii_uppercase().split('_').any(|w| !w.is_empty() && TUNING.contains(&format!(" {w} "))) {
        return Some("is the name of a setting that tunes, which has a default for a reason");
    }
    let range = expression.byte_range();
    let inside = context.exprs().filter(|(_, e)| {
        let r = context.range(e.span);
        range.start <= r.start && r.end <= range.end
    });
    let last = inside
        .filter_map(|(_, e)| if let ExprKind::Lit(l) = &e.kind { Some((e.span.start, l)) } else { None })
        .max_by_key(|(at, _)| *at)?;
    let plain = match last.1 {
        Lit::Str(s) => {
            s.parse::<f64>().is_ok() || matches!(s.to_ascii_lowercase().as_str(), "true" | "false" | "yes" | "no" | "on" | "off")
        }
        Lit::Int(_) | Lit::Float(_) | Lit::Bool(_) => true,
        Lit::Null => false,
    };
    plain.then_some("has a number or a switch as its default, which is no secret")
}

/// Whether the program itself fills its environment (from a `.env` file), and maybe not before `at`: what is read while a module is
/// loaded may be read too early then.
fn filled_later(context: &Context<'_>, at: usize) -> bool {
    let text = &context.file.text;
    if context.function_at(at).is_some() {
        return false;
    }
    match ["load_dotenv(", "dotenv.config(", "dotenv/config", "require(\"dotenv\").config", "require('dotenv').config"]
        .iter()
        .filter_map(|w| text.find(w))
        .min()
    {
        Some(filled) => filled > at,
        None => context.depends_on("dotenv"),
    }
}

fn from_environment(context: &Context<'_>, expression: Node<'_>, name: &str) -> Outcome {
    let text = &context.file.text;
    if let Some(why) = tunes(context, expression, name) {
        return Err(format!("`{name}` {why}").into());
    }
    if filled_later(context, expression.start_byte()) {
        return Err(format!("this is run before dotenv may have set {name}: read it in the function that uses it").into());
    }
    let mut edits = Edits::default();
    let title = format!("Read {name} from the environment");
    if context.python() {
        let module = match imports::spelled(context, "os") {
            Some(module) => module,
            None => {
                imports::ensure(context, "import os", &mut edits)?;
                "os".into()
            }
        };
        edits.replace(expression.byte_range(), format!("{module}.environ[{}]", edits::literal(text, name)));
        return Ok(Proposal::new(title, edits));
    }
    let statement = context.block_statement(&expression.byte_range()).ok_or("there is no place to read it before it is used")?;
    let lines = context.whole_lines(statement.byte_range()).ok_or("the statement shares its line with others")?;
    let indent = edits::indent(text, statement.start_byte());
    let unit = edits::unit(context.file, context.finding.span.start);
    let check = |variable: &str| {
        let message = edits::literal(text, &format!("{name} is not set"));
        format!("{indent}if (!{variable}) {{\n{indent}{unit}throw new Error({message});\n{indent}}}\n")
    };
    let declarator = expression.parent().filter(|p| p.kind() == "variable_declarator" && statement.named_child_count() == 1);
    let declared = declarator.and_then(|d| d.child_by_field_name("name")).filter(|n| n.kind() == "identifier");
    if let Some(variable) = declared {
        edits.replace(expression.byte_range(), format!("process.env.{name}"));
        let newline = if text[..lines.end].ends_with('\n') { "" } else { "\n" };
        edits.insert(line_end(text, lines.end.saturating_sub(1)), format!("{newline}{}", check(context.text(variable.byte_range()))));
        return Ok(Proposal::new(title, edits));
    }
    // In the middle of something else: it is read and checked before.
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    if words.filter(|w| *w == name).count() > text.matches(&format!("process.env.{name}")).count() {
        return Err(format!("the name `{name}` is already taken in this file").into());
    }
    edits.insert(lines.start, format!("{indent}const {name} = process.env.{name};\n{}", check(name)));
    edits.replace(expression.byte_range(), name);
    Ok(Proposal::new(title, edits))
}
