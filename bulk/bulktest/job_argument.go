package bulktest

import (
	"errors"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
)

var jobArgumentCases = []jobCase{{
	name: "Arguments/AreNotModifiedNorKept",
	rule: "arguments are not modified and not kept after the return",
	run: func(t *jobTest) {
		job := t.processing(longLease)
		change := bulk.JobChange{Lease: longLease, Progress: fullProgress()}
		saved := t.save(job, change)
		if diff := cmp.Diff(fullProgress(), change.Progress); diff != "" {
			t.Errorf("Save modified the progress that it was given (-before +after):\n%s", diff)
		}
		*change.Progress = bulk.Progress{Rows: -1}
		t.same(saved, t.get(job.ID), "the job changed with what Save was given")

		failure := &bulk.JobError{Code: "code", Message: "message"}
		saved = t.save(job, bulk.JobChange{End: bulk.JobFailed, Error: failure})
		*failure = bulk.JobError{Code: "overwritten"}
		t.same(saved, t.get(job.ID), "the job changed with what Save was given")
		if saved.Error == nil || saved.Error.Code != "code" {
			t.Errorf("what Save returned changed with what it was given: %v", saved.Error)
		}
	},
}, {
	name: "Arguments/ResultsAreTheCallers",
	rule: "results are the caller's: what a caller does with them changes no job",
	run: func(t *jobTest) {
		job := t.processing(longLease)
		t.save(job, bulk.JobChange{Lease: longLease, Progress: fullProgress()})
		results := []bulk.Job{t.get(job.ID), t.save(job, bulk.JobChange{Lease: longLease}), t.cancel(job.ID, "")}
		t.save(job, bulk.JobChange{})
		results = append(results, t.claim(job.ID, longLease))
		last := results[len(results)-1]
		results = append(results, t.save(last, bulk.JobChange{End: bulk.JobFailed, Error: &bulk.JobError{Code: "code"}}), t.get(job.ID))
		ended, err := t.queue.Cancel(t.ctx, job.ID, bulk.Cancellation{})
		if !errors.Is(err, bulk.ErrJobEnded) {
			t.Fatalf("Cancel: error is %v, want %q", errText(err), bulk.ErrJobEnded)
		}
		results = append(results, ended)
		t.listed(job.ID)
		results = append(results, t.walk(bulk.JobFilter{Tenant: t.tenant, Limit: 1}, nil)...)
		want := t.get(job.ID)
		for _, result := range results {
			if result.Error != nil {
				result.Error.Code = "overwritten"
			}
		}
		got := t.get(job.ID)
		t.same(want, got, "the job changed with a result")
		if got.Error == nil || got.Error.Code != "code" {
			t.Errorf("the error changed with a result: %v", got.Error)
		}
		if diff := cmp.Diff(*fullProgress(), got.Progress); diff != "" {
			t.Errorf("the progress changed with a result (-want +got):\n%s", diff)
		}
	},
}, {
	name: "Context/CancelledCallFails",
	rule: "a cancelled context ends a call soon, with an error for which errors.Is(err, ctx.Err()) holds",
	run: func(t *jobTest) {
		pending, processing := t.create(), t.processing(longLease)
		ctx := cancelled()
		for method, call := range map[string]func() error{
			"Create": func() error { return t.queue.Create(ctx, t.job()) },
			"Get":    func() error { _, err := t.queue.Get(ctx, pending.ID); return err },
			"List":   func() error { _, _, err := t.queue.List(ctx, bulk.JobFilter{Tenant: t.tenant, Limit: 1}); return err },
			"Claim": func() error {
				_, err := t.queue.Claim(ctx, bulk.Claim{JobID: pending.ID, Lease: longLease})
				return err
			},
			"Claim next":  func() error { _, err := t.queue.Claim(ctx, bulk.Claim{Lease: longLease}); return err },
			"Claim ended": func() error { _, err := t.queue.Claim(ctx, bulk.Claim{Lease: longLease, Ended: true}); return err },
			"Save": func() error {
				_, err := t.queue.Save(ctx, processing.ID, processing.Token, bulk.JobChange{Lease: longLease})
				return err
			},
			"Cancel": func() error { _, err := t.queue.Cancel(ctx, pending.ID, bulk.Cancellation{}); return err },
			"Delete": func() error { return t.queue.Delete(ctx, pending.ID) },
		} {
			if err := call(); !errors.Is(err, ctx.Err()) {
				t.Errorf("%s: error is %v, want %q", method, errText(err), ctx.Err())
			}
		}
	},
}}
