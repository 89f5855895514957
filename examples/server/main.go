// Command server serves the API, with workers in the same process.
//
//	go run ./examples/server
//	go run ./examples/server -addr :8080 -tokens "s3cret=admin:acme:ana,t0ken=user:acme:bob"
//	go run ./examples/server -backend aws -bucket my-bulkops-blobs
//	go run ./internal/cmd/testservers -aws -- go run ./examples/server -backend aws -create -bucket bulkops
//	go run ./examples/server -backend aws -dynamodb-endpoint http://127.0.0.1:8000 -s3-endpoint http://127.0.0.1:9000
//
// With -backend aws it keeps users and jobs in DynamoDB and payloads and results in
// S3. Region and credentials come from where all AWS programs have them, such as the
// variables AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. In AWS the
// tables and the bucket come from a template of docs/infra. With -create, and always
// on a server that -dynamodb-endpoint or -s3-endpoint names, it creates those that
// are missing.
//
// The page for administrators is at /console/; who opens /signin and enters a token can use it.
//
// It prints the curl lines to try. Without -tokens it makes up a token for one
// admin and prints that too. SIGTERM and SIGINT stop it gracefully: it answers
// the requests under way, then the workers save their progress and give up their
// jobs.
//
// Logs go to standard error, and so do welcome emails, unless SES sends them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/httpapi/console"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

// Bounds of the HTTP server. Reading has to leave time for a body of 64 MiB over
// a slow line, writing for a results file as large.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 5 * time.Minute
	writeTimeout      = 10 * time.Minute
	idleTimeout       = 2 * time.Minute
	shutdownTimeout   = 20 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are what the command line says.
type options struct {
	addr          string
	backend       string
	aws           awsOptions
	tokens        tokens
	syncThreshold int
	workers       int

	// madeUp is the token of an admin that no flag gave, "" if flags gave some.
	madeUp string
}

// run is main without the process around it: it serves until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "server:", err)
		return exitUsage
	}
	if err := serve(ctx, opts, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "server:", err)
		return exitFailure
	}
	return 0
}

func parseOptions(args []string, stderr io.Writer) (*options, error) {
	opts := new(options)
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&opts.addr, "addr", "127.0.0.1:8080", "`address` to listen on; with port 0 a free one is taken")
	flags.StringVar(&opts.backend, "backend", "memory", "`name` of the backend: memory or aws")
	flags.Func("tokens", "bearer tokens and whom they belong to: `TOKEN=role:tenant:subject,...`, "+
		"the role being admin, super_admin or user; without any, one for an admin is made up", func(text string) (err error) {
		opts.tokens, err = parseTokens(text)
		return err
	})
	flags.IntVar(&opts.syncThreshold, "sync-threshold", bulk.DefaultSyncThreshold, "`number` of users from which on a request becomes a job")
	flags.IntVar(&opts.workers, "workers", 2, "`number` of jobs to run at the same time; 0 serves the API alone")
	ofAWS := opts.aws.flagSet()
	ofAWS.VisitAll(func(f *flag.Flag) { flags.Var(f.Value, f.Name, f.Usage) })
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	var stray string
	flags.Visit(func(f *flag.Flag) {
		if opts.backend != "aws" && ofAWS.Lookup(f.Name) != nil {
			stray = f.Name
		}
	})
	switch {
	case stray != "":
		return nil, fmt.Errorf("-%s is of -backend aws", stray)
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case opts.workers < 0:
		return nil, fmt.Errorf("-workers %d is negative", opts.workers)
	case opts.syncThreshold < 1:
		return nil, fmt.Errorf("-sync-threshold %d is less than 1", opts.syncThreshold)
	}
	if len(opts.tokens) == 0 {
		opts.madeUp, opts.tokens = makeUpToken()
	}
	return opts, nil
}

// serve runs the server and the workers until ctx ends.
func serve(ctx context.Context, opts *options, stdout, stderr io.Writer) error {
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	backend, err := openBackend(ctx, opts)
	if err != nil {
		return err
	}
	if backend.mailer == nil {
		backend.mailer = &printMailer{out: stderr}
	}
	cfg := bulk.Config{
		Store:         backend.store,
		Blobs:         backend.blobs,
		Jobs:          backend.jobs,
		Mailer:        backend.mailer,
		Logger:        logger,
		SyncThreshold: opts.syncThreshold,
	}
	handler, err := newHandler(cfg, opts.tokens)
	if err != nil {
		return err
	}
	stopWorkers, err := startWorkers(cfg, opts.workers)
	if err != nil {
		return err
	}
	defer stopWorkers()

	listener, err := net.Listen("tcp", opts.addr)
	if err != nil {
		return err
	}
	printUsage(stdout, publicURL(listener.Addr()), backend, opts)
	return serveHTTP(ctx, listener, handler, logger)
}

// newHandler returns the API, the page for administrators and where they sign in.
func newHandler(cfg bulk.Config, tokens tokens) (http.Handler, error) {
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		return nil, err
	}
	api, err := httpapi.New(httpapi.Config{Importer: importer, Authorize: tokens.authorizePage})
	if err != nil {
		return nil, err
	}
	page, err := console.New(console.Config{SignIn: "/signin"})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/bulk/", api)
	mux.Handle("/console/", page)
	mux.HandleFunc("/signin", tokens.signIn)
	return mux, nil
}

// startWorkers starts n workers. stop tells them to stop and returns once they
// have saved their progress and given up their jobs.
func startWorkers(cfg bulk.Config, n int) (stop func(), err error) {
	workers := make([]*bulk.Worker, n)
	for i := range workers {
		if workers[i], err = bulk.NewWorker(cfg); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, worker := range workers {
		running.Go(func() { _ = worker.Run(ctx) }) // it returns nil, when ctx ends
	}
	return func() {
		cancel()
		running.Wait()
	}, nil
}

// serveHTTP serves until ctx ends, and then until the requests under way are
// answered.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler, logger *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	logger.Info("stopping")
	graceful, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	err := server.Shutdown(graceful)
	if err != nil {
		err = errors.Join(err, server.Close())
	}
	<-failed // http.ErrServerClosed
	return err
}
