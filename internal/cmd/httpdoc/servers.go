package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/fieldrules"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// The servers that steps talk to.
const (
	working = ""                // examples/server
	waiting = "without workers" // the same, so its jobs wait
	failing = "failing"         // one whose backends fail
)

// startServers starts them, until ctx ends, and returns their URLs and the
// tokens of their callers.
func startServers(ctx context.Context) (urls, tokens map[string]string, err error) {
	tokens = map[string]string{"TOKEN": "t-admin", "USER_TOKEN": "t-user", "OTHER_TOKEN": "t-other"}
	list := "t-admin=admin:acme:ana,t-user=user:acme:uma,t-other=admin:globex:gus"
	dir, err := os.MkdirTemp("", "httpdoc")
	if err != nil {
		return nil, nil, err
	}
	context.AfterFunc(ctx, func() { _ = os.RemoveAll(dir) })
	program := filepath.Join(dir, "server")
	if text, err := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/bulkops/bulkops/examples/server").CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("build examples/server: %w\n%s", err, text)
	}
	urls = map[string]string{}
	for name, args := range map[string][]string{working: nil, waiting: {"-workers", "0"}} {
		args = append(args, "-addr", "127.0.0.1:0", "-tokens", list)
		if urls[name], err = startProgram(ctx, program, args); err != nil {
			return nil, nil, err
		}
	}
	urls[failing], err = startFailing(ctx)
	return urls, tokens, err
}

// startProgram starts examples/server and returns its URL.
func startProgram(ctx context.Context, program string, args []string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			go func() {
				for lines.Scan() { // or it could not print on
				}
				_ = cmd.Wait()
			}()
			return url, nil
		}
	}
	return "", errors.Join(errors.New("examples/server did not start"), cmd.Wait())
}

// startFailing serves the API over a job queue that is down or denies, and a
// store that fails two users, with a rule for the field plan.
func startFailing(ctx context.Context) (string, error) {
	rules, err := fieldrules.New(fieldrules.Rules{CustomFields: map[string]string{"plan": "oneof=free pro"}})
	if err != nil {
		return "", err
	}
	importer, err := bulk.NewImporter(bulk.Config{
		Store: failingStore{memstore.New()}, Blobs: memblob.New(), Jobs: failingJobs{memjobs.New()},
		FieldRules: rules, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return "", err
	}
	api, err := httpapi.New(httpapi.Config{Importer: importer, BodyIdle: time.Second, Authorize: func(*http.Request) (bulk.Principal, error) {
		return bulk.Principal{ID: "ana", Tenant: "acme", Role: bulk.RoleAdmin}, nil
	}})
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: api, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), nil
}

// failingJobs is down, or refuses for good the one job whose id ends in 1.
type failingJobs struct{ bulk.JobQueue }

func (failingJobs) Get(_ context.Context, id string) (bulk.Job, error) {
	if strings.HasSuffix(id, "1") {
		return bulk.Job{}, bulk.Permanent(errors.New("access denied"))
	}
	return bulk.Job{}, errors.New("connection refused")
}

// failingStore fails the user u-2002, and does not answer in time for u-2003.
type failingStore struct{ bulk.Store }

func (s failingStore) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	outcomes := make([]error, len(writes))
	for i, write := range writes {
		switch write.User.ID {
		case "u-2002":
			outcomes[i] = errors.New("throttled")
		case "u-2003":
			outcomes[i] = context.DeadlineExceeded
		default:
			outcomes[i] = s.Store.Commit(ctx, tenant, []bulk.Write{write})[0]
		}
	}
	return outcomes
}
