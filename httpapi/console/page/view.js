// What views have in common: pictures of outcomes, tables of rows with a filter, groups of
// errors, files.
//
// Tests and hosts' own documentation know the page by ids, by names that begin with "data-",
// and by the sections that have data-view (import, preview, running, result, jobs, job) and
// data-state. Those are kept; classes may change.

// view replaces the content of the page. What a view before had under way ends.
let leaving = new AbortController();

function view(name, state, title, ...content) {
  const main = document.getElementById("main");
  // The focus goes to the heading of a new view, and with what had it and is gone.
  const same = main.firstElementChild?.dataset.view === name && !main.contains(document.activeElement);
  const heading = h("h1", { tabindex: "-1", id: "title" }, h("bdi", null, title));
  main.replaceChildren(h("section", { "data-view": name, "data-state": state, "aria-labelledby": "title" }, heading, content));
  document.title = `${title} – ${t("brand")}`;
  if (!same && view.shown) {
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  view.shown = true;
  return main.firstElementChild;
}

// outcomeBar is the picture of counts: a bar, and a legend that says the same in words.
// What it says of outcomes depends on the tense: "would", "was", or "now" while rows are still to come.
function outcomeBar(counts, tense = "was") {
  const total = outcomes.reduce((sum, name) => sum + counts[name], 0) || 1;
  const bar = h("div", { class: "bar", "aria-hidden": "true" });
  for (const name of outcomes) {
    if (!counts[name]) continue;
    const part = h("span", { class: `fill ${name}` });
    part.style.flexGrow = counts[name] / total;
    bar.append(part);
  }
  return h("div", { class: "outcome" }, bar, h("ul", { class: "legend" }, outcomes.map((name) =>
    h("li", { class: counts[name] ? "" : "none" }, h("span", { class: `dot ${name}`, "aria-hidden": "true" }),
      h("strong", { "data-count": name }, numbers.format(counts[name])), " ", outcomeText(name, tense)))));
}

function outcomeText(name, tense = "was") { return t(tense === "now" && name !== "notProcessed" ? `was.${name}` : `${tense}.${name}`); }

function codeTitle(code) { return has(`code.${code}`) ? t(`code.${code}`) : code; }

// columnName shows a field of the service as the user's own column, where it is known.
function columnName(path, columns) {
  return columns?.find((column) => column.path === path)?.header ?? path;
}

// errorGroups lists errors by code and field, each with a way to its rows.
function errorGroups(groups, columns, pickGroup) {
  if (groups.length === 0) return null;
  return [h("h2", null, t("groups.title")), tableBox(t("groups.caption"), [t("groups.problem"), t("groups.column"), t("groups.rows"), h("span", { class: "unseen" }, t("groups.show"))],
    h("tbody", null, groups.slice(0, 50).map((group) => h("tr", { "data-code": group.code },
      h("th", { scope: "row" }, codeTitle(group.code), h("p", { class: "hint" }, cellNode(group.message, 300))),
      h("td", null, group.field ? cellNode(columnName(group.field, columns)) : "–"),
      h("td", { class: "number" }, numbers.format(group.count)),
      h("td", null, button(t("groups.show"), { class: "quiet", "aria-label": t("groups.showOf", { problem: codeTitle(group.code) }), onclick: () => pickGroup(group) }))))),
    { id: "groups" })];
}

// changeGroups lists the fields that updates of a dry run would change.
function changeGroups(changes, columns, pickChange) {
  if (changes.length === 0) return null;
  return [h("h2", null, t("changes.title")), tableBox(t("changes.caption"), [t("groups.column"), t("groups.rows"), h("span", { class: "unseen" }, t("groups.show"))],
    h("tbody", null, changes.slice(0, 50).map(([path, count]) => h("tr", { "data-change": path },
      h("th", { scope: "row" }, cellNode(columnName(path, columns))),
      h("td", { class: "number" }, numbers.format(count)),
      h("td", null, button(t("groups.show"), { class: "quiet", "aria-label": t("changes.showOf", { column: columnName(path, columns) }), onclick: () => pickChange(path) }))))),
    { id: "changes" })];
}

// RowsTable is a table of results, with a filter, a page at a time.
class RowsTable {
  #size = 25;

  // columns are {i, header, path} of the file's, null where there is no file.
  constructor(store, counts, { columns = null, tense = "was" } = {}) {
    Object.assign(this, { store, columns, tense, filter: {}, offset: 0 });
    this.box = h("div");
    this.pager = h("div", { class: "pager", id: "pager", role: "group", "aria-label": t("pager.label") });
    this.status = select([["", t("rows.all")], ...outcomes.filter((name) => counts[name]).map((name) => [name, outcomeText(name, tense)])], "",
      () => this.apply(this.filter), { id: "filter-status" });
    this.search = h("input", { type: "search", id: "filter-text", autocomplete: "off", spellcheck: "false",
      oninput: () => { clearTimeout(this.typing); this.typing = setTimeout(() => this.apply(this.filter), 250); } });
    this.group = h("p", { class: "chosen", hidden: true });
    this.heading = h("h2", { tabindex: "-1" }, t("rows.title"));
    this.node = h("div", { class: "rows" }, this.heading,
      h("div", { class: "toolbar" }, field(t("rows.outcome"), this.status), field(t("rows.search"), this.search)), this.group, this.box, this.pager);
  }

  // pick shows the rows of a group of errors, or of a change.
  pick({ code = "", field = "", change = "" }) {
    this.status.value = "";
    this.apply({ code, field, change });
    this.heading.focus();
  }

  async apply(filter) {
    this.filter = { ...filter, search: this.search.value, status: this.status.value };
    const { code, change } = this.filter;
    this.group.hidden = !code && !change;
    this.group.replaceChildren(code ? t("rows.only", { problem: codeTitle(code) }) : t("changes.only", { column: columnName(change ?? "", this.columns) }), " ",
      button(t("rows.clear"), { class: "quiet", onclick: () => { this.apply({}); this.heading.focus(); } }));
    this.offset = 0;
    await this.show();
  }

  async show(keepFocus) {
    const wanted = this.columns?.map((column) => column.i);
    const { total, rows } = await this.store.call("page", { filter: this.filter, offset: this.offset, limit: this.#size, columns: wanted });
    const heads = this.columns ? this.columns.map((column) => cellNode(column.header, 60)) : [t("target.userId"), t("target.email")];
    this.box.replaceChildren(tableBox(t(`rows.caption.${this.tense}`), [t("rows.line"), t("rows.outcome"), t(this.tense === "would" ? "changes.problem" : "groups.problem"), ...heads],
      h("tbody", null, rows.length ? rows.map((row) => this.row(row)) : h("tr", null, h("td", { colspan: String(3 + heads.length) }, t("rows.none"))), ), { id: "rows" }));
    this.page(total, keepFocus);
  }

  row(row) {
    const cells = row.cells ?? [row.userId ?? "", row.email ?? ""];
    return h("tr", { "data-index": row.index, "data-status": row.status },
      h("th", { scope: "row", class: "number" }, numbers.format(row.line)),
      h("td", null, h("span", { class: `badge ${row.status}` }, outcomeText(row.status, this.tense))),
      h("td", { class: "problems" }, (row.errors ?? []).map((error) => errorNode(error, this.columns)),
        row.changes && h("p", { class: "error", "data-changes": row.changes.join(" ") }, t("changes.text"), " ",
          row.changes.flatMap((path, i) => [i ? ", " : "", cellNode(columnName(path, this.columns), 60)])),
        row.welcomeEmail && h("p", { class: "hint" }, t(`welcome.${row.welcomeEmail}`))),
      cells.map((cell, k) => h("td", { class: row.changes?.includes(this.columns?.[k].path ?? ["userId", "email"][k]) ? "changed" : "" }, cellNode(cell, 80))));
  }

  page(total, keepFocus) {
    const turn = (by) => async () => {
      this.offset += by * this.#size;
      await this.show(by < 0 ? "previous" : "next");
    };
    this.pager.replaceChildren(
      h("span", { id: "pager-text", role: "status" }, total ? t("pager.range", { from: this.offset + 1, to: Math.min(total, this.offset + this.#size), total }) : ""),
      button(t("pager.previous"), { id: "previous", disabled: this.offset === 0, onclick: turn(-1) }),
      button(t("pager.next"), { id: "next", disabled: this.offset + this.#size >= total, onclick: turn(1) }));
    this.pager.hidden = total <= this.#size;
    if (keepFocus) {
      const wanted = document.getElementById(keepFocus);
      (wanted.disabled ? this.pager.querySelector("button:not(:disabled)") : wanted)?.focus();
    }
  }
}

// errorNode says what is wrong, and in the words of the service, unless they were seen before.
function errorNode(error, columns, seen) {
  const place = error.field ? columnName(error.field, columns) : "";
  return h("p", { class: "error" }, h("strong", null, codeTitle(error.code)), place && [": ", cellNode(place, 60)],
    h("span", { class: seen ? "unseen" : "hint", lang: "en" }, cellNode(error.message, 300)),
    error.conflictsWith && h("span", { class: "hint" }, t("error.conflictsWith"), " ", cellNode(error.conflictsWith)));
}

// mapped are the columns of a file that are imported, as RowsTable takes them.
function mapped(headers, targets) {
  return targets.map((target, i) => ({ i, header: headers[i], path: pathOf(target) })).filter(({ path }) => path !== "");
}

function pathOf(target) {
  switch (target.part) {
    case "ignore": case "note": return "";
    case "whole": return target.name.split(":")[0];
    case "customFields": case "metadata": return `${target.part}.${target.name}`;
    default: return target.part;
  }
}

function separatorName(separator) {
  return { ",": t("separator.comma"), ";": t("separator.semicolon"), "\t": t("separator.tab"), "|": t("separator.bar") }[separator];
}

// failed shows an error that nothing else has dealt with.
function failedMessage(error) {
  const refused = error instanceof Refused;
  const text = error instanceof FileProblem ? t(error.problem.key, error.problem.params)
    : refused && error.status === 403 ? t("error.forbidden")
      : refused && error.status === 404 ? t("error.notFound")
        : refused ? t(error.status < 500 ? "error.refused" : "code.INTERNAL_ERROR") : t("error.fault");
  return h("div", { class: "message bad", role: "alert" }, h("p", null, text),
    !(error instanceof FileProblem) && h("p", { class: "hint", lang: "en" }, cellNode(`${error.code ?? ""} ${error.message}`.trim(), 500)));
}

// confirmed asks before something that cannot be taken back.
function confirmed(title, text, yes) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { id: "confirm", "aria-labelledby": "confirm-title", onclose: () => { resolve(dialog.returnValue === "yes"); dialog.remove(); } },
      h("h2", { id: "confirm-title" }, title), h("p", null, text),
      h("div", { class: "actions" },
        button(yes, { id: "confirm-yes", class: "danger", onclick: () => dialog.close("yes") }),
        button(t("confirm.no"), { id: "confirm-no", autofocus: true, onclick: () => dialog.close("no") })));
    document.body.append(dialog);
    dialog.showModal();
  });
}
