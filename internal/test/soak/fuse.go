//go:build unix

package soak

import (
	"fmt"
	"math/rand/v2"
	"sync"
)

// An action is what a fuse does.
type action string

const (
	actKill action = "kill" // the process is killed
	actStop action = "stop" // the process is stopped for longer than its lease
	actHold action = "hold" // the call is delivered later than a lease lasts, even if nobody waits for it any more
	actLose action = "lose" // the call is done, and its answer is lost
)

// A fuse puts a fault at a certain call of a process to its servers.
type fuse struct {
	Action    action
	Operation string
	Call      int  // which of its calls, from 1
	After     bool // when the call had its effect and before its answer is seen
}

func (f fuse) String() string {
	when := "before"
	if f.After {
		when = "after"
	}
	return fmt.Sprintf("%s %s %s %d", f.Action, when, f.Operation, f.Call)
}

// fuses are those of a process, which has made calls.
type fuses struct {
	planted []fuse

	mu    sync.Mutex
	calls map[string]int
}

func newFuses(planted ...fuse) *fuses { return &fuses{planted: planted, calls: make(map[string]int)} }

// hit returns the fuse of a call, which it counts.
func (f *fuses) hit(operation string) (fuse, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[operation]++
	for _, one := range f.planted {
		if one.Operation == operation && one.Call == f.calls[operation] {
			return one, true
		}
	}
	return fuse{}, false
}

// A Point is an operation at whose calls fuses can sit, and how many such calls a
// process makes in a few seconds.
type Point struct {
	Operation string
	Calls     int
}

// drawFuses returns the fuses of a new process: none, or one.
func drawFuses(random *rand.Rand, points []Point) *fuses {
	if random.IntN(10) < 3 {
		return newFuses()
	}
	point := points[random.IntN(len(points))]
	f := fuse{Operation: point.Operation, Call: 1 + random.IntN(point.Calls), After: random.IntN(2) == 0}
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
	return newFuses(f)
}
