//! Where a ledger lives and what it calls a file: in the common folder of the git repository, so that all worktrees
//! share it and nothing appears in the working tree, or in the user's state folder outside of repositories.
//! Only files are read here; git itself is not run.

use crate::regular;
use std::{
    ffi::OsString,
    io::{Read, Seek, SeekFrom},
    path::{Component, Path, PathBuf},
};

/// Longer paths exist on no system.
const MAX_NAME: usize = 4096;
/// Only so much of the end of git's log of the head is read.
const MAX_LOG: u64 = 16 * 1024;

/// A ledger's file and the folder whose files it speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The database.
    pub file: PathBuf,
    /// The top of the working tree; `None` outside of repositories, where files go by their absolute paths.
    pub top: Option<PathBuf>,
}

impl Place {
    /// The ledger of a file or folder, which need not exist. `None` if neither a repository nor a home is to be found.
    pub fn of(path: &Path) -> Option<Self> {
        Self::with_state(path, state_folder())
    }

    /// [`Place::of`] with the state folder given.
    pub fn with_state(path: &Path, state: Option<PathBuf>) -> Option<Self> {
        let path = resolved(path);
        for folder in path.ancestors() {
            if let Some(common) = common_folder(folder) {
                return Some(Self { file: common.join("qualm").join("ledger.sqlite"), top: Some(folder.to_owned()) });
            }
        }
        Some(Self { file: state?.join("qualm").join("ledger.sqlite"), top: None })
    }

    /// The name of a file in this ledger; `None` for one outside of the working tree, and for a repository's own files.
    pub fn name(&self, path: &Path) -> Option<String> {
        let path = resolved(path);
        let inside = match &self.top {
            Some(top) => path.strip_prefix(top).ok()?,
            None => &path,
        };
        if inside.as_os_str().is_empty() || inside.components().any(|c| c.as_os_str() == ".git") {
            return None;
        }
        inside.to_str().filter(|name| name.len() <= MAX_NAME).map(|name| name.replace('\\', "/"))
    }
}

/// An absolute path without `.` and `..`, with links resolved as far as it exists. Relative paths are left as they are
/// but for that.
pub fn resolved(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                // What `..` means depends on links, so those before it are resolved first.
                plain = plain.canonicalize().unwrap_or(plain);
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    let mut missing: Vec<OsString> = Vec::new();
    let mut there = plain.clone();
    loop {
        if let Ok(real) = there.canonicalize() {
            return missing.iter().rev().fold(real, |path, name| path.join(name));
        }
        match there.file_name() {
            Some(name) => missing.push(name.to_owned()),
            None => return plain,
        }
        if !there.pop() {
            return plain;
        }
    }
}

/// The common git folder of a working tree's top folder.
pub fn common_folder(top: &Path) -> Option<PathBuf> {
    let own = own_folder(top)?;
    let common = match short_file(&own.join("commondir")) {
        Some(line) => own.join(line.trim()),
        None => own,
    };
    // A file called `.git` may come with a download and name any folder; only a repository is written into.
    let real = common.canonicalize().ok()?;
    (real.join("HEAD").is_file() && real.join("objects").is_dir()).then_some(real)
}

/// The git folder of one working tree.
fn own_folder(top: &Path) -> Option<PathBuf> {
    let dot_git = top.join(".git");
    if dot_git.is_dir() {
        return Some(dot_git);
    }
    let line = short_file(&dot_git)?;
    Some(top.join(line.strip_prefix("gitdir:")?.trim()))
}

/// When git last put other files into a working tree (a checkout, pull, merge, reset or rebase, not a commit), in
/// milliseconds since 1970, as far as its log of the head says.
pub fn last_checkout(top: &Path) -> Option<i64> {
    let mut log = regular::open(&own_folder(top)?.join("logs/HEAD")).ok()?;
    let size = log.metadata().ok()?.len();
    log.seek(SeekFrom::Start(size.saturating_sub(MAX_LOG))).ok()?;
    let mut end = Vec::new();
    log.take(MAX_LOG).read_to_end(&mut end).ok()?;
    String::from_utf8_lossy(&end).lines().rev().find_map(|line| {
        let (head, action) = line.split_once('\t')?;
        let action = action.split([':', ' ']).next()?;
        if !matches!(action, "checkout" | "pull" | "merge" | "reset" | "rebase" | "cherry-pick" | "revert" | "clone" | "am") {
            return None;
        }
        let seconds: i64 = head.rsplit_once('>')?.1.split_whitespace().next()?.parse().ok()?;
        Some(seconds.saturating_mul(1000))
    })
}

/// Reads a file of one short line.
fn short_file(path: &Path) -> Option<String> {
    String::from_utf8(regular::read(path, 4095).ok()?.ok()?).ok()
}

/// The user's folder for state that is no configuration and no cache.
fn state_folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    if let Some(folder) = absolute("XDG_STATE_HOME") {
        return Some(folder);
    }
    if cfg!(windows) {
        return absolute("LOCALAPPDATA");
    }
    let home = std::env::home_dir()?;
    Some(if cfg!(target_os = "macos") { home.join("Library/Application Support") } else { home.join(".local/state") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn repository(top: &Path) {
        fs::create_dir_all(top.join(".git/objects")).unwrap();
        fs::write(top.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    }

    #[test]
    fn worktrees_share_the_common_folder() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        repository(&root.join("main"));
        fs::create_dir_all(root.join("main/.git/worktrees/w")).unwrap();
        fs::write(root.join("main/.git/worktrees/w/commondir"), "../..\n").unwrap();
        fs::create_dir_all(root.join("w/sub")).unwrap();
        fs::write(root.join("w/.git"), format!("gitdir: {}\n", root.join("main/.git/worktrees/w").display())).unwrap();
        let place = Place::of(&root.join("w/sub/a.py")).unwrap();
        assert_eq!(place.file, root.join("main/.git/qualm/ledger.sqlite"));
        assert_eq!(place.name(&root.join("w/sub/a.py")).as_deref(), Some("sub/a.py"));
        assert_eq!(place.name(&root.join("w/sub/../../main/a.py")), None);
        assert_eq!(place.name(&root.join("w/.git/config")), None);
    }

    #[test]
    fn a_git_file_cannot_point_anywhere() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("victim")).unwrap();
        fs::create_dir_all(root.join("download")).unwrap();
        fs::write(root.join("download/.git"), "gitdir: ../victim\n").unwrap();
        let place = Place::with_state(&root.join("download/a.py"), Some(root.join("state"))).unwrap();
        assert_eq!(place.file, root.join("state/qualm/ledger.sqlite"));
        assert_eq!(place.name(&root.join("download/a.py")), Some(root.join("download/a.py").to_str().unwrap().to_owned()));
    }

    #[test]
    fn a_commit_is_no_checkout() {
        let folder = tempfile::tempdir().unwrap();
        repository(folder.path());
        assert_eq!(last_checkout(folder.path()), None);
        let id = "0".repeat(40);
        let line = |time: u32, what: &str| format!("{id} {id} A <a@b> {time} +0100\t{what}\n");
        let log = [line(5, "clone: from x"), line(7, "checkout: moving from a to b"), line(9, "commit: x"), line(11, "commit (amend): x")];
        fs::create_dir(folder.path().join(".git/logs")).unwrap();
        fs::write(folder.path().join(".git/logs/HEAD"), log.concat()).unwrap();
        assert_eq!(last_checkout(folder.path()), Some(7000));
        fs::write(folder.path().join(".git/logs/HEAD"), line(13, "pull origin main: Fast-forward")).unwrap();
        assert_eq!(last_checkout(folder.path()), Some(13_000));
    }

    #[cfg(unix)]
    #[test]
    fn links_do_not_lead_outside() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        repository(&root.join("r"));
        fs::create_dir_all(root.join("other")).unwrap();
        std::os::unix::fs::symlink(root.join("other"), root.join("r/link")).unwrap();
        let place = Place::of(&root.join("r")).unwrap();
        assert_eq!(place.name(&root.join("r/link/a.py")), None);
        assert_eq!(place.name(&root.join("r/new/a.py")).as_deref(), Some("new/a.py"));
    }
}
