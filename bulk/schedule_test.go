package bulk_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// crashAfterCommit runs the job until its first commit that concerns the user: it is
// applied, and the worker is dead before it knows.
func (f *fixture) crashAfterCommit(t *testing.T, job *bulk.Job, user string) {
	t.Helper()
	c := &chaos{rand: rand.New(rand.NewPCG(1, 2))}
	written := false
	store := &slowStore{Store: f.mem, hook: func(ctx context.Context, writes []bulk.Write) []error {
		outcomes := f.mem.Commit(ctx, tenant, writes)
		for i, w := range writes {
			if (w.User.ID == user || user == "") && outcomes[i] == nil {
				written = true
				c.mu.Lock()
				c.dead = true
				c.mu.Unlock()
				return same(errDead, len(writes))
			}
		}
		return outcomes
	}}
	cfg := f.cfg
	cfg.Store, cfg.Blobs, cfg.Jobs = chaosStore{store, c}, chaosBlobs{f.blobs, c}, chaosJobs{f.jobs, c}
	w, err := bulk.NewWorker(cfg)
	require.NoError(t, err)
	require.Error(t, w.RunJob(t.Context(), job.ID))
	require.True(t, written)
	require.False(t, f.get(job.ID).Status.Ended())
}

// imports makes imports of one row each.
func (f *fixture) imports(t *testing.T, n int, row func(i int) string) {
	t.Helper()
	cfg := f.cfg
	cfg.Store = f.mem
	im, err := bulk.NewImporter(cfg)
	require.NoError(t, err)
	for i := range n {
		report, err := im.Import(t.Context(), bulk.Request{Principal: admin, Rows: rows(row(i)), Options: bulk.DefaultOptions()})
		require.NoError(t, err)
		require.Contains(t, []bulk.Status{bulk.StatusCreated, bulk.StatusUpdated}, report.Results[0].Status, "import %d: %v", i, report.Results[0])
	}
}

// others are rows of other imports of user a, each of which changes it: fields,
// removals and addresses, and at last a field that the job gives too.
func others(i int) string {
	switch i % 4 {
	case 1:
		return fmt.Sprintf(`{"userId":"a","email":"a%d@x.io"}`, i)
	case 2:
		return fmt.Sprintf(`{"userId":"a","customFields":{"own":null,"t":%d}}`, i)
	case 3:
		return fmt.Sprintf(`{"userId":"a","metadata":{"m":%d}}`, i)
	default:
		return fmt.Sprintf(`{"userId":"a","customFields":{"n":%d}}`, i)
	}
}

// TestOthersWriteBetweenCrashAndResume lets a job create a user, its worker die, and
// other imports change the user: the row's result is what it did, and nothing newer
// is overwritten.
func TestOthersWriteBetweenCrashAndResume(t *testing.T) {
	many := []string{`{"userId":"a","email":"a@x.io","customFields":{"n":"job","own":1}}`}
	for i := range 400 {
		many = append(many, fmt.Sprintf(`{"userId":"a","customFields":{"n":"job%d"}}`, i/2))
	}
	check := func(t *testing.T, texts []string, n int) {
		bubble(t, func(t *testing.T, f *fixture) {
			job, err := f.importer().Submit(t.Context(), bulk.Request{Principal: admin, Rows: rows(texts...), Options: bulk.DefaultOptions()})
			require.NoError(t, err)
			f.crashAfterCommit(t, job, "a")
			before, _ := f.mem.Get(tenant, "a")
			written, _ := before.CustomFields.Get("n")
			f.imports(t, n, others)
			want, _ := f.mem.Get(tenant, "a")
			_, file := f.finish(job.ID)
			got, _ := f.mem.Get(tenant, "a")
			if r := file.Results[0]; n > 64 && r.Status == bulk.StatusFailed {
				assert.Equal(t, bulk.CodeOutcomeUnknown, r.Errors[0].Code)
			} else {
				require.Equal(t, bulk.StatusCreated, r.Status, "%d others, %v", n, r.Errors)
			}
			if len(texts) == 1 || n > 64 {
				require.Equal(t, want, got, "%d others", n)
				return
			}
			// The rows behind those that were written are done by the resume, each once.
			for i, r := range file.Results[1:] {
				status := bulk.StatusUpdated
				if i%2 == 1 {
					status = bulk.StatusUnchanged
				}
				if i%2 == 1 && string(written) == fmt.Sprintf(`"job%d"`, i/2) && r.Status == bulk.StatusUpdated {
					continue // the others have written between this row and the one before
				}
				require.Equal(t, status, r.Status, "row %d, %d others", i+1, n)
			}
			require.Equal(t, want.Email, got.Email)
			require.Equal(t, want.Metadata, got.Metadata)
		})
	}
	for n := 1; n <= 64; n++ {
		check(t, many[:1], n)
	}
	for _, n := range []int{1, 2, 5, 63, 64} {
		check(t, many, n)
	}
	check(t, many[:1], 1000)
	check(t, many, 1000)
}

// TestAddressMovesBetweenCrashAndResume has a row that names its user by email, which
// belongs to another user, or to nobody, when the job is resumed.
func TestAddressMovesBetweenCrashAndResume(t *testing.T) {
	for name, after := range map[string]string{
		"ToANewUser":  `{"userId":"new","email":"z@x.io"}`,
		"ToAnOldUser": `{"userId":"other","email":"z@x.io"}`,
		"Away":        `{"userId":"other","customFields":{"x":1}}`,
	} {
		for _, exists := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/exists=%t", name, exists), func(t *testing.T) {
				bubble(t, func(t *testing.T, f *fixture) {
					require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "other", Email: "other@x.io"}))
					job, err := f.importer().Submit(t.Context(), bulk.Request{Principal: admin, Options: bulk.DefaultOptions(), Rows: rows(
						`{"email":"z@x.io","customFields":{"k":1}}`, `{"userId":"last","email":"last@x.io"}`)})
					require.NoError(t, err)
					id, status := bulk.GeneratedUserID(job.ID, 0), bulk.StatusCreated
					if exists {
						id, status = "old", bulk.StatusUpdated
						require.NoError(t, f.mem.Put(tenant, bulk.User{ID: id, Email: "z@x.io"}))
					}
					f.crashAfterCommit(t, job, id)
					f.imports(t, 1, func(int) string { return fmt.Sprintf(`{"userId":%q,"email":"moved@x.io"}`, id) })
					f.imports(t, 1, func(int) string { return after })
					_, file := f.finish(job.ID)
					assert.Equal(t, status, file.Results[0].Status)
					assert.Equal(t, id, file.Results[0].UserID)
					for _, user := range f.mem.Users(tenant) {
						_, has := user.CustomFields.Get("k")
						assert.Equal(t, user.ID == id, has, "%s: the row is applied to one user in all", user.ID)
					}
				})
			})
		}
	}
}

// TestCrashThenCancelOrFailure kills the worker at every call, and then the job is
// cancelled or fails: every row that was written has its result.
func TestCrashThenCancelOrFailure(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, f *fixture, job *bulk.Job){
		"Cancelled": func(t *testing.T, f *fixture, job *bulk.Job) {
			_, err := f.importer().Cancel(t.Context(), admin, job.ID)
			require.NoError(t, err)
		},
		"PayloadGone": func(t *testing.T, f *fixture, job *bulk.Job) {
			require.NoError(t, f.blobs.Delete(t.Context(), job.Payload))
		},
	} {
		t.Run(name, func(t *testing.T) {
			unreached, reached := 0, true
			for die := 1; reached; die++ {
				for _, applied := range []bool{false, true} {
					bubble(t, func(t *testing.T, f *fixture) {
						f.cfg.SegmentRows = 50
						job := f.submit(230, bulk.DefaultOptions())
						c := &chaos{rand: rand.New(rand.NewPCG(3, 2)), dieAt: die, applied: applied}
						cfg := f.cfg
						cfg.Store, cfg.Blobs, cfg.Jobs = chaosStore{f.mem, c}, chaosBlobs{f.blobs, c}, chaosJobs{f.jobs, c}
						w, err := bulk.NewWorker(cfg)
						require.NoError(t, err)
						w.RunJob(t.Context(), job.ID)
						reached = c.calls >= die
						if f.get(job.ID).Status.Ended() {
							return
						}
						end(t, f, job)
						done, file := f.finish(job.ID)
						if done.Status == bulk.JobCompleted {
							return // all rows were done before
						}
						unreached += file.Summary.NotProcessed
						require.Equal(t, f.mem.Len(tenant), file.Summary.Created, "killed at %d, applied %t", die, applied)
						for _, r := range file.Results {
							if r.Status != bulk.StatusCreated {
								require.Equal(t, bulk.StatusNotProcessed, r.Status, "killed at %d, row %d: %v", die, r.Index, r.Errors)
							}
						}
					})
				}
			}
			assert.NotZero(t, unreached)
		})
	}
}

// TestCommitAfterTakeoverAndCancel has the network hold back the commit of a worker
// until the job was taken over and cancelled: nothing changes any more.
func TestCommitAfterTakeoverAndCancel(t *testing.T) {
	for _, exists := range []bool{false, true} {
		t.Run(fmt.Sprintf("exists=%t", exists), func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				if exists {
					for i := range 20 {
						require.NoError(t, f.mem.Put(tenant, bulk.User{ID: fmt.Sprintf("u%05d", i), CustomFields: parse(t, `{"old":1}`)}))
					}
				}
				job := f.submit(100, bulk.DefaultOptions())
				hold := make(chan struct{})
				var (
					mu   sync.Mutex
					held [][]error
				)
				partitioned := f.cfg
				partitioned.Store = &slowStore{Store: f.mem, hook: func(ctx context.Context, writes []bulk.Write) []error {
					<-hold
					outcomes := f.mem.Commit(context.WithoutCancel(ctx), tenant, writes)
					mu.Lock()
					defer mu.Unlock()
					held = append(held, outcomes)
					return outcomes
				}}
				partitioned.Jobs = &cutQueue{JobQueue: f.jobs, after: time.Now()}
				w, err := bulk.NewWorker(partitioned)
				require.NoError(t, err)
				assert.Error(t, w.RunJob(t.Context(), job.ID))
				_, err = f.importer().Cancel(t.Context(), admin, job.ID)
				require.NoError(t, err)
				done, file := f.finish(job.ID)
				require.Equal(t, bulk.JobCancelled, done.Status)
				assert.Equal(t, 0, file.Summary.NotProcessed, "what was in the journal is done")
				before, err := f.mem.Lookup(t.Context(), tenant, []bulk.Ref{{ID: "u00000"}, {ID: "u00019"}})
				require.NoError(t, err)
				users := f.mem.Users(tenant)

				close(hold)
				synctest.Wait()
				mu.Lock()
				defer mu.Unlock()
				require.NotEmpty(t, held, "no call was late")
				for _, outcomes := range held {
					for _, err := range outcomes {
						assert.Error(t, err)
					}
				}
				after, err := f.mem.Lookup(t.Context(), tenant, []bulk.Ref{{ID: "u00000"}, {ID: "u00019"}})
				require.NoError(t, err)
				assert.Equal(t, before, after, "not even a version")
				assert.Equal(t, users, f.mem.Users(tenant))
			})
		})
	}
}
