package client_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/httpapi/client"
)

// table is a CSV of n users.
func table(n int) string {
	var b strings.Builder
	b.WriteString("userId,email\n")
	for i := range n {
		fmt.Fprintf(&b, "u%d,u%d@example.com\n", i, i)
	}
	return b.String()
}

// A part is refused, for a row that the client does not know to be wrong. The row is
// named by its place in the whole, in the message and in the details.
func TestRefusedRowsHaveTheirPlaceInTheWhole(t *testing.T) {
	refuse := func(message, details string) func(int, http.ResponseWriter, *http.Request) bool {
		return func(n int, rec http.ResponseWriter, _ *http.Request) bool {
			if n == 2 {
				rec.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(rec, `{"success":false,"error":{"code":"INVALID_REQUEST","message":%q,"details":%s}}`, message, details)
			}
			return n == 2
		}
	}
	for _, test := range []struct {
		source           client.Source
		message, details string
		want             string
	}{
		{client.CSV(strings.NewReader("\n" + table(6))), "line 3: it is wrong", `{"line":3,"limit":3}`, "line 7: it is wrong"},
		{client.CSV(strings.NewReader("\n" + table(6))), "line 1: the header is wrong", `{"line":1}`, "line 1: the header is wrong"},
		{client.CSV(strings.NewReader("userId;email\na;\nb;\nc;\nd;\ne;")), "line 4: it is wrong", `{"line":4}`, "line 6: it is wrong"},
		{client.NDJSON(strings.NewReader("{}\n\n{}\n{}\n{}\n{}")), "line 2: at byte 7 in line 2", `{"line":2}`, "line 6: at byte 7 in line 2"},
		{client.Users(users(0, 6)), "users[1]: it is wrong", `{"index":1}`, "users[4]: it is wrong"},
		{client.Users(users(0, 6)), "line 3 of 3", `{"line":"3","index":1.5}`, "line 3 of 3"},
		{client.Users(users(0, 6)), "no place", `null`, "no place"},
	} {
		inWorld(t, func(t *testing.T, w *world) {
			w.before = refuse(test.message, test.details)
			im, err := w.client(func(c *client.Config) { c.MaxUsers = 3 }).Import(t.Context(), test.source, nil)
			assert.Len(t, im.Parts, 1)
			var part *client.PartError
			require.ErrorAs(t, err, &part)
			assert.False(t, part.Retryable())
			var refused *client.Error
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, test.want, refused.Message)
			if line, ok := refused.Details["line"].(fmt.Stringer); ok {
				assert.Contains(t, test.want, "line "+line.String())
			}
		})
	}
	// As the service says it.
	inWorld(t, func(t *testing.T, w *world) {
		deep := strings.Repeat("[", httpapiDepth) + strings.Repeat("]", httpapiDepth)
		_, err := w.client(func(c *client.Config) { c.MaxUsers = 2 }).Import(t.Context(), client.NDJSON(strings.NewReader("{}\n\n{}\n{}\n"+deep)), nil)
		assert.ErrorContains(t, err, "part 2, from line 4: client: 400 INVALID_JSON: line 5 nests deeper")
		_, err = w.client(func(c *client.Config) { c.MaxUsers = 2 }).Import(t.Context(), client.JSON(strings.NewReader("[{},{},{},"+deep+"]")), nil)
		assert.ErrorContains(t, err, "users[3] ends at byte")
	})
}

// httpapiDepth is deeper than the service takes.
const httpapiDepth = 100

// Row errors do not name the line of their part: a result has the line of the whole.
func TestMessagesOfRowsNameNoLineOfTheirPart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		text := "userId,customFields.n:number\n" + strings.Repeat("a,1\n", 3) + "b,x\nc\n \"d\",1\n"
		im, err := w.client(func(c *client.Config) { c.MaxUsers = 2 }).Import(t.Context(), client.CSV(strings.NewReader(text)), nil)
		require.NoError(t, err)
		var lines []int
		for _, r := range collect(t, im.Failed(t.Context())) {
			lines = append(lines, r.Line)
			for _, e := range r.Errors {
				assert.NotContains(t, e.Message, "line")
			}
		}
		assert.Equal(t, []int{5, 6, 7}, lines)
	})
}

// A text whose second part is refused is mended, and the first part is not done again.
func TestMendedSourceIsContinued(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.client(func(c *client.Config) { c.MaxUsers = 150 })
		opts := &client.Options{Import: &bulk.Options{}, IdempotencyKey: "base", ContentKeys: true} // a second time would fail
		text := table(400)
		broken := strings.Replace(text, "u300@example.com", "nowhere", 1)
		w.before = func(_ int, rec http.ResponseWriter, r *http.Request) bool {
			_, bodies := w.posts()
			refused := r.Method == http.MethodPost && len(bodies) == 3
			if refused {
				rec.WriteHeader(http.StatusRequestEntityTooLarge)
			}
			return refused
		}
		im, err := c.Import(t.Context(), client.CSV(strings.NewReader(broken)), opts)
		require.Error(t, err)
		assert.Equal(t, bulk.Summary{Created: 300}, im.Summary())

		im, err = c.Import(t.Context(), client.CSV(strings.NewReader(text)), opts)
		require.NoError(t, err)
		assert.Equal(t, 2, im.Replayed(), "rule: what stands before the change is not sent anew")
		assert.Equal(t, bulk.Summary{Created: 400}, im.Summary())

		// Equal parts are two parts; other options, other keys and a longer text are others.
		twice := "userId\na\na\n"
		c = w.client(func(c *client.Config) { c.MaxUsers = 1 })
		upsert := &client.Options{IdempotencyKey: "base", ContentKeys: true}
		im, err = c.Import(t.Context(), client.CSV(strings.NewReader(twice)), upsert)
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 1, Unchanged: 1}, im.Summary(), "rule: a part is not taken for an equal one before it")
		im, err = c.Import(t.Context(), client.CSV(strings.NewReader(twice+"a\n")), upsert)
		require.NoError(t, err)
		assert.Equal(t, 2, im.Replayed())
		for _, other := range []*client.Options{
			opts, {IdempotencyKey: "other", ContentKeys: true}, {IdempotencyKey: "base", ContentKeys: true, Async: true},
		} {
			im, err = c.Import(t.Context(), client.CSV(strings.NewReader(twice)), other)
			require.NoError(t, err)
			assert.Zero(t, im.Replayed())
		}
	})
}

func TestDryRunHasNoKey(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		dry := bulk.DefaultOptions()
		dry.DryRun = true
		for _, test := range []struct {
			source client.Source
			opts   *bulk.Options
		}{
			{client.CSV(strings.NewReader(table(3))), &dry},
			{client.JSON(strings.NewReader(`{"options":{"dryRun":true},"users":[{"userId":"u0"}]}`)), nil},
		} {
			im, err := w.client().Import(t.Context(), test.source, &client.Options{Import: test.opts, IdempotencyKey: "base"})
			require.NoError(t, err)
			assert.Empty(t, im.Parts[0].Key)
		}
		posts, _ := w.posts()
		for _, r := range posts {
			assert.NotContains(t, r.Header, "Idempotency-Key")
		}
	})
}

func TestProgressNamesTheJobThatIsWaitedFor(t *testing.T) {
	inIdleWorld(t, func(t *testing.T, w *world) {
		var seen []bulk.JobStatus
		ctx, cancel := context.WithCancel(t.Context())
		opts := &client.Options{Progress: func(p client.Progress) {
			if p.Job == nil {
				seen = append(seen, "none")
				return
			}
			seen = append(seen, p.Job.Status)
			if len(seen) == 3 {
				w.work()
			}
		}}
		_, err := w.client().Import(ctx, client.Users(users(0, 200)), opts)
		cancel()
		require.NoError(t, err)
		assert.Equal(t, []bulk.JobStatus{bulk.JobPending, bulk.JobPending, bulk.JobPending}, seen[:3])
		assert.Equal(t, bulk.JobStatus("none"), seen[len(seen)-1])
	})
}

// A request that is answered at once and stopped, since too many rows failed, ends the
// import like a job.
func TestTooManyFailedRowsEndTheImport(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		opts := bulk.DefaultOptions()
		opts.MaxFailed, opts.UpdateOnly = new(0), true
		im, err := w.client(func(c *client.Config) { c.MaxUsers = 60 }).Import(t.Context(), client.CSV(strings.NewReader(table(90))), &client.Options{Import: &opts})
		var ended *client.JobError
		require.ErrorAs(t, err, &ended)
		assert.ErrorContains(t, err, "client: the request was cancelled after 25 of 60 rows: TOO_MANY_FAILED")
		assert.Len(t, im.Parts, 1, "rule: the parts behind it are not sent")
		var part *client.PartError
		require.ErrorAs(t, err, &part)
		assert.False(t, part.Retryable())
	})
}

func TestRedirectsNameTheirTarget(t *testing.T) {
	for location, want := range map[string]string{
		"https://api.test/other/v1/bulk/users?token=secret": "https://api.test/other/v1/bulk/users",
		"//u:secret@login.test/":                            "http://login.test/",
		"/elsewhere#secret":                                 "http://api.test/elsewhere",
		"":                                                  "",
		"https://api.test/" + strings.Repeat("x", 2000): "",
	} {
		inWorld(t, func(t *testing.T, w *world) {
			w.before = failures(1, http.StatusPermanentRedirect, http.Header{"Location": {location}}, "")
			_, err := w.client().Import(t.Context(), client.Users(users(0, 1)), nil)
			var e *client.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, want, e.Location)
			assert.NotContains(t, err.Error(), "secret")
			assert.Contains(t, err.Error(), want)
			assert.Len(t, w.requests, 1)
		})
	}
}

func TestRetryAndDelete(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.client()
		im, err := c.Import(t.Context(), client.CSV(strings.NewReader("userId,email\na,x\nb,b@example.com\n")), &client.Options{Async: true})
		require.NoError(t, err)
		id := im.Parts[0].Job.ID
		for _, only := range []bulk.RetrySelection{bulk.RetryAll, bulk.RetryFailed} {
			job, err := c.Retry(t.Context(), id, only, "again"+string(only))
			require.NoError(t, err)
			assert.Equal(t, id, job.ParentID)
			assert.Equal(t, 1, job.TotalRecords)
			same, err := c.Retry(t.Context(), id, only, "again"+string(only))
			require.NoError(t, err)
			assert.Equal(t, job.ID, same.ID, "rule: a key stands for one job")
			if _, err = c.Wait(t.Context(), job.ID, nil); assert.NoError(t, err) {
				results := collect(t, c.Results(t.Context(), job.ID))
				assert.Equal(t, 0, *results[0].ParentIndex)
			}
		}
		_, err = c.Retry(t.Context(), id, bulk.RetryNotProcessed, "")
		assert.ErrorIs(t, err, bulk.ErrNothingToRetry)
		_, err = c.Retry(t.Context(), "..", bulk.RetryAll, "")
		assert.ErrorIs(t, err, bulk.ErrJobNotFound)

		w.after = func(_ int, res *http.Response) (*http.Response, error) {
			if res.Request.Method == http.MethodDelete {
				w.after = nil
				return nil, fmt.Errorf("connection reset")
			}
			return res, nil
		}
		require.NoError(t, c.Delete(t.Context(), id), "rule: an answer that was lost is no failure")
		assert.ErrorIs(t, c.Delete(t.Context(), id), bulk.ErrJobNotFound)
		assert.ErrorIs(t, c.Delete(t.Context(), ""), bulk.ErrJobNotFound)
	})
	inIdleWorld(t, func(t *testing.T, w *world) {
		im, err := w.client().Submit(t.Context(), client.Users(users(0, 1)), &client.Options{Async: true})
		require.NoError(t, err)
		assert.ErrorIs(t, w.client().Delete(t.Context(), im.Parts[0].Job.ID), bulk.ErrJobNotEnded)
	})
}

func TestSuperAdminsListJobsOfATenant(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, err := w.client().Submit(t.Context(), client.Users(users(0, 1)), &client.Options{Async: true})
		require.NoError(t, err)
		for tenant, want := range map[string]int{"acme": 1, "other": 0, "": 1} {
			n := 0
			for _, err := range w.client().Jobs(t.Context(), client.JobFilter{Tenant: tenant}) {
				require.NoError(t, err)
				n++
			}
			assert.Equal(t, want, n, tenant)
		}
	}, func(_ *bulk.Config, api *httpapi.Config) {
		api.Authorize = func(*http.Request) (bulk.Principal, error) {
			return bulk.Principal{ID: "root", Tenant: "acme", Role: bulk.RoleSuperAdmin}, nil
		}
	})
}
