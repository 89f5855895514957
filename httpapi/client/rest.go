package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowtext"
)

// Rest iterates over the results of accepted rows that were not imported: those that
// failed and those that were not processed. All else is as with [Import.Results].
func (im *Import) Rest(ctx context.Context) iter.Seq2[bulk.RowResult, error] {
	if im.Summary().NotProcessed == 0 {
		return im.Failed(ctx)
	}
	return func(yield func(bulk.RowResult, error) bool) {
		for r, err := range im.Results(ctx) {
			if err == nil && r.Status != bulk.StatusFailed && r.Status != bulk.StatusNotProcessed {
				continue
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// WriteRest writes the rows of a CSV text that were not imported, to be mended and
// imported in their turn: those of Rest, and those behind the last part that was
// accepted. The text is the one that was imported, read anew. see, if not nil, is
// called with the result of each row.
//
// What it writes is CSV in UTF-8 with a byte order mark, in the format of the text:
// its separator and header, and its cells, but for an apostrophe in front of what a
// spreadsheet would run as a formula. The service takes that away. In front are the
// columns _index, _line, _status and _errors, which are passed over when it is
// imported; those that the text has itself are left out.
func (im *Import) WriteRest(ctx context.Context, dst io.Writer, text io.Reader, format CSVFormat, see func(bulk.RowResult)) error {
	next, stop := iter.Pull2(im.Rest(ctx))
	defer stop()
	result, err, more := next()
	w := &restWriter{out: bufio.NewWriter(dst)}
	accepted := im.Summary().Total()
	index := -1
	for record, readErr := range format.Records(text) {
		if readErr != nil {
			return readErr
		}
		if err != nil {
			return err
		}
		if index++; index == 0 {
			w.header(record)
			continue
		}
		r := bulk.RowResult{Index: index - 1, Line: record.Line, Status: bulk.StatusNotProcessed}
		switch {
		case more && result.Index == r.Index:
			r = result
			result, err, more = next()
		case r.Index < accepted:
			continue // imported
		}
		if see != nil {
			see(r)
		}
		w.row(record, r)
	}
	if err != nil {
		return err
	}
	return w.out.Flush() // the first error of all writes
}

// A restWriter writes records with notes in front.
type restWriter struct {
	out      *bufio.Writer
	noted    []bool // columns that are notes of an earlier time
	exported bool   // the text was written so itself
	cell     []byte
	scratch  []byte
}

var notes = []string{rowtext.NoteIndex, rowtext.NoteLine, rowtext.NoteStatus, rowtext.NoteErrors}

func (w *restWriter) header(header Record) {
	for i := range header.cells.Known() {
		name := string(bytes.TrimSpace(header.cells.Cell(i)))
		w.noted = append(w.noted, slices.Contains(notes, name))
		w.exported = w.exported || name == rowtext.NoteIndex
	}
	sep := string(header.Separator)
	_, _ = w.out.WriteString("\ufeff" + strings.Join(notes, sep) + sep)
	w.record(header, func(i int) []byte { return header.cells.Raw(i) })
}

func (w *restWriter) row(record Record, r bulk.RowResult) {
	reason := make([]string, len(r.Errors))
	for i, e := range r.Errors {
		reason[i] = string(e.Code) + ": " + e.Message
	}
	for _, note := range []string{strconv.Itoa(r.Index), strconv.Itoa(record.Line), string(r.Status), rowtext.Defuse(strings.Join(reason, "; "))} {
		w.cell = append(rowtext.AppendCell(w.cell[:0], note), record.Separator)
		_, _ = w.out.Write(w.cell)
	}
	w.record(record, func(i int) []byte { return w.safe(record.cells, i) })
}

// record writes the cells of a record that are not notes.
func (w *restWriter) record(record Record, cell func(i int) []byte) {
	end, first := 0, true
	for i := range record.cells.Known() {
		end += len(record.cells.Raw(i)) + min(i, 1) // with the separator in front
		if i < len(w.noted) && w.noted[i] {
			continue
		}
		if !first {
			_ = w.out.WriteByte(record.Separator)
		}
		first = false
		_, _ = w.out.Write(cell(i))
	}
	tail := record.Text[end:] // cells beyond those that are known, and the end of the line
	_, _ = w.out.Write(tail)
	if !bytes.HasSuffix(tail, []byte{'\n'}) {
		_, _ = w.out.WriteString("\r\n")
	}
}

// safe returns a cell that no spreadsheet runs, nor splits: as it stands, where it is
// one. A number is.
func (w *restWriter) safe(rec *rowtext.Record, i int) []byte {
	raw, value := rec.Raw(i), string(rec.Cell(i))
	if strings.HasPrefix(value, "-") && json.Valid([]byte(value)) {
		return raw
	}
	safe := rowtext.Defuse(string(rowtext.Restore([]byte(value), w.exported, &w.scratch)))
	if safe == value && (bytes.HasPrefix(raw, []byte{'"'}) || !bytes.ContainsAny(raw, rowtext.Separators)) {
		return raw
	}
	w.cell = rowtext.AppendCell(w.cell[:0], safe)
	return w.cell
}
