// node scripts/build.mjs [--tests]: bundles the extension into dist/, or the tests into dist/test/.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const common = { bundle: true, platform: "node", target: "node20", format: "cjs", logLevel: "warning", external: ["vscode"] };

if (process.argv.includes("--tests")) {
  const entryPoints = readdirSync("test").map((f) => `test/${f}`);
  await build({ ...common, entryPoints, outdir: "dist/test", outExtension: { ".js": ".cjs" } });
} else {
  const { metafile } = await build({ ...common, entryPoints: ["src/extension.ts"], outfile: "dist/extension.js", minify: true, metafile: true });
  writeFileSync("dist/NOTICES.txt", notices(Object.keys(metafile.inputs)));
}

/** The licenses of the packages whose files went into the bundle. */
function notices(inputs) {
  const folders = new Set(inputs.flatMap((f) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(f) ?? []));
  const parts = [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
    const file = readdirSync(folder).find((f) => /^licen[cs]e/i.test(f));
    if (file === undefined) {
      throw new Error(`${name} has no license file`);
    }
    return `${name} ${version} (${license})\n\n${readFileSync(`${folder}/${file}`, "utf8").trim()}\n`;
  });
  return `This extension contains these packages.\n\n${parts.join("\n----\n\n")}`;
}
