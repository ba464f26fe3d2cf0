//! Rules and models: the tables the interpreter uses, and how they are read from Markdown and TOML.

pub mod tables;

pub use tables::*;
