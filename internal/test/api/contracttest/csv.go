package contracttest

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/bulkops/bulkops/internal/test/race"
)

// A csvCase is a CSV of one or two users, of whom the first is to be stored so, or
// to fail with the codes.
type csvCase struct {
	name, body string
	stored     user
	codes      []string
	line       int // of the first row
}

var csvCases = []csvCase{
	{"commas", "userId,email\nu,u@example.com\n", user{"u", "u@example.com", "", ""}, nil, 2},
	{"semicolons", "userId;customFields.a\r\nu;\"1;2,3\"\r\n", user{"u", "", `{"a":"1;2,3"}`, ""}, nil, 2},
	{"tabs", "userId\tcustomFields.a\nu\t1,5\n", user{"u", "", `{"a":"1,5"}`, ""}, nil, 2},
	{"bars", "userId|customFields.a\nu|1\n", user{"u", "", `{"a":"1"}`, ""}, nil, 2},
	{"a comma where several separators fit", "userId,customFields.a;b\nu,1\n", user{"u", "", `{"a;b":"1"}`, ""}, nil, 2},
	{"a first line that names the separator", "\ufeffsep=;\r\nuserId;customFields.a,b\r\nu;1\r\n", user{"u", "", `{"a,b":"1"}`, ""}, nil, 3},
	{"userId and email in any spelling", "User ID;E-Mail\nu;u@example.com\n", user{"u", "u@example.com", "", ""}, nil, 2},
	{"userId and email with underscores", " USER_ID ,e_mail\nu,u@example.com\n", user{"u", "u@example.com", "", ""}, nil, 2},
	{"parts in any case, names as they are", "userId,CustomFields. My Team ,METADATA.Source:string\nu,x,y\n", user{"u", "", `{"My Team":"x"}`, `{"Source":"y"}`}, nil, 2},
	{"notes", "_index,_line,_status,_errors,userId,_rest\n1,2,x,y,u,z\n", user{id: "u"}, nil, 2},
	{"records of empty cells are passed over", ",,\nuserId,email,\n,,\n\"\",\nu,,\n,,\n", user{id: "u"}, nil, 5},
	{"surplus cells that are empty", "userId\nu,,,\"\",\n", user{id: "u"}, nil, 2},
	{"more surplus cells than the limit", "userId\nu" + strings.Repeat(",", 5000) + "\n", user{id: "u"}, nil, 2},
	{"columns without a name", "userId,,email,,\nu,,u@example.com,,\n", user{"u", "u@example.com", "", ""}, nil, 2},
	{"2,000 cells", "userId" + columns(1999) + "\nu" + strings.Repeat(",", 1999) + "\n", user{id: "u"}, nil, 2},
	{"a quote within a cell", "userId,customFields.a\nu,6'2\"\n", user{"u", "", `{"a":"6'2\""}`, ""}, nil, 2},

	{"a value in a column without a name", "userId,,email\nu,x,\nv,,\n", user{}, []string{invalidUser}, 2},
	{"a surplus cell with a value", "userId\nu,x\nv\n", user{}, []string{invalidUser}, 2},
	{"too few cells", "userId,email\nu\nv,\n", user{}, []string{invalidUser}, 2},
	{"blanks and then a quote", "userId,metadata.a\nu, \"x\"\nv,\n", user{}, []string{invalidUser}, 2},
	{"2,001 cells", "userId\nu" + strings.Repeat(",x", 2000) + "\nv\n", user{}, []string{invalidUser}, 2},
	{"a cell of 5 MB", "userId,metadata.a\nu," + strings.Repeat("x", 5<<20) + "\nv,\n", user{}, []string{"USER_TOO_LARGE"}, 2},
}

// columns are the columns of n fields.
func columns(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ",metadata.f%d", i)
	}
	return b.String()
}

// testCSV has CSV as spreadsheets write it.
func testCSV(s *suite) {
	csvHeader := []string{"Content-Type: text/csv"}
	for _, c := range csvCases {
		s.run(c.name, func(w *world) {
			o := w.sendText("", csvHeader, c.body).outcome()
			if c.codes == nil {
				o.row(0, "created")
				w.holds(o.answer, c.stored)
			} else {
				o.row(0, "failed", c.codes...)
				o.row(1, "created")
			}
			if len(o.results) > 2 || o.results[0].Line != c.line {
				o.errorf("%d rows, the first on line %d, want line %d", len(o.results), o.results[0].Line, c.line)
			}
		})
	}
	for _, c := range []struct {
		name, body string
		parts      []string
	}{
		{"a column that is none", "userId,team\nu,x\n", []string{`"team"`, "2", "customFields.team"}},
		{"a separator that does not fit", "userId;team\nu;x\n", []string{`"userId;team"`, "1", ";"}},
		{"another note", "userId,_id\nu,x\n", []string{`"_id"`, "2"}},
		{"neither userId nor email", "customFields.a,metadata.b\nu,x\n", []string{"userId", "email", `"customFields.a"`}},
		{"a column twice", "email,E-Mail\nu,x\n", []string{`"E-Mail"`, "2", "1"}},
		{"2,001 columns", "userId" + columns(2000) + "\nu\n", []string{"2001", "2000"}},
		{"no header", ",,\n\n", []string{"header"}},
		{"UTF-16", "\xff\xfeu\x00s\x00e\x00r\x00", []string{"UTF-16"}},
		{"Latin-1", "userId,email\nu,\nJos\xe9,\n", []string{"line 3", "Latin-1"}},
		{"a spreadsheet file", "PK\x03\x04\x14\x00\x06\x00", []string{"spreadsheet"}},
		{"an old spreadsheet file", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", []string{"spreadsheet"}},
		{"gzip without its header", zip("userId\nu\n"), []string{"gzip", "Content-Encoding"}},
	} {
		s.runWitnessed("400/"+c.name, func(w *world, v *witness) {
			a := w.sendText("", csvHeader, c.body)
			p := a.refusedWith(http.StatusBadRequest, invalidRequest)
			for _, part := range c.parts {
				if !strings.Contains(p.Message, part) {
					a.errorf("the message lacks %q", part)
				}
			}
			v.sawNothing(w, a)
		})
	}
	s.run("text/tab-separated-values has tabs and nothing else", func(w *world) {
		tabs := []string{"Content-Type: text/tab-separated-values"}
		o := w.sendText("", tabs, "userId\tmetadata.a;b,c\nu\t1\n").outcome()
		o.row(0, "created")
		w.holds(o.answer, user{"u", "", "", `{"a;b,c":"1"}`})
		w.sendText("", tabs, "userId,email\nu,\n").refusedWith(http.StatusBadRequest, invalidRequest)
	})
	s.run("a byte order mark in front of JSON and NDJSON", func(w *world) {
		w.post("\ufeff"+bodyOf(annRow)).outcome().row(0, "created")
		w.sendText("", []string{"Content-Type: application/x-ndjson"}, "\ufeff"+bobRow+"\n").outcome().row(0, "created")
	})
	for _, size := range []int{5, 20} {
		if race.Enabled && size > 5 {
			continue // it would take half a minute
		}
		long := `{"userId":"` + strings.Repeat("x", size<<20) + `"}`
		for mediaType, body := range map[string]string{
			"application/json":     bodyOf(annRow, long, bobRow),
			"application/x-ndjson": annRow + "\n" + long + "\n" + bobRow,
		} {
			s.run(fmt.Sprintf("a row of %d MiB fails alone in %s", size, mediaType), func(w *world) {
				o := w.sendText("", []string{"Content-Type: " + mediaType}, body).outcome()
				o.row(1, "failed", "USER_TOO_LARGE")
				if o.summary.Failed != 1 {
					o.errorf("other rows failed with it")
				}
			})
		}
	}
	s.run("what a request answers is bounded", func(w *world) {
		row := `{"userId":"u"` + strings.Repeat(`,"x":1`, 150) + `}`
		id := w.submit(bodyOf(strings.Split(strings.Repeat(row+"\n", 200)+row, "\n")...))
		w.run(id)
		o := w.download(w.job(id))
		for i, most := range map[int]int{0: 100, 199: 10} {
			errs := o.results[i].Errors
			if len(errs) != most || !strings.Contains(errs[most-1].Message, fmt.Sprintf("%d more", 150-most)) {
				o.errorf("row %d has %d errors, want %d, of which the last says how many are left out", i, len(errs), most)
			}
		}
	})
	testSpreadsheets(s)
}

// testSpreadsheets has the CSV of failed rows in programs that take another
// separator.
func testSpreadsheets(s *suite) {
	const custom = `{"a":"x;=1+1;","b":"|-2\t@3\n=4","c":"\ufeff\u200b=5","d":"'=6;'+7","e":" ;, ","n":9007199254740993}`
	const metadata = `{"j":["x;=1"],"=k;=1":"v"}`
	const fields = `"customFields":` + custom + `,"metadata":` + metadata
	for name, separator := range map[string]rune{"semicolons": ';', "tabs": '\t', "bars": '|', "commas": ','} {
		s.run("failed rows are saved with "+name+", mended and sent again", func(w *world) {
			id := w.submit(bodyOf(`{"userId":"=u;=1","email":"MEND",`+fields+`}`, annRow))
			w.run(id)
			failed := w.send(request{path: resultsPath(id) + "?format=csv&only=failed"})
			text := string(bytes.TrimPrefix(failed.body, []byte("\ufeff")))
			for _, comma := range ",;\t|" {
				for _, record := range spreadsheet(failed, text, comma, true) {
					for _, cell := range record {
						shown := strings.TrimLeftFunc(cell, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) })
						if shown != "" && strings.ContainsRune("=+-@", rune(shown[0])) {
							failed.errorf("a spreadsheet that reads %q would run the cell %q", comma, cell)
						}
					}
				}
			}
			var saved strings.Builder
			out := csv.NewWriter(&saved)
			out.Comma, out.UseCRLF = separator, false
			_ = out.WriteAll(spreadsheet(failed, text, ',', false)) // to memory
			mended := strings.ReplaceAll(saved.String(), "MEND", "mended@example.com")
			o := w.sendText("", []string{"Content-Type: text/csv"}, mended).outcome()
			if len(o.results) != 1 {
				o.fatalf("%d rows, want 1", len(o.results))
			}
			o.row(0, "created")
			w.holds(o.answer, user{"=u;=1", "mended@example.com", custom, metadata})
		})
	}
}

// spreadsheet reads a table as a program does that takes that separator.
func spreadsheet(a *answer, text string, comma rune, lazy bool) [][]string {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = comma, lazy, -1
	records, err := r.ReadAll()
	if err != nil {
		a.fatalf("the CSV cannot be read with %q: %v", comma, err)
	}
	return records
}
