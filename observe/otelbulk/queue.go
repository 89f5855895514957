package otelbulk

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/bulkops/bulkops/bulk"
)

// countTimeout bounds how long a collection of metrics waits for the queue.
const countTimeout = 10 * time.Second

// WatchQueue adds metrics of a queue: how many jobs wait, and how old the oldest is. The
// queue is asked when metrics are collected, and at most once in the time given; in
// between the last answer counts. See the documentation of the queue for what it costs,
// and let one process of a fleet watch, since all see the same.
//
// A queue that is no [bulk.JobCounter], and one that does not answer, is an error of the
// collection, and its metrics are missing. Unregister ends it.
func (o *Observer) WatchQueue(queue bulk.JobQueue, every time.Duration) (metric.Registration, error) {
	jobs, err := o.meter.Int64ObservableUpDownCounter(queueJobs.name, metric.WithUnit(queueJobs.unit), metric.WithDescription(queueJobs.description))
	if err != nil {
		return nil, err
	}
	oldest, err := o.meter.Float64ObservableGauge(queueOldest.name, metric.WithUnit(queueOldest.unit), metric.WithDescription(queueOldest.description))
	if err != nil {
		return nil, err
	}
	ready := metric.WithAttributeSet(attribute.NewSet(keyQueueState.String("ready")))
	held := metric.WithAttributeSet(attribute.NewSet(keyQueueState.String("held")))
	w := &queueWatch{queue: queue, every: every}
	return o.meter.RegisterCallback(func(ctx context.Context, to metric.Observer) error {
		counts, err := w.count(ctx)
		if err != nil {
			return err
		}
		to.ObserveInt64(jobs, int64(counts.Ready), ready)
		to.ObserveInt64(jobs, int64(counts.Held), held)
		age := 0.0
		if !counts.OldestReady.IsZero() {
			age = max(0, time.Since(counts.OldestReady).Seconds())
		}
		to.ObserveFloat64(oldest, age)
		return nil
	}, jobs, oldest)
}

// A queueWatch remembers what a queue counted.
type queueWatch struct {
	queue bulk.JobQueue
	every time.Duration

	mu     sync.Mutex
	asked  time.Time // when counts were asked for; zero before
	counts bulk.JobCounts
}

func (w *queueWatch) count(ctx context.Context) (bulk.JobCounts, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.asked.IsZero() && time.Since(w.asked) < w.every {
		return w.counts, nil
	}
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	asked := time.Now()
	counts, err := bulk.CountJobs(ctx, w.queue)
	if err != nil {
		return bulk.JobCounts{}, err
	}
	w.asked, w.counts = asked, counts
	return counts, nil
}
