package httpapi

import (
	"net/http"
	"sync"
	"time"
)

// A budget is the memory that the requests of a handler may hold at once. A request
// reserves what it holds as that grows, and gives all back when it ends. Nobody waits
// for memory: what does not fit is refused, so no two requests can wait for each
// other, and of those that compete at least one gets what it needs.
//
// A tenant may use all of it while nobody else wants any. Who was refused and may
// come again soon counts as waiting. While tenants wait, each other tenant is held to
// an equal share, but for the one that has waited longest, so that large requests of
// several tenants take turns.
type budget struct {
	total    int64
	patience time.Duration // how long after a refusal a tenant counts as waiting

	mu      sync.Mutex
	used    int64
	tenants map[string]*usage // those that hold something or wait
}

// A usage is what a tenant holds.
type usage struct {
	held     int64
	requests int
	// since is when the tenant began to wait, last when it was last refused; zero if
	// it does not wait.
	since, last time.Time
	want        int64 // the most that a request of it was refused while it waits
}

// served ends the wait of a tenant.
func (u *usage) served() { u.since, u.last, u.want = time.Time{}, time.Time{}, 0 }

func newBudget(total int64, retryAfter time.Duration) *budget {
	// Time to come again, and once more should that fail.
	return &budget{total: total, patience: 2*retryAfter + time.Second, tenants: make(map[string]*usage)}
}

// open returns what a request of the tenant holds: nothing yet.
func (b *budget) open(tenant string) *hold {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of(tenant).requests++
	return &hold{budget: b, tenant: tenant}
}

// of returns the usage of a tenant. mu is held.
func (b *budget) of(tenant string) *usage {
	u := b.tenants[tenant]
	if u == nil {
		u = new(usage)
		b.tenants[tenant] = u
	}
	return u
}

// share returns how much the tenant may hold. mu is held.
func (b *budget) share(tenant string) int64 {
	var first *usage // of those that wait
	firstName := ""
	for name, u := range b.tenants {
		if !u.since.IsZero() && (first == nil || u.since.Before(first.since) || u.since.Equal(first.since) && name < firstName) {
			first, firstName = u, name
		}
	}
	if first == nil || firstName == tenant {
		return b.total
	}
	return b.total / int64(len(b.tenants))
}

// forget forgets who has not come again. mu is held.
func (b *budget) forget(now time.Time) {
	for name, u := range b.tenants {
		if !u.since.IsZero() && now.Sub(u.last) > b.patience {
			u.served()
		}
		b.drop(name, u)
	}
}

// drop forgets a tenant that neither holds anything nor waits. mu is held.
func (b *budget) drop(name string, u *usage) {
	if u.requests == 0 && u.since.IsZero() {
		delete(b.tenants, name)
	}
}

// A hold is what a request has reserved. It is safe for concurrent use: a blob store
// that was given up may still read the request's body.
type hold struct {
	budget *budget
	tenant string
	// Guarded by the budget's mu.
	n       int64
	refused bool
	closed  bool
}

// holdStep is what is reserved at a time, so that a request does so seldom.
const holdStep = 64 << 10

// grow reserves what is lacking to n bytes. It returns a problem if there is not so
// much.
func (h *hold) grow(n int64) error {
	b := h.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if n <= h.n {
		return nil
	}
	n = min((n+holdStep-1)/holdStep*holdStep, max(n, b.total))
	if h.closed || n > b.total {
		return tooMuchMemory() // and would be whenever it came again
	}
	now := time.Now()
	b.forget(now)
	u, more := b.of(h.tenant), n-h.n
	if b.used+more > b.total || u.held+more > b.share(h.tenant) {
		if u.since.IsZero() {
			u.since = now
		}
		u.last, u.want = now, max(u.want, n)
		h.refused = true
		return busy()
	}
	u.held += more
	b.used += more
	h.n = n
	return nil
}

// close gives everything back.
func (h *hold) close() {
	b := h.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.of(h.tenant)
	u.held -= h.n
	u.requests--
	b.used -= h.n
	if !h.refused && h.n >= u.want {
		u.served() // its turn has come
	}
	h.n, h.closed = 0, true
	b.drop(h.tenant, u)
}

// busy is a request for which there is no memory now.
func busy() *problem {
	return &problem{status: http.StatusServiceUnavailable, code: codeUnavailable, message: "the service has too many large requests at once; try again later"}
}

// tooMuchMemory is a request that alone would take more memory than all may have.
func tooMuchMemory() *problem {
	return &problem{
		status: http.StatusRequestEntityTooLarge, code: codeBodyTooLarge,
		message: "the request would take more memory than this service gives to all at once; send fewer or smaller users",
	}
}
