// node scripts/package.mjs [--target PLATFORM [--program FILE]] [--out FOLDER]
// Packs the extension: universal (finds `qualm` on the PATH), or for one platform with its program inside. For the platform it
// runs on, the program is by default what `cargo build --release` made.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

export const TARGETS = [
  "win32-x64",
  "win32-arm64",
  "linux-x64",
  "linux-arm64",
  "linux-armhf",
  "alpine-x64",
  "alpine-arm64",
  "darwin-x64",
  "darwin-arm64",
];

const { values } = parseArgs({ options: { target: { type: "string" }, program: { type: "string" }, out: { type: "string", default: "dist" } } });
if (values.target === undefined && values.program !== undefined) {
  throw new Error("--program needs --target");
}
if (values.target !== undefined && !TARGETS.includes(values.target)) {
  throw new Error(`unknown target ${values.target}; the targets are ${TARGETS.join(", ")}`);
}
const suffix = values.target?.startsWith("win32") ? ".exe" : "";
if (values.target === `${process.platform}-${process.arch}`) {
  values.program ??= join(process.env.CARGO_TARGET_DIR ?? "../../target", `release/qualm${suffix}`);
}
if (values.target !== undefined && values.program === undefined) {
  throw new Error(`--program must name the qualm for ${values.target}`);
}
const { name, version } = JSON.parse(readFileSync("package.json", "utf8"));
const vsix = join(resolve(values.out), `${name}-${values.target ?? "universal"}-${version}.vsix`);
mkdirSync(resolve(values.out), { recursive: true });
rmSync("bin", { recursive: true, force: true });
try {
  if (values.program !== undefined) {
    const inside = join("bin", `qualm${suffix}`);
    mkdirSync("bin");
    copyFileSync(values.program, inside);
    chmodSync(inside, 0o755);
  }
  execFileSync(process.execPath, ["scripts/build.mjs"], { stdio: "inherit" });
  const target = values.target === undefined ? [] : ["--target", values.target];
  execFileSync(
    process.execPath,
    [
      "node_modules/@vscode/vsce/vsce",
      "package",
      "--no-dependencies",
      "--allow-missing-repository",
      "--no-rewrite-relative-links",
      ...target,
      "--out",
      vsix,
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
} finally {
  rmSync("bin", { recursive: true, force: true });
}
console.log(vsix);
