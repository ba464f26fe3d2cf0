//! Import statements.

use super::kinds::{F, Kind, all, field, kind};
use crate::ir::{Stmt, StmtKind, Sym, sym};
use crate::lang::Lowering;
use std::borrow::Cow;
use tree_sitter::Node;

/// One statement for each name bound. `from m import *` binds `*` to `m` itself.
pub(super) fn import(l: &mut Lowering<'_>, node: Node<'_>, out: &mut Vec<Stmt>) {
    let module = match kind(node) {
        Kind::FutureImportStatement => Some(Cow::Borrowed("__future__")),
        _ => field(node, F.module_name).map(|module| path(l, module)),
    };
    for child in l.children(node) {
        if let Some(module) = &module
            && kind(child) == Kind::WildcardImport
        {
            let (path, star) = (sym(module), sym("*"));
            let kind = StmtKind::Import { local: star, path, module: path, member: Some(star) };
            out.push(Stmt { kind, span: l.span(child) });
        }
    }
    for name in all(node, F.name) {
        let (real, alias) = match kind(name) {
            Kind::AliasedImport => (field(name, F.name), field(name, F.alias)),
            _ => (Some(name), None),
        };
        let Some(real) = real.map(|real| path(l, real)).filter(|real| !real.is_empty()) else { continue };
        let alias = alias.map(|alias| l.symbol(alias));
        let kind = match &module {
            Some(module) => from(module, &real, alias),
            None => plain(&real, alias),
        };
        out.push(Stmt { kind, span: l.span(name) });
    }
}

/// `from module import real as alias`.
fn from(module: &str, real: &str, alias: Option<Sym>) -> StmtKind {
    let member = sym(real);
    let dot = if module.ends_with('.') { "" } else { "." };
    let path = sym(&format!("{module}{dot}{real}"));
    StmtKind::Import { local: alias.unwrap_or(member), path, module: sym(module), member: Some(member) }
}

/// `import real as alias`; without an alias the first name is bound.
fn plain(real: &str, alias: Option<Sym>) -> StmtKind {
    let module = sym(real);
    let top = sym(real.split('.').next().unwrap_or(real));
    match alias {
        Some(local) => StmtKind::Import { local, path: module, module, member: None },
        None => StmtKind::Import { local: top, path: top, module, member: None },
    }
}

/// A dotted name without the space it may be written with.
fn path<'a>(l: &Lowering<'a>, node: Node<'_>) -> Cow<'a, str> {
    let text = l.text(node);
    if text.contains(|c: char| c.is_whitespace() || c == '\\') {
        return Cow::Owned(text.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect());
    }
    Cow::Borrowed(text)
}
