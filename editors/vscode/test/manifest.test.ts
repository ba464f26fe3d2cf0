import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { properties } from "../scripts/settings.mjs";
import { COMMANDS } from "../src/protocol";
import { explicit, serverKeys } from "../src/settings";

const read = (file: string) => JSON.parse(readFileSync(file, "utf8"));
const manifest = read("package.json");
const schema = read("schema/qualm.schema.json");

test("the settings are those of the server", () => {
  assert.deepEqual(manifest.contributes.configuration.properties, properties(schema), "run `npm run settings`");
  assert.deepEqual(serverKeys(manifest).sort(), Object.keys(schema.properties).sort());
});

test("whatever could quieten findings or choose the program is restricted without trust", () => {
  const { untrustedWorkspaces, virtualWorkspaces } = manifest.capabilities;
  assert.equal(untrustedWorkspaces.supported, "limited");
  assert.deepEqual([...untrustedWorkspaces.restrictedConfigurations].sort(), ["qualm.path", ...serverKeys(manifest).map((k) => `qualm.${k}`)].sort());
  assert.equal(virtualWorkspaces.supported, "limited");
  assert.equal(manifest.contributes.configuration.properties["qualm.path"].scope, "machine-overridable");
});

test("commands of the server show only when it announces them", () => {
  const palette: { command: string; when?: string }[] = manifest.contributes.menus.commandPalette;
  for (const name of COMMANDS) {
    const entry = palette.find((m) => m.command === `qualm.${name}`);
    assert.ok(entry?.when?.includes(`qualm.offers.${name}`), name);
  }
  const known = new Set(manifest.contributes.commands.map((c: { command: string }) => c.command));
  for (const menu of Object.values<{ command: string }[]>(manifest.contributes.menus).flat()) {
    assert.ok(known.has(menu.command), menu.command);
  }
});

test("the walkthrough names files that are there", () => {
  for (const step of manifest.contributes.walkthroughs[0].steps) {
    const media: string | Record<string, string> = step.media.image ?? step.media.markdown;
    for (const file of typeof media === "string" ? [media] : Object.values(media)) {
      assert.ok(existsSync(file), file);
    }
  }
});

test("only what somebody set goes to the server", () => {
  const set: Record<string, object> = {
    persona: { defaultValue: "regular" },
    foreign: { defaultValue: false, globalValue: false },
    exclude: { globalValue: ["a"], workspaceValue: ["b"] },
    rules: { globalValue: { x: "off" }, workspaceValue: { y: "info" } },
  };
  const inspect = (key: string) => set[key];
  const keys = [...Object.keys(set), "rules-dir"];
  assert.deepEqual(explicit(keys, inspect, true), { foreign: false, exclude: ["b"], rules: { x: "off", y: "info" } });
  assert.deepEqual(explicit(keys, inspect, false), { foreign: false, exclude: ["a"], rules: { x: "off" } });
});

test("nothing that tells tales is among the dependencies", () => {
  const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
  assert.deepEqual(
    names.filter((n) => /telemetry|insights|analytics|sentry/i.test(n)),
    [],
  );
  assert.equal(manifest.dependencies, undefined, "everything is bundled");
});
