//go:build unix

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkops/bulkops/internal/test/pgserver"
	"github.com/bulkops/bulkops/internal/test/soak"
	"github.com/bulkops/bulkops/jobs/pgjobs"
	"github.com/bulkops/bulkops/jobs/pgjobs/pgblob"
	"github.com/bulkops/bulkops/store/pgstore"
)

// A postgres is a [soak.Backend] with everything in one database.
type postgres struct{ programs string }

// envPrograms names the folder of the server's programs. The command
// internal/cmd/testservers sets it.
const envPrograms = "BULKOPS_TEST_POSTGRES_PROGRAMS"

// Flags implements [soak.Backend].
func (p *postgres) Flags(flags *flag.FlagSet) {
	flags.StringVar(&p.programs, "programs", os.Getenv(envPrograms), "`folder` with initdb and postgres; the default is $"+envPrograms)
}

// Check implements [soak.Backend].
func (p *postgres) Check() error {
	if p.programs == "" {
		return errors.New("-programs names the folder of Postgres; go run ./internal/cmd/testservers -only postgres -- COMMAND sets its default")
	}
	return nil
}

// Servers implements [soak.Backend].
func (p *postgres) Servers(ctx context.Context, dir string) ([]*soak.Server, error) {
	port, err := soak.FreePort()
	if err != nil {
		return nil, err
	}
	data, password := filepath.Join(dir, "data"), rand.Text()
	for _, prepare := range []func() error{
		func() error { return os.Chmod(dir, 0o755) }, // for the user that the server runs as
		func() error { return os.Mkdir(data, 0o700) },
		func() error { return pgserver.Init(ctx, p.programs, data, password) },
	} {
		if err := prepare(); err != nil {
			return nil, err
		}
	}
	url := pgserver.URL(port, password)
	return []*soak.Server{{
		Name: "database", URL: url, Log: filepath.Join(dir, "postgres.log"),
		Command: func() (*exec.Cmd, error) { return pgserver.Command(p.programs, data, port) },
		Ready:   func(ctx context.Context) error { return pgserver.Ready(ctx, url) },
		Crash:   soak.Ending{Signal: syscall.SIGQUIT, Name: "immediate stop"},
		Stop:    soak.Ending{Signal: syscall.SIGINT, Name: "fast stop"},
	}}, nil
}

// Points implements [soak.Backend].
func (p *postgres) Points() []soak.Point {
	return []soak.Point{
		{Operation: "UPDATE bulkops_jobs", Calls: 40}, {Operation: "SELECT bulkops_jobs_keys", Calls: 10},
		{Operation: "INSERT bulkops_jobs_keys", Calls: 10}, {Operation: "UPDATE bulkops_jobs_keys", Calls: 10},
		{Operation: "SELECT bulkops_users", Calls: 40}, {Operation: "UPDATE bulkops_users", Calls: 40},
		{Operation: "INSERT bulkops_users", Calls: 20}, {Operation: "INSERT bulkops_blobs", Calls: 20},
		{Operation: "SELECT bulkops_blobs", Calls: 10}, {Operation: "DELETE bulkops_blobs", Calls: 5},
	}
}

// maxConns is how many connections a process has. Its parallel calls need no more.
const maxConns = 12

// connect returns a pool of the process of that name, which the proxy reads.
func connect(ctx context.Context, name, url string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = maxConns
	cfg.ConnConfig.RuntimeParams["application_name"] = name
	return pgxpool.NewWithConfig(ctx, cfg)
}

// parts are what a process has in the database.
type parts struct {
	users *pgstore.Store
	jobs  *pgjobs.Queue
	blobs *pgblob.Store
}

func partsOf(pool *pgxpool.Pool) (parts, error) {
	users, err1 := pgstore.New(pool, pgstore.Options{})
	jobs, err2 := pgjobs.New(pool, pgjobs.Options{})
	blobs, err3 := pgblob.New(pool, pgblob.Options{})
	return parts{users, jobs, blobs}, errors.Join(err1, err2, err3)
}

// Open implements [soak.Backend].
func (p *postgres) Open(ctx context.Context, name string, urls []string) (*soak.Opened, error) {
	pool, err := connect(ctx, name, urls[0])
	if err != nil {
		return nil, err
	}
	all, err := partsOf(pool)
	if err != nil {
		return nil, err
	}
	go func() {
		if err := all.jobs.Listen(ctx); err != nil {
			panic(fmt.Errorf("listen: %w", err)) // the run fails with this process
		}
	}()
	return &soak.Opened{Store: all.users, Blobs: all.blobs, Jobs: all.jobs, Keys: all.jobs, Host: &host{pool, all.users}}, nil
}

// Create implements [soak.Backend].
func (p *postgres) Create(ctx context.Context, urls []string) error {
	pool, err := connect(ctx, "create", urls[0])
	if err != nil {
		return err
	}
	defer pool.Close()
	all, err := partsOf(pool)
	if err != nil {
		return err
	}
	if err := errors.Join(all.users.Migrate(ctx), all.jobs.Migrate(ctx), all.blobs.Migrate(ctx)); err != nil {
		return err
	}
	_, err = pool.Exec(ctx, `ALTER TABLE bulkops_users ADD COLUMN host_count int NOT NULL DEFAULT 0`)
	return err
}
