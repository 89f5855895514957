package dynamojobs_test

import (
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
)

// A queue tells of what it does that lets others claim a job, or ends one, and of
// nothing else.
func TestChanged(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		queue := newQueue(t, server, newTable(t, server), awstest.Transport(t))
		tells := func(what string, want bool, do func() error) {
			t.Helper()
			changed := queue.Changed()
			if err := do(); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			select {
			case <-changed:
				if !want {
					t.Errorf("%s wakes others", what)
				}
			default:
				if want {
					t.Errorf("%s wakes nobody", what)
				}
			}
		}
		job := bulk.Job{JobSpec: newJob("a")}
		saves := func(what string, want bool, change bulk.JobChange) {
			t.Helper()
			tells(what, want, func() error {
				_, err := queue.Save(t.Context(), job.ID, job.Token, change)
				return err
			})
		}
		claims := func(what string, ended bool) {
			t.Helper()
			tells(what, false, func() (err error) {
				job, err = queue.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: time.Minute, Ended: ended})
				return err
			})
		}
		cancels := func(what string, want bool) {
			t.Helper()
			tells(what, want, func() error {
				_, err := queue.Cancel(t.Context(), job.ID, bulk.Cancellation{})
				return err
			})
		}
		tells("create", true, func() error { return queue.Create(t.Context(), job.JobSpec) })
		claims("claim", false)
		saves("heartbeat", false, bulk.JobChange{Lease: time.Minute})
		cancels("cancel of a job that is processing", false)
		saves("release", true, bulk.JobChange{})
		claims("claim", false)
		saves("end", true, bulk.JobChange{End: bulk.JobCompleted, Notify: true})
		claims("claim of an end", true)
		saves("release of an end", true, bulk.JobChange{})
		claims("claim of an end", true)
		saves("notified", false, bulk.JobChange{Notified: true})

		job = create(t, queue, "a")
		claims("claim", false)
		saves("release until later", false, bulk.JobChange{RetryAfter: time.Minute})
		job = create(t, queue, "a")
		cancels("cancel of a pending job", true)
	})
}
