// node scripts/settings.mjs [SCHEMA]: writes the settings of package.json from the schema that `qualm config --schema` prints
// (default: schema/qualm.schema.json). The extension's own settings are kept here.
import { readFileSync, writeFileSync } from "node:fs";

const OWN = {
  "qualm.path": {
    type: "string",
    default: "",
    scope: "machine-overridable",
    markdownDescription: "Absolute path of the `qualm` program. Empty: the one that came with the extension, else the first on the `PATH`.",
  },
  "qualm.origin.marks": {
    type: "boolean",
    default: true,
    scope: "window",
    markdownDescription: "Mark lines that came from outside in the gutter and the overview ruler.",
  },
  "qualm.trace.server": {
    type: "string",
    enum: ["messages", "compact", "verbose"],
    default: "messages",
    scope: "window",
    markdownDescription:
      "How much of the messages between editor and server the log shows once its level is Trace (**Developer: Set Log Level…**). `verbose` includes the text of open files.",
  },
};

/** The settings as the manifest lists them. */
export function properties(schema) {
  const servers = Object.entries(schema.properties).map(([key, { description, ...rest }]) => [
    `qualm.${key}`,
    { ...rest, scope: "window", markdownDescription: description },
  ]);
  return { ...OWN, ...Object.fromEntries(servers) };
}

if (process.argv[1]?.endsWith("settings.mjs")) {
  const schema = JSON.parse(readFileSync(process.argv[2] ?? "schema/qualm.schema.json", "utf8"));
  const text = readFileSync("package.json", "utf8");
  const manifest = JSON.parse(text);
  manifest.contributes.configuration.properties = properties(schema);
  writeFileSync("package.json", `${JSON.stringify(manifest, null, 2)}\n`);
}
