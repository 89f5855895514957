package webhook

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// newNotifier returns a notifier of one endpoint.
func newNotifier(t *testing.T, cfg Config, endpoint Endpoint) *Notifier {
	t.Helper()
	cfg.Endpoint = func(context.Context, *bulk.Job) (Endpoint, error) { return endpoint, nil }
	notifier, err := New(cfg)
	require.NoError(t, err)
	return notifier
}

// receiver serves a handler and returns a notifier whose endpoint it is.
func receiver(t *testing.T, cfg Config, handler http.HandlerFunc) *Notifier {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	cfg.Transport = server.Client().Transport
	return newNotifier(t, cfg, Endpoint{URL: server.URL + "/hook?key=value", Secrets: []string{NewSecret(), NewSecret()}})
}

func endedJob() *bulk.Job {
	at := time.Date(2026, 11, 25, 10, 0, 0, 123_000_000, time.UTC)
	return &bulk.Job{
		JobSpec: bulk.JobSpec{
			ID: "job_1", Tenant: "acme", Type: bulk.JobTypeUserImport, CreatedBy: "ana@example.com", Label: "June",
			Options: bulk.DefaultOptions(), ParentID: "job_0", TotalRecords: 3, CreatedAt: at, ExpiresAt: at.Add(time.Hour),
			Payload: "acme/job_1/payload", Fingerprint: "fingerprint",
		},
		Status: bulk.JobFailed, StartedAt: at.Add(time.Second), UpdatedAt: at.Add(time.Minute), CompletedAt: at.Add(2 * time.Second),
		Token: 7, Attempts: 3, Worker: "host/1", Notify: true, Results: "acme/job_1/results",
		Progress: bulk.Progress{Rows: 2, Summary: bulk.Summary{Created: 1, Failed: 1}, Checkpoint: "checkpoint"},
		Error:    &bulk.JobError{Code: bulk.JobErrorUnavailable, Message: "a backend did not answer"},
	}
}

// TestMessage has the message of an end, and no more of the job than it should.
func TestMessage(t *testing.T) {
	var got *http.Request
	var body []byte
	notifier := receiver(t, Config{}, func(_ http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		body, _ = io.ReadAll(r.Body)
	})
	before := time.Now().Unix()
	require.NoError(t, notifier.NotifyEnded(t.Context(), endedJob()))
	assert.Equal(t, http.MethodPost, got.Method)
	assert.Equal(t, "/hook?key=value", got.URL.String())
	assert.Equal(t, "application/json", got.Header.Get("Content-Type"))
	assert.Equal(t, "bulkops", got.Header.Get("User-Agent"))
	assert.Equal(t, "job_1_ended", got.Header.Get("webhook-id"))
	at, err := strconv.ParseInt(got.Header.Get("webhook-timestamp"), 10, 64)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, at, before)
	assert.LessOrEqual(t, at, time.Now().Unix())
	assert.Len(t, strings.Fields(got.Header.Get("webhook-signature")), 2)
	assert.JSONEq(t, `{
		"type": "bulk.job.ended",
		"timestamp": "2026-11-25T10:00:02.123Z",
		"data": {
			"jobId": "job_1", "parentJobId": "job_0", "type": "user_import", "status": "failed",
			"totalRecords": 3, "processedRecords": 2, "progress": 66,
			"summary": {"created": 1, "updated": 0, "unchanged": 0, "skipped": 0, "failed": 1, "notProcessed": 1},
			"label": "June",
			"options": {"upsert": true, "skipDuplicates": false, "sendWelcomeEmail": false, "dryRun": false,
				"updateOnly": false, "merge": "merge", "maxFailed": null},
			"createdAt": "2026-11-25T10:00:00.123Z", "startedAt": "2026-11-25T10:00:01.123Z",
			"completedAt": "2026-11-25T10:00:02.123Z", "expiresAt": "2026-11-25T11:00:00.123Z",
			"error": {"code": "UNAVAILABLE", "message": "a backend did not answer"}
		}}`, string(body))

	first := body
	again := endedJob()
	again.UpdatedAt, again.Token, again.Attempts, again.Worker = time.Now(), 8, 4, "host/2"
	require.NoError(t, notifier.NotifyEnded(t.Context(), again))
	assert.Equal(t, string(first), string(body), "the messages about one end are the same")
}

// TestAnswers has what a notifier makes of each kind of answer.
func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		status    int
		header    string
		told      bool
		permanent bool
		after     time.Duration
	}{
		{status: 200, told: true},
		{status: 204, told: true},
		{status: 299, told: true},
		{status: 301},
		{status: 307},
		{status: 400},
		{status: 401},
		{status: 404},
		{status: 410, permanent: true},
		{status: 429, header: "120", after: 2 * time.Minute},
		{status: 500},
		{status: 502},
		{status: 503, header: time.Now().Add(time.Hour + 30*time.Second).UTC().Format(http.TimeFormat), after: time.Hour},
		{status: 503, header: "Mon, 02 Nov 2020 10:00:00 GMT"},
		{status: 503, header: "-7"},
		{status: 503, header: "soon"},
	} {
		notifier := receiver(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
			if test.header != "" {
				w.Header().Set("Retry-After", test.header)
			}
			w.WriteHeader(test.status)
		})
		err := notifier.NotifyEnded(t.Context(), endedJob())
		if test.told {
			assert.NoError(t, err, "%d", test.status)
			continue
		}
		require.Error(t, err, "%d", test.status)
		assert.Equal(t, test.permanent, errors.Is(err, ErrGone), "%d", test.status)
		assert.Equal(t, !test.permanent, bulk.Retryable(err), "%d", test.status)
		var asks interface{ RetryAfter() time.Duration }
		if !test.permanent && assert.ErrorAs(t, err, &asks) {
			assert.Equal(t, test.after, asks.RetryAfter().Truncate(time.Minute), "%d %s", test.status, test.header)
		}
		assert.NotContains(t, err.Error(), "127.0.0.1", "a URL is not for logs")
	}
}

// TestRedirectIsNotFollowed has a receiver that sends the message elsewhere.
func TestRedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var calls atomic.Int64
		notifier := receiver(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			http.Redirect(w, r, "/elsewhere", status)
		})
		assert.Error(t, notifier.NotifyEnded(t.Context(), endedJob()))
		assert.Equal(t, int64(1), calls.Load())
	}
}

// TestEndlessAnswer has a receiver whose answer does not end: no more of it is read than
// a little, and its status counts.
func TestEndlessAnswer(t *testing.T) {
	var written atomic.Int64
	closed := make(chan struct{})
	notifier := receiver(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		defer close(closed)
		for r.Context().Err() == nil {
			n, err := w.Write(make([]byte, 4096))
			if written.Add(int64(n)); err != nil {
				return
			}
		}
	})
	require.NoError(t, notifier.NotifyEnded(t.Context(), endedJob()))
	<-closed // the connection was
	assert.Less(t, written.Load(), int64(64<<20))
}

// TestSilentReceiver has one that does not answer in time, and a caller that stops.
func TestSilentReceiver(t *testing.T) {
	silent := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // the server notices only then that the caller is gone
		<-r.Context().Done()
	}
	err := receiver(t, Config{Timeout: 50 * time.Millisecond}, silent).NotifyEnded(t.Context(), endedJob())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.True(t, bulk.Retryable(err))
	assert.NotContains(t, err.Error(), "/hook")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, receiver(t, Config{}, silent).NotifyEnded(ctx, endedJob()), context.DeadlineExceeded)
}

// TestEndpoints has those that a host may return.
func TestEndpoints(t *testing.T) {
	secrets := []string{NewSecret()}
	const secret = "s3cret-path"
	for _, endpoint := range []Endpoint{
		{URL: "http://example.com/" + secret, Secrets: secrets},
		{URL: "ftp://example.com/" + secret, Secrets: secrets},
		{URL: "https:///" + secret, Secrets: secrets},
		{URL: secret, Secrets: secrets},
		{URL: "https://example.com/%zz" + secret, Secrets: secrets},
		{URL: "https://example.com/" + secret},
		{URL: "https://example.com/" + secret, Secrets: []string{"short"}},
	} {
		err := newNotifier(t, Config{Transport: unreachable{t}}, endpoint).NotifyEnded(t.Context(), endedJob())
		if assert.Error(t, err, endpoint.URL) {
			assert.True(t, bulk.Retryable(err), "the host can mend it")
			assert.NotContains(t, err.Error(), secret)
		}
	}
	assert.NoError(t, newNotifier(t, Config{Transport: unreachable{t}}, Endpoint{}).NotifyEnded(t.Context(), endedJob()), "nobody is to be told")

	down := errors.New("the host's database is down")
	for _, failure := range []error{down, bulk.Permanent(down)} {
		notifier, err := New(Config{Endpoint: func(_ context.Context, job *bulk.Job) (Endpoint, error) {
			assert.Equal(t, "acme", job.Tenant)
			return Endpoint{}, failure
		}})
		require.NoError(t, err)
		err = notifier.NotifyEnded(t.Context(), endedJob())
		assert.ErrorIs(t, err, down)
		assert.Equal(t, bulk.Retryable(failure), bulk.Retryable(err))
	}
}

// unreachable is a transport that nothing may use.
type unreachable struct{ t *testing.T }

func (u unreachable) RoundTrip(*http.Request) (*http.Response, error) {
	u.t.Error("a request was sent")
	return nil, errors.New("unreachable")
}

func TestConfig(t *testing.T) {
	endpoint := func(context.Context, *bulk.Job) (Endpoint, error) { return Endpoint{}, nil }
	for field, cfg := range map[string]Config{
		"Config.Endpoint": {},
		"Config.Timeout":  {Endpoint: endpoint, Timeout: -1},
	} {
		_, err := New(cfg)
		var wrong *bulk.ConfigError
		if assert.ErrorAs(t, err, &wrong) {
			assert.Equal(t, field, wrong.Field)
		}
	}
}
