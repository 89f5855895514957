package main

import (
	"bytes"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
)

// awsEnvironment sets what a user sets for the AWS backends, and nothing of whoever
// runs the test remains.
func awsEnvironment(t *testing.T, region string, server awstest.Server) {
	t.Helper()
	for _, name := range []string{"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_REGION", region)
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
}

// awsArgs are the flags for servers, and tables and a bucket that nobody has.
func awsArgs(t *testing.T, dynamoDB, s3 awstest.Server) []string {
	name := awstest.Name(t)
	return []string{
		"-backend", "aws", "-dynamodb-endpoint", dynamoDB.Endpoint, "-s3-endpoint", s3.Endpoint,
		"-users-table", name + "-users", "-claims-table", name + "-claims", "-jobs-table", name + "-jobs", "-bucket", name,
	}
}

// TestAWSBackend: what is missing is created, a job runs, its link leads to S3, and
// all is there for the next server.
func TestAWSBackend(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, dynamoDB awstest.Server) {
		s3 := awstest.S3(t)
		awsEnvironment(t, awstest.Region, s3)
		args := append(awsArgs(t, dynamoDB, s3), "-sync-threshold", "2")
		const users = `{"users": [{"userId": "u-1", "email": "ana@example.com"}, {"userId": "u-2"}]}`

		s := start(t, args...)
		for _, used := range []string{args[7], args[9], args[11], args[13], dynamoDB.Endpoint, s3.Endpoint} {
			if !strings.Contains(s.stdout.String(), used) {
				t.Errorf("it does not say that it uses %s:\n%s", used, s.stdout)
			}
		}
		if strings.Contains(s.stdout.String()+s.stderr.String(), s3.SecretKey) {
			t.Error("it prints the secret key")
		}
		resp, a := s.call(t, "POST", "/v1/bulk/users", s.token, users)
		if resp.StatusCode != http.StatusAccepted {
			t.Fatalf("%s %+v", resp.Status, a)
		}
		ended := s.wait(t, a.Data.JobID)
		if ended.Data.Status != bulk.JobCompleted || ended.Data.Summary != (bulk.Summary{Created: 2}) {
			t.Fatalf("the job ended as %+v", ended.Data)
		}
		if link := ended.Data.DownloadURL; !strings.HasPrefix(link, s3.Endpoint+"/"+args[13]+"/") {
			t.Errorf("the link %s does not lead to the bucket, with its name in the path", link)
		}
		if code := s.stop(); code != 0 {
			t.Fatalf("exit code %d", code)
		}

		next := start(t, append(args, "-tokens", "token=admin:demo:ana")...)
		if _, job := next.call(t, "GET", "/v1/bulk/jobs/"+a.Data.JobID, "token", ""); job.Data.Status != bulk.JobCompleted {
			t.Errorf("the next server has the job as %+v", job)
		}
		if _, again := next.call(t, "POST", "/v1/bulk/users", "token", `{"users": [{"userId": "u-2"}]}`); again.Data.Summary != (bulk.Summary{Unchanged: 1}) {
			t.Errorf("the next server imports a user again with %+v", again)
		}
	})
}

// TestQuickstartOnAWS runs the quickstart against a server on the AWS backends.
func TestQuickstartOnAWS(t *testing.T) {
	program := t.TempDir() + "/quickstart"
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../quickstart").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, text)
	}
	awstest.EachDynamoDB(t, func(t *testing.T, dynamoDB awstest.Server) {
		s3 := awstest.S3(t)
		awsEnvironment(t, awstest.Region, s3)
		s := start(t, awsArgs(t, dynamoDB, s3)...)
		text, err := exec.CommandContext(t.Context(), program, "-users", "1000", "-url", s.url, "-token", s.token).CombinedOutput()
		if err != nil || !strings.Contains(string(text), "1,000 of 1,000 users accounted for") {
			t.Errorf("%v\n%s", err, text)
		}
	})
}

// TestTablesOfAWSAreNotCreated: without an endpoint nothing is created, as tables of
// AWS itself cost money. The server stands for AWS here, by a variable of the SDK.
func TestTablesOfAWSAreNotCreated(t *testing.T) {
	dynamoDB, s3 := awstest.Dynoxide(t), awstest.S3(t)
	awsEnvironment(t, awstest.Region, s3)
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamoDB.Endpoint)
	args := awsArgs(t, dynamoDB, s3)
	s := start(t, append([]string{"-workers", "0"}, append(args[:2:2], args[4:]...)...)...)
	if resp, a := s.call(t, "POST", "/v1/bulk/users", s.token, `{"users": [{"userId": "u-1"}]}`); a.Data.Summary.Created != 0 {
		t.Errorf("without tables: %s %+v", resp.Status, a)
	}
	out, err := dynamoDB.DynamoDB(awstest.Transport(t)).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(args[7])})
	if err == nil {
		t.Errorf("it has created the table %s", aws.ToString(out.Table.TableName))
	}
}

// TestCreate: with -create it creates what is missing wherever the SDK's settings lead,
// and says where that is.
func TestCreate(t *testing.T) {
	dynamoDB, s3 := awstest.Dynoxide(t), awstest.S3(t)
	awsEnvironment(t, awstest.Region, s3)
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamoDB.Endpoint)
	t.Setenv("AWS_ENDPOINT_URL_S3", s3.Endpoint)
	args := awsArgs(t, dynamoDB, s3)
	s := start(t, append([]string{"-backend", "aws", "-create", "-sync-threshold", "1"}, args[6:]...)...)
	for _, used := range []string{dynamoDB.Endpoint, s3.Endpoint} {
		if !strings.Contains(s.stdout.String(), used) {
			t.Errorf("it does not say that it uses %s:\n%s", used, s.stdout)
		}
	}
	_, a := s.call(t, "POST", "/v1/bulk/users", s.token, `{"users": [{"userId": "u-1"}]}`)
	if ended := s.wait(t, a.Data.JobID); ended.Data.Summary != (bulk.Summary{Created: 1}) {
		t.Errorf("the job ended as %+v", ended.Data)
	}
}

func TestWrongUsageOfAWSIsSaid(t *testing.T) {
	for name, test := range map[string]struct {
		region string
		args   []string
		code   int
		want   string
	}{
		"a flag of aws with memory": {awstest.Region, []string{"-bucket", "b"}, exitUsage, "-bucket is of -backend aws"},
		"no bucket in AWS":          {awstest.Region, []string{"-backend", "aws"}, exitFailure, "-bucket is missing"},
		"no region":                 {"", []string{"-backend", "aws", "-bucket", "b"}, exitFailure, "AWS_REGION"},
		"no credentials":            {awstest.Region, []string{"-backend", "aws", "-bucket", "b"}, exitFailure, "AWS_ACCESS_KEY_ID"},
		"sender without template":   {awstest.Region, []string{"-backend", "aws", "-bucket", "b", "-ses-from", "a@example.com"}, exitFailure, "-ses-template"},
		"no table name":             {awstest.Region, []string{"-backend", "aws", "-bucket", "b", "-users-table", "a b"}, exitFailure, "Options.UsersTable"},
	} {
		t.Run(name, func(t *testing.T) {
			server := awstest.Server{AccessKey: "key", SecretKey: "secret"}
			if name == "no credentials" {
				server = awstest.Server{}
			}
			awsEnvironment(t, test.region, server)
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), test.args, &stdout, &stderr)
			if code != test.code || !strings.Contains(stderr.String(), test.want) {
				t.Errorf("exit code %d and %q, want %d and %q", code, stderr.String(), test.code, test.want)
			}
		})
	}
}

// TestDoorbell: a server without workers rings for those elsewhere.
func TestDoorbell(t *testing.T) {
	dynamoDB, s3, queue := awstest.Dynoxide(t), awstest.S3(t), awstest.SQS(t)
	awsEnvironment(t, awstest.Region, s3)
	t.Setenv("AWS_ENDPOINT_URL_SQS", queue.Endpoint)
	client := queue.SQS(awstest.Transport(t))
	created, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(awstest.Name(t))})
	if err != nil {
		t.Fatal(err)
	}
	args := append(awsArgs(t, dynamoDB, s3), "-sync-threshold", "1", "-workers", "0", "-doorbell", *created.QueueUrl)
	s := start(t, args...)
	resp, a := s.call(t, "POST", "/v1/bulk/users", s.token, `{"users": [{"userId": "u-1"}]}`)
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%s %+v", resp.Status, a)
	}
	out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: created.QueueUrl, WaitTimeSeconds: 5})
	if err != nil || len(out.Messages) != 1 || aws.ToString(out.Messages[0].Body) != a.Data.JobID {
		t.Errorf("the queue has %+v, %v, want one message about %s", out, err, a.Data.JobID)
	}
}
