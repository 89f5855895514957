package s3blob_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk"
)

// roundTrip answers requests.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The SDK repeats throttled calls, so nobody but who watches learns of them.
func TestClientTellsOfThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		client := s3blob.NewClient(aws.Config{
			Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				calls++
				answer := &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Request: r, Body: http.NoBody}
				switch calls {
				case 1, 2:
					answer.StatusCode = http.StatusServiceUnavailable
					answer.Body = io.NopCloser(strings.NewReader(`<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`))
				case 3:
					answer.StatusCode = http.StatusInternalServerError
				}
				return answer, nil
			})},
		})
		store, err := s3blob.New(client, s3blob.Options{Bucket: "bucket"})
		if err != nil {
			t.Fatal(err)
		}
		watched := 0
		ctx := bulk.WatchThrottles(t.Context(), func(parts int) { watched += parts })
		if err := store.Delete(ctx, "t/key"); err != nil {
			t.Fatal(err)
		}
		if calls != 4 || watched != 2 {
			t.Errorf("%d calls, %d throttles watched; want 4 and 2", calls, watched)
		}
	})
}
