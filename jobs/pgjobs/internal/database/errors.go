package database

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
	undefinedTable       = "42P01"

	classConnectionException  = "08"
	classFeatureNotSupported  = "0A"
	classDataException        = "22"
	classIntegrityConstraint  = "23"
	classInvalidAuth          = "28"
	classInvalidCatalog       = "3D"
	classInvalidSchema        = "3F"
	classSyntaxOrAccessRule   = "42"
	classOperatorIntervention = "57" // such as pg_terminate_backend, or a server that starts
)

// state returns the code of an error of the server, "" for others.
func state(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// class returns the first two characters of a code.
func class(code string) string { return code[:min(2, len(code))] }

// undone reports whether the server says that nothing was done because of others that ran at
// the same time.
func undone(err error) bool {
	code := state(err)
	return code == serializationFailure || code == deadlockDetected
}

// passing reports whether a call may succeed at once on another connection.
func passing(err error) bool {
	code := state(err)
	switch {
	case !bulk.Retryable(err):
		return false
	case code == "", undone(err): // without a code the connection is lost
		return true
	}
	return class(code) == classConnectionException || class(code) == classOperatorIntervention
}

// mayBeDone reports whether a call that failed may have had its effect: it was sent, and
// there was no answer.
func mayBeDone(err error) bool {
	var connect *pgconn.ConnectError
	return !pgconn.SafeToRetry(err) && !errors.As(err, &connect) && !undone(err)
}

// Failure says what failed, with the error of the context if that is why, and marked as
// permanent if no repetition will mend it: in a transaction of the host none does.
func Failure(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if InTx(ctx) { // which is over
		err = bulk.Permanent(err)
	}
	switch class(state(err)) {
	case classFeatureNotSupported, classDataException, classIntegrityConstraint, classInvalidAuth,
		classInvalidCatalog, classInvalidSchema, classSyntaxOrAccessRule:
		err = bulk.Permanent(err)
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		err = errors.Join(ended, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
