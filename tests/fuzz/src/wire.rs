//! Random sessions with the language server: messages as editors send them, broken ones, and junk between them. Whatever came,
//! the server must answer the last question and end as the protocol says.

use crate::program;
use fastrand::Rng;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

/// Without any message for so long, the server does not answer any more.
const PATIENCE: Duration = Duration::from_secs(60);
const REQUESTS: &[&str] = &[
    "textDocument/hover",
    "textDocument/codeAction",
    "textDocument/diagnostic",
    "textDocument/codeLens",
    "workspace/executeCommand",
    "codeAction/resolve",
    "workspace/diagnostic",
    "textDocument/definition",
    "$/unknown",
    "initialize",
];
const NOTIFICATIONS: &[&str] = &[
    "textDocument/didSave",
    "textDocument/didClose",
    "workspace/didChangeConfiguration",
    "workspace/didChangeWatchedFiles",
    "$/cancelRequest",
    "initialized",
    "qualm/origin",
    "$/setTrace",
    "no/such",
];

/// Plays the session of this number.
pub fn session(program: &Path, seed: u64) -> std::io::Result<Result<(), String>> {
    play(program, &messages(seed))
}

/// A name for, and the bytes of, the messages of a failing session that its failure needs.
pub fn smaller(program: &Path, seed: u64) -> std::io::Result<(String, Vec<u8>)> {
    let mut all = messages(seed);
    let mut at = 0;
    while at < all.len() {
        let mut rest = all.clone();
        rest.remove(at);
        if play(program, &rest)?.is_err() {
            all = rest;
        } else {
            at += 1;
        }
    }
    Ok((format!("fuzz-failure-{seed}.wire"), all.concat()))
}

fn frame(body: &[u8]) -> Vec<u8> {
    [format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn message(method: &str, params: &Value, id: Option<u64>) -> Vec<u8> {
    let mut body = json!({"jsonrpc": "2.0", "method": method, "params": params});
    if let Some(id) = id {
        body["id"] = json!(id);
    }
    frame(body.to_string().as_bytes())
}

/// The messages of a session, but for the first and the last ones.
fn messages(seed: u64) -> Vec<Vec<u8>> {
    let mut rng = Rng::with_seed(seed);
    let mut out = Vec::new();
    let count = rng.usize(5..60);
    for id in 0..count as u64 {
        let uri = format!("file:///fuzz/{}", ["a.py", "b.ts", "c.js", "d e.tsx", "é.py"][rng.usize(..5)]);
        let document = json!({"uri": uri, "version": rng.i32(-2..40)});
        let number = |rng: &mut Rng| {
            if rng.u8(..8) == 0 { json!(*[-1i64, 1 << 31, 1 << 40, 99_999].get(rng.usize(..4)).unwrap_or(&0)) } else { json!(rng.u8(..30)) }
        };
        let mut place = || json!({"line": number(&mut rng), "character": number(&mut rng)});
        let range = json!({"start": place(), "end": place()});
        let text = program::random(rng.u64(..)).1;
        let params = match rng.u8(..4) {
            0 => json!({"textDocument": document, "position": range["start"]}),
            1 => json!({"textDocument": document, "range": range, "context": {"diagnostics": []}}),
            2 => json!({"command": "qualm.x", "arguments": [document, range]}),
            _ => json!([[], null, 1.5, "x"]),
        };
        let mut bytes = match rng.u8(..12) {
            0..=2 => {
                let language = ["python", "typescript", "javascript", "x"][rng.usize(..4)];
                message(
                    "textDocument/didOpen",
                    &json!({"textDocument": {"uri": uri, "languageId": language, "version": 1, "text": text}}),
                    None,
                )
            }
            3..=5 => {
                let piece: String = text.chars().take(rng.usize(..80)).collect();
                let change = if rng.u8(..5) == 0 { json!({"text": text}) } else { json!({"range": range, "text": piece}) };
                message("textDocument/didChange", &json!({"textDocument": document, "contentChanges": [change]}), None)
            }
            6 | 7 => message(REQUESTS[rng.usize(..REQUESTS.len())], &params, Some(id)),
            8 | 9 => message(NOTIFICATIONS[rng.usize(..NOTIFICATIONS.len())], &params, None),
            10 => {
                let junk: [&[u8]; 9] = [
                    b"{",
                    b"[]",
                    b"null",
                    b"{\"jsonrpc\":\"2.0\"}",
                    b"\xff\xfe",
                    b"{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didOpen\",\"params\":\"\\ud83d\"}",
                    b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}]",
                    b"{\"id\":{},\"method\":7}",
                    b"{\"id\":null,\"result\":null}",
                ];
                frame(junk[rng.usize(..junk.len())])
            }
            _ => frame(format!("{}1{}", "[".repeat(rng.usize(..9000)), "]".repeat(rng.usize(..9000))).as_bytes()),
        };
        if rng.u8(..12) == 0 {
            let at = rng.usize(..bytes.len());
            match rng.u8(..3) {
                0 => bytes[at] = rng.u8(..),
                1 => drop(bytes.drain(at..)),
                _ => bytes.splice(..0, b"Junk: x\r\n\r\n".iter().copied()).for_each(drop),
            }
        }
        out.push(bytes);
    }
    out
}

fn play(program: &Path, messages: &[Vec<u8>]) -> std::io::Result<Result<(), String>> {
    let mut server = Command::new(program).arg("lsp").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let (Some(mut input), Some(output)) = (server.stdin.take(), server.stdout.take()) else { return Ok(Err("no pipes".into())) };
    let (send, receive) = mpsc::channel();
    thread::spawn(move || read(output, &send));
    let mut all = message("initialize", &json!({"processId": null, "rootUri": null, "capabilities": {}}), Some(1_000_001));
    all.extend(message("initialized", &json!({}), None));
    all.extend(messages.concat());
    let hover = json!({"textDocument": {"uri": "file:///fuzz/a.py"}, "position": {"line": 0, "character": 0}});
    // A cut body swallows no more than the first of these.
    all.extend(frame(b"{}"));
    all.extend(message("textDocument/hover", &hover, Some(1_000_002)));
    let writer = thread::spawn(move || {
        let written = input.write_all(&all).and_then(|()| input.flush());
        (input, written)
    });
    let answered = wait_for(&receive, 1_000_002);
    let (mut input, _) = match answered {
        Ok(()) => writer.join().map_err(|_| std::io::Error::other("the writer failed"))?,
        Err(what) => return Ok(Err(format!("{what}{}", end(&mut server)))),
    };
    let last = [message("shutdown", &Value::Null, Some(1_000_003)), message("exit", &Value::Null, None)].concat();
    if input.write_all(&last).and_then(|()| input.flush()).is_err() {
        return Ok(Err(format!("the server reads no more{}", end(&mut server))));
    }
    let shut = wait_for(&receive, 1_000_003);
    drop(input);
    if let Err(what) = shut {
        return Ok(Err(format!("after shutdown: {what}{}", end(&mut server))));
    }
    let status = server.wait()?;
    Ok(if status.success() { Ok(()) } else { Err(format!("it ended with {status}")) })
}

/// Ends the server; how it had ended, if it had.
fn end(server: &mut Child) -> String {
    thread::sleep(Duration::from_millis(200));
    let ended = server.try_wait().ok().flatten();
    drop(server.kill());
    drop(server.wait());
    ended.map_or(String::new(), |status| format!(" ({status})"))
}

fn wait_for(receive: &mpsc::Receiver<Value>, id: u64) -> Result<(), String> {
    loop {
        match receive.recv_timeout(PATIENCE) {
            Ok(message) if message["id"] == json!(id) && message.get("method").is_none() => return Ok(()),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return Err("no answer any more".into()),
            Err(RecvTimeoutError::Disconnected) => return Err("the server says no more".into()),
        }
    }
}

/// Hands over every message of the server.
fn read(output: ChildStdout, send: &Sender<Value>) {
    let mut output = BufReader::new(output);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if output.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("Content-Length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        if output.read_exact(&mut body).is_err() || send.send(serde_json::from_slice(&body).unwrap_or_default()).is_err() {
            return;
        }
    }
}
