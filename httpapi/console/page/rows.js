// The page's side of a worker: the rows of one file, and the results of one import.
class RowStore {
  #worker = new Worker(scriptURL);
  #calls = new Map();
  #next = 1;

  constructor() {
    this.#worker.onmessage = ({ data: { id, value, problem } }) => {
      const { resolve, reject } = this.#calls.get(id);
      this.#calls.delete(id);
      if (problem) reject(new FileProblem(problem.key, problem.params));
      else resolve(value);
    };
  }

  // call asks the worker for what one of its methods returns. A problem with the file is
  // thrown as a FileProblem.
  call(method, ...args) {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#calls.set(id, { resolve, reject });
      this.#worker.postMessage({ id, method, args }, args.map((arg) => arg?.bytes).filter((bytes) => bytes instanceof ArrayBuffer));
    });
  }

  // close forgets all rows.
  close() { this.#worker.terminate(); }
}
