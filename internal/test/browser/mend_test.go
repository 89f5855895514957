package browser

import (
	"encoding/csv"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/bulk"
)

// broken has two rows that fail, one of them with a cell of two lines and a formula.
var broken = strings.Join([]string{
	"userId;email;team;note",
	"u-1;ana@example.com;Lakers;one",
	"u-2;no address;Bulls;\"two\nlines\"",
	"u-3;cy@example.com;Heat;three",
	"u-4;;Jazz;four",
	";;Suns;=1+2",
}, "\r\n") + "\r\n"

// TestMend: rows that failed are mended where they are, and sent again as a job that
// belongs to the import. Those that were not mended are not sent.
func TestMend(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, on backends) {
		h := serve(t, on, settings{})
		p := h.signedIn(t, look{})
		p.load(file(t, "club.csv", broken))
		p.fill("#label", "Club")
		p.preview()
		p.run()
		p.wantCounts(counts{created: 3, failed: 2})
		p.click("#mend")
		p.see("#mend-table tr[data-index]")
		if got := eval[[]string](p, `() => [...document.querySelectorAll("#mend-table tr[data-index]")].map(e => e.dataset.index)`); !slices.Equal(got, []string{"1", "4"}) {
			t.Errorf("rows %v can be mended, want those that failed", got)
		}
		p.fill(`#mend-table tr[data-index="1"] [data-column="email"]`, "bo@example.com")
		p.click("#send-mended")
		p.inView("job", "ended")
		p.wantCounts(counts{created: 1})
		h.wantUser(t, "u-2", "bo@example.com", `{"note":"two\nlines","team":"Bulls"}`)
		if distinct, most := h.users.written(); distinct != 4 || most != 1 {
			t.Errorf("%d users were written, one of them %d times", distinct, most)
		}

		// In the list it is below the import.
		p.visit("/console/#/jobs")
		p.inView("jobs", "ready")
		if got, want := p.levels(), []string{"0", "1"}; !slices.Equal(got, want) {
			t.Errorf("the jobs are at the levels %v, want %v", got, want)
		}
	})
}

// levels are those of the jobs in the list.
func (p *tab) levels() []string {
	p.Helper()
	p.see("#jobs tr[data-job]")
	return eval[[]string](p, `() => [...document.querySelectorAll("#jobs tr[data-job]")].map(e => e.dataset.level)`)
}

// TestMendLater: a week later the file is not at hand, and the service has the rows.
func TestMendLater(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, on backends) {
		h := serve(t, on, settings{})
		p := h.signedIn(t, look{})
		p.load(file(t, "club.csv", broken))
		p.preview()
		p.run()
		p = h.signedIn(t, look{})
		p.visit("/console/#/jobs")
		p.click("#jobs tr[data-job] a")
		p.inView("job", "ended")
		p.wantCounts(counts{created: 3, failed: 2})
		p.click("#mend")
		p.see("#mend-table tr[data-index]")
		if got := p.value(`#mend-table tr[data-index="4"] [data-column="customFields.note"]`); got != "=1+2" {
			t.Errorf("the cell shows %q, want what the file has", got)
		}
		p.fill(`#mend-table tr[data-index="1"] [data-column="email"]`, "bo@example.com")
		p.fill(`#mend-table tr[data-index="4"] [data-column="userId"]`, "u-5")
		p.click("#send-mended")
		p.wait("the job of the mended rows", `() => document.querySelector("section[data-view=job][data-state=ended]") && !document.querySelector("#mend")`)
		p.wantCounts(counts{created: 2})
		h.wantUser(t, "u-2", "bo@example.com", `{"note":"two\nlines","team":"Bulls"}`)
		h.wantUser(t, "u-5", "", `{"note":"=1+2","team":"Suns"}`)
	})
}

// errBusy is what a database says that cannot take a write now.
var errBusy = errors.New("busy")

// TestRetry: rows that failed for the database's sake are sent again as they are.
func TestRetry(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	h.users.refuse(func(w bulk.Write) error {
		if w.User.ID == "u-1" || w.User.ID == "u-2" {
			return errBusy
		}
		return nil
	})
	p := h.signedIn(t, look{})
	p.load(file(t, "a.csv", csvOf(5)+"u-9,no address,\n"))
	p.preview()
	p.run()
	p.wantCounts(counts{created: 3, failed: 3})
	h.users.refuse(nil)
	p.visit("/console/#/jobs")
	p.click("#jobs tr[data-job] a")
	p.inView("job", "ended")
	p.click("#retry")
	p.wait("the job of the retry", `() => document.querySelector("section[data-view=job][data-state=ended]") && !document.querySelector("#retry")`)
	p.wantCounts(counts{created: 2})
	retries := h.seen(func(r request) bool { return r.method == http.MethodPost && strings.HasSuffix(r.path, "/retry") })
	if len(retries) != 1 || string(retries[0].body) != `{"only":"retryable"}` || retries[0].header.Get("Idempotency-Key") == "" {
		t.Errorf("the page asked for %+v", retries)
	}
	p.visit("/console/#/jobs")
	p.inView("jobs", "ready")
	if got, want := p.levels(), []string{"0", "1"}; !slices.Equal(got, want) {
		t.Errorf("the jobs are at the levels %v, want %v", got, want)
	}
}

// records reads a CSV file as spreadsheets do.
func records(tb testing.TB, content string, separator rune) [][]string {
	tb.Helper()
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(content, "\ufeff")))
	r.Comma, r.FieldsPerRecord = separator, -1
	all, err := r.ReadAll()
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// TestFailedRowsAsAFile: in the separator and the columns that the user's came in, without
// anything that a spreadsheet runs. Mended there, it is imported as it is.
func TestFailedRowsAsAFile(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	p.load(file(t, "club.csv", broken))
	p.preview()
	p.run()
	p.click("#download-failed")
	content := p.downloaded("club-failed.csv")
	all := records(t, content, ';')
	if len(all) != 3 {
		t.Fatalf("the file is %q", content)
	}
	column := func(name string) int {
		t.Helper()
		i := slices.Index(all[0], name)
		if i < 0 {
			t.Fatalf("no column %q in %q", name, all[0])
		}
		return i
	}
	note, email, id := column("note"), column("email"), column("userId")
	if got := all[1][note]; got != "two\nlines" {
		t.Errorf("the note is %q", got)
	}
	if got := all[2][note]; got != "'=1+2" {
		t.Errorf("the formula is %q, and a spreadsheet must not run it", got)
	}
	if !strings.Contains(all[1][column("_errors")], "INVALID_EMAIL") {
		t.Errorf("the reason is not in %q", all[1])
	}

	// As a spreadsheet saves it.
	all[1][email], all[2][id] = "bo@example.com", "u-5"
	var mended strings.Builder
	w := csv.NewWriter(&mended)
	w.Comma = ';'
	if err := w.WriteAll(all); err != nil {
		t.Fatal(err)
	}
	p.click("#new-import")
	p.load(file(t, "club-failed.csv", mended.String()))
	p.preview()
	p.wantCounts(counts{created: 2})
	p.run()
	p.wantCounts(counts{created: 2})
	h.wantUser(t, "u-2", "bo@example.com", `{"note":"two\nlines","team":"Bulls"}`)
	h.wantUser(t, "u-5", "", `{"note":"=1+2","team":"Suns"}`)
}

// TestResultsAsFiles: all results, from the import and later from its job.
func TestResultsAsFiles(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, on backends) {
		h := serve(t, on, settings{})
		p := h.signedIn(t, look{})
		p.load(file(t, "club.csv", broken))
		p.preview()
		p.run()
		p.click("#download-results")
		all := records(t, p.downloaded("club-results.csv"), ';')
		var statuses []string
		for _, record := range all {
			statuses = append(statuses, record[slices.Index(all[0], "status")])
		}
		if want := "status created failed created created failed"; strings.Join(statuses, " ") != want {
			t.Errorf("the statuses are %v, want %s", statuses, want)
		}

		p.visit("/console/#/jobs")
		p.click("#jobs tr[data-job] a")
		p.inView("job", "ended")
		p.click("#download-json")
		if content := p.downloaded("job_*.json"); !strings.Contains(content, `"status":"failed"`) {
			t.Errorf("the JSON is %.300s", content)
		}
		p.click("#download-ndjson")
		if content := p.downloaded("job_*.ndjson"); strings.Count(content, "\n") != 5 {
			t.Errorf("the NDJSON has not five lines: %.300s", content)
		}
		p.choose("#separator-out", "\t")
		p.click("#download-csv")
		if got := records(t, p.downloaded("job_*-results.csv"), '\t'); len(got) != 6 || len(got[0]) < 4 {
			t.Errorf("the CSV is %q", got)
		}
		p.choose("#separator-out", "|")
		p.click("#download-failed")
		if got := records(t, p.downloaded("job_*-failed.csv"), '|'); len(got) != 3 || !slices.Contains(got[2], "'=1+2") {
			t.Errorf("the CSV of failed rows is %q", got)
		}
	})
}
