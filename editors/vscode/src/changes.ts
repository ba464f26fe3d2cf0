/**
 * Tells what an edit of a document inserted, and why, where the editor says so.
 * Knows no editor, so that it can be tested as it is.
 */

/** One replacement of an edit, in offsets of the text before the edit (UTF-16 units). */
export interface Replacement {
  readonly rangeOffset: number;
  readonly rangeLength: number;
  readonly text: string;
}

/** A stretch of the text after the edit, in UTF-16 units. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Where the inserted texts of an edit stand after it, in the order of the document. Pure deletions insert nothing. */
export function inserted(changes: readonly Replacement[]): Stretch[] {
  let shift = 0;
  const out: Stretch[] = [];
  for (const change of [...changes].sort((a, b) => a.rangeOffset - b.rangeOffset)) {
    const start = change.rangeOffset + shift;
    if (change.text !== "") {
      out.push({ start, end: start + change.text.length, text: change.text });
    }
    shift += change.text.length - change.rangeLength;
  }
  return out;
}

/** Whether a host that gives reasons for edits says that this one is an accepted inline completion. */
export function isCompletion(reason: unknown): boolean {
  if (typeof reason !== "object" || reason === null) {
    return false;
  }
  const { source } = reason as { source?: unknown };
  return source === "inlineCompletionAccept" || source === "inlineCompletionPartialAccept";
}
