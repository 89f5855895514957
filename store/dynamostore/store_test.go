package dynamostore_test

import (
	"testing"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/store/dynamostore"
)

var modes = map[string]dynamostore.Mode{"guarded": dynamostore.Guarded, "exclusive": dynamostore.Exclusive}

func TestConformance(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		for name, mode := range modes {
			t.Run(name, func(t *testing.T) {
				opts := newTables(t, server)
				opts.Mode = mode
				store := newStore(t, server, opts)
				bulktest.TestStore(t, func(*testing.T) bulk.Store { return store })
			})
		}
	})
}

// newTables makes tables and returns the options of a store of them.
func newTables(t testing.TB, server awstest.Server) dynamostore.Options {
	t.Helper()
	name := awstest.Name(t)
	opts := dynamostore.Options{UsersTable: name + "-users", ClaimsTable: name + "-claims"}
	if err := dynamostore.CreateTables(t.Context(), server.DynamoDB(awstest.Transport(t)), opts); err != nil {
		t.Fatal(err)
	}
	return opts
}

func newStore(t testing.TB, server awstest.Server, opts dynamostore.Options) *dynamostore.Store {
	t.Helper()
	cfg := server.Config(awstest.Transport(t))
	store, err := dynamostore.New(dynamostore.NewClient(cfg), opts)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func BenchmarkStore(b *testing.B) {
	for name, server := range map[string]func(testing.TB) awstest.Server{
		"DynamoDBLocal": awstest.DynamoDBLocal, "dynoxide": awstest.Dynoxide,
	} {
		for mode, m := range modes {
			b.Run(name+"/"+mode, func(b *testing.B) {
				server := server(b)
				opts := newTables(b, server)
				opts.Mode = m
				store := newStore(b, server, opts)
				bulktest.BenchmarkStore(b, func(*testing.B) bulk.Store { return store })
			})
		}
	}
}
