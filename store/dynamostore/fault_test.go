package dynamostore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/store/dynamostore"
)

// Under each fault, what Commit says of a write is what is stored, and writes that
// are tried again until they are decided end as without faults.
func TestFaults(t *testing.T) {
	const share = 0.3
	all := map[string][]awstest.Rule{
		"throttle":             {{Kind: awstest.Throttle, Probability: share}},
		"heavy throttle":       {{Kind: awstest.Throttle, Probability: 0.5}},
		"server error":         {{Kind: awstest.ServerError, Probability: share}},
		"unprocessed keys":     {{Kind: awstest.UnprocessedKeys, Probability: 0.5}},
		"statement throttle":   {{Kind: awstest.StatementThrottle, Probability: 0.5}},
		"transaction conflict": {{Kind: awstest.TransactionConflict, Probability: 0.5}},
		"lost answer":          {{Kind: awstest.LostAnswer, Probability: share}},
		"everything": {
			{Kind: awstest.Throttle, Probability: 0.1}, {Kind: awstest.ServerError, Probability: 0.05},
			{Kind: awstest.UnprocessedKeys, Probability: 0.2},
			{Kind: awstest.StatementThrottle, Probability: 0.2}, {Kind: awstest.TransactionConflict, Probability: 0.2},
			{Kind: awstest.LostAnswer, Probability: 0.1},
		},
	}
	clients := map[string]func(aws.Config) *dynamodb.Client{
		"own client": func(cfg aws.Config) *dynamodb.Client { return dynamostore.NewClient(cfg) },
		"no retries": func(cfg aws.Config) *dynamodb.Client {
			return dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
		},
	}
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		for modeName, mode := range modes {
			t.Run(modeName, func(t *testing.T) {
				opts := newTables(t, server)
				opts.Mode = mode
				honest := newStore(t, server, opts)
				for name, rules := range all {
					for clientName, newClient := range clients {
						if name == "transaction conflict" && mode == dynamostore.Exclusive {
							continue // no such call
						}
						t.Run(name+"/"+clientName, func(t *testing.T) {
							t.Parallel()
							faults := awstest.NewFaults(t, awstest.Transport(t), 1, rules...)
							store, err := dynamostore.New(newClient(server.Config(faults)), opts)
							if err != nil {
								t.Fatal(err)
							}
							runFaults(t, store, honest, awstest.Name(t))
							injected := 0
							for _, rule := range rules {
								injected += faults.Injected(rule.Kind)
							}
							if injected == 0 {
								t.Errorf("no fault happened: %v", faults)
							}
						})
					}
				}
			})
		}
	})
}

// runFaults creates and updates users by a store with faults, and compares what it
// says with what another store finds.
func runFaults(t *testing.T, store, honest bulk.Store, tenant string) {
	random := rand.New(rand.NewPCG(1, 2))
	users := make(map[string]*bulk.Stored) // as they must be
	for round := range 3 {
		var writes []bulk.Write
		for i := range bulk.MaxBatch {
			id := fmt.Sprint("user ", i)
			mark := fmt.Sprintf("%d of round %d", i, round)
			base := users[id]
			if base == nil {
				user := bulk.User{ID: id, CustomFields: fields(`{"keep":1}`)}
				if i%3 != 0 {
					user.Email = fmt.Sprintf("u%d@example.com", i)
				}
				writes = append(writes, bulk.Write{User: user, Mark: mark})
				continue
			}
			patch := bulk.Patch{CustomFields: fields(fmt.Sprintf(`{"round":%d}`, round))}
			switch random.IntN(5) {
			case 0:
				patch.Email = fmt.Sprintf("u%d-%d@example.com", i, round)
			case 1:
				patch.Metadata = fields(`{"a.b":1}`)
			}
			w := patched(base, patch)
			w.Mark = mark
			writes = append(writes, w)
		}
		open := writes
		for attempt := 0; len(open) > 0; attempt++ {
			if attempt == 60 {
				t.Fatalf("round %d: %d writes are not decided after %d calls", round, len(open), attempt)
			}
			outcomes := store.Commit(t.Context(), tenant, open)
			now := stored(t, honest, tenant, open)
			var again []bulk.Write
			for i, err := range outcomes {
				w, got := open[i], now[i]
				done := got != nil && got.Mark == w.Mark
				switch {
				case done && got.User != w.User:
					t.Fatalf("round %d: half of a write is stored: %v, want %v", round, got.User, w.User)
				case !done && !sameVersion(got, w.Base):
					t.Fatalf("round %d: user %s is neither as before nor as written", round, w.User.ID)
				case err == nil && !done:
					t.Fatalf("round %d: a write is said to be done and is not", round)
				case err != nil && !bulk.Retryable(err):
					// Also no conflict with itself, after an answer was lost.
					t.Fatalf("round %d: %v, where nobody else writes", round, err)
				}
				if !done {
					again = append(again, w)
				} else {
					users[w.User.ID] = got
				}
			}
			open = again
		}
		lookupAll(t, store, tenant, users)
	}
}

func sameVersion(got, base *bulk.Stored) bool {
	if got == nil || base == nil {
		return got == base
	}
	return got.Version == base.Version
}

// stored returns the users of writes as they are, and checks that each is found by
// its email.
func stored(t *testing.T, store bulk.Store, tenant string, writes []bulk.Write) []*bulk.Stored {
	t.Helper()
	refs := make([]bulk.Ref, len(writes))
	for i, w := range writes {
		refs[i] = bulk.Ref{ID: w.User.ID, Email: w.User.Email}
	}
	found, err := store.Lookup(t.Context(), tenant, refs)
	if err != nil {
		t.Fatal(err)
	}
	users := make([]*bulk.Stored, len(found))
	for i, f := range found {
		users[i] = f.ByID
		if f.ByID != nil && f.ByID.Email == refs[i].Email && refs[i].Email != "" && (f.ByEmail == nil || f.ByEmail.ID != f.ByID.ID) {
			t.Fatalf("the email of %s does not find the user", f.ByID.ID)
		}
	}
	return users
}

// lookupAll checks that the store finds users as they are, in spite of its faults.
func lookupAll(t *testing.T, store bulk.Store, tenant string, users map[string]*bulk.Stored) {
	t.Helper()
	var refs []bulk.Ref
	for _, user := range users {
		refs = append(refs, bulk.Ref{ID: user.ID, Email: user.Email})
	}
	for attempt := 0; ; attempt++ {
		found, err := store.Lookup(t.Context(), tenant, refs)
		if err != nil && bulk.Retryable(err) && attempt < 60 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range found {
			want := users[refs[i].ID]
			if f.ByID == nil || *f.ByID != *want || want.Email != "" && (f.ByEmail == nil || *f.ByEmail != *want) {
				t.Fatalf("%s is not found as it is", want.ID)
			}
		}
		return
	}
}

// Denied permissions and missing tables are permanent, and say what was called for
// whom; no error has an email or a value in its text.
func TestPermanentErrors(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		for name, mode := range modes {
			t.Run(name, func(t *testing.T) {
				opts := dynamostore.Options{UsersTable: "no-such-table", ClaimsTable: "no-such-claims", Mode: mode}
				store := newStore(t, server, opts)
				_, err := store.Lookup(t.Context(), "t", []bulk.Ref{{ID: "u"}})
				permanent(t, err)
				permanent(t, store.Commit(t.Context(), "t", []bulk.Write{{User: bulk.User{ID: "u", Email: "u@example.com"}}})[0])
			})
		}
	})
}

func permanent(t *testing.T, err error) {
	t.Helper()
	var api interface{ ErrorCode() string }
	if err == nil || bulk.Retryable(err) || !errors.As(err, &api) || strings.TrimSuffix(api.ErrorCode(), "Exception") != "ResourceNotFound" {
		t.Errorf("got %v, want a permanent ResourceNotFound", err)
	}
}
