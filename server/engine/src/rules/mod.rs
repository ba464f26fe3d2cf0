//! Rules and models: the tables the interpreter uses, and how they are read from Markdown and TOML.

mod load;
mod markdown;
mod paths;
mod raw;
pub mod tables;

pub use load::RuleError;
pub use tables::*;
