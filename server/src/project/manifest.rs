//! Which packages the manifests and lockfiles of a folder name. Reading is tolerant and errs on the side of
//! knowing a package: a wrong "undeclared" costs more than a missed one.

use super::{join, jsonc, python::normal, read_inside};
use regex::Regex;
use rustc_hash::FxHashSet;
use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};
use toml::{Table, Value};

/// What the manifests of one folder say.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    /// Normal forms of distribution names.
    pub(super) python: FxHashSet<String>,
    /// Whether a Python manifest was there.
    pub(super) has_python: bool,
    /// Package names, workspace members included.
    pub(super) javascript: FxHashSet<String>,
    /// Whether a `package.json` was there.
    pub(super) has_javascript: bool,
    /// `site-packages` of virtual environments in this folder.
    pub(super) site_packages: Vec<PathBuf>,
}

/// A folder with more entries than this is not searched for requirement files to its end.
const MAX_ENTRIES: usize = 5000;
/// So many bytes of manifests are read for a folder; a file counts as at least so many, whether or not it is there.
const MAX_BYTES: usize = 32 * 1024 * 1024;
const MIN_BYTES: usize = 16 * 1024;
/// Workspaces have at most this many members.
const MAX_MEMBERS: usize = 1000;

/// Manifests that have one name.
const FIXED: &[&str] = &[
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "environment.yml",
    "environment.yaml",
    "Pipfile",
    "Pipfile.lock",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "package.json",
    "pnpm-workspace.yaml",
];

/// Whether a file may be one of [`candidates`], or one that they include.
pub(super) fn may_be(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    let requirements = || path.extension().is_some_and(|x| x == "txt" || x == "in");
    FIXED.contains(&name) || name == "pyvenv.cfg" || requirements()
}

/// The files in a folder that may be manifests, whether or not they exist (their coming into being counts too).
pub(super) fn candidates(folder: &Path) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = FIXED.iter().map(|n| folder.join(n)).collect();
    for dir in [folder.to_owned(), folder.join("requirements")] {
        let all = dir.ends_with("requirements") && dir != folder;
        let mut found: Vec<PathBuf> = std::fs::read_dir(&dir)
            .into_iter()
            .flatten()
            .take(MAX_ENTRIES)
            .flatten()
            .filter(|e| {
                let name = e.file_name();
                let name = name.to_string_lossy();
                let extension = Path::new(&*name).extension().is_some_and(|x| x == "txt" || x == "in");
                extension && (all || name.contains("requirements"))
            })
            .map(|e| e.path())
            .collect();
        found.sort();
        out.extend(found);
    }
    out.extend([".venv", "venv", "env"].iter().map(|v| folder.join(v).join("pyvenv.cfg")));
    out
}

/// Reads the manifests among `paths`.
pub(super) fn read(root: &Path, folder: &Path, paths: &[PathBuf]) -> Manifests {
    let mut out = Manifests::default();
    let mut files = Reader { root, seen: FxHashSet::default(), left: MAX_BYTES };
    for path in paths {
        let Some(text) = files.read(path) else { continue };
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        match name {
            "pyproject.toml" => pyproject(&text, &mut out),
            "setup.cfg" => setup_cfg(&text, &mut out),
            "setup.py" => setup(&text, &mut out),
            "environment.yml" | "environment.yaml" => conda(&text, &mut out),
            "Pipfile" => pipfile(&text, &mut out),
            "Pipfile.lock" => pipfile_lock(&text, &mut out),
            "poetry.lock" | "uv.lock" | "pdm.lock" => lock(&text, &mut out),
            "package.json" => package_json(&mut files, folder, &text, &mut out),
            "pnpm-workspace.yaml" => pnpm(&mut files, folder, &text, &mut out),
            "pyvenv.cfg" => out.site_packages.extend(site_packages(root, path)),
            _ => requirements(&mut files, path, &text, 0, &mut out),
        }
    }
    if files.left == 0 {
        // What else they name is not known, so nothing can be called missing.
        (out.has_python, out.has_javascript) = (false, false);
    }
    out
}

/// Reads each file once, and all of them within a budget: manifests include each other.
struct Reader<'r> {
    root: &'r Path,
    seen: FxHashSet<PathBuf>,
    /// So many bytes may still be read.
    left: usize,
}

impl Reader<'_> {
    fn read(&mut self, path: &Path) -> Option<String> {
        if self.left == 0 || !self.seen.insert(path.to_owned()) {
            return None;
        }
        let text = read_inside(self.root, path);
        self.left = self.left.saturating_sub(text.as_ref().map_or(0, String::len).max(MIN_BYTES));
        text
    }
}

static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)").ok());
static QUOTED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"["']\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:[\[<>=!~;@ ][^"'\n]*)?["']"#).ok());

fn name_of(requirement: &str) -> Option<String> {
    Some(normal(NAME.as_ref()?.captures(requirement)?.get(1)?.as_str().trim_end_matches(['.', '-', '_'])))
}

fn requirements(files: &mut Reader<'_>, path: &Path, text: &str, depth: u32, out: &mut Manifests) {
    out.has_python = true;
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or("").trim();
        if let Some(other) = line.strip_prefix("-r ").or_else(|| line.strip_prefix("--requirement ")) {
            let other = path.parent().and_then(|folder| join(folder, other.trim()));
            if let Some(text) = other.as_ref().filter(|_| depth < 4).and_then(|p| files.read(p)) {
                requirements(files, other.as_deref().unwrap_or(path), &text, depth + 1, out);
            }
        } else if let Some(egg) = line.split("egg=").nth(1) {
            out.python.extend(name_of(egg));
        } else if !line.starts_with(['#', '-']) && !line.contains("://") || line.contains(" @ ") {
            out.python.extend(name_of(line));
        }
    }
}

fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn pyproject(text: &str, out: &mut Manifests) {
    let Ok(table) = text.parse::<Table>() else { return };
    let get = |path: &[&str]| {
        path.iter().try_fold(None, |at: Option<&Value>, key| Some(Some(at.map_or_else(|| table.get(*key), |v| v.get(key))?)))?
    };
    if let Some(project) = get(&["project"]) {
        out.python.extend(project.get("name").and_then(Value::as_str).map(normal));
        // Dependencies that are worked out when the package is built are unknown here.
        out.has_python |= !strings(project.get("dynamic")).any(|d| d == "dependencies");
        out.python.extend(strings(project.get("dependencies")).filter_map(name_of));
    }
    let tables = [&["project", "optional-dependencies"][..], &["dependency-groups"], &["tool", "pdm", "dev-dependencies"]];
    for group in tables.iter().filter_map(|p| get(p)).filter_map(Value::as_table).flat_map(|t| t.values()) {
        out.python.extend(strings(Some(group)).filter_map(name_of));
    }
    for list in [&["build-system", "requires"][..], &["tool", "uv", "dev-dependencies"]] {
        out.python.extend(strings(get(list)).filter_map(name_of));
    }
    if let Some(poetry) = get(&["tool", "poetry"]) {
        out.has_python |= poetry.get("dependencies").is_some();
        out.python.extend(poetry.get("name").and_then(Value::as_str).map(normal));
        let groups = poetry.get("group").and_then(Value::as_table).into_iter().flat_map(|g| g.values());
        let tables = groups.chain([poetry]).flat_map(|g| [g.get("dependencies"), g.get("dev-dependencies")]).flatten();
        out.python.extend(tables.filter_map(Value::as_table).flat_map(|t| t.keys()).map(|k| normal(k)));
    }
    let environments = get(&["tool", "hatch", "envs"]).and_then(Value::as_table).into_iter().flat_map(|t| t.values());
    out.python.extend(environments.flat_map(|e| strings(e.get("dependencies"))).filter_map(name_of));
}

/// The requirements of `[options]`, and every extra.
fn setup_cfg(text: &str, out: &mut Manifests) {
    let (mut section, mut wanted) = ("", false);
    for line in text.lines().filter(|l| !l.trim_start().starts_with(['#', ';'])) {
        let value = if let Some(name) = line.strip_prefix('[') {
            section = name.split(']').next().unwrap_or_default();
            wanted = false;
            continue;
        } else if line.starts_with([' ', '\t']) {
            line
        } else if let Some((key, value)) = line.split_once('=') {
            wanted = section == "options.extras_require" || section == "options" && key.contains("_require");
            value
        } else {
            continue;
        };
        if wanted {
            out.has_python = true;
            out.python.extend(value.split([';', ',']).filter_map(name_of));
        }
    }
}

/// The packages of a conda environment, those that pip installs into it included.
fn conda(text: &str, out: &mut Manifests) {
    let Some(at) = text.find("dependencies:") else { return };
    out.has_python = true;
    let items = text[at..].lines().filter_map(|l| l.trim_start().strip_prefix("- "));
    // `conda-forge::numpy=1.26`
    out.python
        .extend(items.filter(|i| i.trim() != "pip:").filter_map(|i| name_of(i.trim().trim_matches(['"', '\'']).rsplit("::").next()?)));
}

/// Names in quotes after the first `*_require*`.
fn setup(text: &str, out: &mut Manifests) {
    let Some(at) = text.find("_require") else { return };
    let rest = &text[at..];
    let before = out.python.len();
    if let Some(quoted) = QUOTED.as_ref() {
        out.python.extend(quoted.captures_iter(rest).filter_map(|c| c.get(1)).map(|m| normal(m.as_str())));
    }
    out.has_python |= out.python.len() > before;
}

fn pipfile(text: &str, out: &mut Manifests) {
    let Ok(table) = text.parse::<Table>() else { return };
    out.has_python = true;
    let sections = table.iter().filter(|(k, _)| !matches!(k.as_str(), "source" | "requires" | "scripts" | "pipenv"));
    out.python.extend(sections.filter_map(|(_, v)| v.as_table()).flat_map(|t| t.keys()).map(|k| normal(k)));
}

fn pipfile_lock(text: &str, out: &mut Manifests) {
    let Some(value) = jsonc::parse(text) else { return };
    out.has_python = true;
    let sections = value.as_object().into_iter().flatten().filter(|(k, _)| *k != "_meta");
    out.python.extend(sections.filter_map(|(_, v)| v.as_object()).flatten().map(|(k, _)| normal(k)));
}

/// The `[[package]]` entries of a lockfile, line by line: lockfiles are long and this is all that is wanted.
fn lock(text: &str, out: &mut Manifests) {
    out.has_python = true;
    let names = text.lines().filter_map(|l| l.strip_prefix("name = \"")).filter_map(|l| l.strip_suffix('"'));
    out.python.extend(names.map(normal));
}

fn package_json(files: &mut Reader<'_>, folder: &Path, text: &str, out: &mut Manifests) {
    let Some(value) = jsonc::parse(text) else { return };
    out.has_javascript = true;
    out.javascript.extend(value["name"].as_str().map(str::to_owned));
    for section in ["dependencies", "devDependencies", "peerDependencies", "optionalDependencies"] {
        out.javascript.extend(value[section].as_object().into_iter().flatten().map(|(k, _)| k.clone()));
    }
    let workspaces = value["workspaces"].as_array().or_else(|| value["workspaces"]["packages"].as_array());
    let globs: Vec<&str> = workspaces.into_iter().flatten().filter_map(|v| v.as_str()).collect();
    members(files, folder, &globs, out);
}

fn pnpm(files: &mut Reader<'_>, folder: &Path, text: &str, out: &mut Manifests) {
    let items = text.lines().filter_map(|l| l.trim().strip_prefix("- ")).map(|l| l.trim().trim_matches(['\'', '"']));
    members(files, folder, &items.collect::<Vec<_>>(), out);
}

/// Names of the packages that workspace globs (`packages/*`, `apps/web`) lead to.
fn members(files: &mut Reader<'_>, folder: &Path, globs: &[&str], out: &mut Manifests) {
    let mut left = MAX_MEMBERS;
    for glob in globs.iter().filter(|g| !g.starts_with('!')).take(100) {
        let fixed = glob.split('*').next().unwrap_or("").trim_end_matches('/');
        let Some(base) = join(folder, fixed) else { continue };
        let mut folders = vec![base.clone()];
        if glob.contains('*') {
            folders = subfolders(&base);
            if glob.contains("**") || glob.ends_with("*/*") {
                let deeper: Vec<PathBuf> = folders.iter().flat_map(|f| subfolders(f)).collect();
                folders.extend(deeper);
            }
        }
        for member in folders {
            if left == 0 {
                return;
            }
            left -= 1;
            let value = files.read(&member.join("package.json")).and_then(|t| jsonc::parse(&t));
            out.javascript.extend(value.and_then(|v| v["name"].as_str().map(str::to_owned)));
        }
    }
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().take(MAX_MEMBERS).flatten();
    entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir()) && e.file_name() != "node_modules").map(|e| e.path()).collect()
}

fn site_packages(root: &Path, marker: &Path) -> Vec<PathBuf> {
    let Some(environment) = marker.parent().and_then(|e| e.canonicalize().ok()).filter(|e| e.starts_with(root)) else { return Vec::new() };
    let mut out: Vec<PathBuf> = subfolders(&environment.join("lib")).into_iter().map(|v| v.join("site-packages")).collect();
    out.push(environment.join("Lib").join("site-packages"));
    out.retain(|p| p.is_dir());
    out
}
