package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

var (
	errReset  = errors.New("connection reset by db-7.internal")
	errDenied = bulk.Permanent(errors.New("access denied"))
)

// bubble runs a test on a fixture in virtual time.
func bubble(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newFixture(t)) })
}

func request(users ...bulk.User) bulk.Request {
	return bulk.Request{Principal: admin, Rows: bulk.Users(users...), Options: bulk.DefaultOptions()}
}

// rows is a reader of rows of JSON text.
func rows(texts ...string) bulk.RowReader {
	list := make([]bulk.Row, len(texts))
	for i, text := range texts {
		list[i] = bulk.Row{JSON: []byte(text)}
	}
	return &rowSlice{list}
}

// clean checks that nothing was written, made or left behind.
func (f *fixture) clean(t *testing.T) {
	t.Helper()
	assert.Empty(t, f.blobs.Keys(), "blobs")
	assert.Zero(t, f.mem.Len(tenant), "users")
	assert.Empty(t, f.post.sent, "emails")
	jobs, _, err := f.jobs.List(t.Context(), bulk.JobFilter{Tenant: tenant, Limit: 100})
	require.NoError(t, err)
	assert.Empty(t, jobs, "jobs")
}

func statuses(report *bulk.Report) []bulk.Status {
	var list []bulk.Status
	for _, r := range report.Results {
		list = append(list, r.Status)
	}
	return list
}

func TestImport(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.mem.Put(tenant,
			bulk.User{ID: "u-2", Email: "bo@example.com", CustomFields: parse(t, `{"team":"A","points":1}`)},
			bulk.User{ID: "u-3", CustomFields: parse(t, `{"n":1}`)}))
		req := bulk.Request{Principal: admin, Options: bulk.DefaultOptions(), Rows: rows(
			`{"userId":"u-1","email":"ana@example.com","customFields":{"points":9007199254740993}}`,
			`{"email":"BO@example.com","customFields":{"points":2,"team":null}}`,
			`{"userId":"u-3","customFields":{"n":1.0}}`,
			`{"email":"nonsense"}`,
			`{"email":"new@example.com"}`,
			`{"userId":"u-4","email":"ana@example.com"}`,
			`{"email":"ana@example.com","metadata":{"seen":true}}`,
		)}
		report, err := f.importer().Import(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, []bulk.Status{
			bulk.StatusCreated, bulk.StatusUpdated, bulk.StatusUnchanged, bulk.StatusFailed,
			bulk.StatusCreated, bulk.StatusFailed, bulk.StatusUpdated,
		}, statuses(report))
		assert.Equal(t, bulk.Summary{Created: 2, Updated: 2, Unchanged: 1, Failed: 2}, report.Summary)
		for i, r := range report.Results {
			assert.Equal(t, i, r.Index)
		}
		assert.Equal(t, "u-2", report.Results[1].UserID, "the user that was found")
		assert.Equal(t, "BO@example.com", report.Results[1].Email, "as the row gave it")
		assert.Equal(t, bulk.CodeInvalidEmail, report.Results[3].Errors[0].Code)
		assert.NotEmpty(t, report.Results[4].UserID)
		assert.Equal(t, bulk.CodeEmailTaken, report.Results[5].Errors[0].Code)
		assert.Equal(t, "u-1", report.Results[6].UserID)

		ana, _ := f.mem.Get(tenant, "u-1")
		assert.Equal(t, `{"points":9007199254740993}`, ana.CustomFields.String())
		assert.Equal(t, `{"seen":true}`, ana.Metadata.String())
		bo, _ := f.mem.Get(tenant, "u-2")
		assert.Equal(t, bulk.User{ID: "u-2", Email: "bo@example.com", CustomFields: parse(t, `{"points":2}`)}, bo)
		assert.Empty(t, f.blobs.Keys(), "a synchronous import needs no blobs")
	})
}

// TestRowsOfOneUserInOneRequest checks that each row sees those before it.
func TestRowsOfOneUserInOneRequest(t *testing.T) {
	texts := []string{
		`{"userId":"a","email":"a@x.io","customFields":{"n":1}}`,
		`{"email":"A@x.io","customFields":{"n":2}}`,
		`{"userId":"a","customFields":{"n":2}}`,
		`{"userId":"a","email":"b@x.io"}`,
		`{"email":"a@x.io"}`, // free again, so somebody new
		`{"userId":"a","email":"A@x.io"}`,
	}
	const c, u, n, s, x = bulk.StatusCreated, bulk.StatusUpdated, bulk.StatusUnchanged, bulk.StatusSkipped, bulk.StatusFailed
	for _, test := range []struct {
		opts bulk.Options
		want []bulk.Status
	}{
		{bulk.Options{Upsert: true}, []bulk.Status{c, u, n, u, c, x}},
		{bulk.Options{}, []bulk.Status{c, x, x, x, x, x}},
		{bulk.Options{SkipDuplicates: true}, []bulk.Status{c, s, s, s, s, s}},
		{bulk.Options{Upsert: true, SkipDuplicates: true}, []bulk.Status{c, s, s, s, s, s}},
	} {
		for _, dry := range []bool{false, true} {
			bubble(t, func(t *testing.T, f *fixture) {
				test.opts.DryRun = dry
				report, err := f.importer().Import(t.Context(), bulk.Request{Principal: admin, Options: test.opts, Rows: rows(texts...)})
				require.NoError(t, err)
				assert.Equal(t, test.want, statuses(report), "%+v", test.opts)
				if dry {
					f.clean(t)
				}
			})
		}
	}
}

// Rows of one user that share a write replace one upon the other.
func TestRowsThatShareAWriteReplace(t *testing.T) {
	for _, dry := range []bool{false, true} {
		bubble(t, func(t *testing.T, f *fixture) {
			require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", CustomFields: parse(t, `{"old":1,"n":0}`), Metadata: parse(t, `{"m":1}`)}))
			report, err := f.importer().Import(t.Context(), bulk.Request{
				Principal: admin, Options: bulk.Options{Upsert: true, Merge: bulk.MergeReplace, DryRun: dry}, Rows: rows(
					`{"userId":"a","customFields":{"n":1,"first":true}}`,
					`{"userId":"a","customFields":{"n":1,"first":true}}`,
					`{"userId":"a","customFields":{"n":2,"gone":null}}`,
					`{"userId":"a","metadata":{}}`,
					`{"userId":"b","customFields":{"x":1}}`,
					`{"userId":"b","customFields":{"y":1}}`,
				)})
			require.NoError(t, err)
			assert.Equal(t, []bulk.Status{
				bulk.StatusUpdated, bulk.StatusUnchanged, bulk.StatusUpdated, bulk.StatusUpdated, bulk.StatusCreated, bulk.StatusUpdated,
			}, statuses(report))
			want := map[string]bulk.User{"a": {ID: "a", CustomFields: parse(t, `{"n":2}`)}, "b": {ID: "b", CustomFields: parse(t, `{"y":1}`)}}
			if dry {
				want = map[string]bulk.User{"a": {ID: "a", CustomFields: parse(t, `{"old":1,"n":0}`), Metadata: parse(t, `{"m":1}`)}}
			}
			for id, user := range want {
				got, _ := f.mem.Get(tenant, id)
				assert.Equal(t, user, got)
			}
			assert.Equal(t, len(want), f.mem.Len(tenant))
		})
	}
}

// A row that fails says who has its address, unless a dry run made up who.
func TestConflictsWith(t *testing.T) {
	for _, dry := range []bool{false, true} {
		bubble(t, func(t *testing.T, f *fixture) {
			require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "stored", Email: "s@x.io"}))
			report, err := f.importer().Import(t.Context(), bulk.Request{
				Principal: admin, Options: bulk.Options{Upsert: true, DryRun: dry}, Rows: rows(
					`{"userId":"named","email":"n@x.io"}`,
					`{"email":"made@x.io"}`,
					`{"userId":"x","email":"S@x.io"}`,
					`{"userId":"x","email":"N@x.io"}`,
					`{"userId":"x","email":"MADE@x.io"}`,
				)})
			require.NoError(t, err)
			var owners []string
			for _, r := range report.Results[2:] {
				require.Len(t, r.Errors, 1)
				assert.Equal(t, bulk.CodeEmailTaken, r.Errors[0].Code)
				owners = append(owners, r.Errors[0].ConflictsWith)
			}
			made := report.Results[1].UserID
			assert.Equal(t, dry, made == "")
			assert.Equal(t, []string{"stored", "named", made}, owners)
		})
	}
}

// Options that make no sense refuse the request before anything is written,
// synchronous or not, and however late they are known.
func TestBadOptionsRefuseTheRequest(t *testing.T) {
	for _, async := range []bool{false, true} {
		bubble(t, func(t *testing.T, f *fixture) {
			req := request(people(3)...)
			req.Async = async
			req.Options = bulk.Options{UpdateOnly: true}
			_, err := f.importer().Accept(t.Context(), req)
			var refused *bulk.RequestError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, bulk.CodeInvalidRequest, refused.Code)
			f.clean(t)
		})
	}
}

func TestLabelIsTheJobs(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(3, bulk.Options{Upsert: true, Label: "payroll"})
		assert.Equal(t, "payroll", job.Label)
		assert.Empty(t, job.Options.Label, "rule: it is not among the job's options")
		kept, err := f.importer().Job(t.Context(), admin, job.ID)
		require.NoError(t, err)
		assert.Equal(t, job, kept)
	})
}

func TestSyncThreshold(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		im := f.importer()
		report, job, _, err := accept(im, t.Context(), request(people(99)...))
		require.NoError(t, err)
		assert.Nil(t, job)
		assert.Equal(t, bulk.Summary{Created: 99}, report.Summary)

		report, job, _, err = accept(im, t.Context(), request(people(100)...))
		require.NoError(t, err)
		assert.Nil(t, report)
		assert.Equal(t, 100, job.TotalRecords)
		assert.Equal(t, bulk.JobPending, job.Status)
		assert.Equal(t, 99, f.mem.Len(tenant), "nothing is written yet")

		req := request(people(1)...)
		req.Async = true
		report, job, _, err = accept(im, t.Context(), req)
		require.NoError(t, err)
		assert.Nil(t, report)
		assert.Equal(t, 1, job.TotalRecords)
	})
}

func TestSubmitMakesTheJobThatTheQueueHas(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		opts := bulk.Options{SkipDuplicates: true, DryRun: true}
		now := time.Now().UTC()
		job := f.submit(150, opts)
		assert.Equal(t, bulk.Job{JobSpec: bulk.JobSpec{
			ID: job.ID, Tenant: tenant, Type: bulk.JobTypeUserImport, CreatedBy: "root", Options: opts, TotalRecords: 150,
			CreatedAt: now, ExpiresAt: now.Add(bulk.DefaultRetention), Payload: job.Payload, SegmentRows: 100,
		}, UpdatedAt: now, Status: bulk.JobPending}, *job)
		assert.Equal(t, job, f.get(job.ID))
		assert.Equal(t, []string{job.Payload}, f.blobs.Keys())
	})
}

func TestOptionsMayComeBehindTheRows(t *testing.T) {
	for _, n := range []int{3, 150} {
		bubble(t, func(t *testing.T, f *fixture) {
			rows := &lateOptions{RowReader: bulk.Users(people(n)...)}
			report, job, _, err := accept(f.importer(), t.Context(), bulk.Request{Principal: admin, Rows: rows, Options: bulk.Options{Upsert: true}})
			require.NoError(t, err)
			if job != nil {
				assert.Equal(t, bulk.Options{DryRun: true}, job.Options)
			} else {
				assert.Equal(t, bulk.Summary{Created: n}, report.Summary)
			}
			assert.Zero(t, f.mem.Len(tenant))
		})
	}
}

// lateOptions finds the options behind the rows.
type lateOptions struct {
	bulk.RowReader
	options bulk.Options
}

func (r *lateOptions) Options() bulk.Options { return r.options }

func (r *lateOptions) Next() (bulk.Row, error) {
	row, err := r.RowReader.Next()
	if err == io.EOF {
		r.options = bulk.Options{DryRun: true}
	}
	return row, err
}

// accept is Importer.Accept with what it returns apart.
func accept(im *bulk.Importer, ctx context.Context, req bulk.Request) (*bulk.Report, *bulk.Job, bool, error) {
	accepted, err := im.Accept(ctx, req)
	if err != nil {
		return nil, nil, false, err
	}
	return accepted.Report, accepted.Job, accepted.Replayed, nil
}

// brokenRows fails after some rows.
type brokenRows struct {
	bulk.RowReader
	err error
}

func (r *brokenRows) Next() (bulk.Row, error) {
	row, err := r.RowReader.Next()
	if err == io.EOF {
		err = r.err
	}
	return row, err
}

// TestRefusedRequestsLeaveNothingBehind refuses requests in every way that there
// is to make them.
func TestRefusedRequestsLeaveNothingBehind(t *testing.T) {
	reason := &bulk.RequestError{Code: bulk.CodeInvalidJSON, Message: "cut off"}
	refusal := func(code bulk.RequestCode) func(t *testing.T, err error) {
		return func(t *testing.T, err error) {
			var refused *bulk.RequestError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, code, refused.Code)
			assert.NotEmpty(t, refused.Message)
		}
	}
	unusable := func(field, problem string) func(t *testing.T, err error) {
		return func(t *testing.T, err error) {
			var fault *bulk.ConfigError
			require.ErrorAs(t, err, &fault)
			assert.Equal(t, bulk.ConfigError{Field: field, Problem: problem}, *fault)
			assert.False(t, bulk.Retryable(err), "rule: the host has to mend it")
		}
	}
	for name, test := range map[string]struct {
		change func(req *bulk.Request)
		want   func(t *testing.T, err error)
	}{
		"Role":   {func(r *bulk.Request) { r.Principal.Role = "user" }, func(t *testing.T, err error) { assert.ErrorIs(t, err, bulk.ErrForbidden) }},
		"NoRole": {func(r *bulk.Request) { r.Principal.Role = "" }, func(t *testing.T, err error) { assert.ErrorIs(t, err, bulk.ErrForbidden) }},
		"LongTenant": {func(r *bulk.Request) { r.Principal.Tenant = strings.Repeat("x", bulk.MaxTenant+1) },
			unusable("Principal.Tenant", "has 129 bytes; the limit is 128")},
		"TenantNotUTF8": {func(r *bulk.Request) { r.Principal.Tenant = "\xff" }, unusable("Principal.Tenant", "is not valid UTF-8")},
		"LongID": {func(r *bulk.Request) { r.Principal.ID = strings.Repeat("x", bulk.MaxPrincipalID+1) },
			unusable("Principal.ID", "has 1025 bytes; the limit is 1024")},
		"IDNotUTF8": {func(r *bulk.Request) { r.Principal.ID = "\xff" }, unusable("Principal.ID", "is not valid UTF-8")},
		"Empty":     {func(r *bulk.Request) { r.Rows = bulk.Users() }, refusal(bulk.CodeEmptyUsers)},
		"TooMany": {func(r *bulk.Request) { r.Rows = bulk.Users(people(345)...) }, func(t *testing.T, err error) {
			refusal(bulk.CodeTooManyUsers)(t, err)
			var refused *bulk.RequestError
			errors.As(err, &refused)
			assert.Equal(t, map[string]any{"count": 345, "limit": 200}, refused.Details)
			assert.Equal(t, "request has 345 users; the limit is 200", refused.Message)
		}},
		"FarTooMany": {func(r *bulk.Request) { r.Rows = &brokenRows{bulk.Users(people(2001)...), reason} }, func(t *testing.T, err error) {
			refusal(bulk.CodeTooManyUsers)(t, err)
			var refused *bulk.RequestError
			errors.As(err, &refused)
			assert.Equal(t, map[string]any{"count": 2000, "limit": 200}, refused.Details, "rule: a body with millions of rows is not counted to its end")
			assert.Equal(t, "request has more than 2000 users; the limit is 200", refused.Message)
		}},
		"OneTooMany": {func(r *bulk.Request) { r.Rows = bulk.Users(people(201)...) }, refusal(bulk.CodeTooManyUsers)},
		"Reader": {func(r *bulk.Request) { r.Rows = &brokenRows{bulk.Users(people(20)...), reason} },
			func(t *testing.T, err error) { assert.ErrorIs(t, err, reason) }},
		"ReaderOfManyRows": {func(r *bulk.Request) { r.Rows = &brokenRows{bulk.Users(people(150)...), reason} },
			func(t *testing.T, err error) { assert.ErrorIs(t, err, reason) }},
		"ReaderOfTooManyRows": {func(r *bulk.Request) { r.Rows = &brokenRows{bulk.Users(people(250)...), reason} },
			func(t *testing.T, err error) { assert.ErrorIs(t, err, reason) }},
		"NoMailer":        {func(r *bulk.Request) { r.Options.SendWelcomeEmail = true }, refusal(bulk.CodeInvalidRequest)},
		"NoMailerManyRow": {func(r *bulk.Request) { r.Options.SendWelcomeEmail = true; r.Rows = bulk.Users(people(150)...) }, refusal(bulk.CodeInvalidRequest)},
	} {
		for way, send := range map[string]func(ctx context.Context, im *bulk.Importer, req bulk.Request) (any, error){
			"Import": func(ctx context.Context, im *bulk.Importer, req bulk.Request) (any, error) {
				report, err := im.Import(ctx, req)
				return report == nil, err
			},
			"Submit": func(ctx context.Context, im *bulk.Importer, req bulk.Request) (any, error) {
				job, err := im.Submit(ctx, req)
				return job == nil, err
			},
			"Accept": func(ctx context.Context, im *bulk.Importer, req bulk.Request) (any, error) {
				report, job, _, err := accept(im, ctx, req)
				return report == nil && job == nil, err
			},
			"AcceptAsync": func(ctx context.Context, im *bulk.Importer, req bulk.Request) (any, error) {
				req.Async = true
				report, job, _, err := accept(im, ctx, req)
				return report == nil && job == nil, err
			},
		} {
			t.Run(name+"/"+way, func(t *testing.T) {
				bubble(t, func(t *testing.T, f *fixture) {
					f.cfg.MaxUsers, f.cfg.Mailer = 200, nil
					req := request(people(20)...)
					test.change(&req)
					nothing, err := send(t.Context(), f.importer(), req)
					require.Error(t, err)
					test.want(t, err)
					assert.Equal(t, true, nothing)
					assert.False(t, errors.Is(err, bulk.ErrUnavailable))
					f.clean(t)
				})
			})
		}
	}
}

func TestLongestTenant(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for _, name := range []string{"", strings.Repeat("é", bulk.MaxTenant/2), "../a b\x01"} {
			req := request(people(3)...)
			req.Principal.Tenant = name
			job, err := f.importer().Submit(t.Context(), req)
			require.NoError(t, err, "%q", name)
			require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
			assert.Equal(t, 3, f.mem.Len(name))
		}
	})
}

func TestBadTenants(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		for _, name := range []string{strings.Repeat("a", bulk.MaxTenant+1), "\xff", "a\x00", "\x00"} {
			req := request(people(3)...)
			req.Principal.Tenant = name
			_, err := f.importer().Import(t.Context(), req)
			assert.ErrorContains(t, err, "Principal.Tenant", "%q", name)
			assert.Zero(t, f.mem.Len(name))
		}
	})
}

func TestMostUsers(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.MaxUsers = 50
		f.cfg.SyncThreshold = 51 // no jobs
		report, job, _, err := accept(f.importer(), t.Context(), request(people(50)...))
		require.NoError(t, err)
		assert.Nil(t, job)
		assert.Equal(t, 50, report.Summary.Total())
		_, _, _, err = accept(f.importer(), t.Context(), request(people(51)...))
		assert.ErrorContains(t, err, "request has 51 users; the limit is 50")
		job, err = f.importer().Submit(t.Context(), request(people(50)...))
		require.NoError(t, err)
		assert.Equal(t, 50, job.TotalRecords)
	})
}

func TestImportWithTheStoreDown(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.store.hook = func(_ context.Context, w []bulk.Write) []error { return same(errReset, len(w)) }
		req := request(append(people(60), bulk.User{Email: "nonsense"})...)
		start := time.Now()
		report, err := f.importer().Import(t.Context(), req)
		assert.Nil(t, report)
		assert.ErrorIs(t, err, bulk.ErrUnavailable)
		assert.NotContains(t, err.Error(), "db-7")
		assert.Less(t, time.Since(start), 10*time.Second, "a caller waits for it")
		f.clean(t)
	})
}

func TestImportWithLookupsDown(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.Store = &lookupStore{Store: f.mem, err: func([]bulk.Ref) error { return errReset }}
		_, err := f.importer().Import(t.Context(), request(people(60)...))
		assert.ErrorIs(t, err, bulk.ErrUnavailable)
		f.clean(t)
	})
}

// lookupStore fails lookups.
type lookupStore struct {
	bulk.Store
	err func(refs []bulk.Ref) error
}

func (s *lookupStore) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	if err := s.err(refs); err != nil {
		return nil, err
	}
	return s.Store.Lookup(ctx, tenant, refs)
}

// TestWhatIsNoOutage checks the answers that say that the store is there.
func TestWhatIsNoOutage(t *testing.T) {
	for name, test := range map[string]struct {
		err  func(w bulk.Write) error
		rows []string
	}{
		"Refused":    {func(bulk.Write) error { return errDenied }, []string{`{"userId":"a"}`}},
		"Invalid":    {func(bulk.Write) error { return errReset }, []string{`{}`, `7`}},
		"EmailTaken": {func(bulk.Write) error { return errReset }, []string{`{"userId":"a"}`, `{"userId":"b","email":"old@x.io"}`}},
		"TooLarge":   {func(bulk.Write) error { return bulk.ErrUserTooLarge }, []string{`{"userId":"a"}`}},
		"OneWritten": {func(w bulk.Write) error {
			if w.User.ID == "a" {
				return errReset
			}
			return nil
		}, []string{`{"userId":"a"}`, `{"userId":"b"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "old", Email: "old@x.io"}))
				f.failWrites(test.err)
				report, err := f.importer().Import(t.Context(), bulk.Request{Principal: admin, Options: bulk.DefaultOptions(), Rows: rows(test.rows...)})
				require.NoError(t, err)
				assert.Len(t, report.Results, len(test.rows))
				assert.Equal(t, bulk.StatusFailed, report.Results[0].Status)
			})
		})
	}
}

// failWrites makes single writes fail before they have an effect.
func (f *fixture) failWrites(fail func(w bulk.Write) error) {
	f.store.hook = func(ctx context.Context, writes []bulk.Write) []error {
		outcomes := make([]error, len(writes))
		var good []bulk.Write
		var at []int
		for i, w := range writes {
			if outcomes[i] = fail(w); outcomes[i] == nil {
				good, at = append(good, w), append(at, i)
			}
		}
		if len(good) > 0 {
			for i, err := range f.mem.Commit(ctx, tenant, good) {
				outcomes[at[i]] = err
			}
		}
		return outcomes
	}
}

func TestRowsThatTheStoreFails(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.failWrites(func(w bulk.Write) error {
			switch w.User.ID {
			case "u00003":
				return errReset
			case "u00005":
				return errDenied
			case "u00007":
				return bulk.ErrUserTooLarge
			}
			return nil
		})
		report, err := f.importer().Import(t.Context(), request(people(60)...))
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 57, Failed: 3}, report.Summary)
		for row, want := range map[int]bulk.RowError{
			3: {Code: bulk.CodeStoreError, Retryable: true}, 5: {Code: bulk.CodeStoreError}, 7: {Code: bulk.CodeUserTooLarge},
		} {
			require.Len(t, report.Results[row].Errors, 1, "row %d", row)
			got := report.Results[row].Errors[0]
			assert.NotContains(t, got.Message, "db-7")
			got.Message = ""
			assert.Equal(t, want, got, "row %d", row)
		}
	})
}

func TestLookupsThatFailAgain(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		down := false
		f.failWrites(func(w bulk.Write) error {
			if w.User.ID == "u00003" {
				down = true
				return errReset
			}
			return nil
		})
		f.cfg.Store = &lookupStore{Store: f.store, err: func([]bulk.Ref) error {
			if down {
				return errReset
			}
			return nil
		}}
		report, err := f.importer().Import(t.Context(), request(people(20)...))
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 19, Failed: 1}, report.Summary)
		assert.Equal(t, bulk.CodeOutcomeUnknown, report.Results[3].Errors[0].Code, "its write may have been done")
		assert.False(t, report.Results[3].Errors[0].Retryable)
		assert.Equal(t, "u00003", report.Results[3].UserID)
	})
}

// TestLostAnswersAreRecognised applies every write and says that it failed: what
// a row says is what it did, once.
func TestLostAnswersAreRecognised(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "u00001"}, bulk.User{ID: "u00002", Email: "u2@example.com"}))
		answered := map[string]bool{}
		f.store.hook = func(ctx context.Context, writes []bulk.Write) []error {
			outcomes := f.mem.Commit(ctx, tenant, writes)
			for i, w := range writes {
				if outcomes[i] == nil && !answered[w.User.ID] {
					answered[w.User.ID] = true
					outcomes[i] = errReset
				}
			}
			return outcomes
		}
		f.cfg.Parallel = 1
		users := append(people(15)[:5], bulk.User{Email: "new@example.com"}, bulk.User{ID: "u00000", CustomFields: parse(t, `{"n":1}`)})
		report, err := f.importer().Import(t.Context(), request(users...))
		require.NoError(t, err)
		assert.Equal(t, []bulk.Status{
			bulk.StatusCreated, bulk.StatusUpdated, bulk.StatusUnchanged, bulk.StatusCreated, bulk.StatusCreated,
			bulk.StatusCreated, bulk.StatusUpdated,
		}, statuses(report))
		assert.Equal(t, 6, f.mem.Len(tenant), "nobody was made twice")
	})
}

func TestConflictsAreDecidedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", CustomFields: parse(t, `{"host":0}`)}))
		n := 0
		f.store.hook = func(ctx context.Context, writes []bulk.Write) []error {
			if n++; n <= 5 { // the host writes the same user at the same moment
				assert.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", CustomFields: parse(t, fmt.Sprintf(`{"host":%d}`, n))}))
			}
			return nil
		}
		report, err := f.importer().Import(t.Context(), request(bulk.User{ID: "a", CustomFields: parse(t, `{"ours":1}`)}))
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Updated: 1}, report.Summary)
		user, _ := f.mem.Get(tenant, "a")
		assert.Equal(t, `{"host":5,"ours":1}`, user.CustomFields.String(), "no update is lost")
	})
}

func TestConflictsWithoutEnd(t *testing.T) {
	for name, test := range map[string]struct {
		outcome error
		want    bulk.RowError
	}{
		"Conflict":   {bulk.ErrConflict, bulk.RowError{Code: bulk.CodeStoreError, Retryable: true}},
		"EmailTaken": {fmt.Errorf("dynamo: %w", bulk.ErrEmailTaken), bulk.RowError{Code: bulk.CodeEmailTaken, Field: "email"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				tries := 0
				f.failWrites(func(w bulk.Write) error {
					if w.User.ID == "u00000" {
						tries++
						return test.outcome
					}
					return nil
				})
				report, err := f.importer().Import(t.Context(), request(people(20)...))
				require.NoError(t, err)
				assert.Equal(t, bulk.Summary{Created: 19, Failed: 1}, report.Summary)
				require.Len(t, report.Results[0].Errors, 1)
				got := report.Results[0].Errors[0]
				got.Message = ""
				assert.Equal(t, test.want, got)
				assert.Equal(t, 30, tries)
			})
		})
	}
}

// TestRowsThatMeetByAChangeFromOutside lets another program connect two rows of a
// batch that were strangers when they were looked up.
func TestRowsThatMeetByAChangeFromOutside(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a"}))
		first := true
		f.store.hook = func(ctx context.Context, writes []bulk.Write) []error {
			if first {
				first = false
				assert.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", Email: "z@x.io"}))
			}
			for i, w := range writes {
				for _, other := range writes[:i] {
					assert.NotEqual(t, other.User.ID, w.User.ID, "the writes of a call name different users")
				}
			}
			return nil
		}
		report, err := f.importer().Import(t.Context(), request(
			bulk.User{ID: "a", CustomFields: parse(t, `{"x":1}`)},
			bulk.User{Email: "z@x.io", CustomFields: parse(t, `{"y":2}`)},
		))
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Updated: 2}, report.Summary)
		user, _ := f.mem.Get(tenant, "a")
		assert.Equal(t, bulk.User{ID: "a", Email: "z@x.io", CustomFields: parse(t, `{"x":1,"y":2}`)}, user)
	})
}

// apart checks that the writes of a call name different emails, those of Base included.
func apart(t *testing.T, writes []bulk.Write) {
	t.Helper()
	emails := map[string]string{}
	for _, w := range writes {
		names := []string{w.User.Email}
		if w.Base != nil {
			names = append(names, w.Base.Email)
		}
		for _, email := range names {
			if other, ok := emails[email]; ok && email != "" {
				assert.Equal(t, other, w.User.ID, "the writes of a call name different emails, and two have %s", email)
			}
			emails[email] = w.User.ID
		}
	}
}

// TestEmailsThatMeetByAChangeFromOutside has a create whose call has failed and is
// repeated, and beside it an update of a user that was given the same address meanwhile.
func TestEmailsThatMeetByAChangeFromOutside(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "b"}))
		first := true
		f.store.hook = func(_ context.Context, writes []bulk.Write) []error {
			apart(t, writes)
			if !first {
				return nil
			}
			first = false
			assert.Len(t, writes, 2)
			assert.NoError(t, f.mem.Put(tenant, bulk.User{ID: "b", Email: "z@x.io"}))
			return []error{errReset, bulk.ErrConflict}
		}
		report, err := f.importer().Import(t.Context(), request(
			bulk.User{ID: "a", Email: "z@x.io"},
			bulk.User{ID: "b", CustomFields: parse(t, `{"x":1}`)},
		))
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Updated: 1, Failed: 1}, report.Summary)
		assert.Equal(t, []bulk.User{{ID: "b", Email: "z@x.io", CustomFields: parse(t, `{"x":1}`)}}, f.mem.Users(tenant))
	})
}

// A tornStore finds users one after the other, and lets others write between.
type tornStore struct {
	bulk.Store
	lookups int
	before  func(lookup, ref int)
}

func (s *tornStore) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) (found []bulk.Found, err error) {
	s.lookups++
	for i := range refs {
		s.before(s.lookups, i)
		one, err := s.Store.Lookup(ctx, tenant, refs[i:i+1])
		if err != nil {
			return nil, err
		}
		found = append(found, one...)
	}
	return found, nil
}

// TestEmailsThatMeetWithinALookup has rows that waited for others and are looked up
// again, while another program gives one user the address that the other is to have.
func TestEmailsThatMeetWithinALookup(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a"}, bulk.User{ID: "b"}))
		f.store.hook = func(_ context.Context, writes []bulk.Write) []error { apart(t, writes); return nil }
		torn := &tornStore{Store: f.store}
		torn.before = func(lookup, ref int) {
			if lookup == 2 && ref == 1 {
				user, _ := f.mem.Get(tenant, "b")
				user.Email = "z@x.io"
				assert.NoError(t, f.mem.Put(tenant, user))
			}
		}
		f.cfg.Store = torn
		report, err := f.importer().Import(t.Context(), request(
			bulk.User{ID: "a", CustomFields: parse(t, `{"x":1}`)},
			bulk.User{ID: "b", CustomFields: parse(t, `{"x":1}`)},
			bulk.User{ID: "a", Email: "z@x.io"},
			bulk.User{ID: "b", Email: "y@x.io"},
		))
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Updated: 3, Failed: 1}, report.Summary, "the address is the one of b by then")
		assert.GreaterOrEqual(t, torn.lookups, 3, "a row whose write would meet another is looked up again")
	})
}

// A batchCounter counts the batches that are under way.
type batchCounter struct {
	mu        sync.Mutex
	now, most int
}

func (c *batchCounter) count(e bulk.Event, by int) {
	if _, ok := e.(*bulk.BatchEvent); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.now += by
		c.most = max(c.most, c.now)
	}
}

func (c *batchCounter) Begin(ctx context.Context, e bulk.Event) context.Context {
	c.count(e, 1)
	return ctx
}

func (c *batchCounter) End(_ context.Context, e bulk.Event) { c.count(e, -1) }

// TestImportHasFewBatchesUnderWay takes no longer for that than the calls do.
func TestImportHasFewBatchesUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		batches := &batchCounter{}
		f.cfg.Observer = batches
		start := time.Now()
		report, err := f.importer().Import(t.Context(), request(people(80*bulk.MaxBatch)...))
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 80 * bulk.MaxBatch}, report.Summary)
		assert.Equal(t, 4*f.cfg.Parallel, batches.most)
		assert.Equal(t, time.Duration(2*80/f.cfg.Parallel)*f.store.takes, time.Since(start))
	})
}

func TestImportSendsWelcomeEmails(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "u00003"}))
		f.post.hook = func(m bulk.Welcome) error {
			assert.Equal(t, tenant, m.Tenant)
			if m.User.Email == "u5@example.com" {
				return errReset
			}
			return nil
		}
		req := request(append(people(80), bulk.User{ID: "nomail"})...)
		req.Options.SendWelcomeEmail = true
		report, err := f.importer().Import(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 80, Updated: 1}, report.Summary)
		for i, r := range report.Results {
			want := bulk.WelcomeSent
			switch i {
			case 3, 80:
				want = ""
			case 5:
				want = bulk.WelcomeFailed
			}
			assert.Equal(t, want, r.WelcomeEmail, "row %d", i)
		}
		assert.Len(t, f.post.sent, 78, "each with a key of its own")
	})
}

// No row gives such an address, but another program may before the mail goes out.
func TestNoMailGoesToAddressesWithControlCharacters(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.store.hook = func(ctx context.Context, writes []bulk.Write) []error {
			outcomes := f.mem.Commit(ctx, tenant, writes)
			assert.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a", Email: "a\a@x.io"}))
			return outcomes
		}
		for _, only := range []bool{false, true} {
			req := request()
			req.Rows = rows(`{"userId":"a","email":"a@x.io"}`, `{"userId":"b","email":"b@x.io"}`)
			if only {
				f.mem.Delete(tenant, "a")
				req.Rows = rows(`{"userId":"a","email":"a@x.io"}`)
			}
			req.Options.SendWelcomeEmail = true
			report, err := f.importer().Import(t.Context(), req)
			require.NoError(t, err)
			assert.Zero(t, report.Summary.Failed)
			assert.Equal(t, bulk.WelcomeFailed, report.Results[0].WelcomeEmail)
			if !only {
				assert.Equal(t, bulk.WelcomeSent, report.Results[1].WelcomeEmail)
			}
		}
		assert.Len(t, f.post.sent, 1)
	})
}

func TestDryImportSendsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		req := request(people(20)...)
		req.Options.SendWelcomeEmail, req.Options.DryRun = true, true
		report, err := f.importer().Import(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 20}, report.Summary)
		assert.Empty(t, report.Results[0].WelcomeEmail)
		assert.Equal(t, "u00000", report.Results[0].UserID)
		assert.Empty(t, report.Results[19].UserID, "a user that would be made has no id yet")
		f.clean(t)
	})
}

func TestDryImportWithTheStoreDown(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.Store = &lookupStore{Store: f.mem, err: func([]bulk.Ref) error { return errReset }}
		req := request(people(20)...)
		req.Options.DryRun = true
		_, err := f.importer().Import(t.Context(), req)
		assert.ErrorIs(t, err, bulk.ErrUnavailable)
	})
}

// TestCancelledImport cancels an import at many moments. That no goroutine stays
// is seen to by the bubble.
func TestCancelledImport(t *testing.T) {
	for _, after := range []time.Duration{0, 5, 10, 15, 25, 35} {
		bubble(t, func(t *testing.T, f *fixture) {
			f.cfg.Parallel = 2
			ctx, cancel := context.WithTimeout(t.Context(), after*time.Millisecond)
			defer cancel()
			start := time.Now()
			report, err := f.importer().Import(ctx, request(people(200)...))
			assert.Nil(t, report)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, after*time.Millisecond, time.Since(start), "it ends at once")
		})
	}
	bubble(t, func(t *testing.T, f *fixture) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := f.importer().Import(ctx, request(people(20)...))
		assert.ErrorIs(t, err, context.Canceled)
		_, err = f.importer().Submit(ctx, request(people(20)...))
		assert.ErrorIs(t, err, context.Canceled)
		f.clean(t)
	})
}

func TestImportCancelledWhileItWaits(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.failWrites(func(bulk.Write) error { return errReset })
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := f.importer().Import(ctx, request(people(20)...))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// hookedBlobs and hookedJobs run a hook before each call, which may fail it.
type hookedBlobs struct {
	bulk.BlobStore
	before func(op, key string) error
}

func (b *hookedBlobs) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	if err := b.before("Put", key); err != nil {
		return err
	}
	return b.BlobStore.Put(ctx, key, r, info)
}

func (b *hookedBlobs) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := b.before("Get", key); err != nil {
		return nil, err
	}
	return b.BlobStore.Get(ctx, key)
}

func (b *hookedBlobs) Delete(ctx context.Context, key string) error {
	if err := b.before("Delete", key); err != nil {
		return err
	}
	return b.BlobStore.Delete(ctx, key)
}

type hookedJobs struct {
	bulk.JobQueue
	before, after func(op string) error
}

func (q *hookedJobs) call(op string, f func() error) error {
	if q.before != nil {
		if err := q.before(op); err != nil {
			return err
		}
	}
	if err := f(); err != nil {
		return err
	}
	if q.after != nil {
		return q.after(op)
	}
	return nil
}

func (q *hookedJobs) Create(ctx context.Context, job bulk.JobSpec) error {
	return q.call("Create", func() error { return q.JobQueue.Create(ctx, job) })
}

func (q *hookedJobs) Get(ctx context.Context, id string) (job bulk.Job, err error) {
	err = q.call("Get", func() error { job, err = q.JobQueue.Get(ctx, id); return err })
	return job, err
}

func (q *hookedJobs) List(ctx context.Context, filter bulk.JobFilter) (jobs []bulk.Job, cursor string, err error) {
	err = q.call("List", func() error { jobs, cursor, err = q.JobQueue.List(ctx, filter); return err })
	return jobs, cursor, err
}

func (q *hookedJobs) Claim(ctx context.Context, claim bulk.Claim) (job bulk.Job, err error) {
	err = q.call("Claim", func() error { job, err = q.JobQueue.Claim(ctx, claim); return err })
	return job, err
}

func (q *hookedJobs) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (job bulk.Job, err error) {
	err = q.call("Save", func() error { job, err = q.JobQueue.Save(ctx, id, token, change); return err })
	return job, err
}

func (q *hookedJobs) Cancel(ctx context.Context, id string, cancellation bulk.Cancellation) (job bulk.Job, err error) {
	err = q.call("Cancel", func() error { job, err = q.JobQueue.Cancel(ctx, id, cancellation); return err })
	return job, err
}

// only fails the calls of one method.
func only(method string, err error) func(op string) error {
	return func(op string) error {
		if op == method {
			return err
		}
		return nil
	}
}

func TestSubmitWithTheBlobStoreDown(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.Blobs = &hookedBlobs{f.blobs, func(op, _ string) error {
			if op == "Put" {
				return errReset
			}
			return nil
		}}
		job, err := f.importer().Submit(t.Context(), request(people(20)...))
		assert.Nil(t, job)
		assert.ErrorIs(t, err, errReset)
		assert.True(t, bulk.Retryable(err))
		f.clean(t)
	})
}

// TestSubmitWithALostPut stores a payload and says that it failed.
func TestSubmitWithALostPut(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.Blobs = lostPut{f.blobs}
		_, err := f.importer().Submit(t.Context(), request(people(20)...))
		assert.ErrorIs(t, err, errReset)
		f.clean(t)
	})
}

type lostPut struct{ bulk.BlobStore }

func (b lostPut) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	if err := b.BlobStore.Put(ctx, key, r, info); err != nil {
		return err
	}
	return errReset
}

func TestSubmitWithTheQueueDown(t *testing.T) {
	for name, down := range map[string]error{"Passing": errReset, "Refused": errDenied} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				f.cfg.Jobs = &hookedJobs{JobQueue: f.jobs, before: only("Create", down)}
				job, err := f.importer().Submit(t.Context(), request(people(20)...))
				assert.Nil(t, job)
				assert.ErrorIs(t, err, down)
				f.clean(t)
			})
		})
	}
}

func TestBlobThatCannotBeRemovedIsLeft(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.Jobs = &hookedJobs{JobQueue: f.jobs, before: only("Create", errDenied)}
		f.cfg.Blobs = &hookedBlobs{f.blobs, func(op, _ string) error {
			if op == "Delete" {
				return errReset
			}
			return nil
		}}
		_, err := f.importer().Submit(t.Context(), request(people(20)...))
		assert.ErrorIs(t, err, errDenied, "the reason, and not that of the cleaning up")
	})
}

// TestSubmitWithALostAnswerOfTheQueue makes the job and says that it failed.
func TestSubmitWithALostAnswerOfTheQueue(t *testing.T) {
	for name, test := range map[string]struct {
		err   error
		times int
	}{"Once": {errReset, 1}, "Always": {errReset, 100}, "Refused": {errDenied, 1}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				lost := 0
				f.cfg.Jobs = &hookedJobs{JobQueue: f.jobs, after: func(op string) error {
					if op == "Create" && lost < test.times {
						lost++
						return test.err
					}
					return nil
				}}
				job, err := f.importer().Submit(t.Context(), request(people(20)...))
				require.NoError(t, err, "the job is there")
				assert.Equal(t, []string{job.Payload}, f.blobs.Keys())
				_, file := f.finish(job.ID)
				assert.Equal(t, bulk.Summary{Created: 20}, file.Summary)
			})
		})
	}
}

func TestTenantsAreSeparate(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		im := f.importer()
		job := f.submit(20, bulk.DefaultOptions())
		stranger := bulk.Principal{ID: "x", Tenant: "other", Role: bulk.RoleAdmin}
		super := bulk.Principal{ID: "x", Tenant: "other", Role: bulk.RoleSuperAdmin}
		nobody := bulk.Principal{ID: "x", Tenant: tenant, Role: "user"}

		_, foreign := im.Job(t.Context(), stranger, job.ID)
		_, missing := im.Job(t.Context(), admin, "job_0")
		assert.ErrorIs(t, foreign, bulk.ErrJobNotFound)
		assert.ErrorIs(t, missing, bulk.ErrJobNotFound)
		_, err := im.Cancel(t.Context(), stranger, job.ID)
		assert.ErrorIs(t, err, bulk.ErrJobNotFound)
		assert.Equal(t, bulk.JobPending, f.get(job.ID).Status)
		jobs, _, err := im.Jobs(t.Context(), stranger, "", 10, "")
		require.NoError(t, err)
		assert.Empty(t, jobs)

		for _, call := range []func() error{
			func() error { _, err := im.Job(t.Context(), nobody, job.ID); return err },
			func() error { _, _, err := im.Jobs(t.Context(), nobody, "", 10, ""); return err },
			func() error { _, err := im.Cancel(t.Context(), nobody, job.ID); return err },
		} {
			assert.ErrorIs(t, call(), bulk.ErrForbidden)
		}

		got, err := im.Job(t.Context(), super, job.ID)
		require.NoError(t, err)
		assert.Equal(t, job, got)
		got, err = im.Cancel(t.Context(), super, job.ID)
		require.NoError(t, err)
		assert.Equal(t, bulk.JobCancelled, got.Status)

		// The same ids and emails are other users there.
		req := request(people(20)...)
		req.Principal = stranger
		report, err := im.Import(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 20}, report.Summary)
		assert.Equal(t, 20, f.mem.Len("other"))
		assert.Zero(t, f.mem.Len(tenant))
	})
}

func TestJobs(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		im := f.importer()
		var want []string
		for range 5 {
			want = append([]string{f.submit(20, bulk.DefaultOptions()).ID}, want...)
			time.Sleep(time.Millisecond)
		}
		var got []string
		cursor, pages := "", 0
		for {
			jobs, next, err := im.Jobs(t.Context(), admin, "", 2, cursor)
			require.NoError(t, err)
			for _, job := range jobs {
				got = append(got, job.ID)
			}
			pages++
			if cursor = next; cursor == "" {
				break
			}
		}
		assert.Equal(t, want, got, "newest first, each once")
		assert.Equal(t, 3, pages)

		_, err := im.Cancel(t.Context(), admin, want[2])
		require.NoError(t, err)
		jobs, _, err := im.Jobs(t.Context(), admin, bulk.JobCancelled, 10, "")
		require.NoError(t, err)
		require.Len(t, jobs, 1)
		assert.Equal(t, want[2], jobs[0].ID)

		_, _, err = im.Jobs(t.Context(), admin, "", 10, "nonsense")
		assert.ErrorIs(t, err, bulk.ErrBadCursor)
		for _, limit := range []int{0, -1, 101} {
			_, _, err = im.Jobs(t.Context(), admin, "", limit, "")
			assert.Error(t, err, "limit %d", limit)
		}
	})
}

func TestRowsOfAJob(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		im := f.importer()
		sent := []bulk.Row{
			{JSON: []byte(`{"userId":"a"}`), Line: 2},
			{JSON: []byte{}, Line: 3, Errors: []bulk.RowError{{Code: bulk.CodeInvalidUser, Message: "a stray quote"}}},
			{JSON: []byte(`7`), Line: 4},
		}
		job, err := im.Submit(t.Context(), bulk.Request{Principal: admin, Rows: &rowSlice{sent}})
		require.NoError(t, err)
		r, err := im.Rows(t.Context(), job)
		require.NoError(t, err)
		defer r.Close()
		for _, want := range sent {
			got, err := r.Next()
			require.NoError(t, err)
			assert.Equal(t, want, got)
		}
		_, err = r.Next()
		assert.Equal(t, io.EOF, err)
	})
}

func TestResults(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		im := f.importer()
		pending := f.submit(20, bulk.DefaultOptions())
		_, err := im.Results(t.Context(), pending)
		assert.ErrorIs(t, err, bulk.ErrNoResults)
		done, _ := f.finish(pending.ID)
		without := *done
		without.Results = ""
		_, err = im.Results(t.Context(), &without)
		assert.ErrorIs(t, err, bulk.ErrNoResults)
		assert.Equal(t, done.ID+"-results.json", bulk.ResultsFileName(done))

		time.Sleep(bulk.DefaultRetention)
		_, err = im.Job(t.Context(), admin, done.ID)
		assert.ErrorIs(t, err, bulk.ErrJobNotFound, "it has expired")
		_, err = im.Results(t.Context(), done)
		assert.ErrorIs(t, err, bulk.ErrBlobNotFound)
		_, err = im.Rows(t.Context(), done)
		assert.ErrorIs(t, err, bulk.ErrBlobNotFound)
		_, err = im.Cancel(t.Context(), admin, done.ID)
		assert.ErrorIs(t, err, bulk.ErrJobNotFound)
	})
}

// signingBlobs can sign URLs.
type signingBlobs struct {
	bulk.BlobStore
	sign func(key string, opts bulk.SignOptions) (string, time.Time, error)
}

func (b *signingBlobs) SignURL(_ context.Context, key string, opts bulk.SignOptions) (string, time.Time, error) {
	return b.sign(key, opts)
}

func TestDownloadURL(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		pending := f.submit(20, bulk.DefaultOptions())
		done, _ := f.finish(pending.ID)

		url, expires, err := f.importer().DownloadURL(t.Context(), done)
		require.NoError(t, err)
		assert.Empty(t, url, "a store that cannot sign")
		assert.Equal(t, time.Hour, time.Until(expires), "a link of the caller stops working then")

		var asked bulk.SignOptions
		signer := &signingBlobs{f.blobs, func(key string, opts bulk.SignOptions) (string, time.Time, error) {
			asked = opts
			return "https://blobs.example/" + key, time.Now().Add(opts.TTL), nil
		}}
		f.cfg.Blobs, f.cfg.DownloadTTL = signer, 2*time.Hour
		im := f.importer()
		url, expires, err = im.DownloadURL(t.Context(), done)
		require.NoError(t, err)
		assert.Equal(t, "https://blobs.example/"+done.Results, url)
		assert.Equal(t, time.Now().Add(2*time.Hour), expires)
		assert.Equal(t, bulk.SignOptions{TTL: 2 * time.Hour, FileName: done.ID + "-results.json", ContentType: "application/json"}, asked)

		url, _, err = im.DownloadURL(t.Context(), pending)
		require.NoError(t, err)
		assert.Empty(t, url, "a job that has not ended")

		time.Sleep(time.Until(done.ExpiresAt) - time.Minute)
		_, expires, err = im.DownloadURL(t.Context(), done)
		require.NoError(t, err)
		assert.True(t, expires.Equal(done.ExpiresAt), "a link does not outlive the results")

		signer.sign = func(string, bulk.SignOptions) (string, time.Time, error) { return "", time.Time{}, errReset }
		_, _, err = im.DownloadURL(t.Context(), done)
		assert.ErrorIs(t, err, errReset)
	})
}

// TestCancelLosesTheRaceWithAClaim lets a worker claim a job that Cancel saw
// pending.
func TestCancelLosesTheRaceWithAClaim(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(150, bulk.DefaultOptions())
		f.cfg.Jobs = &hookedJobs{JobQueue: f.jobs, before: func(op string) error {
			if op == "Cancel" {
				_, err := f.jobs.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: time.Minute})
				assert.NoError(t, err)
			}
			return nil
		}}
		got, err := f.importer().Cancel(t.Context(), admin, job.ID)
		require.NoError(t, err)
		assert.Equal(t, bulk.JobProcessing, got.Status)
		assert.True(t, got.CancelRequested)
		assert.Empty(t, got.Results)
		assert.Equal(t, []string{job.Payload}, f.blobs.Keys(), "the results file that nobody uses is removed")
		f.cfg.Jobs = f.jobs
		done, file := f.finish(job.ID)
		assert.Equal(t, bulk.JobCancelled, done.Status)
		assert.Equal(t, bulk.Summary{NotProcessed: 150}, file.Summary)
	})
}

func TestCancelLosesTheRaceWithTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(20, bulk.DefaultOptions())
		im := f.importer()
		f.cfg.Jobs = &hookedJobs{JobQueue: f.jobs, before: func(op string) error {
			if op == "Cancel" {
				assert.NoError(t, f.worker2(f.jobs).RunJob(t.Context(), job.ID))
			}
			return nil
		}}
		_, err := f.importer().Cancel(t.Context(), admin, job.ID)
		assert.ErrorIs(t, err, bulk.ErrJobEnded)
		done, err := im.Job(t.Context(), admin, job.ID)
		require.NoError(t, err)
		assert.Equal(t, bulk.JobCompleted, done.Status)
		assert.Equal(t, bulk.Summary{Created: 20}, f.results(done).Summary)
	})
}

// worker2 returns a worker of another queue than that of the fixture.
func (f *fixture) worker2(jobs bulk.JobQueue) *bulk.Worker {
	cfg := f.cfg
	cfg.Jobs = jobs
	w, err := bulk.NewWorker(cfg)
	require.NoError(f.t, err)
	return w
}

func TestCancelThatCannotWriteResults(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		job := f.submit(20, bulk.DefaultOptions())
		f.cfg.Blobs = &hookedBlobs{f.blobs, func(op, _ string) error {
			if op == "Put" {
				return errReset
			}
			return nil
		}}
		_, err := f.importer().Cancel(t.Context(), admin, job.ID)
		assert.ErrorIs(t, err, errReset)
		assert.Equal(t, bulk.JobPending, f.get(job.ID).Status, "no ended job lacks its results")
	})
}

// TestPanicsOfBackendsAreErrors makes each call of each backend panic.
func TestPanicsOfBackendsAreErrors(t *testing.T) {
	panics := func(method string) func(op string) error {
		return func(op string) error {
			if op == method {
				panic("boom")
			}
			return nil
		}
	}
	jobsThatPanic := func(method string) func(f *fixture) {
		return func(f *fixture) { f.cfg.Jobs = &hookedJobs{JobQueue: f.jobs, before: panics(method)} }
	}
	blobsThatPanic := func(method string) func(f *fixture) {
		return func(f *fixture) {
			hook := panics(method)
			f.cfg.Blobs = &hookedBlobs{f.blobs, func(op, _ string) error { return hook(op) }}
		}
	}
	type call func(f *fixture, im *bulk.Importer, pending, done *bulk.Job) error
	submit := func(f *fixture, im *bulk.Importer, _, _ *bulk.Job) error {
		_, err := im.Submit(f.t.Context(), request(people(20)...))
		return err
	}
	imports := func(f *fixture, im *bulk.Importer, _, _ *bulk.Job) error {
		_, err := im.Import(f.t.Context(), request(people(60)...))
		return err
	}
	for name, test := range map[string]struct {
		breakIt func(f *fixture)
		call    call
	}{
		"Import/Lookup": {func(f *fixture) { f.cfg.Store = panicStore{f.mem, true} }, imports},
		"Import/Commit": {func(f *fixture) { f.cfg.Store = panicStore{f.mem, false} }, imports},
		"Import/FewerOutcomes": {func(f *fixture) {
			f.store.hook = func(context.Context, []bulk.Write) []error { return []error{} }
		}, imports},
		"Import/FewerFound": {func(f *fixture) { f.cfg.Store = forgetfulStore{f.mem} }, imports},
		"DryRun/FewerFound": {func(f *fixture) { f.cfg.Store = forgetfulStore{f.mem} }, func(f *fixture, im *bulk.Importer, _, _ *bulk.Job) error {
			req := request(people(60)...)
			req.Options.DryRun = true
			_, err := im.Import(f.t.Context(), req)
			return err
		}},
		"Submit/Put":    {blobsThatPanic("Put"), submit},
		"Submit/Create": {jobsThatPanic("Create"), submit},
		"Submit/Reader": {func(*fixture) {}, func(f *fixture, im *bulk.Importer, _, _ *bulk.Job) error {
			_, err := im.Submit(f.t.Context(), bulk.Request{Principal: admin, Rows: panicRows{}})
			return err
		}},
		"Job": {jobsThatPanic("Get"), func(f *fixture, im *bulk.Importer, pending, _ *bulk.Job) error {
			_, err := im.Job(f.t.Context(), admin, pending.ID)
			return err
		}},
		"Jobs": {jobsThatPanic("List"), func(f *fixture, im *bulk.Importer, _, _ *bulk.Job) error {
			_, _, err := im.Jobs(f.t.Context(), admin, "", 10, "")
			return err
		}},
		"Cancel": {jobsThatPanic("Cancel"), func(f *fixture, im *bulk.Importer, pending, _ *bulk.Job) error {
			_, err := im.Cancel(f.t.Context(), admin, pending.ID)
			return err
		}},
		"Cancel/Put": {blobsThatPanic("Put"), func(f *fixture, im *bulk.Importer, pending, _ *bulk.Job) error {
			_, err := im.Cancel(f.t.Context(), admin, pending.ID)
			return err
		}},
		"Results": {blobsThatPanic("Get"), func(f *fixture, im *bulk.Importer, _, done *bulk.Job) error {
			_, err := im.Results(f.t.Context(), done)
			return err
		}},
		"Rows": {blobsThatPanic("Get"), func(f *fixture, im *bulk.Importer, _, done *bulk.Job) error {
			_, err := im.Rows(f.t.Context(), done)
			return err
		}},
		"DownloadURL": {func(f *fixture) {
			f.cfg.Blobs = &signingBlobs{f.blobs, func(string, bulk.SignOptions) (string, time.Time, error) { panic("boom") }}
		}, func(f *fixture, im *bulk.Importer, _, done *bulk.Job) error {
			_, _, err := im.DownloadURL(f.t.Context(), done)
			return err
		}},
		"RunJob/Claim": {jobsThatPanic("Claim"), func(f *fixture, _ *bulk.Importer, pending, _ *bulk.Job) error {
			return f.worker().RunJob(f.t.Context(), pending.ID)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fixture) {
				done, _ := f.finish(f.submit(20, bulk.DefaultOptions()).ID)
				pending := f.submit(20, bulk.DefaultOptions())
				test.breakIt(f)
				err := test.call(f, f.importer(), pending, done)
				require.Error(t, err)
				assert.False(t, bulk.Retryable(err), "a fault is not passing")
				assert.NotEmpty(t, err.Error())
			})
		})
	}
}

type panicRows struct{}

func (panicRows) Next() (bulk.Row, error) { panic("boom") }

// forgetfulStore answers with too few users.
type forgetfulStore struct{ bulk.Store }

func (s forgetfulStore) Lookup(_ context.Context, _ string, refs []bulk.Ref) ([]bulk.Found, error) {
	return make([]bulk.Found, len(refs)-1), nil
}

func TestMailerThatForgetsOutcomes(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.cfg.Mailer = forgetfulMailer{}
		req := request(people(20)...)
		req.Options.SendWelcomeEmail = true
		report, err := f.importer().Import(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, bulk.Summary{Created: 20}, report.Summary)
		assert.Equal(t, bulk.WelcomeFailed, report.Results[0].WelcomeEmail)
	})
}

type forgetfulMailer struct{}

func (forgetfulMailer) SendWelcome(context.Context, []bulk.Welcome) []error { return nil }

// TestWorkerAsksAgain checks a worker whose queue fails and tells nothing.
func TestWorkerAsksAgain(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		var claims atomic.Int64
		f.cfg.Jobs = &hookedJobs{JobQueue: f.jobs, before: func(op string) error {
			if op == "Claim" && claims.Add(1) <= 3 {
				return errReset
			}
			return nil
		}}
		ctx, stop := context.WithCancel(t.Context())
		var worker sync.WaitGroup
		worker.Go(func() { assert.NoError(t, f.worker().Run(ctx)) })
		job := f.submit(20, bulk.DefaultOptions())
		time.Sleep(10 * time.Second)
		assert.Equal(t, bulk.JobCompleted, f.get(job.ID).Status)
		assert.Equal(t, int64(11), claims.Load(), "it asks once in a Poll")
		stop()
		worker.Wait()
	})
}

// TestQuietWorkerAsksRarely checks how often a worker asks that has nothing to do, and
// how soon it then finds a job.
func TestQuietWorkerAsksRarely(t *testing.T) {
	for _, notifies := range []bool{false, true} {
		bubble(t, func(t *testing.T, f *fixture) {
			var claims atomic.Int64
			counted := &hookedJobs{JobQueue: f.jobs, before: func(op string) error {
				if op == "Claim" {
					claims.Add(1)
				}
				return nil
			}}
			f.cfg.Jobs = counted
			if notifies {
				f.cfg.Jobs = notifyingJobs{counted, f.jobs}
			}
			ctx, stop := context.WithCancel(t.Context())
			var worker sync.WaitGroup
			worker.Go(func() { assert.NoError(t, f.worker().Run(ctx)) })
			asks := func(in time.Duration) int64 {
				before := claims.Load()
				time.Sleep(in)
				return claims.Load() - before
			}
			time.Sleep(time.Millisecond)
			soon, later := asks(time.Minute), int64(0)
			assert.LessOrEqual(t, soon, int64(60), "in the first minute")
			for range 5 {
				later = asks(time.Minute)
				assert.Equal(t, int64(5), later, "in a later minute")
			}
			t.Attr("claims/s", fmt.Sprintf("%.3f", float64(soon)/60))
			t.Attr("quiet-claims/s", fmt.Sprintf("%.3f", float64(later)/60))
			id, began := f.submit(20, bulk.DefaultOptions()).ID, time.Now()
			for f.get(id).Status != bulk.JobCompleted {
				time.Sleep(10 * time.Millisecond)
			}
			switch took := time.Since(began); {
			case notifies:
				assert.Less(t, took, time.Second, "a quiet worker wakes")
			default:
				assert.LessOrEqual(t, took, 13*time.Second, "a quiet worker asks again")
			}
			time.Sleep(5 * time.Second) // it is busy again
			id, began = f.submit(20, bulk.DefaultOptions()).ID, time.Now()
			for f.get(id).Status != bulk.JobCompleted {
				time.Sleep(10 * time.Millisecond)
			}
			assert.LessOrEqual(t, time.Since(began), 2*time.Second, "it asks once in a Poll again")
			stop()
			worker.Wait()
		})
	}
}

// notifyingJobs is a queue that tells of new jobs beside another that does not.
type notifyingJobs struct {
	bulk.JobQueue
	bulk.JobNotifier
}

func TestConcurrentImportsOfTheSameUsers(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		var imports sync.WaitGroup
		var created, other atomic.Int64
		for range 4 {
			imports.Go(func() {
				report, err := f.importer().Import(t.Context(), request(people(60)...))
				if !assert.NoError(t, err) {
					return
				}
				created.Add(int64(report.Summary.Created))
				other.Add(int64(report.Summary.Updated + report.Summary.Unchanged))
			})
		}
		imports.Wait()
		assert.Equal(t, int64(60), created.Load(), "each user is created once")
		assert.Equal(t, int64(180), other.Load())
		assert.Equal(t, 60, f.mem.Len(tenant))
	})
}
