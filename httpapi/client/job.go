package client

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A Job is the state of a job. Times that have not come are zero.
type Job struct {
	ID               string         `json:"jobId"`
	Type             string         `json:"type"`
	Status           bulk.JobStatus `json:"status"`
	TotalRecords     int            `json:"totalRecords"`
	ProcessedRecords int            `json:"processedRecords"`
	// Progress is the share of rows that were processed, 0 to 100.
	Progress int          `json:"progress"`
	Summary  bulk.Summary `json:"summary"`
	// Rate is how many rows a second it does, and ETASeconds how long the rest will
	// take at that rate; nil unless it runs and that is known.
	Rate       *float64 `json:"rate"`
	ETASeconds *int64   `json:"etaSeconds"`
	// Label is [bulk.Options.Label] of the request.
	Label string `json:"label"`
	// ParentID is the job whose rows this one tries again, "" for others.
	ParentID    string       `json:"parentJobId"`
	Options     bulk.Options `json:"options"`
	CreatedBy   string       `json:"createdBy"`
	CreatedAt   time.Time    `json:"createdAt"`
	StartedAt   time.Time    `json:"startedAt"`
	UpdatedAt   time.Time    `json:"updatedAt"`
	CompletedAt time.Time    `json:"completedAt"`
	ExpiresAt   time.Time    `json:"expiresAt"`
	// DownloadURL leads to the results file, for whoever has it, until
	// DownloadURLExpiresAt; "" if there are no results. Each state of a job has a
	// fresh one.
	DownloadURL          string    `json:"downloadUrl"`
	DownloadURLExpiresAt time.Time `json:"downloadUrlExpiresAt"`
	// Error is why a failed job failed.
	Error *bulk.JobError `json:"error"`
}

// Err returns a [*JobError] if the job failed or was cancelled.
func (j *Job) Err() error {
	if j.Status == bulk.JobFailed || j.Status == bulk.JobCancelled {
		return &JobError{Job: *j}
	}
	return nil
}

// Job returns the state of a job. A job that does not exist, has expired or is not
// the caller's to see is [bulk.ErrJobNotFound].
func (c *Client) Job(ctx context.Context, id string) (*Job, error) {
	a, err := c.job(ctx, id, 0)
	if err != nil {
		return nil, err
	}
	return a.data, nil
}

// job asks for a job. The service is asked to answer when the job has ended, or after
// that many seconds.
func (c *Client) job(ctx context.Context, id string, hold int) (*answer[Job], error) {
	path, err := jobPath(id)
	if err != nil {
		return nil, err
	}
	q := &call{method: http.MethodGet, path: path}
	if hold > 0 {
		q.header = http.Header{"Prefer": {"wait=" + strconv.Itoa(hold)}}
	}
	return do[Job](ctx, c, q)
}

// jobPath returns the path of a job. Paths of dots would be another's.
func jobPath(id string) (string, error) {
	if id == "" || id == "." || id == ".." {
		return "", fmt.Errorf("client: job %q: %w", id, bulk.ErrJobNotFound)
	}
	return "jobs/" + url.PathEscape(id), nil
}

// Wait returns a job once it has ended, also if it failed or was cancelled: see
// [Job.Err]. The service is asked to hold its answer until then, for a few seconds at
// a time. One that does not is asked again as soon as it allows; if it says nothing of
// that, after [Config.MinBackoff] up to [Config.MaxBackoff]. progress, if not nil, is
// called with every state. Wait returns the errors of [Client.Job], and when ctx ends
// why: the job goes on then.
func (c *Client) Wait(ctx context.Context, id string, progress func(Job)) (*Job, error) {
	if progress == nil {
		return c.wait(ctx, id, maxHold, func(Job) {})
	}
	return c.wait(ctx, id, shownHold, progress)
}

// How long the service is asked to hold an answer: less than proxies wait for one,
// and no longer than somebody who looks on likes to.
const (
	maxHold   = 20 * time.Second
	shownHold = 2 * time.Second
)

func (c *Client) wait(ctx context.Context, id string, hold time.Duration, progress func(Job)) (*Job, error) {
	hold = min(hold, c.cfg.Timeout/2).Truncate(time.Second)
	for n := 1; ; n++ {
		asked := time.Now()
		a, err := c.job(ctx, id, int(hold/time.Second))
		if err != nil {
			return nil, err
		}
		progress(*a.data)
		if a.data.Status.Ended() {
			return a.data, nil
		}
		if a.header.Get("Preference-Applied") != "" && time.Since(asked) >= hold/2 {
			n = 0
			continue
		}
		wait := retryAfter(a.header)
		if wait == 0 {
			wait = c.pause().Delay(n)
		}
		// Later than asked for, never earlier, and not all at the same time.
		if err := sleep(ctx, wait+rand.N(wait/10+1)); err != nil {
			return nil, err
		}
	}
}

// Cancel stops a job and returns its state. A pending job is cancelled at once; a
// running one stops before its next batch, so its status may still be processing:
// see [Client.Wait]. A job that has ended is [bulk.ErrJobEnded].
func (c *Client) Cancel(ctx context.Context, id string) (*Job, error) {
	path, err := jobPath(id)
	if err != nil {
		return nil, err
	}
	q := &call{method: http.MethodPost, path: path + "/cancel"}
	again := retries{c: c}
	for {
		a, err := attempt[Job](ctx, c, q)
		if err == nil {
			return a.data, nil
		}
		if again.failed > 0 && errors.Is(err, bulk.ErrJobEnded) {
			// By an attempt of ours whose answer was lost, perhaps.
			if job, getErr := c.Job(ctx, id); getErr == nil && job.Status == bulk.JobCancelled {
				return job, nil
			}
		}
		if err = again.again(ctx, err); err != nil {
			return nil, err
		}
	}
}

// Retry makes a new job of those rows of an ended job that failed, were not reached,
// or both: see [bulk.RetrySelection]. The new job has ParentID, and its results have
// ParentIndex. The same key within 24 hours returns the same job; "" stands for a
// random one. A job that has not ended is [bulk.ErrJobNotEnded], one without such rows
// [bulk.ErrNothingToRetry], and one of another tenant [bulk.ErrJobNotFound].
func (c *Client) Retry(ctx context.Context, id string, only bulk.RetrySelection, key string) (*Job, error) {
	path, err := jobPath(id)
	if err != nil {
		return nil, err
	}
	q := &call{method: http.MethodPost, path: path + "/retry", header: http.Header{"Idempotency-Key": {cmp.Or(key, crand.Text())}}}
	if only != bulk.RetryAll {
		q.header.Set("Content-Type", "application/json")
		q.body, err = json.Marshal(map[string]bulk.RetrySelection{"only": only})
		if err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
	}
	a, err := do[acceptedData](ctx, c, q)
	if err != nil {
		return nil, err
	}
	return c.Job(ctx, a.data.JobID)
}

// Delete removes an ended job with its rows and results. A job that has not ended is
// [bulk.ErrJobNotEnded].
func (c *Client) Delete(ctx context.Context, id string) error {
	path, err := jobPath(id)
	if err != nil {
		return err
	}
	again := retries{c: c}
	for {
		_, err := attempt[struct{}](ctx, c, &call{method: http.MethodDelete, path: path})
		if err == nil || again.failed > 0 && errors.Is(err, bulk.ErrJobNotFound) { // by an attempt whose answer was lost
			return nil
		}
		if err = again.again(ctx, err); err != nil {
			return err
		}
	}
}

// A JobFilter selects the jobs of a list.
type JobFilter struct {
	// Tenant is the tenant whose jobs a super admin wants. Defaults to the caller's.
	Tenant string
	// Status selects jobs of that status; "" selects all.
	Status bulk.JobStatus
	// PageSize is how many jobs are fetched at a time, 1 to 100. Defaults to the
	// service's, which is 20.
	PageSize int
}

// Jobs iterates over the caller's jobs, newest first. Pages are fetched as they are
// needed. An error is the last that it yields.
func (c *Client) Jobs(ctx context.Context, filter JobFilter) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		query := url.Values{}
		if filter.Tenant != "" {
			query.Set("tenant", filter.Tenant)
		}
		if filter.Status != "" {
			query.Set("status", string(filter.Status))
		}
		if filter.PageSize != 0 {
			query.Set("limit", strconv.Itoa(filter.PageSize))
		}
		for {
			a, err := do[jobsPage](ctx, c, &call{method: http.MethodGet, path: "jobs", query: query})
			if err != nil {
				yield(Job{}, err)
				return
			}
			for _, job := range a.data.Jobs {
				if !yield(job, nil) {
					return
				}
			}
			if a.data.Cursor == "" {
				return
			}
			query.Set("cursor", a.data.Cursor)
		}
	}
}

type jobsPage struct {
	Jobs   []Job  `json:"jobs"`
	Cursor string `json:"cursor"`
}
