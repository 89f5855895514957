package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// resultsType is the content type of a results file.
const resultsType = "application/json"

// A composition is what the results file of a job is composed of that is about to end.
type composition struct {
	blobs   guardedBlobs
	backoff backoff
	job     *Job
	at      *checkpoint
	rest    map[int]*segment // results that are in no blob yet, by segment number
	recent  *recent          // what was written lately; may be nil
	// lost says that nobody can tell what became of the rows without a result: the
	// journal cannot be read.
	lost bool
}

// A resultsFile streams a results file: the header, then the results of the rows
// from the blobs of the job's segments, from what the worker has beyond them, and
// for the rows that were not reached from the payload.
type resultsFile struct {
	*composition
	ctx     context.Context
	cancel  context.CancelFunc
	head    resultsHead
	segment int              // the next segment to stream
	ahead   []<-chan fetched // that one and those behind it, as far as they are in blobs
	payload *payloadRows

	buf    []byte
	unread []byte
	err    error
	any    bool
}

// segmentsAhead is how many segments are read at a time, so that what the store takes to
// answer is not waited for blob by blob. Each is read to its end without waiting for its
// turn in the file: a store may have fewer connections than that.
const segmentsAhead = 8

// fetched is what came of reading a blob.
type fetched struct {
	text []byte
	err  error
}

// resultsHead is what stands before the results.
type resultsHead struct {
	JobID        string    `json:"jobId"`
	Status       JobStatus `json:"status"`
	TotalRecords int       `json:"totalRecords"`
	Summary      Summary   `json:"summary"`
}

// summary counts the rows of the file: those that are durable, and the others.
func (r *composition) summary() Summary {
	s := r.job.Progress.Summary
	for _, seg := range r.rest {
		for i := range seg.rows {
			if row := &seg.rows[i]; row.Status != "" && row.Index >= r.job.Progress.Rows {
				s.add(row.Status)
			}
		}
	}
	without := r.job.TotalRecords - s.Processed()
	if r.lost {
		s.Failed += without
		without = 0
	}
	s.NotProcessed = without
	return s
}

// put writes the results file of the job as it is to end and returns its key.
func (r *composition) put(ctx context.Context, status JobStatus) (string, Summary, error) {
	key := resultsKey(r.job, r.job.Token)
	head := resultsHead{JobID: r.job.ID, Status: status, TotalRecords: r.job.TotalRecords, Summary: r.summary()}
	err := r.backoff.retry(ctx, func() error {
		f := r.file(ctx, head)
		defer f.close()
		return putOnce(ctx, r.blobs, key, f, resultsType)
	})
	return key, head.Summary, err
}

func (r *composition) file(ctx context.Context, head resultsHead) *resultsFile {
	ctx, cancel := context.WithCancel(ctx)
	payload := newPayloadRows(ctx, r.backoff, r.blobs, r.job)
	return &resultsFile{composition: r, ctx: ctx, cancel: cancel, head: head, payload: payload}
}

// close closes what the file is read from.
func (f *resultsFile) close() {
	f.payload.close()
	f.cancel()
	for _, segment := range f.ahead {
		<-segment
	}
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
	if first < f.job.Progress.Rows {
		return f.copySegment()
	}
	for row := first; row < until; row++ {
		if s := f.rest[number]; s != nil && s.rows[row-first].Status != "" {
			f.append(&s.rows[row-first])
			continue
		}
		r, err := f.payload.unreached(row)
		if err != nil {
			return err
		}
		if f.lost {
			r.Status, r.Errors = StatusFailed, []RowError{outcomeUnknown()}
		}
		f.append(&r)
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
	f.buf = r.appendJSON(f.buf)
}

// fetch returns the text of the next segment, which is in a blob, and has those behind
// it read.
func (f *resultsFile) fetch() ([]byte, error) {
	for n := f.segment + len(f.ahead); n < f.segment+segmentsAhead && n*f.job.SegmentRows < f.job.Progress.Rows; n++ {
		segment, key := make(chan fetched, 1), f.at.segmentKey(f.job, n)
		go func() {
			text, err := f.recent.read(f.ctx, f.backoff, f.blobs, key)
			segment <- fetched{text, err}
		}()
		f.ahead = append(f.ahead, segment)
	}
	segment := <-f.ahead[0]
	f.ahead = f.ahead[1:]
	return segment.text, segment.err
}

// copySegment appends the lines of the next segment's blob.
func (f *resultsFile) copySegment() error {
	text, err := f.fetch()
	if err != nil {
		return err
	}
	for line := range bytes.Lines(text) {
		line, whole := bytes.CutSuffix(line, []byte{'\n'})
		if !whole {
			key := f.at.segmentKey(f.job, f.segment)
			return fmt.Errorf("bulk: get %s: %w", key, &payloadError{"a line that is cut off"})
		}
		f.separate()
		f.buf = append(f.buf, line...)
	}
	return nil
}
