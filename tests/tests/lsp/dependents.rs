//! An open document is judged anew when a file that it leans on changes, however that happens.

use super::client::*;
use serde_json::json;
use std::{fs, path::PathBuf};

const MAIN: &str = "import os
from flask import Flask, request
from clean import clean

app = Flask(__name__)


@app.route('/')
def page():
    os.system('ls ' + clean(request.args['q']))
    return 'x'


def other():
    return 1
";
const SAME: &str = "def clean(x):\n    return x\n";
const CONSTANT: &str = "def clean(x):\n    return 'a'\n";

const SCRIPT: &str = "const { exec } = require('child_process');
const express = require('express');
const { clean } = require('./clean');

const app = express();
app.get('/', page);

function page(req, res) {
  exec('ls ' + clean(req.query.q));
  res.end();
}
";
const SAME_SCRIPT: &str = "exports.clean = (x) => x;\n";
const CONSTANT_SCRIPT: &str = "exports.clean = (x) => 'a';\n";

struct Play {
    client: Client,
    folder: tempfile::TempDir,
    /// The open document.
    main: String,
    pull: bool,
}

impl Play {
    async fn start(editor: &str, files: &[(&str, &str)], main: &str, language: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let client = Client::start(handshake(editor, folder.path())).await;
        let pull = client.capabilities.get("diagnosticProvider").is_some();
        let main_uri = uri(&folder.path().join(main));
        let mut play = Self { client, folder, main: main_uri.clone(), pull };
        let text = fs::read_to_string(play.path(main)).unwrap();
        play.client.open(&main_uri, language, &text).await;
        play
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn uri(&self, name: &str) -> String {
        uri(&self.path(name))
    }

    /// Waits until the open document has (or has not) its finding.
    async fn told(&mut self, found: bool) {
        let injection = |all: &serde_json::Value| all.as_array().is_some_and(|a| a.iter().any(|d| d["code"] == "command-injection"));
        if !self.pull {
            if self.client.latest.get(&self.main).is_some_and(|p| injection(&p["diagnostics"]) == found) {
                return;
            }
            let main = self.main.clone();
            self.client.expect("textDocument/publishDiagnostics", |p| p["uri"] == *main && injection(&p["diagnostics"]) == found).await;
            return;
        }
        while injection(&self.client.pulled(&self.main.clone()).await) != found {
            self.client.expect("workspace/diagnostic/refresh", |_| true).await;
        }
    }

    async fn on_disk(&mut self, name: &str, text: Option<&str>) {
        let there = self.path(name).exists();
        let kind = match text {
            Some(text) => {
                fs::write(self.path(name), text).unwrap();
                if there { 2 } else { 1 }
            }
            None => {
                fs::remove_file(self.path(name)).unwrap();
                3
            }
        };
        let changes = json!({"changes": [{"uri": self.uri(name), "type": kind}]});
        self.client.notify("workspace/didChangeWatchedFiles", changes).await;
    }
}

/// With pushed and with pulled diagnostics.
const EDITORS: [&str; 2] = ["helix", "vscode"];

#[tokio::test]
async fn a_file_behind_it_changes_on_disk() {
    for editor in EDITORS {
        let mut play = Play::start(editor, &[("main.py", MAIN), ("clean.py", SAME)], "main.py", "python").await;
        play.told(true).await;
        play.on_disk("clean.py", Some(CONSTANT)).await;
        play.told(false).await;
        play.on_disk("clean.py", Some(SAME)).await;
        play.told(true).await;
        // The same function through a file in between.
        play.on_disk("inner.py", Some(CONSTANT)).await;
        play.on_disk("clean.py", Some("from inner import clean\n")).await;
        play.told(false).await;
        play.on_disk("inner.py", Some(SAME)).await;
        play.told(true).await;
        let mut play = Play::start(editor, &[("main.js", SCRIPT), ("clean.js", SAME_SCRIPT)], "main.js", "javascript").await;
        play.told(true).await;
        play.on_disk("clean.js", Some(CONSTANT_SCRIPT)).await;
        play.told(false).await;
    }
}

#[tokio::test]
async fn a_file_behind_it_comes_and_goes() {
    for editor in EDITORS {
        let mut play = Play::start(editor, &[("main.py", MAIN), ("clean.py", CONSTANT), ("new.py", CONSTANT)], "main.py", "python").await;
        play.told(false).await;
        // What cannot be looked into may hand everything on.
        play.on_disk("clean.py", None).await;
        play.told(true).await;
        play.on_disk("clean.py", Some(CONSTANT)).await;
        play.told(false).await;
        fs::rename(play.path("clean.py"), play.path("old.py")).unwrap();
        let changes = json!({"changes": [{"uri": play.uri("clean.py"), "type": 3}, {"uri": play.uri("old.py"), "type": 1}]});
        play.client.notify("workspace/didChangeWatchedFiles", changes).await;
        play.told(true).await;
        fs::rename(play.path("new.py"), play.path("clean.py")).unwrap();
        let changes = json!({"changes": [{"uri": play.uri("new.py"), "type": 3}, {"uri": play.uri("clean.py"), "type": 1}]});
        play.client.notify("workspace/didChangeWatchedFiles", changes).await;
        play.told(false).await;
    }
}

#[tokio::test]
async fn a_file_behind_it_is_edited_beside_it() {
    for editor in EDITORS {
        let mut play = Play::start(editor, &[("main.py", MAIN), ("clean.py", SAME)], "main.py", "python").await;
        play.told(true).await;
        let clean = play.uri("clean.py");
        play.client.open(&clean, "python", SAME).await;
        play.client.change(&clean, 2, json!([{"text": CONSTANT}])).await;
        play.told(false).await;
        play.client.change(&clean, 3, json!([{"text": SAME}])).await;
        play.told(true).await;
        play.client.change(&clean, 4, json!([{"text": CONSTANT}])).await;
        play.told(false).await;
        // Closed without being saved: the disk counts again.
        play.client.notify("textDocument/didClose", json!({"textDocument": {"uri": clean}})).await;
        play.told(true).await;
        // One that is only in the editor so far.
        play.on_disk("clean.py", None).await;
        play.client.open(&clean, "python", CONSTANT).await;
        play.told(false).await;
    }
}
