package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// An Error is an answer of the service that reports a failure. errors.Is knows it
// as the error of package bulk that it stands for: [bulk.ErrJobNotFound],
// [bulk.ErrJobEnded], [bulk.ErrNoResults], [bulk.ErrForbidden], [bulk.ErrIdempotencyKeyReused],
// [bulk.ErrIdempotencyKeyInProgress] or [bulk.ErrUnavailable].
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code is the code of the contract, as "TOO_MANY_USERS"; "" if the answer is
	// not that of the API but of something in front of it.
	Code string
	// Message is for people. It holds no secrets.
	Message string
	// Details are values for programs; numbers are [json.Number]. May be nil.
	Details map[string]any
	// RetryAfter is how long the service asked to wait, 0 if it did not.
	RetryAfter time.Duration
	// RequestID is the answer's X-Request-Id header, "" if there is none.
	RequestID string
}

func (e *Error) Error() string {
	code := e.Code
	if code == "" {
		code = http.StatusText(e.Status)
	}
	text := fmt.Sprintf("client: %d %s", e.Status, code)
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.RequestID != "" {
		text += fmt.Sprintf(" (request %s)", e.RequestID)
	}
	return text
}

// The codes of answers that the client or its errors.Is tells apart.
const (
	codeForbidden     = "FORBIDDEN"
	codeJobNotFound   = "JOB_NOT_FOUND"
	codeJobEnded      = "JOB_ENDED"
	codeNotFound      = "NOT_FOUND"
	codeKeyReused     = "IDEMPOTENCY_KEY_REUSED"
	codeKeyInProgress = "IDEMPOTENCY_IN_PROGRESS"
	codeUnavailable   = "UNAVAILABLE"
)

// Is reports whether e stands for an error of package bulk.
func (e *Error) Is(target error) bool {
	switch e.Code {
	case codeForbidden:
		return target == bulk.ErrForbidden
	case codeJobNotFound:
		return target == bulk.ErrJobNotFound
	case codeJobEnded:
		return target == bulk.ErrJobEnded
	case codeKeyReused:
		return target == bulk.ErrIdempotencyKeyReused
	case codeKeyInProgress:
		return target == bulk.ErrIdempotencyKeyInProgress
	case codeUnavailable:
		return target == bulk.ErrUnavailable
	default:
		return false
	}
}

// Retryable reports whether the same request may succeed later.
func (e *Error) Retryable() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return e.Code == codeKeyInProgress
	}
}

// IsCode reports whether err is, or wraps, an [*Error] of that code.
func IsCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// ErrNoUsers is for an import without a single user. Nothing was sent.
var ErrNoUsers = errors.New("client: there are no users to import")

// A SourceError is what is wrong with what is to be imported. The part with it was
// not sent; parts before it may have been.
type SourceError struct {
	// Row is the index of the row at fault, or that would have been the next one.
	Row int
	// Line is its line, 0 where the format has no lines.
	Line int
	// Err says what is wrong, or is the error of the reader or iterator.
	Err error
}

func (e *SourceError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("client: line %d: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("client: row %d: %v", e.Row, e.Err)
}

func (e *SourceError) Unwrap() error { return e.Err }

// A PartError is why a part of an import was not accepted, or did not come to its
// end.
type PartError struct {
	// Part is the number of the part, from 1.
	Part int
	// First is the index of its first row.
	First int
	// Line is the line of its first row, 0 where the format has no lines. Lines
	// and indexes in the message of an [*Error] count within the part.
	Line int
	// Err is an [*Error], a [*JobError] or a failure of the connection.
	Err error
}

func (e *PartError) Error() string {
	place := fmt.Sprintf("row %d", e.First)
	if e.Line > 0 {
		place = fmt.Sprintf("line %d", e.Line)
	}
	return fmt.Sprintf("part %d, from %s: %v", e.Part, place, e.Err)
}

func (e *PartError) Unwrap() error { return e.Err }

// A JobError is a job that did not reach all its rows: it was cancelled, or the
// service failed. Its results have the rows that were done before.
type JobError struct{ Job Job }

func (e *JobError) Error() string {
	text := fmt.Sprintf("client: job %s was cancelled", e.Job.ID)
	if e.Job.Status == bulk.JobFailed {
		text = fmt.Sprintf("client: job %s failed", e.Job.ID)
		if e.Job.Error != nil {
			text += fmt.Sprintf(": %s: %s", e.Job.Error.Code, e.Job.Error.Message)
		}
	}
	return text + fmt.Sprintf(" after %d of %d rows", e.Job.Summary.Processed(), e.Job.TotalRecords)
}

// maxErrorBody is how much of an answer that reports a failure is read.
const maxErrorBody = 1 << 20

// readError returns the failure that an answer reports.
func readError(res *http.Response) error {
	e := &Error{Status: res.StatusCode, RequestID: clip(res.Header.Get("X-Request-Id")), RetryAfter: retryAfter(res.Header)}
	var answer struct {
		Error *struct {
			Code    string         `json:"code"`
			Message string         `json:"message"`
			Details map[string]any `json:"details"`
		} `json:"error"`
	}
	dec := json.NewDecoder(io.LimitReader(res.Body, maxErrorBody))
	dec.UseNumber()
	// An answer that is not of the API has a status all the same. Its text may be
	// anything, so it is not shown.
	if dec.Decode(&answer) == nil && answer.Error != nil {
		e.Code, e.Message, e.Details = answer.Error.Code, answer.Error.Message, answer.Error.Details
	} else if res.StatusCode >= 300 && res.StatusCode < 400 {
		e.Message = "redirects are not followed; the base URL may be wrong"
	}
	return e
}

// clip bounds a text of unknown origin.
func clip(s string) string {
	const most = 128
	if len(s) > most {
		s = s[:most]
	}
	return s
}
