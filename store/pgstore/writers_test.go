package pgstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/pgstore"
)

// How much happens at once, to how few users and emails.
const (
	processes    = 2
	writersEach  = 8
	requestsEach = 12
	rowsEach     = 60
	fewUsers     = 48
	fewEmails    = 40
)

// The environment of a process that writes: which one it is, and where.
const (
	writerVariable   = "PGSTORE_TEST_WRITER"
	databaseVariable = "PGSTORE_TEST_DATABASE"
)

// A written is what a process says of its writers: for each user and writer the number that
// the writer was last told is stored.
type written struct {
	Last     map[string]map[string]int
	Taken    int      // rows whose email another user had
	Failures []string // rows that failed for another reason
}

// TestManyWritersAtOnce: two processes import the same users and emails from 16 goroutines, in
// whatever order, while the host changes the same users too, several in one transaction.
func TestManyWritersAtOnce(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		database := with(t, migrated(t, server.URL), "deadlock_timeout", "50ms")
		reports := make([]written, processes)
		var writing sync.WaitGroup
		for i := range reports {
			writing.Go(func() {
				cmd := exec.CommandContext(t.Context(), os.Args[0])
				cmd.Env = append(os.Environ(), writerVariable+"="+strconv.Itoa(i), databaseVariable+"="+database)
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				output, err := cmd.Output()
				if err == nil {
					err = json.Unmarshal(output, &reports[i])
				}
				if err != nil {
					t.Errorf("process %d: %v: %s", i, err, stderr.String())
				}
			})
		}
		ended := make(chan struct{})
		go func() {
			writing.Wait()
			close(ended)
		}()
		pool := connect(t, database)
		counted := hostCounts(t, pool, ended)
		<-ended

		taken := 0
		for i, report := range reports {
			taken += report.Taken
			for _, failure := range report.Failures {
				t.Errorf("process %d: %s", i, failure)
			}
		}
		if taken == 0 || len(counted) == 0 {
			t.Errorf("%d emails were taken, and the host wrote to %d users: they did not meet", taken, len(counted))
		}
		checkWritten(t, pool, reports, counted)
	})
}

// hostCounts lets the host count in a field of two users at a time, in any order, until the
// others have ended. It returns how far it has counted for each user.
func hostCounts(t *testing.T, pool *pgxpool.Pool, ended <-chan struct{}) map[string]int {
	counted := make(map[string]int)
	for {
		select {
		case <-ended:
			return counted
		default:
		}
		ids, err := hostCountsTwo(t.Context(), pool)
		var e *pgconn.PgError
		switch {
		case errors.As(err, &e) && e.Code == "40P01": // the host was chosen to give way
		case err != nil:
			t.Errorf("host: %v", err)
			return counted
		default:
			for _, id := range ids {
				counted[id]++
			}
		}
	}
}

func hostCountsTwo(ctx context.Context, pool *pgxpool.Pool) (ids []string, err error) {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(ctx) }() // which does nothing after a commit
	for range 2 {
		id := fmt.Sprint("u", rand.IntN(fewUsers))
		tag, err := tx.Exec(ctx, `UPDATE bulkops_users SET custom_fields = jsonb_set(custom_fields, '{host}',
			to_jsonb(coalesce((custom_fields->>'host')::integer, 0) + 1)) WHERE id = $1`, id)
		if err != nil {
			return nil, err
		}
		if tag.RowsAffected() == 1 {
			ids = append(ids, id)
		}
	}
	return ids, tx.Commit(ctx)
}

// checkWritten fails unless the table holds what everybody was told.
func checkWritten(t *testing.T, pool *pgxpool.Pool, reports []written, counted map[string]int) {
	t.Helper()
	rows, err := pool.Query(t.Context(), `SELECT id, coalesce(email, ''), custom_fields::text FROM bulkops_users`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	stored, owners := make(map[string]map[string]int), make(map[string]string)
	for rows.Next() {
		var id, email, text string
		if err := rows.Scan(&id, &email, &text); err != nil {
			t.Fatal(err)
		}
		var numbers map[string]int
		if err := json.Unmarshal([]byte(text), &numbers); err != nil {
			t.Fatal(err)
		}
		stored[id] = numbers
		if other, shared := owners[bulk.EmailKey(email)]; shared && email != "" {
			t.Errorf("users %q and %q share the email %q", id, other, email)
		}
		owners[bulk.EmailKey(email)] = id
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for id, n := range counted {
		if stored[id]["host"] != n {
			t.Errorf("user %q: the host has counted to %d, and there is %d", id, n, stored[id]["host"])
		}
	}
	for _, report := range reports {
		for id, last := range report.Last {
			for writer, n := range last {
				if stored[id][writer] != n {
					t.Errorf("user %q: writer %s was told that %d is stored, and there is %d", id, writer, n, stored[id][writer])
				}
			}
		}
	}
}

// writerMain is a process that writes.
func writerMain() {
	pool, err := pgxpool.New(context.Background(), os.Getenv(databaseVariable)+"&pool_max_conns=8")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	store, err := pgstore.New(pool, pgstore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	importer, err := bulk.NewImporter(bulk.Config{
		Store: store, Blobs: memblob.New(), Jobs: memjobs.New(), Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		log.Fatal(err)
	}
	reports := make([]written, writersEach)
	var writing sync.WaitGroup
	for i := range reports {
		writing.Go(func() { reports[i] = writes(importer, fmt.Sprintf("w%s-%d", os.Getenv(writerVariable), i)) })
	}
	writing.Wait()
	all := written{Last: make(map[string]map[string]int)}
	for _, report := range reports {
		all.Taken += report.Taken
		all.Failures = append(all.Failures, report.Failures...)
		for id, last := range report.Last {
			if all.Last[id] == nil {
				all.Last[id] = make(map[string]int)
			}
			for writer, n := range last {
				all.Last[id][writer] = n
			}
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		log.Fatal(err)
	}
}

// writes imports requests, of which each row numbers a field of the writer's own.
func writes(importer *bulk.Importer, writer string) written {
	report := written{Last: make(map[string]map[string]int)}
	for request := range requestsEach {
		users := make([]bulk.User, rowsEach)
		for i := range users {
			f, err := bulk.ParseFields(fmt.Appendf(nil, `{%q:%d}`, writer, request*rowsEach+i+1))
			if err != nil {
				log.Fatal(err)
			}
			users[i] = bulk.User{ID: fmt.Sprint("u", rand.IntN(fewUsers)), CustomFields: f}
			if rand.IntN(3) > 0 {
				users[i].Email = fmt.Sprintf("E%d@example.com", rand.IntN(fewEmails))
			}
		}
		result, err := importer.Import(context.Background(), bulk.Request{
			Principal: boss, Options: bulk.DefaultOptions(), Rows: bulk.Users(users...),
		})
		if err != nil {
			report.Failures = append(report.Failures, err.Error())
			continue
		}
		for _, r := range result.Results {
			switch {
			case r.Status == bulk.StatusCreated || r.Status == bulk.StatusUpdated:
				if report.Last[r.UserID] == nil {
					report.Last[r.UserID] = make(map[string]int)
				}
				report.Last[r.UserID][writer] = request*rowsEach + r.Index + 1
			case len(r.Errors) == 1 && r.Errors[0].Code == bulk.CodeEmailTaken:
				report.Taken++
			default:
				report.Failures = append(report.Failures, fmt.Sprintf("%s: row %d: %s %v", writer, r.Index, r.Status, r.Errors))
			}
		}
	}
	return report
}
