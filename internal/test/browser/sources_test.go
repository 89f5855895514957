package browser

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowio"
	"github.com/bulkops/bulkops/internal/rowtext"
)

// withSources opens a page that has some of the page's sources and nothing else.
func withSources(tb testing.TB, names ...string) *tab {
	tb.Helper()
	h := serve(tb, inMemory, settings{stub: http.HandlerFunc(stub)})
	p := open(tb, h, "/stub/good", look{})
	var all strings.Builder
	for _, name := range names {
		source, err := os.ReadFile(filepath.FromSlash("../../../httpapi/console/page/" + name))
		if err != nil {
			tb.Fatal(err)
		}
		all.Write(source)
	}
	eval[any](p, `source => { (0, eval)(source + "; globalThis.sources = {CSVTable, partBody, defuse, restore};"); }`, all.String())
	return p
}

// textOf makes a text of up to n of the pieces.
func textOf(random *rand.Rand, pieces []string, n int) string {
	var b strings.Builder
	for range random.IntN(n + 1) {
		b.WriteString(pieces[random.IntN(len(pieces))])
	}
	return b.String()
}

// rowsOf reads rows as the service does.
func rowsOf(text string) (rows []bulk.Row, err error) {
	for r := rowio.NewCSV(strings.NewReader(text)); ; {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		row.JSON = bytes.Clone(row.JSON)
		rows = append(rows, row)
	}
}

// TestPageReadsCSVAsTheServiceDoes: of random texts both refuse the same, and what the page
// sends of a part of the rows means what the whole text means there, line by line.
func TestPageReadsCSVAsTheServiceDoes(t *testing.T) {
	t.Parallel()
	p := withSources(t, "csv.js", "json.js", "table.js")
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"'", "=", "a", "b", " ", "\t", "\r\n", "\n", "\n", ";", ",", ",", `"`, `"`, "é", "|", "\r", "u-1,", `"a""b"`}
	texts := make([]string, 5000)
	for i := range texts {
		texts[i] = "userId,email,customFields.x\n" + textOf(random, pieces, 24)
	}
	type part struct {
		Refused       bool
		Count, First  int
		Lines         []int
		Body, Ignored string
	}
	parts := eval[[]part](p, `texts => texts.map(text => {
		try {
			const table = new sources.CSVTable(text, ","), first = table.count >> 1, rows = table.count - first;
			const targets = last => [{part: "userId"}, {part: "email"}, {part: last, name: "x", kind: "string"}];
			return {
				count: table.count, first, lines: Array.from({length: table.count}, (_, i) => table.line(i)),
				body: sources.partBody(table, first, rows, targets("customFields")), ignored: sources.partBody(table, first, rows, targets("ignore")),
			};
		} catch {
			return {refused: true};
		}
	})`, texts)
	read := 0
	for i, text := range texts {
		got := parts[i]
		whole, err := rowsOf(text)
		if got.Refused != (err != nil) {
			t.Errorf("%q: the page refuses it: %t; the service says %v", text, got.Refused, err)
			continue
		}
		if err != nil {
			continue
		}
		if len(whole) != got.Count {
			t.Errorf("%q has %d rows for the page, %d for the service", text, got.Count, len(whole))
			continue
		}
		sent, err1 := rowsOf(got.Body)
		ignored, err2 := rowsOf(got.Ignored)
		if err := errors.Join(err1, err2); err != nil || len(sent) != got.Count-got.First || len(ignored) != len(sent) {
			t.Errorf("%q: of %d rows from %d on, %d and %d arrive, %v", text, got.Count, got.First, len(sent), len(ignored), err)
			continue
		}
		for k, row := range sent {
			want := whole[got.First+k]
			read++
			if !bytes.Equal(row.JSON, want.JSON) || len(row.Errors) != len(want.Errors) || row.Line != want.Line ||
				ignored[k].Line != want.Line || got.Lines[got.First+k] != want.Line {
				t.Errorf("%q: row %d arrives as %s of line %d, and is %s of line %d", text, got.First+k, row.JSON, row.Line, want.JSON, want.Line)
			}
		}
	}
	if read < 1000 {
		t.Errorf("only %d rows were compared", read)
	}
}

// TestPageDefusesAsTheServiceDoes: what begins like a formula is the same for both, in both
// directions.
func TestPageDefusesAsTheServiceDoes(t *testing.T) {
	t.Parallel()
	p := withSources(t, "csv.js", "json.js", "table.js")
	random := rand.New(rand.NewPCG(3, 4))
	pieces := []string{"'", "=", "+", "-", "@", "＝", "a", "1", " ", "\t", "\r", "\n", ";", "|", ",", `"`,
		"\u200b", "\u00a0", "\u0085", "\ufeff", "\u202e", "\u2028", "\u0001"}
	texts := make([]string, 20_000)
	for i := range texts {
		texts[i] = textOf(random, pieces, 8)
	}
	type cell struct{ Defused, Restored, Within string }
	for i, got := range eval[[]cell](p, `texts => texts.map(text => ({
		defused: sources.defuse(text), restored: sources.restore(text, false), within: sources.restore(text, true),
	}))`, texts) {
		var scratch []byte
		want := cell{
			Defused:  rowtext.Defuse(texts[i]),
			Restored: string(rowtext.Restore([]byte(texts[i]), false, &scratch)),
			Within:   string(rowtext.Restore([]byte(texts[i]), true, &scratch)),
		}
		if got != want {
			t.Errorf("%q is %q for the page and %q for the service", texts[i], got, want)
		}
	}
}
