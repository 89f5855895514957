package dynamojobs

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A turn is the place of a tenant in the index of claims. The index is a ring of
// tenants, one shard after the other, and within a shard by a hash of the tenant:
// by its name, a random place to start at would favour some tenants.
type turn struct {
	shard  int
	tenant string // 16 hexadecimal digits
}

// turnSize is the length of what stands before the job's id in the sort key.
const (
	turnSize     = 16 + len(jobSeparator)
	jobSeparator = "#"
	// behindTenant follows every sort key of a tenant, and firstTurn and lastTurn
	// are around those of all.
	behindTenant = "$"
	firstTurn    = "0"
	lastTurn     = "g"
)

func turnOf(tenant string, shards int) turn {
	sum := sha256.Sum256([]byte(tenant))
	return turn{
		shard:  int(binary.BigEndian.Uint64(sum[8:16]) % uint64(shards)),
		tenant: fmt.Sprintf("%x", sum[:8]),
	}
}

func shardKey(shard int) string {
	if shard == endedShard {
		return "ended"
	}
	return fmt.Sprintf("%03d", shard)
}

// endedShard has the jobs that have ended and are to be told of, by when they ended.
const endedShard = -1

func endedTurn(at time.Time, id string) string {
	return fmt.Sprintf("%016x%s%s", at.UnixMilli(), jobSeparator, id)
}

// A turnRange is a part of a shard: the sort keys between two bounds.
type turnRange struct {
	shard       int
	from, until string
}

// round returns the ranges that go around the ring once, from the tenant whose
// turn it is.
func (q *Queue) round() []turnRange {
	q.mu.Lock()
	last := q.next
	q.mu.Unlock()
	behind := last.tenant + behindTenant
	ranges := []turnRange{{last.shard, behind, lastTurn}}
	for i := 1; i < q.opts.Shards; i++ {
		ranges = append(ranges, turnRange{(last.shard + i) % q.opts.Shards, firstTurn, lastTurn})
	}
	return append(ranges, turnRange{last.shard, firstTurn, behind})
}

// served notes that a tenant had its turn.
func (q *Queue) served(t turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next = t
}

func isNoJob(err error) bool { return errors.Is(err, bulk.ErrNoJob) }
