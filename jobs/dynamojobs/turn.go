package dynamojobs

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

// The index of claims has two partitions: one of the jobs that have not ended, one of
// those whose end is to be told.
const (
	partition      = "000"
	endedPartition = "ended"
)

// The sort keys of the first partition are of two kinds. First come the jobs that can
// be claimed now, a ring of tenants: each has a place, and there its jobs lie by id.
// Behind them come those that are under way or wait for later, by the time from which
// on they can be claimed. So the tenants behind a place, and what has become due, are
// one range. Of those to be told only the second kind is there.
const (
	// placeSize is the length of a place, in hexadecimal digits: a hash of the tenant.
	// By its name, a random place to start at would favour some.
	placeSize    = 16
	jobSeparator = "#"
	// behindTenant follows every sort key of a tenant, and firstTurn precedes all.
	behindTenant = "$"
	firstTurn    = "0"
	// laterPrefix follows every place. The version before looks up to "g", and so finds
	// what has become due, too.
	laterPrefix = "f~"
)

// placeOf returns a tenant's place in the ring.
func placeOf(tenant string) string {
	sum := sha256.Sum256([]byte(tenant))
	return fmt.Sprintf("%x", sum[:placeSize/2])
}

// readyTurn returns the sort key of a job that can be claimed now.
func readyTurn(place, id string) string { return place + jobSeparator + id }

// laterTurn returns the sort key of a job that can be claimed from then on.
func laterTurn(at time.Time) string { return fmt.Sprintf("%s%015d", laterPrefix, at.UnixMilli()) }

// A hint is an entry of the index of claims.
type hint struct{ id, partition, turn string }

// place returns the place of the tenant of a job that can be claimed now.
func (h hint) place() string { return h.turn[:min(len(h.turn), placeSize)] }

// due reports whether the hint is of a job that was to be claimed later.
func (h hint) due() bool { return strings.HasPrefix(h.turn, laterPrefix) }

// A turnRange is a part of a partition: the sort keys between two bounds.
type turnRange struct{ partition, from, until string }

func (r turnRange) covers(h hint) bool { return r.from <= h.turn && h.turn <= r.until }

// claimable returns the range of all that can be claimed.
func claimable(partition string, now time.Time) turnRange {
	return turnRange{partition, firstTurn, laterTurn(now)}
}

// unended returns the range of all jobs in a partition that have not ended.
func unended(partition string) turnRange { return turnRange{partition, firstTurn, "g"} }

// becameDue returns the range of what was to be claimed later and can be now.
func becameDue(now time.Time) turnRange { return turnRange{partition, laterPrefix, laterTurn(now)} }

// ahead returns the range of what can be claimed behind a place and the range of the
// rest: together they go around the ring once.
func ahead(place string, now time.Time) (ahead, rest turnRange) {
	behind := place + behindTenant
	return turnRange{partition, behind, laterTurn(now)}, turnRange{partition, firstTurn, behind}
}
