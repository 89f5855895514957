package dynamojobs

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/cursor"
)

// maxPage is the largest [bulk.JobFilter.Limit].
const maxPage = 100

var _ = [1]int{}[maxPage-MaxKeys] // a page is read in one call

// maxListed is how many entries of the index a page reads at most to find the
// jobs of a status: some 40 read units. A page may so be short.
const maxListed = 1000

// List implements [bulk.JobQueue]. The index says which jobs there are, the
// records, read strongly consistent, what they look like now. A page costs two
// calls; one with a status reads up to 1,000 entries of the tenant's index.
func (q *Queue) List(ctx context.Context, filter bulk.JobFilter) ([]bulk.Job, string, error) {
	jobs, cursor, err := q.list(ctx, filter)
	if err != nil {
		return nil, "", fmt.Errorf("dynamojobs: list jobs: %w", err)
	}
	return jobs, cursor, nil
}

func (q *Queue) list(ctx context.Context, filter bulk.JobFilter) ([]bulk.Job, string, error) {
	before, err := cursor.Read(filter.Tenant, filter.Cursor)
	if before != "" && !possible(before) {
		err = bulk.ErrBadCursor
	}
	if err != nil {
		return nil, "", err
	}
	if filter.Limit < 1 || filter.Limit > maxPage {
		return nil, "", bulk.Permanent(fmt.Errorf("limit %d is not from 1 to %d", filter.Limit, maxPage))
	}
	ids, last, err := q.listIDs(ctx, filter, before)
	if err != nil {
		return nil, "", err
	}
	records, err := q.readAll(ctx, ids)
	if err != nil {
		return nil, "", err
	}
	now := time.Now()
	jobs := make([]bulk.Job, 0, len(ids))
	for _, id := range ids {
		it := records[id]
		if !it.exists(now) || filter.Status != "" && it.status() != filter.Status {
			continue // it changed since the index was written
		}
		job, err := it.job()
		if err != nil {
			return nil, "", err
		}
		jobs = append(jobs, job)
	}
	if last == "" {
		return jobs, "", nil
	}
	return jobs, cursor.Make(filter.Tenant, last), nil
}

// listIDs returns the ids of a page, and the last id that was looked at, "" if
// nothing follows.
func (q *Queue) listIDs(ctx context.Context, filter bulk.JobFilter, before string) (ids []string, last string, err error) {
	now := time.Now()
	for read := 0; read < maxListed; {
		// One more than is returned tells whether anything follows.
		limit := filter.Limit + 1 - len(ids)
		if filter.Status != "" {
			limit = max(limit, maxPage)
		}
		entries, more, err := q.listEntries(ctx, filter.Tenant, before, int32(limit))
		if err != nil {
			return nil, "", err
		}
		read += len(entries)
		for _, it := range entries {
			if len(ids) == filter.Limit {
				return ids, before, nil
			}
			before = it.text(attrID)
			if it.live(now) && (filter.Status == "" || it.status() == filter.Status) {
				ids = append(ids, before)
			}
		}
		if !more {
			return ids, "", nil
		}
	}
	return ids, before, nil
}

// listEntries reads a page of a tenant's index, descending from below an id, "" for
// the highest.
func (q *Queue) listEntries(ctx context.Context, tenant, before string, limit int32) (entries []item, more bool, err error) {
	u := newUpdate()
	condition := u.name(attrTenant) + " = " + u.value(tenantKey(tenant))
	if before != "" {
		condition += " AND " + u.name(attrID) + " < " + u.value(text(before))
	}
	var out *dynamodb.QueryOutput
	err = q.retry(ctx, func() (err error) {
		out, err = q.client.Query(ctx, &dynamodb.QueryInput{
			TableName:                 aws.String(q.opts.Table),
			IndexName:                 aws.String(q.opts.TenantIndex),
			KeyConditionExpression:    aws.String(condition),
			ExpressionAttributeNames:  u.names,
			ExpressionAttributeValues: u.values,
			ScanIndexForward:          aws.Bool(false),
			Limit:                     aws.Int32(limit),
		})
		return err
	})
	if err != nil {
		return nil, false, err
	}
	for _, it := range out.Items {
		entries = append(entries, it)
	}
	return entries, len(out.LastEvaluatedKey) > 0, nil
}

// readAll reads up to [MaxKeys] records by id, strongly consistent. Those that are
// not there are left out.
func (q *Queue) readAll(ctx context.Context, ids []string) (map[string]item, error) {
	records := make(map[string]item, len(ids))
	if len(ids) == 0 {
		return records, nil
	}
	keys := make([]map[string]types.AttributeValue, len(ids))
	for i, id := range ids {
		keys[i] = key(id)
	}
	asked := map[string]types.KeysAndAttributes{q.opts.Table: {Keys: keys, ConsistentRead: aws.Bool(true)}}
	err := q.retry(ctx, func() error {
		for len(asked) > 0 {
			out, err := q.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: asked})
			if err != nil {
				return err
			}
			before := len(records)
			for _, it := range out.Responses[q.opts.Table] {
				records[item(it).text(attrID)] = it
			}
			asked = out.UnprocessedKeys
			if len(asked) > 0 && len(records) == before {
				return errUnprocessed // nothing got through: wait
			}
		}
		return nil
	})
	return records, err
}
