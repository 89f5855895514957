//go:build unix

package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/soak/audit"
)

// hostTimeout bounds a call of the host.
const hostTimeout = 15 * time.Second

// host writes to users as the host program may: without imports, at any time.
func (d *driver) host(ctx context.Context) {
	random := rand.New(rand.NewPCG(d.seed, 4))
	for n := 0; pause(ctx, time.Duration(random.IntN(20))*time.Millisecond); n++ {
		one, ok := d.window.pick(random)
		if !ok {
			continue
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hostTimeout)
		field := fmt.Sprintf("%s%d", hostPrefix, n)
		switch random.IntN(8) {
		case 0:
			d.auditor.HostSet(one.user, field, outcome(d.opened.Host.Set(ctx, one.user, field)))
		case 1, 2:
			d.hostCommit(ctx, one.user, field)
		case 3:
			if one.email != "" {
				to, begun := fmt.Sprintf("host-%d@example.com", n), d.now()
				err := d.opened.Host.Move(ctx, one.user, one.email, to)
				d.auditor.HostMoved(one.user, to, begun, d.now(), outcome(err))
			}
		default:
			d.auditor.HostCounted(one.user, outcome(d.opened.Host.Count(ctx, one.user)))
		}
		cancel()
	}
}

// hostCommit sets a custom field by way of the store, which gives the user a new
// version. The mark stays.
func (d *driver) hostCommit(ctx context.Context, u audit.User, field string) {
	found, err := d.opened.Store.Lookup(ctx, u.Tenant, []bulk.Ref{{ID: u.ID}})
	if err != nil || found[0].ByID == nil {
		return
	}
	base := found[0].ByID
	patch, err := bulk.NewFields(map[string]any{field: 1})
	if err != nil {
		d.fail(err)
		return
	}
	user := base.User
	user.CustomFields = base.CustomFields.Merge(patch)
	err = d.opened.Store.Commit(ctx, u.Tenant, []bulk.Write{{
		User: user, Mark: base.Mark, Base: base, Patch: bulk.Patch{CustomFields: patch},
	}})[0]
	d.auditor.HostSet(u, field, outcome(err))
}
