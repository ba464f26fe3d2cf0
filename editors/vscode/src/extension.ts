/** Entry point: puts the parts together. */
import * as vscode from "vscode";
import { between, registerCommands } from "./commands";
import { OriginMap } from "./map";
import type { MapModel } from "./mapModel";
import { Origins } from "./origins";
import { Server } from "./server";
import { watchOrigins } from "./signals";
import { showStatus } from "./status";

/** Settings that decide which program runs. */
const RESTART = ["qualm.path"];

/** What other extensions and the end-to-end tests can see. */
export interface Api {
  /** What the server is doing. */
  readonly phase: () => string;
  /** What the map shows. */
  readonly map: () => MapModel;
}

let server: Server | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<Api> {
  const log = vscode.window.createOutputChannel("qualm", { log: true });
  let origins: Origins | undefined;
  const one = new Server(
    context,
    log,
    between(() => origins),
  );
  server = one;
  const all = new Origins(one, context);
  origins = all;
  const map = new OriginMap(context, one, all);
  context.subscriptions.push(
    log,
    one,
    all,
    map,
    showStatus(one, all),
    watchOrigins(one),
    registerCommands(context, one),
    vscode.workspace.onDidGrantWorkspaceTrust(() => one.restart()),
    vscode.workspace.onDidChangeConfiguration((e) => {
      if (RESTART.some((key) => e.affectsConfiguration(key))) {
        void one.restart();
      }
    }),
  );
  await one.restart();
  return { phase: () => one.phase, map: () => map.model() };
}

export async function deactivate(): Promise<void> {
  await server?.stop();
}
