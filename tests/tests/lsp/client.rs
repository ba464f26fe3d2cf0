//! A client of the language server: in-memory pipes, any captured handshake, and a model of the text it edits.

use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Read, Write},
    path::Path,
    process::Stdio,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// How long anything may take in a test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Splits what the server sends into messages.
#[derive(Default)]
pub struct Frames(Vec<u8>);

impl Frames {
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub fn next(&mut self) -> Option<Value> {
        let head = self.0.windows(4).position(|w| w == b"\r\n\r\n")?;
        let length: usize = std::str::from_utf8(&self.0[..head]).unwrap().strip_prefix("Content-Length: ").unwrap().parse().unwrap();
        let end = head + 4 + length;
        if self.0.len() < end {
            return None;
        }
        let message = serde_json::from_slice(&self.0[head + 4..end]).unwrap();
        self.0.drain(..end);
        Some(message)
    }
}

pub fn frame(message: &Value) -> Vec<u8> {
    let body = message.to_string();
    format!("Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The captured `initialize` parameters of an editor, in a workspace of ours.
pub fn handshake(editor: &str, root: &Path) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/handshakes").join(format!("{editor}.json"));
    let mut params: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let uri = uri(root);
    params["processId"] = Value::Null;
    params["rootUri"] = json!(uri);
    params["rootPath"] = json!(root);
    if editor != "ale" {
        params["workspaceFolders"] = json!([{"uri": uri, "name": "root"}]);
    }
    params
}

pub fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

pub struct Client {
    write: Box<dyn Write + Send>,
    read: mpsc::UnboundedReceiver<Value>,
    server: oneshot::Receiver<io::Result<u8>>,
    /// Of the process that was started, if one was.
    pub pid: Option<u32>,
    next: i64,
    /// Notifications and requests of the server not looked at yet.
    pub inbox: VecDeque<Value>,
    replies: BTreeMap<i64, Value>,
    /// What `workspace/configuration` gets.
    pub settings: Value,
    pub capabilities: Value,
    /// The last diagnostics pushed for each document.
    pub latest: BTreeMap<String, Value>,
}

impl Client {
    /// A server in this process that has not been greeted.
    pub fn connect() -> Self {
        let (input, write) = io::pipe().unwrap();
        let (output, pipe) = io::pipe().unwrap();
        let (ended, server) = oneshot::channel();
        std::thread::spawn(move || ended.send(qualm::lsp::serve(input, pipe)));
        Self::of(Box::new(write), output, server)
    }

    /// The command with arguments and variables, as an editor starts it, not greeted.
    pub async fn spawn(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = super::lifecycle::qualm(arguments);
        command.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (ended, server) = oneshot::channel();
        let (write, output, pid) = (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.id());
        std::thread::spawn(move || ended.send(child.wait().map(|status| status.code().map_or(255, |code| code as u8))));
        Self { pid: Some(pid), ..Self::of(Box::new(write), output, server) }
    }

    fn of(write: Box<dyn Write + Send>, mut output: impl Read + Send + 'static, server: oneshot::Receiver<io::Result<u8>>) -> Self {
        let (heard, read) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            let (mut frames, mut buffer) = (Frames::default(), [0; 1 << 14]);
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                frames.push(&buffer[..read]);
                while let Some(message) = frames.next() {
                    let _ = heard.send(message);
                }
            }
        });
        Self {
            write,
            read,
            server,
            pid: None,
            next: 0,
            inbox: VecDeque::new(),
            replies: BTreeMap::new(),
            settings: Value::Null,
            capabilities: Value::Null,
            latest: BTreeMap::new(),
        }
    }

    /// A server greeted with these `initialize` parameters.
    pub async fn start(params: Value) -> Self {
        Self::start_with(params, Value::Null).await
    }

    pub async fn start_with(params: Value, settings: Value) -> Self {
        let mut client = Self::connect();
        client.settings = settings;
        client.greet(params).await;
        client
    }

    /// Greets the server with these `initialize` parameters.
    pub async fn greet(&mut self, params: Value) {
        let answer = self.request("initialize", params).await;
        self.capabilities = answer["capabilities"].clone();
        self.notify("initialized", json!({})).await;
    }

    /// Goes on answering the server for so long.
    pub async fn listen_on(&mut self, time: Duration) {
        let _ = tokio::time::timeout(time, async {
            loop {
                self.pump().await;
            }
        })
        .await;
    }

    pub async fn send(&mut self, message: Value) {
        self.write.write_all(&frame(&message)).unwrap();
    }

    /// Sends without reading; several messages go in one write.
    pub async fn send_all(&mut self, messages: &[Value]) {
        let bytes: Vec<u8> = messages.iter().flat_map(frame).collect();
        self.write.write_all(&bytes).unwrap();
    }

    pub async fn notify(&mut self, method: &str, params: Value) {
        self.send(json!({"jsonrpc": "2.0", "method": method, "params": params})).await;
    }

    /// Sends a request and gives its id.
    pub async fn ask(&mut self, method: &str, params: Value) -> i64 {
        self.next += 1;
        let mut message = json!({"jsonrpc": "2.0", "id": self.next, "method": method});
        if !params.is_null() {
            message["params"] = params;
        }
        self.send(message).await;
        self.next
    }

    /// The whole reply to a request.
    pub async fn reply(&mut self, id: i64) -> Value {
        loop {
            if let Some(reply) = self.replies.remove(&id) {
                return reply;
            }
            self.pump().await;
        }
    }

    /// The result of a request.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        let mut reply = self.reply(id).await;
        assert!(reply.get("error").is_none(), "{method}: {reply}");
        reply["result"].take()
    }

    /// Reads one message and files it; answers requests of the server.
    async fn pump(&mut self) {
        let message = tokio::time::timeout(PATIENCE, self.read_one()).await.expect("the server is silent").expect("the server is gone");
        if message.get("method").is_none() {
            self.replies.insert(message["id"].as_i64().unwrap_or(-1), message);
            return;
        }
        if let Some(id) = message.get("id") {
            let result = match message["method"].as_str().unwrap() {
                "workspace/configuration" => {
                    let items = message["params"]["items"].as_array().unwrap().len();
                    Value::Array(vec![self.settings.clone(); items])
                }
                "window/showDocument" => json!({"success": true}),
                _ => Value::Null,
            };
            let reply = json!({"jsonrpc": "2.0", "id": id, "result": result});
            self.write.write_all(&frame(&reply)).unwrap();
        }
        self.inbox.push_back(message);
    }

    async fn read_one(&mut self) -> Option<Value> {
        let message = self.read.recv().await?;
        if message["method"] == "textDocument/publishDiagnostics" {
            self.latest.insert(message["params"]["uri"].as_str().unwrap().to_owned(), message["params"].clone());
        }
        Some(message)
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.write.write_all(bytes).unwrap();
    }

    /// The next message, whatever it is.
    pub async fn next_message(&mut self) -> Value {
        tokio::time::timeout(PATIENCE, self.read_one()).await.expect("the server is silent").expect("the server is gone")
    }

    /// The next message of the server with this method for which `wanted` holds; others before it are dropped.
    pub async fn expect(&mut self, method: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            while let Some(message) = self.inbox.pop_front() {
                if message["method"] == method && wanted(&message["params"]) {
                    return message["params"].clone();
                }
            }
            self.pump().await;
        }
    }

    /// The diagnostics pushed for this version.
    pub async fn pushed(&mut self, uri: &str, version: i64) -> Value {
        self.expect("textDocument/publishDiagnostics", |p| p["uri"] == uri && p["version"] == version).await["diagnostics"].take()
    }

    pub async fn pulled(&mut self, uri: &str) -> Value {
        self.request("textDocument/diagnostic", json!({"textDocument": {"uri": uri}})).await["items"].take()
    }

    /// Everything the server says within this time.
    pub async fn listen(&mut self, time: Duration) -> Vec<Value> {
        let end = tokio::time::Instant::now() + time;
        while let Ok(message) = tokio::time::timeout_at(end, self.read_one()).await {
            let Some(message) = message else { break };
            if message.get("method").is_some() && message.get("id").is_some() {
                let reply = json!({"jsonrpc": "2.0", "id": message["id"], "result": null});
                self.write.write_all(&frame(&reply)).unwrap();
            }
            if message.get("method").is_none() {
                self.replies.insert(message["id"].as_i64().unwrap_or(-1), message);
            } else {
                self.inbox.push_back(message);
            }
        }
        self.inbox.drain(..).collect()
    }

    pub async fn open(&mut self, uri: &str, language: &str, text: &str) {
        let document = json!({"uri": uri, "languageId": language, "version": 1, "text": text});
        self.notify("textDocument/didOpen", json!({"textDocument": document})).await;
    }

    pub async fn change(&mut self, uri: &str, version: i64, changes: Value) {
        let params = json!({"textDocument": {"uri": uri, "version": version}, "contentChanges": changes});
        self.notify("textDocument/didChange", params).await;
    }

    /// An orderly end; gives the exit code.
    pub async fn stop(mut self) -> u8 {
        self.request("shutdown", Value::Null).await;
        self.send(json!({"jsonrpc": "2.0", "method": "exit"})).await;
        tokio::time::timeout(PATIENCE, self.server).await.expect("exit ends the server").unwrap().unwrap()
    }

    /// Sends `exit` alone; gives the exit code.
    pub async fn exit(mut self) -> u8 {
        self.send(json!({"jsonrpc": "2.0", "method": "exit"})).await;
        tokio::time::timeout(PATIENCE, self.server).await.expect("exit ends the server").unwrap().unwrap()
    }

    /// Closes the pipe; gives the exit code.
    pub async fn hang_up(self) -> u8 {
        drop(self.write);
        tokio::time::timeout(PATIENCE, self.server).await.expect("the end of the input ends the server").unwrap().unwrap()
    }
}
