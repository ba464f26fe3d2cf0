//! What the engine reports.

use serde::{Deserialize, Serialize};
use std::{ops::Range, sync::Arc};

/// How bad it is if the finding is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Severity {
    Info,
    Warning,
    Error,
}

/// How sure the engine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Confidence {
    Low,
    Medium,
    High,
}

/// Whom a rule speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Persona {
    /// Everyone, everywhere: hardly ever wrong.
    Regular,
    /// Only about foreign text (pasted, completed, written by an agent).
    Pedantic,
    /// Only on request.
    Auditor,
}

/// One step of the path from source to sink.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// Another file (path as the project names it); `None` = the file of the finding.
    pub file: Option<Arc<str>>,
    /// Bytes in that file.
    pub span: Range<usize>,
    /// What happens there, in a few words.
    pub note: String,
}

/// One finding. Spans are bytes in the file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// Rule id.
    pub rule: Arc<str>,
    /// What to underline.
    pub span: Range<usize>,
    /// One sentence that says what is wrong here.
    pub message: String,
    #[allow(missing_docs)]
    pub severity: Severity,
    #[allow(missing_docs)]
    pub confidence: Confidence,
    /// The rule's persona: a pedantic finding stands in foreign text.
    pub persona: Persona,
    /// Source, steps, sink, in order; empty for findings without a flow.
    pub path: Vec<Step>,
}

/// How much a person must look at a rewrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Safety {
    /// Shown only, never applied by machine.
    Manual,
    /// Right in general, but behaviour may change: look at it.
    Review,
    /// Keeps the behaviour for every legitimate input.
    Safe,
}

/// Replaces `span` (bytes of the original file) with `text`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Edit {
    #[allow(missing_docs)]
    pub span: Range<usize>,
    #[allow(missing_docs)]
    pub text: String,
}

/// A proven rewrite: edits do not overlap and are sorted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fix {
    /// Imperative title for the menu.
    pub title: String,
    #[allow(missing_docs)]
    pub edits: Vec<Edit>,
    #[allow(missing_docs)]
    pub safety: Safety,
}

impl Fix {
    /// The text after the rewrite.
    pub fn apply(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 64);
        let mut at = 0;
        for edit in &self.edits {
            out.push_str(&text[at..edit.span.start]);
            out.push_str(&edit.text);
            at = edit.span.end;
        }
        out.push_str(&text[at..]);
        out
    }
}
