package upgrade

import (
	"fmt"
	"slices"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// JobNames are the jobs that command recordjobs makes, named for what became of them.
var JobNames = []string{"pending", "died", "returned", "cancelling", "completed", "failed", "cancelled"}

// JobID returns the id of the job of that name.
func JobID(name string) string {
	return fmt.Sprintf("job_01900000-0000-7000-8000-%012d", slices.Index(JobNames, name))
}

// Key is the idempotency key that command recordjobs makes.
func Key() bulk.IdempotencyKey {
	return bulk.IdempotencyKey{
		Tenant: "acme", Name: "key", Version: 1, ExpiresAt: time.Date(2126, 1, 1, 0, 0, 0, 0, time.UTC),
		Run: JobID("completed"), BusyUntil: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Done: true, Fingerprint: "fingerprint",
	}
}
