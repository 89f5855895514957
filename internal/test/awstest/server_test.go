package awstest_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/internal/test/required"
)

func TestNameFitsTablesAndBuckets(t *testing.T) {
	// Source: Amazon S3 User Guide, "General purpose bucket naming rules".
	valid := regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)
	seen := map[string]bool{}
	for _, test := range []string{"plain", "With/Ünusual#00 characters_", strings.Repeat("long", 40), "-"} {
		t.Run(test, func(t *testing.T) {
			for range 2 {
				name := awstest.Name(t)
				if !valid.MatchString(name) {
					t.Errorf("%q is not a valid name", name)
				}
				if seen[name] {
					t.Errorf("%q was returned before", name)
				}
				seen[name] = true
			}
		})
	}
}

func TestMissingServerSkipsOrFails(t *testing.T) {
	for _, variable := range []string{awstest.EnvDynamoDBLocal, awstest.EnvDynoxide, awstest.EnvS3} {
		t.Setenv(variable, "")
	}
	for require, want := range map[string]string{"": "skip", "1": "fatal"} {
		t.Setenv(required.Env, require)
		for variable, server := range map[string]func(testing.TB) awstest.Server{
			awstest.EnvDynamoDBLocal: awstest.DynamoDBLocal,
			awstest.EnvDynoxide:      awstest.Dynoxide,
			awstest.EnvS3:            awstest.S3,
		} {
			tb := &recorder{TB: t}
			tb.run(func() { server(tb) })
			if tb.ended != want || !strings.Contains(tb.reason, variable+" is not set") {
				t.Errorf("with %s=%q and without %s the test ended with %q: %q",
					required.Env, require, variable, tb.ended, tb.reason)
			}
		}
	}
}

// TestBodyThatWasClosedHasEnded: net/http gives up the connection of a request whose
// body fails after the SDK closed it, and with it the rest of the answer.
func TestBodyThatWasClosedHasEnded(t *testing.T) {
	var body io.Reader
	client := awstest.Server{Endpoint: "http://localhost", AccessKey: "a", SecretKey: "s"}.DynamoDB(roundTripper(func(r *http.Request) (*http.Response, error) {
		body = r.Body
		return answers(r)
	}))
	if _, err := client.ListTables(t.Context(), &dynamodb.ListTablesInput{}); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, body); n != 0 || err != nil {
		t.Errorf("a copy of the closed body returned %d, %v", n, err)
	}
}
