//go:build unix

package soak

import (
	"context"

	"github.com/bulkops/bulkops/internal/test/soak/audit"
)

// finish reads everything that is stored and has it checked.
func (d *driver) finish(ctx context.Context) ([]audit.Finding, error) {
	begun := d.now()
	users, err := d.opened.Host.Users(ctx)
	if err != nil {
		return nil, err
	}
	claims, err := d.opened.Host.Claims(ctx)
	if err != nil {
		return nil, err
	}
	final, done := audit.Final{Claims: claims}, d.now()
	for i := range users {
		u := &users[i]
		fields := make(map[string]bool)
		for name := range u.CustomFields.All() {
			if name != registerField && !isWitness(name) {
				fields[name] = true
			}
		}
		final.Users = append(final.Users, audit.FinalUser{
			Sample: sampleOf(u.Tenant, &u.User, begun, done), Counter: u.Counter, Fields: fields,
		})
	}
	return d.auditor.Finish(final), nil
}
