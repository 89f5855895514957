// Command worker runs jobs and nothing else, on the AWS backends: a fleet of it stands
// behind processes that take requests, such as examples/server with -workers 0.
//
//	go run . -bucket my-bulkops-blobs -workers 4 -ops :9090
//	go run . -bucket my-bulkops-blobs -doorbell https://sqs.eu-central-1.amazonaws.com/…/bulkops-doorbell
//
// Region, credentials and endpoints come from where all AWS programs have them. The
// tables and the bucket are those of a template of docs/infra.
//
// The port of -ops is for operators and not for the world. It has /metrics for
// Prometheus; /healthz, which answers 200 while the process lives; and /readyz, which
// answers 503 while the queue cannot be reached, and once the process was told to stop.
//
// SIGTERM and SIGINT drain it: workers save their progress and give up their jobs, for
// others to go on with at once. That takes up to -grace.
//
// It is a module of its own, so that the library does not depend on OpenTelemetry.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/sqsjobs"
)

// options are what the command line says.
type options struct {
	usersTable, claimsTable, jobsTable, bucket string
	doorbell                                   string
	workers                                    int
	grace                                      time.Duration
	ops                                        string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var opts options
	flag.StringVar(&opts.usersTable, "users-table", "bulkops-users", "`name` of the table with the users")
	flag.StringVar(&opts.claimsTable, "claims-table", "bulkops-claims", "`name` of the table with the emails")
	flag.StringVar(&opts.jobsTable, "jobs-table", "bulkops-jobs", "`name` of the table with the jobs")
	flag.StringVar(&opts.bucket, "bucket", "", "`name` of the bucket with payloads and results")
	flag.StringVar(&opts.doorbell, "doorbell", "", "`URL` of the SQS queue that rings for jobs; without it the jobs table is asked every second, and more rarely when nothing happens")
	flag.IntVar(&opts.workers, "workers", 2, "`number` of jobs to run at the same time")
	flag.DurationVar(&opts.grace, "grace", 20*time.Second, "`time` to stop in: less than what the platform grants between SIGTERM and SIGKILL")
	flag.StringVar(&opts.ops, "ops", "127.0.0.1:9090", "`address` of /metrics, /healthz and /readyz")
	flag.Parse()
	if err := run(ctx, opts, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

// run runs jobs until ctx ends.
func run(ctx context.Context, opts options, stdout, stderr io.Writer) error {
	if opts.workers < 1 {
		return fmt.Errorf("-workers %d is less than 1", opts.workers)
	}
	cfg, doorbell, err := open(ctx, opts)
	if err != nil {
		return err
	}
	cfg.Logger = slog.New(slog.NewTextHandler(stderr, nil))
	ops, err := newOps(&cfg)
	if err != nil {
		return err
	}
	workers := make([]*bulk.Worker, opts.workers)
	for i := range workers {
		if workers[i], err = bulk.NewWorker(cfg); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", opts.ops)
	if err != nil {
		return err
	}
	stopOps := ops.serve(ctx, listener)
	fmt.Fprintf(stdout, "running up to %d jobs; http://%s/metrics, /healthz, /readyz\n", opts.workers, listener.Addr())

	var running sync.WaitGroup
	for _, worker := range workers {
		running.Go(func() { work(ctx, worker, doorbell) })
	}
	running.Wait()
	return stopOps()
}

// work runs jobs until ctx ends, one at a time: when the doorbell rings, if there is
// one.
func work(ctx context.Context, worker *bulk.Worker, doorbell *sqsjobs.Queue) {
	if doorbell == nil {
		_ = worker.Run(ctx) // it returns nil, when ctx ends
		return
	}
	_ = doorbell.Serve(ctx, worker) // the same
}
