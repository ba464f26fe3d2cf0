/** What the map shows: findings and origins by file, without any editor or page. */
import type { OriginRun } from "./protocol";

/** A finding as the map shows it; lines from 0. */
export interface MapFinding {
  readonly line: number;
  readonly column: number;
  readonly severity: "error" | "warning" | "info";
  readonly rule: string;
  readonly message: string;
}

/** Lines with one origin; both ends inclusive, from 0. */
export interface MapRun {
  readonly start: number;
  readonly end: number;
  readonly kind: string;
  readonly label: string;
  readonly confidence: string;
  readonly foreign: boolean;
  readonly reviewed: boolean;
}

/** One file. */
export interface MapFile {
  readonly uri: string;
  readonly name: string;
  /** Number of lines; at least 1. */
  readonly lines: number;
  readonly findings: readonly MapFinding[];
  readonly runs: readonly MapRun[];
}

/** The whole page. */
export interface MapModel {
  /** The active file comes first. */
  readonly files: readonly MapFile[];
  readonly active: string | undefined;
  /** Whether the server tells origins. */
  readonly origin: boolean;
}

/** How many lines came from outside, and how many of them nobody has looked at. */
export function foreignLines(runs: readonly OriginRun[]): { foreign: number; unreviewed: number } {
  const foreign = new Set<number>();
  const unreviewed = new Set<number>();
  for (const run of runs.filter((r) => r.foreign)) {
    const [first, last] = linesOf(run);
    for (let line = first; line <= last; line++) {
      foreign.add(line);
      if (!run.reviewed) {
        unreviewed.add(line);
      }
    }
  }
  return { foreign: foreign.size, unreviewed: unreviewed.size };
}

/** First and last line of a run. A run that ends at the beginning of a line does not touch that line. */
export function linesOf(run: Pick<OriginRun, "range">): [number, number] {
  const { start, end } = run.range;
  return [start.line, end.character === 0 && end.line > start.line ? end.line - 1 : end.line];
}

/** First and last line of what came from outside in one piece with a line; nothing when the line did not. */
export function regionOf(runs: readonly OriginRun[], line: number): [number, number] | undefined {
  const foreign = runs.filter((r) => r.foreign).map(linesOf);
  const at = foreign.find(([first, last]) => first <= line && line <= last);
  if (at === undefined) {
    return undefined;
  }
  let [first, last] = at;
  for (let grown = true; grown; ) {
    grown = false;
    for (const [a, b] of foreign) {
      if (a <= last + 1 && b >= first - 1 && (a < first || b > last)) {
        [first, last, grown] = [Math.min(first, a), Math.max(last, b), true];
      }
    }
  }
  return [first, last];
}

/** A run as the map shows it. */
export function mapRun(run: OriginRun): MapRun {
  const [start, end] = linesOf(run);
  const { kind, label, foreign, reviewed } = run;
  return { start, end, kind, label, confidence: `${Math.round(run.confidence)} % sure`, foreign, reviewed };
}

const RANK = { error: 0, warning: 1, info: 2 } as const;

/** Puts the files in order: the active one, then those with the worst findings, then by name. */
export function ordered(files: readonly MapFile[], active: string | undefined): MapFile[] {
  const worst = (f: MapFile) => Math.min(3, ...f.findings.map((x) => RANK[x.severity]));
  return [...files].sort(
    (a, b) =>
      Number(b.uri === active) - Number(a.uri === active) ||
      worst(a) - worst(b) ||
      b.findings.length - a.findings.length ||
      a.name.localeCompare(b.name, "en"),
  );
}

/** A page that runs our script alone: no inline code, no network, styles and images from the extension only. */
export function page(o: { nonce: string; source: string; script: string; style: string }): string {
  const policy = `default-src 'none'; style-src ${o.source}; img-src ${o.source}; script-src 'nonce-${o.nonce}'`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${o.style}">
<title>Origin and findings</title>
</head>
<body>
<main id="map" aria-live="polite"></main>
<script nonce="${o.nonce}" src="${o.script}"></script>
</body>
</html>`;
}
