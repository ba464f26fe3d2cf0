//! Origin in the formats of others: Agent Trace records, git-ai notes, commit trailers and CycloneDX citations.
//!
//! What is imported is somebody's claim, kept as such: each [`Claim`] names its evidence and how far it is to be
//! believed, and none of them makes text "human" because nobody else claimed it.

pub mod agent_trace;
pub mod commit;
pub mod cyclonedx;
pub mod git_ai;

use crate::model::Kind;

/// A claim by somebody else about lines of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Path in the repository, with `/`.
    pub file: String,
    /// 1-based first line.
    pub start: u32,
    /// 1-based last line, at least [`Claim::start`].
    pub end: u32,
    /// The word of the kind of origin ([`Kind::as_str`]).
    pub origin: String,
    /// The program; empty if not told.
    pub tool: String,
    /// The model; empty if not told.
    pub model: String,
    /// Session or conversation; empty if not told.
    pub session: String,
    /// How far the claim is to be believed, in percent.
    pub confidence: u8,
    /// Who claims it.
    pub evidence: String,
    /// Which state of the file the lines are counted in.
    pub at: At,
    /// Hash of the lines as the record gives it (`algorithm:hex`); empty if none.
    pub content: String,
}

/// Which state of a file line numbers belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum At {
    /// The file in this commit.
    Commit(String),
    /// The file as it was right after an edit that was made on top of this commit.
    EditOn(String),
    /// Not told.
    #[default]
    Unknown,
}

/// A region of a file with its origin, for export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// 1-based first line.
    pub start: u32,
    /// 1-based last line.
    pub end: u32,
    /// The word of the kind of origin ([`Kind::as_str`]).
    pub origin: String,
    /// Confidence in percent.
    pub confidence: u8,
    /// The program; empty if not known.
    pub tool: String,
    /// The model; empty if not known.
    pub model: String,
    /// Session; empty if not known.
    pub session: String,
    /// Why this origin is believed.
    pub evidence: String,
    /// Hash of the region's text ([`crate::ledger::event::text_hash`]).
    pub hash: [u8; 32],
}

/// A file with its regions, which cover it from the first line to the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileOrigins {
    /// Path in the repository, with `/`.
    pub path: String,
    /// Number of lines.
    pub lines: u32,
    /// Hash of the whole text.
    pub hash: [u8; 32],
    /// In the order of the file.
    pub regions: Vec<Region>,
}

/// Whether a kind of origin means that a model wrote the text.
pub fn is_ai(origin: &str) -> bool {
    origin.parse().is_ok_and(Kind::is_ai)
}

/// A model's name with its provider, as models.dev writes it, where the name tells the provider.
pub fn model_id(model: &str) -> String {
    const PROVIDERS: &[(&str, &str)] = &[
        ("claude", "anthropic"),
        ("gpt-", "openai"),
        ("codex", "openai"),
        ("o1", "openai"),
        ("o3", "openai"),
        ("o4", "openai"),
        ("gemini", "google"),
        ("grok", "xai"),
        ("mistral", "mistral"),
        ("codestral", "mistral"),
        ("deepseek", "deepseek"),
    ];
    let name = model.trim();
    let provider = PROVIDERS.iter().find(|(start, _)| name.starts_with(start)).map(|p| p.1);
    let id = match provider {
        Some(provider) if !name.contains('/') => format!("{provider}/{name}"),
        _ => name.to_owned(),
    };
    id.chars().take(250).collect()
}

/// A UUID (version 8) made from a hash, so that the same record gets the same one.
fn uuid(hash: &[u8; 32]) -> String {
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = crate::ledger::event::hex(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A path in a repository, if the text is one: relative, without `..`, without control characters.
fn path_in_repository(path: &str) -> Option<String> {
    let path = path.replace('\\', "/");
    let path = path.strip_prefix("./").unwrap_or(&path);
    let inside = !path.is_empty() && !path.starts_with('/') && path.split('/').all(|p| p != "..") && !path.contains(char::is_control);
    (inside && path.as_bytes().get(1) != Some(&b':')).then(|| path.to_owned())
}
