package awsconf

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// TestAnswerIsReadWhole: the connection stays open while an answer is read, also if
// net/http finds out only then that the request's body has ended.
func TestAnswerIsReadWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const items = 2000 // more than the connection's buffer takes with the header
		answer := fmt.Sprintf(`{"Items":[%s{"pk":{"S":"last"}}]}`, strings.Repeat(`{"pk":{"S":"user"}},`, items-1))
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go answerOnce(far, answer)
			return &lateConn{Conn: near, answered: make(chan struct{})}, nil
		}}
		defer transport.CloseIdleConnections()

		client := dynamodb.NewFromConfig(Tune(testConfig(&http.Client{Transport: transport}), func() aws.Retryer { return aws.NopRetryer{} }))
		page, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("users")})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) != items {
			t.Errorf("%d items, want %d", len(page.Items), items)
		}
	})
}

// answerOnce serves one request.
func answerOnce(conn net.Conn, answer string) {
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	io.Copy(io.Discard, request.Body)
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
}

// A lateConn returns from the write that ends a request only when the caller, who
// has the header of the answer, reads on.
type lateConn struct {
	net.Conn
	reads    int
	answered chan struct{}
}

func (c *lateConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if bytes.HasSuffix(p, []byte("}")) {
		<-c.answered
	}
	return n, err
}

func (c *lateConn) Read(p []byte) (int, error) {
	c.reads++
	if c.reads == 2 { // the first one is that of the transport, for the header
		close(c.answered)
		synctest.Wait() // for what net/http does after the write
	}
	return c.Conn.Read(p)
}

// TestBodyThatWasClosedHasEnded: io.Copy finds the end of a closed body, and no error,
// in a client that is tuned once, or twice.
func TestBodyThatWasClosedHasEnded(t *testing.T) {
	once := Tune(testConfig(nil), RetryAll)
	for name, cfg := range map[string]aws.Config{"once": once, "twice": Tune(once, RetryAll)} {
		t.Run(name, func(t *testing.T) {
			var server bodies
			cfg.HTTPClient = &server
			if _, err := dynamodb.NewFromConfig(cfg).ListTables(t.Context(), &dynamodb.ListTablesInput{Limit: aws.Int32(7)}); err != nil {
				t.Fatal(err)
			}
			if want := []string{`{"Limit":7}`}; len(server.read) != 1 || server.read[0] != want[0] {
				t.Errorf("the server read %q, want %q", server.read, want)
			}
			if n, err := io.Copy(io.Discard, server.last); n != 0 || err != nil {
				t.Errorf("a copy of the closed body returned %d, %v", n, err)
			}
		})
	}
}

// TestBodyIsSentAgain: each attempt has the whole body and its length.
func TestBodyIsSentAgain(t *testing.T) {
	server := bodies{failures: 2}
	cfg := Tune(testConfig(&server), func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.Backoff = retry.BackoffDelayerFunc(noPause) })
	})
	if _, err := dynamodb.NewFromConfig(cfg).ListTables(t.Context(), &dynamodb.ListTablesInput{Limit: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
	if len(server.read) != 3 {
		t.Fatalf("%d attempts, want 3", len(server.read))
	}
	for i, got := range server.read {
		if want := `{"Limit":7}`; got != want || server.lengths[i] != int64(len(want)) {
			t.Errorf("attempt %d sent %q with length %d, want %q", i+1, got, server.lengths[i], want)
		}
	}
}

func noPause(int, error) (time.Duration, error) { return 0, nil }

func testConfig(client aws.HTTPClient) aws.Config {
	return aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: aws.String("http://dynamodb.example"),
		Credentials:  credentials.NewStaticCredentialsProvider("a", "s", ""),
		HTTPClient:   client,
	}
}

// bodies reads the bodies of requests and answers each with an empty object, the
// first ones with a failure.
type bodies struct {
	failures int

	read    []string
	lengths []int64
	last    io.Reader
}

// Do implements [aws.HTTPClient].
func (b *bodies) Do(request *http.Request) (*http.Response, error) {
	content, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	b.read = append(b.read, string(content))
	b.lengths = append(b.lengths, request.ContentLength)
	b.last = request.Body
	status := http.StatusOK
	if len(b.read) <= b.failures {
		status = http.StatusInternalServerError
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}
