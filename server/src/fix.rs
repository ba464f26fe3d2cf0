//! `qualm fix`: applies proven rewrites. Every one is worked out anew on the text that the one before left; nothing
//! is written that was not shown, and never over a file that changed meanwhile.

use crate::{
    cli::{FixArgs, Outcome},
    files::{self, LeftOut},
    lines::one_line,
    report::{Style, safety_note, write_diff},
    rewrite,
    scan::{self, Crew, Job, Kind, Setup, Want},
};
use anyhow::{Context, bail, ensure};
use qualm_engine::{Language, Safety};
use qualm_origin::regular;
use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write},
    path::PathBuf,
};

/// A file before and after its rewrites.
struct Change {
    path: PathBuf,
    shown: String,
    rewritten: scan::Change,
}

/// Runs the command.
pub fn run(args: &FixArgs) -> anyhow::Result<Outcome> {
    let cwd = std::env::current_dir()?;
    let cwd = cwd.canonicalize().unwrap_or(cwd);
    let setup = Setup {
        fallback: files::fallback_root(&cwd, &args.paths).into(),
        judging: args.judging.clone(),
        origin: args.origin,
        limits: args.limits,
        max_size: files::MAX_FILE,
        // One after the other, as each is asked about before the next one is looked at.
        threads: 1,
    };
    let workspaces = setup.workspaces();
    let (mut tasks, notices) =
        files::collect(&args.paths, &cwd, args.hidden, |path| !workspaces.of(path.parent().unwrap_or(&cwd)).config.excluded(path))?;
    for notice in notices {
        eprintln!("qualm: {}", one_line(&notice));
    }
    for task in tasks.iter().filter(|t| t.left_out == Some(LeftOut::Excluded)) {
        eprintln!("qualm: {}", one_line(&format!("{}: skipped: the settings exclude it", task.shown)));
    }
    tasks.retain(|t| t.left_out.is_none() && Language::by_path(&t.path.to_string_lossy()).is_some());
    workspaces.check(&args.judging.rule_ids())?;
    let style = Style::of_terminal();
    let mut prompt = Prompt { all: args.yes, terminal: io::stdin().is_terminal() && io::stdout().is_terminal() };
    let mut crew = Crew::new(setup)?;
    let least = if args.review { Safety::Review } else { Safety::Safe };
    let (mut changed, mut rewrites, mut left, mut trouble) = (0, 0, 0, false);
    for task in &tasks {
        let scanned = crew.scan_one(Job::new(&task.path, Want::Rewritten(least)));
        for gap in &scanned.gaps {
            eprintln!("qualm: {}", one_line(&format!("{}: {}", task.shown, gap.why)));
            trouble |= gap.kind.is_trouble() || (gap.kind == Kind::Unreadable && task.explicit);
        }
        let Some(rewritten) = scanned.change else { continue };
        let change = Change { path: task.path.clone(), shown: task.shown.clone(), rewritten };
        show(&change, &style)?;
        if args.dry_run {
            left += change.rewritten.applied.len();
            continue;
        }
        match prompt.ask(&change.shown)? {
            Answer::Yes => {
                write(&change).with_context(|| change.shown.clone())?;
                changed += 1;
                rewrites += change.rewritten.applied.len();
            }
            Answer::No => left += change.rewritten.applied.len(),
            Answer::Quit => {
                left += change.rewritten.applied.len();
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
    if trouble {
        return Ok(Outcome::Trouble);
    }
    Ok(if left > 0 { Outcome::Findings } else { Outcome::Clean })
}

fn show(change: &Change, style: &Style) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", style.paint("1", &one_line(&change.shown)))?;
    for fix in &change.rewritten.applied {
        writeln!(out, "  {} ({})", one_line(&fix.title), safety_note(fix.safety))?;
    }
    write_diff(&mut out, &rewrite::unified(&change.rewritten.before, &change.rewritten.after), style)?;
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
    file.write_all(change.rewritten.after.as_bytes())?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    let now = regular::read(&change.path, change.rewritten.before.len() as u64)?;
    ensure!(now.is_ok_and(|now| now == change.rewritten.before.as_bytes()), "changed meanwhile; nothing was written");
    file.persist(&change.path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn change(path: &Path, before: &str, after: &str) -> Change {
        let path = path.canonicalize().unwrap();
        Change { path, shown: "x".into(), rewritten: scan::Change { before: before.into(), after: after.into(), applied: Vec::new() } }
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
