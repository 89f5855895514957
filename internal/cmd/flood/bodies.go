//go:build linux

package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
)

const most = 64 << 20 // bytes of a body, as the server is set

// A body is a kind of body. It is made as it is sent, so that this program needs no
// memory for it.
type body struct {
	name      string
	mediaType string // JSON if empty
	query     string
	gzip      bool
	job       bool  // it becomes a job, which the blob store keeps
	size      int64 // of what open returns
	open      func() io.Reader
}

// made completes a body whose text is made of parts: head, the rows, tail.
func (b body) made(head string, row func(i int) string, rows int, tail string) body {
	b.open = func() io.Reader {
		return io.MultiReader(strings.NewReader(head), &generated{row: row, rows: rows}, strings.NewReader(tail))
	}
	b.size, _ = io.Copy(io.Discard, b.open())
	return b
}

// zipped completes a body by compressing it.
func (b body) zipped() body {
	var text bytes.Buffer
	w := gzip.NewWriter(&text)
	_, _ = io.Copy(w, b.open()) // into memory
	_ = w.Close()
	b.gzip, b.size = true, int64(text.Len())
	b.open = func() io.Reader { return bytes.NewReader(text.Bytes()) }
	return b
}

// generated yields rows that are made as they are read.
type generated struct {
	row  func(i int) string
	rows int
	next int
	text string
}

func (g *generated) Read(p []byte) (int, error) {
	if g.text == "" {
		if g.next == g.rows {
			return 0, io.EOF
		}
		g.text = g.row(g.next)
		g.next++
	}
	n := copy(p, g.text)
	g.text = g.text[n:]
	return n, nil
}

// json is a request of rows. Each row must end with a comma.
func (b body) json(row func(i int) string, rows int) body {
	return b.made(`{"users":[`, row, rows, `{}]}`)
}

func users(rows, size int) func(i int) string {
	filler := strings.Repeat("x", size)
	return func(i int) string {
		return fmt.Sprintf(`{"userId":"flood-%d","customFields":{"text":"%s"}},`, i, filler)
	}
}

// A user with a string of any length, in parts.
const (
	openString  = `{"users":[{"userId":"x","customFields":{"text":"`
	closeString = `"}}]}`
)

// repeat returns rows that are all the same.
func repeat(text string, n int) func(int) string {
	text = strings.Repeat(text, n)
	return func(int) string { return text }
}

var filler = strings.Repeat("x", 1<<20)

func mebibyte(int) string { return filler }

// bodies are all kinds.
func bodies() []body {
	errors100 := `"customFields":{"a":[` + strings.Repeat("1e999,", 99) + `1e999]}`
	numbers := func(i int) string { return fmt.Sprintf(`{"userId":"flood-%d",%s},`, i, errors100) }
	keys := manyKeys(40_000)
	long := strings.Repeat("k", 39<<20/10)
	return []body{
		body{name: "64 MiB, rows too large"}.json(users(98, most/98-100), 98),
		body{name: "38 MiB, largest users"}.json(users(98, 390<<10), 98),
		body{name: "64 MiB, one string"}.made(openString, mebibyte, 63, closeString),
		body{name: "64 MiB, one string, gzip"}.made(openString, mebibyte, 63, closeString).zipped(),
		body{name: "64 MiB, rows too large, gzip"}.json(users(98, most/98-100), 98).zipped(),
		body{name: "40,000 keys a row"}.json(func(i int) string { return fmt.Sprintf(`{"userId":"flood-%d","customFields":{%s}},`, i, keys) }, 98),
		body{name: "a key of 4 MB, 100 errors, gzip"}.json(repeat(`{"userId":"x","customFields":{"`+long+`":[`+strings.Repeat("1e999,", 99)+`1e999]}},`, 1), 1).zipped(),
		body{name: "98 rows of 100 errors"}.json(numbers, 98),
		body{name: "blank lines", mediaType: "application/x-ndjson"}.made("", repeat("\n", 1<<20), 64, ""),
		body{name: "blanks, gzip"}.json(repeat(" ", 1<<20), 63).zipped(),
		body{name: "4 million notes", mediaType: "text/csv"}.made("userId", repeat(",_index", 10_000), 400, "\nx\n"),
		body{name: "8 million commas", mediaType: "text/csv"}.made("userId\nx", repeat(",", 1<<20), 8, "\n"),
		body{name: "8 million commas, gzip", mediaType: "text/csv"}.made("userId\nx", repeat(",", 1<<20), 8, "\n").zipped(),
		body{name: "a quote that does not end", mediaType: "text/csv"}.made("userId\n\"", mebibyte, 63, "\n"),
		body{name: "320,000 columns", mediaType: "text/csv"}.made("userId", func(i int) string { return fmt.Sprintf(",customFields.c%d", i) }, 320_000, "\n"+strings.Repeat("x\n", 9999)),
		body{name: "2,000 columns, 98 rows", mediaType: "text/csv"}.made("userId"+strings.Join(columns(1999), ""), func(i int) string { return fmt.Sprintf("\nu%d%s", i, strings.Repeat(",x", 1999)) }, 98, "\n"),
		body{name: "million rows"}.json(repeat("1,", 1), 1_000_000),

		body{name: "64 MiB, 10,000 users", job: true}.json(users(9_999, most/9_999-60), 9_999),
		body{name: "64 MiB, 10,000 users, gzip", job: true}.json(users(9_999, most/9_999-60), 9_999).zipped(),
		body{name: "10,000 rows of 100 errors", job: true}.json(numbers, 9_999),
		body{name: "large rows, then a job", job: true}.json(users(150, most/150-100), 150),
		body{name: "CSV, 10,000 users", job: true, mediaType: "text/csv"}.made("userId,customFields.text", func(i int) string { return fmt.Sprintf("\nu%d,%s", i, strings.Repeat("x", 6000)) }, 10_000, "\n"),
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%d":%d,`, i, i)
	}
	return b.String() + `"last":0`
}

func columns(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf(",customFields.c%d:number", i)
	}
	return names
}
