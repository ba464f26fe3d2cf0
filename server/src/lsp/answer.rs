//! What is known about one text of a document: immutable once made.

use super::{actions::Offers, document::Stamp, home::Home};
use qualm_engine::Finding;
use std::sync::{Arc, Mutex};
use tower_lsp::lsp_types::Diagnostic;

/// Findings of one text in one state of the world around it.
pub struct Answer {
    /// The text it belongs to.
    pub stamp: Stamp,
    /// What is shown: the findings of the text, and while it is half-typed also earlier ones of the broken parts.
    pub findings: Arc<Vec<Finding>>,
    /// The findings of the text alone, when they are others than the shown ones.
    pub pure: Option<Arc<Vec<Finding>>>,
    /// Nothing better will come for this stamp.
    pub complete: bool,
    /// Only what was edited was parsed, or the text is broken: it has the last word as a whole once its author pauses.
    pub quick: bool,
    /// As sent to the client.
    pub diagnostics: Arc<Vec<Diagnostic>>,
    /// Equal for equal diagnostics.
    pub id: u64,
    /// Other files that had a part in it, as the project names them.
    pub depends_on: Vec<Arc<str>>,
    /// The project it was made in.
    pub home: Arc<Home>,
    /// Rewrites worked out so far, by index of the finding.
    pub offers: Mutex<Offers>,
}
