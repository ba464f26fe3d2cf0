//! The language table and what all lowerings share. A language is one row here plus one lowering module.

mod javascript;
mod python;

use crate::ir::{Expr, ExprId, ExprKind, Lit, Span, Sym, Unit, sym};
use std::sync::Arc;
use tree_sitter::Node;

/// A language qualm can lower. JavaScript covers JSX; TypeScript and TSX are their own grammars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Language {
    Python,
    JavaScript,
    TypeScript,
    Tsx,
}

/// What the table says of a language.
pub struct Info {
    /// The language.
    pub language: Language,
    /// Lower-case name, as in fenced code blocks and configuration.
    pub name: &'static str,
    /// LSP language identifiers.
    pub ids: &'static [&'static str],
    /// Other names accepted for fenced code blocks.
    pub aliases: &'static [&'static str],
    /// File name extensions without the dot.
    pub extensions: &'static [&'static str],
    /// The folder of `rules/models` with its library models.
    pub models: &'static str,
    /// What starts a line comment.
    pub line_comment: &'static str,
    /// Names that mean something in every file, as far as rewrites use them.
    pub globals: &'static [&'static str],
    grammar: fn() -> tree_sitter::Language,
    lower: fn(&mut Lowering<'_>, Node<'_>),
}

static TABLE: [Info; 4] = [
    Info {
        language: Language::Python,
        name: "python",
        ids: &["python"],
        aliases: &["py"],
        extensions: &["py", "pyi", "pyw"],
        models: "python",
        line_comment: "#",
        globals: python::GLOBALS,
        grammar: || tree_sitter_python::LANGUAGE.into(),
        lower: python::lower,
    },
    Info {
        language: Language::JavaScript,
        name: "javascript",
        ids: &["javascript", "javascriptreact"],
        aliases: &["js", "jsx"],
        extensions: &["js", "jsx", "mjs", "cjs"],
        models: "javascript",
        line_comment: "//",
        globals: javascript::GLOBALS,
        grammar: || tree_sitter_javascript::LANGUAGE.into(),
        lower: javascript::lower,
    },
    Info {
        language: Language::TypeScript,
        name: "typescript",
        ids: &["typescript"],
        aliases: &["ts"],
        extensions: &["ts", "mts", "cts"],
        models: "javascript",
        line_comment: "//",
        globals: javascript::GLOBALS,
        grammar: || tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
        lower: javascript::lower,
    },
    Info {
        language: Language::Tsx,
        name: "tsx",
        ids: &["typescriptreact"],
        aliases: &[],
        extensions: &["tsx"],
        models: "javascript",
        line_comment: "//",
        globals: javascript::GLOBALS,
        grammar: || tree_sitter_typescript::LANGUAGE_TSX.into(),
        lower: javascript::lower,
    },
];

impl Language {
    /// Every language, in table order.
    pub fn all() -> impl Iterator<Item = Language> {
        TABLE.iter().map(|i| i.language)
    }

    /// The language's row.
    pub fn info(self) -> &'static Info {
        &TABLE[self as usize]
    }

    /// By name or alias, as written after a code fence or in a configuration file.
    pub fn by_name(name: &str) -> Option<Language> {
        TABLE.iter().find(|i| i.name == name || i.aliases.contains(&name)).map(|i| i.language)
    }

    /// By LSP language identifier.
    pub fn by_id(id: &str) -> Option<Language> {
        TABLE.iter().find(|i| i.ids.contains(&id)).map(|i| i.language)
    }

    /// By the extension of a file name or path.
    pub fn by_path(path: &str) -> Option<Language> {
        let extension = path.rsplit(['/', '\\']).next()?.rsplit_once('.')?.1;
        TABLE.iter().find(|i| i.extensions.contains(&extension)).map(|i| i.language)
    }

    /// The tree-sitter grammar.
    pub fn grammar(self) -> tree_sitter::Language {
        (self.info().grammar)()
    }
}

/// Lowers one item: `node` is a top level node of the file, `file` the file's whole text.
pub fn lower(language: Language, file: &str, node: Node<'_>) -> Unit {
    let mut lowering = Lowering { unit: Unit::default(), file, base: node.start_byte(), depth: 0, language };
    lowering.unit.broken = node.has_error();
    lowering.comments(node);
    (language.info().lower)(&mut lowering, node);
    lowering.unit
}

/// Nesting deeper than this is not lowered: the expression becomes opaque, the statement is skipped.
const MAX_DEPTH: u32 = 150;

/// The state of one lowering, with the helpers every language needs.
pub(crate) struct Lowering<'a> {
    pub(crate) unit: Unit,
    pub(crate) file: &'a str,
    base: usize,
    depth: u32,
    pub(crate) language: Language,
}

impl<'a> Lowering<'a> {
    /// The node's range relative to the item.
    pub(crate) fn span(&self, node: Node<'_>) -> Span {
        Span { start: (node.start_byte() - self.base) as u32, end: (node.end_byte() - self.base) as u32 }
    }

    /// The node's text.
    pub(crate) fn text(&self, node: Node<'_>) -> &'a str {
        self.file.get(node.byte_range()).unwrap_or("")
    }

    /// The node's text as a symbol.
    pub(crate) fn symbol(&self, node: Node<'_>) -> Sym {
        sym(self.text(node))
    }

    /// Adds an expression with the node's span.
    pub(crate) fn push(&mut self, kind: ExprKind, node: Node<'_>) -> ExprId {
        let span = self.span(node);
        self.unit.push(kind, span)
    }

    /// Adds a string literal with the node's span.
    pub(crate) fn string(&mut self, text: &str, node: Node<'_>) -> ExprId {
        self.push(ExprKind::Lit(Lit::Str(Arc::from(text))), node)
    }

    /// Named children without comments.
    #[allow(clippy::unused_self)] // reads as the other helpers do
    pub(crate) fn children<'t>(&self, node: Node<'t>) -> Vec<Node<'t>> {
        let mut cursor = node.walk();
        node.named_children(&mut cursor).filter(|n| !n.is_extra()).collect()
    }

    /// Runs `f` one level deeper; `None` when too deep (the unit is then marked broken).
    pub(crate) fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.deeper_by(1, f)
    }

    /// Runs `f` as many levels deeper as a chain built without recursion (`a.b().c()`) will have on top
    /// of its result, so that the nesting of the IR stays within the limit, not only the lowering's own.
    pub(crate) fn deeper_by<T>(&mut self, levels: usize, f: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let before = self.depth;
        if levels > self.room() {
            self.unit.broken = true;
            return None;
        }
        self.depth += levels as u32;
        let result = f(self);
        self.depth = before;
        Some(result)
    }

    /// How many levels deeper the lowering may still go.
    pub(crate) fn room(&self) -> usize {
        (MAX_DEPTH - self.depth) as usize
    }

    /// An expression nothing is known about but its parts.
    pub(crate) fn opaque(&mut self, parts: Vec<ExprId>, node: Node<'_>) -> ExprId {
        self.push(ExprKind::Opaque(parts), node)
    }

    /// Notes the comments in the item, the item itself included. Only nodes around a byte that can start
    /// a comment are looked into: most items hold few comments and many nodes.
    fn comments(&mut self, item: Node<'_>) {
        let mark = self.language.info().line_comment.as_bytes().first().copied().unwrap_or_default();
        let (bytes, end) = (self.file.as_bytes(), item.end_byte());
        // `<!--` is a comment in JavaScript, too.
        let next = |from: usize| bytes.get(from..end)?.iter().position(|&b| b == mark || b == b'<').map(|at| from + at);
        let Some(mut at) = next(item.start_byte()) else { return };
        let mut cursor = item.walk();
        loop {
            let node = cursor.node();
            if node.start_byte() > at {
                let Some(later) = next(node.start_byte()) else { return };
                at = later;
            }
            if node.end_byte() > at {
                if node.is_extra() && node.kind().contains("comment") {
                    let span = self.span(node);
                    self.unit.comments.push(span);
                } else if cursor.goto_first_child() {
                    continue;
                }
            }
            // The cursor knows no node outside the one it was made of, so the walk cannot leave the item.
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    return;
                }
            }
        }
    }

    /// The expression just added or any other.
    pub(crate) fn expr(&self, id: ExprId) -> &Expr {
        self.unit.expr(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax;

    fn comments(language: Language, file: &str) -> Vec<Vec<&str>> {
        let tree = syntax::parse(language, file, None, || true).unwrap();
        let text = |node: Node<'_>| {
            let unit = lower(language, file, node);
            unit.comments.iter().map(|span| &file[span.in_file(node.start_byte())]).collect()
        };
        syntax::items(&tree).into_iter().map(text).collect()
    }

    #[test]
    fn comments_belong_to_their_item() {
        let file = "# one\ndef f(a):  # two\n    # three\n    return '#no' + a\nx = [1, # four\n  2]\n# five\n";
        let expected: [&[&str]; 4] = [&["# one"], &["# two", "# three"], &["# four"], &["# five"]];
        assert_eq!(comments(Language::Python, file), expected);
        let file = "// one\nfunction f(a /* two */) { return a < '//' }\n/* three */\nx = 1 / 2\n";
        let expected: [&[&str]; 4] = [&["// one"], &["/* two */"], &["/* three */"], &[]];
        assert_eq!(comments(Language::JavaScript, file), expected);
    }
}
