//! The rule pack as data: the text of every rule (`<family>/<id>.md`) and library model
//! (`models/<language>/<library>.toml`) in this folder. See `rules/README.md` for the formats.

/// `(path, text)` of every embedded file, sorted by path; paths are relative to `rules/` and use `/`.
pub static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The same for the pages with the examples of libraries (`models/<language>/<library>.md`), which only tests read.
pub static LIBRARY_PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));
