package webhooktest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/webhook"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/internal/test/logtest"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// teller is the environment variable that makes a process of this test one that tells
// of ends. It has JSON of a [task].
const teller = "BULKOPS_TEST_TELLER"

// A task is what a telling process has to know.
type task struct {
	Server awstest.Server
	Table  string
	Base   string // URL of the parent
	Secret string
}

func TestMain(m *testing.M) {
	if text := os.Getenv(teller); text != "" {
		tell(text)
		return
	}
	goleak.VerifyTestMain(m)
}

// tell is the telling process. It runs until it is killed.
func tell(text string) {
	var k task
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		panic(err)
	}
	cfg := k.config(http.DefaultTransport)
	cfg.Notifier = must(webhook.New(webhook.Config{
		AllowHTTP: true, Transport: http.DefaultTransport,
		Endpoint: func(ctx context.Context, _ *bulk.Job) (webhook.Endpoint, error) {
			// The parent may kill this process here: after the end, before the call.
			request := must(http.NewRequestWithContext(ctx, http.MethodGet, k.Base+"/endpoint", nil))
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return webhook.Endpoint{}, err
			}
			return webhook.Endpoint{URL: k.Base + "/ended", Secrets: []string{k.Secret}}, response.Body.Close()
		},
	}))
	_ = must(bulk.NewWorker(cfg)).Run(context.Background())
}

// config returns a configuration whose queue is that of the task.
func (k task) config(transport http.RoundTripper) bulk.Config {
	jobs := must(dynamojobs.New(dynamojobs.NewClient(k.Server.Config(transport)), dynamojobs.Options{Table: k.Table}))
	return bulk.Config{
		Store: memstore.New(), Blobs: memblob.New(), Jobs: jobs,
		Lease: time.Second, CallTimeout: 2 * time.Second, // so that others may tell after three
	}
}

// TestTellerIsKilled kills the process that tells of an end, by SIGKILL: once before its
// call, and once before the answer to the call. The end arrives all the same.
func TestTellerIsKilled(t *testing.T) {
	k := task{Server: awstest.Dynoxide(t), Table: awstest.Name(t), Secret: webhook.NewSecret()}
	transport := awstest.Transport(t)
	require.NoError(t, dynamojobs.CreateTable(t.Context(), k.Server.DynamoDB(transport), dynamojobs.Options{Table: k.Table}))
	deaths := make(chan string, 8)
	var mu sync.Mutex
	var child *exec.Cmd
	kill := func(when string) {
		mu.Lock()
		defer mu.Unlock()
		_ = child.Process.Kill()
		deaths <- when
	}
	var asked atomic.Int64
	r := &receiver{t: t, secret: k.Secret, answer: func(_ http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			kill("before the answer")
		}
	}}
	mux := http.NewServeMux()
	mux.Handle("POST /ended", r)
	mux.HandleFunc("GET /endpoint", func(http.ResponseWriter, *http.Request) {
		if asked.Add(1) == 1 {
			kill("before the call")
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	k.Base = server.URL

	cfg := k.config(transport)
	cfg.Notifier, cfg.Logger = nobody{}, logtest.New(t)
	job := submit(t, must(bulk.NewImporter(cfg)), "acme")
	require.NoError(t, must(bulk.NewWorker(cfg)).RunJob(t.Context(), job.ID))

	environment := append(os.Environ(), teller+"="+string(must(json.Marshal(k))))
	start := func() {
		mu.Lock()
		defer mu.Unlock()
		child = exec.Command(os.Args[0])
		child.Env = environment
		require.NoError(t, child.Start())
	}
	for _, when := range []string{"before the call", "before the answer"} {
		start()
		select {
		case got := <-deaths:
			assert.Equal(t, when, got)
		case <-time.After(time.Minute):
			t.Fatalf("no process came as far as to be killed %s", when)
		}
		assert.Error(t, child.Wait(), "it was killed")
		left, err := cfg.Jobs.Get(t.Context(), job.ID)
		require.NoError(t, err)
		require.True(t, left.Notify)
		time.Sleep(time.Until(left.LeaseUntil)) // a new process tells what it finds when it starts
	}
	start()
	require.Eventually(t, func() bool {
		got, err := cfg.Jobs.Get(t.Context(), job.ID)
		return err == nil && !got.Notify
	}, time.Minute, 50*time.Millisecond, "the end is told")
	_ = child.Process.Kill()
	_ = child.Wait()
	messages := r.got()
	require.Len(t, messages, 2)
	assert.Equal(t, messages[0].id, messages[1].id)
	assert.Equal(t, messages[0].body, messages[1].body)
}

// nobody is a notifier that only says that there is one.
type nobody struct{}

func (nobody) NotifyEnded(context.Context, *bulk.Job) error { return errors.New("not here") }
