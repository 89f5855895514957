package awscontract

import (
	"errors"
	"flag"
	"testing"

	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/internal/test/api/contracttest"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/store/dynamostore"
)

// TestMain lets more cases run at once than there are processors: most of the time
// they wait for servers.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// TestAWS runs the whole contract on each DynamoDB server, with blobs on the S3
// server; in the exclusive mode, from which a caller of the API sees no difference,
// on the faster of them alone. All that is sent to one database goes through one
// store, as that mode demands.
func TestAWS(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		modes := map[string]dynamostore.Mode{"guarded": dynamostore.Guarded}
		if server.Name == "dynoxide" {
			modes["exclusive"] = dynamostore.Exclusive
		}
		for name, mode := range modes {
			t.Run(name, func(t *testing.T) {
				backends := open(t, server, mode)
				contracttest.Run(t, func(*testing.T) contracttest.Backends { return backends })
			})
		}
	})
}

// open makes tables and a bucket and opens backends on them.
func open(t *testing.T, dynamoDB awstest.Server, mode dynamostore.Mode) contracttest.Backends {
	t.Helper()
	s3 := awstest.S3(t)
	name := awstest.Name(t)
	users := dynamostore.Options{UsersTable: name + "-users", ClaimsTable: name + "-claims", Mode: mode}
	jobs := dynamojobs.Options{Table: name + "-jobs"}
	blobs := s3blob.Options{Bucket: name}
	transport := awstest.Transport(t)
	tables, buckets := dynamoDB.DynamoDB(transport), s3.S3(transport)
	store, err1 := dynamostore.New(dynamostore.NewClient(dynamoDB.Config(transport)), users)
	queue, err2 := dynamojobs.New(dynamojobs.NewClient(dynamoDB.Config(transport)), jobs)
	files, err3 := s3blob.New(s3blob.NewClient(s3.Config(transport)), blobs)
	err := errors.Join(err1, err2, err3,
		dynamostore.CreateTables(t.Context(), tables, users),
		dynamojobs.CreateTable(t.Context(), tables, jobs),
		s3blob.EnsureBucket(t.Context(), buckets, blobs),
	)
	if err != nil {
		t.Fatal(err)
	}
	return contracttest.Backends{Store: store, Blobs: files, Jobs: queue}
}
