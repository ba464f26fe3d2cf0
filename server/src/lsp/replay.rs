//! Plays the client's part of a written-down session against a fresh server.

use super::{serve, wire};
use anyhow::Context as _;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long to wait for an answer that does not come.
const WAIT: Duration = Duration::from_secs(10);

/// Plays a transcript and prints every message of the server as one line of JSON. Gives the server's exit code.
pub async fn run(file: &Path) -> anyhow::Result<u8> {
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
    let (mut to_server, server_in) = tokio::io::duplex(1 << 20);
    let (server_out, mut from_server) = tokio::io::duplex(1 << 20);
    let server = tokio::spawn(async move { serve(server_in, server_out, None).await });
    let mut frames = wire::Frames::default();
    let mut buffer = vec![0; 1 << 16];
    let mut awaited: BTreeSet<String> = BTreeSet::new();
    let mut stdout = std::io::stdout().lock();
    let mut messages = messages.into_iter().peekable();
    loop {
        // One request at a time, so that every run gives the same answers.
        while awaited.is_empty() {
            let Some(message) = messages.next() else { break };
            if message.get("method").is_some() && message.get("id").is_some() {
                awaited.insert(message["id"].to_string());
            }
            to_server.write_all(&wire::frame(&message)).await?;
        }
        if awaited.is_empty() {
            break;
        }
        let Ok(read) = tokio::time::timeout(WAIT, from_server.read(&mut buffer)).await else { break };
        let read = read?;
        if read == 0 {
            break;
        }
        for message in frames.push(&buffer[..read]) {
            writeln!(stdout, "{message}")?;
            if message.get("method").is_none() {
                awaited.remove(&message["id"].to_string());
            }
        }
    }
    drop(to_server);
    while let Ok(Ok(read)) = tokio::time::timeout(WAIT, from_server.read(&mut buffer)).await {
        if read == 0 {
            break;
        }
        for message in frames.push(&buffer[..read]) {
            writeln!(stdout, "{message}")?;
        }
    }
    Ok(server.await??)
}
