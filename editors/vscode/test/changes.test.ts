import assert from "node:assert/strict";
import { test } from "node:test";
import { inserted, isCompletion, type Replacement } from "../src/changes";

/** Applies an edit as an editor does, to check what `inserted` says against it. */
function apply(text: string, changes: readonly Replacement[]): string {
  return [...changes]
    .sort((a, b) => b.rangeOffset - a.rangeOffset)
    .reduce((t, c) => t.slice(0, c.rangeOffset) + c.text + t.slice(c.rangeOffset + c.rangeLength), text);
}

test("inserted stretches stand where they are after the edit, in whatever order the changes come", () => {
  const text = "one\ntwo \u{1F44B}\nthree\n";
  const changes = [
    { rangeOffset: 11, rangeLength: 5, text: "3" },
    { rangeOffset: 0, rangeLength: 3, text: "\u{1F680}\u{1F680}!" },
    { rangeOffset: 4, rangeLength: 4, text: "" },
    { rangeOffset: 8, rangeLength: 0, text: "x\ny" },
  ];
  const after = apply(text, changes);
  for (const order of [changes, [...changes].reverse()]) {
    const all = inserted(order);
    assert.deepEqual(
      all.map((s) => after.slice(s.start, s.end)),
      ["\u{1F680}\u{1F680}!", "x\ny", "3"],
    );
    assert.deepEqual(
      all.map((s) => s.text),
      all.map((s) => after.slice(s.start, s.end)),
    );
  }
});

test("reasons of edits are read with care", () => {
  assert.equal(isCompletion({ source: "inlineCompletionAccept", metadata: {} }), true);
  for (const other of [undefined, null, "inlineCompletionAccept", {}, { source: 1 }, { source: "cursor", metadata: { kind: "type" } }]) {
    assert.equal(isCompletion(other), false);
  }
});
