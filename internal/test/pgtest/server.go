// Package pgtest lets tests run against real Postgres servers, of the oldest version that is
// supported and of the newest, and makes the faults of a network. Only tests import it. It
// needs no driver, as the root module has none.
//
// The servers are named by environment variables, which the command
// internal/cmd/testservers sets. A test whose server is not named is skipped, or fails if
// BULKOPS_REQUIRE_BACKENDS is 1.
package pgtest

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/internal/test/required"
)

// The environment variables that name the servers: connection strings of a superuser, and
// with the suffix the folders of their programs.
const (
	EnvNewest         = "BULKOPS_TEST_POSTGRES"
	EnvOldest         = "BULKOPS_TEST_POSTGRES_OLDEST"
	envProgramsSuffix = "_PROGRAMS"
)

// A Server is one real server.
type Server struct {
	Name     string // fit for a subtest's name
	URL      string // the connection string of a superuser
	variable string
}

// Newest returns the newest version of Postgres. It skips or fails the test if the server is
// not named.
func Newest(tb testing.TB) Server {
	tb.Helper()
	return Server{"newest", need(tb, EnvNewest), EnvNewest}
}

// Oldest returns the oldest version of Postgres that is supported. It skips or fails the test
// if the server is not named.
func Oldest(tb testing.TB) Server {
	tb.Helper()
	return Server{"oldest", need(tb, EnvOldest), EnvOldest}
}

// Each runs test as a subtest for every server. The subtest of a server that is not named is
// skipped or fails.
func Each(t *testing.T, test func(t *testing.T, server Server)) {
	t.Helper()
	t.Run("newest", func(t *testing.T) { test(t, Newest(t)) })
	t.Run("oldest", func(t *testing.T) { test(t, Oldest(t)) })
}

// need returns the value of an environment variable, or ends the test.
func need(tb testing.TB, variable string) string {
	tb.Helper()
	return required.Variable(tb, variable, "a server")
}

// Exec runs one statement on a connection of its own: what the test's driver is needed for.
type Exec func(ctx context.Context, url, statement string) error

// Database makes an empty database, which is dropped when the test has ended, and returns the
// connection string of a superuser of it. Options are those of CREATE DATABASE.
func Database(tb testing.TB, serverURL string, exec Exec, options ...string) string {
	tb.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	create := strings.Join(append([]string{"CREATE DATABASE", name}, options...), " ")
	if err := exec(tb.Context(), serverURL, create); err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tb.Cleanup(func() {
		// The test's context has ended. With connections left over, the test has leaked them.
		if err := exec(context.Background(), serverURL, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("pgtest: %v", err)
		}
	})
	return edit(tb, serverURL, func(u *url.URL) { u.Path = "/" + name })
}

// edit changes a connection string.
func edit(tb testing.TB, connection string, change func(*url.URL)) string {
	tb.Helper()
	u, err := url.Parse(connection)
	if err != nil {
		tb.Fatalf("pgtest: the connection string is no URL: %v", err)
	}
	change(u)
	return u.String()
}
