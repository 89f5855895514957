package browser

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/bulk"
)

// submit makes a job without the page.
func (h *host) submit(tb testing.TB, label string, ids ...string) *bulk.Job {
	tb.Helper()
	importer, err := bulk.NewImporter(h.cfg)
	if err != nil {
		tb.Fatal(err)
	}
	rows := make(rowList, len(ids))
	for i, id := range ids {
		rows[i] = bulk.Row{JSON: fmt.Appendf(nil, `{"userId":%q}`, id)}
	}
	options := bulk.DefaultOptions()
	options.Label = label
	job, err := importer.Submit(tb.Context(), bulk.Request{Principal: admin, Rows: &rows, Options: options})
	if err != nil {
		tb.Fatal(err)
	}
	return job
}

// A rowList is a [bulk.RowReader] of what is there.
type rowList []bulk.Row

func (l *rowList) Next() (bulk.Row, error) {
	if len(*l) == 0 {
		return bulk.Row{}, io.EOF
	}
	row := (*l)[0]
	*l = (*l)[1:]
	return row, nil
}

// TestLastWeeksJob is found by its label and by its status among many, and can be removed.
func TestLastWeeksJob(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, on backends) {
		h := serve(t, on, settings{workers: -1})
		wanted := h.submit(t, "Season tickets", "u-1")
		others := 120 // more than a page of the list
		for i := range others {
			h.submit(t, fmt.Sprintf("Newsletter %d", i), "u-2")
		}
		cancelled := h.submit(t, "By mistake", "u-3")
		importer, err := bulk.NewImporter(h.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := importer.Cancel(t.Context(), admin, cancelled.ID); err != nil {
			t.Fatal(err)
		}

		p := h.signedIn(t, look{})
		p.visit("/console/#/jobs")
		p.inView("jobs", "ready")
		ids := func() []string {
			t.Helper()
			return eval[[]string](p, `() => [...document.querySelectorAll("#jobs tr[data-job]")].map(e => e.dataset.job)`)
		}
		if got := ids(); len(got) != 100 || got[0] != cancelled.ID {
			t.Errorf("the list begins with %d jobs, the first of them %q", len(got), got[0])
		}
		p.click("#more")
		p.wait("all jobs", `n => document.querySelectorAll("#jobs tr[data-job]").length === n`, others+2)
		p.gone("#more")

		p.choose("#jobs-status", "cancelled")
		p.wait("the one that was cancelled", `id => [...document.querySelectorAll("#jobs tr[data-job]")].map(e => e.dataset.job).join() === id`, cancelled.ID)
		p.choose("#jobs-status", "")

		// A new visit, and the label is on the second page of the list.
		p = h.signedIn(t, look{})
		p.visit("/console/#/jobs")
		p.inView("jobs", "ready")
		p.fill("#jobs-label", "season")
		p.wait("the one with the label", `id => [...document.querySelectorAll("#jobs tr[data-job]")].map(e => e.dataset.job).join() === id`, wanted.ID)

		p.visit("/console/#/jobs/" + cancelled.ID)
		p.inView("job", "ended")
		p.click("#delete")
		p.click("#confirm-no")
		p.gone("#confirm")
		p.click("#delete")
		p.click("#confirm-yes")
		p.inView("jobs", "ready")
		if slices.Contains(ids(), cancelled.ID) {
			t.Error("the job that was removed is still in the list")
		}
		p.visit("/console/#/jobs/" + cancelled.ID)
		p.inView("job", "failed")
		if n := len(h.seen(func(r request) bool { return r.method == http.MethodDelete })); n != 1 {
			t.Errorf("%d jobs were removed", n)
		}
	})
}

// TestOutcomesOverTime are a picture, with the same numbers in a table.
func TestOutcomesOverTime(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	p.load(file(t, "club.csv", broken))
	p.preview()
	p.run()
	p.visit("/console/#/jobs")
	p.see("#over-time")
	p.click("#over-time summary")
	if got := digits(strings.Join(p.texts("#over-time tbody td"), "")); got != "300020" {
		t.Errorf("the day's outcomes are %q", got)
	}
	// Dry runs are not imports.
	if got := p.levels(); len(got) != 1 {
		t.Errorf("the list has %d jobs", len(got))
	}
	p.click("#jobs-checks")
	p.wait("the dry run", `() => document.querySelectorAll("#jobs tr[data-job]").length === 2`)
}

// TestCancelFromTheList: a job that another program began is stopped there.
func TestCancelFromTheList(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{workers: -1})
	job := h.submit(t, "Season tickets", "u-1", "u-2")
	p := h.signedIn(t, look{})
	p.visit("/console/#/jobs/" + job.ID)
	p.inView("job", "running")
	p.click("#cancel")
	p.click("#confirm-yes")
	p.inView("job", "ended")
	p.wantCounts(counts{notProcessed: 2})
}
