package dynamostore

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/bulkops/bulkops/bulk"
)

// A change is one write on its way.
type change struct {
	user   *bulk.User
	base   *bulk.Stored // nil for a create
	patch  *bulk.Patch
	mark   string
	tenant string

	key Key
	// version is the new version of the user. It is made here and is like no
	// other, so the change is recognised when its answer was lost.
	version string
	// claim is the claim that is put, "" if the user has its email already or has
	// none; release is the claim that is deleted.
	claim, release string
	// claimFirst makes the claim be put by a call of its own, before the user is
	// written. claimed means that this was done.
	claimFirst, claimed bool
	// stale is the claim's owner so far, who does not have the email; nil unless
	// there is such an owner.
	stale *staleOwner

	// adopt makes the change claim the email that the user has, and check it.
	adopt bool
	// taken is the user who has the email, if the change failed for that.
	taken string

	way way
	// whole makes an update replace the maps as a whole, on the condition that they
	// are as they were just read, for what an expression cannot say: paths in a map
	// that is not there, and too many paths.
	whole bool
	now   item // the user's item as it was last read; nil if it was not

	// unsettled means that what is stored decides what becomes of the change: it was
	// refused, or not valid on its way, and cause is why.
	unsettled bool
	cause     error

	outcome *error
}

// A staleOwner is a user whom a claim names and who does not have the email.
type staleOwner struct {
	id  string
	key Key
	now item // nil if there is no such user
}

// A way is the call by which a change is made.
type way int

const (
	wayStatement   way = iota // a statement of a BatchExecuteStatement: the cheapest
	wayUpdate                 // an UpdateItem, for what a statement cannot say
	wayTransaction            // a part of a TransactWriteItems, which can say all
	ways
)

func (s *Store) newChange(tenant string, w *bulk.Write) *change {
	c := &change{
		user:    &w.User,
		base:    w.Base,
		patch:   &w.Patch,
		mark:    w.Mark,
		tenant:  tenant,
		key:     s.opts.UserKey(tenant, w.User.ID),
		version: rand.Text(),
	}
	switch {
	case w.Base == nil:
		if w.User.Email != "" {
			c.claim = ClaimKey(tenant, w.User.Email)
		}
	case w.Patch.Email != "":
		c.claim = ClaimKey(tenant, w.Patch.Email)
		if w.Base.Email != "" {
			c.release = ClaimKey(tenant, w.Base.Email)
		}
		if c.claim == c.release { // only the case of letters changes
			c.claim, c.release = "", ""
		}
	}
	return c
}

func (c *change) isCreate() bool { return c.base == nil }

// actions is how many actions the change has in a transaction.
func (c *change) actions() int { return len(c.items()) }

// weight is how much the change sends, as [maxCallBytes] counts.
func (c *change) weight() int {
	const keysAndMark = 4 << 10
	switch {
	case c.isCreate():
		return keysAndMark + c.user.Size()
	case c.whole:
		return maxCallBytes // the maps as they were and as they will be
	default:
		changed := bulk.User{CustomFields: c.patch.CustomFields, Metadata: c.patch.Metadata}
		return keysAndMark + changed.Size()
	}
}

// end takes the error of the change's part of a call: the change is done, or
// unsettled, or failed.
func (c *change) end(ctx context.Context, err error) {
	switch f := faultOf(err); {
	case f == none:
	case f == refused:
		c.unsettled = true
	case f == invalid && !tooLarge(err):
		c.unsettled, c.cause = true, err
	default:
		c.fail(callError(ctx, err))
	}
}

func (c *change) fail(err error) {
	verb := "update"
	if c.isCreate() {
		verb = "create"
	}
	*c.outcome = fmt.Errorf("dynamostore: %s user %q: %w", verb, c.user.ID, err)
}

func failAll(changes []*change, err error) {
	for _, c := range changes {
		c.fail(err)
	}
}

// pack divides changes into calls of at most so many parts and [maxCallBytes] that
// never touch an item twice, which DynamoDB refuses.
func pack(changes []*change, most int, parts func(*change) int) [][]*change {
	type call struct {
		changes       []*change
		parts, weight int
		touched       map[any]bool
	}
	var calls []*call
	place := func(c *change) *call {
		for _, call := range calls {
			if call.parts+parts(c) <= most && call.weight+c.weight() <= maxCallBytes && !c.touches(call.touched) {
				return call
			}
		}
		call := &call{touched: make(map[any]bool)}
		calls = append(calls, call)
		return call
	}
	for _, c := range changes {
		call := place(c)
		call.changes = append(call.changes, c)
		call.parts += parts(c)
		call.weight += c.weight()
		for _, key := range c.items() {
			call.touched[key] = true
		}
	}
	packed := make([][]*change, len(calls))
	for i, call := range calls {
		packed[i] = call.changes
	}
	return packed
}

// items returns the keys of the items that the change concerns: a [Key] for a user
// and a string for a claim.
func (c *change) items() []any {
	items := []any{c.key}
	if c.claim != "" {
		items = append(items, c.claim)
	}
	if c.release != "" {
		items = append(items, c.release)
	}
	if c.stale != nil {
		items = append(items, c.stale.key)
	}
	return items
}

func (c *change) touches(touched map[any]bool) bool {
	for _, key := range c.items() {
		if touched[key] {
			return true
		}
	}
	return false
}
