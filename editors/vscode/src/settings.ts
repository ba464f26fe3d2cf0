/**
 * The settings the server is told. Only what somebody has set: a default of the editor must not override a project's
 * `qualm.toml`.
 */

/** What an editor knows about one setting. */
export interface Inspected {
  readonly globalValue?: unknown;
  readonly workspaceValue?: unknown;
  readonly workspaceFolderValue?: unknown;
}

/** The values that were set, by the server's keys. Without trust what the workspace says does not count. */
export function explicit(keys: readonly string[], inspect: (key: string) => Inspected | undefined, trusted: boolean): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const key of keys) {
    const found = inspect(key);
    const values = trusted ? [found?.globalValue, found?.workspaceValue, found?.workspaceFolderValue] : [found?.globalValue];
    const set = values.filter((v) => v !== undefined);
    const objects = set.filter((v): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v));
    if (set.length === 0) {
      continue;
    }
    // Levels of rules add up; everything else is replaced by the nearer value.
    out[key] = objects.length === set.length ? Object.assign({}, ...objects) : set[set.length - 1];
  }
  return out;
}

/** The settings of a manifest that are the server's. */
export function serverKeys(manifest: unknown): string[] {
  const properties =
    (manifest as { contributes?: { configuration?: { properties?: Record<string, unknown> } } }).contributes?.configuration?.properties ?? {};
  return Object.keys(properties)
    .map((k) => k.replace(/^qualm\./, ""))
    .filter((k) => !EDITOR_KEYS.has(k));
}

/** Settings that are the extension's own business. */
const EDITOR_KEYS = new Set(["path", "origin.marks", "trace.server"]);
