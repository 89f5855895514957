package memjobs

import (
	"context"
	"fmt"
	"slices"

	"github.com/bulkops/bulkops/bulk"
)

var _ bulk.JobCounter = (*Queue)(nil)

// CountJobs implements [bulk.JobCounter]. It looks at the tenants whose jobs can be
// claimed, at the oldest job of each, and at all jobs that can be claimed later.
func (q *Queue) CountJobs(ctx context.Context) (bulk.JobCounts, error) {
	_, unlock, err := q.enter(ctx)
	if err != nil {
		return bulk.JobCounts{}, fmt.Errorf("memjobs: count jobs: %w", err)
	}
	defer unlock()
	var counts bulk.JobCounts
	for _, e := range q.later.entries {
		if !e.job.Status.Ended() { // and is to be told of
			counts.Held++
		}
	}
	var oldest *entry
	waiting := q.turns
	if t := q.lastServed(); t != nil && !t.waiting {
		waiting = append(slices.Clip(waiting), t)
	}
	for _, t := range waiting {
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
