package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/client"
)

// state is a state of an import of 10,000 rows, of which so many are done.
func state(done int, status bulk.JobStatus, rate float64) client.Progress {
	p := client.Progress{Accepted: 10_000, Summary: bulk.Summary{Created: done, NotProcessed: 10_000 - done}}
	if !status.Ended() {
		p.Job = &client.Job{ID: "job_1", Status: status}
		if rate > 0 {
			p.Job.Rate = &rate
		}
	}
	return p
}

// The service tells every two seconds; the bar moves in between, never back and never
// ahead of what can be done.
func TestBarMovesSmoothly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := &progress{out: &out, total: 20_000, terminal: true, stop: func() {}}
		p.start()
		p.set(state(0, bulk.JobPending, 0))
		time.Sleep(time.Second)
		p.set(state(0, bulk.JobProcessing, 0))
		time.Sleep(time.Second)
		for _, done := range []int{2000, 3900, 7900} {
			p.set(state(done, bulk.JobProcessing, 1000))
			time.Sleep(2 * time.Second)
		}
		time.Sleep(10 * time.Second) // a guess that turns out to be wrong
		p.leave()
		p.set(state(10_000, bulk.JobCompleted, 0))
		p.end()
		drawn := strings.Split(strings.ReplaceAll(out.String(), "\n", ""), "\r")[1:]
		last, steps := -1, 0
		for _, line := range drawn {
			_, rest, _ := strings.Cut(line, "%  ")
			count, _, _ := strings.Cut(rest, " of 20,000")
			n := 0
			for _, digit := range strings.ReplaceAll(count, ",", "") {
				n = 10*n + int(digit-'0')
			}
			if n < last || n > 10_000 || last >= 0 && n-last > 2100 {
				t.Errorf("the bar goes from %d to %d", last, n)
			}
			if n > last {
				steps++
			}
			last = n
		}
		if steps < 50 {
			t.Errorf("the bar moved %d times, want 50 at least", steps)
		}
		if !strings.Contains(out.String(), "waiting for a worker") || strings.Contains(drawn[len(drawn)-1], "waiting") || last != 10_000 {
			t.Errorf("the bar is %q at last, and was\n%s", drawn[len(drawn)-1], out.String())
		}
		if !strings.Contains(out.String(), "about 18s left") {
			t.Errorf("the bar does not say how long it takes")
		}
	})
}

func TestProgressOfAFileIsLines(t *testing.T) {
	var file bytes.Buffer
	p := newProgress(&file, 10_000)
	for range 3 {
		p.set(state(0, bulk.JobPending, 0))
	}
	for done := 0; done <= 10_000; done += 50 {
		p.set(state(done, bulk.JobProcessing, 1000))
	}
	p.end()
	if got := strings.Count(file.String(), "\n"); got != 12 || strings.Contains(file.String(), "\r") {
		t.Errorf("%d lines, want 12:\n%s", got, file.String())
	}
	if !strings.HasPrefix(file.String(), "  0 %  0 of 10,000\nwaiting for a worker\n 10 %  1,000 of 10,000\n") {
		t.Errorf("the lines are\n%s", file.String())
	}
}
