//! Parsing: tree-sitter with a deadline, incremental where an old tree is at hand, and the cut of a
//! file into items.

use crate::{Edit, lang::Language};
use std::{cell::RefCell, ops::ControlFlow};
use tree_sitter::{InputEdit, Node, ParseOptions, Parser, Point, Tree};

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

/// Parses a text that came from another by edits (sorted, disjoint, in bytes of the old text), with the help of the old tree.
pub fn reparse(language: Language, old: &str, tree: &Tree, edits: &[Edit], new: &str) -> Option<Tree> {
    let mut tree = tree.clone();
    let point = |text: &str, at: usize| {
        let head = &text[..at];
        Point { row: head.matches('\n').count(), column: at - head.rfind('\n').map_or(0, |i| i + 1) }
    };
    let mut shift = 0isize;
    for edit in edits {
        let start = edit.span.start.checked_add_signed(shift)?;
        let new_end = start + edit.text.len();
        // What is before an edit is in its new form by then.
        tree.edit(&InputEdit {
            start_byte: start,
            old_end_byte: start + edit.span.len(),
            new_end_byte: new_end,
            start_position: point(new, start),
            old_end_position: {
                let (from, to) = (point(old, edit.span.start), point(old, edit.span.end));
                let begin = point(new, start);
                let column = if from.row == to.row { begin.column + edit.span.len() } else { to.column };
                Point { row: begin.row + to.row - from.row, column }
            },
            new_end_position: point(new, new_end),
        });
        shift += edit.text.len() as isize - edit.span.len() as isize;
    }
    parse_settled(language, new, Some(&tree), || true)
}

/// The items of a file: every named top level node, comments included, in order.
pub fn items(tree: &Tree) -> Vec<Node<'_>> {
    let root = tree.root_node();
    let mut cursor = root.walk();
    root.children(&mut cursor).filter(|n| n.is_named() || n.is_error()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "import os\n\n\ndef f(a, b):\n    \"\"\"é 漢字\n    \"\"\"\n    if a:\n        return [a, b]\n    return {'x': f(b, a)}\n\n\nf(1, 2)\n";

    proptest! {
        /// A tree that was brought along is the tree of a fresh parse.
        #[test]
        fn reparsing_is_parsing(places in prop::collection::vec((0usize..TEXT.len(), 0usize..12), 1..4), by in prop::collection::vec("[a-z(): \n\"]{0,8}", 4)) {
            let on = |at: usize| (at..=TEXT.len()).find(|i| TEXT.is_char_boundary(*i)).unwrap_or(TEXT.len());
            let mut places: Vec<_> = places.iter().map(|(at, len)| on(*at)..on((at + len).min(TEXT.len()))).collect();
            places.sort_by_key(|r| r.start);
            let mut edits: Vec<Edit> = Vec::new();
            for (span, text) in places.into_iter().zip(&by) {
                if edits.last().is_none_or(|e| e.span.end <= span.start) {
                    edits.push(Edit { span, text: text.clone() });
                }
            }
            let fix = crate::Fix { title: String::new(), edits, safety: crate::Safety::Safe };
            let new = fix.apply(TEXT);
            let tree = parse(Language::Python, TEXT, None, || true).unwrap();
            let again = reparse(Language::Python, TEXT, &tree, &fix.edits, &new).unwrap();
            let fresh = parse(Language::Python, &new, None, || true).unwrap();
            prop_assert_eq!(again.root_node().to_sexp(), fresh.root_node().to_sexp());
        }
    }
}
