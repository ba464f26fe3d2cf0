//! `qualm test-rules DIR`: loads a folder of rules on top of the embedded pack and runs every example of theirs.

use crate::{
    cli::{Outcome, TestRulesArgs},
    config::Config,
    examples, files,
    lines::printable,
    workspace::{Problem, Workspace},
};
use anyhow::ensure;
use qualm_engine::Engine;
use std::{fs, path::Path, sync::Arc};

/// Runs the command.
pub fn run(args: &TestRulesArgs) -> anyhow::Result<Outcome> {
    let folder = args.dir.canonicalize().map_err(|e| anyhow::anyhow!("{}: {e}", args.dir.display()))?;
    ensure!(folder.is_dir(), "{} is not a folder", args.dir.display());
    let mut config = Config::new(&folder);
    config.rules_dir.value = ".".into();
    let workspace = Workspace::open(&folder, config, Vec::new());
    let mut wrong = workspace.problems.len();
    for problem in &workspace.problems {
        let file = args.dir.join(problem.file.strip_prefix(&folder).unwrap_or(&problem.file));
        println!("{}", printable(&Problem { file, ..problem.clone() }.to_string()));
    }
    let mut say = |message: &str| {
        wrong += 1;
        println!("{}", printable(&args.dir.join(message).to_string_lossy()));
    };
    let mut rules = workspace.engine.rules().clone();
    rules.count();
    let engine = Engine::new(Arc::new(rules));
    let rules = engine.rules();
    let ours = |file: &str| folder.join(file).is_file();
    for mistake in rules.lint().iter().filter(|m| ours(&m.file)) {
        say(&mistake.to_string());
    }
    let pages = pages(&folder);
    let pages: Vec<(&str, &str)> = pages.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let (outcome, libraries) = (examples::run(&engine, |rule| ours(&rule.file)), examples::run_libraries(&engine, &pages));
    for failure in outcome.failures.iter().chain(&libraries.failures) {
        say(&failure.to_string());
    }
    let mut covered = String::new();
    if args.coverage {
        let (total, silent) = examples::uncovered(rules, ours);
        for failure in &silent {
            say(&failure.to_string());
        }
        let reasons = rules.entries.iter().filter(|e| ours(&e.file) && e.untested.is_some()).count();
        covered = format!(", {} of {total} entries shown by an example, {reasons} with a reason", total - silent.len() - reasons);
    }
    let claims = outcome.claims + libraries.claims;
    println!("{} rules, {claims} claims{covered}, {wrong} wrong", outcome.rules);
    ensure!(outcome.rules > 0 || claims > 0 || wrong > 0, "{} has no rules: they are Markdown files, <family>/<id>.md", args.dir.display());
    Ok(if wrong > 0 { Outcome::Findings } else { Outcome::Clean })
}

/// The pages with examples of libraries in a folder: `models/<language>/<library>.md`.
fn pages(folder: &Path) -> Vec<(String, String)> {
    let models = folder.join("models");
    let pages = files::walk(&models, false).into_iter().flatten().filter(|p| p.extension().is_some_and(|e| e == "md"));
    pages.filter_map(|p| Some((p.strip_prefix(folder).ok()?.to_string_lossy().replace('\\', "/"), fs::read_to_string(&p).ok()?))).collect()
}
