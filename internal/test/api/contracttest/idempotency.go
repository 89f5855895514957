package contracttest

import (
	"net/http"
	"strings"
	"sync"
)

const (
	keyReused     = "IDEMPOTENCY_KEY_REUSED"
	keyInProgress = "IDEMPOTENCY_IN_PROGRESS"
	replayed      = "Idempotency-Replayed"
)

func key(name string) string { return "Idempotency-Key: " + name }

func testIdempotency(s *suite) {
	for name, n := range map[string]int{"sync": 3, "job": 150} {
		s.run(name+"/the same key and body again has the first answer", func(w *world) {
			first := w.post(usersBody(n), key("k"))
			if first.status >= 300 || first.header.Get(replayed) != "" {
				first.errorf("not the answer to a new request")
			}
			if n >= 100 {
				w.run(first.accepted().JobID) // that the job gets on changes nothing
			}
			again := w.post(usersBody(n), key("k"))
			again.hasHeader(replayed, "true")
			again.hasHeader("Location", first.header.Get("Location"))
			if again.status != first.status || string(again.body) != string(first.body) {
				again.errorf("the first answer was %s", first)
			}
			jobs := 0
			if n >= 100 {
				jobs = 1
			}
			if got := len(w.list(10, "")); got != jobs {
				w.Errorf("%d jobs, not %d", got, jobs)
			}
		})
		s.run(name+"/the same key with another body is refused", func(w *world) {
			w.post(usersBody(n), key("k"))
			for _, body := range []string{
				usersBody(n + 1),
				bodyOf(fillers("v", n)...),
				bodyWith(`{"upsert":false}`, fillers("u", n)...),
				bodyWith(`{"dryRun":true}`, fillers("u", n)...),
			} {
				w.post(body, key("k")).refusedWith(http.StatusUnprocessableEntity, keyReused)
			}
		})
		s.run(name+"/a hundred posts of one key at once make one import", func(w *world) {
			answers := make([]*answer, 100)
			var all sync.WaitGroup
			for i := range answers {
				all.Go(func() { answers[i] = w.post(usersBody(n), key("k")) })
			}
			all.Wait()
			made := 0
			for _, a := range answers {
				switch {
				case a.status == http.StatusConflict:
					a.refusedWith(http.StatusConflict, keyInProgress)
					a.hasHeader("Retry-After", "5")
				case a.header.Get(replayed) == "true":
				case a.status < 300:
					made++
				default:
					a.errorf("neither the import, nor a replay, nor a refusal")
				}
			}
			if made != 1 {
				w.Errorf("%d requests were taken as new", made)
			}
		})
	}
	s.run("a key belongs to its tenant", func(w *world) {
		w.post(usersBody(2), key("k"))
		other := w.call(request{body: usersBody(3), token: w.stranger(), header: []string{key("k")}})
		other.hasHeader(replayed, "")
		other.outcome()
	})
	s.run("a request that is refused leaves its key free", func(w *world) {
		w.post(`{"users":[]}`, key("k")).refusedWith(http.StatusBadRequest, "EMPTY_USERS")
		w.post(`{"users":[`, key("k")).refusedWith(http.StatusBadRequest, "INVALID_JSON")
		a := w.post(usersBody(2), key("k"))
		a.hasHeader(replayed, "")
		a.outcome()
	})
	s.run("a key has 1 to 255 printable characters", func(w *world) {
		w.post(usersBody(2), key(strings.Repeat("k", 255))).outcome()
		w.post(usersBody(2), key(strings.Repeat("k", 256))).refusedWith(http.StatusBadRequest, invalidRequest)
		w.post(usersBody(2), key("schlüssel")).refusedWith(http.StatusBadRequest, invalidRequest)
	})
}
