//! Import statements that rewrites need: added once, where the file keeps its imports, in its style.

use super::{
    edits::{Edits, line_end, line_start},
    site::Context,
};
use crate::{
    analysis::{Foreign, SourceFile},
    ir::{Pattern, StmtKind, Sym},
    items::Item,
    lang::{self, Language},
    syntax,
};

/// A name bound by an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub local: Sym,
    pub path: Sym,
    module: Sym,
    member: Option<Sym>,
    /// First byte of the import's item.
    at: usize,
}

/// Every name that top level imports bind.
pub(super) fn bound(items: &[Item]) -> Vec<Bound> {
    let mut out = Vec::new();
    for item in items {
        for s in &item.unit.body {
            if let StmtKind::Import { local, path, module, member } = s.kind {
                out.push(Bound { local, path, module, member, at: item.range.start });
            }
        }
    }
    out
}

/// The names that a statement of its own would bind.
fn bound_by(file: &SourceFile, statement: &str) -> Option<Vec<Bound>> {
    let parsed = SourceFile::parse(&file.path, file.language, statement, Foreign::None)?;
    let mut out = Vec::new();
    for node in syntax::items(&parsed.tree) {
        for s in lang::lower(file.language, statement, node).body {
            if let StmtKind::Import { local, path, module, member } = s.kind {
                out.push(Bound { local, path, module, member, at: node.start_byte() });
            }
        }
    }
    Some(out)
}

/// Sees to it that what `statement` imports is there under the name it gives.
pub(super) fn ensure(context: &Context<'_>, statement: &str, edits: &mut Edits) -> Result<(), String> {
    let file = context.file;
    let statement = styled(file, statement.trim());
    let Some(wanted) = bound_by(file, &statement) else { return Ok(()) };
    let have = context.imports();
    if !wanted.is_empty() && wanted.iter().all(|w| have.iter().any(|h| h.local == w.local && h.path == w.path)) {
        return Ok(());
    }
    for w in &wanted {
        let taken = have.iter().any(|h| h.local == w.local && h.path != w.path) || defines(context, w.local);
        if taken {
            return Err(format!("the name `{}` is already taken in this file", w.local));
        }
    }
    let text = &file.text;
    if let [only] = wanted.as_slice()
        && let Some((at, glue)) = beside(file, only, have)
    {
        edits.insert(at, format!("{glue}{}", only.local));
        return Ok(());
    }
    if file.language == Language::Python {
        python(context, &statement, wanted.first(), have, edits);
    } else {
        let last = have.iter().map(|h| h.at).max();
        match last {
            Some(at) => {
                let end = item_end(file, at);
                let semicolon = if text[..end].trim_end().ends_with(';') { "" } else { ";" };
                let statement = if semicolon.is_empty() { statement.as_str() } else { statement.trim_end_matches(';') };
                let end = line_end(text, end.saturating_sub(1).max(at));
                let line = if text[..end].ends_with('\n') { format!("{statement}\n") } else { format!("\n{statement}") };
                edits.insert(end, line);
            }
            None => edits.insert(head(file), format!("{statement}\n\n")),
        }
    }
    Ok(())
}

/// Where a name goes that an import of the same module can take along (`from m import a, b`, `{ a, b } = require("m")`), and what
/// stands before it there.
fn beside(file: &SourceFile, wanted: &Bound, have: &[Bound]) -> Option<(usize, String)> {
    if wanted.member != Some(wanted.local) {
        return None;
    }
    let like = have.iter().rev().find(|h| h.module == wanted.module && h.member.is_some_and(|m| m != "*"))?;
    let item = syntax::items(&file.tree).into_iter().find(|n| n.start_byte() == like.at)?;
    if item.has_error() {
        return None;
    }
    let mut last = None;
    let mut stack = vec![item];
    while let Some(node) = stack.pop() {
        let parent = node.parent().map_or("", |p| p.kind());
        let name = match node.kind() {
            "dotted_name" | "aliased_import" => {
                parent == "import_from_statement" && node.prev_sibling().is_some_and(|s| s.kind() != "from")
            }
            "import_specifier" => true,
            "shorthand_property_identifier_pattern" | "pair_pattern" => parent == "object_pattern",
            "wildcard_import" | "namespace_import" => return None,
            _ => false,
        };
        if name {
            last = last.max(Some(node.end_byte()));
        } else {
            stack.extend((0..node.named_child_count()).filter_map(|i| node.named_child(i as u32)));
        }
    }
    let end = last?;
    // A name on a line of its own gets company of its kind.
    let line = file.text.get(line_start(&file.text, end)..end)?;
    let alone = line_start(&file.text, end) > like.at && !line.contains(',') && !line.contains(['(', '{']);
    let glue = if alone { format!(",\n{}", super::edits::indent(&file.text, end)) } else { ", ".into() };
    Some((end, glue))
}

/// One past the item that starts at `at`.
fn item_end(file: &SourceFile, at: usize) -> usize {
    syntax::items(&file.tree).into_iter().find(|n| n.start_byte() == at).map_or(at, |n| n.end_byte())
}

/// Whether a variable, function, parameter or class of this name is defined around the finding or at the top level.
fn defines(context: &Context<'_>, name: Sym) -> bool {
    let within = |unit: &crate::ir::Unit, deep: bool| {
        let stmt = |s: &crate::ir::Stmt| match &s.kind {
            StmtKind::Assign { target, .. } => super::site::binds(target, name),
            StmtKind::Func(f) => unit.func(*f).name == Some(name),
            StmtKind::Class(c) => unit.class(*c).name == Some(name),
            _ => false,
        };
        unit.body.iter().any(stmt)
            || deep && unit.funcs.iter().any(|f| f.params.iter().any(|p| super::site::binds(&p.pattern, name)) || f.body.iter().any(stmt))
    };
    let mut local = within(&context.unit, true);
    context.each_statement(&mut |s| {
        if let StmtKind::Assign { target: Pattern::Name(n, _), .. } | StmtKind::Import { local: n, .. } = &s.kind {
            local |= *n == name;
        }
    });
    local || context.items().iter().any(|i| within(&i.unit, false))
}

fn python(context: &Context<'_>, statement: &str, wanted: Option<&Bound>, have: &[Bound], edits: &mut Edits) {
    let file = context.file;
    let text = &file.text;
    let std = |module: Sym| {
        let top = module.split('.').next().unwrap_or_default();
        context.rules.models(file.language).is_some_and(|m| m.stdlib.iter().any(|s| *s == top))
    };
    let have: Vec<&Bound> = have.iter().filter(|h| h.module != "__future__").collect();
    let key = |b: &Bound| (b.member.is_some(), b.module);
    if let Some(w) = wanted {
        // Beside its like: plain imports before `from`, the standard library apart from others where the file does so.
        let alike: Vec<&&Bound> =
            have.iter().filter(|h| h.member.is_some() == w.member.is_some() && std(h.module) == std(w.module)).collect();
        if let Some(before) = alike.iter().rev().find(|h| key(h) < key(w)) {
            return edits.insert(line_end(text, item_end(file, before.at)), format!("{statement}\n"));
        }
        let next =
            alike.first().map(|h| h.at).or_else(|| if std(w.module) || w.member.is_none() { have.first().map(|h| h.at) } else { None });
        if let Some(at) = next {
            return edits.insert(line_start(text, at), format!("{statement}\n"));
        }
        if let Some(last) = have.last() {
            return edits.insert(line_end(text, item_end(file, last.at)), format!("{statement}\n"));
        }
    }
    let at = head(file);
    let blank = if text[at..].starts_with(['\n', '\r']) { "" } else { "\n" };
    edits.insert(at, format!("{statement}\n{blank}"));
}

/// Where a file's first import may stand: after its head comment, docstring, `"use strict"` and future imports.
fn head(file: &SourceFile) -> usize {
    let text = &file.text;
    let mut at = 0;
    for item in syntax::items(&file.tree) {
        let source = text.get(item.byte_range()).unwrap_or_default();
        let skip = match item.kind() {
            "hash_bang_line" | "future_import_statement" => true,
            "comment" => at == line_start(text, item.start_byte()),
            "expression_statement" => source.starts_with(['"', '\'']) && at <= item.start_byte() && !source.contains('('),
            _ => false,
        };
        if !skip {
            break;
        }
        at = line_end(text, item.end_byte());
    }
    // A blank line after the head stays there.
    while at > 0 && text[at..].starts_with('\n') {
        at += 1;
    }
    at
}

/// A JavaScript import in the style of the file: `require` or `import`.
fn styled(file: &SourceFile, statement: &str) -> String {
    if file.language == Language::Python {
        return statement.to_string();
    }
    let text = &file.text;
    let modules = text.lines().any(|l| l.starts_with("import ") || l.starts_with("export "));
    let common = !modules && (text.contains("require(") || text.contains("module.exports") || file.path.ends_with(".cjs"));
    let body = statement.trim_end_matches(';');
    let mut out = match (body.strip_prefix("import "), body.strip_prefix("const ")) {
        (Some(rest), _) if common => match rest.rsplit_once(" from ") {
            Some((names, module)) => {
                let names = names.trim().trim_start_matches("* as ");
                format!("const {} = require({});", names.replace(" as ", ": "), module.trim())
            }
            None => format!("require({});", rest.trim()),
        },
        (_, Some(rest)) if !common => match rest.split_once(" = require(") {
            Some((names, module)) if !module.contains(").") => {
                format!("import {} from {};", names.replace(": ", " as "), module.trim_end_matches(')'))
            }
            _ => format!("{body};"),
        },
        _ => format!("{body};"),
    };
    if super::edits::quote(text) == '\'' {
        out = out.replace('"', "'");
    }
    out
}

/// How a dotted path (`yaml.SafeLoader`) is said in this file: with the file's own names for modules. `None`: nothing of it is imported.
pub(super) fn spelled(context: &Context<'_>, path: &str) -> Option<String> {
    let have = context.imports();
    have.iter()
        .filter(|h| path == h.path.as_str() || path.strip_prefix(h.path.as_str()).is_some_and(|r| r.starts_with('.')))
        .max_by_key(|h| h.path.len())
        .map(|h| format!("{}{}", h.local, &path[h.path.len()..]))
}
