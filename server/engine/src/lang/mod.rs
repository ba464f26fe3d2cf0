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
    pub(crate) fn children<'t>(&self, node: Node<'t>) -> Vec<Node<'t>> {
        let mut cursor = node.walk();
        node.named_children(&mut cursor).filter(|n| !n.is_extra()).collect()
    }

    /// Runs `f` one level deeper; `None` when too deep (the unit is then marked broken).
    pub(crate) fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth >= MAX_DEPTH {
            self.unit.broken = true;
            return None;
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        Some(result)
    }

    /// An expression nothing is known about but its parts.
    pub(crate) fn opaque(&mut self, parts: Vec<ExprId>, node: Node<'_>) -> ExprId {
        self.push(ExprKind::Opaque(parts), node)
    }

    fn comments(&mut self, item: Node<'_>) {
        let mut cursor = item.walk();
        'walk: loop {
            let node = cursor.node();
            if node.is_extra() && node.kind().contains("comment") {
                let span = self.span(node);
                self.unit.comments.push(span);
            } else if cursor.goto_first_child() {
                continue;
            }
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() || cursor.node() == item {
                    break 'walk;
                }
            }
        }
    }

    /// The expression just added or any other.
    pub(crate) fn expr(&self, id: ExprId) -> &Expr {
        self.unit.expr(id)
    }
}
