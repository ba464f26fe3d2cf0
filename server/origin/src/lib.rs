//! Where text came from: runs of origin under edits, the evidence for them, the ledger that keeps it, and the formats in
//! which it is exchanged. Knows nobody else in the workspace.
//!
//! A server keeps one [`Memory`] and a [`Tracker`] for each open document. Times are milliseconds since 1970, given by the
//! caller, so that everything here can be tested.

mod align;
mod deleted;
mod lines;
mod recent;
mod review;
mod text;
mod typing;

pub mod hooks;
pub mod interchange;
pub mod ledger;
pub mod memory;
pub mod model;
pub mod notes;
pub mod reanchor;
pub mod recognise;
pub mod regular;
pub mod runs;
pub mod time;
pub mod tracker;

pub use memory::{About, Memory, Signal, copy_of};
pub use model::{Evidence, Kind, Origin, OriginId, Origins};
pub use runs::{Run, Runs};
pub use tracker::{Change, Elsewhere, Nowhere, Region, Tracker};
pub use typing::Habits;
