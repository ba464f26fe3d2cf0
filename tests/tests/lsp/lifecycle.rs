//! How sessions begin and end.

use super::client::*;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

/// The command, built once.
fn binary() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let status = Command::new(env!("CARGO")).args(["build", "--quiet", "-p", "qualm", "--bin", "qualm"]).status().unwrap();
        assert!(status.success());
        // .../target/debug/deps/lsp_server-HASH -> .../target/debug/qualm
        let mut path = std::env::current_exe().unwrap();
        path.pop();
        path.pop();
        path.join(format!("qualm{}", std::env::consts::EXE_SUFFIX))
    })
}

/// The command with arguments.
pub fn qualm(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments);
    command
}

fn start() -> Child {
    let mut command = qualm(&["lsp"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn say(child: &mut Child, message: &Value) {
    child.stdin.as_mut().unwrap().write_all(&frame(message)).unwrap();
}

fn hear(child: &mut Child, frames: &mut Frames) -> Value {
    let mut buffer = [0; 4096];
    loop {
        if let Some(message) = frames.next() {
            return message;
        }
        let read = child.stdout.as_mut().unwrap().read(&mut buffer).unwrap();
        assert!(read > 0, "the server is gone");
        frames.push(&buffer[..read]);
    }
}

fn code(child: &mut Child) -> i32 {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap();
        }
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("the server is still running");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn greet(child: &mut Child, pid: Value) -> Frames {
    let params = json!({"processId": pid, "capabilities": {}});
    say(child, &json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}));
    let mut frames = Frames::default();
    assert_eq!(hear(child, &mut frames)["result"]["serverInfo"]["name"], "qualm");
    frames
}

#[test]
fn shutdown_and_exit_end_the_process_with_zero_though_the_input_stays_open() {
    let mut child = start();
    let mut frames = greet(&mut child, Value::Null);
    say(&mut child, &json!({"jsonrpc": "2.0", "id": 1, "method": "shutdown"}));
    assert_eq!(hear(&mut child, &mut frames)["id"], 1);
    say(&mut child, &json!({"jsonrpc": "2.0", "method": "exit"}));
    assert_eq!(code(&mut child), 0);
}

#[test]
fn exit_without_shutdown_ends_the_process_with_one() {
    let mut child = start();
    greet(&mut child, Value::Null);
    say(&mut child, &json!({"jsonrpc": "2.0", "method": "exit"}));
    assert_eq!(code(&mut child), 1);
}

#[test]
fn the_end_of_the_input_ends_the_process() {
    let mut child = start();
    greet(&mut child, Value::Null);
    drop(child.stdin.take());
    assert_eq!(code(&mut child), 1);
}

/// A client that never reads, and sends until nobody takes it any more.
fn deaf() -> (Child, std::process::ChildStdin) {
    let mut child = start();
    greet(&mut child, Value::Null);
    let mut input = child.stdin.take().unwrap();
    for n in 0..20_000 {
        // An answer that is longer than the question.
        let ask = json!({"jsonrpc": "2.0", "id": n + 1, "method": "no/such/method/with/a/name/that/is/told/again", "params": {}});
        input.write_all(&frame(&ask)).unwrap();
    }
    (child, input)
}

#[cfg(unix)]
#[test]
fn a_client_that_never_reads_is_served_without_end_and_ended_when_it_hangs_up() {
    let (mut child, input) = deaf();
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none());
    drop(input);
    assert_eq!(code(&mut child), 1);
}

#[cfg(unix)]
#[test]
fn the_end_that_was_asked_for_comes_though_nobody_reads() {
    let (mut child, mut input) = deaf();
    for last in [json!({"jsonrpc": "2.0", "id": 0, "method": "shutdown"}), json!({"jsonrpc": "2.0", "method": "exit"})] {
        input.write_all(&frame(&last)).unwrap();
    }
    assert_eq!(code(&mut child), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn the_death_of_the_editor_ends_the_process_though_the_input_stays_open() {
    let mut editor = Command::new("sleep").arg("60").spawn().unwrap();
    let mut child = start();
    greet(&mut child, json!(editor.id()));
    editor.kill().unwrap();
    // Not buried yet: a zombie counts as dead.
    assert_eq!(code(&mut child), 1);
    editor.wait().unwrap();
}

#[tokio::test]
async fn the_same_holds_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Client::start(handshake("vscode", folder.path())).await.stop().await, 0);
    assert_eq!(Client::start(handshake("kak-lsp", folder.path())).await.exit().await, 1);
    assert_eq!(Client::start(handshake("ale", folder.path())).await.hang_up().await, 1);
}

#[tokio::test]
async fn the_end_of_the_input_ends_a_session_with_requests_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::start(handshake("vscode", folder.path())).await;
    let uri = uri(&folder.path().join("a.py"));
    client.open(&uri, "python", "x = 1\n").await;
    for _ in 0..50 {
        client.ask("textDocument/diagnostic", json!({"textDocument": {"uri": uri}})).await;
    }
    assert_eq!(client.hang_up().await, 1);
}

#[tokio::test]
async fn a_session_can_be_written_down_and_played_again() {
    let folder = tempfile::tempdir().unwrap();
    let transcript = folder.path().join("session.jsonl");
    let mut child = Command::new(binary())
        .args(["lsp", "--mirror"])
        .arg(&transcript)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut frames = greet(&mut child, Value::Null);
    let document = json!({"uri": "file:///nowhere/a.py", "languageId": "python", "version": 1, "text": "x = 1\n"});
    say(&mut child, &json!({"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument": document}}));
    say(&mut child, &json!({"jsonrpc": "2.0", "id": 1, "method": "qualm/textHash", "params": {"uri": "file:///nowhere/a.py"}}));
    let hash = loop {
        let message = hear(&mut child, &mut frames);
        if message["id"] == 1 {
            break message;
        }
    };
    say(&mut child, &json!({"jsonrpc": "2.0", "id": 2, "method": "shutdown"}));
    say(&mut child, &json!({"jsonrpc": "2.0", "method": "exit"}));
    assert_eq!(code(&mut child), 0);
    let played = Command::new(binary()).args(["lsp", "--replay"]).arg(&transcript).output().unwrap();
    assert_eq!(played.status.code(), Some(0), "{played:?}");
    let lines: Vec<Value> = String::from_utf8(played.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(lines.contains(&hash), "{lines:?}");
}
