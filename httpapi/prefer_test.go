package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

// timed does a request and returns how long it took.
func (w *world) timed(target string, headers ...string) (*httptest.ResponseRecorder, time.Duration) {
	begun := time.Now()
	rec := w.do(admin, "GET", target, "", headers...)
	return rec, time.Since(begun)
}

func TestPreferWaitLasts(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		id := w.submit(usersBody(1))
		for prefer, want := range map[string]struct {
			wait    time.Duration
			applied string
		}{
			"wait=2":                     {2 * time.Second, "wait=2"},
			"wait=30":                    {30 * time.Second, "wait=30"},
			"wait=31":                    {30 * time.Second, "wait=30"},
			"wait=99999999999999999999":  {30 * time.Second, "wait=30"},
			"wait=0":                     {0, "wait=0"},
			"wait=007":                   {7 * time.Second, "wait=7"},
			"Wait = 3":                   {3 * time.Second, "wait=3"},
			`wait="4"`:                   {4 * time.Second, "wait=4"},
			"respond-async, wait=5; x=1": {5 * time.Second, "wait=5"},
			"wait=1, wait=9":             {time.Second, "wait=1"},
			"wait":                       {0, ""},
			"wait=":                      {0, ""},
			"wait=-1":                    {0, ""},
			"wait=1.5":                   {0, ""},
			"wait=soon":                  {0, ""},
			"wait=1s":                    {0, ""},
			"waiting=3":                  {0, ""},
			"":                           {0, ""},
		} {
			rec, took := w.timed("/v1/bulk/jobs/"+id, "Prefer: "+prefer)
			assert.Equal(t, "pending", data(t, rec)["status"], prefer)
			assert.Equal(t, want.wait, took, prefer)
			assert.Equal(t, want.applied, rec.Header().Get("Preference-Applied"), prefer)
			assert.Equal(t, "5", rec.Header().Get("Retry-After"), prefer)
		}
	})
}

// The answer comes when the job has ended: at once from a queue that tells, within
// Config.Poll from others.
func TestPreferWaitEndsWithTheJob(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*bulk.Config, *httpapi.Config)
		within time.Duration
	}{
		"told":  {func(c *bulk.Config, _ *httpapi.Config) { c.Jobs = memjobs.New() }, 0},
		"asked": {func(c *bulk.Config, _ *httpapi.Config) { c.Poll = 400 * time.Millisecond }, 400 * time.Millisecond},
	} {
		bubble(t, func(t *testing.T, w *world) {
			for _, end := range []func(id string){w.run, func(id string) { w.do(admin, "POST", "/v1/bulk/jobs/"+id+"/cancel", "") }} {
				id := w.submit(usersBody(1))
				var ending sync.WaitGroup
				ending.Go(func() {
					time.Sleep(3500 * time.Millisecond)
					end(id)
				})
				rec, took := w.timed("/v1/bulk/jobs/"+id, "Prefer: wait=20")
				ending.Wait()
				assert.NotNil(t, data(t, rec)["completedAt"], name)
				assert.GreaterOrEqual(t, took, 3500*time.Millisecond, name)
				assert.LessOrEqual(t, took, 3500*time.Millisecond+test.within, name)
				assert.Equal(t, "wait=20", rec.Header().Get("Preference-Applied"), name)

				rec, took = w.timed("/v1/bulk/jobs/"+id, "Prefer: wait=20")
				assert.Zero(t, took, "%s: rule: a job that has ended is answered at once", name)
				assert.Equal(t, "wait=20", rec.Header().Get("Preference-Applied"), name)
			}
		}, test.change)
	}
}

func TestPreferWaitIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		id := w.submit(usersBody(1))
		var waiting sync.WaitGroup
		for range 2 {
			waiting.Go(func() {
				rec, took := w.timed("/v1/bulk/jobs/"+id, "Prefer: wait=10")
				assert.Equal(t, 10*time.Second, took)
				assert.Equal(t, "wait=10", rec.Header().Get("Preference-Applied"))
			})
		}
		time.Sleep(time.Second)
		rec, took := w.timed("/v1/bulk/jobs/"+id, "Prefer: wait=10")
		assert.Zero(t, took, "rule: beyond the bound they are answered at once")
		assert.Equal(t, http.StatusOK, rec.Code)
		assert.Empty(t, rec.Header().Get("Preference-Applied"))
		waiting.Wait()
		_, took = w.timed("/v1/bulk/jobs/"+id, "Prefer: wait=10")
		assert.Equal(t, 10*time.Second, took, "rule: those that are done make room")
	}, func(_ *bulk.Config, c *httpapi.Config) { c.MaxWaits = 2 })
}

func TestPreferWaitEndsWithTheCaller(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		id := w.submit(usersBody(1))
		ctx, leave := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "GET", "/v1/bulk/jobs/"+id, nil)
		r.Header.Set("Authorization", "Bearer "+admin)
		r.Header.Set("Prefer", "wait=30")
		begun := time.Now()
		time.AfterFunc(2*time.Second, leave)
		w.handler.ServeHTTP(httptest.NewRecorder(), r)
		assert.Equal(t, 2*time.Second, time.Since(begun))
		assert.NotContains(t, w.log.String(), "ERROR", "rule: it is the caller's own affair")
	})
}

// Whose job it is not learns nothing by waiting.
func TestPreferWaitIsForTheJobsOwner(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		id := w.submit(usersBody(1))
		begun := time.Now()
		rec := w.do(otherAdmin, "GET", "/v1/bulk/jobs/"+id, "", "Prefer: wait=10")
		requireProblem(t, rec, http.StatusNotFound, "JOB_NOT_FOUND", "")
		assert.Zero(t, time.Since(begun))
		require.Empty(t, rec.Header().Get("Preference-Applied"))
	})
}
