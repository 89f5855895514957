package bulk

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

// A Principal is an authenticated caller. The host authenticates.
type Principal struct {
	// ID names the caller; it becomes [Job.CreatedBy].
	ID string
	// Tenant is whose users and jobs the caller works on: up to [MaxTenant]
	// bytes of valid UTF-8 without the character U+0000. A host without tenants
	// leaves it empty: that is a tenant too.
	Tenant string
	// Role decides what the caller may do. A role that is neither [RoleAdmin]
	// nor [RoleSuperAdmin] may do nothing.
	Role Role
}

// Authorize returns [ErrForbidden] unless the principal may use imports.
func (p Principal) Authorize() error {
	switch p.Role {
	case RoleAdmin, RoleSuperAdmin:
		return nil
	default:
		return ErrForbidden
	}
}

// mayUse reports whether the principal may read and cancel the job.
func (p Principal) mayUse(job Job) bool {
	return p.Role == RoleSuperAdmin || p.Role == RoleAdmin && p.Tenant == job.Tenant
}
