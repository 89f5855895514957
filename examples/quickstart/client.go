package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A client speaks to the API with nothing but the standard library.
type client struct {
	http  *http.Client
	url   string
	token string
}

// An outcome is what became of the rows: the data of a synchronous answer, or a
// results file.
type outcome struct {
	JobID        string           `json:"jobId"`
	Status       bulk.JobStatus   `json:"status"`
	TotalRecords int              `json:"totalRecords"`
	Summary      bulk.Summary     `json:"summary"`
	Results      []bulk.RowResult `json:"results"`
}

// A job is the state of a job, as far as this program needs it.
type job struct {
	JobID            string         `json:"jobId"`
	Status           bulk.JobStatus `json:"status"`
	TotalRecords     int            `json:"totalRecords"`
	ProcessedRecords int            `json:"processedRecords"`
	Summary          bulk.Summary   `json:"summary"`
	DownloadURL      string         `json:"downloadUrl"`
	Error            *bulk.JobError `json:"error"`
}

// pollEvery is how often the job is asked for. The service says in Retry-After
// how often it wants to be asked, and a real client waits that long; this one has
// the service to itself, and its jobs are done before that.
const pollEvery = 10 * time.Millisecond

func newClient(url, token string) *client {
	return &client{http: &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}, url: url, token: token}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// post sends the users. It returns the outcome, or the URL of the job that the
// request has become.
func (c *client) post(ctx context.Context, body []byte) (*outcome, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/v1/bulk/users", bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	o := new(outcome)
	resp, err := c.call(req, o)
	switch {
	case err != nil:
		return nil, "", err
	case resp.StatusCode != http.StatusAccepted:
		return o, "", nil
	}
	location, err := resp.Location() // relative to the request
	if err != nil {
		return nil, "", fmt.Errorf("202 without a job: %w", err)
	}
	return nil, location.String(), nil
}

// wait asks for the job until it has ended, and calls show with every state.
func (c *client) wait(ctx context.Context, url string, show func(done, total int)) (*job, error) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		j := new(job)
		if _, err := c.call(req, j); err != nil {
			return nil, err
		}
		show(j.ProcessedRecords, j.TotalRecords)
		if j.Status.Ended() {
			return j, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// call sends a request with the token and decodes the data of the answer.
func (c *client) call(req *http.Request, data any) (*http.Response, error) {
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer := struct {
		Success bool `json:"success"`
		Data    any  `json:"data"`
		Error   struct{ Code, Message string }
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%s %s: %s: %w", req.Method, req.URL.Path, resp.Status, err)
	}
	if !answer.Success {
		return nil, fmt.Errorf("%s %s: %s: %s: %s", req.Method, req.URL.Path, resp.Status, answer.Error.Code, answer.Error.Message)
	}
	return resp, nil
}

// download gets a results file by its link: a bare GET, without the token.
func (c *client) download(ctx context.Context, link string) (*outcome, error) {
	if link == "" {
		return nil, errors.New("the job has no download link")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return nil, fmt.Errorf("download: %s: %s", resp.Status, text)
	}
	o := new(outcome)
	if err := json.NewDecoder(resp.Body).Decode(o); err != nil {
		return nil, fmt.Errorf("download: %w", err)
	}
	return o, nil
}
