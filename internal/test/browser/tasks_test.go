package browser

// observeTasks notes the longest task of the page's main thread, in milliseconds. The
// browser reports those above 50.
const observeTasks = `
	globalThis.longestTask = 0;
	new PerformanceObserver(list => {
		for (const task of list.getEntries()) globalThis.longestTask = Math.max(globalThis.longestTask, task.duration);
	}).observe({type: "longtask", buffered: true});`

// longestTask returns how long the page's longest task so far took, in milliseconds: 0
// if none took 50.
func (p *tab) longestTask() float64 {
	p.Helper()
	return eval[float64](p, `() => new Promise(done => setTimeout(() => done(globalThis.longestTask)))`)
}
