// Elements. What comes from files and from the service is only ever the text of a node.

// h makes an element. Properties are attributes; "on..." are listeners, and value, checked,
// disabled and the like are set as what they are.
function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled" || name === "selected" || name === "hidden") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// cellNode shows text that may have characters which turn the direction of writing: it
// changes nothing outside of it.
function cellNode(text, max = 200) {
  const node = h("bdi", { class: text.length > 24 ? "cell" : "cell short" }, text.length > max ? text.slice(0, max) + "…" : text);
  if (text.length > max) node.title = text.slice(0, 2000);
  return node;
}

let nextId = 1;
function newId(prefix) { return `${prefix}-${nextId++}`; }

function button(label, props, ...more) {
  return h("button", { type: "button", ...props }, label, ...more);
}

function linkTo(hash, ...content) { return h("a", { href: hash }, ...content); }

// tableBox is a table that scrolls by itself where it is too wide, also by keyboard.
function tableBox(caption, head, body, props = {}) {
  const id = newId("caption");
  return h("div", { class: "table-box", role: "region", tabindex: "0", "aria-labelledby": id },
    h("table", props, h("caption", { id }, h("span", null, caption)),
      h("thead", null, h("tr", null, head.flat().map((cell) => h("th", { scope: "col" }, cell)))), body));
}

// field is a control with its label and a sentence about it.
function field(label, control, hint) {
  const id = control.id || (control.id = newId("field"));
  const about = hint && h("p", { class: "hint", id: id + "-hint" }, hint);
  if (about) control.setAttribute("aria-describedby", about.id);
  return h("div", { class: "field" }, h("label", { for: id }, label), control, about);
}

function choice(label, input, hint) {
  const id = input.id || (input.id = newId("field"));
  const about = hint && h("p", { class: "hint", id: id + "-hint" }, hint);
  if (about) input.setAttribute("aria-describedby", about.id);
  return h("div", { class: "choice" }, input, h("div", null, h("label", { for: id }, label), about));
}

function select(options, value, onchange, props = {}) {
  return h("select", { ...props, onchange: (event) => onchange(event.target.value) },
    options.map(([key, label]) => h("option", { value: key, selected: key === value }, label)));
}

function message(kind, ...content) { return h("div", { class: `message ${kind}` }, ...content); }

// say tells those who listen to the page, one thing after the other. What passes, as progress
// does, is left out where there is something newer.
let sayings = [], speaking = null;
function say(text, passing = false) {
  sayings = sayings.filter((each) => !each.passing);
  sayings.push({ text, passing });
  speaking ??= setTimeout(speak, 100);
}

function speak() {
  const next = sayings.shift();
  if (next) document.getElementById("status").textContent = next.text;
  speaking = next ? setTimeout(speak, 2000) : null;
}

// save gives the user a file.
function save(name, type, content) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
