package pgblob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/pgjobs/internal/database"
)

// firstPiece is how much a Put makes room for at first.
const firstPiece = 8 << 10

// cleanupTimeout bounds what a Put does after its context has ended, or after it has failed.
const cleanupTimeout = 3 * time.Second

var (
	errTooLarge = errors.New("the blob has more bytes than Options.MaxBlob")
	errGivenUp  = errors.New("the upload took so long that it was removed")
)

func (s *Store) put(ctx context.Context, key string, r io.Reader) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	up := &upload{store: s, key: key, id: pgtype.UUID{Valid: true}}
	_, _ = rand.Read(up.id.Bytes[:]) // never fails
	err := up.copy(ctx, r)
	if err == nil || !up.begun {
		return err
	}
	// The context may have ended, and a statement may have been done whose answer did not come.
	fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if undo := up.exec(fresh, s.text.discard, up.id); undo != nil {
		return fmt.Errorf("%w; what was written stays for a day: %w", err, undo)
	}
	return err
}

// An upload is a blob that is being written.
type upload struct {
	store  *Store
	key    string
	id     pgtype.UUID
	chunks int   // that were written
	size   int64 // in bytes
	begun  bool  // whether chunks of it may be in the database that are no blob's
}

// copy writes what r yields, and makes it a blob.
func (u *upload) copy(ctx context.Context, r io.Reader) error {
	piece := make([]byte, firstPiece)
	for {
		var n int
		var err error
		piece, n, err = fill(ctx, r, piece)
		if err != nil && err != io.EOF { //nolint:errorlint // one that wraps io.EOF is a failure of r
			return err
		}
		if u.size += int64(n); u.size > u.store.opts.MaxBlob {
			return bulk.Permanent(errTooLarge)
		}
		last := err != nil
		if last && u.chunks == 0 {
			return u.publish(ctx, u.store.text.putSmall, u.key, u.id, piece[:n])
		}
		if n > 0 {
			if err := u.add(ctx, piece[:n]); err != nil {
				return err
			}
		}
		if last {
			return u.publish(ctx, u.store.text.end, u.key, u.id, u.size)
		}
	}
}

// fill reads until the piece has as much as a chunk, or r ends. It grows the piece, as most
// blobs are small.
func fill(ctx context.Context, r io.Reader, piece []byte) (filled []byte, n int, err error) {
	for n < chunkSize && err == nil {
		if err := ctx.Err(); err != nil {
			return piece, n, err
		}
		if n == len(piece) {
			piece = append(piece, make([]byte, min(len(piece), chunkSize-len(piece)))...)
		}
		var m int
		m, err = r.Read(piece[n:])
		n += m
	}
	if err == io.EOF && ctx.Err() != nil { //nolint:errorlint // as readers have it
		err = ctx.Err()
	}
	return piece, n, err
}

func (u *upload) add(ctx context.Context, data []byte) error {
	text := u.store.text.add
	if u.chunks == 0 {
		text, u.begun = u.store.text.begin, true
	}
	if err := u.exec(ctx, text, u.id, u.chunks, data); err != nil {
		return err
	}
	u.chunks++
	return nil
}

// publish runs the statement by which the blob comes into being.
func (u *upload) publish(ctx context.Context, text string, arguments ...any) error {
	return u.store.db.Do(ctx, func(conn database.Conn, doubt bool) error {
		var id pgtype.UUID
		err := conn.QueryRow(ctx, text, arguments...).Scan(&id)
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		err = conn.QueryRow(ctx, u.store.text.upload, u.key).Scan(&id)
		switch {
		case errors.Is(err, pgx.ErrNoRows) && u.chunks > 0:
			return errGivenUp // or the blob in its way is gone: it may be tried again
		case errors.Is(err, pgx.ErrNoRows):
			return bulk.ErrBlobExists // that was deleted meanwhile
		case err != nil:
			return err
		case doubt && id == u.id:
			return nil // the call before was done
		}
		return bulk.ErrBlobExists
	})
}

func (u *upload) exec(ctx context.Context, text string, arguments ...any) error {
	return u.store.db.Do(ctx, func(conn database.Conn, _ bool) error {
		_, err := conn.Exec(ctx, text, arguments...)
		return err
	})
}
