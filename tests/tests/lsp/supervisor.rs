//! Servers that are killed, hang, starve or crash while somebody edits: the documents, what is found in them and where their
//! text came from stay as they were. `QUALM_KILLS=100` does it as often as that.

use super::{
    client::*,
    editors::{real, workspace},
    model::{Model, Unit},
    origin::{PASTED, insert, project},
};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

fn uri_of(root: &Path, name: &str) -> String {
    uri(&root.join(name))
}

fn hash(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// The server behind the supervisor; waits until there is one other than `before`.
async fn server_of(client: &mut Client, before: u32) -> u32 {
    let supervisor = client.pid.unwrap();
    let end = Instant::now() + PATIENCE;
    loop {
        let children = std::fs::read_dir(format!("/proc/{supervisor}/task")).unwrap().flatten();
        let children = children.filter_map(|t| std::fs::read_to_string(t.path().join("children")).ok()).collect::<String>();
        let child = children.split_whitespace().filter_map(|c| c.parse().ok()).find(|c| *c != before);
        if let Some(child) = child {
            return child;
        }
        assert!(Instant::now() < end, "no other server was started");
        client.listen_on(Duration::from_millis(5)).await;
    }
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// Without the moment in which text came, which each process takes by its own clock.
fn sorted(diagnostics: &Value) -> Vec<String> {
    let timeless = |d: &Value| {
        let mut d = d.clone();
        if let Some(time) = d.pointer_mut("/data/origin/time") {
            *time = Value::Null;
        }
        d.to_string()
    };
    let mut all: Vec<String> = diagnostics.as_array().unwrap().iter().map(timeless).collect();
    all.sort();
    all
}

async fn found(client: &mut Client, uri: &str, version: i64) -> Value {
    if client.capabilities["diagnosticProvider"].is_object() {
        return client.pulled(uri).await;
    }
    let end = Instant::now() + PATIENCE;
    while client.latest.get(uri).is_none_or(|d| d["version"] != version) {
        assert!(Instant::now() < end, "nothing is said of {uri} in version {version}: {:?}", client.latest.get(uri));
        client.listen_on(Duration::from_millis(5)).await;
    }
    client.latest[uri]["diagnostics"].clone()
}

fn kills() -> usize {
    std::env::var("QUALM_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(4)
}

/// Kills the server in the middle of edits in several documents, `kills` times, and compares with a session that nobody
/// disturbed. Gives the longest time until the documents were as before.
async fn edits_survive(editor: &str, unit: Unit, kills: usize, how: &str) -> Duration {
    let folder = project();
    let root = real(&folder);
    let mut client = Client::spawn(&["lsp"], &[]).await;
    client.greet(handshake(editor, &root)).await;
    let mut server = server_of(&mut client, 0).await;
    let names = ["a.py", "b.py", "c.py"];
    let base = "# \u{1f600} text\ndef f(x):\n    s = \"héllo 漢字 😀\"\n    return danger(s)\r\n";
    let mut models: Vec<Model> = (0..names.len()).map(|n| Model::new(n as u64 + 11, unit, base)).collect();
    let mut versions = vec![1; names.len()];
    for (name, model) in names.iter().zip(&models) {
        client.open(&uri_of(&root, name), "python", &model.text).await;
    }
    let mut longest = Duration::ZERO;
    for round in 0..kills {
        let mut batch = Vec::new();
        for n in 0..30 {
            let which = (round + n) % names.len();
            versions[which] += 1;
            let change = models[which].random_edit();
            let document = json!({"uri": uri_of(&root, names[which]), "version": versions[which]});
            let params = json!({"textDocument": document, "contentChanges": [change]});
            batch.push(json!({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params}));
        }
        client.send_all(&batch[..15]).await;
        match how {
            "starve" => {
                // Whatever it asks for next, it does not get.
                let limited = Command::new("prlimit").args(["--pid", &server.to_string(), "--data=1000000"]).status().unwrap();
                assert!(limited.success());
            }
            "hang" => signal(server, "STOP"),
            _ => signal(server, "KILL"),
        }
        client.send_all(&batch[15..]).await;
        if how == "starve" {
            // Hunger shows when it works: it may be about to end, or just so live on.
            client.listen_on(Duration::from_millis(50)).await;
            let _ = Command::new("kill").args(["-ABRT", &server.to_string()]).stderr(std::process::Stdio::null()).status();
        }
        let after = server_of(&mut client, server).await;
        let began = Instant::now();
        server = after;
        for (which, name) in names.iter().enumerate() {
            let uri = uri_of(&root, name);
            let told = client.request("qualm/textHash", json!({"uri": uri})).await;
            let expected = json!({"version": versions[which], "hash": hash(&models[which].text), "desynced": false});
            assert_eq!(told, expected, "{how} {round}: {name}");
            let now = found(&mut client, &uri, versions[which]).await;
            assert!(!now.to_string().contains("not-vetted"), "{how} {round}: {now}");
        }
        longest = longest.max(began.elapsed());
    }
    // A session that nobody disturbed says the same.
    let mut fresh = Client::start(handshake(editor, &root)).await;
    for (which, name) in names.iter().enumerate() {
        let uri = uri_of(&root, name);
        versions[which] += 1;
        client.change(&uri, versions[which], json!([{"text": base}])).await;
        let edited = found(&mut client, &uri, versions[which]).await;
        fresh.open(&uri, "python", base).await;
        let opened = found(&mut fresh, &uri, 1).await;
        let places = |d: &Value| {
            let mut all: Vec<String> =
                d.as_array().unwrap().iter().filter(|d| d["code"] == "team-danger").map(|d| d["range"].to_string()).collect();
            all.sort();
            all
        };
        assert_eq!(places(&edited), places(&opened), "{how}: {name}");
        assert_eq!(places(&opened).len(), 1);
    }
    fresh.stop().await;
    assert_eq!(client.stop().await, 0, "{how}");
    longest
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn edits_survive_a_killed_server() {
    let took = edits_survive("kak-lsp", Unit::Utf8, kills(), "kill").await;
    eprintln!("{} kills, at most {took:?} until all was as before", kills());
    edits_survive("vscode", Unit::Utf16, kills(), "kill").await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn edits_survive_a_hanging_server() {
    let took = edits_survive("eglot", Unit::Utf32, kills().div_ceil(4), "hang").await;
    eprintln!("{} hangs, at most {took:?} from the new server's start until all was as before", kills().div_ceil(4));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn edits_survive_a_starving_server() {
    let took = edits_survive("vscode", Unit::Utf16, kills(), "starve").await;
    eprintln!("{} times, at most {took:?} until all was as before", kills());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn origins_survive_a_killed_server() {
    let folder = project();
    let root = real(&folder);
    let uri = uri_of(&root, "a.py");
    let document = json!({"textDocument": {"uri": uri}});
    let mut client = Client::spawn(&["lsp"], &[]).await;
    let mut params = handshake("vscode", &root);
    params["capabilities"]["textDocument"]["codeLens"] = json!({});
    client.greet(params).await;
    let mut server = server_of(&mut client, 0).await;
    client.open(&uri, "python", "def own(x):\n    return odd(x)\n").await;
    client.change(&uri, 2, insert(2, PASTED)).await;
    client.notify("qualm/origin", json!({"textDocument": {"uri": uri}, "kind": "paste", "source": "external", "text": PASTED})).await;
    let before = client.pulled(&uri).await;
    assert_eq!(before.as_array().unwrap().len(), 1, "{before}");
    let lens = client.request("textDocument/codeLens", document.clone()).await;
    let review = json!({"command": "qualm.review", "arguments": lens[0]["command"]["arguments"]});
    client.request("workspace/executeCommand", review).await;
    let runs = client.request("qualm/originRuns", document.clone()).await;
    // At once, and again when the server has told what it knows.
    for pause in [0, 1000, 0] {
        client.listen_on(Duration::from_millis(pause)).await;
        signal(server, "KILL");
        server = server_of(&mut client, server).await;
        assert_eq!(client.request("qualm/originRuns", document.clone()).await, runs);
        assert_eq!(sorted(&client.pulled(&uri).await), sorted(&before));
        let lens = client.request("textDocument/codeLens", document.clone()).await;
        assert!(lens[0]["command"]["title"].as_str().unwrap().ends_with("reviewed"), "{lens}");
    }
    // What is taken out before a server's end and put in again after it is still what it was, and not "came in at once".
    let cut = json!([{"range": {"start": {"line": 0, "character": 0}, "end": {"line": 2, "character": 0}}, "text": ""}]);
    client.change(&uri, 3, cut).await;
    signal(server, "KILL");
    server = server_of(&mut client, server).await;
    client.change(&uri, 4, insert(0, "def own(x):\n    return odd(x)\n")).await;
    assert_eq!(client.request("qualm/originRuns", document.clone()).await["runs"], runs["runs"]);
    // One keystroke corrects, and that too is kept.
    let all = json!({"start": {"line": 0, "character": 0}, "end": {"line": 7, "character": 0}});
    let mine = json!({"command": "qualm.relabel", "arguments": [uri, "typed", all]});
    client.request("workspace/executeCommand", mine).await;
    signal(server, "KILL");
    server_of(&mut client, server).await;
    assert_eq!(client.pulled(&uri).await, json!([]));
    assert_eq!(client.stop().await, 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nothing_is_registered_or_said_twice_and_every_request_has_its_answer() {
    let folder = workspace();
    std::fs::write(folder.path().join("qualm.toml"), "no-such-key = 1\n").unwrap();
    let root = real(&folder);
    let uri = uri_of(&root, "a.py");
    let mut client = Client::spawn(&["lsp"], &[]).await;
    client.settings = json!({"rules": {"team-danger": "warning"}});
    client.greet(handshake("vscode", &root)).await;
    let mut server = server_of(&mut client, 0).await;
    client.open(&uri, "python", "danger(1)\n").await;
    let warned = client.expect("window/showMessage", |_| true).await;
    let end = Instant::now() + PATIENCE;
    let before = loop {
        assert!(Instant::now() < end, "the settings never hold");
        let before = client.pulled(&uri).await;
        if before[0]["severity"] == 2 {
            break before;
        }
        client.listen_on(Duration::from_millis(20)).await;
    };
    let mut said = client.listen(Duration::from_millis(300)).await;
    for round in 0..3 {
        let mut ids = Vec::new();
        for _ in 0..20 {
            ids.push(
                client.ask("textDocument/hover", json!({"textDocument": {"uri": uri}, "position": {"line": 0, "character": 1}})).await,
            );
            ids.push(client.ask("textDocument/diagnostic", json!({"textDocument": {"uri": uri}})).await);
        }
        signal(server, "KILL");
        for id in ids {
            let reply = client.reply(id).await;
            assert!(reply.get("result").is_some() || reply["error"]["code"].is_i64(), "{round}: {reply}");
        }
        server = server_of(&mut client, server).await;
        assert_eq!(client.pulled(&uri).await, before, "{round}: the settings hold from the first answer on");
    }
    said.extend(client.listen(Duration::from_millis(300)).await);
    let count = |method: &str| said.iter().filter(|m| m["method"] == method).count();
    assert_eq!(count("client/registerCapability"), 0, "registered once, before");
    assert!(!said.iter().any(|m| m["method"] == "window/showMessage" && m["params"] == warned), "{said:?}");
    let ids: Vec<String> = said.iter().filter(|m| m.get("id").is_some()).map(|m| m["id"].to_string()).collect();
    let mut distinct = ids.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(ids.len(), distinct.len(), "the requests of all servers are told apart");
    assert_eq!(client.stop().await, 0);
}

/// A text that its server does not survive is left alone, and the others go on.
async fn left_alone(word: &str, arguments: &[&str]) {
    let folder = workspace();
    let root = real(&folder);
    let (bad, good) = (uri_of(&root, "bad.py"), uri_of(&root, "good.py"));
    let mut client = Client::spawn(&[&["lsp"], arguments].concat(), &[("QUALM_TEST_FAULTS", "text")]).await;
    client.greet(handshake("kak-lsp", &root)).await;
    client.open(&good, "python", "danger(1)\n").await;
    assert_eq!(found(&mut client, &good, 1).await.as_array().unwrap().len(), 1);
    client.open(&bad, "python", &format!("danger(1)  # qualm-test-{word}\n")).await;
    // Meanwhile the other one has its answers.
    client.change(&good, 2, json!([{"text": "danger(1)\ndanger(2)\n"}])).await;
    assert_eq!(found(&mut client, &good, 2).await.as_array().unwrap().len(), 2, "{word}");
    let told = found(&mut client, &bad, 1).await;
    assert_eq!((&told[0]["code"], &told[0]["severity"]), (&json!("not-vetted"), &json!(3)), "{word}: {told}");
    assert_eq!(told.as_array().unwrap().len(), 1);
    client.change(&good, 3, json!([{"text": "danger(1)\n"}])).await;
    assert_eq!(found(&mut client, &good, 3).await.as_array().unwrap().len(), 1, "{word}");
    // Another text is vetted, the same one again is not.
    client.change(&bad, 2, json!([{"text": "danger(1)\n"}])).await;
    assert_eq!(found(&mut client, &bad, 2).await[0]["code"], "team-danger", "{word}");
    client.change(&bad, 3, json!([{"text": format!("danger(1)  # qualm-test-{word}\n")}])).await;
    assert_eq!(found(&mut client, &bad, 3).await[0]["code"], "not-vetted", "{word}");
    client.change(&bad, 4, json!([{"text": ""}])).await;
    assert_eq!(found(&mut client, &bad, 4).await, json!([]), "{word}");
    assert_eq!(client.stop().await, 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_text_that_ends_its_server_is_left_alone() {
    left_alone("abort", &[]).await;
    left_alone("overflow", &[]).await;
    left_alone("panic", &[]).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_text_that_starves_its_server_is_left_alone() {
    left_alone("eat", &["--max-memory", "300"]).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_text_that_never_ends_is_left_alone() {
    left_alone("spin", &["--max-seconds", "1"]).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_of_the_workspace_that_ends_the_server_is_left_out_of_the_next_run() {
    let folder = workspace();
    let root = real(&folder);
    std::fs::write(root.join("bad.py"), "danger(1)  # qualm-test-abort\n").unwrap();
    std::fs::write(root.join("good.py"), "danger(1)\n").unwrap();
    let mut client = Client::spawn(&["lsp"], &[("QUALM_TEST_FAULTS", "text")]).await;
    client.greet(handshake("kak-lsp", &root)).await;
    let mut server = server_of(&mut client, 0).await;
    // It may have been chance, and it may have been another's fault: the second time it was the file's.
    for _ in 0..2 {
        client.request("workspace/executeCommand", json!({"command": "qualm.vetWorkspace", "arguments": []})).await;
        server = server_of(&mut client, server).await;
    }
    client.request("workspace/executeCommand", json!({"command": "qualm.vetWorkspace", "arguments": []})).await;
    let told = client.expect("window/showMessage", |p| p["message"].as_str().unwrap().contains(" files")).await;
    assert_eq!(told["message"], "qualm: 1 findings in 1 of 3 files, 1 not vetted");
    let told = |name: &str| client.latest[&uri_of(&root, name)]["diagnostics"][0]["code"].clone();
    assert_eq!((told("bad.py"), told("good.py")), (json!("not-vetted"), json!("team-danger")));
    assert_eq!(client.stop().await, 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_document_that_fails_with_every_key_does_not_burn_the_machine() {
    let folder = workspace();
    let root = real(&folder);
    let uri = uri_of(&root, "bad.py");
    let mut client = Client::spawn(&["lsp"], &[("QUALM_TEST_FAULTS", "text")]).await;
    client.greet(handshake("kak-lsp", &root)).await;
    client.open(&uri, "python", "x = 1\n").await;
    found(&mut client, &uri, 1).await;
    let mut servers = std::collections::BTreeSet::new();
    for version in 2..40 {
        client.change(&uri, version, json!([{"text": format!("x = {version}  # qualm-test-abort\n")}])).await;
        client.listen_on(Duration::from_millis(50)).await;
        servers.insert(server_of(&mut client, 0).await);
    }
    assert!(servers.len() < 12, "{} servers for 38 keys", servers.len());
    // It is looked at again in the end, and nothing else has to wait for it.
    let other = uri_of(&root, "good.py");
    client.open(&other, "python", "danger(1)\n").await;
    assert_eq!(found(&mut client, &other, 1).await.as_array().unwrap().len(), 1);
    client.change(&uri, 40, json!([{"text": "danger(1)\n"}])).await;
    assert_eq!(found(&mut client, &uri, 40).await[0]["code"], "team-danger");
    assert_eq!(client.stop().await, 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_cannot_live_is_tried_less_and_less_and_requests_are_refused() {
    let folder = workspace();
    let root = real(&folder);
    let mut client = Client::spawn(&["lsp"], &[]).await;
    client.greet(handshake("kak-lsp", &root)).await;
    let mut server = 0;
    let began = Instant::now();
    let mut count = 0;
    // Quicker than any server of use could be needed.
    let told = loop {
        assert!(began.elapsed() < PATIENCE, "never told after {count}");
        let said = client.listen(Duration::from_millis(1)).await;
        if let Some(told) = said.into_iter().find(|m| m["method"] == "window/showMessage") {
            break told;
        }
        server = server_of(&mut client, server).await;
        let _ = Command::new("kill").args(["-KILL", &server.to_string()]).stderr(std::process::Stdio::null()).status();
        count += 1;
    };
    assert!(told["params"]["message"].as_str().unwrap().contains("it is started again in"), "{told}");
    let id = client.ask("textDocument/hover", json!({"textDocument": {"uri": "file:///a"}, "position": {"line": 0, "character": 0}})).await;
    assert_eq!(client.reply(id).await["error"]["code"], -32603);
    // It comes back, and the end is as always.
    server_of(&mut client, server).await;
    assert_eq!(client.stop().await, 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_server_ends_with_its_supervisor() {
    let folder = workspace();
    let mut client = Client::spawn(&["lsp"], &[("QUALM_TEST_FAULTS", "text")]).await;
    client.greet(handshake("kak-lsp", &real(&folder))).await;
    let server = server_of(&mut client, 0).await;
    client.open("file:///nowhere/a.py", "python", "# qualm-test-spin\n").await;
    client.listen_on(Duration::from_millis(100)).await;
    signal(client.pid.unwrap(), "KILL");
    let end = Instant::now() + Duration::from_secs(20);
    let alive = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| !s.contains(") Z "));
    while alive(server) {
        assert!(Instant::now() < end, "the server outlives its supervisor");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_document_beyond_the_limit_is_told_once_and_never_analysed() {
    let folder = workspace();
    let root = real(&folder);
    let uri = uri_of(&root, "big.py");
    let mut client = Client::start(handshake("kak-lsp", &root)).await;
    let big = format!("danger(1)\n{}", "# a comment of some length\n".repeat(90_000));
    client.open(&uri, "python", &big).await;
    let told = client.pushed(&uri, 1).await;
    assert_eq!((&told[0]["code"], &told[0]["message"]), (&json!("not-vetted"), &json!("not vetted: it is larger than 2 MiB")));
    client.change(&uri, 2, insert(0, "danger(2)\n")).await;
    client.pushed(&uri, 2).await;
    let said = client.listen(Duration::from_millis(200)).await;
    assert!(!said.iter().any(|m| m["method"] == "window/showMessage"), "said once, before: {said:?}");
    client.change(&uri, 3, json!([{"text": "danger(1)\n"}])).await;
    assert_eq!(client.pushed(&uri, 3).await[0]["code"], "team-danger");
    client.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_worn_server_is_replaced_when_all_is_closed() {
    let folder = workspace();
    let root = real(&folder);
    let uri = uri_of(&root, "a.py");
    let mut client = Client::spawn(&["lsp"], &[]).await;
    client.greet(handshake("kak-lsp", &root)).await;
    let server = server_of(&mut client, 0).await;
    client.open(&uri, "python", "x = 1\n").await;
    for version in 2..1200 {
        client.change(&uri, version, insert(0, "y = 2\n")).await;
    }
    found(&mut client, &uri, 1199).await;
    client.notify("textDocument/didClose", json!({"textDocument": {"uri": uri}})).await;
    let fresh = server_of(&mut client, server).await;
    client.open(&uri, "python", "danger(1)\n").await;
    let end = Instant::now() + PATIENCE;
    while client.latest[&uri]["diagnostics"][0]["code"] != "team-danger" {
        assert!(Instant::now() < end);
        client.listen_on(Duration::from_millis(5)).await;
    }
    assert_eq!(server_of(&mut client, server).await, fresh);
    assert_eq!(client.stop().await, 0);
}
