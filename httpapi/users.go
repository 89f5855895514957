package httpapi

import (
	"net/http"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowio"
)

// importUsers is POST users.
func (h *Handler) importUsers(c *call) error {
	format, err := formatOf(c.r)
	if err != nil {
		return err
	}
	req := bulk.Request{
		Principal: c.principal,
		Options:   bulk.DefaultOptions(),
		Async:     prefersAsync(c.r.Header),
	}
	if err := queryOptions(c.r, format, &req.Options); err != nil {
		return err
	}
	if req.IdempotencyKey, err = idempotencyKey(c.r.Header); err != nil {
		return err
	}
	hold := h.budget.open(c.principal.Tenant)
	defer hold.close()
	held := h.newHeld(hold, req.Async)
	body, err := h.openBody(c, held)
	if err != nil {
		return err
	}
	req.Rows = &heldRows{RowReader: format.rows(body, req.Options), options: req.Options, held: held}
	accepted, err := h.cfg.Importer.Accept(c.r.Context(), req)
	if err != nil {
		return err
	}
	report, job := accepted.Report, accepted.Job
	if accepted.Replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	if req.Async && job != nil { // and not the replay of another answer
		c.w.Header().Set("Preference-Applied", respondAsync)
	}
	if job != nil {
		// Relative to the URL of the request, so it is right whatever prefix a proxy
		// has taken away.
		return h.accepted(c, job, "jobs/"+job.ID)
	}
	return c.w.data(http.StatusOK, reportView{
		Mode:             "sync",
		TotalRecords:     len(report.Results),
		ProcessedRecords: report.Summary.Processed(),
		Summary:          report.Summary,
		Results:          report.Results,
		Error:            report.Error,
	})
}

// queryOptions sets the options that stand in the query of a request.
func queryOptions(r *http.Request, f *format, options *bulk.Options) error {
	var names []string
	if f.inQuery {
		names = rowio.OptionNames
	}
	params, err := query(r, names...)
	if err != nil {
		return err
	}
	for _, name := range names {
		value, ok := params[name]
		if !ok {
			continue
		}
		if err := rowio.SetOption(options, name, value); err != nil {
			return badRequest("query parameter %s %s", name, err)
		}
	}
	return nil
}

// reportView is the outcome of a synchronous import.
type reportView struct {
	Mode             string           `json:"mode"`
	TotalRecords     int              `json:"totalRecords"`
	ProcessedRecords int              `json:"processedRecords"`
	Summary          bulk.Summary     `json:"summary"`
	Results          []bulk.RowResult `json:"results"`
	Error            *bulk.JobError   `json:"error,omitempty"`
}

// acceptedView is the job that a request has become.
type acceptedView struct {
	Mode         string         `json:"mode"`
	JobID        string         `json:"jobId"`
	Status       bulk.JobStatus `json:"status"`
	TotalRecords int            `json:"totalRecords"`
	StatusURL    string         `json:"statusUrl"`
	CreatedAt    stamp          `json:"createdAt"`
	ExpiresAt    stamp          `json:"expiresAt"`
}

// accepted answers with the job that a request has become. location is its status,
// relative to the URL of the request.
func (h *Handler) accepted(c *call, job *bulk.Job, location string) error {
	c.w.Header().Set("Location", location)
	h.retryAfter(c)
	return c.w.data(http.StatusAccepted, acceptedView{
		Mode:         "async",
		JobID:        job.ID,
		Status:       bulk.JobPending, // also in the replay of an answer whose job has got on
		TotalRecords: job.TotalRecords,
		StatusURL:    h.path(c.r, "jobs/"+job.ID),
		CreatedAt:    stamp(job.CreatedAt),
		ExpiresAt:    stamp(job.ExpiresAt),
	})
}
