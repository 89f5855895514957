package client_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/httpapi/client"
)

// imported returns the id of a job of 200 users that has ended. Every tenth failed.
func imported(t *testing.T, c *client.Client) string {
	t.Helper()
	all := users(0, 200)
	for i := 0; i < len(all); i += 10 {
		all[i].Email = "nowhere"
	}
	im, err := c.Import(t.Context(), client.Users(all), nil)
	require.NoError(t, err)
	return im.Parts[0].Job.ID
}

func requireAll(t *testing.T, results []bulk.RowResult) {
	t.Helper()
	require.Len(t, results, 200)
	for i, r := range results {
		require.Equal(t, i, r.Index)
	}
}

func TestWaitObeysTheService(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.client()
		im, err := c.Submit(t.Context(), client.Users(users(0, 200)), nil)
		require.NoError(t, err)
		var seen []bulk.JobStatus
		job, err := c.Wait(t.Context(), im.Parts[0].Job.ID, func(job client.Job) { seen = append(seen, job.Status) })
		require.NoError(t, err)
		assert.Equal(t, bulk.JobCompleted, job.Status)
		assert.NoError(t, job.Err())
		assert.Equal(t, bulk.JobCompleted, seen[len(seen)-1])
	})
	slow := func(cfg *bulk.Config, api *httpapi.Config) {
		cfg.Store = &slowStore{cfg.Store, time.Now().Add(storeTakes)}
		api.RetryAfter = 7 * time.Second
	}
	inWorld(t, func(t *testing.T, w *world) {
		took := elapsed(func() { imported(t, w.client()) })
		assert.True(t, storeTakes <= took && took < storeTakes+time.Second, "rule: the end is learned of when it comes: %s", took)
	}, slow)
	inWorld(t, func(t *testing.T, w *world) {
		w.before = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
			r.Header.Del("Prefer")
			return false
		}
		took := elapsed(func() { imported(t, w.client()) })
		assert.True(t, 7*time.Second <= took && took < 8*time.Second, "rule: not before Retry-After: %s", took)
	}, slow)
	inWorld(t, func(t *testing.T, w *world) {
		w.before = func(_ int, rec http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Prefer") != "" {
				rec.Header().Set("Preference-Applied", "wait=2")
				r.Header.Del("Prefer")
			}
			return false
		}
		imported(t, w.client())
		assert.Less(t, len(w.requests), 10, "rule: a service that says it has waited, and has not, is not asked without a pause")
	}, slow)
}

func TestWaitBacksOffWithoutRetryAfter(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.before = func(n int, rec http.ResponseWriter, _ *http.Request) bool {
			status := "processing"
			if n == 5 {
				status = "failed"
			}
			fmt.Fprintf(rec, `{"success":true,"data":{"jobId":"job_1","status":%q,"totalRecords":9,"error":{"code":"UNAVAILABLE","message":"m"}}}`, status)
			return true
		}
		var job *client.Job
		var err error
		took := elapsed(func() { job, err = w.client().Wait(t.Context(), "job_1", nil) })
		require.NoError(t, err)
		assert.True(t, 3*time.Second < took && took < 10*time.Second, "%s", took)
		assert.EqualError(t, job.Err(), "client: job job_1 failed after 0 of 9 rows: UNAVAILABLE: m")
	})
}

func TestResultsComeFromTheLinkWithoutCredentials(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.client()
		id := imported(t, c)
		before := len(w.requests)
		requireAll(t, collect(t, c.Results(t.Context(), id)))
		asked := w.requests[before:]
		require.Len(t, asked, 2, "rule: a fresh link, then the file")
		assert.Contains(t, asked[1].URL.Path, "/downloads/")
		assert.Equal(t, http.Header{}, asked[1].Header, "rule: nothing is told to who serves the file")

		failed := collect(t, c.Failed(t.Context(), id))
		require.Len(t, failed, 20)
		assert.Equal(t, 10, failed[1].Index)

		for r, err := range c.Results(t.Context(), id) { // stopped in between
			require.NoError(t, err)
			if r.Index == 5 {
				break
			}
		}
	})
}

func TestLinksToOtherHosts(t *testing.T) {
	for name, test := range map[string]struct {
		link     string
		answer   func(w *world, rec http.ResponseWriter, file string)
		linkUsed bool
	}{
		"of another store": {"http://s3.test/file?X-Amz-Signature=secret", func(_ *world, rec http.ResponseWriter, file string) { _, _ = io.WriteString(rec, file) }, true},
		"expired":          {"http://s3.test/file", func(_ *world, rec http.ResponseWriter, _ string) { rec.WriteHeader(403) }, true},
		"redirected": {"http://s3.test/file", func(_ *world, rec http.ResponseWriter, _ string) {
			rec.Header().Set("Location", "http://evil.test")
			rec.WriteHeader(302)
		}, true},
		"another file": {"http://s3.test/file", func(_ *world, rec http.ResponseWriter, _ string) { _, _ = io.WriteString(rec, "<html>") }, true},
		"a shorter file": {"http://s3.test/file", func(_ *world, rec http.ResponseWriter, _ string) {
			_, _ = io.WriteString(rec, `{"results":[{"index":0,"status":"created"}],"more":{}}`)
		}, true},
		"no results": {"http://s3.test/file", func(_ *world, rec http.ResponseWriter, _ string) { _, _ = io.WriteString(rec, `{"results":{}}`) }, true},
		"malformed":  {":", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				c := w.client()
				id := imported(t, c)
				file, err := c.OpenResults(t.Context(), id, client.FormatJSON, false)
				require.NoError(t, err)
				text, err := io.ReadAll(file)
				require.NoError(t, err)
				require.NoError(t, file.Close())
				used := 0
				w.before = func(_ int, rec http.ResponseWriter, r *http.Request) bool {
					if r.URL.Host == "s3.test" {
						used++
						test.answer(w, rec, string(text))
						return true
					}
					return false
				}
				w.after = func(_ int, res *http.Response) (*http.Response, error) {
					if strings.HasSuffix(res.Request.URL.Path, "/jobs/"+id) {
						res.Body = io.NopCloser(strings.NewReader(fmt.Sprintf(
							`{"success":true,"data":{"jobId":%q,"status":"completed","totalRecords":200,"downloadUrl":%q}}`, id, test.link)))
					}
					return res, nil
				}
				results := collect(t, c.Results(t.Context(), id))
				require.Len(t, results, 200)
				assert.Equal(t, test.linkUsed, used == 1, "rule: a link that failed is not used again: %d", used)
				for _, r := range w.requests {
					assert.True(t, r.URL.Host == "api.test" || len(r.Header) == 0, "rule: no credentials go to %s", r.URL.Host)
					assert.NotEqual(t, "evil.test", r.URL.Host, "rule: redirects are not followed")
				}
			})
		})
	}
}

func TestPlainLinkOfAnEncryptedServiceIsNotUsed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := imported(t, w.client())
		c := w.client(func(c *client.Config) { c.BaseURL = "https" + strings.TrimPrefix(base, "http") })
		before := len(w.requests)
		requireAll(t, collect(t, c.Results(t.Context(), id)))
		for _, r := range w.requests[before:] {
			assert.Equal(t, "https", r.URL.Scheme)
		}
	})
}

// cut breaks a longer answer off after n bytes.
func cut(res *http.Response, n int) {
	text, _ := io.ReadAll(res.Body)
	res.Body = io.NopCloser(bytes.NewReader(text))
	if len(text) > n {
		res.Body = breakingBody(bytes.NewReader(text[:n]))
	}
}

func TestBrokenStreamIsTakenUpAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.client()
		id := imported(t, c)
		limit := 0
		w.after = func(_ int, res *http.Response) (*http.Response, error) {
			if strings.Contains(res.Request.URL.Path, "/downloads/") || strings.HasSuffix(res.Request.URL.Path, "/results") {
				limit += 1000
				cut(res, limit)
			}
			return res, nil
		}
		requireAll(t, collect(t, c.Results(t.Context(), id)))
		limit = 0
		assert.Len(t, collect(t, c.Failed(t.Context(), id)), 20)

		w.after = func(_ int, res *http.Response) (*http.Response, error) {
			if !strings.HasSuffix(res.Request.URL.Path, id) {
				cut(res, 1000)
			}
			return res, nil
		}
		n, failed := 0, error(nil)
		for _, err := range c.Results(t.Context(), id) {
			if failed = err; err == nil {
				n++
			}
		}
		assert.ErrorIs(t, failed, io.ErrUnexpectedEOF, "rule: a part is never taken for the whole")
		assert.Positive(t, n)
	})
}

func TestStalledStreamTimesOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.client()
		id := imported(t, c)
		stalled := false
		w.after = func(_ int, res *http.Response) (*http.Response, error) {
			if strings.Contains(res.Request.URL.Path, "/downloads/") && !stalled {
				stalled = true
				ctx := res.Request.Context()
				res.Body = io.NopCloser(io.MultiReader(io.LimitReader(res.Body, 1000), waitingReader{ctx}))
			}
			return res, nil
		}
		took := elapsed(func() { requireAll(t, collect(t, c.Results(t.Context(), id))) })
		assert.GreaterOrEqual(t, took, client.DefaultTimeout)

		// A reader that takes its time is not the service's fault.
		w.after = nil
		n := 0
		for _, err := range c.Results(t.Context(), id) {
			require.NoError(t, err)
			if n++; n == 100 {
				time.Sleep(3 * client.DefaultTimeout)
			}
		}
		assert.Equal(t, 200, n)
	})
}

type waitingReader struct{ ctx context.Context }

func (r waitingReader) Read([]byte) (int, error) {
	<-r.ctx.Done()
	return 0, r.ctx.Err()
}

func TestResultsOfJobsWithoutAny(t *testing.T) {
	inIdleWorld(t, func(t *testing.T, w *world) {
		c := w.client()
		im, err := c.Submit(t.Context(), client.Users(users(0, 100)), nil)
		require.NoError(t, err)
		for _, err := range im.Results(t.Context()) {
			assert.ErrorIs(t, err, bulk.ErrNoResults)
		}
		for id, want := range map[string]error{"job_x": bulk.ErrJobNotFound, "": bulk.ErrJobNotFound, "..": bulk.ErrJobNotFound, "a/b?c": bulk.ErrJobNotFound} {
			for _, err := range c.Failed(t.Context(), id) {
				assert.ErrorIs(t, err, want, id)
			}
			_, err := c.OpenResults(t.Context(), id, client.FormatCSV, true)
			assert.ErrorIs(t, err, want, id)
			_, err = c.Cancel(t.Context(), id)
			assert.ErrorIs(t, err, want, id)
			_, err = c.Wait(t.Context(), id, nil)
			assert.ErrorIs(t, err, want, id)
		}
		w.before = func(_ int, rec http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/results") {
				rec.WriteHeader(404)
				_, _ = io.WriteString(rec, `{"success":false,"error":{"code":"NOT_FOUND","message":"none"}}`)
				return true
			}
			_, _ = io.WriteString(rec, `{"success":true,"data":{"jobId":"x","status":"failed","totalRecords":3,"downloadUrl":null}}`)
			return true
		}
		for _, err := range c.Results(t.Context(), "x") {
			assert.ErrorIs(t, err, bulk.ErrNoResults)
		}
		_, err = c.OpenResults(t.Context(), "x", client.FormatNDJSON, false)
		assert.ErrorIs(t, err, bulk.ErrNoResults)
	})
}

func TestFailedRowsAsCSVCanBeSentAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.client()
		file, err := c.OpenResults(t.Context(), imported(t, c), client.FormatCSV, true)
		require.NoError(t, err)
		text, err := io.ReadAll(file)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		im, err := c.Import(t.Context(), client.CSV(strings.NewReader(strings.ReplaceAll(string(text), "nowhere", ""))), nil)
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 20}, im.Summary())
	})
}

func TestJobsAreListedPageByPage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.before = func(int, http.ResponseWriter, *http.Request) bool {
			time.Sleep(time.Millisecond) // so that no two jobs are made in one
			return false
		}
		c := w.client(func(c *client.Config) { c.MaxUsers = 1 })
		im, err := c.Import(t.Context(), client.Users(users(0, 7)), &client.Options{Async: true})
		require.NoError(t, err)
		var ids []string
		before := len(w.requests)
		for job, err := range c.Jobs(t.Context(), client.JobFilter{Status: bulk.JobCompleted, PageSize: 3}) {
			require.NoError(t, err)
			ids = append(ids, job.ID)
			assert.NotEmpty(t, job.DownloadURL)
			assert.False(t, job.CompletedAt.IsZero())
		}
		require.Len(t, ids, 7)
		assert.Equal(t, im.Parts[6].Job.ID, ids[0], "rule: newest first")
		assert.Len(t, w.requests[before:], 3)
		for range c.Jobs(t.Context(), client.JobFilter{PageSize: 3}) {
			break
		}
		assert.Len(t, w.requests[before:], 4, "rule: pages are fetched as they are needed")
		for _, err := range c.Jobs(t.Context(), client.JobFilter{Status: "done"}) {
			assert.True(t, client.IsCode(err, "INVALID_REQUEST"))
		}
	})
}

func TestCancelWhoseAnswerWasLost(t *testing.T) {
	inIdleWorld(t, func(t *testing.T, w *world) {
		c := w.client()
		im, err := c.Submit(t.Context(), client.Users(users(0, 200)), nil)
		require.NoError(t, err)
		n := 0
		w.after = func(_ int, res *http.Response) (*http.Response, error) {
			if n++; n == 1 {
				return nil, io.ErrUnexpectedEOF
			}
			return res, nil
		}
		job, err := c.Cancel(t.Context(), im.Parts[0].Job.ID)
		require.NoError(t, err)
		assert.Equal(t, bulk.JobCancelled, job.Status)
	})
}

// A slowStore answers from a time on.
type slowStore struct {
	bulk.Store
	ready time.Time
}

const storeTakes = 3500 * time.Millisecond

func (s *slowStore) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	time.Sleep(time.Until(s.ready))
	return s.Store.Lookup(ctx, tenant, refs)
}
