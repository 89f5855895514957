package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"

	"github.com/bulkops/bulkops/bulk"
)

// Results iterates over the results of all accepted rows in order, with the
// indexes and lines of the whole. Those of jobs are streamed: see
// [Client.Results]. A job that has not ended is [bulk.ErrNoResults].
func (im *Import) Results(ctx context.Context) iter.Seq2[bulk.RowResult, error] {
	return im.results(ctx, false)
}

// Failed iterates over the results of the rows that failed, and no others, as
// Results does.
func (im *Import) Failed(ctx context.Context) iter.Seq2[bulk.RowResult, error] {
	return im.results(ctx, true)
}

func (im *Import) results(ctx context.Context, onlyFailed bool) iter.Seq2[bulk.RowResult, error] {
	return func(yield func(bulk.RowResult, error) bool) {
		for i := range im.Parts {
			p := &im.Parts[i]
			if p.Report != nil {
				for _, r := range p.Report.Results {
					if (!onlyFailed || r.Status == bulk.StatusFailed) && !yield(r, nil) {
						return
					}
				}
				continue
			}
			if onlyFailed && p.Job.Status.Ended() && p.Job.Summary.Failed == 0 {
				continue
			}
			for r, err := range im.client.results(ctx, p.Job.ID, onlyFailed) {
				if err != nil {
					yield(bulk.RowResult{}, err)
					return
				}
				p.place(&r)
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// Results iterates over the results of an ended job, one a row, in order. They are
// streamed from the download link of the job, which is fetched fresh for it, or
// from the API, if there is no link or it cannot be used. A stream that breaks off
// is taken up again where it broke off. An error is the last that it yields:
// [bulk.ErrNoResults] for a job that has not ended or has none, and the errors of
// [Client.Job].
func (c *Client) Results(ctx context.Context, id string) iter.Seq2[bulk.RowResult, error] {
	return c.results(ctx, id, false)
}

// Failed iterates over the results of the rows of an ended job that failed, and no
// others. They are streamed from the API; all else is as with Results.
func (c *Client) Failed(ctx context.Context, id string) iter.Seq2[bulk.RowResult, error] {
	return c.results(ctx, id, true)
}

func (c *Client) results(ctx context.Context, id string, onlyFailed bool) iter.Seq2[bulk.RowResult, error] {
	return func(yield func(bulk.RowResult, error) bool) {
		s := &resultStream{c: c, id: id, onlyFailed: onlyFailed, yield: yield}
		again := retries{c: c}
		for {
			before := s.yielded
			err := s.run(ctx)
			if err == nil || s.stopped {
				return
			}
			if s.yielded > before {
				again.failed = 0
			}
			if err = again.again(ctx, err); err != nil {
				yield(bulk.RowResult{}, err)
				return
			}
		}
	}
}

// A resultStream yields the results of a job, in as many downloads as it takes.
type resultStream struct {
	c          *Client
	id         string
	onlyFailed bool
	yield      func(bulk.RowResult, error) bool

	yielded int
	stopped bool // nobody wants more
	linkBad bool // the download link has failed
}

// run yields the results that have not been yielded, from a new download.
func (s *resultStream) run(ctx context.Context) error {
	job, err := s.c.Job(ctx, s.id)
	if err != nil {
		return final(err) // it has been tried often enough
	}
	if !job.Status.Ended() {
		return fmt.Errorf("client: job %s is %s: %w", s.id, job.Status, bulk.ErrNoResults)
	}
	want := job.TotalRecords
	if s.onlyFailed {
		want = job.Summary.Failed
	}
	body, isFile, err := s.open(ctx, job)
	if err != nil {
		return err
	}
	defer body.Close()
	read := readLines
	if isFile {
		read = readFile
	}
	n := 0
	err = read(body, func(r bulk.RowResult) bool {
		n++
		if n > s.yielded {
			s.yielded = n
			s.stopped = !s.yield(r, nil)
		}
		return !s.stopped
	})
	switch {
	case s.stopped:
		return nil
	case n == want:
		return nil // all were there, whatever came behind them
	case err == nil:
		err = fmt.Errorf("%d results of %d", n, want)
	case isFormat(err) && !isFile:
		return fmt.Errorf("client: results of job %s: %w", s.id, ErrNotAPI)
	}
	s.linkBad = isFile
	return &connectionError{"results of job " + s.id, err}
}

// open opens the results file by its link, or else results as lines.
func (s *resultStream) open(ctx context.Context, job *Job) (_ io.ReadCloser, isFile bool, err error) {
	if !s.onlyFailed && !s.linkBad && job.DownloadURL != "" {
		res, err := s.c.download(ctx, job)
		if err == nil {
			return res.Body, true, nil
		}
		if ctx.Err() != nil {
			return nil, false, ended(ctx)
		}
		s.linkBad = true // the API has the same
	}
	q := &call{method: http.MethodGet, path: "jobs/" + url.PathEscape(job.ID) + "/results", query: url.Values{"format": {"ndjson"}}}
	if s.onlyFailed {
		q.query.Set("only", "failed")
	}
	res, err := s.c.open(ctx, q)
	if IsCode(err, codeNotFound) {
		err = fmt.Errorf("%w: %w", bulk.ErrNoResults, err)
	}
	if err != nil {
		return nil, false, err
	}
	return res.Body, false, nil
}

// download gets a results file by its link: a bare GET without credentials.
func (c *Client) download(ctx context.Context, job *Job) (*http.Response, error) {
	doing := "download the results of job " + job.ID
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, job.DownloadURL, nil)
	if err != nil {
		return nil, fmt.Errorf("client: %s: %w", doing, bare(err))
	}
	if c.base.Scheme == "https" && req.URL.Scheme != "https" {
		return nil, fmt.Errorf("client: %s: the link is not https, as the service is", doing)
	}
	return c.send(req, doing)
}

// final keeps an error from being taken for one that may pass.
func final(err error) error { return finalError{err} }

type finalError struct{ error }

func (e finalError) Unwrap() error   { return e.error }
func (e finalError) Retryable() bool { return false }

// readLines calls do with each result of a text with one a line, until that
// returns false.
func readLines(r io.Reader, do func(bulk.RowResult) bool) error {
	dec := json.NewDecoder(bufio.NewReaderSize(r, 64<<10))
	for {
		var result bulk.RowResult
		if err := dec.Decode(&result); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if !do(result) {
			return nil
		}
	}
}

var errNotResults = errors.New("no results file")

// readFile calls do with each result of a results file, until that returns false.
func readFile(r io.Reader, do func(bulk.RowResult) bool) error {
	dec := json.NewDecoder(bufio.NewReaderSize(r, 64<<10))
	expect := func(want json.Token) error {
		token, err := dec.Token()
		if err == nil && token != want {
			err = errNotResults
		}
		return noEOF(err)
	}
	if err := expect(json.Delim('{')); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return noEOF(err)
		}
		if name != "results" {
			var skipped json.RawMessage
			if err := dec.Decode(&skipped); err != nil {
				return noEOF(err)
			}
			continue
		}
		if err := expect(json.Delim('[')); err != nil {
			return err
		}
		for dec.More() {
			var result bulk.RowResult
			if err := dec.Decode(&result); err != nil {
				return noEOF(err)
			}
			if !do(result) {
				return nil
			}
		}
		if err := expect(json.Delim(']')); err != nil {
			return err
		}
	}
	return expect(json.Delim('}'))
}

// A FileFormat is a format of results.
type FileFormat string

// The formats of results.
const (
	// FormatJSON is a results file: what is known of the job, and its results.
	FormatJSON FileFormat = "json"
	// FormatNDJSON has a result a line.
	FormatNDJSON FileFormat = "ndjson"
	// FormatCSV has the rows as they were sent, and what became of them. It can be
	// mended and imported again.
	FormatCSV FileFormat = "csv"
)

// OpenResults opens the results of an ended job, or those of the rows that failed
// alone, as a file of that format. Indexes and lines in it are those of the
// request that the job was made of. The caller closes it; a part that was read is
// not the whole until io.EOF. Its errors are those of [Client.Results].
func (c *Client) OpenResults(ctx context.Context, id string, format FileFormat, onlyFailed bool) (io.ReadCloser, error) {
	path, err := jobPath(id)
	if err != nil {
		return nil, err
	}
	q := &call{method: http.MethodGet, path: path + "/results", query: url.Values{"format": {string(format)}}}
	if onlyFailed {
		q.query.Set("only", "failed")
	}
	again := retries{c: c}
	for {
		res, err := c.open(ctx, q)
		if err == nil {
			return res.Body, nil
		}
		if IsCode(err, codeNotFound) {
			err = fmt.Errorf("%w: %w", bulk.ErrNoResults, err)
		}
		if err = again.again(ctx, err); err != nil {
			return nil, err
		}
	}
}
