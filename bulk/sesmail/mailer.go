package sesmail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/mail"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/awsconf"
	"github.com/bulkops/bulkops/internal/backoff"
)

// A Mailer is a [bulk.Mailer] that sends by SES. It is safe for concurrent use, and
// keeps to its rate over all calls. Make one with [New].
type Mailer struct {
	client  Client
	opts    Options
	limiter *limiter
	batch   int // emails of a call
}

var _ bulk.Mailer = (*Mailer)(nil)

// New returns a mailer, or a [*bulk.ConfigError] that names the option at fault. It
// calls nothing.
func New(client Client, opts Options) (*Mailer, error) {
	if client == nil {
		return nil, &bulk.ConfigError{Field: "client", Problem: "is required"}
	}
	if err := opts.fill(); err != nil {
		return nil, err
	}
	m := &Mailer{client: client, opts: opts, limiter: newLimiter(opts.EmailsPerSecond), batch: bulk.MaxWelcomeBatch}
	if rate := opts.EmailsPerSecond; rate > 0 && rate < bulk.MaxWelcomeBatch {
		// More than a second's worth at once would be throttled.
		m.batch = max(1, int(rate))
	}
	return m, nil
}

// pause is the wait before an email is sent again.
var pause = backoff.Backoff{Base: 400 * time.Millisecond, Cap: 5 * time.Second}

// SendWelcome implements [bulk.Mailer].
func (m *Mailer) SendWelcome(ctx context.Context, messages []bulk.Welcome) []error {
	outcomes := make([]error, len(messages))
	entries := make([]types.BulkEmailEntry, len(messages))
	var todo []int // indexes
	for i, message := range messages {
		entry, err := m.entry(message)
		if err != nil {
			outcomes[i] = fmt.Errorf("sesmail: %w", err)
			continue
		}
		entries[i] = entry
		todo = append(todo, i)
	}
	for n := 1; len(todo) > 0; n++ {
		if todo = m.attempt(ctx, entries, todo, outcomes); n == m.opts.MaxAttempts {
			break
		}
		if len(todo) > 0 && pause.Wait(ctx, n) != nil {
			break
		}
	}
	return outcomes
}

// attempt sends the emails of these indexes, sets their outcomes, and returns those
// that may be sent again.
func (m *Mailer) attempt(ctx context.Context, entries []types.BulkEmailEntry, todo []int, outcomes []error) (again []int) {
	for batch := range slices.Chunk(todo, m.batch) {
		if err := m.limiter.wait(ctx, len(batch)); err != nil {
			for _, i := range batch {
				outcomes[i] = fmt.Errorf("sesmail: not sent: %w", err)
			}
			continue // the rest learns it the same way
		}
		again = append(again, m.send(ctx, entries, batch, outcomes)...)
	}
	return again
}

// send makes one call.
func (m *Mailer) send(ctx context.Context, entries []types.BulkEmailEntry, batch []int, outcomes []error) (again []int) {
	input := &sesv2.SendBulkEmailInput{
		FromEmailAddress: aws.String(m.opts.From),
		ReplyToAddresses: m.opts.ReplyTo,
		DefaultContent: &types.BulkEmailContent{Template: &types.Template{
			TemplateName: aws.String(m.opts.Template),
			TemplateData: aws.String("{}"),
		}},
	}
	if m.opts.ConfigurationSet != "" {
		input.ConfigurationSetName = aws.String(m.opts.ConfigurationSet)
	}
	for name, value := range m.opts.Tags {
		input.DefaultEmailTags = append(input.DefaultEmailTags, tag(name, value))
	}
	for _, i := range batch {
		input.BulkEmailEntries = append(input.BulkEmailEntries, entries[i])
	}
	out, err := m.client.SendBulkEmail(ctx, input, once)
	if err != nil {
		if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		for _, i := range batch {
			outcomes[i] = fmt.Errorf("sesmail: send: %w", err)
		}
		if awsconf.Throttled(err) {
			bulk.ReportThrottle(ctx, len(batch))
		}
		if notAccepted(err) {
			return batch
		}
		return nil
	}
	for n, i := range batch {
		if n >= len(out.BulkEmailEntryResults) {
			outcomes[i] = errors.New("sesmail: SES returned no result for the email")
			continue
		}
		result := out.BulkEmailEntryResults[n]
		outcomes[i] = outcome(result)
		switch result.Status {
		case types.BulkEmailStatusAccountThrottled:
			bulk.ReportThrottle(ctx, 1)
			again = append(again, i)
		case types.BulkEmailStatusTransientFailure:
			again = append(again, i)
		}
	}
	return again
}

// A RejectedError is the outcome of an email that SES did not accept while it
// accepted the call.
type RejectedError struct {
	// Status is why, such as MESSAGE_REJECTED.
	Status types.BulkEmailStatus
	// Message is what SES says to it.
	Message string
}

func (e *RejectedError) Error() string { return fmt.Sprintf("sesmail: %s: %s", e.Status, e.Message) }

// ErrorCode returns the status, for the log.
func (e *RejectedError) ErrorCode() string { return string(e.Status) }

func outcome(result types.BulkEmailEntryResult) error {
	if result.Status == types.BulkEmailStatusSuccess {
		return nil
	}
	return &RejectedError{Status: result.Status, Message: aws.ToString(result.Error)}
}

// notAccepted reports whether a call that failed so did certainly send nothing, and
// may succeed when it is made again.
func notAccepted(err error) bool {
	var dial *net.OpError
	var response *smithyhttp.ResponseError
	return awsconf.Throttled(err) ||
		errors.As(err, &dial) && dial.Op == "dial" ||
		errors.As(err, &response) && response.HTTPStatusCode() == http.StatusServiceUnavailable
}

// entry makes an email of a message.
func (m *Mailer) entry(message bulk.Welcome) (types.BulkEmailEntry, error) {
	if err := checkAddress(message.User.Email); err != nil {
		return types.BulkEmailEntry{}, err
	}
	data, err := m.opts.TemplateData(message)
	if err != nil {
		return types.BulkEmailEntry{}, fmt.Errorf("data of the template: %w", err)
	}
	encoded, err := json.Marshal(data)
	if err != nil {
		return types.BulkEmailEntry{}, fmt.Errorf("data of the template: %w", err)
	}
	if len(encoded) > MaxTemplateData || encoded[0] != '{' {
		return types.BulkEmailEntry{}, fmt.Errorf("data of the template is not a JSON object of at most %d bytes", MaxTemplateData)
	}
	return types.BulkEmailEntry{
		Destination: &types.Destination{ToAddresses: []string{message.User.Email}},
		ReplacementEmailContent: &types.ReplacementEmailContent{
			ReplacementTemplate: &types.ReplacementTemplate{ReplacementTemplateData: aws.String(string(encoded))},
		},
		ReplacementTags: []types.MessageTag{tag(m.opts.KeyTag, keyTag(message.Key))},
	}, nil
}

var errAddress = errors.New("SES does not take the address")

// checkAddress returns an error for what is not one plain ASCII address. The
// validation of users allows more: "a,b@example.com" or "Ana<ana@example.com>" would
// be read otherwise in a header.
func checkAddress(email string) error {
	for _, c := range []byte(email) {
		if c <= ' ' || c > '~' {
			return errAddress
		}
	}
	if address, err := mail.ParseAddress(email); err != nil || address.Name != "" || address.Address != email {
		return errAddress
	}
	return nil
}

func tag(name, value string) types.MessageTag {
	return types.MessageTag{Name: aws.String(name), Value: aws.String(value)}
}
