package audit

import "github.com/bulkops/bulkops/bulk"

// A Tally counts what an auditor was told.
type Tally struct {
	Imports, Users     int
	Rows               bulk.Summary // by the results that were given
	OutcomeUnknown     int          // of the failed rows
	StoreErrors        int          // of the failed rows
	Samples, Sightings int          // reads of users; rows that were seen applied
	Explained          int          // rows reported as applied, and seen where they were reported
	// Overwritten is how many rows were overwritten by a later import while their
	// own had not ended: those that show if they are applied again.
	Overwritten int
	HostWrites  int
}

// Tally returns the counts so far.
func (a *Auditor) Tally() Tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tally
}

func (t *Tally) host(outcome Outcome) {
	if outcome == Done {
		t.HostWrites++
	}
}

func (t *Tally) count(result bulk.RowResult) {
	switch result.Status {
	case bulk.StatusCreated:
		t.Rows.Created++
	case bulk.StatusUpdated:
		t.Rows.Updated++
	case bulk.StatusUnchanged:
		t.Rows.Unchanged++
	case bulk.StatusSkipped:
		t.Rows.Skipped++
	case bulk.StatusNotProcessed:
		t.Rows.NotProcessed++
	case bulk.StatusFailed:
		t.Rows.Failed++
		for _, e := range result.Errors {
			switch e.Code {
			case codeOutcomeUnknown:
				t.OutcomeUnknown++
			case bulk.CodeStoreError:
				t.StoreErrors++
			}
		}
	}
}
