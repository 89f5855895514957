package dynamojobs

import (
	"context"
	"crypto/rand"
	"errors"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// A change is a conditional write to one record, of which the caller always
// learns whether it was done, unless the database stays out of reach.
type change struct {
	// nonce is the attribute by which the change knows itself.
	nonce string
	// apply puts the change and its condition into an update. It may be called
	// several times, with later times.
	apply func(u *update, now time.Time) error
	// refused returns the error of a record that does not meet the condition, which
	// may also be a missing one, or nil for one that does.
	refused func(it item, now time.Time) error
}

// A change gives up when other writes of the same record came before it so often
// in a row, which is more than all who may write to a job at a time.
const maxOvertaken = 16

var errOvertaken = errors.New("the record is written to all the time")

// change makes a change and returns the record after it, or the record that
// refused it and the error of [change.refused].
func (q *Queue) change(ctx context.Context, id string, c change) (item, error) {
	nonce := rand.Text()
	seq := q.stamps.next()
	var done item
	err := q.retry(ctx, func() error {
		for range maxOvertaken {
			now := time.Now()
			u := newUpdate()
			if err := c.apply(u, now); err != nil {
				return err
			}
			u.set(attrUpdated, moment(stamp(now)))
			u.set(c.nonce, text(nonce))
			u.set(attrStamp, number(seq))
			u.when(attrExpires, ">", number(now.UnixMilli()))
			u.when(attrStamp, "<", number(seq))
			out, err := q.client.UpdateItem(ctx, u.input(q.opts.Table, id))
			var failed *types.ConditionalCheckFailedException
			switch {
			case err == nil:
				done = out.Attributes
				return nil
			case !errors.As(err, &failed):
				return err
			}
			if done = failed.Item; done == nil {
				// There is no record, or the server does not return it.
				if done, err = q.read(ctx, id); err != nil {
					return err
				}
			}
			if done.text(c.nonce) == nonce {
				return nil // it was done, and the answer was lost
			}
			if err := c.refused(done, now); err != nil {
				return err
			}
			// Only the stamp is too low: a process whose clock is ahead, or a
			// concurrent call, was here. Nothing else stands in the way.
			seq = q.stamps.above(done.number(attrStamp))
		}
		return errOvertaken
	})
	return done, err
}

// put writes an item as a whole, under the condition that u has. It returns the
// error given if the condition fails.
func (q *Queue) put(ctx context.Context, it item, u *update, refused error) error {
	nonce := rand.Text()
	it[attrCreateNonce] = text(nonce)
	return q.retry(ctx, func() error {
		_, err := q.client.PutItem(ctx, u.put(q.opts.Table, it))
		var failed *types.ConditionalCheckFailedException
		if !errors.As(err, &failed) {
			return err
		}
		there := item(failed.Item)
		if there == nil {
			if there, err = q.read(ctx, it.text(attrID)); err != nil {
				return err
			}
		}
		if there.text(attrCreateNonce) == nonce {
			return nil // it was done, and the answer was lost
		}
		return refused
	})
}

// read reads an item, strongly consistent; nil if there is none.
func (q *Queue) read(ctx context.Context, id string) (item, error) {
	out, err := q.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      aws.String(q.opts.Table),
		Key:            key(id),
		ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// stamps makes the stamps of writes. They rise within a process, and across
// processes as far as their clocks agree; where they do not, a write is sent
// twice.
type stamps struct{ last atomic.Int64 }

func (s *stamps) next() int64 { return s.above(0) }

// above returns a stamp that is higher than n.
func (s *stamps) above(n int64) int64 {
	for {
		last := s.last.Load()
		stamp := max(time.Now().UnixMicro(), last+1, n+1)
		if s.last.CompareAndSwap(last, stamp) {
			return stamp
		}
	}
}
