//! What changed since a commit. Old texts come from `git cat-file`, the comparison is made here: `git diff` may run
//! programs that the repository's configuration names (external diff, text conversion, clean filters, file system
//! monitor), and nothing from a workspace may be executed.

pub(crate) mod process;

use crate::lines::Lines;
use anyhow::{Context, bail, ensure};
use process::{git, output};
use qualm_engine::Finding;
use qualm_origin::regular;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use similar::{Algorithm, DiffOp};
use std::{
    ffi::OsStr,
    hash::BuildHasher,
    io::{BufRead, BufReader, Read, Write},
    ops::Range,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Moves are looked for among at most this many files.
const MAX_MOVED: usize = 1000;

/// The texts of files at a commit.
pub struct Bases {
    texts: FxHashMap<PathBuf, Option<Vec<u8>>>,
}

/// What a file was at the commit.
#[derive(Debug, PartialEq, Eq)]
pub enum Base<'a> {
    /// Exactly what it is now.
    Same,
    /// This text.
    Text(std::borrow::Cow<'a, str>),
    /// It did not exist, or was not a text of bearable size: all of it counts as new.
    New,
}

impl Bases {
    /// Reads the old text of every file (absolute paths) at `reference`; older versions above `limit` bytes are not kept.
    pub fn read<'p>(reference: &str, paths: impl Iterator<Item = &'p Path>, limit: u64) -> anyhow::Result<Self> {
        let mut repositories: FxHashMap<PathBuf, Vec<PathBuf>> = FxHashMap::default();
        let mut tops: FxHashMap<PathBuf, PathBuf> = FxHashMap::default();
        for path in paths {
            let folder = path.parent().unwrap_or(path);
            let top = match tops.get(folder) {
                Some(top) => top.clone(),
                None => {
                    let top = folder.ancestors().find(|d| d.join(".git").exists());
                    let top = top.with_context(|| format!("--diff: {} is not in a git repository", path.display()))?.to_owned();
                    tops.insert(folder.to_owned(), top.clone());
                    top
                }
            };
            repositories.entry(top).or_default().push(path.to_owned());
        }
        let mut texts = FxHashMap::default();
        for (top, paths) in repositories {
            process::ensure_readable(&top)?;
            let commit = resolve(&top, reference)?;
            // The protocol is line based, so a name with a line break cannot be asked for; such a file counts as new.
            let name = |path: &Path| {
                let name = path.strip_prefix(&top).ok()?.to_str()?.replace('\\', "/");
                (!name.contains(['\n', '\r'])).then_some(name)
            };
            let named = paths.iter().filter_map(|path| Some((path.clone(), name(path)?))).collect();
            cat_files(&top, &commit, named, limit, &mut texts)?;
            let new: Vec<PathBuf> = paths.into_iter().filter(|p| !texts.contains_key(p)).collect();
            if !new.is_empty() {
                follow_moves(&top, &commit, new, limit, &mut texts)?;
            }
        }
        Ok(Self { texts })
    }

    /// What the file was.
    pub fn of(&self, path: &Path) -> Base<'_> {
        match self.texts.get(path) {
            Some(Some(old)) => {
                if matches!(regular::read(path, old.len() as u64), Ok(Ok(now)) if now == *old) {
                    Base::Same
                } else {
                    Base::Text(String::from_utf8_lossy(old))
                }
            }
            _ => Base::New,
        }
    }
}

impl Base<'_> {
    /// The lines that are new in `now`.
    pub fn changed(&self, now: &str) -> Changed {
        let Base::Text(old) = self else { return Changed::All };
        let old: Vec<&str> = old.lines().collect();
        let new: Vec<&str> = now.lines().collect();
        let deadline = Instant::now() + Duration::from_secs(2);
        let ops = similar::capture_diff_slices_deadline(Algorithm::Histogram, &old, &new, Some(deadline));
        let ranges = ops.iter().filter(|op| !matches!(op, DiffOp::Equal { .. } | DiffOp::Delete { .. })).map(DiffOp::new_range);
        Changed::Lines(ranges.collect())
    }
}

/// 0-based lines that are new.
pub enum Changed {
    #[allow(missing_docs)]
    All,
    #[allow(missing_docs)]
    Lines(Vec<Range<usize>>),
}

impl Changed {
    /// Whether a finding stands on a changed line, or its path leads over one.
    pub fn concerns(&self, lines: &Lines, finding: &Finding) -> bool {
        let Changed::Lines(ranges) = self else { return true };
        let touches = |span: &Range<usize>| {
            let touched = lines.touched(span);
            ranges.iter().any(|r| r.start < touched.end && touched.start < r.end)
        };
        touches(&finding.span) || finding.path.iter().any(|s| s.file.is_none() && touches(&s.span))
    }
}

/// The full id of the commit that a name stands for.
pub(crate) fn resolve(top: &Path, reference: &str) -> anyhow::Result<String> {
    let revision = format!("{reference}^{{commit}}");
    let args = ["rev-parse", "--verify", "--quiet", "--end-of-options", &revision];
    let output = output(git(top).args(args)).context("--diff needs the `git` command")?;
    let commit = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let is_hash = commit.len() >= 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
    if !output.status.success() || !is_hash {
        let reason = if output.stderr.is_empty() { String::new() } else { format!(" ({})", process::reason(&output)) };
        bail!("--diff: {reference:?} names no commit in {}{reason}", top.display());
    }
    Ok(commit)
}

/// The texts of `(key, path in the repository)` at a commit; what does not exist there is left out, what is no file
/// or larger than `limit` is `None`.
fn cat_files(
    top: &Path,
    commit: &str,
    named: Vec<(PathBuf, String)>,
    limit: u64,
    texts: &mut FxHashMap<PathBuf, Option<Vec<u8>>>,
) -> anyhow::Result<()> {
    let (running, mut input, output) = process::answering(top, &["cat-file", "--batch"])?;
    let mut output = BufReader::new(output);
    let requests: Vec<String> = named.iter().map(|(_, name)| format!("{commit}:{name}\n")).collect();
    // Written from a thread of its own: git answers while it reads, and a full pipe on both sides would never end.
    let writer = std::thread::spawn(move || requests.iter().try_for_each(|r| input.write_all(r.as_bytes())));
    for (path, name) in named {
        running.busy(true);
        let mut header = String::new();
        output.read_line(&mut header)?;
        ensure!(!header.is_empty(), "--diff: git ended early");
        // A missing object is answered with the request and the word `missing`.
        let answer = header.trim_end().strip_prefix(&format!("{commit}:{name}")).unwrap_or(header.trim_end());
        let mut parts = answer.split(' ').skip(1);
        let (Some(kind), Some(Ok(size))) = (parts.next(), parts.next().map(str::parse::<u64>)) else { continue };
        let keep = kind == "blob" && size <= limit;
        let mut body = Vec::new();
        let mut part = (&mut output).take(size + 1);
        if keep {
            part.read_to_end(&mut body)?;
            body.pop();
        } else {
            std::io::copy(&mut part, &mut std::io::sink())?;
        }
        texts.insert(path, keep.then_some(body));
    }
    drop(output);
    let _ = writer.join();
    Ok(())
}

/// Gives files that are new the text of the deleted file they most resemble, so that a moved file does not count as
/// new. Only files that share more than half of their lines count as moved.
fn follow_moves(
    top: &Path,
    commit: &str,
    new: Vec<PathBuf>,
    limit: u64,
    texts: &mut FxHashMap<PathBuf, Option<Vec<u8>>>,
) -> anyhow::Result<()> {
    let output = output(git(top).args(["ls-tree", "-r", "-z", "--name-only", commit]))?;
    let wanted: FxHashSet<&OsStr> = new.iter().filter_map(|p| p.extension()).collect();
    let listing = String::from_utf8_lossy(&output.stdout);
    let gone = listing.split('\0').filter(|name| !name.is_empty() && !name.contains(['\n', '\r']));
    let gone = gone.map(|name| (top.join(name), name.to_owned()));
    let gone = gone.filter(|(path, _)| path.extension().is_some_and(|e| wanted.contains(e)) && !path.exists());
    let mut old = FxHashMap::default();
    cat_files(top, commit, gone.take(MAX_MOVED).collect(), limit, &mut old)?;
    let old: Vec<(FxHashSet<u64>, PathBuf, Vec<u8>)> =
        old.into_iter().filter_map(|(path, text)| text.map(|t| (line_hashes(&t), path, t))).collect();
    if old.is_empty() {
        return Ok(());
    }
    for path in new.into_iter().take(MAX_MOVED) {
        let Ok(crate::files::Content::Text(now)) = crate::files::read(&path, limit) else { continue };
        let now = line_hashes(now.text.as_bytes());
        let alike = |(lines, old, _): &&(FxHashSet<u64>, PathBuf, Vec<u8>)| {
            let shared = lines.intersection(&now).count();
            let enough = path.extension() == old.extension() && shared * 2 > lines.len().max(now.len());
            enough.then_some((shared, old.file_name() == path.file_name()))
        };
        let best = old.iter().filter_map(|o| Some((alike(&o)?, o))).max_by(|a, b| a.0.cmp(&b.0).then(b.1.1.cmp(&a.1.1)));
        if let Some((_, (_, _, text))) = best {
            texts.insert(path, Some(text.clone()));
        }
    }
    Ok(())
}

/// Hashes of the lines that say something.
fn line_hashes(text: &[u8]) -> FxHashSet<u64> {
    let lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|l| l.len() > 1).map(|l| FxBuildHasher.hash_one(l)).collect()
}
