package pgstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/pgstore"
)

// BenchmarkHTTPVersusLoop measures what an import costs on top of the database: users end to
// end over HTTP, from the first byte of the first request until the last job has completed, and
// the best loop that a user would write: INSERT … ON CONFLICT of 1,000 users a statement on
// one connection, without HTTP, lookups, results or protection from others. Both write the same
// rows of about 370 bytes, into new tables of one database, by turns. Jobs and payloads are in
// memory. An op is a pair of both; the metrics are medians over pairs, import/loop being the
// users a second of the import by those of the loop.
func BenchmarkHTTPVersusLoop(b *testing.B) {
	for _, users := range []int{10_000, 100_000} {
		for _, updates := range []bool{false, true} {
			name := fmt.Sprintf("Creates/%d", users)
			if updates {
				name = fmt.Sprintf("Updates/%d", users)
			}
			b.Run(name, func(b *testing.B) { benchmarkHTTP(b, users, updates) })
		}
	}
}

// leastPairs is how many pairs are measured at least: what else the machine does makes single
// ones differ by a fifth.
const leastPairs = 5

func benchmarkHTTP(b *testing.B, users int, updates bool) {
	server := pgtest.Newest(b)
	first, second := persons(users, 1), persons(users, 2)
	measure := func(write func([]bulk.User) time.Duration) time.Duration {
		took := write(first)
		if updates {
			took = write(second)
		}
		return took
	}
	var ratios, rates []float64
	pair := func(n int) {
		database := migrated(b, server.URL)
		var imported, looped time.Duration
		runs := []func(){
			func() { imported = measure(newAPI(b, database).imports) },
			func() { looped = measure(newLoop(b, database).writes) },
		}
		if n%2 == 1 { // the first of two is at no advantage
			slices.Reverse(runs)
		}
		for _, run := range runs {
			if err := execute(b.Context(), database, `CHECKPOINT`); err != nil {
				b.Fatal(err)
			}
			run()
		}
		ratios = append(ratios, looped.Seconds()/imported.Seconds())
		rates = append(rates, float64(users)/imported.Seconds())
	}
	n := 0
	for b.Loop() {
		pair(n)
		n++
	}
	for ; n < leastPairs && !testing.Short(); n++ {
		pair(n)
	}
	b.ReportMetric(median(ratios), "import/loop")
	b.ReportMetric(median(rates), "users/s")
	b.ReportMetric(0, "ns/op")
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// persons makes users of about 370 bytes. Those of another round differ in all fields but
// the id.
func persons(n, round int) []bulk.User {
	users := make([]bulk.User, n)
	for i := range users {
		text := func(text string) bulk.Fields {
			f, err := bulk.ParseFields([]byte(text))
			if err != nil {
				panic(err) // a fault of the benchmark
			}
			return f
		}
		users[i] = bulk.User{
			ID: fmt.Sprintf("user-%06d", i), Email: fmt.Sprintf("first.last.%06d.%d@example.com", i, round),
			CustomFields: text(fmt.Sprintf(`{"team":"Lakers %d","points":%d,"active":true,"tags":["alpha","beta","gamma"],
				"address":{"street":"12 Main Street","city":"Springfield","zip":"12345"}}`, round, 9007199254740993+i+round)),
			Metadata: text(fmt.Sprintf(`{"source":"crm","batch":"%d-%d"}`, i/25, round)),
		}
	}
	return users
}

// An api is a server of the HTTP API and a worker.
type api struct {
	testing.TB
	url string
}

func newAPI(tb testing.TB, database string) *api {
	tb.Helper()
	pool := connect(tb, database)
	openAll(tb, pool) // as that of the loop is
	store, err := pgstore.New(pool, pgstore.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	cfg := bulk.Config{Store: store, Blobs: memblob.New(), Jobs: memjobs.New()}
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	handler, err := httpapi.New(httpapi.Config{
		Importer: importer,
		Authorize: func(*http.Request) (bulk.Principal, error) {
			return bulk.Principal{ID: "boss", Tenant: "acme", Role: bulk.RoleAdmin}, nil
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	server := httptest.NewServer(handler)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := worker.Run(ctx); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() {
		stop()
		running.Wait()
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return &api{tb, server.URL}
}

// openAll opens all connections of a pool.
func openAll(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	for range pool.Config().MaxConns {
		conn, err := pool.Acquire(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		defer conn.Release() // once all are open
	}
}

// imports sends users, as many a request as it takes, and waits for all jobs.
func (a *api) imports(users []bulk.User) time.Duration {
	a.Helper()
	var bodies []string
	for part := range slices.Chunk(users, bulk.DefaultMaxUsers) {
		text, err := json.Marshal(map[string]any{"users": part})
		if err != nil {
			a.Fatal(err)
		}
		bodies = append(bodies, string(text))
	}
	began := time.Now()
	var jobs []string
	for _, body := range bodies {
		jobs = append(jobs, a.call(http.MethodPost, "/v1/bulk/users", body).JobID)
	}
	for _, job := range jobs {
		for {
			got := a.call(http.MethodGet, "/v1/bulk/jobs/"+job, "")
			if got.Status == bulk.JobCompleted && got.Summary.Created+got.Summary.Updated == got.TotalRecords {
				break
			}
			if got.Status.Ended() {
				a.Fatalf("the job came to %+v", got)
			}
		}
	}
	return time.Since(began)
}

type jobAnswer struct {
	JobID        string
	Status       bulk.JobStatus
	TotalRecords int
	Summary      bulk.Summary
}

func (a *api) call(method, path, body string) jobAnswer {
	a.Helper()
	req, err := http.NewRequestWithContext(a.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Prefer", "wait=30")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Success bool
		Data    jobAnswer
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || !answer.Success {
		a.Fatalf("%s %s: %s, %v", method, path, resp.Status, err)
	}
	return answer.Data
}

// A loop is what users write without this library.
type loop struct {
	testing.TB
	conn *pgx.Conn
}

func newLoop(tb testing.TB, database string) *loop {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), database)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close(context.Background()) })
	_, err = conn.Exec(tb.Context(), `CREATE TABLE loop_users (
			tenant text NOT NULL, id text NOT NULL, email text, custom_fields jsonb NOT NULL, metadata jsonb NOT NULL,
			PRIMARY KEY (tenant, id));
		CREATE UNIQUE INDEX ON loop_users (tenant, lower(email))`)
	if err != nil {
		tb.Fatal(err)
	}
	return &loop{tb, conn}
}

func (l *loop) writes(users []bulk.User) time.Duration {
	l.Helper()
	began := time.Now()
	for part := range slices.Chunk(users, 1000) {
		columns := make([][]string, 4)
		for _, user := range part {
			for i, value := range []string{user.ID, user.Email, user.CustomFields.String(), user.Metadata.String()} {
				columns[i] = append(columns[i], value)
			}
		}
		_, err := l.conn.Exec(l.Context(), `INSERT INTO loop_users AS u (tenant, id, email, custom_fields, metadata)
			SELECT 'acme', * FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::jsonb[])
			ON CONFLICT (tenant, id) DO UPDATE SET email = excluded.email,
				custom_fields = u.custom_fields || excluded.custom_fields, metadata = u.metadata || excluded.metadata`,
			columns[0], columns[1], columns[2], columns[3])
		if err != nil {
			l.Fatal(err)
		}
	}
	return time.Since(began)
}
