package bulk_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/logtest"
	"github.com/bulkops/bulkops/internal/test/race"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

const tenant = "acme"

var admin = bulk.Principal{ID: "root", Tenant: tenant, Role: bulk.RoleAdmin}

// A scenario is a job over few users that many of its rows name, in every way.
type scenario struct {
	seed uint64
	opts bulk.Options
	seeds,
	rows []modelRow
}

func newScenario(seed uint64) scenario {
	r := rand.New(rand.NewPCG(seed, 1))
	s := scenario{seed: seed, opts: bulk.Options{Upsert: r.IntN(6) > 0, SkipDuplicates: r.IntN(8) == 0}}
	people, rows := 2+r.IntN(8), 5+r.IntN(60)
	if seed%4 == 3 { // many batches, so that lookups and commits overlap
		people, rows = 5+r.IntN(100), 100+r.IntN(300)
	}
	row := func() modelRow {
		var row modelRow
		if r.IntN(3) > 0 {
			row.ID = fmt.Sprintf("u%d", r.IntN(people))
		}
		if row.ID == "" || r.IntN(2) == 0 {
			row.Email = fmt.Sprintf("e%d@x.io", r.IntN(people))
			if r.IntN(4) == 0 {
				row.Email = strings.ToUpper(row.Email[:1]) + row.Email[1:]
			}
		}
		row.Fields = map[string]number{}
		for range r.IntN(3) {
			value := number(fmt.Sprint(r.IntN(3)))
			if value == "0" {
				value = "null"
			}
			row.Fields[fmt.Sprintf("f%d", r.IntN(3))] = value
		}
		return row
	}
	for range r.IntN(people) {
		s.seeds = append(s.seeds, row())
	}
	for range rows {
		s.rows = append(s.rows, row())
	}
	return s
}

// outcome is what a row came to, in the words of the model.
type outcome struct {
	Index  int
	Status bulk.Status
	Code   bulk.RowCode
	UserID string
}

// end is how everything stands at the end.
type end struct {
	Outcomes []outcome
	Users    map[string]modelUser
}

// world is backends with a pending job of a scenario.
type world struct {
	store *memstore.Store
	blobs *memblob.Store
	jobs  *memjobs.Queue
	job   *bulk.Job
	cfg   bulk.Config
}

func newWorld(t *testing.T, s scenario) *world {
	t.Helper()
	w := &world{store: memstore.New(), blobs: memblob.New(), jobs: memjobs.New()}
	m := newModel()
	for i, row := range s.seeds {
		m.apply(row, bulk.DefaultOptions(), fmt.Sprintf("seed%d", i))
	}
	for id, u := range m.users {
		fields := map[string]any{}
		for k, v := range u.fields {
			fields[k] = json.RawMessage(v)
		}
		f, err := bulk.NewFields(fields)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.store.Put(tenant, bulk.User{ID: id, Email: u.email, CustomFields: f}); err != nil {
			t.Fatal(err)
		}
	}
	w.cfg = bulk.Config{
		Store: w.store, Blobs: w.blobs, Jobs: w.jobs,
		Parallel: 4, SegmentRows: 7 + int(s.seed%3)*20, Lease: 30 * time.Second, MaxAttempts: 50,
		Logger: logtest.New(t),
	}
	im, err := bulk.NewImporter(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]bulk.Row, len(s.rows))
	for i, r := range s.rows {
		rows[i] = r.row()
	}
	w.job, err = im.Submit(t.Context(), bulk.Request{Principal: admin, Rows: &rowSlice{rows}, Options: s.opts})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

type rowSlice struct{ rows []bulk.Row }

func (s *rowSlice) Next() (bulk.Row, error) {
	if len(s.rows) == 0 {
		return bulk.Row{}, io.EOF
	}
	row := s.rows[0]
	s.rows = s.rows[1:]
	return row, nil
}

// attempt runs the job once through chaos.
func (w *world) attempt(ctx context.Context, c *chaos) error {
	cfg := w.cfg
	cfg.Store, cfg.Blobs, cfg.Jobs = chaosStore{w.store, c}, chaosBlobs{w.blobs, c}, chaosJobs{w.jobs, c}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		return err
	}
	return worker.RunJob(ctx, w.job.ID)
}

// run runs the job until it has ended.
func (w *world) run(t *testing.T, next func(attempt int) *chaos) {
	t.Helper()
	for n := range 40 {
		err := w.attempt(t.Context(), next(n))
		job, getErr := w.jobs.Get(t.Context(), w.job.ID)
		if getErr != nil {
			t.Fatal(getErr)
		}
		if job.Status.Ended() {
			w.job = &job
			return
		}
		if err == nil {
			t.Fatalf("attempt %d left the job without an error: %+v", n, job)
		}
		time.Sleep(10 * time.Minute) // past the lease and any delay
	}
	t.Fatal("the job does not end")
}

type resultsFile struct {
	JobID        string           `json:"jobId"`
	Status       bulk.JobStatus   `json:"status"`
	TotalRecords int              `json:"totalRecords"`
	Summary      bulk.Summary     `json:"summary"`
	Results      []bulk.RowResult `json:"results"`
}

func readResultsFile(t *testing.T, cfg bulk.Config, job *bulk.Job) (resultsFile, []byte) {
	t.Helper()
	im, err := bulk.NewImporter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r, err := im.Results(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var f resultsFile
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatalf("results file: %v\n%s", err, text)
	}
	return f, text
}

// end reads how the world stands, after checking that everything adds up.
func (w *world) end(t *testing.T) end {
	t.Helper()
	if w.job.Status != bulk.JobCompleted {
		t.Fatalf("job is %s: %+v", w.job.Status, w.job.Error)
	}
	f, _ := readResultsFile(t, w.cfg, w.job)
	if len(f.Results) != w.job.TotalRecords || f.TotalRecords != w.job.TotalRecords {
		t.Fatalf("%d results, total %d, for %d rows", len(f.Results), f.TotalRecords, w.job.TotalRecords)
	}
	var sum bulk.Summary
	e := end{Users: map[string]modelUser{}}
	for i, r := range f.Results {
		if r.Index != i {
			t.Fatalf("result %d has index %d", i, r.Index)
		}
		o := outcome{Index: i, Status: r.Status, UserID: r.UserID}
		if len(r.Errors) > 0 {
			o.Code = r.Errors[0].Code
		}
		e.Outcomes = append(e.Outcomes, o)
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
		}
	}
	if sum != f.Summary || sum != w.job.Summary() {
		t.Fatalf("counts: results %+v, file %+v, job %+v", sum, f.Summary, w.job.Summary())
	}
	for _, u := range w.store.Users(tenant) {
		mu := modelUser{email: u.Email, fields: map[string]string{}}
		for name, value := range u.CustomFields.All() {
			mu.fields[name] = string(value)
		}
		e.Users[u.ID] = mu
	}
	return e
}

// expected is the end that the model comes to.
func (s scenario) expected(job string) end {
	m := newModel()
	for i, row := range s.seeds {
		m.apply(row, bulk.DefaultOptions(), fmt.Sprintf("seed%d", i))
	}
	e := end{Users: map[string]modelUser{}}
	for i, row := range s.rows {
		status, code, id := m.apply(row, s.opts, bulk.GeneratedUserID(job, i))
		e.Outcomes = append(e.Outcomes, outcome{i, status, code, id})
	}
	for id, u := range m.users {
		e.Users[id] = *u
	}
	return e
}

func check(t *testing.T, s scenario, w *world, how string) {
	t.Helper()
	got, want := w.end(t), s.expected(w.job.ID)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(modelUser{})); diff != "" {
		var rows []string
		for i, r := range s.rows {
			text, _ := json.Marshal(r)
			rows = append(rows, fmt.Sprintf("%d %s", i, text))
		}
		t.Fatalf("seed %d, %s, options %+v: (-want +got)\n%s\nseeds %v\nrows\n%s",
			s.seed, how, s.opts, diff, s.seeds, strings.Join(rows, "\n"))
	}
}

func newChaos(seed uint64) *chaos { return &chaos{rand: rand.New(rand.NewPCG(seed, 2))} }

// TestJobMatchesModel runs jobs whose rows collide in every way and compares the
// results and the users with rows applied one after the other.
func TestJobMatchesModel(t *testing.T) {
	for seed := range uint64(scenarios(t, 300)) {
		synctest.Test(t, func(t *testing.T) {
			s := newScenario(seed)
			w := newWorld(t, s)
			w.run(t, func(int) *chaos { return newChaos(seed) })
			check(t, s, w, "undisturbed")
		})
	}
}

// TestJobMatchesModelUnderFaults does the same with calls that fail, before or
// after they had their effect.
func TestJobMatchesModelUnderFaults(t *testing.T) {
	for seed := range uint64(scenarios(t, 200)) {
		synctest.Test(t, func(t *testing.T) {
			s := newScenario(seed)
			w := newWorld(t, s)
			w.run(t, func(n int) *chaos {
				c := newChaos(seed + uint64(n)*1000)
				c.faults = 0.2
				return c
			})
			check(t, s, w, "under faults")
		})
	}
}

// TestJobSurvivesEveryCrash kills the worker at every call that it makes to a
// backend, before and after the call's effect; with the race detector at every fifth.
func TestJobSurvivesEveryCrash(t *testing.T) {
	step := 1
	if race.Enabled {
		step = 5
	}
	for seed := range uint64(scenarios(t, 7)) { // one of them large
		s := newScenario(seed)
		calls := 1
		for die := 1; die <= calls; die += step {
			for _, applied := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, s)
					w.run(t, func(n int) *chaos {
						c := newChaos(seed)
						if n == 0 {
							c.dieAt, c.applied = die, applied
							t.Cleanup(func() { calls = max(calls, c.calls) })
						}
						return c
					})
					check(t, s, w, fmt.Sprintf("killed at call %d, applied %t", die, applied))
				})
			}
		}
	}
}

// TestJobSurvivesManyCrashes kills every worker after a few calls.
func TestJobSurvivesManyCrashes(t *testing.T) {
	for seed := range uint64(scenarios(t, 150)) {
		synctest.Test(t, func(t *testing.T) {
			s := newScenario(seed)
			w := newWorld(t, s)
			w.run(t, func(n int) *chaos {
				c := newChaos(seed*100 + uint64(n))
				if n < 25 {
					c.dieAt, c.applied = 3+c.rand.IntN(15), c.rand.IntN(2) == 0
				}
				return c
			})
			check(t, s, w, "killed again and again")
		})
	}
}

// scenarios returns how many scenarios to run.
func scenarios(t *testing.T, n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}
