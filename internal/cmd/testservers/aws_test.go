//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeAWS is two fakes in place of what -aws starts.
func fakeAWS(t *testing.T) (dynamoDB, s3 server) {
	t.Helper()
	dynamoDB, s3 = fakeServer(), fakeServer()
	dynamoDB.id, dynamoDB.name, dynamoDB.variable, dynamoDB.service = awsServers[0], "a DynamoDB", "BULKOPS_TEST_FAKE_DYNAMODB", serviceDynamoDB
	s3.id, s3.name, s3.variable, s3.service = awsServers[1], "an S3", "BULKOPS_TEST_FAKE_S3", serviceS3
	s3.command = func(dir, data string, port int) (*exec.Cmd, []string, error) {
		cmd, _, err := fakeServer().command(dir, data, port)
		return cmd, []string{"BULKOPS_TEST_S3_ACCESS_KEY=key", "BULKOPS_TEST_S3_SECRET_KEY=secret"}, err
	}
	return dynamoDB, s3
}

// TestAWSLeadsTheCommandToTheServers: nothing that the user has set leads it to AWS.
func TestAWSLeadsTheCommandToTheServers(t *testing.T) {
	dynamoDB, s3 := fakeAWS(t)
	with(t, dynamoDB, s3)
	for _, name := range []string{"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL_S3", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"} {
		t.Setenv(name, "the user's own")
	}
	seen := filepath.Join(t.TempDir(), "seen")
	script := `[ "$AWS_ENDPOINT_URL_DYNAMODB $AWS_ENDPOINT_URL_S3" = "$BULKOPS_TEST_FAKE_DYNAMODB $BULKOPS_TEST_FAKE_S3" ] || exit 9
		printf '%s|' "$AWS_REGION" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$AWS_SESSION_TOKEN" "$AWS_PROFILE" \
			"$AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" "$AWS_EC2_METADATA_DISABLED" >"$0"`
	if code := run(t.Context(), []string{"-aws", "-cache", t.TempDir(), "--", "sh", "-c", script, seen}, t.Output()); code != 0 {
		t.Fatalf("run returned %d", code)
	}
	text, err := os.ReadFile(seen)
	if want := "us-east-1|key|secret||||true|"; err != nil || string(text) != want {
		t.Errorf("the command sees %q, want %q: %v", text, want, err)
	}
}

// TestAWSRunsNothingWithoutTheServers: it would reach AWS.
func TestAWSRunsNothingWithoutTheServers(t *testing.T) {
	dynamoDB, s3 := fakeAWS(t)
	s3.fetch = func(context.Context, *cache) (string, error) { return "", errors.New("npm not found") }
	with(t, dynamoDB, s3)
	ran := filepath.Join(t.TempDir(), "ran")
	var stderr strings.Builder
	if code := run(t.Context(), []string{"-aws", "-cache", t.TempDir(), "--", "touch", ran}, &stderr); code != exitFailure {
		t.Errorf("run returned %d, want %d", code, exitFailure)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the command ran without one of the servers")
	}
	if want := "not available: an S3: npm not found; it is required\n"; stderr.String() != want {
		t.Errorf("it said %q, want %q", stderr.String(), want)
	}
}
