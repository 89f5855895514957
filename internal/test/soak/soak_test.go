//go:build unix

package soak

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// memory is a backend without servers: each process has its own.
type memory struct {
	Backend
	fault error // of Check
}

func (memory) Flags(*flag.FlagSet) {}

func (m memory) Check() error { return m.fault }

func (memory) Open(context.Context, string, []string) (*Opened, error) {
	jobs := memjobs.New()
	return &Opened{Store: memstore.New(), Blobs: memblob.New(), Jobs: jobs, Keys: jobs}, nil
}

// TestMain makes the test program the processes of all roles, too.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == roleImporter {
		if err := runRole(memory{}, roleImporter); err != nil {
			os.Exit(exitFailure)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestPlanFollowsFromItsSeed: what an import is depends on the seed and its number,
// and no two rows have the same witness.
func TestPlanFollowsFromItsSeed(t *testing.T) {
	a, b, other := &plan{seed: 7}, &plan{seed: 7}, &plan{seed: 8}
	witnesses := make(map[string]bool)
	same := true
	for n := range 100 {
		k := kind(n % 2)
		one, _ := a.next(k)
		again, _ := b.next(k)
		if !reflect.DeepEqual(one, again) {
			t.Fatalf("import %d of one seed is %+v and %+v", n, one, again)
		}
		foreign, _ := other.next(k)
		same = same && reflect.DeepEqual(one, foreign)
		for i, r := range one.Rows {
			if r.Witness == "" {
				continue
			}
			if witnesses[r.Witness] || !isWitness(r.Witness) {
				t.Fatalf("row %d of %s has the witness %q", i, one.Name, r.Witness)
			}
			witnesses[r.Witness] = true
		}
	}
	if same {
		t.Error("two seeds make the same imports")
	}
}

// TestShortKeys: a reservation is over for others when the short time is over, and
// what its owner reads before that is what it wrote.
func TestShortKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := shortKeys{memjobs.New(), 2 * time.Second}
		key := bulk.IdempotencyKey{Tenant: "red", Name: "k", Version: 1, ExpiresAt: time.Now().Add(time.Hour), BusyUntil: time.Now().Add(keyBusy)}
		if err := keys.PutIdempotencyKey(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			after time.Duration
			busy  bool
		}{{0, true}, {1900 * time.Millisecond, true}, {200 * time.Millisecond, false}} {
			time.Sleep(test.after)
			got, err := keys.GetIdempotencyKey(t.Context(), "red", "k")
			if err != nil {
				t.Fatal(err)
			}
			if busy := time.Now().Before(got.BusyUntil); busy != test.busy || busy && !got.BusyUntil.Equal(key.BusyUntil) {
				t.Errorf("at %v the key is busy until %v", time.Now(), got.BusyUntil)
			}
		}
	})
}

// importer starts a process with fuses in a run of its own.
func importer(t *testing.T, fuses *fuses) (*driver, *child) {
	t.Helper()
	d := &driver{options: options{lease: 50 * time.Millisecond}, counts: newCounts()}
	d.jobs = newTracker(d)
	s := settings{Name: roleImporter + "-1", Lease: time.Second}
	c, err := startChild(roleImporter, s, fuses, filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.end)
	d.fleet = &fleet{d: d, importers: []*child{c}}
	return d, c
}

// TestFuses: a fuse hits the call that it names, once, and does what it is to do
// before or after the call has its effect.
func TestFuses(t *testing.T) {
	for _, test := range []struct {
		fuse  fuse
		want  []string // in order, and whether the answer is seen
		count fault
	}{
		{fuse{Action: actHold}, []string{"delivered", "seen"}, callHeld},
		{fuse{Action: actLose}, []string{"delivered"}, answerLost},
		{fuse{Action: actKill}, []string{"dead"}, ""},
		{fuse{Action: actKill, After: true}, []string{"delivered", "dead"}, ""},
		{fuse{Action: actStop}, []string{"stopped", "delivered", "seen"}, importerStopped},
		{fuse{Action: actStop, After: true}, []string{"delivered", "stopped", "seen"}, importerStopped},
	} {
		t.Run(test.fuse.String(), func(t *testing.T) {
			test.fuse.Operation, test.fuse.Call = "write", 2
			d, c := importer(t, newFuses(test.fuse))
			l := &link{d: d}
			var delay time.Duration // of the last call
			call := func(operation string) (happened []string) {
				begun := time.Now()
				seen := l.deliver(t.Context(), Call{Process: c.name, Operation: operation}, func() {
					if d.counts.sum(importerStopped) > 0 {
						happened = append(happened, "stopped")
					}
					delay = time.Since(begun)
					happened = append(happened, "delivered")
				})
				if d.counts.sum(importerStopped) > 0 && !slices.Contains(happened, "stopped") {
					happened = append(happened, "stopped")
				}
				if c.dead() {
					happened = append(happened, "dead")
				}
				if seen {
					happened = append(happened, "seen")
				}
				return happened
			}
			for _, operation := range []string{"write", "read", "read"} {
				if got := call(operation); !reflect.DeepEqual(got, []string{"delivered", "seen"}) {
					t.Errorf("%s without a fuse: %v", operation, got)
				}
			}
			if got := call("write"); !reflect.DeepEqual(got, test.want) {
				t.Errorf("with a fuse: %v, want %v", got, test.want)
			}
			if test.fuse.Action == actHold && delay <= d.lease {
				t.Errorf("the call was held back for %v, the lease is %v", delay, d.lease)
			}
			if test.count != "" && d.counts.sum(test.count) != 1 {
				t.Errorf("the fault is not counted: %v", d.counts.times)
			}
		})
	}
}

// TestLateCall: an armed link holds the next write back, kills or stops its process,
// and delivers the call all the same; what others send passes.
func TestLateCall(t *testing.T) {
	d, c := importer(t, newFuses())
	l := &link{d: d}
	l.arm()
	delivered := 0
	send := func(call Call) bool { return l.deliver(t.Context(), call, func() { delivered++ }) }
	for _, call := range []Call{{c.name, "read", false}, {"another", "write", true}} {
		if !send(call) || d.counts.sum(callLate) > 0 || c.dead() {
			t.Errorf("%+v does not pass", call)
		}
	}
	if send(Call{c.name, "write", true}); d.counts.sum(callLate) != 1 {
		t.Error("an armed link lets a write pass")
	}
	d.fleet.running.Wait()
	if stopped := d.counts.sum(importerStopped) > 0; stopped == c.dead() {
		t.Errorf("its process was stopped: %v, killed: %v", stopped, c.dead())
	}
	if send(Call{c.name, "write", true}); d.counts.sum(callLate) != 1 {
		t.Error("another write is late too")
	}
	if delivered != 4 {
		t.Errorf("%d of 4 calls were delivered", delivered)
	}
}

// TestChild: a process that is stopped goes on, and one that is killed is known to
// have been.
func TestChild(t *testing.T) {
	_, c := importer(t, newFuses())
	if err := c.send(request{Rows: jsonOfAll(seeds("red").Rows)}); err != nil {
		t.Fatal(err)
	}
	if a := <-c.answers; !strings.Contains(a.Error, "role") {
		t.Errorf("a request of nobody is answered with %+v", a)
	}
	if !c.pause(10*time.Millisecond) || c.dead() {
		t.Error("a process that was stopped for a while is not there any more")
	}
	c.kill()
	<-c.done
	if !c.dead() {
		t.Error("a process that was killed has ended otherwise")
	}
	if c.pause(time.Minute) {
		t.Error("a process that was killed was stopped")
	}
}

// TestFailedProcess: a process that fails by itself ends the run.
func TestFailedProcess(t *testing.T) {
	d, c := importer(t, newFuses())
	d.failed = make(chan error, 1)
	d.fleet.ctx = t.Context()
	if _, err := c.stdin.Write([]byte("no request\n")); err != nil {
		t.Fatal(err)
	}
	<-c.done
	d.fleet.buried(c, importerKilled, importerKilledAt)
	select {
	case err := <-d.failed:
		if !strings.Contains(err.Error(), c.name) {
			t.Errorf("the run fails with: %v", err)
		}
	default:
		t.Error("the run goes on")
	}
}

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		backend memory
		args    []string
	}{
		{memory{}, []string{"-workers", "0"}},
		{memory{}, []string{"-lease", "10ms"}},
		{memory{}, []string{"stray"}},
		{memory{fault: bulk.ErrUnavailable}, nil},
	} {
		var stderr strings.Builder
		if code := run(t.Context(), test.backend, test.args, &stderr, &stderr); code != exitUsage || stderr.Len() == 0 {
			t.Errorf("%q exits with %d and says %q", test.args, code, stderr.String())
		}
	}
	o, err := parseOptions(memory{}, []string{"-quick", "-kills", "3"}, os.Stderr)
	if err != nil || o.kills != 3 || o.stops >= 100 {
		t.Errorf("-quick -kills 3 means %+v, %v", o, err)
	}
}
