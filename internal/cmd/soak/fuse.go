//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// An action is what a fuse does.
type action string

const (
	actKill action = "kill" // the process kills itself
	actStop action = "stop" // the process stops itself, until the driver lets it go on
	actHold action = "hold" // the call is sent later than a lease lasts, even if nobody waits for it any more
	actLose action = "lose" // the call is done, and its answer is lost
)

// A fuse puts a fault at a certain call of a process to its backends.
type fuse struct {
	Action    action
	Operation string // an operation of DynamoDB, or a method of S3
	Call      int    // which of its calls, from 1
	After     bool   // when the call had its effect and before its answer is seen
}

func (f fuse) String() string {
	when := "before"
	if f.After {
		when = "after"
	}
	return fmt.Sprintf("%s %s %s %d", f.Action, when, f.Operation, f.Call)
}

var errLost = errors.New("the answer was lost")

// fused is a transport with fuses.
type fused struct {
	next  http.RoundTripper
	fuses []fuse
	hold  time.Duration
	fired func(fuse) // tells the driver

	mu    sync.Mutex
	calls map[string]int
}

// operation returns the name of a call as a fuse has it.
func operation(request *http.Request) string {
	if target := request.Header.Get("X-Amz-Target"); target != "" {
		_, name, _ := strings.Cut(target, ".")
		return name
	}
	return request.Method
}

// hit returns the fuse of a call, which it counts.
func (t *fused) hit(request *http.Request) (fuse, bool) {
	name := operation(request)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls[name]++
	for _, f := range t.fuses {
		if f.Operation == name && f.Call == t.calls[name] {
			return f, true
		}
	}
	return fuse{}, false
}

func (t *fused) RoundTrip(request *http.Request) (*http.Response, error) {
	f, ok := t.hit(request)
	if !ok {
		return t.next.RoundTrip(request)
	}
	switch {
	case f.Action == actHold:
		t.fired(f)
		time.Sleep(t.hold)
		request = request.WithContext(context.WithoutCancel(request.Context()))
	case f.Action != actLose && !f.After:
		t.blow(f)
	}
	response, err := t.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	switch {
	case f.Action == actLose:
		t.fired(f)
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		return nil, errLost
	case f.After:
		t.blow(f)
	}
	return response, nil
}

// blow kills or stops the process. The driver lets a stopped one go on.
func (t *fused) blow(f fuse) {
	t.fired(f)
	switch f.Action {
	case actKill:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal is there
	case actStop:
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
}

// points are the calls at which a fuse can sit, and how many of each kind a process
// makes in a few seconds.
var points = []struct {
	operation string
	calls     int
}{
	{"UpdateItem", 20}, {"GetItem", 10}, {"BatchGetItem", 40}, {"BatchExecuteStatement", 30}, {"TransactWriteItems", 60},
	{http.MethodPut, 12}, {http.MethodGet, 6},
}

// drawFuses returns the fuses of a new process: none, or one.
func drawFuses(random *rand.Rand) []fuse {
	if random.IntN(10) < 3 {
		return nil
	}
	point := points[random.IntN(len(points))]
	f := fuse{Operation: point.operation, Call: 1 + random.IntN(point.calls), After: random.IntN(2) == 0}
	switch draw := random.IntN(20); {
	case draw < 11:
		f.Action = actKill
	case draw < 14:
		f.Action = actStop
	case draw < 17:
		f.Action = actHold
	default:
		f.Action = actLose
	}
	return []fuse{f}
}
