package contracttest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
)

// A mailer notes what it sends. It refuses addresses that begin with bounce.
type mailer struct {
	mu   sync.Mutex
	sent []string
}

func (m *mailer) SendWelcome(_ context.Context, messages []bulk.Welcome) []error {
	m.mu.Lock()
	defer m.mu.Unlock()
	outcomes := make([]error, len(messages))
	for i, message := range messages {
		if strings.HasPrefix(message.User.Email, "bounce") {
			outcomes[i] = errSecret
			continue
		}
		m.sent = append(m.sent, message.User.Email)
	}
	return outcomes
}

func (m *mailer) mails() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(slices.Values(m.sent))
}

const sendWelcome = `{"sendWelcomeEmail":true}`

func testWelcomeEmails(s *suite) {
	for _, n := range []int{1, 99, 150} {
		for _, body := range []string{
			bodyWith(sendWelcome, fillers("u", n)...),
			`{"users":[` + strings.Join(fillers("u", n), ",") + `],"options":` + sendWelcome + `}`,
		} {
			s.runWitnessed(fmt.Sprintf("400 without a mailer, %d users, %.12s", n, body), func(w *world, v *witness) {
				a := w.post(body)
				a.refusedWith(http.StatusBadRequest, invalidRequest)
				v.sawNothing(w, a)
			})
		}
	}
	for _, m := range modes {
		mails := new(mailer)
		withMailer := func(s *setup) { s.bulk.Mailer = mails }
		s.run(string(m)+"/one email to each user that was created, to the address that it has in the end", func(w *world) {
			w.seed(annRow)
			o := m.send(w, bodyWith(sendWelcome,
				`{"userId":"new","email":"new@example.com"}`,
				`{"email":"generated@example.com"}`,
				`{"userId":"bounced","email":"bounce@example.com"}`,
				`{"userId":"late"}`,
				`{"userId":"A","customFields":{"n":2}}`,
				`{"email":"ann@example.com"}`,
				`{"userId":"new","email":"new@example.com"}`,
				`{"userId":"new","email":"newer@example.com"}`,
				`{"userId":"late","email":"late@example.com"}`,
				`{"userId":"bad","email":"nobody"}`,
				`{"userId":"taken","email":"ann@example.com"}`,
				`{"userId":"silent"}`,
			))
			for i, want := range []struct{ status, mail string }{
				{"created", "sent"}, {"created", "sent"}, {"created", "failed"}, {"created", "sent"}, {"updated", ""}, {"unchanged", ""},
				{"unchanged", ""}, {"updated", ""}, {"updated", ""}, {"failed", ""}, {"failed", ""}, {"created", ""},
			} {
				r := o.row(i, want.status, o.results[i].codes()...)
				if r.WelcomeEmail != want.mail {
					o.errorf("welcomeEmail of row %d is %q, want %q", i, r.WelcomeEmail, want.mail)
				}
			}
			hidesSecrets(o.answer)
			if diff := cmp.Diff([]string{"generated@example.com", "late@example.com", "newer@example.com"}, mails.mails()); diff != "" {
				o.errorf("emails (-want +got):\n%s", diff)
			}
		}, withMailer)

		for _, options := range []string{`{}`, `{"sendWelcomeEmail":false}`, `{"sendWelcomeEmail":true,"dryRun":true}`} {
			none := new(mailer)
			s.run(string(m)+"/no email with "+options, func(w *world) {
				o := m.send(w, bodyWith(options, annRow))
				if r := o.row(0, "created"); r.WelcomeEmail != "" || len(none.mails()) > 0 {
					o.errorf("an email was sent")
				}
			}, func(s *setup) { s.bulk.Mailer = none })
		}
		s.run(string(m)+"/a mailer that panics fails its emails and nothing else", func(w *world) {
			o := m.send(w, bodyWith(sendWelcome, annRow))
			if r := o.row(0, "created"); r.WelcomeEmail != "failed" {
				o.errorf("welcomeEmail is %q, want failed", r.WelcomeEmail)
			}
			hidesSecrets(o.answer)
			w.holds(o.answer, ann)
		}, func(s *setup) { s.bulk.Mailer = panickyMailer{} })
	}
	many := new(mailer)
	s.run("a job of many users", func(w *world) {
		o := asJob.send(w, bodyWith(sendWelcome, fillers("u", 130)...))
		for i, r := range o.results {
			if r.WelcomeEmail != "sent" {
				o.errorf("welcomeEmail of row %d is %q, want sent", i, r.WelcomeEmail)
			}
		}
		mails := many.mails()
		if once := slices.Compact(slices.Clone(mails)); len(mails) != 130 || len(once) != 130 {
			o.errorf("%d emails were sent to %d addresses, want 130", len(mails), len(once))
		}
	}, func(s *setup) { s.bulk.Mailer = many })
}

type panickyMailer struct{}

func (panickyMailer) SendWelcome(context.Context, []bulk.Welcome) []error {
	panic(errors.New(secret))
}
