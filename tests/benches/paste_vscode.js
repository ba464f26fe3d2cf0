// Runs inside VS Code's extension host (see `paste`): pastes by key, and asks the page when the squiggle stood there.
const fs = require("node:fs");
const vscode = require("vscode");

exports.measure = async (plan, { open, until, pause, run, ask, api }) => {
  const { bench } = plan;
  const extension = await api();
  const servers = ["qualm"];
  if (bench.peer.length > 0) {
    const { LanguageClient } = require(bench.client);
    const [command, ...args] = bench.peer;
    await new LanguageClient("peer", { command, args }, { documentSelector: [{ language: "python" }] }).start();
    servers.push("peer");
  }
  const editor = await open(plan.file);
  const { document } = editor;
  await until("the server runs", () => extension.phase() === "running");
  await pause(3000);
  const times = Object.fromEntries(servers.map((s) => [s, []]));
  for (let i = 0; i < bench.count; i++) {
    for (const server of servers) {
      await until("no diagnostics before a paste", () => vscode.languages.getDiagnostics(document.uri).length === 0);
      const at = new vscode.Position(200, 0);
      editor.selection = new vscode.Selection(at, at);
      editor.revealRange(new vscode.Range(at, at), vscode.TextEditorRevealType.InCenter);
      await run("workbench.action.focusActiveEditorGroup");
      await ask({ clipboard: bench.blocks[server] });
      await pause(800);
      const { ms } = await ask({ squiggle: "Control+v" });
      if (ms === null) {
        const said = vscode.languages.getDiagnostics(document.uri).map((d) => d.message);
        throw new Error(`no squiggle for ${server}, paste ${i + 1}; dirty: ${document.isDirty}, diagnostics: ${JSON.stringify(said)}`);
      }
      times[server].push(ms);
      await run("undo");
    }
  }
  fs.writeFileSync(bench.out, JSON.stringify(times));
};
