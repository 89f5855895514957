package bulktest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
)

// TestStore proves that a store keeps the promises of [bulk.Store]. See the
// package documentation for what open may return.
//
// The suite sees a store through its interface alone. What a store keeps with a
// user beyond [bulk.Stored], and must not lose, is for a test of its own.
func TestStore(t *testing.T, open func(t *testing.T) bulk.Store) {
	for _, c := range slices.Concat(
		lookupCases, createCases, updateCases, emailCases, fieldCases, sizeCases,
		batchCases, identityCases, argumentCases, storeRaceCases,
	) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sayRule(t, c.rule)
			store := open(t)
			c.run(&storeTest{T: t, ctx: caseContext(t), store: store, batch: bulk.BatchSize(store), tenant: unique("tenant")})
		})
	}
}

// A storeCase checks one promise of [bulk.Store].
type storeCase struct {
	name string
	rule string // the promise, said when the case fails
	run  func(t *storeTest)
}

// A storeTest is a case that runs, with a tenant of its own.
type storeTest struct {
	*testing.T
	ctx    context.Context
	store  bulk.Store
	batch  int // elements of a call
	tenant string
}

// in returns the same case with another tenant.
func (t *storeTest) in(tenant string) *storeTest {
	other := *t
	other.tenant = tenant
	return &other
}

// tryLookup returns one result for each reference, or an error. Goroutines that
// must not end the test use it.
func (t *storeTest) tryLookup(refs ...bulk.Ref) ([]bulk.Found, error) {
	t.Helper()
	found, err := t.store.Lookup(t.ctx, t.tenant, refs)
	if err != nil {
		return nil, fmt.Errorf("looking up %d references: %w", len(refs), err)
	}
	if len(found) != len(refs) {
		return nil, fmt.Errorf("looking up %d references returned %d results", len(refs), len(found))
	}
	return found, nil
}

func (t *storeTest) lookup(refs ...bulk.Ref) []bulk.Found {
	t.Helper()
	found, err := t.tryLookup(refs...)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// byID returns the user with an id, nil if there is none.
func (t *storeTest) byID(id string) *bulk.Stored {
	t.Helper()
	return t.lookup(bulk.Ref{ID: id})[0].ByID
}

// user returns the user with an id, which must exist.
func (t *storeTest) user(id string) *bulk.Stored {
	t.Helper()
	user := t.byID(id)
	if user == nil {
		t.Fatalf("there is no user %q", clip(id))
	}
	return user
}

// owner returns the user that owns an email, nil if nobody does.
func (t *storeTest) owner(email string) *bulk.Stored {
	t.Helper()
	return t.lookup(bulk.Ref{Email: email})[0].ByEmail
}

// commit returns the outcomes of up to a batch of writes.
func (t *storeTest) commit(writes ...bulk.Write) []error {
	t.Helper()
	outcomes := t.store.Commit(t.ctx, t.tenant, writes)
	if len(outcomes) != len(writes) {
		t.Errorf("Commit of %d writes returned %d outcomes", len(writes), len(outcomes))
		return slices.Repeat([]error{errNoOutcome}, len(writes))
	}
	return outcomes
}

// errNoOutcome stands for the outcomes that a Commit failed to return.
var errNoOutcome = errors.New("not one outcome for each write")

// done commits writes of which all must be done, in as many batches as it takes.
func (t *storeTest) done(writes ...bulk.Write) {
	t.Helper()
	for batch := range slices.Chunk(writes, t.batch) {
		for i, err := range t.commit(batch...) {
			if err != nil {
				t.Fatalf("%s: %v", describe(batch[i]), err)
			}
		}
	}
}

// refused commits a write that must not be done.
func (t *storeTest) refused(w bulk.Write, want error) {
	t.Helper()
	if err := t.commit(w)[0]; !errors.Is(err, want) {
		t.Fatalf("%s: outcome is %v, want %q", describe(w), errText(err), want)
	}
}

// add creates a user and returns it as the store holds it.
func (t *storeTest) add(user bulk.User) *bulk.Stored {
	t.Helper()
	t.done(create(user))
	return t.holds(user)
}

// change updates a user and returns it as the store holds it, after checking
// that it is what the patch makes of it.
func (t *storeTest) change(base *bulk.Stored, patch bulk.Patch) *bulk.Stored {
	t.Helper()
	w := update(base, patch)
	t.done(w)
	return t.holds(w.User)
}

// holds fails unless the store holds exactly this user, and finds it by its id
// and by its email.
func (t *storeTest) holds(want bulk.User) *bulk.Stored {
	t.Helper()
	found := t.lookup(bulk.Ref{ID: want.ID, Email: want.Email})[0]
	if found.ByID == nil {
		t.Fatalf("there is no user %q", clip(want.ID))
	}
	if diff := cmp.Diff(want, found.ByID.User); diff != "" {
		t.Fatalf("user %q is not as written (-want +got):\n%s", clip(want.ID), clip(diff))
	}
	if found.ByID.Version == "" {
		t.Fatalf("user %q has an empty version", clip(want.ID))
	}
	if want.Email != "" {
		if found.ByEmail == nil {
			t.Fatalf("nobody owns %q, the email of user %q", clip(want.Email), clip(want.ID))
		}
		if diff := cmp.Diff(found.ByID, found.ByEmail); diff != "" {
			t.Fatalf("user %q found by id (-) is not what is found by its email (+):\n%s", clip(want.ID), clip(diff))
		}
	}
	return found.ByID
}

// unchanged fails unless the store holds the user as it was.
func (t *storeTest) unchanged(want *bulk.Stored) {
	t.Helper()
	got := t.holds(want.User)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("a write that was not done changed user %q (-before +after):\n%s", clip(want.ID), clip(diff))
	}
}

func (t *storeTest) absent(id string) {
	t.Helper()
	if got := t.byID(id); got != nil {
		t.Fatalf("there is a user %q, but none was written", clip(id))
	}
}

// free fails if anybody owns the email.
func (t *storeTest) free(email string) {
	t.Helper()
	if got := t.owner(email); got != nil {
		t.Fatalf("email %q belongs to user %q, but should be free", clip(email), clip(got.ID))
	}
}

// create returns the write of a new user.
func create(user bulk.User) bulk.Write {
	return bulk.Write{User: user, Mark: "created " + clip(user.ID)}
}

// update returns the write of a patch.
func update(base *bulk.Stored, patch bulk.Patch) bulk.Write {
	user := base.User
	user.CustomFields = user.CustomFields.Merge(patch.CustomFields)
	user.Metadata = user.Metadata.Merge(patch.Metadata)
	if patch.Email != "" {
		user.Email = patch.Email
	}
	return bulk.Write{User: user, Mark: "updated " + clip(user.ID), Base: base, Patch: patch}
}

// fields makes fields of JSON text.
func fields(text string) bulk.Fields {
	f, err := bulk.ParseFields([]byte(text))
	if err != nil {
		panic(err) // a fault of the suite
	}
	return f
}

func describe(w bulk.Write) string {
	if w.Base == nil {
		return "create of user " + clip(w.User.ID)
	}
	return "update of user " + clip(w.User.ID)
}

// sayRule ends the log of a case that failed with the rule that is violated.
func sayRule(t *testing.T, rule string) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("violated rule: %s", rule)
		}
	})
}

// caseTimeout bounds a case. It is far more than a case takes on a slow database.
const caseTimeout = 2 * time.Minute

// caseContext returns the context of a case's calls.
func caseContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), caseTimeout)
	t.Cleanup(cancel)
	return ctx
}

// cancelled returns a context that is cancelled.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// unique returns a name that nothing else has.
func unique(kind string) string { return "bulktest-" + kind + "-" + strings.ToLower(rand.Text()) }

// race runs f n times at once, as near as can be, and waits for all.
func race(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

// clip shortens a text for a message.
func clip(s string) string {
	const most = 2000
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

func errText(err error) string {
	if err == nil {
		return "nil"
	}
	return err.Error()
}
