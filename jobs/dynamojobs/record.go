package dynamojobs

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
)

// The attributes of a record. Those of times have Unix milliseconds, and are
// absent for the zero time.
const (
	attrID  = "id"
	attrJob = "job" // JSON of the spec

	// What the indexes are made of.
	attrTenant  = "tenant"     // the tenant behind "t": a key of an index is not empty
	attrShard   = "claimShard" // these three only until the job has ended and, if it asks for that, was told of
	attrTurn    = "claimTurn"
	attrClaimAt = "claimAt"    // from when on it can be claimed, 0 for at once
	attrReady   = "claimReady" // what claimTurn is when it can be claimed at once, from the first claim on
	attrStatus  = "status"
	attrExpires = "expiresAt"
	attrTTL     = "ttl" // expiresAt in seconds, rounded up, for DynamoDB

	attrStarted   = "startedAt"
	attrUpdated   = "updatedAt"
	attrCompleted = "completedAt"
	attrCancel    = "cancelRequested"
	attrToken     = "token"
	attrLease     = "leaseUntil"
	attrNotBefore = "notBefore"
	attrAttempts  = "attempts"
	attrWorker    = "worker"
	attrProgress  = "progress" // JSON
	attrResults   = "results"
	attrError     = "error" // JSON
	attrNotify    = "notify"

	// What a key has beside id, expiresAt and ttl.
	attrKey     = "key" // JSON
	attrVersion = "version"

	// Of the last write of each kind, by which it is known again.
	attrCreateNonce = "createNonce" // of an item that is written as a whole
	attrClaimNonce  = "claimNonce"
	attrSaveNonce   = "saveNonce" // with a number, see saveNonce
	attrCancelNonce = "cancelNonce"
	attrDeleteNonce = "deleteNonce"
	// attrStamp rises with every write.
	attrStamp = "stamp"
)

// saveNonce returns the attribute for the nonce of a save with that token. The
// lease that a save gave up may have been claimed and given up by others before
// the save is sent again, so each token has its own, up to a number of claims
// that nobody is so slow to see.
func saveNonce(token int64) string {
	const slots = 32
	return attrSaveNonce + strconv.FormatInt(token&(slots-1), 10)
}

// An item is what DynamoDB has of a record, in full or in an index.
type item map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}
func boolean(b bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: b} }

func document(v any) (types.AttributeValue, error) {
	encoded, err := json.Marshal(v)
	if err != nil {
		return nil, bulk.Permanent(err)
	}
	return text(string(encoded)), nil
}

// stamp returns t as the times of jobs are: in UTC and whole milliseconds, so that
// they come back the same from any encoding.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func moment(t time.Time) types.AttributeValue { return number(t.UnixMilli()) }

// ttl returns the attribute for DynamoDB's time to live. It is rounded up, so that
// nothing is removed before its time.
func ttl(t time.Time) types.AttributeValue { return number((t.UnixMilli() + 999) / 1000) }

func key(id string) item { return item{attrID: text(id)} }

func tenantKey(tenant string) types.AttributeValue { return text("t" + tenant) }

// text returns a string attribute, "" if there is none.
func (it item) text(name string) string {
	if s, ok := it[name].(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

// number returns a number attribute, 0 if there is none.
func (it item) number(name string) int64 {
	if n, ok := it[name].(*types.AttributeValueMemberN); ok {
		i, _ := strconv.ParseInt(n.Value, 10, 64)
		return i
	}
	return 0
}

func (it item) has(name string) bool { return it[name] != nil }

func (it item) moment(name string) time.Time {
	if !it.has(name) {
		return time.Time{}
	}
	return time.UnixMilli(it.number(name)).UTC()
}

// live reports whether the item is there and has not expired.
func (it item) live(now time.Time) bool {
	return it.number(attrExpires) > now.UnixMilli()
}

// exists reports whether it is a live record, and not that of a key.
func (it item) exists(now time.Time) bool { return it.has(attrJob) && it.live(now) }

func (it item) status() bulk.JobStatus { return bulk.JobStatus(it.text(attrStatus)) }

// newItem returns the record of a new job.
func newItem(spec bulk.JobSpec) (item, error) {
	doc, err := document(spec)
	if err != nil {
		return nil, err
	}
	return item{
		attrID:       text(spec.ID),
		attrJob:      doc,
		attrTenant:   tenantKey(spec.Tenant),
		attrShard:    text(partition),
		attrTurn:     text(readyTurn(placeOf(spec.Tenant), spec.ID)),
		attrClaimAt:  number(0),
		attrStatus:   text(string(bulk.JobPending)),
		attrExpires:  moment(spec.ExpiresAt),
		attrTTL:      ttl(spec.ExpiresAt),
		attrToken:    number(0),
		attrAttempts: number(0),
		attrStamp:    number(0),
	}, nil
}

// job returns the job of a record.
func (it item) job() (bulk.Job, error) {
	var job bulk.Job
	if err := it.decode(attrJob, &job.JobSpec); err != nil {
		return bulk.Job{}, err
	}
	job.Status = it.status()
	job.StartedAt = it.moment(attrStarted)
	job.UpdatedAt = job.CreatedAt
	if it.has(attrUpdated) {
		job.UpdatedAt = it.moment(attrUpdated)
	}
	job.CompletedAt = it.moment(attrCompleted)
	job.CancelRequested = it.has(attrCancel)
	job.Token = it.number(attrToken)
	job.LeaseUntil = it.moment(attrLease)
	job.NotBefore = it.moment(attrNotBefore)
	job.Attempts = int(it.number(attrAttempts))
	job.Worker = it.text(attrWorker)
	job.Results = it.text(attrResults)
	job.Notify = it.has(attrNotify)
	if err := it.decode(attrProgress, &job.Progress); err != nil {
		return bulk.Job{}, err
	}
	if err := it.decode(attrError, &job.Error); err != nil {
		return bulk.Job{}, err
	}
	return job, nil
}

// decode reads an attribute that has JSON, if it is there.
func (it item) decode(name string, into any) error {
	if !it.has(name) {
		return nil
	}
	if err := json.Unmarshal([]byte(it.text(name)), into); err != nil {
		return bulk.Permanent(fmt.Errorf("attribute %q of the record: %w", name, err))
	}
	return nil
}
