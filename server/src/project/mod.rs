//! The file system as the engine's [`Project`]: which file an import names, and which packages are declared.
//! Everything stays inside the root (symbolic links resolved), every file read is bounded, and everything
//! is cached until the file changes.

mod javascript;
mod jsonc;
mod manifest;
mod python;

use crate::files::{self, Content};
use dashmap::DashMap;
use qualm_engine::{Dependency, Language, Module, Project};
use std::{
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// The text of a document that is open in an editor, by its absolute path; it counts instead of the file.
pub type Overlay = dyn Fn(&Path) -> Option<Arc<str>> + Send + Sync;

/// More lowered modules than this are not kept.
const MAX_MODULES: usize = 4000;
/// How long what was learnt from manifests holds before their time stamps are looked at again.
const MANIFEST_AGE: Duration = Duration::from_secs(2);

/// Whether what is known of packages and of where imports lead may change with this file.
pub fn is_manifest(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    let configures = name.ends_with(".json") && (name.starts_with("tsconfig") || name.starts_with("jsconfig"));
    configures || manifest::may_be(path)
}

/// A project folder. Shared by threads.
pub struct Files {
    root: PathBuf,
    overlay: Option<Box<Overlay>>,
    modules: DashMap<PathBuf, (Stamp, Arc<Module>)>,
    manifests: DashMap<PathBuf, Kept<manifest::Manifests>>,
    tsconfigs: DashMap<PathBuf, Kept<Option<javascript::TsConfig>>>,
}

/// What tells that a file is still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// Modification time and size.
    File(Option<SystemTime>, u64),
    /// Hash of an open document's text.
    Open(u64),
}

/// A value with the files it was made from.
struct Kept<T> {
    value: Arc<T>,
    stamps: Vec<(PathBuf, Option<Stamp>)>,
    looked: Instant,
}

impl Files {
    /// The project in `root`.
    pub fn new(root: PathBuf) -> Self {
        let root = root.canonicalize().unwrap_or(root);
        Self { root, overlay: None, modules: DashMap::new(), manifests: DashMap::new(), tsconfigs: DashMap::new() }
    }

    /// Documents that are open in an editor count instead of their files.
    pub fn with_overlay(mut self, overlay: Box<Overlay>) -> Self {
        self.overlay = Some(overlay);
        self
    }

    /// The project's root, symbolic links resolved.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Forgets what was learnt from manifests and configuration files, so that a change counts at once.
    pub fn forget_manifests(&self) {
        self.manifests.clear();
        self.tsconfigs.clear();
    }

    fn open_text(&self, path: &Path) -> Option<Arc<str>> {
        self.overlay.as_ref().and_then(|overlay| overlay(path))
    }

    /// Whether there is such a file (or open document) inside the project.
    fn is_file(&self, path: &Path) -> bool {
        path.is_file() || self.open_text(path).is_some()
    }

    /// The real place of a path if it lies inside the root. A path that exists only in an editor is its own.
    fn inside(&self, path: &Path) -> Option<PathBuf> {
        let real = path.canonicalize().or_else(|e| if self.open_text(path).is_some() { Ok(path.to_owned()) } else { Err(e) }).ok()?;
        real.starts_with(&self.root).then_some(real)
    }

    /// The folder of a project file, by the file's name.
    fn folder(&self, name: &str) -> PathBuf {
        let path = self.root.join(name);
        path.parent().map_or_else(|| self.root.clone(), Path::to_owned)
    }

    /// The folders from `folder` up to the root.
    fn upwards<'p>(&'p self, folder: &'p Path) -> impl Iterator<Item = &'p Path> {
        folder.ancestors().take_while(|d| d.starts_with(&self.root))
    }

    /// A lowered module, from the cache if its file is unchanged.
    fn load(&self, path: &Path, importer: Language) -> Option<Arc<Module>> {
        let path = self.inside(path)?;
        let open = self.open_text(&path);
        let stamp = match &open {
            Some(text) => Stamp::Open(qualm_engine::analysis::hash(text)),
            None => stamp(&path)?,
        };
        if let Some(kept) = self.modules.get(&path)
            && kept.0 == stamp
        {
            return Some(kept.1.clone());
        }
        let text: Arc<str> = match open {
            Some(text) if text.len() as u64 <= files::MAX_FILE => text,
            Some(_) => return None,
            None => match files::read(&path, files::MAX_FILE).ok()? {
                Content::Text(text) => text.text.into(),
                _ => return None,
            },
        };
        let name = path.strip_prefix(&self.root).ok()?.to_string_lossy().replace('\\', "/");
        let language = Language::by_path(&name).filter(|l| l.info().models == importer.info().models)?;
        let module = Arc::new(Module::parse(&name, language, &text)?);
        if self.modules.len() >= MAX_MODULES {
            self.modules.clear();
        }
        self.modules.insert(path, (stamp, module.clone()));
        Some(module)
    }

    /// A value made from files: kept while their time stamps stay the same.
    fn kept<T>(
        cache: &DashMap<PathBuf, Kept<T>>,
        key: &Path,
        names: impl Fn() -> Vec<PathBuf>,
        make: impl FnOnce(&[PathBuf]) -> T,
    ) -> Arc<T> {
        if let Some(kept) = cache.get(key)
            && kept.looked.elapsed() < MANIFEST_AGE
        {
            return kept.value.clone();
        }
        let paths = names();
        let stamps: Vec<_> = paths.iter().map(|p| (p.clone(), stamp(p))).collect();
        if let Some(mut kept) = cache.get_mut(key)
            && kept.stamps == stamps
        {
            kept.looked = Instant::now();
            return kept.value.clone();
        }
        let value = Arc::new(make(&paths));
        cache.insert(key.to_owned(), Kept { value: value.clone(), stamps, looked: Instant::now() });
        value
    }

    fn manifests(&self, folder: &Path) -> Arc<manifest::Manifests> {
        Self::kept(&self.manifests, folder, || manifest::candidates(folder), |paths| manifest::read(&self.root, folder, paths))
    }

    fn tsconfig(&self, folder: &Path) -> Arc<Option<javascript::TsConfig>> {
        let names = || vec![folder.join("tsconfig.json"), folder.join("jsconfig.json")];
        Self::kept(&self.tsconfigs, folder, names, |paths| paths.iter().find_map(|p| javascript::TsConfig::read(self, p)))
    }
}

impl Project for Files {
    fn module(&self, from: &str, specifier: &str, language: Language) -> Option<Arc<Module>> {
        // Names come from source code: nobody writes longer ones by hand.
        if specifier.is_empty() || specifier.len() > 512 || specifier.contains('\0') {
            return None;
        }
        let path = match language {
            Language::Python => python::resolve(self, from, specifier),
            Language::JavaScript | Language::TypeScript | Language::Tsx => javascript::resolve(self, from, specifier),
        }?;
        self.load(&path, language)
    }

    fn dependency(&self, from: &str, package: &str, language: Language) -> Dependency {
        if package.is_empty() || package.len() > 256 || package.contains(['\0', '\\']) || package.split('/').any(|p| p == "..") {
            return Dependency::NoManifest;
        }
        match language {
            Language::Python => python::dependency(self, from, package),
            Language::JavaScript | Language::TypeScript | Language::Tsx => javascript::dependency(self, from, package),
        }
    }
}

/// One view of the file system per project root, shared by all threads.
#[derive(Default)]
pub struct Projects(DashMap<PathBuf, Arc<Files>>);

impl Projects {
    /// The view of the project in `root`.
    pub fn of(&self, root: &Path) -> Arc<Files> {
        if let Some(files) = self.0.get(root) {
            return files.clone();
        }
        self.0.entry(root.to_owned()).or_insert_with(|| Arc::new(Files::new(root.to_owned()))).clone()
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = path.metadata().ok()?;
    Some(Stamp::File(metadata.modified().ok(), metadata.len()))
}

/// The text of a configuration file of at most 4 MiB inside the root.
fn read_inside(root: &Path, path: &Path) -> Option<String> {
    let real = path.canonicalize().ok().filter(|r| r.starts_with(root))?;
    match files::read(&real, 4 * 1024 * 1024).ok()? {
        Content::Text(text) => Some(text.text),
        _ => None,
    }
}

/// Joins without the file system: `a/b` and `../c` is `a/c`. `None` above the top.
fn join(folder: &Path, relative: &str) -> Option<PathBuf> {
    let mut out = folder.to_owned();
    for part in Path::new(relative).components() {
        match part {
            Component::Normal(p) => out.push(p),
            Component::CurDir => {}
            Component::ParentDir if out.pop() => {}
            _ => return None,
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests;
