package awse2e_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/race"
)

// get makes a bare GET.
func get(tb testing.TB, client *http.Client, link string) (status int, body []byte) {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, link, nil)
	if err != nil {
		tb.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		tb.Fatal(err)
	}
	return resp.StatusCode, body
}

// TestWholeImport sends as many users as a request may have, over HTTP, and
// downloads what became of each with nothing but the link.
func TestWholeImport(t *testing.T) {
	eachCloud(t, both, func(t *testing.T, c *cloud) {
		users := bulk.DefaultMaxUsers
		if testing.Short() || race.Enabled || c.mode == exclusive {
			users = 1_000
		}
		cfg := c.open()
		a := newAPI(t, cfg)
		startWorker(t, cfg)
		rows := rowsOf(t, users, person)
		accepted := a.post(bodyOf(rows))
		if accepted.status != http.StatusAccepted {
			t.Fatalf("%d %s", accepted.status, accepted.body)
		}
		ended := a.wait(accepted.Data.JobID)

		client := newClient(t)
		status, file := get(t, client, ended.Data.DownloadURL)
		if status != http.StatusOK {
			t.Fatalf("the download is %d %s", status, file)
		}
		f := readResults(t, file, users)
		if f.JobID != accepted.Data.JobID || f.Status != bulk.JobCompleted || f.Summary != (bulk.Summary{Created: users}) || f.Summary != ended.Data.Summary {
			t.Errorf("the file has %s %s %+v, the job has %+v", f.JobID, f.Status, f.Summary, ended.Data.Summary)
		}
		for i, r := range f.Results {
			if want := person(i); r.UserID != want.ID || r.Email != want.Email {
				t.Fatalf("result %d is of %s %s", i, r.UserID, r.Email)
			}
		}
		if n := len(c.scan(t.Context(), c.users.UsersTable)); n != users {
			t.Errorf("the table has %d users", n)
		}
		refusesAltered(t, client, ended.Data.DownloadURL)
		refusesLate(t, client, cfg, accepted.Data.JobID)
	})
}

// refusesAltered alters the link at each of its characters behind the host, one at
// a time.
func refusesAltered(t *testing.T, client *http.Client, link string) {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	for i := strings.Index(link, u.Host) + len(u.Host) + 1; i < len(link); i++ {
		altered := link[:i] + string(other(link[i])) + link[i+1:]
		if altered == link {
			continue // what separates parts
		}
		if _, err := url.Parse(altered); err != nil {
			continue // no client would send it
		}
		if status, body := get(t, client, altered); status < 400 || status > 499 {
			t.Errorf("a link altered at %d is answered with %d and %d bytes: %s", i, status, len(body), altered)
		}
	}
}

// other returns another letter for a letter, and another digit for a digit.
func other(c byte) byte {
	switch {
	case c == 'z' || c == 'Z' || c == '9':
		return c - 1
	case 'a' <= c && c <= 'y', 'A' <= c && c <= 'Y', '0' <= c && c <= '8':
		return c + 1
	}
	return c
}

// refusesLate gets a link that works for a second.
func refusesLate(t *testing.T, client *http.Client, cfg bulk.Config, id string) {
	t.Helper()
	cfg.DownloadTTL = 2 * time.Second
	job, err := cfg.Jobs.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	link, expires, err := newImporter(t, cfg).DownloadURL(t.Context(), &job)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, client, link); status != http.StatusOK && time.Now().Before(expires) {
		t.Errorf("a link is answered with %d before its time is over: %s", status, body)
	}
	var status int
	poll(t, "the end of a link", func() bool {
		status, _ = get(t, client, link)
		return status != http.StatusOK
	})
	if status != http.StatusForbidden {
		t.Errorf("after its time a link is answered with %d", status)
	}
	if time.Now().Before(expires.Add(-time.Second)) {
		t.Errorf("a link that works until %s was refused at %s", expires, time.Now())
	}
}
