package otelbulk

import (
	"context"
	"errors"
	"net/http"

	"github.com/bulkops/bulkops/bulk"
)

// Outcomes.
const (
	outcomeOK      = "ok"
	outcomeRefused = "refused" // it was answered: with no
	outcomeFailed  = "failed"
	outcomeLeft    = "left" // of an attempt: in good order, for another worker
	outcomeLost    = "lost" // of an attempt: the lease went to another worker
)

// An answer is a sentinel with which the library or a backend answers, and its
// error.type: the code that the HTTP API has for it, if it has one.
type answer struct {
	err  error
	code string
}

var answers = []answer{
	{bulk.ErrForbidden, "FORBIDDEN"},
	{bulk.ErrJobNotFound, "JOB_NOT_FOUND"},
	{bulk.ErrJobEnded, "JOB_ENDED"},
	{bulk.ErrJobNotEnded, "JOB_NOT_ENDED"},
	{bulk.ErrNothingToRetry, "NOTHING_TO_RETRY"},
	{bulk.ErrNoResults, "NO_RESULTS"},
	{bulk.ErrIdempotencyKeyInProgress, "IDEMPOTENCY_IN_PROGRESS"},
	{bulk.ErrIdempotencyKeyReused, "IDEMPOTENCY_KEY_REUSED"},
	{bulk.ErrIdempotencyKeyNotFound, "IDEMPOTENCY_KEY_NOT_FOUND"},
	{bulk.ErrBadCursor, "BAD_CURSOR"},
	{bulk.ErrNoJob, "NO_JOB"},
	{bulk.ErrJobExists, "JOB_EXISTS"},
	{bulk.ErrJobLeft, "JOB_LEFT"},
	{bulk.ErrLeaseLost, "LEASE_LOST"},
	{bulk.ErrBlobExists, "BLOB_EXISTS"},
	{bulk.ErrBlobNotFound, "BLOB_NOT_FOUND"},
	{bulk.ErrConflict, "CONFLICT"},
}

// errorType returns what something failed with in one word of which there are few, ""
// for no error. It is never the text of the error, which may name a user.
func errorType(err error) string {
	var (
		request *bulk.RequestError
		large   *http.MaxBytesError
		coded   interface{ ErrorCode() string }
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &request):
		return string(request.Code)
	case errors.As(err, &large):
		return "BODY_TOO_LARGE"
	}
	if a, ok := answerOf(err); ok {
		return a.code
	}
	switch {
	case errors.As(err, &coded): // as errors of the AWS SDK are
		return coded.ErrorCode()
	case errors.Is(err, bulk.ErrUnavailable):
		return "UNAVAILABLE"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	default:
		return "_OTHER" // the conventions' word for it
	}
}

func answerOf(err error) (answer, bool) {
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return a, true
		}
	}
	return answer{}, false
}

// callOutcome tells an answer from a failure.
func callOutcome(err error) string {
	if err == nil {
		return outcomeOK
	}
	if _, ok := answerOf(err); ok {
		return outcomeRefused
	}
	return outcomeFailed
}

func requestOutcome(e *bulk.RequestEvent) string {
	switch {
	case e.Err == nil:
		return outcomeOK
	case e.Refused:
		return outcomeRefused
	default:
		return outcomeFailed
	}
}

func attemptOutcome(err error) string {
	switch {
	case err == nil:
		return outcomeOK
	case errors.Is(err, bulk.ErrJobLeft):
		return outcomeLeft
	case errors.Is(err, bulk.ErrLeaseLost):
		return outcomeLost
	default:
		return outcomeFailed
	}
}
