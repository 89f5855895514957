package sesmail

import (
	"fmt"
	"maps"
	"math"
	"net/mail"
	"slices"

	"github.com/bulkops/bulkops/bulk"
)

// Limits of the service, and defaults.
const (
	// MaxTemplateData is the length in bytes of the data of one email. Source: SES
	// API v2 reference, Template, TemplateData.
	MaxTemplateData = 262_144
	// MaxTag is the length of a message tag's name and of its value. Source: SES
	// API v2 reference, MessageTag.
	MaxTag = 256

	// DefaultEmailsPerSecond is the send rate that SES gives to most accounts when
	// they leave the sandbox, where it is 1.
	DefaultEmailsPerSecond = 14
	DefaultMaxAttempts     = 5
	DefaultKeyTag          = "bulkops-key"
)

// Options say what is sent. From and Template are required; the zero value of
// every other field takes its default.
type Options struct {
	// From is the sender, as in "Ana <ana@example.com>": an identity that SES has
	// verified. Required.
	From string
	// Template is the name of the SES template. Required.
	Template string
	// TemplateData returns the data of a message for the template: a value that
	// encodes as a JSON object. An error fails that message alone. It may be called
	// from several goroutines, and more than once for a message. Defaults to the
	// members userId and email.
	TemplateData func(message bulk.Welcome) (any, error)

	// EmailsPerSecond is how many emails are sent in a second, by this mailer: the
	// send rate of the account, divided by the number of processes that send. A
	// negative number is no limit. Defaults to 14.
	EmailsPerSecond float64
	// MaxAttempts is how often an email is sent that SES did not accept for now.
	// Defaults to 5, which take some six seconds.
	MaxAttempts int

	// ReplyTo are the addresses that get replies. Defaults to none.
	ReplyTo []string
	// ConfigurationSet is the SES configuration set. Defaults to that of the
	// sender's identity.
	ConfigurationSet string
	// KeyTag is the name of the message tag that has the key of the message.
	// Defaults to "bulkops-key".
	KeyTag string
	// Tags are other message tags, by name. Defaults to none.
	Tags map[string]string
}

func (o *Options) fill() error {
	if o.TemplateData == nil {
		o.TemplateData = defaultData
	}
	if o.EmailsPerSecond == 0 {
		o.EmailsPerSecond = DefaultEmailsPerSecond
	}
	if o.MaxAttempts == 0 {
		o.MaxAttempts = DefaultMaxAttempts
	}
	if o.KeyTag == "" {
		o.KeyTag = DefaultKeyTag
	}
	o.ReplyTo = slices.Clone(o.ReplyTo)
	o.Tags = maps.Clone(o.Tags)
	wrong := func(field, format string, args ...any) error {
		return &bulk.ConfigError{Field: "Options." + field, Problem: fmt.Sprintf(format, args...)}
	}
	switch _, err := mail.ParseAddress(o.From); {
	case o.From == "":
		return wrong("From", "is required")
	case err != nil:
		return wrong("From", "is not an address: %v", err)
	case o.Template == "":
		return wrong("Template", "is required")
	case math.IsNaN(o.EmailsPerSecond):
		return wrong("EmailsPerSecond", "is not a number")
	case o.MaxAttempts < 1:
		return wrong("MaxAttempts", "is negative")
	case !validTag(o.KeyTag):
		return wrong("KeyTag", "must have 1 to %d letters, digits, hyphens or underscores", MaxTag)
	}
	for _, address := range o.ReplyTo {
		if _, err := mail.ParseAddress(address); err != nil {
			return wrong("ReplyTo", "has %q, which is not an address: %v", address, err)
		}
	}
	for name, value := range o.Tags {
		if !validTag(name) || !validTag(value) || name == o.KeyTag {
			return wrong("Tags", "has the tag %q, which SES or KeyTag does not allow", name)
		}
	}
	return nil
}

// defaultData is the default of [Options.TemplateData].
func defaultData(message bulk.Welcome) (any, error) {
	return struct {
		UserID string `json:"userId"`
		Email  string `json:"email"`
	}{message.User.ID, message.User.Email}, nil
}
