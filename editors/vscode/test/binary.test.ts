import assert from "node:assert/strict";
import { test } from "node:test";
import { find, type Places, versionOf } from "../src/binary";

const places = (files: string[], more: Partial<Places> = {}): Places => ({
  configured: "",
  extension: "/ext",
  path: "/usr/bin:/opt/bin",
  home: "/home/me",
  platform: "linux",
  distrusted: [],
  runs: (f) => files.includes(f),
  ...more,
});

test("the setting goes before the bundled program, that before the PATH", () => {
  const files = ["/mine/qualm", "/ext/bin/qualm", "/opt/bin/qualm"];
  assert.deepEqual(find(places(files, { configured: " /mine/qualm " })), { file: "/mine/qualm", from: "setting" });
  assert.deepEqual(find(places(files)), { file: "/ext/bin/qualm", from: "bundled" });
  assert.deepEqual(find(places(files.slice(2))), { file: "/opt/bin/qualm", from: "path" });
  assert.deepEqual(find(places(["/home/me/bin/qualm"], { configured: "~/bin/qualm" })), { file: "/home/me/bin/qualm", from: "setting" });
});

test("a wrong setting is told, never passed over", () => {
  for (const configured of ["/nowhere/qualm", "bin/qualm"]) {
    const found = find(places(["/usr/bin/qualm"], { configured }));
    assert.ok("missing" in found && found.missing.includes(configured), JSON.stringify(found));
  }
});

test("nothing is started from relative entries of the PATH, nor from a workspace without trust", () => {
  const work = { path: ".:node_modules/.bin::/repo/bin:/repo-tools", distrusted: ["/repo"] };
  assert.ok("missing" in find(places(["./qualm", "qualm", "node_modules/.bin/qualm", "/repo/bin/qualm"], work)));
  assert.deepEqual(find(places(["/repo/bin/qualm", "/repo-tools/qualm"], work)), { file: "/repo-tools/qualm", from: "path" });
  assert.deepEqual(find(places(["/repo/bin/qualm"], { ...work, distrusted: [] })), { file: "/repo/bin/qualm", from: "path" });
});

test("Windows has its own names and separators", () => {
  const windows = { platform: "win32" as const, path: "C:\\a;D:\\tools", extension: "C:\\ext" };
  assert.deepEqual(find(places(["D:\\tools\\qualm.exe"], windows)), { file: "D:\\tools\\qualm.exe", from: "path" });
});

test("only qualm answers as qualm", () => {
  assert.equal(versionOf("qualm 0.1.0\n"), "0.1.0");
  assert.equal(versionOf("qualm 1.2.3-rc.1\r\n"), "1.2.3-rc.1");
  assert.equal(versionOf("qualm\n"), undefined);
  assert.equal(versionOf("GNU bash 5.2"), undefined);
});
