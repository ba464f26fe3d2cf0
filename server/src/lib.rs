//! The doors of qualm: the command line here, the language server beside it. They share one engine, one
//! configuration and one view of the project, so that the same file gives the same findings everywhere.

pub mod check;
pub mod cli;
pub mod config;
pub mod editor_config;
pub mod examples;
pub mod explain;
pub mod files;
pub mod fix;
pub mod git;
pub mod hook;
pub mod ledger;
pub mod lines;
pub mod lsp;
pub mod origin;
pub mod project;
pub mod provenance;
pub mod report;
pub mod rewrite;
pub mod scan;
pub mod settings;
pub mod setup;
pub mod test_rules;
pub mod workspace;
