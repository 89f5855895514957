// Calls of the API. Each goes on until it is answered: while the service is away it tries
// again by itself, and when the session has ended it waits until the user has signed in
// again. So nothing that the page is doing is lost by either.

class Refused extends Error {
  constructor(status, { code = "", message = "", details = {} } = {}) {
    super(message || `HTTP ${status}`);
    Object.assign(this, { status, code, details });
  }
}

const api = {
  base: "",
  token: undefined,
  // away and signedOut are told of what a call waits for; the page shows it.
  away: () => {},
  signedOut: () => Promise.resolve(),

  // call returns {data}, or {bytes} where the answer is wanted raw.
  async call(method, path, { query = {}, headers = {}, body, raw = false, signal } = {}) {
    const url = new URL(path, this.base);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
    }
    for (let attempt = 0, renewed = false; ;) {
      signal?.throwIfAborted();
      let answer;
      try {
        answer = await fetch(url, {
          method, body, signal, redirect: "manual", cache: "no-store",
          headers: { "X-Requested-With": "bulkops-console", Accept: "application/json", ...headers, ...(await this.authorization()) },
        });
      } catch (error) {
        signal?.throwIfAborted();
        await this.pause(attempt++, 0, signal);
        continue;
      }
      // A host may lead to its own page for signing in, or show it.
      if (answer.type === "opaqueredirect" || answer.status === 401 || (answer.ok && /html/.test(answer.headers.get("Content-Type")))) {
        await this.renew(renewed);
        renewed = !renewed;
        continue;
      }
      if ([429, 502, 503, 504].includes(answer.status)) {
        await this.pause(attempt++, Number(answer.headers.get("Retry-After")) || 0, signal);
        continue;
      }
      let got;
      try {
        got = await this.read(answer, raw);
      } catch (error) {
        if (error instanceof Refused) {
          if (error.code === "IDEMPOTENCY_IN_PROGRESS") {
            await this.pause(attempt++, Number(answer.headers.get("Retry-After")) || 1, signal);
            continue;
          }
          throw error;
        }
        signal?.throwIfAborted();
        await this.pause(attempt++, 0, signal); // the answer broke off
        continue;
      }
      this.away(null);
      return got;
    }
  },

  async read(answer, raw) {
    if (answer.ok && raw) return { bytes: await answer.arrayBuffer() };
    const text = await answer.text();
    let parsed = null;
    try {
      parsed = JSON.parse(text);
    } catch (error) {
      if (answer.ok) throw error;
      // What is not the API's is told by its status.
    }
    if (answer.ok) return { data: parsed.success ? parsed.data : parsed };
    throw new Refused(answer.status, parsed?.error);
  },

  async authorization() {
    const ask = globalThis.bulkopsToken;
    if (typeof ask !== "function") return {};
    this.token ??= await ask(false);
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  },

  // renew asks the host for a new token, and if there is none, or it was refused too, the user
  // to sign in.
  async renew(refused) {
    const had = this.token;
    this.token = undefined;
    if (had && !refused) {
      const fresh = await globalThis.bulkopsToken(true);
      if (fresh && fresh !== had) {
        this.token = fresh;
        return;
      }
    }
    await this.signedOut();
  },

  // pause waits before another attempt: longer each time, half of it random, and never less
  // than the service asks for.
  async pause(attempt, least, signal) {
    const most = Math.min(30, 2 ** Math.min(attempt, 5));
    const seconds = Math.max(Math.min(least, 86400), most / 2 + (Math.random() * most) / 2);
    await new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, seconds * 1000);
      signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
      this.away({ seconds, now: () => { clearTimeout(timer); resolve(); } });
    });
  },

  async job(id, { wait = 0, signal } = {}) {
    const headers = wait ? { Prefer: `wait=${wait}` } : {};
    return (await this.call("GET", `jobs/${id}`, { headers, signal })).data;
  },

  // follow calls see with each state of a job until it has ended. A service that does not
  // wait is asked once a second.
  async follow(id, see, signal) {
    for (;;) {
      const began = performance.now();
      const job = await this.job(id, { wait: 2, signal });
      see(job);
      if (isEnded(job)) return job;
      if (performance.now() - began < 1000) await new Promise((resolve) => setTimeout(resolve, 1000));
      signal?.throwIfAborted();
    }
  },

  async results(id, query, signal) {
    return (await this.call("GET", `jobs/${id}/results`, { query, raw: true, signal, headers: { Accept: "*/*" } })).bytes;
  },
};

function isEnded(job) {
  return job.status === "completed" || job.status === "failed" || job.status === "cancelled";
}
