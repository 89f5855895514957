package main

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/bulkops/bulkops/bulk"
)

// A printMailer prints welcome emails instead of sending them.
type printMailer struct {
	mu  sync.Mutex
	out io.Writer
}

var _ bulk.Mailer = (*printMailer)(nil)

// SendWelcome implements [bulk.Mailer].
func (m *printMailer) SendWelcome(_ context.Context, messages []bulk.Welcome) []error {
	m.mu.Lock()
	defer m.mu.Unlock()
	outcomes := make([]error, len(messages))
	for i, message := range messages {
		_, outcomes[i] = fmt.Fprintf(m.out, "welcome email to %s (user %q, tenant %q, key %s)\n",
			message.User.Email, message.User.ID, message.Tenant, message.Key)
	}
	return outcomes
}
