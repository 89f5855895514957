package awse2e_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/internal/test/race"
)

var errKilled = errors.New("the process was killed")

// A killer ends a process at one of its calls to the servers: that call and all
// later ones fail.
type killer struct {
	at      int  // the call, counting from 1; 0 is none
	applied bool // the call still has its effect
	kill    context.CancelFunc

	mu    sync.Mutex
	calls int
}

// killed is a transport through a killer.
type killed struct {
	*killer
	next http.RoundTripper
}

func (k killed) RoundTrip(request *http.Request) (*http.Response, error) {
	k.mu.Lock()
	k.calls++
	call := k.calls
	k.mu.Unlock()
	if k.at == 0 || call < k.at {
		return k.next.RoundTrip(request)
	}
	if call == k.at && k.applied {
		// With a context of its own: what was sent is done.
		response, err := k.next.RoundTrip(request.WithContext(context.WithoutCancel(request.Context())))
		if err == nil {
			response.Body.Close()
		}
	} else if request.Body != nil {
		request.Body.Close()
	}
	k.kill()
	return nil, errKilled
}

// attempt runs the job once, through the killer.
func (k *killer) attempt(t *testing.T, c *cloud, id string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k.kill = cancel
	transport := awstest.Transport(t)
	cfg := tuned(c.openThrough(killed{k, transport}, killed{k, transport}))
	cfg.StopGrace = time.Millisecond
	if k.at > 0 {
		cfg.Lease = time.Second // so that the next worker need not wait for long
	}
	err := newWorker(t, cfg).RunJob(ctx, id)
	if k.at == 0 && err != nil {
		t.Fatal(err)
	}
}

// TestKilledWorker kills a worker at one of its calls, before or after the call had
// its effect; another one makes the same of the job that an undisturbed one makes.
func TestKilledWorker(t *testing.T) {
	rows, kills := 100, 6
	if testing.Short() || race.Enabled {
		rows, kills = 80, 3
	}
	eachCloud(t, both, func(t *testing.T, c *cloud) {
		collision := newCollision(t, 7, rows)
		cfg := tuned(c.open())
		start := func(c *cloud, cfg bulk.Config, k *killer) *bulk.Job {
			collision.seed(t, cfg.Store)
			job := submit(t, cfg, collision.rows, bulk.DefaultOptions())
			k.attempt(t, c, job.ID)
			return job
		}
		unharmed := new(killer)
		job := start(c, cfg, unharmed)
		collision.check(t, c, cfg, run(t, cfg, job.ID))

		// Each in tables of its own, and all first halves before the second ones:
		// their leases end meanwhile.
		type victim struct {
			*killer
			cloud *cloud
			cfg   bulk.Config
			job   *bulk.Job
		}
		var victims []victim
		for i := range kills {
			// The first call is the claim; without it nothing has begun.
			k := &killer{at: 2 + i*(unharmed.calls-2)/(kills-1), applied: i%2 == 1}
			own := newCloud(t, c.dynamoDB, c.mode)
			cfg := tuned(own.open())
			victims = append(victims, victim{k, own, cfg, start(own, cfg, k)})
		}
		for _, v := range victims {
			t.Logf("killed at call %d of %d, applied %t", v.at, unharmed.calls, v.applied)
			collision.check(t, v.cloud, v.cfg, run(t, v.cfg, v.job.ID))
		}
	})
}
