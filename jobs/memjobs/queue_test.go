package memjobs_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

func TestConformance(t *testing.T) {
	bulktest.TestJobQueue(t, func(*testing.T) bulk.JobQueue { return memjobs.New() })
}

func TestKeyConformance(t *testing.T) {
	bulktest.TestIdempotencyKeyStore(t, func(*testing.T) bulk.IdempotencyKeyStore { return memjobs.New() })
}

func BenchmarkConformance(b *testing.B) {
	bulktest.BenchmarkJobQueue(b, func(*testing.B) bulk.JobQueue { return memjobs.New() })
}

func job(id, tenant string) bulk.JobSpec {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return bulk.JobSpec{ID: id, Tenant: tenant, CreatedAt: now, ExpiresAt: now.Add(bulk.DefaultRetention)}
}

func claim(t *testing.T, q *memjobs.Queue, lease time.Duration) bulk.Job {
	t.Helper()
	job, err := q.Claim(t.Context(), bulk.Claim{Lease: lease})
	require.NoError(t, err)
	return job
}

// To the nanosecond, as only a bubble of time can tell.
func TestLeaseEndsOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memjobs.New()
		require.NoError(t, q.Create(t.Context(), job("a", "acme")))
		first := claim(t, q, time.Minute)
		assert.True(t, first.LeaseUntil.Equal(time.Now().Add(time.Minute)))

		time.Sleep(time.Minute - time.Nanosecond)
		_, err := q.Claim(t.Context(), bulk.Claim{Lease: time.Minute})
		require.ErrorIs(t, err, bulk.ErrNoJob)
		time.Sleep(time.Nanosecond)
		second := claim(t, q, time.Minute)
		assert.EqualValues(t, 2, second.Token)

		_, err = q.Save(t.Context(), "a", second.Token, bulk.JobChange{RetryAfter: time.Hour})
		require.NoError(t, err)
		time.Sleep(time.Hour - time.Nanosecond)
		_, err = q.Claim(t.Context(), bulk.Claim{JobID: "a", Lease: time.Minute})
		require.ErrorIs(t, err, bulk.ErrNoJob)
		time.Sleep(time.Nanosecond)
		claim(t, q, time.Minute)
	})
}

func TestTurnsAreExact(t *testing.T) {
	q := memjobs.New()
	for i := range 4 {
		require.NoError(t, q.Create(t.Context(), job(fmt.Sprint("many-", i), "many")))
	}
	require.NoError(t, q.Create(t.Context(), job("few-0", "few")))
	require.NoError(t, q.Create(t.Context(), job("few-1", "few")))
	var order []string
	for range 3 {
		order = append(order, claim(t, q, time.Hour).ID)
	}
	require.NoError(t, q.Create(t.Context(), job("late-0", "late")))
	for range 4 {
		order = append(order, claim(t, q, time.Hour).ID)
	}
	assert.Equal(t, []string{"many-0", "few-0", "many-1", "few-1", "late-0", "many-2", "many-3"}, order)
}

// A claim by id takes a job out of its tenant's line, and a tenant whose jobs all
// went that way is passed over.
func TestClaimByIDLeavesTheLine(t *testing.T) {
	q := memjobs.New()
	for _, id := range []string{"a-1", "a-2", "b-1"} {
		require.NoError(t, q.Create(t.Context(), job(id, id[:1])))
	}
	for _, id := range []string{"a-1", "a-2"} {
		_, err := q.Claim(t.Context(), bulk.Claim{JobID: id, Lease: time.Hour})
		require.NoError(t, err)
	}
	assert.Equal(t, "b-1", claim(t, q, time.Hour).ID)
	_, err := q.Claim(t.Context(), bulk.Claim{Lease: time.Hour})
	require.ErrorIs(t, err, bulk.ErrNoJob)
}

func TestChangedIsClosedOnce(t *testing.T) {
	q := memjobs.New()
	changed := q.Changed()
	assert.Equal(t, changed, q.Changed(), "nothing has changed between the two")
	select {
	case <-changed:
		t.Fatal("closed though nothing has changed")
	default:
	}
	require.NoError(t, q.Create(t.Context(), job("a", "acme")))
	<-changed
	again := q.Changed()
	held := claim(t, q, time.Hour)
	_, err := q.Save(t.Context(), "a", held.Token, bulk.JobChange{Lease: time.Hour})
	require.NoError(t, err)
	_, err = q.Save(t.Context(), "a", held.Token, bulk.JobChange{RetryAfter: time.Hour})
	require.NoError(t, err)
	select {
	case <-again:
		t.Fatal("closed though no job can be claimed")
	default:
	}
}

func TestRefusesMisuse(t *testing.T) {
	q := memjobs.New()
	require.NoError(t, q.Create(t.Context(), job("a", "acme")))
	for _, limit := range []int{-1, 0, 101} {
		_, _, err := q.List(t.Context(), bulk.JobFilter{Tenant: "acme", Limit: limit})
		require.Error(t, err)
		assert.False(t, bulk.Retryable(err))
	}
	held := claim(t, q, time.Hour)
	for _, end := range []bulk.JobStatus{bulk.JobPending, bulk.JobProcessing, "done"} {
		_, err := q.Save(t.Context(), "a", held.Token, bulk.JobChange{End: end})
		require.Error(t, err)
		assert.False(t, bulk.Retryable(err))
	}
	got, err := q.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, held, got)
}

func TestCursorThatIsDamaged(t *testing.T) {
	q := memjobs.New()
	for i := range 3 {
		require.NoError(t, q.Create(t.Context(), job(fmt.Sprint("job-", i), "acme")))
	}
	_, cursor, err := q.List(t.Context(), bulk.JobFilter{Tenant: "acme", Limit: 1})
	require.NoError(t, err)
	for i := range cursor {
		for _, damaged := range []string{cursor[:i] + "_" + cursor[i+1:], cursor[:i] + cursor[i+1:], cursor[:i]} {
			if damaged == cursor || damaged == "" {
				continue
			}
			_, _, err := q.List(t.Context(), bulk.JobFilter{Tenant: "acme", Limit: 1, Cursor: damaged})
			assert.ErrorIs(t, err, bulk.ErrBadCursor, "cursor %q", damaged)
		}
	}
}
