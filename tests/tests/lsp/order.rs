//! Messages take effect in the order in which they arrive: random edits with requests between them, every answer
//! compared with the client's text at the moment of asking. `QUALM_ORDER_EDITS=100000` runs the long proof.

use super::{client::*, model::Model};
use serde_json::{Value, json};
use std::collections::HashMap;

fn hash(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

async fn prove(edits: i64, editor: &str, unit: super::model::Unit) {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::start(handshake(editor, folder.path())).await;
    let uri = uri(&folder.path().join("a.py"));
    let mut model = Model::new(7, unit, "def f(x):\n    s = \"héllo 漢字 😀\"\n    return s\r\n");
    client.open(&uri, "python", &model.text).await;
    let mut expected: HashMap<i64, (i64, String)> = HashMap::new();
    let mut batch = Vec::new();
    for version in 2..edits + 2 {
        let change = model.random_edit();
        let params = json!({"textDocument": {"uri": uri, "version": version}, "contentChanges": [change]});
        batch.push(json!({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params}));
        if version % 10 == 0 {
            expected.insert(1_000_000 + version, (version, hash(&model.text)));
            batch.push(json!({"jsonrpc": "2.0", "id": 1_000_000 + version, "method": "qualm/textHash", "params": {"uri": uri}}));
        }
        if batch.len() >= 110 {
            client.send_all(&std::mem::take(&mut batch)).await;
            check(&mut client, &mut expected, 50).await;
        }
    }
    client.send_all(&batch).await;
    check(&mut client, &mut expected, 0).await;
    let last = client.request("qualm/textHash", json!({"uri": uri})).await;
    assert_eq!(last, json!({"version": edits + 1, "hash": hash(&model.text), "desynced": false}));
    assert_eq!(client.stop().await, 0);
}

/// Reads answers until at most `left` are open.
async fn check(client: &mut Client, expected: &mut HashMap<i64, (i64, String)>, left: usize) {
    while expected.len() > left {
        let id = *expected.keys().min().unwrap();
        let reply = client.reply(id).await;
        let (version, hash) = expected.remove(&id).unwrap();
        assert_eq!(reply["result"], json!({"version": version, "hash": hash, "desynced": false}), "request {id}");
    }
}

fn edits() -> i64 {
    std::env::var("QUALM_ORDER_EDITS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_see_the_text_of_their_moment_utf16() {
    prove(edits(), "vscode", super::model::Unit::Utf16).await;
}

#[tokio::test]
async fn requests_see_the_text_of_their_moment_utf8_on_one_thread() {
    prove(edits() / 5, "neovim", super::model::Unit::Utf8).await;
}

#[tokio::test]
async fn requests_see_the_text_of_their_moment_utf32() {
    prove(edits() / 5, "eglot", super::model::Unit::Utf32).await;
}

#[tokio::test]
async fn a_cancelled_request_is_answered_at_once_among_many() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::start(handshake("vscode", folder.path())).await;
    let uri = uri(&folder.path().join("a.py"));
    client.open(&uri, "python", "x = 1\n").await;
    let ids: Vec<Value> = (0..300).map(|n| json!(5_000 + n)).collect();
    let mut messages = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        let params = json!({"textDocument": {"uri": uri, "version": n + 2}, "contentChanges": [{"text": format!("x = {n}\n")}]});
        messages.push(json!({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params}));
        messages.push(json!({"jsonrpc": "2.0", "id": id, "method": "textDocument/diagnostic", "params": {"textDocument": {"uri": uri}}}));
    }
    messages.extend(ids.iter().map(|id| json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": id}})));
    client.send_all(&messages).await;
    for id in ids {
        let reply = client.reply(id.as_i64().unwrap()).await;
        assert!(reply["error"]["code"] == -32800 || reply["result"]["items"].is_array(), "{reply}");
    }
    assert_eq!(client.stop().await, 0);
}
