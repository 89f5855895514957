package audit

import (
	"slices"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A Sample is one read of a user. Reads of one user are told in the order in
// which they were made, one after the other.
type Sample struct {
	User   User
	Exists bool
	Email  string
	// Witnesses are the custom fields that rows alone set.
	Witnesses []string
	// Register is the witness of the row that was applied last.
	Register    string
	Begun, Done time.Duration // of the read
}

// Sample tells of a read. It returns the witnesses that were seen and may be
// erased: those of rows that are known.
func (a *Auditor) Sample(s Sample) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sample(s)
}

func (a *Auditor) sample(s Sample) (known []string) {
	u := a.user(s.User)
	a.tally.Samples++
	if !s.Exists {
		if u.exists {
			a.findUser(Lost, s.User, "it was there and is not there any more")
		}
		u.last = s.Begun
		return nil
	}
	u.exists = true
	if s.Email != "" {
		a.owned(s.User, s.Email)
	}
	for _, witness := range s.Witnesses {
		r := a.rows[witness]
		if r == nil {
			a.findUser(Misreported, s.User, "it has the field %s, which no row sets", witness)
			continue
		}
		known = append(known, witness)
		a.see(r, u, s)
	}
	for _, witness := range known {
		if e, ok := u.erased[witness]; ok && s.Begun >= e.at {
			a.returned(a.rows[witness], s.User, e.by)
		}
		for _, erased := range a.rows[witness].Erases {
			if slices.Contains(s.Witnesses, erased) {
				a.returned(a.rows[erased], s.User, a.rows[witness])
			}
		}
	}
	a.register(u, s)
	u.last = s.Begun
	return known
}

// see notes that a witness was seen.
func (a *Auditor) see(r *row, u *user, s Sample) {
	if r.on[s.User] == nil {
		r.on[s.User] = &sighting{seen: s.Done, absent: u.last}
		u.applied(r)
		if r.Email != "" {
			a.owned(s.User, r.Email)
		}
		a.tally.Sightings++
		if len(r.on) > 1 {
			a.findRow(Doubled, r, s.User, "it was applied to %d users: %v", len(r.on), usersOf(r))
		}
	}
	a.erased(r, s.User, s.Done)
}

// returned notes that the field of a row is there although another row, which was
// applied, had removed it.
func (a *Auditor) returned(r *row, u User, by *row) {
	a.findRow(Doubled, r, u, "its field is there again after row %d of %s had removed it: it was applied a second time, over a newer value",
		by.index, by.of.Name)
}

// register checks that no older row's value stands over a newer one's.
func (a *Auditor) register(u *user, s Sample) {
	r := a.rows[s.Register]
	if r == nil || r.on[s.User] == nil {
		if len(u.rows) > 0 {
			a.findUser(Lost, s.User, "its register is %q, which no row that was applied to it has set", s.Register)
		}
		return
	}
	for _, n := range r.names() {
		if later := u.furthest[n]; later.index > r.index {
			a.findRow(Doubled, r, s.User, "its value stands over that of row %d of the same import, which was applied too", later.index)
		}
	}
	if u.latest.of.begun > r.on[s.User].seen {
		a.findRow(Doubled, r, s.User,
			"it was seen applied at %v, and its value stands over that of row %d of %s, which was sent at %v and was applied too",
			r.on[s.User].seen, u.latest.index, u.latest.of.Name, u.latest.of.begun)
	}
}

// owned notes that a user has had an email.
func (a *Auditor) owned(u User, email string) {
	key := User{u.Tenant, bulk.EmailKey(email)}
	if a.owners[key] == nil {
		a.owners[key] = make(map[string]bool)
	}
	a.owners[key][u.ID] = true
}

func usersOf(r *row) []string {
	var names []string
	for u := range r.on {
		names = append(names, u.String())
	}
	slices.Sort(names)
	return names
}
