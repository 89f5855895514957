package bulk_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// A meter counts calls to the backends.
type meter struct {
	mu                             sync.Mutex
	chunks, puts, lookups, commits int
}

type meteredStore struct {
	bulk.Store
	*meter
}

func (s meteredStore) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	s.mu.Lock()
	s.lookups++
	s.mu.Unlock()
	return s.Store.Lookup(ctx, tenant, refs)
}

func (s meteredStore) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	s.mu.Lock()
	s.commits++
	s.mu.Unlock()
	return s.Store.Commit(ctx, tenant, writes)
}

type meteredBlobs struct {
	bulk.BlobStore
	*meter
}

func (b meteredBlobs) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	b.mu.Lock()
	b.puts++
	if strings.Contains(key, "/journal/") {
		b.chunks++
	}
	b.mu.Unlock()
	return b.BlobStore.Put(ctx, key, r, info)
}

// metered runs a job of these rows, with 10 ms for each call of the store and 40 for
// each of the blobs, checks it against the model and returns the calls that it made.
func (f *fixture) metered(t *testing.T, list []modelRow) *meter {
	t.Helper()
	s := scenario{rows: list, opts: bulk.DefaultOptions()}
	for _, user := range f.mem.Users(tenant) {
		fields := map[string]number{}
		for name, value := range user.CustomFields.All() {
			fields[name] = number(value)
		}
		s.seeds = append(s.seeds, modelRow{user.ID, user.Email, fields})
	}
	raw := make([]bulk.Row, len(list))
	for i, row := range list {
		raw[i] = row.row()
	}
	f.cfg.SegmentRows, f.cfg.Parallel = 500, bulk.DefaultParallel
	job, err := f.importer().Submit(t.Context(), bulk.Request{Principal: admin, Rows: &rowSlice{raw}, Options: s.opts})
	require.NoError(t, err)
	m := &meter{}
	f.cfg.Store, f.cfg.Blobs = meteredStore{f.store, m}, meteredBlobs{&slowPuts{f.blobs, 40 * time.Millisecond}, m}
	require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
	done := f.get(job.ID)
	f.tidied(t, done)
	check(t, s, &world{store: f.mem, blobs: f.blobs, jobs: f.jobs, job: done, cfg: f.cfg}, "metered")
	require.NoError(t, f.blobs.Delete(t.Context(), done.Payload))
	require.NoError(t, f.blobs.Delete(t.Context(), done.Results))
	return m
}

// TestManyRowsOfOneUser names one user in every row: calls grow with the segments
// and not with the rows.
func TestManyRowsOfOneUser(t *testing.T) {
	for name, exists := range map[string]bool{"Created": false, "Updated": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				if exists {
					require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", Email: "a@x.io"}))
				}
				const n = 10_000
				list := make([]modelRow, n)
				for i := range list {
					list[i] = modelRow{ID: "a", Fields: map[string]number{fmt.Sprint("f", i%5): number(fmt.Sprint(i / 50))}}
					switch {
					case i == 0 || i%3 == 1:
						list[i].Email = "a@x.io"
					case i%7 == 3:
						list[i].Fields[fmt.Sprint("f", i%5)] = "null"
					case i%11 == 5:
						list[i].ID, list[i].Email = "", "A@x.io"
					}
				}
				m := f.metered(t, list)
				const segments = n / 500
				t.Logf("%d rows, %d segments: %d chunks, %d puts, %d lookups, %d commits", n, segments, m.chunks, m.puts, m.lookups, m.commits)
				assert.LessOrEqual(t, m.commits, segments)
				assert.LessOrEqual(t, m.chunks, segments)
				assert.LessOrEqual(t, m.puts, 2*segments+1, "segments, chunks and the results")
				assert.LessOrEqual(t, m.lookups, n/bulk.MaxBatch+segments, "each batch is looked up once")
			})
		})
	}
}

// TestUsersWhoChangeTheirAddress compares new addresses with other updates.
func TestUsersWhoChangeTheirAddress(t *testing.T) {
	const n = 10_000
	run := func(row func(i int) modelRow) (m *meter) {
		bubble(t, func(t *testing.T, f *fixture) {
			users := make([]bulk.User, n)
			list := make([]modelRow, n)
			for i := range n {
				users[i] = bulk.User{ID: fmt.Sprint("u", i), Email: fmt.Sprintf("old%d@x.io", i)}
				list[i] = row(i)
			}
			require.NoError(t, f.mem.Put(tenant, users...))
			m = f.metered(t, list)
		})
		return m
	}
	update := run(func(i int) modelRow {
		return modelRow{ID: fmt.Sprint("u", i), Fields: map[string]number{"n": "1"}}
	})
	move := run(func(i int) modelRow {
		return modelRow{ID: fmt.Sprint("u", i), Email: fmt.Sprintf("new%d@x.io", i)}
	})
	t.Logf("updates: %d chunks, %d puts, %d lookups, %d commits", update.chunks, update.puts, update.lookups, update.commits)
	t.Logf("moves:   %d chunks, %d puts, %d lookups, %d commits", move.chunks, move.puts, move.lookups, move.commits)
	assert.LessOrEqual(t, move.puts, update.puts+update.puts/4, "how many batches share a chunk is not quite the same")
	assert.LessOrEqual(t, move.lookups, update.lookups)
	assert.LessOrEqual(t, move.commits, update.commits)
}

// TestChainOfMoves has each row take the address that the one before gave up.
func TestChainOfMoves(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		const n = 300
		users := make([]bulk.User, n)
		list := make([]modelRow, n)
		for i := range n {
			users[i] = bulk.User{ID: fmt.Sprint("u", i), Email: fmt.Sprintf("e%d@x.io", i)}
			list[i] = modelRow{ID: fmt.Sprint("u", i), Email: fmt.Sprintf("e%d@x.io", i-1)}
		}
		list[0].Email = "free@x.io"
		require.NoError(t, f.mem.Put(tenant, users...))
		m := f.metered(t, list)
		t.Logf("%d links: %d chunks, %d puts, %d lookups, %d commits", n, m.chunks, m.puts, m.lookups, m.commits)
		assert.LessOrEqual(t, m.chunks, n)
		assert.LessOrEqual(t, m.commits, n)
		assert.LessOrEqual(t, m.lookups, n+n/bulk.MaxBatch)
	})
}

// grouped imports rows of one user that wait for each other, after a first one that
// is not part of what is tested.
func (f *fixture) grouped(t *testing.T, job bool, texts ...string) []bulk.RowResult {
	return f.groupedWith(t, bulk.DefaultOptions(), job, texts...)
}

func (f *fixture) groupedWith(t *testing.T, opts bulk.Options, job bool, texts ...string) []bulk.RowResult {
	t.Helper()
	report, made, _, err := accept(f.importer(), t.Context(), bulk.Request{Principal: admin, Rows: rows(texts...), Options: opts, Async: job})
	require.NoError(t, err)
	if !job {
		return report.Results
	}
	require.NoError(t, f.worker().RunJob(t.Context(), made.ID))
	done := f.get(made.ID)
	f.tidied(t, done)
	return f.results(done).Results
}

// codes is the statuses of results, or the codes of those that failed.
func codes(results []bulk.RowResult) []string {
	var list []string
	for _, r := range results {
		if len(r.Errors) > 0 {
			list = append(list, string(r.Errors[0].Code))
		} else {
			list = append(list, string(r.Status))
		}
	}
	return list
}

// eachWay runs a test with a request and with a job.
func eachWay(t *testing.T, test func(t *testing.T, f *fixture, job bool)) {
	for _, job := range []bool{false, true} {
		t.Run(fmt.Sprintf("job=%t", job), func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) { test(t, f, job) })
		})
	}
}

// TestOneRowOfManyIsRefused has a row for which the store refuses the write of all:
// that row fails, and those before and behind it are done.
func TestOneRowOfManyIsRefused(t *testing.T) {
	for _, exists := range []bool{false, true} {
		eachWay(t, func(t *testing.T, f *fixture, job bool) {
			first := "created"
			if exists {
				first = "updated"
				require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", Email: "a@x.io"}))
			}
			f.failWrites(func(w bulk.Write) error {
				if _, bad := w.User.CustomFields.Get("bad"); bad {
					return errDenied
				}
				return nil
			})
			got := f.grouped(t, job,
				`{"userId":"a","email":"a@x.io","customFields":{"a":1}}`,
				`{"userId":"a","customFields":{"b":2}}`,
				`{"userId":"a","customFields":{"bad":1}}`,
				`{"userId":"a","customFields":{"c":3}}`,
				`{"userId":"a","customFields":{"c":3}}`,
			)
			assert.Equal(t, []string{first, "updated", "STORE_ERROR", "updated", "unchanged"}, codes(got))
			user, _ := f.mem.Get(tenant, "a")
			assert.Equal(t, `{"a":1,"b":2,"c":3}`, user.CustomFields.String())
		})
	}
}

// TestRowsOfOneUserLoseARace has another program write the user between the decision
// and its commit.
func TestRowsOfOneUserLoseARace(t *testing.T) {
	eachWay(t, func(t *testing.T, f *fixture, job bool) {
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", Email: "a@x.io"}))
		lost := 0
		f.store.hook = func(context.Context, []bulk.Write) []error {
			if lost++; lost <= 2 {
				assert.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", Email: "a@x.io", CustomFields: parse(t, fmt.Sprintf(`{"b":1,"host":%d}`, lost))}))
			}
			return nil
		}
		got := f.grouped(t, job,
			`{"userId":"a","customFields":{"a":1}}`,
			`{"userId":"a","customFields":{"b":1}}`,
			`{"email":"a@x.io","customFields":{"c":1}}`,
			`{"userId":"a","customFields":{"a":1}}`,
		)
		assert.Equal(t, []string{"updated", "unchanged", "updated", "unchanged"}, codes(got))
		assert.Equal(t, 3, lost)
		user, _ := f.mem.Get(tenant, "a")
		assert.Equal(t, `{"a":1,"b":1,"c":1,"host":2}`, user.CustomFields.String())
	})
}

// TestAddressOfManyRowsIsTakenMeanwhile has another program take the address that the
// first row gives: it fails, and those behind it are decided upon what is there.
func TestAddressOfManyRowsIsTakenMeanwhile(t *testing.T) {
	for _, exists := range []bool{false, true} {
		eachWay(t, func(t *testing.T, f *fixture, job bool) {
			second := "created"
			if exists {
				second = "updated"
				require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a"}))
			}
			taken := false
			f.store.hook = func(context.Context, []bulk.Write) []error {
				if !taken {
					taken = true
					assert.NoError(t, f.mem.Put(tenant, bulk.User{ID: "b", Email: "z@x.io"}))
				}
				return nil
			}
			got := f.grouped(t, job,
				`{"userId":"a","email":"z@x.io","customFields":{"a":1}}`,
				`{"userId":"a","customFields":{"b":1}}`,
				`{"userId":"a","email":"z@x.io"}`,
				`{"userId":"a","email":"y@x.io"}`,
				`{"email":"y@x.io","customFields":{"c":1}}`,
			)
			assert.Equal(t, []string{"EMAIL_TAKEN", second, "EMAIL_TAKEN", "updated", "updated"}, codes(got))
			user, _ := f.mem.Get(tenant, "a")
			assert.Equal(t, bulk.User{ID: "a", Email: "y@x.io", CustomFields: parse(t, `{"b":1,"c":1}`)}, user)
		})
	}
}
