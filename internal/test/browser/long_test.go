package browser

import (
	"testing"
)

const manyRows = 100_000

// TestHundredThousandRows are read, and shown a few at a time. How long the page's tasks
// take is measured by the benchmark.
func TestHundredThousandRows(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	p.load(file(t, "many.csv", csvOf(manyRows)))
	p.says("section", "100,000")
	if n := eval[int](p, `() => document.querySelectorAll("tr").length`); n > 50 {
		t.Errorf("the page shows %d rows at once", n)
	}
}

// BenchmarkHundredThousandRows imports a file of 100,000 rows and reports the longest task
// of the page in milliseconds, 0 for one below 50: what the page feels like meanwhile.
func BenchmarkHundredThousandRows(b *testing.B) {
	path := file(b, "many.csv", csvOf(manyRows))
	longest := 0.0
	for b.Loop() {
		h := serve(b, inMemory, settings{})
		p := h.signedIn(b, look{})
		p.load(path)
		p.preview()
		p.wantCounts(counts{created: manyRows})
		p.click("#next")
		p.wantRows(upTo(25, 50)...)
		p.choose("#filter-status", "created")
		p.fill("#filter-text", "u-99999")
		p.wantRows(99_999)
		p.run()
		p.wantCounts(counts{created: manyRows})
		longest = max(longest, p.longestTask())
	}
	b.ReportMetric(longest, "ms/longest-task")
}
