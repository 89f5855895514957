//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tenants are the tokens of admins of different tenants.
var tenants = []string{"token-a", "token-b", "token-c", "token-d"}

// A server is examples/server in a process of its own.
type server struct {
	url  string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// startServer starts the server and returns when it listens. It is told of four fifths
// of the limit, as README has it.
func startServer(ctx context.Context, program string, limit int64, aws bool) (*server, error) {
	var tokens []string
	for _, token := range tenants {
		tokens = append(tokens, token+"=admin:"+token+":flood")
	}
	args := []string{"-addr", "127.0.0.1:0", "-tokens", strings.Join(tokens, ","), "-workers", "0"}
	env := append(os.Environ(), fmt.Sprint("GOMEMLIMIT=", limit/5*4))
	if aws {
		args = append(args, "-backend", "aws", "-dynamodb-endpoint", os.Getenv("BULKOPS_TEST_DYNOXIDE"),
			"-s3-endpoint", os.Getenv("BULKOPS_TEST_S3"))
		env = append(env, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID="+os.Getenv("BULKOPS_TEST_S3_ACCESS_KEY"),
			"AWS_SECRET_ACCESS_KEY="+os.Getenv("BULKOPS_TEST_S3_SECRET_KEY"))
	}
	s := &server{cmd: exec.CommandContext(ctx, program, args...), done: make(chan struct{})}
	s.cmd.Env = env
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			s.url = url
			break
		}
	}
	go func() {
		for lines.Scan() { // what it says is of no interest, but must be read
		}
		_ = s.cmd.Wait()
		close(s.done)
	}()
	if s.url == "" {
		s.stop()
		return nil, errors.New("the server did not start")
	}
	return s, nil
}

func (s *server) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-s.done:
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}

// resetPeak makes the peak what is in use now. Source: proc(5), clear_refs.
func (s *server) resetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0)
}

// peak returns the most resident memory of the process in bytes since resetPeak.
func (s *server) peak() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, errors.New("the process has no VmHWM: it has ended")
}
