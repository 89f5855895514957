package bulk

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMarkText(t *testing.T) {
	text, ok := mark{"job_1", []markedRow{{0, markCreated}, {17, markUpdated}}}.text(nil)
	assert.True(t, ok)
	assert.Equal(t, "job_1:0c17u", text)

	text, ok = mark{"job_2", []markedRow{{3, markSkipped}}}.text([]string{text})
	assert.True(t, ok)
	assert.Equal(t, "job_1:0c17u job_2:3s", text)

	rows, others := parseMark(text, "job_1")
	assert.Equal(t, []markedRow{{0, markCreated}, {17, markUpdated}}, rows)
	assert.Equal(t, []string{"job_2:3s"}, others)
	rows, others = parseMark(text, "job_3")
	assert.Empty(t, rows)
	assert.Equal(t, []string{"job_1:0c17u", "job_2:3s"}, others)
}

func TestTextThatIsNoMarkHasNoRows(t *testing.T) {
	for _, text := range []string{"", " ", "hello world", "job_1", "job_1:", "job_1:c", "job_1:12", "job_1:99999999999999999999c"} {
		rows, _ := parseMark(text, "job_1")
		assert.Empty(t, rows, text)
	}
	rows, _ := parseMark("job_1:1c99999999999999999999c2c", "job_1")
	assert.Equal(t, []markedRow{{1, markCreated}}, rows, "what stands before the fault")
}

func TestMarksOfOtherImportsAreBounded(t *testing.T) {
	t.Run("Number", func(t *testing.T) {
		var others []string
		for i := range 10 {
			others = append(others, fmt.Sprintf("job_%d:1c", i))
		}
		text, ok := mark{"run", []markedRow{{1, markCreated}}}.text(others)
		assert.True(t, ok)
		assert.Equal(t, "job_6:1c job_7:1c job_8:1c job_9:1c run:1c", text, "the latest stay")
		assert.Len(t, others, 10)
	})
	t.Run("Bytes", func(t *testing.T) {
		long := "job_1:" + strings.Repeat("1c", 400)
		text, ok := mark{"run", nil}.text([]string{long, long, "job_2:1c"})
		assert.True(t, ok)
		assert.Equal(t, long+" job_2:1c run:", text)
		text, _ = mark{"run", nil}.text([]string{"job_2:1c", strings.Repeat("x", MaxMark)})
		assert.Equal(t, "run:", text)
	})
}

// TestMarkFitsWithoutOtherRows checks what rows rely on that have waited until
// nothing before them can be repeated: their mark always fits.
func TestMarkFitsWithoutOtherRows(t *testing.T) {
	run := newID("job_", testTime)
	others := []string{strings.Repeat("x", maxOtherBytes-1)}
	text, ok := mark{run, []markedRow{{999_999_999, markUserTooLarge}}}.text(others)
	assert.True(t, ok)
	assert.LessOrEqual(t, len(text), MaxMark)
}

func TestMarkThatIsTooLong(t *testing.T) {
	m := mark{run: "run"}
	for i := range MaxMark {
		text, ok := m.text(nil)
		require.Equal(t, len(text) <= MaxMark, ok, "%d rows, %d bytes", i, len(text))
		if !ok {
			return
		}
		m.rows = append(m.rows, markedRow{1000 + i, markUpdated})
	}
	t.Fatal("a mark of any length fits")
}

// TestRecallIsTheOutcome checks that what a row came to survives its letter.
func TestRecallIsTheOutcome(t *testing.T) {
	letters := map[byte]bool{}
	for _, d := range []decision{
		{status: StatusCreated}, {status: StatusUpdated}, {status: StatusUnchanged}, {status: StatusSkipped},
		{status: StatusFailed, errors: []RowError{userExists()}},
		{status: StatusFailed, errors: []RowError{emailTaken()}},
		{status: StatusFailed, errors: []RowError{userTooLarge()}},
		{status: StatusFailed, errors: []RowError{storeError(true)}},
		{status: StatusFailed, errors: []RowError{storeError(false)}},
	} {
		d.userID = "u"
		letter := outcomeOf(d.status, d.errors)
		assert.False(t, letters[letter], "letter %c stands for two outcomes", letter)
		letters[letter] = true
		assert.Equal(t, d, recall(letter, "u"))
	}
	assert.Equal(t, byte(markStoreError), outcomeOf(StatusFailed, nil))
	unknown := recall('?', "u")
	assert.Equal(t, []RowError{storeError(true)}, unknown.errors, "the letter of a later version")
}

func TestRecallRow(t *testing.T) {
	marked := func(id, mark string) *Stored { return &Stored{User: User{ID: id}, Mark: mark} }
	byEmail := planOf(t, `{"email":"a@x.y"}`)
	byEmail.index = 7
	d, ok := recallRow(byEmail, Found{ByEmail: marked("a", "job_0:7u job_1:6u7c")}, "job_1")
	assert.True(t, ok)
	assert.Equal(t, decision{status: StatusCreated, userID: "a"}, d)

	byID := planOf(t, `{"userId":"new","email":"a@x.y"}`)
	byID.index = 6
	d, ok = recallRow(byID, Found{ByEmail: marked("a", "job_1:6e7c")}, "job_1")
	assert.True(t, ok, "a row may be in the mark of a user that is not its own")
	assert.Equal(t, "new", d.userID)
	assert.Equal(t, []RowError{emailTaken()}, d.errors)

	for _, found := range []Found{
		{}, {ByID: marked("a", "")}, {ByID: marked("a", "job_0:6c")}, {ByID: marked("a", "job_1:5c")}, {ByID: marked("a", "job_11:6c")},
	} {
		_, ok = recallRow(byID, found, "job_1")
		assert.False(t, ok)
	}
}

func FuzzMark(f *testing.F) {
	f.Add([]byte{1, 2, 3}, "job_0:1c job_1:2u", "job_1")
	f.Add([]byte{0, 0, 255}, "no mark at: all:", "x")
	f.Fuzz(func(t *testing.T, seeds []byte, old, run string) {
		if run == "" || strings.ContainsAny(run, " :") {
			return
		}
		_, others := parseMark(old, run)
		letters := []byte{markCreated, markUpdated, markUnchanged, markSkipped, markUserExists, markEmailTaken, markUserTooLarge, markStoreError, markStoreRefused}
		m := mark{run: run}
		for i, seed := range seeds {
			m.rows = append(m.rows, markedRow{i*int(seed) + i, letters[int(seed)%len(letters)]})
		}
		text, ok := m.text(others)
		if ok != (len(text) <= MaxMark) {
			t.Fatalf("%d bytes fit: %t", len(text), ok)
		}
		rows, kept := parseMark(text, run)
		assert.Equal(t, m.rows, rows)
		if len(kept) > maxOtherRuns || len(strings.Join(kept, " ")) > maxOtherBytes {
			t.Fatalf("kept %q", kept)
		}
		assert.True(t, strings.HasSuffix(" "+strings.Join(others, " "), " "+strings.Join(kept, " ")) || len(kept) == 0, "the latest are kept")
	})
}
