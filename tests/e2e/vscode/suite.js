// Runs inside VS Code's extension host with the real API: plays what the plan (E2E_PLAN) says. The packed extension is installed as a
// user would install it; this folder is only the carrier of the tests.
const assert = require("node:assert/strict");
const fs = require("node:fs");
const vscode = require("vscode");

const plan = JSON.parse(fs.readFileSync(process.env.E2E_PLAN, "utf8"));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const run = (command, ...args) => vscode.commands.executeCommand(command, ...args);
// What only the page can do is done by the driver.
let orders = 0;
async function ask(order) {
  const answer = `${plan.home}/answer-${++orders}.json`;
  console.log(`e2e-do: ${JSON.stringify({ ...order, answer })}`);
  await until("the driver answers", () => fs.existsSync(answer));
  const said = JSON.parse(fs.readFileSync(answer, "utf8"));
  assert.equal(said.error, undefined);
  return said;
}

const shot = async (name) => {
  if (plan.shots) {
    await pause(900);
    await ask({ shot: name });
  }
};

async function until(what, condition, wait = plan.wait_ms, more = () => "") {
  for (const end = Date.now() + wait; Date.now() < end; await pause(50)) {
    const value = await condition();
    if (value) return value;
  }
  throw new Error(`${what}: not within ${wait} ms${await more()}`);
}

const all = (uri) => vscode.languages.getDiagnostics(uri).filter((d) => d.source === "qualm");
const ruleOf = (d) => String(typeof d.code === "object" ? d.code.value : d.code);
const findings = (uri, rule = plan.rule) => all(uri).filter((d) => ruleOf(d) === rule);

async function api() {
  const extension = vscode.extensions.getExtension("qualm.qualm");
  assert.ok(extension, "the packed extension is installed");
  return extension.activate();
}

async function open(file) {
  const document = await vscode.workspace.openTextDocument(vscode.Uri.file(file));
  return vscode.window.showTextDocument(document);
}

// One key after the other, as a person would.
async function type(editor, line) {
  const end = editor.document.lineAt(editor.document.lineCount - 1).range.end;
  editor.selection = new vscode.Selection(end, end);
  for (const key of [...line, "\n"]) {
    await run("type", { text: key });
  }
}

// The action under the title the command line gives it; taken, not yet saved.
async function take(uri, finding) {
  const actions = await run("vscode.executeCodeActionProvider", uri, finding.range, vscode.CodeActionKind.QuickFix.value, 20);
  const action = actions.find((a) => !a.disabled && a.title.toLowerCase().includes(plan.action.toLowerCase()));
  assert.ok(action?.edit, `no action "${plan.action}" among ${JSON.stringify(actions.map((a) => a.title))}`);
  assert.ok(await vscode.workspace.applyEdit(action.edit), "the edit is applied");
}

async function scenario({ killed = false } = {}) {
  await api();
  const before = fs.readFileSync(plan.file);
  const editor = await open(plan.file);
  const { document } = editor;
  const { uri } = document;
  for (const line of plan.typed) {
    await type(editor, line);
  }
  const one = () => findings(uri).length === 1 && findings(uri)[0];
  let finding = await until("the finding shows", one);
  if (killed) {
    const extension = await api();
    const { server_pid } = JSON.parse(fs.readFileSync(plan.report, "utf8").split("\n")[0]);
    process.kill(server_pid, "SIGKILL");
    await until("another server takes over", () => {
      const lines = fs.existsSync(plan.report) ? fs.readFileSync(plan.report, "utf8").split("\n") : [""];
      return lines[0] !== "" && JSON.parse(lines[0]).server_pid !== server_pid;
    }, plan.wait_ms, () => `; the extension says ${extension.phase()}`);
    await until("the extension says so", () => extension.phase() === "running");
    // What the dead server said is not what shows: an edit must bring news from the new one.
    const at = document.positionAt(document.getText().length);
    const edit = new vscode.WorkspaceEdit();
    edit.insert(uri, at, `${plan.risky}\n`);
    await vscode.workspace.applyEdit(edit);
    await until("the new server sees a second one", () => findings(uri).length === 2);
    await run("undo");
    finding = await until("the second one goes", one);
  }
  assert.equal(document.getText(finding.range), plan.underlined);
  assert.ok(finding.message.toLowerCase().includes(plan.message.toLowerCase()), finding.message);
  const hovers = await run("vscode.executeHoverProvider", uri, finding.range.start);
  const said = hovers.flatMap((h) => h.contents.map((c) => c.value ?? c)).join("\n");
  assert.ok(said.includes(plan.rule), `the hover names the rule: ${said}`);
  const extension = await api();
  assert.deepEqual(extension.map().files[0].findings.map((f) => f.rule), [plan.rule]);
  await take(uri, finding);
  await until("the finding goes", () => findings(uri).length === 0);
  assert.deepEqual(fs.readFileSync(plan.file), before, "the file before it is saved");
  assert.ok(await document.save(), "the file is saved");
  await pause(300);
  assert.deepEqual(findings(uri), [], "findings after saving");
  assert.equal(fs.readFileSync(plan.file, "utf8"), plan.after);
}

const lenses = async (uri) => (await run("vscode.executeCodeLensProvider", uri, 20)).map((l) => l.command?.title ?? "");

// Pastes with the keys of a person. The marks of the page are what the server says of each line.
async function paste(editor, line, text) {
  const { document } = editor;
  const before = document.getText();
  editor.selection = new vscode.Selection(line, 0, line, 0);
  await run("workbench.action.focusActiveEditorGroup");
  await ask({ keys: "Control+v" });
  const at = document.offsetAt(new vscode.Position(line, 0));
  const after = before.slice(0, at) + text + before.slice(at);
  await until("the text is pasted", () => document.getText() === after);
}

async function copy(editor, first, end) {
  editor.selection = new vscode.Selection(first, 0, end, 0);
  await run("workbench.action.focusActiveEditorGroup");
  await ask({ clipboard: "-", keys: "Control+c" });
  const text = editor.document.getText(editor.selection);
  await until("the text is on the clipboard", async () => (await ask({ read: true })).text === text);
  return text;
}

// What came from where: pasted from outside, copied here, copied from a document that is gone; reviewed, corrected.
async function origins() {
  const extension = await api();
  const own = vscode.Uri.file(plan.file).with({ path: plan.file.replace(/app\.py$/, "own.py") });
  await vscode.workspace.fs.writeFile(own, Buffer.from(plan.own));
  const editor = await open(plan.file);
  const { document } = editor;
  const { uri } = document;
  await until("the server runs", () => extension.phase() === "running");
  await until("the first finding shows", () => findings(uri).length === 1);
  const end = document.lineCount - 1;
  await ask({ clipboard: plan.pasted });
  await paste(editor, end, plan.pasted);
  const finding = await until("the finding in the paste", () => findings(uri, plan.pasted_rule)[0]);
  await until("its origin", () => all(uri).some((d) => (d.relatedInformation ?? []).some((r) => /Origin of this text: pasted from outside/.test(r.message))));
  const marked = () => extension.map().files.find((f) => f.uri === uri.toString())?.runs.filter((r) => r.foreign) ?? [];
  await until("the mark", () => marked().length > 0);
  const pasted = plan.pasted.split("\n").length - 1;
  const region = () => marked().map((r) => [r.start, r.end, r.kind]);
  assert.deepEqual(region(), [[end, end + pasted - 1, "pasted"]]);
  const [lens] = await lenses(uri);
  assert.equal(lens, `pasted from outside, ${pasted} lines, 1 finding, review`);
  if (plan.play === "pictures") {
    await pictures(editor, finding);
    return;
  }

  // A copy from here, and one from a document that is closed by now.
  const copied = await copy(editor, 7, 11);
  await paste(editor, end, copied);
  const moved = copied.split("\n").length - 1;
  const after = [[end + moved, end + moved + pasted - 1, "pasted"]];
  await until("the copy is vetted", () => findings(uri).length === 2);
  await until("the mark moved", () => marked()[0]?.start === end + moved);
  assert.deepEqual(region(), after, "a copy of this document");
  await run("vscode.open", own);
  const other = await until("the other document", () => vscode.window.visibleTextEditors.find((e) => e.document.uri.path === own.path));
  const elsewhere = await copy(other, 0, other.document.lineCount - 1);
  await run("workbench.action.closeActiveEditor");
  await until("the other document is gone", () => vscode.workspace.textDocuments.every((d) => d.uri.path !== own.path));
  const again = await vscode.window.showTextDocument(document);
  await paste(again, end, elsewhere);
  await until("the mark moved again", () => marked()[0]?.start === end + moved + elsewhere.split("\n").length - 1);
  assert.deepEqual(region().map((r) => r[2]), ["pasted"], "a copy of a document that is closed");

  // A copy of what came from outside did not come from here either.
  const [{ start, end: last }] = marked();
  const foreign = await copy(again, start, last + 1);
  await paste(again, 0, foreign);
  await until("the copy is marked as well", () => marked().length === 2);
  assert.deepEqual(region()[0], [0, pasted - 1, "pasted"], "a copy of foreign text");
  await run("undo");
  await until("it is gone", () => marked().length === 1);

  // Looked at, and then claimed: both by the commands of the palette, at the cursor.
  const line = marked()[0].start + 1;
  again.selection = new vscode.Selection(line, 0, line, 0);
  await run("qualm.review");
  await until("it is reviewed", () => marked().every((r) => r.reviewed));
  assert.match((await lenses(uri))[0], /, reviewed$/);
  const range = { start: { line: marked()[0].start, character: 0 }, end: { line: marked()[0].end + 1, character: 0 } };
  await run("qualm.relabel", uri.toString(), "typed", range);
  await until("nothing is foreign", () => marked().length === 0);
  await until("the finding goes", () => findings(uri, plan.pasted_rule).length === 0);
  await run("workbench.action.files.revert");
}

// The page as people see it: kept for the README when the plan names a folder.
async function pictures(editor, finding) {
  await run("workbench.action.closeSidebar");
  await run("notifications.clearAll");
  editor.selection = new vscode.Selection(finding.range.start, finding.range.start);
  editor.revealRange(finding.range, vscode.TextEditorRevealType.InCenter);
  await shot("foreign");
  const [sql] = findings(editor.document.uri);
  editor.selection = new vscode.Selection(sql.range.start, sql.range.start);
  await run("editor.action.showHover");
  await shot("hover");
  await run("workbench.action.focusActiveEditorGroup");
  await run("editor.action.hideHover");
  await run("editor.action.quickFix");
  await shot("quickfix");
  await run("previewSelectedCodeAction");
  await shot("preview");
  await run("refactorPreview.discard");
  const theme = vscode.workspace.getConfiguration("workbench");
  await run("qualm.openMap");
  let why;
  const shown = until("the map shows", async () => {
    const map = await ask({ map: true }).catch((error) => ({ error }));
    why = map.error ?? JSON.stringify(map.names);
    return map.names?.some((n) => n.includes(plan.rule)) && map;
  });
  const { names } = await shown.catch(() => assert.fail(why));
  assert.ok(names.some((n) => n.includes("pasted from outside")), names.join("\n"));
  assert.equal(new Set(names).size, names.length, "every entry of the map is reached by keys");
  await shot("map-dark");
  await theme.update("colorTheme", plan.light, vscode.ConfigurationTarget.Global);
  await shot("map-light");
  await run("workbench.action.closeEditorsInOtherGroups");
}

// Everywhere a person can type: unsaved documents, notebooks, a second root, the commit message.
async function places() {
  await api();
  assert.equal(vscode.workspace.workspaceFolders.length, 2);
  for (const folder of vscode.workspace.workspaceFolders) {
    const { document } = await open(vscode.Uri.joinPath(folder.uri, "app.py").fsPath);
    await until(`the finding in ${folder.name}`, () => findings(document.uri).length === 1);
  }
  const unsaved = await vscode.workspace.openTextDocument({ language: "python", content: plan.before });
  await vscode.window.showTextDocument(unsaved);
  const finding = await until("the finding in an unsaved document", () => findings(unsaved.uri)[0]);
  await take(unsaved.uri, finding);
  await until("the finding goes", () => findings(unsaved.uri).length === 0);
  assert.equal(unsaved.getText(), plan.after);

  const cell = new vscode.NotebookCellData(vscode.NotebookCellKind.Code, plan.before, "python");
  const notebook = await vscode.workspace.openNotebookDocument("jupyter-notebook", new vscode.NotebookData([cell]));
  await vscode.window.showNotebookDocument(notebook);
  const { document } = notebook.cellAt(0);
  await until("the finding in a notebook cell", () => findings(document.uri).length === 1);

  const control = vscode.scm.createSourceControl("e2e", "E2E", vscode.workspace.workspaceFolders[0].uri);
  control.inputBox.value = plan.secret;
  await run("workbench.view.scm");
  const message = await until("the commit message is a document", () => vscode.workspace.textDocuments.find((d) => d.uri.scheme === "vscode-scm"));
  await until("the finding in the commit message", () => all(message.uri).length > 0);
  control.dispose();
}

// The commands, and what they say.
async function commands() {
  const extension = await api();
  const editor = await open(plan.file);
  const finding = await until("the finding shows", () => findings(editor.document.uri)[0]);
  const offered = await vscode.commands.getCommands(true);
  for (const name of ["restartServer", "showLogs", "copyDebugInformation", "openMap", "explain", "vetWorkspace", "review", "relabel", "toggleOriginMarks"]) {
    assert.ok(offered.includes(`qualm.${name}`), name);
  }
  const text = await run("qualm.copyDebugInformation");
  assert.match(text, /running/);
  assert.ok(!text.includes(plan.home), "the home folder is not named");
  editor.selection = new vscode.Selection(finding.range.start, finding.range.start);
  await run("qualm.explain");
  const pages = () => vscode.window.tabGroups.all.flatMap((g) => g.tabs).filter((t) => t.input instanceof vscode.TabInputWebview);
  await until("the explanation shows", () => pages().some((t) => /explain/i.test(t.label)));
  await run("qualm.openMap");
  await until("the map shows", () => pages().some((t) => t.label === "Origin and Findings"));
  await run("qualm.restartServer");
  await until("the server runs again", () => extension.phase() === "running");
  await until("the finding shows again", () => findings(editor.document.uri).length === 1);
  // A default of the editor does not override the project; what somebody sets does.
  const settings = vscode.workspace.getConfiguration("qualm");
  await settings.update("rules", { [plan.rule]: "off" }, vscode.ConfigurationTarget.Global);
  await until("a rule that is off is silent", () => findings(editor.document.uri).length === 0);
  await settings.update("rules", undefined, vscode.ConfigurationTarget.Global);
  await until("it speaks again", () => findings(editor.document.uri).length === 1);
  await take(editor.document.uri, findings(editor.document.uri)[0]);
  await until("the finding goes", () => findings(editor.document.uri).length === 0);
  await editor.document.save();
}

// A workspace nobody trusts cannot choose the program or quieten findings.
async function untrusted() {
  const extension = await api();
  assert.equal(vscode.workspace.isTrusted, false);
  const editor = await open(plan.file);
  await until("the server runs", () => extension.phase() === "running");
  await until("the finding shows although the workspace turned the rule off", () => findings(editor.document.uri).length === 1);
  await take(editor.document.uri, findings(editor.document.uri)[0]);
  await until("the finding goes", () => findings(editor.document.uri).length === 0);
  await editor.document.save();
}

// Without the program the extension says so and stays out of the way.
async function missing() {
  const extension = await api();
  await open(plan.file);
  await until("the extension says so", () => extension.phase() === "missing");
  assert.match(await run("qualm.copyDebugInformation"), /program: none: there is no qualm on the PATH/);
  assert.deepEqual(vscode.languages.getDiagnostics().flatMap(([, d]) => d).filter((d) => d.source === "qualm"), []);
  await vscode.workspace.getConfiguration("qualm").update("path", plan.program, vscode.ConfigurationTarget.Global);
  await until("with the setting it runs", () => extension.phase() === "running");
}

// No test: see tests/benches/paste.
const pasteBench = () => require(plan.bench.play).measure(plan, { open, until, pause, run, ask, api });

const PLAYS = { scenario, killed: () => scenario({ killed: true }), origins, pictures: origins, places, commands, untrusted, missing, pasteBench };

exports.activate = () => {};
exports.run = async () => {
  try {
    await PLAYS[plan.play]();
  } catch (error) {
    console.log(`e2e: ${error.stack}`);
    throw error;
  }
};
