package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/store/dynamostore"
)

// setUp makes tables, bucket and queue, and sets what a user sets for AWS.
func setUp(t *testing.T) options {
	dynamoDB, s3, queue := awstest.Dynoxide(t), awstest.S3(t), awstest.SQS(t)
	name := awstest.Name(t)
	opts := options{
		usersTable: name + "-users", claimsTable: name + "-claims", jobsTable: name + "-jobs", bucket: name,
		workers: 2, grace: 5 * time.Second, ops: "127.0.0.1:0",
	}
	transport := awstest.Transport(t)
	require.NoError(t, dynamostore.CreateTables(t.Context(), dynamoDB.DynamoDB(transport), dynamostore.Options{UsersTable: opts.usersTable, ClaimsTable: opts.claimsTable}))
	require.NoError(t, dynamojobs.CreateTable(t.Context(), dynamoDB.DynamoDB(transport), dynamojobs.Options{Table: opts.jobsTable}))
	require.NoError(t, s3blob.EnsureBucket(t.Context(), s3.S3(transport), s3blob.Options{Bucket: name}))
	created, err := queue.SQS(transport).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(name)})
	require.NoError(t, err)
	opts.doorbell = *created.QueueUrl
	for variable, value := range map[string]string{
		"AWS_PROFILE": "", "AWS_SESSION_TOKEN": "", "AWS_ENDPOINT_URL": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": t.TempDir() + "/none", "AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none",
		"AWS_REGION": awstest.Region, "AWS_ACCESS_KEY_ID": s3.AccessKey, "AWS_SECRET_ACCESS_KEY": s3.SecretKey,
		"AWS_ENDPOINT_URL_DYNAMODB": dynamoDB.Endpoint, "AWS_ENDPOINT_URL_S3": s3.Endpoint, "AWS_ENDPOINT_URL_SQS": queue.Endpoint,
	} {
		t.Setenv(variable, value)
	}
	return opts
}

// start runs the program. stop tells it to stop and returns when it has.
func start(t *testing.T, opts options) (url string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, opts, in, t.Output())
		in.CloseWithError(errors.Join(io.EOF, err))
		ended <- err
	}()
	said := make([]byte, 1000)
	n, err := out.Read(said)
	require.NoError(t, err)
	match := regexp.MustCompile(`http://[^/]+`).Find(said[:n])
	require.NotNil(t, match, "it says %q", said[:n])
	return string(match), func() error {
		cancel()
		return <-ended
	}
}

func get(t *testing.T, url string) (status int, text string) {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

// acceptor makes jobs, as the process does that takes requests.
func acceptor(t *testing.T, opts options) *bulk.Importer {
	t.Helper()
	cfg, _, err := open(t.Context(), opts)
	require.NoError(t, err)
	im, err := bulk.NewImporter(cfg)
	require.NoError(t, err)
	return im
}

var admin = bulk.Principal{ID: "ana", Tenant: "acme", Role: bulk.RoleAdmin}

func submit(t *testing.T, im *bulk.Importer, n int) *bulk.Job {
	t.Helper()
	users := make([]bulk.User, n)
	for i := range users {
		users[i] = bulk.User{ID: fmt.Sprintf("u%d", i)}
	}
	job, err := im.Submit(t.Context(), bulk.Request{Principal: admin, Rows: bulk.Users(users...), Options: bulk.DefaultOptions()})
	require.NoError(t, err)
	return job
}

// await asks for the job until it is as wanted.
func await(t *testing.T, im *bulk.Importer, id string, ready func(*bulk.Job) bool) *bulk.Job {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		job, err := im.Job(t.Context(), admin, id)
		require.NoError(t, err)
		if ready(job) {
			return job
		}
		require.Less(t, time.Since(begun), time.Minute, "%+v", job)
	}
}

func ended(job *bulk.Job) bool { return job.Status.Ended() }

// TestFleet runs a job by polling and one by the doorbell, and shows them in the
// metrics.
func TestFleet(t *testing.T) {
	for _, rings := range []bool{false, true} {
		t.Run(fmt.Sprintf("doorbell %t", rings), func(t *testing.T) {
			opts := setUp(t)
			if !rings {
				opts.doorbell = ""
			}
			url, stop := start(t, opts)
			for _, path := range []string{"/healthz", "/readyz"} {
				status, text := get(t, url+path)
				assert.Equal(t, http.StatusOK, status, "%s: %s", path, text)
			}
			im := acceptor(t, opts)
			job := await(t, im, submit(t, im, 300).ID, ended)
			assert.Equal(t, 300, job.Summary().Created)
			const series = `bulkops_job_duration_seconds_count{bulkops_job_status="completed"} 1`
			for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) { // the worker tidies up before it tells
				if _, metrics := get(t, url+"/metrics"); strings.Contains(metrics, series) {
					break
				}
				require.Less(t, time.Since(begun), 20*time.Second, "there is no %s", series)
			}
			assert.NoError(t, stop())
		})
	}
}

// TestDrain stops a process in the middle of a job: another goes on with it at once.
func TestDrain(t *testing.T) {
	opts := setUp(t)
	opts.doorbell = ""
	_, stop := start(t, opts)
	im := acceptor(t, opts)
	id := submit(t, im, 10_000).ID
	await(t, im, id, func(job *bulk.Job) bool { return job.Progress.Rows > 0 })
	require.NoError(t, stop())
	left, err := im.Job(t.Context(), admin, id)
	require.NoError(t, err)
	require.False(t, left.Status.Ended(), "it was too fast")
	assert.Zero(t, left.LeaseUntil, "the lease is given up")
	assert.Positive(t, left.Progress.Rows)
	_, stop = start(t, opts)
	job := await(t, im, id, ended)
	assert.Equal(t, 10_000, job.Summary().Created)
	assert.NoError(t, stop())
}

// TestNotReady: the queue cannot be reached, and the process lives.
func TestNotReady(t *testing.T) {
	opts := setUp(t)
	opts.doorbell, opts.jobsTable = "", opts.jobsTable+"-none"
	url, stop := start(t, opts)
	status, text := get(t, url+"/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, errUnreachable.Error(), strings.TrimSpace(text))
	status, _ = get(t, url+"/healthz")
	assert.Equal(t, http.StatusOK, status)
	assert.NoError(t, stop())
}
