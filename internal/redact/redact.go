// Package redact keeps addresses out of logs. The text of an error is that of
// whatever backend a host has, and may name a user's email.
package redact

import (
	"log/slog"
	"regexp"
	"strings"
)

// Mark stands for what was taken out.
const Mark = "[redacted]"

var (
	// address is any word with an @, whatever stands around it.
	address = regexp.MustCompile(`\S*@\S*`)
	// source is a line of a stack trace in a module of some version.
	source = regexp.MustCompile(`^/\S+@v\d\S*\.(go|s):\d+$`)
)

// Error returns the attribute "error" of a log line.
func Error(err error) slog.Attr {
	text := "<nil>"
	if err != nil {
		text = Text(err.Error())
	}
	return slog.String("error", text)
}

// Text returns the text without what may be an address.
func Text(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	return address.ReplaceAllStringFunc(text, func(word string) string {
		if source.MatchString(word) {
			return word
		}
		return Mark
	})
}
