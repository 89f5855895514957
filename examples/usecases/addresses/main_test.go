package main

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/examples/usecases/internal/demo"
	"github.com/bulkops/bulkops/examples/usecases/internal/pagetest"
	"github.com/bulkops/bulkops/httpapi/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPage(t *testing.T) { pagetest.Check(t, "addresses.md", "addresses", run) }

func address(i int) string { return fmt.Sprintf("seat-%d@example.com", i) }

// seated is a service with n users: user i has address i.
func seated(t *testing.T, n int) (*demo.Service, *client.Client) {
	t.Helper()
	s, err := demo.Start()
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := s.Users.Put(demo.Tenant, bulk.User{ID: fmt.Sprint("u-", i), Email: address(i)}); err != nil {
			t.Fatal(err)
		}
	}
	c, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// moved returns how many of the n users have the address of the one before; the first
// one may have any.
func moved(s *demo.Service, n int) (count int) {
	for i := 1; i < n; i++ {
		if user, _ := s.Users.Get(demo.Tenant, fmt.Sprint("u-", i)); user.Email == address(i-1) {
			count++
		}
	}
	return count
}

// chainOf returns rows that move n users along, the first one to an address that is free.
func chainOf(n int) []bulk.User {
	rows := []bulk.User{{ID: "u-0", Email: "aside@example.com"}}
	for i := 1; i < n; i++ {
		rows = append(rows, bulk.User{ID: fmt.Sprint("u-", i), Email: address(i - 1)})
	}
	return rows
}

// TestLongChains: the order counts across the batches of a job, which run in parallel. A
// ring closes with a second row of the user who stepped aside.
func TestLongChains(t *testing.T) {
	const n = 200
	chain := chainOf(n)
	ring := append(slices.Clone(chain), bulk.User{ID: "u-0", Email: address(n - 1)})
	for name, test := range map[string]struct {
		rows  []bulk.User
		want  bulk.Summary
		moved int
		first string // the first user's address afterwards
	}{
		"a chain":           {chain, bulk.Summary{Updated: n}, n - 1, "aside@example.com"},
		"a ring":            {ring, bulk.Summary{Updated: n + 1}, n - 1, address(n - 1)},
		"a ring's two rows": {ring[1:], bulk.Summary{Failed: n}, 0, address(0)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := seated(t, n)
				defer s.Stop()
				imported, err := c.Import(t.Context(), client.Users(test.rows), &client.Options{Async: true})
				if err != nil {
					t.Fatal(err)
				}
				first, _ := s.Users.Get(demo.Tenant, "u-0")
				if got := imported.Summary(); got != test.want || moved(s, n) != test.moved || first.Email != test.first {
					t.Errorf("%+v, %d users have moved, the first one has %s", got, moved(s, n), first.Email)
				}
			})
		})
	}
}

// TestChainTheWrongWayRound: one link moves, and with each retry one more.
func TestChainTheWrongWayRound(t *testing.T) {
	const n = 200
	synctest.Test(t, func(t *testing.T) {
		s, c := seated(t, n)
		defer s.Stop()
		rows := chainOf(n)
		slices.Reverse(rows)
		imported, err := c.Import(t.Context(), client.Users(rows), &client.Options{Async: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := imported.Summary(); got != (bulk.Summary{Updated: 1, Failed: n - 1}) {
			t.Errorf("the chain came to %+v", got)
		}
		retry(t, s, c, imported.Parts[0].Job.ID)
		if got := moved(s, n); got != 1 {
			t.Errorf("the retry has moved %d users", got)
		}
	})
}

// retry tries the failed rows of a job again and waits for the end.
func retry(t *testing.T, s *demo.Service, c *client.Client, id string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, demo.URL+"/v1/bulk/jobs/"+id+"/retry", strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+demo.Token)
	res, err := s.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusAccepted {
		t.Fatal(res.Status)
	}
	if _, err := c.Wait(t.Context(), path.Base(res.Header.Get("Location")), nil); err != nil {
		t.Fatal(err)
	}
}
