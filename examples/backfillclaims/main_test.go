package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/internal/test/awstest"
)

// The command goes through a host's table, is stopped, goes on, and reports two users
// with one email.
func TestBackfill(t *testing.T) {
	server := awstest.Dynoxide(t)
	for name, value := range map[string]string{
		"AWS_REGION": awstest.Region, "AWS_ACCESS_KEY_ID": server.AccessKey, "AWS_SECRET_ACCESS_KEY": server.SecretKey,
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_ENDPOINT_URL_DYNAMODB": server.Endpoint, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	tables := awstest.Name(t)
	users := tables + "-users"
	checkpoint := filepath.Join(t.TempDir(), "checkpoint")
	args := []string{"-users-table", users, "-claims-table", tables + "-claims", "-tenant", "acme", "-key", "id", "-checkpoint", checkpoint, "-rate", "100000"}
	var out, errs strings.Builder
	if code := run(t.Context(), append(args, "-create"), &out, &errs); code != 0 || !strings.HasPrefix(out.String(), "0 items: ") {
		t.Fatalf("of an empty table: %d, %s%s", code, out.String(), errs.String())
	}
	client := server.DynamoDB(awstest.Transport(t))
	const n = 60
	for i := range n {
		if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &users, Item: map[string]types.AttributeValue{
			"id":    &types.AttributeValueMemberS{Value: fmt.Sprint("u-", i)},
			"email": &types.AttributeValueMemberS{Value: fmt.Sprintf("u%d@example.com", min(i, n-2))},
		}}); err != nil {
			t.Fatal(err)
		}
	}

	// At one user a second it waits after the first page, until it is told to stop.
	stopped, stop := context.WithCancel(t.Context())
	go func() {
		for stopped.Err() == nil {
			if _, err := os.Stat(checkpoint); err == nil {
				stop()
			}
			runtime.Gosched()
		}
	}()
	if code := run(stopped, append(args, "-rate", "1"), &out, &errs); code != exitFailure {
		t.Errorf("stopped, it ends with %d", code)
	}
	kept, err := os.ReadFile(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(checkpoint, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := run(t.Context(), args, &out, &errs); code != exitFailure {
		t.Errorf("with a bad checkpoint it ends with %d", code)
	}
	if err := os.WriteFile(checkpoint, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	code := run(t.Context(), args, &out, &errs)
	if want := fmt.Sprintf("\n%d items: ", n-25); !strings.HasPrefix(out.String(), "going on") || !strings.Contains(out.String(), want) || code == exitFailure {
		t.Errorf("it ends with %d: %s%s", code, out.String(), errs.String())
	}
	if _, err := os.Stat(checkpoint); err == nil {
		t.Error("the checkpoint of the end is still there")
	}
	out.Reset()
	if code := run(t.Context(), args, &out, &errs); code != exitProblem || !strings.Contains(out.String(), fmt.Sprintf("%d had their claims, 1 problems", n-1)) {
		t.Errorf("a repetition ends with %d: %s", code, out.String())
	}
	if strings.Contains(out.String(), "@") {
		t.Errorf("it prints emails: %s", out.String())
	}
}
