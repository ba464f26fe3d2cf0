/** What the server says beyond the protocol. All of it is used only if the server announces it. */
import type { Range } from "vscode-languageserver-types";

/** Commands the server may announce; the client registers them under the same names. */
export const COMMANDS = ["explain", "vetWorkspace", "review", "relabel"] as const;

/** `qualm/origin`: how text came into a document, or is about to come. */
export interface OriginParams {
  /** With a range: the version of the document that the range is of. */
  readonly textDocument: { readonly uri: string; readonly version?: number };
  readonly kind: "paste" | "completion";
  /** Of a paste: another program, or this editor. */
  readonly source?: "external" | "internal";
  /** The text itself, by which the server knows it again. */
  readonly text: string;
  /** Where it stands, once that is known. */
  readonly range?: Range;
}

/** A part of the answer to `qualm/originRuns`. */
export interface OriginRun {
  readonly range: Range;
  readonly kind: string;
  /** The kind, for people. */
  readonly label: string;
  /** The kind and what speaks for it, for people. */
  readonly description: string;
  /** How sure that is, in percent. */
  readonly confidence: number;
  /** Whether the text is vetted as text from outside. */
  readonly foreign: boolean;
  /** Whether a person has looked at it. */
  readonly reviewed: boolean;
}

/** The answer to `qualm/originRuns` `{textDocument}`; none for a document the server does not know. */
export interface OriginRuns {
  /** Of the document. */
  readonly version: number;
  readonly runs: readonly OriginRun[];
}

/** What a person may call the origin of a text, with the words for it. */
export const KINDS: readonly { readonly kind: string; readonly label: string; readonly detail: string }[] = [
  { kind: "typed", label: "I wrote this", detail: "typed by hand" },
  { kind: "own_copy", label: "Copied from our own code", detail: "keeps the strictness of our own code" },
  { kind: "pasted", label: "Pasted from outside", detail: "a page, a chat, another program" },
  { kind: "completion", label: "Accepted completion", detail: "suggested by an assistant" },
  { kind: "agent", label: "Written by an agent", detail: "edits made without typing" },
  { kind: "tool", label: "Made by a tool", detail: "formatter, refactoring" },
  { kind: "generated", label: "Generated or vendored code", detail: "nobody edits it here" },
];

/** What the server announced under `experimental` and among its commands. */
export interface Offers {
  readonly commands: readonly string[];
  /** `qualm/origin` and `qualm/originRuns` are understood. */
  readonly origin: boolean;
}

/** Reads the capabilities of `initialize`. */
export function offers(capabilities: unknown): Offers {
  const object = (v: unknown): Record<string, unknown> => (typeof v === "object" && v !== null ? (v as Record<string, unknown>) : {});
  const all = object(capabilities);
  const commands = object(all["executeCommandProvider"])["commands"];
  const origin = object(all["experimental"])["qualmOrigin"];
  return {
    commands: Array.isArray(commands) ? commands.filter((c): c is string => typeof c === "string") : [],
    origin: origin === true || (typeof origin === "object" && origin !== null),
  };
}
