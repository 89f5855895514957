package browser

import (
	"errors"
	"testing"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/dynamostore"
	"github.com/bulkops/bulkops/store/memstore"
)

// backends makes empty backends for a test.
type backends func(testing.TB) bulk.Config

func inMemory(testing.TB) bulk.Config {
	return bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New()}
}

// onAWS is on new tables and a new bucket of real servers. Their links to results lead to
// another origin than the page's.
func onAWS(tb testing.TB) bulk.Config {
	tb.Helper()
	dynamoDB, s3 := awstest.Dynoxide(tb), awstest.S3(tb)
	transport := awstest.Transport(tb)
	name := awstest.Name(tb)
	users := dynamostore.Options{UsersTable: name + "-users", ClaimsTable: name + "-claims"}
	jobs := dynamojobs.Options{Table: name + "-jobs"}
	blobs := s3blob.Options{Bucket: name}
	tables, bucket := dynamoDB.Config(transport), s3.Config(transport)
	store, err1 := dynamostore.New(dynamostore.NewClient(tables), users)
	queue, err2 := dynamojobs.New(dynamojobs.NewClient(tables), jobs)
	files, err3 := s3blob.New(s3blob.NewClient(bucket), blobs)
	err := errors.Join(err1, err2, err3,
		dynamostore.CreateTables(tb.Context(), dynamoDB.DynamoDB(transport), users),
		dynamojobs.CreateTable(tb.Context(), dynamoDB.DynamoDB(transport), jobs),
		s3blob.EnsureBucket(tb.Context(), s3.S3(transport), blobs))
	if err != nil {
		tb.Fatal(err)
	}
	return bulk.Config{Store: store, Blobs: files, Jobs: queue}
}

// eachBackend runs test on the backends in memory and on those of AWS.
func eachBackend(t *testing.T, test func(t *testing.T, on backends)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, inMemory)
	})
	t.Run("AWS", func(t *testing.T) {
		t.Parallel()
		test(t, onAWS)
	})
}
