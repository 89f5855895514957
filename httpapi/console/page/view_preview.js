// The view of what would happen: the dry run and what it says.

async function showPreview() {
  if (!current || current.state.phase === "mapping") return leaveTo("#/");
  if (current.state.phase === "running") return leaveTo("#/running");
  if (current.state.phase === "ended") return leaveTo("#/result");
  const shownFor = current;
  const { signal } = leaving;
  try {
    if (current.state.phase === "checking") {
      if (!current.store) return showAgain("preview", t("preview.title"), t("again.check"));
      await runCheck(signal);
    } else if (!current.store && !current.found) {
      view("preview", "checking", t("preview.title"), h("p", { class: "lead" }, t("preview.recalling")));
      await current.collect(true, signal);
    }
    if (signal.aborted || current !== shownFor) return;
    await showChecked();
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    view("preview", "failed", t("preview.title"), failedMessage(error), backActions());
  }
}

function backActions() {
  return h("div", { class: "actions" }, button(t("action.back"), { id: "back", onclick: backToMapping }));
}

function backToMapping() {
  if (!current.store) {
    current.forget();
    current = null;
  } else {
    current.halt();
    current.state.phase = "mapping";
  }
  location.hash = "#/";
}

async function runCheck(signal) {
  const { state } = current;
  const done = h("p", { class: "hint" });
  const bar = h("progress", { id: "progress", max: "100", "aria-label": t("preview.progress") });
  view("preview", "checking", t("preview.title"), h("p", { class: "lead" }, t("preview.checking", { n: state.file.count })), bar, done, backActions());
  say(t("preview.checking", { n: state.file.count }));
  current.watch = (part, job) => {
    if (signal.aborted) return;
    const rowsDone = part.first + job.processedRecords;
    bar.value = (100 * rowsDone) / state.file.count;
    done.textContent = t("progress.rows", { done: rowsDone, total: state.file.count });
  };
  await current.check();
}

async function showChecked() {
  const { state } = current, { file } = state;
  const store = current.store ?? current.found;
  const { counts, groups, changes } = await store.call("summary");
  // A check that stopped has not looked at the parts behind.
  counts.notProcessed += file.count - outcomes.reduce((sum, name) => sum + counts[name], 0);
  const columns = current.store ? mapped(file.headers, state.targets) : null;
  const table = new RowsTable(store, counts, { columns, tense: "would" });
  const good = file.count - counts.failed - counts.notProcessed;
  view("preview", "ready", t("preview.title"),
    h("p", { class: "lead" }, t("preview.lead", { n: file.count })),
    outcomeBar(counts, "would"),
    counts.failed === file.count ? message("bad", t("preview.hopeless")) : counts.failed > 0 ? message("warn", t("preview.failed", { n: counts.failed })) : message("good", t("preview.good")),
    counts.notProcessed > 0 && message("warn", t("preview.stopped", { n: counts.notProcessed })),
    state.parts.length > 1 && message("info", t("preview.parts", { n: state.parts.length })),
    current.store ? h("div", { class: "actions" },
      button(t(good && good < file.count ? "action.importGood" : "action.import", { n: good || file.count }), { id: "import", class: "primary", disabled: !good, onclick: startImport }),
      button(t("action.back"), { id: "back", onclick: backToMapping }))
      : [fileAgain(t("again.import"), () => showChecked()), backActions()],
    h("p", { class: "hint" }, t("action.import.hint")),
    errorGroups(groups, columns, (group) => table.pick(group)), changeGroups(changes, columns, (change) => table.pick({ change })), table.node);
  say(t("preview.ready"));
  await table.show();
}

function startImport() {
  current.state.phase = "running";
  current.save();
  location.hash = "#/running";
}

// fileAgain asks for the file that the import began with: its rows went with the page.
function fileAgain(text, then) {
  const problem = h("div");
  const id = "file";
  const input = h("input", { type: "file", id, class: "unseen", onchange: async () => {
    const store = new RowStore();
    try {
      const described = await store.call("open", input.files[0], { encoding: current.state.file.encoding, separator: current.state.file.separator });
      if (described.digest !== current.state.file.digest) throw new FileProblem("problem.otherFile", { name: input.files[0].name });
      current.use(store, described);
      if (current.state.phase === "preview") await current.collect(true);
      then();
    } catch (error) {
      store.close();
      current.store = null;
      problem.replaceChildren(failedMessage(error));
    }
  } });
  return h("div", { class: "message info again", id: "file-again" }, h("p", null, text), h("p", { class: "file-name" }, cellNode(current.state.name, 120)), input,
    h("label", { for: id, class: "button" }, t("again.choose")), problem);
}

function showAgain(name, title, text) {
  view(name, "file", title, fileAgain(text, route), backActions());
}
