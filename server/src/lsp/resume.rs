//! What a server is told that comes after one which died, by their supervisor: the documents as they are, what was known of
//! their text, and the changes since. It tells the supervisor what the next one would have to know.
//!
//! These messages stay between the two processes. All of them are notifications:
//!
//! | method | from | says |
//! |---|---|---|
//! | `$/qualm/ward` | supervisor | a [`Ward`] |
//! | `$/qualm/settings` | supervisor | the client's settings |
//! | `$/qualm/open` | supervisor | a [`Reopened`] document |
//! | `$/qualm/again` | supervisor | a message of the client as an [`Again`], to take effect as it did then |
//! | `$/qualm/known` | both | [`Known`] origins of a document |
//! | `$/qualm/resumed` | supervisor | all is told |
//! | `$/qualm/ping`, `$/qualm/pong` | both | whether the other one is well |
//! | `$/qualm/survived` | server | a document that was looked at with care is vetted |

use super::{
    convert,
    convert::command,
    origin::{self, Known},
    publish::Out,
    server::{Qualm, reload},
    session::Session,
    ward::Ward,
    work,
};
use qualm_origin::memory::JOIN_WINDOW;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tower_lsp::lsp_types::{DidChangeTextDocumentParams, TextDocumentItem, notification::Notification};

/// The supervisor is told of origins so long after they changed: not for every key.
const PAUSE: Duration = Duration::from_millis(400);

/// Method names.
pub mod method {
    #![allow(missing_docs)]
    pub const WARD: &str = "$/qualm/ward";
    pub const SETTINGS: &str = "$/qualm/settings";
    pub const OPEN: &str = "$/qualm/open";
    pub const AGAIN: &str = "$/qualm/again";
    pub const KNOWN: &str = "$/qualm/known";
    pub const RESUMED: &str = "$/qualm/resumed";
    pub const PING: &str = "$/qualm/ping";
    pub const PONG: &str = "$/qualm/pong";
    pub const SURVIVED: &str = "$/qualm/survived";
}

/// An open document.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reopened {
    #[allow(missing_docs)]
    pub document: TextDocumentItem,
    /// Of exactly this text. `None`: the ledger may know something.
    pub known: Option<Known>,
    /// How many words about origins came before.
    pub words: u64,
    /// Changes follow.
    pub changes: bool,
}

/// What a message says.
#[derive(Debug, Deserialize)]
pub struct Sent {
    method: String,
    #[serde(default)]
    params: Value,
}

/// A message of the client that took effect before.
#[derive(Debug, Deserialize)]
pub struct Again {
    /// When it came, in milliseconds since 1970.
    pub time: i64,
    /// It had its answer: what it had others write is written.
    pub answered: bool,
    /// As the client sent it.
    pub message: Sent,
}

/// The document that a message says something about where its text came from.
pub fn concerned<'v>(method: &str, params: &'v Value) -> Option<&'v str> {
    let document = |v: &'v Value| v.pointer("/textDocument/uri").and_then(Value::as_str);
    match method {
        "qualm/origin" => document(params),
        "workspace/executeCommand" => match params["command"].as_str()? {
            command::ORIGIN => document(&params["arguments"][0]),
            command::RELABEL | command::REVIEW => params["arguments"][0].as_str(),
            _ => None,
        },
        _ => None,
    }
}

// The library takes handlers of notifications as futures.
#[allow(clippy::unused_async)]
impl Qualm {
    pub(super) async fn take_ward(&self, params: Value) {
        read::<Ward>(params, |ward| self.session.wards.set(ward));
    }

    pub(super) async fn take_settings(&self, params: Value) {
        if self.session.homes.configure(params) {
            reload(&self.session);
        }
    }

    pub(super) async fn take_document(&self, params: Value) {
        read::<Reopened>(params, |Reopened { document, known, words, changes }| {
            let key = document.uri.as_str().to_owned();
            self.session.open(document.uri, &document.language_id, document.version, &document.text);
            self.session.origin.set_words(&key, words);
            let path = self.session.snapshot(&key).and_then(|s| s.path);
            match (known, path) {
                (Some(known), _) => {
                    self.session.origin.learn(&known);
                }
                // What is asked later would come too late.
                (None, Some(path)) if changes => {
                    self.session.origin.restore(&key, &path);
                }
                (None, path) => origin::opened(&self.session, &key, path),
            }
        });
    }

    pub(super) async fn take_again(&self, params: Value) {
        read::<Again>(params, |Again { time, answered, message: Sent { method, params } }| match method.as_str() {
            "textDocument/didChange" => read::<DidChangeTextDocumentParams>(params, |params| {
                let key = params.text_document.uri.as_str();
                let changes = convert::changes(params.content_changes);
                let changed = self.session.change(key, params.text_document.version, &changes, time);
                if changed.burst && origin::now() - time <= JOIN_WINDOW {
                    origin::ask_hooks(&self.session, key);
                }
            }),
            "qualm/origin" => self.told(params, time),
            "workspace/executeCommand" => {
                let arguments = params["arguments"].as_array().cloned().unwrap_or_default();
                match params["command"].as_str() {
                    Some(command::ORIGIN) => self.told(arguments.into_iter().next().unwrap_or_default(), time),
                    Some(name) => {
                        // The client was told of mistakes.
                        let _ = self.correct(name, &arguments, !answered);
                    }
                    None => {}
                }
            }
            _ => {}
        });
    }

    pub(super) async fn take_known(&self, params: Value) {
        read::<Known>(params, |known| {
            self.session.origin.learn(&known);
        });
    }

    pub(super) async fn take_resumed(&self, _: Value) {
        for key in self.session.keys() {
            work::wake(&self.session, &key);
            // Who pulls asks again; the answer may be another one, of a text that is not vetted any more.
            self.session.send(Out::Answer { key, unasked: true });
        }
    }

    pub(super) async fn take_ping(&self, _: Value) {
        self.session.send(Out::Pong);
    }
}

fn read<T: for<'de> Deserialize<'de>>(params: Value, take: impl FnOnce(T)) {
    match serde_json::from_value(params) {
        Ok(value) => take(value),
        Err(error) => tracing::error!("the supervisor's message could not be read: {error}"),
    }
}

/// Tells the supervisor what the next server would have to know, as long as the session lasts.
pub async fn tell(session: Arc<Session>) {
    loop {
        session.origin.heard.notified().await;
        tokio::time::sleep(PAUSE).await;
        for key in session.origin.news() {
            if let Some(known) = session.known(&key) {
                session.send(Out::Known(known));
            }
        }
    }
}

/// `$/qualm/known`.
pub enum KnownNotification {}

impl Notification for KnownNotification {
    type Params = Known;
    const METHOD: &'static str = method::KNOWN;
}

/// `$/qualm/pong`.
pub enum PongNotification {}

impl Notification for PongNotification {
    type Params = ();
    const METHOD: &'static str = method::PONG;
}

/// `$/qualm/survived`.
pub enum SurvivedNotification {}

impl Notification for SurvivedNotification {
    type Params = String;
    const METHOD: &'static str = method::SURVIVED;
}
