//! Reading files that may be hostile: bounded size, any bytes, and the walk over folders.

mod ignoring;

use ignoring::Ignoring;
use qualm_origin::regular;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Files above this many bytes are not analysed: nobody writes them by hand, and minified bundles only cost time.
pub const MAX_FILE: u64 = 2 * 1024 * 1024;

/// What reading a file gave.
#[derive(Debug)]
pub enum Content {
    /// Its text.
    Text(Text),
    /// Not text (many NUL bytes near its start), so nothing to analyse.
    Binary,
    /// Larger than the limit; its size in bytes.
    TooLarge(u64),
}

/// The text of a file with byte offsets that are those of the file, unless it is UTF-16.
#[derive(Clone, Debug)]
pub struct Text {
    /// The text; bytes that cannot be in one are read as `?`, one for one, so that offsets stay true.
    pub text: String,
    /// What of the file it does not show; it must then not be written back.
    pub loss: Option<Loss>,
}

/// How a text differs from its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Loss {
    /// Some bytes are not UTF-8.
    Bytes,
    /// It has NUL bytes.
    Nuls,
    /// It is UTF-16.
    Utf16,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Loss::Bytes => "not UTF-8; other bytes were read as `?`",
            Loss::Nuls => "NUL bytes were read as `?`",
            Loss::Utf16 => "UTF-16; byte offsets are those of the text in UTF-8",
        })
    }
}

impl Text {
    /// Decodes bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) if text.contains('\0') => Self { text: text.replace('\0', "?"), loss: Some(Loss::Nuls) },
            Ok(text) => Self { text, loss: None },
            Err(error) => {
                let bytes = error.into_bytes();
                let mut text = String::with_capacity(bytes.len());
                for chunk in bytes.utf8_chunks() {
                    text.push_str(chunk.valid());
                    text.extend(std::iter::repeat_n('?', chunk.invalid().len()));
                }
                Self { text: text.replace('\0', "?"), loss: Some(Loss::Bytes) }
            }
        }
    }

    /// Decodes UTF-16 that says so by its byte order mark.
    fn of_utf16(bytes: &[u8]) -> Option<Self> {
        let unit: fn([u8; 2]) -> u16 = match bytes.get(..2)? {
            [0xff, 0xfe] => u16::from_le_bytes,
            [0xfe, 0xff] => u16::from_be_bytes,
            _ => return None,
        };
        let units = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        let text = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>();
        Some(Self { text: text.replace('\0', "?"), loss: Some(Loss::Utf16) })
    }
}

/// Reads a regular file of at most `limit` bytes. Devices and pipes are an error: reading them may never end.
pub fn read(path: &Path, limit: u64) -> io::Result<Content> {
    Ok(regular::read(path, limit)?.map_or_else(Content::TooLarge, |bytes| judge(bytes, limit)))
}

/// Reads standard input under the same limits.
pub fn read_stdin(limit: u64) -> io::Result<Content> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)?;
    Ok(judge(bytes, limit))
}

fn judge(bytes: Vec<u8>, limit: u64) -> Content {
    if bytes.len() as u64 > limit {
        return Content::TooLarge(bytes.len() as u64);
    }
    let start = &bytes[..bytes.len().min(8192)];
    let nuls = start.split(|b| *b == 0).count() - 1;
    // UTF-32 begins with the same mark and two NUL bytes.
    if let Some(text) = Text::of_utf16(&bytes).filter(|_| !bytes.starts_with(&[0xff, 0xfe, 0, 0])) {
        return Content::Text(text);
    }
    // A NUL in a source text is odd, and that may be its purpose; formats that are no text have many, or other bytes too.
    let strange = nuls * 64 > start.len() || std::str::from_utf8(start).is_err_and(|e| e.error_len().is_some());
    if nuls > 0 && strange { Content::Binary } else { Content::Text(Text::new(bytes)) }
}

/// A file to look at, or why a place could not be looked into.
pub type Found = Result<PathBuf, String>;

/// Hidden names that are looked into all the same: what agents take their instructions from, CI, and environments.
const SPOKEN_OF: &[&str] =
    &[".github", ".cursor", ".claude", ".windsurf", ".clinerules", ".cursorrules", ".windsurfrules", ".mcp.json", ".env", ".gitlab-ci.yml"];

/// The regular files under a folder, sorted: ignore files (`.gitignore`, `.ignore`) are honoured, most hidden files
/// and all symbolic links are left out (a linked file inside the folder is found under its own name).
pub fn walk(folder: &Path, hidden: bool) -> Vec<Found> {
    let ignoring = Arc::new(Ignoring::default());
    let rules = ignoring.clone();
    let walk = ignore::WalkBuilder::new(folder)
        // It would wait for a pipe of the name of an ignore file.
        .standard_filters(false)
        .follow_links(false)
        .filter_entry(move |e| {
            let name = e.file_name().to_str().unwrap_or("");
            let seen = hidden || e.depth() == 0 || !name.starts_with('.') || SPOKEN_OF.contains(&name) || name.starts_with(".env.");
            let is_folder = e.file_type().is_some_and(|t| t.is_dir());
            seen && (e.depth() == 0 || !rules.ignored(e.path(), is_folder)) && !(is_folder && is_not_ours(e.path()))
        })
        .sort_by_file_name(Ord::cmp)
        .build();
    let mut found: Vec<Found> = walk
        .filter_map(|entry| match entry {
            Ok(entry) if entry.file_type().is_some_and(|t| t.is_file()) => Some(Ok(entry.into_path())),
            Ok(_) => None,
            Err(error) => Some(Err(error.to_string())),
        })
        .collect();
    found.extend(ignoring.problems().into_iter().map(Err));
    found
}

/// Folders of version control, of installed packages and of caches, whether or not an ignore file names them.
fn is_not_ours(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|n| n.to_str()).unwrap_or("");
    matches!(
        name,
        ".git" | ".hg" | ".jj" | ".svn" | "node_modules" | "bower_components" | "site-packages" | "__pycache__" | ".tox" | ".nox"
    ) || folder.join("pyvenv.cfg").is_file()
}

/// Whether a file of this name is worth reading: source code and the text formats rules speak about, not
/// media, archives or binaries. Unknown extensions are read; their content decides.
pub fn is_candidate(path: &Path) -> bool {
    const NEVER: &[&str] = &[
        "png",
        "jpg",
        "jpeg",
        "gif",
        "webp",
        "ico",
        "bmp",
        "tiff",
        "avif",
        "heic",
        "mp3",
        "mp4",
        "wav",
        "ogg",
        "webm",
        "mov",
        "avi",
        "flac",
        "zip",
        "gz",
        "bz2",
        "xz",
        "zst",
        "7z",
        "rar",
        "tar",
        "tgz",
        "jar",
        "war",
        "whl",
        "so",
        "dll",
        "dylib",
        "exe",
        "o",
        "a",
        "obj",
        "lib",
        "class",
        "pyc",
        "pyo",
        "wasm",
        "pdf",
        "woff",
        "woff2",
        "ttf",
        "otf",
        "eot",
        "db",
        "sqlite",
        "sqlite3",
        "parquet",
        "npy",
        "npz",
        "pt",
        "pth",
        "onnx",
        "safetensors",
        "bin",
        "map",
        "snap",
        "lock",
        "svg",
        "csv",
        "tsv",
        "po",
    ];
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    let minified = [".min.js", ".min.mjs", ".min.css"].iter().any(|end| name.ends_with(end));
    !minified && path.extension().and_then(|e| e.to_str()).is_none_or(|e| !NEVER.contains(&e.to_ascii_lowercase().as_str()))
}

/// A file to look at.
#[derive(Clone, Debug)]
pub struct Task {
    /// Absolute, symbolic links resolved.
    pub path: PathBuf,
    /// As a person at the command line would name it.
    pub shown: String,
    /// Named by the user: read whatever its type.
    pub explicit: bool,
    /// Why it is not looked at, if it is not.
    pub left_out: Option<LeftOut>,
}

/// Why a file is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// Named by the user, but the settings exclude it.
    Excluded,
    /// Its name says that it is no text that anybody writes ([`is_candidate`]).
    ByName,
}

/// The files that the given paths lead to, each once, and what could not be looked into. No path = this folder.
pub fn collect(
    paths: &[PathBuf],
    cwd: &Path,
    hidden: bool,
    mut wanted: impl FnMut(&Path) -> bool,
) -> anyhow::Result<(Vec<Task>, Vec<String>)> {
    let here = [PathBuf::from(".")];
    let paths: &[PathBuf] = if paths.is_empty() { &here } else { paths };
    let mut tasks = Vec::new();
    let mut notices = Vec::new();
    let mut seen = rustc_hash::FxHashSet::default();
    for path in paths {
        let real = path.canonicalize().map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
        let explicit = !real.is_dir();
        let found = if explicit { vec![Ok(real)] } else { walk(&real, hidden) };
        for file in found {
            let path = match file {
                Ok(path) => path,
                Err(error) => {
                    notices.push(error);
                    continue;
                }
            };
            let left_out = match (wanted(&path), explicit) {
                (false, true) => Some(LeftOut::Excluded),
                (false, false) => continue,
                (true, _) => (!explicit && !is_candidate(&path)).then_some(LeftOut::ByName),
            };
            if seen.insert(path.clone()) {
                let shown = path.strip_prefix(cwd).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                tasks.push(Task { path, shown, explicit, left_out });
            }
        }
    }
    Ok((tasks, notices))
}

/// The root of files in no marked project: where the user stands, or else the first folder given.
pub fn fallback_root(cwd: &Path, paths: &[PathBuf]) -> PathBuf {
    let first = paths.iter().find_map(|p| p.canonicalize().ok()).unwrap_or_else(|| cwd.to_owned());
    let home = std::env::home_dir().unwrap_or_default();
    if first.starts_with(cwd) && cwd.parent().is_some() && cwd != home {
        return cwd.to_owned();
    }
    if first.is_dir() { first } else { first.parent().unwrap_or(cwd).to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_bytes_keep_their_offsets() {
        let text = Text::new(b"a = '\xe9\xff' # \xc3\xa9".to_vec());
        assert_eq!(text.loss, Some(Loss::Bytes));
        assert_eq!(text.text, "a = '??' # é");
        assert_eq!(text.text.len(), 13);
    }

    #[test]
    fn only_regular_files_of_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.py");
        std::fs::write(&path, "x = 1\n").unwrap();
        assert!(matches!(read(&path, 10).unwrap(), Content::Text(t) if t.text == "x = 1\n"));
        assert!(matches!(read(&path, 3).unwrap(), Content::TooLarge(6)));
        assert!(read(folder.path(), 10).is_err());
        std::fs::write(&path, "x\0").unwrap();
        assert!(matches!(read(&path, 10).unwrap(), Content::Binary));
    }

    #[test]
    fn odd_texts_are_read_and_formats_that_are_none_are_not() {
        let text = |bytes: &[u8]| match judge(bytes.to_vec(), 1 << 20) {
            Content::Text(text) => Some((text.text, text.loss)),
            _ => None,
        };
        let line = "x = 'a'  # ".repeat(20);
        assert_eq!(text(format!("{line}\0é").as_bytes()), Some((format!("{line}?é"), Some(Loss::Nuls))));
        let wide = |order: fn(u16) -> [u8; 2]| "\u{feff}é = '😀'\n".encode_utf16().flat_map(order).collect::<Vec<u8>>();
        for bytes in [wide(u16::to_le_bytes), wide(u16::to_be_bytes)] {
            assert_eq!(text(&bytes), Some(("é = '😀'\n".to_owned(), Some(Loss::Utf16))));
        }
        assert_eq!(text(b"\xff\xfe\x41\xd8"), Some(("\u{fffd}".to_owned(), Some(Loss::Utf16))), "half a pair");
        let wider: Vec<u8> = "\u{feff}import os\n".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        for bytes in [&b"\x7fELF\x02\x01\x01\0\0\0"[..], b"PK\x03\x04\0\xff abc", &wider, b"a\0\0\0"] {
            assert_eq!(text(bytes), None, "{bytes:?}");
        }
    }
}
