//! Where values come from: places, and the steps of a flow.

use crate::ir::{Span, Sym};
use std::sync::Arc;

/// A place in some item of some module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pos {
    /// Index of the module in the run; 0 is the analysed file.
    pub module: u32,
    /// Module 0: unique id of the item. Others: first byte of the item.
    pub item: u64,
    pub span: Span,
}

/// One step of a flow; linked backwards.
#[derive(Debug)]
pub(crate) struct Flow {
    pub prev: Option<Arc<Flow>>,
    pub pos: Pos,
    pub note: Note,
    pub length: u16,
}

/// What a step of a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// Untrusted data enters from this path.
    Source(Sym),
    /// Assigned to a variable.
    Assigned(Sym),
    /// Passed to a function of the project.
    Passed(Sym),
    /// Kept in a container at module level and read again.
    Stored(Sym),
}

/// Longer flows keep their source and their last steps.
const MAX_FLOW: u16 = 24;

impl Flow {
    pub(crate) fn then(prev: Option<&Arc<Flow>>, pos: Pos, note: Note) -> Arc<Flow> {
        if let Some(p) = prev
            && (p.length >= MAX_FLOW || (p.pos == pos && p.note == note))
        {
            return p.clone();
        }
        let length = prev.map_or(1, |p| p.length + 1);
        Arc::new(Flow { prev: prev.cloned(), pos, note, length })
    }
}
