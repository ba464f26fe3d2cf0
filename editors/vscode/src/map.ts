/** The origin and findings map: a page beside the editor that shows the file and the workspace at a glance. */
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import { type MapFile, type MapModel, mapRun, ordered, page } from "./mapModel";
import type { Origins } from "./origins";
import type { Server } from "./server";
import { findings, ruleOf } from "./status";

/** After the last event, in milliseconds. */
const SETTLED = 150;

/** Opens the page, or brings it to the front. */
export class OriginMap implements vscode.Disposable {
  private panel: vscode.WebviewPanel | undefined;
  private active: vscode.Uri | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly disposables: vscode.Disposable[];

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly server: Server,
    private readonly origins: Origins,
  ) {
    const soon = () => this.soon();
    this.disposables = [
      vscode.commands.registerCommand("qualm.openMap", () => this.open()),
      vscode.languages.onDidChangeDiagnostics(soon),
      vscode.window.onDidChangeActiveTextEditor(soon),
      vscode.workspace.onDidCloseTextDocument(soon),
      origins.onDidChange(soon),
      server.onDidChange(soon),
    ];
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.panel?.dispose();
    vscode.Disposable.from(...this.disposables).dispose();
  }

  /** What the page shows now. */
  model(): MapModel {
    this.active = vscode.window.activeTextEditor?.document.uri ?? this.active;
    const open = new Map(vscode.workspace.textDocuments.map((d) => [d.uri.toString(), d]));
    const uris = new Map<string, vscode.Uri>();
    for (const [uri, all] of vscode.languages.getDiagnostics()) {
      if (all.some((d) => d.source === "qualm")) {
        uris.set(uri.toString(), uri);
      }
    }
    for (const document of open.values()) {
      if ((this.origins.of(document.uri)?.length ?? 0) > 0 || document.uri.toString() === this.active?.toString()) {
        uris.set(document.uri.toString(), document.uri);
      }
    }
    const files = [...uris.values()].map((uri) => this.file(uri, open.get(uri.toString())));
    const active = this.active?.toString();
    return { files: ordered(files, active), active, origin: this.server.offers.origin };
  }

  private file(uri: vscode.Uri, document: vscode.TextDocument | undefined): MapFile {
    const all = findings(uri);
    const runs = this.origins.of(uri) ?? [];
    const last = Math.max(0, ...all.map((d) => d.range.end.line), ...runs.map((r) => r.range.end.line));
    return {
      uri: uri.toString(),
      name: uri.scheme === "file" ? vscode.workspace.asRelativePath(uri) : `${uri.path.replace(/^\//, "")} (${uri.scheme})`,
      lines: document?.lineCount ?? last + 1,
      findings: all
        .map((d) => ({
          line: d.range.start.line,
          column: d.range.start.character,
          severity: (["error", "warning", "info", "info"] as const)[d.severity],
          rule: ruleOf(d),
          message: d.message,
        }))
        .sort((a, b) => a.line - b.line || a.column - b.column),
      runs: runs.map(mapRun),
    };
  }

  private open(): void {
    if (this.panel !== undefined) {
      this.panel.reveal(undefined, false);
      this.soon();
      return;
    }
    const media = vscode.Uri.joinPath(this.context.extensionUri, "media");
    const panel = vscode.window.createWebviewPanel("qualm.map", "Origin and Findings", vscode.ViewColumn.Beside, {
      enableScripts: true,
      localResourceRoots: [media],
    });
    this.panel = panel;
    const uri = (name: string) => panel.webview.asWebviewUri(vscode.Uri.joinPath(media, name)).toString();
    panel.iconPath = vscode.Uri.joinPath(media, "map.svg");
    panel.onDidDispose(() => {
      this.panel = undefined;
    });
    panel.onDidChangeViewState(() => this.soon());
    panel.webview.onDidReceiveMessage((message: unknown) => void this.receive(message));
    panel.webview.html = page({
      nonce: randomBytes(16).toString("hex"),
      source: panel.webview.cspSource,
      script: uri("map.js"),
      style: uri("map.css"),
    });
  }

  private soon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), SETTLED);
  }

  private send(): void {
    if (this.panel?.visible === true) {
      void this.panel.webview.postMessage({ type: "model", model: this.model() });
    }
  }

  private async receive(message: unknown): Promise<void> {
    const m = message as { type?: unknown; uri?: unknown; line?: unknown; column?: unknown };
    if (m.type === "ready") {
      this.send();
    } else if (m.type === "open" && typeof m.uri === "string" && typeof m.line === "number" && typeof m.column === "number") {
      const at = new vscode.Position(Math.max(0, m.line), Math.max(0, m.column));
      const shown = vscode.window.visibleTextEditors.find((e) => e.document.uri.toString() === m.uri);
      await vscode.window.showTextDocument(vscode.Uri.parse(m.uri), {
        selection: new vscode.Range(at, at),
        viewColumn: shown?.viewColumn ?? vscode.ViewColumn.One,
      });
    }
  }
}
