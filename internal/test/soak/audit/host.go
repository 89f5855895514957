package audit

import "time"

// An Outcome is what a program other than an import knows of its own write.
type Outcome int

// The outcomes.
const (
	Done    Outcome = iota // it was done
	NotDone                // its condition failed
	Unknown                // its answer was lost
)

// hostWrites are what programs other than imports wrote to a user.
type hostWrites struct {
	counted, maybe int             // additions to the counter that were done, and that may have been
	fields         map[string]bool // fields that were set; each is set once
	moves          []move
}

// A move is a change of email.
type move struct {
	email        string
	begun, ended time.Duration
	outcome      Outcome
}

// HostCounted tells that a program added one to the counter that it keeps with the
// user.
func (a *Auditor) HostCounted(u User, outcome Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tally.host(outcome)
	switch host := &a.user(u).host; outcome {
	case Done:
		host.counted++
	case Unknown:
		host.maybe++
	}
}

// HostSet tells that a program set a custom field of its own, which nobody sets
// again.
func (a *Auditor) HostSet(u User, field string, outcome Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tally.host(outcome)
	if outcome == Done {
		a.user(u).host.fields[field] = true
	}
}

// HostMoved tells that a program gave the user another email, its claim included,
// in one transaction.
func (a *Auditor) HostMoved(u User, email string, begun, ended time.Duration, outcome Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tally.host(outcome)
	if outcome == NotDone {
		return
	}
	host := &a.user(u).host
	host.moves = append(host.moves, move{email, begun, ended, outcome})
	a.owned(u, email)
}

// checkHost checks that what other programs wrote is there.
func (a *Auditor) checkHost(f FinalUser) {
	host := &a.user(f.User).host
	if f.Counter < host.counted || f.Counter > host.counted+host.maybe {
		a.findUser(Lost, f.User, "the host's counter is %d, its program added %d, and %d more perhaps", f.Counter, host.counted, host.maybe)
	}
	for field := range host.fields {
		if !f.Fields[field] {
			a.findUser(Lost, f.User, "the host's field %s is not there, its program has set it", field)
		}
	}
}
