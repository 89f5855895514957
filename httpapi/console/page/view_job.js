// The view of one job: live while it runs, with its results when it has ended.

async function showJob(id) {
  const { signal } = leaving;
  view("job", "loading", t("job.title"), h("p", { class: "lead" }, t("job.loading")));
  try {
    let panel = null;
    const job = await api.follow(id, (job) => {
      if (isEnded(job)) return;
      panel ??= jobPanel(job);
      panel(job);
    }, signal);
    await showEndedJob(job, signal);
  } catch (error) {
    if (signal.aborted) return;
    view("job", "failed", t("job.title"), failedMessage(error), h("div", { class: "actions" }, linkTo("#/jobs", t("job.all"))));
  }
}

function jobFacts(job) {
  const rows = [[t("job.kind"), jobKind(job) || t("kind.import")], [t("jobs.created"), timeText(job.createdAt)], [t("job.by"), job.createdBy],
    [t("job.ended"), timeText(job.completedAt)], [t("job.options"), optionsText(job.options)], [t("job.kept"), timeText(job.expiresAt)], [t("job.id"), job.jobId]];
  return h("dl", { class: "facts-list" }, rows.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, cellNode(value)))));
}

// parentLink leads to the job whose rows were tried again.
function parentLink(job) {
  const mends = labelTag(job.label)?.mends ?? "";
  const parent = job.parentJobId ?? (mends.startsWith("job_") ? mends : null);
  return parent && linkTo(`#/jobs/${parent}`, t("job.parent"));
}

function optionsText(options) {
  const texts = [t(`mode.${modeOf(options)}`)];
  if (options.merge !== "merge") texts.push(t(`merge.${options.merge}`));
  if (options.sendWelcomeEmail) texts.push(t("options.welcome"));
  if (options.maxFailed !== null) texts.push(t("job.maxFailed", { n: options.maxFailed }));
  return texts.join("; ");
}

// jobPanel shows a job that runs. It returns what shows its next states.
function jobPanel(job) {
  const bar = h("progress", { id: "progress", class: "unseen", max: "100", "aria-label": t("running.progress") });
  const done = h("p", { id: "done", class: "percent" }), picture = h("div");
  const rate = h("dd", { id: "rate" }), left = h("dd", { id: "left" });
  const cancel = button(t("action.cancel"), { id: "cancel", class: "danger", onclick: () => confirmCancel(cancel, () => cancelJob(job.jobId)) });
  view("job", "running", jobName(job), h("p", null, h("span", { class: "badge processing" }, t("status.processing"))), bar, done, picture,
    h("dl", { class: "numbers" }, h("div", null, h("dt", null, t("running.rate")), rate), h("div", null, h("dt", null, t("running.left")), left)),
    h("div", { class: "actions" }, cancel, linkTo("#/jobs", t("job.all"))), jobFacts(job));
  return (now) => {
    bar.value = now.progress;
    done.textContent = t("progress.rows", { done: now.processedRecords, total: now.totalRecords });
    rate.textContent = now.rate === null ? "–" : t("running.rateText", { n: Math.round(now.rate) });
    left.textContent = now.etaSeconds === null ? t(now.status === "pending" ? "running.waiting" : "running.unknown") : durationText(now.etaSeconds);
    picture.replaceChildren(outcomeBar(now.summary, job.options.dryRun ? "would" : "now"));
  };
}

async function showEndedJob(job, signal) {
  const store = new RowStore();
  signal.addEventListener("abort", () => store.close());
  let summary = { groups: [], retryable: 0 }, fetched = true;
  if (job.downloadUrl) await store.call("addResults", { first: 0, bytes: await api.results(job.jobId, { format: "ndjson" }, signal) });
  else fetched = false;
  summary = await store.call("summary");
  if (signal.aborted) return;
  const counts = job.summary, tense = job.options.dryRun ? "would" : "was", table = new RowsTable(store, counts, { tense });
  const mending = h("div", { id: "mending" });
  const rest = counts.failed + counts.notProcessed;
  view("job", "ended", jobName(job),
    h("p", null, h("span", { class: `badge ${job.status}` }, t(`status.${job.status}`)), " ", jobKind(job) && h("span", { class: "tag" }, jobKind(job))),
    outcomeBar(counts, tense),
    job.error && message("warn", h("p", null, codeTitle(job.error.code)), h("p", { class: "hint", lang: "en" }, cellNode(job.error.message, 300))),
    rest === 0 && message("good", t(job.options.dryRun ? "preview.good" : "result.good")),
    h("div", { class: "actions" },
      fetched && counts.failed > 0 && !job.options.dryRun && button(t("action.mend", { n: counts.failed }), { id: "mend", class: "primary", onclick: () => mendJob(job, store, mending) }),
      fetched && !job.options.dryRun && retryButtons([job.jobId], counts.notProcessed, summary.retryable),
      parentLink(job), linkTo("#/jobs", t("job.all"))),
    mending, errorGroups(summary.groups, null, (group) => table.pick(group)), changeGroups(summary.changes, null, (change) => table.pick({ change })), fetched && table.node, fetched && downloads(job, rest),
    h("h2", null, t("job.facts")), jobFacts(job), deleteButton(job));
  say(t("result.said", counts));
  if (fetched) await table.show();
}

// retryButtons try rows of jobs again as they are: those that may go well later, and those that
// were not reached. Who asks twice is led to the job that there is.
function retryButtons(jobs, notReached, retryable) {
  const retry = async (only, event) => {
    event.target.disabled = true;
    try {
      const made = [];
      for (const id of jobs) {
        try {
          const { data } = await api.call("POST", `jobs/${id}/retry`,
            { body: JSON.stringify({ only }), headers: { "Content-Type": "application/json", "Idempotency-Key": `console-retry-${only}-${id}` } });
          made.push(data.jobId);
        } catch (error) {
          if (error.code !== "NOTHING_TO_RETRY") throw error;
        }
      }
      location.hash = made.length === 1 ? `#/jobs/${made[0]}` : "#/jobs";
    } catch (error) {
      event.target.disabled = false;
      document.getElementById("mending").replaceChildren(failedMessage(error));
    }
  };
  return [
    retryable > 0 && button(t("action.retry", { n: retryable }), { id: "retry", onclick: (event) => retry("retryable", event) }),
    notReached > 0 && button(t("action.rest", { n: notReached }), { id: "retry-rest", onclick: (event) => retry("notProcessed", event) }),
  ];
}

// mendJob mends rows as the service has them, where the file is not at hand.
async function mendJob(job, results, box) {
  try {
    const bytes = await api.results(job.jobId, { format: "csv", only: "failed" }, leaving.signal);
    const { headers } = await results.call("openFailed", bytes);
    const targets = headers.map((header) => namedTarget(header) ?? { part: "note", name: header, kind: "string" });
    await showMend(box, results, targets, job.jobId, { options: job.options, label: labelText(job.label) });
  } catch (error) {
    if (error.name !== "AbortError") box.replaceChildren(failedMessage(error));
  }
}

function downloads(job, rest) {
  const get = async (format, query, type) => {
    const bytes = await api.results(job.jobId, { format, ...query }, leaving.signal);
    const separator = document.getElementById("separator-out").value;
    const content = format === "csv" && separator !== "," ? separated(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes), separator) : bytes;
    save(`${job.jobId}${query.only ? "-failed" : "-results"}.${format}`, type, content);
  };
  return h("div", { class: "downloads" }, h("h2", null, t("downloads.title")),
    h("div", { class: "toolbar" }, field(t("file.separator"), select(separators.map((sep) => [sep, separatorName(sep)]), usualSeparator(), () => {}, { id: "separator-out" }))),
    h("div", { class: "actions" },
      rest > 0 && button(t("action.failedFile"), { id: "download-failed", onclick: () => get("csv", { only: "failed" }, "text/csv") }),
      button(t("downloads.csv"), { id: "download-csv", onclick: () => get("csv", {}, "text/csv") }),
      button(t("downloads.json"), { id: "download-json", onclick: () => get("json", {}, "application/json") }),
      button(t("downloads.ndjson"), { id: "download-ndjson", onclick: () => get("ndjson", {}, "application/x-ndjson") })));
}

// usualSeparator is what spreadsheets expect here: where a comma is in numbers, a semicolon.
function usualSeparator() {
  const decimal = new Intl.NumberFormat(locale).formatToParts(1.5).find((part) => part.type === "decimal").value;
  return decimal === "," ? ";" : ",";
}

// separated is a CSV text with another separator. The mark in front stays.
function separated(text, separator) {
  const chunks = [];
  for (let pos = 0, line = 1; pos < text.length;) {
    const spans = [], record = readRecord(text, pos, ",", line, spans);
    for (let i = 0; i < spans.length; i += 2) chunks.push(i ? separator : "", text.slice(spans[i], spans[i + 1]));
    chunks.push("\r\n");
    pos = record.next;
    line += record.lines;
  }
  return chunks.join("");
}

function deleteButton(job) {
  return h("div", { class: "actions" }, button(t("action.delete"), { id: "delete", class: "quiet", onclick: async () => {
    if (!(await confirmed(t("delete.title"), t("delete.text"), t("delete.yes")))) return;
    try {
      await api.call("DELETE", `jobs/${job.jobId}`);
      location.hash = "#/jobs";
    } catch (error) {
      document.querySelector("[data-view]").append(failedMessage(error));
    }
  } }));
}
