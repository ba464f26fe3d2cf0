//! What a session is made of, as its supervisor keeps it: enough to put any number of fresh servers in the place of one
//! that died, without the client noticing more than a pause.
//!
//! No process is touched here: messages go in, and what is to be sent comes out.

use super::{
    super::{
        announced::Announced,
        origin,
        resume::{Reopened, concerned, method},
        slate::Record,
        text::Encoding,
        wire::{self, Message},
    },
    blame::{Blame, End},
    journal::Journal,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    time::{Duration, Instant},
};

/// The id of the `initialize` request that no client asked for.
const RESUMING: &str = "qualm-resume";
/// A document of which so many messages of the client did not speak is at rest.
const REST: u64 = 2048;
/// After so many notifications of the client a server is worn.
const WEAR: u64 = 1000;
/// So many messages shown are remembered.
const MAX_SHOWN: usize = 1000;

/// What is to be sent: bodies of messages.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// In this order.
    pub to_server: Vec<Vec<u8>>,
    /// In this order.
    pub to_client: Vec<Vec<u8>>,
    /// The client wants the session to end.
    pub end: bool,
}

/// A request of the client that has no answer yet.
#[derive(Debug)]
struct Pending {
    id: Value,
    method: String,
    body: Vec<u8>,
    /// The document it is about, and its version then.
    about: Option<(String, i32)>,
    /// How many servers were asked.
    asked: u32,
}

/// A request of a server that the client has not answered yet.
struct Asked {
    generation: u32,
    id: Value,
    method: String,
}

/// See the module.
#[derive(Default)]
pub struct Keep {
    initialize: Option<Value>,
    /// The client knows what the server can do.
    greeted: bool,
    initialized: bool,
    encoding: Encoding,
    /// Settings are asked for; otherwise they are told.
    asks_settings: bool,
    settings: Option<Value>,
    registered: bool,
    shut_down: bool,
    documents: BTreeMap<String, Journal>,
    /// Counts what happened to documents.
    clock: u64,
    pending: BTreeMap<String, Pending>,
    asked: HashMap<u64, Asked>,
    next_asked: u64,
    /// What is under way with a bar on the client's screen.
    progress: BTreeMap<String, Value>,
    shown: HashSet<String>,
    blame: Blame,
    generation: u32,
    /// The clock when the server there is now began.
    begun: u64,
    /// Something is said of files that are not open; only who said it can take it back.
    said_of_others: bool,
    /// No server is there, and none will be soon: why.
    away: Option<String>,
}

impl Keep {
    /// The client's process, if it told.
    pub fn client(&self) -> Option<u32> {
        self.initialize.as_ref()?["params"]["processId"].as_u64().and_then(|pid| u32::try_from(pid).ok())
    }

    /// `shutdown` was asked for.
    pub fn shut_down(&self) -> bool {
        self.shut_down
    }

    /// Takes a message of the client.
    pub fn client_says(&mut self, Message { body, mut value }: Message) -> Mail {
        let mut mail = Mail::default();
        let id = value.get("id").cloned();
        let Some(name) = value.get("method").and_then(Value::as_str).map(str::to_owned) else {
            mail.to_server.extend(self.answered_by_client(value));
            return mail;
        };
        let params = value.get_mut("params").map(Value::take).unwrap_or_default();
        let uri = params.pointer("/textDocument/uri").and_then(Value::as_str).map(str::to_owned);
        if let Some(id) = id {
            let about = uri.and_then(|uri| Some((self.documents.get(&uri)?.version(), uri))).map(|(version, uri)| (uri, version));
            self.request(id, &name, params, &body, about, &mut mail);
            return mail;
        }
        self.clock += 1;
        match (name.as_str(), uri) {
            ("exit", _) => mail.end = true,
            ("initialized", _) => self.initialized = true,
            ("textDocument/didOpen", Some(uri)) => {
                if let Some(journal) = Journal::open(self.clock, params) {
                    self.documents.insert(uri, journal);
                }
            }
            ("textDocument/didChange", Some(uri)) => {
                if let Some(journal) = self.documents.get_mut(&uri) {
                    journal.change(self.clock, origin::now(), &params, &body, self.encoding);
                }
                if self.clock.is_multiple_of(REST / 4) {
                    let since = self.clock.saturating_sub(REST);
                    self.documents.values_mut().for_each(|journal| journal.rest(since, self.encoding));
                }
            }
            ("textDocument/didSave", Some(uri)) => {
                if let Some(journal) = self.documents.get_mut(&uri) {
                    journal.saved = true;
                }
            }
            ("textDocument/didClose", Some(uri)) => {
                self.documents.remove(&uri);
            }
            ("qualm/origin", Some(uri)) => {
                if let Some(journal) = self.documents.get_mut(&uri) {
                    journal.word(self.clock, origin::now(), &body, None);
                }
            }
            ("workspace/didChangeConfiguration", _) if !self.asks_settings => {
                self.settings = params.get("settings").cloned();
            }
            ("workspace/didChangeWorkspaceFolders", _) => self.change_folders(&params["event"]),
            ("$/cancelRequest", _) if self.away.is_some() => {
                if let Some(pending) = self.pending.remove(&params["id"].to_string()) {
                    mail.to_client.push(failure(&pending.id, -32800, "cancelled"));
                }
            }
            _ => {}
        }
        mail.to_server.push(body);
        mail
    }

    fn request(&mut self, id: Value, name: &str, params: Value, body: &[u8], about: Option<(String, i32)>, mail: &mut Mail) {
        match name {
            "initialize" if self.initialize.is_none() => {
                let announced = Announced::read(&params);
                self.encoding = announced.encoding;
                self.asks_settings = announced.configuration;
                self.initialize = Some(json!({"jsonrpc": "2.0", "id": id, "method": name, "params": params}));
            }
            "shutdown" => self.shut_down = true,
            _ => {
                if let Some(uri) = concerned(name, &params).map(str::to_owned)
                    && let Some(journal) = self.documents.get_mut(&uri)
                {
                    self.clock += 1;
                    journal.word(self.clock, origin::now(), body, Some(id.to_string()));
                }
            }
        }
        if let Some(why) = &self.away {
            mail.to_client.push(if name == "shutdown" { success(&id) } else { failure(&id, -32603, why) });
            return;
        }
        let pending = Pending { id, method: name.to_owned(), body: body.to_owned(), about, asked: 1 };
        self.pending.insert(pending.id.to_string(), pending);
        mail.to_server.push(body.to_owned());
    }

    fn answered_by_client(&mut self, mut answer: Value) -> Option<Vec<u8>> {
        let asked = self.asked.remove(&answer.get("id")?.as_u64()?)?;
        if asked.method == "workspace/configuration"
            && let Some(settings) = answer.pointer("/result/0")
        {
            self.settings = Some(settings.clone());
        }
        // The server that asked may be gone.
        (asked.generation == self.generation).then(|| {
            answer["id"] = asked.id;
            answer.to_string().into_bytes()
        })
    }

    /// Keeps the folders that a fresh server starts with up to date.
    fn change_folders(&mut self, event: &Value) {
        let Some(initialize) = &mut self.initialize else { return };
        let params = &mut initialize["params"];
        if !params["workspaceFolders"].is_array() {
            let root = params["rootUri"].clone();
            params["workspaceFolders"] = if root.is_string() { json!([{"uri": root, "name": "root"}]) } else { json!([]) };
        }
        if let Some(folders) = params["workspaceFolders"].as_array_mut() {
            let removed = event["removed"].as_array().map_or(&[][..], Vec::as_slice);
            folders.retain(|f| !removed.iter().any(|r| r["uri"] == f["uri"]));
            folders.extend(event["added"].as_array().into_iter().flatten().cloned());
        }
    }

    /// Takes a message of the server.
    pub fn server_says(&mut self, body: Vec<u8>) -> Mail {
        let mut mail = Mail::default();
        self.blame.ready();
        let Some(head) = wire::Head::of(&body) else {
            debug_assert!(false, "a server writes JSON");
            return mail;
        };
        match (head.method, head.id) {
            (None, Some(id)) => {
                if self.answered_by_server(&id) {
                    mail.to_client.push(body);
                }
            }
            (Some(name), Some(id)) => {
                let again = name == "client/registerCapability" && std::mem::replace(&mut self.registered, true);
                if again {
                    mail.to_server.push(success(&id));
                    return mail;
                }
                // Each server counts from 0.
                self.next_asked += 1;
                let asked = Asked { generation: self.generation, id, method: name.into_owned() };
                self.asked.insert(self.next_asked, asked);
                if let Ok(mut request) = serde_json::from_slice::<Value>(&body) {
                    request["id"] = json!(self.next_asked);
                    mail.to_client.push(request.to_string().into_bytes());
                }
            }
            (Some(name), None) => {
                if self.passes(&name, &body) {
                    drop(name);
                    mail.to_client.push(body);
                }
            }
            (None, None) => {}
        }
        mail
    }

    fn answered_by_server(&mut self, id: &Value) -> bool {
        // Of what could not be read nobody knows which request it was.
        if id.is_null() {
            return true;
        }
        let key = id.to_string();
        let Some(pending) = self.pending.remove(&key) else { return false };
        match pending.method.as_str() {
            "initialize" => self.greeted = true,
            "workspace/executeCommand" => self.documents.values_mut().for_each(|journal| journal.answered(&key)),
            _ => {}
        }
        true
    }

    /// Whether a notification is the client's business.
    fn passes(&mut self, name: &str, body: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Of<T> {
            params: T,
        }
        fn params<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Option<T> {
            serde_json::from_slice::<Of<T>>(body).ok().map(|of| of.params)
        }
        match name {
            method::KNOWN => {
                if let Some(known) = params::<origin::Known>(body)
                    && let Some(journal) = self.documents.get_mut(&known.uri)
                {
                    journal.known(known);
                }
                false
            }
            method::SURVIVED => {
                if let Some(key) = params::<Cow<'_, str>>(body) {
                    self.blame.survived(&key);
                }
                false
            }
            "$/progress" => {
                if let Some(progress) = params::<Value>(body) {
                    let token = progress["token"].to_string();
                    match progress["value"]["kind"].as_str() {
                        Some("begin") => drop(self.progress.insert(token, progress["token"].clone())),
                        Some("end") => drop(self.progress.remove(&token)),
                        _ => {}
                    }
                }
                true
            }
            "textDocument/publishDiagnostics" if self.documents.is_empty() => {
                let said = params::<Value>(body).is_some_and(|p| p["diagnostics"].as_array().is_some_and(|d| !d.is_empty()));
                self.said_of_others |= said;
                true
            }
            "window/showMessage" => {
                let Some(message) = params::<Value>(body) else { return true };
                // What is asked for may be said twice, what is wrong was said by the server before.
                let warning = message["type"].as_u64().is_some_and(|t| t <= 2);
                let text = message["message"].as_str().unwrap_or_default();
                let known = self.generation > 1 && self.shown.contains(text);
                if warning && self.shown.len() < MAX_SHOWN {
                    self.shown.insert(text.to_owned());
                }
                !(warning && known)
            }
            _ => !name.starts_with("$/qualm/"),
        }
    }

    /// The server did much and has nothing to do or to remember: a fresh one takes less memory.
    pub fn worn(&self) -> bool {
        self.documents.is_empty()
            && self.pending.is_empty()
            && self.progress.is_empty()
            && !self.said_of_others
            && self.clock - self.begun > WEAR
    }

    /// A fresh server begins: what it is told, and what the client is told.
    pub fn begin(&mut self) -> Mail {
        let mut mail = Mail::default();
        self.generation += 1;
        (self.away, self.begun) = (None, self.clock);
        for token in std::mem::take(&mut self.progress).into_values() {
            let end = json!({"token": token, "value": {"kind": "end", "message": "ended early"}});
            mail.to_client.push(notification("$/progress", &end));
        }
        let Some(mut initialize) = self.initialize.clone() else {
            mail.to_server.extend(self.pending.values().map(|p| p.body.clone()));
            return mail;
        };
        if self.greeted {
            initialize["id"] = RESUMING.into();
        }
        mail.to_server.push(initialize.to_string().into_bytes());
        if self.initialized {
            mail.to_server.push(notification("initialized", &json!({})));
            self.resume(&mut mail.to_server);
        }
        let pending = std::mem::take(&mut self.pending);
        for (key, mut pending) in pending {
            // Places in a text that is another one now would be wrong.
            let moved = pending.about.as_ref().is_some_and(|(uri, version)| {
                pending.method != "textDocument/diagnostic" && self.documents.get(uri).is_none_or(|d| d.version() != *version)
            });
            if pending.method == "initialize" {
                self.pending.insert(key, pending);
            } else if pending.asked > 1 {
                mail.to_client.push(failure(&pending.id, -32603, "the server ended twice while it worked on this"));
            } else if moved {
                mail.to_client.push(failure(&pending.id, -32801, "the text changed"));
            } else if self.documents.values().any(|journal| journal.holds(&key)) {
                self.documents.values_mut().for_each(|journal| journal.answered(&key));
                mail.to_client.push(success(&pending.id));
            } else {
                pending.asked += 1;
                mail.to_server.push(pending.body.clone());
                self.pending.insert(key, pending);
            }
        }
        mail
    }

    /// Tells a server that was greeted what the session is.
    fn resume(&self, to_server: &mut Vec<Vec<u8>>) {
        if let Some(settings) = &self.settings {
            to_server.push(notification(method::SETTINGS, settings));
        }
        for ward in self.blame.wards() {
            to_server.push(notification(method::WARD, &ward));
        }
        let mut documents: Vec<&Journal> = self.documents.values().collect();
        documents.sort_by_key(|d| d.opened);
        for journal in &documents {
            to_server.push(notification::<Reopened>(method::OPEN, &journal.reopened()));
        }
        let mut later: Vec<(u64, Vec<u8>)> = Vec::new();
        for journal in &documents {
            journal.again(&mut |at, body| later.push((at, body)));
        }
        // As they came, over all documents: one may have been copied from another.
        later.sort_by_key(|(at, _)| *at);
        to_server.extend(later.into_iter().map(|(_, body)| body));
        for journal in documents.iter().filter(|d| d.saved) {
            to_server.push(notification("textDocument/didSave", &json!({"textDocument": {"uri": journal.uri()}})));
        }
        to_server.push(notification(method::RESUMED, &json!({})));
    }

    /// No server will come any more: what is still asked for gets its answer.
    pub fn abandon(&mut self) -> Mail {
        let why = "the server has ended";
        self.away = Some(why.into());
        let pending = std::mem::take(&mut self.pending).into_values();
        let to_client = pending.map(|p| if p.method == "shutdown" { success(&p.id) } else { failure(&p.id, -32603, why) }).collect();
        Mail { to_client, ..Mail::default() }
    }

    /// A server ended. How long to wait before the next one begins, and what the client is told.
    pub fn ended(&mut self, end: End, records: &[Record], now: Instant) -> (Duration, Mail) {
        let documents = &self.documents;
        let text = |key: &str, version: i32| documents.get(key).filter(|d| d.version() == version).map(|d| d.text(self.encoding));
        let delay = self.blame.ended(end, records, now, text);
        let mut mail = Mail::default();
        if delay > Duration::from_secs(1) {
            let why = format!("the server ended too often ({end}); it is started again in {} s", delay.as_secs());
            let pending = std::mem::take(&mut self.pending);
            for pending in pending.into_values().filter(|p| p.method != "initialize") {
                mail.to_client.push(failure(&pending.id, -32603, &why));
            }
            if self.shown.insert(why.clone()) {
                mail.to_client.push(notification("window/showMessage", &json!({"type": 1, "message": format!("qualm: {why}")})));
            }
            self.away = Some(why);
        }
        (delay, mail)
    }
}

/// The body of a notification.
pub fn notification<T: serde::Serialize>(method: &str, params: &T) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Notification<'m, T> {
        jsonrpc: &'static str,
        method: &'m str,
        params: &'m T,
    }
    // Only maps with other keys than strings could fail.
    serde_json::to_vec(&Notification { jsonrpc: "2.0", method, params }).unwrap_or_default()
}

fn success(id: &Value) -> Vec<u8> {
    json!({"jsonrpc": "2.0", "id": id, "result": null}).to_string().into_bytes()
}

fn failure(id: &Value, code: i32, why: &str) -> Vec<u8> {
    wire::error(id, code, why).to_string().into_bytes()
}
