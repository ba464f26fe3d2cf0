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
/// A repository's configuration is not longer.
const MAX_CONFIG: u64 = 256 * 1024;
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

/// The common git folder of a working tree's top folder, if it is that tree's own: a `.git` file, link or folder may come
/// with a download and name the repository of somebody else, who must know of this tree for it to count.
pub fn common_folder(top: &Path) -> Option<PathBuf> {
    let top = top.canonicalize().ok()?;
    let own = own_folder(&top)?.canonicalize().ok()?;
    let common = match short_file(&own.join("commondir")) {
        Some(line) => own.join(line.trim()).canonicalize().ok()?,
        None => own.clone(),
    };
    let is_repository = common.join("HEAD").is_file() && common.join("objects").is_dir();
    let is_own = if own != common {
        // A linked working tree: both name each other.
        let back = short_file(&own.join("gitdir")).and_then(|line| own.join(line.trim()).parent()?.canonicalize().ok());
        own.parent() == Some(&common.join("worktrees")) && back.as_ref() == Some(&top)
    } else if own == top.join(".git") {
        true
    } else {
        // A submodule's folder names its tree. One that was put elsewhere on purpose names none, and is no other tree's.
        match working_tree(&own) {
            Some(tree) => own.join(tree).canonicalize().is_ok_and(|tree| tree == top),
            None => own.file_name().is_some_and(|name| name != ".git"),
        }
    };
    (is_repository && is_own).then_some(common)
}

/// `core.worktree` of a git folder. A bare repository's is one that cannot be: it has none.
fn working_tree(own: &Path) -> Option<String> {
    let config = String::from_utf8(regular::read(&own.join("config"), MAX_CONFIG).ok()?.ok()?).ok()?;
    let settings = || config.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.trim(), value.trim()));
    let bare = settings().any(|(key, value)| key.eq_ignore_ascii_case("bare") && value.eq_ignore_ascii_case("true"));
    let tree = settings().find(|(key, _)| key.eq_ignore_ascii_case("worktree")).map(|(_, value)| value.trim_matches('"').to_owned());
    tree.or_else(|| bare.then(|| "\0".to_owned()))
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
        fs::write(root.join("main/.git/worktrees/w/gitdir"), format!("{}\n", root.join("w/.git").display())).unwrap();
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
    fn a_git_file_cannot_name_a_repository_that_does_not_know_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        repository(&root.join("victim"));
        let git = root.join("victim/.git");
        fs::create_dir_all(git.join("worktrees/w")).unwrap();
        fs::write(git.join("worktrees/w/commondir"), "../..\n").unwrap();
        fs::write(git.join("worktrees/w/gitdir"), format!("{}\n", root.join("w/.git").display())).unwrap();
        let ours = root.join("state/qualm/ledger.sqlite");
        let place = |name: &str| Place::with_state(&root.join(name).join("a.py"), Some(root.join("state"))).unwrap().file;
        for (name, line) in [("one", "../victim/.git"), ("two", "../victim/.git/worktrees/w")] {
            fs::create_dir_all(root.join(name)).unwrap();
            fs::write(root.join(name).join(".git"), format!("gitdir: {line}\n")).unwrap();
            assert_eq!(place(name), ours, "{name}");
        }
        // A whole `.git` folder that says that it is but a working tree of another one.
        repository(&root.join("three"));
        fs::write(root.join("three/.git/commondir"), "../../victim/.git\n").unwrap();
        assert_eq!(place("three"), ours);
        // Submodules, and folders that somebody put elsewhere.
        for (name, target, config, known) in [
            ("sub", "victim/.git/modules/sub", "[core]\n\tworktree = ../../../../sub\n", true),
            ("other", "victim/.git/modules/sub", "", false),
            ("apart", "gitdirs/apart.git", "[core]\n\tbare = false\n", true),
            ("bare", "gitdirs/bare.git", "[core]\n\tbare = true\n", false),
        ] {
            let target = root.join(target);
            fs::create_dir_all(target.join("objects")).unwrap();
            fs::write(target.join("HEAD"), "ref: refs/heads/main\n").unwrap();
            if !config.is_empty() {
                fs::write(target.join("config"), config).unwrap();
            }
            fs::create_dir_all(root.join(name)).unwrap();
            fs::write(root.join(name).join(".git"), format!("gitdir: {}\n", target.display())).unwrap();
            assert_eq!(place(name), if known { target.join("qualm/ledger.sqlite") } else { ours.clone() }, "{name}");
        }
        #[cfg(unix)]
        {
            fs::create_dir_all(root.join("linked")).unwrap();
            std::os::unix::fs::symlink(&git, root.join("linked/.git")).unwrap();
            assert_eq!(place("linked"), ours);
        }
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
