package rowio_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// blockRows is the number of rows that bodies repeat.
const blockRows = 1000

// A stream is a body of any length that takes no memory by itself.
type stream struct{ head, block, tail string }

// streams are the same rows in every format: mostly small, some of up to 20 KB.
func streams() map[string]stream {
	var json, ndjson, csv strings.Builder
	for i := range blockRows {
		bio := strings.Repeat("lorem ipsum ", i%20)
		if i%250 == 249 {
			bio = strings.Repeat("x", 20_000)
		}
		row := fmt.Sprintf(`{"userId":"u-%d","email":"user%d@example.com","customFields":{"points":%d,"bio":"%s"},"metadata":{"source":"crm"}}`, i, i, i, bio)
		json.WriteString(",\n" + row)
		ndjson.WriteString(row + "\n")
		fmt.Fprintf(&csv, "u-%d,user%d@example.com,%d,%s,crm\n", i, i, i, bio)
	}
	return map[string]stream{
		"json":   {`{"users":[{}`, json.String(), "]}"},
		"ndjson": {"{}\n", ndjson.String(), ""},
		"csv":    {"userId,email,customFields.points:number,customFields.bio,metadata.source\nfirst,,,,\n", csv.String(), ""},
	}
}

// times returns the body with its block n times. It has one row more than these.
func (s stream) times(n int) io.Reader {
	return io.MultiReader(strings.NewReader(s.head), repeat(s.block, n), strings.NewReader(s.tail))
}

func (s stream) size(n int) int64 {
	return int64(len(s.head)+len(s.tail)) + int64(n)*int64(len(s.block))
}

// zipped returns the body compressed.
func (s stream) zipped(tb testing.TB, n int) []byte {
	tb.Helper()
	var text bytes.Buffer
	zip := gzip.NewWriter(&text)
	_, err := io.Copy(zip, s.times(n))
	require.NoError(tb, err)
	require.NoError(tb, zip.Close())
	return text.Bytes()
}

// read reads all rows of a body whose block stands n times in it. It calls at
// before every row.
func read(tb testing.TB, format string, body io.Reader, n int, at func(row int)) {
	tb.Helper()
	r := readers[format](body)
	for row := 0; ; row++ {
		at(row)
		switch _, err := r.Next(); {
		case err == nil:
		case err == io.EOF && row == n*blockRows+1:
			return
		default:
			tb.Fatalf("reading stopped at row %d of %d: %v", row, n*blockRows+1, err)
		}
	}
}

// peakHeap returns the most heap in bytes, above that before, which is in use
// while a body is read, looked at 20 times, each time after a garbage collection.
func peakHeap(tb testing.TB, format string, body io.Reader, n int) float64 {
	tb.Helper()
	inUse := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	idle, peak := inUse(), 0.0
	every := n * blockRows / 20
	read(tb, format, body, n, func(row int) {
		if row > 0 && row%every == 0 {
			peak = max(peak, inUse()-idle)
		}
	})
	return peak
}

// allocated returns how many bytes are allocated while a body is read, whether
// they are garbage then or not.
func allocated(tb testing.TB, format string, body io.Reader, n int) uint64 {
	tb.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read(tb, format, body, n, func(int) {})
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// BenchmarkMemory reads the same rows ×1, ×10 and ×100. Memory that does not grow
// with the body shows as a peak-heap-B, and as B/op, that are the same for all.
func BenchmarkMemory(b *testing.B) {
	bodies := streams()
	for _, format := range []string{"json", "ndjson", "csv"} {
		for _, coding := range []string{"", "+gzip"} {
			for _, n := range []int{1, 10, 100} {
				b.Run(fmt.Sprintf("%s%s/%d", format, coding, n*blockRows), func(b *testing.B) {
					s := bodies[format]
					body := func() io.Reader { return s.times(n) }
					if coding != "" {
						text := s.zipped(b, n)
						body = func() io.Reader {
							zip, err := gzip.NewReader(bytes.NewReader(text))
							require.NoError(b, err)
							return zip
						}
					}
					peak := peakHeap(b, format, body(), n)
					b.SetBytes(s.size(n))
					b.ReportAllocs()
					for b.Loop() {
						read(b, format, body(), n, func(int) {})
					}
					b.ReportMetric(peak, "peak-heap-B")
				})
			}
		}
	}
}

// The bytes that a reader allocates, let alone holds, do not depend on how many
// rows there are.
func TestMemoryDoesNotGrow(t *testing.T) {
	// The runtime itself may allocate meanwhile: a little each time, or more, but
	// not each time.
	const (
		slack    = 4 << 10 // a byte for every 24 of the 99,000 rows more
		attempts = 3
	)
	for format, s := range streams() {
		t.Run(format, func(t *testing.T) {
			var few, many uint64
			for range attempts {
				few = allocated(t, format, s.times(1), 1)
				many = allocated(t, format, s.times(100), 100)
				if many <= few+slack {
					break
				}
			}
			assert.LessOrEqual(t, many, few+slack, "rule: memory does not grow with the body")
			t.Logf("%d bytes allocated for a body of %d, %d for one of %d", few, s.size(1), many, s.size(100))
		})
	}
}
