package suites_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// naughtyStrings is how many strings version 1.0.0 of the list has.
const naughtyStrings = 461

// readNaughty reads the Big List of Naughty Strings.
func readNaughty(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(need(t, envNaughty), "blns.json"))
	require.NoError(t, err)
	var list []string
	require.NoError(t, json.Unmarshal(text, &list))
	require.Len(t, list, naughtyStrings, "rule: no string is left out")
	return list
}

// A user is a row that is sent, and a user that is stored.
type user struct {
	UserID       string         `json:"userId"`
	Email        string         `json:"email"`
	CustomFields map[string]any `json:"customFields,omitempty"`
	Metadata     map[string]any `json:"metadata,omitempty"`
}

// newUser returns a valid user whose id and email no other has.
func newUser(i int) user {
	return user{UserID: fmt.Sprintf("user-%d", i), Email: fmt.Sprintf("user-%d@example.com", i)}
}

// fields are the places of a row that a string can stand in.
var fields = []struct {
	name string
	set  func(u *user, s string)
}{
	{"userId", func(u *user, s string) { u.UserID = s }},
	{"email", func(u *user, s string) { u.Email = s }},
	{"email, local part", func(u *user, s string) { u.Email = s + "@example.com" }},
	{"email, domain", func(u *user, s string) { u.Email = "user@" + s + ".example.com" }},
	{"custom field value", func(u *user, s string) { u.CustomFields = map[string]any{"value": s} }},
	{"custom field name", func(u *user, s string) { u.CustomFields = map[string]any{s: "value"} }},
	{"custom field nested value", func(u *user, s string) { u.CustomFields = nestedValue(s) }},
	{"custom field nested name", func(u *user, s string) { u.CustomFields = nestedName(s) }},
	{"metadata value", func(u *user, s string) { u.Metadata = map[string]any{"value": s} }},
	{"metadata name", func(u *user, s string) { u.Metadata = map[string]any{s: "value"} }},
	{"metadata nested value", func(u *user, s string) { u.Metadata = nestedValue(s) }},
	{"metadata nested name", func(u *user, s string) { u.Metadata = nestedName(s) }},
}

func nestedValue(s string) map[string]any {
	return map[string]any{"outer": map[string]any{"inner": s, "list": []any{s, []any{s}}}}
}

func nestedName(s string) map[string]any {
	return map[string]any{"outer": map[string]any{"list": []any{map[string]any{s: "value"}}}}
}

// A format is a way to send rows. Its rows are written by packages of the standard
// library, as those of a caller may be.
type format struct {
	name, contentType string
	write             func(*testing.T, []user) string
	// Whether an empty string is an absent one, by the rule that an empty cell is
	// an absent field.
	absentWhenEmpty
}

// absentWhenEmpty says of which strings empty ones are absent.
type absentWhenEmpty struct{ identity, value bool }

var formats = []format{
	{"JSON", "application/json", writeJSON, absentWhenEmpty{}},
	{"NDJSON", "application/x-ndjson", writeNDJSON, absentWhenEmpty{}},
	{"CSV", "text/csv", writeCSV, absentWhenEmpty{identity: true, value: true}},
}

func writeJSON(t *testing.T, users []user) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"users": users})
	require.NoError(t, err)
	return string(text)
}

func writeNDJSON(t *testing.T, users []user) string {
	t.Helper()
	var text strings.Builder
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false) // JSON has these escapes
	for _, u := range users {
		require.NoError(t, lines.Encode(u))
	}
	return text.String()
}

// hasBlankEnds reports whether a name is empty, or has blanks at its ends, which a
// header loses.
func hasBlankEnds(object map[string]any) bool {
	for name := range object {
		if name == "" || strings.TrimSpace(name) != name {
			return true
		}
	}
	return false
}

// writeCSV writes a column for each field that any of the users has. A field with
// the empty name, or with blanks at its ends, has none of its own: the object is in
// a column as a whole.
func writeCSV(t *testing.T, users []user) string {
	t.Helper()
	header := []string{"userId", "email"}
	columns := map[string]int{}
	records := make([]map[int]string, len(users))
	for i, u := range users {
		records[i] = map[int]string{0: guard(u.UserID), 1: guard(u.Email)}
		put := func(column, cell string) {
			cell = guard(cell)
			at, ok := columns[column]
			if !ok {
				at = len(header)
				columns[column] = at
				header = append(header, column)
			}
			records[i][at] = cell
		}
		for part, object := range map[string]map[string]any{"customFields": u.CustomFields, "metadata": u.Metadata} {
			if hasBlankEnds(object) {
				put(part+":json", marshal(t, object))
				continue
			}
			for name, value := range object {
				switch text, ok := value.(string); {
				case !ok:
					put(part+"."+name+":json", marshal(t, value))
				case strings.Contains(name, ":"):
					put(part+"."+name+":string", text)
				default:
					put(part+"."+name, text)
				}
			}
		}
	}
	table := [][]string{header}
	for _, record := range records {
		cells := make([]string, len(header))
		for at, cell := range record {
			cells[at] = cell
		}
		table = append(table, cells)
	}
	return csvOf(t, table...)
}

// csvOf writes records as they are.
func csvOf(t *testing.T, records ...[]string) string {
	t.Helper()
	var text strings.Builder
	require.NoError(t, csv.NewWriter(&text).WriteAll(records))
	return text.String()
}

// losesApostrophe matches the cells that lose an apostrophe when they are read,
// because the results have one put in front of such cells.
var losesApostrophe = regexp.MustCompile(`^'+[=+\-@\t\r\n＝＋－＠]`)

// guard returns the cell for a text. All but a few texts are their own cells, those
// that a spreadsheet would run included.
func guard(text string) string {
	if losesApostrophe.MatchString(text) {
		return "'" + text
	}
	return text
}

func marshal(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}

// The rules of the contract for identifiers, written as the contract writes them.
var (
	validID    = regexp.MustCompile(`^[^\p{Cc}` + space + `]([^\p{Cc}]{0,254}[^\p{Cc}` + space + `])?$`)
	validEmail = func() *regexp.Regexp {
		const text = `[^@\p{Cc}` + space + `]+`
		return regexp.MustCompile(`^` + text + `@` + text + `\.` + text + `$`)
	}()
)

// space is ECMAScript's \s in a character class: WhiteSpace and LineTerminator of
// ECMA-262.
const space = `\t\n\v\f\r\x{20}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`

// problem returns the one code that the contract has for a user, or "".
func (u user) problem(absent absentWhenEmpty) bulk.RowCode {
	switch {
	case !validID.MatchString(u.UserID) && (u.UserID != "" || !absent.identity):
		return bulk.CodeInvalidUserID
	case !validEmail.MatchString(u.Email) && (u.Email != "" || !absent.identity):
		return bulk.CodeInvalidEmail
	case hasBadText(u.CustomFields):
		return bulk.CodeInvalidCustomFields
	case hasBadText(u.Metadata):
		return bulk.CodeInvalidMetadata
	default:
		return ""
	}
}

// hasBadText reports whether a name is empty, or U+0000 is in a name or a string.
func hasBadText(value any) bool {
	switch value := value.(type) {
	case string:
		return strings.Contains(value, "\x00")
	case map[string]any:
		for name, member := range value {
			if name == "" || hasBadText(name) || hasBadText(member) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(value, hasBadText)
	}
	return false
}

// stored is the user that a valid row becomes. An id that it lacks stays empty.
func (u user) stored(absent absentWhenEmpty) user {
	withoutEmpty := func(object map[string]any) map[string]any {
		kept := map[string]any{}
		for name, value := range object {
			if value != "" || !absent.value {
				kept[name] = value
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	}
	u.CustomFields, u.Metadata = withoutEmpty(u.CustomFields), withoutEmpty(u.Metadata)
	return u
}

// asciiLower is what emails are compared by.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// A tally counts rows by the code of their error, "" for those that were stored.
type tally map[bulk.RowCode]int

func (n tally) rows() (sum int) {
	for _, count := range n {
		sum += count
	}
	return sum
}

// check checks that each row became a user that is the same byte by byte, or
// failed with exactly the code that the contract has for it.
func (w *world) check(sent []user, results []rowResult, absent absentWhenEmpty) tally {
	w.t.Helper()
	n := tally{}
	require.Len(w.t, results, len(sent))
	var (
		want   []user // in the order of their last rows
		refs   []bulk.Ref
		byID   = map[string]int{}
		owners = map[string]string{} // ids by email
	)
	for i, u := range sent {
		result := results[i]
		problem := u.problem(absent)
		if email := asciiLower(u.Email); problem == "" && email != "" {
			if owner, ok := owners[email]; ok && owner != u.UserID {
				problem = bulk.CodeEmailTaken
			} else {
				owners[email] = u.UserID
			}
		}
		require.Equal(w.t, i, result.Index)
		assert.Equal(w.t, u.Email, result.Email, "rule: a result has the row's email as it was sent")
		if u.UserID != "" || problem != "" {
			assert.Equal(w.t, u.UserID, result.UserID, "rule: a result has the row's id as it was sent")
		}
		n[problem]++
		if problem != "" {
			assert.Equal(w.t, []bulk.RowCode{problem}, result.codes(), "row %+q", u)
			continue
		}
		if !assert.Empty(w.t, result.Errors, "row %+q", u) {
			continue
		}
		stored := u.stored(absent)
		stored.UserID = result.UserID // of one without an id, it is generated
		assert.NotEmpty(w.t, stored.UserID)
		if at, ok := byID[stored.UserID]; ok {
			want[at] = stored // a later row of the same user
			refs[at].Email = stored.Email
			continue
		}
		byID[stored.UserID] = len(want)
		want = append(want, stored)
		refs = append(refs, bulk.Ref{ID: stored.UserID, Email: stored.Email})
	}
	for i, found := range w.lookup(refs) {
		if !assert.NotNil(w.t, found.ByID, "rule: a user is found by its id: %+q", want[i]) {
			continue
		}
		got := user{
			UserID: found.ByID.ID, Email: found.ByID.Email,
			CustomFields: decoded(w.t, found.ByID.CustomFields), Metadata: decoded(w.t, found.ByID.Metadata),
		}
		assert.Equal(w.t, want[i], got, "rule: what is stored is what was sent, byte by byte")
		if want[i].Email != "" && assert.NotNil(w.t, found.ByEmail, "rule: a user is found by its email: %+q", want[i]) {
			assert.Equal(w.t, found.ByID, found.ByEmail)
		}
	}
	return n
}

// ways are how users are sent. Each returns what became of all of them.
var ways = []struct {
	name string
	send func(*testing.T, format, []user) tally
}{
	{"sync", sendSync},
	{"job", sendJob},
	{"mended", sendMended},
}

// TestNaughtyStrings sends every string of
// https://github.com/minimaxir/big-list-of-naughty-strings in every field that a
// string can stand in, by every format: as small requests, as a job, and in rows
// that fail, whose CSV is mended and sent again.
func TestNaughtyStrings(t *testing.T) {
	list := readNaughty(t)
	require.False(t, slices.ContainsFunc(list, losesApostrophe.MatchString), "every string alone is its own cell in CSV")
	var mu sync.Mutex
	total := tally{}
	for _, f := range formats {
		for _, field := range fields {
			users := make([]user, len(list))
			for i, s := range list {
				users[i] = newUser(i)
				field.set(&users[i], s)
			}
			for _, way := range ways {
				t.Run(f.name+"/"+field.name+"/"+way.name, func(t *testing.T) {
					t.Parallel()
					n := way.send(t, f, users)
					assert.Equal(t, len(list), n.rows(), "rule: no string is left out")
					mu.Lock()
					defer mu.Unlock()
					for code, count := range n {
						total[code] += count
					}
				})
			}
		}
	}
	t.Cleanup(func() { // after the parallel subtests
		rows, stored := total.rows(), total[""]
		delete(total, "")
		t.Logf("%d strings × %d fields × %d formats × %d ways = %d rows: %d stored byte by byte, %d refused with one code: %v",
			len(list), len(fields), len(formats), len(ways), rows, stored, rows-stored, total)
	})
}

// TestBlanksAroundColumnNames: a field's name in the header of CSV loses the blanks
// around it, and is refused if nothing is left. Each string that this changes is
// alone in a header, as two of them may come to the same name. TestNaughtyStrings has
// the others as columns.
func TestBlanksAroundColumnNames(t *testing.T) {
	var refused, trimmed int
	for _, s := range readNaughty(t) {
		if !hasBlankEnds(map[string]any{s: nil}) {
			continue
		}
		name := strings.TrimSpace(s)
		if name == "" {
			refused++
		} else {
			trimmed++
		}
		kinds := []string{":string", " : string "}
		if !strings.Contains(s, ":") {
			kinds = append(kinds, "") // names with a colon need a type
		}
		for _, part := range []string{"customFields", "metadata"} {
			for _, kind := range kinds {
				checkColumn(t, part+"."+s+kind, part, name)
			}
		}
	}
	t.Logf("of %d strings, %d are refused as names of columns and %d lose blanks", naughtyStrings, refused, trimmed)
	assert.Positive(t, refused)
	assert.Positive(t, trimmed)
}

// checkColumn imports a row with a column that holds this field of a part alone, or
// that is refused if the name is empty.
func checkColumn(t *testing.T, column, part, name string) {
	t.Helper()
	w := newWorld(t)
	a := w.post("text/csv", csvOf(t, []string{"userId", column}, []string{"u", "value"}), false)
	found := w.lookup([]bulk.Ref{{ID: "u"}})[0].ByID
	if name == "" {
		assert.Equal(t, http.StatusBadRequest, a.status, "%+q", column)
		assert.Equal(t, bulk.CodeInvalidRequest, a.Error.Code, "%+q", column)
		assert.Nil(t, found, "%+q", column)
		return
	}
	require.Equal(t, http.StatusOK, a.status, "%+q: %s", column, a.body)
	require.NotNil(t, found, "%+q", column)
	want := map[string]map[string]any{"customFields": nil, "metadata": nil}
	want[part] = map[string]any{name: "value"}
	assert.Equal(t, want, map[string]map[string]any{
		"customFields": decoded(t, found.CustomFields), "metadata": decoded(t, found.Metadata),
	}, "%+q", column)
}

// sendSync sends users in requests that are small enough to be answered at once.
func sendSync(t *testing.T, f format, users []user) tally {
	const most = 99
	w := newWorld(t)
	var results []rowResult
	for part := range slices.Chunk(users, most) {
		a := w.post(f.contentType, f.write(t, part), false)
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		before := len(results)
		for _, result := range a.Data.Results {
			result.Index += before
			results = append(results, result)
		}
	}
	return w.check(users, results, f.absentWhenEmpty)
}

// sendJob sends users as one job.
func sendJob(t *testing.T, f format, users []user) tally {
	w := newWorld(t)
	_, results := w.runJob(f.contentType, f.write(t, users))
	return w.check(users, results, f.absentWhenEmpty)
}

// fault is what makes an identifier invalid, with a control character, until
// mend has been over it.
const fault = "fault-%d\a"

var faults = regexp.MustCompile(`fault-(\d+)\a`)

// sendMended sends users that all fail, for a fault in a field that is not under
// test, mends the fault in the CSV of the failed rows, and sends that.
func sendMended(t *testing.T, f format, users []user) tally {
	faulty := slices.Clone(users)
	mend := "user-$1"
	for i, u := range users {
		if plain := newUser(i); u.UserID == plain.UserID {
			faulty[i].UserID = fmt.Sprintf(fault, i)
		} else {
			faulty[i].Email = fmt.Sprintf(fault, i)
			mend = "user-$1@example.com"
		}
	}
	w := newWorld(t)
	id, results := w.runJob(f.contentType, f.write(t, faulty))
	require.Len(t, results, len(users))
	for i, result := range results {
		code := bulk.CodeInvalidUserID
		if faulty[i].UserID == users[i].UserID {
			code = bulk.CodeInvalidEmail
		}
		want := []bulk.RowCode{code}
		if problem := users[i].problem(f.absentWhenEmpty); problem != "" {
			want = append(want, problem)
			slices.Sort(want)
		}
		got := result.codes()
		slices.Sort(got)
		require.Equal(t, want, got, "row %+q", faulty[i])
	}

	table := string(w.results(id, "csv&only=failed"))
	checkDefused(t, table)
	require.Len(t, faults.FindAllString(table, -1), len(users))
	_, results = w.runJob("text/csv", faults.ReplaceAllString(table, mend))
	// An empty cell for an identifier is none; empty strings of fields are told
	// from absent ones as they were in the first request.
	return w.check(users, results, absentWhenEmpty{identity: true, value: f.value})
}

// checkDefused checks that a spreadsheet takes no cell of a table for a formula.
func checkDefused(t *testing.T, table string) {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(table, "\ufeff"))).ReadAll()
	require.NoError(t, err)
	for _, record := range records {
		for _, cell := range record {
			for _, start := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"} {
				if strings.HasPrefix(cell, start) {
					t.Errorf("rule: no cell begins like a formula: %q", cell)
				}
			}
		}
	}
}
