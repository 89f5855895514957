package browser

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/httpapi/console"
)

// members is a small file of everyday life: five good rows, and one with a wrong address.
var members = lines(
	"User ID,E-Mail,team,points",
	"u-1,ana@example.com,Lakers,10",
	"u-2,bo@example.com,\"Bulls, Chicago\",20",
	"u-3,cy@example.com,,30",
	"u-4,not-an-address,Heat,40",
	"u-5,dee@example.com,Jazz,50",
	",eve@example.com,Suns,60",
)

// TestFirstImport drops a file, sees what would happen while nothing does, and imports
// exactly that.
func TestFirstImport(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, on backends) {
		h := serve(t, on, settings{})
		p := h.signedIn(t, look{})
		p.drop("#drop", file(t, "members.csv", members))
		p.inView("import", "file")
		p.says("section", "members.csv")
		p.says("section table", "Bulls, Chicago")
		p.preview()
		p.wantCounts(counts{created: 5, failed: 1})
		p.says("#groups", "1")
		h.wantNoUser(t, "u-1")
		if distinct, _ := h.users.written(); distinct != 0 {
			t.Errorf("the dry run wrote %d users", distinct)
		}

		p.run()
		p.wantCounts(counts{created: 5, failed: 1})
		h.wantUser(t, "u-1", "ana@example.com", `{"points":10,"team":"Lakers"}`)
		h.wantUser(t, "u-2", "bo@example.com", `{"points":20,"team":"Bulls, Chicago"}`)
		h.wantUser(t, "u-3", "cy@example.com", `{"points":30}`)
		h.wantNoUser(t, "u-4")
		if distinct, most := h.users.written(); distinct != 5 || most != 1 {
			t.Errorf("%d users were written, one of them %d times", distinct, most)
		}
		dry, real := h.imports(true), h.imports(false)
		if len(dry) != 1 || len(real) != 1 {
			t.Fatalf("the page posted %d dry runs and %d imports", len(dry), len(real))
		}
		if !bytes.Equal(dry[0].body, real[0].body) {
			t.Errorf("it checked %q and imported %q", dry[0].body, real[0].body)
		}
		if real[0].header.Get("Idempotency-Key") == "" {
			t.Error("the import has no idempotency key")
		}
	})
}

// TestEverySeparatorAndEncoding: the cells of spreadsheets from everywhere arrive as they
// are shown there.
func TestEverySeparatorAndEncoding(t *testing.T) {
	t.Parallel()
	table := func(separator string) string {
		return strings.ReplaceAll(lines(
			"userId;email;customFields.name;customFields.note",
			"u-1;joerg@example.com;Jörg Müßig;\"5 € | a, b\tc; d \"\"e\"\"\nf\"",
			"u-2;zoe@example.com;Zoë;x",
		), ";", separator)
	}
	note := func(separator string) string {
		return strings.ReplaceAll("5 € | a, b\\tc; d \\\"e\\\"\\nf", ";", strings.ReplaceAll(separator, "\t", "\\t"))
	}
	for name, c := range map[string]struct{ content, separator, encoding string }{
		"semicolon in windows-1252": {windows1252(table(";")), ";", "windows-1252"},
		"tab in UTF-16":             {utf16Text(table("\t"), binary.LittleEndian), "\t", "utf-16le"},
		"comma in UTF-16":           {utf16Text(table(","), binary.BigEndian), ",", "utf-16be"},
		"bar in UTF-8":              {table("|"), "|", "utf-8"},
		"comma with a mark":         {"\ufeff" + table(","), ",", "utf-8"},
		"named":                     {"sep=;\r\n" + table(";"), ";", "utf-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachBackendOf(t, c.encoding == "windows-1252", func(t *testing.T, on backends) {
				h := serve(t, on, settings{})
				p := h.signedIn(t, look{})
				p.load(file(t, "people.csv", c.content))
				if encoding, separator := p.value("#encoding"), p.value("#separator"); encoding != c.encoding || separator != c.separator {
					t.Errorf("the page guesses %q and %q, want %q and %q", encoding, separator, c.encoding, c.separator)
				}
				p.says("section table", "Jörg Müßig")
				p.preview()
				p.wantCounts(counts{created: 2})
				p.run()
				p.wantCounts(counts{created: 2})
				h.wantUser(t, "u-1", "joerg@example.com", `{"name":"Jörg Müßig","note":"`+note(c.separator)+`"}`)
				h.wantUser(t, "u-2", "zoe@example.com", `{"name":"Zoë","note":"x"}`)
			})
		})
	}
}

// eachBackendOf runs test in memory, and on AWS too if both says so.
func eachBackendOf(t *testing.T, both bool, test func(t *testing.T, on backends)) {
	t.Helper()
	if both {
		eachBackend(t, test)
		return
	}
	test(t, inMemory)
}

// TestWrongGuessIsMended: what the page guessed of a file can be said otherwise.
func TestWrongGuessIsMended(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	// In macintosh 0x9f is ü, which windows-1252 takes for Ÿ.
	p.load(file(t, "mac.csv", "userId;customFields.name;customFields.pair\nu-1;J\x9frgen;a,b\n"))
	p.says("section table", "JŸrgen")
	p.choose("#encoding", "macintosh")
	p.says("section table", "Jürgen")
	p.choose("#separator", ",")
	p.wait("one column", `() => document.querySelectorAll("#columns > li").length === 1`)
	p.choose("#separator", ";")
	p.wait("three columns", `() => document.querySelectorAll("#columns > li").length === 3`)
	p.preview()
	p.run()
	h.wantUser(t, "u-1", "", `{"name":"Jürgen","pair":"a,b"}`)
}

// TestNotText: files that people take for CSV are named for what they are, and the page
// is ready for another one.
func TestNotText(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	for _, c := range []struct{ name, content, says string }{
		{"book.xlsx", "PK\x03\x04 and so on", "spreadsheet"},
		{"people.csv.gz", "\x1f\x8b\x08 and so on", "compressed"},
		{"empty.csv", "", "empty"},
		{"header.csv", "userId,email\n", "rows"},
		{"quote.csv", "userId\n\"u-1\n", "Line 2"},
		{"broken.json", `{"users": [{"userId": "u-1"}`, "JSON"},
	} {
		p.give("#file", file(t, c.name, c.content))
		p.says("#file-problem", c.says)
	}
	p.load(file(t, "members.csv", members))
}

// exact is numbers that a float64 does not hold.
const exact = `{"big":9007199254740993,"long":0.10000000000000000555111512312578,"small":1.5e-120}`

// TestJSON: each kind of JSON arrives with its numbers as they are.
func TestJSON(t *testing.T) {
	t.Parallel()
	row := `{"userId": "u-1", "email": "ana@example.com", "customFields": ` + exact + `}`
	other := `{"userId": "u-2", "metadata": {"source": "crm"}}`
	for name, content := range map[string]string{
		"users.ndjson": row + "\n\n" + other + "\n",
		"users.json":   "[" + row + ",\n" + other + "]",
		"request.json": `{"options": {"upsert": true, "skipDuplicates": true}, "users": [` + row + "," + other + "]}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachBackendOf(t, name == "users.ndjson", func(t *testing.T, on backends) {
				h := serve(t, on, settings{})
				p := h.signedIn(t, look{})
				p.load(file(t, name, content))
				p.says("section table", "9007199254740993")
				p.preview()
				p.wantCounts(counts{created: 2})
				p.run()
				p.wantCounts(counts{created: 2})
				h.wantUser(t, "u-1", "ana@example.com", exact)
				for _, post := range h.imports(false) {
					if got, want := strings.Contains(post.query, "skipDuplicates=true"), name == "request.json"; got != want {
						t.Errorf("skipDuplicates is %t in %q, want %t: the options of the file", got, post.query, want)
					}
				}
			})
		})
	}
}

// TestExactNumbers: a column of numbers of a CSV file keeps their digits, and one that is
// text stays text.
func TestExactNumbers(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	p.load(file(t, "numbers.csv", lines(
		"userId,balance,PLZ,active",
		"u-1,9007199254740993,01067,true",
		"u-2,0.10000000000000000555111512312578,10115,false",
	)))
	for column, want := range []string{"", "number", "string", "boolean"} {
		if column > 0 && p.value(target(column, "data-kind")) != want {
			t.Errorf("column %d is guessed to be %q, want %q", column, p.value(target(column, "data-kind")), want)
		}
	}
	p.preview()
	p.run()
	h.wantUser(t, "u-1", "", `{"PLZ":"01067","active":true,"balance":9007199254740993}`)
	h.wantUser(t, "u-2", "", `{"PLZ":"10115","active":false,"balance":0.10000000000000000555111512312578}`)
}

// TestColumnsAreGuessedChangedAndRemembered: the next file with the same columns needs no
// change, also after a reload; another file is guessed anew.
func TestColumnsAreGuessedChangedAndRemembered(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	header := "Mitgliedsnummer;E-Mail-Adresse;Team;Points;Comment\r\n"
	p.load(file(t, "club.csv", header+"m-1;ana@example.com;Lakers;7;none\r\n"))
	want := func(values ...string) {
		t.Helper()
		for column, value := range values {
			if got := p.value(target(column, "data-target")); got != value {
				t.Errorf("column %d is %q, want %q", column, got, value)
			}
		}
	}
	want("userId", "email", "customFields", "customFields", "customFields")
	p.choose(target(2, "data-target"), "metadata")
	p.fill(target(2, "data-name"), "squad")
	p.choose(target(3, "data-kind"), "string")
	p.choose(target(4, "data-target"), "ignore")
	p.preview()
	p.run()
	h.wantUser(t, "m-1", "ana@example.com", `{"Points":"7"}`)

	next := func() {
		t.Helper()
		p.load(file(t, "next.csv", header+"m-2;bo@example.com;Bulls;8;some\r\n"))
		want("userId", "email", "metadata", "customFields", "ignore")
		if name, kind := p.value(target(2, "data-name")), p.value(target(3, "data-kind")); name != "squad" || kind != "string" {
			t.Errorf("the name is %q and the kind %q", name, kind)
		}
	}
	p.click("#new-import")
	next()
	p.visit("/console/")
	p.reload()
	next()
	p.preview()
	p.run()
	h.wantUser(t, "m-2", "bo@example.com", `{"Points":"8"}`)

	p.click("#new-import")
	p.load(file(t, "other.csv", "Mitgliedsnummer;Team\r\nm-3;Heat\r\n"))
	want("userId", "customFields")
}

// TestColumnsThatCannotBeSent: the page says which, and leads there.
func TestColumnsThatCannotBeSent(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	p.load(file(t, "a.csv", "one,two\n1,2\n"))
	p.click("#check")
	p.see("#problems [role=alert]")
	p.choose(target(0, "data-target"), "userId")
	p.choose(target(1, "data-target"), "userId")
	p.click("#check")
	p.click("#problems button")
	p.wait("the column has the focus", `() => document.activeElement.closest("[data-column]")?.dataset.column === "1"`)
	p.choose(target(1, "data-target"), "customFields")
	p.preview()
	p.wantCounts(counts{created: 1})
	if n := len(h.imports(true)); n != 1 {
		t.Errorf("%d dry runs were sent, want only that of the good columns", n)
	}
}

// TestFileWithoutNames: a file without a row of names has a person in its place, who
// is not kept.
func TestFileWithoutNames(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	p.load(file(t, "a.csv", "1001,Ana\n1002,Bo\n"))
	p.see(".message.warn")
	p.choose(target(0, "data-target"), "userId")
	p.choose(target(1, "data-target"), "ignore")
	p.preview()
	p.run()
	h.wantUser(t, "1002", "", `{}`)
	if strings.Contains(p.local(), "Ana") {
		t.Errorf("the storage has %s", p.local())
	}
}

// local is the page's local storage.
func (p *tab) local() string {
	p.Helper()
	return eval[string](p, `() => JSON.stringify({...localStorage})`)
}

// TestEveryCallHasThePagesHeader: which no page of another site can send.
func TestEveryCallHasThePagesHeader(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	p.load(file(t, "members.csv", members))
	p.preview()
	p.run()
	p.visit("/console/#/jobs")
	p.inView("jobs", "ready")
	all := h.seen(func(request) bool { return true })
	for _, r := range all {
		if r.header.Get(console.Header) != console.HeaderValue {
			t.Errorf("%s %s was called without the header", r.method, r.path)
		}
	}
	if len(all) < 5 {
		t.Errorf("the page made %d calls", len(all))
	}
	// What another site can make the browser send is refused, cookie and all.
	got := eval[int](p, `async () => (await fetch("/v1/bulk/jobs")).status`)
	if got != http.StatusUnauthorized {
		t.Errorf("a call without the header is answered with %d", got)
	}
}
