package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bulkops/bulkops/bulk"
)

// SQLSTATE codes and classes. Source: PostgreSQL documentation, "PostgreSQL Error Codes".
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	uniqueViolation      = "23505"

	classDataException       = "22"
	classIntegrityConstraint = "23"
	classInvalidAuth         = "28"
	classInvalidCatalog      = "3D"
	classInvalidSchema       = "3F"
	classSyntaxOrAccessRule  = "42"
	classWithCheckOption     = "44"
	classLimitExceeded       = "54" // an entry of an index that is too long
	classPLpgSQL             = "P0" // RAISE in a trigger
)

// sqlState returns the code of an error of the server, "" for others.
func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// class returns the first two characters of a code.
func class(code string) string { return code[:min(2, len(code))] }

// repeatable reports whether a transaction was undone because of others that ran at the same
// time.
func repeatable(err error) bool {
	code := sqlState(err)
	return code == serializationFailure || code == deadlockDetected
}

// aboutRow reports whether a statement was refused for one of its rows: by a constraint, a
// type or a trigger of the host.
func aboutRow(err error) bool {
	var connect *pgconn.ConnectError // settings of the connection can be refused with the same codes
	if errors.As(err, &connect) {
		return false
	}
	switch class(sqlState(err)) {
	case classDataException, classIntegrityConstraint, classWithCheckOption, classLimitExceeded, classPLpgSQL:
		return true
	}
	return false
}

// failure says what failed, with the error of the context if that is why, and marked as
// permanent if no repetition will mend it.
func failure(ctx context.Context, what string, err error) error {
	switch class(sqlState(err)) {
	case classInvalidAuth, classInvalidCatalog, classInvalidSchema, classSyntaxOrAccessRule:
		err = bulk.Permanent(err)
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		err = errors.Join(ended, err)
	}
	return fmt.Errorf("pgstore: %s: %w", what, err)
}
