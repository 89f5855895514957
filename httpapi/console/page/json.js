// JSON as text: values are found and sent as they stand, so that a number keeps every digit
// that the file gives it, which JSON.parse would not. Runs in the worker.

function skipSpace(text, pos) {
  while (/[ \t\r\n]/.test(text[pos] ?? "")) pos++;
  return pos;
}

function skipString(text, pos) {
  for (pos++; pos < text.length; pos++) {
    const c = text.charCodeAt(pos);
    if (c === 92) pos++;
    else if (c === 34) return pos + 1;
  }
  throw new FileProblem("problem.json", { line: lineAt(text, pos) });
}

// skipValue returns where the value at pos ends. It looks at brackets and strings alone;
// JSON.parse has the rest.
function skipValue(text, pos) {
  let depth = 0;
  for (; pos < text.length; pos++) {
    const c = text[pos];
    if (c === '"') {
      pos = skipString(text, pos) - 1;
      if (depth === 0) return pos + 1;
    } else if (c === "{" || c === "[") depth++;
    else if (c === "}" || c === "]") {
      if (depth === 0) return pos;
      if (--depth === 0) return pos + 1;
    } else if (depth === 0 && (c === "," || c === ":" || c === "\n" || c === "\r" || c === " " || c === "\t")) return pos;
  }
  if (depth > 0) throw new FileProblem("problem.json", { line: lineAt(text, pos) });
  return pos;
}

function lineAt(text, pos) {
  let line = 1;
  for (let i = text.indexOf("\n"); i >= 0 && i < pos; i = text.indexOf("\n", i + 1)) line++;
  return line;
}

// eachElement calls see with the span of each value of the array at pos.
function eachElement(text, pos, see) {
  pos = skipSpace(text, pos + 1);
  if (text[pos] === "]") return pos + 1;
  for (;;) {
    const end = skipValue(text, pos);
    see(pos, end);
    pos = skipSpace(text, end);
    if (text[pos] === "]") return pos + 1;
    if (text[pos] !== ",") throw new FileProblem("problem.json", { line: lineAt(text, pos) });
    pos = skipSpace(text, pos + 1);
  }
}

// members returns the names of an object with the texts of their values.
function members(text) {
  const found = [];
  for (let pos = skipSpace(text, 1); pos < text.length && text[pos] === '"';) {
    const nameEnd = skipString(text, pos);
    const from = skipSpace(text, skipSpace(text, nameEnd) + 1);
    const to = skipValue(text, from);
    found.push({ name: JSON.parse(text.slice(pos, nameEnd)), from, to, text: text.slice(from, to).trimEnd() });
    pos = skipSpace(text, to);
    if (text[pos] === ",") pos = skipSpace(text, pos + 1);
  }
  return found;
}

// shown is a value for people: a string without its quotes, all else as it stands.
function shown(value) {
  return value[0] === '"' ? JSON.parse(value) : value;
}

function isJSON(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
