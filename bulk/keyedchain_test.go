package bulk_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

type chaosKeys struct {
	bulk.IdempotencyKeyStore
	c *chaos
}

func (k chaosKeys) GetIdempotencyKey(ctx context.Context, tenant, name string) (key bulk.IdempotencyKey, err error) {
	err = k.c.call(func() error { key, err = k.IdempotencyKeyStore.GetIdempotencyKey(ctx, tenant, name); return err })
	return key, err
}

func (k chaosKeys) PutIdempotencyKey(ctx context.Context, key bulk.IdempotencyKey) error {
	return k.c.call(func() error { return k.IdempotencyKeyStore.PutIdempotencyKey(ctx, key) })
}

// chainRows are rows that a repetition would not come to the same results for, unless
// it knows what was done.
func chainRows() []string {
	texts := []string{
		`{"userId":"a","email":"a@x.io","customFields":{"n":1,"own":1}}`,
		`{"email":"z@x.io","customFields":{"k":1}}`,
		`{"email":"fresh@x.io"}`,
		`{"userId":"c","email":"z@x.io"}`,
		`{"userId":"a","customFields":{"n":2}}`,
		`{"userId":"old","email":"moved@x.io"}`,
		`{"userId":"c","email":"z@x.io"}`,
	}
	for i := range 60 {
		texts = append(texts, fmt.Sprintf(`{"userId":"u%d","email":"u%d@x.io"}`, i, i))
	}
	return texts
}

var chainCodes = []string{"created", "updated", "created", "EMAIL_TAKEN", "updated", "updated", "created"}

// TestKeyedRequestSurvivesEveryCrash kills a synchronous request at every call to a
// backend. Other imports change its users, and then it is sent again: it has the
// results that the first would have had, and nothing newer is overwritten.
func TestKeyedRequestSurvivesEveryCrash(t *testing.T) {
	die, reached := 1, true
	for ; reached; die++ {
		for _, applied := range []bool{false, true} {
			bubble(t, func(t *testing.T, f *fixture) {
				require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "old", Email: "z@x.io"}))
				accept := func(cfg bulk.Config) (*bulk.Report, error) {
					im, err := bulk.NewImporter(cfg)
					require.NoError(t, err)
					report, _, _, err := accept(im, t.Context(), bulk.Request{
						Principal: admin, Rows: rows(chainRows()...), Options: bulk.DefaultOptions(), IdempotencyKey: "k"})
					return report, err
				}
				c := &chaos{rand: rand.New(rand.NewPCG(5, 2)), dieAt: die, applied: applied}
				cfg := f.cfg
				cfg.Store, cfg.Blobs, cfg.Jobs, cfg.IdempotencyKeys = chaosStore{f.mem, c}, chaosBlobs{f.blobs, c}, chaosJobs{f.jobs, c}, chaosKeys{f.jobs, c}
				_, err := accept(cfg)
				reached = c.calls >= die
				killed := err != nil
				newer := false
				if _, there := f.mem.Get(tenant, "a"); there && killed {
					f.imports(t, 3, func(i int) string { return fmt.Sprintf(`{"userId":"a","customFields":{"n":%d}}`, 100+i) })
					newer = true
				}
				time.Sleep(10 * time.Minute)
				report, err := accept(f.cfg)
				require.NoError(t, err, "killed at %d, applied %t", die, applied)
				got := codes(report.Results)
				require.Equal(t, chainCodes, got[:7], "killed at %d, applied %t", die, applied)
				for i, code := range got[7:] {
					require.Equal(t, "created", code, "killed at %d, row %d", die, i+7)
				}
				old, _ := f.mem.Get(tenant, "old")
				require.Equal(t, bulk.User{ID: "old", Email: "moved@x.io", CustomFields: parse(t, `{"k":1}`)}, old)
				require.Equal(t, 64, f.mem.Len(tenant))
				if a, _ := f.mem.Get(tenant, "a"); newer {
					n, _ := a.CustomFields.Get("n")
					require.Contains(t, []string{"102", "2"}, string(n), "killed at %d: row 4 may come after the others, row 0 not", die)
				}
				for _, key := range f.blobs.Keys() {
					if !killed {
						require.NotContains(t, key, "/journal/", "nothing is left of it")
					}
				}
			})
		}
	}
	assert.Greater(t, die, 20, "calls")
}

// TestKeyedRequestThatSlept lets a request sleep in front of its first chunk while
// another one of its key does all: its chunk is put, since the journal is gone, and
// nothing follows it.
func TestKeyedRequestThatSlept(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		hold := make(chan struct{})
		store := &slowStore{Store: f.mem}
		slept := f.cfg
		slept.Store, slept.Blobs, slept.CallTimeout = store, heldChunks{f.blobs, hold}, 10*time.Hour
		slept.IdempotencyKeys = &cutKeys{f.jobs, time.Now().Add(time.Second)}
		im, err := bulk.NewImporter(slept)
		require.NoError(t, err)
		var first sync.WaitGroup
		first.Go(func() {
			_, _, _, err := accept(im, t.Context(), f.keyed("k", people(30)...))
			assert.ErrorIs(t, err, bulk.ErrIdempotencyKeyInProgress)
		})
		time.Sleep(10 * time.Minute)
		req := f.keyed("k", people(30)...)
		report, _, _, err := accept(f.importer(), t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 30}, report.Summary)
		for _, user := range f.mem.Users(tenant) {
			f.mem.Delete(tenant, user.ID)
		}
		close(hold)
		first.Wait()
		assert.Zero(t, store.commits.Load())
		assert.Zero(t, f.mem.Len(tenant))
	})
}

// cutKeys cannot be written any more after some time.
type cutKeys struct {
	bulk.IdempotencyKeyStore
	after time.Time
}

func (k *cutKeys) PutIdempotencyKey(ctx context.Context, key bulk.IdempotencyKey) error {
	if time.Now().After(k.after) {
		return errDenied
	}
	return k.IdempotencyKeyStore.PutIdempotencyKey(ctx, key)
}

// TestKeyedRequestWithoutItsAnswer cannot put its answer to the key: it fails, as a
// repetition may come to other results.
func TestKeyedRequestWithoutItsAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		broken := f.cfg
		broken.Blobs = &hookedBlobs{f.blobs, func(op, key string) error {
			if op == "Put" && strings.Contains(key, "/report-") {
				return errDenied
			}
			return nil
		}}
		im, err := bulk.NewImporter(broken)
		require.NoError(t, err)
		_, _, _, err = accept(im, t.Context(), f.keyed("k", people(30)...))
		assert.Error(t, err)
		time.Sleep(10 * time.Minute)
		req := f.keyed("k", people(30)...)
		report, _, _, err := accept(f.importer(), t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 30}, report.Summary)
	})
}

// overtakenKeys has another request reserve a key right before it gets its answer.
type overtakenKeys struct{ bulk.IdempotencyKeyStore }

func (k overtakenKeys) PutIdempotencyKey(ctx context.Context, key bulk.IdempotencyKey) error {
	if key.Done {
		other, err := k.GetIdempotencyKey(ctx, key.Tenant, key.Name)
		if err != nil {
			return err
		}
		other.Version++
		if err := k.IdempotencyKeyStore.PutIdempotencyKey(ctx, other); err != nil {
			return err
		}
	}
	return k.IdempotencyKeyStore.PutIdempotencyKey(ctx, key)
}

// TestKeyedRequestThatIsOvertaken does not answer: another request may come to other
// results.
func TestKeyedRequestThatIsOvertaken(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.IdempotencyKeys = overtakenKeys{f.jobs}
		_, _, _, err := accept(f.importer(), t.Context(), f.keyed("k", people(30)...))
		assert.ErrorIs(t, err, bulk.ErrIdempotencyKeyInProgress)
		assert.NotEmpty(t, f.blobs.Keys(), "the journal is the other's")
	})
}
