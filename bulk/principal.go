package bulk

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Role is what a caller may do.
type Role string

// The roles that may import users.
const (
	// RoleAdmin may import users into its tenant and use its tenant's jobs.
	RoleAdmin Role = "admin"
	// RoleSuperAdmin may do what RoleAdmin may, and read and cancel the jobs of
	// every tenant.
	RoleSuperAdmin Role = "super_admin"
)

// MaxTenant is the length of a tenant's name in bytes.
const MaxTenant = 128

// MaxPrincipalID is the length of a principal's id in bytes.
const MaxPrincipalID = 1024

// A Principal is an authenticated caller. The host authenticates.
type Principal struct {
	// ID names the caller; it becomes [Job.CreatedBy]: up to [MaxPrincipalID] bytes
	// of valid UTF-8.
	ID string
	// Tenant is whose users and jobs the caller works on: up to [MaxTenant]
	// bytes of valid UTF-8 without the character U+0000. A host without tenants
	// leaves it empty: that is a tenant too.
	Tenant string
	// Role decides what the caller may do. A role that is neither [RoleAdmin]
	// nor [RoleSuperAdmin] may do nothing.
	Role Role
}

// Authorize returns [ErrForbidden] unless the principal may use imports, and a
// [*ConfigError] for one that no host should make: that is the host's fault and not
// the caller's.
func (p Principal) Authorize() error {
	switch p.Role {
	case RoleAdmin, RoleSuperAdmin:
	default:
		return ErrForbidden
	}
	for _, part := range []struct {
		field, text string
		most        int
	}{{"Principal.Tenant", p.Tenant, MaxTenant}, {"Principal.ID", p.ID, MaxPrincipalID}} {
		switch {
		case len(part.text) > part.most:
			return Permanent(&ConfigError{part.field, fmt.Sprintf("has %d bytes; the limit is %d", len(part.text), part.most)})
		case !utf8.ValidString(part.text):
			return Permanent(&ConfigError{part.field, "is not valid UTF-8"})
		case strings.Contains(part.text, "\x00"):
			return Permanent(&ConfigError{part.field, "has the character U+0000"})
		}
	}
	return nil
}

// mayUse reports whether the principal may read and cancel the job.
func (p Principal) mayUse(job Job) bool {
	return p.Role == RoleSuperAdmin || p.Role == RoleAdmin && p.Tenant == job.Tenant
}
