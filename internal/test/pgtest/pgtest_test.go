package pgtest_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/url"
	"testing"

	"github.com/bulkops/bulkops/internal/test/pgserver"
	"github.com/bulkops/bulkops/internal/test/pgtest"
)

func TestOwnServerStopsAndStarts(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, server pgtest.Server) {
		if err := pgserver.Ready(t.Context(), server.URL); err != nil {
			t.Fatalf("the server of all: %v", err)
		}
		own := server.Own(t)
		if own.URL == server.URL {
			t.Fatal("the test's own server is that of all")
		}
		own.Crash(t)
		if err := pgserver.Ready(t.Context(), own.URL); err == nil {
			t.Error("a server that has crashed takes connections")
		}
		own.Start(t)
		if err := pgserver.Ready(t.Context(), own.URL); err != nil {
			t.Errorf("after a restart: %v", err)
		}
	})
}

// echo is a server that answers each line with itself, and counts the lines that came.
func echo(t *testing.T) (address string, lines <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	came := make(chan string, 8)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for reader := bufio.NewReader(conn); ; {
					line, err := reader.ReadString('\n')
					if err != nil {
						return
					}
					came <- line
					if _, err := conn.Write([]byte(line)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String(), came
}

func TestProxy(t *testing.T) {
	address, lines := echo(t)
	proxy := pgtest.NewProxy(t, "postgres://"+address+"/db")
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() (string, error) {
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("hello\n")); err != nil {
			t.Fatal(err)
		}
		return bufio.NewReader(conn).ReadString('\n')
	}

	if answer, err := ask(); answer != "hello\n" || err != nil {
		t.Errorf("without faults the answer is %q, %v", answer, err)
	}
	<-lines

	proxy.SetFault(func(chunk pgtest.Chunk) pgtest.Fault { return pgtest.Fault{Cut: !chunk.ToServer} })
	if answer, err := ask(); !errors.Is(err, io.EOF) {
		t.Errorf("an answer that is cut is %q, %v", answer, err)
	}
	<-lines // but the request has come

	proxy.SetFault(func(chunk pgtest.Chunk) pgtest.Fault { return pgtest.Fault{Cut: chunk.ToServer} })
	if answer, err := ask(); err == nil {
		t.Errorf("a request that is cut is answered with %q", answer)
	}
	select {
	case line := <-lines:
		t.Errorf("a request that was cut came: %q", line)
	default:
	}
}
