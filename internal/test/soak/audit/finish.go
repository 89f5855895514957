package audit

import (
	"slices"

	"github.com/bulkops/bulkops/bulk"
)

// Final is everything that is stored when nothing runs any more.
type Final struct {
	Users  []FinalUser
	Claims []Claim
}

// A FinalUser is a user as it is stored.
type FinalUser struct {
	Sample
	Counter int             // of the host
	Fields  map[string]bool // the custom fields that are neither witness nor register
}

// A Claim says which user has an email.
type Claim struct {
	Tenant   string
	EmailKey string
	UserID   string
}

// Finish checks everything, at a time at which nothing runs any more, and returns
// all findings.
func (a *Auditor) Finish(f Final) []Finding {
	a.mu.Lock()
	defer a.mu.Unlock()
	users := make(map[User]*FinalUser)
	for i := range f.Users {
		users[f.Users[i].User] = &f.Users[i]
		a.sample(f.Users[i].Sample)
	}
	for known, u := range a.users {
		if u.exists && users[known] == nil {
			a.findUser(Lost, known, "it was there and is not there any more")
		}
	}
	for _, im := range a.order {
		a.checkImport(im, users)
	}
	for i := range f.Users {
		a.checkUser(&f.Users[i])
		a.checkHost(f.Users[i])
	}
	a.checkClaims(f)
	a.tally.Users, a.tally.Imports = len(f.Users), len(a.order)
	return sorted(a.findings)
}

// Findings returns what was found so far.
func (a *Auditor) Findings() []Finding {
	a.mu.Lock()
	defer a.mu.Unlock()
	return sorted(a.findings)
}

func (a *Auditor) checkImport(im *record, users map[User]*FinalUser) {
	switch im.state {
	case open:
		a.findImport(Stuck, im, "it has not ended: sent at %v", im.begun)
	case refused:
		for _, r := range im.rows {
			a.unwritten(r, "the request was refused, so that nothing of it was to be written")
		}
	case answered:
		for i := range im.results {
			a.checkRow(im.rows[i], &im.results[i], users)
		}
	}
}

// checkUser checks that one row has created the user, that its email is one that
// it was given last, and that nobody else has it.
func (a *Auditor) checkUser(f *FinalUser) {
	u := a.user(f.User)
	switch {
	case len(u.creators) > 1:
		for _, r := range u.creators {
			a.findRow(Doubled, r, f.User, "it is reported to have created the user, as %d rows are", len(u.creators))
		}
	case len(u.creators) == 0 && !slices.ContainsFunc(sortedRows(u), (*row).uncertain):
		a.findUser(Misreported, f.User, "no row is reported to have created it; rows applied to it: %v", namesOf(sortedRows(u)))
	}
	a.checkEmail(f, u)
}

// uncertain reports whether the row may have created its user without being
// reported to have: nobody knows what became of it, or its result was found wrong.
func (r *row) uncertain() bool {
	if r.contradicted {
		return true
	}
	switch r.of.state {
	case unanswered:
		return true
	case answered:
		return r.of.results != nil && outcomeUnknown(&r.of.results[r.index])
	default:
		return false
	}
}

func (a *Auditor) checkClaims(f Final) {
	claims := make(map[User]string) // by tenant and email: the id of the user
	for _, c := range f.Claims {
		claims[User{c.Tenant, c.EmailKey}] = c.UserID
	}
	owners := make(map[User]string)
	for _, u := range f.Users {
		if u.Email == "" {
			continue
		}
		email := User{u.User.Tenant, bulk.EmailKey(u.Email)}
		if other, taken := owners[email]; taken {
			a.findUser(Doubled, u.User, "its address %s is also that of %s", u.Email, other)
		}
		owners[email] = u.User.ID
		if owner := claims[email]; owner != u.User.ID {
			a.findUser(Lost, u.User, "its address %s is claimed for %q", u.Email, owner)
		}
	}
	for email, id := range claims {
		if owners[email] == "" {
			a.findUser(Misreported, User{email.Tenant, id}, "the address %s is claimed for it, and it does not have it", email.ID)
		}
	}
}
