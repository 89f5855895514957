package dynamojobs

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
)

// A tour is what one claim does in the index until it has a job.
type tour struct {
	q     *Queue
	claim bulk.Claim
	lost  int    // races
	more  bool   // the last page was not the last of its range
	tried int    // moves that were tried
	moved []hint // became due and were given their place, which pages may not show yet
}

// The pages of hints grow, so that a claim reads little where there are jobs, and
// passes by those that somebody else has just taken in few calls where there are many.
const (
	minHints = 32
	maxHints = 1024
)

// glance claims the next job if one page has all that can be claimed.
func (t *tour) glance(ctx context.Context) (job bulk.Job, all bool, err error) {
	r := claimable(partition, time.Now())
	hints, _, err := t.page(ctx, r, nil, minHints)
	if err != nil {
		return bulk.Job{}, false, err
	}
	if t.more {
		t.q.ring.setLarge(true)
		return bulk.Job{}, false, nil
	}
	job, _, err = t.take(ctx, t.q.ring.turned(t.merge(hints, r)))
	return job, true, err
}

// walk goes through a range until a claim succeeds. It returns the hints behind the one
// that was claimed, too, as far as they have been read.
func (t *tour) walk(ctx context.Context, r turnRange) (bulk.Job, []hint, error) {
	var from item // where the last page ended
	for limit := minHints; ; limit = min(2*limit, maxHints) {
		hints, last, err := t.page(ctx, r, from, limit)
		if err != nil {
			return bulk.Job{}, nil, err
		}
		job, others, err := t.take(ctx, t.merge(hints, r))
		if !isNoJob(err) || !t.more {
			return job, others, err
		}
		from = last
	}
}

// take claims the first of the hints that can be had, and returns those behind it.
func (t *tour) take(ctx context.Context, hints []hint) (bulk.Job, []hint, error) {
	for len(hints) > 0 {
		// In order while nobody else is here. Who lost a race would meet the same
		// claimers again at the next job, and so at all of them.
		i := 0
		if t.lost > 0 {
			i = rand.IntN(min(len(hints), 1<<min(t.lost, 10)))
		}
		h := hints[i]
		hints = slices.Delete(hints, i, i+1)
		if !t.claim.Ended {
			t.q.ring.serve(h.place()) // before the claim, so that concurrent ones look elsewhere
		}
		claim := t.claim
		claim.JobID = h.id
		job, err := t.q.claimNamed(ctx, claim)
		if !isNoJob(err) {
			return job, hints, err
		}
		t.lost++
	}
	return bulk.Job{}, nil, bulk.ErrNoJob
}

// merge adds to the hints of a page of a range those that were moved there, in the
// order of the index.
func (t *tour) merge(hints []hint, r turnRange) []hint {
	t.moved = slices.DeleteFunc(t.moved, func(h hint) bool {
		if r.covers(h) {
			hints = append(hints, h)
			return true
		}
		return false
	})
	slices.SortStableFunc(hints, func(a, b hint) int { return strings.Compare(a.turn, b.turn) })
	return slices.CompactFunc(hints, func(a, b hint) bool { return a.id == b.id })
}

// page reads a page of the hints of a range, and where it ended. Of the jobs that have
// not ended, those that are not where their turn is are moved there.
func (t *tour) page(ctx context.Context, r turnRange, from item, limit int) ([]hint, item, error) {
	hints, last, err := t.q.hints(ctx, r, from, int32(limit))
	if err != nil {
		return nil, nil, err
	}
	t.more = len(last) > 0
	if r.partition == endedPartition {
		return hints, last, nil
	}
	if r.partition == partition && strings.HasPrefix(r.until, laterPrefix) && (!t.more || slices.ContainsFunc(hints, hint.due)) {
		t.q.ring.seen()
	}
	misplaced := func(h hint) bool { return h.due() || h.partition != partition }
	moves := 0 // of this page
	for _, h := range hints {
		if !misplaced(h) || moves == minHints { // the others are for the next claims
			continue
		}
		moves++
		t.tried++
		h, ok, err := t.q.move(ctx, h.id)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			t.moved = append(t.moved, h)
		}
	}
	return slices.DeleteFunc(hints, misplaced), last, nil
}

// hints reads a page of the hints of a range that can be claimed, and where the
// page ended, nil if that was the end of the range.
func (q *Queue) hints(ctx context.Context, r turnRange, from item, limit int32) ([]hint, item, error) {
	u := newUpdate()
	now := u.value(number(time.Now().UnixMilli()))
	filter := u.name(attrClaimAt) + " <= " + now + " AND " + u.name(attrExpires) + " > " + now
	page, err := q.queryClaims(ctx, u, r, filter, from, limit)
	if err != nil {
		return nil, nil, err
	}
	hints := make([]hint, 0, len(page.Items))
	for _, it := range page.Items {
		hints = append(hints, hint{item(it).text(attrID), r.partition, item(it).text(attrTurn)})
	}
	return hints, page.LastEvaluatedKey, nil
}

// queryClaims reads a page of a range of the index of claims: what passes the filter,
// "" for all, of so many entries, 0 for as many as DynamoDB returns at once. u has the
// names and values of the filter.
func (q *Queue) queryClaims(ctx context.Context, u *update, r turnRange, filter string, from item, limit int32) (
	out *dynamodb.QueryOutput, err error,
) {
	within := u.name(attrShard) + " = " + u.value(text(r.partition))
	bounds := u.name(attrTurn) + " BETWEEN " + u.value(text(r.from)) + " AND " + u.value(text(r.until))
	in := &dynamodb.QueryInput{
		TableName:                 aws.String(q.opts.Table),
		IndexName:                 aws.String(q.opts.ClaimIndex),
		KeyConditionExpression:    aws.String(within + " AND " + bounds),
		ExpressionAttributeNames:  u.names,
		ExpressionAttributeValues: u.values,
		ExclusiveStartKey:         from,
	}
	if filter != "" {
		in.FilterExpression = aws.String(filter)
	}
	if limit > 0 {
		in.Limit = aws.Int32(limit)
	}
	err = q.retry(ctx, func() (err error) {
		out, err = q.client.Query(ctx, in)
		return err
	})
	return out, err
}

// move gives a job that has become due its place among those that can be claimed now,
// and returns its hint there. It reports false if it cannot be claimed any more. Nothing
// of the job itself changes, so a move that is made twice, or late, does no harm.
func (q *Queue) move(ctx context.Context, id string) (hint, bool, error) {
	u := newUpdate()
	u.set(attrShard, text(partition))
	u.setFirst(attrTurn, attrReady, attrTurn)
	u.when(attrClaimAt, "<=", number(time.Now().UnixMilli()))
	u.whenMissing(attrCompleted)
	var out *dynamodb.UpdateItemOutput
	err := q.retry(ctx, func() (err error) {
		out, err = q.client.UpdateItem(ctx, u.input(q.opts.Table, id))
		return err
	})
	var failed *types.ConditionalCheckFailedException
	if errors.As(err, &failed) {
		return hint{}, false, nil
	}
	if err != nil {
		return hint{}, false, err
	}
	return hint{id, partition, item(out.Attributes).text(attrTurn)}, true, nil
}
