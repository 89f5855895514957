package sqsjobs_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"golang.org/x/sync/errgroup"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/jobs/sqsjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// doorbell wraps the queue of a configuration.
func doorbell(cfg bulk.Config, sqs aws.Config, url string) (bulk.Config, *sqsjobs.Queue, error) {
	queue, err := sqsjobs.New(cfg.Jobs, sqsjobs.NewClient(sqs), sqsjobs.Options{QueueURL: url})
	if err != nil {
		return cfg, nil, err
	}
	cfg.Jobs = queue
	return cfg, queue, nil
}

// In a program the configuration is that of config.LoadDefaultConfig, and the jobs are
// where all processes find them.
func ExampleNew() {
	sqs := aws.Config{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}
	cfg := bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New()}
	cfg, _, err := doorbell(cfg, sqs, "https://sqs.eu-central-1.amazonaws.com/123456789012/bulkops")
	if err != nil {
		log.Fatal(err)
	}
	_, err = bulk.NewImporter(cfg)
	fmt.Println(err)
	// Output:
	// <nil>
}

// A function gets messages from SQS and says which of them should come again.
func ExampleAnswer() {
	cfg := bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New()}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		log.Fatal(err)
	}
	handle := func(ctx context.Context, bodies []string) (failed []string) {
		for _, body := range bodies {
			if _, err := sqsjobs.Answer(ctx, worker, body); err != nil {
				failed = append(failed, body)
			}
		}
		return failed
	}
	fmt.Println(handle(context.Background(), []string{"job_that_somebody_else_has_done"}))
	// Output:
	// []
}

// A scheduled sweep finds the jobs that nobody rang for. One that found a job rings
// for the next one, so that many are soon worked on by many.
func ExampleQueue_Ring() {
	ctx := context.Background()
	cfg, queue, messages := inMemory()
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		log.Fatal(err)
	}
	sweep := func() error {
		id, err := sqsjobs.Answer(ctx, worker, "")
		if id != "" {
			err = errors.Join(err, queue.Ring(ctx))
		}
		return err
	}
	submit(ctx, cfg)
	messages.rings() // is lost
	fmt.Println(sweep(), len(messages.rings()))
	fmt.Println(sweep(), len(messages.rings()))
	// Output:
	// <nil> 1
	// <nil> 0
}

// A process that stays receives the messages itself, here for two jobs at once.
func ExampleQueue_Serve() {
	ctx, stop := context.WithCancel(context.Background())
	cfg, queue, _ := inMemory()
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		log.Fatal(err)
	}
	group, ctx := errgroup.WithContext(ctx)
	for range 2 {
		group.Go(func() error { return queue.Serve(ctx, worker) })
	}
	importer, id := submit(ctx, cfg)
	job, err := importer.Wait(ctx, ana, id, time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.Status)
	stop() // gives up the jobs under way
	fmt.Println(group.Wait())
	// Output:
	// completed
	// <nil>
}

// inMemory returns backends whose doorbell is the memory of this process. In a program
// it is *sqs.Client.
func inMemory() (bulk.Config, *sqsjobs.Queue, *memory) {
	messages := new(memory)
	queue, err := sqsjobs.New(memjobs.New(), messages, sqsjobs.Options{QueueURL: someURL})
	if err != nil {
		log.Fatal(err)
	}
	return bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: queue}, queue, messages
}

var ana = bulk.Principal{ID: "ana", Tenant: "a", Role: bulk.RoleAdmin}

// submit makes a job of one user.
func submit(ctx context.Context, cfg bulk.Config) (importer *bulk.Importer, id string) {
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		log.Fatal(err)
	}
	job, err := importer.Submit(ctx, bulk.Request{
		Principal: ana, Options: bulk.DefaultOptions(), Rows: bulk.Users(bulk.User{ID: "u-1"}),
	})
	if err != nil {
		log.Fatal(err)
	}
	return importer, job.ID
}
