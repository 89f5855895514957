package httpapi

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var testLinks = links{key: bytes.Repeat([]byte("k"), MinLinkKey)}

func TestLinks(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	token := testLinks.token("job_1", now.Add(time.Hour))
	job, err := testLinks.job(token, now)
	require.NoError(t, err)
	assert.Equal(t, "job_1", job)
	assert.Empty(t, strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), "rule: it needs no escapes in a path")

	_, err = testLinks.job(token, now.Add(time.Hour-time.Millisecond))
	require.NoError(t, err)
	for name, token := range map[string]string{
		"expired":       testLinks.token("job_1", now),
		"another key":   links{key: bytes.Repeat([]byte("x"), MinLinkKey)}.token("job_1", now.Add(time.Hour)),
		"empty":         "",
		"short":         "AAAA",
		"padded":        token + "=",
		"a line break":  token[:5] + "\n" + token[5:],
		"no MAC":        encoding.EncodeToString(make([]byte, timeSize+macSize)),
		"not base64url": strings.Repeat("+", len(token)),
	} {
		_, err := testLinks.job(token, now)
		assert.ErrorIs(t, err, errBadLink, name)
	}
}

// FuzzLink: no token but the ones that were made is taken.
func FuzzLink(f *testing.F) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	made := testLinks.token("job_1", now.Add(time.Hour))
	f.Add(made)
	f.Add(made[:len(made)-1])
	f.Add(made + "\r\n")
	f.Add(testLinks.token("job_2", now))
	f.Fuzz(func(t *testing.T, token string) {
		job, err := testLinks.job(token, now)
		if (err == nil) != (token == made) {
			t.Fatalf("token %q names job %q, error %v", token, job, err)
		}
	})
}
