/** The server's life: finding the program, starting, restarting, and what the running server announced. */
import { execFile } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import { promisify } from "node:util";
import * as vscode from "vscode";
import { ErrorAction, LanguageClient, type Middleware, RevealOutputChannelOn, State, type StaticFeature } from "vscode-languageclient/node";
import { type Found, find, versionOf } from "./binary";
import { COMMANDS, type Offers, offers } from "./protocol";
import { explicit, serverKeys } from "./settings";

/** Every text a person can edit: files, unsaved documents, cells of notebooks and the commit message. */
export const DOCUMENTS: { scheme: string }[] = ["file", "untitled", "vscode-notebook-cell", "vscode-scm"].map((scheme) => ({ scheme }));

/** Whether the server is told about a document. */
export const concerns = (document: vscode.TextDocument): boolean => DOCUMENTS.some((d) => d.scheme === document.uri.scheme);

/** What the server is doing. */
export type Phase = "starting" | "running" | "stopped" | "missing";

const NOTHING: Offers = { commands: [], origin: false };

/** Diagnostics are pushed: the client pulls those of tabs only, and a commit message is in none. */
const PUSHED: StaticFeature = {
  fillClientCapabilities: (capabilities) => {
    delete capabilities.textDocument?.diagnostic;
    delete capabilities.workspace?.diagnostics;
  },
  initialize: () => {},
  getState: () => ({ kind: "static" }),
  clear: () => {},
};

/** The one server of the window. */
export class Server implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<Phase>();
  private current: LanguageClient | undefined;
  private queue: Promise<unknown> = Promise.resolve();
  private found: Found = { missing: "not looked for yet" };

  /** Told whenever the phase changes. */
  readonly onDidChange = this.changed.event;
  phase: Phase = "stopped";
  /** What the running server announced. */
  offers: Offers = NOTHING;
  /** What `--version` says. */
  version = "unknown";

  constructor(
    private readonly context: vscode.ExtensionContext,
    readonly log: vscode.LogOutputChannel,
    private readonly middleware: Middleware,
  ) {}

  /** The client of the running server. */
  get client(): LanguageClient | undefined {
    return this.phase === "running" ? this.current : undefined;
  }

  /** The program and where it was found, or why there is none. */
  get program(): Found {
    return this.found;
  }

  /** Keys of the manifest's settings that are the server's. */
  get keys(): string[] {
    return serverKeys(this.context.extension.packageJSON);
  }

  /** What somebody has set, by the server's keys. */
  settings(scope?: vscode.Uri): Record<string, unknown> {
    const section = vscode.workspace.getConfiguration("qualm", scope ?? null);
    return explicit(this.keys, (key) => section.inspect(key), vscode.workspace.isTrusted);
  }

  /** Starts the server; a running one is ended first. Never rejects. */
  restart(): Promise<void> {
    const next = this.queue.then(async () => {
      await this.halt();
      await this.start();
    });
    this.queue = next.catch((error: unknown) => this.log.error(String(error)));
    return this.queue as Promise<void>;
  }

  /** Ends the server. */
  stop(): Promise<void> {
    this.queue = this.queue.then(() => this.halt()).catch((error: unknown) => this.log.error(String(error)));
    return this.queue as Promise<void>;
  }

  dispose(): void {
    this.changed.dispose();
  }

  private async halt(): Promise<void> {
    const client = this.current;
    this.current = undefined;
    if (client !== undefined) {
      // A server that does not answer must not keep the window from closing.
      await client.dispose(2000).catch((error: unknown) => this.log.warn(`the server did not end in order: ${String(error)}`));
    }
    this.enter("stopped");
  }

  private async start(): Promise<void> {
    this.enter("starting");
    const trusted = vscode.workspace.isTrusted;
    const folders = (vscode.workspace.workspaceFolders ?? []).filter((f) => f.uri.scheme === "file").map((f) => f.uri.fsPath);
    this.found = find({
      configured: vscode.workspace.getConfiguration("qualm").get<string>("path", ""),
      extension: this.context.extensionPath,
      path: process.env["PATH"] ?? "",
      home: homedir(),
      platform: process.platform,
      distrusted: trusted ? [] : folders,
      runs,
    });
    if ("missing" in this.found) {
      return this.lacking(this.found.missing);
    }
    const { file, from } = this.found;
    const answer = await ask(file);
    if ("error" in answer) {
      return this.lacking(`${file} is not a qualm that runs here: ${answer.error}`);
    }
    this.version = answer.version;
    this.log.info(`qualm ${this.version}, ${file} (${from})`);
    const client = new LanguageClient(
      "qualm",
      "qualm",
      { command: file, args: ["lsp"] },
      {
        documentSelector: DOCUMENTS,
        outputChannel: this.log,
        revealOutputChannelOn: RevealOutputChannelOn.Never,
        initializationOptions: () => this.settings(),
        diagnosticCollectionName: "qualm",
        middleware: {
          ...this.middleware,
          workspace: {
            ...this.middleware.workspace,
            configuration: (params) => params.items.map((item) => (item.section === "qualm" ? this.settings() : null)),
          },
        },
      },
    );
    client.registerFeature(PUSHED);
    // A server that died under the hands of somebody who types leaves several messages that cannot be written. The usual
    // handler takes them for a reason to give up, before the closed connection would have it start another server.
    const usual = client.createDefaultErrorHandler();
    client.clientOptions.errorHandler = { error: () => ({ action: ErrorAction.Continue, handled: true }), closed: () => usual.closed() };
    this.current = client;
    client.onDidChangeState(({ newState }) => {
      if (this.current !== client) {
        return;
      }
      if (newState === State.Running) {
        this.enter("running", offers(client.initializeResult?.capabilities));
      } else {
        this.enter(newState === State.Starting ? "starting" : "stopped");
      }
    });
    try {
      await client.start();
    } catch (error) {
      this.log.error(`the server did not start: ${String(error)}`);
      this.enter("stopped");
      const logs = "Show Logs";
      void vscode.window.showErrorMessage("qualm: the server did not start.", logs).then((choice) => choice === logs && this.log.show());
    }
  }

  private lacking(why: string): void {
    this.found = { missing: why };
    this.log.warn(why);
    this.enter("missing");
    const [choose, help] = ["Choose the Program", "How to Get It"] as const;
    void vscode.window.showWarningMessage(`qualm cannot vet anything yet: ${why}.`, choose, help).then((choice) => {
      if (choice === choose) {
        void vscode.commands.executeCommand("workbench.action.openSettings", "qualm.path");
      } else if (choice === help) {
        void vscode.commands.executeCommand("workbench.action.openWalkthrough", `${this.context.extension.id}#start`, false);
      }
    });
  }

  private enter(phase: Phase, now: Offers = NOTHING): void {
    this.phase = phase;
    this.offers = now;
    const set = (key: string, value: boolean) => void vscode.commands.executeCommand("setContext", `qualm.${key}`, value);
    set("running", phase === "running");
    set("offers.originRuns", now.origin);
    for (const name of COMMANDS) {
      set(`offers.${name}`, now.commands.includes(`qualm.${name}`));
    }
    this.changed.fire(phase);
  }
}

function runs(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

async function ask(file: string): Promise<{ version: string } | { error: string }> {
  try {
    const { stdout } = await promisify(execFile)(file, ["--version"], { timeout: 10_000, windowsHide: true });
    const version = versionOf(stdout);
    return version === undefined ? { error: "it does not answer --version as qualm does" } : { version };
  } catch (error) {
    return { error: error instanceof Error ? (error.message.split("\n")[0] ?? "it failed") : String(error) };
  }
}
