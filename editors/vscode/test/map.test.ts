import assert from "node:assert/strict";
import { test } from "node:test";
import { describe } from "../src/debugInformation";
import { foreignLines, linesOf, type MapFile, mapRun, ordered, page, regionOf } from "../src/mapModel";
import { type OriginRun, offers } from "../src/protocol";

const run = (start: [number, number], end: [number, number], more: Partial<OriginRun> = {}): OriginRun => ({
  range: { start: { line: start[0], character: start[1] }, end: { line: end[0], character: end[1] } },
  kind: "pasted",
  label: "pasted from outside",
  description: "pasted from outside: the editor told",
  confidence: 95,
  foreign: true,
  reviewed: false,
  ...more,
});

test("a run that ends at the beginning of a line does not touch it", () => {
  assert.deepEqual(linesOf(run([2, 4], [5, 0])), [2, 4]);
  assert.deepEqual(linesOf(run([2, 4], [5, 1])), [2, 5]);
  assert.deepEqual(linesOf(run([2, 0], [2, 0])), [2, 2]);
});

test("lines from outside are counted once, whoever touches them", () => {
  const runs = [
    run([0, 0], [2, 0]),
    run([1, 3], [1, 9], { reviewed: true }),
    run([5, 0], [6, 0], { kind: "typed", foreign: false }),
    run([8, 0], [9, 0], { reviewed: true }),
  ];
  assert.deepEqual(foreignLines(runs), { foreign: 3, unreviewed: 2 });
  assert.deepEqual(foreignLines([run([0, 0], [1, 0], { kind: "unknown" })]), { foreign: 1, unreviewed: 1 });
  assert.equal(mapRun(run([0, 0], [1, 0])).confidence, "95 % sure");
});

test("a line belongs to all that came from outside in one piece with it", () => {
  const runs = [
    run([0, 0], [1, 0], { kind: "typed", foreign: false }),
    run([1, 0], [2, 4]),
    run([2, 4], [4, 0], { kind: "completion" }),
    run([4, 0], [5, 0], { kind: "typed", foreign: false }),
    run([5, 0], [6, 0]),
  ];
  assert.equal(regionOf(runs, 0), undefined);
  for (const line of [1, 2, 3]) {
    assert.deepEqual(regionOf(runs, line), [1, 3]);
  }
  assert.equal(regionOf(runs, 4), undefined);
  assert.deepEqual(regionOf(runs, 5), [5, 5]);
});

test("the active file comes first, then the worst", () => {
  const file = (uri: string, ...severities: ("error" | "warning" | "info")[]): MapFile => ({
    uri,
    name: uri,
    lines: 1,
    runs: [],
    findings: severities.map((severity) => ({ line: 0, column: 0, severity, rule: "r", message: "m" })),
  });
  const files = [file("d"), file("c", "info"), file("b", "warning", "warning"), file("a", "warning"), file("e", "error")];
  assert.deepEqual(
    ordered(files, "d").map((f) => f.uri),
    ["d", "e", "b", "a", "c"],
  );
});

test("the page runs one script and loads nothing from elsewhere", () => {
  const html = page({ nonce: "N0", source: "vscode-resource:", script: "s.js", style: "s.css" });
  const policy = /Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1];
  assert.equal(policy, "default-src 'none'; style-src vscode-resource:; img-src vscode-resource:; script-src 'nonce-N0'");
  assert.doesNotMatch(html, /unsafe|https?:|\son\w+=|style=/);
  assert.equal(html.match(/<script/g)?.length, 1);
});

test("what the server announces is read with care", () => {
  assert.deepEqual(offers({ executeCommandProvider: { commands: ["qualm.explain", 1] }, experimental: { qualmOrigin: true } }), {
    commands: ["qualm.explain"],
    origin: true,
  });
  for (const odd of [undefined, null, 1, {}, { executeCommandProvider: 3, experimental: { qualmOrigin: false } }]) {
    assert.deepEqual(offers(odd), { commands: [], origin: false });
  }
});

test("debug information names settings, not their values", () => {
  const text = describe({
    extension: "0.1.0",
    editor: "Code",
    platform: "linux x64",
    remote: undefined,
    program: "~/bin/qualm (path)",
    version: "0.1.0",
    state: "running",
    encoding: "utf-16",
    commands: [],
    origin: false,
    trusted: false,
    folders: 2,
    settings: ["exclude"],
  });
  assert.match(text, /- settings: exclude\n?$/);
  assert.match(text, /2 folders, restricted mode/);
});
