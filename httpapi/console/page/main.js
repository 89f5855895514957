// The page begins here, and so does the worker, which is the same script.

const scriptURL = typeof document === "undefined" ? "" : document.currentScript.src;

function leaveTo(hash) {
  if (location.hash === hash) route();
  else location.replace(hash);
}

// route shows the view of the address. Addresses have ids of jobs and nothing of users.
function route() {
  leaving.abort(new DOMException("left", "AbortError"));
  leaving = new AbortController();
  document.getElementById("away").replaceChildren();
  const path = location.hash.replace(/^#\/?/, "");
  for (const link of document.querySelectorAll("#nav a")) {
    if ((link.id === "to-jobs") === path.startsWith("jobs")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const job = /^jobs\/([\w-]+)$/.exec(path);
  if (job) showJob(job[1]);
  else if (path === "jobs") showJobs();
  else if (path === "preview") showPreview();
  else if (path === "running") showRunning();
  else if (path === "result") showResult();
  else showImport();
}

// The notices tell what a call waits for.
function listenToCalls() {
  const awayBox = document.getElementById("away"), notice = document.getElementById("notice");
  api.away = (wait) => {
    if (!wait) {
      if (awayBox.firstChild) awayBox.replaceChildren();
      return;
    }
    awayBox.replaceChildren(message("warn", h("p", null, t("away.text", { wait: durationText(wait.seconds) })), button(t("away.now"), { id: "try-now", onclick: wait.now })));
  };
  let pending = null;
  api.signedOut = () => {
    pending ??= new Promise((resolve) => {
      const signIn = document.querySelector("meta[name=bulkops-sign-in]")?.content;
      notice.replaceChildren(message("bad", h("p", null, h("strong", null, t("session.title")), " ", t("session.text")),
        h("div", { class: "actions" }, signIn && h("a", { href: signIn, target: "_blank", rel: "noopener", id: "sign-in", class: "button primary" }, t("session.signIn")),
          button(t("session.again"), { id: "try-again", class: signIn ? "" : "primary", onclick: () => { notice.replaceChildren(); pending = null; resolve(); } }))));
    });
    return pending;
  };
}

function start() {
  document.documentElement.lang = language;
  api.base = new URL(document.querySelector("meta[name=bulkops-api]").content, document.baseURI);
  const skip = document.getElementById("skip");
  skip.textContent = t("skip");
  skip.addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("title")?.focus();
  });
  const nav = document.getElementById("nav");
  nav.setAttribute("aria-label", t("nav.label"));
  nav.append(h("span", { class: "brand" }, t("brand")), linkTo("#/", t("nav.import")), linkTo("#/jobs", t("nav.jobs")));
  nav.lastElementChild.id = "to-jobs";
  listenToCalls();
  // What is dropped beside the field must not replace the page.
  for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
  addEventListener("hashchange", route);
  addEventListener("beforeunload", (event) => {
    if (current?.state.phase === "running" && current.unsent > 0) event.preventDefault();
  });
  current = Import.restored();
  route();
}

if (typeof document === "undefined") startWorker();
else start();
