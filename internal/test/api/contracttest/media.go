package contracttest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
)

// zip compresses a text.
func zip(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text)) // a buffer never fails
	_ = z.Close()
	return b.String()
}

func testMedia(s *suite) {
	const body = `{"users":[{"userId":"u"}]}`
	for _, contentType := range []string{
		"application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON", `application/json; charset="utf-8"`,
	} {
		s.run("accepted/"+contentType, func(w *world) {
			w.post(body, "Content-Type: "+contentType).outcome().row(0, "created")
		})
	}
	for _, contentType := range []string{
		"text/plain", "text/json", "text/html", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
		"application/octet-stream", "application/xml", "application/json-seq", "application/vnd.api+json", "*/*", "json", "application/", "",
	} {
		s.runWitnessed(fmt.Sprintf("415/content type %q", contentType), func(w *world, v *witness) {
			for _, text := range []string{body, usersBody(150)} {
				a := w.post(text, "Content-Type: "+contentType)
				a.refusedWith(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
				v.sawNothing(w, a)
			}
		})
	}
	s.run("accepted/gzip", func(w *world) {
		o := w.call(request{body: zip(body), header: []string{"Content-Encoding: gzip"}}).outcome()
		o.row(0, "created")
		w.run(w.call(request{body: zip(usersBody(150)), header: []string{"Content-Encoding: gzip"}}).accepted().JobID)
		w.holds(o.answer, user{"u149", "u149@example.com", "", ""})
	})
	for _, encoding := range []string{"br", "deflate", "zstd", "compress", "gzip, gzip", "aes128gcm"} {
		s.runWitnessed("415/content encoding "+encoding, func(w *world, v *witness) {
			a := w.post(body, "Content-Encoding: "+encoding)
			a.refusedWith(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
			v.sawNothing(w, a)
		})
	}
	for name, text := range map[string]string{"no gzip": body, "cut off": zip(usersBody(150))[:200], "altered": zip(usersBody(150))[:200] + "?????" + zip(usersBody(150))[205:]} {
		s.runWitnessed("400/gzip that is "+name, func(w *world, v *witness) {
			a := w.post(text, "Content-Encoding: gzip")
			a.data(http.StatusBadRequest)
			v.sawNothing(w, a)
		})
	}
	testBodySize(s)
	testFormats(s)
}

// testBodySize has bodies at the limits of the host, and one byte above.
func testBodySize(s *suite) {
	const limit = 10_000
	// padded is a body of n users and size bytes.
	padded := func(n, size int) string {
		text := usersBody(n)
		return text + strings.Repeat(" ", size-len(text))
	}
	sent := func(s *setup) { s.api.MaxBody = limit }
	for _, chunked := range []bool{false, true} {
		how := map[bool]string{false: "with its length", true: "chunked"}[chunked]
		for _, n := range []int{3, 150} {
			s.run(fmt.Sprintf("body/%d users in the most bytes, %s", n, how), func(w *world) {
				a := w.call(request{body: padded(n, limit), chunked: chunked})
				if a.status >= 300 {
					a.errorf("a body of %d bytes is refused", limit)
				}
			}, sent)
			s.runWitnessed(fmt.Sprintf("413/%d users in one byte more, %s", n, how), func(w *world, v *witness) {
				a := w.call(request{body: padded(n, limit+1), chunked: chunked})
				a.refusedWith(http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE")
				v.sawNothing(w, a)
			}, sent)
		}
		s.runWitnessed("413/users who go beyond the limit, "+how, func(w *world, v *witness) {
			a := w.call(request{body: usersBody(1000), chunked: chunked})
			a.refusedWith(http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE")
			v.sawNothing(w, a)
		}, sent)
		s.runWitnessed("413/a single user who goes beyond the limit, "+how, func(w *world, v *witness) {
			a := w.call(request{body: bodyOf(userIDRow(strings.Repeat("u", 2*limit))), chunked: chunked})
			a.refusedWith(http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE")
			v.sawNothing(w, a)
		}, sent)
	}
	for contentType, text := range map[string]string{
		"application/x-ndjson": strings.Join(fillers("u", 1000), "\n"),
		"text/csv":             "userId\n" + strings.Repeat("u\n", limit),
	} {
		s.runWitnessed("413/users who go beyond the limit, chunked, "+contentType, func(w *world, v *witness) {
			a := w.call(request{
				method: http.MethodPost, path: usersPath, body: text, chunked: true,
				header: []string{"Content-Type: " + contentType},
			})
			a.refusedWith(http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE")
			v.sawNothing(w, a)
		}, sent)
	}
	decoded := func(s *setup) { s.api.MaxDecoded = limit }
	s.run("body/the most bytes after decompression", func(w *world) {
		w.call(request{body: zip(padded(3, limit)), header: []string{"Content-Encoding: gzip"}}).outcome()
	}, decoded)
	for _, n := range []int{3, 150} {
		s.runWitnessed(fmt.Sprintf("413/%d users in one byte more after decompression", n), func(w *world, v *witness) {
			a := w.call(request{body: zip(padded(n, limit+1)), header: []string{"Content-Encoding: gzip"}})
			a.refusedWith(http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE")
			v.sawNothing(w, a)
		}, decoded)
	}
	s.runWitnessed("413/users who go beyond the limit after decompression", func(w *world, v *witness) {
		a := w.call(request{body: zip(usersBody(1000)), header: []string{"Content-Encoding: gzip"}})
		a.refusedWith(http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE")
		v.sawNothing(w, a)
	}, decoded)
	s.runWitnessed("413/compressed bytes count too", func(w *world, v *witness) {
		var rows []string
		for i := range 150 {
			rows = append(rows, fmt.Sprintf(`{"userId":"%x"}`, [64]byte{byte(i), byte(i * 7), byte(i * 31)}))
		}
		text := zip(bodyOf(rows...))
		a := w.call(request{body: text, header: []string{"Content-Encoding: gzip"}})
		a.refusedWith(http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE")
		v.sawNothing(w, a)
	}, func(s *setup) { s.api.MaxBody = 200 })
}

// sendText posts users in a format other than JSON.
func (w *world) sendText(query string, header []string, body string) *answer {
	return w.call(request{method: http.MethodPost, path: usersPath + query, body: body, header: header})
}

// testFormats has the other ways to send users.
func testFormats(s *suite) {
	const ndjson, csv = "Content-Type: application/x-ndjson", "Content-Type: text/csv"
	post := func(w *world, query, contentType, body string, header ...string) *answer {
		return w.sendText(query, append([]string{contentType}, header...), body)
	}
	s.run("NDJSON/a user a line", func(w *world) {
		o := post(w, "", ndjson, annRow+"\n"+bobRow+"\n5\n").outcome()
		o.row(0, "created")
		o.row(1, "created")
		o.row(2, "failed", invalidUser)
		w.holds(o.answer, ann)
		o = post(w, "?skipDuplicates=true", ndjson, annRow+"\n"+bobRow).outcome()
		o.row(0, "skipped")
		o.row(1, "skipped")
	})
	s.run("NDJSON/100 lines become a job", func(w *world) {
		id := post(w, "?upsert=false", ndjson, strings.Join(append(fillers("u", 99), `{"userId":"u0"}`), "\n")).accepted().JobID
		w.run(id)
		w.download(w.job(id)).row(99, "failed", "USER_EXISTS")
	})
	s.run("CSV/columns are fields and empty cells are absent", func(w *world) {
		o := post(w, "", csv, "\ufeffuserId,email,customFields.team,customFields.points:number,customFields.on:boolean,metadata.raw:json\r\n"+
			"u1,u1@example.com,\"Lakers, \"\"LA\"\"\",9007199254740993,true,\"{\"\"a\"\":[1,null]}\"\r\n"+
			"u2,,,,,\r\n"+
			",,x,,,\r\n"+
			"u4,nobody,x,,,\r\n").outcome()
		o.row(0, "created")
		o.row(1, "created")
		o.row(2, "failed", missing)
		o.row(3, "failed", invalidEmail)
		for i, r := range o.results {
			if r.Line != i+2 {
				o.errorf("row %d is on line %d, want %d", i, r.Line, i+2)
			}
		}
		w.holds(o.answer, user{"u1", "u1@example.com", `{"team":"Lakers, \"LA\"","points":9007199254740993,"on":true}`, `{"raw":{"a":[1,null]}}`})
		w.holds(o.answer, user{id: "u2"})
	})
	s.run("CSV/values are strings unless the header says otherwise", func(w *world) {
		o := post(w, "", csv, "userId,customFields.n,metadata.t\nu,007,true\n").outcome()
		o.row(0, "created")
		w.holds(o.answer, user{"u", "", `{"n":"007"}`, `{"t":"true"}`})
	})
	s.run("CSV/compressed, as a job, with options", func(w *world) {
		w.seed(annRow)
		text := "userId,metadata.k\n" + strings.Repeat("A,v\n", 100)
		a := post(w, "?upsert=false&dryRun=true", csv, zip(text), "Content-Encoding: gzip")
		id := a.accepted().JobID
		w.run(id)
		o := w.download(w.job(id))
		if o.summary.Failed != 100 || o.results[99].Line != 101 {
			o.errorf("want 100 rows that fail, the last on line 101")
		}
		w.holds(o.answer, ann)
	})
	for _, c := range []struct{ name, query, contentType, body string }{
		{"an unknown query parameter", "?overwrite=true", ndjson, annRow},
		{"an option in the query that is no boolean", "?upsert=yes", ndjson, annRow},
		{"an option in the query that is empty", "?upsert=", csv, "userId\nu\n"},
		{"an option in the query twice", "?upsert=true&upsert=false", csv, "userId\nu\n"},
		{"an option in the query of another case", "?Upsert=true", ndjson, annRow},
	} {
		s.runWitnessed("400/"+c.name, func(w *world, v *witness) {
			a := post(w, c.query, c.contentType, c.body)
			a.refusedWith(http.StatusBadRequest, invalidRequest)
			v.sawNothing(w, a)
		})
	}
	for _, contentType := range []string{ndjson, csv} {
		s.runWitnessed("400/no users, "+contentType, func(w *world, v *witness) {
			text := ""
			if contentType == csv {
				text = "userId,email\n"
			}
			a := post(w, "", contentType, text)
			a.refusedWith(http.StatusBadRequest, emptyUsers)
			v.sawNothing(w, a)
		})
		s.runWitnessed("400/10,001 users, "+contentType, func(w *world, v *witness) {
			text := strings.Repeat(annRow+"\n", 10_001)
			if contentType == csv {
				text = "userId\n" + strings.Repeat("u\n", 10_001)
			}
			a := post(w, "", contentType, text)
			a.refusedWith(http.StatusBadRequest, "TOO_MANY_USERS")
			v.sawNothing(w, a)
		})
	}
	s.runWitnessed("400/NDJSON whose last line is cut off", func(w *world, v *witness) {
		a := post(w, "", ndjson, strings.Join(fillers("u", 150), "\n")+"\n"+`{"userId":`)
		a.refusedWith(http.StatusBadRequest, invalidJSON)
		v.sawNothing(w, a)
	})
}
