//! Rules and models: the tables the interpreter uses, and how they are read from Markdown and TOML.

mod coverage;
mod lint;
mod load;
mod markdown;
mod paths;
mod raw;
pub mod tables;

pub use coverage::{Coverage, Entry};
pub use load::RuleError;
pub use markdown::library_examples;
pub use tables::*;
