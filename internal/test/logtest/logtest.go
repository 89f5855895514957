// Package logtest checks what tests make a program log.
package logtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
)

// A TB is what a check reports to: a [testing.TB], or the T of a property test.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// source is a line of a stack trace in a module of some version.
var source = regexp.MustCompile(`/\S+@v\d\S*\.(go|s):\d+`)

// New returns a logger that writes nothing and reports to t every line with an @ in its
// message or in a key or value: logs have ids and codes, and never an email.
func New(t TB) *slog.Logger { return Tee(t, io.Discard) }

// Tee returns a logger that checks what New does and writes all lines to w.
func Tee(t TB, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelDebug}
	return slog.New(&handler{t: t, Handler: slog.NewTextHandler(w, options), lines: func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, options) }})
}

// A handler writes every line twice: for the check and where it is wanted. The text
// shows a value as any handler would, nested ones included.
type handler struct {
	t TB
	slog.Handler
	lines func(io.Writer) slog.Handler
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	h.t.Helper()
	var text bytes.Buffer
	if err := h.lines(&text).Handle(ctx, r); err != nil {
		return err
	}
	// Attributes that are errors or Stringers show as text only there.
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&text, " %s=%+v", a.Key, a.Value.Any())
		return true
	})
	if line := text.String(); strings.Contains(source.ReplaceAllString(line, ""), "@") {
		h.t.Errorf("rule: no email in the log: %s", line)
	}
	return h.Handler.Handle(ctx, r)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	lines := h.lines
	return &handler{t: h.t, Handler: h.Handler.WithAttrs(attrs), lines: func(w io.Writer) slog.Handler { return lines(w).WithAttrs(attrs) }}
}

func (h *handler) WithGroup(name string) slog.Handler {
	lines := h.lines
	return &handler{t: h.t, Handler: h.Handler.WithGroup(name), lines: func(w io.Writer) slog.Handler { return lines(w).WithGroup(name) }}
}
