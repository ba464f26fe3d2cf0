//! What ignore files say, read with limits: they come with the workspace, may be pipes, and may be made to cost much.

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use qualm_origin::{ledger::common_folder, regular};
use rustc_hash::FxHashMap;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// An ignore file larger than this many bytes, or with more lines, is not gone by.
const MAX_BYTES: u64 = 64 * 1024;
const MAX_LINES: usize = 5000;
/// All ignore files of a walk together.
const MAX_TOTAL: u64 = 8 * 1024 * 1024;

/// The ignore files of a walk, each read once, when first needed.
#[derive(Default)]
pub(super) struct Ignoring {
    levels: Mutex<FxHashMap<PathBuf, Arc<Level>>>,
    global: OnceLock<Gitignore>,
    told: Mutex<Told>,
}

struct Told {
    /// So many bytes may still be read.
    left: u64,
    problems: Vec<String>,
}

impl Default for Told {
    fn default() -> Self {
        Self { left: MAX_TOTAL, problems: Vec::new() }
    }
}

/// What the ignore files of one folder say.
struct Level {
    /// `.ignore`, which counts before all others.
    ignore: Gitignore,
    /// `.gitignore`.
    git: Gitignore,
    /// `info/exclude` of the repository.
    exclude: Gitignore,
    /// What lies above is another repository's business.
    is_top: bool,
    above: Option<Arc<Level>>,
}

impl Ignoring {
    /// Whether an entry is ignored, its folder not being so.
    pub fn ignored(&self, path: &Path, is_folder: bool) -> bool {
        let Some(folder) = path.parent() else { return false };
        let level = self.level(folder);
        let levels = || std::iter::successors(Some(&*level), |l| l.above.as_deref());
        let own = levels().position(|l| l.is_top).map_or(usize::MAX, |at| at + 1);
        let matched = |rules: &Gitignore| rules.matched(path, is_folder).map(drop);
        // In the order in which they count; in each kind the nearest first.
        let mut said = (levels().map(|l| matched(&l.ignore)))
            .chain(levels().take(own).map(|l| matched(&l.git)))
            .chain(levels().take(own).map(|l| matched(&l.exclude)))
            .chain(std::iter::once_with(|| matched(self.global.get_or_init(|| Gitignore::global().0))));
        said.find(|m| !m.is_none()).is_some_and(|m| m.is_ignore())
    }

    /// What could not be gone by.
    pub fn problems(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).problems.clone()
    }

    fn level(&self, folder: &Path) -> Arc<Level> {
        let known = |folder: &Path| self.levels.lock().unwrap_or_else(PoisonError::into_inner).get(folder).cloned();
        let unknown: Vec<&Path> = folder.ancestors().take_while(|f| known(f).is_none()).collect();
        let mut above = unknown.last().map_or(Some(folder), |f| f.parent()).and_then(known);
        for folder in unknown.into_iter().rev() {
            let level = Arc::new(self.read(folder, above));
            self.levels.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned(), level.clone());
            above = Some(level);
        }
        // Its folder is among those that were just read.
        above.unwrap_or_else(|| Arc::new(self.read(folder, None)))
    }

    fn read(&self, folder: &Path, above: Option<Arc<Level>>) -> Level {
        let is_top = folder.join(".git").exists();
        let exclude = if is_top { common_folder(folder).map(|common| common.join("info").join("exclude")) } else { None };
        Level {
            ignore: self.file(folder, &folder.join(".ignore")),
            git: self.file(folder, &folder.join(".gitignore")),
            exclude: exclude.map_or_else(Gitignore::empty, |file| self.file(folder, &file)),
            is_top,
            above,
        }
    }

    fn file(&self, folder: &Path, file: &Path) -> Gitignore {
        if file.symlink_metadata().is_err() {
            return Gitignore::empty();
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        rules(folder, file, &mut told.left).unwrap_or_else(|why| {
            told.problems.push(format!("{}: this ignore file does not count: {why}", file.display()));
            Gitignore::empty()
        })
    }
}

fn rules(folder: &Path, file: &Path, left: &mut u64) -> Result<Gitignore, String> {
    let too_large = || format!("it has more than {} KiB or {MAX_LINES} lines", MAX_BYTES / 1024);
    let bytes = regular::read(file, MAX_BYTES).map_err(|e| e.to_string())?.map_err(|_| too_large())?;
    let Some(rest) = left.checked_sub(bytes.len() as u64) else { return Err("there are too many of them".to_owned()) };
    *left = rest;
    let text = String::from_utf8_lossy(&bytes);
    if text.lines().count() > MAX_LINES {
        return Err(too_large());
    }
    let mut builder = GitignoreBuilder::new(folder);
    for line in text.trim_start_matches('\u{feff}').lines() {
        // git too goes by the other lines.
        let _ = builder.add_line(None, line);
    }
    builder.build().map_err(|e| e.to_string())
}
