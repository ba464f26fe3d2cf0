//! Plays the client's part of a written-down session against a fresh server.

use super::{serve, wire};
use anyhow::Context as _;
use serde_json::Value;
use std::{
    io::{self, BufRead, BufReader, Write},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long to wait for an answer that does not come.
const WAIT: Duration = Duration::from_secs(10);

/// Plays a transcript and prints every message of the server as one line of JSON. Gives the server's exit code.
pub fn run(file: &Path) -> anyhow::Result<u8> {
    let transcript = std::fs::File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let mut messages = Vec::new();
    for (number, line) in BufReader::new(transcript).lines().enumerate() {
        let mut entry: Value =
            serde_json::from_str(&line?).with_context(|| format!("{}:{}: not a transcript", file.display(), number + 1))?;
        if entry["from"] == "client" {
            messages.push(entry["message"].take());
        }
    }
    // The editor of back then is not this server's parent.
    for message in messages.iter_mut().filter(|m| m["method"] == "initialize") {
        message["params"]["processId"] = Value::Null;
    }
    let (server_in, mut to_server) = io::pipe()?;
    let (mut from_server, server_out) = io::pipe()?;
    let server = thread::spawn(move || serve(server_in, server_out));
    let (heard, messages_of_server) = mpsc::channel();
    thread::spawn(move || {
        let (mut frames, mut scratch) = (wire::Frames::default(), Vec::new());
        while frames.read(&mut from_server, &mut scratch).is_ok_and(|read| read > 0) {
            while let Some(Ok(message)) = frames.next() {
                if heard.send(message.value).is_err() {
                    return;
                }
            }
        }
    });
    let mut stdout = io::stdout().lock();
    for message in messages {
        to_server.write_all(&wire::frame(&message))?;
        if message.get("method").is_none() || message.get("id").is_none() {
            continue;
        }
        // One request at a time, so that every run gives the same answers.
        while let Ok(heard) = messages_of_server.recv_timeout(WAIT) {
            writeln!(stdout, "{heard}")?;
            if heard.get("method").is_none() && heard["id"] == message["id"] {
                break;
            }
        }
    }
    drop(to_server);
    while let Ok(heard) = messages_of_server.recv_timeout(WAIT) {
        writeln!(stdout, "{heard}")?;
    }
    server.join().map_err(|_| anyhow::anyhow!("the server panicked"))?.map_err(Into::into)
}
