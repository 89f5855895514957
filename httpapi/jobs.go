package httpapi

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/redact"
)

// Limits of a page of jobs.
const (
	maxPage     = 100
	defaultPage = 20
)

// maxJobID is longer than any job id, and shorter than any database's limit for
// a key.
const maxJobID = 128

// jobView is a job as its status shows it.
type jobView struct {
	JobID            string         `json:"jobId"`
	ParentJobID      *string        `json:"parentJobId"`
	Type             string         `json:"type"`
	Status           bulk.JobStatus `json:"status"`
	TotalRecords     int            `json:"totalRecords"`
	ProcessedRecords int            `json:"processedRecords"`
	Progress         int            `json:"progress"`
	Summary          bulk.Summary   `json:"summary"`
	Rate             *float64       `json:"rate"`
	ETASeconds       *int64         `json:"etaSeconds"`
	Label            string         `json:"label"`
	Options          bulk.Options   `json:"options"`
	CreatedBy        string         `json:"createdBy"`
	CreatedAt        stamp          `json:"createdAt"`
	StartedAt        stamp          `json:"startedAt"`
	UpdatedAt        stamp          `json:"updatedAt"`
	CompletedAt      stamp          `json:"completedAt"`
	ExpiresAt        stamp          `json:"expiresAt"`
	DownloadURL      *string        `json:"downloadUrl"`
	DownloadExpires  stamp          `json:"downloadUrlExpiresAt"`
	Error            *bulk.JobError `json:"error"`
}

// view shows a job, with a fresh download link if it has results.
func (h *Handler) view(c *call, job *bulk.Job) jobView {
	view := jobView{
		JobID:            job.ID,
		Type:             job.Type,
		Status:           job.Status,
		TotalRecords:     job.TotalRecords,
		ProcessedRecords: job.Progress.Summary.Processed(),
		Progress:         job.Percent(),
		Summary:          job.Summary(),
		Label:            job.Label,
		Options:          job.Options,
		CreatedBy:        job.CreatedBy,
		CreatedAt:        stamp(job.CreatedAt),
		StartedAt:        stamp(job.StartedAt),
		UpdatedAt:        stamp(job.UpdatedAt),
		CompletedAt:      stamp(job.CompletedAt),
		ExpiresAt:        stamp(job.ExpiresAt),
		Error:            job.Error,
	}
	if job.ParentID != "" {
		view.ParentJobID = &job.ParentID
	}
	now := time.Now()
	if rate, ok := job.Rate(now); ok {
		view.Rate = new(math.Round(rate*100) / 100)
	}
	if left, ok := job.TimeLeft(now); ok {
		view.ETASeconds = new(int64(left / time.Second))
	}
	if url, expires := h.downloadURL(c, job); url != "" {
		view.DownloadURL, view.DownloadExpires = &url, stamp(expires)
	}
	return view
}

// downloadURL returns a link to the results of a job, "" if it has none.
func (h *Handler) downloadURL(c *call, job *bulk.Job) (string, time.Time) {
	if !job.Status.Ended() || job.Results == "" {
		return "", time.Time{}
	}
	ctx := c.r.Context()
	url, expires, err := h.cfg.Importer.DownloadURL(ctx, job)
	if err != nil && ctx.Err() == nil {
		// The handler can serve the file too.
		h.cfg.Logger.WarnContext(ctx, "blob store signed no download link", "job", job.ID, redact.Error(err))
	}
	if url != "" {
		return url, expires
	}
	return h.url(c.r, "downloads/"+h.links.token(job.ID, expires)), expires
}

// job returns the job that a call is about.
func (h *Handler) job(c *call) (*bulk.Job, error) {
	if !validJobID(c.arg) {
		return nil, jobNotFound()
	}
	return h.cfg.Importer.Job(c.r.Context(), c.principal, c.arg)
}

// validJobID reports whether a queue can be asked for a job of that id. Databases
// answer a key that they do not allow with an error that looks like a failure.
func validJobID(id string) bool {
	return len(id) <= maxJobID && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' && r != '-'
	})
}

// answerJob answers with the state of a job.
func (h *Handler) answerJob(c *call, job *bulk.Job) error {
	if !job.Status.Ended() {
		h.retryAfter(c)
	}
	return c.w.data(http.StatusOK, h.view(c, job))
}

// oneJob is jobs/{jobId}.
func (h *Handler) oneJob(c *call) error {
	if c.r.Method == http.MethodDelete {
		return h.deleteJob(c)
	}
	return h.jobStatus(c)
}

// deletedView is a job that is no more.
type deletedView struct {
	JobID string `json:"jobId"`
}

// deleteJob is DELETE jobs/{jobId}.
func (h *Handler) deleteJob(c *call) error {
	if _, err := query(c.r); err != nil {
		return err
	}
	if !validJobID(c.arg) {
		return jobNotFound()
	}
	if err := h.cfg.Importer.Delete(c.r.Context(), c.principal, c.arg); err != nil {
		return err
	}
	return c.w.data(http.StatusOK, deletedView{c.arg})
}

// jobStatus is GET jobs/{jobId}.
func (h *Handler) jobStatus(c *call) error {
	if _, err := query(c.r); err != nil {
		return err
	}
	job, err := h.awaitJob(c)
	if err != nil {
		return err
	}
	return h.answerJob(c, job)
}

// awaitJob returns the job that a call is about: as it is, or as it is once it has
// ended or the time is over for which the caller prefers to wait.
func (h *Handler) awaitJob(c *call) (*bulk.Job, error) {
	job, err := h.job(c)
	if err != nil {
		return nil, err
	}
	wait, applied := prefersWait(c.r.Header)
	if applied == "" {
		return job, nil
	}
	if !job.Status.Ended() && wait > 0 {
		select {
		case h.waits <- struct{}{}:
			defer func() { <-h.waits }()
		default: // there are too many that wait
			return job, nil
		}
		if job, err = h.cfg.Importer.Wait(c.r.Context(), c.principal, c.arg, wait); err != nil {
			return nil, err
		}
	}
	c.w.Header().Set("Preference-Applied", applied)
	return job, nil
}

// cancelJob is POST jobs/{jobId}/cancel. A body is not looked at.
func (h *Handler) cancelJob(c *call) error {
	if _, err := query(c.r); err != nil {
		return err
	}
	if !validJobID(c.arg) {
		return jobNotFound()
	}
	job, err := h.cfg.Importer.Cancel(c.r.Context(), c.principal, c.arg)
	if err != nil {
		return err
	}
	return h.answerJob(c, job)
}

// listView is a page of jobs.
type listView struct {
	Jobs   []jobView `json:"jobs"`
	Cursor *string   `json:"cursor"`
}

// listJobs is GET jobs.
func (h *Handler) listJobs(c *call) error {
	params, err := query(c.r, "status", "limit", "cursor", "tenant")
	if err != nil {
		return err
	}
	limit := defaultPage
	if text, ok := params["limit"]; ok {
		limit, err = strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxPage {
			return badRequest("query parameter limit must be a whole number from 1 to %d", maxPage)
		}
	}
	status := bulk.JobStatus(params["status"])
	if _, ok := params["status"]; ok && !validStatus(status) {
		return badRequest("query parameter status must be pending, processing, completed, failed or cancelled")
	}
	if cursor, ok := params["cursor"]; ok && cursor == "" {
		return badRequest("query parameter cursor is empty; leave it out for the first page")
	}
	principal := c.principal
	if tenant, ok := params["tenant"]; ok {
		if principal, err = inTenant(principal, tenant); err != nil {
			return err
		}
	}
	jobs, next, err := h.cfg.Importer.Jobs(c.r.Context(), principal, status, limit, params["cursor"])
	if err != nil {
		return err
	}
	page := listView{Jobs: make([]jobView, 0, len(jobs))}
	for i := range jobs {
		page.Jobs = append(page.Jobs, h.view(c, &jobs[i]))
	}
	if next != "" {
		page.Cursor = &next
	}
	return c.w.data(http.StatusOK, page)
}

// inTenant returns the principal as one of a tenant that it may list the jobs of.
func inTenant(p bulk.Principal, tenant string) (bulk.Principal, error) {
	if tenant != p.Tenant && p.Role != bulk.RoleSuperAdmin {
		return p, &problem{status: http.StatusForbidden, code: codeForbidden, message: "only a super admin may list the jobs of another tenant"}
	}
	p.Tenant = tenant
	if err := p.Authorize(); err != nil { // the caller's own role was good
		return p, badRequest("query parameter tenant must be UTF-8 text of at most %d bytes without U+0000", bulk.MaxTenant)
	}
	return p, nil
}

func validStatus(status bulk.JobStatus) bool {
	switch status {
	case bulk.JobPending, bulk.JobProcessing, bulk.JobCompleted, bulk.JobFailed, bulk.JobCancelled:
		return true
	default:
		return false
	}
}
