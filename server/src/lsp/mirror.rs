//! Writes down a session for a bug report.
//!
//! A transcript is one JSON object a line: `{"ms": 12, "from": "client", "message": {...}}`. It holds the text of every
//! opened document; the user who asks for it is told so.

use super::session::lock;
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::Mutex,
    time::Instant,
};

/// Writes down what passes.
pub struct Mirror {
    file: Mutex<BufWriter<File>>,
    start: Instant,
}

impl Mirror {
    /// A transcript in a new file (an old one is replaced).
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: Mutex::new(BufWriter::new(File::create(path)?)), start: Instant::now() })
    }

    /// Writes one message down; `from` is `client` or `server`.
    pub fn record(&self, from: &str, message: &Value) {
        let line = json!({"ms": self.start.elapsed().as_millis() as u64, "from": from, "message": message});
        let mut file = lock(&self.file);
        // A full disk must not end the session.
        let _ = writeln!(file, "{line}").and_then(|()| file.flush());
    }
}
