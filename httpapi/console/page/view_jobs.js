// The view of the tenant's jobs: parents with what was tried again of them, and a picture of
// outcomes over time.

const jobsPage = 100;

const listed = { jobs: [], cursor: null, status: "", label: "", checks: false };

async function showJobs() {
  const { signal } = leaving;
  const body = h("div");
  const find = h("input", { type: "search", id: "jobs-label", value: listed.label, autocomplete: "off",
    oninput: () => { listed.label = find.value; draw(); } });
  const draw = () => { if (!signal.aborted) drawJobs(body, more); };
  const load = async (first) => {
    try {
      await loadJobs(first, signal);
      // What is shown is looked for in more than one page; some are enough for weeks.
      for (let pages = 0; listed.cursor && pages < 4 && shownJobs().length === 0; pages++) await loadJobs(false, signal);
      draw();
      document.querySelector("[data-view=jobs]").dataset.state = "ready";
    } catch (error) {
      if (!signal.aborted) body.replaceChildren(failedMessage(error));
    }
  };
  const more = button(t("jobs.more"), { id: "more", onclick: () => load(false) });
  view("jobs", "loading", t("jobs.title"), h("p", { class: "lead" }, t("jobs.lead")),
    h("div", { class: "toolbar" },
      field(t("jobs.status"), select([["", t("jobs.all")], ...["pending", "processing", "completed", "failed", "cancelled"].map((key) => [key, t(`status.${key}`)])], listed.status,
        (status) => { listed.status = status; load(true); }, { id: "jobs-status" })),
      field(t("jobs.label"), find),
      choice(t("jobs.checks"), h("input", { type: "checkbox", id: "jobs-checks", checked: listed.checks, onchange: (event) => { listed.checks = event.target.checked; draw(); } }))),
    body, h("div", { class: "actions" }, more, button(t("jobs.reload"), { onclick: () => load(true) })));
  find.addEventListener("change", () => load(false));
  await load(true);
}

async function loadJobs(first, signal) {
  if (!first && !listed.cursor) return;
  const query = { limit: jobsPage, status: listed.status, cursor: first ? "" : listed.cursor };
  const { data } = await api.call("GET", "jobs", { query, signal });
  listed.jobs = first ? data.jobs : listed.jobs.concat(data.jobs);
  listed.cursor = data.cursor;
}

function shownJobs() {
  const words = listed.label.toLowerCase();
  return listed.jobs.filter((job) => (listed.checks || !job.options.dryRun) && (!words || `${job.label} ${job.jobId} ${job.createdBy}`.toLowerCase().includes(words)));
}

function drawJobs(body, more) {
  const jobs = shownJobs();
  more.hidden = !listed.cursor;
  if (jobs.length === 0) {
    const found = listed.label || listed.status;
    body.replaceChildren(message("info", h("p", null, t(found ? "jobs.noneFound" : "jobs.none"), " ", !found && linkTo("#/", t("import.title")))));
    return;
  }
  const lines = jobLines(jobs);
  body.replaceChildren(overTime(jobs), tableBox(t("jobs.caption"), [t("jobs.name"), t("jobs.created"), t("jobs.status"), t("jobs.outcome"), t("jobs.rows")],
    h("tbody", null, lines.map(({ job, level }) => jobRow(job, level))), { id: "jobs" }));
}

// jobLines puts jobs below those whose rows they have: retries and mended rows below their
// parent, parts below the first of them.
function jobLines(jobs) {
  const byId = new Map(jobs.map((job) => [job.jobId, job])), firstOf = new Map();
  for (const job of jobs) {
    const tag = labelTag(job.label);
    if (tag?.part === 1 && !job.options.dryRun) firstOf.set(tag.id, job);
  }
  const parentOf = (job) => {
    const tag = labelTag(job.label);
    const parent = byId.get(job.parentJobId) ?? byId.get(tag?.mends) ?? firstOf.get(tag?.mends) ?? (tag?.part > 1 ? firstOf.get(tag.id) : null);
    return parent === job ? null : parent;
  };
  const children = new Map(), lines = [], seen = new Set();
  for (const job of jobs) {
    const parent = parentOf(job);
    if (parent) children.set(parent, [...(children.get(parent) ?? []), job]);
  }
  const add = (job, level) => {
    if (seen.has(job)) return;
    seen.add(job);
    lines.push({ job, level });
    for (const child of [...(children.get(job) ?? [])].reverse()) add(child, level + 1);
  };
  for (const job of jobs) if (!parentOf(job)) add(job, 0);
  for (const job of jobs) add(job, 0); // labels are free, so they may lead in a circle
  return lines;
}

function jobName(job) { return labelText(job.label) || t("jobs.unnamed", { time: timeText(job.createdAt) }); }

function jobKind(job) {
  const tag = labelTag(job.label);
  if (job.options.dryRun) return t("kind.check");
  if (job.parentJobId) return t("kind.retry");
  if (tag?.mends) return t("kind.mended");
  if (tag?.parts > 1) return t("kind.part", { part: tag.part, parts: tag.parts });
  return "";
}

function jobRow(job, level) {
  const kind = jobKind(job);
  return h("tr", { "data-job": job.jobId, "data-level": level },
    h("th", { scope: "row" }, h("div", { class: "job-name", "data-level": Math.min(level, 4) }, level > 0 && h("span", { class: "branch", "aria-hidden": "true" }, "↳ "),
      linkTo(`#/jobs/${job.jobId}`, cellNode(jobName(job), 80)), level > 0 && h("span", { class: "unseen" }, t("jobs.below")), kind && [" ", h("span", { class: "tag" }, kind)])),
    h("td", null, h("time", { datetime: job.createdAt }, timeText(job.createdAt)), h("p", { class: "hint" }, cellNode(job.createdBy, 40))),
    h("td", null, h("span", { class: `badge ${job.status}` }, t(`status.${job.status}`))),
    h("td", { class: "mini" }, miniBar(job.summary)),
    h("td", { class: "number" }, numbers.format(job.totalRecords)));
}

// miniBar is a small picture of outcomes, with the same in words.
function miniBar(counts) {
  const words = outcomes.filter((name) => counts[name]).map((name) => `${numbers.format(counts[name])} ${outcomeText(name)}`).join(", ");
  const bar = outcomeBar(counts).firstElementChild;
  bar.title = words;
  return [bar, h("span", { class: "hint" }, counts.failed ? t("jobs.failedRows", { n: counts.failed }) : t("jobs.noneFailed"), counts.notProcessed ? ", " + t("jobs.rest", { n: counts.notProcessed }) : ""), h("span", { class: "unseen" }, words)];
}

// overTime is the picture of outcomes by day.
function overTime(jobs) {
  const byDay = new Map();
  for (const job of jobs) {
    if (job.options.dryRun) continue;
    const day = new Date(job.createdAt);
    day.setHours(0, 0, 0, 0);
    byDay.set(day.getTime(), addUp([byDay.get(day.getTime()) ?? {}, job.summary]));
  }
  const shownDays = [...byDay].sort(([a], [b]) => a - b).slice(-14);
  if (shownDays.length === 0) return "";
  const totals = shownDays.map(([, counts]) => outcomes.reduce((sum, name) => sum + counts[name], 0));
  const most = Math.max(...totals, 1);
  return h("figure", { id: "over-time", class: "over-time" }, h("figcaption", null, t("time.caption")),
    h("div", { class: "days", "aria-hidden": "true" }, shownDays.map(([day, counts], i) => {
      const column = h("div", { class: "column" });
      column.style.blockSize = `${Math.max(4, (100 * totals[i]) / most)}%`;
      for (const name of [...outcomes].reverse()) {
        if (!counts[name]) continue;
        const part = h("span", { class: `fill ${name}` });
        part.style.flexGrow = counts[name];
        column.append(part);
      }
      return h("div", { class: "day" }, h("div", { class: "space" }, column), h("span", null, days.format(day)));
    })),
    h("details", null, h("summary", null, t("time.numbers")),
      tableBox(t("time.caption"), [t("time.day"), ...outcomes.map((name) => outcomeText(name))],
        h("tbody", null, shownDays.map(([day, counts]) => h("tr", null, h("th", { scope: "row" }, days.format(day)), outcomes.map((name) => h("td", { class: "number" }, numbers.format(counts[name])))))))));
}
