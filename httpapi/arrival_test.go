package httpapi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
)

// A pipeNet is a network of one server, whose time is that of the test's bubble.
type pipeNet chan net.Conn

func (p pipeNet) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipeNet) Close() error   { close(p); return nil }
func (p pipeNet) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p pipeNet) dial() net.Conn {
	client, server := net.Pipe()
	p <- server
	return client
}

// served runs a test with a server of the API in a bubble.
func served(t *testing.T, test func(t *testing.T, w *world, network pipeNet), change ...func(*bulk.Config, *httpapi.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		network := make(pipeNet)
		server := &http.Server{Handler: w.handler}
		go func() { _ = server.Serve(network) }()
		test(t, w, network)
		require.NoError(t, server.Close())
		time.Sleep(time.Minute) // for what the server does after an answer
	})
}

// head is the request line and headers of an import.
func head(path string, headers ...string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + admin + "\r\nContent-Type: application/json\r\n" +
		strings.Join(append(headers, "", ""), "\r\n")
}

// arrival sends text and then nothing more, and returns the answer, whether the
// connection was closed behind it, and how long that took.
func arrival(t *testing.T, network pipeNet, text string) (res *http.Response, body string, took time.Duration) {
	t.Helper()
	conn := network.dial()
	defer conn.Close()
	start := time.Now()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
	in := bufio.NewReader(conn)
	res, err = http.ReadResponse(in, nil)
	require.NoError(t, err)
	took = time.Since(start)
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	_ = res.Body.Close()
	if res.Close {
		_, err = in.ReadByte()
		assert.Equal(t, io.EOF, err, "rule: the connection is closed")
	}
	return res, string(answer), took
}

// A refused request is not waited for, however much of its body is still to come.
func TestRefusedAtOnce(t *testing.T) {
	served(t, func(t *testing.T, w *world, network pipeNet) {
		for name, c := range map[string]struct {
			text   string
			status int
		}{
			"404":                      {head("/v1/bulk/nothing", "Content-Length: 1000"), http.StatusNotFound},
			"405":                      {head("/v1/bulk/jobs", "Content-Length: 1000"), http.StatusMethodNotAllowed},
			"401":                      {head(usersPath, "Authorization:", "Content-Length: 1000"), http.StatusUnauthorized},
			"403":                      {head(usersPath, "Sec-Fetch-Site: cross-site", "Content-Length: 1000"), http.StatusForbidden},
			"415":                      {head(usersPath, "Content-Encoding: br", "Content-Length: 1000"), http.StatusUnsupportedMediaType},
			"413":                      {head(usersPath, "Content-Length: 100000000"), http.StatusRequestEntityTooLarge},
			"400":                      {head(usersPath, "Content-Length: 1000") + strings.Repeat("x", 600), http.StatusBadRequest},
			"400, chunked":             {head(usersPath, "Transfer-Encoding: chunked") + "258\r\n" + strings.Repeat("x", 600) + "\r\n", http.StatusBadRequest},
			"a body that nobody wants": {head("/v1/bulk/jobs/job_1/cancel", "Content-Length: 1000"), http.StatusNotFound},
		} {
			text := c.text
			if name == "401" {
				text = strings.Replace(text, "Authorization: Bearer "+admin+"\r\n", "", 1)
			}
			res, body, took := arrival(t, network, text)
			assert.Equal(t, c.status, res.StatusCode, "%s: %s", name, body)
			assert.Zero(t, took, name)
			assert.True(t, res.Close, name)
		}
		w.empty()
	})
}

// What has arrived as a whole costs nobody the connection.
func TestConnectionIsKept(t *testing.T) {
	served(t, func(t *testing.T, w *world, network pipeNet) {
		for _, body := range []string{usersBody(1), `{"users":[]}`, `{"user":1}`} {
			res, _, _ := arrival(t, network, head(usersPath, fmt.Sprint("Content-Length: ", len(body)))+body)
			assert.False(t, res.Close, body)
			res, _, _ = arrival(t, network, head(usersPath, "Transfer-Encoding: chunked")+fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body))
			assert.False(t, res.Close, body)
		}
	})
}

func TestSilentBody(t *testing.T) {
	served(t, func(t *testing.T, w *world, network pipeNet) {
		for _, headers := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked"} {
			res, body, took := arrival(t, network, head(usersPath, headers))
			assert.Equal(t, http.StatusRequestTimeout, res.StatusCode)
			assert.Contains(t, body, "REQUEST_TIMEOUT")
			assert.Equal(t, 7*time.Second, took)
			assert.True(t, res.Close)
		}
		// Of a job too, whose body streams into a blob.
		part := strings.TrimSuffix(usersBody(5000), "]}")
		res, body, took := arrival(t, network, head(usersPath, fmt.Sprint("Content-Length: ", len(part)+2))+part)
		assert.Equal(t, http.StatusRequestTimeout, res.StatusCode, body)
		assert.Equal(t, 7*time.Second, took)
		w.empty()
		assert.NotContains(t, w.log.String(), "level=ERROR")
	}, func(_ *bulk.Config, api *httpapi.Config) { api.BodyIdle = 7 * time.Second })
}

// A body that trickles is never silent, and ends all the same.
func TestTricklingBody(t *testing.T) {
	served(t, func(t *testing.T, w *world, network pipeNet) {
		conn := network.dial()
		defer conn.Close()
		start := time.Now()
		go func() {
			_, err := io.WriteString(conn, head(usersPath, "Content-Length: 1000000"))
			for err == nil {
				time.Sleep(5 * time.Second)
				_, err = io.WriteString(conn, " ")
			}
		}()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusRequestTimeout, res.StatusCode)
		assert.Equal(t, 58*time.Second, time.Since(start))
		_ = conn.Close()
	}, func(_ *bulk.Config, api *httpapi.Config) {
		api.BodyIdle, api.BodyTimeout = 7*time.Second, 58*time.Second
	})
}

// The time for the body is not that for the work.
func TestDeadlineEndsWithTheBody(t *testing.T) {
	served(t, func(t *testing.T, w *world, network pipeNet) {
		w.store.lookup = func() { time.Sleep(20 * time.Second) }
		body := usersBody(1)
		res, text, took := arrival(t, network, head(usersPath, fmt.Sprint("Content-Length: ", len(body)))+body)
		assert.Equal(t, http.StatusOK, res.StatusCode, text)
		assert.GreaterOrEqual(t, took, 20*time.Second)
	}, func(_ *bulk.Config, api *httpapi.Config) { api.BodyIdle, api.BodyTimeout = time.Second, 2*time.Second })
}

// The server's own bound counts where it is shorter.
func TestReadTimeoutOfTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		network := make(pipeNet)
		server := &http.Server{Handler: w.handler, ReadTimeout: 3 * time.Second}
		go func() { _ = server.Serve(network) }()
		res, _, took := arrival(t, network, head(usersPath, "Content-Length: 1000"))
		assert.Equal(t, http.StatusRequestTimeout, res.StatusCode)
		assert.Equal(t, 3*time.Second, took)
		require.NoError(t, server.Close())
		time.Sleep(time.Minute)
	})
}

// Without deadlines, what took too long is still refused.
func TestSlowBodyWithoutDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := httptest.NewRequest("POST", usersPath, &slow{text: usersBody(3), pause: time.Second})
		r.Header = http.Header{"Authorization": {"Bearer " + admin}, "Content-Type": {"application/json"}}
		requireProblem(t, w.serve(r.WithContext(context.WithoutCancel(r.Context()))), http.StatusRequestTimeout, "REQUEST_TIMEOUT")
		w.empty()
	}, func(_ *bulk.Config, api *httpapi.Config) { api.BodyTimeout = 10 * time.Second })
}

// slow yields a byte at a time.
type slow struct {
	text  string
	pause time.Duration
}

func (s *slow) Read(p []byte) (int, error) {
	if s.text == "" {
		return 0, io.EOF
	}
	time.Sleep(s.pause)
	p[0], s.text = s.text[0], s.text[1:]
	return 1, nil
}

// A client that reads while it is sending gets the answer, long before it has sent
// everything.
func TestAnswerReachesClientsThatAreStillSending(t *testing.T) {
	served(t, func(t *testing.T, w *world, network pipeNet) {
		conn := network.dial()
		defer conn.Close()
		go func() {
			_, _ = io.WriteString(conn, head(usersPath, "Transfer-Encoding: chunked")+"1\r\n{\r\n")
			for {
				if _, err := io.WriteString(conn, "1\r\nx\r\n"); err != nil {
					return
				}
			}
		}()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusBadRequest, res.StatusCode)
	})
}
