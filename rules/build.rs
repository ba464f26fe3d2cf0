//! Embeds every rule and model file, sorted by path, so that a binary carries its whole pack.
use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let models = root.join("models");
    let (pages, files): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|f| f.starts_with(&models) && f.extension().is_some_and(|e| e == "md"));
    embed("files.rs", &root, &files)?;
    embed("pages.rs", &root, &pages)
}

/// Writes a list of `(name, text)`.
fn embed(to: &str, root: &Path, files: &[PathBuf]) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = fs::File::create(PathBuf::from(env::var("OUT_DIR")?).join(to))?;
    writeln!(out, "&[")?;
    for file in files {
        let name = file.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
        writeln!(out, "    ({name:?}, include_str!({:?})),", file.display().to_string())?;
    }
    writeln!(out, "]")?;
    Ok(())
}

/// Rules are `<family>/<id>.md`, models `models/<language>/<library>.toml`, their examples `models/<language>/<library>.md`; nothing at the top level is a rule.
fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={}", dir.display());
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let top =
            path.parent().is_some_and(|p| p.ends_with("rules") && p == Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap_or_default()));
        if path.is_dir() {
            if !path.ends_with("src") && !path.ends_with("target") {
                collect(&path, files)?;
            }
        } else if !top && path.extension().is_some_and(|e| e == "md" || e == "toml") {
            files.push(path);
        }
    }
    Ok(())
}
