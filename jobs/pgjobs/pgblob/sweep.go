package pgblob

import (
	"context"
	"time"

	"github.com/bulkops/bulkops/jobs/pgjobs/internal/database"
)

// Of the removal of old blobs: how many a batch has at most, how often a store that is put to
// removes one, and after which time an upload is given up.
const (
	sweepBatch  = 50
	sweepEvery  = time.Minute
	uploadLimit = 24 * time.Hour
)

// Sweep removes the blobs that are older than Options.Retention, and what uploads have left
// behind, in batches of up to 50, and returns how many of both there were.
func (s *Store) Sweep(ctx context.Context) (removed int, err error) {
	for {
		n, err := s.sweep(ctx)
		removed += n
		if err != nil || n == 0 {
			return removed, database.Failure(ctx, "pgblob: sweep", err)
		}
	}
}

// sweep removes a batch.
func (s *Store) sweep(ctx context.Context) (removed int, err error) {
	for _, old := range []struct {
		text string
		age  time.Duration
	}{{s.text.sweepBlobs, s.opts.Retention}, {s.text.sweepUploads, uploadLimit}} {
		n := 0
		err := s.db.Do(ctx, func(conn database.Conn, _ bool) error {
			return conn.QueryRow(ctx, old.text, old.age, sweepBatch).Scan(&n)
		})
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// sweepDue reports whether it is time for a batch, at most once for each time.
func (s *Store) sweepDue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.swept) < sweepEvery {
		return false
	}
	s.swept = time.Now()
	return true
}
