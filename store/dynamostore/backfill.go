package dynamostore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
)

// A ScanClient is what [Store.BackfillClaims] calls of DynamoDB beside the calls of
// the store. [*dynamodb.Client] is one.
type ScanClient interface {
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
}

// A Backfill says how [Store.BackfillClaims] goes through the users table. The zero
// value goes through all of it.
type Backfill struct {
	// Owner returns whose item it is, or false for an item that is no user's.
	// Defaults to the attributes [Attributes.Tenant] and [Attributes.UserID].
	Owner func(item map[string]types.AttributeValue) (tenant, userID string, ok bool)
	// UsersPerSecond bounds how fast it goes. Defaults to 500, which take up to 500
	// read and 2,000 write units a second. Throttles slow it down further.
	UsersPerSecond int
	// After is a [BackfillProgress.Checkpoint] to go on from, "" to begin.
	After string
	// Progress is told, after every page of users, what is done. Whoever keeps the
	// checkpoint can go on from there. An error ends the backfill. Optional.
	Progress func(BackfillProgress) error
	// Problem is told of every email that has no claim of its user afterwards.
	// After a resumption it may be told of the same ones again. Optional.
	Problem func(BackfillProblem)
}

// BackfillProgress is what a backfill did since it was begun or resumed.
type BackfillProgress struct {
	Items        int // that were read
	WithoutEmail int // of users
	Foreign      int // that are no user's
	Claimed      int // emails that got a claim
	Had          int // emails that had one
	Gone         int // users that were deleted, or lost their email, meanwhile
	Problems     int
	// Checkpoint says where it stands. It names a user by the key of its item.
	Checkpoint string
}

// A BackfillProblem is an email without a claim for its user.
type BackfillProblem struct {
	Tenant, UserID string
	// Other is the user who has the email as well, and its claim, if Err is
	// [bulk.ErrEmailTaken].
	Other string
	Err   error
}

const (
	backfillRate = 500
	backfillPage = bulk.MaxBatch // of items: their users, claims and the owners of these fit in a read
)

// backfillRounds bounds how often a user is looked at whose email keeps changing.
const backfillRounds = 5

// BackfillClaims puts the claims of emails that users have already: of users that
// another program made, which knows nothing of claims. It returns what it did when it
// has gone through the whole table, or when ctx ended, or the error that stopped it.
//
// It is safe while others write: an email is claimed in a transaction which checks that
// the user still has it, and no claim is taken from a user who has the email. It can be
// repeated, and resumed from a checkpoint: what has its claim is only read.
//
// Users that get emails behind its back are not noticed. So first let all programs that
// write users keep claims, then run this to its end, then import.
//
// Two users of a tenant who have the same email, by [bulk.EmailKey], cannot both have
// its claim. The one that comes first gets it, or keeps it; the other one is a problem
// that is reported, and its email does not find it.
//
// It needs dynamodb:Scan on the users table beside the permissions of the store, and
// a store in [Guarded] mode.
func (s *Store) BackfillClaims(ctx context.Context, client ScanClient, b Backfill) (BackfillProgress, error) {
	if s.opts.Mode != Guarded {
		return BackfillProgress{}, &bulk.ConfigError{Field: "Options.Mode", Problem: "must be Guarded for a backfill"}
	}
	if b.UsersPerSecond < 0 {
		return BackfillProgress{}, &bulk.ConfigError{Field: "Backfill.UsersPerSecond", Problem: "must not be negative"}
	}
	if b.Owner == nil {
		b.Owner = s.ownerOf
	}
	run := &backfill{Backfill: b, store: s, client: client}
	if err := run.pages(ctx); err != nil {
		return run.done, fmt.Errorf("dynamostore: backfill claims: %w", err)
	}
	return run.done, nil
}

// ownerOf returns what an item says of its tenant and user.
func (s *Store) ownerOf(it map[string]types.AttributeValue) (tenant, userID string, ok bool) {
	tenant, userID = textOf(it[s.attrs.Tenant]), textOf(it[s.attrs.UserID])
	return tenant, userID, userID != ""
}

// A backfill is one on its way.
type backfill struct {
	Backfill
	store  *Store
	client ScanClient
	done   BackfillProgress
}

// pages goes through the table, page by page.
func (b *backfill) pages(ctx context.Context) error {
	pace := time.Second / time.Duration(cmp.Or(b.UsersPerSecond, backfillRate))
	start, err := parseCheckpoint(&b.store.attrs, b.After)
	if err != nil {
		return err
	}
	b.done.Checkpoint = b.After
	for {
		next := time.Now()
		out, err := b.scan(ctx, start)
		if err != nil {
			return err
		}
		if err := b.page(ctx, out.Items); err != nil {
			return err
		}
		start = out.LastEvaluatedKey
		if b.done.Checkpoint, err = b.store.attrs.checkpoint(start); err != nil {
			return err
		}
		if b.Progress != nil {
			if err := b.Progress(b.done); err != nil {
				return err
			}
		}
		if start == nil {
			return nil
		}
		if err := waitUntil(ctx, next.Add(pace*time.Duration(len(out.Items)))); err != nil {
			return err
		}
	}
}

func waitUntil(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *backfill) scan(ctx context.Context, start item) (out *dynamodb.ScanOutput, err error) {
	err = b.store.reads.repeat(ctx, load{parts: 1, users: backfillPage}, func() (answer, error) {
		var err error
		out, err = b.client.Scan(ctx, &dynamodb.ScanInput{
			TableName:         &b.store.opts.UsersTable,
			ConsistentRead:    aws.Bool(true),
			ExclusiveStartKey: start,
			Limit:             aws.Int32(backfillPage),
		})
		return answer{}, err
	})
	if err != nil {
		return nil, callError(ctx, err)
	}
	return out, nil
}

// page claims the emails of the users of a page.
func (b *backfill) page(ctx context.Context, items []map[string]types.AttributeValue) error {
	var adopted []*change
	for _, it := range items {
		b.done.Items++
		tenant, id, ok := b.Owner(it)
		switch email := textOf(it[b.store.attrs.Email]); {
		case !ok:
			b.done.Foreign++
		case email == "":
			b.done.WithoutEmail++
		case b.store.opts.UserKey(tenant, id) != b.store.attrs.keyOf(it):
			b.problem(BackfillProblem{tenant, id, "", errors.New("the key of its item is another than that of its tenant and id")})
		default:
			if c := b.store.adoption(tenant, id, it); validKey(c.claim, maxPartitionKey) {
				adopted = append(adopted, c)
			} else {
				b.problem(BackfillProblem{tenant, id, "", errors.New("its email does not fit into a key")})
			}
		}
	}
	for range backfillRounds {
		var err error
		if adopted, err = b.claim(ctx, adopted); err != nil || len(adopted) == 0 {
			return err
		}
	}
	for _, c := range adopted {
		b.problem(BackfillProblem{c.tenant, c.user.ID, "", errUnsettled})
	}
	return nil
}

func (b *backfill) problem(p BackfillProblem) {
	b.done.Problems++
	if b.Problem != nil {
		b.Problem(p)
	}
}

// claim puts the claims that are missing, and returns the adoptions of those users
// anew who have another email meanwhile.
func (b *backfill) claim(ctx context.Context, adopted []*change) (again []*change, err error) {
	if len(adopted) == 0 {
		return nil, nil
	}
	got, err := b.store.readFor(ctx, adopted)
	if err != nil {
		return nil, err
	}
	var missing []*change
	for _, c := range adopted {
		it, exists := got.users[c.key]
		switch {
		case !exists || textOf(it[b.store.attrs.Email]) == "":
			b.done.Gone++
		case !b.store.hasEmail(it, c.tenant, c.claim):
			again = append(again, b.store.adoption(c.tenant, c.user.ID, it))
		case got.owners[c.claim] == c.user.ID:
			b.done.Had++
		default:
			missing = append(missing, b.store.adoption(c.tenant, c.user.ID, it))
		}
	}
	b.store.commitGuarded(ctx, slices.Clone(missing))
	for _, c := range missing {
		switch err := *c.outcome; {
		case err == nil:
			b.done.Claimed++
		case errors.Is(err, bulk.ErrConflict) || errors.Is(err, errUnsettled):
			again = append(again, c)
		case errors.Is(err, bulk.ErrEmailTaken):
			b.problem(BackfillProblem{c.tenant, c.user.ID, c.taken, bulk.ErrEmailTaken})
		default:
			return nil, err
		}
	}
	return again, nil
}

// adoption returns the change that claims the email of a user who has it already, and
// changes nothing of the user.
func (s *Store) adoption(tenant, id string, it item) *change {
	email := textOf(it[s.attrs.Email])
	user := bulk.User{ID: id, Email: email}
	return &change{
		user:    &user,
		base:    &bulk.Stored{User: user, Version: s.version(it)},
		patch:   &bulk.Patch{Email: email},
		tenant:  tenant,
		key:     s.opts.UserKey(tenant, id),
		claim:   ClaimKey(tenant, email),
		adopt:   true,
		outcome: new(error),
	}
}

// checkpoint returns a place in the table as text, "" for its end.
func (a *Attributes) checkpoint(start item) (string, error) {
	if start == nil {
		return "", nil
	}
	text, err := json.Marshal(a.keyOf(start))
	return string(text), err
}

func parseCheckpoint(a *Attributes, text string) (item, error) {
	if text == "" {
		return nil, nil
	}
	var key Key
	if err := json.Unmarshal([]byte(text), &key); err != nil || !key.valid(a.SortKey != "") {
		return nil, &bulk.ConfigError{Field: "Backfill.After", Problem: "is no checkpoint of this table"}
	}
	return a.userKey(key), nil
}
