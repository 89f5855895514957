package rowtext_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/internal/rowtext"
)

// A record is a record as it is read.
type record struct {
	line, gap   int
	cells       []string
	used, blank int
}

// readAll reads the records behind a header.
func readAll(text io.Reader, limit int) (records []record, err error) {
	r := rowtext.NewRecords(text, rowtext.Separators, limit)
	if _, err := r.Header(); err != nil {
		return nil, err
	}
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		got := record{line: rec.Line, gap: rec.Gap, used: rec.Used, blank: rec.Blank}
		for i := range rec.Known() {
			got.cells = append(got.cells, string(rec.Cell(i)))
		}
		if rec.TooLong {
			got.cells = []string{"too long", fmt.Sprint(rec.Cells)}
		}
		records = append(records, got)
	}
}

func TestRecords(t *testing.T) {
	long := strings.Repeat("x", 30_000)
	for name, test := range map[string]struct {
		text string
		want []record
	}{
		"plain":          {"a,b\r\nc\nd,", []record{{2, 0, []string{"a", "b"}, 2, 0}, {3, 0, []string{"c"}, 1, 0}, {4, 0, []string{"d", ""}, 1, 0}}},
		"quotes":         {"\"a,\"\"\r\nb\",\"\"\n\"\"\"\",c\"d", []record{{2, 0, []string{"a,\"\r\nb", ""}, 1, 0}, {4, 0, []string{`"`, `c"d`}, 2, 0}}},
		"ends":           {"a\r\n\"b\"\r\n\"c\"\n\"d\"\r", []record{{2, 0, []string{"a"}, 1, 0}, {3, 0, []string{"b"}, 1, 0}, {4, 0, []string{"c"}, 1, 0}, {5, 0, []string{"d"}, 1, 0}}},
		"passed over":    {"\n\r\n,,\r\n\"\",\na\n\n,\n", []record{{6, 4, []string{"a"}, 1, 0}}},
		"blanks, quotes": {"a, \"b\",\t\"c\"\n\" \"\"a\"\n", []record{{2, 0, []string{"a", ` "b"`, "\t\"c\""}, 3, 2}, {3, 0, []string{` "a`}, 1, 0}}},
		"long ones": {"a\n\"" + long + "\n\"," + long + "\nb\n" + strings.Repeat(long+",", 5) + ",,\n\"" + long + "\"\"" + long + "\r\n\"\r\nc\n" + strings.Repeat(",", 60_000) + "\nd",
			[]record{
				{2, 0, []string{"a"}, 1, 0}, {3, 0, []string{"too long", "2"}, 2, 0}, {5, 0, []string{"b"}, 1, 0}, {6, 0, []string{"too long", "8"}, 5, 0},
				{7, 0, []string{"too long", "1"}, 1, 0}, {9, 0, []string{"c"}, 1, 0}, {11, 1, []string{"d"}, 1, 0},
			}},
		"a long one at the end": {"a\n" + long + long, []record{{2, 0, []string{"a"}, 1, 0}, {3, 0, []string{"too long", "1"}, 1, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			for how, wrap := range map[string]func(io.Reader) io.Reader{
				"whole": func(r io.Reader) io.Reader { return r }, "a byte at a time": iotest.OneByteReader, "with its end": iotest.DataErrReader, "halves": iotest.HalfReader,
			} {
				got, err := readAll(wrap(strings.NewReader("userId\n"+test.text)), 40_000)
				require.NoError(t, err, how)
				assert.Equal(t, test.want, got, how)
			}
		})
	}
	many, err := readAll(strings.NewReader("userId\n"+strings.Repeat("x,", 2*rowtext.MaxCells)+",,\n"), 40_000)
	require.NoError(t, err)
	assert.Len(t, many[0].cells, rowtext.MaxCells, "rule: of too many cells no more are held")
	assert.Equal(t, 2*rowtext.MaxCells, many[0].used)
}

func TestRecordsRefused(t *testing.T) {
	long := strings.Repeat("x", 30_000)
	for text, want := range map[string]rowtext.Error{
		"a\nb,\"c\nd":             {Line: 3, Message: "the quoted cell of the record that starts here has no end"},
		"a\n\"" + long + long:     {Line: 3, Message: "the quoted cell of the record that starts here has no end"},
		"a,\"b\nc\" \nd":          {Line: 3, Message: "the CSV has text behind the closing quote of cell 2"},
		long + long + ",\"b\"c":   {Line: 2, Message: "the CSV has text behind the closing quote of cell 2"},
		"a\nb,c\rd\n":             {Line: 3, Message: "the CSV has a carriage return that no line feed follows, in cell 2"},
		"a\n\"b\"\r,\n":           {Line: 3, Message: "the CSV has a carriage return that no line feed follows, in cell 1"},
		"a\n\"\n\xff\"\n":         {Line: 4, Message: "the CSV is " + rowtext.NotUTF8},
		"\xe9,\xf6" + long + "\n": {Line: 2, Message: "the CSV is " + rowtext.NotUTF8},
	} {
		for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader} {
			_, err := readAll(wrap(strings.NewReader("userId\n"+text)), 40_000)
			var refused *rowtext.Error
			require.ErrorAs(t, err, &refused, "%.20q", text)
			assert.Equal(t, want, *refused, "%.20q", text)
		}
	}
	broken := errors.New("connection reset")
	for _, text := range []string{"", "user", "userId\na", "userId\n\"a", "userId\na\n"} {
		_, err := readAll(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), 100)
		assert.ErrorIs(t, err, broken, text)
		var refused *rowtext.Error
		assert.NotErrorAs(t, err, &refused, text)
	}
	_, err := readAll(stuck{}, 100)
	assert.ErrorIs(t, err, io.ErrNoProgress)
}

// stuck is a stream that never says anything.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// FuzzRecords reads a text as a whole, a byte at a time and with little memory, and
// as encoding/csv does.
func FuzzRecords(f *testing.F) {
	for _, text := range []string{"a,b\n", "\"a\"\"\n\",b\r\n\r\n", ",,\n\"\",\nx", "a\"b, \"c\"", "\"a\" b", "a\rb", "\"", "a\r"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = "userId,email\n" + text
		whole, err := readAll(strings.NewReader(text), 1<<20)
		slow, slowErr := readAll(iotest.OneByteReader(strings.NewReader(text)), 1<<20)
		require.Equal(t, whole, slow)
		require.Equal(t, err, slowErr)

		short, shortErr := readAll(iotest.OneByteReader(strings.NewReader(text)), 16)
		if err == nil {
			require.NoError(t, shortErr)
			require.Len(t, short, len(whole))
		}
		for i := range min(len(short), len(whole)) {
			require.Equal(t, whole[i].line, short[i].line, "rule: records that are too long end where they end")
			require.Equal(t, whole[i].used, short[i].used)
		}

		std := csv.NewReader(strings.NewReader(text))
		std.FieldsPerRecord = -1
		records, stdErr := std.ReadAll()
		if stdErr != nil || err != nil || strings.Contains(text, "\r") {
			return // carriage returns are what encoding/csv treats in its own way
		}
		records = records[1:]
		for _, rec := range whole {
			for len(records) > 0 && strings.Join(records[0], "") == "" {
				records = records[1:]
			}
			require.NotEmpty(t, records)
			require.Equal(t, records[0], rec.cells)
			records = records[1:]
		}
	})
}
