//go:build linux

// Command flood shows that no bodies, however large, many or hostile, take a server
// down: it starts examples/server, sends each kind of body of bodies.go 64 times at
// once, and looks at the answers and at the memory of the process.
//
//	make flood
//	go run ./internal/cmd/flood -server PROGRAM -run blank
//
// It fails if an answer has another status than 200, 202, 4xx or 503, or takes too
// long; if the resident memory of the server, as Linux keeps its peak, is ever above
// -limit; or if the server does not import a user as usual afterwards.
//
// With -aws the server keeps payloads in an S3 server and jobs in DynamoDB, as
// testservers runs them; only then bodies that become jobs are sent, since the
// backends in memory would keep them all.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "flood:", err)
		os.Exit(1)
	}
}

// A flood is what a run is made of.
type flood struct {
	program  string
	limit    int64
	parallel int
	aws      bool
	only     *regexp.Regexp
	timeout  time.Duration

	server *server
	client *http.Client
}

func run(ctx context.Context, args []string) error {
	f := new(flood)
	flags := flag.NewFlagSet("flood", flag.ContinueOnError)
	flags.StringVar(&f.program, "server", "", "`file` of the program examples/server")
	limit := flags.Int64("limit", 512, "most `MiB` of memory that the server may take")
	flags.IntVar(&f.parallel, "parallel", 64, "`number` of requests at once")
	flags.BoolVar(&f.aws, "aws", false, "send what becomes jobs, to a server with -backend aws")
	pattern := flags.String("run", ".", "`pattern` of the bodies to send")
	flags.DurationVar(&f.timeout, "timeout", 3*time.Minute, "bound of each kind of body")
	if err := flags.Parse(args); err != nil {
		return err
	}
	f.limit = *limit << 20
	var err error
	if f.only, err = regexp.Compile(*pattern); err != nil {
		return err
	}
	if f.program == "" || flags.NArg() > 0 {
		return errors.New("-server is required, and nothing else beside the flags")
	}
	if f.server, err = startServer(ctx, f.program, f.limit, f.aws); err != nil {
		return err
	}
	defer f.server.stop()
	f.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: f.parallel}}
	return f.sendAll(ctx)
}

// sendAll sends every kind of body. It goes on after one that fails.
func (f *flood) sendAll(ctx context.Context) error {
	var failures []error
	fmt.Printf("%-28s %8s %8s  %s\n", "body", "seconds", "peak MiB", "answers")
	for _, kind := range bodies() {
		if kind.job != f.aws || !f.only.MatchString(kind.name) {
			continue
		}
		if err := f.send(ctx, kind); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", kind.name, err))
		}
		if f.server.ended() || ctx.Err() != nil {
			failures = append(failures, errors.New("the server has ended"))
			break
		}
	}
	return errors.Join(failures...)
}

// send sends a kind of body many times at once.
func (f *flood) send(ctx context.Context, kind body) error {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	if err := f.server.resetPeak(); err != nil {
		return err
	}
	start := time.Now()
	var (
		wait     sync.WaitGroup
		mu       sync.Mutex
		answers  = map[string]int{}
		failures []error
	)
	for i := range f.parallel {
		wait.Go(func() {
			status, cut, err := f.insist(ctx, kind, tenants[i%len(tenants)], i%2 == 0)
			mu.Lock()
			defer mu.Unlock()
			if cut > 0 {
				answers["cut"] += cut
			}
			if err == nil && !allowed(status) {
				err = fmt.Errorf("status %d", status)
			}
			if err != nil {
				failures = append(failures, err)
				answers["failed"]++
				return
			}
			answers[strconv.Itoa(status)]++
		})
	}
	wait.Wait()
	took := time.Since(start)
	peak, err := f.server.peak()
	if err != nil {
		return err
	}
	var text []string
	for status, n := range answers {
		text = append(text, fmt.Sprintf("%s×%d", status, n))
	}
	slices.Sort(text)
	fmt.Printf("%-28s %8.1f %8d  %s\n", kind.name, took.Seconds(), peak>>20, strings.Join(text, " "))
	if peak > f.limit {
		failures = append(failures, fmt.Errorf("the server took %d MiB of memory; the limit is %d", peak>>20, f.limit>>20))
	}
	return errors.Join(append(failures, f.healthy(ctx))...)
}

func allowed(status int) bool {
	return status == http.StatusOK || status == http.StatusAccepted || status == http.StatusServiceUnavailable || status >= 400 && status < 500
}

// insist sends a body until it is answered. To a request that it refuses a server of
// net/http answers, and half a second later closes the connection. A client that is
// still sending and that the machine gave no time meanwhile finds it cut, and comes
// again.
func (f *flood) insist(ctx context.Context, kind body, tenant string, chunked bool) (status, cut int, err error) {
	const tries = 5
	for {
		status, err = f.post(ctx, kind, tenant, chunked)
		if cut == tries || !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			return status, cut, err
		}
		cut++
	}
}

// post sends a body once, with its length or in chunks.
func (f *flood) post(ctx context.Context, kind body, tenant string, chunked bool) (status int, err error) {
	text := kind.open()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.server.url+"/v1/bulk/users"+kind.query, text)
	if err != nil {
		return 0, err
	}
	if !chunked {
		req.ContentLength = kind.size
	}
	req.Header.Set("Authorization", "Bearer "+tenant)
	req.Header.Set("Content-Type", cmp.Or(kind.mediaType, "application/json"))
	if kind.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := f.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// healthy imports a user for each tenant.
func (f *flood) healthy(ctx context.Context) error {
	small := body{size: int64(len(oneUser)), open: func() io.Reader { return strings.NewReader(oneUser) }}
	for _, tenant := range tenants {
		status, err := f.post(ctx, small, tenant, false)
		if err != nil {
			return fmt.Errorf("afterwards the server is not healthy: %w", err)
		}
		if status != http.StatusOK {
			return fmt.Errorf("afterwards the server is not healthy: status %d", status)
		}
	}
	return nil
}

const oneUser = `{"users":[{"userId":"healthy","email":"healthy@example.com"}]}`
