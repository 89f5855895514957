package memjobs

import (
	"container/heap"
	"slices"
	"strings"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// An entry is a job and where it stands. An entry is in at most one of the heaps
// of claims, and always in the heap of expiry.
type entry struct {
	job    bulk.Job
	tenant *tenant
	claims *entryHeap // Queue.later, tenant.ready, Queue.untold, or nil if it is not to be claimed any more
	// Where the entry is in its heaps.
	claimsAt, expiryAt int
}

// claimable returns when a job can be claimed, to be run or to be told of: when it has
// no lease any more and need not be kept waiting.
func (e *entry) claimable() time.Time {
	if e.job.LeaseUntil.After(e.job.NotBefore) {
		return e.job.LeaseUntil
	}
	return e.job.NotBefore
}

// due returns since when a job that has ended is to be told of. In this order no end
// is kept waiting by others that are tried again and again.
func (e *entry) due() time.Time {
	if at := e.claimable(); at.After(e.job.CompletedAt) {
		return at
	}
	return e.job.CompletedAt
}

// copyJob copies what a job refers to.
func copyJob(job bulk.Job) bulk.Job {
	job.Options.MaxFailed = clone(job.Options.MaxFailed)
	job.Error = clone(job.Error)
	return job
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// An entryHeap has entries, the least of them first, and knows where each one is.
type entryHeap struct {
	entries []*entry
	less    func(a, b *entry) bool
	at      func(*entry) *int // where the entry keeps its place in this heap
}

func newReadyHeap() entryHeap {
	return entryHeap{
		less: func(a, b *entry) bool { return a.job.ID < b.job.ID },
		at:   func(e *entry) *int { return &e.claimsAt },
	}
}

func newLaterHeap() entryHeap {
	return entryHeap{
		less: func(a, b *entry) bool { return a.claimable().Before(b.claimable()) },
		at:   func(e *entry) *int { return &e.claimsAt },
	}
}

func newUntoldHeap() entryHeap {
	return entryHeap{
		less: func(a, b *entry) bool { return a.due().Before(b.due()) },
		at:   func(e *entry) *int { return &e.claimsAt },
	}
}

func newExpiryHeap() entryHeap {
	return entryHeap{
		less: func(a, b *entry) bool { return a.job.ExpiresAt.Before(b.job.ExpiresAt) },
		at:   func(e *entry) *int { return &e.expiryAt },
	}
}

// first returns the least entry, nil if there is none.
func (h *entryHeap) first() *entry {
	if len(h.entries) == 0 {
		return nil
	}
	return h.entries[0]
}

func (h *entryHeap) add(e *entry) { heap.Push(h, e) }

// remove takes out an entry. Its key may have changed since it was added: the
// heap is mended from its place, not from its key.
func (h *entryHeap) remove(e *entry) { heap.Remove(h, *h.at(e)) }

// The methods of [heap.Interface].

func (h *entryHeap) Len() int           { return len(h.entries) }
func (h *entryHeap) Less(i, j int) bool { return h.less(h.entries[i], h.entries[j]) }

func (h *entryHeap) Swap(i, j int) {
	h.entries[i], h.entries[j] = h.entries[j], h.entries[i]
	*h.at(h.entries[i]), *h.at(h.entries[j]) = i, j
}

func (h *entryHeap) Push(x any) {
	e := x.(*entry)
	*h.at(e) = len(h.entries)
	h.entries = append(h.entries, e)
}

func (h *entryHeap) Pop() any {
	last := len(h.entries) - 1
	e := h.entries[last]
	h.entries[last] = nil
	h.entries = h.entries[:last]
	return e
}

// A tenant has the jobs of one tenant.
type tenant struct {
	name    string
	ready   entryHeap // the jobs that can be claimed now, the oldest first
	waiting bool      // in Queue.turns
	lists   map[bulk.JobStatus]*idList
}

// allStatuses is the list of all jobs, as in [bulk.JobFilter].
const allStatuses bulk.JobStatus = ""

func newTenant(name string) *tenant {
	return &tenant{name: name, ready: newReadyHeap(), lists: make(map[bulk.JobStatus]*idList)}
}

func (t *tenant) list(status bulk.JobStatus) *idList {
	l := t.lists[status]
	if l == nil {
		l = new(idList)
		t.lists[status] = l
	}
	return l
}

// An idList has entries in the order of their ids. Ids rise with time, so that
// nearly all of them are inserted at the end and removed from the front.
type idList struct{ entries []*entry }

func (l *idList) find(id string) (int, bool) {
	return slices.BinarySearchFunc(l.entries, id, func(e *entry, id string) int {
		return strings.Compare(e.job.ID, id)
	})
}

func (l *idList) insert(e *entry) {
	i, _ := l.find(e.job.ID)
	l.entries = slices.Insert(l.entries, i, e)
}

func (l *idList) remove(e *entry) {
	i, ok := l.find(e.job.ID)
	switch {
	case !ok:
	case i == 0: // without moving the others
		l.entries[0] = nil
		l.entries = l.entries[1:]
	default:
		l.entries = slices.Delete(l.entries, i, i+1)
	}
}

// page returns up to limit entries below an id, "" for no bound, the highest
// first, and whether there are more. A nil list is empty.
func (l *idList) page(below string, limit int) (page []*entry, more bool) {
	if l == nil {
		return nil, false
	}
	end := len(l.entries)
	if below != "" {
		end, _ = l.find(below)
	}
	start := max(0, end-limit)
	page = slices.Clone(l.entries[start:end])
	slices.Reverse(page)
	return page, start > 0
}
