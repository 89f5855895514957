package redact_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/internal/redact"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"no such table":             "no such table",
		"ana@example.com":           "[redacted]",
		"Key (email)=(ana@b.c) is":  "Key [redacted] is",
		`to "ana@b.c": no, <x@y.z>`: "to [redacted] no, [redacted]",
		"two\tä@ö.ü\nlines":         "two\t[redacted]\nlines",
		"odd /@v1.go @v2.com a@":    "odd [redacted] [redacted] [redacted]",
		"f(0x1)\n\t/go/pkg/mod/example.org/pgx@v5.1.0/conn.go:12 +0x1": "f(0x1)\n\t/go/pkg/mod/example.org/pgx@v5.1.0/conn.go:12 +0x1",
	} {
		assert.Equal(t, want, redact.Text(text))
	}
	assert.Equal(t, slog.String("error", "user [redacted] is there"), redact.Error(errors.New("user a@b.c is there")))
	assert.Equal(t, slog.String("error", "<nil>"), redact.Error(nil))
}

// The packages that log what backends say leave no error as it is.
func TestLogsAreRedacted(t *testing.T) {
	for _, pattern := range []string{"../../bulk/*.go", "../../httpapi/*.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.NotContains(t, string(text), `"error", `, "%s: log redact.Error(err)", file)
		}
	}
}
