package audit

import (
	"reflect"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// Ended tells that an import was seen to have ended at that time: nothing of it
// may be written from then on.
func (a *Auditor) Ended(name string, now time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if im := a.imports[name]; im.ended == 0 {
		im.ended = now
	}
}

// Refused tells that the caller was told that nothing of the import was written.
func (a *Auditor) Refused(name string, now time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	im := a.imports[name]
	im.state, im.ended = refused, now
}

// Unanswered tells that there will be no answer: whether rows were applied is not
// known.
func (a *Auditor) Unanswered(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if im := a.imports[name]; im.state == open {
		im.state = unanswered
	}
}

// An Answer is what the caller of an import was told.
type Answer struct {
	// Status is how a job ended, "" for a synchronous import.
	Status  bulk.JobStatus
	Results []bulk.RowResult
	// Summaries are all counts that the caller was given: of the answer, of the
	// job's record, of the results file.
	Summaries []bulk.Summary
}

// Answered tells the answer to an import, received at that time. A later answer, to a
// repetition of the same request or to another question for a job's results, must be
// the first again.
func (a *Auditor) Answered(name string, answer Answer, now time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	im := a.imports[name]
	if im.state == refused {
		return // a job that was made all the same, whose rows must not be written
	}
	if im.state == answered {
		if im.status != answer.Status || !reflect.DeepEqual(im.results, answer.Results) {
			a.findImport(Misreported, im, "it has another answer than it had before")
		}
		return
	}
	im.state, im.status, im.results = answered, answer.Status, answer.Results
	if im.ended == 0 {
		im.ended = now
	}
	if !a.complete(im, answer) {
		im.results = nil
		return
	}
	for i, result := range im.results {
		a.tally.count(result)
		if result.Status == bulk.StatusUpdated && !im.Options.DryRun {
			a.erased(im.rows[i], User{im.Tenant, result.UserID}, now)
		}
	}
}

// complete reports whether there is one result for each row, in order, and the
// counts are right.
func (a *Auditor) complete(im *record, answer Answer) bool {
	if got, want := len(answer.Results), len(im.Rows); got != want {
		a.findImport(Misreported, im, "it has %d results for %d rows", got, want)
		return false
	}
	var counted bulk.Summary
	for i, result := range answer.Results {
		if result.Index != i {
			a.findRow(Misreported, im.rows[i], User{}, "its result has the index %d", result.Index)
			return false
		}
		switch result.Status {
		case bulk.StatusCreated:
			counted.Created++
		case bulk.StatusUpdated:
			counted.Updated++
		case bulk.StatusUnchanged:
			counted.Unchanged++
		case bulk.StatusSkipped:
			counted.Skipped++
		case bulk.StatusFailed:
			counted.Failed++
		case bulk.StatusNotProcessed:
			counted.NotProcessed++
		default:
			a.findRow(Misreported, im.rows[i], User{}, "its status is %q", result.Status)
			return false
		}
	}
	for _, summary := range answer.Summaries {
		if summary != counted {
			a.findImport(Misreported, im, "its summary is %+v, its results come to %+v", summary, counted)
		}
	}
	return true
}

// Fault notes a finding that shows without any check.
func (a *Auditor) Fault(kind Kind, name, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.find(Finding{kind, name, -1, User{}, text})
}

// Import returns the import of that name.
func (a *Auditor) Import(name string) (Import, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	im, ok := a.imports[name]
	if !ok {
		return Import{}, false
	}
	return im.Import, true
}
