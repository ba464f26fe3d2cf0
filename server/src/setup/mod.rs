//! `qualm setup`: makes the editors and agents of this machine use qualm. Shows every change as a diff first, merges
//! into what is there, and can take all of it back.

mod agents;
mod editors;

use crate::{
    cli::{Outcome, SetupArgs},
    rewrite::{diff_text, unified},
};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use qualm_origin::ledger::event::{hex, text_hash};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
};

/// What can be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// Neovim 0.11 or newer
    Neovim,
    /// VS Code and its relatives
    Vscode,
    /// Helix
    Helix,
    /// Vim with ALE
    Vim,
    /// Kakoune with kak-lsp
    Kakoune,
    /// Emacs' Eglot; only when named, as Eglot has one server for a buffer
    Emacs,
    /// Claude Code's hooks
    Claude,
    /// Codex CLI's hooks
    Codex,
    /// Gemini CLI's hooks
    Gemini,
    /// Cursor's hooks
    Cursor,
}

/// The user's folders.
pub(crate) struct Folders {
    home: PathBuf,
    config: PathBuf,
    data: PathBuf,
    state: PathBuf,
}

impl Folders {
    fn find() -> Result<Self> {
        let home = std::env::home_dir().filter(|h| h.is_absolute()).context("there is no home folder to set anything up in")?;
        let of = |variable: &str, default: &str| {
            let named = std::env::var_os(variable).map(PathBuf::from).filter(|p| p.is_absolute());
            named.unwrap_or_else(|| home.join(default))
        };
        Ok(Self {
            config: of("XDG_CONFIG_HOME", ".config"),
            data: of("XDG_DATA_HOME", ".local/share"),
            state: of("XDG_STATE_HOME", ".local/state"),
            home,
        })
    }

    fn record(&self) -> PathBuf {
        self.state.join("qualm/setup.json")
    }
}

/// A file as it is and as it is to be.
struct Step {
    path: PathBuf,
    old: Option<String>,
    new: String,
}

/// What setting something up takes.
#[derive(Default)]
struct Plan {
    steps: Vec<Step>,
    /// What the user has to know or do.
    notes: Vec<String>,
}

impl Plan {
    /// Makes a file say `new`, merged from what it says now. `merge` gets `None` for a file that is not there, and gives
    /// `None` for one that is not to be touched.
    fn file(&mut self, path: PathBuf, merge: impl FnOnce(Option<&str>) -> Result<String>) {
        let old = match fs::read(&path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Some(text),
                Err(_) => return self.notes.push(format!("{} is not UTF-8 and was left alone", path.display())),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return self.notes.push(format!("{} cannot be read: {error}", path.display())),
        };
        match merge(old.as_deref()) {
            Ok(new) if old.as_deref() == Some(&new) => {}
            Ok(new) => self.steps.push(Step { path, old, new }),
            Err(error) => self.notes.push(format!("{} was left alone: {error:#}", path.display())),
        }
    }
}

/// A change that was made, to take it back.
#[derive(Serialize, Deserialize)]
struct Done {
    path: PathBuf,
    before: Option<String>,
    /// Hash of the text that was written.
    after: String,
}

/// Whether a program is on the `PATH`.
fn on_path(names: &[&str]) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&path).any(|folder| names.iter().any(|n| folder.join(format!("{n}{}", std::env::consts::EXE_SUFFIX)).is_file()))
}

fn plan(target: Target, folders: &Folders) -> (bool, Plan) {
    match target {
        Target::Neovim => editors::neovim(folders),
        Target::Vscode => editors::vscode(),
        Target::Helix => editors::helix(folders),
        Target::Vim => editors::vim(folders),
        Target::Kakoune => editors::kakoune(folders),
        Target::Emacs => editors::emacs(folders),
        Target::Claude => agents::claude(folders),
        Target::Codex => agents::codex(folders),
        Target::Gemini => agents::gemini(folders),
        Target::Cursor => agents::cursor(folders),
    }
}

/// Runs the command.
pub fn run(args: &SetupArgs) -> Result<Outcome> {
    let folders = Folders::find()?;
    if args.undo {
        return undo(&folders, args);
    }
    let mut steps = Vec::new();
    let mut said = io::stdout().lock();
    let mut any = false;
    for target in Target::value_variants() {
        let asked = args.editor.contains(target);
        let (found, plan) = plan(*target, &folders);
        if !(asked || args.editor.is_empty() && found) {
            continue;
        }
        any = true;
        let name = target.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
        let state = match (plan.steps.len(), plan.notes.is_empty()) {
            (0, true) => "set up already",
            (0, false) => "nothing changed",
            _ => "to be set up",
        };
        writeln!(said, "{name}: {state}")?;
        for step in &plan.steps {
            show(&mut said, step.path.as_path(), step.old.as_deref(), Some(&step.new))?;
        }
        for note in &plan.notes {
            writeln!(said, "  note: {note}")?;
        }
        steps.extend(plan.steps);
    }
    if !any {
        bail!("none of the editors and agents that can be set up was found; name one with --editor");
    }
    if !on_path(&["qualm"]) {
        writeln!(said, "note: qualm itself is not on your PATH yet, and what is set up here looks for it there")?;
    }
    if steps.is_empty() || args.dry_run {
        return Ok(Outcome::Clean);
    }
    if !agreed(args, &mut said)? {
        return Ok(Outcome::Findings);
    }
    let mut record = read_record(&folders)?;
    for step in steps {
        write(&step.path, &step.new)?;
        record.push(Done { path: step.path, before: step.old, after: hex(&text_hash(&step.new)) });
        // After each, so that what was done can be taken back whatever happens next.
        write_record(&folders, &record)?;
    }
    writeln!(said, "done; `qualm setup --undo` takes it back")?;
    Ok(Outcome::Clean)
}

fn show(out: &mut impl Write, path: &Path, old: Option<&str>, new: Option<&str>) -> io::Result<()> {
    let what = match (old, new) {
        (None, new) => format!("new file, {} lines", new.unwrap_or("").lines().count()),
        (_, None) => "removed".to_owned(),
        _ => "changed".to_owned(),
    };
    writeln!(out, "  {} ({what})", path.display())?;
    // A long new file needs no reading line by line.
    let long = old.is_none() && new.unwrap_or("").lines().count() > 40;
    if !long && new.is_some() {
        for line in diff_text(&unified(old.unwrap_or(""), new.unwrap_or(""))).lines() {
            writeln!(out, "    {line}")?;
        }
    }
    Ok(())
}

fn agreed(args: &SetupArgs, said: &mut impl Write) -> Result<bool> {
    if args.yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        writeln!(said, "nothing was written; say --yes to do it")?;
        return Ok(false);
    }
    write!(said, "Do this? [y/N] ")?;
    said.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Writes a file whole or not at all; a link stays a link.
fn write(path: &Path, text: &str) -> Result<()> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().context("a file is in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(|| format!("cannot write in {}", folder.display()))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    if let Ok(old) = fs::metadata(&path) {
        file.as_file().set_permissions(old.permissions())?;
    }
    file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

fn read_record(folders: &Folders) -> Result<Vec<Done>> {
    let file = folders.record();
    match fs::read_to_string(&file) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

fn write_record(folders: &Folders, record: &[Done]) -> Result<()> {
    let file = folders.record();
    if record.is_empty() {
        return match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", file.display()))
            }
            _ => Ok(()),
        };
    }
    write(&file, &serde_json::to_string_pretty(record)?)
}

fn undo(folders: &Folders, args: &SetupArgs) -> Result<Outcome> {
    let record = read_record(folders)?;
    let mut said = io::stdout().lock();
    if record.is_empty() {
        writeln!(said, "there is nothing to take back")?;
        return Ok(Outcome::Clean);
    }
    for done in record.iter().rev() {
        show(&mut said, &done.path, fs::read_to_string(&done.path).ok().as_deref(), done.before.as_deref())?;
    }
    if args.dry_run {
        return Ok(Outcome::Clean);
    }
    if !agreed(args, &mut said)? {
        return Ok(Outcome::Findings);
    }
    let mut left = Vec::new();
    for done in record.into_iter().rev() {
        let now = fs::read_to_string(&done.path).ok();
        match (&now, &done.before) {
            _ if now == done.before => {}
            (Some(text), _) if hex(&text_hash(text)) != done.after => {
                writeln!(said, "{} was changed since and is left alone", done.path.display())?;
                left.push(done);
            }
            (_, Some(before)) => write(&done.path, before)?,
            (_, None) => {
                fs::remove_file(&done.path).with_context(|| format!("cannot remove {}", done.path.display()))?;
                // The folders that were made for it, as far as they are empty.
                let _ = done.path.ancestors().skip(1).take(3).try_for_each(fs::remove_dir);
            }
        }
    }
    left.reverse();
    write_record(folders, &left)?;
    writeln!(said, "{}", if left.is_empty() { "taken back" } else { "the rest is taken back" })?;
    Ok(if left.is_empty() { Outcome::Clean } else { Outcome::Findings })
}
