/** Where the text of visible documents came from, as the server tells it, marked in the gutter and the overview ruler. */
import * as vscode from "vscode";
import { linesOf } from "./mapModel";
import type { OriginRun, OriginRuns } from "./protocol";
import { concerns, type Server } from "./server";

/** After the last change of a document, in milliseconds. */
const SETTLED = 250;

/** The origins of the visible documents. */
export class Origins implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly runs = new Map<string, readonly OriginRun[]>();
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly mark: vscode.TextEditorDecorationType;
  private readonly disposables: vscode.Disposable[];

  /** Told when the origins of a document are others than before. */
  readonly onDidChange = this.changed.event;

  constructor(
    private readonly server: Server,
    context: vscode.ExtensionContext,
  ) {
    const icon = (name: string) => vscode.Uri.joinPath(context.extensionUri, "media", name);
    this.mark = vscode.window.createTextEditorDecorationType({
      isWholeLine: true,
      overviewRulerColor: new vscode.ThemeColor("qualm.foreignMark"),
      overviewRulerLane: vscode.OverviewRulerLane.Left,
      backgroundColor: new vscode.ThemeColor("qualm.foreignBackground"),
      rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
      light: { gutterIconPath: icon("foreign-light.svg"), gutterIconSize: "contain" },
      dark: { gutterIconPath: icon("foreign-dark.svg"), gutterIconSize: "contain" },
    });
    this.disposables = [
      this.mark,
      server.onDidChange(() => this.restart()),
      vscode.window.onDidChangeVisibleTextEditors((editors) => {
        for (const editor of editors) {
          this.refresh(editor.document);
        }
      }),
      vscode.workspace.onDidChangeTextDocument((e) => this.refresh(e.document)),
      // What a hook tells later changes how a text is vetted, not the text.
      vscode.languages.onDidChangeDiagnostics((e) => {
        const changed = new Set(e.uris.map(String));
        for (const { document } of vscode.window.visibleTextEditors.filter((v) => changed.has(v.document.uri.toString()))) {
          this.refresh(document);
        }
      }),
      vscode.workspace.onDidCloseTextDocument((d) => this.forget(d.uri)),
      vscode.workspace.onDidChangeConfiguration((e) => e.affectsConfiguration("qualm.origin.marks") && this.paintAll()),
    ];
  }

  /** The origins of a document; `undefined` when the server does not tell. */
  of(uri: vscode.Uri): readonly OriginRun[] | undefined {
    return this.runs.get(uri.toString());
  }

  /** Asks the server again once the document has come to rest. */
  refresh(document: vscode.TextDocument): void {
    if (!this.server.offers.origin || !concerns(document)) {
      return;
    }
    const key = document.uri.toString();
    clearTimeout(this.timers.get(key));
    this.timers.set(
      key,
      setTimeout(() => void this.ask(document), SETTLED),
    );
  }

  /** Asks the server again about every visible document. */
  refreshAll(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      this.refresh(editor.document);
    }
  }

  dispose(): void {
    for (const timer of this.timers.values()) {
      clearTimeout(timer);
    }
    vscode.Disposable.from(...this.disposables, this.changed).dispose();
  }

  private restart(): void {
    const known = [...this.runs.keys()];
    this.runs.clear();
    this.paintAll();
    for (const key of known) {
      this.changed.fire(vscode.Uri.parse(key));
    }
    this.refreshAll();
  }

  private forget(uri: vscode.Uri): void {
    const key = uri.toString();
    clearTimeout(this.timers.get(key));
    this.timers.delete(key);
    this.runs.delete(key);
  }

  private async ask(document: vscode.TextDocument): Promise<void> {
    const client = this.server.client;
    if (client === undefined || document.isClosed) {
      return;
    }
    const version = document.version;
    const params = { textDocument: client.code2ProtocolConverter.asTextDocumentIdentifier(document) };
    try {
      const answer = await client.sendRequest<OriginRuns | null>("qualm/originRuns", params);
      // The text moved on: the change has asked again already.
      if (document.version === version && !document.isClosed) {
        this.runs.set(document.uri.toString(), answer?.runs ?? []);
        this.paintAll();
        this.changed.fire(document.uri);
      }
    } catch (error) {
      this.server.log.debug(`no origins of ${document.uri.scheme} document: ${String(error)}`);
    }
  }

  private paintAll(): void {
    const on = vscode.workspace.getConfiguration("qualm").get<boolean>("origin.marks", true);
    for (const editor of vscode.window.visibleTextEditors) {
      const runs = this.of(editor.document.uri) ?? [];
      editor.setDecorations(this.mark, on ? runs.filter((r) => r.foreign).map(decoration) : []);
    }
  }
}

function decoration(run: OriginRun): vscode.DecorationOptions {
  const [first, last] = linesOf(run);
  const hover = new vscode.MarkdownString();
  hover.appendText(`${run.description} (${run.reviewed ? "reviewed" : "not reviewed"})`);
  return { range: new vscode.Range(first, 0, last, Number.MAX_SAFE_INTEGER), hoverMessage: hover };
}
