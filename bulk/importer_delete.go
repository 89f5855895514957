package bulk

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Delete removes a job that has ended, at once and for good: its payload, its
// results, whatever a worker may have left behind, and then its record. It returns
// the errors of Job, and [ErrJobNotEnded]. With any other error some of it may be
// gone, and Delete can be called again.
//
// A worker that was cut off from the job long before may still write a blob that
// nobody reads; that expires.
func (im *Importer) Delete(ctx context.Context, p Principal, id string) (err error) {
	ctx, e := im.observe(ctx, "Delete", p)
	defer func() { e.answer(&Accepted{}, err) }()
	job, err := im.Job(ctx, p, id)
	if err != nil {
		return err
	}
	if !job.Status.Ended() {
		return fmt.Errorf("bulk: delete %s: %w", id, ErrJobNotEnded)
	}
	keys, err := blobKeys(job)
	if err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(8, im.cfg.Parallel))
	for _, key := range keys {
		group.Go(func() error {
			return syncBackoff.retry(groupCtx, func() error { return im.blobs.Delete(groupCtx, key) })
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("bulk: delete blobs of %s: %w", id, err)
	}
	err = syncBackoff.retry(ctx, func() error { return im.jobs.Delete(ctx, id) })
	if err != nil && !errors.Is(err, ErrJobNotFound) { // by a try whose answer was lost, or by somebody else
		return fmt.Errorf("bulk: delete %s: %w", id, err)
	}
	return nil
}

// blobKeys returns the keys of all blobs that an ended job can have, of every claim.
func blobKeys(job *Job) ([]string, error) {
	var at checkpoint
	if err := at.parse(job.Progress.Checkpoint); err != nil {
		return nil, Permanent(fmt.Errorf("bulk: checkpoint of %s: %w", job.ID, err))
	}
	keys := []string{job.Payload, resultsKey(job, 0)}
	if job.Results != "" {
		keys = append(keys, job.Results)
	}
	for token := int64(1); token <= ranToken(job); token++ {
		keys = append(keys, resultsKey(job, token))
		for n := 0; n*job.SegmentRows < job.TotalRecords; n++ {
			keys = append(keys, segmentKey(job, n, token), mailedKey(job, n, token))
		}
	}
	if job.Token > 0 {
		for n := range at.Chunks + 1 { // a worker that was cut off may have put the next one
			keys = append(keys, chunkKey(blobFolder(job.Tenant, job.ID), n))
		}
	}
	return keys, nil
}

// ranToken returns the token of the last claim of an ended job that ran it. Those that
// came after were to tell of its end, and are its attempts: a worker ends a job with
// its progress, which sets them to 0.
func ranToken(job *Job) int64 { return job.Token - int64(job.Attempts) }
