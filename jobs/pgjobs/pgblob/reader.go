package pgblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/pgjobs/internal/database"
)

// A reader reads a blob chunk by chunk.
type reader struct {
	ctx    context.Context // of Get, whose contract binds the reads to it
	store  *Store
	key    string
	upload pgtype.UUID
	chunk  []byte // what is not read yet of the chunk before next
	next   int    // the number of the next chunk
	left   int64  // bytes behind chunk
	err    error  // that ended the reader
}

// Read implements [io.Reader].
func (r *reader) Read(p []byte) (int, error) {
	if r.err == nil {
		r.err = r.ctx.Err()
	}
	if r.err == nil && len(r.chunk) == 0 {
		r.err = r.fetch()
	}
	if r.err != nil {
		return 0, r.err
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

// fetch gets the next chunk, or returns io.EOF.
func (r *reader) fetch() error {
	if r.left == 0 {
		return io.EOF
	}
	err := r.store.db.Do(r.ctx, func(conn database.Conn, _ bool) error {
		return absent(conn.QueryRow(r.ctx, r.store.text.chunk, r.upload, r.next).Scan(&r.chunk))
	})
	if err == nil && (len(r.chunk) == 0 || int64(len(r.chunk)) > r.left) {
		err = bulk.Permanent(fmt.Errorf("chunk %d has %d bytes, and %d are left", r.next, len(r.chunk), r.left))
	}
	if err != nil {
		return database.Failure(r.ctx, fmt.Sprintf("pgblob: read %q", r.key), err)
	}
	r.next++
	r.left -= int64(len(r.chunk))
	return nil
}

// Close implements [io.Closer].
func (r *reader) Close() error {
	r.err, r.chunk = fs.ErrClosed, nil
	return nil
}

// absent puts [bulk.ErrBlobNotFound] in the place of the error of a missing row.
func absent(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return bulk.ErrBlobNotFound
	}
	return err
}
