package awse2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// A collision is an import whose rows name few users, in every way: creates,
// merges, changes of email, the same user by id and by email, with and without
// success; and the users that are there before it.
type collision struct {
	seeds []bulk.User
	rows  []bulk.Row
}

func newCollision(tb testing.TB, seed uint64, rows int) collision {
	tb.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	people := 10 + rows/10
	email := func() string { return fmt.Sprintf("e%d@example.com", r.IntN(people)) }
	fields := func() map[string]json.RawMessage {
		all := make(map[string]json.RawMessage)
		for range r.IntN(4) {
			name := []string{"team", "points", "a.b", `a"b'; DELETE`}[r.IntN(4)]
			all[name] = json.RawMessage([]string{"null", "1", "9007199254740993", `{"x":[true,null]}`}[r.IntN(4)])
		}
		return all
	}
	var c collision
	for i := range people / 2 {
		f, err := bulk.ParseFields([]byte(`{"team":"Lakers","points":1}`))
		if err != nil {
			tb.Fatal(err)
		}
		c.seeds = append(c.seeds, bulk.User{ID: fmt.Sprintf("u%d", i), Email: fmt.Sprintf("e%d@example.com", i), CustomFields: f})
	}
	c.rows = rowsOf(tb, rows, func(int) user {
		u := user{CustomFields: fields(), Metadata: fields()}
		kind := r.IntN(20)
		if kind > 6 {
			u.ID = fmt.Sprintf("u%d", r.IntN(people))
		}
		if kind < 14 {
			u.Email = email()
		}
		switch kind {
		case 0:
			u.Email = strings.ToUpper(u.Email)
		case 1:
			u.Email = "not an email"
		}
		return u
	})
	return c
}

// seed puts the users that are there before into a store.
func (c collision) seed(tb testing.TB, store bulk.Store) {
	tb.Helper()
	for _, u := range c.seeds {
		if err := store.Commit(tb.Context(), tenant, []bulk.Write{{User: u}})[0]; err != nil {
			tb.Fatal(err)
		}
	}
}

// tuned makes a configuration with many checkpoints and short waits.
func tuned(cfg bulk.Config) bulk.Config {
	cfg.Parallel, cfg.SegmentRows, cfg.MaxAttempts = 4, 40, 100
	cfg.Lease = 12 * time.Second // servers and tests share few processors
	return cfg
}

// An end is what an import comes to.
type end struct {
	users   []bulk.User
	results []byte
}

// undisturbed runs the job, which is in cfg, once more over backends in memory
// with the same users before it, where nothing fails.
func (c collision) undisturbed(tb testing.TB, cfg bulk.Config, job *bulk.Job) end {
	tb.Helper()
	store := memstore.New()
	calm := tuned(bulk.Config{Store: store, Blobs: memblob.New(), Jobs: memjobs.New(), Logger: slog.New(slog.DiscardHandler)})
	c.seed(tb, store)
	payload, err := cfg.Blobs.Get(tb.Context(), job.Payload)
	if err != nil {
		tb.Fatal(err)
	}
	defer payload.Close()
	if err := calm.Blobs.Put(tb.Context(), job.Payload, payload, bulk.BlobInfo{}); err != nil {
		tb.Fatal(err)
	}
	if err := calm.Jobs.Create(tb.Context(), job.JobSpec); err != nil {
		tb.Fatal(err)
	}
	ended := run(tb, calm, job.ID)
	return end{store.Users(tenant), results(tb, calm, ended)}
}

// check compares what the import came to with an undisturbed run of the same job:
// the users, who has which email, and the results file byte for byte.
func (c collision) check(tb testing.TB, cl *cloud, cfg bulk.Config, job *bulk.Job) {
	tb.Helper()
	want := c.undisturbed(tb, cfg, job)
	if got := results(tb, cfg, job); !bytes.Equal(got, want.results) {
		tb.Errorf("the results differ from those of an undisturbed run (-want +got):\n%s",
			cmp.Diff(strings.Split(string(want.results), "\n"), strings.Split(string(got), "\n")))
	}
	readResults(tb, want.results, len(c.rows))
	if n := len(cl.scan(tb.Context(), cl.users.UsersTable)); n != len(want.users) {
		tb.Errorf("there are %d users, want %d", n, len(want.users))
	}
	found := lookup(tb, cfg, len(want.users), func(i int) bulk.Ref {
		return bulk.Ref{ID: want.users[i].ID, Email: want.users[i].Email}
	})
	emails := make(map[string]bool)
	for i, u := range want.users {
		if found[i].ByID == nil {
			tb.Errorf("the user %s is missing", u.ID)
			continue
		}
		if diff := cmp.Diff(u, found[i].ByID.User); diff != "" {
			tb.Errorf("user %s (-want +got):\n%s", u.ID, diff)
		}
		if u.Email == "" {
			continue
		}
		emails[bulk.EmailKey(u.Email)] = true
		if owner := found[i].ByEmail; owner == nil || owner.ID != u.ID {
			tb.Errorf("the email of %s belongs to %+v", u.ID, owner)
		}
	}
	// The other emails of the import belong to nobody.
	var free []string
	for i := range 10 + len(c.rows)/10 {
		if email := fmt.Sprintf("e%d@example.com", i); !emails[email] {
			free = append(free, email)
		}
	}
	for i, f := range lookup(tb, cfg, len(free), func(i int) bulk.Ref { return bulk.Ref{Email: free[i]} }) {
		if f.ByEmail != nil {
			tb.Errorf("the email %s belongs to %s, and should to nobody", free[i], f.ByEmail.ID)
		}
	}
	if claims := len(cl.scan(tb.Context(), cl.users.ClaimsTable)); cl.mode == guarded && claims != len(emails) {
		tb.Errorf("there are %d claims for %d emails", claims, len(emails))
	}
}
