package bulk

import "context"

// MaxBatch is how many references or writes one call of a [Store] takes at
// most that is no [BatchSizer]: the batch limit of DynamoDB's BatchWriteItem and
// BatchExecuteStatement.
const MaxBatch = 25

// A BatchSizer is a [Store] that takes another number of elements a call. A database
// that writes hundreds of rows in one round trip should say so.
type BatchSizer interface {
	// MaxBatch returns how many references or writes one call takes at most, from 1
	// to 1,000. It is always the same. Batches of large users are smaller: all the
	// writes of a call have about 10 MB at most.
	MaxBatch() int
}

const maxBatchSize = 1000

// BatchSize returns how many elements one call of the store takes at most.
func BatchSize(s Store) int {
	if sizer, ok := ability[BatchSizer](s); ok {
		return sizer.MaxBatch()
	}
	return MaxBatch
}

// A Store keeps users. It is dumb on purpose: what a row means (match, merge,
// duplicate, conflict) is decided by this package, the same for every store. A
// store finds users and writes them, each write atomic and guarded.
//
// Rules for every implementation, which [bulktest.TestStore] checks:
//
//   - Methods are safe for concurrent use, by any number of processes.
//   - Tenants are separate: equal ids or emails of two tenants are different users.
//   - Ids are compared byte by byte, emails by [EmailKey].
//   - All text is valid UTF-8 without the character U+0000, so that text columns
//     and jsonb can hold users: see [User] and [Fields] for what is excluded
//     beyond that.
//   - A call takes 1 to [MaxBatch] elements, or as many as the store says as
//     a [BatchSizer]. Lookup refuses others with [ErrBatchTooLarge], Commit with
//     that error for every write.
//   - Arguments are not modified and not kept after the return; results are the
//     caller's.
//   - A cancelled context ends a call soon, with an error for which
//     errors.Is(err, ctx.Err()) holds.
//
// Errors of a store are taken as retryable unless they have a method
// Retryable() bool that returns false (see [Retryable]). A write whose outcome
// is unknown, because an answer was lost, may report any retryable error: the user
// is looked up then, and the write recognised by its mark. An error of a call that
// may still have its effect after it has returned must be a timeout, a cancellation
// or the network's: errors.Is finds [context.DeadlineExceeded], [context.Canceled],
// [io.EOF] or [io.ErrUnexpectedEOF] in it, or errors.As a [net.Error] or a
// [syscall.Errno]. A store that wraps its driver's errors has that for nothing. One
// that repeats calls by itself joins such an error to [ErrEmailTaken] if an earlier
// try may still be under way: it could succeed once the address is free again.
//
// A store that wraps another keeps optional abilities of it by a method
// Unwrap() Store.
//
// [bulktest.TestStore]: https://pkg.go.dev/github.com/bulkops/bulkops/bulk/bulktest#TestStore
type Store interface {
	// Lookup finds users, strongly consistent: every write that any Commit
	// reported as done before the call is seen. It returns one Found for each
	// reference, by index. An error means that nothing was found out; a user
	// that does not exist is not an error.
	Lookup(ctx context.Context, tenant string, refs []Ref) ([]Found, error)

	// Commit performs writes, each independent of the others and atomic: it is
	// done in full or not at all. It returns one outcome for each write, by
	// index:
	//
	//   - nil: the write is done, and durable.
	//   - [ErrConflict]: a create found the id in use; or an update found that
	//     the user is gone, or not at the version of Base any more.
	//   - [ErrEmailTaken]: another user has the email. However many commits run
	//     at once, at most one user gets an email.
	//   - [ErrUserTooLarge]: the user does not fit with all that the store keeps
	//     with it.
	//   - any other error: see above.
	//
	// If a write has both a conflict and a taken email, either is right. A call
	// that fails as a whole reports its error for every write. The writes of one
	// call name different users and different emails, those of Base included; the
	// caller sees to it.
	//
	// An update changes what its Patch names and nothing else. What the store
	// keeps with a user beyond [Stored] stays, also when another program writes
	// it at the same moment. A change of email frees the old one for others in
	// the same atomic step.
	Commit(ctx context.Context, tenant string, writes []Write) []error
}

// A Ref names users to look up: by id, by email or both. Neither names nobody.
type Ref struct {
	ID string
	// Email is compared by [EmailKey].
	Email string
}

// Found is what a store holds for a [Ref].
type Found struct {
	// ByID is the user with the id of the Ref, nil if there is none or the Ref
	// has no id.
	ByID *Stored
	// ByEmail is the user that owns the email of the Ref, nil if nobody does or
	// the Ref has no email. It may be the same user as ByID.
	ByEmail *Stored
	// Err is why these users could not be read, nil if they could: it fails the
	// one row that names them, where an error of the call fails all. It is
	// classified by [Retryable].
	Err error
}

// A Stored is a user as a store holds it. Its fields have no null at the top: a
// store leaves out one that another program wrote.
type Stored struct {
	User
	// Version changes with every Commit that writes the user, and none comes
	// back. It is opaque and made by the store, and not empty.
	Version string
	// Mark is opaque text of at most [MaxMark] bytes from the last Commit that
	// wrote the user. By it an import knows what it wrote before, should it have
	// to repeat itself. It is "" for a user that other programs made.
	Mark string
}

// A Write creates or updates one user.
type Write struct {
	// User is the user as it is to be after the write. Its ID is never empty.
	User User
	// Mark is to be stored with the user, in the same atomic step.
	Mark string
	// Base is the user that an update starts from, as Lookup returned it. The
	// update is done only if the user still has that version. nil means create:
	// done only if no user has the id.
	Base *Stored
	// Patch is what an update changes: applied to Base it gives User. A store
	// that keeps fields apart writes just these; a store that keeps a user as
	// one document may write User as a whole. It is empty for a create, and for
	// an update that changes nothing but the mark.
	Patch Patch
}

// Patch is a change of a user.
type Patch struct {
	// Email is the new address, "" if it stays. It may differ from the old one
	// in nothing but the case of its letters, and then has the same [EmailKey].
	Email string
	// CustomFields and Metadata are changes as [Fields.Merge] takes them: null
	// removes a field. A removed field may be gone already.
	CustomFields Fields
	Metadata     Fields
}

// IsZero reports whether nothing changes.
func (p Patch) IsZero() bool { return p == Patch{} }
