package awse2e_test

import (
	"encoding/json"
	"io"
	"testing"

	"github.com/bulkops/bulkops/bulk"
)

// A rowList is rows that are read once.
type rowList struct{ rows []bulk.Row }

func (l *rowList) Next() (bulk.Row, error) {
	if len(l.rows) == 0 {
		return bulk.Row{}, io.EOF
	}
	row := l.rows[0]
	l.rows = l.rows[1:]
	return row, nil
}

// A user is a row, or a part of one. Fields are JSON.
type user struct {
	ID           string                     `json:"userId,omitempty"`
	Email        string                     `json:"email,omitempty"`
	CustomFields map[string]json.RawMessage `json:"customFields,omitempty"`
	Metadata     map[string]json.RawMessage `json:"metadata,omitempty"`
}

func rowOf(tb testing.TB, u user) bulk.Row {
	tb.Helper()
	text, err := json.Marshal(u)
	if err != nil {
		tb.Fatal(err)
	}
	return bulk.Row{JSON: text}
}

// rowsOf makes n rows.
func rowsOf(tb testing.TB, n int, row func(i int) user) []bulk.Row {
	tb.Helper()
	rows := make([]bulk.Row, n)
	for i := range rows {
		rows[i] = rowOf(tb, row(i))
	}
	return rows
}

// submit makes a job of rows.
func submit(tb testing.TB, cfg bulk.Config, rows []bulk.Row, opts bulk.Options) *bulk.Job {
	tb.Helper()
	job, err := newImporter(tb, cfg).Submit(tb.Context(), bulk.Request{Principal: admin, Rows: &rowList{rows}, Options: opts})
	if err != nil {
		tb.Fatal(err)
	}
	return job
}

// run runs a job to its end, in however many attempts.
func run(tb testing.TB, cfg bulk.Config, id string) *bulk.Job {
	tb.Helper()
	worker := newWorker(tb, cfg)
	var job bulk.Job
	poll(tb, "the end of a job", func() bool {
		// What an attempt fails with is the next one's to make good.
		err := worker.RunJob(tb.Context(), id)
		var getErr error
		if job, getErr = cfg.Jobs.Get(tb.Context(), id); getErr != nil {
			tb.Logf("attempt: %v; get: %v", err, getErr)
			return false
		}
		return job.Status.Ended()
	})
	if job.Status != bulk.JobCompleted {
		tb.Fatalf("the job is %s: %+v", job.Status, job.Error)
	}
	return &job
}

type resultsFile struct {
	JobID        string           `json:"jobId"`
	Status       bulk.JobStatus   `json:"status"`
	TotalRecords int              `json:"totalRecords"`
	Summary      bulk.Summary     `json:"summary"`
	Results      []bulk.RowResult `json:"results"`
}

// results returns the text of the results file of an ended job.
func results(tb testing.TB, cfg bulk.Config, job *bulk.Job) []byte {
	tb.Helper()
	r, err := newImporter(tb, cfg).Results(tb.Context(), job)
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// readResults decodes a results file, after checking that it adds up: a result for
// each row, in order, of which the summary is right.
func readResults(tb testing.TB, text []byte, rows int) resultsFile {
	tb.Helper()
	var f resultsFile
	if err := json.Unmarshal(text, &f); err != nil {
		tb.Fatalf("results file: %v", err)
	}
	if len(f.Results) != rows || f.TotalRecords != rows {
		tb.Fatalf("%d results and the total %d for %d rows", len(f.Results), f.TotalRecords, rows)
	}
	var sum bulk.Summary
	for i, r := range f.Results {
		if r.Index != i {
			tb.Fatalf("result %d has the index %d", i, r.Index)
		}
		switch r.Status {
		case bulk.StatusCreated:
			sum.Created++
		case bulk.StatusUpdated:
			sum.Updated++
		case bulk.StatusUnchanged:
			sum.Unchanged++
		case bulk.StatusSkipped:
			sum.Skipped++
		case bulk.StatusFailed:
			sum.Failed++
		case bulk.StatusNotProcessed:
			sum.NotProcessed++
		}
	}
	if sum != f.Summary {
		tb.Fatalf("the summary is %+v, the results are %+v", f.Summary, sum)
	}
	return f
}
