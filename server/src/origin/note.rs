//! `qualm origin --write-note COMMIT`: keeps the origins of the lines a commit brought in a git note, so that they
//! travel with the repository. Only on request: nobody's commits are annotated unasked.

use crate::{
    cli::Outcome,
    git::process::{fed, git, output, reason},
    hook::now,
    provenance::{Project, Sources, Traced, at_commit},
};
use anyhow::{Context, ensure};
use qualm_origin::{ledger::Place, notes};
use std::{
    io::{self, Write},
    path::Path,
};

/// What makes git carry the notes along when commits are rewritten.
const CARRY: [(&str, &str); 2] = [("notes.rewriteRef", notes::REF), ("notes.rewriteMode", "concatenate")];

pub(super) fn run(cwd: &Path, name: &str) -> anyhow::Result<Outcome> {
    let mut project = Project::open(Place::of(cwd))?;
    let repository = project.repository.as_mut().with_context(|| format!("{} is not in a git repository", cwd.display()))?;
    let commit = repository.resolve(name).with_context(|| format!("{name:?} names no commit"))?;
    let top = repository.top.clone();
    let changed = match repository.commit(&commit).parents.first().cloned() {
        Some(parent) => repository.changed(&parent, &commit)?,
        None => repository.changed(&empty_tree(&top)?, &commit)?,
    };
    let mut sources = Sources::new(&top, project.ledger.as_ref());
    let traced = at_commit(repository, &mut sources, &commit, changed)?;
    let brought = |file: &Traced, line: usize| file.blamed[line].as_ref().is_some_and(|b| b.commit == commit);
    let files: Vec<_> = traced.iter().map(|f| f.export(|line| brought(f, line))).collect();
    let note = notes::write(&files, &commit, now());
    let mut out = io::stdout().lock();
    if note.is_empty() {
        writeln!(out, "no origin is known of the lines of {}; no note was written", &commit[..12])?;
        return Ok(Outcome::Clean);
    }
    write(&top, &commit, &note)?;
    writeln!(out, "note written to {} for {}", notes::REF, &commit[..12])?;
    for (key, value) in CARRY {
        let set = output(git(&top).args(["config", "--get-all", key]))?;
        if !String::from_utf8_lossy(&set.stdout).lines().any(|l| l == value) {
            writeln!(out, "to keep notes through amend and rebase: git config --add {key} {value}")?;
        }
    }
    Ok(Outcome::Clean)
}

fn write(top: &Path, commit: &str, note: &str) -> anyhow::Result<()> {
    let mut command = git(top);
    command.args(["notes", "--ref", notes::REF, "add", "--force", "--file", "-", commit]);
    let output = fed(&mut command, note.to_owned()).context("writing notes needs the `git` command")?;
    ensure!(output.status.success(), "git notes: {}", reason(&output));
    Ok(())
}

/// The id of the tree without files, which the repository's hash decides.
fn empty_tree(top: &Path) -> anyhow::Result<String> {
    let output = output(git(top).args(["hash-object", "-t", "tree", "--stdin"]))?;
    ensure!(output.status.success(), "git hash-object failed");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
