// The rows of a file, read from its text when they are asked for. Runs in the worker.
//
// A target says what a column is: {part, name, kind}, where part is "userId", "email",
// "customFields", "metadata", "ignore", or "note" and "whole" for columns that the service
// writes itself, whose name is then the whole header.

function targetHeader(target) {
  switch (target.part) {
    case "ignore": return "_rest"; // a note, which the service passes over
    case "note": case "whole": return target.name;
    case "userId": case "email": return target.part;
  }
  const explicit = target.kind !== "string" || target.name.includes(":");
  return `${target.part}.${target.name}${explicit ? ":" + target.kind : ""}`;
}

// openTable returns the rows of a text in one of the formats.
function openTable(text, format, separator) {
  return format === "csv" ? new CSVTable(text, separator) : new JSONTable(text, format);
}

class CSVTable {
  constructor(text, separator) {
    this.format = "csv";
    this.text = text;
    this.separator = separator;
    this.starts = [];
    this.lines = [];
    let pos = 0, line = 1;
    if (/^sep=[,;\t|]\r?\n/i.test(text)) {
      pos = text.indexOf("\n") + 1;
      line = 2;
    }
    this.headers = null;
    while (pos < text.length) {
      const spans = this.headers ? null : [];
      const record = readRecord(text, pos, separator, line, spans);
      if (record.filled && !this.headers) this.headers = this.cellsOf(spans).map((cell) => cell.trim());
      else if (record.filled) {
        this.starts.push(pos);
        this.lines.push(line);
      }
      pos = record.next;
      line += record.lines;
    }
    this.headers ??= [];
    // Notes that the service or the page wrote: cells were defused within as well, and names.
    this.exported = this.headers.includes("_index");
    if (this.exported) this.headers = this.headers.map((name) => restore(name, true));
  }

  get count() { return this.starts.length; }

  line(i) { return this.lines[i]; }

  cellsOf(spans) {
    const cells = [];
    for (let i = 0; i < spans.length; i += 2) cells.push(cellText(this.text.slice(spans[i], spans[i + 1])));
    return cells;
  }

  // cells returns what the cells of a row say, as many as there are columns.
  cells(i) {
    const spans = [];
    readRecord(this.text, this.starts[i], this.separator, this.lines[i], spans);
    const cells = this.cellsOf(spans).map((cell) => restore(cell, this.exported));
    while (cells.length < this.headers.length) cells.push("");
    return cells;
  }

  // rawRow is a row as it is sent: its cells as they stand, but for those to be ignored. Of
  // these it only shows that they are there: the service passes over a row without any.
  rawRow(i, targets) {
    const spans = [];
    readRecord(this.text, this.starts[i], this.separator, this.lines[i], spans);
    const cells = [];
    for (let k = 0; k < spans.length; k += 2) {
      const raw = this.text.slice(spans[k], spans[k + 1]);
      cells.push(raw && targets[k / 2]?.part === "ignore" ? "-" : raw);
    }
    return cells.join(this.separator);
  }

  head(targets) {
    const header = targets.map((target) => `"${targetHeader(target).replaceAll('"', '""')}"`);
    // A second column, without a name, makes the separator of a single one known.
    if (header.length === 1) header.push("");
    return header.join(this.separator) + "\n";
  }
}

class JSONTable {
  constructor(text, format) {
    this.format = format;
    this.text = text;
    this.starts = [];
    this.ends = [];
    this.options = null;
    if (format === "ndjson") this.scanLines();
    else this.scanArray();
    this.headers = this.findHeaders();
  }

  get count() { return this.starts.length; }

  // Rows of JSON are known by their number, as one line may have all of them.
  line(i) { return this.format === "ndjson" ? this.lines[i] : i + 1; }

  scanLines() {
    this.lines = [];
    let line = 1;
    for (let pos = 0; pos < this.text.length; line++) {
      let end = this.text.indexOf("\n", pos);
      if (end < 0) end = this.text.length;
      if (this.text.slice(pos, end).trim() !== "") {
        this.add(pos, end, line);
        this.lines.push(line);
      }
      pos = end + 1;
    }
  }

  scanArray() {
    const { text } = this;
    let pos = skipSpace(text, 0);
    const see = (from, to) => this.add(from, to, 0);
    let end;
    if (text[pos] === "[") end = eachElement(text, pos, see);
    else {
      end = skipValue(text, pos);
      const whole = text.slice(pos, end);
      if (!isJSON(whole)) throw new FileProblem("problem.json", { line: lineAt(text, end) });
      const found = members(whole);
      const users = found.find((m) => m.name === "users");
      if (!users || whole[users.from] !== "[") throw new FileProblem("problem.users");
      eachElement(text, pos + users.from, see);
      const options = found.find((m) => m.name === "options");
      if (options) this.options = JSON.parse(options.text);
    }
    if (skipSpace(text, end) < text.length) throw new FileProblem("problem.json", { line: lineAt(text, end) });
  }

  add(from, to, line) {
    if (!isJSON(this.text.slice(from, to))) throw new FileProblem("problem.json", { line: line || lineAt(this.text, from) });
    this.starts.push(from);
    this.ends.push(to);
  }

  row(i) { return this.text.slice(this.starts[i], this.ends[i]).trim(); }

  // fields returns a row as paths and values: "email", "customFields.team".
  fields(i) {
    const row = this.row(i), found = new Map();
    if (row[0] !== "{") return found.set("", row);
    for (const { name, text } of members(row)) {
      if ((name === "customFields" || name === "metadata") && text[0] === "{") {
        for (const m of members(text)) found.set(`${name}.${m.name}`, shown(m.text));
      } else found.set(name, shown(text));
    }
    return found;
  }

  findHeaders() {
    const names = new Set(["userId", "email"]);
    for (let i = 0; i < this.count && i < 500; i++) for (const name of this.fields(i).keys()) names.add(name);
    return [...names];
  }

  cells(i) {
    const fields = this.fields(i);
    return this.headers.map((name) => fields.get(name) ?? "");
  }

  // JSON has line breaks between values only.
  rawRow(i) { return this.row(i).replace(/[\r\n]+/g, " "); }

  head() { return ""; }
}

// guessFormat returns "csv", "ndjson" or "json".
function guessFormat(text, name) {
  if (/\.(ndjson|jsonl)$/i.test(name)) return "ndjson";
  const pos = skipSpace(text, 0);
  if (text[pos] === "[") return "json";
  if (text[pos] !== "{") return "csv";
  const end = text.indexOf("\n", pos);
  const first = text.slice(pos, end < 0 ? text.length : end);
  return isJSON(first) && !Array.isArray(JSON.parse(first).users) ? "ndjson" : "json";
}

// partBody is the text of rows as it is sent. Empty lines in front give each row the line
// number that it has in the file, so that the results have it, wherever they are read.
function partBody(table, first, rows, targets) {
  let body = table.head(targets);
  let line = body === "" ? 1 : 2;
  const chunks = [body];
  for (let i = first; i < first + rows; i++) {
    const at = table.line(i);
    if (at > line) chunks.push("\n".repeat(at - line));
    line = Math.max(line, at);
    const row = table.rawRow(i, targets) + "\n";
    for (let k = row.indexOf("\n"); k >= 0; k = row.indexOf("\n", k + 1)) line++;
    chunks.push(row);
  }
  return chunks.join("");
}

// planParts divides the rows into requests: no more than maxRows and about maxBytes each.
function planParts(table, maxRows, maxBytes) {
  const parts = [];
  const ends = table.ends ?? table.starts.slice(1).concat(table.text.length);
  let first = 0, bytes = 0;
  for (let i = 0; i < table.count; i++) {
    // A character of the file may become three bytes of UTF-8.
    const size = 3 * (ends[i] - table.starts[i]);
    if (i > first && (i - first === maxRows || bytes + size > maxBytes)) {
      parts.push({ first, rows: i - first, bytes });
      [first, bytes] = [i, 0];
    }
    bytes += size;
  }
  if (table.count > first) parts.push({ first, rows: table.count - first, bytes });
  return parts;
}
