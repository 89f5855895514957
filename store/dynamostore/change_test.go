package dynamostore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/bulk"
)

func TestPack(t *testing.T) {
	s := newTestStore(t, Options{})
	var changes []*change
	add := func(w bulk.Write) { changes = append(changes, s.newChange("t", &w)) }
	for i := range bulk.MaxBatch {
		add(bulk.Write{User: bulk.User{ID: fmt.Sprint(i), Email: fmt.Sprintf("%d@example.com", i)}})
	}
	if calls := pack(changes, maxActions, (*change).actions); len(calls) != 1 {
		t.Errorf("%d creates take %d transactions, want 1", len(changes), len(calls))
	}

	changes = nil
	large, err := bulk.NewFields(map[string]any{"f": strings.Repeat("x", 380<<10)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range bulk.MaxBatch {
		add(bulk.Write{User: bulk.User{ID: fmt.Sprint(i), CustomFields: large}})
	}
	for _, call := range pack(changes, maxActions, (*change).actions) {
		if len(call)*(380<<10) > maxCallBytes {
			t.Errorf("a call of %d users of 380 KiB", len(call))
		}
	}

	changes = nil
	add(bulk.Write{
		User:  bulk.User{ID: "a", Email: "z@example.com"},
		Base:  &bulk.Stored{User: bulk.User{ID: "a", Email: "y@example.com"}},
		Patch: bulk.Patch{Email: "z@example.com"},
	})
	add(bulk.Write{User: bulk.User{ID: "b", Email: "Y@example.com"}})
	add(bulk.Write{User: bulk.User{ID: "c", Email: "c@example.com"}})
	calls := pack(changes, maxActions, (*change).actions)
	if len(calls) != 2 || len(calls[0]) != 2 || calls[1][0].user.ID != "b" {
		t.Errorf("who takes an email that another gives up goes with it: %d calls", len(calls))
	}
}

func TestKeysAreDifferent(t *testing.T) {
	seen := make(map[Key][2]string)
	for _, tenant := range []string{"", "a", "#", "%", "a#", "#a", "a%23", "%25", "%2523", "a#b"} {
		for _, id := range []string{"", "a", "#", "%", "b", "#b", "a#b", "%23", "23a"} {
			key := DefaultUserKey(tenant, id)
			if other, ok := seen[key]; ok {
				t.Errorf("tenant %q id %q and tenant %q id %q have the same key", tenant, id, other[0], other[1])
			}
			seen[key] = [2]string{tenant, id}
		}
	}
	longest := DefaultUserKey(strings.Repeat("#", bulk.MaxTenant), strings.Repeat("😀", bulk.MaxUserID))
	if !longest.valid(false) {
		t.Errorf("the longest tenant and id have a key of %d bytes", len(longest.Partition))
	}
	if claim := ClaimKey(strings.Repeat("%", bulk.MaxTenant), strings.Repeat("😀", bulk.MaxEmail)); !validKey(claim, maxPartitionKey) {
		t.Errorf("the longest tenant and email have a key of %d bytes", len(claim))
	}
}
