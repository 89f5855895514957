package bulk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/logtest"
)

// A mailError is an error as services for emails return them.
type mailError struct{ to string }

func (e *mailError) Error() string     { return "554 <" + e.to + ">: recipient address rejected" }
func (e *mailError) ErrorCode() string { return "MessageRejected" }

// Whatever a mailer says, the log names no address: the fixture's logger fails the test
// if it does.
func TestLogOfMailErrors(t *testing.T) {
	for want, fail := range map[string]func(m bulk.Welcome) error{
		"MessageRejected": func(m bulk.Welcome) error {
			return fmt.Errorf("send to %s: %w", m.User.Email, &mailError{m.User.Email})
		},
		"*errors.errorString": func(m bulk.Welcome) error { return fmt.Errorf("send: %w", errors.New("no such user: "+m.User.Email)) },
		`"deadline exceeded"`: func(m bulk.Welcome) error { return fmt.Errorf("%s: %w", m.User.Email, context.DeadlineExceeded) },
		"cancelled":           func(m bulk.Welcome) error { return fmt.Errorf("%s: %w", m.User.Email, context.Canceled) },
		"*bulk.panicError":    func(m bulk.Welcome) error { panic("no such user: " + m.User.Email) },
	} {
		bubble(t, func(t *testing.T, f *fixture) {
			var log bytes.Buffer
			f.cfg.Logger = logtest.Tee(t, &log)
			f.post.hook = fail
			req := request(people(1)...)
			req.Options.SendWelcomeEmail = true
			report, err := f.importer().Import(t.Context(), req)
			require.NoError(t, err)
			assert.Equal(t, bulk.WelcomeFailed, report.Results[0].WelcomeEmail)
			assert.Contains(t, log.String(), `row=0 code=`+want, "rule: the log says what went wrong, and with which row")

			log.Reset()
			req.Rows = bulk.Users(bulk.User{ID: "another", Email: "another@example.com"})
			job, err := f.importer().Submit(t.Context(), req)
			require.NoError(t, err)
			require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
			assert.Contains(t, log.String(), `row=0 code=`+want)
		})
	}
}

// Errors of stores and panics may name an email too.
func TestLogOfStoreErrors(t *testing.T) {
	for _, fail := range []func(bulk.Write) error{
		func(w bulk.Write) error {
			return bulk.Permanent(errors.New("Key (email)=(" + w.User.Email + ") is odd"))
		},
		func(w bulk.Write) error { return errors.New("down for " + w.User.Email) },
		func(w bulk.Write) error { panic("cannot write " + w.User.Email) },
	} {
		bubble(t, func(t *testing.T, f *fixture) {
			var log bytes.Buffer
			f.cfg.Logger = logtest.Tee(t, &log)
			f.failWrites(fail)
			_, _ = f.importer().Import(t.Context(), request(people(2)...))
			job, err := f.importer().Submit(t.Context(), request(people(2)...))
			require.NoError(t, err)
			_ = f.worker().RunJob(t.Context(), job.ID)
			assert.Contains(t, log.String(), "[redacted]")
		})
	}
}

// A queue that was wrapped so that its keys are lost is said when the importer is made,
// and not by a client's first request with a key.
func TestLogOfLostIdempotencyKeys(t *testing.T) {
	f := newFixture(t)
	var log bytes.Buffer
	f.cfg.Logger = logtest.Tee(t, &log)
	f.importer()
	assert.NotContains(t, log.String(), "WARN")
	f.cfg.Jobs = struct{ bulk.JobQueue }{f.jobs}
	f.importer()
	assert.Contains(t, log.String(), "level=WARN")
	assert.Contains(t, log.String(), "Config.IdempotencyKeys")
	assert.Contains(t, log.String(), "JobQueue")

	log.Reset()
	f.cfg.Jobs = &claimCounter{JobQueue: f.jobs}
	f.importer()
	assert.NotContains(t, log.String(), "WARN", "rule: a wrapper that unwraps loses nothing")
}

// Each job that ends has one line, whoever ends it.
func TestLogOfEndedJobs(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		var log bytes.Buffer
		f.cfg.Logger = logtest.Tee(t, &log)
		job := f.submit(1000, bulk.DefaultOptions())
		time.Sleep(3 * time.Second)
		ctx, stop := context.WithCancel(t.Context())
		f.store.hook = func(context.Context, []bulk.Write) []error { stop(); return nil }
		require.ErrorIs(t, f.worker().RunJob(ctx, job.ID), bulk.ErrJobLeft)
		time.Sleep(2 * time.Second)
		require.NoError(t, f.worker().RunJob(t.Context(), job.ID))
		assert.Contains(t, log.String(), `level=INFO msg="job ended" job=`+job.ID+` tenant=`+tenant+` status=completed dryRun=false rows=1000`+
			` created=1000 updated=0 unchanged=0 skipped=0 failed=0 notProcessed=0 attempts=2 waitSeconds=3 runSeconds=2.`)
		assert.Equal(t, 1, strings.Count(log.String(), "job ended"))

		log.Reset()
		job = f.submit(200, bulk.DefaultOptions())
		time.Sleep(4 * time.Second)
		_, err := f.importer().Cancel(t.Context(), admin, job.ID)
		require.NoError(t, err)
		_, err = f.importer().Cancel(t.Context(), admin, job.ID)
		require.ErrorIs(t, err, bulk.ErrJobEnded)
		assert.Contains(t, log.String(), `job=`+job.ID)
		assert.Contains(t, log.String(), `status=cancelled dryRun=false rows=200 created=0 updated=0 unchanged=0 skipped=0 failed=0 notProcessed=200 attempts=0 waitSeconds=4 runSeconds=0`)
		assert.Equal(t, 1, strings.Count(log.String(), "job ended"))

		log.Reset()
		f.cfg.MaxAttempts = 1
		f.cfg.Store = &lookupStore{f.store, func([]bulk.Ref) error { return errReset }}
		job = f.submit(200, bulk.DefaultOptions())
		for !f.get(job.ID).Status.Ended() {
			time.Sleep(10 * time.Minute)
			_ = f.worker().RunJob(t.Context(), job.ID)
		}
		assert.Contains(t, log.String(), `status=failed`)
		assert.Contains(t, log.String(), ` code=UNAVAILABLE`)
		assert.Equal(t, 1, strings.Count(log.String(), "job ended"))
	})
}
