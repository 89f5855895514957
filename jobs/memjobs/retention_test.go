package memjobs

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// Jobs that expired are not only hidden: nothing of them is left.
func TestExpiredJobsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New()
		for i := range 100 {
			now := time.Now()
			job := bulk.JobSpec{ID: fmt.Sprint("job-", i), Tenant: fmt.Sprint("tenant-", i%7), CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
			require.NoError(t, q.Create(t.Context(), job))
			if i%2 == 0 {
				continue
			}
			claimed, err := q.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: 2 * time.Hour})
			require.NoError(t, err)
			switch i % 3 {
			case 0:
				_, err = q.Save(t.Context(), job.ID, claimed.Token, bulk.JobChange{End: bulk.JobCompleted})
			case 1:
				_, err = q.Save(t.Context(), job.ID, claimed.Token, bulk.JobChange{RetryAfter: 2 * time.Hour})
			}
			require.NoError(t, err)
		}
		time.Sleep(time.Hour)
		_, err := q.Get(t.Context(), "job-0")
		require.ErrorIs(t, err, bulk.ErrJobNotFound)
		assert.Empty(t, q.jobs)
		assert.Empty(t, q.tenants)
		assert.Empty(t, q.turns)
		assert.Zero(t, q.later.Len())
		assert.Zero(t, q.expiry.Len())
	})
}
