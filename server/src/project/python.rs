//! Python imports: relative ones, absolute ones against script folder, project root and `src`, packages through
//! their `__init__`; and what is known of a distribution.

use super::Files;
use qualm_engine::Dependency;
use std::path::{Path, PathBuf};

/// The file a module name stands for.
pub(super) fn resolve(files: &Files, from: &str, specifier: &str) -> Option<PathBuf> {
    let folder = files.folder(from);
    let dots = specifier.bytes().take_while(|b| *b == b'.').count();
    let parts: Vec<&str> = specifier[dots..].split('.').filter(|p| !p.is_empty()).collect();
    if parts.iter().any(|p| p.contains(['/', '\\'])) {
        return None;
    }
    if dots > 0 {
        let base = files.upwards(&folder).nth(dots - 1)?;
        return module_in(files, base, &parts);
    }
    search_folders(files, &folder).into_iter().find_map(|base| module_in(files, &base, &parts))
}

/// Where absolute imports of a file are looked for, nearest first. A folder with `__init__.py` is a package, not a
/// place to import from: its `json.py` does not hide the standard library's.
fn search_folders(files: &Files, folder: &Path) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = Vec::new();
    for dir in files.upwards(folder) {
        if !files.is_file(&dir.join("__init__.py")) {
            out.push(dir.to_owned());
            out.push(dir.join("src"));
        }
    }
    out
}

fn module_in(files: &Files, base: &Path, parts: &[&str]) -> Option<PathBuf> {
    let mut path = base.to_owned();
    path.extend(parts);
    if !parts.is_empty() {
        for extension in ["py", "pyi"] {
            let mut name = path.clone().into_os_string();
            name.push(".");
            name.push(extension);
            let file = PathBuf::from(name);
            if files.is_file(&file) {
                return Some(file);
            }
        }
    }
    let init = path.join("__init__.py");
    files.is_file(&init).then_some(init)
}

/// What is known of a top level package.
pub(super) fn dependency(files: &Files, from: &str, package: &str) -> Dependency {
    let folder = files.folder(from);
    let plain = package.replace('-', "_");
    let own = search_folders(files, &folder).iter().any(|base| {
        base.join(&plain).is_dir() || files.is_file(&base.join(format!("{plain}.py"))) || files.is_file(&base.join(format!("{plain}.pyi")))
    });
    if own {
        return Dependency::Known;
    }
    let name = normal(package);
    let mut declared = false;
    for dir in files.upwards(&folder) {
        let manifests = files.manifests(dir);
        if manifests.python.contains(&name) || manifests.site_packages.iter().any(|s| installed(s, package, &plain, &name)) {
            return Dependency::Known;
        }
        declared |= manifests.has_python;
    }
    if declared { Dependency::Undeclared } else { Dependency::NoManifest }
}

/// Whether `site-packages` holds a module of this name or the metadata of a distribution of this name.
fn installed(site: &Path, package: &str, plain: &str, name: &str) -> bool {
    if site.join(package).is_dir() || site.join(plain).is_dir() || site.join(format!("{plain}.py")).is_file() {
        return true;
    }
    let entries = std::fs::read_dir(site).into_iter().flatten().take(20_000).flatten();
    entries.into_iter().any(|entry| {
        let file = entry.file_name();
        let file = file.to_string_lossy();
        match file.strip_suffix(".dist-info").and_then(|f| f.split('-').next()) {
            Some(distribution) => normal(distribution) == name,
            None => file.ends_with(".so") && file.split('.').next() == Some(plain),
        }
    })
}

/// The normal form of a distribution name.
pub(super) fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.push(c.to_ascii_lowercase()),
        }
    }
    out
}
