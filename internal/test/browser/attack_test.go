package browser

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/bulk"
)

// TestSavedRowsFailAgain: of a file of failed rows that was mended in part, those that fail
// again are shown, mended and saved as what they are, wherever they stood in the first file.
func TestSavedRowsFailAgain(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	p.load(file(t, "again.csv", lines("_index;_line;_status;_errors;userId;email;team",
		"1;3;failed;x;u-2;bo@example.com;Bulls",
		"0;2;failed;x;u-1;no address;Lakers",
		"4;6;failed;x;u-5;nor here;Suns")))
	p.preview()
	p.run()
	p.wantCounts(counts{created: 1, failed: 2})
	p.says(`#rows tr[data-index="1"]`, "Lakers")
	p.click("#download-failed")
	all := records(t, p.downloaded("again-failed.csv"), ';')
	var ids []string
	for _, record := range all[1:] {
		ids = append(ids, record[slices.Index(all[0], "userId")])
	}
	if got := strings.Join(ids, " "); got != "u-1 u-5" {
		t.Errorf("the rows that failed again are saved as those of %s", got)
	}
	p.click("#mend")
	p.see("#mend-table tr[data-index]")
	if got := p.value(`#mend-table tr[data-index="1"] [data-column="userId"]`); got != "u-1" {
		t.Errorf("the first row that failed again is shown as that of %q", got)
	}
	p.fill(`#mend-table tr[data-index="1"] [data-column="email"]`, "ana@example.com")
	p.click("#send-mended")
	p.inView("job", "ended")
	h.wantUser(t, "u-1", "ana@example.com", `{"team":"Lakers"}`)
}

// TestNameOfAColumnIsNoFormula in a file that the page saves, and is itself again when that
// file is imported.
func TestNameOfAColumnIsNoFormula(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	p.load(file(t, "club.csv", lines("userId,email,=1+2", "u-1,no address,x", "u-2,,y")))
	p.preview()
	p.run()
	p.click("#download-failed")
	content := p.downloaded("club-failed.csv")
	if header := records(t, content, ',')[0]; !slices.Contains(header, "'=1+2") {
		t.Errorf("the header is %q", header)
	}
	p.click("#new-import")
	p.load(file(t, "again.csv", strings.Replace(content, "no address", "ana@example.com", 1)))
	p.preview()
	p.run()
	h.wantUser(t, "u-1", "ana@example.com", `{"=1+2":"x"}`)
}

// TestCancelWithoutTheFile: an import whose file went with the page can be cancelled too. It
// asks for the file no more, and nothing is sent.
func TestCancelWithoutTheFile(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{maxUsers: 100})
	p := h.signedIn(t, look{})
	p.load(file(t, "many.csv", csvOf(250)))
	p.preview()
	held, release := h.users.hold(50)
	defer release()
	p.click("#import")
	<-held
	p.reload()
	p.see("#file-again")
	release()
	p.wait("the end of the first part", `() => document.querySelector("[data-count=created]").textContent === "100"`)
	p.click("#cancel")
	p.click("#confirm-yes")
	p.inView("result", "ready")
	p.wantCounts(counts{created: 100, notProcessed: 150})
	p.click("#new-import")
	p.load(file(t, "other.csv", csvOf(10)))
	if n := len(h.imports(false)); n != 1 {
		t.Errorf("%d parts were sent, want one", n)
	}
}

// TestCheckStopsWhereTheImportWould: more rows fail than may, so the check says what would
// not be reached, of this part and of those behind it, and why rows fail.
func TestCheckStopsWhereTheImportWould(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{maxUsers: 100})
	p := h.signedIn(t, look{})
	p.load(file(t, "many.csv", strings.Replace(csvOf(250), "@", " at ", 30)))
	p.fill("#max-failed", "1")
	p.preview()
	p.see(`#groups [data-code="INVALID_EMAIL"]`)
	count := func(name string) int {
		t.Helper()
		return eval[int](p, `name => Number(document.querySelector("[data-count=" + name + "]").textContent)`, name)
	}
	// The batch under way goes on.
	if created, failed, rest := count("created"), count("failed"), count("notProcessed"); failed != 30 || rest <= 150 || created+failed+rest != 250 {
		t.Errorf("%d rows would be created, %d fail and %d not be reached", created, failed, rest)
	}
	if n := len(h.imports(true)); n != 1 {
		t.Errorf("%d parts were checked, want one", n)
	}
	created, rest := count("created"), count("notProcessed")
	p.run()
	p.wantCounts(counts{created: created, failed: 30, notProcessed: rest})
}

// TestLimitOfALaterPart: a proxy takes no body as large as that of a later part, and does not
// say what it takes.
func TestLimitOfALaterPart(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{maxUsers: 100})
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || r.ContentLength < 10_000 {
			return false
		}
		http.Error(w, "<html>413 Request Entity Too Large", http.StatusRequestEntityTooLarge)
		return true
	})
	rest := strings.Split(csvOf(250), "\n")
	for i := 150; i < 250; i++ {
		rest[i] += strings.Repeat("s", 200)
	}
	p := h.signedIn(t, look{})
	p.load(file(t, "many.csv", strings.Join(rest, "\n")))
	p.preview()
	p.wantCounts(counts{created: 250})
	p.run()
	p.wantCounts(counts{created: 250})
	if distinct, most := h.users.written(); distinct != 250 || most != 1 {
		t.Errorf("%d users were written, one of them %d times", distinct, most)
	}
}

// TestRetryTwice: rows that were tried again, and are asked for once more on the page of the
// job that they are from, are not sent a second time.
func TestRetryTwice(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{workers: -1})
	job := h.submit(t, "Season tickets", "u-1", "u-2")
	importer, err := bulk.NewImporter(h.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := importer.Cancel(t.Context(), admin, job.ID); err != nil {
		t.Fatal(err)
	}
	p := h.signedIn(t, look{})
	var made []string
	for range 2 {
		p.visit("/console/#/jobs/" + job.ID)
		p.inView("job", "ended")
		p.click("#retry-rest")
		p.inView("job", "running")
		made = append(made, eval[string](p, `() => location.hash`))
	}
	if made[0] != made[1] {
		t.Errorf("the rows were sent twice, as %v", made)
	}
}

// TestApostrophesWithoutEnd: what tells a formula takes no longer for a cell that somebody
// has filled with what may stand in front of one.
func TestApostrophesWithoutEnd(t *testing.T) {
	t.Parallel()
	p := withSources(t, "csv.js", "json.js", "table.js")
	if got := eval[int](p, `n => sources.defuse("'".repeat(n)).length`, 1_000_000); got != 1_000_000 {
		t.Errorf("%d apostrophes remain", got)
	}
	// Nor does counting lines, with any number of cells in one.
	if got := eval[int](p, `n => new sources.CSVTable("a\n" + '"b",'.repeat(n) + "c", ",").count`, 500_000); got != 1 {
		t.Errorf("%d rows", got)
	}
}

// TestMendFarDown: the row stands behind more lines than arguments of a call.
func TestMendFarDown(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	p.load(file(t, "club.csv", "userId,email\nu-1,\n"+strings.Repeat("\n", 200_000)+"u-2,no address\n"))
	p.preview()
	p.run()
	p.click("#mend")
	p.fill(`#mend-table [data-column="email"]`, "bo@example.com")
	p.click("#send-mended")
	p.inView("job", "ended")
	p.says("#rows tbody th", "200,003")
	h.wantUser(t, "u-2", "bo@example.com", `{}`)
}

// TestSlipInUTF8: one byte that is none does not make another encoding of all the text.
func TestSlipInUTF8(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	p.load(file(t, "club.csv", lines("userId,name", "u-1,Jürgen Groß", "u-2,M\xfcller")))
	if got := p.value("#encoding"); got != "utf-8" {
		t.Errorf("it is taken for %s", got)
	}
	p.says(".message.warn", "encoding")
	p.says("#sample", "Jürgen Groß")
}

// TestSeparatorKeepsTheMark by which spreadsheets know UTF-8.
func TestSeparatorKeepsTheMark(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	job := h.submit(t, "", "u-ä")
	p := h.signedIn(t, look{})
	p.visit("/console/#/jobs/" + job.ID)
	p.inView("job", "ended")
	p.choose("#separator-out", ";")
	p.click("#download-csv")
	if content := p.downloaded("job_*-results.csv"); !strings.HasPrefix(content, "\ufeff_index;") {
		t.Errorf("the file begins with %.20q", content)
	}
}

// TestMendUnderALongLabel: the label of another program's job has no room for a tag.
func TestMendUnderALongLabel(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	long := strings.Repeat("é", bulk.MaxLabel)
	job := h.submit(t, long, "u-1", strings.Repeat("x", 2000))
	p := h.signedIn(t, look{})
	p.visit("/console/#/jobs/" + job.ID)
	p.inView("job", "ended")
	p.click("#mend")
	p.fill(`#mend-table [data-column="userId"]`, "u-2")
	p.click("#send-mended")
	p.wait("the job of the mended row", fmt.Sprintf(`() => location.hash !== "#/jobs/%s" && document.querySelector("section[data-view=job][data-state=ended]")`, job.ID))
	p.wantCounts(counts{created: 1})
}
