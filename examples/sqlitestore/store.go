// Package sqlitestore keeps users in a SQLite database: an example of a [bulk.Store]
// for a database that bulkops does not know. It is complete, and follows
// docs/backends.md, which says what a store has to do.
package sqlitestore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/bulkops/bulkops/bulk"
)

// A Store keeps users in one table of a SQLite database. Several processes of one
// machine may use the same file.
type Store struct{ db *sql.DB }

var _ bulk.Store = (*Store)(nil)

// Open opens the database file at path, and creates it and its table where they
// are missing. The caller closes the store.
func Open(ctx context.Context, path string) (*Store, error) {
	settings := url.Values{
		"_pragma": {
			"busy_timeout(10000)", // milliseconds to wait for another process that writes
			"journal_mode(WAL)",   // readers of other processes need not wait
			"synchronous(FULL)",   // what is committed survives the loss of power
		},
		"_txlock": {"immediate"}, // or two transactions that read first could not both go on to write
	}
	file := url.URL{Path: path}
	db, err := sql.Open("sqlite", "file:"+file.EscapedPath()+"?"+settings.Encode())
	if err != nil {
		return nil, failure(ctx, "open", err)
	}
	// SQLite has one writer at a time. With one connection callers queue up for it
	// here, first come first served, instead of polling for the lock of the file.
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(failure(ctx, "create the table", err), db.Close())
	}
	return &Store{db}, nil
}

// Close closes the database. Call it when no import uses the store any more.
func (s *Store) Close() error { return s.db.Close() }

// Lookup implements [bulk.Store].
func (s *Store) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	if len(refs) < 1 || len(refs) > bulk.MaxBatch {
		return nil, fmt.Errorf("sqlitestore: look up %d references: %w", len(refs), bulk.ErrBatchTooLarge)
	}
	users, err := s.read(ctx, tenant, refs)
	if err != nil {
		return nil, failure(ctx, "look up users", err)
	}
	byID, byEmail := make(map[string]*row), make(map[string]*row)
	for i := range users {
		byID[users[i].ID] = &users[i]
		if key := users[i].emailKey; key != "" {
			byEmail[key] = &users[i]
		}
	}
	found := make([]bulk.Found, len(refs))
	for i, ref := range refs {
		byID[ref.ID].put(&found[i].ByID, &found[i].Err) // no row has the id "", nor that email
		byEmail[bulk.EmailKey(ref.Email)].put(&found[i].ByEmail, &found[i].Err)
	}
	return found, nil
}

// A row is a user as it was read, or why it cannot be.
type row struct {
	bulk.Stored
	emailKey string
	err      error
}

// put hands out a copy of the user, if there is one.
func (r *row) put(user **bulk.Stored, err *error) {
	switch {
	case r == nil:
	case r.err != nil:
		*err = r.err
	default:
		stored := r.Stored
		*user = &stored
	}
}

// read returns the users that references name, in any order.
func (s *Store) read(ctx context.Context, tenant string, refs []bulk.Ref) ([]row, error) {
	var ids, keys []string
	for _, ref := range refs {
		if ref.ID != "" {
			ids = append(ids, ref.ID)
		}
		if ref.Email != "" {
			keys = append(keys, bulk.EmailKey(ref.Email))
		}
	}
	idList, err1 := json.Marshal(ids)
	keyList, err2 := json.Marshal(keys)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, selectUsers, tenant, string(idList), string(keyList))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var users []row
	for rows.Next() {
		var r row
		var customFields, metadata []byte
		if err := rows.Scan(&r.ID, &r.Email, &r.emailKey, &customFields, &metadata, &r.Version, &r.Mark); err != nil {
			return nil, err
		}
		r.CustomFields, err1 = parse(customFields)
		r.Metadata, err2 = parse(metadata)
		if err := errors.Join(err1, err2); err != nil {
			r.err = fmt.Errorf("sqlitestore: read user %q: %w", r.ID, bulk.Permanent(err))
		}
		users = append(users, r)
	}
	return users, rows.Err()
}

// parse reads stored fields. Merging leaves out the nulls that another program may
// have written.
func parse(text []byte) (bulk.Fields, error) {
	fields, err := bulk.ParseFields(text)
	return bulk.Fields{}.Merge(fields), err
}

// Commit implements [bulk.Store]. Its writes share a transaction, as the commit
// is what takes the time. A write that is refused does nothing and leaves the
// transaction as it is.
func (s *Store) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	outcomes := make([]error, len(writes))
	if len(writes) == 0 {
		return outcomes
	}
	if err := s.commit(ctx, tenant, writes, outcomes); err != nil {
		for i := range outcomes {
			outcomes[i] = failure(ctx, fmt.Sprintf("commit %d writes", len(writes)), err)
		}
	}
	return outcomes
}

// commit sets the outcomes of writes that are refused. If it returns an error,
// nothing was written.
func (s *Store) commit(ctx context.Context, tenant string, writes []bulk.Write, outcomes []error) error {
	if len(writes) > bulk.MaxBatch {
		return bulk.ErrBatchTooLarge
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // which does nothing after a commit
	for i := range writes {
		refused, err := write(ctx, tx, tenant, &writes[i])
		if err != nil {
			return err
		}
		if refused != nil {
			outcomes[i] = fmt.Errorf("sqlitestore: write user %q: %w", writes[i].User.ID, refused)
		}
	}
	return tx.Commit()
}

// write does one write. It returns why it is refused, or an error for which the
// transaction fails.
func write(ctx context.Context, tx *sql.Tx, tenant string, w *bulk.Write) (refused, err error) {
	if !w.User.Fits() {
		return bulk.ErrUserTooLarge, nil
	}
	statement, values := insertUser, []any{
		tenant, w.User.ID, w.User.Email, bulk.EmailKey(w.User.Email),
		w.User.CustomFields.String(), w.User.Metadata.String(), rand.Text(), w.Mark,
	}
	if w.Base != nil {
		statement, values = updateUser, append(values, w.Base.Version)
	}
	result, err := tx.ExecContext(ctx, statement, values...)
	switch code := resultCode(err); {
	case code == sqlite3.SQLITE_CONSTRAINT_UNIQUE:
		return bulk.ErrEmailTaken, nil
	case primary(code) == sqlite3.SQLITE_CONSTRAINT: // one that the host has added
		return bulk.Permanent(err), nil
	case err != nil:
		return nil, err
	}
	switch changed, err := result.RowsAffected(); {
	case err != nil:
		return nil, err
	case changed == 0: // the id is in use; or the user is gone or has another version
		return bulk.ErrConflict, nil
	default:
		return nil, nil
	}
}

// failure says what failed, with the error of the context if that is why, and
// marked as permanent if no repetition will mend it.
func failure(ctx context.Context, what string, err error) error {
	switch primary(resultCode(err)) {
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CORRUPT,
		sqlite3.SQLITE_AUTH, sqlite3.SQLITE_NOTADB:
		err = bulk.Permanent(err)
	}
	if ctx.Err() != nil { // which database/sql may call a transaction that is over
		err = ctx.Err()
	}
	return fmt.Errorf("sqlitestore: %s: %w", what, err)
}

// resultCode returns the extended result code of an error of SQLite, 0 for others.
func resultCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return sqlite3.SQLITE_OK
}

// primary returns the result code that an extended one belongs to. Source: SQLite,
// "Result and Error Codes".
func primary(code int) int { return code & 0xff }
