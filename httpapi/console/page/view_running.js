// The view of an import that runs.

async function showRunning() {
  if (!current || current.state.phase === "mapping") return leaveTo("#/");
  if (current.state.phase === "ended") return leaveTo("#/result");
  if (current.state.phase !== "running") return leaveTo("#/preview");
  const { signal } = leaving;
  const shownFor = current;
  const panel = runningPanel();
  try {
    if (!current.running && !current.store) await current.adopt();
    panel.update();
    if (current.needsFile) panel.askFile();
    current.watch = (part, job) => { if (!signal.aborted) panel.update(part, job); };
    await current.run();
    if (signal.aborted || current !== shownFor) return;
    if (current.state.phase === "ended") leaveTo("#/result");
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    panel.fail(error);
  }
}

function runningPanel() {
  const importing = current, { state } = importing;
  const total = state.file.count;
  const bar = h("progress", { id: "progress", class: "unseen", max: "100", "aria-label": t("running.progress") });
  const percent = h("p", { class: "percent", "aria-hidden": "true" });
  const done = h("p", { id: "done" });
  const rate = h("dd", { id: "rate" }, "–"), left = h("dd", { id: "left" }, "–"), part = h("dd", { id: "part" }, "–");
  const picture = h("div"), more = h("div"), leave = h("p");
  const { signal } = leaving;
  const cancel = button(t("action.cancel"), { id: "cancel", class: "danger", onclick: () => confirmCancel(cancel, async () => {
    await importing.cancel();
    if (!importing.running && !signal.aborted) showRunning(); // without the file nothing ran that would stop
  }) });
  view("running", "running", t("running.title"),
    h("p", { class: "lead" }, state.label ? cellNode(state.label) : cellNode(state.name)), more,
    bar, h("div", { class: "progress-line" }, percent, done), picture,
    h("dl", { class: "numbers" }, h("div", null, h("dt", null, t("running.rate")), rate), h("div", null, h("dt", null, t("running.left")), left),
      state.parts.length > 1 && h("div", null, h("dt", null, t("running.part")), part)),
    message("info", leave),
    h("div", { class: "actions" }, cancel));
  let spoken = -1;
  return {
    update(now, job) {
      const counts = addUp(state.parts.map((each) => each.state?.summary ?? {}));
      counts.notProcessed = 0;
      const processed = outcomes.reduce((sum, name) => sum + counts[name], 0);
      const share = Math.floor((100 * processed) / total);
      bar.value = share;
      leave.textContent = t(importing.unsent > 0 ? "running.leaveParts" : "running.leave");
      percent.textContent = `${numbers.format(share)} %`;
      done.textContent = t("progress.rows", { done: processed, total });
      picture.replaceChildren(outcomeBar({ ...counts, notProcessed: total - processed }, "now"));
      if (job) {
        rate.textContent = job.rate === null ? "–" : t("running.rateText", { n: Math.round(job.rate) });
        const rest = (total - processed) / (job.rate || Infinity);
        left.textContent = !job.rate ? t(job.status === "pending" ? "running.waiting" : "running.unknown") : durationText(Math.max(rest, job.etaSeconds ?? 0));
        part.textContent = t("running.partText", { part: state.parts.indexOf(now) + 1, parts: state.parts.length });
      }
      const step = Math.floor(share / 10);
      if (step !== spoken) say(t("running.said", { percent: share }), true);
      spoken = step;
    },
    askFile() {
      more.replaceChildren(fileAgain(t("again.run", { n: current.unsent }), () => { more.replaceChildren(); showRunning(); }));
    },
    fail(error) {
      more.replaceChildren(failedMessage(error), h("div", { class: "actions" }, button(t("action.again"), { onclick: () => showRunning() }), newImportButton()));
    },
  };
}

// confirmCancel cancels what the user says yes to, with what it means in words.
async function confirmCancel(control, cancel) {
  if (!(await confirmed(t("cancel.title"), t("cancel.text"), t("cancel.yes")))) return;
  control.disabled = true;
  say(t("cancel.asked"));
  try {
    await cancel();
  } catch (error) {
    control.disabled = false;
    control.after(failedMessage(error));
  }
}
