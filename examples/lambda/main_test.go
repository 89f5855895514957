package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/examples/lambda/internal/local"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/store/dynamostore"
)

const token = "t0ken"

// program builds the functions' program once.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("bulkops-lambda-%d", os.Getpid()))
	text, err := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, text)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		_ = os.Remove(path)
	}
	os.Exit(code)
}

// A service is both functions with all that they need, as the templates make it.
type service struct {
	t        *testing.T
	env      []string
	sqs      *sqs.Client
	queueURL string
	jobs     *dynamojobs.Queue
	log      *log
}

// A log keeps what the functions write.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newService(t *testing.T, dynamoDB awstest.Server) *service {
	s3, queue := awstest.S3(t), awstest.SQS(t)
	name := awstest.Name(t)
	slow := httptest.NewServer(delayed(t, dynamoDB.Endpoint))
	t.Cleanup(slow.Close)
	transport := awstest.Transport(t)
	users := dynamostore.Options{UsersTable: name + "-users", ClaimsTable: name + "-claims"}
	jobs := dynamojobs.Options{Table: name + "-jobs"}
	require.NoError(t, dynamostore.CreateTables(t.Context(), dynamoDB.DynamoDB(transport), users))
	require.NoError(t, dynamojobs.CreateTable(t.Context(), dynamoDB.DynamoDB(transport), jobs))
	require.NoError(t, s3blob.EnsureBucket(t.Context(), s3.S3(transport), s3blob.Options{Bucket: name}))
	client := queue.SQS(transport)
	queueOfJobs, err := dynamojobs.New(dynamoDB.DynamoDB(transport), jobs)
	require.NoError(t, err)
	created, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(name)})
	require.NoError(t, err)

	hash := sha256.Sum256([]byte(token))
	tokens, err := json.Marshal(map[string]bulk.Principal{hex.EncodeToString(hash[:]): {ID: "ana", Tenant: "acme", Role: bulk.RoleAdmin}})
	require.NoError(t, err)
	s := &service{t: t, sqs: client, queueURL: *created.QueueUrl, jobs: queueOfJobs, log: new(log)}
	s.env = []string{
		"BULKOPS_USERS_TABLE=" + users.UsersTable, "BULKOPS_CLAIMS_TABLE=" + users.ClaimsTable, "BULKOPS_JOBS_TABLE=" + jobs.Table,
		"BULKOPS_BUCKET=" + name, "BULKOPS_QUEUE_URL=" + s.queueURL, "BULKOPS_TOKENS=" + string(tokens),
		"BULKOPS_PARALLEL=2", "BULKOPS_STOP_GRACE=3s", "BULKOPS_LEASE=4s",
		"AWS_REGION=" + awstest.Region, "AWS_ACCESS_KEY_ID=" + s3.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s3.SecretKey,
		"AWS_ENDPOINT_URL_DYNAMODB=" + slow.URL, "AWS_ENDPOINT_URL_S3=" + s3.Endpoint, "AWS_ENDPOINT_URL_SQS=" + queue.Endpoint,
		"AWS_EC2_METADATA_DISABLED=true", "HOME=" + t.TempDir(),
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the functions' log:\n%s", s.log)
		}
	})
	return s
}

// latency is what a call to DynamoDB takes at least, so that 10,000 users take at
// least 10,000/25*2 calls, 2 at once: 8 seconds.
const latency = 20 * time.Millisecond

// delayed passes calls on after a while.
func delayed(t *testing.T, endpoint string) http.Handler {
	target, err := url.Parse(endpoint)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = stdlog.New(io.Discard, "", 0) // calls of processes that were killed
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(latency)
		proxy.ServeHTTP(w, r)
	})
}

// function returns one of the two functions.
func (s *service) function(role string, timeout time.Duration, env ...string) *local.Function {
	path, err := program()
	require.NoError(s.t, err)
	f := &local.Function{Program: path, Env: append(append([]string{"BULKOPS_ROLE=" + role}, s.env...), env...), Timeout: timeout, Log: s.log}
	s.t.Cleanup(f.Close)
	return f
}

// call calls the API and decodes the data of its answer.
func (s *service) call(method, url string, body io.Reader, data any) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, url, body)
	require.NoError(s.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	answer := struct {
		Data any `json:"data"`
	}{data}
	require.NoError(s.t, json.Unmarshal(text, &answer), "%s %s", resp.Status, text)
	return resp
}

// A job is what the API says of a job.
type job struct {
	JobID       string         `json:"jobId"`
	Status      bulk.JobStatus `json:"status"`
	Summary     bulk.Summary   `json:"summary"`
	DownloadURL string         `json:"downloadUrl"`
}

// users returns the body of a request for n users.
func users(n int) io.Reader {
	var b strings.Builder
	b.WriteString(`{"users":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"userId":"u-%d","email":"u%d@example.com","customFields":{"n":%d}}`, i, i, i)
	}
	b.WriteString(`]}`)
	return strings.NewReader(b.String())
}

// results downloads the results by a link, without credentials.
func (s *service) results(link string) (file struct {
	Results []bulk.RowResult `json:"results"`
}) {
	s.t.Helper()
	resp, err := http.Get(link)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	require.Equal(s.t, http.StatusOK, resp.StatusCode)
	require.NoError(s.t, json.NewDecoder(resp.Body).Decode(&file))
	return file
}

// TestTenThousandUsers takes a request by a function URL and runs its job by the
// doorbell: messages are dropped and doubled, a process is killed in the middle, and the
// invocations, of which none has the time for the whole job, stop before their
// deadlines.
func TestTenThousandUsers(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, dynamoDB awstest.Server) {
		s := newService(t, dynamoDB)
		api := httptest.NewServer(&local.URL{Function: s.function("api", 30*time.Second)})
		defer api.Close()
		worker := s.function("worker", 8*time.Second)

		var mu sync.Mutex
		outcomes := map[string]int{}
		report := func(err error) {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				outcomes["answered"]++
			case errors.Is(err, local.ErrExited):
				outcomes["killed"]++
			case errors.Is(err, local.ErrTimeout):
				outcomes["timed out"]++
			default:
				outcomes["other"]++
				t.Log(err)
			}
		}
		source := &local.Source{
			Function: worker, Client: s.sqs, QueueURL: s.queueURL, Concurrency: 2, Report: report,
			Fate: func(n int) local.Fate {
				switch n % 3 {
				case 0:
					return local.Dropped // the first: nobody hears of the new job
				case 1:
					return local.Doubled
				default:
					return local.Delivered
				}
			},
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer running.Wait()
		defer stop()
		running.Go(func() { source.Run(ctx) })
		running.Go(func() { // the schedule
			for ctx.Err() == nil {
				_, err := worker.Invoke(ctx, []byte(`{"source":"aws.events","detail-type":"Scheduled Event"}`))
				report(err)
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
			}
		})

		var accepted job
		resp := s.call("POST", api.URL+"/v1/bulk/users", users(10_000), &accepted)
		require.Equal(t, http.StatusAccepted, resp.StatusCode)
		killed := false
		for begun := time.Now(); ; {
			var now job
			s.call("GET", api.URL+"/v1/bulk/jobs/"+accepted.JobID, nil, &now)
			if now.Status.Ended() {
				accepted = now
				break
			}
			if now.Status == bulk.JobProcessing && !killed {
				killed = worker.Kill()
			}
			require.Less(t, time.Since(begun), 4*time.Minute)
			time.Sleep(200 * time.Millisecond)
		}
		assert.Equal(t, bulk.JobCompleted, accepted.Status)
		assert.Equal(t, bulk.Summary{Created: 10_000}, accepted.Summary)
		file := s.results(accepted.DownloadURL)
		require.Len(t, file.Results, 10_000)
		for i, r := range file.Results {
			require.Equal(t, bulk.StatusCreated, r.Status, "row %d: %v", i, r.Errors)
			require.Equal(t, fmt.Sprintf("u-%d", i), r.UserID)
		}
		stop()
		running.Wait()
		assert.True(t, killed)
		assert.Positive(t, outcomes["killed"])
		assert.Positive(t, outcomes["answered"])
		assert.Zero(t, outcomes["timed out"], "it stops before its deadline")
		// It was begun by the first claim, after the process was killed, and after a
		// deadline: less than 5 seconds of work are not enough.
		record, err := s.jobs.Get(t.Context(), accepted.JobID)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, record.Token, int64(3))
		t.Logf("invocations: %v", outcomes)
	})
}

// TestSmallRequests: both ways of HTTP give the answers of the API.
func TestSmallRequests(t *testing.T) {
	s := newService(t, awstest.Dynoxide(t))
	for _, buffered := range []bool{false, true} {
		t.Run(fmt.Sprintf("buffered %t", buffered), func(t *testing.T) {
			function := s.function("api", 30*time.Second, fmt.Sprintf("BULKOPS_BUFFERED=%t", buffered))
			api := httptest.NewServer(&local.URL{Function: function, Buffered: buffered})
			defer api.Close()
			var report struct {
				Summary bulk.Summary `json:"summary"`
			}
			resp := s.call("POST", api.URL+"/v1/bulk/users?x=%20", strings.NewReader(`{"users":[]}`), &report)
			assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "the query arrives")
			resp = s.call("POST", api.URL+"/v1/bulk/users", users(3), &report)
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			assert.Equal(t, 3, report.Summary.Created+report.Summary.Unchanged)
			assert.Equal(t, "application/json; charset=utf-8", resp.Header.Get("Content-Type"))
			anonymous, err := http.Post(api.URL+"/v1/bulk/users", "application/json", users(3))
			require.NoError(t, err)
			defer anonymous.Body.Close()
			assert.Equal(t, http.StatusUnauthorized, anonymous.StatusCode)
		})
	}
}
