package main

import (
	"encoding/binary"
	"encoding/csv"
	"io"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// A spreadsheet is a program in which somebody opens failed rows, mends the emails and
// saves them in its own way.
type spreadsheet struct {
	separator rune
	save      func(string) string
}

func inUTF16(order binary.AppendByteOrder) func(string) string {
	return func(text string) string {
		var encoded []byte
		for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
			encoded = order.AppendUint16(encoded, unit)
		}
		return string(encoded)
	}
}

var spreadsheets = map[string]spreadsheet{
	"commas":                   {',', func(text string) string { return text }},
	"commas, marked":           {',', func(text string) string { return "\ufeff" + text }},
	"semicolons":               {';', func(text string) string { return text }},
	"semicolons, sep":          {';', func(text string) string { return "sep=;\r\n" + text }},
	"tabs":                     {'\t', func(text string) string { return text }},
	"tabs, UTF-16":             {'\t', inUTF16(binary.LittleEndian)},
	"semicolons, UTF-16, gzip": {';', func(text string) string { return zipped(inUTF16(binary.BigEndian)(text)) }},
	"bars, gzip":               {'|', zipped},
}

// mend returns the file as the spreadsheet saves it, with emails that the service takes.
// A spreadsheet runs a cell that begins like a formula: that fails the test.
func (s spreadsheet) mend(t *testing.T, text string, separator rune) string {
	t.Helper()
	in := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	in.Comma = separator
	records, err := in.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	out := csv.NewWriter(&b)
	out.Comma, out.UseCRLF = s.separator, false
	for _, record := range records {
		for i, cell := range record {
			if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "+") || strings.HasPrefix(cell, "@") {
				t.Errorf("a spreadsheet would run %q", cell)
			}
			record[i] = strings.Replace(cell, " at ", "@", 1)
		}
		if err := out.Write(record); err != nil {
			t.Fatal(err)
		}
	}
	_ = out.Write(make([]string, len(records[0]))) // empty cells below the table
	out.Flush()
	return s.save(b.String())
}

// What is hard to keep: formulas, quotes, separators, lines, blanks, apostrophes,
// leading zeros, numbers of many digits, objects, and other writing systems.
const hardTable = "userId,email,customFields.text,customFields.phone,metadata.n:number,metadata.o:json\n" +
	"u1,u1 at example.com,\"=1+1;=2\t|@3\n+4\",+49 170 1,9007199254740993,\"{\"\"k;=1\"\":[null,\"\"a,b\"\"]}\"\n" +
	"u2,u2 at example.com,'=1,'007,-0.50,\"\"\"\"\"\"\n" +
	"u3,u3 at example.com,\" 6'2\"\" \",,1e3,null\n" +
	"u4,u4 at example.com,\"ü 😀 ''=x;'=y\",-1-2,,true\n"

// usersOf are the fields of the four users.
func usersOf(t *testing.T, s *service) string {
	t.Helper()
	var b strings.Builder
	for _, id := range []string{"u1", "u2", "u3", "u4"} {
		user, ok := s.store.Get("acme", id)
		if !ok {
			t.Fatalf("user %s was not imported", id)
		}
		b.WriteString(user.Email + " " + user.CustomFields.String() + " " + user.Metadata.String() + "\n")
	}
	return b.String()
}

// Failed rows are saved by a spreadsheet, mended, and imported without loss: those of
// -failed, and those that the service hands out.
func TestFailedRowsSurviveASpreadsheet(t *testing.T) {
	var direct string
	withService(t, func(t *testing.T, s *service) {
		code, out, _ := s.run(t.Context(), writeFile(t, strings.ReplaceAll(hardTable, " at ", "@")))
		want(t, exitFine, code, out, "created               4\n")
		direct = usersOf(t, s)
	})
	for name, sheet := range spreadsheets {
		t.Run(name, func(t *testing.T) {
			withService(t, func(t *testing.T, s *service) {
				failed := filepath.Join(t.TempDir(), "failed.csv")
				code, out, _ := s.run(t.Context(), "-failed", failed, writeFile(t, hardTable))
				want(t, exitRows, code, out, "failed                4\n")
				code, out, stderr := s.run(t.Context(), "-failed", failed, writeFile(t, sheet.mend(t, readFile(t, failed), ',')))
				want(t, exitFine, code, out+stderr, "created               4\n")
				if got := usersOf(t, s); got != direct {
					t.Errorf("imported again:\n%s\nwant\n%s", got, direct)
				}
			})
			withService(t, func(t *testing.T, s *service) {
				code, out, stderr := s.run(t.Context(), writeFile(t, sheet.mend(t, s.failedRows(t, hardTable), ',')))
				want(t, exitFine, code, out+stderr, "created               4\n")
				if got := usersOf(t, s); got != direct {
					t.Errorf("imported again from the service's file:\n%s\nwant\n%s", got, direct)
				}
			})
		})
	}
}

// failedRows are those of a job with these rows, as the service hands them out.
func (s *service) failedRows(t *testing.T, table string) string {
	t.Helper()
	call := func(method, target, body string, header ...string) string {
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer secret")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		rec := httptest.NewRecorder()
		s.handler.ServeHTTP(rec, r)
		if rec.Code > 299 {
			t.Fatalf("%s %s: %s", method, target, rec.Body)
		}
		text, _ := io.ReadAll(rec.Body)
		return string(text)
	}
	accepted := call("POST", "/v1/bulk/users", table, "Content-Type", "text/csv", "Prefer", "respond-async")
	_, id, _ := strings.Cut(accepted, `"jobId":"`)
	id, _, _ = strings.Cut(id, `"`)
	call("GET", "/v1/bulk/jobs/"+id, "", "Prefer", "wait=30")
	return call("GET", "/v1/bulk/jobs/"+id+"/results?format=csv&only=failed", "")
}

// A file is imported in its own words, and so are its failed rows.
func TestMapAndDelimiter(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		args := []string{"-map", "Member No.=userId", "-map", " Mail = email", "-map", "Team=customFields.team", "-map", "Note=", "-delimiter", "tab"}
		text := "Member No.\tMail\tTeam\tNote\na\tnowhere\tx;y\t=1\nb\tb@example.com\tLakers\tn\n"
		failed := filepath.Join(t.TempDir(), "failed.csv")
		code, out, _ := s.run(t.Context(), append(args, "-failed", failed, writeFile(t, text))...)
		want(t, exitRows, code, out, "created               1\n", "line 2: INVALID_EMAIL")
		mended := strings.Replace(readFile(t, failed), "nowhere", "a@example.com", 1)
		code, out, _ = s.run(t.Context(), append(args, writeFile(t, mended))...)
		want(t, exitFine, code, out, "created               1\n")
		if user, _ := s.store.Get("acme", "a"); user.CustomFields.String() != `{"team":"x;y"}` || user.Email != "a@example.com" {
			t.Errorf("user a is %v", user)
		}
	})
}
