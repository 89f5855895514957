package bulktest

import (
	"errors"

	"github.com/bulkops/bulkops/bulk"
)

var jobCreateCases = []jobCase{{
	name: "Create/StoresTheJob",
	rule: "Create adds a job as pending, with UpdatedAt as CreatedAt, and keeps what the importer sets",
	run: func(t *jobTest) {
		for _, options := range []bulk.Options{{}, {Upsert: true}, {SkipDuplicates: true}, {SendWelcomeEmail: true}, {DryRun: true},
			{UpdateOnly: true}, {Merge: bulk.MergeReplace}, {MaxFailed: new(0)}} {
			job := t.job()
			job.Options = options
			job.Label = "label \"quoted\" é"
			job.CreatedBy = "somebody \"quoted\" é"
			t.add(job)
			want := bulk.Job{JobSpec: job, Status: bulk.JobPending, UpdatedAt: job.CreatedAt}
			t.same(want, t.get(job.ID), "the job is not as created")
			if got := t.claim(job.ID, longLease); got.Token != 1 || got.Attempts != 1 {
				t.Errorf("the first claim has token %d and %d attempts, want 1 and 1", got.Token, got.Attempts)
			}
		}
	},
}, {
	name: "Create/RefusesIDInUse",
	rule: "Create is ErrJobExists if the id is in use, by whatever tenant and in whatever status, and changes nothing",
	run: func(t *jobTest) {
		pending := t.create()
		processing := t.processing(longLease)
		ended := t.save(t.processing(longLease), bulk.JobChange{End: bulk.JobCompleted})
		for _, held := range []bulk.Job{pending, processing, ended} {
			for _, tenant := range []string{t.tenant, unique("tenant")} {
				job := t.job()
				job.ID, job.Tenant, job.TotalRecords = held.ID, tenant, 1
				if err := t.queue.Create(t.ctx, job); !errors.Is(err, bulk.ErrJobExists) {
					t.Errorf("Create with the id of a %s job: error is %v, want %q", held.Status, errText(err), bulk.ErrJobExists)
				}
				t.same(held, t.get(held.ID), "a Create that was refused changed the job")
			}
		}
	},
}, {
	name: "Get/MissingJob",
	rule: "Get of a job that does not exist is ErrJobNotFound",
	run: func(t *jobTest) {
		for _, id := range []string{t.job().ID, "", "no such job", t.create().ID + "x"} {
			if _, err := t.queue.Get(t.ctx, id); !errors.Is(err, bulk.ErrJobNotFound) {
				t.Errorf("Get of %q: error is %v, want %q", id, errText(err), bulk.ErrJobNotFound)
			}
		}
	},
}}
