// The view of a new import: the file, what its columns are, the options.

let current = null; // the tab's Import
let fieldRules = {};

function showImport() {
  if (current && current.state.phase === "mapping" && current.store) return showMapping();
  const problem = h("div", { id: "file-problem" });
  const input = h("input", { type: "file", id: "file", class: "unseen", accept: ".csv,.tsv,.txt,.json,.ndjson,.jsonl,text/csv,application/json",
    onchange: () => input.files[0] && openFile(input.files[0], problem) });
  const drop = h("div", { id: "drop", class: "drop" },
    h("p", { class: "drop-title" }, t("file.drop")), input,
    h("label", { for: "file", class: "button primary" }, t("file.choose")),
    h("p", { class: "hint" }, t("file.kinds")));
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files[0]) openFile(event.dataTransfer.files[0], problem);
  });
  view("import", "empty", t("import.title"), h("p", { class: "lead" }, t("import.lead")), unfinished(), problem, drop,
    h("h2", null, t("import.how")), h("ol", { class: "how" }, ["file", "columns", "check", "import"].map((step) =>
      h("li", null, h("strong", null, t(`how.${step}`)), " ", t(`how.${step}.text`)))));
}

// unfinished leads back to the import that the tab has.
function unfinished() {
  if (!current || current.state.phase === "mapping") return null;
  const where = { checking: "#/preview", preview: "#/preview", running: "#/running", ended: "#/result" }[current.state.phase];
  return message("info", h("p", null, t(`unfinished.${current.state.phase}`), " ", linkTo(where, t("unfinished.go"))));
}

async function openFile(file, problem) {
  problem.replaceChildren(message("info", t("file.reading")));
  const store = new RowStore();
  try {
    const described = await store.call("open", file, {});
    if (current?.state.phase === "running" && current.unsent > 0) {
      problem.replaceChildren(message("bad", t("file.running")));
      store.close();
      return;
    }
    current?.forget();
    current = Import.begin(file, described);
    current.store = store;
    await loadRules();
    useFile(described);
    showMapping();
  } catch (error) {
    store.close();
    problem.replaceChildren(failedMessage(error));
  }
}

// loadRules gets the host's rules for fields, which are worth showing and no more than that.
async function loadRules() {
  if (loadRules.done) return;
  try {
    const { data } = await api.call("GET", "openapi.json");
    fieldRules = data["x-field-rules"] ?? {};
    loadRules.done = true;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
}

// useFile chooses targets: those of the last file with these columns, or a guess.
function useFile(described) {
  const { state } = current;
  state.file = described;
  const old = described.format === "csv" ? recallTargets(described.headers) : null;
  state.recalled = Boolean(old);
  state.targets = old ?? (described.format === "csv" ? guessTargets(described.headers, described.kinds, fieldRules)
    : described.headers.map((header) => ({ part: "whole", name: header, kind: "json" })));
}

async function reread(choice) {
  try {
    useFile(await current.store.call("read", choice));
    showMapping();
  } catch (error) {
    document.getElementById("file-problem").replaceChildren(failedMessage(error));
  }
}

function showMapping() {
  const { state } = current, { file } = state;
  const isCSV = file.format === "csv";
  const problems = h("div", { id: "problems" });
  const section = view("import", "file", t("import.title"),
    fileFacts(file), h("div", { id: "file-problem" }),
    file.unreadable && message("warn", t("file.unreadable")),
    isCSV && looksLikeData(file.headers) && message("warn", t("file.noHeader")),
    sampleTable(file),
    h("h2", null, t("columns.title")),
    h("p", null, t(isCSV ? state.recalled ? "columns.recalled" : "columns.lead" : "columns.json")),
    isCSV && h("ol", { id: "columns", class: "columns" }, file.headers.map((_, i) => columnItem(i))),
    requiredRules(),
    h("h2", null, t("options.title")), optionsForm(state), problems,
    h("div", { class: "actions" }, button(t("action.check"), { id: "check", class: "primary", onclick: startCheck }),
      button(t("action.otherFile"), { id: "other-file", onclick: () => { current.forget(); current = null; showImport(); document.getElementById("title").focus(); } })),
    h("p", { class: "hint" }, t("action.check.hint")));
  section.dataset.rows = file.count;
}

function fileFacts(file) {
  const { encoding, separator } = file;
  const choices = [
    file.format === "csv" && field(t("file.separator"), select(separators.map((sep) => [sep, separatorName(sep)]), separator,
      (sep) => reread({ encoding, separator: sep }), { id: "separator" })),
    field(t("file.encoding"), select(encodings.map((name) => [name, t(`encoding.${name}`)]), encoding,
      (name) => reread({ encoding: name, separator: file.format === "csv" ? separator : undefined }), { id: "encoding" })),
  ];
  return h("div", { class: "facts" },
    h("div", null, h("p", { class: "file-name" }, cellNode(current.state.name, 120)),
      h("p", { class: "hint" }, t("file.facts", { rows: t("file.rows", { n: file.count }), columns: t("file.columns", { n: file.headers.length }), format: file.format.toUpperCase(), size: sizeText(file.size) }))),
    h("div", { class: "toolbar" }, choices));
}

function sampleTable(file) {
  return h("details", { class: "sample", open: true }, h("summary", null, t("sample.title")),
    tableBox(t("sample.caption", { n: file.sample.length }), [t(file.format === "json" ? "rows.row" : "rows.line"), ...file.headers.map((header) => cellNode(header || "–", 60))],
      h("tbody", null, file.sample.map((row) => h("tr", null, h("th", { scope: "row", class: "number" }, numbers.format(row.line)),
        file.headers.map((_, i) => h("td", null, cellNode(row.cells[i] ?? "", 60)))))), { id: "sample" }));
}

// columnItem is the choice of what a column is.
function columnItem(i) {
  const { file, targets } = current.state, target = targets[i];
  const header = file.headers[i];
  const examples = [...new Set(file.sample.map((row) => row.cells[i]).filter(Boolean))].slice(0, 3);
  const name = h("input", { type: "text", value: target.name, "data-name": true, "aria-label": t("columns.nameOf", { column: header }), spellcheck: "false",
    oninput: () => { target.name = name.value; update(); } });
  const kind = select(["string", "number", "boolean", "json"].map((key) => [key, t(`kind.${key}`)]), target.kind,
    (value) => { target.kind = value; update(); }, { "data-kind": true, "aria-label": t("columns.kindOf", { column: header }) });
  const rule = h("p", { class: "hint rule" }), nearly = h("p", { class: "hint rule" });
  const most = namesInDigits.test(header) ? null : file.nearly?.[i];
  const parts = ["userId", "email", "customFields", "metadata", "ignore"].map((key) => [key, t(`target.${key}`)]);
  if (target.part === "note" || target.part === "whole") parts.push([target.part, t(`target.${target.part}`)]);
  const part = select(parts, target.part, (value) => {
    target.part = value;
    if ((value === "customFields" || value === "metadata") && !target.name) name.value = target.name = header;
    update();
  }, { "data-target": true, "aria-label": t("columns.targetOf", { column: header }) });
  const update = () => {
    const isField = target.part === "customFields" || target.part === "metadata";
    name.hidden = kind.hidden = !isField;
    const text = isField ? fieldRules[`${target.part}.${target.name}`] : "";
    rule.replaceChildren(...(text ? [t("columns.rule"), " ", h("span", { lang: "en" }, text)] : []));
    rule.hidden = !text;
    nearly.textContent = most ? t("columns.nearly", { n: most.others, kind: t(`kind.${most.kind}`) }) : "";
    nearly.hidden = !most || !isField || target.kind !== "string";
  };
  update();
  return h("li", { "data-column": i },
    h("div", { class: "column-name" }, h("strong", null, cellNode(header || t("columns.nameless"), 80)),
      h("p", { class: "hint" }, examples.flatMap((text, k) => [k ? ", " : "", cellNode(text, 40)]))),
    h("div", { class: "column-target" }, part, name, kind, rule, nearly));
}

// requiredRules names fields that the host asks for and the file does not have.
function requiredRules() {
  const { targets, file } = current.state;
  const paths = new Set(file.format === "csv" ? targets.map(pathOf) : file.headers);
  const missing = Object.entries(fieldRules).filter(([path, text]) => /^is required\b/.test(text) && !paths.has(path));
  if (missing.length === 0) return null;
  return message("warn", h("p", null, t("columns.required")), h("ul", null, missing.map(([path, text]) => h("li", null, cellNode(path), ": ", h("span", { lang: "en" }, text)))));
}

const modes = {
  upsert: { upsert: true, skipDuplicates: false, updateOnly: false },
  skip: { upsert: true, skipDuplicates: true, updateOnly: false },
  createOnly: { upsert: false, skipDuplicates: false, updateOnly: false },
  updateOnly: { upsert: true, skipDuplicates: false, updateOnly: true },
};

function modeOf(options) {
  return options.skipDuplicates ? "skip" : options.updateOnly ? "updateOnly" : options.upsert ? "upsert" : "createOnly";
}

function optionsForm(state) {
  const { options } = state;
  const radios = (name, keys, chosen, pickKey) => h("fieldset", null, h("legend", null, t(`options.${name}`)),
    keys.map((key) => choice(t(`${name}.${key}`), h("input", { type: "radio", name, value: key, checked: key === chosen, onchange: () => pickKey(key) }), t(`${name}.${key}.text`))));
  const maxFailed = h("input", { type: "number", id: "max-failed", min: "0", max: "1000000", step: "1", inputmode: "numeric", value: options.maxFailed ?? "",
    oninput: () => { options.maxFailed = maxFailed.value === "" ? null : Math.max(0, Math.floor(Number(maxFailed.value) || 0)); } });
  const label = h("input", { type: "text", id: "label", maxlength: "64", value: state.label, autocomplete: "off", oninput: () => { state.label = label.value; } });
  const fromName = button(t("options.useName"), { class: "quiet", onclick: () => { label.value = state.label = state.name.replace(/\.\w+$/, "").slice(0, 64); label.focus(); } });
  return h("div", { class: "options" },
    radios("mode", Object.keys(modes), modeOf(options), (key) => Object.assign(options, modes[key])),
    radios("merge", ["merge", "fill", "replace"], options.merge, (key) => { options.merge = key; }),
    h("fieldset", null, h("legend", null, t("options.more")),
      choice(t("options.welcome"), h("input", { type: "checkbox", id: "welcome", checked: options.sendWelcomeEmail, onchange: (event) => { options.sendWelcomeEmail = event.target.checked; } }), t("options.welcome.text")),
      field(t("options.maxFailed"), maxFailed, t("options.maxFailed.text")),
      field(t("options.label"), label, t("options.label.text")), fromName));
}

function startCheck() {
  const { state } = current;
  const problems = state.file.format === "csv" ? targetProblems(state.targets) : [];
  for (const item of document.querySelectorAll("#columns [aria-invalid]")) item.removeAttribute("aria-invalid");
  if (problems.length > 0) {
    const box = h("div", { class: "message bad", role: "alert", tabindex: "-1" }, h("p", null, t("mapping.problems")),
      h("ul", null, problems.map(({ column, key }) => h("li", null, column < 0 ? t(key)
        : button(t(key, { column: state.file.headers[column], name: state.targets[column].name }), { class: "link", onclick: () => columnControl(column).focus() })))));
    for (const { column } of problems) if (column >= 0) columnControl(column).setAttribute("aria-invalid", "true");
    document.getElementById("problems").replaceChildren(box);
    box.focus();
    return;
  }
  if (state.file.format === "csv") rememberTargets(state.file.headers, state.targets);
  state.phase = "checking";
  state.parts = [];
  current.save();
  location.hash = "#/preview";
}

function columnControl(column) { return document.querySelector(`#columns [data-column="${column}"] select`); }
