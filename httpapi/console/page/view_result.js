// The view of an import that has ended.

async function showResult() {
  if (!current || current.state.phase !== "ended") return leaveTo(current?.state.phase === "running" ? "#/running" : "#/");
  const { signal } = leaving;
  const { state } = current;
  // After a reload a single job has all there is to see.
  if (!current.store && state.parts.length === 1 && state.parts[0].job) return leaveTo(`#/jobs/${state.parts[0].job}`);
  view("result", "loading", t("result.title"), h("p", { class: "lead" }, t("result.loading")));
  try {
    const hasFile = Boolean(current.store);
    const store = await current.collect(false, signal);
    const { groups, retryable } = await store.call("summary");
    if (signal.aborted) return;
    const counts = addUp(state.parts.map((part) => part.state?.summary ?? { notProcessed: part.rows }));
    await showEnded(store, { counts, groups, retryable, hasFile });
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    view("result", "failed", t("result.title"), failedMessage(error), h("div", { class: "actions" }, button(t("action.again"), { onclick: showResult }), newImportButton()));
  }
}

async function showEnded(store, { counts, groups, retryable, hasFile }) {
  const { state } = current;
  const columns = hasFile ? mapped(state.file.headers, state.targets) : null;
  const table = new RowsTable(store, counts, { columns });
  const rest = counts.failed + counts.notProcessed;
  const mending = h("div", { id: "mending" });
  const canMend = hasFile && state.file.format === "csv" && counts.failed > 0;
  const separator = state.file.separator;
  const all = counts.failed === 0 && counts.notProcessed === 0;
  view("result", "ready", t(state.stopped ? "result.stoppedTitle" : "result.title"),
    h("p", { class: "lead" }, state.label ? cellNode(state.label) : cellNode(state.name)),
    outcomeBar(counts), stoppedMessage(state), all && message("good", t("result.good")),
    h("div", { class: "actions" },
      canMend && button(t("action.mend", { n: counts.failed }), { id: "mend", class: "primary", onclick: () => showMend(mending, store, state.targets, mendTag(state), state) }),
      state.stopped && current.unsent > 0 && button(t("action.continue"), { id: "continue", onclick: continueRun }),
      retryButtons(state.parts.map((part) => part.job).filter(Boolean), addUp(state.parts.map((part) => part.state?.summary ?? {})).notProcessed, retryable),
      rest > 0 && hasFile && state.file.format === "csv" && button(t("action.failedFile"), { id: "download-failed", onclick: () => downloadFailed(store, separator) }),
      button(t("action.resultsFile"), { id: "download-results", onclick: () => downloadResults(store, separator) }),
      newImportButton()),
    mending, partsList(state, canMend || counts.failed === 0),
    errorGroups(groups, columns, (group) => table.pick(group)), table.node);
  say(t("result.said", counts));
  await table.show();
}

function newImportButton() {
  return button(t("action.new"), { id: "new-import", onclick: () => { current?.forget(); current = null; location.hash = "#/"; } });
}

function stoppedMessage({ stopped, parts }) {
  if (!stopped) return null;
  const reason = stopped.error ? codeTitle(stopped.error.code) : t("result.cancelled");
  return message("warn", h("p", null, t("result.stopped", { part: stopped.part + 1, parts: parts.length }), " ", reason), h("p", null, t("result.rest")));
}

function continueRun() {
  current.state.phase = "running";
  current.cancelled = false;
  current.save();
  location.hash = "#/running";
}

// mendTag marks the job of mended rows: they belong to the job, or to the import of many.
function mendTag(state) { return state.parts.length === 1 ? state.parts[0].job : state.id; }

function baseName() { return current.state.name.replace(/\.\w+$/, "") || "import"; }

async function downloadFailed(store, separator) {
  save(`${baseName()}-failed.csv`, "text/csv", await store.call("failedFile", { separator, statuses: ["failed", "notProcessed"] }));
}

async function downloadResults(store, separator) {
  save(`${baseName()}-results.csv`, "text/csv", await store.call("resultsFile", { separator: separator || "," }));
}

// partsList leads to the jobs. Where rows cannot be mended here, they can be there.
function partsList(state, mendHere) {
  if (state.parts.length === 1 && mendHere) return null;
  return [h("h2", null, t("parts.title")), !mendHere && h("p", null, t("parts.mend")),
    h("ul", { id: "parts", class: "parts" }, state.parts.map((part, i) => h("li", null,
      part.job ? linkTo(`#/jobs/${part.job}`, t("parts.part", { part: i + 1 })) : t("parts.part", { part: i + 1 }), ": ",
      part.job ? t("parts.rows", { from: part.first + 1, to: part.first + part.rows, failed: part.state?.summary.failed ?? 0 }) : t("parts.unsent", { n: part.rows }))))];
}
