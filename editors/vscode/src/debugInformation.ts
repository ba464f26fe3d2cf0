/** What a bug report needs, without any text of the user's files. */

/** The facts. */
export interface Facts {
  readonly extension: string;
  readonly editor: string;
  readonly platform: string;
  readonly remote: string | undefined;
  readonly program: string;
  readonly version: string;
  readonly state: string;
  readonly encoding: string;
  readonly commands: readonly string[];
  readonly origin: boolean;
  readonly trusted: boolean;
  readonly folders: number;
  /** Names of the settings that are set; not their values. */
  readonly settings: readonly string[];
}

/** The facts as Markdown. */
export function describe(f: Facts): string {
  const rows: [string, string][] = [
    ["extension", f.extension],
    ["editor", f.editor],
    ["platform", f.platform + (f.remote === undefined ? "" : ` (${f.remote})`)],
    ["program", f.program],
    ["server", `${f.version}, ${f.state}, ${f.encoding}`],
    ["commands", f.commands.join(", ") || "none"],
    ["origin signals", f.origin ? "yes" : "no"],
    ["workspace", `${f.folders} ${f.folders === 1 ? "folder" : "folders"}, ${f.trusted ? "trusted" : "restricted mode"}`],
    ["settings", f.settings.join(", ") || "none"],
  ];
  return rows.map(([name, value]) => `- ${name}: ${value}`).join("\n");
}
