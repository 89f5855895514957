package httpapi

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowio"
)

// The codes of answers beyond those of [*bulk.RequestError].
const (
	codeInvalidRequest   = string(bulk.CodeInvalidRequest)
	codeUnauthenticated  = "UNAUTHENTICATED"
	codeForbidden        = "FORBIDDEN"
	codeNotFound         = "NOT_FOUND"
	codeJobNotFound      = "JOB_NOT_FOUND"
	codeJobEnded         = "JOB_ENDED"
	codeJobNotEnded      = "JOB_NOT_ENDED"
	codeNothingToRetry   = "NOTHING_TO_RETRY"
	codeKeyInProgress    = "IDEMPOTENCY_IN_PROGRESS"
	codeKeyReused        = "IDEMPOTENCY_KEY_REUSED"
	codeMethodNotAllowed = "METHOD_NOT_ALLOWED"
	codeBodyTooLarge     = "BODY_TOO_LARGE"
	codeUnsupportedMedia = "UNSUPPORTED_MEDIA_TYPE"
	codeRequestTimeout   = "REQUEST_TIMEOUT"
	codeInternal         = "INTERNAL_ERROR"
	codeUnavailable      = "UNAVAILABLE"
)

// A problem is the answer to a request that failed.
type problem struct {
	status  int
	code    string
	message string
	details map[string]any
	header  http.Header
}

func (p *problem) Error() string { return p.code + ": " + p.message }

// ErrorCode names the problem to observers.
func (p *problem) ErrorCode() string { return p.code }

// badRequest is a request that is wrong in itself.
func badRequest(format string, args ...any) *problem {
	return &problem{status: http.StatusBadRequest, code: codeInvalidRequest, message: fmt.Sprintf(format, args...)}
}

func internal() *problem {
	return &problem{status: http.StatusInternalServerError, code: codeInternal, message: "the service failed; its log has the cause"}
}

func unavailable() *problem {
	return &problem{status: http.StatusServiceUnavailable, code: codeUnavailable, message: "the service cannot do this now; try again later"}
}

func jobNotFound() *problem {
	return &problem{status: http.StatusNotFound, code: codeJobNotFound, message: "there is no such job"}
}

func tooLarge(limit int64, what string) *problem {
	return &problem{
		status: http.StatusRequestEntityTooLarge, code: codeBodyTooLarge,
		message: fmt.Sprintf("the body has more than %d bytes%s", limit, what),
		details: map[string]any{"limit": limit},
	}
}

// problemOf returns the answer for an error, and, where the answer hides it, the
// cause for the log.
func problemOf(err error) (_ *problem, cause error) {
	var (
		known   *problem
		refused *bulk.RequestError
		large   *http.MaxBytesError
		unread  *bodyError
	)
	// What is wrong with the body comes first: a backend that was reading it may
	// have wrapped that in an error of its own.
	switch {
	case errors.As(err, &known):
		return known, nil
	case errors.As(err, &refused):
		return &problem{
			status: http.StatusBadRequest, code: string(refused.Code),
			message: refused.Message, details: refused.Details,
		}, nil
	case errors.As(err, &large):
		return tooLarge(large.Limit, ""), nil
	case errors.Is(err, rowio.ErrTooLong):
		return &problem{status: http.StatusRequestEntityTooLarge, code: codeBodyTooLarge, message: err.Error()}, nil
	case errors.As(err, &unread):
		return badRequest("the body could not be read to its end"), nil
	case errors.Is(err, bulk.ErrForbidden):
		return &problem{status: http.StatusForbidden, code: codeForbidden, message: "the caller's role may not import users"}, nil
	case errors.Is(err, bulk.ErrJobNotFound):
		return jobNotFound(), nil
	case errors.Is(err, bulk.ErrJobEnded):
		return &problem{status: http.StatusConflict, code: codeJobEnded, message: "the job has ended"}, nil
	case errors.Is(err, bulk.ErrJobNotEnded):
		return &problem{status: http.StatusConflict, code: codeJobNotEnded, message: "the job has not ended"}, nil
	case errors.Is(err, bulk.ErrNothingToRetry):
		return &problem{status: http.StatusConflict, code: codeNothingToRetry, message: "the job has no such rows"}, nil
	case errors.Is(err, bulk.ErrIdempotencyKeyInProgress):
		return &problem{status: http.StatusConflict, code: codeKeyInProgress, message: "a request with this Idempotency-Key is under way"}, nil
	case errors.Is(err, bulk.ErrIdempotencyKeyReused):
		return &problem{status: http.StatusUnprocessableEntity, code: codeKeyReused, message: "the Idempotency-Key was used for another body or other options"}, nil
	case errors.Is(err, bulk.ErrBadCursor):
		return badRequest("query parameter cursor is none that a listing returned"), nil
	case errors.Is(err, bulk.ErrNoResults):
		return &problem{status: http.StatusNotFound, code: codeNotFound, message: "the job has no results"}, nil
	case errors.Is(err, bulk.ErrUnavailable), bulk.Retryable(err):
		return unavailable(), err
	default:
		return internal(), err
	}
}
