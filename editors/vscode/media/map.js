// The page of the origin and findings map. Everything that comes from files is set as text, never as markup.
(() => {
  const vscode = acquireVsCodeApi();
  const root = document.getElementById("map");
  const saved = vscode.getState() ?? {};
  const state = { whole: saved.whole === true, model: undefined };

  const element = (name, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  };
  const SVG = "http://www.w3.org/2000/svg";
  const shape = (name, attributes, title) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) {
      node.setAttribute(key, String(value));
    }
    if (title !== undefined) {
      const text = document.createElementNS(SVG, "title");
      text.textContent = title;
      node.append(text);
    }
    return node;
  };
  const count = (n, one, many) => `${n} ${n === 1 ? one : many}`;
  const lines = (a, b) => (a === b ? `line ${a + 1}` : `lines ${a + 1}-${b + 1}`);
  const open = (uri, line, column) => vscode.postMessage({ type: "open", uri, line, column });

  // A file from its first line to its last: background by origin, bars for findings.
  function strip(file) {
    const height = Math.max(64, Math.min(480, file.lines * 2));
    const at = (line) => (line / file.lines) * height;
    const svg = shape("svg", { class: "strip", viewBox: `0 0 22 ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    svg.append(shape("rect", { class: "own", x: 0, y: 0, width: 22, height }));
    for (const run of file.runs.filter((r) => r.foreign)) {
      const box = { x: 0, y: at(run.start), width: 12, height: Math.max(2, at(run.end + 1) - at(run.start)) };
      svg.append(shape("rect", { class: run.reviewed ? "foreign reviewed" : "foreign", ...box }, run.label));
    }
    for (const finding of file.findings) {
      svg.append(shape("rect", { class: finding.severity, x: 13, y: at(finding.line), width: 9, height: 3 }, finding.rule));
    }
    return svg;
  }

  function row(file, entry) {
    const button = element(
      "button",
      { type: "button" },
      element("span", { className: "line", textContent: entry.where }),
      element("span", { className: entry.className, textContent: entry.what }),
      element("span", {}, element("span", { className: "rule", textContent: entry.name }), ` ${entry.text}`),
    );
    button.dataset.key = `${file.uri}\n${entry.where}\n${entry.name}`;
    button.addEventListener("click", () => open(file.uri, entry.line, entry.column));
    return element("li", {}, button);
  }

  function section(file) {
    const entries = [
      ...file.runs
        .filter((r) => r.foreign)
        .map((r) => ({
          line: r.start,
          column: 0,
          where: lines(r.start, r.end).replace(/^lines? /, ""),
          className: "foreign-text",
          what: "origin",
          name: r.label,
          text: `${r.confidence}, ${r.reviewed ? "reviewed" : "not reviewed"}`,
        })),
      ...file.findings.map((f) => ({
        line: f.line,
        column: f.column,
        where: String(f.line + 1),
        className: f.severity,
        what: f.severity,
        name: f.rule,
        text: f.message,
      })),
    ].sort((a, b) => a.line - b.line);
    const list =
      entries.length > 0
        ? element("ul", {}, ...entries.map((e) => row(file, e)))
        : element("p", { className: "none", textContent: "Nothing found here." });
    const summary = element("span", { className: "count", textContent: ` ${count(file.findings.length, "finding", "findings")}` });
    return element("section", {}, element("h2", {}, file.name, summary), strip(file), list);
  }

  function tab(label, whole) {
    const button = element("button", { type: "button", textContent: label });
    button.setAttribute("aria-pressed", String(state.whole === whole));
    button.dataset.key = `tab ${label}`;
    button.addEventListener("click", () => {
      state.whole = whole;
      vscode.setState({ whole });
      draw();
    });
    return button;
  }

  function draw() {
    const { model } = state;
    if (model === undefined) {
      return;
    }
    const focused = document.activeElement?.dataset?.key;
    const files = state.whole ? model.files : model.files.filter((f) => f.uri === model.active);
    const tabs = element("span", { className: "tabs" }, tab("File", false), tab("Workspace", true));
    tabs.setAttribute("role", "group");
    tabs.setAttribute("aria-label", "What to show");
    const key = element("i", { className: "foreign-key" });
    const legend = model.origin
      ? element("span", { className: "legend" }, key, "came from outside (paler: reviewed)")
      : element("span", { className: "legend", textContent: "This server does not tell where text came from; the map shows findings only." });
    root.replaceChildren(
      element("h1", { textContent: "Origin and findings" }),
      element("div", { className: "tools" }, tabs, legend),
      ...(files.length > 0
        ? files.map(section)
        : [element("p", { className: "none", textContent: state.whole ? "No findings in the workspace." : "Open a file to see its map." })]),
    );
    for (const button of root.querySelectorAll("button")) {
      if (focused !== undefined && button.dataset.key === focused) {
        button.focus();
      }
    }
  }

  // Up and down go through the entries, Home and End to the ends; Tab and Enter work as everywhere.
  root.addEventListener("keydown", (event) => {
    const buttons = [...root.querySelectorAll("button")];
    const here = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to !== undefined && buttons[to] !== undefined) {
      event.preventDefault();
      buttons[to].focus();
    }
  });
  window.addEventListener("message", (event) => {
    if (event.data?.type === "model") {
      state.model = event.data.model;
      draw();
    }
  });
  vscode.postMessage({ type: "ready" });
})();
