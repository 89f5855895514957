package memjobs

import (
	"context"
	"fmt"

	"github.com/bulkops/bulkops/bulk"
)

var _ bulk.JobCounter = (*Queue)(nil)

// CountJobs implements [bulk.JobCounter]. It looks at the tenants whose jobs wait, and
// at no job but the oldest of each.
func (q *Queue) CountJobs(ctx context.Context) (bulk.JobCounts, error) {
	_, unlock, err := q.enter(ctx)
	if err != nil {
		return bulk.JobCounts{}, fmt.Errorf("memjobs: count jobs: %w", err)
	}
	defer unlock()
	counts := bulk.JobCounts{Held: q.later.Len()}
	var oldest *entry
	for _, t := range q.turns {
		first := t.ready.first()
		if first == nil {
			continue
		}
		counts.Ready += t.ready.Len()
		if oldest == nil || first.job.ID < oldest.job.ID {
			oldest = first
		}
	}
	if oldest != nil {
		counts.OldestReady = oldest.job.CreatedAt
	}
	return counts, nil
}
