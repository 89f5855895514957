package webhooktest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/httpapi/webhook"
	"github.com/bulkops/bulkops/internal/test/logtest"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// hour is the longest that a receiver of these tests is out of order.
const hour = time.Hour

// TestEachEndArrives has a tenant for each way that a receiver can be out of order, and
// one whose is not. Each end arrives at least once, and is genuine.
func TestEachEndArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := func(times int, fault http.HandlerFunc) func(http.ResponseWriter, *http.Request, int) {
			return func(w http.ResponseWriter, r *http.Request, n int) {
				if n <= times {
					fault(w, r)
				}
			}
		}
		tenants := map[string]struct {
			arrivals int
			answer   func(http.ResponseWriter, *http.Request, int)
		}{
			"fine": {arrivals: 1},
			"down": {arrivals: 1}, // at first
			"faulty": {arrivals: 4, answer: first(3, func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, strings.Repeat("a long story ", 1<<16), http.StatusInternalServerError)
			})},
			"busy": {arrivals: 2, answer: first(1, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "1800")
				w.WriteHeader(http.StatusServiceUnavailable)
			})},
			"slow":  {arrivals: 3, answer: first(2, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })},
			"mute":  {arrivals: 2, answer: first(1, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })},
			"moved": {arrivals: 2, answer: first(1, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })},
			"gone":  {arrivals: 1, answer: first(99, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })},
		}
		w := &network{t: t, hosts: make(map[string]http.Handler), down: map[string]time.Time{"down": time.Now().Add(hour / 2)}}
		receivers, endpoints := make(map[string]*receiver), make(map[string]webhook.Endpoint)
		for i, tenant := range slices.Sorted(maps.Keys(tenants)) {
			// Half of the receivers know the new secret already.
			secrets := []string{webhook.NewSecret(), webhook.NewSecret()}
			receivers[tenant] = &receiver{t: t, secret: secrets[i%2], answer: tenants[tenant].answer}
			w.hosts[tenant] = receivers[tenant]
			endpoints[tenant] = webhook.Endpoint{URL: "http://" + tenant + "/ended", Secrets: secrets}
		}
		cfg := config(t, w.transport(), endpoints)
		jobs := make(map[string]*bulk.Job)
		importer := must(bulk.NewImporter(cfg))
		for tenant := range tenants {
			jobs[tenant] = submit(t, importer, tenant)
		}
		stop := run(t, cfg)
		time.Sleep(2 * hour)
		stop()
		for tenant, want := range tenants {
			messages := receivers[tenant].got()
			require.Len(t, messages, want.arrivals, tenant)
			for _, m := range messages {
				assert.Equal(t, fmt.Sprintf("%q", jobs[tenant].ID), string(m.data["jobId"]))
				assert.Equal(t, `"completed"`, string(m.data["status"]))
				assert.Equal(t, messages[0].id, m.id, "a receiver can tell a repetition by the id")
				assert.Equal(t, messages[0].body, m.body)
			}
			job, err := cfg.Jobs.Get(t.Context(), jobs[tenant].ID)
			require.NoError(t, err)
			assert.False(t, job.Notify, tenant)
		}
		busy := receivers["busy"].got()
		assert.GreaterOrEqual(t, busy[1].at.Sub(busy[0].at), hour/2, "it asked for that")
		ids := make(map[string]bool)
		for _, r := range receivers {
			ids[r.got()[0].id] = true
		}
		assert.Len(t, ids, len(tenants), "each end has an id of its own")
	})
}

// TestMessageIsTheJobOfTheAPI compares the data of messages with what the API shows.
func TestMessageIsTheJobOfTheAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secret := webhook.NewSecret()
		r := &receiver{t: t, secret: secret}
		w := &network{t: t, hosts: map[string]http.Handler{"acme": r}}
		cfg := config(t, w.transport(), map[string]webhook.Endpoint{"acme": {URL: "http://acme/", Secrets: []string{secret}}})
		importer := must(bulk.NewImporter(cfg))
		submit(t, importer, "acme")
		failing := submit(t, importer, "acme")
		require.NoError(t, cfg.Blobs.Delete(t.Context(), failing.Payload))
		cancelled := submit(t, importer, "acme")
		_, err := importer.Cancel(t.Context(), principal("acme"), cancelled.ID)
		require.NoError(t, err)
		stop := run(t, cfg)
		time.Sleep(hour)
		stop()
		messages := r.got()
		require.Len(t, messages, 3)
		handler := must(httpapi.New(httpapi.Config{
			Importer: importer, Authorize: func(*http.Request) (bulk.Principal, error) { return principal("acme"), nil },
		}))
		statuses := make(map[string]bool)
		for _, m := range messages {
			var id string
			require.NoError(t, json.Unmarshal(m.data["jobId"], &id))
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/v1/bulk/jobs/"+id, nil))
			var shown struct{ Data map[string]json.RawMessage }
			require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &shown))
			var missing []string
			for name, value := range shown.Data {
				if m.data[name] == nil {
					missing = append(missing, name)
					continue
				}
				assert.Equal(t, string(value), string(m.data[name]), name)
			}
			slices.Sort(missing)
			assert.Equal(t, []string{"createdBy", "downloadUrl", "downloadUrlExpiresAt", "etaSeconds", "rate", "updatedAt"}, missing)
			assert.Equal(t, len(shown.Data)-len(missing), len(m.data), "there is no more")
			statuses[string(m.data["status"])] = true
		}
		assert.Len(t, statuses, 3, "completed, failed and cancelled")
	})
}

// TestUnsignedMessage proves that receivers here would notice.
func TestUnsignedMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := new(testing.T)
		r := &receiver{t: inner, secret: webhook.NewSecret()}
		w := &network{t: t, hosts: map[string]http.Handler{"acme": r}}
		notifier := must(webhook.New(webhook.Config{
			Transport: w.transport(), AllowHTTP: true,
			Endpoint: func(context.Context, *bulk.Job) (webhook.Endpoint, error) {
				return webhook.Endpoint{URL: "http://acme/", Secrets: []string{webhook.NewSecret()}}, nil
			},
		}))
		assert.Error(t, notifier.NotifyEnded(t.Context(), &bulk.Job{JobSpec: bulk.JobSpec{ID: "job_1"}}))
		assert.True(t, inner.Failed())
		assert.Empty(t, r.got())
	})
}

// config returns a configuration of backends in memory that tells the endpoints of
// tenants.
func config(t *testing.T, transport http.RoundTripper, endpoints map[string]webhook.Endpoint) bulk.Config {
	notifier := must(webhook.New(webhook.Config{
		Transport: transport, AllowHTTP: true,
		Endpoint: func(_ context.Context, job *bulk.Job) (webhook.Endpoint, error) { return endpoints[job.Tenant], nil },
	}))
	return bulk.Config{
		Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New(), Notifier: notifier,
		Poll: hour, Logger: logtest.New(t),
	}
}

func principal(tenant string) bulk.Principal {
	return bulk.Principal{ID: "ana", Tenant: tenant, Role: bulk.RoleAdmin}
}

func submit(t *testing.T, importer *bulk.Importer, tenant string) *bulk.Job {
	t.Helper()
	time.Sleep(time.Millisecond) // ids rise with time
	users := make([]bulk.User, 120)
	for i := range users {
		users[i].ID = fmt.Sprint("u", i)
	}
	opts := bulk.DefaultOptions()
	opts.Label = "of " + tenant
	job, err := importer.Submit(t.Context(), bulk.Request{Principal: principal(tenant), Rows: bulk.Users(users...), Options: opts})
	require.NoError(t, err)
	return job
}

// run runs a worker until the returned function is called.
func run(t *testing.T, cfg bulk.Config) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	worker := must(bulk.NewWorker(cfg))
	group.Go(func() { assert.NoError(t, worker.Run(ctx)) })
	return func() {
		cancel()
		group.Wait()
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
