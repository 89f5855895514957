//go:build unix

package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/soak/audit"
)

// sightings are the users of the window that are known to exist.
type sightings struct {
	mu    sync.Mutex
	users []sighted
}

// A sighted is a user as it was read last.
type sighted struct {
	user      audit.User
	email     string
	witnesses []string
}

func (s *sightings) set(users []sighted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = users
}

// pick returns one of the users.
func (s *sightings) pick(random *rand.Rand) (sighted, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.users) == 0 {
		return sighted{}, false
	}
	return s.users[random.IntN(len(s.users))], true
}

// observe reads the users of the window again and again and tells the auditor, until
// watch ends. While there is traffic it has witnesses erased that it saw.
func (d *driver) observe(traffic, watch context.Context) {
	random := rand.New(rand.NewPCG(d.seed, 3))
	erasing := make(chan struct{}, 2) // bounds the erasers
	erasers := 0
	for {
		var seen []sighted
		base := int(d.plan.made.Load()) / windowStep
		for _, tenant := range tenants {
			seen = append(seen, d.look(watch, tenant, base)...)
		}
		if len(seen) > 0 {
			d.window.set(seen)
		}
		if !pause(watch, 50*time.Millisecond) {
			break
		}
		if traffic.Err() != nil || len(seen) == 0 {
			continue
		}
		select {
		case erasing <- struct{}{}:
		default:
			continue
		}
		erasers++
		im := eraser(fmt.Sprintf("x%d", erasers), seen, random)
		go func() {
			d.importHere(context.WithoutCancel(traffic), im)
			<-erasing
		}()
	}
	for range cap(erasing) {
		erasing <- struct{}{}
	}
}

// lookupBatch is how many users one lookup reads.
const lookupBatch = 25

// look reads the users and addresses of a tenant's window.
func (d *driver) look(ctx context.Context, tenant string, base int) (seen []sighted) {
	var refs []bulk.Ref
	first := max(0, base-windowUsers/2)
	for i := first; i < base+windowUsers+2; i++ {
		refs = append(refs, bulk.Ref{ID: userID(i)})
	}
	ids := len(refs)
	for i := first; i < base+windowEmails+2; i++ {
		refs = append(refs, bulk.Ref{Email: emailOf(i)})
	}
	for from := 0; from < len(refs); {
		until := min(from+lookupBatch, len(refs))
		if from < ids {
			until = min(until, ids)
		}
		begun := d.now()
		found, err := d.opened.Store.Lookup(ctx, tenant, refs[from:until])
		if err != nil {
			return seen // the database is down
		}
		done := d.now()
		for i, f := range found {
			stored, ref := f.ByID, refs[from+i]
			if ref.ID == "" {
				stored = f.ByEmail
			}
			switch {
			case stored != nil:
				s := sampleOf(tenant, &stored.User, begun, done)
				seen = append(seen, sighted{s.User, s.Email, d.auditor.Sample(s)})
			case ref.ID != "":
				d.auditor.Sample(audit.Sample{User: audit.User{Tenant: tenant, ID: ref.ID}, Begun: begun, Done: done})
			}
		}
		from = until
	}
	return seen
}

// sampleOf returns what a read of a user says.
func sampleOf(tenant string, user *bulk.User, begun, done time.Duration) audit.Sample {
	s := audit.Sample{
		User: audit.User{Tenant: tenant, ID: user.ID}, Exists: true, Email: user.Email, Begun: begun, Done: done,
	}
	for name, value := range user.CustomFields.All() {
		switch {
		case name == registerField:
			s.Register = strings.Trim(string(value), `"`)
		case isWitness(name):
			s.Witnesses = append(s.Witnesses, name)
		}
	}
	return s
}

// Bounds of an eraser.
const (
	erasedUsers     = 6
	erasedWitnesses = 30
)

// eraser returns an import that removes what rows set on some users of one tenant,
// and so makes their values old.
func eraser(name string, seen []sighted, random *rand.Rand) audit.Import {
	im := audit.Import{Name: name, Tenant: seen[random.IntN(len(seen))].user.Tenant, Options: bulk.DefaultOptions()}
	named := make(map[audit.User]bool)
	for _, i := range random.Perm(len(seen)) {
		one := seen[i]
		if one.user.Tenant != im.Tenant || named[one.user] || len(one.witnesses) == 0 {
			continue
		}
		named[one.user] = true
		im.Rows = append(im.Rows, audit.Row{
			UserID: one.user.ID, Witness: witnessOf(name, len(im.Rows)), Erases: one.witnesses[:min(erasedWitnesses, len(one.witnesses))],
		})
		if len(im.Rows) == erasedUsers {
			break
		}
	}
	if len(im.Rows) == 0 {
		im.Rows = append(im.Rows, audit.Row{UserID: staticID(0)})
	}
	return im
}
