//! JavaScript and TypeScript imports: relative ones, `tsconfig.json` aliases; and what is known of a package.

use super::{Files, join, jsonc, read_inside};
use qualm_engine::Dependency;
use serde_json::Value;
use std::path::{Path, PathBuf};

const EXTENSIONS: &[&str] = &["ts", "tsx", "js", "jsx", "mts", "cts", "mjs", "cjs"];

/// The file a specifier stands for.
pub(super) fn resolve(files: &Files, from: &str, specifier: &str) -> Option<PathBuf> {
    let folder = files.folder(from);
    if is_relative(specifier) {
        return file_at(files, &join(&folder, specifier)?);
    }
    let config = nearest_config(files, &folder)?;
    config.as_ref().as_ref()?.targets(specifier).iter().find_map(|path| file_at(files, path))
}

fn is_relative(specifier: &str) -> bool {
    specifier == "." || specifier == ".." || specifier.starts_with("./") || specifier.starts_with("../")
}

/// The file itself, with an extension, as TypeScript behind a `.js` name, or a folder's index.
fn file_at(files: &Files, path: &Path) -> Option<PathBuf> {
    let known = path.extension().and_then(|e| e.to_str()).filter(|e| EXTENSIONS.contains(e));
    if known.is_some() && files.is_file(path) {
        return Some(path.to_owned());
    }
    let typed: &[&str] = match known {
        Some("js") => &["ts", "tsx"],
        Some("jsx") => &["tsx"],
        Some("mjs") => &["mts"],
        Some("cjs") => &["cts"],
        _ => &[],
    };
    let swapped = typed.iter().map(|e| path.with_extension(e));
    let with_extension = EXTENSIONS.iter().map(|e| {
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(e);
        PathBuf::from(name)
    });
    let index = EXTENSIONS.iter().map(|e| path.join(format!("index.{e}")));
    swapped.chain(with_extension).chain(index).find(|p| files.is_file(p))
}

fn nearest_config(files: &Files, folder: &Path) -> Option<std::sync::Arc<Option<TsConfig>>> {
    files.upwards(folder).map(|dir| files.tsconfig(dir)).find(|c| c.is_some())
}

/// `baseUrl` and `paths` of a `tsconfig.json` or `jsconfig.json`.
#[derive(Debug, Default)]
pub(super) struct TsConfig {
    base: Option<PathBuf>,
    paths: Vec<(String, Vec<PathBuf>)>,
}

impl TsConfig {
    /// Reads the file, following relative `extends` a few steps.
    pub(super) fn read(files: &Files, path: &Path) -> Option<Self> {
        let mut out = Self::default();
        let mut next = Some(path.to_owned());
        let mut found = false;
        for _ in 0..5 {
            let Some(file) = next.take() else { break };
            let Some(value) = read_inside(&files.root, &file).and_then(|t| jsonc::parse(&t)) else { break };
            found = true;
            let folder = file.parent().unwrap_or(&files.root).to_owned();
            out.take(&folder, &value["compilerOptions"]);
            if let Some(parent) = value["extends"].as_str().filter(|p| is_relative(p)) {
                let mut parent = join(&folder, parent)?;
                if parent.extension().is_none_or(|e| e != "json") {
                    parent.as_mut_os_string().push(".json");
                }
                next = Some(parent);
            }
        }
        found.then_some(out)
    }

    /// What a nearer file says counts.
    fn take(&mut self, folder: &Path, options: &Value) {
        let base = options["baseUrl"].as_str().and_then(|b| join(folder, b));
        if self.paths.is_empty()
            && let Some(paths) = options["paths"].as_object()
        {
            let against = base.as_deref().or(self.base.as_deref()).unwrap_or(folder);
            for (pattern, targets) in paths.iter().take(500) {
                let targets = targets.as_array().into_iter().flatten().filter_map(Value::as_str).filter_map(|t| join(against, t));
                self.paths.push((pattern.clone(), targets.take(20).collect()));
            }
        }
        if self.base.is_none() {
            self.base = base;
        }
    }

    /// The places a specifier may stand for, best first.
    fn targets(&self, specifier: &str) -> Vec<PathBuf> {
        let mut out = Vec::new();
        for (pattern, targets) in &self.paths {
            if let Some((prefix, suffix)) = pattern.split_once('*') {
                let middle = specifier.strip_prefix(prefix).and_then(|s| s.strip_suffix(suffix));
                if let Some(middle) = middle.filter(|m| !m.split('/').any(|p| p == "..")) {
                    out.extend(targets.iter().filter_map(|t| Some(PathBuf::from(t.to_str()?.replacen('*', middle, 1)))));
                }
            } else if pattern == specifier {
                out.extend(targets.iter().cloned());
            }
        }
        out.extend(self.base.as_ref().and_then(|b| join(b, specifier)));
        out
    }

    fn has_alias(&self, package: &str) -> bool {
        self.paths.iter().any(|(pattern, _)| match pattern.split_once('*') {
            Some((prefix, _)) => prefix.trim_end_matches('/') == package || (!prefix.is_empty() && package.starts_with(prefix)),
            None => pattern == package,
        })
    }
}

/// What is known of a package.
pub(super) fn dependency(files: &Files, from: &str, package: &str) -> Dependency {
    // Aliases of bundlers and runtimes (`@/x`, `~/x`, `#x`, `virtual:x`): only their own configuration knows them.
    if package.starts_with(['#', '~', '$', '/', '.']) || package.starts_with("@/") || package == "@" || package.contains(':') {
        return Dependency::NoManifest;
    }
    let folder = files.folder(from);
    if let Some(config) = nearest_config(files, &folder)
        && let Some(config) = config.as_ref()
        && (config.has_alias(package)
            || config.base.as_ref().is_some_and(|b| b.join(package).is_dir() || file_at(files, &b.join(package)).is_some()))
    {
        return Dependency::Known;
    }
    let mut declared = false;
    for dir in files.upwards(&folder) {
        let manifests = files.manifests(dir);
        if manifests.javascript.contains(package) || dir.join("node_modules").join(package).is_dir() {
            return Dependency::Known;
        }
        let types = format!("@types/{}", package.trim_start_matches('@').replace('/', "__"));
        if manifests.javascript.contains(&types) {
            return Dependency::Known;
        }
        declared |= manifests.has_javascript;
    }
    if declared { Dependency::Undeclared } else { Dependency::NoManifest }
}
