// node scripts/inside.mjs VSIX...: lists what is in the packages and how large they are; fails when one with a target lacks the
// program, the universal one has it, or anything is inside that users have no use for.
import { readFileSync } from "node:fs";
import { basename } from "node:path";

/** The largest universal package, in bytes: a bundle that grows beyond it has caught something by mistake. */
const LARGEST = 600_000;

/** Names of the files in a ZIP archive, from its central directory. */
function names(zip) {
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  const out = [];
  for (let i = zip.readUInt16LE(end + 10), at = zip.readUInt32LE(end + 16); i > 0; i--) {
    const [name, extra, comment] = [28, 30, 32].map((o) => zip.readUInt16LE(at + o));
    out.push(zip.toString("utf8", at + 46, at + 46 + name));
    at += 46 + name + extra + comment;
  }
  return out;
}

for (const file of process.argv.slice(2)) {
  const zip = readFileSync(file);
  const inside = names(zip);
  const universal = basename(file).includes("-universal-");
  const program = inside.some((n) => /^extension\/bin\/qualm(\.exe)?$/.test(n));
  console.log(`${basename(file)}: ${zip.length} bytes, ${inside.length} files, ${program ? "with" : "without"} the program`);
  const needed = ["dist/extension.js", "dist/NOTICES.txt", "media/map.js", "schema/qualm.schema.json", "readme.md", "LICENSE-MIT"];
  const missing = needed.filter((n) => !inside.includes(`extension/${n}`));
  const odd = inside.filter((n) => /node_modules|\.(ts|map|vsix)$|\/(src|test|scripts)\//.test(n));
  if (program === universal || missing.length > 0 || odd.length > 0 || (universal && zip.length > LARGEST)) {
    console.error(`${basename(file)}: missing: ${missing.join(", ") || "nothing"}; odd: ${odd.join(", ") || "nothing"}`);
    process.exitCode = 1;
  }
}
