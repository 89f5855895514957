package dynamojobs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
)

// Claim implements [bulk.JobQueue]. What it promises of turns and what it costs
// is in the documentation of the package.
func (q *Queue) Claim(ctx context.Context, claim bulk.Claim) (bulk.Job, error) {
	take := q.claimNext
	if claim.JobID != "" {
		take = q.claimNamed
	}
	job, err := take(ctx, claim)
	if err != nil {
		return bulk.Job{}, fmt.Errorf("dynamojobs: claim job %q: %w", claim.JobID, err)
	}
	return job, nil
}

// claimNamed claims the job of that id. [bulk.ErrNoJob] is for any that cannot be
// claimed.
func (q *Queue) claimNamed(ctx context.Context, claim bulk.Claim) (bulk.Job, error) {
	if !possible(claim.JobID) {
		return bulk.Job{}, bulk.ErrNoJob
	}
	it, err := q.change(ctx, claim.JobID, change{
		nonce: attrClaimNonce,
		apply: func(u *update, now time.Time) error {
			u.when(attrClaimAt, "<=", number(now.UnixMilli()))
			at := stamp(now)
			until := at.Add(claim.Lease)
			u.set(attrStatus, text(string(bulk.JobProcessing)))
			u.setOnce(attrStarted, moment(at))
			u.set(attrLease, moment(until))
			u.set(attrClaimAt, moment(until))
			u.increment(attrToken)
			u.increment(attrAttempts)
			u.set(attrWorker, text(claim.Worker))
			return nil
		},
		refused: func(it item, now time.Time) error {
			if !it.exists(now) || !it.has(attrClaimAt) || it.number(attrClaimAt) > now.UnixMilli() {
				return bulk.ErrNoJob
			}
			return nil
		},
	})
	if err != nil {
		return bulk.Job{}, err
	}
	return it.job()
}

// A hint is an entry of the index of claims.
type hint struct {
	id   string
	turn turn // the place of its tenant
}

// claimNext goes around the index once, from the tenant whose turn it is, until a
// claim succeeds.
func (q *Queue) claimNext(ctx context.Context, claim bulk.Claim) (bulk.Job, error) {
	lost := 0 // races
	for _, r := range q.round() {
		var from item // where the last page ended
		for limit := minHints; ; limit = min(2*limit, maxHints) {
			hints, last, err := q.hints(ctx, r, from, int32(limit))
			if err != nil {
				return bulk.Job{}, err
			}
			for len(hints) > 0 {
				// In order while nobody else is here. Who lost a race would meet the
				// same claimers again at the next job, and so at all of them.
				i := 0
				if lost > 0 {
					i = rand.IntN(min(len(hints), 1<<min(lost, 10)))
				}
				h := hints[i]
				hints = append(hints[:i], hints[i+1:]...)
				// Before the claim, so that concurrent ones look elsewhere.
				q.served(h.turn)
				claim.JobID = h.id
				job, err := q.claimNamed(ctx, claim)
				if isNoJob(err) {
					lost++
					continue
				}
				return job, err
			}
			if from = last; len(from) == 0 {
				break
			}
		}
	}
	return bulk.Job{}, bulk.ErrNoJob
}

// The pages of hints grow, so that a claim reads little where there are jobs, and
// passes by those that are under way in few calls where there are many.
const (
	minHints = 32
	maxHints = 1024
)

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
	return hintsOf(page.Items, r.shard), page.LastEvaluatedKey, nil
}

// queryClaims reads a page of a range of the index of claims: what passes the filter,
// "" for all, of so many entries, 0 for as many as DynamoDB returns at once. u has the
// names and values of the filter.
func (q *Queue) queryClaims(ctx context.Context, u *update, r turnRange, filter string, from item, limit int32) (
	out *dynamodb.QueryOutput, err error,
) {
	shard := u.name(attrShard) + " = " + u.value(text(shardKey(r.shard)))
	bounds := u.name(attrTurn) + " BETWEEN " + u.value(text(r.from)) + " AND " + u.value(text(r.until))
	in := &dynamodb.QueryInput{
		TableName:                 aws.String(q.opts.Table),
		IndexName:                 aws.String(q.opts.ClaimIndex),
		KeyConditionExpression:    aws.String(shard + " AND " + bounds),
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

func hintsOf(items []map[string]types.AttributeValue, shard int) []hint {
	hints := make([]hint, 0, len(items))
	for _, it := range items {
		it := item(it)
		place := it.text(attrTurn)
		hints = append(hints, hint{
			id:   it.text(attrID),
			turn: turn{shard: shard, tenant: place[:min(len(place), turnSize-len(jobSeparator))]},
		})
	}
	return hints
}
