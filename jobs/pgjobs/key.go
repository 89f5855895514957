package pgjobs

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/pgjobs/internal/database"
)

// GetIdempotencyKey implements [bulk.IdempotencyKeyStore].
func (q *Queue) GetIdempotencyKey(ctx context.Context, tenant, name string) (bulk.IdempotencyKey, error) {
	var text string
	err := q.db.Do(ctx, func(conn database.Conn, _ bool) (err error) {
		text, err = q.keyText(ctx, conn, tenant, name)
		return err
	})
	var key bulk.IdempotencyKey
	if err == nil {
		err = bulk.Permanent(json.Unmarshal([]byte(text), &key))
	}
	if err != nil {
		return bulk.IdempotencyKey{}, database.Failure(ctx, "pgjobs: get idempotency key", err)
	}
	return key, nil
}

func (q *Queue) keyText(ctx context.Context, conn database.Conn, tenant, name string) (text string, err error) {
	err = conn.QueryRow(ctx, q.text.getKey, tenant, name).Scan(&text)
	return text, absent(err, bulk.ErrIdempotencyKeyNotFound)
}

// PutIdempotencyKey implements [bulk.IdempotencyKeyStore].
func (q *Queue) PutIdempotencyKey(ctx context.Context, key bulk.IdempotencyKey) error {
	doc, err := document(key)
	if err == nil {
		err = q.putKey(ctx, key, doc)
	}
	return database.Failure(ctx, "pgjobs: put idempotency key", err)
}

func (q *Queue) putKey(ctx context.Context, key bulk.IdempotencyKey, doc string) error {
	text := q.text.putKey
	if key.Version == 1 {
		text = q.text.newKey
	}
	return q.db.Do(ctx, func(conn database.Conn, doubt bool) error {
		tag, err := conn.Exec(ctx, text, key.Tenant, key.Name, key.Version, key.ExpiresAt, doc)
		if err != nil || tag.RowsAffected() > 0 {
			return err
		}
		if doubt {
			stored, err := q.keyText(ctx, conn, key.Tenant, key.Name)
			if err != nil && !errors.Is(err, bulk.ErrIdempotencyKeyNotFound) || stored == doc {
				return err // nil if the call before was done
			}
		}
		return bulk.ErrConflict
	})
}
