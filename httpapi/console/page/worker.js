// The worker has the rows of the file and the results of all rows, and answers what the page
// asks of them, so that no file is too large for the page to stay responsive. Nothing of it
// is stored: it is gone with the tab.

const data = {
  bytes: null,
  name: "",
  table: null,
  // places are those of rows in a table of some rows of a job, by their index; null for a
  // user's file, which has all rows.
  places: null,
  results: [],
};

const outcomes = ["created", "updated", "unchanged", "skipped", "failed", "notProcessed"];

const methods = {
  // open reads a file and describes it. The encoding and the separator are guessed unless
  // they are given.
  async open(file, choice) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const kind = notText(bytes);
    if (kind) throw new FileProblem("problem." + kind);
    data.bytes = bytes;
    data.name = file.name ?? "";
    data.digest = await digestOf(bytes, file);
    return methods.read(choice);
  },

  // read reads the file again, in another way.
  read({ encoding, separator }) {
    const used = encoding || detectEncoding(data.bytes);
    const text = new TextDecoder(used).decode(data.bytes);
    if (text.trim() === "") throw new FileProblem("problem.empty");
    const format = guessFormat(text, data.name);
    const sep = separator || guessSeparator(text);
    const table = openTable(text, format, sep);
    if (table.count === 0) throw new FileProblem("problem.noRows");
    data.table = table;
    data.places = null;
    data.results = [];
    return describe(table, {
      format, encoding: used, separator: sep, size: data.bytes.length, digest: data.digest,
      unreadable: text.includes("\ufffd"), options: table.options ?? null,
    });
  },

  // openFailed reads the CSV of failed rows that the service wrote.
  openFailed(bytes) {
    data.table = openTable(new TextDecoder().decode(bytes), "csv", ",");
    data.places = rowsByIndex(data.table);
    return describe(data.table, { format: "csv", encoding: "utf-8", separator: "," });
  },

  plan({ maxRows, maxBytes }) {
    return planParts(data.table, maxRows, maxBytes);
  },

  // body is a blob: the page can send one without a copy, which would take its time.
  body({ first, rows, targets }) {
    return new Blob([partBody(data.table, first, rows, targets)]);
  },

  clearResults() {
    data.results = [];
  },

  // addResults takes the results of a part, a line of JSON each.
  addResults({ first, bytes }) {
    for (const line of new TextDecoder().decode(bytes).split("\n")) {
      if (line === "") continue;
      const result = JSON.parse(line);
      result.index += first;
      data.results[result.index] = result;
    }
    return summarize();
  },

  summary: () => summarize(),

  // page returns some of the rows that a filter selects.
  page({ filter, offset, limit, columns }) {
    const found = selected(filter);
    return {
      total: found.length,
      rows: found.slice(offset, offset + limit).map((result) => ({ ...result, line: lineOf(result), cells: columns && pickCells(result, columns) })),
    };
  },

  // failedRows returns rows to be mended, with their cells.
  failedRows({ targets, offset, limit }) {
    const columns = editable(targets);
    const found = selected({ status: "failed" });
    return {
      total: found.length,
      columns,
      rows: found.slice(offset, offset + limit).map((result) =>
        ({ index: result.index, line: lineOf(result), errors: result.errors ?? [], cells: pickCells(result, columns) })),
    };
  },

  // mended is the text of mended rows as it is sent: as the service's own CSV of failed
  // rows, which it reads exactly.
  mended({ rows, targets, columns }) {
    const header = ["_index", ...columns.map((i) => targetHeader(targets[i]))];
    const lines = [header.map(quoteCell).join(",")];
    let line = 2;
    for (const row of [...rows].sort((a, b) => a.line - b.line)) {
      if (row.line > line) {
        lines.push("\n".repeat(row.line - line - 1));
        line = row.line;
      }
      const record = [String(row.index), ...row.cells.map((cell) => quoteCell(defuse(cell)))].join(",");
      lines.push(record);
      line += record.split("\n").length;
    }
    return new Blob([lines.join("\n") + "\n"]);
  },

  // failedFile is a file of the rows that were not imported, in the columns and the separator
  // of the user's own, with notes in front that are passed over when it is imported.
  failedFile({ separator, statuses }) {
    const own = data.table.headers.map((name, i) => [name, i]).filter(([name]) => !/^_(index|line|status|errors)$/.test(name));
    const write = (cells) => cells.join(separator) + "\r\n";
    const chunks = ["\ufeff", write(["_index", "_line", "_status", "_errors", ...own.map(([name]) => safeCell(name))])];
    for (const result of selected({ statuses })) {
      const cells = cellsOf(result);
      const errors = (result.errors ?? []).map((e) => `${e.code}: ${e.message}`).join("; ");
      chunks.push(write([result.index, lineOf(result), result.status, safeCell(errors), ...own.map(([, i]) => safeCell(cells[i] ?? ""))]));
    }
    return chunks.join("");
  },

  // resultsFile is all results, for a spreadsheet.
  resultsFile({ separator }) {
    const chunks = ["\ufeff", ["line", "status", "userId", "email", "errors"].join(separator) + "\r\n"];
    for (const result of data.results) {
      if (!result) continue;
      const errors = (result.errors ?? []).map((e) => `${e.code}: ${e.message}`).join("; ");
      chunks.push([lineOf(result), result.status, ...[result.userId ?? "", result.email ?? "", errors].map(safeCell)].join(separator) + "\r\n");
    }
    return chunks.join("");
  },
};

function describe(table, more) {
  const sample = [];
  for (let i = 0; i < Math.min(table.count, 8); i++) sample.push({ line: table.line(i), cells: table.cells(i) });
  return { ...more, headers: table.headers, count: table.count, sample, ...kindsOf(table) };
}

// kindsOf guesses a type for each column: what all of many cells are. Where nearly all are
// numbers it says so, as the others may be mistakes.
function kindsOf(table) {
  const seen = table.headers.map(() => ({ some: 0, number: 0, boolean: 0 }));
  const step = Math.max(1, Math.floor(table.count / 1000));
  for (let i = 0; i < table.count; i += step) {
    const cells = table.cells(i);
    seen.forEach((column, k) => {
      const cell = cells[k];
      if (!cell) return;
      column.some++;
      if (jsonNumber.test(cell)) column.number++;
      if (/^(true|false)$/i.test(cell)) column.boolean++;
    });
  }
  return {
    kinds: seen.map(({ some, number, boolean }) => (some && number === some ? "number" : some && boolean === some ? "boolean" : "string")),
    nearly: seen.map(({ some, number }) => (number < some && number >= 0.8 * some ? { kind: "number", others: some - number } : null)),
  };
}

// digestOf tells whether it is the same file. Browsers have digests on pages of https alone.
async function digestOf(bytes, file) {
  if (!globalThis.crypto?.subtle) return `${file.size}-${file.lastModified}`;
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function lineOf(result) {
  const { table, places } = data;
  return table && !places ? table.line(result.index) : result.line ?? result.index + 1;
}

// cellsOf are the cells of a result's row, none where they are not at hand.
function cellsOf({ index }) {
  const place = data.places ? data.places.get(index) : index;
  return data.table && place !== undefined ? data.table.cells(place) : [];
}

function pickCells(result, columns) {
  const cells = cellsOf(result);
  return columns.map((i) => cells[i]);
}

// rowsByIndex are the places of rows by the index that is noted.
function rowsByIndex(table) {
  const column = table.headers.indexOf("_index"), places = new Map();
  for (let i = 0; i < table.count; i++) places.set(Number(table.cells(i)[column]), i);
  return places;
}

function editable(targets) {
  return targets.map((target, i) => [target, i]).filter(([target]) => target.part !== "ignore" && target.part !== "note").map(([, i]) => i);
}

function selected({ status, statuses, code, field, change, search }) {
  const words = search ? search.toLowerCase() : "";
  return data.results.filter((result) => {
    if (status && result.status !== status) return false;
    if (statuses && !statuses.includes(result.status)) return false;
    if (code && !result.errors?.some((e) => e.code === code && (e.field ?? "") === field)) return false;
    if (change && !result.changes?.includes(change)) return false;
    return !words || textOf(result).includes(words);
  });
}

function textOf(result) {
  return [lineOf(result), result.userId, result.email, ...cellsOf(result)].join("\n").toLowerCase();
}

// summarize counts the outcomes, and the errors by code and field.
function summarize() {
  const counts = Object.fromEntries(outcomes.map((name) => [name, 0]));
  const groups = new Map(), changes = new Map();
  let retryable = 0;
  for (const result of data.results) {
    if (!result) continue;
    counts[result.status]++;
    if (result.errors?.length > 0 && result.errors.every((e) => e.retryable)) retryable++;
    for (const path of result.changes ?? []) changes.set(path, (changes.get(path) ?? 0) + 1);
    for (const { code, field = "", message } of result.errors ?? []) {
      const key = code + " " + field;
      const group = groups.get(key) ?? { code, field, message, count: 0 };
      group.count++;
      groups.set(key, group);
    }
  }
  return { counts, retryable, groups: [...groups.values()].sort((a, b) => b.count - a.count), changes: [...changes].sort(([, a], [, b]) => b - a) };
}

function startWorker() {
  self.onmessage = async ({ data: { id, method, args } }) => {
    try {
      self.postMessage({ id, value: await methods[method](...args) });
    } catch (error) {
      self.postMessage({ id, problem: error.problem ?? { key: "problem.unknown", params: { text: String(error.message) } } });
    }
  };
}
