//go:build unix

package soak

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// stopTimeout bounds the time that a process takes to end by itself.
const stopTimeout = 5 * time.Second

// A child is a process of a role.
type child struct {
	name    string
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	answers chan answer   // of an importer; closed when it has ended
	done    chan struct{} // closed when the process has ended
	killed  bool          // by SIGKILL; set, as failed is, before done is closed
	failed  bool          // it has ended by itself, with an error
	fuses   *fuses

	mu      sync.Mutex
	stopped bool
	atCall  bool // it was killed at a certain call
}

// startChild starts this program in a role. What it says besides is added to the
// file named log.
func startChild(role string, s settings, fuses *fuses, log string) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	c := &child{name: s.Name, cmd: exec.Command(program, role), answers: make(chan answer, 64), done: make(chan struct{}), fuses: fuses}
	c.cmd.Stderr = file
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go c.follow(stdout)
	return c, c.send(s)
}

// follow reads what the process writes until it ends.
func (c *child) follow(stdout io.Reader) {
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break // what it was writing when it was killed is nothing
		}
		var a answer
		if json.Unmarshal(line, &a) != nil {
			break
		}
		c.answers <- a
	}
	err := c.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status, ok := exit.Sys().(syscall.WaitStatus)
		c.killed = ok && status.Signaled() && status.Signal() == syscall.SIGKILL
		c.failed = !c.killed
	}
	close(c.done)
	close(c.answers)
}

// send writes one line to the process. A process that has been killed takes none,
// which shows in its end.
func (c *child) send(value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if _, err := c.stdin.Write(append(line, '\n')); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

// kill kills the process, if it has not ended.
func (c *child) kill() { _ = c.cmd.Process.Kill() }

// killAtCall kills the process because of the call that it makes, and returns when
// it has ended.
func (c *child) killAtCall() {
	c.mu.Lock()
	c.atCall = true
	c.mu.Unlock()
	c.kill()
	<-c.done
}

// dead reports whether the process has ended by SIGKILL.
func (c *child) dead() bool {
	select {
	case <-c.done:
		return c.killed
	default:
		return false
	}
}

// pause stops the process for that long. It reports whether the process was there
// all the time; of two pauses at once the second does nothing.
func (c *child) pause(d time.Duration) bool {
	c.mu.Lock()
	if c.stopped {
		c.mu.Unlock()
		return false
	}
	c.stopped = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.stopped = false
		c.mu.Unlock()
	}()
	if c.cmd.Process.Signal(syscall.SIGSTOP) != nil {
		return false
	}
	select {
	case <-c.done:
		return false
	case <-time.After(d):
	}
	return c.cmd.Process.Signal(syscall.SIGCONT) == nil
}

// end lets the process end by itself, and kills it if it does not.
func (c *child) end() {
	_ = c.cmd.Process.Signal(syscall.SIGCONT)
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.stdin.Close()
	select {
	case <-c.done:
	case <-time.After(stopTimeout):
		c.kill()
		<-c.done
	}
}
