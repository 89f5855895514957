package awse2e_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/store/dynamostore"
)

const tenant = "acme"

var admin = bulk.Principal{ID: "root", Tenant: tenant, Role: bulk.RoleAdmin}

// A mode is a way in which a store writes users.
type mode struct {
	name string
	mode dynamostore.Mode
}

var (
	guarded   = mode{"guarded", dynamostore.Guarded}
	exclusive = mode{"exclusive", dynamostore.Exclusive}

	// both are for tests in which one store alone writes the tables.
	both = []mode{guarded, exclusive}
)

// A cloud is new tables on a DynamoDB server and a new bucket on the S3 server.
type cloud struct {
	testing.TB
	mode         mode
	dynamoDB, s3 awstest.Server
	users        dynamostore.Options
	jobs         dynamojobs.Options
	blobs        s3blob.Options
}

// eachCloud runs test on each DynamoDB server in each of the modes, in parallel.
func eachCloud(t *testing.T, modes []mode, test func(t *testing.T, c *cloud)) {
	t.Parallel()
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		for _, m := range modes {
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				test(t, newCloud(t, server, m))
			})
		}
	})
}

func newCloud(tb testing.TB, server awstest.Server, m mode) *cloud {
	tb.Helper()
	name := awstest.Name(tb)
	c := &cloud{
		TB: tb, mode: m, dynamoDB: server, s3: awstest.S3(tb),
		users: dynamostore.Options{UsersTable: name + "-users", ClaimsTable: name + "-claims", Mode: m.mode},
		jobs:  dynamojobs.Options{Table: name + "-jobs"},
		blobs: s3blob.Options{Bucket: name},
	}
	transport := awstest.Transport(tb)
	client := server.DynamoDB(transport)
	err := errors.Join(
		dynamostore.CreateTables(tb.Context(), client, c.users),
		dynamojobs.CreateTable(tb.Context(), client, c.jobs),
		s3blob.EnsureBucket(tb.Context(), c.s3.S3(transport), c.blobs),
	)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// open returns backends of their own, as another process would have them, with
// the clients that the packages recommend.
func (c *cloud) open() bulk.Config {
	c.Helper()
	transport := awstest.Transport(c)
	return c.openThrough(transport, transport)
}

// openThrough is open with calls that go through these transports.
func (c *cloud) openThrough(dynamoDB, s3 http.RoundTripper) bulk.Config {
	c.Helper()
	cfg, err := openBackends(c.dynamoDB.Config(dynamoDB), c.s3.Config(s3), c.users, c.jobs, c.blobs)
	if err != nil {
		c.Fatal(err)
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	return cfg
}

func openBackends(dynamoDB, s3 aws.Config, users dynamostore.Options, jobs dynamojobs.Options, blobs s3blob.Options) (bulk.Config, error) {
	store, storeErr := dynamostore.New(dynamostore.NewClient(dynamoDB), users)
	files, filesErr := s3blob.New(s3blob.NewClient(s3), blobs)
	queue, queueErr := dynamojobs.New(dynamojobs.NewClient(dynamoDB), jobs)
	return bulk.Config{Store: store, Blobs: files, Jobs: queue}, errors.Join(storeErr, filesErr, queueErr)
}

// client returns a client for plain calls, as the host program makes them.
func (c *cloud) client() *dynamodb.Client { return c.dynamoDB.DynamoDB(awstest.Transport(c)) }

type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func userKey(id string) item {
	return item{"pk": text(dynamostore.DefaultUserKey(tenant, id).Partition)}
}

// scan returns all items of a table.
func (c *cloud) scan(ctx context.Context, table string) []item {
	c.Helper()
	var items []item
	pages := dynamodb.NewScanPaginator(c.client(), &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			c.Fatal(err)
		}
		items = append(items, page.Items...)
	}
	return items
}

// textOf returns a string attribute, "" if the item has none.
func textOf(it item, name string) string {
	if s, ok := it[name].(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func newImporter(tb testing.TB, cfg bulk.Config) *bulk.Importer {
	tb.Helper()
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return importer
}

func newWorker(tb testing.TB, cfg bulk.Config) *bulk.Worker {
	tb.Helper()
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return worker
}

// startWorker runs a worker until the test ends.
func startWorker(tb testing.TB, cfg bulk.Config) {
	tb.Helper()
	worker := newWorker(tb, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := worker.Run(ctx); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

// patience bounds every wait. It is far more than anything here takes.
const patience = 90 * time.Second

// poll waits until done returns true, which it asks from time to time.
func poll(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			tb.Fatalf("waited in vain for %s", what)
		}
	}
}
