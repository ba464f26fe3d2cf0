//! Running git so that it runs nothing else, asks nobody, and comes to an end: a repository may have come with a
//! download, and any file of it may be a pipe or a program's name.

use anyhow::{Context, ensure};
use qualm_origin::regular;
use std::{
    ffi::OsStr,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

/// A git that gives no answer for so long is ended.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer settings are not looked through.
const MAX_CONFIG: u64 = 1 << 20;
/// Files that git opens whatever it is asked, relative to its folder and to that of all working trees.
const READ_FIRST: &[&str] =
    &["HEAD", "config", "config.worktree", "commondir", "packed-refs", "shallow", "info/grafts", "objects/info/alternates", "index"];

/// A git command that runs nothing but git itself, asks nobody and changes nothing.
pub(crate) fn git(top: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(top).args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-pager"]);
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_OPTIONAL_LOCKS", "0").env("GIT_NO_LAZY_FETCH", "1").env("LC_ALL", "C");
    for name in ["GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_EXTERNAL_DIFF", "GIT_TRACE"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    fed(command, String::new())
}

/// Runs a command to its end, with an input.
pub(crate) fn fed(command: &mut Command, input: String) -> io::Result<Output> {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let (running, pipes) = Running::start(command)?;
    running.busy(true);
    // It may answer before it has read all, and close its input early; what it answers counts.
    let writer = pipes.input.map(|mut pipe| thread::spawn(move || pipe.write_all(input.as_bytes())));
    let errors = pipes.errors.map(|mut pipe| {
        thread::spawn(move || {
            let mut said = Vec::new();
            let _ = pipe.read_to_end(&mut said);
            said
        })
    });
    let mut stdout = Vec::new();
    if let Some(mut pipe) = pipes.output {
        pipe.read_to_end(&mut stdout)?;
    }
    let stderr = errors.and_then(|e| e.join().ok()).unwrap_or_default();
    if let Some(writer) = writer {
        let _ = writer.join();
    }
    Ok(Output { status: running.wait()?, stdout, stderr })
}

/// A git process, ended if it is busy for too long, and when dropped.
pub(crate) struct Running {
    child: Arc<Mutex<Child>>,
    signs: Sender<bool>,
}

/// What a process reads and writes, as far as the command has it piped.
pub(crate) struct Pipes {
    pub input: Option<ChildStdin>,
    pub output: Option<ChildStdout>,
    pub errors: Option<ChildStderr>,
}

impl Running {
    pub fn start(command: &mut Command) -> io::Result<(Self, Pipes)> {
        let mut child = command.spawn()?;
        let pipes = Pipes { input: child.stdin.take(), output: child.stdout.take(), errors: child.stderr.take() };
        let child = Arc::new(Mutex::new(child));
        let (signs, seen) = mpsc::channel();
        let watched = child.clone();
        thread::spawn(move || watch(&watched, &seen));
        Ok((Self { child, signs }, pipes))
    }

    /// It was asked something, or has answered.
    pub fn busy(&self, is: bool) {
        let _ = self.signs.send(is);
    }

    fn wait(&self) -> io::Result<ExitStatus> {
        lock(&self.child).wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn watch(child: &Mutex<Child>, signs: &Receiver<bool>) {
    let mut busy = false;
    loop {
        let sign = if busy { signs.recv_timeout(PATIENCE) } else { signs.recv().map_err(|_| RecvTimeoutError::Disconnected) };
        match sign {
            Ok(is) => busy = is,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                let _ = lock(child).kill();
                return;
            }
        }
    }
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Refuses a repository for which git would wait, before it is asked.
pub(crate) fn ensure_readable(top: &Path) -> anyhow::Result<()> {
    let own = top.join(".git");
    let folders = if own.is_dir() { vec![own] } else { vec![own.clone(), pointed_at(top).unwrap_or(own)] };
    for folder in folders {
        let common = regular::read(&folder.join("commondir"), 4096).ok().and_then(Result::ok);
        let common = common.and_then(|line| String::from_utf8(line).ok()).map(|line| folder.join(line.trim()));
        for folder in common.iter().chain([&folder]) {
            let files = READ_FIRST.iter().map(|name| folder.join(name)).chain([folder.clone()]);
            for file in files.chain(included(folder)) {
                let odd = file.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir());
                ensure!(!odd, "{} is not a regular file, so git is not asked", file.display());
            }
        }
    }
    Ok(())
}

/// The files that the settings in a git folder include.
fn included(folder: &Path) -> Vec<PathBuf> {
    let Ok(Ok(config)) = regular::read(&folder.join("config"), MAX_CONFIG) else { return Vec::new() };
    let config = String::from_utf8_lossy(&config);
    let mut including = false;
    let mut files = Vec::new();
    for line in config.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            including = section.get(..7).is_some_and(|s| s.eq_ignore_ascii_case("include"));
        }
        let setting = line.rsplit(']').next().unwrap_or(line).split_once('=');
        if let Some((_, path)) = setting.filter(|(key, _)| including && key.trim().eq_ignore_ascii_case("path")) {
            files.push(folder.join(path.trim().trim_matches('"')));
        }
    }
    files
}

/// The folder that a `.git` file names.
fn pointed_at(top: &Path) -> Option<PathBuf> {
    let line = String::from_utf8(regular::read(&top.join(".git"), 4096).ok()?.ok()?).ok()?;
    Some(top.join(line.strip_prefix("gitdir:")?.trim()))
}

/// A git folder without settings, with the objects of another one. `git blame` has to be asked there: it reads the file
/// that `blame.ignoreRevsFile` names, which no flag takes back, and tells of its first line if that is no commit.
pub(crate) struct Plain {
    folder: tempfile::TempDir,
    objects: PathBuf,
}

impl Plain {
    /// For the repository of a working tree. `commit` is one of its ids, which tells what kind they are.
    pub fn of(top: &Path, commit: &str) -> anyhow::Result<Self> {
        let asked = output(git(top).args(["rev-parse", "--git-common-dir"]))?;
        ensure!(asked.status.success(), "git does not tell where its objects are");
        let common = top.join(String::from_utf8_lossy(&asked.stdout).trim_end_matches('\n'));
        let folder = tempfile::Builder::new().prefix("qualm-").tempdir()?;
        let path = folder.path();
        std::fs::create_dir(path.join("refs"))?;
        std::fs::create_dir(path.join("objects"))?;
        std::fs::write(path.join("HEAD"), "ref: refs/heads/none\n")?;
        let format = if commit.len() > 40 { "[extensions]\n\tobjectFormat = sha256\n" } else { "" };
        std::fs::write(path.join("config"), format!("[core]\n\trepositoryFormatVersion = 1\n\tbare = true\n{format}"))?;
        // Where a shallow clone's history ends.
        if let Ok(Ok(shallow)) = regular::read(&common.join("shallow"), 16 << 20) {
            std::fs::write(path.join("shallow"), shallow)?;
        }
        Ok(Self { objects: common.join("objects"), folder })
    }

    pub fn git(&self) -> Command {
        let mut command = git(self.folder.path());
        command.env("GIT_DIR", self.folder.path()).env("GIT_OBJECT_DIRECTORY", &self.objects);
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", if cfg!(windows) { "NUL" } else { "/dev/null" });
        for name in ["GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS"] {
            command.env_remove(name);
        }
        command
    }
}

/// Why a command failed, in git's words: its first line, never more, as that may come from a file that it was made to read.
pub(crate) fn reason(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines().next().unwrap_or("it failed").trim_start_matches("fatal: ").to_owned()
}

/// Starts a process that answers as often as it is asked.
pub(crate) fn answering(top: &Path, args: &[impl AsRef<OsStr>]) -> anyhow::Result<(Running, ChildStdin, ChildStdout)> {
    let (running, pipes) =
        Running::start(git(top).args(args).stdin(Stdio::piped()).stderr(Stdio::null())).context("this needs the `git` command")?;
    Ok((running, pipes.input.context("git's input")?, pipes.output.context("git's output")?))
}
