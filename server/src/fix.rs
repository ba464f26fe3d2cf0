//! `qualm fix`: applies proven rewrites. Every one is worked out anew on the text that the one before left; nothing
//! is written that was not shown, and never over a file that changed meanwhile.

use crate::{
    cli::{FixArgs, Outcome},
    files::{self, Content},
    lines::one_line,
    project::{Files, Projects},
    provenance::Ledgers,
    report::{Style, safety_note, write_diff},
    rewrite,
    workspace::{Vetted, Workspace, Workspaces},
};
use anyhow::{Context, bail, ensure};
use qualm_engine::{Cache, Fix, Language, Safety};
use rustc_hash::FxHashSet;
use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
};

/// A file with more rewrites than this is left for the next run.
const MAX_REWRITES: usize = 500;

/// A file before and after its rewrites.
struct Change {
    path: PathBuf,
    shown: String,
    before: Vec<u8>,
    after: String,
    applied: Vec<Fix>,
}

/// Runs the command.
pub fn run(args: &FixArgs) -> anyhow::Result<Outcome> {
    let cwd = std::env::current_dir()?;
    let cwd = cwd.canonicalize().unwrap_or(cwd);
    let workspaces = Workspaces::new(files::fallback_root(&cwd, &args.paths), args.judging.overrides(args.origin));
    let (mut tasks, notices) =
        files::collect(&args.paths, &cwd, args.hidden, |path| !workspaces.of(path.parent().unwrap_or(&cwd)).config.excluded(path))?;
    for notice in notices {
        eprintln!("qualm: {}", one_line(&notice));
    }
    tasks.retain(|t| Language::by_path(&t.path.to_string_lossy()).is_some());
    workspaces.check(&args.judging.rule_ids())?;
    let style = Style::of_terminal();
    let mut prompt = Prompt { all: args.yes, terminal: io::stdin().is_terminal() && io::stdout().is_terminal() };
    let (projects, ledgers) = (Projects::default(), Ledgers::default());
    let (mut changed, mut rewrites, mut left) = (0, 0, 0);
    for task in &tasks {
        let workspace = workspaces.of(task.path.parent().unwrap_or(&cwd));
        let vetter = Vetter { workspace: &workspace, project: &projects.of(&workspace.root), ledgers: &ledgers };
        let Some(change) = rewrite_file(&vetter, &task.path, &task.shown, args.review) else { continue };
        show(&change, &style)?;
        if args.dry_run {
            left += change.applied.len();
            continue;
        }
        match prompt.ask(&change.shown)? {
            Answer::Yes => {
                write(&change).with_context(|| change.shown.clone())?;
                changed += 1;
                rewrites += change.applied.len();
            }
            Answer::No => left += change.applied.len(),
            Answer::Quit => {
                left += change.applied.len();
                break;
            }
        }
    }
    if args.dry_run {
        println!("{left} rewrites would be applied; nothing was written");
    } else {
        println!(
            "{rewrites} rewrites applied in {changed} files{}",
            if left > 0 { format!(", {left} not applied") } else { String::new() }
        );
    }
    Ok(if left > 0 { Outcome::Findings } else { Outcome::Clean })
}

/// What a file is judged with.
struct Vetter<'v> {
    workspace: &'v Workspace,
    project: &'v Files,
    ledgers: &'v Ledgers,
}

/// Applies one rewrite after the other to the text of a file until none is left. `None`: nothing to do.
fn rewrite_file(vetter: &Vetter<'_>, path: &Path, shown: &str, review: bool) -> Option<Change> {
    let before = fs::read(path).ok()?;
    let Ok(Content::Text(content)) = files::read(path, files::MAX_FILE) else { return None };
    if content.lossy || content.text.as_bytes() != before {
        return None;
    }
    let name = vetter.workspace.name_of(path);
    let least = if review { Safety::Review } else { Safety::Safe };
    let mut text = content.text;
    let mut applied = Vec::new();
    // Two rules that undo each other would go on for ever.
    let mut seen = FxHashSet::from_iter([qualm_engine::analysis::hash(&text)]);
    while applied.len() < MAX_REWRITES {
        let Some((fix, after)) = next_rewrite(vetter, path, &name, &text, least) else { break };
        if !seen.insert(qualm_engine::analysis::hash(&after)) {
            break;
        }
        applied.push(fix);
        text = after;
    }
    let change = Change { path: path.to_owned(), shown: shown.to_owned(), before, after: text, applied };
    (!change.applied.is_empty()).then_some(change)
}

/// The first rewrite of the text that may be applied, and the text after it.
fn next_rewrite(vetter: &Vetter<'_>, path: &Path, name: &str, text: &str, least: Safety) -> Option<(Fix, String)> {
    let Vetter { workspace, project, ledgers } = *vetter;
    let foreign = ledgers.strictness(workspace, path, text);
    let vetted = Vetted::new(name, Language::by_path(name), text, foreign);
    let analysis = workspace.analyse(&vetted, &mut Cache::default(), project, &|| false)?;
    let Vetted::Source(source) = &vetted else { return None };
    analysis.findings.iter().find_map(|finding| {
        let fix = workspace.engine.fix(source, finding, project).ok()?;
        let fix = rewrite::with_line_ends_of(text, fix);
        if fix.safety < least || fix.edits.is_empty() || !rewrite::is_sound(text, &fix) {
            return None;
        }
        let after = fix.apply(text);
        (after != text).then_some((fix, after))
    })
}

fn show(change: &Change, style: &Style) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", style.paint("1", &one_line(&change.shown)))?;
    for fix in &change.applied {
        writeln!(out, "  {} ({})", one_line(&fix.title), safety_note(fix.safety))?;
    }
    let before = String::from_utf8_lossy(&change.before);
    write_diff(&mut out, &rewrite::unified(&before, &change.after), style)?;
    writeln!(out)
}

enum Answer {
    Yes,
    No,
    Quit,
}

struct Prompt {
    all: bool,
    terminal: bool,
}

impl Prompt {
    fn ask(&mut self, shown: &str) -> anyhow::Result<Answer> {
        if self.all {
            return Ok(Answer::Yes);
        }
        ensure!(self.terminal, "nobody to ask: say --yes to write the rewrites or --dry-run to only see them; nothing was written");
        loop {
            print!("Write {}? [y]es, [n]o, [a]ll, [q]uit: ", one_line(shown));
            io::stdout().flush()?;
            let mut line = String::new();
            if io::stdin().lock().read_line(&mut line)? == 0 {
                return Ok(Answer::Quit);
            }
            match line.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => return Ok(Answer::Yes),
                "n" | "no" => return Ok(Answer::No),
                "a" | "all" => {
                    self.all = true;
                    return Ok(Answer::Yes);
                }
                "q" | "quit" => return Ok(Answer::Quit),
                _ => {}
            }
        }
    }
}

/// Replaces the file in one step: a new file beside it with the same permissions takes its name. `path` has its
/// symbolic links resolved, so a link stays a link.
fn write(change: &Change) -> anyhow::Result<()> {
    let folder = change.path.parent().context("a file without a folder")?;
    ensure!(change.path.canonicalize()? == change.path, "was replaced by a link meanwhile; nothing was written");
    let permissions = fs::metadata(&change.path)?.permissions();
    if permissions.readonly() {
        bail!("is read-only; nothing was written");
    }
    let mut file = tempfile::Builder::new().prefix(".qualm-").tempfile_in(folder)?;
    file.write_all(change.after.as_bytes())?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    ensure!(fs::read(&change.path)? == change.before, "changed meanwhile; nothing was written");
    file.persist(&change.path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &Path, before: &str, after: &str) -> Change {
        let path = path.canonicalize().unwrap();
        Change { path, shown: "x".into(), before: before.into(), after: after.into(), applied: Vec::new() }
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.py");
        fs::write(&path, "now\n").unwrap();
        let error = write(&change(&path, "then\n", "after\n")).unwrap_err();
        assert!(error.to_string().contains("changed meanwhile"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "now\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays behind");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_stay_and_read_only_files_are_respected() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.py");
        fs::write(&path, "x\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o751)).unwrap();
        write(&change(&path, "x\n", "y\n")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "y\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o751);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        assert!(write(&change(&path, "y\n", "z\n")).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "y\n");
    }
}
