//go:build unix

package soak

import (
	"errors"
	"sync"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/soak/audit"
)

// A fault is something that happens to a process.
type fault string

// The faults, besides those of servers: see [Server.restarted].
const (
	workerKilled      fault = "SIGKILL of a worker, at a random instant"
	workerKilledAt    fault = "SIGKILL of a worker, before or after a certain call"
	importerKilled    fault = "SIGKILL of an importer, at a random instant"
	importerKilledAt  fault = "SIGKILL of an importer, before or after a certain call"
	workerStopped     fault = "SIGSTOP of a worker, longer than its lease"
	importerStopped   fault = "SIGSTOP of an importer, longer than its reservation"
	importerAbandoned fault = "request repeated while its first process was stopped or slow"
	requestRepeated   fault = "request with an idempotency key repeated after its process was killed"
	callHeld          fault = "call that was held back longer than a lease"
	answerLost        fault = "call whose answer was lost"
	callLate          fault = "call that reached its server after its process was killed or stopped"
	lateCancelled     fault = "cancel of a job of which such a call was on its way"
	jobCancelled      fault = "cancel of a job"
	orphanCancelled   fault = "cancel of a job whose worker was just killed"
	payloadRemoved    fault = "payload of a job removed after its worker was killed"
)

// reported are the faults in the order of reports, in which those of servers come
// last.
var reported = []fault{
	workerKilled, workerKilledAt, importerKilled, importerKilledAt, workerStopped, importerStopped, importerAbandoned, requestRepeated,
	callHeld, answerLost, callLate, lateCancelled, jobCancelled, orphanCancelled, payloadRemoved,
}

// Groups of faults.
var (
	kills   = []fault{workerKilled, workerKilledAt, importerKilled, importerKilledAt}
	stops   = []fault{workerStopped, importerStopped}
	cancels = []fault{jobCancelled, orphanCancelled}
)

// counts counts faults.
type counts struct {
	mu    sync.Mutex
	times map[fault]int
}

func newCounts() *counts { return &counts{times: make(map[fault]int)} }

func (c *counts) add(f fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times[f]++
}

// sum returns how often any of the faults happened.
func (c *counts) sum(faults ...fault) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, f := range faults {
		n += c.times[f]
	}
	return n
}

// A goal is how often faults have to happen.
type goal struct {
	what   string
	faults []fault
	least  int
}

func (g goal) missing(c *counts) int { return g.least - c.sum(g.faults...) }

// outcome tells the auditor's outcome of a write of the host.
func outcome(err error) audit.Outcome {
	switch {
	case err == nil:
		return audit.Done
	case errors.Is(err, ErrRefused), errors.Is(err, bulk.ErrConflict):
		return audit.NotDone
	default:
		return audit.Unknown
	}
}
