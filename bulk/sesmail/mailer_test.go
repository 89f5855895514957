package sesmail_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/sesmail"
)

// A request is the body of a SendBulkEmail, as SES reads it.
type request struct {
	FromEmailAddress     string
	ReplyToAddresses     []string
	ConfigurationSetName string
	DefaultEmailTags     []tag
	DefaultContent       struct {
		Template struct{ TemplateName, TemplateData string }
	}
	BulkEmailEntries []struct {
		Destination             struct{ ToAddresses []string }
		ReplacementTags         []tag
		ReplacementEmailContent struct {
			ReplacementTemplate struct{ ReplacementTemplateData string }
		}
	}
}

type tag struct{ Name, Value string }

func (r request) to() (addresses []string) {
	for _, entry := range r.BulkEmailEntries {
		addresses = append(addresses, entry.Destination.ToAddresses...)
	}
	return addresses
}

// A ses speaks the protocol of SES: it answers each call by what answer returns,
// a status for each email, or an error.
type ses struct {
	answer func(call int, r request) (statuses []string, fail *failure)

	mu    sync.Mutex
	calls []request
	times []time.Time
	last  io.Reader // the body of the latest call
}

// A failure is an error of a whole call: an answer, or an error of the connection.
type failure struct {
	status int
	code   string
	err    error
}

// Do implements [aws.HTTPClient]. Without a network between, tests run in fake time.
func (s *ses) Do(httpRequest *http.Request) (*http.Response, error) {
	if err := httpRequest.Context().Err(); err != nil {
		return nil, err
	}
	if want := "/v2/email/outbound-bulk-emails"; httpRequest.Method != http.MethodPost || httpRequest.URL.Path != want {
		return nil, fmt.Errorf("%s %s; want POST %s", httpRequest.Method, httpRequest.URL.Path, want)
	}
	var r request
	decoder := json.NewDecoder(httpRequest.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return nil, err
	}
	s.mu.Lock()
	call := len(s.calls)
	s.calls = append(s.calls, r)
	s.times = append(s.times, time.Now())
	s.last = httpRequest.Body
	s.mu.Unlock()

	var statuses []string
	var fail *failure
	if s.answer != nil {
		statuses, fail = s.answer(call, r)
	} else {
		statuses = make([]string, len(r.BulkEmailEntries))
	}
	recorder := httptest.NewRecorder()
	switch {
	case fail != nil && fail.err != nil:
		return nil, fail.err
	case fail != nil:
		recorder.Header().Set("X-Amzn-ErrorType", fail.code)
		recorder.WriteHeader(fail.status)
		io.WriteString(recorder, `{"message": "because"}`)
	default:
		results := make([]map[string]string, len(statuses))
		for i, status := range statuses {
			results[i] = map[string]string{"Status": status, "Error": "because"}
			if status == "" {
				results[i] = map[string]string{"Status": "SUCCESS", "MessageId": fmt.Sprint(call, i)}
			}
		}
		json.NewEncoder(recorder).Encode(map[string]any{"BulkEmailEntryResults": results})
	}
	return recorder.Result(), nil
}

func (s *ses) client() *sesv2.Client {
	return sesv2.New(sesv2.Options{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("a", "s", ""),
		HTTPClient:  s,
	})
}

// mailer returns a mailer that sends to s. Its options are filled in.
func (s *ses) mailer(t *testing.T, opts sesmail.Options) *sesmail.Mailer {
	t.Helper()
	opts.From, opts.Template = "Ana <ana@example.com>", "welcome"
	if opts.EmailsPerSecond == 0 {
		opts.EmailsPerSecond = -1
	}
	mailer, err := sesmail.New(s.client(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return mailer
}

func messages(n int) []bulk.Welcome {
	list := make([]bulk.Welcome, n)
	for i := range list {
		list[i] = bulk.Welcome{
			Key:  fmt.Sprintf("job_0190-a/%d", i),
			User: bulk.User{ID: fmt.Sprint("u", i), Email: fmt.Sprintf("u%d@example.com", i)},
		}
	}
	return list
}

func TestRequest(t *testing.T) {
	s := &ses{}
	mailer := s.mailer(t, sesmail.Options{
		ReplyTo:          []string{"help@example.com"},
		ConfigurationSet: "events",
		Tags:             map[string]string{"app": "crm"},
	})
	for i, err := range mailer.SendWelcome(t.Context(), messages(2)) {
		if err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	var want request
	err := json.Unmarshal([]byte(`{
		"FromEmailAddress": "Ana <ana@example.com>",
		"ReplyToAddresses": ["help@example.com"],
		"ConfigurationSetName": "events",
		"DefaultEmailTags": [{"Name": "app", "Value": "crm"}],
		"DefaultContent": {"Template": {"TemplateName": "welcome", "TemplateData": "{}"}},
		"BulkEmailEntries": [{
			"Destination": {"ToAddresses": ["u0@example.com"]},
			"ReplacementTags": [{"Name": "bulkops-key", "Value": "job_0190-a_0"}],
			"ReplacementEmailContent": {"ReplacementTemplate": {
				"ReplacementTemplateData": "{\"userId\":\"u0\",\"email\":\"u0@example.com\"}"}}
		}, {
			"Destination": {"ToAddresses": ["u1@example.com"]},
			"ReplacementTags": [{"Name": "bulkops-key", "Value": "job_0190-a_1"}],
			"ReplacementEmailContent": {"ReplacementTemplate": {
				"ReplacementTemplateData": "{\"userId\":\"u1\",\"email\":\"u1@example.com\"}"}}
		}]}`), &want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]request{want}, s.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// Each email has the outcome that SES gives it, and only what may pass is sent
// again.
func TestOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &ses{answer: func(call int, r request) ([]string, *failure) {
			if call == 0 {
				return []string{"", "MESSAGE_REJECTED", "ACCOUNT_THROTTLED", "TRANSIENT_FAILURE", "ACCOUNT_DAILY_QUOTA_EXCEEDED"}, nil
			}
			return []string{"", "TRANSIENT_FAILURE"}[:len(r.BulkEmailEntries)], nil
		}}
		throttled := 0
		ctx := bulk.WatchThrottles(t.Context(), func(parts int) { throttled += parts })
		outcomes := s.mailer(t, sesmail.Options{MaxAttempts: 3}).SendWelcome(ctx, messages(5))
		if throttled != 1 {
			t.Errorf("%d emails were told to be throttled, want 1", throttled)
		}

		statuses := make([]types.BulkEmailStatus, len(outcomes))
		for i, err := range outcomes {
			var rejected *sesmail.RejectedError
			if errors.As(err, &rejected) {
				statuses[i] = rejected.Status
				if rejected.Message != "because" {
					t.Errorf("message %d: %v", i, err)
				}
			} else if err != nil {
				t.Errorf("message %d: %v", i, err)
			}
		}
		want := []types.BulkEmailStatus{"", "MESSAGE_REJECTED", "", "", "ACCOUNT_DAILY_QUOTA_EXCEEDED"}
		if diff := cmp.Diff(want, statuses); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		var sent [][]string
		for _, call := range s.calls {
			sent = append(sent, call.to())
		}
		wantSent := [][]string{
			{"u0@example.com", "u1@example.com", "u2@example.com", "u3@example.com", "u4@example.com"},
			{"u2@example.com", "u3@example.com"},
			{"u3@example.com"},
		}
		if diff := cmp.Diff(wantSent, sent); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
	})
}

// A call that failed as a whole is made again only if nothing of it was sent.
func TestFailedCalls(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	reset := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	for name, test := range map[string]struct {
		fail  failure
		again bool
	}{
		"throttled":         {failure{status: 429, code: "TooManyRequestsException"}, true},
		"unavailable":       {failure{status: 503, code: "ServiceUnavailable"}, true},
		"not connected":     {failure{err: dial}, true},
		"answer lost":       {failure{err: reset}, false},
		"server error":      {failure{status: 500, code: "InternalFailure"}, false},
		"template missing":  {failure{status: 404, code: "NotFoundException"}, false},
		"sender unverified": {failure{status: 400, code: "MailFromDomainNotVerifiedException"}, false},
		"denied":            {failure{status: 403, code: "AccessDeniedException"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// It passes after two calls.
				s := &ses{answer: func(call int, r request) ([]string, *failure) {
					if call < 2 {
						return nil, &test.fail
					}
					return make([]string, len(r.BulkEmailEntries)), nil
				}}
				for i, err := range s.mailer(t, sesmail.Options{}).SendWelcome(t.Context(), messages(3)) {
					if (err == nil) != test.again {
						t.Errorf("message %d: %v", i, err)
					}
				}
				want := 1
				if test.again {
					want = 3
				}
				if len(s.calls) != want {
					t.Errorf("%d calls, want %d", len(s.calls), want)
				}

				// It never passes.
				s = &ses{answer: func(int, request) ([]string, *failure) { return nil, &test.fail }}
				for i, err := range s.mailer(t, sesmail.Options{MaxAttempts: 4}).SendWelcome(t.Context(), messages(3)) {
					if err == nil {
						t.Errorf("message %d: no error", i)
					}
				}
				if len(s.calls) > 4 {
					t.Errorf("%d calls", len(s.calls))
				}
			})
		})
	}
}

func TestTooFewResults(t *testing.T) {
	s := &ses{answer: func(int, request) ([]string, *failure) { return []string{""}, nil }}
	outcomes := s.mailer(t, sesmail.Options{}).SendWelcome(t.Context(), messages(2))
	if outcomes[0] != nil || outcomes[1] == nil {
		t.Errorf("outcomes are %v", outcomes)
	}
}

// What SES cannot take is not sent, and does not keep the others from it.
func TestMessagesThatCannotBeSent(t *testing.T) {
	list := messages(9)
	for i, email := range []string{
		"a,b@example.com", "Ana<ana@example.com>", "<ana@example.com>", "änä@example.com", "ana@exämple.com",
		"ana@example.com\r\nBcc: all@example.com", "ana@example.com;", "",
	} {
		list[i].User.Email = email
	}
	s := &ses{}
	for i, err := range s.mailer(t, sesmail.Options{}).SendWelcome(t.Context(), list) {
		if (err == nil) != (i == 8) {
			t.Errorf("%q: %v", list[i].User.Email, err)
		}
	}
	if diff := cmp.Diff([]string{"u8@example.com"}, s.calls[0].to()); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestTemplateData(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		data func(bulk.Welcome) (any, error)
		want string // "" for an error
	}{
		"object":     {func(m bulk.Welcome) (any, error) { return map[string]any{"name": m.User.ID}, nil }, `{"name":"u0"}`},
		"error":      {func(bulk.Welcome) (any, error) { return nil, broken }, ""},
		"array":      {func(bulk.Welcome) (any, error) { return []int{1}, nil }, ""},
		"nil":        {func(bulk.Welcome) (any, error) { return nil, nil }, ""},
		"not JSON":   {func(bulk.Welcome) (any, error) { return math.NaN(), nil }, ""},
		"too much":   {func(bulk.Welcome) (any, error) { return map[string]string{"a": strings.Repeat("x", 262_144)}, nil }, ""},
		"just right": {func(bulk.Welcome) (any, error) { return bulk.User{ID: "u"}, nil }, `{"userId":"u"}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := &ses{}
			err := s.mailer(t, sesmail.Options{TemplateData: test.data}).SendWelcome(t.Context(), messages(1))[0]
			if test.want == "" {
				if err == nil || len(s.calls) > 0 {
					t.Errorf("error is %v, %d calls", err, len(s.calls))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := s.calls[0].BulkEmailEntries[0].ReplacementEmailContent.ReplacementTemplate.ReplacementTemplateData
			if got != test.want {
				t.Errorf("data is %s, want %s", got, test.want)
			}
		})
	}
}

// However many calls there are at once, the emails of all keep to the rate.
func TestRate(t *testing.T) {
	for _, test := range []struct {
		rate    float64
		batch   int           // emails of a call
		seconds time.Duration // until the last call, for 2 × 30 emails
	}{
		{rate: 10, batch: 10, seconds: 5 * time.Second},
		{rate: 1, batch: 1, seconds: 59 * time.Second},
		{rate: 0.5, batch: 1, seconds: 118 * time.Second},
		{rate: 1000, batch: 30, seconds: 30 * time.Millisecond},
		{rate: -1, batch: 30},
	} {
		t.Run(fmt.Sprint(test.rate), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &ses{}
				mailer := s.mailer(t, sesmail.Options{EmailsPerSecond: test.rate})
				start := time.Now()
				var wg sync.WaitGroup
				for range 2 {
					wg.Go(func() {
						for _, err := range mailer.SendWelcome(t.Context(), messages(30)) {
							if err != nil {
								t.Error(err)
							}
						}
					})
				}
				wg.Wait()
				for _, call := range s.calls {
					if n := len(call.to()); n != test.batch {
						t.Errorf("a call with %d emails, want %d", n, test.batch)
					}
				}
				if last := s.times[len(s.times)-1].Sub(start); last != test.seconds {
					t.Errorf("last call after %v, want %v", last, test.seconds)
				}
			})
		})
	}
}

// Cancelling ends a call at once, wherever it waits.
func TestCancel(t *testing.T) {
	for name, s := range map[string]*ses{
		"rate": {},
		"backoff": {answer: func(int, request) ([]string, *failure) {
			return nil, &failure{status: 429, code: "TooManyRequestsException"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				start := time.Now()
				time.AfterFunc(10*time.Millisecond, cancel)
				rate := 1.0
				if name == "backoff" {
					rate = -1
				}
				outcomes := s.mailer(t, sesmail.Options{EmailsPerSecond: rate}).SendWelcome(ctx, messages(3))
				if d := time.Since(start); d != 10*time.Millisecond {
					t.Errorf("returned after %v", d)
				}
				if err := outcomes[2]; err == nil || name == "rate" && !errors.Is(err, context.Canceled) {
					t.Errorf("last outcome is %v", err)
				}
			})
		})
	}
}

func TestKeyTags(t *testing.T) {
	s := &ses{}
	list := messages(3)
	list[0].Key, list[1].Key, list[2].Key = "job_1/2", "a b", strings.Repeat("x", 300)
	s.mailer(t, sesmail.Options{KeyTag: "key"}).SendWelcome(t.Context(), list)
	seen := make(map[string]bool)
	for i, entry := range s.calls[0].BulkEmailEntries {
		tag := entry.ReplacementTags[0]
		if i == 0 && tag.Value != "job_1_2" || tag.Name != "key" || len(tag.Value) > sesmail.MaxTag || seen[tag.Value] ||
			strings.ContainsAny(tag.Value, " /") {
			t.Errorf("tag of %q is %+v", list[i].Key, tag)
		}
		seen[tag.Value] = true
	}
}

// The SDK's retries would not know that a lost answer may have sent emails.
func TestClientRetriesAreOff(t *testing.T) {
	s := &ses{answer: func(int, request) ([]string, *failure) { return nil, &failure{status: 500, code: "InternalFailure"} }}
	client := sesv2.New(s.client().Options(), func(o *sesv2.Options) { o.RetryMaxAttempts = 5 })
	mailer, err := sesmail.New(client, sesmail.Options{From: "ana@example.com", Template: "t"})
	if err != nil {
		t.Fatal(err)
	}
	if err := mailer.SendWelcome(t.Context(), messages(1))[0]; err == nil || len(s.calls) != 1 {
		t.Errorf("%d calls, error %v", len(s.calls), err)
	}
}

// A body that fails after it was closed would make net/http close the connection of
// an answer that is being read, and emails that were sent count as failed.
func TestBodyThatWasClosedHasEnded(t *testing.T) {
	var s ses
	if err := s.mailer(t, sesmail.Options{}).SendWelcome(t.Context(), messages(1))[0]; err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, s.last); n != 0 || err != nil {
		t.Errorf("a copy of the closed body returned %d, %v", n, err)
	}
}

func TestOptions(t *testing.T) {
	good := sesmail.Options{From: "ana@example.com", Template: "t"}
	for field, change := range map[string]func(*sesmail.Options){
		"From":            func(o *sesmail.Options) { o.From = "" },
		"Template":        func(o *sesmail.Options) { o.Template = "" },
		"EmailsPerSecond": func(o *sesmail.Options) { o.EmailsPerSecond = math.NaN() },
		"MaxAttempts":     func(o *sesmail.Options) { o.MaxAttempts = -1 },
		"ReplyTo":         func(o *sesmail.Options) { o.ReplyTo = []string{"ana"} },
		"KeyTag":          func(o *sesmail.Options) { o.KeyTag = "a b" },
		"Tags":            func(o *sesmail.Options) { o.Tags = map[string]string{"a": ""} },
	} {
		opts := good
		change(&opts)
		_, err := sesmail.New((&ses{}).client(), opts)
		var bad *bulk.ConfigError
		if !errors.As(err, &bad) || bad.Field != "Options."+field {
			t.Errorf("%s: %v", field, err)
		}
	}
	good.From = "ana@example.com\r\nBcc: all@example.com"
	if _, err := sesmail.New((&ses{}).client(), good); err == nil {
		t.Error("a sender with line breaks is allowed")
	}
	if _, err := sesmail.New(nil, good); err == nil {
		t.Error("no error without a client")
	}
}

var _ aws.HTTPClient = (*ses)(nil)
