package awse2e_test

import (
	"context"
	"sync"
	"testing"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
)

// throttleCounts counts the throttles that an observer is told of, by backend.
type throttleCounts struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *throttleCounts) Begin(ctx context.Context, _ bulk.Event) context.Context { return ctx }

func (c *throttleCounts) End(_ context.Context, e bulk.Event) {
	if call, ok := e.(*bulk.CallEvent); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.counts[call.Backend] += call.Throttled
	}
}

// TestThrottlesAreObserved: what the backends repeat by themselves reaches an observer,
// although the job succeeds.
func TestThrottlesAreObserved(t *testing.T) {
	eachCloud(t, []mode{guarded}, func(t *testing.T, c *cloud) {
		rule := awstest.Rule{Kind: awstest.Throttle, Probability: 0.2, MaxConsecutive: 1}
		dynamoDB := awstest.NewFaults(t, awstest.Transport(t), 1, rule)
		s3 := awstest.NewFaults(t, awstest.Transport(t), 1, rule)
		cfg := tuned(c.openThrough(dynamoDB, s3))
		observed := &throttleCounts{counts: map[string]int{}}
		cfg.Observer = observed
		collision := newCollision(t, 1, 40)
		collision.seed(t, c.open().Store)
		job := run(t, cfg, submit(t, cfg, collision.rows, bulk.DefaultOptions()).ID)
		if job.Status != bulk.JobCompleted {
			t.Fatalf("the job is %s", job.Status)
		}
		got := observed.counts
		if injected := s3.Injected(awstest.Throttle); injected == 0 || got["BlobStore"] != injected {
			t.Errorf("%d throttles of S3 were observed, %d have happened", got["BlobStore"], injected)
		}
		// A call of the store has several parts, each of which counts.
		if injected := dynamoDB.Injected(awstest.Throttle); got["JobQueue"] == 0 || got["Store"] == 0 || got["Store"]+got["JobQueue"] < injected {
			t.Errorf("throttles of DynamoDB were observed as %v, %d have happened", got, injected)
		}
	})
}
