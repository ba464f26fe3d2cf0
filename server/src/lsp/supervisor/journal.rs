//! One open document as the supervisor keeps it: its text at some moment, what was known then of where that came from, and
//! what the client sent since. A fresh server that takes all of it in has the same text and the same origins.
//!
//! The text is brought up to date now and then only: most messages are never looked into here.

use super::{
    super::{
        convert,
        document::{Document, Stamp},
        origin::Known,
        resume::{Reopened, method},
        text::Encoding,
    },
    keep::notification,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::VecDeque;
use tower_lsp::lsp_types::{DidChangeTextDocumentParams, DidOpenTextDocumentParams, TextDocumentItem};

/// So many messages are kept, and so many bytes of them, once a later text is known with its origins. They hold what an
/// undo may bring back.
const ENTRIES: usize = 128;
const BYTES: usize = 1 << 20;
/// So many at most, whatever is known.
const MAX_ENTRIES: usize = 4096;
const MAX_BYTES: usize = 16 << 20;

enum What {
    /// The text changed to this version.
    Change(i32),
    /// The client said where text came from; in a request if there is an id.
    Word { id: Option<String>, answered: bool },
    /// What the server said it knew then.
    Known(Known),
}

struct Entry {
    /// The supervisor's clock.
    at: u64,
    /// In milliseconds since 1970.
    time: i64,
    /// The client's message.
    body: Box<[u8]>,
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
    /// Words about origins before the entries.
    words: u64,
    version: i32,
    entries: VecDeque<Entry>,
    /// Of all entries.
    bytes: usize,
}

fn apply(document: &mut Document, body: &[u8], encoding: Encoding) {
    #[derive(Deserialize)]
    struct Message {
        params: DidChangeTextDocumentParams,
    }
    // What cannot be read the server has not read either.
    if let Ok(Message { params }) = serde_json::from_slice(body) {
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
        Some(Self { opened: at, saved: false, language: language_id, base, known: None, words: 0, version, entries, bytes: 0 })
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
        for entry in self.entries.iter().filter(|e| matches!(e.what, What::Change(_))) {
            apply(&mut document, &entry.body, encoding);
        }
        String::from(&document.rope)
    }

    /// The client changed it.
    pub fn change(&mut self, at: u64, time: i64, params: &Value, body: &[u8], encoding: Encoding) {
        let version = params.pointer("/textDocument/version").and_then(Value::as_i64).and_then(|v| i32::try_from(v).ok());
        let Some(version) = version else { return };
        self.version = version;
        self.saved = false;
        self.add(at, time, body, What::Change(version));
        if self.entries.len() > ENTRIES || self.bytes > BYTES {
            self.shorten(encoding);
        }
    }

    /// The client said where text came from; `id`: that of the request.
    pub fn word(&mut self, at: u64, time: i64, body: &[u8], id: Option<String>) {
        self.add(at, time, body, What::Word { answered: id.is_none(), id });
    }

    fn add(&mut self, at: u64, time: i64, body: &[u8], what: What) {
        self.bytes += body.len();
        self.entries.push_back(Entry { at, time, body: body.into(), what });
    }

    /// The request with this id has its answer.
    pub fn answered(&mut self, request: &str) {
        for entry in &mut self.entries {
            if let What::Word { id: Some(id), answered } = &mut entry.what
                && id == request
            {
                *answered = true;
            }
        }
    }

    /// The request with this id takes effect again by what is kept here.
    pub fn holds(&self, request: &str) -> bool {
        self.entries.iter().any(|e| matches!(&e.what, What::Word { id: Some(id), .. } if id == request))
    }

    /// The server knows this now.
    pub fn known(&mut self, known: Known) {
        // It belongs behind what the server had seen, and the client may have sent more meanwhile.
        let mut words = self.words;
        let seen = |entry: &Entry| match &entry.what {
            What::Change(version) => *version <= known.version,
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
        self.entries.insert(place, Entry { at, time: 0, body: Box::default(), what: What::Known(known) });
        if let [_, last] = earlier[..] {
            self.entries.remove(last);
        }
    }

    /// Nothing was sent since this time of the supervisor's clock: only what is not known otherwise has to be kept.
    pub fn rest(&mut self, since: u64, encoding: Encoding) {
        let known = self.entries.iter().rposition(|e| matches!(e.what, What::Known(_)));
        if let Some(known) = known.filter(|_| self.entries.back().is_some_and(|e| e.at < since)) {
            self.cut(known + 1, encoding);
            self.entries.shrink_to_fit();
        }
    }

    /// Brings the text up to date as far as its origins are known.
    fn shorten(&mut self, encoding: Encoding) {
        let known = self.entries.iter().position(|e| matches!(e.what, What::Known(_)));
        let full = self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES;
        match known {
            Some(at) => self.cut(at + 1, encoding),
            None if full => self.cut(self.entries.len(), encoding),
            None => {}
        }
    }

    fn cut(&mut self, count: usize, encoding: Encoding) {
        // Of a text that nobody described nothing is known.
        self.known = None;
        for entry in self.entries.drain(..count) {
            self.bytes -= entry.body.len();
            match entry.what {
                What::Change(_) => apply(&mut self.base, &entry.body, encoding),
                What::Word { .. } => self.words += 1,
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
        Reopened { document, known: self.known.clone(), words: self.words, changes: !self.entries.is_empty() }
    }

    /// Tells what happened since, in order: the supervisor's clock, and a message for the fresh server.
    pub fn again(&self, tell: &mut dyn FnMut(u64, Vec<u8>)) {
        let last = self.entries.iter().rposition(|e| matches!(e.what, What::Known(_)));
        for (i, entry) in self.entries.iter().enumerate() {
            let answered = match &entry.what {
                What::Change(_) => true,
                What::Word { answered, .. } => *answered,
                What::Known(known) => {
                    if Some(i) == last {
                        tell(entry.at, notification(method::KNOWN, known));
                    }
                    continue;
                }
            };
            // An `Again` with the very text of the message.
            let (name, time) = (method::AGAIN, entry.time);
            let head = format!(r#"{{"jsonrpc":"2.0","method":"{name}","params":{{"time":{time},"answered":{answered},"message":"#);
            tell(entry.at, [head.as_bytes(), &entry.body, b"}}"].concat());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qualm_origin::Origin;
    use serde_json::json;

    fn change(version: i32, text: &str) -> (Value, Vec<u8>) {
        let at = json!({"line": 0, "character": 0});
        let params = json!({
            "textDocument": {"uri": "file:///a.py", "version": version},
            "contentChanges": [{"range": {"start": at, "end": at}, "text": text}],
        });
        let body = json!({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params}).to_string();
        (params, body.into_bytes())
    }

    fn known(version: i32, words: u64, len: usize) -> Known {
        let (uri, origins) = ("file:///a.py".into(), vec![Origin::present()]);
        Known { uri, version, words, runs: vec![(len, 0)], origins, reviewed: Vec::new() }
    }

    fn told(journal: &Journal) -> Vec<String> {
        let mut told = Vec::new();
        journal.again(&mut |_, body| {
            let message: Value = serde_json::from_slice(&body).unwrap();
            told.push(match message["method"].as_str().unwrap() {
                method::KNOWN => format!("known {}", message["params"]["version"]),
                _ => message["params"]["message"]["params"]["contentChanges"][0]["text"].as_str().unwrap_or("word").to_owned(),
            });
        });
        told
    }

    #[test]
    fn what_is_known_stands_behind_what_the_server_had_seen() {
        let opened = json!({"textDocument": {"uri": "file:///a.py", "languageId": "python", "version": 1, "text": "x"}});
        let mut journal = Journal::open(1, opened).unwrap();
        for version in 2..6 {
            let (params, body) = change(version, &version.to_string());
            journal.change(u64::from(version.unsigned_abs()), 0, &params, &body, Encoding::Utf16);
            if version == 3 {
                journal.word(10, 0, b"{}", None);
            }
        }
        journal.known(known(3, 0, 3));
        assert_eq!(told(&journal), ["2", "3", "known 3", "word", "4", "5"]);
        journal.known(known(4, 1, 4));
        assert_eq!(told(&journal), ["2", "3", "word", "4", "known 4", "5"]);
        journal.known(known(5, 1, 5));
        assert_eq!(told(&journal), ["2", "3", "word", "4", "5", "known 5"]);
        assert_eq!((journal.text(Encoding::Utf16).as_str(), journal.reopened().document.text.as_str()), ("5432x", "x"));
        // It is cut at the first of them, and at rest at the last.
        journal.shorten(Encoding::Utf16);
        assert_eq!(told(&journal), ["word", "4", "5", "known 5"]);
        let reopened = journal.reopened();
        assert_eq!((reopened.document.text.as_str(), reopened.document.version, reopened.words), ("32x", 3, 0));
        assert_eq!(reopened.known, Some(known(3, 0, 3)));
        journal.rest(100, Encoding::Utf16);
        assert_eq!((told(&journal).len(), journal.reopened().words, journal.bytes), (0, 1, 0));
        assert_eq!(journal.text(Encoding::Utf16), "5432x");
    }

    #[test]
    fn a_journal_does_not_grow_without_bound() {
        let opened = json!({"textDocument": {"uri": "file:///a.py", "languageId": "python", "version": 1, "text": ""}});
        let mut journal = Journal::open(1, opened).unwrap();
        for version in 2..20_000 {
            let (params, body) = change(version, "x");
            journal.change(version.unsigned_abs().into(), 0, &params, &body, Encoding::Utf16);
            assert!(journal.entries.len() <= MAX_ENTRIES);
            if version > 10_000 && version % 50 == 0 {
                journal.known(known(version, 0, 1));
            }
        }
        assert!(journal.entries.len() <= ENTRIES + 52, "{}", journal.entries.len());
        assert_eq!(journal.text(Encoding::Utf16).len(), 19_998);
    }
}
