//! `qualm test-rules DIR`: loads a folder of rules on top of the embedded pack and runs every example of theirs.

use crate::{
    cli::{Outcome, TestRulesArgs},
    config::Config,
    examples,
    lines::printable,
    workspace::{Problem, Workspace},
};
use anyhow::ensure;

/// Runs the command.
pub fn run(args: &TestRulesArgs) -> anyhow::Result<Outcome> {
    let folder = args.dir.canonicalize().map_err(|e| anyhow::anyhow!("{}: {e}", args.dir.display()))?;
    ensure!(folder.is_dir(), "{} is not a folder", args.dir.display());
    let mut config = Config::new(&folder);
    config.rules_dir.value = ".".into();
    let workspace = Workspace::open(&folder, config, Vec::new());
    for problem in &workspace.problems {
        let file = args.dir.join(problem.file.strip_prefix(&folder).unwrap_or(&problem.file));
        println!("{}", printable(&Problem { file, ..problem.clone() }.to_string()));
    }
    let outcome = examples::run(&workspace.engine, |rule| folder.join(&rule.file).is_file());
    for failure in &outcome.failures {
        println!("{}", printable(&args.dir.join(failure.to_string()).to_string_lossy()));
    }
    let wrong = workspace.problems.len() + outcome.failures.len();
    println!("{} rules, {} claims, {wrong} wrong", outcome.rules, outcome.claims);
    ensure!(outcome.rules > 0 || wrong > 0, "{} has no rules: they are Markdown files, <family>/<id>.md", args.dir.display());
    Ok(if wrong > 0 { Outcome::Findings } else { Outcome::Clean })
}
