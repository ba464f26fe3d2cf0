#!/usr/bin/env python3
"""The gate itself: a clean conversation passes, and each kind of wrong message is noticed.

Run after tests/e2e/setup:  python3 tests/e2e/test_lsp_tap.py"""
import json
import os
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True

from lsp_tap import Conversation, Model  # noqa: E402

CACHE = pathlib.Path(
    os.environ.get("QUALM_E2E_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "qualm-e2e"
)
MODEL = Model(json.loads((CACHE / "model/lsp.json").read_text(encoding="utf-8")))
URI = "file:///project/a.py"
TEXT = "import requests\r\n\r\nrequests.get('\U0001f680', verify=False)\r\n"
RANGE = {"start": {"line": 2, "character": 19}, "end": {"line": 2, "character": 31}}


def request(i, method, params):
    return {"jsonrpc": "2.0", "id": i, "method": method, "params": params}


def note(method, params=None):
    return {"jsonrpc": "2.0", "method": method} | ({} if params is None else {"params": params})


def answer(i, result):
    return {"jsonrpc": "2.0", "id": i, "result": result}


def transcript():
    """A session in which nobody does wrong; the tests spoil one message of it by its name."""
    diagnostic = {"range": RANGE, "severity": 2, "source": "s", "code": "rule", "message": "risky", "tags": [1]}
    edit = {"changes": {URI: [{"range": RANGE, "newText": "verify=True"}]}}
    script = {
        "initialize": ("client", request(1, "initialize", {"processId": None, "rootUri": None, "capabilities": {}})),
        "initialized?": ("server", answer(1, {"capabilities": {"positionEncoding": "utf-16"}})),
        "initialized": ("client", note("initialized", {})),
        "open": ("client", note("textDocument/didOpen", {
            "textDocument": {"uri": URI, "languageId": "python", "version": 1, "text": TEXT}})),
        "publish": ("server", note("textDocument/publishDiagnostics", {"uri": URI, "diagnostics": [diagnostic]})),
        "own": ("server", note("qualm/status", {"anything": 1})),
        "action": ("client", request(2, "textDocument/codeAction", {
            "textDocument": {"uri": URI}, "range": RANGE, "context": {"diagnostics": [diagnostic]}})),
        "action?": ("server", answer(2, [{"title": "Verify", "kind": "quickfix", "edit": edit}])),
        "change": ("client", note("textDocument/didChange", {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [
            {"range": RANGE, "text": "verify=True"}]})),
        "republish": ("server", note("textDocument/publishDiagnostics", {"uri": URI, "diagnostics": []})),
        "shutdown": ("client", {"jsonrpc": "2.0", "id": 3, "method": "shutdown"}),
        "shutdown?": ("server", answer(3, None)),
        "exit": ("client", note("exit")),
    }
    return json.loads(json.dumps(script))  # no part is shared, so that spoiling one message spoils one


def breaches(messages, code=0):
    lines = []
    talk = Conversation(MODEL, lines.append, ("qualm/",))
    for who, message in messages:
        talk.see(who, message if isinstance(message, bytes) else json.dumps(message).encode())
    talk.end(code)
    return [line for line in lines if "by" in line], talk


class Tap(unittest.TestCase):
    def spoilt(self, name, spoil):
        script = transcript()
        spoil(script[name][1])
        return breaches(script.values())[0]

    def test_a_clean_session_has_no_breach(self):
        found, talk = breaches(transcript().values())
        self.assertEqual(found, [])
        self.assertEqual(talk.docs[URI][2], TEXT.replace("verify=False", "verify=True"))

    def test_wrong_diagnostics_are_noticed(self):
        spoils = {
            "required field missing": ("shape", lambda d: d["range"].pop("end")),
            "line is a string": ("shape", lambda d: d["range"]["start"].update(line="4")),
            "severity 9": ("shape", lambda d: d.update(severity=9)),
            "unknown property": ("shape", lambda d: d.update(sevrity=1)),
            "negative character": ("shape", lambda d: d["range"]["start"].update(character=-1)),
            "past the end of the line": ("place", lambda d: d["range"]["end"].update(character=33)),
            "past the end of the file": ("place", lambda d: d["range"]["end"].update(line=9)),
            "ends before it starts": ("place", lambda d: d["range"].update(end={"line": 0, "character": 0})),
            "message is null": ("shape", lambda d: d.update(message=None)),
            "related information without location": ("shape", lambda d: d.update(relatedInformation=[{"message": "x"}])),
            "tags is a number": ("shape", lambda d: d.update(tags=1)),
        }
        for name, (kind, spoil) in spoils.items():
            with self.subTest(name):
                found = self.spoilt("publish", lambda m, spoil=spoil: spoil(m["params"]["diagnostics"][0]))
                self.assertEqual({(line["by"], line["kind"]) for line in found}, {("server", kind)})

    def test_wrong_frames_and_methods_are_noticed(self):
        self.assertEqual(self.spoilt("publish", lambda m: m.update(jsonrpc="1.0"))[0]["kind"], "frame")
        self.assertEqual(self.spoilt("publish", lambda m: m.update(method="textDocument/publishAll"))[0]["kind"], "side")
        self.assertEqual(self.spoilt("own", lambda m: m.update(method="other/status"))[0]["kind"], "side")
        self.assertEqual(breaches([("server", b"{")])[0][0]["kind"], "frame")

    def test_order_is_watched(self):
        script = transcript()
        early = [script["publish"], *script.values()]
        self.assertIn("before initialize", breaches(early)[0][0]["what"])
        mute = [v for k, v in script.items() if k != "action?"]
        self.assertIn("never answered", breaches(mute)[0][0]["what"])
        twice = [v for k, v in script.items() for _ in range(1 + (k == "action?"))]
        self.assertIn("no open request", breaches(twice)[0][0]["what"])
        self.assertIn("exit code 1, not 0", breaches(script.values(), code=1)[0][0]["what"])

    def test_rights_are_watched(self):
        script = transcript()
        asked = request("s1", "workspace/configuration", {"items": []})
        self.assertEqual(breaches([*list(script.values())[:3], ("server", asked)])[0][0]["kind"], "right")
        unoffered = self.spoilt("initialized?", lambda m: m["result"]["capabilities"].update(positionEncoding="utf-8"))
        self.assertEqual(unoffered[0]["kind"], "right")
        edits = [{"textDocument": {"uri": URI, "version": 1}, "edits": [{"range": RANGE, "newText": ""}]}]
        versioned = self.spoilt("action?", lambda m: m["result"][0].update(edit={"documentChanges": edits}))
        self.assertEqual([line["kind"] for line in versioned], ["right"])

    def test_edits_must_not_overlap(self):
        found = self.spoilt("action?", lambda m: m["result"][0]["edit"]["changes"][URI].append({"range": RANGE, "newText": ""}))
        self.assertIn("overlap", found[0]["what"])

    def test_findings_go_one_way(self):
        script = list(transcript().values())
        items = script[4][1]["params"]["diagnostics"]
        pull = [
            ("client", request(9, "textDocument/diagnostic", {"textDocument": {"uri": URI}})),
            ("server", answer(9, {"kind": "full", "items": items})),
        ]
        self.assertEqual([line["kind"] for line in breaches(script[:5] + pull)[0]], ["twice"])

    def test_offsets_count_in_the_agreed_encoding(self):
        for encoding, column in (("utf-8", 21), ("utf-16", 19), ("utf-32", 18)):
            talk = Conversation(MODEL, lambda _: None)
            talk.encoding = encoding
            self.assertEqual(talk._offset(TEXT, {"line": 2, "character": column}), TEXT.index("verify"))


if __name__ == "__main__":
    unittest.main()
