package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/client"
)

// A remainder is the rows that were not imported.
type remainder struct {
	count int
	// results are theirs, in order, those of rows that were not sent at the end
	// excepted.
	results iter.Seq2[bulk.RowResult, error]
	sent    int // rows that were sent
}

// unimported returns the rows of an import that failed or were not reached.
func unimported(ctx context.Context, im *client.Import, rows int) *remainder {
	s := im.Summary()
	rest := &remainder{count: rows - s.Processed() + s.Failed, sent: s.Total()}
	if s.NotProcessed == 0 {
		rest.results = im.Failed(ctx)
		return rest
	}
	rest.results = func(yield func(bulk.RowResult, error) bool) {
		for r, err := range im.Results(ctx) {
			if err == nil && r.Status != bulk.StatusFailed && r.Status != bulk.StatusNotProcessed {
				continue
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
	return rest
}

// reasons says for people why a row was not imported.
func reasons(r bulk.RowResult) string {
	if len(r.Errors) == 0 {
		return "not processed"
	}
	texts := make([]string, len(r.Errors))
	for i, e := range r.Errors {
		texts[i] = fmt.Sprintf("%s: %s", e.Code, e.Message)
	}
	return strings.Join(texts, "; ")
}

// notes are the columns in front of a file of failed rows. Their names begin with
// an underscore, so they are passed over when the file is imported.
var notes = []string{"_line", "_status", "_errors"}

// writeRest writes the rows as they stand in the input, with notes in front, and
// calls see with the result of each. The file is there in full or not at all.
func writeRest(name string, in *input, rest *remainder, see func(bulk.RowResult)) (err error) {
	if err := in.rewind(); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(name), ".csvimport-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(file.Name())
		}
	}()
	out := bufio.NewWriter(file)
	if err := copyRest(out, in.file, rest, see); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}

// copyRest copies the records of the rows that were not imported.
func copyRest(out *bufio.Writer, in io.Reader, rest *remainder, see func(bulk.RowResult)) error {
	next, stop := iter.Pull2(rest.results)
	defer stop()
	result, err, more := next()
	row, noted := -1, 0
	for record, readErr := range client.CSVRecords(in) {
		if readErr != nil {
			return readErr
		}
		if err != nil {
			return err
		}
		if row++; row == 0 {
			noted = notesOf(record)
			sep := string(record.Separator)
			_, _ = out.WriteString("\ufeff" + strings.Join(notes, sep) + sep) // errors come back from Flush
			writeRecord(out, record, noted)
			continue
		}
		r := result
		switch {
		case more && result.Index == row-1:
			result, err, more = next()
		case row-1 >= rest.sent:
			r = bulk.RowResult{Index: row - 1, Line: record.Line, Status: bulk.StatusNotProcessed}
		default:
			continue // imported
		}
		see(r)
		fmt.Fprintf(out, "%d%c%s%[2]c\"%[4]s\"%[2]c", record.Line, record.Separator, r.Status, strings.ReplaceAll(reasons(r), `"`, `""`))
		writeRecord(out, record, noted)
	}
	return err
}

// notesOf returns how many cells of the header are notes of an earlier time.
func notesOf(header client.Record) int {
	n := 0
	for cell := range header.Cells() {
		if n == len(notes) || string(cell) != notes[n] {
			break
		}
		n++
	}
	return n
}

// writeRecord writes a record without its first cells.
func writeRecord(out *bufio.Writer, record client.Record, without int) {
	text := record.Text
	for cell := range record.Cells() {
		if without == 0 {
			break
		}
		without--
		text = text[min(len(cell)+1, len(text)):]
	}
	_, _ = out.Write(text)
	if len(text) == 0 || text[len(text)-1] != '\n' {
		_, _ = out.WriteString("\r\n")
	}
}
