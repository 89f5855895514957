package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// A body is the body of a request, and what is to become of its rows.
type body struct {
	text []byte
	rows []want
}

// A want is what a row is to come to. The zero value expects nothing.
type want struct {
	status bulk.Status
	code   bulk.RowCode // of the row's one error, "" if it is to have none
}

// readBody reads a request's body from a file. What is to become of its rows is
// not known, but how many there are is.
func readBody(name string) (*body, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var request struct {
		Users []json.RawMessage `json:"users"`
	}
	if err := json.Unmarshal(text, &request); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &body{text: text, rows: make([]want, len(request.Users))}, nil
}

// makeBody makes a request with n users, the same ones every time. Of a hundred
// rows, one is faulty, four name a user that an earlier row created, by id or by
// email, and one of these changes nothing.
func makeBody(n int) *body {
	b := &body{rows: make([]want, n)}
	var text bytes.Buffer
	text.WriteString(`{"users":[`)
	for i := range n {
		if i > 0 {
			text.WriteString(",\n")
		}
		var row string
		row, b.rows[i] = makeRow(i)
		text.WriteString(row)
	}
	text.WriteString(`],"options":{"upsert":true}}`)
	b.text = text.Bytes()
	return b
}

// makeRow makes a row and says what is to become of it.
func makeRow(i int) (string, want) {
	p := newPerson(i)
	switch i % 100 {
	case 9:
		kind := faults[i/100%len(faults)]
		return kind.row(i), want{bulk.StatusFailed, kind.code}
	case 23, 73: // an earlier user, by id
		return fmt.Sprintf(`{"userId":%q,"customFields":{"points":%d}}`, newPerson(i-5).id, i), want{status: bulk.StatusUpdated}
	case 31: // an earlier user, by an email in capitals: emails are compared without regard to case
		return fmt.Sprintf(`{"email":%q,"metadata":{"source":"hr"}}`, strings.ToUpper(newPerson(i-5).email)), want{status: bulk.StatusUpdated}
	case 61: // an earlier row once more
		return newPerson(i - 5).row(), want{status: bulk.StatusUnchanged}
	case 4, 54: // without an id, so one is generated
		return fmt.Sprintf(`{"email":%q}`, p.email), want{status: bulk.StatusCreated}
	default:
		return p.row(), want{status: bulk.StatusCreated}
	}
}

// A person is a user of the import.
type person struct {
	index     int
	id, email string
}

var (
	givenNames  = [...]string{"Ana", "Bruno", "Chiara", "David", "Elif", "Farid", "Grace"}
	familyNames = [...]string{"Almeida", "Becker", "Chen", "Diallo", "Eriksen"}
	teams       = [...]string{"Lakers", "Celtics", "Bulls", "Heat"}
)

func newPerson(i int) person {
	given, family := givenNames[i%len(givenNames)], familyNames[i/7%len(familyNames)]
	return person{
		index: i,
		id:    fmt.Sprintf("u-%05d", i),
		email: fmt.Sprintf("%s.%s.%05d@example.com", strings.ToLower(given), strings.ToLower(family), i),
	}
}

// row is a user with custom fields of all types. Its badge is a number that does
// not survive a float64.
func (p person) row() string {
	return fmt.Sprintf(`{"userId":%q,"email":%q,`+
		`"customFields":{"team":%q,"points":%d,"badge":%d,"active":%t,"address":{"city":"Porto","lines":["Rua %d"]}},`+
		`"metadata":{"source":"crm"}}`,
		p.id, p.email, teams[p.index%len(teams)], p.index%100, 9007199254740993+p.index, p.index%3 > 0, p.index)
}

// A fault is one way in which a row can be wrong.
type fault struct {
	code bulk.RowCode
	row  func(i int) string
}

// text is a fault whose row is always the same.
func text(row string) func(int) string { return func(int) string { return row } }

// faults has every row error that this request can have. USER_EXISTS takes the
// option upsert: false, and STORE_ERROR a store that fails.
var faults = []fault{
	{bulk.CodeInvalidEmail, text(`{"email":"not-an-email"}`)},
	{bulk.CodeMissingIdentifier, text(`{"customFields":{"team":"Lakers"}}`)},
	{bulk.CodeInvalidUser, text(`"ana@example.com"`)},
	{bulk.CodeInvalidUserID, text(`{"userId":42}`)},
	{bulk.CodeInvalidUserID, text(`{"userId":"line\nbreak"}`)},
	{bulk.CodeInvalidCustomFields, text(`{"userId":"u-fields","customFields":"team=Lakers"}`)},
	{bulk.CodeInvalidMetadata, text(`{"userId":"u-metadata","metadata":["crm"]}`)},
	{bulk.CodeUnknownField, text(`{"userId":"u-unknown","nickname":"Ace"}`)},
	{bulk.CodeDuplicateKey, text(`{"userId":"u-twice","userId":"u-again"}`)},
	{bulk.CodeInvalidCustomFields, text(`{"userId":"u-number","customFields":{"points":1e999}}`)},
	{bulk.CodeEmailTaken, func(i int) string {
		return fmt.Sprintf(`{"userId":"u-other-%d","email":%q}`, i, newPerson(i-1).email)
	}},
	{bulk.CodeInvalidEmail, text(`{"email":"ana\u00a0silva@example.com"}`)}, // a no-break space
	{bulk.CodeInvalidMetadata, text(`{"userId":"u-empty-name","metadata":{"":1}}`)},
	{bulk.CodeUserTooLarge, func(int) string {
		return fmt.Sprintf(`{"userId":"u-large","customFields":{"notes":%q}}`, strings.Repeat("x", bulk.MaxUser))
	}},
}
