//! What git knows of a file: who committed its lines, what those commits and their notes say. Only plumbing that runs
//! no configured program is used: `blame` of a commit (never of the working tree, whose filters git would run) and
//! `cat-file`.

use crate::git::process::{Plain, Running, answering, ensure_readable, fed, git, output, reason};
use anyhow::ensure;
use rustc_hash::{FxHashMap, FxHashSet};
use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout},
};

/// Larger objects (texts, notes) are not read.
const MAX_OBJECT: u64 = 16 * 1024 * 1024;

/// A repository that can be asked.
pub struct Repository {
    /// The top of its working tree.
    pub top: PathBuf,
    objects: Objects,
    commits: FxHashMap<String, Commit>,
    /// Where blame is asked, once it was.
    plain: Option<Plain>,
}

/// What a commit says.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Its parents.
    pub parents: Vec<String>,
    /// `Name <address>`.
    pub author: String,
    /// When it was committed, in seconds since 1970.
    pub time: i64,
    /// The message.
    pub message: String,
}

/// The commit a line came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blamed {
    /// Its id.
    pub commit: String,
    /// The file's path then.
    pub path: String,
    /// The line's number then, 1-based.
    pub line: u32,
}

impl Repository {
    /// Opens the repository of a working tree.
    pub fn open(top: &Path) -> anyhow::Result<Self> {
        ensure_readable(top)?;
        Ok(Self { top: top.to_owned(), objects: Objects::start(top)?, commits: FxHashMap::default(), plain: None })
    }

    /// Why git does not read this repository, if it does not: it may belong to another user, or be damaged.
    pub fn refused(&self) -> Option<String> {
        let output = output(git(&self.top).args(["rev-parse", "--git-dir"])).ok()?;
        let told = || format!("git does not read the repository, so commits are not considered: {}", reason(&output));
        (!output.status.success()).then(told)
    }

    /// The commit that a name stands for, if it does.
    pub fn resolve(&self, name: &str) -> Option<String> {
        crate::git::resolve(&self.top, name).ok()
    }

    /// Whether a name stands for a commit.
    pub fn has(&mut self, name: &str) -> bool {
        self.objects.read(name, "commit").is_some()
    }

    /// A file's text in a commit.
    pub fn text(&mut self, commit: &str, path: &str) -> Option<String> {
        let bytes = self.objects.read(&format!("{commit}:{path}"), "blob")?;
        (!bytes.iter().take(8192).any(|b| *b == 0)).then(|| crate::files::Text::new(bytes).text)
    }

    /// The note of a commit under a notes ref.
    pub fn note(&mut self, notes: &str, commit: &str) -> Option<String> {
        // Notes are files named by the commit; with many of them the name is split into folders.
        let names = [commit.to_owned(), format!("{}/{}", commit.get(..2)?, commit.get(2..)?)];
        let deeper = format!("{}/{}/{}", commit.get(..2)?, commit.get(2..4)?, commit.get(4..)?);
        let mut names = names.into_iter().chain([deeper]);
        let bytes = names.find_map(|name| self.objects.read(&format!("{notes}:{name}"), "blob"))?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The commits with a note under one of the refs that are not in the history of `head` (a full id), the newest first.
    pub fn noted_elsewhere(&self, refs: &[&str], head: Option<&str>) -> Vec<String> {
        let mut noted: FxHashSet<String> = FxHashSet::default();
        for notes in refs {
            let listed = output(git(&self.top).args(["ls-tree", "-r", "-z", "--name-only", "--full-tree", notes]));
            let Ok(listed) = listed.map(|o| String::from_utf8_lossy(&o.stdout).replace('/', "")) else { continue };
            let is_id = |name: &&str| name.len() >= 40 && name.bytes().all(|b| b.is_ascii_hexdigit());
            noted.extend(listed.split('\0').filter(is_id).map(str::to_owned));
        }
        if noted.is_empty() {
            return Vec::new();
        }
        let mut wanted: String = noted.iter().flat_map(|id| [id, "\n"]).collect();
        if let Some(head) = head {
            wanted.extend(["^", head, "\n"]);
        }
        let Ok(outside) = fed(git(&self.top).args(["rev-list", "--ignore-missing", "--stdin"]), wanted) else { return Vec::new() };
        String::from_utf8_lossy(&outside.stdout).lines().filter(|id| noted.contains(*id)).map(str::to_owned).collect()
    }

    /// What a commit says; an empty one if it cannot be read.
    pub fn commit(&mut self, id: &str) -> Commit {
        if let Some(commit) = self.commits.get(id) {
            return commit.clone();
        }
        let bytes = self.objects.read(id, "commit").unwrap_or_default();
        let commit = parse_commit(&String::from_utf8_lossy(&bytes));
        self.commits.insert(id.to_owned(), commit.clone());
        commit
    }

    /// The commit of every line of a file in `revision`, a full id as [`Repository::resolve`] gives it.
    pub fn blame(&mut self, revision: &str, path: &str) -> anyhow::Result<Vec<Blamed>> {
        let plain = match self.plain.take() {
            Some(plain) => plain,
            None => Plain::of(&self.top, revision)?,
        };
        let plain = self.plain.insert(plain);
        let output = output(plain.git().args(["blame", "--incremental", "--no-textconv", revision, "--", path]))?;
        ensure!(output.status.success(), "git blame: {}", reason(&output));
        Ok(parse_blame(&String::from_utf8_lossy(&output.stdout)))
    }

    /// The paths that differ between two commits (full ids) and exist in the second.
    pub fn changed(&self, from: &str, to: &str) -> anyhow::Result<Vec<String>> {
        let mut command = git(&self.top);
        command.args(["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--diff-filter=AM", from, to]);
        let output = output(&mut command)?;
        ensure!(output.status.success(), "git diff-tree failed");
        Ok(String::from_utf8_lossy(&output.stdout).split('\0').filter(|p| !p.is_empty()).map(str::to_owned).collect())
    }

    /// The commits in `to` that are not in `from` (full ids).
    pub fn between(&self, from: &str, to: &str) -> anyhow::Result<Vec<String>> {
        let output = output(git(&self.top).args(["rev-list", to, &format!("^{from}")]))?;
        ensure!(output.status.success(), "git rev-list failed");
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }
}

/// `git cat-file --batch`, kept running.
struct Objects {
    running: Running,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Objects {
    fn start(top: &Path) -> anyhow::Result<Self> {
        let (running, input, output) = answering(top, &["cat-file", "--batch"])?;
        Ok(Self { running, input, output: BufReader::new(output) })
    }

    fn read(&mut self, name: &str, kind: &str) -> Option<Vec<u8>> {
        self.running.busy(true);
        let read = self.answer(name, kind);
        self.running.busy(false);
        read
    }

    fn answer(&mut self, name: &str, kind: &str) -> Option<Vec<u8>> {
        // The protocol is line based.
        if name.contains(['\n', '\r']) {
            return None;
        }
        self.input.write_all(format!("{name}\n").as_bytes()).and_then(|()| self.input.flush()).ok()?;
        let mut header = String::new();
        self.output.read_line(&mut header).ok()?;
        // A missing object is answered with the request, which may hold blanks, and the word `missing`.
        let answer = header.trim_end();
        if answer.strip_prefix(name).is_some_and(|rest| matches!(rest, " missing" | " ambiguous")) {
            return None;
        }
        let mut parts = answer.split(' ').skip(1);
        let (found, size) = (parts.next()?, parts.next()?.parse::<u64>().ok()?);
        let mut body = Vec::new();
        let mut part = (&mut self.output).take(size + 1);
        if found == kind && size <= MAX_OBJECT {
            part.read_to_end(&mut body).ok()?;
            body.pop();
            return Some(body);
        }
        std::io::copy(&mut part, &mut std::io::sink()).ok()?;
        None
    }
}

fn parse_commit(text: &str) -> Commit {
    let (head, message) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut commit = Commit { message: message.to_owned(), ..Commit::default() };
    for line in head.lines() {
        match line.split_once(' ') {
            Some(("parent", id)) => commit.parents.push(id.to_owned()),
            Some(("author", person)) => person.rfind('>').map_or(person, |at| &person[..=at]).clone_into(&mut commit.author),
            Some(("committer", person)) => {
                let time = person.rfind('>').and_then(|at| person[at + 1..].split_whitespace().next());
                commit.time = time.and_then(|t| t.parse().ok()).unwrap_or(0);
            }
            _ => {}
        }
    }
    commit
}

/// Reads `blame --incremental`: groups of `commit line-then line-now count`, each ended by `filename path`.
fn parse_blame(text: &str) -> Vec<Blamed> {
    let mut lines: Vec<Option<Blamed>> = Vec::new();
    let mut group: Option<(String, u32, usize, usize)> = None;
    for line in text.lines() {
        if let (Some(path), Some((commit, then, now, count))) = (line.strip_prefix("filename "), &group) {
            let end = now - 1 + count;
            if lines.len() < end {
                lines.resize(end, None);
            }
            for at in 0..*count {
                lines[now - 1 + at] = Some(Blamed { commit: commit.clone(), path: unquoted(path), line: then + at as u32 });
            }
            group = None;
        } else if group.is_none() {
            let mut parts = line.split(' ');
            let id = parts.next().filter(|id| id.len() >= 40 && id.bytes().all(|b| b.is_ascii_hexdigit()));
            let mut number = || parts.next()?.parse::<u32>().ok().filter(|n| (1..10_000_000).contains(n));
            if let (Some(id), Some(then), Some(now), Some(count)) = (id, number(), number(), number()) {
                group = Some((id.to_owned(), then, now as usize, count as usize));
            }
        }
    }
    lines.into_iter().map(|l| l.unwrap_or(Blamed { commit: String::new(), path: String::new(), line: 0 })).collect()
}

/// A path as git prints it: in quotes with escapes if it holds odd characters.
fn unquoted(path: &str) -> String {
    let Some(inner) = path.strip_prefix('"').and_then(|p| p.strip_suffix('"')) else { return path.to_owned() };
    let mut bytes = Vec::new();
    let mut rest = inner.bytes().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b't') => bytes.push(b'\t'),
            Some(b'n') => bytes.push(b'\n'),
            Some(digit @ b'0'..=b'3') => {
                let mut value = digit - b'0';
                for _ in 0..2 {
                    if let Some(digit @ b'0'..=b'7') = rest.peek().copied() {
                        value = value << 3 | (digit - b'0');
                        rest.next();
                    }
                }
                bytes.push(value);
            }
            Some(other) => bytes.push(other),
            None => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blame_and_commits_are_read() {
        let id = "a".repeat(40);
        let blame = format!("{id} 7 1 2\nauthor x\nsummary filename\nfilename \"m\\303\\244 \\t.py\"\n{id} 1 4 1\nfilename b.py\n");
        let lines = parse_blame(&blame);
        let told: Vec<_> = lines.iter().map(|b| (b.path.as_str(), b.line)).collect();
        assert_eq!(told, [("mä \t.py", 7), ("mä \t.py", 8), ("", 0), ("b.py", 1)]);
        let commit = parse_commit("tree x\nparent p\nauthor A <a@b> 5 +0000\ncommitter C <c@d> 1700000000 +0100\n\nFix\n\nBody\n");
        assert_eq!((commit.parents[0].as_str(), commit.author.as_str(), commit.time), ("p", "A <a@b>", 1_700_000_000));
        assert_eq!(commit.message, "Fix\n\nBody\n");
        parse_blame("x\nfilename\nfilename y\n");
    }
}
