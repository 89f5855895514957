//go:build unix

package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

// TestMain makes the test program the processes of all roles, too.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == roleImporter {
		if err := runRole(roleImporter); err != nil {
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

// TestFuses: a fuse hits the call that it names, once; a held call arrives although
// nobody waits for it any more, and a lost answer's call is done.
func TestFuses(t *testing.T) {
	for _, act := range []action{actHold, actLose} {
		var arrived atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived.Add(1) }))
		defer server.Close()
		var fired []fuse
		planted := fuse{Action: act, Operation: http.MethodPut, Call: 2}
		calls := &fused{
			next: http.DefaultTransport, fuses: []fuse{planted}, hold: 50 * time.Millisecond,
			fired: func(f fuse) { fired = append(fired, f) }, calls: make(map[string]int),
		}
		send := func(method string, patience time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, method, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := calls.RoundTrip(request)
			if err == nil {
				response.Body.Close()
			}
			return err
		}
		for i, method := range []string{http.MethodPut, http.MethodGet, http.MethodPut, http.MethodPut} {
			patience := time.Minute
			if i == 2 && act == actHold {
				patience = time.Millisecond
			}
			if err := send(method, patience); (err != nil) != (i == 2 && act == actLose) || err != nil && !errors.Is(err, errLost) {
				t.Errorf("%s: call %d returns %v", act, i, err)
			}
		}
		if arrived.Load() != 4 || !reflect.DeepEqual(fired, []fuse{planted}) {
			t.Errorf("%s: %d of 4 calls arrived, and %v fired", act, arrived.Load(), fired)
		}
	}
}

// TestProxyDeliversLate: a proxy passes calls on as they are; an armed one holds back
// the next write, names its process, and delivers it although its caller is gone.
func TestProxyDeliversLate(t *testing.T) {
	arrived := make(chan string, 3)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- r.Method + " " + r.URL.EscapedPath() + " " + string(body)
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusTeapot)
	}))
	defer server.Close()
	held, deliver := make(chan string, 1), make(chan struct{})
	p, err := newProxy(server.URL, func(process, operation string) {
		held <- process + " " + operation
		<-deliver
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.arm()
	send := func(ctx context.Context, method string) (*http.Response, error) {
		request, err := http.NewRequestWithContext(ctx, method, p.url+"/a%2Fb", strings.NewReader("text"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("User-Agent", "aws-sdk-go-v2/1.47.7 app/worker-12 m/C,D")
		return http.DefaultClient.Do(request)
	}
	response, err := send(t.Context(), http.MethodGet)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusTeapot || response.Header.Get("X-Answer") != "yes" {
		t.Errorf("an answer comes as %d, %v", response.StatusCode, response.Header)
	}
	if got, want := <-arrived, "GET /a%2Fb text"; got != want {
		t.Errorf("the server gets %q, want %q", got, want)
	}

	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		response, err := send(ctx, http.MethodPut)
		if err == nil {
			response.Body.Close()
		}
		gone <- err
	}()
	if got, want := <-held, "worker-12 PUT"; got != want {
		t.Errorf("held back is %q, want %q", got, want)
	}
	cancel()
	if err := <-gone; err == nil {
		t.Error("the call was answered while it was held back")
	}
	close(deliver)
	if got, want := <-arrived, "PUT /a%2Fb text"; got != want {
		t.Errorf("the server gets %q, want %q", got, want)
	}
}

// TestChild: a process that is stopped goes on, and one that is killed is known to
// have been.
func TestChild(t *testing.T) {
	c, err := startChild(roleImporter, settings{
		Name: "child", DynamoDB: "http://127.0.0.1:1", S3: "http://127.0.0.1:1", AccessKey: "a", SecretKey: "s", Lease: time.Second,
	}, filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.end()
	if err := c.send(request{Rows: jsonOfAll(seeds("red").Rows)}); err != nil {
		t.Fatal(err)
	}
	if m := <-c.messages; m.Answer == nil || !strings.Contains(m.Answer.Error, "role") {
		t.Errorf("a request of nobody is answered with %+v", m)
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

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"-dynoxide", "a", "-versitygw", ""},
		{"-dynoxide", "a", "-versitygw", "b", "-workers", "0"},
		{"-dynoxide", "a", "-versitygw", "b", "-lease", "10ms"},
		{"-dynoxide", "a", "-versitygw", "b", "stray"},
	} {
		var stderr strings.Builder
		if code := run(t.Context(), args, &stderr, &stderr); code != exitUsage || stderr.Len() == 0 {
			t.Errorf("%q exits with %d and says %q", args, code, stderr.String())
		}
	}
	o, err := parseOptions([]string{"-dynoxide", "a", "-versitygw", "b", "-quick", "-kills", "3"}, os.Stderr)
	if err != nil || o.kills != 3 || o.stops >= 100 {
		t.Errorf("-quick -kills 3 means %+v, %v", o, err)
	}
}
