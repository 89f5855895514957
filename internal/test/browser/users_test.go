package browser

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/bulkops/bulkops/bulk"
)

// A users is the store of a host, which counts how often each user was written and can
// be held up.
type users struct {
	bulk.Store

	mu      sync.Mutex
	writes  map[string]int // by user id
	from    int            // commits wait that write a user of this number or a greater one, 0 for none
	waits   bool           // one does, or did
	held    chan struct{}  // closed when one does
	release chan struct{}  // closed when none waits any more
	fail    func(bulk.Write) error
}

func newUsers(store bulk.Store) *users {
	return &users{Store: store, writes: make(map[string]int)}
}

// Unwrap keeps what the store can do beyond a Store.
func (u *users) Unwrap() bulk.Store { return u.Store }

func (u *users) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	u.mu.Lock()
	fail := u.fail
	var release chan struct{}
	if u.from > 0 && slices.ContainsFunc(writes, func(w bulk.Write) bool { return number(w.User.ID) >= u.from }) {
		release = u.release
		if !u.waits {
			u.waits = true
			close(u.held)
		}
	}
	u.mu.Unlock()
	if release != nil {
		select {
		case <-release:
		case <-ctx.Done():
			errs := make([]error, len(writes))
			for i := range errs {
				errs[i] = ctx.Err()
			}
			return errs
		}
	}
	errs := make([]error, len(writes))
	var doing []bulk.Write
	var places []int
	for i, w := range writes {
		if fail != nil {
			errs[i] = fail(w)
		}
		if errs[i] == nil {
			doing, places = append(doing, w), append(places, i)
		}
	}
	if len(doing) == 0 {
		return errs
	}
	for i, err := range u.Store.Commit(ctx, tenant, doing) {
		errs[places[i]] = err
		if err == nil {
			u.mu.Lock()
			u.writes[doing[i].User.ID]++
			u.mu.Unlock()
		}
	}
	return errs
}

// hold makes commits wait that write a user whose id has the number, or a greater one. It
// returns a channel that is closed when one waits, and what ends it.
func (u *users) hold(from int) (held <-chan struct{}, release func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.from, u.waits = from, false
	u.held, u.release = make(chan struct{}), make(chan struct{})
	open := u.release
	return u.held, sync.OnceFunc(func() {
		u.mu.Lock()
		u.from = 0
		u.mu.Unlock()
		close(open)
	})
}

// number is that in a user's id, such as 7 of "u-7"; 0 if there is none.
func number(id string) int {
	n, _ := strconv.Atoi(digits(id))
	return n
}

// refuse makes writes fail for which f returns an error, nil for none.
func (u *users) refuse(f func(bulk.Write) error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fail = f
}

// written returns how many users were written, and how often the one that was written
// most often.
func (u *users) written() (distinct, most int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, n := range u.writes {
		most = max(most, n)
	}
	return len(u.writes), most
}

// stored returns the user with an id, nil for none.
func (h *host) stored(tb testing.TB, id string) *bulk.Stored {
	tb.Helper()
	found, err := h.users.Lookup(tb.Context(), tenant, []bulk.Ref{{ID: id}})
	if err != nil {
		tb.Fatal(err)
	}
	return found[0].ByID
}

// wantUser checks what is stored of a user. Fields are JSON, as in {"n":1}.
func (h *host) wantUser(tb testing.TB, id, email, customFields string) {
	tb.Helper()
	stored := h.stored(tb, id)
	if stored == nil {
		tb.Errorf("user %q is not stored", id)
		return
	}
	if stored.Email != email || fields(tb, stored.CustomFields) != customFields {
		tb.Errorf("of user %q are stored %q and %s, want %q and %s", id, stored.Email, fields(tb, stored.CustomFields), email, customFields)
	}
}

// wantNoUser checks that nobody has the id.
func (h *host) wantNoUser(tb testing.TB, id string) {
	tb.Helper()
	if h.stored(tb, id) != nil {
		tb.Errorf("user %q is stored", id)
	}
}

func fields(tb testing.TB, f bulk.Fields) string {
	tb.Helper()
	text, err := json.Marshal(f)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// A mailer sends nothing.
type mailer struct{}

func (*mailer) SendWelcome(_ context.Context, messages []bulk.Welcome) []error {
	return make([]error, len(messages))
}
