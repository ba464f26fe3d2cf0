//! What the helpers of values cost. They recurse, copy and compare without knowing the interpreter and its budget; they count
//! here, on their own thread, and the interpreter takes it off its budget at its next step.

use std::cell::Cell;

thread_local! {
    static SPENT: Cell<u32> = const { Cell::new(0) };
}

/// Some more nodes of values, variables or bytes of text (by the kilobyte) were gone through.
pub(crate) fn spend(nodes: usize) {
    SPENT.with(|s| s.set(s.get().saturating_add(u32::try_from(nodes).unwrap_or(u32::MAX))));
}

/// What was spent since the last call.
pub(crate) fn take() -> u32 {
    SPENT.with(|s| s.replace(0))
}
