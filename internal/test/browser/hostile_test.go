package browser

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// hostile is cells that a page, a spreadsheet or a line of text could take for more than
// text.
var hostile = []string{
	`<img src=x onerror="alert(1)">`,
	`<script>alert(2)</script>`,
	`"><svg onload=alert(3)>`,
	`javascript:alert(4)`,
	`{{constructor.constructor('alert(5)')()}}`,
	`${alert(6)}`,
	`=HYPERLINK("http://127.0.0.1:1/planted","x")`,
	`+1+cmd|' /C calc'!A0`,
	`-2+3`,
	`@SUM(1+1)`,
	"\u202eevil\u2066",
	`__proto__`,
	`'quoted`,
	"a\u00a0b\u200bc",
	`&lt;b&gt;`,
}

// hostileFile has each of them as a cell, and some of them as names of columns. All rows
// fail for their address.
func hostileFile(tb testing.TB) string {
	tb.Helper()
	var b strings.Builder
	quote := func(text string) string { return `"` + strings.ReplaceAll(text, `"`, `""`) + `"` }
	fmt.Fprintf(&b, "userId,email,cell,%s,%s,constructor\n", quote(hostile[0]), quote(hostile[6]))
	for i, cell := range hostile {
		fmt.Fprintf(&b, "%s,%s,%s,a,b,c\n", quote(fmt.Sprintf("u-%d %s", i, cell)), quote("no address"), quote(cell))
	}
	return file(tb, "<b onclick=alert(7)>& co.csv", b.String())
}

// TestHostileCells: in every view they are text, and in files for spreadsheets no formula.
// A dialog, a request to elsewhere or a violation of the policy fails every test anyway.
func TestHostileCells(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	asText := func(where string) {
		t.Helper()
		if got := eval[string](p, `() => [...document.querySelectorAll("img, svg, script:not([src]), [onerror], [onload], [onclick], iframe, b")].map(e => e.outerHTML).join()`); got != "" {
			t.Errorf("%s has the elements %.500s", where, got)
		}
		for _, want := range hostile[:3] {
			if text := eval[string](p, `() => document.body.textContent + [...document.querySelectorAll("input, textarea")].map(e => e.value).join()`); !strings.Contains(text, want) {
				t.Errorf("%s does not show %q as text", where, want)
			}
		}
	}
	p.load(hostileFile(t))
	asText("the mapping")
	p.fill("#label", hostile[0])
	p.preview()
	p.wantCounts(counts{failed: len(hostile)})
	p.says("#rows", "no address")
	asText("the preview")
	p.click("#back")
	p.choose(target(1, "data-target"), "metadata")
	p.preview()
	p.wantCounts(counts{created: len(hostile)})
	p.run()
	p.wantCounts(counts{created: len(hostile)})
	asText("the result")
}

// TestHostileCellsAreKept: what was imported is what the file has, to the letter; and what
// failed is in the files of failed rows, where no spreadsheet runs it.
func TestHostileCellsAreKept(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, on backends) {
		h := serve(t, on, settings{})
		p := h.signedIn(t, look{})
		var b strings.Builder
		b.WriteString("userId;email;cell\r\n")
		for i, cell := range hostile {
			fmt.Fprintf(&b, "u-%d;;%s\r\nf-%d;no address;%s\r\n", i, `"`+strings.ReplaceAll(cell, `"`, `""`)+`"`, i, `"`+strings.ReplaceAll(cell, `"`, `""`)+`"`)
		}
		p.load(file(t, "cells.csv", b.String()))
		p.fill("#label", hostile[0])
		p.preview()
		p.run()
		p.wantCounts(counts{created: len(hostile), failed: len(hostile)})
		for i, cell := range hostile {
			text, err := json.Marshal(map[string]string{"cell": cell})
			if err != nil {
				t.Fatal(err)
			}
			h.wantUser(t, fmt.Sprintf("u-%d", i), "", string(text))
		}
		safe := func(where string, all [][]string) {
			t.Helper()
			found := 0
			for _, record := range all {
				for _, cell := range record {
					if cell != "" && strings.ContainsRune("=+-@\t\r", []rune(cell)[0]) {
						t.Errorf("%s: a spreadsheet runs %q", where, cell)
					}
					if slices.Contains(hostile, strings.TrimPrefix(cell, "'")) {
						found++
					}
				}
			}
			if found < len(hostile)-1 {
				t.Errorf("%s has %d of %d cells", where, found, len(hostile))
			}
		}
		p.click("#download-failed")
		safe("the file of the import", records(t, p.downloaded("cells-failed.csv"), ';'))
		p.click("#mend")
		p.see("#mend-table tr[data-index]")
		if got := p.value(`#mend-table tr[data-index="1"] [data-column="customFields.cell"]`); got != hostile[0] {
			t.Errorf("the cell to mend shows %q", got)
		}
		p.visit("/console/#/jobs")
		p.says("#jobs", hostile[0])
		p.click("#jobs tr[data-job] a")
		p.inView("job", "ended")
		p.says("h1", hostile[0])
		p.choose("#separator-out", ";")
		p.click("#download-failed")
		safe("the file of the job", records(t, p.downloaded("job_*-failed.csv"), ';'))
		p.click("#mend")
		p.see("#mend-table tr[data-index]")
		for i, cell := range hostile {
			if got := p.value(fmt.Sprintf(`#mend-table tr[data-index="%d"] [data-column="customFields.cell"]`, 2*i+1)); got != cell {
				t.Errorf("the cell to mend is %q, want %q", got, cell)
			}
		}
	})
}

// TestWideAndLongFiles: hundreds of columns and cells of thousands of characters neither
// widen the page nor stop it.
func TestWideAndLongFiles(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	var names, cells []string
	for i := range 200 {
		names = append(names, fmt.Sprintf("customFields.column %d", i))
		cells = append(cells, strings.Repeat("x", 10+i))
	}
	cells[0] = strings.Repeat("y", 10_000)
	p.load(file(t, "wide.csv", lines("userId,email,"+strings.Join(names, ","), "u-1,no address,"+strings.Join(cells, ","), "u-2,,"+strings.Join(cells, ","))))
	p.fits("the mapping of a wide file")
	p.preview()
	p.says("#rows", "no address")
	p.fits("the preview of a wide file")
	p.run()
	p.wantCounts(counts{created: 1, failed: 1})
	p.click("#mend")
	p.see("#mend-table tr[data-index]")
	p.fits("the mending of a wide file")
	if got := p.value(`#mend-table tr[data-index="0"] [data-column="customFields.column 0"]`); got != cells[0] {
		t.Errorf("the long cell has %d characters", len(got))
	}
	p.fill(`#mend-table tr[data-index="0"] [data-column="email"]`, "ana@example.com")
	p.click("#send-mended")
	p.inView("job", "ended")
	p.wantCounts(counts{created: 1})
	found := h.stored(t, "u-1")
	if !strings.Contains(fields(t, found.CustomFields), cells[0]) {
		t.Error("the long cell is not stored")
	}
}

// fits checks that the page is not wider than its window.
func (p *tab) fits(where string) {
	p.Helper()
	if wide := eval[string](p, `() => {
		const page = document.documentElement, window = page.clientWidth;
		if (page.scrollWidth <= window) return "";
		const inBox = e => e.parentElement.closest(".table-box, .days");
		const wide = [...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > window && !inBox(e));
		return page.scrollWidth - window + " pixels: " + wide.map(e => e.cloneNode().outerHTML).join(" ");
	}`); wide != "" {
		p.Errorf("%s is wider than the window, by %.1000s", where, wide)
	}
}
