package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// What a call takes at AWS, about. It counts: puts to the journal that come while
// another one is under way share the next one.
const (
	storeCall = 10 * time.Millisecond
	blobCall  = 30 * time.Millisecond
)

// A jobCost is what a job costs beside its rows, and what a worker costs that finds
// none.
type jobCost struct {
	table, blobs count // the jobs table and the bucket, for one job
	poll         count // a look for a job when there is none
}

// measureJob runs a job of n creates whose users are in memory, so that only the job
// itself is counted.
func measureJob(ctx context.Context, dynamoDB, s3 aws.Config, name string, n int) (jobCost, error) {
	var table, blobs meter
	client := dynamojobs.NewClient(table.on(dynamoDB))
	opts := dynamojobs.Options{Table: name}
	if err := dynamojobs.CreateTable(ctx, client, opts); err != nil {
		return jobCost{}, err
	}
	queue, err := dynamojobs.New(client, opts)
	if err != nil {
		return jobCost{}, err
	}
	bucket := s3blob.NewClient(blobs.on(s3))
	if err := s3blob.EnsureBucket(ctx, bucket, s3blob.Options{Bucket: name}); err != nil {
		return jobCost{}, err
	}
	store, err := s3blob.New(bucket, s3blob.Options{Bucket: name})
	if err != nil {
		return jobCost{}, err
	}
	var cost jobCost
	for range 2 { // the first claim of a process also looks for jobs of earlier versions
		table.take()
		if _, err := queue.Claim(ctx, bulk.Claim{Lease: time.Minute}); !errors.Is(err, bulk.ErrNoJob) {
			return jobCost{}, fmt.Errorf("claim in an empty table: %w", err)
		}
	}
	cost.poll = table.take()
	blobs.take()
	summary, err := importUsers(ctx, bulk.Config{
		Store: slowStore{memstore.New()}, Blobs: slowBlobs{store}, Jobs: queue, SyncThreshold: 1,
	}, users(kind{rows: "create", named: byBoth}, "u", n))
	if err != nil {
		return jobCost{}, err
	}
	if summary.Created != n {
		return jobCost{}, fmt.Errorf("%d rows came to %+v", n, summary)
	}
	cost.table, cost.blobs = table.take(), blobs.take()
	return cost, nil
}

type slowStore struct{ bulk.Store }

func (s slowStore) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	time.Sleep(storeCall)
	return s.Store.Lookup(ctx, tenant, refs)
}

func (s slowStore) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	time.Sleep(storeCall)
	return s.Store.Commit(ctx, tenant, writes)
}

type slowBlobs struct{ *s3blob.Store }

func (b slowBlobs) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	time.Sleep(blobCall)
	return b.Store.Put(ctx, key, r, info)
}
