package bulk_test

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/bulkops/bulkops/bulk"
)

// An eventPrinter is an observer that prints how jobs and their calls to the store ended.
type eventPrinter struct {
	mu    sync.Mutex
	calls map[string]int
}

func (p *eventPrinter) Begin(ctx context.Context, _ bulk.Event) context.Context { return ctx }

func (p *eventPrinter) End(_ context.Context, e bulk.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := e.(type) {
	case *bulk.CallEvent:
		p.calls[e.Backend+"."+e.Operation]++
	case *bulk.CheckpointEvent:
		fmt.Println(e.Rows.Created, "rows are durable")
	case *bulk.AttemptEvent:
		fmt.Println("the job is", e.Job.Status)
	}
}

func ExampleObserver() {
	ctx := context.Background()
	observer := &eventPrinter{calls: map[string]int{}}
	cfg := backends()
	cfg.Observer = observer
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		log.Fatal(err)
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		log.Fatal(err)
	}
	job, err := importer.Submit(ctx, bulk.Request{
		Principal: boss, Options: bulk.DefaultOptions(), Rows: bulk.Users(bulk.User{ID: "u-1"}, bulk.User{ID: "u-2"}),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := worker.RunJob(ctx, job.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(observer.calls["Store.Lookup"], "lookup and", observer.calls["Store.Commit"], "commit")
	// Output:
	// 2 rows are durable
	// the job is completed
	// 1 lookup and 1 commit
}

func ExampleCountJobs() {
	ctx := context.Background()
	cfg := backends()
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := importer.Submit(ctx, bulk.Request{
		Principal: boss, Options: bulk.DefaultOptions(), Rows: bulk.Users(bulk.User{ID: "u-1"}),
	}); err != nil {
		log.Fatal(err)
	}
	counts, err := bulk.CountJobs(ctx, cfg.Jobs)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(counts.Ready, "job waits,", counts.Held, "are held")
	// Output:
	// 1 job waits, 0 are held
}
