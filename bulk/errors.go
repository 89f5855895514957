package bulk

import (
	"context"
	"errors"
	"fmt"
)

// Errors that backends return and callers test with [errors.Is].
var (
	// ErrConflict is the outcome of a write whose user is not as it was looked
	// up.
	ErrConflict = errors.New("bulk: user was changed meanwhile")
	// ErrEmailTaken is the outcome of a write whose email another user has.
	ErrEmailTaken = errors.New("bulk: email belongs to another user")
	// ErrUserTooLarge is the outcome of a write whose user does not fit.
	ErrUserTooLarge = errors.New("bulk: user is too large")
	// ErrBatchTooLarge is for calls with more elements than a [Store] takes, or none.
	ErrBatchTooLarge = errors.New("bulk: a batch has no elements, or too many")

	// ErrBlobExists is for a key that is in use.
	ErrBlobExists = errors.New("bulk: blob exists")
	// ErrBlobNotFound is for a key that is not in use.
	ErrBlobNotFound = errors.New("bulk: no such blob")
	// ErrBadBlobKey is for a key that [BlobStore] does not allow.
	ErrBadBlobKey = errors.New("bulk: bad blob key")

	// ErrJobExists is for a job whose id is in use.
	ErrJobExists = errors.New("bulk: job exists")
	// ErrJobNotFound is for a job that does not exist, has expired, or belongs
	// to a tenant that the caller may not see.
	ErrJobNotFound = errors.New("bulk: no such job")
	// ErrNoJob is for a claim when no job can be claimed.
	ErrNoJob = errors.New("bulk: no job to claim")
	// ErrJobLeft is for a job that its worker has left in good order, for another
	// one to go on with.
	ErrJobLeft = errors.New("bulk: job was left for another worker")
	// ErrLeaseLost is for a worker that does not hold the job's lease any more.
	ErrLeaseLost = errors.New("bulk: lease lost")
	// ErrJobEnded is for a change to a job that has ended.
	ErrJobEnded = errors.New("bulk: job has ended")
	// ErrJobNotEnded is for what can be done with a job that has ended alone.
	ErrJobNotEnded = errors.New("bulk: job has not ended")
	// ErrNothingToRetry is for a job without rows that could be tried again.
	ErrNothingToRetry = errors.New("bulk: job has no such rows to retry")
	// ErrBadCursor is for a cursor that no listing returned.
	ErrBadCursor = errors.New("bulk: bad cursor")
	// ErrNoResults is for the results of a job that has not ended, or ended
	// without any.
	ErrNoResults = errors.New("bulk: job has no results")

	// ErrIdempotencyKeyNotFound is for an idempotency key that is not known.
	ErrIdempotencyKeyNotFound = errors.New("bulk: no such idempotency key")
	// ErrIdempotencyKeyInProgress is for a request whose idempotency key is that of a
	// request under way. It may be sent again after a while.
	ErrIdempotencyKeyInProgress = errors.New("bulk: a request with this idempotency key is under way")
	// ErrIdempotencyKeyReused is for a request whose idempotency key stands for other rows
	// or options.
	ErrIdempotencyKeyReused = errors.New("bulk: the idempotency key was used for another request")

	// ErrForbidden is for a principal whose role may not import users.
	ErrForbidden = errors.New("bulk: role may not import users")
	// ErrUnavailable is for a request that failed because a backend is down or
	// throttled. Nothing of it was written, and it may be sent again.
	ErrUnavailable = errors.New("bulk: a backend is unavailable")
)

// A RequestError refuses a request as a whole. Nothing of the request was
// written. Its text is fit for the caller of an API.
type RequestError struct {
	Code    RequestCode
	Message string
	// Details are values for programs: {"limit": 10000, "count": 10001}. May be
	// nil.
	Details map[string]any
}

// A RequestCode says why a request is refused. Codes are part of the wire format.
type RequestCode string

// The codes of refused requests.
const (
	CodeInvalidRequest RequestCode = "INVALID_REQUEST"
	CodeInvalidJSON    RequestCode = "INVALID_JSON"
	CodeEmptyUsers     RequestCode = "EMPTY_USERS"
	CodeTooManyUsers   RequestCode = "TOO_MANY_USERS"
)

func (e *RequestError) Error() string { return fmt.Sprintf("bulk: %s: %s", e.Code, e.Message) }

// A ConfigError says which field of a configuration is wrong.
type ConfigError struct {
	// Field is the field's name, as in "Config.Store".
	Field string
	// Problem says what is wrong with it.
	Problem string
}

func (e *ConfigError) Error() string { return fmt.Sprintf("bulk: %s %s", e.Field, e.Problem) }

// Retryable reports whether what failed with err may succeed when it is tried
// again. The sentinels of this package, except [ErrUnavailable], and a cancelled
// context may not. Any other error may, unless it has a method Retryable() bool that says otherwise: a
// failure that nobody has classified is more often a passing one.
func Retryable(err error) bool {
	if err == nil {
		return false
	}
	for _, final := range []error{
		context.Canceled, ErrConflict, ErrEmailTaken, ErrUserTooLarge, ErrBatchTooLarge,
		ErrBlobExists, ErrBlobNotFound, ErrBadBlobKey, ErrJobExists, ErrJobNotFound, ErrNoJob, ErrJobLeft,
		ErrLeaseLost, ErrJobEnded, ErrJobNotEnded, ErrNothingToRetry, ErrBadCursor, ErrNoResults, ErrForbidden,
		ErrIdempotencyKeyNotFound, ErrIdempotencyKeyInProgress, ErrIdempotencyKeyReused,
	} {
		if errors.Is(err, final) {
			return false
		}
	}
	var r interface{ Retryable() bool }
	if errors.As(err, &r) {
		return r.Retryable()
	}
	return true
}

// Permanent wraps err so that [Retryable] reports false. Stores use it for
// failures that no repetition will mend, such as a denied permission.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

type permanentError struct{ error }

func (e permanentError) Unwrap() error   { return e.error }
func (e permanentError) Retryable() bool { return false }
