package bulk_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
)

// A mailCase is rows, what another program does before the mails go out, and the
// mails of the contract: by row, the address.
type mailCase struct {
	rows   []string
	before func(f *fixture)
	want   map[int]string
}

func mailCases(t *testing.T) map[string]mailCase {
	return map[string]mailCase{
		"GivenByALaterRow": {
			rows: []string{`{"userId":"a"}`, `{"userId":"a","email":"a@x.io"}`},
			want: map[int]string{0: "a@x.io"},
		},
		"CorrectedByALaterRow": {
			rows: []string{`{"userId":"a","email":"wrnog@x.io"}`, `{"userId":"b"}`, `{"userId":"a","email":"right@x.io"}`},
			want: map[int]string{0: "right@x.io"},
		},
		"MovedToAnotherUser": {
			rows: []string{`{"userId":"a","email":"z@x.io"}`, `{"userId":"a","email":"a@x.io"}`, `{"userId":"b","email":"z@x.io"}`},
			want: map[int]string{0: "a@x.io", 2: "z@x.io"},
		},
		"ToOneThatExisted": {
			rows: []string{`{"userId":"a","email":"z@x.io"}`, `{"userId":"a","email":"a@x.io"}`, `{"userId":"old","email":"z@x.io"}`},
			want: map[int]string{0: "a@x.io"},
		},
		"TakenByAnotherProgram": {
			rows: []string{`{"userId":"a","email":"z@x.io"}`, `{"userId":"b","email":"b@x.io"}`},
			before: func(f *fixture) {
				assert.NoError(t, f.mem.Put(tenant, bulk.User{ID: "a"}, bulk.User{ID: "c", Email: "z@x.io"}))
			},
			want: map[int]string{1: "b@x.io"},
		},
		"DeletedByAnotherProgram": {
			rows:   []string{`{"userId":"a","email":"z@x.io"}`},
			before: func(f *fixture) { assert.True(t, f.mem.Delete(tenant, "a")) },
			want:   map[int]string{},
		},
		"NotCreated": {
			rows: []string{`{"userId":"old","email":"new@x.io"}`, `{"userId":"old","customFields":{"n":1}}`, `{"email":"new@x.io"}`},
			want: map[int]string{},
		},
	}
}

// A mailbox is where welcome emails go: the addresses by key.
type mailbox struct {
	*post
	addresses map[string]string
}

func (b *mailbox) SendWelcome(ctx context.Context, messages []bulk.Welcome) []error {
	for _, m := range messages {
		b.addresses[m.Key] = m.User.Email
	}
	return b.post.SendWelcome(ctx, messages)
}

// A mailRoom looks up users for their mails after another program was there.
type mailRoom struct {
	bulk.Store
	before func()
}

func (s *mailRoom) Lookup(ctx context.Context, tenant string, refs []bulk.Ref) ([]bulk.Found, error) {
	for _, ref := range refs {
		if s.before != nil && ref.Email == "" && s.created(ctx, ref.ID) {
			s.before()
			s.before = nil
		}
	}
	return s.Store.Lookup(ctx, tenant, refs)
}

func (s *mailRoom) created(ctx context.Context, id string) bool {
	found, err := s.Store.Lookup(ctx, tenant, []bulk.Ref{{ID: id}})
	return err == nil && found[0].ByID != nil
}

// TestWelcomeEmailsGoToTheAddressThen changes addresses between the creation of a
// user and the last row.
func TestWelcomeEmailsGoToTheAddressThen(t *testing.T) {
	for name, test := range mailCases(t) {
		for _, job := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/job=%t", name, job), func(t *testing.T) {
				bubble(t, func(t *testing.T, f *fixture) {
					require.NoError(t, f.mem.Put(tenant, bulk.User{ID: "old", Email: "old@x.io"}))
					box := &mailbox{f.post, map[string]string{}}
					f.cfg.Mailer = box
					room := &mailRoom{Store: f.mem}
					if test.before != nil {
						room.before = func() { test.before(f) }
					}
					f.cfg.Store = room
					opts := bulk.DefaultOptions()
					opts.SendWelcomeEmail = true
					report, made, _, err := accept(f.importer(), t.Context(), bulk.Request{Principal: admin, Rows: rows(test.rows...), Options: opts, Async: job})
					require.NoError(t, err)
					var results []bulk.RowResult
					if job {
						require.NoError(t, f.worker().RunJob(t.Context(), made.ID))
						file, _ := readResultsFile(t, f.cfg, f.get(made.ID))
						results = file.Results
					} else {
						results = report.Results
					}
					got := map[int]string{}
					for key, address := range box.addresses {
						var row int
						_, err := fmt.Sscanf(key[len(key)-2:], "/%d", &row)
						require.NoError(t, err, key)
						got[row] = address
						assert.Equal(t, 1, f.post.sent[key], key)
					}
					assert.Equal(t, test.want, got)
					for i, r := range results {
						want := bulk.WelcomeStatus("")
						if _, ok := test.want[i]; ok {
							want = bulk.WelcomeSent
						}
						assert.Equal(t, want, r.WelcomeEmail, "row %d", i)
					}
				})
			})
		}
	}
}

type chaosMailer struct {
	bulk.Mailer
	c *chaos
}

func (m chaosMailer) SendWelcome(ctx context.Context, messages []bulk.Welcome) (outcomes []error) {
	err := m.c.call(func() error { outcomes = m.Mailer.SendWelcome(ctx, messages); return nil })
	if err != nil {
		return same(err, len(messages))
	}
	return outcomes
}

// TestMovedWelcomeEmailsAfterEveryCrash kills the worker at every call of a job whose
// users change their addresses: each gets a mail at its last one, and at most one
// batch of them two, with the same keys.
func TestMovedWelcomeEmailsAfterEveryCrash(t *testing.T) {
	var texts []string
	for i := range 30 {
		texts = append(texts, fmt.Sprintf(`{"userId":"u%d","email":"first%d@x.io"}`, i, i))
	}
	for i := range 29 {
		texts = append(texts, fmt.Sprintf(`{"userId":"u%d","email":"last%d@x.io"}`, i, i))
	}
	texts = append(texts, `{"userId":"new","email":"first0@x.io"}`)
	want := map[string]string{}
	for i := range 30 {
		want[fmt.Sprint(i)] = fmt.Sprintf("last%d@x.io", i)
	}
	want["29"], want["59"] = "first29@x.io", "first0@x.io"
	die, reached := 1, true
	for ; reached; die++ {
		for _, applied := range []bool{false, true} {
			bubble(t, func(t *testing.T, f *fixture) {
				f.cfg.SegmentRows = 20
				box := &mailbox{f.post, map[string]string{}}
				f.cfg.Mailer = box
				opts := bulk.DefaultOptions()
				opts.SendWelcomeEmail = true
				job, err := f.importer().Submit(t.Context(), bulk.Request{Principal: admin, Rows: rows(texts...), Options: opts})
				require.NoError(t, err)
				c := &chaos{rand: rand.New(rand.NewPCG(1, 2)), dieAt: die, applied: applied}
				cfg := f.cfg
				cfg.Store, cfg.Blobs, cfg.Jobs, cfg.Mailer = chaosStore{f.mem, c}, chaosBlobs{f.blobs, c}, chaosJobs{f.jobs, c}, chaosMailer{box, c}
				w, err := bulk.NewWorker(cfg)
				require.NoError(t, err)
				w.RunJob(t.Context(), job.ID)
				reached = c.calls >= die
				_, file := f.finish(job.ID)
				assert.Equal(t, bulk.Summary{Created: 31, Updated: 29}, file.Summary)
				got, twice := map[string]string{}, 0
				for key, address := range box.addresses {
					got[key[len(job.ID)+1:]] = address
					twice += f.post.sent[key] - 1
				}
				assert.Equal(t, want, got, "killed at %d, applied %t", die, applied)
				assert.LessOrEqual(t, twice, 20, "killed at %d: more than a batch went out twice", die)
			})
		}
	}
	assert.Greater(t, die, 20, "calls")
}

// TestUserWithoutAnAddressGetsNoMailAfterACrash has it in a batch whose outcomes are
// noted when the worker fails.
func TestUserWithoutAnAddressGetsNoMailAfterACrash(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		opts := bulk.DefaultOptions()
		opts.SendWelcomeEmail = true
		users := people(100)
		users[3].Email = ""
		job, err := f.importer().Submit(t.Context(), bulk.Request{Principal: admin, Rows: bulk.Users(users...), Options: opts})
		require.NoError(t, err)
		dying := f.cfg
		dying.Blobs = &hookedBlobs{f.blobs, func(op, key string) error {
			if op == "Put" && strings.Contains(key, "/mailed/") {
				return errDead
			}
			return nil
		}}
		w, err := bulk.NewWorker(dying)
		require.NoError(t, err)
		require.Error(t, w.RunJob(t.Context(), job.ID))
		_, file := f.finish(job.ID)
		for i, r := range file.Results {
			want := bulk.WelcomeSent
			if i == 3 {
				want = ""
			}
			assert.Equal(t, want, r.WelcomeEmail, "row %d", i)
		}
		assert.Len(t, f.post.sent, 99)
	})
}

// tidied checks that of a job that has ended nothing is left but payload and results.
func (f *fixture) tidied(t *testing.T, job *bulk.Job) {
	t.Helper()
	assert.ElementsMatch(t, []string{job.Payload, f.get(job.ID).Results}, f.blobs.Keys())
}
