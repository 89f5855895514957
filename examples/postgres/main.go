// Command postgres serves the API with users, jobs and blobs in one Postgres database, and runs
// the jobs, in as many processes as one likes.
//
//	go run . -database postgres://app@localhost/app
//	go run . -database postgres://app@localhost/app -workers 0          # the API alone
//	go run . -database postgres://app@localhost/app -addr "" -workers 8 # jobs alone
//
// It makes the tables that are missing, and prints a token of an admin, unless the variable TOKEN
// has one. The quickstart runs on it:
//
//	go run ../quickstart -url http://127.0.0.1:8080 -token TOKEN
//
// SIGTERM and SIGINT stop it gracefully: it answers the requests under way, then the workers save
// their progress and give up their jobs.
//
// It is a module of its own, so that the library does not depend on a driver of Postgres.
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/jobs/pgjobs"
	"github.com/bulkops/bulkops/jobs/pgjobs/pgblob"
	"github.com/bulkops/bulkops/store/pgstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var opts options
	flag.StringVar(&opts.database, "database", "", "connection `string` of the database, as psql takes it; the default is that of the variables PGHOST, PGDATABASE and so on")
	flag.StringVar(&opts.addr, "addr", "127.0.0.1:8080", "`address` to listen on; \"\" runs jobs alone")
	flag.IntVar(&opts.workers, "workers", 2, "`number` of jobs to run at the same time; 0 serves the API alone")
	flag.Parse()
	opts.token = cmp.Or(os.Getenv("TOKEN"), rand.Text())
	if err := run(ctx, opts, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "postgres:", err)
		os.Exit(1)
	}
}

type options struct {
	database string
	addr     string
	workers  int
	token    string
}

// backends returns the configuration of an importer or worker in the database.
func backends(ctx context.Context, pool *pgxpool.Pool) (bulk.Config, *pgjobs.Queue, error) {
	users, err1 := pgstore.New(pool, pgstore.Options{})
	blobs, err2 := pgblob.New(pool, pgblob.Options{})
	jobs, err3 := pgjobs.New(pool, pgjobs.Options{})
	if err := errors.Join(err1, err2, err3); err != nil {
		return bulk.Config{}, nil, err
	}
	err := errors.Join(users.Migrate(ctx), blobs.Migrate(ctx), jobs.Migrate(ctx))
	return bulk.Config{Store: users, Blobs: blobs, Jobs: jobs}, jobs, err
}

// run serves and works until ctx ends, or something fails for good.
func run(ctx context.Context, opts options, stdout io.Writer) error {
	pool, err := pgxpool.New(ctx, opts.database)
	if err != nil {
		return err
	}
	defer pool.Close()
	cfg, jobs, err := backends(ctx, pool)
	if err != nil {
		return err
	}
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return jobs.Listen(ctx) })
	for range opts.workers {
		worker, err := bulk.NewWorker(cfg)
		if err != nil {
			return err
		}
		group.Go(func() error { return worker.Run(ctx) })
	}
	if opts.addr == "" {
		fmt.Fprintf(stdout, "running up to %d jobs\n", opts.workers)
	} else {
		group.Go(func() error { return serve(ctx, cfg, opts, stdout) })
	}
	return group.Wait()
}

// serve serves the API until ctx ends, and then until the requests under way are answered.
func serve(ctx context.Context, cfg bulk.Config, opts options, stdout io.Writer) error {
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		return err
	}
	api, err := httpapi.New(httpapi.Config{Importer: importer, Authorize: authorize(opts.token)})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", opts.addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "listening on http://%s\nTOKEN=%s\n", listener.Addr(), opts.token)
	server := &http.Server{
		Handler:           api,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      10 * time.Minute,
		IdleTimeout:       2 * time.Minute,
	}
	stopped := make(chan error, 1)
	defer context.AfterFunc(ctx, func() {
		graceful, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		stopped <- server.Shutdown(graceful)
	})()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// authorize knows one caller, an admin.
func authorize(token string) func(*http.Request) (bulk.Principal, error) {
	return func(r *http.Request) (bulk.Principal, error) {
		given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 0 {
			return bulk.Principal{}, errors.New("no valid bearer token")
		}
		return bulk.Principal{ID: "admin", Tenant: "demo", Role: bulk.RoleAdmin}, nil
	}
}
