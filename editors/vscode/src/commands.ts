/** What people can ask for by name. */
import * as os from "node:os";
import * as vscode from "vscode";
import type { Middleware } from "vscode-languageclient/node";
import { describe } from "./debugInformation";
import { linesOf, regionOf } from "./mapModel";
import type { Origins } from "./origins";
import { KINDS, type OriginRun } from "./protocol";
import type { Server } from "./server";
import { findings, ruleOf } from "./status";

/** Registers the commands that are the extension's own. */
export function registerCommands(context: vscode.ExtensionContext, server: Server): vscode.Disposable {
  const command = vscode.commands.registerCommand;
  return vscode.Disposable.from(
    command("qualm.restartServer", () => server.restart()),
    command("qualm.showLogs", () => server.log.show()),
    command("qualm.copyDebugInformation", async () => {
      const text = debugInformation(context, server);
      await vscode.env.clipboard.writeText(text);
      void vscode.window.showInformationMessage("qualm: the debug information is on the clipboard.");
      return text;
    }),
    command("qualm.toggleOriginMarks", async () => {
      const settings = vscode.workspace.getConfiguration("qualm");
      await settings.update("origin.marks", !settings.get<boolean>("origin.marks", true), vscode.ConfigurationTarget.Global);
    }),
  );
}

/** What happens between the editor and the server: commands without arguments, as from the palette, get them; marks follow lenses. */
export function between(origins: () => Origins | undefined): Pick<Middleware, "executeCommand" | "provideCodeLenses" | "window"> {
  return {
    provideCodeLenses: async (document, token, next) => {
      const lenses = await next(document, token);
      // The server asks for new lenses when it has learned something about a text.
      origins()?.refresh(document);
      return lenses;
    },
    executeCommand: async (name, args, next) => {
      const filled = args.length > 0 ? args : await argumentsFor(name, origins());
      if (filled === undefined) {
        return undefined;
      }
      const answer = await next(name, filled);
      if (name === "qualm.review" || name === "qualm.relabel") {
        origins()?.refreshAll();
      }
      return answer;
    },
    window: {
      showDocument: async (params, token, next) => {
        const uri = vscode.Uri.parse(params.uri);
        // The page of a rule is for reading.
        if (uri.scheme === "file" && /[\\/]qualm-explain-[^\\/]*[\\/]explain\.md$/.test(uri.fsPath)) {
          try {
            await vscode.commands.executeCommand("markdown.showPreviewToSide", uri);
            return { success: true };
          } catch {
            // Without the preview the text will do.
          }
        }
        return next(params, token);
      },
    },
  };
}

async function argumentsFor(name: string, origins: Origins | undefined): Promise<unknown[] | undefined> {
  switch (name) {
    case "qualm.explain": {
      const rule = await chooseRule();
      return rule === undefined ? undefined : [rule];
    }
    case "qualm.review":
    case "qualm.relabel": {
      const editor = vscode.window.activeTextEditor;
      if (editor === undefined) {
        return undefined;
      }
      const uri = editor.document.uri.toString();
      const range = plain(chosen(editor, origins?.of(editor.document.uri) ?? []));
      if (name === "qualm.review") {
        return [uri, range];
      }
      const choice = await vscode.window.showQuickPick(
        KINDS.map(({ kind, label, detail }) => ({ origin: kind, label, detail })),
        { title: `Where did ${lineNames(linesOf({ range }))} come from?` },
      );
      return choice === undefined ? undefined : [uri, choice.origin, range];
    }
    default:
      return [];
  }
}

/** The selection; without one, what came from outside in one piece with the cursor's line, else that line. */
function chosen(editor: vscode.TextEditor, runs: readonly OriginRun[]): vscode.Range {
  if (!editor.selection.isEmpty) {
    return editor.selection;
  }
  const line = editor.selection.active.line;
  const [first, last] = regionOf(runs, line) ?? [line, line];
  const end = editor.document.lineAt(Math.min(last, editor.document.lineCount - 1)).rangeIncludingLineBreak.end;
  return new vscode.Range(new vscode.Position(first, 0), end);
}

const lineNames = ([first, last]: [number, number]) => (first === last ? `line ${first + 1}` : `lines ${first + 1} to ${last + 1}`);

const plain = (range: vscode.Range) => ({
  start: { line: range.start.line, character: range.start.character },
  end: { line: range.end.line, character: range.end.character },
});

/** The rule at the cursor, or one the user picks among those of the document. */
async function chooseRule(): Promise<string | undefined> {
  const editor = vscode.window.activeTextEditor;
  const all = editor === undefined ? [] : findings(editor.document.uri);
  const here = all.filter(
    (d) => editor !== undefined && d.range.start.line <= editor.selection.active.line && d.range.end.line >= editor.selection.active.line,
  );
  const choices = [...new Map((here.length > 0 ? here : all).map((d) => [ruleOf(d), d])).values()];
  if (choices.length === 0) {
    void vscode.window.showInformationMessage("qualm: there is no finding to explain in this document.");
    return undefined;
  }
  if (choices.length === 1 && choices[0] !== undefined && here.length > 0) {
    return ruleOf(choices[0]);
  }
  const items = choices.map((d) => ({ label: ruleOf(d), detail: d.message, description: `line ${d.range.start.line + 1}` }));
  return (await vscode.window.showQuickPick(items, { title: "Explain which finding?", matchOnDetail: true }))?.label;
}

function debugInformation(context: vscode.ExtensionContext, server: Server): string {
  const { program } = server;
  const hidden = (text: string) => text.replaceAll(os.homedir(), "~");
  return describe({
    extension: String(context.extension.packageJSON.version),
    editor: `${vscode.env.appName} ${vscode.version} (${vscode.env.appHost})`,
    platform: `${process.platform} ${process.arch}, ${os.release()}`,
    remote: vscode.env.remoteName,
    program: hidden("missing" in program ? `none: ${program.missing}` : `${program.file} (${program.from})`),
    version: server.version,
    state: server.phase,
    encoding: server.client?.initializeResult?.capabilities.positionEncoding ?? "utf-16",
    commands: server.offers.commands,
    origin: server.offers.origin,
    trusted: vscode.workspace.isTrusted,
    folders: vscode.workspace.workspaceFolders?.length ?? 0,
    settings: Object.keys(server.settings()),
  });
}
