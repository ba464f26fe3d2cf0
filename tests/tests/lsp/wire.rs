//! Messages that are none: the next one is answered as if nothing had been.

use super::{client::*, editors::workspace};
use serde_json::{Value, json};

async fn started(root: &std::path::Path) -> Client {
    Client::start(handshake("kak-lsp", root)).await
}

#[tokio::test]
async fn what_cannot_be_decoded_is_told_and_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    passed_over(started(folder.path()).await, folder.path()).await;
    let mut client = Client::spawn(&["lsp"], &[]).await;
    client.greet(handshake("kak-lsp", folder.path())).await;
    passed_over(client, folder.path()).await;
}

async fn passed_over(mut client: Client, root: &std::path::Path) {
    let uri = uri(&root.join("a.py"));
    client.open(&uri, "python", "x = 1\n").await;
    let before = client.request("qualm/textHash", json!({"uri": uri})).await;
    let deep = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":{}{}}}", "[".repeat(500), "]".repeat(500));
    let body = |body: &[u8]| [format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat();
    let faults = [
        body(b"{\"jsonrpc\": \"2.0\", \"method\": }"),
        body(b"[{\"jsonrpc\":\"2.0\",\"method\":\"initialized\"}]"),
        body(b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}"),
        body(b"null"),
        body(deep.as_bytes()),
        b"Content-Length: 2\r\nContent-Type: application/vscode-jsonrpc; charset=latin1\r\n\r\n{}".to_vec(),
        b"Content-Length: many\r\n\r\n".to_vec(),
        b"Content-Length: 18446744073709551615\r\n\r\n".to_vec(),
        b"Content-Length: 99999999999999999999999\r\n\r\n".to_vec(),
        b"Content-Length: 5000\r\n\r\n{}".to_vec(),
        b"what?\r\n\r\n".to_vec(),
    ];
    for fault in faults {
        client.send_raw(&fault);
        let ask = json!({"jsonrpc": "2.0", "id": 77, "method": "qualm/textHash", "params": {"uri": uri}});
        client.send(ask).await;
        let mut told = 0;
        loop {
            let message = client.next_message().await;
            if message["id"] == 77 {
                assert_eq!(message["result"], before);
                break;
            }
            if message.get("error").is_some() {
                assert_eq!((&message["id"], &message["error"]["code"]), (&Value::Null, &json!(-32700)), "{message}");
                told += 1;
            }
        }
        assert_eq!(told, 1, "{}", String::from_utf8_lossy(&fault[..fault.len().min(80)]));
    }
    client.send(json!({"jsonrpc": "1.0", "id": 5, "method": "shutdown"})).await;
    assert_eq!(client.reply(5).await["error"]["code"], -32600);
    assert_eq!(client.stop().await, 0);
}

#[tokio::test]
async fn half_a_pair_is_one_column() {
    let folder = workspace();
    let mut client = started(folder.path()).await;
    // Columns in UTF-16, as of the clients that write such halves.
    let mut utf16 = Client::start(handshake("ale", folder.path())).await;
    for client in [&mut client, &mut utf16] {
        let uri = uri(&folder.path().join("a.py"));
        let open = format!(
            r#"{{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{{"textDocument":{{"uri":"{uri}","languageId":"python","version":1,"text":"'\ud83d' ; danger(1)\n"}}}}}}"#
        );
        client.send_raw(&[format!("Content-Length: {}\r\n\r\n", open.len()).as_bytes(), open.as_bytes()].concat());
        let found = client.pushed(&uri, 1).await;
        let bytes = client.capabilities["positionEncoding"] == "utf-8";
        let column = if bytes { 8 } else { 6 };
        assert_eq!(found[0]["range"]["start"], json!({"line": 0, "character": column}));
        let change = format!(
            r#"{{"jsonrpc":"2.0","method":"textDocument/didChange","params":{{"textDocument":{{"uri":"{uri}","version":2}},"contentChanges":[{{"range":{{"start":{{"line":0,"character":1}},"end":{{"line":0,"character":1}}}},"text":"\udc00\ud83d\ude00"}}]}}}}"#
        );
        client.send_raw(&[format!("Content-Length: {}\r\n\r\n", change.len()).as_bytes(), change.as_bytes()].concat());
        let found = client.pushed(&uri, 2).await;
        let column = column + if bytes { 7 } else { 3 };
        assert_eq!(found[0]["range"]["start"], json!({"line": 0, "character": column}), "a half and a whole pair were put in");
    }
    assert_eq!(client.stop().await, 0);
    assert_eq!(utf16.stop().await, 0);
}
