// Failed rows in a table whose cells can be changed, to be sent again as a job of their own.

const mendPage = 20;

// showMend shows the rows of a store's table that failed. mends is what they belong to, base
// has the options and the label that they are sent with again.
async function showMend(box, store, targets, mends, base) {
  const edited = new Map(); // cells by the row's index
  const send = button(t("mend.send", { n: 0 }), { id: "send-mended", class: "primary", disabled: true });
  const list = h("div");
  const problem = h("div");
  let offset = 0, columns = [], sending = false;
  const key = randomId();
  const heading = h("h2", { tabindex: "-1" }, t("mend.title"));
  box.replaceChildren(h("div", { class: "mending" }, heading, h("p", null, t("mend.lead")), list, problem, h("div", { class: "actions" }, send,
    button(t("mend.close"), { onclick: () => { box.replaceChildren(); document.getElementById("mend")?.focus(); } }))));
  const change = (row, k, value) => {
    const entry = edited.get(row.index) ?? { index: row.index, line: row.line, cells: [...row.cells] };
    entry.cells[k] = value;
    if (entry.cells.every((cell, i) => cell === row.cells[i])) edited.delete(row.index);
    else edited.set(row.index, entry);
    send.disabled = sending || edited.size === 0;
    send.textContent = t("mend.send", { n: edited.size });
  };
  const show = async (by) => {
    offset += by;
    const page = await store.call("failedRows", { targets, offset, limit: mendPage });
    columns = page.columns;
    list.replaceChildren(mendTable(page, targets, base.file?.headers, edited, change), mendPager(page.total, offset, show));
  };
  send.addEventListener("click", async () => {
    send.disabled = sending = true;
    try {
      const id = await sendMended(store, [...edited.values()], targets, columns, mends, base, key);
      edited.clear();
      location.hash = `#/jobs/${id}`;
    } catch (error) {
      send.disabled = sending = false;
      problem.replaceChildren(failedMessage(error));
    }
  });
  await show(0);
  heading.focus();
}

async function sendMended(store, rows, targets, columns, mends, base, key) {
  const body = await store.call("mended", { rows, targets, columns });
  const { upsert, skipDuplicates, sendWelcomeEmail, updateOnly, merge, maxFailed } = base.options;
  const label = tagLabel(base.label, `${key} mends ${mends}`);
  const { data } = await api.call("POST", "users", {
    body, headers: { "Content-Type": "text/csv; charset=utf-8", Prefer: "respond-async", "Idempotency-Key": `console-mended-${key}` },
    query: { upsert, skipDuplicates, sendWelcomeEmail, updateOnly: updateOnly || null, merge: merge === "merge" ? null : merge, maxFailed, label },
  });
  return data.jobId;
}

function mendTable({ columns, rows }, targets, headers, edited, change) {
  const names = columns.map((i) => headers?.[i] ?? targetHeader(targets[i]));
  const paths = columns.map((i) => pathOf(targets[i]));
  // An error stands below the cell that it is about, or else in a column of its own.
  const concerns = (error, k) => error.field === paths[k] || Boolean(paths[k]) && Boolean(error.field?.startsWith(paths[k] + "."));
  const seen = new Set(); // of the service's words, which stand once on a page
  const why = (error) => {
    const again = seen.has(error.message);
    seen.add(error.message);
    return errorNode({ ...error, field: "" }, null, again);
  };
  const cell = (row, k) => {
    const errors = row.errors.filter((error) => concerns(error, k)), id = `why-${row.index}-${k}`;
    const input = mendInput(edited.get(row.index)?.cells[k] ?? row.cells[k], { "data-column": paths[k], "aria-label": t("mend.cell", { column: names[k], line: row.line }),
      "aria-invalid": errors.length ? "true" : null, "aria-describedby": errors.length ? id : null, spellcheck: "false", oninput: (event) => change(row, k, event.target.value) });
    return h("td", { class: errors.length ? "wrong" : "", "data-label": names[k] }, input, errors.length > 0 && h("div", { id }, errors.map(why)));
  };
  const loose = (row) => row.errors.filter((error) => !columns.some((_, k) => concerns(error, k)));
  const some = rows.some((row) => loose(row).length > 0);
  return tableBox(t("mend.caption"), [t("rows.line"), some ? t("groups.problem") : [], ...names.map((name) => cellNode(name, 60))],
    h("tbody", null, rows.map((row) => h("tr", { "data-index": row.index }, h("th", { scope: "row", "data-label": `${t("rows.line")} ` }, numbers.format(row.line)),
      some && h("td", { class: "problems" }, loose(row).map(why)),
      columns.map((_, k) => cell(row, k))))), { id: "mend-table" });
}

// mendInput keeps line breaks, which a text field would lose.
function mendInput(value, props) {
  return value.includes("\n") ? h("textarea", { ...props, rows: "2", value }) : h("input", { ...props, type: "text", value, dir: "auto", size: String(Math.min(30, Math.max(8, value.length + 2))) });
}

function mendPager(total, offset, show) {
  if (total <= mendPage) return "";
  return h("div", { class: "pager", role: "group", "aria-label": t("pager.label") },
    h("span", { role: "status" }, t("pager.range", { from: offset + 1, to: Math.min(total, offset + mendPage), total })),
    button(t("pager.previous"), { disabled: offset === 0, onclick: () => show(-mendPage) }),
    button(t("pager.next"), { disabled: offset + mendPage >= total, onclick: () => show(mendPage) }));
}
