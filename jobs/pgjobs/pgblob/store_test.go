package pgblob_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/jobs/pgjobs/pgblob"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exec is what package pgtest needs of the driver.
func exec(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

func open(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func newStore(t testing.TB, pool *pgxpool.Pool, opts pgblob.Options) *pgblob.Store {
	t.Helper()
	store, err := pgblob.New(pool, opts)
	require.NoError(t, err)
	return store
}

// database makes an empty database with the tables and returns its pool.
func database(t testing.TB, server pgtest.Server) *pgxpool.Pool {
	t.Helper()
	pool := open(t, pgtest.Database(t, server.URL, exec))
	require.NoError(t, newStore(t, pool, pgblob.Options{}).Migrate(t.Context()))
	return pool
}

func TestConformance(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		pool := database(t, server)
		bulktest.TestBlobStore(t, func(t *testing.T) bulk.BlobStore { return newStore(t, pool, pgblob.Options{}) })
		nothingLeft(t, pool)
	})
}

// A schema of a name that has to be quoted, by way of database/sql.
func TestConformanceOfSQLAndSchema(t *testing.T) {
	url := pgtest.Database(t, pgtest.Newest(t).URL, exec)
	require.NoError(t, exec(t.Context(), url, `CREATE SCHEMA "Bulk ""Ops"""`))
	db, err := sql.Open("pgx", url)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	store, err := pgblob.NewSQL(db, pgblob.Options{Schema: `Bulk "Ops"`})
	require.NoError(t, err)
	require.NoError(t, store.Migrate(t.Context()))
	bulktest.TestBlobStore(t, func(*testing.T) bulk.BlobStore { return store })
}

// Without prepared statements, as poolers want it that give a connection to each transaction.
func TestConformanceWithoutPreparedStatements(t *testing.T) {
	for name, mode := range map[string]pgx.QueryExecMode{"exec": pgx.QueryExecModeExec, "simple": pgx.QueryExecModeSimpleProtocol} {
		t.Run(name, func(t *testing.T) {
			config := database(t, pgtest.Newest(t)).Config().Copy()
			config.ConnConfig.DefaultQueryExecMode = mode
			pool, err := pgxpool.NewWithConfig(t.Context(), config)
			require.NoError(t, err)
			t.Cleanup(pool.Close)
			bulktest.TestBlobStore(t, func(t *testing.T) bulk.BlobStore { return newStore(t, pool, pgblob.Options{}) })
		})
	}
}

func BenchmarkConformance(b *testing.B) {
	pool := database(b, pgtest.Newest(b))
	bulktest.BenchmarkBlobStore(b, func(b *testing.B) bulk.BlobStore { return newStore(b, pool, pgblob.Options{}) })
}

// nothingLeft fails if there are chunks that are no blob's, or uploads.
func nothingLeft(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	var chunks, uploads int
	require.NoError(t, pool.QueryRow(t.Context(), `
SELECT (SELECT count(*) FROM bulkops_blobs_chunks WHERE upload NOT IN (SELECT upload FROM bulkops_blobs)),
	(SELECT count(*) FROM bulkops_blobs_uploads)`).Scan(&chunks, &uploads))
	assert.Zero(t, chunks, "chunks that are no blob's")
	assert.Zero(t, uploads, "uploads that did not end")
}

const mib = 1 << 20

func content(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // never fails
	return b
}

func read(t *testing.T, store bulk.BlobStore, key string) []byte {
	t.Helper()
	r, err := store.Get(t.Context(), key)
	require.NoError(t, err)
	defer r.Close()
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	return got
}

// Sizes about that of a chunk.
func TestSizes(t *testing.T) {
	pool := database(t, pgtest.Newest(t))
	store := newStore(t, pool, pgblob.Options{MaxBlob: 2*mib + 1})
	for _, size := range []int{0, 1, mib - 1, mib, mib + 1, 2 * mib, 2*mib + 1} {
		key := strings.Repeat("k", size%7+1)
		require.NoError(t, store.Put(t.Context(), key, bytes.NewReader(content(size)), bulk.BlobInfo{}))
		assert.True(t, bytes.Equal(content(size), read(t, store, key)), "a blob of %d bytes is not as it was put", size)
		require.NoError(t, store.Delete(t.Context(), key))
	}
	for _, size := range []int{2*mib + 2, 5 * mib} {
		err := store.Put(t.Context(), "large", bytes.NewReader(content(size)), bulk.BlobInfo{})
		require.Error(t, err)
		assert.False(t, bulk.Retryable(err), "a blob that is too large is so for good: %v", err)
	}
	nothingLeft(t, pool)
	_, err := store.Get(t.Context(), "large")
	assert.ErrorIs(t, err, bulk.ErrBlobNotFound)
}

// A Put that was done and whose answer was lost, at whatever statement, is done.
func TestLostAnswers(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		pool := database(t, server)
		proxy := pgtest.NewProxy(t, pool.Config().ConnString())
		store := newStore(t, open(t, proxy.URL), pgblob.Options{})
		for name, size := range map[string]int{"small": 1000, "large": 3*mib + 1} {
			for lost := int32(1); ; lost++ {
				var answers atomic.Int32
				proxy.SetFault(func(chunk pgtest.Chunk) pgtest.Fault {
					return pgtest.Fault{Cut: !chunk.ToServer && answers.Add(1) == lost}
				})
				want := content(size)
				err := store.Put(t.Context(), name, bytes.NewReader(want), bulk.BlobInfo{})
				proxy.SetFault(nil)
				require.NoError(t, err, "answer %d of %s", lost, name)
				assert.True(t, bytes.Equal(want, read(t, store, name)), "answer %d of %s", lost, name)
				assert.ErrorIs(t, store.Put(t.Context(), name, strings.NewReader("other"), bulk.BlobInfo{}), bulk.ErrBlobExists)
				require.NoError(t, store.Delete(t.Context(), name))
				if answers.Load() < lost {
					require.Greater(t, lost, int32(1), "no answer was lost")
					break
				}
			}
		}
		nothingLeft(t, pool)
	})
}

// Of a Put that is cancelled when one of its statements is done, at whatever statement, what
// others may have seen stays, and nothing else.
func TestCancelledTooLate(t *testing.T) {
	pool := database(t, pgtest.Newest(t))
	direct := newStore(t, pool, pgblob.Options{})
	proxy := pgtest.NewProxy(t, pool.Config().ConnString())
	store := newStore(t, open(t, proxy.URL), pgblob.Options{})
	for name, size := range map[string]int{"small": 1000, "large": 2*mib + 1} {
		stayed := false
		for last := int32(1); ; last++ {
			ctx, cancel := context.WithCancel(t.Context())
			var answers atomic.Int32
			var seen atomic.Bool
			proxy.SetFault(func(chunk pgtest.Chunk) pgtest.Fault {
				if chunk.ToServer || answers.Add(1) != last {
					return pgtest.Fault{}
				}
				if r, err := direct.Get(t.Context(), name); err == nil {
					seen.Store(true)
					_ = r.Close() // has nothing to say
				}
				cancel()
				return pgtest.Fault{Cut: true}
			})
			want := content(size)
			err := store.Put(ctx, name, bytes.NewReader(want), bulk.BlobInfo{})
			cancel()
			proxy.SetFault(nil)
			done := answers.Load() < last
			switch {
			case done:
				require.NoError(t, err)
			case seen.Load():
				stayed = true
			default:
				_, err := direct.Get(t.Context(), name)
				require.ErrorIs(t, err, bulk.ErrBlobNotFound, "answer %d of %s", last, name)
			}
			if done || seen.Load() {
				assert.True(t, bytes.Equal(want, read(t, direct, name)), "answer %d of %s", last, name)
			}
			require.NoError(t, direct.Delete(t.Context(), name))
			if done {
				break
			}
		}
		assert.True(t, stayed, "no put of %s was cancelled when it was done", name)
	}
	nothingLeft(t, pool)
}

// What was put is there after a crash of the server; what was not, is not.
func TestCrashOfTheServer(t *testing.T) {
	own := pgtest.Newest(t).Own(t)
	pool := open(t, own.URL)
	store := newStore(t, pool, pgblob.Options{})
	require.NoError(t, store.Migrate(t.Context()))
	want := content(2*mib + 1)
	require.NoError(t, store.Put(t.Context(), "there", bytes.NewReader(want), bulk.BlobInfo{}))
	r := io.MultiReader(bytes.NewReader(want), readerFunc(func([]byte) (int, error) {
		own.Crash(t)
		return 0, io.EOF
	}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	require.Error(t, store.Put(ctx, "cut", r, bulk.BlobInfo{}))
	own.Start(t)
	assert.True(t, bytes.Equal(want, read(t, store, "there")))
	_, err := store.Get(t.Context(), "cut")
	require.ErrorIs(t, err, bulk.ErrBlobNotFound)

	// What it left behind is nobody's, and goes after a day.
	n, err := store.Sweep(t.Context())
	require.NoError(t, err)
	assert.Zero(t, n)
	_, err = pool.Exec(t.Context(), `UPDATE bulkops_blobs_uploads SET started_at = started_at - interval '25 hours'`)
	require.NoError(t, err)
	n, err = store.Sweep(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	nothingLeft(t, pool)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Blobs that are old are removed, a few by each Put and all by Sweep; the others stay.
func TestSweep(t *testing.T) {
	pool := database(t, pgtest.Newest(t))
	store := newStore(t, pool, pgblob.Options{})
	const old = 120
	put := func(store *pgblob.Store, key string) {
		t.Helper()
		require.NoError(t, store.Put(t.Context(), key, strings.NewReader(key), bulk.BlobInfo{}))
	}
	for i := range old {
		put(store, "old/"+strings.Repeat("k", i+1))
	}
	_, err := pool.Exec(t.Context(), `UPDATE bulkops_blobs SET put_at = put_at - interval '31 days'`)
	require.NoError(t, err)
	count := func() (n int) {
		t.Helper()
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM bulkops_blobs_chunks`).Scan(&n))
		return n
	}
	put(newStore(t, pool, pgblob.Options{}), "new/1") // whose turn it is
	assert.Equal(t, old+1-50, count())
	put(store, "new/2") // within the minute
	assert.Equal(t, old+2-50, count())
	n, err := store.Sweep(t.Context())
	require.NoError(t, err)
	assert.Equal(t, old-50, n)
	assert.Equal(t, 2, count())
	assert.Equal(t, "new/1", string(read(t, store, "new/1")))
}

func TestOptions(t *testing.T) {
	pool := open(t, "postgres://127.0.0.1:1/none")
	for field, opts := range map[string]pgblob.Options{
		"Options.Schema":    {Schema: "a\x00"},
		"Options.MaxBlob":   {MaxBlob: -1},
		"Options.Retention": {Retention: 29 * 24 * time.Hour},
	} {
		_, err := pgblob.New(pool, opts)
		var bad *bulk.ConfigError
		if assert.ErrorAs(t, err, &bad) {
			assert.Equal(t, field, bad.Field)
		}
	}
	_, err := pgblob.New(nil, pgblob.Options{})
	assert.Error(t, err)
	_, err = pgblob.NewSQL(nil, pgblob.Options{})
	assert.Error(t, err)
}

// A missing table is for good, a server that is away is not.
func TestErrorsAreClassified(t *testing.T) {
	store := newStore(t, open(t, pgtest.Database(t, pgtest.Newest(t).URL, exec)), pgblob.Options{})
	err := store.Put(t.Context(), "k", strings.NewReader("x"), bulk.BlobInfo{})
	require.Error(t, err)
	assert.False(t, bulk.Retryable(err), "%v", err)
	away := newStore(t, open(t, "postgres://127.0.0.1:1/none"), pgblob.Options{})
	_, err = away.Get(t.Context(), "k")
	require.Error(t, err)
	assert.True(t, bulk.Retryable(err), "%v", err)
	assert.False(t, errors.Is(err, bulk.ErrBlobNotFound))
}
