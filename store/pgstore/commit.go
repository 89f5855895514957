package pgstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/bulkops/bulkops/bulk"
)

// maxRefused is how often writes are refused, while nothing is seen to stand against them, until
// they are taken to be refused for good.
const maxRefused = 3

// errRefused is why a write is refused that no user stands against.
var errRefused = errors.New("the table refuses the user: a unique index or a trigger of its own")

// A change is a write that is under way.
type change struct {
	write   *bulk.Write
	key     string // the folded email, "" for none
	done    bool
	outcome *error
}

// newKey returns the folded email if it is another one than before.
func (c *change) newKey() string {
	if c.write.Base != nil && bulk.EmailKey(c.write.Base.Email) == c.key {
		return ""
	}
	return c.key
}

// inOrder is the order in which transactions write, so that they do not wait for each other in
// a circle: updates by the rows that they lock, creates by the emails that they claim, as
// ids of users that have none yet are made up. What is left are transactions that want the same
// ids and the same emails in different pairs.
func inOrder(a, b *change) int {
	claim := func(c *change) string {
		if c.write.Base != nil {
			return ""
		}
		return c.key
	}
	return cmp.Or(cmp.Compare(claim(a), claim(b)), cmp.Compare(a.id(), b.id()))
}

// Commit implements [bulk.Store]. Its writes share a transaction.
func (s *Store) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	outcomes := make([]error, len(writes))
	changes := make([]*change, 0, len(writes))
	for i := range writes {
		w := &writes[i]
		switch {
		case len(writes) > s.opts.MaxBatch:
			outcomes[i] = fmt.Errorf("pgstore: commit %d writes: %w", len(writes), bulk.ErrBatchTooLarge)
		case !w.User.Fits():
			outcomes[i] = refusal(w, bulk.ErrUserTooLarge)
		default:
			changes = append(changes, &change{write: w, key: bulk.EmailKey(w.User.Email), outcome: &outcomes[i]})
		}
	}
	slices.SortFunc(changes, inOrder)
	s.commit(ctx, tenant, changes)
	return outcomes
}

// commit does changes and sets their outcomes.
func (s *Store) commit(ctx context.Context, tenant string, changes []*change) {
	for refused := 1; len(changes) > 0; refused++ {
		err := s.try(ctx, tenant, changes)
		if err == nil {
			changes = slices.DeleteFunc(changes, func(c *change) bool { return c.done })
			changes, err = s.explain(ctx, tenant, changes)
		}
		switch {
		case err == nil:
			err = errRefused
		case !aboutRow(err):
			err = failure(ctx, fmt.Sprintf("commit %d writes", len(changes)), err)
			fail(changes, func(*change) error { return err })
			return
		case len(changes) > 1:
			// One row spoils the transaction. Halves of halves find it in few statements.
			half := len(changes) / 2
			s.commit(ctx, tenant, changes[:half])
			s.commit(ctx, tenant, changes[half:])
			return
		case sqlState(err) != uniqueViolation: // else a user took the email meanwhile, who is seen the next time
			refused = maxRefused
		}
		if refused == maxRefused {
			fail(changes, func(c *change) error { return refusal(c.write, bulk.Permanent(err)) })
			return
		}
	}
}

// try sends changes and notes those that are done. If it returns an error, none is, unless the
// connection broke. Nobody is taken to be in the way at first, as all were looked up; those who
// came meanwhile are seen by a second try, which passes over what is taken.
func (s *Store) try(ctx context.Context, tenant string, changes []*change) error {
	err := s.write(ctx, tenant, changes, s.statements.insert)
	if sqlState(err) == uniqueViolation {
		err = s.write(ctx, tenant, changes, s.statements.insertFree)
	}
	return err
}

// write is try with that statement to create users.
func (s *Store) write(ctx context.Context, tenant string, changes []*change, insert string) error {
	byID := make(map[string]*change, len(changes))
	var inserts, updates []*change
	for _, c := range changes {
		byID[c.write.User.ID] = c
		if c.write.Base == nil {
			inserts = append(inserts, c)
		} else {
			updates = append(updates, c)
		}
	}
	var done []*change
	note := func(id string) {
		if c := byID[id]; c != nil {
			done = append(done, c)
		}
	}
	err := s.send(ctx, func(batch *pgx.Batch) {
		done = nil
		if len(updates) > 0 {
			queue(batch, s.statements.update, note, tenant, column(updates, (*change).id), column(updates, (*change).version),
				column(updates, (*change).email), column(updates, (*change).customFields), column(updates, (*change).metadata),
				column(updates, (*change).mark), column(updates, (*change).newKey))
		}
		if len(inserts) > 0 {
			queue(batch, insert, note, tenant, column(inserts, (*change).id), column(inserts, (*change).email),
				column(inserts, (*change).customFields), column(inserts, (*change).metadata), column(inserts, (*change).mark))
		}
	})
	if err != nil {
		return err
	}
	for _, c := range done {
		c.done = true
	}
	return nil
}

// queue adds a statement that returns ids.
func queue(batch *pgx.Batch, statement string, note func(id string), arguments ...any) {
	batch.Queue(statement, arguments...).Query(func(rows pgx.Rows) error {
		return each(rows, func(columns [][]byte) { note(string(columns[0])) })
	})
}

// column returns a value of each change.
func column(changes []*change, value func(*change) string) []string {
	values := make([]string, len(changes))
	for i, c := range changes {
		values[i] = value(c)
	}
	return values
}

func (c *change) id() string           { return c.write.User.ID }
func (c *change) version() string      { return c.write.Base.Version }
func (c *change) email() string        { return c.write.User.Email }
func (c *change) customFields() string { return c.write.User.CustomFields.String() }
func (c *change) metadata() string     { return c.write.User.Metadata.String() }
func (c *change) mark() string         { return c.write.Mark }

// explain finds out what stands against changes that were not done and sets their outcomes.
// It returns those that nothing stands against any more.
func (s *Store) explain(ctx context.Context, tenant string, changes []*change) ([]*change, error) {
	if len(changes) == 0 {
		return nil, nil
	}
	var keys []string
	for _, c := range changes {
		if c.key != "" {
			keys = append(keys, c.key)
		}
	}
	users, err := s.read(ctx, tenant, column(changes, (*change).id), keys)
	if err != nil {
		return changes, err
	}
	return slices.DeleteFunc(changes, func(c *change) bool {
		there, owner := users.byID[c.id()], users.byEmail[c.key]
		switch {
		case c.write.Base == nil && there != nil,
			c.write.Base != nil && (there == nil || there.Version != c.version()):
			*c.outcome = refusal(c.write, bulk.ErrConflict)
		case owner != nil && owner.ID != c.id():
			*c.outcome = refusal(c.write, bulk.ErrEmailTaken)
		default:
			return false
		}
		return true
	}), nil
}

// fail sets the outcomes of changes.
func fail(changes []*change, outcome func(*change) error) {
	for _, c := range changes {
		*c.outcome = outcome(c)
	}
}

// refusal says which write was refused.
func refusal(w *bulk.Write, reason error) error {
	verb := "create"
	if w.Base != nil {
		verb = "update"
	}
	return fmt.Errorf("pgstore: %s user %q: %w", verb, w.User.ID, reason)
}
