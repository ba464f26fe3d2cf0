//! The analysis engine of qualm: syntax tree -> IR -> abstract interpretation -> facts -> findings,
//! and rewrites that are proven before anybody sees them.
//!
//! Pure by invariant: no IO, no clock, no LSP types; it returns findings, never errors, and its time and
//! memory are bounded by a step budget, a nesting limit and a caller's cancel callback.

pub mod analysis;
mod callers;
pub mod finding;
mod fix;
mod incremental;
mod interp;
pub mod ir;
pub mod ir_dump;
mod items;
pub mod judge;
pub mod lang;
mod missing;
pub mod rules;
mod sym;
pub mod syntax;

/// Threads that analyse should have a stack of this many bytes (only what is used costs): what is followed depends on it in the
/// most deeply nested code, and every door should say the same.
pub const STACK_SIZE: usize = 64 << 20;

pub use analysis::{Analysis, Cache, Dependency, Engine, Foreign, Limit, Module, NoProject, NotFollowed, Project, Refusal, SourceFile};
pub use finding::{Confidence, Edit, Finding, Fix, Persona, Safety, Severity, Step};
pub use fix::Rewrites;
pub use lang::Language;
pub use rules::RuleSet;
