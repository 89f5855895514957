package dynamojobs

import (
	"fmt"

	"github.com/bulkops/bulkops/bulk"
)

// Defaults of [Options].
const (
	DefaultTenantIndex = "tenant"
	DefaultClaimIndex  = "claimable"
	DefaultShards      = 4
)

// MaxShards is the most [Options.Shards] there may be.
const MaxShards = 256

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
	// Shards is how many partitions the index of claims is spread over, from 1 to
	// 256: each takes 1,000 changes a second, and each costs a query whenever a
	// worker looks for a job and there is none. It may be raised, workers first,
	// and not be lowered before all jobs have ended. Defaults to 4.
	Shards int
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
	if o.Shards == 0 {
		o.Shards = DefaultShards
	}
	if o.Shards < 1 || o.Shards > MaxShards {
		return &bulk.ConfigError{Field: "Options.Shards", Problem: fmt.Sprintf("is %d; it must be from 1 to %d", o.Shards, MaxShards)}
	}
	return nil
}
