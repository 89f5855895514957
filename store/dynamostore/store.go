package dynamostore

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/bulkops/bulkops/bulk"
)

// A Store is a [bulk.Store] in DynamoDB. It has no goroutines of its own.
type Store struct {
	client Client
	opts   Options
	attrs  Attributes // those of opts
	plain  bool       // statements can have the names of users' attributes
	// claimsFirst is set if claims are put before users, without a transaction.
	claimsFirst bool

	reads, writes *repeater
	// claimsAtOnce is set while users that are looked up do not have the emails that
	// they are looked up with.
	claimsAtOnce atomic.Bool
	// held are the users and claims that a Commit of this store works on, in
	// Exclusive mode.
	held *heldKeys
}

var _ bulk.Store = (*Store)(nil)

// New returns a store, or a [*bulk.ConfigError] that names the option at fault. It
// does not call DynamoDB: a table that does not exist is an error of the first
// Lookup.
func New(client Client, opts Options) (*Store, error) {
	if client == nil {
		return nil, &bulk.ConfigError{Field: "client", Problem: "is required"}
	}
	if err := opts.fill(); err != nil {
		return nil, err
	}
	a := &opts.Attributes
	return &Store{
		client: client,
		opts:   opts,
		attrs:  *a,
		plain: !slices.ContainsFunc(
			[]string{a.Key, a.SortKey, a.Email, a.CustomFields, a.Metadata, a.Version, a.Mark},
			func(name string) bool { return !plainName(name) }),
		claimsFirst: opts.Mode == Exclusive && plainName(a.ClaimKey) && plainName(a.ClaimUserID),
		reads:       newRepeater(newTableReads, &opts),
		writes:      newRepeater(newTableWrites, &opts),
		held:        newHeldKeys(),
	}, nil
}

// Commit implements [bulk.Store].
func (s *Store) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	outcomes := make([]error, len(writes))
	if len(writes) == 0 || len(writes) > bulk.MaxBatch {
		for i := range outcomes {
			outcomes[i] = bulk.ErrBatchTooLarge
		}
		return outcomes
	}
	changes := make([]*change, 0, len(writes))
	for i := range writes {
		c := s.newChange(tenant, &writes[i])
		c.outcome = &outcomes[i]
		if err := s.check(c); err != nil {
			c.fail(err)
			continue
		}
		changes = append(changes, c)
	}
	if err := ctx.Err(); err != nil {
		failAll(changes, err)
		return outcomes
	}
	if s.opts.Mode == Exclusive {
		s.commitExclusive(ctx, changes)
	} else {
		s.commitGuarded(ctx, changes)
	}
	return outcomes
}

// check returns why a write can never be done.
func (s *Store) check(c *change) error {
	switch {
	case !c.user.Fits():
		return bulk.ErrUserTooLarge
	case !c.key.valid(s.attrs.SortKey != ""):
		return fmt.Errorf("%w: its id does not fit into a key", bulk.ErrUserTooLarge)
	case c.claim != "" && !validKey(c.claim, maxPartitionKey):
		return fmt.Errorf("%w: its email does not fit into a key", bulk.ErrUserTooLarge)
	}
	return nil
}
