package dynamojobs

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

var _ bulk.JobCounter = (*Queue)(nil)

// CountJobs implements [bulk.JobCounter]. It reads the index of claims, which has the
// jobs that have not ended, those of the version before included: two read units while
// there are none, and about one read unit for 50 jobs beyond that. With 10,000 queued jobs that is 200 units, so whoever
// shows the numbers should ask every minute and not every second.
//
// OldestReady is the time in the job's id.
func (q *Queue) CountJobs(ctx context.Context) (bulk.JobCounts, error) {
	var counts bulk.JobCounts
	oldest := ""
	now := time.Now()
	for _, within := range append([]string{partition}, formerPartitions[:]...) {
		for from := item(nil); ; {
			page, err := q.queryClaims(ctx, newUpdate(), unended(within), "", from, 0)
			if err != nil {
				return bulk.JobCounts{}, fmt.Errorf("dynamojobs: count jobs: %w", err)
			}
			for _, entry := range page.Items {
				it := item(entry)
				switch id := it.text(attrID); {
				case !it.live(now):
				case it.number(attrClaimAt) > now.UnixMilli():
					counts.Held++
				default:
					counts.Ready++
					if oldest == "" || id < oldest {
						oldest = id
					}
				}
			}
			if from = page.LastEvaluatedKey; len(from) == 0 {
				break
			}
		}
	}
	counts.OldestReady = idTime(oldest)
	return counts, nil
}

// idTime returns the time in the id of a job, a UUIDv7 behind "job_"; zero if it is
// none.
func idTime(id string) time.Time {
	_, uuid, _ := strings.Cut(id, "_")
	digits := strings.ReplaceAll(uuid, "-", "")
	if len(digits) != 32 {
		return time.Time{}
	}
	var millis [8]byte
	if _, err := hex.Decode(millis[2:], []byte(digits[:12])); err != nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(millis[:]))).UTC()
}
