package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/client"
	"github.com/bulkops/bulkops/internal/test/pgtest"
)

func execute(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// start runs the program until the end of the test, and returns its URL.
func start(t *testing.T, opts options) (url string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, opts, in)
		in.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the program ends with %v", err)
		}
	})
	said := make([]byte, 1000)
	n, err := out.Read(said) // which it says when the tables are there
	if opts.addr == "" {
		if err != nil {
			t.Fatal(err)
		}
		return ""
	}
	match := regexp.MustCompile(`listening on (\S+)`).FindSubmatch(said[:n])
	if err != nil || match == nil {
		t.Fatalf("the program says %q, %v", said[:n], err)
	}
	return string(match[1])
}

// One process takes requests, another runs the jobs.
func TestTwoProcesses(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		database := pgtest.Database(t, server.URL, execute)
		url := start(t, options{database: database, addr: "127.0.0.1:0", token: "secret"})
		start(t, options{database: database, workers: 1})
		api, err := client.New(client.Config{BaseURL: url, Token: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		users := make([]bulk.User, 1500)
		for i := range users {
			users[i] = bulk.User{ID: fmt.Sprint("u-", i), Email: fmt.Sprintf("u%d@example.com", i)}
		}
		for _, want := range []bulk.Summary{{Created: len(users)}, {Unchanged: len(users)}} {
			got, err := api.Import(t.Context(), client.Users(users), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got.Summary() != want {
				t.Errorf("the import comes to %+v, want %+v", got.Summary(), want)
			}
		}
	})
}

// The quickstart runs on it with one flag, and the token.
func TestQuickstart(t *testing.T) {
	database := pgtest.Database(t, pgtest.Newest(t).URL, execute)
	url := start(t, options{database: database, addr: "127.0.0.1:0", workers: 2, token: "secret"})
	quickstart := exec.CommandContext(t.Context(), "go", "run", "./examples/quickstart", "-url", url, "-token", "secret", "-users", "2000")
	quickstart.Dir = "../.."
	quickstart.Stderr = os.Stderr
	out, err := quickstart.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

func TestStrangersAreRefused(t *testing.T) {
	database := pgtest.Database(t, pgtest.Newest(t).URL, execute)
	url := start(t, options{database: database, addr: "127.0.0.1:0", token: "secret"})
	for _, header := range []string{"", "Bearer other", "secret"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/bulk/jobs", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", header)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Errorf("with %q the answer is %s", header, response.Status)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// Backends are terminated while requests come in and jobs run: every user is there once, and
// the results say so.
func TestTerminatedBackends(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		database := pgtest.Database(t, server.URL, execute)
		url := start(t, options{database: database, addr: "127.0.0.1:0", token: "secret"})
		for range 2 {
			start(t, options{database: database, workers: 1})
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var kills atomic.Int32
		go func() {
			for ctx.Err() == nil {
				if execute(ctx, server.URL, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE datname = '`+path.Base(strings.Split(database, "?")[0])+`' ORDER BY random() LIMIT 1`) == nil {
					kills.Add(1)
				}
				time.Sleep(30 * time.Millisecond)
			}
		}()
		api, err := client.New(client.Config{BaseURL: url, Token: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		const users = 3000
		for round := 0; kills.Load() < 30; round++ {
			want := bulk.Summary{Updated: users}
			if round == 0 {
				want = bulk.Summary{Created: users}
			}
			fields, err := bulk.NewFields(map[string]any{"round": round})
			if err != nil {
				t.Fatal(err)
			}
			rows := make([]bulk.User, users)
			for i := range rows {
				rows[i] = bulk.User{ID: fmt.Sprint("u-", i), Email: fmt.Sprintf("u%d@example.com", i), CustomFields: fields}
			}
			got, err := api.Import(t.Context(), client.Users(rows), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got.Summary() != want {
				t.Errorf("round %d comes to %+v, want %+v", round, got.Summary(), want)
			}
		}
	})
}
