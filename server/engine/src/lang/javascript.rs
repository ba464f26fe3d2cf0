use super::Lowering;
use tree_sitter::Node;

pub(super) fn lower(_lowering: &mut Lowering<'_>, _item: Node<'_>) {}
