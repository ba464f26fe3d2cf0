//! One open document as the supervisor keeps it: its text at some moment, what was known then of where that came from, and
//! what the client sent since. A fresh server that takes all of it in has the same text and the same origins.
//!
//! The text is brought up to date now and then only: most messages are never looked into here.

use super::super::{
    convert,
    document::{Document, Stamp},
    origin::Known,
    resume::{Again, Reopened},
    text::Encoding,
};
use serde_json::Value;
use std::collections::VecDeque;
use tower_lsp::lsp_types::{DidChangeTextDocumentParams, DidOpenTextDocumentParams, TextDocumentItem};

/// So many messages are kept, and so many bytes of them, once a later text is known with its origins. They hold what an
/// undo may bring back.
const ENTRIES: usize = 256;
const BYTES: usize = 1 << 20;
/// So many at most, whatever is known.
const MAX_ENTRIES: usize = 4096;
const MAX_BYTES: usize = 16 << 20;

enum What {
    Change {
        version: i32,
        bytes: usize,
    },
    /// The client said where text came from.
    Word {
        method: String,
        id: Option<String>,
        answered: bool,
    },
    /// What the server said it knew then.
    Known(Known),
}

struct Entry {
    /// The supervisor's clock.
    at: u64,
    /// In milliseconds since 1970.
    time: i64,
    params: Value,
    what: What,
}

/// See the module.
pub struct Journal {
    /// The supervisor's clock.
    pub opened: u64,
    /// Nothing changed since it was saved.
    pub saved: bool,
    language: String,
    base: Document,
    known: Option<Known>,
    /// Words about origins before the entries, and with them.
    words: (u64, u64),
    version: i32,
    entries: VecDeque<Entry>,
    bytes: usize,
}

fn apply(document: &mut Document, params: &Value, encoding: Encoding) {
    // What cannot be read the server has not read either.
    if let Ok(params) = serde_json::from_value::<DidChangeTextDocumentParams>(params.clone()) {
        let changes = convert::changes(params.content_changes);
        // Out of step until the whole text comes: so is the server's copy.
        let _ = document.change(params.text_document.version, &changes, encoding);
        document.taken.clear();
        document.splices.clear();
    }
}

impl Journal {
    /// A document as opened. `None`: the message says nothing that a server could read.
    pub fn open(at: u64, params: Value) -> Option<Self> {
        let TextDocumentItem { uri, language_id, version, text } =
            serde_json::from_value::<DidOpenTextDocumentParams>(params).ok()?.text_document;
        let base = Document::new(uri, None, None, Stamp { version, epoch: 0 }, &text);
        let entries = VecDeque::new();
        Some(Self { opened: at, saved: false, language: language_id, base, known: None, words: (0, 0), version, entries, bytes: 0 })
    }

    /// As the client names it.
    pub fn uri(&self) -> &str {
        self.base.uri.as_str()
    }

    /// The version that the client has.
    pub fn version(&self) -> i32 {
        self.version
    }

    /// The text that the client has.
    pub fn text(&self, encoding: Encoding) -> String {
        let mut document = Document::new(self.base.uri.clone(), None, None, self.base.stamp, &String::from(&self.base.rope));
        document.desynced = self.base.desynced;
        for entry in &self.entries {
            if matches!(entry.what, What::Change { .. }) {
                apply(&mut document, &entry.params, encoding);
            }
        }
        String::from(&document.rope)
    }

    /// The client changed it.
    pub fn change(&mut self, at: u64, time: i64, params: Value, bytes: usize, encoding: Encoding) {
        let version = params.pointer("/textDocument/version").and_then(Value::as_i64).and_then(|v| i32::try_from(v).ok());
        let Some(version) = version else { return };
        self.version = version;
        self.saved = false;
        self.bytes += bytes;
        self.entries.push_back(Entry { at, time, params, what: What::Change { version, bytes } });
        if self.entries.len() > ENTRIES || self.bytes > BYTES {
            self.shorten(encoding);
        }
    }

    /// The client said where text came from; `id`: that of the request.
    pub fn word(&mut self, at: u64, time: i64, method: &str, params: Value, id: Option<String>) {
        self.words.1 += 1;
        let what = What::Word { method: method.to_owned(), answered: id.is_none(), id };
        self.entries.push_back(Entry { at, time, params, what });
    }

    /// The request with this id has its answer.
    pub fn answered(&mut self, request: &str) {
        for entry in &mut self.entries {
            if let What::Word { id: Some(id), answered, .. } = &mut entry.what
                && id == request
            {
                *answered = true;
            }
        }
    }

    /// The request with this id takes effect again by what is kept here, so that it counts as answered.
    pub fn holds(&mut self, request: &str) -> bool {
        let found = self.entries.iter().any(|e| matches!(&e.what, What::Word { id: Some(id), .. } if id == request));
        if found {
            self.answered(request);
        }
        found
    }

    /// The server knows this now.
    pub fn known(&mut self, known: Known) {
        // It belongs behind what the server had seen, and the client may have sent more meanwhile.
        let mut words = self.words.0;
        let seen = |entry: &Entry| match &entry.what {
            What::Change { version, .. } => *version <= known.version,
            What::Word { .. } => {
                words += 1;
                words <= known.words
            }
            What::Known(_) => true,
        };
        let place = self.entries.iter().map(seen).position(|seen| !seen).unwrap_or(self.entries.len());
        let at = place.checked_sub(1).map_or(self.opened, |before| self.entries[before].at);
        // The first of them is where the journal is cut next, the last is what counts.
        let earlier: Vec<usize> = (0..place).filter(|i| matches!(self.entries[*i].what, What::Known(_))).collect();
        let entry = Entry { at, time: 0, params: Value::Null, what: What::Known(known) };
        match earlier[..] {
            [_, last] => {
                self.entries.insert(place, entry);
                self.entries.remove(last);
            }
            _ => self.entries.insert(place, entry),
        }
    }

    /// Brings the text up to date as far as its origins are known.
    fn shorten(&mut self, encoding: Encoding) {
        let known = self.entries.iter().position(|e| matches!(e.what, What::Known(_)));
        let full = self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES;
        let count = match known {
            Some(at) => at + 1,
            None if full => self.entries.len(),
            None => return,
        };
        // Of a text that nobody described nothing is known.
        self.known = None;
        for entry in self.entries.drain(..count) {
            match entry.what {
                What::Change { bytes, .. } => {
                    self.bytes -= bytes;
                    apply(&mut self.base, &entry.params, encoding);
                }
                What::Word { .. } => self.words.0 += 1,
                What::Known(known) => self.known = Some(known),
            }
        }
    }

    /// The document as a fresh server opens it.
    pub fn reopened(&self) -> Reopened {
        let document = TextDocumentItem {
            uri: self.base.uri.clone(),
            language_id: self.language.clone(),
            version: self.base.stamp.version,
            text: String::from(&self.base.rope),
        };
        Reopened { document, known: self.known.clone(), words: self.words.0, changes: !self.entries.is_empty() }
    }

    /// What happened since, in order.
    pub fn again(&self, tell: &mut dyn FnMut(u64, Result<Again, &Known>)) {
        let last = self.entries.iter().rposition(|e| matches!(e.what, What::Known(_)));
        for (i, entry) in self.entries.iter().enumerate() {
            let (method, answered) = match &entry.what {
                What::Change { .. } => ("textDocument/didChange", true),
                What::Word { method, answered, .. } => (method.as_str(), *answered),
                What::Known(known) => {
                    if Some(i) == last {
                        tell(entry.at, Err(known));
                    }
                    continue;
                }
            };
            let again = Again { time: entry.time, method: method.to_owned(), params: entry.params.clone(), answered };
            tell(entry.at, Ok(again));
        }
    }
}
