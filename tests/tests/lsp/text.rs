//! What happens to findings while text changes: nothing drifts, nothing is guessed.

use super::{
    client::*,
    editors::{real, workspace},
    model::{Model, Unit},
};
use serde_json::{Value, json};
use std::time::Duration;

const START: &str = "import os\r\n\r\ndef f(x):\r\n    s = \"héllo 漢字 😀\"\r\n    danger(s)\r\n    return s\r\n\r\ndanger(1)\r\n\r\nclass A:\r\n    def g(self):\r\n        return danger(self)\r\n";

/// Diagnostics without what they say of the text's origin: a text that was opened has none.
fn without_origin(diagnostics: &Value) -> Value {
    let mut out = diagnostics.clone();
    for d in out.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        d.remove("data");
        if let Some(related) = d.get_mut("relatedInformation").and_then(Value::as_array_mut) {
            related.retain(|r| !r["message"].as_str().unwrap().starts_with("Origin of this text"));
            if related.is_empty() {
                d.remove("relatedInformation");
            }
        }
    }
    out
}

/// After any session the findings are those of a freshly opened copy.
async fn session(seed: u64, editor: &str, unit: Unit, steps: usize) {
    let folder = workspace();
    // Where text came from is not part of this: all of it is vetted alike.
    std::fs::write(folder.path().join("qualm.toml"), "foreign = true\n").unwrap();
    let root = real(&folder);
    let mut client = Client::start(handshake(editor, &root)).await;
    let pull = client.capabilities["diagnosticProvider"].is_object();
    let (edited, copy) = (uri(&root.join("a.py")), uri(&root.join("b.py")));
    let mut model = Model::new(seed, unit, START);
    client.open(&edited, "python", &model.text).await;
    let mut version = 1;
    for _ in 0..steps {
        let changes: Vec<Value> = (0..=model.random.below(3)).map(|_| model.random_step()).collect();
        version += 1;
        client.change(&edited, version, Value::Array(changes)).await;
        match model.random.below(6) {
            0 if pull => {
                client.pulled(&edited).await;
            }
            0 => {
                client.pushed(&edited, version).await;
            }
            1 => tokio::time::sleep(Duration::from_millis(3)).await,
            _ => {}
        }
    }
    client.open(&copy, "python", &model.text).await;
    // Half-typed code is judged as it stands after a pause; what is shown before may hold earlier findings.
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    let fresh = if pull { client.pulled(&copy).await } else { client.pushed(&copy, 1).await };
    loop {
        let now = if pull {
            client.pulled(&edited).await
        } else {
            let latest = &client.latest[&edited];
            if latest["version"] == version { latest["diagnostics"].clone() } else { Value::Null }
        };
        let plain = |d: &Value| without_origin(d).to_string().replace("b.py", "a.py");
        if plain(&now) == plain(&fresh) {
            break;
        }
        assert!(tokio::time::Instant::now() < end, "seed {seed}\n{}\nedited: {now:#}\nfresh: {fresh:#}", model.text);
        client.listen(Duration::from_millis(50)).await;
    }
    client.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_drifts_with_pulls() {
    let seeds: u64 = std::env::var("QUALM_DRIFT_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    for seed in 0..seeds {
        session(seed, "vscode", Unit::Utf16, 60).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_drifts_with_pushes() {
    let seeds: u64 = std::env::var("QUALM_DRIFT_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    for seed in 100..100 + seeds {
        session(seed, "kak-lsp", Unit::Utf8, 60).await;
    }
}

#[tokio::test]
async fn half_typed_code_keeps_its_findings_for_a_moment() {
    let folder = workspace();
    let root = real(&folder);
    let mut client = Client::start(handshake("ale", &root)).await;
    let uri = uri(&root.join("a.py"));
    let mut model = Model::new(1, Unit::Utf16, "def f(x):\n    danger(x)\n");
    client.open(&uri, "python", &model.text).await;
    assert_eq!(client.pushed(&uri, 1).await[0]["range"]["start"], json!({"line": 1, "character": 4}));
    // Something unfinished above swallows everything behind it.
    let at = model.text.find("    danger").unwrap();
    let change = model.edit(at, at, "    class (\n");
    client.change(&uri, 2, json!([change])).await;
    let kept = client.pushed(&uri, 2).await;
    assert_eq!(kept.as_array().unwrap().len(), 1);
    assert_eq!(kept[0]["range"]["start"], json!({"line": 2, "character": 4}), "it moved along");
    let settled = client.pushed(&uri, 2).await;
    assert_eq!(settled, json!([]), "and is given up when nothing comes");
    client.stop().await;
}

#[tokio::test]
async fn a_client_out_of_step_gets_no_edits_until_it_sends_the_whole_text() {
    let folder = workspace();
    let root = real(&folder);
    let mut client = Client::start(handshake("vscode", &root)).await;
    let uri = uri(&root.join("a.py"));
    client.open(&uri, "python", "danger(1)\n").await;
    let at = json!({"line": 0, "character": 0});
    let actions = json!({"textDocument": {"uri": uri}, "range": {"start": at, "end": at}, "context": {"diagnostics": []}});
    assert!(client.request("textDocument/codeAction", actions.clone()).await.is_array());
    // The version did not grow.
    client.change(&uri, 1, json!([{"range": {"start": at, "end": at}, "text": "x"}])).await;
    assert_eq!(client.request("textDocument/codeAction", actions.clone()).await, Value::Null);
    let state = client.request("qualm/textHash", json!({"uri": uri})).await;
    assert_eq!(state["desynced"], true);
    // Pulls are still answered, with what was last known.
    assert_eq!(client.pulled(&uri).await.as_array().unwrap().len(), 1);
    client.change(&uri, 2, json!([{"range": {"start": at, "end": at}, "text": "x"}])).await;
    assert_eq!(client.request("textDocument/codeAction", actions.clone()).await, Value::Null);
    client.change(&uri, 3, json!([{"text": "danger(2)\ndanger(3)\n"}])).await;
    assert_eq!(client.pulled(&uri).await.as_array().unwrap().len(), 2);
    assert!(client.request("textDocument/codeAction", actions).await.is_array());
    client.stop().await;
}

#[tokio::test]
async fn a_burst_of_edits_is_answered_once_and_for_the_last_text() {
    let folder = workspace();
    let root = real(&folder);
    let mut client = Client::start(handshake("kak-lsp", &root)).await;
    let uri = uri(&root.join("a.py"));
    let text = "def f(x):\n    return x\n\n".repeat(2000);
    client.open(&uri, "python", &text).await;
    client.pushed(&uri, 1).await;
    let at = json!({"line": 0, "character": 0});
    let messages: Vec<Value> = (2..202)
        .map(|v| {
            let text = if v == 201 { "danger(1)\n" } else { "# x\n" };
            let params =
                json!({"textDocument": {"uri": uri, "version": v}, "contentChanges": [{"range": {"start": at, "end": at}, "text": text}]});
            json!({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params})
        })
        .collect();
    client.send_all(&messages).await;
    let mut stale = 0;
    loop {
        let published = client.expect("textDocument/publishDiagnostics", |p| p["uri"] == uri).await;
        if published["version"] == 201 {
            assert_eq!(published["diagnostics"].as_array().unwrap().len(), 1);
            break;
        }
        stale += 1;
    }
    assert!(stale <= 3, "{stale} stale publishes");
    client.stop().await;
}

#[tokio::test]
async fn hostile_texts_end_nothing() {
    let folder = workspace();
    let root = real(&folder);
    let mut client = Client::start(handshake("ale", &root)).await;
    let texts = [
        "(".repeat(100_000),
        "\u{0}\u{feff}\r\r\n\u{2028}".repeat(5_000),
        "x = \"".to_owned() + &"😀".repeat(200_000),
        "[1,".repeat(50_000),
    ];
    for (n, text) in texts.iter().enumerate() {
        let uri = uri(&root.join(format!("{n}.py")));
        client.open(&uri, "python", text).await;
        client.pushed(&uri, 1).await;
        let end = json!({"line": u32::MAX, "character": u32::MAX});
        client.change(&uri, 2, json!([{"range": {"start": {"line": 0, "character": 0}, "end": end}, "text": "danger(1)\n"}])).await;
        assert_eq!(client.pushed(&uri, 2).await.as_array().unwrap().len(), 1);
    }
    client.stop().await;
}
