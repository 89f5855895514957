package dynamostore_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/store/dynamostore"
)

var exclusiveOnly = map[string]dynamostore.Mode{"exclusive": dynamostore.Exclusive}

// Wherever a commit in exclusive mode breaks off, each user that is there has its
// email claimed, and an email that nobody has can be taken.
func TestExclusiveCommitBreaksOff(t *testing.T) {
	eachHost(t, exclusiveOnly, func(h *host) {
		for _, test := range []struct {
			kind    string
			writes  int // calls of BatchExecuteStatement that it takes
			forGood bool
		}{{"create", 2, true}, {"create", 2, false}, {"update", 3, true}, {"update", 3, false}} {
			for broken := 1; broken <= test.writes; broken++ {
				id := fmt.Sprintf("%s-%d-%t", test.kind, broken, test.forGood)
				before, after := id+"@example.com", id+"-new@example.com"
				w := bulk.Write{User: bulk.User{ID: id, Email: after}}
				if test.kind == "update" {
					w = patched(h.create(bulk.User{ID: id, Email: before}), bulk.Patch{Email: after})
				}
				if err := h.commitBroken(w, broken, test.forGood); err == nil || !bulk.Retryable(err) {
					h.Errorf("%s: %v, want a retryable error", id, err)
				}
				user := h.lookup(bulk.Ref{ID: id}).ByID
				if user != nil {
					h.hasEmail(id, user.Email)
				}
				for _, email := range []string{before, after} {
					if user != nil && user.Email == email {
						continue
					}
					if err := h.commit(bulk.Write{User: bulk.User{ID: "heir of " + email, Email: email}}); err != nil {
						h.Errorf("%s: %q belongs to nobody and cannot be taken: %v", id, email, err)
					}
				}
			}
		}
	})
}

// commitBroken commits a write, whose nth call of BatchExecuteStatement fails, and all
// that follow if it is for good.
func (h *host) commitBroken(w bulk.Write, n int, forGood bool) error {
	faults := awstest.NewFaults(h, awstest.Transport(h), 1, awstest.Rule{Kind: awstest.ServerError})
	sound, calls := awstest.Transport(h), 0
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".BatchExecuteStatement") {
			if calls++; calls == n || forGood && calls > n {
				return faults.RoundTrip(r)
			}
		}
		return sound.RoundTrip(r)
	})
	store, err := dynamostore.New(h.server.DynamoDB(transport), h.opts)
	if err != nil {
		h.Fatal(err)
	}
	return store.Commit(h.Context(), "t", []bulk.Write{w})[0]
}

// Writes of one call that name the same user or email, which callers do not send,
// do no harm: one of them is done.
func TestSameItemTwiceInACall(t *testing.T) {
	eachHost(t, modes, func(h *host) {
		for name, test := range map[string]struct {
			writes [2]bulk.User
			want   error
		}{
			"id":                      {[2]bulk.User{{ID: "a"}, {ID: "a"}}, bulk.ErrConflict},
			"id of users with emails": {[2]bulk.User{{ID: "d", Email: "d1@example.com"}, {ID: "d", Email: "d2@example.com"}}, bulk.ErrConflict},
			"email":                   {[2]bulk.User{{ID: "b", Email: "e@example.com"}, {ID: "c", Email: "E@example.com"}}, bulk.ErrEmailTaken},
		} {
			outcomes := h.store.Commit(h.Context(), "t", []bulk.Write{{User: test.writes[0]}, {User: test.writes[1]}})
			if (outcomes[0] == nil) == (outcomes[1] == nil) || !errors.Is(errors.Join(outcomes...), test.want) {
				h.Errorf("the same %s twice: %v", name, outcomes)
			}
		}
	})
}

// Whatever a commit in exclusive mode changes of a user, what the store does not know
// stays, also where the host writes it at the same time.
func TestExclusiveCommitKeepsAttributes(t *testing.T) {
	eachHost(t, exclusiveOnly, func(h *host) {
		base := h.create(bulk.User{ID: "u", Email: "e@example.com", CustomFields: fields(`{"a":1}`)})
		err := h.commitWhile(patched(base, bulk.Patch{Email: "new@example.com"}), "BatchExecuteStatement", 2, func() {
			h.mustUpdate("u", "SET hostAttribute=:v, customFields.host=:v", item{":v": text("mine")})
		})
		if err != nil {
			h.Error(err)
		}
		h.hasEmail("u", "new@example.com")
		if !cmp.Equal(h.user("u")["hostAttribute"], text("mine"), ignoreSDK) {
			h.Error("the host's attribute is lost")
		}
		if got := h.lookup(bulk.Ref{ID: "u"}).ByID.CustomFields; got != fields(`{"a":1,"host":"mine"}`) {
			h.Errorf("custom fields are %s", got)
		}
		if owner := h.owner("e@example.com"); owner != "" {
			h.Errorf("the old email is still claimed by %q", owner)
		}
	})
}

// A claim that was put for a user who is not as it was looked up is taken back, but
// for one that the user needs.
func TestExclusiveCommitTakesClaimsBack(t *testing.T) {
	eachHost(t, exclusiveOnly, func(h *host) {
		base := h.create(bulk.User{ID: "u", Email: "old@example.com"})
		h.done(patched(base, bulk.Patch{CustomFields: fields(`{"a":1}`)}))
		h.put(h.opts.UsersTable, item{"pk": userKey("host's")["pk"], "email": text("HOST@example.com")})
		for _, test := range []struct {
			write bulk.Write
			email string
			owner string
		}{
			{patched(base, bulk.Patch{Email: "new@example.com"}), "new@example.com", ""},
			{bulk.Write{User: bulk.User{ID: "u", Email: "new@example.com"}}, "new@example.com", ""},
			{bulk.Write{User: bulk.User{ID: "host's", Email: "host@example.com"}}, "host@example.com", "host's"},
		} {
			if err := h.commit(test.write); !errors.Is(err, bulk.ErrConflict) {
				h.Errorf("%s: %v, want ErrConflict", test.write.User.ID, err)
			}
			if got := h.owner(test.email); got != test.owner {
				h.Errorf("%s is claimed by %q, want %q", test.email, got, test.owner)
			}
		}
		h.hasEmail("u", "old@example.com")
	})
}

// A claim of its own that a crash left over is no reason for a user to be written by
// a transaction.
func TestExclusiveCommitFindsItsClaim(t *testing.T) {
	eachHost(t, exclusiveOnly, func(h *host) {
		h.put(h.opts.ClaimsTable, item{"pk": text(dynamostore.ClaimKey("t", "e@example.com")), "userId": text("u")})
		calls := h.count(bulk.Write{User: bulk.User{ID: "u", Email: "e@example.com"}})
		h.hasEmail("u", "e@example.com")
		// The claim; the look at what refused it; the user.
		if n, transactions := calls.Calls(), calls.Calls("TransactWriteItems"); n != 3 || transactions != 0 {
			h.Errorf("%d calls, %d of them transactions: %v", n, transactions, calls)
		}
	})
}

// count commits a write and counts its calls.
func (h *host) count(w bulk.Write) *awstest.Faults {
	h.Helper()
	calls := awstest.NewFaults(h, awstest.Transport(h), 1) // none: it counts
	store, err := dynamostore.New(h.server.DynamoDB(calls), h.opts)
	if err != nil {
		h.Fatal(err)
	}
	if err := store.Commit(h.Context(), "t", []bulk.Write{w})[0]; err != nil {
		h.Error(err)
	}
	return calls
}

// A write that moves an email is made of single writes in exclusive mode, without a
// read or a transaction, whether it is a create, a change or a first email.
func TestExclusiveMovesReadNothing(t *testing.T) {
	eachHost(t, exclusiveOnly, func(h *host) {
		user, without := h.create(bulk.User{ID: "u", Email: "u@example.com"}), h.create(bulk.User{ID: "without"})
		for name, test := range map[string]struct {
			write bulk.Write
			calls map[string]int
		}{
			"create": {bulk.Write{User: bulk.User{ID: "new", Email: "new@example.com"}}, map[string]int{"BatchExecuteStatement": 2}},
			"change": {patched(user, bulk.Patch{Email: "u2@example.com"}), map[string]int{"BatchExecuteStatement": 3}},
			"first email": {patched(without, bulk.Patch{Email: "first@example.com"}),
				map[string]int{"BatchExecuteStatement": 1, "UpdateItem": 1}},
		} {
			calls, all := h.count(test.write), 0
			for operation, n := range test.calls {
				if got := calls.Calls(operation); got != n {
					h.Errorf("%s takes %d calls of %s, want %d", name, got, operation, n)
				}
				all += n
			}
			if got := calls.Calls(); got != all {
				h.Errorf("%s takes %d calls, want %d: %v", name, got, all, calls)
			}
		}
	})
}

// An update that moves no email costs in exclusive mode what it costs otherwise: one
// statement, and no read.
func TestExclusiveUpdatesReadNothing(t *testing.T) {
	eachHost(t, modes, func(h *host) {
		base := h.create(bulk.User{ID: "u", Email: "u@example.com"})
		for _, w := range []bulk.Write{
			patched(base, bulk.Patch{CustomFields: fields(`{"a":1}`), Email: "U@example.com"}),
			{User: bulk.User{ID: "without email"}},
		} {
			calls := h.count(w)
			if all, statements := calls.Calls(), calls.Calls("BatchExecuteStatement"); all != 1 || statements != 1 {
				h.Errorf("a write took %d calls, %d of them statements: %v", all, statements, calls)
			}
		}
	})
}
