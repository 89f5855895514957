package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// An Error is an answer of the service that reports a failure. errors.Is knows it
// as the error of package bulk that it stands for: [bulk.ErrJobNotFound],
// [bulk.ErrJobEnded], [bulk.ErrJobNotEnded], [bulk.ErrNothingToRetry], [bulk.ErrForbidden],
// [bulk.ErrIdempotencyKeyReused], [bulk.ErrIdempotencyKeyInProgress] or [bulk.ErrUnavailable].
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
	// Location is where a redirect leads, without its query; "" for other answers.
	// It is not followed.
	Location string
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
	codeJobNotEnded   = "JOB_NOT_ENDED"
	codeNothingToTry  = "NOTHING_TO_RETRY"
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
	case codeJobNotEnded:
		return target == bulk.ErrJobNotEnded
	case codeNothingToTry:
		return target == bulk.ErrNothingToRetry
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
	// Line is the line of its first row, 0 where the format has no lines.
	Line int
	// Err is an [*Error], a [*JobError] or a failure of the connection. The line or
	// index that an Error names is that of the whole; offsets in bytes count within
	// the part.
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

// Retryable reports whether the same import may come further when it is run again as
// it is: after failures that may pass, and if it was interrupted.
func (e *PartError) Retryable() bool {
	return retryable(e.Err) || errors.Is(e.Err, context.Canceled) || errors.Is(e.Err, context.DeadlineExceeded)
}

// A JobError is a job that did not reach all its rows: it was cancelled, by somebody
// or since more rows failed than [bulk.Options.MaxFailed], or the service failed. Its
// results have the rows that were done before. A request that was answered at once and
// stopped has a Job without an ID.
type JobError struct{ Job Job }

func (e *JobError) Error() string {
	text := "client: job " + e.Job.ID
	if e.Job.ID == "" {
		text = "client: the request"
	}
	if e.Job.Status == bulk.JobFailed {
		text += " failed"
	} else {
		text += " was cancelled"
	}
	text += fmt.Sprintf(" after %d of %d rows", e.Job.Summary.Processed(), e.Job.TotalRecords)
	if e.Job.Error != nil {
		text += fmt.Sprintf(": %s: %s", e.Job.Error.Code, e.Job.Error.Message)
	}
	return text
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
		if e.Location = location(res); e.Location != "" {
			e.Message = "it redirects to " + e.Location + "; " + e.Message
		}
	}
	return e
}

// location returns where an answer redirects to. Queries are left out since they may
// have secrets, as those of log-ins and signed links.
func location(res *http.Response) string {
	to, err := res.Location()
	if err != nil || len(to.String()) > 1<<10 {
		return ""
	}
	return (&url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path}).String()
}

// clip bounds a text of unknown origin.
func clip(s string) string {
	const most = 128
	if len(s) > most {
		s = s[:most]
	}
	return s
}
