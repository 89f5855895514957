//go:build unix

package soak

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// A Server can be ended and started again on what it has stored.
type Server struct {
	Name    string // as reports call it, such as "database"
	URL     string
	Log     string // a file
	Command func() (*exec.Cmd, error)
	Ready   func(ctx context.Context) error // nil when the server answers
	// Crash ends it at once, Stop lets it put things in order.
	Crash, Stop Ending

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// An Ending is a signal that ends a server, and what reports call that.
type Ending struct {
	Signal syscall.Signal
	Name   string
}

// The usual endings.
var (
	Kill      = Ending{syscall.SIGKILL, "SIGKILL"}
	Terminate = Ending{syscall.SIGTERM, "SIGTERM"}
)

// restarted is the fault of a server that was ended so and started again.
func (s *Server) restarted(by Ending) fault {
	return fault(fmt.Sprintf("%s and restart of the %s", by.Name, s.Name))
}

const (
	// startTimeout bounds the time until a server answers. One that was ended at once may have to
	// bring all its files to a busy disk first.
	startTimeout = 2 * time.Minute
	// serverStopTimeout bounds the time that a server takes to end.
	serverStopTimeout = 15 * time.Second
)

// errEnded is for a server that ends before it answers: somebody may have its port for
// a moment, as a port of connections.
var errEnded = errors.New("it ended before it answered")

// start starts the server and returns when it answers.
func (s *Server) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("%s: no answer within %v", s.Name, startTimeout))
	defer cancel()
	for {
		err := s.startOnce(ctx)
		if !errors.Is(err, errEnded) || !pause(ctx, 500*time.Millisecond) {
			return err
		}
	}
}

func (s *Server) startOnce(ctx context.Context) error {
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd, err := s.Command()
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	done := make(chan struct{})
	s.cmd, s.done = cmd, done
	go func() {
		_ = cmd.Wait() // how it ends does not matter
		close(done)
	}()
	return s.awaitAnswer(ctx)
}

func (s *Server) awaitAnswer(ctx context.Context) error {
	for s.Ready(ctx) != nil {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.done:
			return fmt.Errorf("%s: %w; its log is %s", s.Name, errEnded, s.Log)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// stop ends the server.
func (s *Server) stop(by Ending) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(by.Signal) // fails if it has ended
	select {
	case <-s.done:
		return
	case <-time.After(serverStopTimeout):
	}
	_ = s.cmd.Process.Kill()
	<-s.done
}

// restart ends the server and starts it again after a while.
func (s *Server) restart(ctx context.Context, by Ending, down time.Duration) error {
	s.stop(by)
	time.Sleep(down)
	if err := s.start(ctx); err != nil {
		return errors.Join(errors.New("restart"), err)
	}
	return nil
}

// FreePort returns a port of the loopback interface that nobody listens on now.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
