// What the columns of a file are: what their names say, or what was chosen last time.

const idNames = new Set(["userid", "uid", "id", "user", "externalid", "employeeid", "employeenumber", "memberno", "memberid", "membernumber", "customerid",
  "benutzerid", "benutzernummer", "personalnummer", "mitgliedsnummer", "mitgliedsnr", "kundennummer", "nutzerid"]);
const emailNames = new Set(["email", "emailaddress", "mail", "mailaddress", "emailadresse", "mailadresse", "eposta"]);

function plain(name) { return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, ""); }

// guessTargets makes a target of each header. Each of userId and email is taken once: by a
// column of just that name, or else by the first that could be it.
function guessTargets(headers, kinds, rules) {
  const targets = headers.map((header, i) => namedTarget(header) ?? freeTarget(header, kinds[i], rules));
  const take = (part, names) => {
    if (targets.some((target) => target.part === part)) return;
    const i = headers.findIndex((header, k) => targets[k].part === "customFields" && !/\w\.\w/.test(header) && names.has(plain(header)));
    if (i >= 0) targets[i] = { part, name: "", kind: "string" };
  };
  take("userId", idNames);
  take("email", emailNames);
  return targets;
}

// namedTarget is what the service would read a header as, by its own rules.
function namedTarget(header) {
  if (header === "") return { part: "ignore", name: "", kind: "string" };
  if (/^_(index|line|status|errors|rest)$/.test(header)) return { part: "note", name: header, kind: "string" };
  const identity = header.replace(/[\s_-]/g, "").toLowerCase();
  if (identity === "userid") return { part: "userId", name: "", kind: "string" };
  if (identity === "email") return { part: "email", name: "", kind: "string" };
  const whole = /^(customFields|metadata)\s*:\s*json$/i.exec(header);
  if (whole) return { part: "whole", name: partName(whole[1]) + ":json", kind: "json" };
  const one = /^(customFields|metadata)\.(.+?)(?::\s*(string|number|boolean|json)\s*)?$/is.exec(header);
  return one ? { part: partName(one[1]), name: one[2].trim(), kind: one[3] ?? "string" } : null;
}

function partName(text) { return text.toLowerCase() === "metadata" ? "metadata" : "customFields"; }

// Numbers that are names, such as postal codes, are left as text.
const namesInDigits = /zip|plz|post|phone|tel|fax|mobil|nummer|number|code|nr|no$|id$/i;

function freeTarget(header, kind, rules) {
  const name = header.slice(0, 255);
  const rule = rules[`customFields.${name}`] ?? "";
  if (/\b(number|integer|whole number)\b/i.test(rule)) kind = "number";
  else if (kind === "number" && (/\bstring|text|characters\b/i.test(rule) || namesInDigits.test(header))) kind = "string";
  return { part: "customFields", name, kind };
}

// targetProblems says what keeps the columns from being sent: {column, key}; column -1 is
// about all of them.
function targetProblems(targets) {
  const problems = [], seen = new Map();
  targets.forEach((target, i) => {
    if (target.part === "ignore" || target.part === "note") return;
    const name = target.name.trim();
    const isField = target.part === "customFields" || target.part === "metadata";
    if (isField && (name === "" || [...name].length > 255)) problems.push({ column: i, key: "mapping.noName" });
    const header = isField ? `${target.part}.${name}` : target.part === "whole" ? target.name : target.part;
    if (seen.has(header)) problems.push({ column: i, key: "mapping.twice" });
    seen.set(header, i);
  });
  if (!targets.some((target) => target.part === "userId" || target.part === "email")) problems.push({ column: -1, key: "mapping.noIdentity" });
  return problems;
}

// Choices are remembered by a number made of the names of the columns. A file without a row
// of names has a person in their place, so what looks like one is not remembered.

const memory = "bulkops.columns";
const remembered = 20;

function looksLikeData(headers) {
  return headers.some((header) => header.includes("@")) || (headers.length > 1 && headers.filter((header) => /^\d+$/.test(header)).length > 0);
}

function memoryKey(headers) {
  let sum = 2166136261;
  for (const c of headers.join("\u0000")) sum = Math.imul(sum ^ c.codePointAt(0), 16777619);
  return (sum >>> 0).toString(36) + "-" + headers.length;
}

function recallTargets(headers) {
  const found = readMemory().find((entry) => entry.key === memoryKey(headers));
  return found?.targets.length === headers.length ? found.targets : null;
}

function rememberTargets(headers, targets) {
  if (looksLikeData(headers)) return;
  const key = memoryKey(headers);
  const entries = [{ key, targets }, ...readMemory().filter((entry) => entry.key !== key)].slice(0, remembered);
  try {
    localStorage.setItem(memory, JSON.stringify(entries));
  } catch {
    // A browser that stores nothing forgets.
  }
}

function readMemory() {
  try {
    const entries = JSON.parse(localStorage.getItem(memory) ?? "[]");
    return Array.isArray(entries) ? entries : [];
  } catch {
    return [];
  }
}
