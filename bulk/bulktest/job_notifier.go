package bulktest

import (
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// notifierCases are for a queue that is a [bulk.JobNotifier].
var notifierCases = []jobCase{{
	name: "Changed/ClosedByCreate",
	rule: "the channel that Changed returned is closed when a job was created after the call",
	run: func(t *jobTest) {
		notifier := t.queue.(bulk.JobNotifier)
		for range 3 {
			first, second := notifier.Changed(), notifier.Changed()
			t.create()
			t.closed(first)
			t.closed(second)
		}
	},
}, {
	name: "Changed/ClosedByRelease",
	rule: "the channel that Changed returned is closed when a lease was given up after the call",
	run: func(t *jobTest) {
		notifier := t.queue.(bulk.JobNotifier)
		job := t.processing(longLease)
		changed := notifier.Changed()
		t.save(job, bulk.JobChange{})
		t.closed(changed)
	},
}, {
	name: "Changed/ClosedByEnd",
	rule: "the channel that Changed returned is closed when a job has ended after the call, by Save or by Cancel",
	run: func(t *jobTest) {
		notifier := t.queue.(bulk.JobNotifier)
		job := t.processing(longLease)
		changed := notifier.Changed()
		t.save(job, bulk.JobChange{End: bulk.JobCompleted})
		t.closed(changed)

		pending := t.create()
		changed = notifier.Changed()
		if _, err := t.queue.Cancel(t.ctx, pending.ID, bulk.Cancellation{}); err != nil {
			t.Fatalf("Cancel: %v", err)
		}
		t.closed(changed)
	},
}, {
	name: "Changed/ClosedByUntoldEnd",
	rule: "the channel that Changed returned is closed when a job was to be told of after the call: ended with Notify, or given back",
	run: func(t *jobTest) {
		notifier := t.queue.(bulk.JobNotifier)
		job := t.processing(longLease)
		changed := notifier.Changed()
		t.save(job, bulk.JobChange{End: bulk.JobCompleted, Notify: true})
		t.closed(changed)
		job = t.claimEnded(job.ID, longLease)
		changed = notifier.Changed()
		t.save(job, bulk.JobChange{})
		t.closed(changed)
	},
}}

func (t *jobTest) closed(changed <-chan struct{}) {
	t.Helper()
	select {
	case <-changed:
	case <-time.After(patience):
		t.Fatalf("the channel is not closed after %v", patience)
	}
}
