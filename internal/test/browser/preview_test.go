package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/fieldrules"
)

// put stores users as other programs did before.
func (h *host) put(tb testing.TB, users ...bulk.User) {
	tb.Helper()
	for _, u := range users {
		if err := h.users.Store.Commit(tb.Context(), tenant, []bulk.Write{{User: u}})[0]; err != nil {
			tb.Fatal(err)
		}
	}
}

func user(tb testing.TB, id, email, customFields string) bulk.User {
	tb.Helper()
	f, err := bulk.ParseFields([]byte(customFields))
	if err != nil {
		tb.Fatal(err)
	}
	return bulk.User{ID: id, Email: email, CustomFields: f}
}

// TestPreview: every outcome is counted, listed, found and explained, and nothing is done.
func TestPreview(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, on backends) {
		h := serve(t, on, settings{})
		h.put(t,
			user(t, "u-1", "ana@example.com", `{"team":"Lakers"}`),
			user(t, "u-2", "bo@example.com", `{"team":"Bulls"}`),
		)
		rows := []string{
			"userId,E-Mail,team",
			"u-1,ana@example.com,Lakers",    // unchanged
			"u-2,bo@example.com,Heat",       // updated
			"u-3,ANA@example.com,Jazz",      // its address is another's
			"u-4,no address,Suns",           // not one
			",,Nets",                        // nobody
			"u-5,dee.example.com,Magic",     // not one
			"u-6,eve@example.com,\"Kings\"", // created
		}
		for i := 7; i < 67; i++ {
			rows = append(rows, fmt.Sprintf("u-%d,u%d@example.com,Extras", i, i))
		}
		p := h.signedIn(t, look{})
		p.load(file(t, "members.csv", lines(rows...)))
		p.preview()
		p.wantCounts(counts{created: 61, updated: 1, unchanged: 1, failed: 4})

		// A page at a time.
		p.wantRows(upTo(0, 25)...)
		p.click("#next")
		p.wantRows(upTo(25, 50)...)
		p.click("#next")
		p.wantRows(upTo(50, 67)...)
		p.click("#previous")
		p.wantRows(upTo(25, 50)...)

		// By outcome, by text, and by problem.
		p.choose("#filter-status", "updated")
		p.wantRows(1)
		p.choose("#filter-status", "failed")
		p.wantRows(2, 3, 4, 5)
		p.choose("#filter-status", "")
		p.fill("#filter-text", "kings")
		p.wantRows(6)
		p.fill("#filter-text", "")
		p.wantRows(upTo(0, 25)...)
		if got, want := p.texts("#groups tbody tr td.number"), "2 1 1"; strings.Join(got, " ") != want {
			t.Errorf("the errors are grouped as %v, want %s", got, want)
		}
		p.click(`#groups tr[data-code="INVALID_EMAIL"] button`)
		p.wantRows(3, 5)
		p.says("#rows", "E-Mail") // or what the column is called in the file
		p.click(`#groups tr[data-code="EMAIL_TAKEN"] button`)
		p.wantRows(2)
		p.says("#rows", "u-1") // who has it

		p.click(".chosen button")
		p.wantRows(upTo(0, 25)...)

		// What an update changes, and what it leaves alone.
		p.click(`#changes [data-change="customFields.team"] button`)
		p.wantRows(1)
		p.says(`#rows tr[data-index="1"] [data-changes="customFields.team"]`, "team")
		p.says(`#changes [data-change="customFields.team"]`, "1")
		if n := eval[int](p, `() => document.querySelectorAll("#changes [data-change]").length`); n != 1 {
			t.Errorf("%d fields are said to change, want one", n)
		}

		if distinct, _ := h.users.written(); distinct != 0 {
			t.Errorf("the dry run wrote %d users", distinct)
		}
		h.wantUser(t, "u-2", "bo@example.com", `{"team":"Bulls"}`)

		// Back, and another choice.
		p.click("#back")
		p.inView("import", "file")
		p.click(`input[name="mode"][value="skip"]`)
		p.preview()
		p.wantCounts(counts{created: 61, skipped: 2, failed: 4})
	})
}

// upTo is the indexes from a to before b.
func upTo(a, b int) (all []int) {
	for i := a; i < b; i++ {
		all = append(all, i)
	}
	return all
}

// TestOptions: each option that can be chosen reaches the service, in the dry run and in
// the import.
func TestOptions(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{mailer: new(mailer)})
	p := h.signedIn(t, look{})
	for name, c := range map[string]struct {
		choose func()
		query  string
	}{
		"defaults":     {func() {}, "upsert=true skipDuplicates=false sendWelcomeEmail=false"},
		"skip":         {func() { p.click(`[name="mode"][value="skip"]`) }, "skipDuplicates=true"},
		"create only":  {func() { p.click(`[name="mode"][value="createOnly"]`) }, "upsert=false"},
		"update only":  {func() { p.click(`[name="mode"][value="updateOnly"]`) }, "updateOnly=true upsert=true"},
		"fill":         {func() { p.click(`[name="merge"][value="fill"]`) }, "merge=fill"},
		"replace":      {func() { p.click(`[name="merge"][value="replace"]`) }, "merge=replace"},
		"welcome":      {func() { p.click("#welcome") }, "sendWelcomeEmail=true"},
		"most failed":  {func() { p.fill("#max-failed", "3") }, "maxFailed=3"},
		"label":        {func() { p.fill("#label", "Season tickets") }, "label=Season+tickets"},
		"upsert again": {func() { p.click(`[name="mode"][value="skip"]`); p.click(`[name="mode"][value="upsert"]`) }, "upsert=true skipDuplicates=false"},
	} {
		before := len(h.imports(true))
		p.load(file(t, "a.csv", "userId\nu-1\n"))
		c.choose()
		p.preview()
		dry := h.imports(true)
		if len(dry) != before+1 {
			t.Fatalf("%s: %d dry runs", name, len(dry)-before)
		}
		for _, want := range strings.Fields(c.query) {
			if !strings.Contains(dry[before].query, want) {
				t.Errorf("%s: %q is not in the query %q", name, want, dry[before].query)
			}
		}
		if enabled := eval[bool](p, `() => !document.querySelector("#import").disabled`); enabled {
			count := len(h.imports(false))
			p.run()
			all := h.imports(false)
			if len(all) != count+1 || strings.ReplaceAll(dry[before].query, "dryRun=true", "dryRun=false") != all[count].query {
				t.Errorf("%s: the import has %q, the dry run had %q", name, all[len(all)-1].query, dry[before].query)
			}
			p.click("#new-import")
		} else {
			p.click("#back")
			p.click("#other-file")
		}
		p.inView("import", "empty")
	}
}

// TestRulesOfTheHost are shown with the columns that they are about, and a row that
// breaks one is told so.
func TestRulesOfTheHost(t *testing.T) {
	t.Parallel()
	rules, err := fieldrules.New(fieldrules.Rules{CustomFields: map[string]string{
		"plan": "required,oneof=free pro", "age": "number,min=0,max=150", "club": "required",
	}})
	if err != nil {
		t.Fatal(err)
	}
	h := serve(t, inMemory, settings{rules: rules})
	p := h.signedIn(t, look{})
	p.load(file(t, "a.csv", lines("userId,plan,age", "u-1,pro,30", "u-2,gold,31", "u-3,free,151")))
	p.says(`#columns [data-column="1"]`, "free")
	p.says(`#columns [data-column="2"]`, "150")
	p.says("section", "club") // is required and not in the file
	if kind := p.value(target(2, "data-kind")); kind != "number" {
		t.Errorf("a field that has to be a number is guessed to be %q", kind)
	}
	p.preview()
	p.wantCounts(counts{failed: 3})
	p.see(`#groups tr[data-code="FIELD_RULE"]`)
	p.says("#groups", "plan")
}

// TestWhatWasCheckedIsImported: what becomes of the file on the disk, after it was
// read, does not matter.
func TestWhatWasCheckedIsImported(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	path := file(t, "a.csv", "userId\nu-1\n")
	p.load(path)
	p.preview()
	rewrite(t, path, "userId\nu-2\n")
	p.run()
	h.wantUser(t, "u-1", "", `{}`)
	h.wantNoUser(t, "u-2")
}

// TestRefusals: what the service refuses as a whole is said, and leads back.
func TestRefusals(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{}) // without a mailer
	p := h.signedIn(t, look{})
	p.load(file(t, "a.csv", "userId\nu-1\n"))
	p.click("#welcome")
	p.click("#check")
	p.inView("preview", "failed")
	p.says(`[role="alert"]`, "INVALID_REQUEST")
	p.click("#back")
	p.inView("import", "file")
	p.click("#welcome")
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusForbidden)
		}
		return r.Method == http.MethodPost
	})
	p.click("#check")
	p.inView("preview", "failed")
	h.intercept(nil)
	p.click("#back")
	p.inView("import", "file")
	p.preview()
	p.wantCounts(counts{created: 1})
}
