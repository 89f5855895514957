package client_test

import (
	"context"
	"errors"
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

func TestSmallImportIsAnsweredAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		all := append(users(0, 2), bulk.User{Email: "nowhere"})
		var seen []client.Progress
		im, err := w.client().Import(t.Context(), client.Users(all), &client.Options{Progress: func(p client.Progress) { seen = append(seen, p) }})
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 2, Failed: 1}, im.Summary())
		assert.Nil(t, im.Parts[0].Job)
		results := collect(t, im.Results(t.Context()))
		require.Len(t, results, 3)
		assert.Zero(t, results[0].Line, "rule: users of Go have no lines")
		failed := collect(t, im.Failed(t.Context()))
		require.Len(t, failed, 1)
		assert.Equal(t, 2, failed[0].Index)
		assert.Equal(t, bulk.CodeInvalidEmail, failed[0].Errors[0].Code)
		assert.Equal(t, []client.Progress{{Parts: 1, Accepted: 3, Summary: bulk.Summary{Created: 2, Failed: 1}}}, seen)
		assert.NotEmpty(t, im.Key)
	})
}

func TestEverySizeBelowAJobIsAnswered(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for n := 1; n < bulk.DefaultSyncThreshold; n++ {
			var err error
			took := elapsed(func() { _, err = w.client().Import(t.Context(), client.Users(users(0, n)), nil) })
			require.NoError(t, err, "%d users", n)
			assert.Zero(t, took, "%d users", n)
		}
	})
}

func TestLargeImportIsSplit(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		all := users(0, 25_000)
		all[12_345].Email = "nowhere"
		all[24_999].ID = "u1" // the last row names a user of the first part
		all[24_999].Email = "new@example.com"
		var last client.Progress
		im, err := w.client().Import(t.Context(), client.Users(all), &client.Options{IdempotencyKey: "migration",
			Progress: func(p client.Progress) { last = p }})
		require.NoError(t, err)
		posts, _ := w.posts()
		require.Len(t, posts, 3)
		for i, r := range posts {
			assert.Equal(t, fmt.Sprintf("migration.%d", i+1), r.Header.Get("Idempotency-Key"))
			assert.Equal(t, "Bearer "+token, r.Header.Get("Authorization"))
		}
		want := bulk.Summary{Created: 24_998, Updated: 1, Failed: 1}
		assert.Equal(t, want, im.Summary())
		assert.Equal(t, client.Progress{Parts: 3, Accepted: 25_000, Summary: want}, last)
		for i, r := range collect(t, im.Results(t.Context())) {
			require.Equal(t, i, r.Index)
			require.Equal(t, all[i].ID, r.UserID)
		}
		failed := collect(t, im.Failed(t.Context()))
		require.Len(t, failed, 1)
		assert.Equal(t, 12_345, failed[0].Index)
		user, _ := w.store.Get("acme", "u1")
		assert.Equal(t, "new@example.com", user.Email, "rule: parts apply in order")
	})
}

func TestOnePartIsInMemoryAtATime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		fetched := 0
		var atPost []int
		w.before = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				atPost = append(atPost, fetched)
			}
			return false
		}
		seq := func(yield func(bulk.User, error) bool) {
			for _, u := range users(0, 450) {
				if fetched++; !yield(u, nil) {
					return
				}
			}
		}
		im, err := w.client(func(c *client.Config) { c.MaxUsers = 200 }).Import(t.Context(), client.Sequence(seq), nil)
		require.NoError(t, err)
		assert.Equal(t, []int{201, 401, 450}, atPost, "rule: a source is read one row ahead and no more")
		assert.Equal(t, 450, im.Summary().Created)
	})
}

func TestBodyLimitSplitsToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		im, err := w.client(func(c *client.Config) { c.MaxBody = 2 << 10 }).Import(t.Context(), client.Users(users(0, 90)), nil)
		require.NoError(t, err)
		assert.Equal(t, 90, im.Summary().Created)
		_, bodies := w.posts()
		assert.Greater(t, len(bodies), 2)
		for i, body := range bodies {
			assert.LessOrEqual(t, len(body), 2<<10)
			assert.True(t, i == len(bodies)-1 || len(body) > 1700, "rule: parts are as large as they may be: %d", len(body))
		}
		big := users(0, 3)
		big[2].CustomFields, err = bulk.NewFields(map[string]any{"text": strings.Repeat("x", 2<<10)})
		require.NoError(t, err)
		_, err = w.client(func(c *client.Config) { c.MaxBody = 2 << 10 }).Import(t.Context(), client.Users(big), nil)
		var fault *client.SourceError
		require.ErrorAs(t, err, &fault)
		assert.Equal(t, 2, fault.Row)
	})
}

func TestNumbersAndNullsArriveAsTheyAre(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		stored, err := bulk.ParseFields([]byte(`{"old":1,"stays":true}`))
		require.NoError(t, err)
		require.NoError(t, w.store.Put("acme", bulk.User{ID: "a", CustomFields: stored}))
		patch, err := bulk.ParseFields([]byte(`{"points":9007199254740993,"old":null,"<&>":"é\u2028"}`))
		require.NoError(t, err)
		im, err := w.client().Import(t.Context(), client.Users([]bulk.User{{ID: "a", CustomFields: patch}}), nil)
		require.NoError(t, err)
		assert.Equal(t, 1, im.Summary().Updated)
		user, _ := w.store.Get("acme", "a")
		want, err := bulk.ParseFields([]byte(`{"points":9007199254740993,"stays":true,"<&>":"é\u2028"}`))
		require.NoError(t, err)
		assert.Equal(t, want.String(), user.CustomFields.String())
	})
}

func TestOptionsReachTheService(t *testing.T) {
	opts := &bulk.Options{
		Upsert: true, SkipDuplicates: true, DryRun: true, Merge: bulk.MergeFill, MaxFailed: new(3), Label: "<a> &\u2028\u00e9",
	}
	for name, source := range map[string]client.Source{
		"users":  client.Users(users(0, 1)),
		"JSON":   client.JSON(strings.NewReader(`[{"userId":"u0"}]`)),
		"NDJSON": client.NDJSON(strings.NewReader(`{"userId":"u0"}`)),
		"CSV":    client.CSV(strings.NewReader("userId\nu0")),
	} {
		inWorld(t, func(t *testing.T, w *world) {
			im, err := w.client().Import(t.Context(), source, &client.Options{Import: opts, Async: true})
			require.NoError(t, err, name)
			job, err := w.cfg.Jobs.Get(t.Context(), im.Parts[0].Job.ID)
			require.NoError(t, err)
			want := *opts
			want.Label = ""
			assert.Equal(t, want, job.Options, name)
			assert.Equal(t, opts.Label, job.Label, name)
			assert.Equal(t, 1, im.Summary().Created, name)
			assert.Zero(t, w.store.Len("acme"), "rule: a dry run writes nothing")
		})
	}
}

func TestLinesAreThoseOfTheWholeText(t *testing.T) {
	// Each record has its line as its user id.
	ndjson := "\n{\"userId\":\"2\"}\r\n \n\n{\"userId\":\"5\"}\n{\"userId\":\"6\"}\n\n{\"userId\":\"8\"}\n{\"userId\":\"9\",\"email\":\"x\"}"
	csv := "\ufeffuserId,\"customFields.a\r\nb\",_rest\r\n3,\"1\n2\n\"\"3\"\"\",\r\n\r\n\n8,,\n9,\"\n\",\r\n11,,\n12,only two\n13,,"
	for name, test := range map[string]struct {
		source func() client.Source
		lines  []int
	}{
		"NDJSON": {func() client.Source { return client.NDJSON(strings.NewReader(ndjson)) }, []int{2, 5, 6, 8, 9}},
		"CSV":    {func() client.Source { return client.CSV(strings.NewReader(csv)) }, []int{3, 8, 9, 11, 12, 13}},
	} {
		for size := 1; size <= len(test.lines)+1; size++ {
			inWorld(t, func(t *testing.T, w *world) {
				c := w.client(func(c *client.Config) { c.MaxUsers = size })
				im, err := c.Import(t.Context(), test.source(), nil)
				require.NoError(t, err)
				results := collect(t, im.Results(t.Context()))
				require.Len(t, results, len(test.lines))
				for i, r := range results {
					assert.Equal(t, i, r.Index)
					assert.Equal(t, test.lines[i], r.Line, "%s, %d rows in a part", name, size)
					assert.Equal(t, fmt.Sprint(r.Line), r.UserID)
				}
				assert.Equal(t, 1, im.Summary().Failed, "%v", results)
				if name == "CSV" {
					user, _ := w.store.Get("acme", "3")
					assert.Equal(t, `{"a\r\nb":"1\n2\n\"3\""}`, user.CustomFields.String())
				}
			})
		}
	}
}

func TestWhatCannotBeSentIsSaid(t *testing.T) {
	long := strings.Repeat("x", client.MaxRecord+1)
	for _, test := range []struct {
		source func(io.Reader) client.Source
		text   string
		row    int
		line   int
		want   string
	}{
		{client.NDJSON, "{}\n{\n", 1, 2, "not one JSON value"},
		{client.NDJSON, "{} {}\n", 0, 1, "not one JSON value"},
		{client.NDJSON, "{\"userId\":\"\xff\"}\n", 0, 1, "UTF-8"},
		{client.NDJSON, `{"userId":"` + long, 0, 1, "bytes"},
		{client.CSV, "userId\n\"a\"b\n", 0, 2, "behind the closing quote of cell 1"},
		{client.CSV, "userId\na\rb\n", 0, 2, "carriage return"},
		{client.CSV, "userId\na\n\"b\n\n", 1, 3, "no end"},
		{client.CSV, "userId\n\xff\n", 0, 2, "UTF-8"},
		{client.CSV, "userId\n\"" + long, 0, 2, "no end"},
		{client.CSV, "userId\na\n" + long, 1, 3, "bytes"},
		{client.CSV, "userId\n\n\nJos\xe9\n", 0, 4, "Latin-1"},
		{client.CSV, "\nteam\na\n", 0, 2, `column 1 "team" is unknown`},
		{client.CSV, "PK\x03\x04xxxx", 0, 1, "spreadsheet"},
		{client.JSON, "\x1f\x8bxxxxxx", 0, 0, "gzip"},
		{client.JSON, `[{},`, 1, 0, "unexpected EOF"},
		{client.JSON, `{"users":[{}]`, 1, 0, "unexpected EOF"},
		{client.JSON, `{"users":[{}],"users":[]}`, 1, 0, "stands twice"},
		{client.JSON, `{"users":[{}],"more":1}`, 1, 0, `"more"`},
		{client.JSON, `{"users":{}}`, 0, 0, "must be an array"},
		{client.JSON, `{"options":{}}`, 0, 0, "users is missing"},
		{client.JSON, `{"options":{"Upsert":true},"users":[]}`, 0, 0, `no option "Upsert"`},
		{client.JSON, `{"options":{"upsert":null},"users":[]}`, 0, 0, "true or false"},
		{client.JSON, `{"options":null,"users":[]}`, 0, 0, "object"},
		{client.JSON, `[] []`, 0, 0, "behind"},
		{client.JSON, `"users"`, 0, 0, "an array of users"},
		{client.JSON, `[{"userId":"` + "\xff" + `"}]`, 0, 0, "UTF-8"},
		{client.JSON, `["` + long + long + `"]`, 0, 0, "bytes"},
		{client.JSON, ``, 0, 0, "EOF"},
		{func(io.Reader) client.Source { return client.Users([]bulk.User{{ID: "a\xff"}}) }, "", 0, 0, "UTF-8"},
	} {
		inWorld(t, func(t *testing.T, w *world) {
			_, err := w.client().Import(t.Context(), test.source(strings.NewReader(test.text)), nil)
			var fault *client.SourceError
			require.ErrorAs(t, err, &fault, "%.40q", test.text)
			assert.Equal(t, test.row, fault.Row, "%.40q", test.text)
			assert.Equal(t, test.line, fault.Line, "%.40q", test.text)
			assert.ErrorContains(t, err, test.want)
			assert.Empty(t, w.requests, "rule: a part with a fault is not sent")
		})
	}
}

func TestNoUsersIsAnError(t *testing.T) {
	for _, source := range []client.Source{
		{}, client.Users(nil), client.JSON(strings.NewReader("[]")), client.JSON(strings.NewReader(`{"users":[]}`)), client.NDJSON(strings.NewReader("\n \n")),
		client.CSV(strings.NewReader("")), client.CSV(strings.NewReader("userId\n")),
	} {
		inWorld(t, func(t *testing.T, w *world) {
			_, err := w.client().Import(t.Context(), source, nil)
			assert.ErrorIs(t, err, client.ErrNoUsers)
			assert.Empty(t, w.requests)
		})
	}
}

func TestErrorsOfTheSourceComeBack(t *testing.T) {
	broken := errors.New("disk failed")
	inWorld(t, func(t *testing.T, w *world) {
		stopped := false
		seq := func(yield func(bulk.User, error) bool) {
			defer func() { stopped = true }()
			for _, u := range users(0, 5) {
				if !yield(u, nil) {
					return
				}
			}
			yield(bulk.User{}, broken)
		}
		c := w.client(func(c *client.Config) { c.MaxUsers = 2 })
		im, err := c.Import(t.Context(), client.Sequence(seq), nil)
		assert.ErrorIs(t, err, broken)
		var fault *client.SourceError
		require.ErrorAs(t, err, &fault)
		assert.Equal(t, 5, fault.Row)
		assert.Len(t, im.Parts, 2, "rule: the parts before are there")
		assert.True(t, stopped, "rule: the iterator is ended")
		for _, source := range []func(io.Reader) client.Source{client.JSON, client.NDJSON, client.CSV} {
			_, err = c.Import(t.Context(), source(failingReader{broken}), nil)
			assert.ErrorIs(t, err, broken)
		}
	})
}

func TestOptionsOfAJSONText(t *testing.T) {
	const before = `{"options":{"dryRun":true},"users":[{"userId":"a"},{"userId":"b"}]}`
	const behind = `{"users":[{"userId":"a"},{"userId":"b"}],"options":{"dryRun":true}}`
	inWorld(t, func(t *testing.T, w *world) {
		for _, size := range []int{1, 2} {
			c := w.client(func(c *client.Config) { c.MaxUsers = size })
			_, err := c.Import(t.Context(), client.JSON(strings.NewReader(before)), nil)
			require.NoError(t, err)
			_, err = c.Import(t.Context(), client.JSON(strings.NewReader(behind)), nil)
			if size == 2 {
				require.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, "must stand before its users", "rule: nothing is sent without options that may follow")
			}
			assert.Zero(t, w.store.Len("acme"))
		}
		given := bulk.DefaultOptions()
		_, err := w.client(func(c *client.Config) { c.MaxUsers = 1 }).Import(t.Context(), client.JSON(strings.NewReader(behind)), &client.Options{Import: &given})
		require.NoError(t, err)
		assert.Equal(t, 2, w.store.Len("acme"), "rule: the caller's options win")
	})
}

// An import is run again under its key, after everything that can go wrong.
func TestRepeatingAnImportDoublesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		opts := &client.Options{Import: &bulk.Options{}, IdempotencyKey: "base"} // upsert off: a second time would fail
		c := w.client(func(c *client.Config) { c.MaxUsers = 150 })
		all := users(0, 400)

		// Interrupted while the second part is sent.
		ctx, cancel := context.WithCancel(t.Context())
		w.before = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Idempotency-Key") == "base.2" {
				cancel()
			}
			return false
		}
		im, err := c.Import(ctx, client.Users(all), opts)
		assert.ErrorIs(t, err, context.Canceled)
		assert.Len(t, im.Parts, 1)
		var at *client.PartError
		require.ErrorAs(t, err, &at)
		assert.Equal(t, client.PartError{Part: 2, First: 150, Err: at.Err}, *at)

		w.before = nil
		im, err = c.Import(t.Context(), client.Users(all), opts)
		require.NoError(t, err)
		assert.Equal(t, 1, im.Replayed())
		assert.Equal(t, bulk.Summary{Created: 400}, im.Summary(), "rule: what was done counts as it did the first time")

		var again *client.Import
		took := elapsed(func() { again, err = c.Import(t.Context(), client.Users(all), opts) })
		require.NoError(t, err)
		assert.Zero(t, took, "rule: jobs of an earlier run are not waited for")
		assert.Equal(t, 3, again.Replayed())
		assert.Equal(t, bulk.Summary{Created: 400}, again.Summary())
		assert.Equal(t, collect(t, im.Results(t.Context())), collect(t, again.Results(t.Context())))

		_, err = w.client(func(c *client.Config) { c.MaxUsers = 151 }).Import(t.Context(), client.Users(all), opts)
		assert.ErrorIs(t, err, bulk.ErrIdempotencyKeyReused, "rule: other parts under the same key are refused")
	})
}

func TestSubmitDoesNotWait(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.client(func(c *client.Config) { c.MaxUsers = 100 })
		var im *client.Import
		var err error
		assert.Zero(t, elapsed(func() { im, err = c.Submit(t.Context(), client.Users(users(0, 250)), nil) }))
		require.NoError(t, err)
		require.Len(t, im.Parts, 3)
		assert.Equal(t, 250, im.Summary().Total())
		require.NoError(t, im.Wait(t.Context()))
		assert.Equal(t, bulk.Summary{Created: 250}, im.Summary())
		assert.Zero(t, elapsed(func() { err = im.Wait(t.Context()) }), "rule: what is known is not asked again")
		require.NoError(t, err)
	})
}

func TestJobThatIsCancelledEndsTheImport(t *testing.T) {
	inIdleWorld(t, func(t *testing.T, w *world) {
		c := w.client(func(c *client.Config) { c.MaxUsers = 100 })
		im, err := c.Submit(t.Context(), client.Users(users(0, 300)), &client.Options{IdempotencyKey: "k"})
		require.NoError(t, err)
		job, err := c.Cancel(t.Context(), im.Parts[2].Job.ID) // the worker has not come to it
		require.NoError(t, err)
		assert.Equal(t, bulk.JobCancelled, job.Status)
		w.work()
		err = im.Wait(t.Context())
		var ended *client.JobError
		require.ErrorAs(t, err, &ended)
		assert.Equal(t, job.ID, ended.Job.ID)
		assert.EqualError(t, err, fmt.Sprintf("part 3, from row 200: client: job %s was cancelled after 0 of 100 rows", job.ID))
		assert.Equal(t, bulk.Summary{Created: 200, NotProcessed: 100}, im.Summary())

		_, err = c.Cancel(t.Context(), job.ID)
		assert.ErrorIs(t, err, bulk.ErrJobEnded)
		im, err = c.Import(t.Context(), client.Users(users(0, 300)), &client.Options{IdempotencyKey: "k"})
		assert.ErrorAs(t, err, &ended, "rule: a repetition finds the same jobs")
		assert.Len(t, collect(t, im.Results(t.Context())), 300, "rule: a cancelled job has results")
	})
}

func TestCancellingTheContextEndsItSoon(t *testing.T) {
	why := errors.New("the admin pressed Ctrl-C")
	inIdleWorld(t, func(t *testing.T, w *world) { // no job ends
		for _, test := range []func(ctx context.Context, c *client.Client) error{
			func(ctx context.Context, c *client.Client) error {
				_, err := c.Import(ctx, client.Users(users(0, 200)), nil)
				return err
			},
			func(ctx context.Context, c *client.Client) error {
				w.before = func(_ int, rec http.ResponseWriter, _ *http.Request) bool { rec.WriteHeader(503); return true }
				defer func() { w.before = nil }()
				_, err := c.Job(ctx, "job_x")
				return err
			},
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			timer := time.AfterFunc(time.Second, func() { cancel(why) })
			var err error
			took := elapsed(func() { err = test(ctx, w.client()) })
			timer.Stop()
			assert.ErrorIs(t, err, context.Canceled)
			assert.ErrorIs(t, err, why, "rule: the error says why")
			assert.Equal(t, time.Second, took)
		}
	})
}

func TestLimitsOfTheServiceAreReported(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, err := w.client().Import(t.Context(), client.Users(users(0, 51)), nil)
		var e *client.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, "TOO_MANY_USERS", e.Code)
		assert.True(t, client.IsCode(err, "TOO_MANY_USERS"))
		assert.Equal(t, "50", fmt.Sprint(e.Details["limit"]))
		im, err := w.client(func(c *client.Config) { c.MaxUsers = 50 }).Import(t.Context(), client.Users(users(0, 51)), nil)
		require.NoError(t, err)
		assert.Equal(t, 51, im.Summary().Created)
	}, func(cfg *bulk.Config, _ *httpapi.Config) { cfg.MaxUsers = 50 })
}

func TestBadKeyIsRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, key := range []string{" a", "a\n", "ä", strings.Repeat("k", client.MaxKey+1)} {
			_, err := w.client().Import(t.Context(), client.Users(users(0, 1)), &client.Options{IdempotencyKey: key})
			var fault *bulk.ConfigError
			assert.ErrorAs(t, err, &fault, key)
		}
		_, err := w.client().Import(t.Context(), client.Users(users(0, 1)), &client.Options{IdempotencyKey: strings.Repeat("k", client.MaxKey)})
		assert.NoError(t, err)
		assert.Len(t, w.requests, 1)
	})
}
