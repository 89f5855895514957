package dynamostore

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
)

// bigField is a field of some kilobytes.
func bigField(t *testing.T, kilobytes int) bulk.Fields {
	fields, err := bulk.NewFields(map[string]any{"about": strings.Repeat("x", kilobytes<<10)})
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

// Loads are capacity units as DynamoDB counts them.
func TestLoads(t *testing.T) {
	s := newTestStore(t, Options{})
	small := bulk.User{ID: "u", Email: "u@example.com"}
	large := bulk.User{ID: "u", CustomFields: bigField(t, 3)}
	stored := func(u bulk.User) *bulk.Stored { return &bulk.Stored{User: u, Version: "v"} }
	stale := s.newChange("t", &bulk.Write{User: small})
	stale.stale = &staleOwner{id: "o", key: DefaultUserKey("t", "o")}
	for name, test := range map[string]struct {
		change            *change
		user, transaction load
	}{
		"create":           {s.newChange("t", &bulk.Write{User: small}), load{1, 1, 0}, load{2, 2, 2}},
		"large create":     {s.newChange("t", &bulk.Write{User: large}), load{1, 4, 0}, load{1, 8, 0}},
		"to a small one":   {s.newChange("t", &bulk.Write{User: small, Base: stored(large)}), load{1, 4, 0}, load{1, 8, 0}},
		"a long mark":      {s.newChange("t", &bulk.Write{User: small, Mark: strings.Repeat("m", 1000)}), load{1, 2, 0}, load{2, 4, 2}},
		"a claim to check": {stale, load{1, 1, 0}, load{3, 4, 2}},
		"new address": {s.newChange("t", &bulk.Write{User: small, Base: stored(bulk.User{ID: "u", Email: "o@example.com"}),
			Patch: bulk.Patch{Email: small.Email}}), load{1, 1, 0}, load{3, 2, 4}},
	} {
		if got := test.change.userLoad(); got != test.user {
			t.Errorf("%s: %+v for the user, want %+v", name, got, test.user)
		}
		if got := transactionLoad([]*change{test.change}); got != test.transaction {
			t.Errorf("%s: %+v in a transaction, want %+v", name, got, test.transaction)
		}
		if got, want := test.change.claimLoad(), (load{1, 0, 1}); got != want {
			t.Errorf("%s: %+v for the claim, want %+v", name, got, want)
		}
	}
}

// What of a cancelled transaction was throttled is told by table.
func TestThrottledLoad(t *testing.T) {
	s := newTestStore(t, Options{})
	changes := []*change{
		s.newChange("t", &bulk.Write{User: bulk.User{ID: "a", Email: "a@example.com"}}),
		s.newChange("t", &bulk.Write{User: bulk.User{ID: "b", Email: "b@example.com"}}),
	}
	for name, test := range map[string]struct {
		codes []string
		want  load
	}{
		"users":          {[]string{"None", "None", "ThrottlingError", "None"}, load{4, 4, 0}},
		"claims":         {[]string{"None", "ProvisionedThroughputExceeded", "None", "None"}, load{4, 0, 4}},
		"both":           {[]string{"None", "ThrottlingError", "ThrottlingError", "None"}, load{4, 4, 4}},
		"none":           {[]string{"None", "TransactionConflict", "ConditionalCheckFailed", "None"}, load{}},
		"too few":        {[]string{"ThrottlingError"}, load{4, 4, 0}},
		"too many":       {[]string{"None", "None", "None", "None", "ThrottlingError"}, load{}},
		"without reason": {nil, load{}},
	} {
		var reasons []types.CancellationReason
		for _, code := range test.codes {
			reasons = append(reasons, types.CancellationReason{Code: aws.String(code)})
		}
		if got := throttledLoad(changes, reasons); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}
