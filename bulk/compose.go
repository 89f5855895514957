package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// resultsType is the content type of a results file.
const resultsType = "application/json"

// A resultsFile streams the results file of a job that is about to end: the
// header, then the results of its rows from the blobs of its segments, from what
// the worker has beyond them, and for the rows that were not reached from the
// payload.
type resultsFile struct {
	ctx     context.Context
	backoff backoff
	blobs   guardedBlobs
	job     *Job

	// rest has results that are in no blob yet, by segment number. May be nil.
	rest map[int]*segment
	// recent has what was written lately. May be nil.
	recent *recent

	head    resultsHead
	segment int           // the next segment to stream
	payload io.ReadCloser // open from the first row that was not reached
	rows    *payloadReader
	row     int // the next row of payload

	buf    []byte
	unread []byte
	err    error
	any    bool
}

// resultsHead is what stands before the results.
type resultsHead struct {
	JobID        string    `json:"jobId"`
	Status       JobStatus `json:"status"`
	TotalRecords int       `json:"totalRecords"`
	Summary      Summary   `json:"summary"`
}

// resultsSummary counts the rows of the file: those that are durable, and those
// in rest.
func resultsSummary(job *Job, rest map[int]*segment) Summary {
	s := job.Progress.Summary
	for _, seg := range rest {
		for i := range seg.rows {
			if row := &seg.rows[i]; row.Status != "" && row.Index >= job.Progress.Rows {
				s.add(row.Status)
			}
		}
	}
	s.NotProcessed = job.TotalRecords - s.Processed()
	return s
}

// putResults writes the results file of the job as it is to end and returns its
// key.
func putResults(ctx context.Context, b backoff, blobs guardedBlobs, job *Job, status JobStatus, rest map[int]*segment, kept *recent) (string, Summary, error) {
	key := resultsKey(job, job.Token)
	summary := resultsSummary(job, rest)
	err := b.retry(ctx, func() error {
		f := &resultsFile{ctx: ctx, backoff: b, blobs: blobs, job: job, rest: rest, recent: kept}
		f.head = resultsHead{JobID: job.ID, Status: status, TotalRecords: job.TotalRecords, Summary: summary}
		defer f.close()
		return putOnce(ctx, blobs, key, f, resultsType)
	})
	return key, summary, err
}

// putOnce puts a blob under a key that nobody else uses. That the key is in use
// means that an earlier try of ours succeeded, although it seemed to fail.
func putOnce(ctx context.Context, blobs guardedBlobs, key string, r io.Reader, contentType string) error {
	err := blobs.Put(ctx, key, r, BlobInfo{ContentType: contentType})
	if errors.Is(err, ErrBlobExists) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("bulk: put %s: %w", key, err)
	}
	return nil
}

func (f *resultsFile) close() {
	if f.payload != nil {
		f.payload.Close()
	}
}

func (f *resultsFile) Read(p []byte) (int, error) {
	for len(f.unread) == 0 {
		if f.err != nil {
			return 0, f.err
		}
		f.buf = f.buf[:0]
		f.err = f.fill()
		f.unread = f.buf
	}
	n := copy(p, f.unread)
	f.unread = f.unread[n:]
	return n, nil
}

// fill makes the next piece. With io.EOF it makes the last one.
func (f *resultsFile) fill() error {
	if f.segment == 0 {
		head, err := json.Marshal(f.head)
		if err != nil {
			return err
		}
		f.buf = append(f.buf, head[:len(head)-1]...)
		f.buf = append(f.buf, `,"results":[`...)
	}
	size := f.job.SegmentRows
	if f.segment*size >= f.job.TotalRecords {
		f.buf = append(f.buf, "]}\n"...)
		return io.EOF
	}
	err := f.fillSegment(f.segment, f.segment*size, min((f.segment+1)*size, f.job.TotalRecords))
	f.segment++
	return err
}

// fillSegment appends the results of the rows of a segment.
func (f *resultsFile) fillSegment(number, first, until int) error {
	whole := f.job.Progress.Rows / f.job.SegmentRows
	if f.job.Progress.Rows == f.job.TotalRecords {
		whole = number + 1
	}
	switch seg := f.rest[number]; {
	case number < whole:
		return f.copyBlob(wholeSegmentKey(f.job, number))
	case seg != nil:
		for i := range seg.rows {
			if seg.rows[i].Status == "" {
				if err := f.unreached(first + i); err != nil {
					return err
				}
				continue
			}
			f.append(&seg.rows[i])
		}
		return nil
	}
	if number == whole && f.job.Progress.Partial != "" {
		if err := f.copyBlob(f.job.Progress.Partial); err != nil {
			return err
		}
		first = f.job.Progress.Rows
	}
	for row := first; row < until; row++ {
		if err := f.unreached(row); err != nil {
			return err
		}
	}
	return nil
}

func (f *resultsFile) separate() {
	if f.any {
		f.buf = append(f.buf, ',', '\n')
	}
	f.any = true
}

func (f *resultsFile) append(r *RowResult) {
	f.separate()
	f.buf = r.AppendJSON(f.buf)
}

// copyBlob appends the lines of a segment's blob.
func (f *resultsFile) copyBlob(key string) error {
	r, err := f.recent.open(f.ctx, f.backoff, f.blobs, key)
	if err != nil {
		return err
	}
	defer r.Close()
	lines := newPayloadReader(r)
	for {
		line, err := lines.line()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("bulk: get %s: %w", key, err)
		}
		f.separate()
		f.buf = append(f.buf, line...)
	}
}

// unreached appends the result of a row that was not reached.
func (f *resultsFile) unreached(row int) error {
	if f.rows == nil {
		r, err := f.blobs.open(f.ctx, f.backoff, f.job.Payload)
		if err != nil {
			return err
		}
		f.payload = r
		f.rows = newPayloadReader(r)
	}
	if err := f.rows.skip(row - f.row); err != nil {
		return fmt.Errorf("bulk: read %s: %w", f.job.Payload, err)
	}
	f.row = row + 1
	line, err := f.rows.Next()
	if err = noEOF(err); err != nil {
		return fmt.Errorf("bulk: read %s: %w", f.job.Payload, err)
	}
	r := readRow(row, line).result(StatusNotProcessed)
	f.append(&r)
	return nil
}

// wholeSegmentKey returns the key of the final results of a whole segment.
func wholeSegmentKey(job *Job, number int) string {
	if token, ok := spanToken(job.Progress.MailSpans, number); ok {
		return mailedKey(job, number, token)
	}
	token, _ := spanToken(job.Progress.Spans, number)
	return segmentKey(job, number, token)
}

// spanToken returns the token of the claim that wrote a segment.
func spanToken(spans []Span, segment int) (int64, bool) {
	for _, s := range spans {
		if segment < s.Until {
			return s.Token, true
		}
	}
	return 0, false
}

// extend says that the claim wrote the segments up to until.
func extend(spans []Span, token int64, until int) []Span {
	if n := len(spans); n > 0 && spans[n-1].Token == token {
		// A copy: the old progress may still be in use.
		spans = append([]Span(nil), spans...)
		spans[n-1].Until = until
		return spans
	}
	return append(spans[:len(spans):len(spans)], Span{Token: token, Until: until})
}
