/**
 * Tells the server how text comes into a document: pasted from outside, pasted from this editor, or accepted from an
 * inline completion. Only events the editor offers for it are used; no command is replaced.
 */
import * as vscode from "vscode";
import { inserted, isCompletion } from "./changes";
import type { OriginParams } from "./protocol";
import { concerns, DOCUMENTS, type Server } from "./server";

/** In the clipboard's data beside the text: that it was copied in this editor. The editor drops it when the clipboard gets another text. */
const MARKER = "application/vnd.qualm.own-copy";
const TEXT = "text/plain";

class Paste implements vscode.DocumentPasteEditProvider {
  constructor(private readonly server: Server) {}

  prepareDocumentPaste(_document: vscode.TextDocument, _ranges: readonly vscode.Range[], data: vscode.DataTransfer): void {
    data.set(MARKER, new vscode.DataTransferItem("1"));
  }

  async provideDocumentPasteEdits(document: vscode.TextDocument, _ranges: readonly vscode.Range[], data: vscode.DataTransfer): Promise<undefined> {
    const text = await data.get(TEXT)?.asString();
    if (text !== undefined && text.trim() !== "") {
      const source = data.get(MARKER) === undefined ? "external" : "internal";
      // Before the change: the server then still knows whether the text stood in a document, and knows it by its lines
      // again however the editor indents it.
      tell(this.server, document, () => ({ kind: "paste", source, text }));
    }
    // The paste itself stays the editor's.
    return undefined;
  }
}

/** Begins to listen. */
export function watchOrigins(server: Server): vscode.Disposable {
  const provider = vscode.languages.registerDocumentPasteEditProvider(DOCUMENTS, new Paste(server), {
    providedPasteEditKinds: [],
    copyMimeTypes: [MARKER],
    // With the marker among them, or the editor would leave it behind.
    pasteMimeTypes: [TEXT, MARKER],
  });
  const listener = vscode.workspace.onDidChangeTextDocument((event) => {
    // Not every host gives reasons.
    if (!("detailedReason" in event) || !isCompletion(event.detailedReason) || !concerns(event.document)) {
      return;
    }
    const { document } = event;
    const version = document.version;
    const stretches = inserted(event.contentChanges).map((s) => ({
      range: new vscode.Range(document.positionAt(s.start), document.positionAt(s.end)),
      text: s.text,
    }));
    // The change itself goes first.
    setTimeout(() => {
      for (const { range, text } of stretches) {
        tell(server, document, (client) => ({ kind: "completion", text, range: client.code2ProtocolConverter.asRange(range) }), version);
      }
    }, 0);
  });
  return vscode.Disposable.from(provider, listener);
}

type Client = NonNullable<Server["client"]>;

function tell(server: Server, document: vscode.TextDocument, about: (client: Client) => Omit<OriginParams, "textDocument">, version?: number): void {
  const { client } = server;
  if (client === undefined || !server.offers.origin) {
    return;
  }
  const uri = client.code2ProtocolConverter.asUri(document.uri);
  const params: OriginParams = { textDocument: version === undefined ? { uri } : { uri, version }, ...about(client) };
  client.sendNotification("qualm/origin", params).catch((error: unknown) => server.log.debug(`the origin was not told: ${String(error)}`));
}
