package httpapi

import (
	"bytes"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowtext"
)

// maxRetryBody is the most bytes that the body of a retry may have. It says one word.
const maxRetryBody = 4 << 10

// retryJob is POST jobs/{jobId}/retry.
func (h *Handler) retryJob(c *call) error {
	if _, err := query(c.r); err != nil {
		return err
	}
	req := bulk.RetryRequest{Principal: c.principal, JobID: c.arg}
	var err error
	if req.IdempotencyKey, err = idempotencyKey(c.r.Header); err != nil {
		return err
	}
	hold := h.budget.open(c.principal.Tenant)
	defer hold.close()
	// The rows do not pass here to be counted, so a payload's whole share is taken.
	if err := hold.grow(min(h.cfg.Importer.PutMemory(), h.cfg.MaxMemory)); err != nil {
		return err
	}
	if req.Only, err = h.retrySelection(c, hold); err != nil {
		return err
	}
	if !validJobID(c.arg) {
		return jobNotFound()
	}
	accepted, err := h.cfg.Importer.Retry(c.r.Context(), req)
	if err != nil {
		return err
	}
	if accepted.Replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	return h.accepted(c, accepted.Job, "../"+accepted.Job.ID)
}

// retrySelection reads the body of a retry, which may be missing.
func (h *Handler) retrySelection(c *call, hold *hold) (bulk.RetrySelection, error) {
	body, err := h.openBody(c, h.newHeld(hold, true))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(body, maxRetryBody+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxRetryBody {
		return "", tooLarge(maxRetryBody, "")
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return bulk.RetryAll, nil
	}
	if format, err := formatOf(c.r); err != nil || format.mediaType != "application/json" {
		return "", unsupportedType("the Content-Type of a retry's body must be application/json")
	}
	if !jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true)) {
		return "", &bulk.RequestError{Code: bulk.CodeInvalidJSON, Message: "the body is not JSON"}
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(text, &members); err != nil || members == nil {
		return "", badRequest(`the body must be an object with "only", at most once`)
	}
	only := bulk.RetryAll
	for name, value := range members {
		switch {
		case name != "only":
			return "", badRequest(`unknown key %s: the body has "only"`, rowtext.Quote(name))
		case value.Kind() != '"' || json.Unmarshal(value, &only) != nil || only == bulk.RetryAll:
			return "", badRequest(`"only" must be "failed", "retryable" or "notProcessed"`)
		}
	}
	return only, nil
}
