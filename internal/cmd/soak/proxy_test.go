//go:build unix

package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/internal/test/soak"
)

// echo starts a server, which tells what comes, and a proxy before it.
func echo(t *testing.T, link soak.Link) (proxied string, arrived chan string) {
	t.Helper()
	arrived = make(chan string, 3)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- r.Method + " " + r.URL.EscapedPath() + " " + string(body)
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and stout")
	}))
	t.Cleanup(server.Close)
	to := strings.Replace(server.URL, "http://", "http://key:secret@", 1)
	from, err := new(cloud).Proxy(t.Context(), to, link)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(from)
	if err != nil || u.User.String() != "key:secret" || "http://"+u.Host == server.URL {
		t.Fatalf("the proxy of %s is %s, %v", to, from, err)
	}
	return "http://" + u.Host, arrived
}

func send(ctx context.Context, t *testing.T, proxied, method string) (*http.Response, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, proxied+"/a%2Fb", strings.NewReader("text"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("User-Agent", "aws-sdk-go-v2/1.47.7 app/worker-12 m/C,D")
	return http.DefaultClient.Do(request)
}

// TestProxy: calls and answers pass as they are, and the link knows whose they are.
func TestProxy(t *testing.T) {
	var call soak.Call
	proxied, arrived := echo(t, func(_ context.Context, c soak.Call, deliver func()) bool {
		call = c
		deliver()
		return true
	})
	response, err := send(t.Context(), t, proxied, http.MethodPut)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || string(body) != "short and stout" || response.StatusCode != http.StatusTeapot || response.Header.Get("X-Answer") != "yes" {
		t.Errorf("an answer comes as %d, %v, %q, %v", response.StatusCode, response.Header, body, err)
	}
	if got, want := <-arrived, "PUT /a%2Fb text"; got != want {
		t.Errorf("the server gets %q, want %q", got, want)
	}
	if want := (soak.Call{Process: "worker-12", Operation: http.MethodPut, Writes: true}); call != want {
		t.Errorf("the link is told of %+v, want %+v", call, want)
	}
}

// TestProxyDelivers: a call that was held back is delivered although its caller is
// gone, and nobody gets an answer that the link keeps back.
func TestProxyDelivers(t *testing.T) {
	held, deliverNow := make(chan struct{}), make(chan struct{})
	proxied, arrived := echo(t, func(_ context.Context, c soak.Call, deliver func()) bool {
		if c.Writes {
			held <- struct{}{}
			<-deliverNow
		}
		deliver()
		return false
	})
	if response, err := send(t.Context(), t, proxied, http.MethodGet); err == nil {
		response.Body.Close()
		t.Error("an answer was seen that was to be lost")
	}
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		response, err := send(ctx, t, proxied, http.MethodPut)
		if err == nil {
			response.Body.Close()
		}
		gone <- err
	}()
	<-held
	cancel()
	if err := <-gone; err == nil {
		t.Error("the call was answered while it was held back")
	}
	close(deliverNow)
	if got, want := <-arrived, "PUT /a%2Fb text"; got != want {
		t.Errorf("the server gets %q, want %q", got, want)
	}
}

// TestCallOf: operations of DynamoDB are named by a header.
func TestCallOf(t *testing.T) {
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810.TransactWriteItems")
	if got, want := callOf(request), (soak.Call{Operation: "TransactWriteItems", Writes: true}); got != want {
		t.Errorf("the call is %+v, want %+v", got, want)
	}
}
