//! The `qualm` command.

use clap::Parser;
use qualm::{
    check,
    cli::{Cli, Command, Outcome},
    editor_config, explain, fix, hook, ledger, lsp, origin, scan, settings, setup, test_rules,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    if let Command::Hook(args) = &command {
        hook::run(args);
        return ExitCode::SUCCESS;
    }
    if let Command::Worker = &command {
        return scan::worker::run();
    }
    if let Command::Lsp(options) = &command {
        return lsp::run(options).map_or_else(|error| trouble(&error).into(), ExitCode::from);
    }
    // Refused only if a pool exists already, which is as well.
    let _ = rayon::ThreadPoolBuilder::new().stack_size(scan::STACK_SIZE).build_global();
    let outcome = match command {
        Command::Check(args) => check::run(&args),
        Command::Fix(args) => fix::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::TestRules(args) => test_rules::run(&args),
        Command::EditorConfig { name } => editor_config::run(name),
        Command::Setup(args) => setup::run(&args),
        Command::Config(args) => settings::run(&args),
        Command::Hook(_) | Command::Lsp(_) | Command::Worker => Ok(Outcome::Clean),
        Command::Origin(args) => origin::run(&args),
        Command::Ledger(args) => ledger::run(&args),
    };
    outcome.map_or_else(|error| trouble(&error), Outcome::code).into()
}

/// Tells what went wrong; gives the exit code.
fn trouble(error: &anyhow::Error) -> u8 {
    // Whoever reads has read enough (`| head`).
    if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) {
        return Outcome::Clean.code();
    }
    for line in format!("{error:#}").lines() {
        eprintln!("qualm: {}", qualm::lines::printable(line));
    }
    Outcome::Trouble.code()
}
