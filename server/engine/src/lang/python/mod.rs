//! Python (2 and 3, as far as one grammar reads both) to the IR.

mod def;
mod expr;
mod imports;
mod kinds;
mod matching;
mod stmt;
mod strings;
mod target;
#[cfg(test)]
mod tests;
mod types;

use super::Lowering;
use tree_sitter::Node;

/// Lowers one top level node of a Python file.
pub(super) fn lower(lowering: &mut Lowering<'_>, item: Node<'_>) {
    let mut body = Vec::new();
    stmt::stmt(lowering, item, &mut body);
    lowering.unit.body = body;
}
