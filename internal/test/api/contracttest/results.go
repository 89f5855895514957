package contracttest

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

// mixedRows are n rows with all outcomes that a job knows, on a store that has ann.
// Their statuses are in the second result.
func mixedRows(n int) (rows, statuses []string) {
	for i := range n {
		switch i % 5 {
		case 0:
			rows = append(rows, fmt.Sprintf(`{"userId":"u%d","email":"u%d@example.com"}`, i, i))
			statuses = append(statuses, "created")
		case 1:
			rows = append(rows, fmt.Sprintf(`{"userId":"A","customFields":{"n":%d}}`, 1000+i))
			statuses = append(statuses, "updated")
		case 2:
			rows = append(rows, `{"userId":"A","email":"ann@example.com"}`)
			statuses = append(statuses, "unchanged")
		case 3:
			rows = append(rows, fmt.Sprintf(`{"userId":"bad%d","email":"nobody","customFields":{"note":"=1+%d"}}`, i, i))
			statuses = append(statuses, "failed")
		case 4:
			rows = append(rows, fmt.Sprintf(`{"email":"generated%d@example.com"}`, i))
			statuses = append(statuses, "created")
		}
	}
	return rows, statuses
}

// testResults has the results of jobs in all formats.
func testResults(s *suite) {
	for _, n := range []int{1, 100, 501} {
		s.run(fmt.Sprintf("one result a row, in order, of %d rows", n), func(w *world) {
			w.seed(annRow)
			rows, statuses := mixedRows(n)
			id := w.submit(bodyOf(rows...))
			w.run(id)
			job := w.job(id)
			o := w.download(job)
			for i, status := range statuses {
				given := w.given(rows[i])
				r := o.row(i, status, o.results[i].codes()...)
				if r.Email != given.Email || given.ID != "" && r.UserID != given.ID || r.UserID == "" {
					o.errorf("result %d is of another row", i)
				}
			}
			_, same := w.send(request{path: resultsPath(id)}).file()
			if diff := cmp.Diff(o.results, same.results); diff != "" {
				same.errorf("the results are others than those of the link (-link +results):\n%s", clip(diff))
			}
			if _, asked := w.send(request{path: resultsPath(id) + "?format=json"}).file(); !bytes.Equal(asked.body, same.body) {
				asked.errorf("json is the default, but the answer differs")
			}
			w.compareLines(id, "", o.results)

			failed := slices.DeleteFunc(slices.Clone(o.results), func(r rowResult) bool { return r.Status != "failed" })
			file, some := w.send(request{path: resultsPath(id) + "?only=failed"}).file()
			if diff := cmp.Diff(failed, some.results); diff != "" && len(failed)+len(some.results) > 0 {
				some.errorf("the failed results are others (-want +got):\n%s", clip(diff))
			}
			if file.TotalRecords != n || some.summary != job.summary {
				some.errorf("the head of the file is of another job")
			}
			w.compareLines(id, "&only=failed", failed)
			w.checkCSV(id, "", n)
			w.checkCSV(id, "&only=failed", len(failed))
		})
	}
	s.run("files have types and names", func(w *world) {
		id := w.submit(bodyOf(annRow))
		w.run(id)
		for format, want := range map[string]string{"json": "application/json", "ndjson": "application/x-ndjson", "csv": "text/csv"} {
			a := w.send(request{path: resultsPath(id) + "?format=" + format})
			mediaType, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
			if a.status != http.StatusOK || err != nil || mediaType != want {
				a.errorf("want 200 and the type %s", want)
			}
			a.hasHeader("Cache-Control", "no-store")
			a.hasFileName("." + format)
		}
	})
	s.run("the CSV of failed rows can be mended and sent again", func(w *world) {
		w.seed(annRow)
		var rows []string
		for i, extra := range []string{
			`"customFields":{"team":"Lakers, \"LA\"","points":9007199254740993,"on":true}`,
			`"customFields":{"team":"line\nbreak","points":null,"on":false}`,
			`"metadata":{"o":{"a":[1,null]},"007":"007"}`,
			`"customFields":{"team":"=1+1"},"metadata":{"at":"@x","plus":"+1","minus":"-1","quote":"'"}`,
			`"customFields":{"points":1.50,"e":""}`,
		} {
			rows = append(rows, fmt.Sprintf(`{"userId":"u%d","email":"MEND%d",%s}`, i, i, extra), annRow)
		}
		id := w.submit(bodyOf(rows...))
		w.run(id)
		failed := w.send(request{path: resultsPath(id) + "?format=csv&only=failed"})
		if failed.status != http.StatusOK {
			failed.fatalf("status is %d, want 200", failed.status)
		}
		for i := range 5 {
			failed.body = bytes.ReplaceAll(failed.body, fmt.Appendf(nil, "MEND%d", i), fmt.Appendf(nil, "mended%d@example.com", i))
		}
		o := w.call(request{method: http.MethodPost, path: usersPath, body: string(failed.body), header: []string{"Content-Type: text/csv"}}).outcome()
		if len(o.results) != 5 {
			o.fatalf("%d rows were mended, want 5", len(o.results))
		}
		for i := range o.results {
			o.row(i, "created")
		}
		w.holds(o.answer, user{"u0", "mended0@example.com", `{"team":"Lakers, \"LA\"","points":9007199254740993,"on":true}`, ""})
		w.holds(o.answer, user{"u1", "mended1@example.com", `{"team":"line\nbreak","on":false}`, ""})
		w.holds(o.answer, user{"u2", "mended2@example.com", "", `{"o":{"a":[1,null]},"007":"007"}`})
		w.holds(o.answer, user{"u3", "mended3@example.com", `{"team":"=1+1"}`, `{"at":"@x","plus":"+1","minus":"-1","quote":"'"}`})
		w.holds(o.answer, user{"u4", "mended4@example.com", `{"points":1.5,"e":""}`, ""})
	})
	for _, query := range []string{"format=xml", "format=", "format=JSON", "format=json&format=csv", "only=", "only=created", "only=failed&only=failed", "limit=1"} {
		s.run("400/"+query, func(w *world) {
			id := w.submit(bodyOf(annRow))
			w.run(id)
			w.call(request{path: resultsPath(id) + "?" + query}).refusedWith(http.StatusBadRequest, invalidRequest)
		})
	}
	s.run("404 until the job has ended", func(w *world) {
		id := w.submit(bodyOf(annRow))
		for _, query := range []string{"", "?format=csv", "?format=ndjson", "?only=failed"} {
			w.call(request{path: resultsPath(id) + query}).refusedWith(http.StatusNotFound, "NOT_FOUND")
		}
		w.cancel(id)
	})
}

// hasFileName checks that an answer is to be saved under a name of that extension.
func (a *answer) hasFileName(extension string) {
	a.t.Helper()
	disposition, params, err := mime.ParseMediaType(a.header.Get("Content-Disposition"))
	if err != nil || disposition != "attachment" || !strings.HasSuffix(params["filename"], extension) {
		a.errorf("Content-Disposition is %q, want an attachment with the name of a %s file", a.header.Get("Content-Disposition"), extension)
	}
}

// compareLines checks the results in the format NDJSON.
func (w *world) compareLines(id, query string, want []rowResult) {
	w.Helper()
	a := w.send(request{path: resultsPath(id) + "?format=ndjson" + query})
	var got []rowResult
	for line := range bytes.Lines(a.body) {
		var r rowResult
		if err := json.Unmarshal(line, &r, json.RejectUnknownMembers(true)); err != nil {
			a.fatalf("%v", err)
		}
		got = append(got, r)
	}
	if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
		a.errorf("the lines are other results (-want +got):\n%s", clip(diff))
	}
}

// checkCSV checks the results in the format CSV: the rows' own columns are there,
// and no cell that a spreadsheet would run.
func (w *world) checkCSV(id, query string, n int) {
	w.Helper()
	a := w.send(request{path: resultsPath(id) + "?format=csv" + query})
	records, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(a.body, []byte("\ufeff")))).ReadAll()
	if err != nil || len(records) != n+1 {
		a.fatalf("want a header and %d records: %v", n, err)
	}
	if n > 0 && !slices.Contains(records[0], "userId") {
		a.errorf("the header has no userId")
	}
	for _, record := range records {
		for _, cell := range record {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				a.errorf("a spreadsheet would run the cell %q", cell)
			}
		}
	}
}

// testDownloads has the links to results.
func testDownloads(s *suite) {
	s.run("a link works with a bare GET", func(w *world) {
		id := w.submit(bodyOf(annRow))
		w.run(id)
		job := w.job(id)
		a := w.send(request{path: *job.DownloadURL, token: nobody})
		_, o := a.file()
		o.row(0, "created")
		mediaType, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
		if err != nil || mediaType != "application/json" {
			a.errorf("Content-Type is %q, want application/json", a.header.Get("Content-Type"))
		}
		a.hasFileName(".json")
		if left := time.Until(job.time(*job.DownloadExpires)); left <= 0 || left > time.Hour {
			job.errorf("the link lives for %v more, want up to an hour", left)
		}
		if !strings.Contains(*job.DownloadURL, "://") {
			job.errorf("the link is not a whole URL")
		}
	})
	s.run("a fresh link at every call", func(w *world) {
		id := w.submit(bodyOf(annRow))
		w.run(id)
		first := w.job(id)
		var second *jobState
		w.poll("a link that lives longer", func() bool {
			second = w.job(id)
			return second.time(*second.DownloadExpires).After(first.time(*first.DownloadExpires))
		})
		w.download(first)
		w.download(second)
	})
	s.run("the host sets how long a link lives", func(w *world) {
		id := w.submit(bodyOf(annRow))
		w.run(id)
		job := w.job(id)
		link, expires := *job.DownloadURL, job.time(*job.DownloadExpires)
		if left := time.Until(expires); left > time.Second {
			job.errorf("the link lives for %v more, want up to a second", left)
		}
		w.poll("an expired link", func() bool {
			return w.send(request{path: link, token: nobody}).status == http.StatusForbidden
		})
		if time.Until(expires) > time.Second { // the clock of a blob store may be another
			job.errorf("the link was refused before its time")
		}
	}, func(s *setup) { s.bulk.DownloadTTL = time.Second })
	s.run("a link altered by one character is refused", func(w *world) {
		id := w.submit(bodyOf(annRow))
		w.run(id)
		for _, altered := range alter(w, *w.job(id).DownloadURL) {
			a := w.send(request{path: altered, token: nobody})
			if a.status != http.StatusForbidden {
				a.errorf("status is %d, want 403", a.status)
			}
			if strings.HasPrefix(altered, w.url) {
				a.checkEnvelope()
				a.refusedWith(http.StatusForbidden, "FORBIDDEN")
			}
		}
	})
	s.run("another tenant's token does not hinder and no token is needed", func(w *world) {
		id := w.submit(bodyOf(annRow))
		w.run(id)
		job := w.job(id)
		if strings.HasPrefix(*job.DownloadURL, w.url) {
			w.send(request{path: *job.DownloadURL, token: w.stranger()}).file()
		}
	})
}

// alter returns the link with one character changed, at several places: of the
// signature, if it is a parameter, and of the last part of the path.
func alter(w *world, link string) (altered []string) {
	w.Helper()
	u, err := url.Parse(link)
	if err != nil {
		w.Fatal(err)
	}
	change := func(start, end int) {
		step := max(1, (end-start)/12)
		for i := start; i < end; i += step {
			with := byte('0')
			if link[i] == with {
				with = '1'
			}
			altered = append(altered, link[:i]+string(with)+link[i+1:])
		}
	}
	path := link
	if u.RawQuery != "" {
		path = link[:len(link)-len(u.RawQuery)-1]
		if i := strings.Index(link, "Signature="); i >= 0 {
			start := i + len("Signature=")
			end := start
			for end < len(link) && link[end] != '&' {
				end++
			}
			change(start, end)
		}
		change(strings.LastIndexByte(path, '/')+1, len(path))
		return altered
	}
	change(strings.LastIndexByte(path, '/')+1, len(path))
	last := link[len(link)-1]
	return append(altered, link[:len(link)-1]+map[bool]string{true: "B", false: "A"}[last == 'A'], link[:len(link)-1], link+"A")
}
