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
			writes  int // calls of BatchWriteItem that it takes
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

// commitBroken commits a write, whose nth call of BatchWriteItem fails, and all that
// follow if it is for good.
func (h *host) commitBroken(w bulk.Write, n int, forGood bool) error {
	faults := awstest.NewFaults(h, awstest.Transport(h), 1, awstest.Rule{Kind: awstest.ServerError})
	sound, calls := awstest.Transport(h), 0
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".BatchWriteItem") {
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

// A user who is both written and named by the claim of another write's email keeps
// what the store does not know.
func TestExclusiveCommitKeepsAttributesOfOwners(t *testing.T) {
	eachHost(t, exclusiveOnly, func(h *host) {
		h.create(bulk.User{ID: "owner", Email: "e@example.com"})
		h.mustUpdate("owner", "SET hostAttribute=:v", item{":v": text("mine")})
		owner := h.lookup(bulk.Ref{ID: "owner"}).ByID
		outcomes := h.store.Commit(h.Context(), "t", []bulk.Write{
			patched(owner, bulk.Patch{Email: "new@example.com"}),
			{User: bulk.User{ID: "other", Email: "e@example.com"}},
		})
		if outcomes[0] != nil || !errors.Is(outcomes[1], bulk.ErrEmailTaken) {
			h.Errorf("outcomes are %v", outcomes)
		}
		if !cmp.Equal(h.user("owner")["hostAttribute"], text("mine"), ignoreSDK) {
			h.Error("the host's attribute is lost")
		}
	})
}

// An update that moves no email costs in exclusive mode what it costs otherwise: one
// statement, and no read.
func TestExclusiveUpdatesReadNothing(t *testing.T) {
	eachHost(t, modes, func(h *host) {
		base := h.create(bulk.User{ID: "u", Email: "u@example.com"})
		faults := awstest.NewFaults(h, awstest.Transport(h), 1) // none: it counts
		store, err := dynamostore.New(h.server.DynamoDB(faults), h.opts)
		if err != nil {
			h.Fatal(err)
		}
		for _, w := range []bulk.Write{
			patched(base, bulk.Patch{CustomFields: fields(`{"a":1}`), Email: "U@example.com"}),
			{User: bulk.User{ID: "without email"}},
		} {
			if err := store.Commit(h.Context(), "t", []bulk.Write{w})[0]; err != nil {
				h.Error(err)
			}
		}
		if all, statements := faults.Calls(), faults.Calls("BatchExecuteStatement"); all != 2 || statements != 2 {
			h.Errorf("two writes took %d calls, %d of them statements: %v", all, statements, faults)
		}
	})
}
