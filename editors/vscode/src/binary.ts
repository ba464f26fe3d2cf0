/**
 * Finds the `qualm` program: the setting first, then the one that came with the extension, then the `PATH`.
 * Knows no editor, so that it can be tested as it is.
 */
import * as path from "node:path";

/** Where the program came from. */
export type Origin = "setting" | "bundled" | "path";

/** The program, or why there is none. */
export type Found = { readonly file: string; readonly from: Origin } | { readonly missing: string };

/** What the search may look at. */
export interface Places {
  /** The value of `qualm.path`; empty when it is not set. */
  readonly configured: string;
  /** Folder of the extension. */
  readonly extension: string;
  /** Value of the environment variable `PATH`. */
  readonly path: string;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  /** Folders whose programs must not be started: those of a workspace that is not trusted. */
  readonly distrusted: readonly string[];
  /** Whether this file can be started. */
  readonly runs: (file: string) => boolean;
}

/** The program's file name on a platform. */
export const programName = (platform: NodeJS.Platform): string => (platform === "win32" ? "qualm.exe" : "qualm");

/** Looks for the program. */
export function find(places: Places): Found {
  const { posix, win32 } = path;
  const paths = places.platform === "win32" ? win32 : posix;
  const name = programName(places.platform);
  const configured = places.configured.trim();
  if (configured !== "") {
    const file = configured.startsWith("~/") ? paths.join(places.home, configured.slice(2)) : configured;
    if (!paths.isAbsolute(file)) {
      return { missing: `the setting qualm.path must be an absolute path, not ${JSON.stringify(configured)}` };
    }
    return places.runs(file) ? { file, from: "setting" } : { missing: `the setting qualm.path names ${file}, which cannot be started` };
  }
  const bundled = paths.join(places.extension, "bin", name);
  if (places.runs(bundled)) {
    return { file: bundled, from: "bundled" };
  }
  const inside = (folder: string, file: string) => {
    const relative = paths.relative(folder, file);
    return !relative.startsWith("..") && !paths.isAbsolute(relative);
  };
  for (const folder of places.path.split(paths.delimiter)) {
    // A relative entry means another program in every folder.
    if (folder === "" || !paths.isAbsolute(folder)) {
      continue;
    }
    const file = paths.join(folder, name);
    if (!places.distrusted.some((d) => inside(d, file)) && places.runs(file)) {
      return { file, from: "path" };
    }
  }
  return { missing: `there is no ${name} on the PATH, and the setting qualm.path is empty` };
}

/** The version in what `qualm --version` prints; `undefined` when that is another program. */
export function versionOf(output: string): string | undefined {
  return /^qualm (\d+\.\d+\.\d+\S*)\s*$/.exec(output)?.[1];
}
