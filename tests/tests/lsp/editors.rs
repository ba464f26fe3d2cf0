//! What six real editors get, by the handshakes they really send.

use super::client::*;
use serde_json::{Value, json};
use std::path::Path;

pub const EDITORS: &[&str] = &["vscode", "neovim", "helix", "eglot", "kak-lsp", "ale"];

/// A rule of a team: so that these tests do not depend on the pack.
pub const RULE: &str = r#"+++
id = "team-danger"
cwe = [94]
severity = "error"
persona = "regular"
message = "danger is called"
[[call]]
path = "danger"
+++
# Danger is called
Danger runs what it is given. Somebody liked its name. The input `boom` ends the process.

## Lesson
Call `safety` instead.

```python bad
danger(1)  # finding
```
"#;

pub fn workspace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join(".qualm/rules/team");
    std::fs::create_dir_all(&rules).unwrap();
    std::fs::write(rules.join("team-danger.md"), RULE).unwrap();
    std::fs::write(folder.path().join("qualm.toml"), "").unwrap();
    folder
}

/// The root as the server names it.
pub fn real(folder: &tempfile::TempDir) -> std::path::PathBuf {
    folder.path().canonicalize().unwrap()
}

const TEXT: &str = "# 😀 é\nname = \"😀\"; danger(name)\n\n\ndef f():\n    danger(2)\n";

async fn diagnostics(client: &mut Client, uri: &str, version: i64, pull: bool) -> Value {
    if pull { client.pulled(uri).await } else { client.pushed(uri, version).await }
}

fn first(diagnostics: &Value) -> (i64, i64, String) {
    let start = &diagnostics[0]["range"]["start"];
    (start["line"].as_i64().unwrap(), start["character"].as_i64().unwrap(), diagnostics[0]["code"].as_str().unwrap().to_owned())
}

async fn started(editor: &str, root: &Path) -> (Client, bool) {
    let client = Client::start(handshake(editor, root)).await;
    let pull = client.capabilities["diagnosticProvider"].is_object();
    (client, pull)
}

#[tokio::test]
async fn every_editor_gets_one_model_of_diagnostics_in_its_own_columns() {
    for editor in EDITORS {
        let folder = workspace();
        let root = real(&folder);
        let (mut client, pull) = started(editor, &root).await;
        // Helix pulls but cannot be told to pull again, the last three only take pushes.
        assert_eq!(pull, matches!(*editor, "vscode" | "neovim"), "{editor}");
        let encoding = match *editor {
            "neovim" | "helix" | "kak-lsp" => "utf-8",
            "eglot" => "utf-32",
            _ => "utf-16",
        };
        assert_eq!(client.capabilities["positionEncoding"], encoding, "{editor}");
        let uri = uri(&root.join("a.py"));
        client.open(&uri, "python", TEXT).await;
        let found = diagnostics(&mut client, &uri, 1, pull).await;
        let expected = match encoding {
            "utf-8" => 22,
            "utf-16" => 20,
            _ => 19,
        };
        assert_eq!(found.as_array().unwrap().len(), 2, "{editor}: {found}");
        let (line, start, code) = first(&found);
        assert_eq!((line, start, code.as_str()), (1, found_start(expected), "team-danger"), "{editor}");
        assert_eq!(found[0]["source"], "qualm");
        assert_eq!(found[0]["severity"], 1);
        assert_eq!(found[0]["codeDescription"].is_object(), *editor == "vscode", "{editor}");
        // The first call goes; the columns before it are counted in the agreed unit.
        let end = found[0]["range"]["end"].clone();
        let range = json!({"start": found[0]["range"]["start"], "end": end});
        client.change(&uri, 2, json!([{"range": range, "text": "safe(1)"}])).await;
        let found = diagnostics(&mut client, &uri, 2, pull).await;
        assert_eq!(found.as_array().unwrap().len(), 1, "{editor}: {found}");
        assert_eq!(found[0]["range"]["start"]["line"], 5, "{editor}");
        // Whoever pulls gets no pushes about the document.
        if pull {
            let said = client.listen(std::time::Duration::from_millis(100)).await;
            assert!(!said.iter().any(|m| m["method"] == "textDocument/publishDiagnostics" && m["params"]["uri"] == uri), "{editor}");
        }
        client.notify("textDocument/didClose", json!({"textDocument": {"uri": uri}})).await;
        if !pull {
            let cleared = client.expect("textDocument/publishDiagnostics", |p| p["uri"] == uri).await;
            assert_eq!(cleared["diagnostics"], json!([]), "{editor}");
        }
        assert_eq!(client.stop().await, 0, "{editor}");
    }
}

/// Column of `danger` in line 1 of [`TEXT`].
fn found_start(prefix: i64) -> i64 {
    // `name = "😀"; ` is 10 ASCII characters and the emoji of 4, 2 or 1 units.
    match prefix {
        22 => 15,
        20 => 13,
        _ => 12,
    }
}

#[tokio::test]
async fn edits_come_in_the_announced_form_and_lines_decide() {
    for editor in EDITORS {
        let folder = workspace();
        let root = real(&folder);
        let (mut client, pull) = started(editor, &root).await;
        let uri = uri(&root.join("a.py"));
        client.open(&uri, "python", TEXT).await;
        let found = diagnostics(&mut client, &uri, 1, pull).await;
        // An empty range at the start of the finding's line, as Neovim and ALE send it.
        let at = json!({"line": 5, "character": 0});
        let params = json!({"textDocument": {"uri": uri}, "range": {"start": at, "end": at}, "context": {"diagnostics": [found[1]]}});
        let actions = client.request("textDocument/codeAction", params.clone()).await;
        let titles: Vec<&str> = actions.as_array().unwrap().iter().map(|a| a["title"].as_str().unwrap()).collect();
        assert!(titles.contains(&"Allow team-danger here (say why)"), "{editor}: {titles:?}");
        assert_eq!(titles.contains(&"Explain team-danger"), *editor != "ale", "{editor}: {titles:?}");
        let mut allow = actions.as_array().unwrap().iter().find(|a| a["title"].as_str().unwrap().starts_with("Allow")).unwrap().clone();
        assert_eq!(allow["kind"], "quickfix");
        assert_eq!(allow["diagnostics"][0]["code"], "team-danger", "{editor}");
        let lazy = !matches!(*editor, "ale" | "kak-lsp");
        assert_eq!(allow["edit"].is_null(), lazy, "{editor}");
        if lazy {
            allow = client.request("codeAction/resolve", allow).await;
        }
        let edit = &allow["edit"];
        let edits = if matches!(*editor, "neovim" | "ale") {
            assert!(edit["documentChanges"].is_null(), "{editor}: {edit}");
            &edit["changes"][&uri]
        } else {
            assert!(edit["changes"].is_null(), "{editor}: {edit}");
            assert_eq!(edit["documentChanges"][0]["textDocument"], json!({"uri": uri, "version": 1}), "{editor}");
            &edit["documentChanges"][0]["edits"]
        };
        let comment = "    # qualm: allow(team-danger) because <reason>\n";
        let start = json!({"line": 5, "character": 0});
        assert_eq!(*edits, json!([{"range": {"start": start, "end": start}, "newText": comment}]), "{editor}");
        // Applied, it does what it says.
        client.change(&uri, 2, edits_as_changes(edits)).await;
        let found = diagnostics(&mut client, &uri, 2, pull).await;
        assert_eq!(found.as_array().unwrap().len(), 1, "{editor}: {found}");
        // An action of the text before is no longer resolved.
        if lazy {
            let id =
                client.ask("codeAction/resolve", actions.as_array().unwrap().iter().find(|a| a["data"].is_object()).unwrap().clone()).await;
            assert_eq!(client.reply(id).await["error"]["code"], -32801, "{editor}");
        }
        client.stop().await;
    }
}

#[tokio::test]
async fn a_line_that_is_added_ends_as_the_editor_can_take_it() {
    for editor in ["kak-lsp", "ale"] {
        let folder = workspace();
        let root = real(&folder);
        let (mut client, _) = started(editor, &root).await;
        let uri = uri(&root.join("a.py"));
        client.open(&uri, "python", &TEXT.replace('\n', "\r\n")).await;
        client.pushed(&uri, 1).await;
        let at = json!({"line": 5, "character": 0});
        let params = json!({"textDocument": {"uri": uri}, "range": {"start": at, "end": at}, "context": {"diagnostics": []}});
        let actions = client.request("textDocument/codeAction", params).await;
        let allow = actions.as_array().unwrap().iter().find(|a| a["title"].as_str().unwrap().starts_with("Allow")).unwrap();
        let edits = if editor == "ale" { &allow["edit"]["changes"][&uri] } else { &allow["edit"]["documentChanges"][0]["edits"] };
        let text = edits[0]["newText"].as_str().unwrap();
        assert_eq!(text.ends_with("\r\n"), editor == "ale", "{editor}: {text:?}");
        client.stop().await;
    }
}

fn edits_as_changes(edits: &Value) -> Value {
    edits.as_array().unwrap().iter().rev().map(|e| json!({"range": e["range"], "text": e["newText"]})).collect()
}

#[tokio::test]
async fn hover_is_short_and_in_the_announced_form() {
    for (editor, kind) in [("vscode", "markdown"), ("eglot", "plaintext")] {
        let folder = workspace();
        let root = real(&folder);
        let (mut client, _) = started(editor, &root).await;
        let uri = uri(&root.join("a.py"));
        client.open(&uri, "python", TEXT).await;
        let at = |line: u32, character: u32| json!({"textDocument": {"uri": uri}, "position": {"line": line, "character": character}});
        let hover = client.request("textDocument/hover", at(5, 6)).await;
        assert_eq!(hover["contents"]["kind"], kind);
        let text = hover["contents"]["value"].as_str().unwrap();
        assert!(text.lines().count() <= 8, "{text}");
        assert!(text.contains("Danger runs what it is given.") && text.contains("`boom`") && text.contains("CWE-94"), "{text}");
        assert_eq!(kind == "markdown", text.contains("**"), "{text}");
        assert_eq!(client.request("textDocument/hover", at(4, 1)).await, Value::Null);
        client.stop().await;
    }
}

#[tokio::test]
async fn an_unchanged_report_says_so() {
    let folder = workspace();
    let root = real(&folder);
    let (mut client, _) = started("vscode", &root).await;
    let uri = uri(&root.join("a.py"));
    client.open(&uri, "python", TEXT).await;
    let first = client.request("textDocument/diagnostic", json!({"textDocument": {"uri": uri}})).await;
    assert_eq!(first["kind"], "full");
    let end = json!({"line": 6, "character": 0});
    client.change(&uri, 2, json!([{"range": {"start": end, "end": end}, "text": "# more\n"}])).await;
    let params = json!({"textDocument": {"uri": uri}, "previousResultId": first["resultId"]});
    let second = client.request("textDocument/diagnostic", params.clone()).await;
    assert_eq!(second, json!({"kind": "unchanged", "resultId": first["resultId"]}));
    let top = json!({"line": 0, "character": 0});
    client.change(&uri, 3, json!([{"range": {"start": top, "end": top}, "text": "\n"}])).await;
    assert_eq!(client.request("textDocument/diagnostic", params).await["kind"], "full");
    client.stop().await;
}

#[tokio::test]
async fn a_rule_is_explained_in_a_document_or_a_message() {
    for (editor, method) in [("vscode", "window/showDocument"), ("kak-lsp", "window/showMessage")] {
        let folder = workspace();
        let root = real(&folder);
        let (mut client, _) = started(editor, &root).await;
        let uri = uri(&root.join("a.py"));
        client.open(&uri, "python", TEXT).await;
        client.request("textDocument/hover", json!({"textDocument": {"uri": uri}, "position": {"line": 0, "character": 0}})).await;
        let params = json!({"command": "qualm.explain", "arguments": ["team-danger"]});
        client.request("workspace/executeCommand", params).await;
        let shown = client.expect(method, |_| true).await;
        let page = match shown["uri"].as_str() {
            Some(uri) => std::fs::read_to_string(uri.strip_prefix("file://").unwrap()).unwrap(),
            None => shown["message"].as_str().unwrap().to_owned(),
        };
        assert!(page.contains("# Danger is called") && page.contains("Call `safety` instead."), "{page}");
        client.stop().await;
    }
}
