//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/pgtest"
	"github.com/bulkops/bulkops/internal/test/soak"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// A killer ends a worker at one of its calls to the database: that call and all later
// ones are not answered.
type killer struct {
	at      int  // the call, counting from 1; 0 is none
	applied bool // the call still has its effect
	kill    context.CancelFunc

	mu    sync.Mutex
	calls int
}

// link is a [soak.Link].
func (k *killer) link(_ context.Context, call soak.Call, deliver func()) bool {
	if call.Operation == "" { // such as what a new connection says
		deliver()
		return true
	}
	k.mu.Lock()
	k.calls++
	n := k.calls
	k.mu.Unlock()
	if k.at == 0 || n < k.at {
		deliver()
		return true
	}
	if n == k.at && k.applied {
		deliver()
	}
	k.kill()
	return false
}

// config is for small groups of rows and many checkpoints.
func config(o *soak.Opened) bulk.Config {
	return bulk.Config{
		Store: o.Store, Blobs: o.Blobs, Jobs: o.Jobs, IdempotencyKeys: o.Keys,
		SegmentRows: 10, Parallel: 2, Lease: time.Hour, StopGrace: time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	}
}

func boss(tenant string) bulk.Principal {
	return bulk.Principal{ID: "boss", Tenant: tenant, Role: bulk.RoleAdmin}
}

// collisions are rows that meet in users and addresses: new ones, by id, by email and by
// both, addresses that are taken and that change hands.
func collisions() (users []bulk.User) {
	id := func(i int) string { return fmt.Sprintf("u%d", i%7) }
	email := func(i int) string { return fmt.Sprintf("e%d@example.com", i%5) }
	for i := range 40 {
		fields, _ := bulk.NewFields(map[string]any{fmt.Sprintf("f%d", i): i, "last": i})
		user := bulk.User{CustomFields: fields}
		switch i % 4 {
		case 0:
			user.ID = id(i)
		case 1:
			user.Email = email(i)
		case 2:
			user.ID, user.Email = id(i), email(i*3)
		default:
			user.ID, user.Email = fmt.Sprintf("n%d", i), fmt.Sprintf("n%d@example.com", i)
		}
		users = append(users, user)
	}
	return users
}

// attempt makes a job of the rows and runs it once, through the killer. An hour later it
// can be claimed again.
func (k *killer) attempt(ctx context.Context, url string, past *soak.Opened, tenant string) (*bulk.Job, error) {
	b := new(postgres)
	proxied, err := b.Proxy(ctx, url, k.link)
	if err != nil {
		return nil, err
	}
	through, err := b.Open(ctx, tenant, []string{proxied})
	if err != nil {
		return nil, err
	}
	importer, err1 := bulk.NewImporter(config(past))
	worker, err2 := bulk.NewWorker(config(through))
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	job, err := importer.Submit(ctx, bulk.Request{
		Principal: boss(tenant), Options: bulk.DefaultOptions(), Rows: bulk.Users(collisions()...),
	})
	if err != nil {
		return nil, err
	}
	life, kill := context.WithCancel(ctx)
	defer kill()
	k.kill = kill
	if err := worker.RunJob(life, job.ID); err != nil && k.at == 0 {
		return nil, err
	}
	return job, past.Host.(*host).update(ctx, `UPDATE bulkops_jobs SET lease_until = statement_timestamp(), not_before = NULL
		WHERE id = $1`, job.ID)
}

// finish runs a job to its end and returns its results file.
func finish(t *testing.T, cfg bulk.Config, job *bulk.Job) []byte {
	t.Helper()
	importer, err1 := bulk.NewImporter(cfg)
	worker, err2 := bulk.NewWorker(cfg)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if err := worker.RunJob(t.Context(), job.ID); err != nil && !errors.Is(err, bulk.ErrJobEnded) {
		t.Fatal(err)
	}
	job, err := importer.Job(t.Context(), boss(job.Tenant), job.ID)
	if err != nil || job.Status != bulk.JobCompleted {
		t.Fatalf("the job is %+v, %v", job, err)
	}
	r, err := importer.Results(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// undisturbed makes the same job in memory, where nothing goes wrong.
func undisturbed(t *testing.T, cfg bulk.Config, job *bulk.Job) (results []byte, users []bulk.User) {
	t.Helper()
	store, jobs, blobs := memstore.New(), memjobs.New(), memblob.New()
	payload, err := cfg.Blobs.Get(t.Context(), job.Payload)
	if err != nil {
		t.Fatal(err)
	}
	defer payload.Close()
	if err := errors.Join(blobs.Put(t.Context(), job.Payload, payload, bulk.BlobInfo{}), jobs.Create(t.Context(), job.JobSpec)); err != nil {
		t.Fatal(err)
	}
	cfg.Store, cfg.Jobs, cfg.Blobs, cfg.IdempotencyKeys = store, jobs, blobs, nil
	return finish(t, cfg, job), store.Users(job.Tenant)
}

// check finishes a job and fails unless it is as an undisturbed one: the results byte for
// byte, and the users.
func check(t *testing.T, past *soak.Opened, job *bulk.Job) {
	t.Helper()
	cfg := config(past)
	want, wantUsers := undisturbed(t, cfg, job)
	if got := finish(t, cfg, job); !bytes.Equal(got, want) {
		t.Errorf("the results are\n%s\nwant\n%s", got, want)
	}
	all, err := past.Host.Users(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	users := make(map[string]bulk.User)
	for _, u := range all {
		if u.Tenant == job.Tenant {
			users[u.ID] = u.User
		}
	}
	if len(users) != len(wantUsers) {
		t.Errorf("there are %d users, want %d", len(users), len(wantUsers))
	}
	for _, want := range wantUsers {
		if got := users[want.ID]; got.Email != want.Email || !got.CustomFields.Equal(want.CustomFields) {
			t.Errorf("user %s is %+v, want %+v", want.ID, got, want)
		}
	}
}

// TestKilledWorker kills workers at calls from the first to the last, before or after the
// call had its effect; others make the same of the jobs that undisturbed ones make.
func TestKilledWorker(t *testing.T) {
	url := pgtest.Database(t, pgtest.Newest(t).URL, execute)
	if err := new(postgres).Create(t.Context(), []string{url}); err != nil {
		t.Fatal(err)
	}
	past, err := new(postgres).Open(t.Context(), "driver", []string{url})
	if err != nil {
		t.Fatal(err)
	}
	unharmed := new(killer)
	job, err := unharmed.attempt(t.Context(), url, past, "unharmed")
	if err != nil {
		t.Fatal(err)
	}
	check(t, past, job)

	// All at once: a process that nobody answers takes seconds to give up.
	const kills = 12
	killers, jobs, errs := make([]*killer, kills), make([]*bulk.Job, kills), make([]error, kills)
	var dying sync.WaitGroup
	for i := range kills {
		killers[i] = &killer{at: 1 + i*(unharmed.calls-1)/(kills-1), applied: i%2 == 1}
		dying.Go(func() { jobs[i], errs[i] = killers[i].attempt(t.Context(), url, past, fmt.Sprint("killed-", i)) })
	}
	dying.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i, k := range killers {
		t.Run(fmt.Sprintf("call %d of %d, applied %t", k.at, unharmed.calls, k.applied), func(t *testing.T) { check(t, past, jobs[i]) })
	}
}
