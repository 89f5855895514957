package audit

import (
	"fmt"
	"sync"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A User names a user of a tenant.
type User struct{ Tenant, ID string }

func (u User) String() string { return u.Tenant + "/" + u.ID }

// An Import is a request as it is sent.
type Import struct {
	Name    string // no other import has it
	Tenant  string
	Options bulk.Options
	Rows    []Row
}

// A Row is what a row does, as far as it can be seen afterwards.
type Row struct {
	UserID, Email string
	// Witness is the custom field that this row alone sets, on whatever user it
	// is applied to; "" for a row that must change nothing.
	Witness string
	// Erases are the witnesses that the row removes from the user that UserID
	// names. All were seen on that user before the import began.
	Erases []string
	// Invalid says that the row must fail validation.
	Invalid bool
}

// A row is a row and where it stands.
type row struct {
	Row
	of    *record
	index int
	// on has the users on which the witness was seen; one at most, if all is well.
	on map[User]*sighting
	// contradicted says that it was applied although its result says otherwise.
	contradicted bool
}

// A sighting is when a witness was seen on a user for the first time.
type sighting struct {
	// seen is when the read that saw it had ended.
	seen time.Duration
	// absent is when the last read that did not see it had begun, 0 if there was
	// none.
	absent time.Duration
}

// A state is what is known of the answer to an import.
type state int

const (
	open       state = iota // no answer yet
	answered                // there are results
	refused                 // the caller was told that nothing was written
	unanswered              // the caller was told nothing: rows may be applied or not
)

// A record is an import and what became of it.
type record struct {
	Import
	rows    []*row
	state   state
	begun   time.Duration // before it was sent
	ended   time.Duration // from when on nothing of it may be written, 0 if that is not known
	status  bulk.JobStatus
	results []bulk.RowResult
}

// An Auditor collects what was sent, answered and seen. It is safe for concurrent
// use.
type Auditor struct {
	mu       sync.Mutex
	imports  map[string]*record
	order    []*record // in the order of Begin
	rows     map[string]*row
	users    map[User]*user
	owners   map[User]map[string]bool // by tenant and email: the ids that ever had it
	found    map[Finding]bool
	findings []Finding
	tally    Tally
}

// New returns an auditor that knows nothing yet.
func New() *Auditor {
	return &Auditor{
		imports: make(map[string]*record),
		rows:    make(map[string]*row),
		users:   make(map[User]*user),
		owners:  make(map[User]map[string]bool),
		found:   make(map[Finding]bool),
	}
}

// Begin tells of an import that is about to be sent.
func (a *Auditor) Begin(im Import, now time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.imports[im.Name] != nil {
		panic("audit: import " + im.Name + " begins twice")
	}
	r := &record{Import: im, begun: now}
	for i := range im.Rows {
		one := &row{Row: im.Rows[i], of: r, index: i, on: make(map[User]*sighting)}
		r.rows = append(r.rows, one)
		if one.Witness == "" {
			continue
		}
		if a.rows[one.Witness] != nil {
			panic(fmt.Sprintf("audit: two rows have the witness %s", one.Witness))
		}
		a.rows[one.Witness] = one
	}
	a.imports[im.Name] = r
	a.order = append(a.order, r)
}

// user returns what is known of a user.
func (a *Auditor) user(u User) *user {
	known := a.users[u]
	if known == nil {
		known = newUser()
		a.users[u] = known
	}
	return known
}
