package bulk

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// odd has characters that JSON escapes, or might.
const odd = "q\"b\\s/<&>\u2028\u2029\u00a0é\U0001f600\x7f\t"

func entriesOfEveryKind() map[string]entry {
	write := func(e entry) entry {
		e.Rows, e.UserID, e.Nonce = []entryRow{{3, StatusUpdated, nil}}, "u", "nonce001"
		return e
	}
	base := &entryBase{"v1", 7}
	text := fieldsText([]byte(`{"a":null,"b":{"c":[1,null,"x\"y"]},"d":9007199254740993}`))
	return map[string]entry{
		"Final":   {Rows: []entryRow{{0, StatusUnchanged, nil}}, UserID: "u"},
		"NoUser":  {Rows: []entryRow{{7, StatusFailed, []RowError{emailTaken(nil)}}}},
		"Several": {Rows: []entryRow{{1, StatusCreated, nil}, {2, StatusFailed, []RowError{userExists(), storeError(true)}}, {9999, StatusSkipped, nil}}, UserID: "u", Nonce: "n", Create: &User{ID: "u"}},
		"Create":  write(entry{Create: &User{ID: "u", Email: "u@x.y", CustomFields: text, Metadata: fieldsText([]byte(`{}`))}}),
		"Bare":    write(entry{Create: &User{ID: "u"}}),
		"Update":  write(entry{Base: base, Patch: entryPatch{Email: "n@x.y", CustomFields: text, Metadata: text}}),
		"Email":   write(entry{Base: base, Patch: entryPatch{Email: "n@x.y"}}),
		"Fields":  write(entry{Base: base, Patch: entryPatch{CustomFields: text}}),
		"Meta":    write(entry{Base: base, Patch: entryPatch{Metadata: text}}),
		"Nothing": write(entry{Base: base}),
		"NewBase": write(entry{Base: &entryBase{Version: "v"}}),
		"Odd": {Rows: []entryRow{{0, StatusFailed, []RowError{{Code: odd, Field: odd, Message: odd}}}}, UserID: odd, Nonce: odd,
			Base: &entryBase{odd, 1}, Patch: entryPatch{Email: odd}},
		"OddCreate": write(entry{Create: &User{ID: odd, Email: odd}}),
	}
}

// TestEntryJSON compares the text with that of encoding/json and reads it back, as
// a successor does.
func TestEntryJSON(t *testing.T) {
	for name, e := range entriesOfEveryKind() {
		t.Run(name, func(t *testing.T) {
			text := e.appendJSON([]byte("before"))
			require.Equal(t, "before", string(text[:6]))
			want, err := json.Marshal(e)
			require.NoError(t, err)
			assert.JSONEq(t, string(want), string(text[6:]))
			var back entry
			require.NoError(t, json.Unmarshal(text[6:], &back))
			assert.Equal(t, e, back)
		})
	}
}

// TestEntriesComeBackFromAChunk reads a whole chunk, with the nulls of its patches.
func TestEntriesComeBackFromAChunk(t *testing.T) {
	j := newJournal(guarded(blobMap{}), "f/", 9, syncBackoff, nil)
	var want []entry
	for _, e := range entriesOfEveryKind() {
		want = append(want, e)
		j.note(&e, false)
	}
	j.confirm(4)
	j.confirm(12)
	text, n := j.compose()
	assert.Equal(t, len(want), n)
	var c chunk
	require.NoError(t, json.Unmarshal(text, &c))
	assert.Equal(t, int64(9), c.Token)
	assert.Len(t, c.ID, nonceLength)
	assert.Equal(t, []int{4, 12}, c.Done)
	assert.Equal(t, want, c.Entries)
}

// marked is a user of that version with that mark.
func marked(version, mark string) *Stored {
	return &Stored{User: User{ID: "u"}, Version: version, Mark: mark}
}

// others returns a mark after n more writes of other imports.
func others(mark string, n int) string {
	for i := range n {
		mark = parseTrail(mark).push(nonceOf(500 + i))
	}
	return mark
}

// TestJudge has a case for each thing that may have become of an entry.
func TestJudge(t *testing.T) {
	const own = "the-nonc"
	create := &entry{Rows: []entryRow{{}}, UserID: "u", Nonce: own, Create: &User{ID: "u"}}
	base := trailOf(3)
	before := trailOf(2).push(nonceOf(3))
	update := &entry{Rows: []entryRow{{}}, UserID: "u", Nonce: own, Base: &entryBase{"v1", base.count}}
	first := &entry{Rows: []entryRow{{}}, UserID: "u", Nonce: own, Base: &entryBase{"v1", 0}}
	for _, test := range []struct {
		name string
		e    *entry
		user *Stored
		want verdict
	}{
		{"CreateAbsent", create, nil, live},
		{"CreateDone", create, marked("v", trail{}.push(own)), applied},
		{"CreateDoneAndWritten64Times", create, marked("v", others(trail{}.push(own), 64)), applied},
		{"CreateDoneAndWritten65Times", create, marked("v", others(trail{}.push(own), 65)), unknown},
		{"CreateByAnotherImport", create, marked("v", trailOf(1).push(own)), dead},
		{"CreateByAnotherProgram", create, marked("v", ""), dead},
		{"CreateByAnotherProgramWithAMark", create, marked("v", "its own"), dead},

		{"UpdateBaseThere", update, marked("v1", before), live},
		{"UpdateDone", update, marked("v2", base.push(own)), applied},
		{"UpdateDoneAndWrittenByAnotherProgram", update, marked("v9", base.push(own)), applied},
		{"UpdateDoneAndWritten64Times", update, marked("v", others(base.push(own), 64)), applied},
		{"UpdateDoneAndWritten65Times", update, marked("v", others(base.push(own), 65)), unknown},
		{"UpdateLost", update, marked("v2", base.push(nonceOf(9))), dead},
		{"UpdateLostLongAgo", update, marked("v2", others(before, 40)), dead},
		{"UpdateOwnNonceInAnotherPlace", update, marked("v2", trailOf(4).push(own)), dead},
		{"UpdateByAnotherProgram", update, marked("v2", before), dead},
		{"UpdateGone", update, nil, unknown},
		{"UpdateMadeAnew", update, marked("v2", trailOf(1).push(nonceOf(2))), unknown},
		{"UpdateMarkRemoved", update, marked("v2", ""), unknown},
		{"UpdateMarkBroken", update, marked("v2", "4:broken"), unknown},

		{"FirstBaseThere", first, marked("v1", ""), live},
		{"FirstDone", first, marked("v2", trail{}.push(own)), applied},
		{"FirstLost", first, marked("v2", trailOf(0).push(nonceOf(1))), dead},
		{"FirstByAnotherProgram", first, marked("v2", ""), dead},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, test.e.judge(test.user))
		})
	}
}

// TestEntryOfACreate aims at a user that nobody has.
func TestEntryOfACreate(t *testing.T) {
	user := User{ID: "u", Email: "u@x.y", CustomFields: fieldsText([]byte(`{"a":1}`))}
	e := &entry{Nonce: "nonce001"}
	e.aim(nil, &decision{user: Stored{User: user}}, true)
	assert.Nil(t, e.Base)
	assert.Equal(t, Write{User: user, Mark: "1:nonce001"}, e.write(nil))
}

// TestEntryOfSeveralRows aims at what the last of several writes makes of a user.
func TestEntryOfSeveralRows(t *testing.T) {
	base := stored("u", "u@x.y", `{"a":1,"b":2}`)
	base.Mark = trailOf(1).push(nonceOf(2))
	last := &decision{
		user:  Stored{User: User{ID: "u", Email: "U@x.y", CustomFields: fieldsText([]byte(`{"b":3,"c":4}`))}},
		patch: Patch{CustomFields: fieldsText([]byte(`{"c":4}`))}, // of the last row alone
	}
	e := &entry{Nonce: "nonce003"}
	e.aim(base, last, true)
	assert.Equal(t, &entryBase{"v1", 2}, e.Base)
	assert.Equal(t, entryPatch{Email: "U@x.y", CustomFields: fieldsText([]byte(`{"a":null,"b":3,"c":4}`)), Metadata: fieldsText([]byte(`{}`))}, e.Patch)

	w := e.write(base)
	assert.Equal(t, last.user.CustomFields, w.User.CustomFields)
	assert.Equal(t, "U@x.y", w.User.Email)
	assert.Same(t, base, w.Base)
	assert.Equal(t, trailOf(3), parseTrail(w.Mark))
}

// TestEntryOfOneRow keeps the patch of the row.
func TestEntryOfOneRow(t *testing.T) {
	base := stored("u", "u@x.y", `{"a":1}`)
	d := &decision{user: Stored{User: User{ID: "u", Email: "u@x.y", CustomFields: fieldsText([]byte(`{"a":1,"c":4}`))}},
		patch: Patch{CustomFields: fieldsText([]byte(`{"c":4}`))}}
	e := &entry{Nonce: "nonce001"}
	e.aim(base, d, false)
	got := e.write(base)
	assert.Equal(t, d.patch, got.Patch)
	assert.Equal(t, d.user.User, got.User)
	assert.Equal(t, trailOf(1), parseTrail(got.Mark))
}
