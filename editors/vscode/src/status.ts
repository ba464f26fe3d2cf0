/** The language status item: findings of the active document, and how much of it came from outside. */
import * as vscode from "vscode";
import { foreignLines } from "./mapModel";
import type { Origins } from "./origins";
import { concerns, DOCUMENTS, type Server } from "./server";

/** The findings of a document. */
export const findings = (uri: vscode.Uri): vscode.Diagnostic[] => vscode.languages.getDiagnostics(uri).filter((d) => d.source === "qualm");

/** The rule a finding is about. */
export function ruleOf(diagnostic: vscode.Diagnostic): string {
  const { code } = diagnostic;
  return String(typeof code === "object" ? code.value : (code ?? ""));
}

const count = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`;

/** Shows the item and keeps it right. */
export function showStatus(server: Server, origins: Origins): vscode.Disposable {
  const item = vscode.languages.createLanguageStatusItem("qualm.status", DOCUMENTS);
  item.name = "qualm";
  const logs: vscode.Command = { command: "qualm.showLogs", title: "Show Logs" };
  const restart: vscode.Command = { command: "qualm.restartServer", title: "Restart" };

  const update = () => {
    item.busy = server.phase === "starting";
    item.severity = vscode.LanguageStatusSeverity.Information;
    item.command = restart;
    if (server.phase === "starting") {
      item.text = "qualm: starting";
      item.detail = "";
      item.command = logs;
      return;
    }
    if (server.phase !== "running") {
      item.severity = vscode.LanguageStatusSeverity.Error;
      item.text = server.phase === "missing" ? "qualm: program not found" : "qualm: stopped";
      item.detail = "missing" in server.program ? server.program.missing : "";
      return;
    }
    const document = vscode.window.activeTextEditor?.document;
    if (document === undefined || !concerns(document)) {
      item.text = "qualm";
      item.detail = server.version;
      return;
    }
    const all = findings(document.uri);
    if (all.some((d) => d.severity === vscode.DiagnosticSeverity.Error)) {
      item.severity = vscode.LanguageStatusSeverity.Error;
    } else if (all.some((d) => d.severity === vscode.DiagnosticSeverity.Warning)) {
      item.severity = vscode.LanguageStatusSeverity.Warning;
    }
    item.text = `qualm: ${count(all.length, "finding", "findings")}`;
    item.command = { command: "qualm.openMap", title: "Map" };
    const runs = origins.of(document.uri);
    if (runs === undefined) {
      item.detail = "";
    } else {
      const { foreign, unreviewed } = foreignLines(runs);
      item.detail = foreign === 0 ? "nothing from outside" : `${count(foreign, "line", "lines")} from outside, ${unreviewed} not reviewed`;
    }
  };
  update();
  return vscode.Disposable.from(
    item,
    server.onDidChange(update),
    origins.onDidChange(update),
    vscode.window.onDidChangeActiveTextEditor(update),
    vscode.languages.onDidChangeDiagnostics((e) => {
      const active = vscode.window.activeTextEditor?.document.uri.toString();
      if (e.uris.some((u) => u.toString() === active)) {
        update();
      }
    }),
  );
}
