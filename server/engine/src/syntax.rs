//! Parsing: tree-sitter with a deadline, incremental where an old tree is at hand, and the cut of a
//! file into items.

use crate::lang::Language;
use std::{cell::RefCell, ops::ControlFlow};
use tree_sitter::{Node, ParseOptions, Parser, Tree};

thread_local! {
    /// One parser a thread: creating one costs more than a small parse.
    static PARSER: RefCell<Parser> = RefCell::new(Parser::new());
}

/// Parses `text`. `old` is the previous tree with its edits already applied (`Tree::edit`), or `None`.
/// `keep_going` is asked now and then and may end the parse: the answer is then `None`.
pub fn parse(language: Language, text: &str, old: Option<&Tree>, mut keep_going: impl FnMut() -> bool) -> Option<Tree> {
    PARSER.with_borrow_mut(|parser| {
        parser.set_language(&language.grammar()).ok()?;
        let bytes = text.as_bytes();
        let mut progress = |_: &tree_sitter::ParseState| {
            if keep_going() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let tree = parser.parse_with_options(
            &mut |at, _| bytes.get(at..).unwrap_or_default(),
            old,
            Some(ParseOptions::new().progress_callback(&mut progress)),
        );
        if tree.is_none() {
            parser.reset();
        }
        tree
    })
}

/// Like [`parse`], for a text whose author paused: the tree of broken text must not depend on how it came about, so that is
/// parsed from nothing.
pub fn parse_settled(language: Language, text: &str, old: Option<&Tree>, mut keep_going: impl FnMut() -> bool) -> Option<Tree> {
    let tree = parse(language, text, old, &mut keep_going)?;
    if old.is_some() && tree.root_node().has_error() { parse(language, text, None, keep_going) } else { Some(tree) }
}

/// The items of a file: every named top level node, comments included, in order.
pub fn items(tree: &Tree) -> Vec<Node<'_>> {
    let root = tree.root_node();
    let mut cursor = root.walk();
    root.children(&mut cursor).filter(|n| n.is_named() || n.is_error()).collect()
}
