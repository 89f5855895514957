package bulk_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// errBroken is a connection that broke: the call may still have its effect, at any
// time.
var errBroken = fmt.Errorf("read tcp: %w", io.ErrUnexpectedEOF)

// A network carries the writes of a test to its store. It keeps all of them.
type network struct {
	f      *fixture
	writes []bulk.Write
	// deliver says what becomes of call n, from 0: not, or done, and the answer.
	deliver func(n int, commit func() []error) []error
}

func (f *fixture) network(deliver func(n int, commit func() []error) []error) *network {
	n := &network{f: f, deliver: deliver}
	calls := 0
	f.store.hook = func(ctx context.Context, writes []bulk.Write) []error {
		n.writes = append(n.writes, writes...)
		calls++
		return n.deliver(calls-1, func() []error { return f.mem.Commit(ctx, tenant, writes) })
	}
	return n
}

// late delivers a write once more.
func (n *network) late(t *testing.T, w bulk.Write) error {
	return n.f.mem.Commit(t.Context(), tenant, []bulk.Write{w})[0]
}

// TestRepeatedWritesAreTheSame loses calls before they have their effect.
func TestRepeatedWritesAreTheSame(t *testing.T) {
	eachWay(t, func(t *testing.T, f *fixture, job bool) {
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", CustomFields: parse(t, `{"n":0}`)}))
		n := f.network(func(n int, commit func() []error) []error {
			if n < 3 {
				return same(errBroken, 2)
			}
			return commit()
		})
		got := f.grouped(t, job, `{"userId":"a","customFields":{"n":1}}`, `{"userId":"b"}`)
		assert.Equal(t, []string{"updated", "created"}, codes(got))
		require.Len(t, n.writes, 8)
		for i, w := range n.writes[2:] {
			assert.Equal(t, n.writes[i%2], w, "the same base, mark and patch")
		}
	})
}

// TestNewDecisionsHaveFreshNonces has a row decided twice, beside another one.
func TestNewDecisionsHaveFreshNonces(t *testing.T) {
	eachWay(t, func(t *testing.T, f *fixture, job bool) {
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a"}))
		n := f.network(func(n int, commit func() []error) []error {
			if n == 0 {
				assert.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", CustomFields: parse(t, `{"host":1}`)}))
			}
			return commit()
		})
		got := f.grouped(t, job, `{"userId":"a","customFields":{"n":1}}`, `{"userId":"b"}`)
		assert.Equal(t, []string{"updated", "created"}, codes(got))
		require.Len(t, n.writes, 3)
		marks := []string{n.writes[0].Mark, n.writes[1].Mark, n.writes[2].Mark}
		slices.Sort(marks)
		assert.Len(t, slices.Compact(marks), 3, "each is the first write of its trail, so they differ by their nonces alone")
	})
}

// TestLostAnswerOfAUserWhoseAddressMoved has a row that names its user by email. Its
// write is done, the answer lost, and the address another user's by then.
func TestLostAnswerOfAUserWhoseAddressMoved(t *testing.T) {
	eachWay(t, func(t *testing.T, f *fixture, job bool) {
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", Email: "z@x.io"}))
		f.network(func(n int, commit func() []error) []error {
			outcomes := commit()
			if n == 0 {
				f.imports(t, 1, func(int) string { return `{"userId":"a","email":"a@x.io"}` })
				f.imports(t, 1, func(int) string { return `{"userId":"b","email":"z@x.io"}` })
				return same(errBroken, len(outcomes))
			}
			return outcomes
		})
		got := f.grouped(t, job, `{"email":"z@x.io","customFields":{"k":1}}`)
		assert.Equal(t, []string{"updated"}, codes(got))
		assert.Equal(t, "a", got[0].UserID)
		b, _ := f.mem.Get(tenant, "b")
		assert.Zero(t, b.CustomFields.Len(), "it is applied to one user in all")
	})
}

// TestCreateInDoubtWhoseAddressIsTaken could still land once the address is free
// again: it is not decided afresh, and nobody says that it failed.
func TestCreateInDoubtWhoseAddressIsTaken(t *testing.T) {
	eachWay(t, func(t *testing.T, f *fixture, job bool) {
		n := f.network(func(n int, commit func() []error) []error {
			if n == 0 {
				assert.NoError(t, f.mem.Put(tenant, bulk.User{ID: "b", Email: "z@x.io"}))
				return same(errBroken, 1)
			}
			return commit()
		})
		got := f.grouped(t, job, `{"userId":"a","email":"z@x.io"}`, `{"userId":"a","customFields":{"n":1}}`, `{"userId":"c","email":"z@x.io"}`)
		assert.Equal(t, []string{"OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN", "STORE_ERROR"}, codes(got),
			"a row that was decided upon the write is as unknown; one behind it fails untried")
		assert.Equal(t, "a", got[0].UserID)
		assert.False(t, got[0].Errors[0].Retryable)
		for _, w := range n.writes {
			assert.Equal(t, n.writes[0], w, "no other write is tried")
		}
		assert.True(t, f.mem.Delete(tenant, "b"))
		assert.NoError(t, n.late(t, n.writes[0]), "as it may")
	})
}

// TestUpdateInDoubtWhoseAddressIsTaken is made impossible before it is decided afresh.
func TestUpdateInDoubtWhoseAddressIsTaken(t *testing.T) {
	eachWay(t, func(t *testing.T, f *fixture, job bool) {
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a"}))
		n := f.network(func(n int, commit func() []error) []error {
			if n == 0 {
				assert.NoError(t, f.mem.Put(tenant, bulk.User{ID: "b", Email: "z@x.io"}))
				return same(errBroken, 1)
			}
			return commit()
		})
		got := f.grouped(t, job, `{"userId":"a","email":"z@x.io"}`, `{"userId":"a","customFields":{"n":1}}`)
		assert.Equal(t, []string{"EMAIL_TAKEN", "updated"}, codes(got))
		fenced := slices.ContainsFunc(n.writes, func(w bulk.Write) bool { return w.Patch.IsZero() && w.Base != nil && w.Mark != "" })
		assert.True(t, fenced, "a write of the mark alone")
		assert.True(t, f.mem.Delete(tenant, "b"))
		assert.ErrorIs(t, n.late(t, n.writes[0]), bulk.ErrConflict, "the late call changes nothing")
	})
}

// TestGivingUpInDoubt has a store that breaks every call for one user: nobody can
// tell, and rows of that user behind it fail untried.
func TestGivingUpInDoubt(t *testing.T) {
	for _, exists := range []bool{false, true} {
		eachWay(t, func(t *testing.T, f *fixture, job bool) {
			if exists {
				require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a"}))
			}
			tries := 0
			f.failWrites(func(w bulk.Write) error {
				if w.User.ID != "a" {
					return nil
				}
				tries++
				return errBroken
			})
			texts := []string{`{"userId":"a","email":"a@x.io"}`, `{"email":"a@x.io","customFields":{"k":1}}`, `{"userId":"x","email":"a@x.io"}`}
			for i := range 30 {
				texts = append(texts, fmt.Sprintf(`{"userId":"u%d"}`, i))
			}
			texts = append(texts, `{"userId":"a","customFields":{"n":2}}`)
			got := f.grouped(t, job, texts...)
			all := codes(got)
			assert.Equal(t, "OUTCOME_UNKNOWN", all[0])
			assert.Equal(t, "a", got[0].UserID)
			assert.NotContains(t, []string{"created", "updated", "unchanged"}, all[1])
			assert.Equal(t, "STORE_ERROR", all[2], "it may have the address or not")
			assert.Equal(t, slices.Repeat([]string{"created"}, 30), all[3:33])
			assert.NotContains(t, []string{"created", "updated", "unchanged"}, all[33])
			// Those of a second chance included: nobody else is left for whom the store
			// could answer.
			assert.LessOrEqual(t, tries, 22)
		})
	}
}

// heldChunks holds back the puts of chunks.
type heldChunks struct {
	bulk.BlobStore
	hold <-chan struct{}
}

func (b heldChunks) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	if strings.Contains(key, "/journal/") {
		<-b.hold
	}
	return b.BlobStore.Put(ctx, key, r, info)
}

// shortClaims claims for a second whatever the worker believes.
type shortClaims struct{ bulk.JobQueue }

func (q shortClaims) Claim(ctx context.Context, claim bulk.Claim) (bulk.Job, error) {
	claim.Lease = time.Second
	return q.JobQueue.Claim(ctx, claim)
}

// TestChunkThatComesAfterTheEnd has a worker that slept while others ended the job:
// its chunk is put, since the journal is gone, and nothing follows it.
func TestChunkThatComesAfterTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		hold := make(chan struct{})
		job := f.submit(150, bulk.DefaultOptions())
		slept := f.cfg
		slept.Blobs, slept.Jobs = heldChunks{f.blobs, hold}, shortClaims{f.jobs}
		slept.Lease, slept.CallTimeout, slept.Poll = 10*time.Hour, 10*time.Hour, 10*time.Hour
		store := &slowStore{Store: f.mem}
		slept.Store = store
		w, err := bulk.NewWorker(slept)
		require.NoError(t, err)
		var worker sync.WaitGroup
		worker.Go(func() { assert.ErrorIs(t, w.RunJob(t.Context(), job.ID), bulk.ErrLeaseLost) })
		time.Sleep(2 * time.Second)
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		require.Equal(t, bulk.JobCompleted, f.get(job.ID).Status)
		for _, user := range f.mem.Users(tenant) {
			f.mem.Delete(tenant, user.ID)
		}
		close(hold)
		worker.Wait()
		assert.Zero(t, store.commits.Load())
		assert.Zero(t, f.mem.Len(tenant))
	})
}

// TestLateCallBeforeItsRepetition lands between the lookup and the second try: the
// conflict is with the import's own write.
func TestLateCallBeforeItsRepetition(t *testing.T) {
	for _, exists := range []bool{false, true} {
		eachWay(t, func(t *testing.T, f *fixture, job bool) {
			want := "created"
			if exists {
				want = "updated"
				require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a"}))
			}
			f.network(func(n int, commit func() []error) []error {
				switch n {
				case 0:
					return same(errBroken, 1)
				case 1:
					require.NoError(t, commit()[0], "the first call")
				}
				return commit()
			})
			got := f.grouped(t, job, `{"userId":"a","customFields":{"n":1}}`)
			assert.Equal(t, []string{want}, codes(got))
		})
	}
}

// dieBeforeCommit submits a job and has its worker die in front of its only commit, which
// may still be on its way.
func (f *fixture) dieBeforeCommit(t *testing.T, texts ...string) (jobID string, n *network) {
	t.Helper()
	c := &chaos{rand: rand.New(rand.NewPCG(1, 2))}
	n = f.network(func(n int, commit func() []error) []error {
		if n > 0 {
			return commit()
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.dead = true
		return same(errDead, len(texts))
	})
	return f.dies(t, c, texts...), n
}

// dies submits a job and runs it with a worker that chaos lets die.
func (f *fixture) dies(t *testing.T, c *chaos, texts ...string) (jobID string) {
	t.Helper()
	job, err := f.importer().Submit(t.Context(), bulk.Request{Principal: admin, Options: bulk.DefaultOptions(), Rows: rows(texts...)})
	require.NoError(t, err)
	cfg := f.cfg
	cfg.Store, cfg.Blobs, cfg.Jobs = chaosStore{f.store, c}, chaosBlobs{f.blobs, c}, chaosJobs{f.jobs, c}
	w, err := bulk.NewWorker(cfg)
	require.NoError(t, err)
	require.Error(t, w.RunJob(t.Context(), job.ID))
	return job.ID
}

// TestInheritedWriteWhoseAddressIsTaken lets the worker die in front of its commit,
// which may still be on its way when the address is another user's.
func TestInheritedWriteWhoseAddressIsTaken(t *testing.T) {
	for exists, want := range map[bool][]string{false: {"OUTCOME_UNKNOWN", "STORE_ERROR"}, true: {"EMAIL_TAKEN", "EMAIL_TAKEN"}} {
		t.Run(fmt.Sprintf("exists=%t", exists), func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				if exists {
					require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a"}))
				}
				jobID, n := f.dieBeforeCommit(t, `{"userId":"a","email":"z@x.io"}`, `{"userId":"c","email":"z@x.io"}`)
				require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "b", Email: "z@x.io"}))
				_, file := f.finish(jobID)
				assert.Equal(t, want, codes(file.Results), "a row of an address that may be the first one's fails untried")
				require.True(t, f.mem.Delete(tenant, "b"))
				if exists {
					assert.ErrorIs(t, n.late(t, n.writes[0]), bulk.ErrConflict)
				}
			})
		})
	}
}

// TestRowsBehindAnUnknownOne has another program give a user the address that a create
// in doubt wanted. A row that names only the user does not stand behind that create.
func TestRowsBehindAnUnknownOne(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "b"}))
		jobID, _ := f.dieBeforeCommit(t, `{"email":"z@x.io"}`, `{"userId":"b","customFields":{"n":1}}`)
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "b", Email: "z@x.io"}))
		_, file := f.finish(jobID)
		assert.Equal(t, []string{"OUTCOME_UNKNOWN", "updated"}, codes(file.Results))
	})
}

// TestRowBehindAnUnknownUpdate wants the email that the row before it would free. That
// one is given up, and may still be done.
func TestRowBehindAnUnknownUpdate(t *testing.T) {
	for _, exists := range []bool{false, true} {
		eachWay(t, func(t *testing.T, f *fixture, job bool) {
			require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", Email: "old@x.io"}))
			if exists {
				require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "b"}))
			}
			f.failWrites(func(w bulk.Write) error {
				if w.User.ID == "a" {
					return errBroken
				}
				return nil
			})
			got := f.grouped(t, job, `{"userId":"a","email":"new@x.io"}`, `{"userId":"b","email":"old@x.io"}`, `{"userId":"c"}`)
			assert.Equal(t, []string{"OUTCOME_UNKNOWN", "STORE_ERROR", "created"}, codes(got))
			assert.True(t, got[1].Errors[0].Retryable)
		})
	}
}

// TestRowBehindAnUnknownOneOfAnEarlierClaim has the worker die when the result of the row
// whose outcome is unknown is durable.
func TestRowBehindAnUnknownOneOfAnEarlierClaim(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.SegmentRows, f.cfg.CallTimeout, f.cfg.Lease = 50, time.Hour, 2*time.Hour
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", Email: "a@x.io", CustomFields: parse(t, `{"n":0}`)}))
		c := &chaos{rand: rand.New(rand.NewPCG(1, 2))}
		var first *bulk.Write
		f.failWrites(func(w bulk.Write) error {
			switch w.User.ID {
			case "a":
				if first == nil {
					first = &w
				}
				return errBroken
			case "last":
				time.Sleep(30 * time.Minute)
				c.mu.Lock()
				defer c.mu.Unlock()
				c.dead = true
				return errDead
			}
			return nil
		})
		texts := []string{`{"email":"a@x.io","customFields":{"n":1}}`}
		for i := range 297 {
			texts = append(texts, fmt.Sprintf(`{"userId":"u%d"}`, i))
		}
		texts = append(texts, `{"userId":"a","customFields":{"n":0}}`, `{"userId":"last"}`)
		jobID := f.dies(t, c, texts...)
		require.Equal(t, 250, f.get(jobID).Progress.Rows)
		f.store.heal()
		time.Sleep(2 * time.Hour)
		_, file := f.finish(jobID)
		got := codes(file.Results)
		assert.Equal(t, "OUTCOME_UNKNOWN", got[0])
		assert.Equal(t, "STORE_ERROR", got[298])
		assert.Equal(t, "created", got[299])
		assert.NoError(t, f.mem.Commit(t.Context(), tenant, []bulk.Write{*first})[0], "unchanged would not have been true")
	})
}

// TestFollowersBehindAnUnknownRow has a row that names only a user, and behind it one
// that could share its write, had it not named the address of a create in doubt.
func TestFollowersBehindAnUnknownRow(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.Parallel = 1
		f.network(func(n int, commit func() []error) []error {
			if n == 0 {
				assert.NoError(t, f.mem.Put(tenant, bulk.User{ID: "b", Email: "z@x.io"}))
				return same(errBroken, 25)
			}
			time.Sleep(time.Second) // the first row comes to its end before the last ones are read
			return commit()
		})
		texts := []string{`{"email":"z@x.io"}`}
		for i := range 25 * 20 {
			texts = append(texts, fmt.Sprintf(`{"userId":"u%d"}`, i))
		}
		last := len(texts)
		texts = append(texts, `{"userId":"b","customFields":{"n":1}}`, `{"email":"z@x.io","customFields":{"n":2}}`)
		got := codes(f.grouped(t, true, texts...))
		assert.Equal(t, "OUTCOME_UNKNOWN", got[0])
		assert.Equal(t, []string{"updated", "STORE_ERROR"}, got[last:])
	})
}

// TestManyOwnWritesPushANonceOut has a job write one user more often than a trail
// reaches, and its worker die before a checkpoint: the journal says what was done.
func TestManyOwnWritesPushANonceOut(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.SegmentRows = 500
		var texts []string
		for i := range 100 {
			texts = append(texts, fmt.Sprintf(`{"userId":"a","email":"e%d@x.io"}`, i))
		}
		job, err := f.importer().Submit(t.Context(), bulk.Request{Principal: admin, Options: bulk.DefaultOptions(), Rows: rows(texts...)})
		require.NoError(t, err)
		dying := f.cfg
		dying.Blobs = &hookedBlobs{f.blobs, func(op, key string) error {
			if op == "Put" && strings.Contains(key, "/results-") {
				return errDead
			}
			return nil
		}}
		w, err := bulk.NewWorker(dying)
		require.NoError(t, err)
		require.Error(t, w.RunJob(t.Context(), job.ID))
		assert.Zero(t, f.get(job.ID).Progress.Rows)
		_, file := f.finish(job.ID)
		assert.Equal(t, bulk.Summary{Created: 1, Updated: 99}, file.Summary)
	})
}

// TestInheritedWriteThatIsDead was never done, and another program has changed the
// user since: its row goes the normal way.
func TestInheritedWriteThatIsDead(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a"}))
		jobID, _ := f.dieBeforeCommit(t, `{"userId":"a","customFields":{"n":1}}`)
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", CustomFields: parse(t, `{"host":1}`)}))
		_, file := f.finish(jobID)
		assert.Equal(t, []string{"updated"}, codes(file.Results))
		user, _ := f.mem.Get(tenant, "a")
		assert.Equal(t, `{"host":1,"n":1}`, user.CustomFields.String())
	})
}

// TestFailureWithWritesUnderWay has a store that panics for one batch while the answer
// to another one is still to come: what was written has its result.
func TestFailureWithWritesUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.store.hook = func(ctx context.Context, writes []bulk.Write) []error {
			if writes[0].User.ID != "u00000" {
				time.Sleep(time.Second)
				panic("boom")
			}
			outcomes := f.mem.Commit(ctx, tenant, writes)
			<-ctx.Done()
			for i := range outcomes {
				outcomes[i] = ctx.Err()
			}
			return outcomes
		}
		job := f.submit(150, bulk.DefaultOptions())
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		done := f.get(job.ID)
		assert.Equal(t, bulk.JobFailed, done.Status)
		assert.Equal(t, 25, f.mem.Len(tenant))
		for i, r := range f.results(done).Results[:25] {
			assert.Equal(t, bulk.StatusCreated, r.Status, "row %d", i)
		}
	})
}

// TestCancelWhileDecisionsAreWrittenDown stops in front of their commit.
func TestCancelWhileDecisionsAreWrittenDown(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(150, bulk.DefaultOptions())
		f.cfg.Blobs = &hookedBlobs{f.blobs, func(op, key string) error {
			if op == "Put" && strings.Contains(key, "/journal/") {
				_, err := f.jobs.Cancel(t.Context(), job.ID, bulk.Cancellation{})
				assert.NoError(t, err)
			}
			return nil
		}}
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		done := f.get(job.ID)
		assert.Equal(t, bulk.JobCancelled, done.Status)
		assert.Zero(t, f.store.commits.Load())
		assert.Equal(t, bulk.Summary{NotProcessed: 150}, f.results(done).Summary)
		f.tidied(t, done)
	})
}
