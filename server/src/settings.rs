//! `qualm config --why`: every setting, its value and where it came from. `qualm config --schema`: which settings there are.

use crate::{
    cli::{ConfigArgs, Outcome},
    lines::one_line,
    workspace::Workspaces,
};
use std::io::{self, Write};

/// Runs the command.
pub fn run(args: &ConfigArgs) -> anyhow::Result<Outcome> {
    if args.schema {
        writeln!(io::stdout().lock(), "{:#}", crate::config::schema())?;
        return Ok(Outcome::Clean);
    }
    let cwd = std::env::current_dir()?;
    let cwd = cwd.canonicalize().unwrap_or(cwd);
    let given = args.path.as_ref().map_or(cwd.as_path(), |p| p.as_path());
    let place = given.canonicalize().map_err(|e| anyhow::anyhow!("{}: {e}", given.display()))?;
    let folder = if place.is_dir() { place.as_path() } else { place.parent().unwrap_or(&cwd) };
    let fallback = crate::files::fallback_root(&cwd, std::slice::from_ref(&place));
    let workspace = Workspaces::new(fallback, args.judging.overrides(args.origin)).of(folder);
    let config = &workspace.config;
    let mut out = io::stdout().lock();
    let settings = config.settings();
    if args.why {
        let file = config.file.as_ref().map_or_else(|| "none found".to_owned(), |f| f.display().to_string());
        writeln!(out, "root: {}\nconfiguration file: {}", one_line(&workspace.root.to_string_lossy()), one_line(&file))?;
        writeln!(out, "rules: {}", workspace.engine.rules().rules.len())?;
        if place.is_file() {
            writeln!(out, "excluded: {}", config.excluded(&place))?;
        }
        writeln!(out)?;
    }
    let key_width = settings.iter().map(|s| s.0.chars().count()).max().unwrap_or(0);
    let value_width = settings.iter().map(|s| s.1.chars().count()).max().unwrap_or(0).min(40);
    for (key, value, source) in settings {
        let (key, value) = (one_line(&key), one_line(&value));
        if args.why {
            writeln!(out, "{key:key_width$}  {value:value_width$}  {}", one_line(&source.to_string()))?;
        } else {
            writeln!(out, "{key:key_width$}  {value}")?;
        }
    }
    for problem in &workspace.problems {
        eprintln!("qualm: {}", one_line(&problem.to_string()));
    }
    let broken = workspace.problems.iter().any(|p| p.fatal);
    Ok(if broken { Outcome::Trouble } else { Outcome::Clean })
}
