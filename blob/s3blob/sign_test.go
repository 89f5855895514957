package s3blob_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
)

// get is what curl does.
func get(t *testing.T, transport *http.Transport, url string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestSignURL(t *testing.T) {
	server := awstest.S3(t)
	transport := awstest.Transport(t)
	store := newStore(t, server.S3(transport), newBucket(t, server))
	key := "tenant/job_1/results-1.json"
	if err := store.Put(t.Context(), key, strings.NewReader("abc"), bulk.BlobInfo{ContentType: "text/plain"}); err != nil {
		t.Fatal(err)
	}
	opts := bulk.SignOptions{TTL: time.Hour, FileName: "results \"1\" für ana.json", ContentType: "application/json"}
	before := time.Now()
	signed, expires, err := store.SignURL(t.Context(), key, opts)
	if err != nil {
		t.Fatal(err)
	}
	if max := time.Now().Add(opts.TTL); expires.After(max) || expires.Before(before.Add(opts.TTL-2*time.Second)) {
		t.Errorf("expires at %v, want an hour from %v", expires, before)
	}

	response, body := get(t, transport, signed)
	if response.StatusCode != http.StatusOK || body != "abc" {
		t.Fatalf("bare GET: %s: %s", response.Status, body)
	}
	if got := response.Header.Get("Content-Type"); got != opts.ContentType {
		t.Errorf("content type is %q", got)
	}
	want := `attachment; filename="results _1_ f_r ana.json"; filename*=UTF-8''results%20%221%22%20f%C3%BCr%20ana.json`
	if got := response.Header.Get("Content-Disposition"); got != want {
		t.Errorf("content disposition is %s\nwant %s", got, want)
	}

	t.Run("altered", func(t *testing.T) {
		path := strings.Index(signed, key)
		for i := path; i < len(signed); i++ {
			altered := signed[:i] + string(next(signed[i])) + signed[i+1:]
			if sameURL(altered, signed) {
				continue
			}
			if response, body := get(t, transport, altered); response.StatusCode < 400 || body == "abc" {
				t.Errorf("character %d altered: %s\n%s\n%s", i, response.Status, signed, altered)
			}
		}
	})

	t.Run("expired", func(t *testing.T) {
		// The clock of the bubble starts in the year 2000.
		var old string
		synctest.Test(t, func(t *testing.T) {
			var err error
			if old, _, err = store.SignURL(t.Context(), key, bulk.SignOptions{TTL: time.Second}); err != nil {
				t.Fatal(err)
			}
		})
		if response, body := get(t, transport, old); response.StatusCode != http.StatusForbidden {
			t.Errorf("expired URL: %s: %s", response.Status, body)
		}
	})
}

// next returns another character that may stand in the same place of a URL.
func next(c byte) byte {
	switch {
	case c == '9' || c == 'z' || c == 'Z':
		return c - 1
	case '0' <= c && c < '9', 'a' <= c && c < 'z', 'A' <= c && c < 'Z':
		return c + 1
	default:
		return 'x'
	}
}

// sameURL reports whether two URLs say the same in other words, such as %2f and
// %2F.
func sameURL(a, b string) bool {
	u, errA := url.Parse(a)
	v, errB := url.Parse(b)
	return errA == nil && errB == nil && u.Path == v.Path && u.Query().Encode() == v.Query().Encode()
}

// The time reported is what the URL says, within what was asked and what the
// credentials allow.
func TestSignURLExpires(t *testing.T) {
	for name, test := range map[string]struct {
		ttl, session time.Duration // session is 0 for credentials that do not end
		want         time.Duration // 0 for an error
		retryable    bool
	}{
		"as asked":                    {ttl: time.Hour, want: time.Hour},
		"whole seconds":               {ttl: 1900 * time.Millisecond, want: time.Second},
		"not for so long":             {ttl: 30 * 24 * time.Hour, want: 7 * 24 * time.Hour},
		"not for so short":            {ttl: time.Second - 1},
		"credentials end before":      {ttl: time.Hour, session: 10 * time.Minute, want: 10 * time.Minute},
		"credentials end after":       {ttl: time.Minute, session: 10 * time.Minute, want: time.Minute},
		"credentials are about to go": {ttl: time.Minute, session: time.Second / 2, retryable: true},
		"credentials have ended":      {ttl: time.Minute, session: -time.Hour, retryable: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := s3.New(s3.Options{
					Region: awstest.Region,
					Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
						return aws.Credentials{
							AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "token",
							CanExpire: test.session != 0, Expires: time.Now().Add(test.session),
						}, nil
					}),
				})
				store, err := s3blob.New(client, s3blob.Options{Bucket: "b"})
				if err != nil {
					t.Fatal(err)
				}
				signed, expires, err := store.SignURL(t.Context(), "k", bulk.SignOptions{TTL: test.ttl, FileName: "f"})
				if test.want == 0 {
					if err == nil || bulk.Retryable(err) != test.retryable {
						t.Errorf("error is %v; want one with retryable %t", err, test.retryable)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if want := time.Now().Add(test.want); !expires.Equal(want) {
					t.Errorf("expires at %v, want %v", expires, want)
				}
				u, err := url.Parse(signed)
				if err != nil {
					t.Fatal(err)
				}
				if got := u.Query().Get("X-Amz-SignedHeaders"); got != "host" {
					t.Errorf("needs the headers %s", got)
				}
			})
		})
	}
}

func TestSignURLNeedsGoodKey(t *testing.T) {
	store := newStore(t, awstest.Server{AccessKey: "a", SecretKey: "s"}.S3(http.DefaultTransport), "b")
	if _, _, err := store.SignURL(t.Context(), "../k", bulk.SignOptions{TTL: time.Hour}); !errors.Is(err, bulk.ErrBadBlobKey) {
		t.Errorf("error is %v", err)
	}
}
