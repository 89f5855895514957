// One import: a file, what its columns are, its options, and its parts. What it takes to go
// on with it after a reload is kept in the storage of the tab, which has no row of the file.

const stored = "bulkops.import";

const defaults = { upsert: true, skipDuplicates: false, sendWelcomeEmail: false, updateOnly: false, merge: "merge", maxFailed: null };

// Limits of a request, until the service says that it has others.
const limits = { maxRows: 10_000, maxBytes: 60 << 20 };

class Import {
  // store has the rows, and their results, while the file is known; null after a reload.
  store = null;
  // found has results alone, after a reload.
  found = null;
  stop = new AbortController();
  // watch is told of each state of a job that is waited for.
  watch = () => {};

  constructor(state) {
    // phase: "mapping", "checking", "preview", "running", "ended"
    this.state = state;
  }

  static begin(file, described) {
    return new Import({
      id: randomId(), phase: "mapping", name: file.name, file: described, targets: [], options: { ...defaults, ...pick(described.options) },
      label: "", parts: [],
    });
  }

  // restored returns the import that the tab had before it was reloaded.
  static restored() {
    try {
      const state = JSON.parse(sessionStorage.getItem(stored));
      return state ? new Import(state) : null;
    } catch {
      return null;
    }
  }

  save() {
    const { file: { sample, kinds, nearly, headers, ...file }, ...state } = this.state;
    // Of names only those of fields are needed: in a file without names a person is in their place.
    const targets = state.targets.map((target) => (target.part === "userId" || target.part === "email" || target.part === "ignore" ? { ...target, name: "" } : target));
    try {
      sessionStorage.setItem(stored, JSON.stringify({ ...state, targets, file }));
    } catch {
      // Without storage a reload forgets the import.
    }
  }

  forget() {
    this.halt();
    this.store?.close();
    this.found?.close();
    sessionStorage.removeItem(stored);
  }

  // halt ends what is under way in the page.
  halt() {
    this.stop.abort(new DOMException("left", "AbortError"));
    this.stop = new AbortController();
    this.checking = this.running = null;
  }

  // once does a work that views come back to: the one that is under way, if there is one.
  once(name, work) {
    if (!this[name]) {
      const begun = work(this.stop.signal).finally(() => { if (this[name] === begun) this[name] = null; });
      this[name] = begun;
    }
    return this[name];
  }

  // use takes the store of the file, which a user has chosen again.
  use(store, described) {
    this.store = store;
    this.found?.close();
    this.found = null;
    Object.assign(this.state.file, described);
  }

  get unsent() { return this.state.parts.filter((part) => !part.job).length; }
  get needsFile() { return !this.store && this.unsent > 0; }

  label(i) { return tagLabel(this.state.label, `${this.state.id} ${i + 1}/${this.state.parts.length}`); }

  query(i, dryRun) {
    const { upsert, skipDuplicates, sendWelcomeEmail, updateOnly, merge, maxFailed } = this.state.options;
    return { upsert, skipDuplicates, sendWelcomeEmail, dryRun, updateOnly: updateOnly || null, merge: merge === "merge" ? null : merge, maxFailed, label: this.label(i) };
  }

  get contentType() { return this.state.file.format === "csv" ? "text/csv; charset=utf-8" : "application/x-ndjson"; }

  async post(i, dryRun, signal) {
    const { first, rows: count } = this.state.parts[i];
    const body = await this.store.call("body", { first, rows: count, targets: this.state.targets });
    const headers = { "Content-Type": this.contentType, Prefer: "respond-async" };
    // A dry run has no key: another one is to see what has changed in between.
    if (!dryRun) headers["Idempotency-Key"] = `console-${this.state.file.digest.slice(0, 16)}-${this.state.id}.${i + 1}`;
    const { data } = await api.call("POST", "users", { query: this.query(i, dryRun), headers, body, signal });
    return data.jobId;
  }

  // check runs all parts dry.
  check() { return this.once("checking", (signal) => this.checkParts(signal)); }

  async checkParts(signal) {
    const { state } = this;
    state.phase = "checking";
    await this.divide();
    await this.store.call("clearResults");
    for (let i = 0; i < state.parts.length; i++) {
      const part = state.parts[i];
      try {
        part.check = await this.post(i, true, signal);
      } catch (error) {
        if (!(await this.dividedBy(error, part))) throw error;
        await this.store.call("clearResults");
        i = -1; // all parts are others now
        continue;
      }
      this.save();
      const job = await api.follow(part.check, (job) => this.watch(part, job), signal);
      const stopped = job.error?.code === "TOO_MANY_FAILED";
      if (job.status !== "completed" && !stopped) throw new Refused(200, job.error ?? { message: job.status });
      await this.fetchResults(this.store, part, part.check, signal);
      if (stopped) break; // as the import would
    }
    signal.throwIfAborted();
    state.phase = "preview";
    this.save();
  }

  // dividedBy makes smaller parts if a part was refused for its size, and tells whether it did.
  // What a proxy takes is found by halves, as it does not say.
  async dividedBy({ status, code, details }, part) {
    const key = code === "TOO_MANY_USERS" ? "maxRows" : "maxBytes";
    if (part.rows < 2 || (status !== 413 && code !== "TOO_MANY_USERS")) return false;
    const limit = details?.limit ?? part.bytes / 2;
    if (limit >= limits[key]) return false;
    limits[key] = limit;
    await this.divide();
    return true;
  }

  async divide() { this.state.parts = await this.store.call("plan", limits); }

  // run imports the parts, each once the one before has been applied, so that all rows apply
  // in the order of the file. It stops behind a part that did not end well.
  run() { return this.once("running", (signal) => this.runParts(signal)); }

  async runParts(signal) {
    const { state } = this;
    state.phase = "running";
    state.stopped = null;
    this.save();
    for (let i = 0; i < state.parts.length; i++) {
      const part = state.parts[i];
      if (part.state && isEnded(part.state)) continue;
      if (!part.job) {
        if (this.cancelled) {
          state.stopped = { part: i, status: "cancelled", error: null };
          break;
        }
        if (!this.store) return;
        part.job = await this.post(i, false, signal);
        this.save();
        if (this.cancelled) await cancelJob(part.job);
      }
      const job = await api.follow(part.job, (job) => { part.state = brief(job); this.watch(part, job); }, signal);
      part.state = brief(job);
      this.save();
      if (job.status !== "completed") {
        state.stopped = { part: i, status: job.status, error: job.error };
        break;
      }
    }
    state.phase = "ended";
    this.save();
  }

  // cancel cancels the job that runs, and sends no part behind it.
  async cancel() {
    this.cancelled = true;
    const part = this.state.parts.find((each) => each.job && !(each.state && isEnded(each.state)));
    if (part) await cancelJob(part.job);
  }

  // adopt finds the jobs of parts that were accepted while the page was reloaded.
  async adopt() {
    if (this.unsent === 0 || this.state.phase !== "running") return;
    const { data } = await api.call("GET", "jobs", { query: { limit: 100 }, signal: this.stop.signal });
    for (const job of data.jobs) {
      const tag = labelTag(job.label);
      const part = tag?.id === this.state.id && !job.options.dryRun && !job.parentJobId && this.state.parts[tag.part - 1];
      if (part) part.job ??= job.jobId;
    }
    this.save();
  }

  // collect fetches the results of jobs, of parts or, dry, of their checks, anew.
  async collect(dry, signal) {
    const store = this.store ?? (this.found ??= new RowStore());
    await store.call("clearResults");
    for (const part of this.state.parts) {
      const id = dry ? part.check : part.job;
      if (id) await this.fetchResults(store, part, id, signal);
    }
    return store;
  }

  async fetchResults(store, part, id, signal) {
    const bytes = await api.results(id, { format: "ndjson" }, signal);
    await store.call("addResults", { first: part.first, bytes });
  }
}

// cancelJob cancels a job, unless it has ended by itself.
async function cancelJob(id) {
  try {
    await api.call("POST", `jobs/${id}/cancel`);
  } catch (error) {
    if (error.code !== "JOB_ENDED") throw error;
  }
}

// brief is what is kept of a job.
function brief({ jobId, status, summary, processedRecords, totalRecords, error }) {
  return { jobId, status, summary, processedRecords, totalRecords, error };
}

// pick takes those of a file's options that there are.
function pick(options) {
  return Object.fromEntries(Object.entries(options ?? {}).filter(([name]) => name in defaults));
}

function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(4))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Labels end with a tag by which the page knows the jobs that belong together:
// "[1a2b3c4d 2/3]" is a part of an import, "[1a2b3c4d mends ID]" has rows of another one, mended,
// ID being the id of an import or of a job.
const tagged = /\s*\[([0-9a-f]{8}) (?:(\d+)\/(\d+)|mends ([0-9a-z_-]+))\]$/;

// tagLabel is a label with a tag, in the 128 characters that labels may have.
function tagLabel(text, tag) { return `${[...text].slice(0, 125 - tag.length).join("")} [${tag}]`.trim(); }

function labelTag(label) {
  const found = tagged.exec(label);
  return found && { id: found[1], part: Number(found[2]) || 0, parts: Number(found[3]) || 0, mends: found[4] ?? "" };
}

function labelText(label) { return label.replace(tagged, ""); }

function addUp(summaries) {
  const sum = Object.fromEntries(outcomes.map((name) => [name, 0]));
  for (const summary of summaries) for (const name of outcomes) sum[name] += summary[name] ?? 0;
  return sum;
}
