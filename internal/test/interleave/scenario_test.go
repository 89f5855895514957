package interleave

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// A scenario is a small job, the users that there are before it, and what other
// programs may write while it runs.
type scenario struct {
	name  string
	opts  bulk.Options
	users []seed
	rows  []row
	ops   []op
}

// A seed is a user that exists before the job.
type seed struct {
	id, email string
	val       int
}

// A row is a row of the job. Besides val it writes a field of its own, the
// witness, unless it is plain: a plain row can come to nothing (unchanged).
type row struct {
	id, email string
	val       int
	plain     bool
}

// An op is what another program may do while the job runs, at most times times
// (0 is once).
type op struct {
	kind      opKind
	id, email string
	val       int
	times     int
}

type opKind int

const (
	set    opKind = iota // an import sets val; each time to a new value
	move                 // an import gives the user another email
	create               // an import creates the user, with email and val
	host                 // a host sets val and leaves the mark as it is
)

// Emails and values as they are used below.
const (
	x     = "x@example.com"
	y     = "y@example.com"
	z     = "z@example.com"
	free1 = "free1@example.com" // what moves a user off an address
	free2 = "free2@example.com"
)

var (
	upsert     = bulk.Options{Upsert: true}
	skip       = bulk.Options{Upsert: true, SkipDuplicates: true}
	createOnly = bulk.Options{}
)

func withA(email string) []seed { return []seed{{"a", email, 50}} }

func withAB(a, b string) []seed { return []seed{{"a", a, 50}, {"b", b, 51}} }

// scenarios are the shapes in which rows, users and other writes meet. Each was
// found to break some protocol that looked right.
func scenarios() []scenario {
	setA := op{kind: set, id: "a", val: 90}
	return []scenario{
		{name: "id", opts: upsert, users: withA(x),
			rows: []row{{id: "a", val: 7}},
			ops:  []op{{kind: set, id: "a", val: 90, times: 3}}},
		{name: "idhost", opts: upsert, users: withA(x),
			rows: []row{{id: "a", val: 7}},
			ops:  []op{{kind: host, id: "a", val: 80, times: 2}, setA}},
		{name: "idmail", opts: upsert, users: withAB(x, ""), // a row takes an email that another takes and frees
			rows: []row{{id: "a", email: y, val: 7}},
			ops:  []op{{kind: move, id: "b", email: y}, {kind: move, id: "b", email: free1}, setA}},
		{name: "mailnew", opts: upsert,
			rows: []row{{email: y, val: 7}},
			ops:  []op{{kind: create, id: "b", email: y, val: 51}, {kind: move, id: "b", email: z}}},
		{name: "mailnewskip", opts: skip,
			rows: []row{{email: y, val: 7}},
			ops:  []op{{kind: create, id: "b", email: y, val: 51}, {kind: move, id: "b", email: z}}},
		{name: "mailmove", opts: upsert, users: withAB(y, x), // the address moves from user to user
			rows: []row{{email: y, val: 7}},
			ops:  []op{{kind: move, id: "a", email: z}, {kind: move, id: "b", email: y}, setA}},
		{name: "two", opts: upsert, users: withA(x),
			rows: []row{{id: "a", val: 7}, {id: "a", val: 8}},
			ops:  []op{setA}},
		{name: "twoeq", opts: upsert, users: withA(x),
			rows: []row{{id: "a", val: 7}, {id: "a", val: 7, plain: true}},
			ops:  []op{setA}},
		{name: "twonew", opts: createOnly,
			rows: []row{{id: "a", email: y, val: 7}, {id: "a", val: 8}},
			ops:  []op{{kind: create, id: "a", email: x, val: 51}}},
		{name: "moves", opts: upsert, users: withAB(x, y), // a gives its address up, b takes it, then the address
			rows: []row{{id: "a", email: z}, {id: "b", email: x}, {email: x, val: 7}},
			ops:  []op{{kind: move, id: "a", email: y}, {kind: set, id: "b", val: 90}}},
		{name: "mix", opts: upsert, users: withA(x),
			rows: []row{{email: x, val: 7}, {id: "a", email: y}, {email: x, val: 8}},
			ops:  []op{setA}},
		{name: "three", opts: upsert, users: withA(x),
			rows: []row{{id: "a", val: 7}, {id: "a", val: 8}, {id: "a", val: 9}}},
		{name: "four", opts: upsert, users: withA(x),
			rows: []row{{id: "a", val: 7}, {email: x, val: 8}, {id: "a", email: y}, {email: x, val: 9}},
			ops:  []op{setA}},
		{name: "mailmove2", opts: upsert, users: withAB(y, x),
			rows: []row{{email: y, val: 7}, {email: y, val: 8}},
			ops:  []op{{kind: move, id: "a", email: z}, {kind: move, id: "b", email: y}, setA}},
		{name: "newmove", opts: upsert, users: withAB(x, ""),
			rows: []row{{email: y, val: 7}, {id: "b", email: y}},
			ops:  []op{{kind: move, id: "a", email: y}, {kind: move, id: "a", email: z}}},
		{name: "unchg", opts: upsert, users: withA(x),
			rows: []row{{id: "a", val: 50, plain: true}, {id: "a", val: 8}, {id: "a", val: 50, plain: true}},
			ops:  []op{setA}},
		{name: "cotaken", opts: createOnly,
			rows: []row{{id: "a", email: y, val: 7}, {id: "a", val: 8}, {id: "a", val: 8}},
			ops:  []op{{kind: create, id: "b", email: y, val: 51}}},
		{name: "counchg", opts: upsert, users: withAB(x, ""),
			rows: []row{{id: "a", email: y, val: 7}, {id: "a", val: 7, plain: true}, {id: "a", val: 8}},
			ops:  []op{{kind: move, id: "b", email: y}}},
		{name: "taken", opts: upsert, users: withAB(x, ""), // a takes the address of a new user, and is to give it up
			rows: []row{{id: "a", email: x, val: 7}, {email: y, val: 50}},
			ops:  []op{{kind: move, id: "a", email: y}}},
		{name: "par", opts: upsert, users: withAB(x, y),
			rows: []row{{id: "a", val: 7}, {id: "b", val: 8}},
			ops:  []op{setA}},
	}
}

// text is the scenario in one line a row, for failures.
func (s *scenario) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "options %+v\n", s.opts)
	for _, u := range s.users {
		fmt.Fprintf(&b, "there is  %s %s val %d\n", u.id, u.email, u.val)
	}
	for i := range s.rows[:min(len(s.rows), maxLines)] {
		fmt.Fprintf(&b, "row %d     %s\n", i, s.rowJSON(i))
	}
	return b.String()
}

// rowJSON is a row as it is sent.
func (s *scenario) rowJSON(i int) []byte {
	r := s.rows[i]
	text, err := json.Marshal(struct {
		ID     string         `json:"userId,omitempty"`
		Email  string         `json:"email,omitempty"`
		Fields map[string]int `json:"customFields,omitempty"`
	}{r.id, r.email, s.fields(i)})
	if err != nil {
		panic(err)
	}
	return text
}

// fields are what a row sets.
func (s *scenario) fields(i int) map[string]int {
	fields := map[string]int{}
	if r := s.rows[i]; r.val != 0 {
		fields["val"] = r.val
	}
	if !s.rows[i].plain {
		fields[fmt.Sprintf("w%d", i)] = 1
	}
	return fields
}

// reader yields the rows.
func (s *scenario) reader() bulk.RowReader {
	rows := make([][]byte, len(s.rows))
	for i := range rows {
		rows[i] = s.rowJSON(i)
	}
	return &rowList{rows}
}

type rowList struct{ rows [][]byte }

func (l *rowList) Next() (bulk.Row, error) {
	if len(l.rows) == 0 {
		return bulk.Row{}, io.EOF
	}
	text := l.rows[0]
	l.rows = l.rows[1:]
	return bulk.Row{JSON: text}, nil
}

// A user is what a store holds of a user, as far as rows can change it.
type user struct {
	email  string
	fields map[string]string
}

func (u user) equal(v user) bool { return u.email == v.email && maps.Equal(u.fields, v.fields) }

func (u user) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q", u.email)
	for _, name := range slices.Sorted(maps.Keys(u.fields)) {
		fmt.Fprintf(&b, " %s=%s", name, u.fields[name])
	}
	return b.String()
}

// users are all users at one instant, by id. They are not changed once made.
type users map[string]user

func (us users) with(id string, u user) users {
	next := maps.Clone(us)
	if next == nil {
		next = users{}
	}
	next[id] = u
	return next
}

// owner returns the id of the user that has the email.
func (us users) owner(email string) (string, bool) {
	if email == "" {
		return "", false
	}
	for id, u := range us {
		if u.email == email {
			return id, true
		}
	}
	return "", false
}

// A decision is what a row means at one instant.
type decision struct {
	status bulk.Status
	code   bulk.RowCode
	id     string
	writes bool
	user   user // after the write
}

// decide says what the contract makes of row i when the users are these. newID
// names the user that a row without an id creates.
func (s *scenario) decide(i int, us users, newID string) decision {
	r := s.rows[i]
	owner, owned := us.owner(r.email)
	id := r.id
	if id == "" {
		id = owner
	}
	u, exists := us[id]
	switch {
	case !exists && owned: // so the row has an id, which nobody has
		return decision{status: bulk.StatusFailed, code: bulk.CodeEmailTaken, id: id}
	case !exists:
		if id == "" {
			id = newID
		}
		return decision{status: bulk.StatusCreated, id: id, writes: true, user: s.merge(i, user{email: r.email})}
	case s.opts.SkipDuplicates:
		return decision{status: bulk.StatusSkipped, id: id}
	case !s.opts.Upsert:
		return decision{status: bulk.StatusFailed, code: bulk.CodeUserExists, id: id}
	case owned && owner != id:
		return decision{status: bulk.StatusFailed, code: bulk.CodeEmailTaken, id: id}
	}
	next := s.merge(i, u)
	if next.equal(u) {
		return decision{status: bulk.StatusUnchanged, id: id}
	}
	return decision{status: bulk.StatusUpdated, id: id, writes: true, user: next}
}

// merge applies a row to a user.
func (s *scenario) merge(i int, u user) user {
	next := user{email: u.email, fields: maps.Clone(u.fields)}
	if next.fields == nil {
		next.fields = map[string]string{}
	}
	if r := s.rows[i]; r.id != "" && r.email != "" {
		next.email = r.email
	}
	for name, value := range s.fields(i) {
		next.fields[name] = fmt.Sprint(value)
	}
	return next
}
