// CSV by the grammar of the service: RFC 4180 with any of four separators, lines that may
// end with LF alone, and quotes that stand for themselves in cells which do not begin with
// one. Cells are sent as they stand in the file, so the service reads what the file says.
// Runs in the worker, and writes files on the page.

const separators = [",", ";", "\t", "|"];

class FileProblem extends Error {
  constructor(key, params = {}) {
    super(key);
    this.problem = { key, params };
  }
}

// readRecord reads the record that begins at pos. It returns where the next one begins, how
// many lines end in it, and whether any cell has something in it; it adds the spans of the
// cells to spans, if that is given.
function readRecord(text, pos, sep, line, spans) {
  const separator = sep.charCodeAt(0);
  // The next line break is looked for once, as a line may have any number of cells.
  let lines = 0, filled = false, lineBreak = -1;
  for (;;) {
    const start = pos;
    let end;
    if (text.charCodeAt(pos) === 34) {
      pos = closingQuote(text, pos, line);
      end = pos;
      filled ||= end - start > 2;
      if (lineBreak < start) lineBreak = nextBreak(text, start);
      for (; lineBreak < end; lineBreak = nextBreak(text, lineBreak + 1)) lines++;
    } else {
      let c;
      for (; pos < text.length && (c = text.charCodeAt(pos)) !== separator && c !== 10 && c !== 13; pos++);
      end = pos;
      filled ||= end > start;
    }
    spans?.push(start, end);
    const c = text.charCodeAt(pos);
    if (c === separator) {
      pos++;
      continue;
    }
    if (pos >= text.length) return { next: pos, lines: lines + 1, filled };
    if (c === 10) return { next: pos + 1, lines: lines + 1, filled };
    if (c === 13 && text.charCodeAt(pos + 1) === 10) return { next: pos + 2, lines: lines + 1, filled };
    if (c === 13 && pos + 1 === text.length) return { next: pos + 1, lines: lines + 1, filled };
    throw new FileProblem(c === 13 ? "problem.return" : "problem.quote", { line: line + lines });
  }
}

function nextBreak(text, pos) {
  const found = text.indexOf("\n", pos);
  return found < 0 ? Infinity : found;
}

// closingQuote returns the place behind the quote that ends the cell at pos.
function closingQuote(text, pos, line) {
  for (let from = pos + 1; ;) {
    const quote = text.indexOf('"', from);
    if (quote < 0) throw new FileProblem("problem.unclosed", { line });
    if (text.charCodeAt(quote + 1) !== 34) return quote + 1;
    from = quote + 2;
  }
}

// cellText is what a cell means, given as it stands.
function cellText(raw) {
  return raw.charCodeAt(0) === 34 ? raw.slice(1, -1).replaceAll('""', '"') : raw;
}

function quoteCell(text) {
  return /[",;|\t\r\n]/.test(text) || text.trim() !== text ? `"${text.replaceAll('"', '""')}"` : text;
}

// A spreadsheet runs what begins like a formula, so such cells get an apostrophe in front
// when they are written, and lose one when they are read: package rowtext of the service has
// the same rules and the reasons for them. Each alternative takes apostrophes by itself, or a
// cell full of them would take time by its square.
const formula = /^(?:'*[\t\r\n]|['\p{White_Space}\p{Cc}\p{Cf}]*[=+\-@＝＋－＠])/u;
const formulaInside = /^['\p{White_Space}\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]/u;

function eachSegment(text, change) {
  return text.split(/(?<=[;|\t\r\n])/).map(change).join("");
}

// startsFormula looks at a segment up to its end alone: what separates cells ends it.
function startsFormula(segment, first) {
  return first ? formula.test(segment) : formulaInside.test(segment.replace(/[;|\t\r\n]$/, ""));
}

function defuse(text) {
  if (formula.test(text)) text = "'" + text;
  return eachSegment(text, (segment, i) => (i > 0 && startsFormula(segment, false) ? "'" + segment : segment));
}

// restore is the opposite, within cells only where it is known that they were defused so.
function restore(cell, within) {
  if (!cell.includes("'")) return cell;
  if (cell[0] === "'" && formula.test(cell)) cell = cell.slice(1);
  if (!within) return cell;
  return eachSegment(cell, (segment, i) => (i > 0 && segment[0] === "'" && startsFormula(segment, false) ? segment.slice(1) : segment));
}

const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

// safeCell is the cell for a text, such that no spreadsheet runs it. A number is no formula.
function safeCell(text) {
  return quoteCell(jsonNumber.test(text) ? text : defuse(text));
}

// guessSeparator takes the one that divides the first records most evenly.
function guessSeparator(text) {
  const named = /^sep=([,;\t|])\r?\n/i.exec(text);
  if (named) return named[1];
  let best = ",", most = 0;
  for (const sep of separators) {
    const counts = [];
    try {
      for (let pos = 0, line = 1; pos < text.length && counts.length < 20;) {
        const spans = [], record = readRecord(text, pos, sep, line, spans);
        if (record.filled) counts.push(spans.length / 2);
        pos = record.next;
        line += record.lines;
      }
    } catch {
      continue;
    }
    if (counts.length === 0 || counts[0] < 2) continue;
    const score = counts.filter((n) => n === counts[0]).length / counts.length + counts[0] / 1000;
    if (score > most) [best, most] = [sep, score];
  }
  return best;
}
