//! Where text came from, as an editor and its user see it.

use super::{
    client::*,
    editors::{real, workspace},
};
use serde_json::{Value, json};
use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// A rule that speaks in foreign text only.
const PEDANTIC: &str = r#"+++
id = "team-odd"
cwe = [94]
severity = "warning"
persona = "pedantic"
message = "odd is called"
[[call]]
path = "odd"
+++
# Odd is called
Odd does odd things. Somebody liked its name. The input `boom` ends the process.

## Lesson
Call `even` instead.

```python bad
odd(1)  # finding
```
"#;

pub const PASTED: &str = "def fetch(url):\n    answer = odd(url)\n    if answer.ok:\n        return answer.json()\n    return None\n";

pub fn project() -> tempfile::TempDir {
    let folder = workspace();
    std::fs::write(folder.path().join(".qualm/rules/team/team-odd.md"), PEDANTIC).unwrap();
    let git = Command::new("git").args(["init", "-q"]).current_dir(folder.path()).status();
    assert!(git.unwrap().success());
    folder
}

pub fn insert(line: u32, text: &str) -> Value {
    let at = json!({"line": line, "character": 0});
    json!([{"range": {"start": at, "end": at}, "text": text}])
}

async fn started(editor: &str, root: &Path, text: &str) -> (Client, String) {
    let mut params = handshake(editor, root);
    params["capabilities"]["textDocument"]["codeLens"] = json!({});
    let mut client = Client::start(params).await;
    let uri = uri(&root.join("a.py"));
    client.open(&uri, "python", text).await;
    (client, uri)
}

/// Kind of origin and tool of each diagnostic.
fn origins(diagnostics: &Value) -> Vec<(String, String)> {
    let word = |d: &'_ Value, name: &str| d["data"]["origin"][name].as_str().unwrap_or_default().to_owned();
    diagnostics.as_array().unwrap().iter().map(|d| (word(d, "kind"), word(d, "tool"))).collect()
}

#[tokio::test]
async fn a_paste_is_vetted_as_foreign_and_says_so() {
    let folder = project();
    let root = real(&folder);
    let (mut client, uri) = started("vscode", &root, "def own(x):\n    return odd(x)\n").await;
    assert_eq!(client.pulled(&uri).await, json!([]), "what was there is not foreign");
    client.change(&uri, 2, insert(2, PASTED)).await;
    let found = client.pulled(&uri).await;
    assert_eq!(origins(&found), [("unknown".to_owned(), String::new())]);
    let related = found[0]["relatedInformation"].as_array().unwrap().last().unwrap();
    assert_eq!(related["message"], "Origin of this text: origin unknown: arrived all at once");
    assert_eq!(found[0]["range"]["start"]["line"], 3);
    // The editor's word is worth more than the shape.
    client.notify("qualm/origin", json!({"textDocument": {"uri": uri}, "kind": "paste", "source": "external", "text": PASTED})).await;
    let document = json!({"textDocument": {"uri": uri}});
    let runs = client.request("qualm/originRuns", document.clone()).await;
    let foreign: Vec<&Value> = runs["runs"].as_array().unwrap().iter().filter(|r| r["foreign"] == true).collect();
    assert_eq!(foreign.len(), 1, "{runs}");
    assert_eq!((&foreign[0]["kind"], &foreign[0]["evidence"], &foreign[0]["confidence"]), (&json!("pasted"), &json!("editor"), &json!(95)));
    let lens = client.request("textDocument/codeLens", document.clone()).await;
    assert_eq!(lens[0]["command"]["title"], "pasted from outside, 5 lines, 1 finding, review");
    assert_eq!(lens[0]["range"]["start"]["line"], 2);
    let at = json!({"textDocument": {"uri": uri}, "position": {"line": 3, "character": 14}});
    let hover = client.request("textDocument/hover", at).await;
    assert!(hover["contents"]["value"].as_str().unwrap().contains("pasted from outside"), "{hover}");
    // Looked at: the lens says so, until the region changes.
    let review = json!({"command": "qualm.review", "arguments": lens[0]["command"]["arguments"]});
    client.request("workspace/executeCommand", review).await;
    let lens = client.request("textDocument/codeLens", document.clone()).await;
    assert_eq!(lens[0]["command"]["title"], "pasted from outside, 5 lines, 1 finding, reviewed");
    client.change(&uri, 3, insert(3, "    x = 1\n")).await;
    let lens = client.request("textDocument/codeLens", document.clone()).await;
    assert!(lens[0]["command"]["title"].as_str().unwrap().ends_with("review"), "{lens}");
    client.stop().await;
}

#[tokio::test]
async fn one_keystroke_corrects_an_origin() {
    let folder = project();
    let root = real(&folder);
    let (mut client, uri) = started("vscode", &root, "").await;
    client.change(&uri, 2, insert(0, PASTED)).await;
    assert_eq!(client.pulled(&uri).await.as_array().unwrap().len(), 1);
    let at = json!({"line": 3, "character": 0});
    let params = json!({"textDocument": {"uri": uri}, "range": {"start": at, "end": at}, "context": {"diagnostics": []}});
    let actions = client.request("textDocument/codeAction", params).await;
    let mine = actions.as_array().unwrap().iter().find(|a| a["title"] == "Origin: I wrote this").unwrap();
    let command = json!({"command": mine["command"]["command"], "arguments": mine["command"]["arguments"]});
    client.request("workspace/executeCommand", command).await;
    assert_eq!(client.pulled(&uri).await, json!([]));
    client.stop().await;
}

#[tokio::test]
async fn a_copy_of_ones_own_is_not_foreign() {
    let folder = project();
    let root = real(&folder);
    let own = "def own(x):\n    first = odd(x)\n    second = even(first)\n    third = even(second)\n    return third\n";
    let (mut client, uri) = started("kak-lsp", &root, own).await;
    assert_eq!(client.pushed(&uri, 1).await, json!([]));
    client.change(&uri, 2, insert(5, own)).await;
    assert_eq!(client.pushed(&uri, 2).await, json!([]), "copied in the buffer");
    let other = super::client::uri(&root.join("b.py"));
    client.open(&other, "python", "x = 1\n").await;
    client.pushed(&other, 1).await;
    client.change(&other, 2, insert(1, own)).await;
    assert_eq!(client.pushed(&other, 2).await, json!([]), "copied from another file");
    // Cut and undone.
    let all = json!([{"range": {"start": {"line": 0, "character": 0}, "end": {"line": 10, "character": 0}}, "text": ""}]);
    client.change(&uri, 3, all).await;
    client.change(&uri, 4, insert(0, &own.repeat(2))).await;
    assert_eq!(client.pushed(&uri, 4).await, json!([]), "undone");
    client.stop().await;
}

#[tokio::test]
async fn an_agents_hook_explains_what_came_in() {
    // Built before the clock runs: what a hook tells is believed for some seconds.
    super::lifecycle::qualm(&[]);
    let folder = project();
    let root = real(&folder);
    let (mut client, uri) = started("vscode", &root, "").await;
    client.change(&uri, 2, insert(0, PASTED)).await;
    let event = json!({
        "session_id": "s1", "cwd": root, "hook_event_name": "PostToolUse", "tool_name": "Edit", "tool_use_id": "t1",
        "tool_input": {"file_path": root.join("a.py"), "old_string": "", "new_string": PASTED}, "tool_response": {}
    });
    std::fs::write(root.join("a.py"), PASTED).unwrap();
    let mut hook = super::lifecycle::qualm(&["hook", "claude"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    hook.stdin.take().unwrap().write_all(event.to_string().as_bytes()).unwrap();
    assert!(hook.wait().unwrap().success());
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let found = client.pulled(&uri).await;
        if origins(&found) == [("agent".to_owned(), "claude-code".to_owned())] {
            break;
        }
        assert!(tokio::time::Instant::now() < end, "{found}");
        client.listen(Duration::from_millis(50)).await;
    }
    client.stop().await;
}

#[tokio::test]
async fn what_was_saved_is_known_again() {
    let folder = project();
    let root = real(&folder);
    {
        let (mut client, uri) = started("vscode", &root, "").await;
        client.change(&uri, 2, insert(0, PASTED)).await;
        std::fs::write(root.join("a.py"), PASTED).unwrap();
        client.notify("textDocument/didSave", json!({"textDocument": {"uri": uri}})).await;
        client.pulled(&uri).await;
        client.stop().await;
    }
    let text = format!("import os\n\n\n{PASTED}");
    let (mut client, uri) = started("vscode", &root, &text).await;
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let found = client.pulled(&uri).await;
        if origins(&found) == [("unknown".to_owned(), String::new())] {
            break;
        }
        assert!(tokio::time::Instant::now() < end, "{found}");
        client.listen(Duration::from_millis(50)).await;
    }
    client.stop().await;
}

#[tokio::test]
async fn a_review_is_known_again_until_the_text_changes() {
    let folder = project();
    let root = real(&folder);
    let report = |arguments: &[&str]| -> Value {
        let output = super::lifecycle::qualm(arguments).current_dir(&root).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    {
        let (mut client, uri) = started("vscode", &root, "").await;
        client.change(&uri, 2, insert(0, PASTED)).await;
        std::fs::write(root.join("a.py"), PASTED).unwrap();
        client.notify("textDocument/didSave", json!({"textDocument": {"uri": uri}})).await;
        client.pulled(&uri).await;
        let lens = client.request("textDocument/codeLens", json!({"textDocument": {"uri": uri}})).await;
        let review = json!({"command": "qualm.review", "arguments": lens[0]["command"]["arguments"]});
        client.request("workspace/executeCommand", review).await;
        let end = tokio::time::Instant::now() + Duration::from_secs(20);
        while report(&["ledger", "verify", "--json"])["events"].as_u64() < Some(2) {
            assert!(tokio::time::Instant::now() < end, "the text and its review are kept");
            client.listen(Duration::from_millis(50)).await;
        }
        client.stop().await;
    }
    let titles = async |text: &str| {
        let (mut client, uri) = started("vscode", &root, text).await;
        let end = tokio::time::Instant::now() + Duration::from_secs(20);
        let titles = loop {
            let lens = client.request("textDocument/codeLens", json!({"textDocument": {"uri": uri}})).await;
            let titles: Vec<String> =
                lens.as_array().into_iter().flatten().map(|l| l["command"]["title"].as_str().unwrap().to_owned()).collect();
            if !titles.is_empty() {
                break titles;
            }
            assert!(tokio::time::Instant::now() < end, "{lens}");
            client.listen(Duration::from_millis(50)).await;
        };
        client.stop().await;
        titles
    };
    let moved = titles(&format!("import os\n\n{}", PASTED.replace("    ", "\t"))).await;
    assert_eq!(moved, ["changed while nobody watched, 2 lines, 0 findings, review", "came in at once, 5 lines, 1 finding, reviewed"]);
    let changed = titles(&PASTED.replace("None", "True")).await;
    assert_eq!(changed, ["came in at once, 4 lines, 1 finding, review", "changed while nobody watched, 1 line, 0 findings, review"]);
    std::fs::write(root.join("a.py"), PASTED).unwrap();
    let report = report(&["origin", "--summary", "--json", "a.py"]);
    assert_eq!((&report["foreign"]["lines"], &report["foreign"]["unreviewed"]), (&json!(5), &json!(0)), "{report:#}");
}

#[tokio::test]
async fn what_a_checkout_brings_is_not_foreign() {
    let folder = project();
    let root = real(&folder);
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"];
        let status = Command::new("git").args(identity).args(arguments).current_dir(&root).status();
        assert!(status.unwrap().success(), "{arguments:?}");
    };
    std::fs::write(root.join("a.py"), "x = 1\n").unwrap();
    git(&["add", "a.py"]);
    git(&["commit", "-q", "-m", "One"]);
    git(&["checkout", "-q", "-b", "other"]);
    std::fs::write(root.join("a.py"), PASTED).unwrap();
    git(&["commit", "-q", "-a", "-m", "Two"]);
    git(&["checkout", "-q", "-"]);
    let (mut client, uri) = started("vscode", &root, "x = 1\n").await;
    git(&["checkout", "-q", "other"]);
    client.change(&uri, 2, json!([{"text": PASTED}])).await;
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let runs = client.request("qualm/originRuns", json!({"textDocument": {"uri": uri}})).await;
        let kinds: Vec<&str> = runs["runs"].as_array().unwrap().iter().map(|r| r["kind"].as_str().unwrap()).collect();
        if kinds.iter().all(|k| *k == "checkout") {
            break;
        }
        assert!(tokio::time::Instant::now() < end, "{runs}");
        client.listen(Duration::from_millis(50)).await;
    }
    assert_eq!(client.pulled(&uri).await, json!([]));
    client.stop().await;
}

#[tokio::test]
async fn a_place_that_takes_no_ledger_is_told_once() {
    let folder = project();
    let root = real(&folder);
    std::fs::write(root.join(".git/qualm"), "a file where the ledger's folder should be").unwrap();
    let (mut client, uri) = started("vscode", &root, "").await;
    client.change(&uri, 2, insert(0, PASTED)).await;
    std::fs::write(root.join("a.py"), PASTED).unwrap();
    let told = client.expect("window/showMessage", |_| true).await;
    let text = told["message"].as_str().unwrap();
    assert!(text.contains("in memory only") && text.contains(".git/qualm"), "{text}");
    let other = super::client::uri(&root.join("b.py"));
    client.open(&other, "python", "x = 1\n").await;
    client.notify("textDocument/didSave", json!({"textDocument": {"uri": uri}})).await;
    let found = client.pulled(&uri).await;
    assert_eq!(origins(&found).len(), 1, "the rest goes on");
    let later = client.listen(Duration::from_millis(300)).await;
    assert!(later.iter().all(|m| m["method"] != "window/showMessage"), "{later:?}");
    client.stop().await;
}
