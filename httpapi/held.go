package httpapi

import "github.com/bulkops/bulkops/bulk"

// What a request holds. The figures are on the safe side of what was measured.
const (
	// minMaxMemory is the least [Config.MaxMemory]: what a decoder may hold of a
	// single row.
	minMaxMemory = maxRowBuffers
	// maxRowBuffers is what the buffers of a decoder, and of the body before it, grow to
	// at most, for a row of unlimited length.
	maxRowBuffers = 32 << 20
	// bufferFactor is what a decoder holds for a byte that it has read and not given
	// out yet: buffers double, and the old one is copied to the new one.
	bufferFactor = 4
	// rowFactor is what an import holds for a byte of a row: its text, its fields in
	// canonical form, what the store makes of them.
	rowFactor = 3
	// rowBase is what an import holds for a row however short it is: plan and result.
	rowBase = 1 << 10
	// errorFactor and maxErrorMemory bound what the errors of a row take, in its result
	// and in the text of the answer. Nobody knows yet whether it has any.
	errorFactor, maxErrorMemory = 32, 64 << 10
	// putFactor is what a blob store holds for a byte of a blob that it has not sent.
	putFactor = 3
	// fileMemory is what it takes to serve a file of results.
	fileMemory = 1 << 20
)

// held counts what a request holds of its body.
type held struct {
	hold *hold
	// keep is how many rows are held; what follows streams into a blob, and takes up
	// to put bytes there.
	keep int
	put  int64

	buffered int64 // by the body before a decoder
	fresh    int64 // bytes that were read since the last row
	buffers  int64 // the most of these
	kept     int64 // for rows
	streamed int64
	rows     int
}

// newHeld returns what a request holds. Rows that it is sent for are kept until there
// are so many that it becomes a job, unless it is to be one anyway.
func (h *Handler) newHeld(hold *hold, async bool) *held {
	d := &held{hold: hold, put: h.cfg.Importer.PutMemory()}
	if !async {
		d.keep = h.cfg.Importer.SyncThreshold()
	}
	return d
}

// buffer counts the buffer of the body, which has grown to that size.
func (d *held) buffer(size int) error {
	d.buffered = int64(size)
	return d.reserve()
}

// read counts n bytes of the body that a decoder has read.
func (d *held) read(n int) error {
	if d.fresh += int64(n); d.fresh <= d.buffers {
		return nil
	}
	d.buffers = d.fresh
	return d.reserve()
}

// row counts a row that a decoder has given out.
func (d *held) row(row bulk.Row) error {
	d.fresh = 0
	size := int64(len(row.JSON))
	for _, e := range row.Errors {
		size += int64(len(e.Message) + len(e.Field))
	}
	if d.rows++; d.rows <= d.keep {
		d.kept += rowBase + rowFactor*size + min(errorFactor*size, maxErrorMemory)
	} else {
		d.streamed += size
	}
	return d.reserve()
}

func (d *held) reserve() error {
	return d.hold.grow(min(d.buffered+bufferFactor*d.buffers, maxRowBuffers) + d.kept + min(putFactor*d.streamed, d.put))
}

// heldRows are the rows of a request, counted as they pass.
type heldRows struct {
	bulk.RowReader
	options bulk.Options // unless the rows have them
	held    *held
}

// Next returns the next row, or why there is no memory for it.
func (r *heldRows) Next() (bulk.Row, error) {
	row, err := r.RowReader.Next()
	if err == nil {
		err = r.held.row(row)
	}
	return row, err
}

// Options returns the options of the request; see [bulk.OptionsReader].
func (r *heldRows) Options() bulk.Options {
	if reader, ok := r.RowReader.(bulk.OptionsReader); ok {
		return reader.Options()
	}
	return r.options
}
