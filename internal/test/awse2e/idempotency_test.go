package awse2e_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/bulkops/bulkops/bulk"
)

// TestIdempotencyKey: however many requests with one key come at once, to however
// many processes, and after a restart, there is one job.
func TestIdempotencyKey(t *testing.T) {
	const posts = 100
	eachCloud(t, []mode{guarded}, func(t *testing.T, c *cloud) {
		header := []string{"Idempotency-Key", "import of today"}
		body := bodyOf(rowsOf(t, 150, person))
		processes := []*api{newAPI(t, c.open()), newAPI(t, c.open())}
		var wg sync.WaitGroup
		answers := make([]answer, posts)
		for i := range answers {
			wg.Go(func() { answers[i] = processes[i%2].post(body, header...) })
		}
		wg.Wait()
		id, accepted, first := "", 0, 0
		for _, a := range answers {
			switch {
			case a.status == http.StatusConflict && a.Error.Code == "IDEMPOTENCY_IN_PROGRESS":
				continue
			case a.status != http.StatusAccepted:
				t.Fatalf("%d %s", a.status, a.body)
			case id != "" && a.Data.JobID != id:
				t.Fatalf("two jobs were made: %s and %s", id, a.Data.JobID)
			}
			id = a.Data.JobID
			accepted++
			if a.header.Get("Idempotency-Replayed") == "" {
				first++
			}
		}
		t.Logf("of %d posts %d were accepted", posts, accepted)
		if first != 1 {
			t.Errorf("%d posts made the job by what they say", first)
		}

		restarted := newAPI(t, c.open())
		again := restarted.post(body, header...)
		if again.status != http.StatusAccepted || again.Data.JobID != id || again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("after a restart: %d %s", again.status, again.body)
		}
		if other := restarted.post(strings.Replace(body, "Lakers", "Bulls", 1), header...); other.status != http.StatusUnprocessableEntity {
			t.Errorf("another body: %d %s", other.status, other.body)
		}
		startWorker(t, c.open())
		if ended := restarted.wait(id); ended.Data.Summary != (bulk.Summary{Created: 150}) {
			t.Errorf("the job came to %+v", ended.Data.Summary)
		}
		if list := restarted.call(http.MethodGet, "/v1/bulk/jobs", ""); len(list.Data.Jobs) != 1 {
			t.Errorf("the list is %s", list.body)
		}

		// A request that is answered at once is answered the same after a restart.
		small := bodyOf(rowsOf(t, 2, func(i int) user { return user{ID: string(rune('a' + i))} }))
		created := restarted.post(small, "Idempotency-Key", "small")
		replayed := newAPI(t, c.open()).post(small, "Idempotency-Key", "small")
		if created.Data.Summary != (bulk.Summary{Created: 2}) || replayed.body != created.body || replayed.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("a small request is answered with %s and then with %s", created.body, replayed.body)
		}
	})
}
