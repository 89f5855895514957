package bulktest

import (
	"errors"
	"fmt"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
)

var jobRaceCases = []jobCase{{
	name: "Race/OneCreateOfAnID",
	rule: "of many creates of one id at once exactly one is done, the others are ErrJobExists",
	run: func(t *jobTest) {
		for range raceRounds {
			jobs, outcomes := make([]bulk.JobSpec, racers), make([]error, racers)
			first := t.job()
			for i := range jobs {
				jobs[i] = first
				jobs[i].TotalRecords = i
			}
			race(racers, func(i int) { outcomes[i] = t.queue.Create(t.ctx, jobs[i]) })
			winner := t.oneWins(outcomes, bulk.ErrJobExists, "creates of one id")
			if got := t.get(first.ID); got.TotalRecords != winner {
				t.Errorf("create %d was done, but the job is that of create %d", winner, got.TotalRecords)
			}
		}
	},
}, {
	name: "Race/OneClaim",
	rule: "of several claims of a job at once one wins",
	run: func(t *jobTest) {
		for range raceRounds {
			id := t.create().ID
			claimed, outcomes := make([]bulk.Job, racers), make([]error, racers)
			race(racers, func(i int) { claimed[i], outcomes[i] = t.tryClaim(id, longLease) })
			winner := t.oneWins(outcomes, bulk.ErrNoJob, "claims of one job")
			if got := t.get(id); got.Token != 1 || claimed[winner].Token != 1 {
				t.Errorf("after one claim the token is %d, and that of the claim %d", got.Token, claimed[winner].Token)
			}
		}
	},
}, {
	name: "Race/OneClaimOfALapsedLease",
	rule: "of several claims at once one wins, and a worker whose lease ran out saves before it or not at all",
	run: func(t *jobTest) {
		jobs := make([]bulk.Job, raceRounds)
		for i := range jobs {
			jobs[i] = t.processing(shortLease)
		}
		t.lapsed(jobs...)
		for _, job := range jobs {
			const claims = 4
			outcomes := make([]error, claims+1)
			race(len(outcomes), func(i int) {
				if i < claims {
					_, outcomes[i] = t.tryClaim(job.ID, longLease)
					return
				}
				_, outcomes[i] = t.queue.Save(t.ctx, job.ID, job.Token, bulk.JobChange{End: bulk.JobCompleted, Results: "late"})
			})
			won := 0
			for i, err := range outcomes {
				want := bulk.ErrNoJob
				if i == claims {
					want = bulk.ErrLeaseLost
				}
				switch {
				case err == nil:
					won++
				case !errors.Is(err, want) && !bulk.Retryable(err):
					t.Errorf("error is %v, want %q", err, want)
				}
			}
			if won != 1 {
				t.Fatalf("%d of %d claims and the end by the worker before were done, want exactly 1; outcomes: %v", won, claims, outcomes)
			}
			got := t.get(job.ID)
			if ended := outcomes[claims] == nil; got.Status.Ended() != ended || !ended && got.Token != 2 || ended && got.Token != 1 {
				t.Errorf("the job is %s with token %d; outcomes: %v", got.Status, got.Token, outcomes)
			}
		}
	},
}, {
	name: "Race/OneEnd",
	rule: "a job ends once: of several Saves that end it one is done, the others are ErrLeaseLost",
	run: func(t *jobTest) {
		for range raceRounds {
			job := t.processing(longLease)
			outcomes := make([]error, racers)
			race(racers, func(i int) {
				_, outcomes[i] = t.queue.Save(t.ctx, job.ID, job.Token, bulk.JobChange{End: bulk.JobCompleted, Results: fmt.Sprint("by ", i)})
			})
			winner := t.oneWins(outcomes, bulk.ErrLeaseLost, "ends of one job")
			if got, want := t.get(job.ID).Results, fmt.Sprint("by ", winner); got != want {
				t.Errorf("Results are %q, want %q of the Save that was done", got, want)
			}
		}
	},
}, {
	name: "Race/CancelIsNotLostToSave",
	rule: "a Cancel that is done is not undone by a Save at the same time, nor the other way round",
	run: func(t *jobTest) {
		for range raceRounds {
			job := t.processing(longLease)
			const saves = 5
			race(2, func(i int) {
				if i == 0 {
					if _, err := t.queue.Cancel(t.ctx, job.ID, bulk.Cancellation{}); err != nil {
						t.Errorf("Cancel: %v", err)
					}
					return
				}
				for rows := 1; rows <= saves; rows++ {
					progress := fullProgress()
					progress.Rows = rows
					if _, err := t.queue.Save(t.ctx, job.ID, job.Token, bulk.JobChange{Lease: longLease, Progress: progress}); err != nil {
						t.Errorf("Save: %v", err)
					}
				}
			})
			got := t.get(job.ID)
			if !got.CancelRequested {
				t.Error("CancelRequested is lost")
			}
			want := *fullProgress()
			want.Rows = saves
			if diff := cmp.Diff(want, got.Progress); diff != "" {
				t.Errorf("the last checkpoint is lost (-want +got):\n%s", diff)
			}
		}
	},
}, {
	name: "Race/CancelOrClaim",
	rule: "a pending job that is cancelled and claimed at once is either cancelled, or processing and asked to stop",
	run: func(t *jobTest) {
		for range raceRounds {
			id := t.create().ID
			var claimErr, cancelErr error
			var cancelled bulk.Job
			race(2, func(i int) {
				if i == 0 {
					_, claimErr = t.tryClaim(id, longLease)
				} else {
					cancelled, cancelErr = t.queue.Cancel(t.ctx, id, bulk.Cancellation{Results: "results"})
				}
			})
			if cancelErr != nil {
				t.Fatalf("Cancel: %v", cancelErr)
			}
			got := t.get(id)
			switch {
			case claimErr == nil && got.Status == bulk.JobProcessing && got.CancelRequested && cancelled.Status == bulk.JobProcessing:
			case errors.Is(claimErr, bulk.ErrNoJob) && got.Status == bulk.JobCancelled && cancelled.Status == bulk.JobCancelled:
			default:
				t.Errorf("Claim returned %v, Cancel a %s job, and the job is %s with CancelRequested %t",
					errText(claimErr), cancelled.Status, got.Status, got.CancelRequested)
			}
		}
	},
}, {
	name: "Race/CancelOrEnd",
	rule: "a job that is cancelled while its worker ends it is asked to stop before the end, or Cancel is ErrJobEnded and changes nothing",
	run: func(t *jobTest) {
		for round := range raceRounds {
			job := t.processing(longLease)
			worker := round % racers // another place each time, as some places come first
			returned, outcomes := make([]bulk.Job, racers), make([]error, racers)
			race(racers, func(i int) {
				if i == worker {
					returned[i], outcomes[i] = t.queue.Save(t.ctx, job.ID, job.Token, bulk.JobChange{End: bulk.JobCompleted})
				} else {
					returned[i], outcomes[i] = t.queue.Cancel(t.ctx, job.ID, bulk.Cancellation{})
				}
			})
			if outcomes[worker] != nil {
				t.Fatalf("Save of the end: %v", outcomes[worker])
			}
			ended := returned[worker]
			t.same(ended, t.get(job.ID), "a Cancel changed a job that had ended")
			for i, err := range outcomes {
				switch {
				case i == worker:
				case err == nil && returned[i].CancelRequested && ended.CancelRequested:
				case errors.Is(err, bulk.ErrJobEnded) && returned[i].Status == bulk.JobCompleted:
				default:
					t.Errorf("Cancel returned %v and a %s job; the job ended with CancelRequested %t",
						errText(err), returned[i].Status, ended.CancelRequested)
				}
			}
		}
	},
}, {
	name: "Race/NoClaimIsLost",
	rule: "Token rises with every claim, and Attempts with it, whoever else changes the job",
	run: func(t *jobTest) {
		const workers, claims = 4, 5
		id := t.create().ID
		race(workers, func(int) {
			for done, try := 0, 0; done < claims && try < 10_000; try++ {
				job, err := t.tryClaim(id, longLease)
				if errors.Is(err, bulk.ErrNoJob) {
					continue // another has it
				}
				if err == nil {
					_, err = t.queue.Save(t.ctx, id, job.Token, bulk.JobChange{})
				}
				if err != nil {
					t.Errorf("the holder of the lease: %v", err)
					return
				}
				done++
			}
		})
		if got := t.get(id); got.Token != int64(got.Attempts) || got.Token > workers*claims || got.Token < claims {
			t.Errorf("after up to %d claims Token is %d and Attempts %d", workers*claims, got.Token, got.Attempts)
		}
	},
}}

// oneWins returns which of the calls that exclude each other was done.
func (t *jobTest) oneWins(outcomes []error, lost error, what string) (winner int) {
	t.Helper()
	won := 0
	for i, err := range outcomes {
		switch {
		case err == nil:
			winner, won = i, won+1
		case !errors.Is(err, lost) && !bulk.Retryable(err):
			t.Errorf("call %d lost the race with %v, want %q", i, err, lost)
		}
	}
	if won != 1 {
		t.Fatalf("%d of %d %s were done, want exactly 1; outcomes: %v", won, len(outcomes), what, outcomes)
	}
	return winner
}
