#!/usr/bin/env python3
"""lsp_tap.py --model metaModel.json --report out.jsonl [--allow PREFIX] -- SERVER [ARG...]

Sits between any editor and a language server, passes every byte through unchanged, and checks each message against
the protocol's machine-readable model plus the rules the model cannot say:

  frame   header and JSON well-formed, jsonrpc is "2.0"
  shape   every property known, present if required, of its type; integers in range; enumerations closed
  order   nothing but answers (and log, show, telemetry, progress) before `initialize` is answered; one answer per
          request, no answer without a request; nothing after `exit`; exit code 0 after `shutdown`, 1 without
  side    a method is known and sent by the side it belongs to; methods that begin with an allowed prefix are free
  right   the server asks the client only for what the client said it can do
  place   ranges lie inside the document as it was at that version, start before end, edits do not overlap
  twice   findings of one document are either published or pulled, never both

The report is JSON lines: `server_pid` first, one line per breach (`by`, `kind`, `what`), one whenever the rules found in a
document change (`uri`, `rules`), the tallies last. An editor may kill the tap instead of ending it: the server then
sees the end of its input, and the last line is missing. Standard library only."""
import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time

BASE = {"string": str, "boolean": bool, "DocumentUri": str, "URI": str, "RegExp": str}
FREE = {"LSPAny", "LSPObject", "LSPArray"}
BEFORE_READY = {
    "window/showMessage", "window/logMessage", "window/showMessageRequest", "telemetry/event", "$/progress", "$/logTrace",
}
RANGE = {"kind": "reference", "name": "Range"}


class Model:
    """The protocol's meta model: what a value of each type must look like."""

    def __init__(self, data):
        self.structs = {s["name"]: s for s in data["structures"]}
        self.enums = {e["name"]: e for e in data["enumerations"]}
        self.aliases = {a["name"]: a["type"] for a in data["typeAliases"]}
        self.requests = {r["method"]: r for r in data["requests"]}
        self.notifications = {n["method"]: n for n in data["notifications"]}

    def properties(self, struct):
        out = {}
        for parent in struct.get("extends", []) + struct.get("mixins", []):
            out.update(self.properties(self.structs[parent["name"]]))
        out.update({p["name"]: p for p in struct["properties"]})
        return out

    def check(self, t, v, at):
        """Yields what is wrong with value `v` as type `t`; `at` is the path to it."""
        kind = t["kind"]
        if kind == "base":
            yield from self._base(t["name"], v, at)
        elif kind == "stringLiteral":
            if v != t["value"]:
                yield f"{at}: {v!r:.60} is not {t['value']!r}"
        elif kind == "array":
            if not isinstance(v, list):
                yield f"{at}: {v!r:.60} is not an array"
                return
            for i, x in enumerate(v):
                yield from self.check(t["element"], x, f"{at}[{i}]")
        elif kind == "map":
            if not isinstance(v, dict):
                yield f"{at}: {v!r:.60} is not a map"
                return
            for key, x in v.items():
                yield from self.check(t["value"], x, f"{at}[{key!r:.40}]")
        elif kind == "tuple":
            if not isinstance(v, list) or len(v) != len(t["items"]):
                yield f"{at}: not a tuple of {len(t['items'])}"
                return
            for i, (x, item) in enumerate(zip(v, t["items"])):
                yield from self.check(item, x, f"{at}[{i}]")
        elif kind == "and":
            for item in t["items"]:
                yield from self.check(item, v, at)
        elif kind == "or":
            yield from self._either(t["items"], v, at)
        elif kind == "literal":
            yield from self._fields({p["name"]: p for p in t["value"]["properties"]}, v, at)
        elif kind == "reference":
            yield from self._named(t["name"], v, at)

    def _base(self, name, v, at):
        if name == "null":
            ok = v is None
        elif name in ("integer", "uinteger"):
            low = 0 if name == "uinteger" else -(2**31)
            ok = isinstance(v, int) and not isinstance(v, bool) and low <= v < 2**31
        elif name == "decimal":
            ok = isinstance(v, (int, float)) and not isinstance(v, bool)
        else:
            ok = isinstance(v, BASE[name])
        if not ok:
            yield f"{at}: {v!r:.60} is not {name}"

    def _either(self, items, v, at):
        best = None
        for item in items:
            wrong = list(self.check(item, v, at))
            if not wrong:
                return
            if best is None or len(wrong) < len(best):
                best = wrong
        yield from best if len(items) == 1 else [f"{best[0]} (and no other alternative fits)"]

    def _named(self, name, v, at):
        if name in FREE:
            return
        if name in self.aliases:
            yield from self.check(self.aliases[name], v, at)
        elif name in self.enums:
            enum = self.enums[name]
            if not enum.get("supportsCustomValues") and v not in [x["value"] for x in enum["values"]]:
                yield f"{at}: {v!r:.60} is no {name}"
            else:
                yield from self.check(enum["type"], v, at)
        else:
            yield from self._fields(self.properties(self.structs[name]), v, at)

    def _fields(self, props, v, at):
        if not isinstance(v, dict):
            yield f"{at}: {v!r:.60} is not an object"
            return
        for name, prop in props.items():
            if name in v:
                yield from self.check(prop["type"], v[name], f"{at}.{name}")
            elif not prop.get("optional"):
                yield f"{at}.{name} is missing"
        for name in v.keys() - props.keys():
            yield f"{at}.{name} is not in the protocol"


def line_starts(text):
    """Offsets at which the lines of `text` begin; the protocol knows three line ends."""
    return [0] + [m.end() for m in re.finditer(r"\r\n|\n|\r", text)]


class Conversation:
    """What both directions together must respect. `report` takes one dictionary per line of the report."""

    def __init__(self, model, report, allow=()):
        self.model, self.report, self.allow = model, report, ("$/", *allow)
        self.lock = threading.Lock()
        self.messages = {"client": 0, "server": 0}
        self.breaches = {"client": 0, "server": 0}
        self.open = {"client": {}, "server": {}}
        self.ready = self.down = self.gone = False
        self.caps, self.encoding, self.docs, self.slowest = {}, "utf-16", {}, {}
        self.now, self.channel = {}, {}

    def breach(self, who, kind, what):
        self.breaches[who] += 1
        self.report({"by": who, "kind": kind, "what": what})

    def see(self, who, body):
        """Takes one message body (bytes) that `who` ("client" or "server") sent."""
        with self.lock:
            self.messages[who] += 1
            try:
                m = json.loads(body.decode("utf-8"))
            except ValueError as e:
                return self.breach(who, "frame", f"not JSON: {e}")
            if not isinstance(m, dict) or m.get("jsonrpc") != "2.0":
                return self.breach(who, "frame", "jsonrpc is not 2.0")
            (self._call if "method" in m else self._answer)(who, m)

    def end(self, code):
        """The server ended with exit code `code`; returns the tallies."""
        with self.lock:
            for i, (method, *_) in self.open["client"].items():
                self.breach("server", "order", f"{method} (id {i}) was never answered")
            if self.gone and code != (0 if self.down else 1):
                self.breach("server", "order", f"exit code {code}, not {0 if self.down else 1}")
            return {
                "messages": self.messages, "breaches": self.breaches, "exit": code, "encoding": self.encoding,
                "slowest_ms": self.slowest,
            }

    def _call(self, who, m):
        method, is_request = m["method"], "id" in m
        spec = (self.model.requests if is_request else self.model.notifications).get(method)
        if is_request:
            if m["id"] in self.open[who]:
                self.breach(who, "order", f"id {m['id']} is still open")
            self.open[who][m["id"]] = (method, m.get("params"), time.monotonic())
        if spec is None:
            if not method.startswith(self.allow):
                self.breach(who, "side", f"unknown {'request' if is_request else 'notification'} {method}")
            return
        if spec["messageDirection"] not in ("both", "clientToServer" if who == "client" else "serverToClient"):
            self.breach(who, "side", f"{method} is not for the {who} to send")
        if who == "client" and (self.gone or self.down and method != "exit"):
            self.breach(who, "order", f"{method} after {'exit' if self.gone else 'shutdown'}")
        if who == "server" and not self.ready and method not in BEFORE_READY:
            self.breach(who, "order", f"{method} before initialize was answered")
        wrong = list(self.model.check(spec["params"], m.get("params"), method)) if spec.get("params") else []
        for e in wrong:
            self.breach(who, "shape", e)
        right = spec.get("clientCapability")
        if who == "server" and is_request and right and not self._can(right):
            self.breach(who, "right", f"{method} although the client has no {right}")
        if not wrong:
            self._follow(who, method, m.get("params") or {})
        elif method == "initialize" and isinstance(m.get("params"), dict):
            self.caps = m["params"].get("capabilities") or {}  # a slip in one capability does not void the others
        elif method == "textDocument/publishDiagnostics":
            self._places(who, "diagnostics", m.get("params"), None)

    def _follow(self, who, method, p):
        if method == "initialize":
            self.caps = p.get("capabilities") or {}
        elif method == "exit":
            self.gone = True
        elif method == "textDocument/didOpen":
            d = p["textDocument"]
            self.docs[d["uri"]] = {d["version"]: d["text"]}
        elif method == "textDocument/didClose":
            self.docs.pop(p["textDocument"]["uri"], None)
        elif method == "textDocument/didChange":
            self._change(p)
        elif method == "textDocument/publishDiagnostics":
            self._findings(who, "published", p["uri"], p["diagnostics"], p.get("version"))
        elif method == "workspace/applyEdit":
            self._edits(who, p["edit"], "applyEdit")

    def _answer(self, who, m):
        asked = self.open["server" if who == "client" else "client"].pop(m.get("id"), None)
        if asked is None:
            return self.breach(who, "order", f"answer to no open request: id {m.get('id')!r}")
        method, params, t0 = asked
        self.slowest[method] = max(self.slowest.get(method, 0), round(1000 * (time.monotonic() - t0), 1))
        if ("result" in m) == ("error" in m):
            return self.breach(who, "shape", f"{method}: exactly one of result and error")
        for x in m.keys() - {"jsonrpc", "id", "result", "error"}:
            self.breach(who, "shape", f"{method}: answer has {x!r}")
        if "error" in m:
            e = m["error"]
            if not (isinstance(e, dict) and isinstance(e.get("code"), int) and isinstance(e.get("message"), str)):
                self.breach(who, "shape", f"{method}: malformed error")
            return
        spec = self.model.requests.get(method)
        if spec is None:
            return
        wrong = list(self.model.check(spec["result"], m["result"], f"{method} result"))
        for e in wrong:
            self.breach(who, "shape", e)
        if not wrong:
            self._result(who, method, params, m["result"])

    def _result(self, who, method, params, result):
        if method == "initialize":
            self.ready = True
            self.encoding = result["capabilities"].get("positionEncoding") or "utf-16"
            if self.encoding not in ((self.caps.get("general") or {}).get("positionEncodings") or ["utf-16"]):
                self.breach(who, "right", f"position encoding {self.encoding} was not offered")
        elif method == "shutdown":
            self.down = True
        elif method == "textDocument/codeAction":
            for action in result or []:
                self._edits(who, action.get("edit") or {}, f"code action {action.get('title')!r}")
        elif method == "codeAction/resolve":
            self._edits(who, result.get("edit") or {}, f"code action {result.get('title')!r}")
        elif method == "textDocument/diagnostic" and result.get("kind") == "full":
            self._findings(who, "pulled", params["textDocument"]["uri"], result["items"], None)

    def _findings(self, who, channel, uri, items, version):
        for i, d in enumerate(items):
            self._place(who, uri, version, d["range"], f"{channel} diagnostic {i}")
        rules = [str(d.get("code")) for d in items]
        if rules and self.channel.setdefault(uri, channel) != channel:
            self.breach(who, "twice", f"findings of {uri} are both published and pulled")
        if channel == self.channel.get(uri, channel):
            if self.now.get(uri) != rules:
                self.report({"uri": uri, "rules": rules})
            self.now[uri] = rules

    def _places(self, who, what, params, version):
        items = params.get(what) if isinstance(params, dict) else None
        for i, d in enumerate(items if isinstance(items, list) else []):
            if isinstance(d, dict):
                self._place(who, params.get("uri"), version, d.get("range"), f"{what}[{i}]")

    def _can(self, path):
        at = self.caps
        for key in path.split("."):
            at = at.get(key) if isinstance(at, dict) else None
        return bool(at) or at == {}

    def _text(self, uri, version):
        versions = self.docs.get(uri)
        return versions.get(version, versions[max(versions)]) if versions else None

    def _width(self, text):
        if self.encoding == "utf-16":
            return len(text.encode("utf-16-le", "surrogatepass")) // 2
        return len(text.encode("utf-8", "surrogatepass")) if self.encoding == "utf-8" else len(text)

    def _place(self, who, uri, version, r, at):
        if list(self.model.check(RANGE, r, "")):
            return  # its shape was reported already
        ends = [(r[k]["line"], r[k]["character"]) for k in ("start", "end")]
        if ends[0] > ends[1]:
            self.breach(who, "place", f"{at}: range ends before it starts {ends[0]}-{ends[1]}")
        text = self._text(uri, version)
        if text is None:
            return
        lines = re.split(r"\r\n|\n|\r", text)
        for line, column in ends:
            if line >= len(lines):
                if (line, column) != (len(lines), 0):
                    self.breach(who, "place", f"{at}: line {line} of {len(lines)}")
            elif column > self._width(lines[line]):
                self.breach(who, "place", f"{at}: column {column} of {self._width(lines[line])} in line {line}")

    def _edits(self, who, edit, at):
        groups = [(uri, None, edits) for uri, edits in (edit.get("changes") or {}).items()]
        for change in edit.get("documentChanges") or []:
            if "edits" in change:
                doc = change["textDocument"]
                groups.append((doc["uri"], doc.get("version"), change["edits"]))
        if edit.get("documentChanges") and not self._can("workspace.workspaceEdit.documentChanges"):
            self.breach(who, "right", f"{at}: documentChanges although the client has none")
        for uri, version, edits in groups:
            spans = []
            for i, e in enumerate(edits):
                self._place(who, uri, version, e["range"], f"{at} edit[{i}]")
                spans.append([(e["range"][k]["line"], e["range"][k]["character"]) for k in ("start", "end")])
            spans.sort()
            if any(a[1] > b[0] for a, b in zip(spans, spans[1:])):
                self.breach(who, "place", f"{at}: edits overlap")

    def _change(self, p):
        uri, version = p["textDocument"]["uri"], p["textDocument"]["version"]
        versions = self.docs.get(uri)
        if versions is None:
            return self.breach("client", "order", f"didChange of a closed document {uri}")
        text = versions[max(versions)]
        for change in p["contentChanges"]:
            if "range" not in change:
                text = change["text"]
                continue
            start, end = (self._offset(text, change["range"][k]) for k in ("start", "end"))
            text = text[:start] + change["text"] + text[end:]
        if version <= max(versions):
            self.breach("client", "order", f"version {version} after {max(versions)}")
        versions[version] = text
        for old in sorted(versions)[:-16]:
            del versions[old]

    def _offset(self, text, position):
        starts = line_starts(text)
        if position["line"] >= len(starts):
            return len(text)
        at, left = starts[position["line"]], position["character"]
        while left > 0 and at < len(text) and text[at] not in "\r\n":
            left -= self._width(text[at])
            at += 1
        return at


def pump(who, source, sink, talk):
    """Copies messages from `source` to `sink` until the end of input, showing each to `talk`."""
    while True:
        head, size = b"", None
        while True:
            line = source.readline()
            if not line:
                return sink.close() if who == "client" else None
            head += line
            if line == b"\r\n":
                break
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == "content-length":
                size = int(value)
            elif name.lower() != "content-type":
                talk.breach(who, "frame", f"odd header {line!r}")
        if size is None:
            talk.breach(who, "frame", "no Content-Length")
            size = 0
        body = source.read(size)
        talk.see(who, body)
        try:
            sink.write(head + body)
            sink.flush()
        except (BrokenPipeError, ValueError):
            return None


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--model", required=True)
    ap.add_argument("--report", required=True)
    ap.add_argument("--allow", action="append", default=[], metavar="PREFIX")
    ap.add_argument("server", nargs=argparse.REMAINDER)
    opt = ap.parse_args()
    with open(opt.model, encoding="utf-8") as f:
        model = Model(json.load(f))
    out = open(opt.report, "a", buffering=1, encoding="utf-8")

    def report(line):
        out.write(json.dumps(line) + "\n")

    talk = Conversation(model, report, opt.allow)
    command = opt.server[1:] if opt.server[:1] == ["--"] else opt.server
    # a session of its own: it is to end because its input ends, not because a terminal closes on it
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    report({"server_pid": server.pid})
    threading.Thread(target=pump, args=("client", sys.stdin.buffer, server.stdin, talk), daemon=True).start()
    pump("server", server.stdout, sys.stdout.buffer, talk)
    code = server.wait()
    report(talk.end(code))
    os._exit(code)  # the other thread may still sit in a read that never ends


if __name__ == "__main__":
    main()
