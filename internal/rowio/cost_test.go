package rowio_test

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/internal/rowio"
	"github.com/bulkops/bulkops/internal/test/race"
)

// A cost is what it takes to read a body, or to refuse it.
type cost struct {
	allocated uint64 // bytes, whether they are garbage by then or not
	errors    int    // that rows have
}

func costOf(format string, body io.Reader) (c cost) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := readers[format](body)
	for {
		row, err := r.Next()
		if err != nil {
			break
		}
		c.errors += len(row.Errors)
	}
	runtime.ReadMemStats(&after)
	c.allocated = after.TotalAlloc - before.TotalAlloc
	return c
}

// most is what reading a body of that size may allocate, garbage included: buffers
// that double until a row fits (four times its size), a cell without its quotes, the
// row with escapes, and texts of errors.
func (c cost) most(format string, size int) uint64 {
	held, factor, fixed := rowio.MaxRow, 9, 512<<10
	if format != "csv" {
		// Of a value that is too long for a row the decoder holds twice as much, and
		// doubles that for the rest of a string. It nests up to 10,000 levels.
		held, factor, fixed = 4*rowio.MaxRow, 4, 2<<20
	}
	return uint64(fixed+factor*min(size, held)) + 512*uint64(c.errors)
}

// Bodies that are made to cost more than they are worth do not.
func TestHostileBodies(t *testing.T) {
	size := 18 << 20 // more than the decoder holds of a string
	if race.Enabled {
		size = 1 << 20
	}
	fill := func(before, part, after string) func() io.Reader {
		part = strings.Repeat(part, max(1, 4<<10/len(part)))
		return func() io.Reader {
			return io.MultiReader(strings.NewReader(before), repeat(part, size/len(part)), strings.NewReader(after))
		}
	}
	var columns strings.Builder
	for i := range 1999 {
		fmt.Fprintf(&columns, ",metadata.%d:number", i)
	}
	block := strings.Repeat("x", 64<<10)
	for name, test := range map[string]struct {
		format string
		body   func() io.Reader
	}{
		"header of commas":                {"csv", fill("userId", ",", "")},
		"header of notes":                 {"csv", fill("userId", ",_line", "\nu\n")},
		"header of one name":              {"csv", fill("userId,", block, "\nu\n")},
		"header of quotes":                {"csv", fill("userId,\"", `""`, "\"\nu\n")},
		"empty lines before the header":   {"csv", fill("", "\r\n", "userId\nu\n")},
		"empty records before the header": {"csv", fill("", ",\n", "userId,email\nu,\n")},
		"row of commas":                   {"csv", fill("userId\nu", ",", "\nv\n")},
		"row of cells":                    {"csv", fill("userId\nu", ",x", "\nv\n")},
		"row of quotes":                   {"csv", fill("userId\n\"", `""`, "\"\nv\n")},
		"one cell":                        {"csv", fill("userId\n", block, "\nv\n")},
		"many cells that are nearly rows": {"csv", fill("userId\n", strings.Repeat("\x01", 5<<20)+"\n", "v\n")},
		"rows of quotes that fit":         {"csv", fill("userId\n", "\""+strings.Repeat(`""`, 1<<20)+"\"\n", "v\n")},
		"controls":                        {"csv", fill("userId\n", strings.Repeat("\x01", 4<<20-10)+"\n", "v\n")},
		"quotes to be escaped":            {"csv", fill("userId\n", strings.Repeat("x\"", 2<<20-10)+"\n", "v\n")},
		"apostrophes":                     {"csv", fill("_index,userId\n", ","+strings.Repeat("';", 2<<20-10)+"\n", ",v\n")},
		"an open quote":                   {"csv", fill("userId\n\"", "x\n", "")},
		"empty lines":                     {"csv", fill("userId\n", "\n", "u\n")},
		"empty records":                   {"csv", fill("userId,email\n", ",\n", "u,\n")},
		"short rows":                      {"csv", fill("userId"+columns.String()+"\n", "u\n", "")},
		"wrong cells":                     {"csv", fill("userId"+columns.String()+"\n", "u"+strings.Repeat(",x", 1999)+"\n", "")},
		"whole objects":                   {"csv", fill("userId,metadata:json\n", "u,{"+strings.Repeat(" ", 4<<20-100)+"}\n", "v,{}\n")},
		"blank lines":                     {"ndjson", fill("", "\n", "1")},
		"lines of spaces":                 {"ndjson", fill("", " \r\n", "1")},
		"a long line":                     {"ndjson", fill("\"", block, "\"\n1\n")},
		"a long line of brackets":         {"ndjson", fill("[", "[],", "[]]\n1\n")},
		"a long string":                   {"json", fill(`{"users":["`, block, `",1]}`)},
		"a long name":                     {"json", fill(`{"users":[{"`, block, `":1},1]}`)},
		"a long number":                   {"json", fill(`{"users":[`, strings.Repeat("1", 1000), `,1]}`)},
		"a long array":                    {"json", fill(`{"users":[[`, "1,", `1],1]}`)},
		"many small names":                {"json", fill(`{"users":[{"a":1`, `,"a":1`, `},1]}`)},
		"unknown keys":                    {"json", fill(`{"a":1`, `,"a":1`, `,"users":[1]}`)},
		"unknown options":                 {"json", fill(`{"options":{"a":1`, `,"a":1`, `},"users":[1]}`)},
		"blanks":                          {"json", fill(`{"users":[`, " ", `1]}`)},
	} {
		c := costOf(test.format, test.body())
		assert.LessOrEqual(t, c.allocated, c.most(test.format, size), "%s: %s", test.format, name)
		t.Logf("%-6s %-32s %5.1f MB allocated, %d errors", test.format, name, float64(c.allocated)/1e6, c.errors)
	}
}

// FuzzCost repeats a text, behind a beginning that makes rows of it, and holds that
// reading it costs no more than its size allows, and as often as it is read from.
func FuzzCost(f *testing.F) {
	for _, text := range []string{
		"x\n", ",", "\"\"", "\"", ";=1,", "a,b\n", "{\"a\":[1,", "]}", "{},", "[", "\\u0000", "\ufeff", "\r\n", "'", " ", "1e999,", "{}\n", "\"\\\"\",", "_line,",
	} {
		for format := range byte(3) {
			f.Add(format, byte(format), text)
		}
	}
	beginnings := map[string][]string{
		"json":   {"", `{"users":[`, `{"users":[{"metadata":[`, `{"users":["`, `{"options":{"a":`},
		"ndjson": {"", "{}\n", `{"a":"`, `[[`},
		"csv":    {"", "userId\n", "_index,userId,metadata.a:number,metadata:json\n", "sep=;\nuserId;customFields.a:json\n", "userId,", "userId\n\""},
	}
	f.Fuzz(func(t *testing.T, format, beginning byte, text string) {
		text = cmp.Or(text, " ")
		text = text[:min(len(text), 1000)]
		name := []string{"json", "ndjson", "csv"}[format%3]
		start := beginnings[name][int(beginning)%len(beginnings[name])]
		body := start + strings.Repeat(text, 64<<10/len(text))
		counted := &countedReader{in: strings.NewReader(body)}
		c := costOf(name, counted)
		require.LessOrEqual(t, c.allocated, c.most(name, len(body)), "%s of %d bytes", name, len(body))
		require.LessOrEqual(t, counted.reads, 20+len(body)/1000, "rule: a text is read in pieces")

		slow := costOf(name, iotest.HalfReader(strings.NewReader(body)))
		require.LessOrEqual(t, slow.allocated, slow.most(name, len(body)))
	})
}

// A countedReader counts how often it is read from.
type countedReader struct {
	in    io.Reader
	reads int
}

func (r *countedReader) Read(p []byte) (int, error) {
	r.reads++
	return r.in.Read(p)
}
