//go:build unix

package main

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/soak"
	"github.com/bulkops/bulkops/internal/test/soak/audit"
	"github.com/bulkops/bulkops/store/pgstore"
)

// A host is a [soak.Host] that writes to the table itself.
type host struct {
	pool  *pgxpool.Pool
	users *pgstore.Store
}

// Count implements [soak.Host]. It leaves the version as it is.
func (h *host) Count(ctx context.Context, u audit.User) error {
	return h.update(ctx, `UPDATE bulkops_users SET host_count = host_count + 1 WHERE tenant = $1 AND id = $2`, u.Tenant, u.ID)
}

// Set implements [soak.Host].
func (h *host) Set(ctx context.Context, u audit.User, field string) error {
	return h.update(ctx, `UPDATE bulkops_users SET custom_fields = custom_fields || jsonb_build_object($3::text, 1)
		WHERE tenant = $1 AND id = $2`, u.Tenant, u.ID, field)
}

// Move implements [soak.Host].
func (h *host) Move(ctx context.Context, u audit.User, from, to string) error {
	return h.update(ctx, `UPDATE bulkops_users SET email = $4 WHERE tenant = $1 AND id = $2 AND email = $3`, u.Tenant, u.ID, from, to)
}

// undone are the codes of errors after which nothing was written: the address is
// taken, or others were in the way.
var undone = []string{"23505", "40P01"}

// update changes one user.
func (h *host) update(ctx context.Context, statement string, arguments ...any) error {
	tag, err := h.pool.Exec(ctx, statement, arguments...)
	var answer *pgconn.PgError
	if errors.As(err, &answer) && slices.Contains(undone, answer.Code) || err == nil && tag.RowsAffected() == 0 {
		return soak.ErrRefused
	}
	return err
}

// Users implements [soak.Host].
func (h *host) Users(ctx context.Context) ([]soak.HostUser, error) {
	rows, err := h.pool.Query(ctx, `SELECT tenant, id, coalesce(email, ''), custom_fields::text, host_count FROM bulkops_users`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (u soak.HostUser, err error) {
		var fields []byte
		if err := row.Scan(&u.Tenant, &u.ID, &u.Email, &fields, &u.Counter); err != nil {
			return u, err
		}
		u.CustomFields, err = bulk.ParseFields(fields)
		return u, err
	})
}

// Claims implements [soak.Host]. The claim of an address is its entry in the unique
// index: the user whom a lookup finds there.
func (h *host) Claims(ctx context.Context) (claims []audit.Claim, err error) {
	users, err := h.Users(ctx)
	if err != nil {
		return nil, err
	}
	refs := make(map[string][]bulk.Ref) // by tenant
	for _, u := range users {
		if u.Email != "" {
			refs[u.Tenant] = append(refs[u.Tenant], bulk.Ref{Email: u.Email})
		}
	}
	for tenant, all := range refs {
		for batch := range slices.Chunk(all, h.users.MaxBatch()) {
			found, err := h.users.Lookup(ctx, tenant, batch)
			if err != nil {
				return nil, err
			}
			for i, f := range found {
				if f.ByEmail != nil {
					claims = append(claims, audit.Claim{Tenant: tenant, EmailKey: bulk.EmailKey(batch[i].Email), UserID: f.ByEmail.ID})
				}
			}
		}
	}
	return claims, nil
}
