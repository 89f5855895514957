package audit

import (
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A user is what is known of a user.
type user struct {
	last     time.Duration // when the last read of the user had begun
	exists   bool          // it was seen
	rows     map[string]*row
	latest   *row               // of the rows that were applied, one whose import was sent last
	furthest map[naming]*row    // of the rows of an import that were applied and name the user so, the last
	erased   map[string]erasure // by witness
	creators []*row             // the rows whose results say that they created it
	host     hostWrites
}

// An erasure is the removal of a witness.
type erasure struct {
	by *row
	at time.Duration // it was done by then
}

func newUser() *user {
	return &user{
		rows:     make(map[string]*row),
		furthest: make(map[naming]*row),
		erased:   make(map[string]erasure),
		host:     hostWrites{fields: make(map[string]bool)},
	}
}

// applied notes that a row was applied to the user.
func (u *user) applied(r *row) {
	u.rows[r.Witness] = r
	if u.latest == nil || r.of.begun > u.latest.of.begun {
		u.latest = r
	}
	for _, n := range r.names() {
		if last := u.furthest[n]; last == nil || r.index > last.index {
			u.furthest[n] = r
		}
	}
}

// A naming is how the rows of one import name a user.
type naming struct {
	of        *record
	id, email string
}

// names returns how the row names its user: by id, by email or both. Rows that have
// one in common are applied in their order. Others may come to one user only because
// somebody moved an address meanwhile, and then have no order.
func (r *row) names() (all []naming) {
	if r.UserID != "" {
		all = append(all, naming{of: r.of, id: r.UserID})
	}
	if r.Email != "" {
		all = append(all, naming{of: r.of, email: bulk.EmailKey(r.Email)})
	}
	return all
}

// erased notes that a row was applied by that time, and so removed what it erases.
func (a *Auditor) erased(by *row, u User, at time.Duration) {
	known := a.user(u)
	for _, witness := range by.Erases {
		before, ok := known.erased[witness]
		if r := a.rows[witness]; !ok && r != nil && r.of.ended == 0 {
			a.tally.Overwritten++
		}
		if !ok || at < before.at {
			known.erased[witness] = erasure{by, at}
		}
	}
}
