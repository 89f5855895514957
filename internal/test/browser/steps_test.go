package browser

import (
	"maps"
	"strconv"
	"strings"
)

// inView waits for a view in a state, such as "preview ready".
func (p *tab) inView(name, state string) {
	p.Helper()
	p.see(`section[data-view="` + name + `"][data-state="` + state + `"]`)
}

// load gives the page a file.
func (p *tab) load(path string) {
	p.Helper()
	p.give("#file", path)
	p.inView("import", "file")
}

// preview has the page check what would happen.
func (p *tab) preview() {
	p.Helper()
	p.click("#check")
	p.inView("preview", "ready")
}

// run imports what was checked, to its end.
func (p *tab) run() {
	p.Helper()
	p.click("#import")
	p.inView("result", "ready")
}

// counts are how many rows had each outcome.
type counts struct{ created, updated, unchanged, skipped, failed, notProcessed int }

// wantCounts checks the picture of outcomes.
func (p *tab) wantCounts(want counts) {
	p.Helper()
	p.see(`[data-count="created"]`)
	got := make(map[string]int)
	for name, text := range eval[map[string]string](p, `() => Object.fromEntries([...document.querySelectorAll("[data-count]")].map(e => [e.dataset.count, e.textContent]))`) {
		n, err := strconv.Atoi(digits(text))
		if err != nil {
			p.Fatalf("the count of %s is %q", name, text)
		}
		got[name] = n
	}
	wanted := map[string]int{"created": want.created, "updated": want.updated, "unchanged": want.unchanged,
		"skipped": want.skipped, "failed": want.failed, "notProcessed": want.notProcessed}
	if !maps.Equal(got, wanted) {
		p.Errorf("the counts are %v, want %v", got, wanted)
	}
}

// digits are those of a number as people write it.
func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, text)
}

// wantRows waits until the table of rows has those of the indexes, in order.
func (p *tab) wantRows(indexes ...int) {
	p.Helper()
	var want []string
	for _, i := range indexes {
		want = append(want, strconv.Itoa(i))
	}
	p.wait("the rows "+strings.Join(want, " "),
		`want => [...document.querySelectorAll("#rows tbody tr[data-index]")].map(e => e.dataset.index).join(" ") === want`, strings.Join(want, " "))
}

// target is the control that says what a column is, or what else of it, such as
// "data-kind".
func target(column int, attribute string) string {
	return `#columns [data-column="` + strconv.Itoa(column) + `"] [` + attribute + `]`
}
