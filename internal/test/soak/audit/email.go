package audit

import (
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A grant is something that gave a user its email.
type grant struct {
	by    string
	email string // compared as emails are
	begun time.Duration
	known time.Duration // it was done by then, 0 if it is not known to have been done
	sure  bool          // it is known to have set the email, and not only to have found it
}

// checkEmail checks that the email of a user is one that it was given, and that
// it was not given another one afterwards.
func (a *Auditor) checkEmail(f *FinalUser, u *user) {
	grants := a.grants(f.User, u)
	if f.Email == "" {
		for _, g := range grants {
			if g.known > 0 {
				a.findUser(Lost, f.User, "it has no address, and had %s when %s was applied", g.email, g.by)
			}
		}
		return
	}
	key := bulk.EmailKey(f.Email)
	var overruled string
	found := false
	for _, g := range grants {
		if g.email != key {
			continue
		}
		found = true
		later := laterGrant(grants, g)
		if later == nil {
			return
		}
		overruled = later.by
	}
	if !found {
		a.findUser(Misreported, f.User, "its address is %s, which nothing that was applied to it has given it", f.Email)
		return
	}
	a.findUser(Doubled, f.User, "its address is %s, and %s gave it another one afterwards", f.Email, overruled)
}

// laterGrant returns a grant of another email that began when g was done.
func laterGrant(grants []grant, g grant) *grant {
	for i := range grants {
		if other := &grants[i]; other.sure && other.email != g.email && g.known > 0 && other.begun > g.known {
			return other
		}
	}
	return nil
}

func (a *Auditor) grants(id User, u *user) []grant {
	var all []grant
	for _, r := range sortedRows(u) {
		if r.Email != "" {
			all = append(all, grant{
				by: namesOf([]*row{r})[0], email: bulk.EmailKey(r.Email),
				begun: r.of.begun, known: r.on[id].seen, sure: r.UserID != "",
			})
		}
	}
	for _, m := range u.host.moves {
		g := grant{by: "the host", email: bulk.EmailKey(m.email), begun: m.begun, known: m.ended, sure: m.outcome == Done}
		if !g.sure {
			g.known = 0
		}
		all = append(all, g)
	}
	return all
}
