// node drive_vscode.mjs PLAN.json: serves VS Code's workbench on a folder, shows it in Chromium, and runs the plan's suite inside
// its extension host. Exits with the suite's verdict; whatever it started has ended by then.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { join } from "node:path";

const plan = JSON.parse(readFileSync(process.argv[2], "utf8"));
const at = (...parts) => join(plan.cache, ...parts);
const { chromium } = createRequire(at("vscode/playwright/x.js"))("playwright-core");
const node = at("vscode/node/node_modules/node/bin/node");
const entry = at("vscode/code-server/node_modules/code-server/out/node/entry.js");

const SETTINGS = {
  "telemetry.telemetryLevel": "off",
  "workbench.startupEditor": "none",
  "security.workspace.trust.enabled": plan.untrusted,
  "security.workspace.trust.startupPrompt": "never",
  "extensions.ignoreRecommendations": true,
  "update.mode": "none",
  // In a browser it would be "afterDelay".
  "files.autoSave": "off",
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "chat.disableAIFeatures": true,
  "window.commandCenter": false,
  "editor.minimap.enabled": false,
  // The plans type what they mean.
  "editor.autoClosingBrackets": "never",
  "editor.autoClosingQuotes": "never",
  "editor.autoIndent": "none",
  "editor.quickSuggestions": { other: "off", comments: "off", strings: "off" },
  "editor.suggestOnTriggerCharacters": false,
  "editor.parameterHints.enabled": false,
  ...plan.settings,
};

const freePort = () =>
  new Promise((done, fail) => {
    const server = createServer().once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

const port = await freePort();
const data = join(plan.home, "code-server");
mkdirSync(join(data, "User"), { recursive: true });
writeFileSync(join(data, "User/settings.json"), JSON.stringify(SETTINGS));
writeFileSync(join(data, "config.yaml"), `auth: none\nbind-addr: 127.0.0.1:${port}\ncert: false\n`);
const common = [entry, "--config", join(data, "config.yaml"), "--user-data-dir", data, "--extensions-dir", join(data, "extensions"),
  "--disable-telemetry", "--disable-update-check", ...(plan.untrusted ? [] : ["--disable-workspace-trust"])];
const installed = spawnSync(node, [...common, "--install-extension", plan.vsix], { encoding: "utf8", timeout: 60_000 });
if (installed.status !== 0) {
  throw new Error(`the extension cannot be installed: ${installed.stdout}${installed.stderr}`);
}
// As from a terminal: the environment counts, and no login shell is asked for another.
const env = { ...process.env, E2E_PLAN: process.argv[2], VSCODE_CLI: "1" };
const server = spawn(node, [...common, plan.open], { env, stdio: ["ignore", "pipe", "pipe"] });
let log = "";
const listening = new Promise((done, fail) => {
  const hear = (chunk) => {
    log += chunk;
    if (/HTTP server listening/.test(log)) done();
  };
  server.stdout.on("data", hear);
  server.stderr.on("data", hear);
  server.once("exit", () => fail(new Error(`code-server ended: ${log}`)));
});
const ended = new Promise((done) => server.once("exit", done));

// What the suite cannot do from inside: keys, the clipboard of the system, pictures, a look into the map. The answer is a file.
async function obey(page, order) {
  let answer = {};
  try {
    if (order.clipboard !== undefined) await page.evaluate((text) => navigator.clipboard.writeText(text), order.clipboard);
    if (order.keys !== undefined) await page.keyboard.press(order.keys);
    if (order.read) answer.text = await page.evaluate(() => navigator.clipboard.readText());
    if (order.shot !== undefined && plan.shots) await page.screenshot({ path: join(plan.shots, `${order.shot}.png`), clip: plan.clip });
    if (order.squiggle !== undefined) answer = await timeSquiggle(page, order.squiggle);
    if (order.map) answer = await walkMap(page);
  } catch (error) {
    answer = { error: String(error) };
  }
  writeFileSync(`${order.answer}.new`, JSON.stringify(answer));
  renameSync(`${order.answer}.new`, order.answer);
}

// Milliseconds from a key until the first squiggle stands in the page.
async function timeSquiggle(page, keys) {
  const seen = page.evaluate(
    () =>
      new Promise((done) => {
        let start;
        addEventListener("keydown", () => (start ??= performance.now()), { capture: true, once: true });
        const observer = new MutationObserver(() => {
          if (start === undefined || !document.querySelector(".squiggly-error, .squiggly-warning, .squiggly-info, .squiggly-hint")) return;
          observer.disconnect();
          done(performance.now() - start);
        });
        observer.observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["class"] });
      }),
  );
  await page.keyboard.press(keys);
  return Promise.race([seen.then((ms) => ({ ms })), new Promise((done) => setTimeout(() => done({ ms: null }), 10_000))]);
}

// Goes through the map as a person without a mouse; what the focus says on its way.
async function walkMap(page) {
  for (const frame of page.frames()) {
    const map = frame.locator("main#map");
    if ((await map.count()) === 0) continue;
    const buttons = map.getByRole("button");
    await buttons.first().focus();
    const said = () => frame.evaluate(() => document.activeElement.textContent);
    const names = [await said()];
    for (let i = 1; i < (await buttons.count()); i++) {
      await page.keyboard.press("ArrowDown");
      names.push(await said());
    }
    await frame.evaluate(() => document.activeElement.blur());
    return { names };
  }
  throw new Error(`there is no map in ${page.frames().map((f) => f.url().replace(/\?.*/, "").replace(/.*\//, "")).join(" ")}`);
}

let verdict = "timeout";
let browser;
try {
  await Promise.race([listening, new Promise((_, fail) => setTimeout(() => fail(new Error(`code-server does not listen: ${log}`)), plan.wait_ms * 2).unref())]);
  browser = await chromium.launch({ executablePath: at("bin/chromium"), args: ["--no-sandbox", "--disable-gpu"] });
  const context = await browser.newContext({ viewport: plan.viewport ?? { width: 1280, height: 720 }, permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  const done = new Promise((tell) => page.exposeFunction("codeAutomationExit", tell));
  await page.exposeFunction("codeAutomationLog", async (_type, args) => {
    const text = args.map((a) => (typeof a === "string" ? a : JSON.stringify(a))).join(" ");
    const said = /e2e: (.*)/s.exec(text)?.[1];
    if (said !== undefined) console.log(said);
    const order = /e2e-do: (.*)/s.exec(text)?.[1];
    if (order !== undefined) await obey(page, JSON.parse(order));
  });
  // A built workbench takes the suite from its address only in the mode of its own smoke tests.
  await page.addInitScript(() => {
    const read = Element.prototype.getAttribute;
    Element.prototype.getAttribute = function (name) {
      const value = read.call(this, name);
      if (name !== "data-settings" || this.id !== "vscode-workbench-web-configuration") return value;
      const settings = JSON.parse(value);
      settings.developmentOptions = { ...settings.developmentOptions, enableSmokeTestDriver: true };
      return JSON.stringify(settings);
    };
  });
  // code-server's own service worker (for offline use) gets into the way of the one that webviews wait for.
  await page.addInitScript(() => {
    const { register } = ServiceWorkerContainer.prototype;
    ServiceWorkerContainer.prototype.register = function (url, ...more) {
      return String(url).startsWith("service-worker.js") ? register.call(this, url, ...more) : new Promise(() => {});
    };
  });
  const host = `127.0.0.1:${port}`;
  const remote = (path) => `vscode-remote://${host}${path}`;
  const payload = [["extensionDevelopmentPath", remote(plan.suite)], ["extensionTestsPath", remote(join(plan.suite, "suite.js"))], ["skipWelcome", "true"]];
  const kind = plan.open.endsWith(".code-workspace") ? "workspace" : "folder";
  await page.goto(`http://${host}/?${kind}=${encodeURIComponent(plan.open)}&payload=${encodeURIComponent(JSON.stringify(payload))}`);
  verdict = await Promise.race([done, new Promise((tell) => setTimeout(() => tell("timeout"), plan.wait_ms * 6))]);
  if (verdict !== 0 && plan.shots) await page.screenshot({ path: join(plan.shots, `failed-${plan.play}.png`) });
} finally {
  await browser?.close();
  server.kill("SIGTERM");
  const hard = setTimeout(() => server.kill("SIGKILL"), 5000);
  await ended;
  clearTimeout(hard);
}
if (verdict !== 0) console.log(`the suite ended with ${verdict}`);
process.exit(verdict === 0 ? 0 : 1);
