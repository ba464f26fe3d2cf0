//! The command line from outside: the binary runs on temporary projects with rules of their own.
#![allow(clippy::unwrap_used)]

mod check;
mod commands;
mod history;
mod hook;
mod hostile;
mod hostile_ledger;
mod origin;
mod setup;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{OnceLock, mpsc},
    time::Duration,
};
use tempfile::TempDir;

/// A team rule that finds `FORBIDDEN_...` in any file.
const MARKER: &str = r#"+++
id = "team-marker"
cwe = [798]
severity = "warning"
persona = "regular"
[text]
in = ["string", "comment", "code"]
regex = ['FORBIDDEN_[A-Z]+']
+++
# Marker of the team

Nothing marked so may be shipped. It leaks.

## Lesson

Remove it.

```python bad
x = "FORBIDDEN_THING"  # finding
```
```python good
x = "fine"
```
"#;

/// A team rule that speaks in foreign text only.
const PEDANTIC: &str = r#"+++
id = "team-pedantic"
cwe = [1]
severity = "info"
persona = "pedantic"
[text]
in = ["string", "comment", "code"]
regex = ['ODD_[A-Z]+']
+++
# Odd marker

Odd in what comes from outside.

```python bad
x = "ODD_THING"  # finding
```
"#;

/// A team rule with a safe rewrite.
const REWRITE: &str = r#"+++
id = "team-digest"
cwe = [327]
severity = "error"
persona = "regular"
[[call]]
path = "hashlib.md5"
[fix]
recipe = "replace-call"
with = "hashlib.sha256"
safety = "safe"
+++
# Weak digest

Broken since long.

```python bad
import hashlib
hashlib.md5(b"x")  # finding
```
```python fixed
import hashlib
hashlib.sha256(b"x")
```
"#;

/// A temporary project.
struct Project {
    folder: TempDir,
}

impl Project {
    /// A project with these files and the team's rules, closed at the top by a `qualm.toml`.
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        let rules = [("qualm.toml", ""), (".qualm/rules/team/team-marker.md", MARKER), (".qualm/rules/team/team-pedantic.md", PEDANTIC)];
        for (name, text) in rules.iter().chain(files) {
            project.write(name, text.as_bytes());
        }
        project
    }

    fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Runs the command in the project.
    fn qualm(&self, args: &[&str]) -> Ran {
        Ran(command(&self.path(), args).output().unwrap())
    }

    /// Runs it with standard input.
    fn qualm_with(&self, args: &[&str], input: &[u8]) -> Ran {
        use std::io::Write;
        let mut child = command(&self.path(), args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        let writer = std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ran(output)
    }

    fn git(&self, args: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main", "-c", "core.autocrlf=false"])
            .args(args)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("NO_COLOR");
    command
}

/// The `qualm` binary beside the tests: cargo does not name binaries of other packages, so it is built when missing
/// or when told with `QUALM_BIN`, taken as it is.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("QUALM_BIN") {
            return path.into();
        }
        let test = std::env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap().to_owned();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "-p", "qualm", "--bin", "qualm"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "the binary cannot be built");
        profile.join(format!("qualm{}", std::env::consts::EXE_SUFFIX))
    })
}

/// A finished run.
struct Ran(Output);

impl Ran {
    fn code(&self) -> i32 {
        self.0.status.code().unwrap_or(-1)
    }

    fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    fn err(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "stdout:\n{}\nstderr:\n{}", self.out(), self.err());
        self
    }

    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.0.stdout).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out(), self.err()))
    }

    /// `(file, line, rule)` of a JSON report.
    #[track_caller]
    fn found(&self) -> Vec<(String, u64, String)> {
        let report = self.json();
        let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
        let findings = report["findings"].as_array().unwrap();
        findings.iter().map(|f| (text(&f["file"]), f["start"]["line"].as_u64().unwrap(), text(&f["rule"]))).collect()
    }
}

/// Waits for a process that may hang, and ends it then.
fn ended(mut child: Child) -> Ran {
    let id = child.id();
    let (tell, told) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if told.recv_timeout(Duration::from_secs(60)).is_err_and(|e| e == mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        }
    });
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    drop(tell);
    watch.join().unwrap();
    let ran = Ran(output);
    assert_ne!(ran.code(), -1, "it hung: {}", ran.err());
    ran
}

/// A row of [`Ran::found`].
fn row(file: &str, line: u64, rule: &str) -> (String, u64, String) {
    (file.to_owned(), line, rule.to_owned())
}
