package bulk_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// rowsThatFail are rows of which some fail: by a letter each, "c" creates, "x" is
// of a user who exists, and "i" is invalid.
func rowsThatFail(pattern string) (texts []string, exist []bulk.User) {
	for i, kind := range pattern {
		switch kind {
		case 'c':
			texts = append(texts, fmt.Sprintf(`{"userId":"new%d","email":"new%d@x.io"}`, i, i))
		case 'x':
			texts = append(texts, fmt.Sprintf(`{"userId":"old%d"}`, i))
			exist = append(exist, bulk.User{ID: fmt.Sprintf("old%d", i)})
		case 'i':
			texts = append(texts, `{"email":"nonsense"}`)
		}
	}
	return texts, exist
}

// reached is how many rows an import reaches that takes one batch after the other.
func reached(pattern string, most int) int {
	failed, next := 0, 0
	for next < len(pattern) && failed <= most {
		for valid, read := 0, 0; next < len(pattern) && valid < bulk.MaxBatch && read < 4*bulk.MaxBatch; read++ {
			if pattern[next] != 'i' {
				valid++
			}
			if pattern[next] != 'c' {
				failed++
			}
			next++
		}
	}
	return next
}

// TestMaxFailed checks that an import stops before the batch after the one in which
// more rows have failed than may, however many batches run at a time.
func TestMaxFailed(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	patterns := []string{"cxcxx", "ic", "ci", "xxxxxxxxxxxxxxxxxxxxxxxxx", "xxxxxxxxxxxxxxxxxxxxxxxxxx", "i"}
	for range 6 {
		text := make([]byte, 30+random.IntN(400))
		fails := random.Float64() / 4
		for i := range text {
			text[i] = 'c'
			if random.Float64() < fails {
				text[i] = "xi"[random.IntN(2)]
			}
		}
		patterns = append(patterns, string(text))
	}
	for _, pattern := range patterns {
		for _, most := range []int{0, 1, 10, 40, 10_000} {
			for _, parallel := range []int{1, 8} {
				for _, way := range []string{"sync", "job", "dry job"} {
					name := fmt.Sprintf("%.40s (%d rows), maxFailed %d, parallel %d, %s", pattern, len(pattern), most, parallel, way)
					bubble(t, func(t *testing.T, f *fixture) {
						f.cfg.Parallel, f.cfg.SyncThreshold = parallel, 1000
						texts, exist := rowsThatFail(pattern)
						require.NoError(t, f.mem.Put(tenant, exist...))
						req := bulk.Request{Principal: admin, Rows: rows(texts...), Options: bulk.Options{MaxFailed: new(most), DryRun: way == "dry job"}}
						var (
							results []bulk.RowResult
							failure *bulk.JobError
						)
						if way == "sync" {
							report, err := f.importer().Import(t.Context(), req)
							require.NoError(t, err, name)
							results, failure = report.Results, report.Error
						} else {
							job, err := f.importer().Submit(t.Context(), req)
							require.NoError(t, err, name)
							job, file := f.finish(job.ID)
							results, failure = file.Results, job.Error
							want := bulk.JobCompleted
							if failure != nil {
								want = bulk.JobCancelled
							}
							assert.Equal(t, want, job.Status, name)
						}
						until := reached(pattern, most)
						require.Len(t, results, len(pattern), name)
						for i, r := range results {
							want := map[byte]bulk.Status{'c': bulk.StatusCreated, 'x': bulk.StatusFailed, 'i': bulk.StatusFailed}[pattern[i]]
							if i >= until {
								want = bulk.StatusNotProcessed
							}
							require.Equal(t, want, r.Status, "%s: row %d", name, i)
						}
						if until == len(pattern) {
							assert.Nil(t, failure, "%s: rule: where no row is left, nothing is stopped", name)
						} else if assert.NotNil(t, failure, name) {
							assert.Equal(t, bulk.JobErrorTooManyFailed, failure.Code, name)
						}
					})
				}
			}
		}
	}
}

// TestMaxFailedSurvivesCrashes kills a worker at each of its calls. Whatever the
// next one makes of it, the status fits the counts, and rows that were not processed
// were not written.
func TestMaxFailedSurvivesCrashes(t *testing.T) {
	pattern := "cccccccccxcccccccccccccccccccccccxxccccccccccccccccccccccicxcccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccxcccc"
	for _, opts := range []bulk.Options{
		{MaxFailed: new(1)}, {MaxFailed: new(3)}, {MaxFailed: new(5)}, {MaxFailed: new(3), SendWelcomeEmail: true}, {MaxFailed: new(3), DryRun: true},
	} {
		for dieAt, calls := 1, 1; dieAt <= calls; dieAt++ {
			bubble(t, func(t *testing.T, f *fixture) {
				name := fmt.Sprintf("maxFailed %d, mails %v, dry %v, death at call %d", *opts.MaxFailed, opts.SendWelcomeEmail, opts.DryRun, dieAt)
				f.cfg.SegmentRows = 20
				texts, exist := rowsThatFail(pattern)
				require.NoError(t, f.mem.Put(tenant, exist...))
				job, err := f.importer().Submit(t.Context(), bulk.Request{Principal: admin, Rows: rows(texts...), Options: opts})
				require.NoError(t, err)
				c := &chaos{rand: rand.New(rand.NewPCG(3, uint64(dieAt))), dieAt: dieAt, applied: dieAt%2 == 0}
				cfg := f.cfg
				cfg.Store, cfg.Blobs, cfg.Jobs = chaosStore{f.mem, c}, chaosBlobs{f.blobs, c}, chaosJobs{f.jobs, c}
				w, err := bulk.NewWorker(cfg)
				require.NoError(t, err)
				_ = w.RunJob(t.Context(), job.ID) // it dies, as is checked below
				time.Sleep(time.Hour)
				calls = max(calls, c.calls)

				ended, file := f.finish(job.ID)
				s := file.Summary
				switch ended.Status {
				case bulk.JobCompleted:
					assert.Zero(t, s.NotProcessed, name)
					assert.Nil(t, ended.Error, name)
				case bulk.JobCancelled:
					assert.Greater(t, s.Failed, *opts.MaxFailed, name)
					assert.Positive(t, s.NotProcessed, name)
					if assert.NotNil(t, ended.Error, name) {
						assert.Equal(t, bulk.JobErrorTooManyFailed, ended.Error.Code, name)
					}
				default:
					t.Errorf("%s: the job is %s", name, ended.Status)
				}
				if most := *opts.MaxFailed; most < 5 {
					assert.Equal(t, bulk.JobCancelled, ended.Status, name)
					assert.LessOrEqual(t, s.Processed(), reached(pattern, most), "%s: rule: no batch is begun after that", name)
				}
				for i, r := range file.Results {
					if _, there := f.mem.Get(tenant, fmt.Sprintf("new%d", i)); there != (r.Status == bulk.StatusCreated) && !opts.DryRun {
						t.Errorf("%s: row %d is %s, and its user is there: %v", name, i, r.Status, there)
					}
				}
			})
		}
	}
}

// Too many rows fail in the last batch, and workers die at each of their calls: the
// next one does not stop what was done already.
func TestMaxFailedInTheLastBatch(t *testing.T) {
	texts, _ := rowsThatFail(strings.Repeat("c", 30) + "ii" + strings.Repeat("c", 17))
	texts = append(texts, `{"userId":"new48","email":"moved@x.io"}`) // which is done after all others
	for _, mails := range []bool{false, true} {
		completed := 0
		for dieAt, calls := 1, 1; dieAt <= calls; dieAt++ {
			bubble(t, func(t *testing.T, f *fixture) {
				name := fmt.Sprintf("mails %v, death at call %d", mails, dieAt)
				f.cfg.SegmentRows = 5
				job, err := f.importer().Submit(t.Context(), bulk.Request{
					Principal: admin, Rows: rows(texts...), Options: bulk.Options{Upsert: true, MaxFailed: new(1), SendWelcomeEmail: mails},
				})
				require.NoError(t, err)
				c := &chaos{rand: rand.New(rand.NewPCG(7, uint64(dieAt))), dieAt: dieAt, applied: true}
				cfg := f.cfg
				slow := &slowStore{Store: f.mem, takes: time.Second} // so that progress is saved before the end
				cfg.Store, cfg.Blobs, cfg.Jobs = chaosStore{slow, c}, chaosBlobs{f.blobs, c}, chaosJobs{f.jobs, c}
				w, err := bulk.NewWorker(cfg)
				require.NoError(t, err)
				_ = w.RunJob(t.Context(), job.ID)
				calls = max(calls, c.calls)
				time.Sleep(time.Hour)
				last, _ := f.mem.Get(tenant, "new48")
				if before := f.get(job.ID); before.Progress.Rows > 35 && !before.Status.Ended() && last.Email == "moved@x.io" {
					completed++ // all rows are done, and it is known that too many have failed
				}
				ended, file := f.finish(job.ID)
				if file.Summary.NotProcessed == 0 {
					assert.Equal(t, bulk.JobCompleted, ended.Status, name)
					assert.Nil(t, ended.Error, name)
				} else {
					assert.Equal(t, bulk.JobCancelled, ended.Status, name)
				}
			})
		}
		assert.Positive(t, completed, "the case was not met")
	}
}

// A request that is sent again after the process died in its middle stops where the
// first would have.
func TestMaxFailedUnderAKey(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		texts, exist := rowsThatFail("cccccccccccccccccccccccccxccccccccccccccccccccccccccc")
		require.NoError(t, f.mem.Put(tenant, exist...))
		req := func() bulk.Request {
			return bulk.Request{Principal: admin, Rows: rows(texts...), Options: bulk.Options{MaxFailed: new(0)}, IdempotencyKey: "k"}
		}
		first, err := f.importer().Accept(t.Context(), req())
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 49, Failed: 1, NotProcessed: 3}, first.Report.Summary)
		require.NotNil(t, first.Report.Error)
		again, err := f.importer().Accept(t.Context(), req())
		require.NoError(t, err)
		assert.True(t, again.Replayed)
		assert.Equal(t, first.Report, again.Report)
	})
}
