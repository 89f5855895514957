//go:build unix

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// A server is a database or blob server that can be killed and started again on
// what it has stored.
type server struct {
	name    string
	url     string
	command func() *exec.Cmd
	log     string // a file

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

const (
	// startTimeout bounds the time until a server answers.
	startTimeout = 20 * time.Second
	// stopTimeout bounds the time that a server takes to end.
	stopTimeout = 5 * time.Second
)

// newDatabase returns dynoxide with its tables in a file.
func newDatabase(program, dir string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	return &server{
		name: "dynoxide", url: fmt.Sprintf("http://127.0.0.1:%d", port), log: filepath.Join(dir, "dynoxide.log"),
		command: func() *exec.Cmd {
			return exec.Command(program, "--host", "127.0.0.1", "--port", strconv.Itoa(port),
				"--db-path", filepath.Join(dir, "dynoxide.db"))
		},
	}, nil
}

// newBlobServer returns versitygw with its objects in a folder, and the credentials
// that it takes.
func newBlobServer(program, dir string) (s *server, accessKey, secretKey string, err error) {
	port, err := freePort()
	if err != nil {
		return nil, "", "", err
	}
	data := filepath.Join(dir, "objects")
	if err := os.Mkdir(data, 0o755); err != nil {
		return nil, "", "", err
	}
	accessKey, secretKey = rand.Text(), rand.Text()
	s = &server{
		name: "versitygw", url: fmt.Sprintf("http://127.0.0.1:%d", port), log: filepath.Join(dir, "versitygw.log"),
		command: func() *exec.Cmd {
			cmd := exec.Command(program, "--quiet", "--keep-alive",
				"--port", fmt.Sprintf("127.0.0.1:%d", port), "posix", data)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey)
			return cmd
		},
	}
	return s, accessKey, secretKey, nil
}

// start starts the server and returns when it answers.
func (s *server) start(ctx context.Context) error {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = s.command()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	cmd, done := s.cmd, make(chan struct{})
	s.done = done
	go func() {
		_ = cmd.Wait() // how it ends does not matter
		close(done)
	}()
	return s.awaitAnswer(ctx)
}

func (s *server) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("%s: no answer within %v", s.name, startTimeout))
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			return response.Body.Close()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.done:
			return fmt.Errorf("%s ended before it answered; its log is %s", s.name, s.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the server, by a signal that it can or cannot catch.
func (s *server) stop(signal syscall.Signal) {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(signal) // fails if it has ended
	select {
	case <-s.done:
		return
	case <-time.After(stopTimeout):
	}
	_ = s.cmd.Process.Kill()
	<-s.done
}

// restart stops the server by the signal and starts it again after a while.
func (s *server) restart(ctx context.Context, signal syscall.Signal, down time.Duration) error {
	s.stop(signal)
	time.Sleep(down)
	if err := s.start(ctx); err != nil {
		return errors.Join(errors.New("restart"), err)
	}
	return nil
}

// freePort returns a port of the loopback interface that nobody listens on now.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
