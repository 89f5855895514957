package logtest_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/bulkops/bulkops/internal/test/logtest"
)

// reports counts what a check reports.
type reports int

func (r *reports) Helper()               {}
func (r *reports) Errorf(string, ...any) { *r++ }

func TestNew(t *testing.T) {
	const email = "ana@example.com"
	for name, log := range map[string]func(*slog.Logger){
		"message":    func(l *slog.Logger) { l.Info("sent to " + email) },
		"value":      func(l *slog.Logger) { l.Info("sent", "to", email) },
		"key":        func(l *slog.Logger) { l.Info("sent", email, 1) },
		"error":      func(l *slog.Logger) { l.Error("failed", "error", fmt.Errorf("send: %w", errors.New(email))) },
		"struct":     func(l *slog.Logger) { l.Info("sent", "user", struct{ Email string }{email}) },
		"group":      func(l *slog.Logger) { l.Info("sent", slog.Group("user", "email", email)) },
		"with":       func(l *slog.Logger) { l.With("email", email).Info("sent") },
		"with group": func(l *slog.Logger) { l.WithGroup("user").With("email", email).Info("sent") },
		"debug":      func(l *slog.Logger) { l.Debug("sent", "to", email) },
	} {
		var seen reports
		log(logtest.New(&seen))
		assert.EqualValues(t, 1, seen, name)
	}
	var (
		seen reports
		text bytes.Buffer
	)
	log := logtest.Tee(&seen, &text)
	log.With("import", "req_1").WithGroup("row").Warn("row could not be written", "index", 3, "stack", "\n\t/mod/pgx@v5.1.0/conn.go:12")
	assert.Zero(t, seen)
	assert.Contains(t, text.String(), "import=req_1 row.index=3")
}
