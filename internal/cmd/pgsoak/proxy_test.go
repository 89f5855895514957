//go:build unix

package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/internal/test/soak"
)

func execute(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// open returns a database as a process uses it through a proxy, and as one uses it
// past the proxy.
func open(t *testing.T, link soak.Link) (through, past *soak.Opened) {
	t.Helper()
	url := pgtest.Database(t, pgtest.Newest(t).URL, execute)
	b := new(postgres)
	if err := b.Create(t.Context(), []string{url}); err != nil {
		t.Fatal(err)
	}
	proxied, err := b.Proxy(t.Context(), url, link)
	if err != nil {
		t.Fatal(err)
	}
	through, err1 := b.Open(t.Context(), "worker-12", []string{proxied})
	past, err2 := b.Open(t.Context(), "driver", []string{url})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return through, past
}

// create writes a user.
func create(ctx context.Context, store bulk.Store, id string) error {
	return store.Commit(ctx, "red", []bulk.Write{{User: bulk.User{ID: id}, Mark: "m"}})[0]
}

// exists reports whether there is a user.
func exists(t *testing.T, past *soak.Opened, id string) bool {
	t.Helper()
	found, err := past.Store.Lookup(t.Context(), "red", []bulk.Ref{{ID: id}})
	if err != nil {
		t.Fatal(err)
	}
	return found[0].ByID != nil
}

// TestPoints: all calls at which faults are planned are made, by a worker and an
// importer that do what they do in a soak, and are known to be theirs.
func TestPoints(t *testing.T) {
	var mu sync.Mutex
	seen := make(map[string]bool)
	through, _ := open(t, func(_ context.Context, call soak.Call, deliver func()) bool {
		mu.Lock()
		seen[call.Operation] = true
		mu.Unlock()
		if call.Process != "worker-12" {
			t.Errorf("a call is of %q: %+v", call.Process, call)
		}
		if write := call.Operation[:min(6, len(call.Operation))]; call.Writes != slices.Contains([]string{"INSERT", "UPDATE", "DELETE"}, write) {
			t.Errorf("%s changes something: %v", call.Operation, call.Writes)
		}
		deliver()
		return true
	})
	cfg := bulk.Config{
		Store: through.Store, Blobs: through.Blobs, Jobs: through.Jobs, IdempotencyKeys: through.Keys,
		SyncThreshold: 50, Poll: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	}
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	boss := bulk.Principal{ID: "boss", Tenant: "red", Role: bulk.RoleAdmin}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := worker.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for _, email := range []string{"a@example.com", "b@example.com"} { // the second time it is updated
		user := bulk.User{ID: "u1", Email: email}
		accepted, err := importer.Accept(t.Context(), bulk.Request{
			Principal: boss, Options: bulk.DefaultOptions(), IdempotencyKey: email, Rows: bulk.Users(user),
		})
		if err != nil || accepted.Report.Summary.Failed > 0 {
			t.Fatalf("%+v, %v", accepted, err)
		}
		user = bulk.User{ID: "u2", Email: "of-u2-" + email}
		job, err := importer.Submit(t.Context(), bulk.Request{Principal: boss, Options: bulk.DefaultOptions(), Rows: bulk.Users(user)})
		for err == nil && !job.Status.Ended() {
			job, err = importer.Wait(t.Context(), boss, job.ID, time.Minute)
		}
		if err != nil || job.Status != bulk.JobCompleted || job.Summary().Failed > 0 {
			t.Fatalf("%+v, %v", job, err)
		}
	}
	stop()
	running.Wait()
	mu.Lock() // some connection may still be on its way out
	defer mu.Unlock()
	for _, point := range new(postgres).Points() {
		if !seen[point.Operation] {
			t.Errorf("nobody calls %s", point.Operation)
		}
	}
}

// TestProxyDelivers: a call that was held back is delivered although its caller is
// gone.
func TestProxyDelivers(t *testing.T) {
	held, deliverNow, delivered := make(chan struct{}), make(chan struct{}), make(chan struct{})
	through, past := open(t, func(_ context.Context, call soak.Call, deliver func()) bool {
		if call.Operation != "INSERT bulkops_users" {
			deliver()
			return true
		}
		held <- struct{}{}
		<-deliverNow
		deliver()
		close(delivered)
		return true
	})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() { gone <- create(ctx, through.Store, "late") }()
	<-held
	cancel()
	if err := <-gone; err == nil {
		t.Error("the call was answered while it was held back")
	}
	if exists(t, past, "late") {
		t.Error("the call came although it was held back")
	}
	close(deliverNow)
	<-delivered
	if !exists(t, past, "late") {
		t.Error("the call never came")
	}
}

// TestProxyLosesAnswers: what the link keeps back of a call is not seen, be it the call or its
// answer.
func TestProxyLosesAnswers(t *testing.T) {
	for name, done := range map[string]bool{"answer": true, "call": false} {
		t.Run(name, func(t *testing.T) {
			through, past := open(t, func(_ context.Context, call soak.Call, deliver func()) bool {
				lost := call.Operation == "INSERT bulkops_users"
				if !lost || done {
					deliver()
				}
				return !lost
			})
			if err := create(t.Context(), through.Store, "lost"); err == nil {
				t.Error("an answer was seen that was to be lost")
			}
			if got := exists(t, past, "lost"); got != done {
				t.Errorf("the user was created: %v, want %v", got, done)
			}
		})
	}
}

// passAll is a link without faults.
func passAll(_ context.Context, _ soak.Call, deliver func()) bool {
	deliver()
	return true
}
