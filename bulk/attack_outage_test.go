package bulk_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// TestStopInAnOutageFailsNoRow stops a worker gracefully while the store is down.
func TestStopInAnOutageFailsNoRow(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(2000, bulk.DefaultOptions())
		start := time.Now()
		f.store.hook = func(_ context.Context, w []bulk.Write) []error {
			if since := time.Since(start); since > 100*time.Millisecond && since < time.Minute {
				return same(errReset, len(w))
			}
			return nil
		}
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
		defer stop()
		f.worker().RunJob(ctx, job.ID)
		require.False(t, f.get(job.ID).Status.Ended())
		_, file := f.finish(job.ID)
		assert.Equal(t, bulk.Summary{Created: 2000}, file.Summary)
	})
}

// TestOutageBehindOneRow has a store that is down, of which only one row can tell: the
// others wait until it was looked up.
func TestOutageBehindOneRow(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.SegmentRows = 1000
		texts := slices.Repeat([]string{`{}`}, 4000) // so that each row is a batch
		for i := 0; i < len(texts); i += 100 {
			texts[i] = fmt.Sprintf(`{"userId":"u%d"}`, i)
		}
		job, err := f.importer().Submit(t.Context(), bulk.Request{Principal: admin, Rows: rows(texts...), Options: bulk.DefaultOptions()})
		require.NoError(t, err)
		f.failWrites(func(w bulk.Write) error {
			if w.User.ID == "u0" {
				return nil
			}
			return errReset
		})
		f.cfg.Store = &lookupStore{f.store, func(refs []bulk.Ref) error {
			if refs[0].ID == "u100" {
				return errReset
			}
			return nil
		}}
		assert.ErrorContains(t, f.worker().RunJob(t.Context(), job.ID), "does not answer")
		f.cfg.Store = f.store
		f.store.heal()
		_, file := f.finish(job.ID)
		assert.Equal(t, bulk.Summary{Created: 40, Failed: 3960}, file.Summary)
	})
}

// TestOutageOfSmallBatches has a store that is down for batches of one row.
func TestOutageOfSmallBatches(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.SegmentRows = 1000
		var texts []string
		for i := range 4000 {
			if i%100 == 0 {
				texts = append(texts, fmt.Sprintf(`{"userId":"u%d"}`, i))
			} else {
				texts = append(texts, `{}`)
			}
		}
		job, err := f.importer().Submit(t.Context(), bulk.Request{Principal: admin, Rows: rows(texts...), Options: bulk.DefaultOptions()})
		require.NoError(t, err)
		var down atomic.Bool
		f.failWrites(func(w bulk.Write) error {
			if w.User.ID == "u0" {
				return nil
			}
			down.Store(true)
			return io.ErrUnexpectedEOF
		})
		f.cfg.Store = &lookupStore{f.store, func([]bulk.Ref) error {
			if down.Load() {
				return errReset
			}
			return nil
		}}
		err = f.worker().RunJob(t.Context(), job.ID)
		assert.ErrorContains(t, err, "does not answer")
		assert.False(t, f.get(job.ID).Status.Ended())
		f.cfg.Store = f.store
		f.store.heal()
		_, file := f.finish(job.ID)
		assert.Equal(t, bulk.Summary{Created: 40, Failed: 3960}, file.Summary)
	})
}
