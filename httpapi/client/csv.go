package client

import (
	"errors"
	"io"
	"iter"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowtext"
)

// CSV is a source of the users of a CSV text: RFC 4180 with a header row, which each
// request repeats, in UTF-8, with or without a byte order mark, or in UTF-16 with
// one. As in the service, commas, semicolons, tabs or bars separate the cells: those
// with which the header is one, or which a first line like "sep=;" names. Quoted
// cells may have line breaks, and records whose cells are all empty are passed over.
//
// A header that the service would refuse, and what breaks the grammar, end the
// import with a [*SourceError]; what cells mean is for the service.
//
// The reader is read while the import goes on, and not closed.
func CSV(r io.Reader) Source { return CSVFormat{}.Source(r) }

// A CSVFormat says what a CSV text does not say itself. The zero value is the format
// of [CSV].
type CSVFormat struct {
	// Separator separates the cells: one of , ; tab and |. Defaults to what [CSV]
	// finds out.
	Separator byte
	// Rename gives columns the names that the API knows: {"User ID": "userId",
	// "Team": "customFields.team"}. Its keys are headers as they stand in the text,
	// without blanks around them, and all of them must be there. A column that is
	// renamed to "" is not imported.
	Rename map[string]string
}

// Source is a source as [CSV] makes it.
func (f CSVFormat) Source(r io.Reader) Source {
	return Source{csvFormat, func() rows { return &csvRows{records: f.records(r)} }}
}

func (f CSVFormat) records(r io.Reader) *rowtext.Records {
	separators := rowtext.Separators
	if f.Separator != 0 {
		separators = string([]byte{f.Separator})
	}
	records := rowtext.NewRecords(&decoder{in: r}, separators, MaxRecord)
	records.Rename(f.Rename)
	return records
}

type csvRows struct {
	records *rowtext.Records
	head    []byte
	at      int // where the last error is
}

func (r *csvRows) next() (row, error) {
	if r.head == nil {
		h, err := r.records.Header()
		if errors.Is(err, rowtext.ErrNoHeader) {
			return row{}, io.EOF
		}
		if err != nil {
			return row{}, r.fault(err)
		}
		if sep := r.records.Separator(); sep != ',' {
			// Settled for every part, whatever rows follow its header.
			r.head = append(r.head, 's', 'e', 'p', '=', sep, '\n')
		}
		r.head = append(r.head, h.Text...)
	}
	rec, err := r.records.Next()
	if err == io.EOF {
		return row{}, err
	}
	if err == nil && rec.TooLong {
		err = &rowtext.Error{Line: rec.Line, Message: errLongRecord.Error()}
	}
	if err != nil {
		return row{}, r.fault(err)
	}
	return row{text: rec.Text, line: rec.Line, gap: rec.Gap}, nil
}

func (r *csvRows) fault(err error) error {
	r.at, err = faultOf(err, r.records)
	return err
}

func (r *csvRows) header() []byte                 { return r.head }
func (r *csvRows) line() int                      { return r.at }
func (r *csvRows) options() (*bulk.Options, bool) { return nil, true }
func (r *csvRows) close()                         {}

// faultOf returns where an error of the records is, and it without that.
func faultOf(err error, records *rowtext.Records) (int, error) {
	var refused *rowtext.Error
	if errors.As(err, &refused) {
		return max(1, refused.Line), errors.New(refused.Message)
	}
	return records.Line(), err
}

// A Record is a record of a CSV text as it stands there, quotes included.
type Record struct {
	// Line is the line that it begins on, from 1: the Line of its result.
	Line int
	// Text is the record with the end of its line, which the last one may lack.
	// It is valid until the next record is read, and in UTF-8 whatever the text is
	// in.
	Text []byte
	// Separator is what separates its cells.
	Separator byte

	cells *rowtext.Record
}

// Cells iterates over the cells of the record as they stand there, quotes
// included: the first 2,000, as the service takes no more.
func (r Record) Cells() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if r.cells == nil {
			return
		}
		for i := range r.cells.Known() {
			if !yield(r.cells.Raw(i)) {
				return
			}
		}
	}
}

// CSVRecords iterates over the records of a CSV text, the header first and
// without a byte order mark, by the grammar of [CSV], except that the header may
// have any columns. Commas separate cells where no other separator makes a header
// that the service takes. Records whose cells are all empty are passed over, and so
// is a first line that names the separator. An error is the last that it yields: a
// [*SourceError] that names the line, also for errors of the reader. A record of
// more than [MaxRecord] bytes is one.
func CSVRecords(r io.Reader) iter.Seq2[Record, error] { return CSVFormat{}.Records(r) }

// Records iterates over records as [CSVRecords] does. Columns are not renamed in what
// it yields.
func (f CSVFormat) Records(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		records := f.records(r)
		_, err := records.Header()
		if refused := (*rowtext.Error)(nil); err == nil || errors.As(err, &refused) {
			records.Rewind()
			err = nil
		}
		for row := -1; ; row++ {
			var rec *rowtext.Record
			if err == nil {
				rec, err = records.Next()
			}
			if err == nil && rec.TooLong {
				err = &rowtext.Error{Line: rec.Line, Message: errLongRecord.Error()}
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				line, err := faultOf(err, records)
				yield(Record{}, &SourceError{Row: max(0, row), Line: line, Err: err})
				return
			}
			if !yield(Record{Line: rec.Line, Text: rec.Text, Separator: records.Separator(), cells: rec}, nil) {
				return
			}
		}
	}
}
