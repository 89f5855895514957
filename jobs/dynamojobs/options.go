package dynamojobs

import "github.com/bulkops/bulkops/bulk"

// Defaults of [Options].
const (
	DefaultTenantIndex = "tenant"
	DefaultClaimIndex  = "claimable"
)

// Options say where a [Queue] keeps jobs. Table is required; the zero value of
// every other field takes its default. All queues of the same table must have the
// same options.
type Options struct {
	// Table is the name of the table. Required.
	Table string
	// TenantIndex is the name of the index by tenant and job id. Defaults to
	// "tenant".
	TenantIndex string
	// ClaimIndex is the name of the index of jobs that have not ended. Defaults to
	// "claimable".
	ClaimIndex string
}

func (o *Options) fill() error {
	if o.Table == "" {
		return &bulk.ConfigError{Field: "Options.Table", Problem: "is required"}
	}
	if o.TenantIndex == "" {
		o.TenantIndex = DefaultTenantIndex
	}
	if o.ClaimIndex == "" {
		o.ClaimIndex = DefaultClaimIndex
	}
	if o.TenantIndex == o.ClaimIndex {
		return &bulk.ConfigError{Field: "Options.ClaimIndex", Problem: "must not be the index of tenants"}
	}
	return nil
}
