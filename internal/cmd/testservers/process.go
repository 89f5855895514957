package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	// startTimeout bounds the time from a server's start to its first answer.
	startTimeout = 60 * time.Second

	// startAttempts bounds how often a server is started that ends before it
	// answers, which is what happens when someone else took its port.
	startAttempts = 3

	// pollInterval is the time between two questions whether a server answers.
	pollInterval = 50 * time.Millisecond

	// stopTimeout is how long a process may take to end before it is killed.
	stopTimeout = 10 * time.Second
)

// errExited tells that a server ended by itself.
var errExited = errors.New("exited")

// A process is a server that runs.
type process struct {
	name string
	url  string
	env  []string // what the tests must know, as KEY=value, the URL included
	cmd  *exec.Cmd
	work string        // holds the data folder and the log; removed by stop
	done chan struct{} // closed when the process has ended
	err  error         // how it ended; set before done is closed
}

// start fetches s, runs it, and returns when it answers.
func start(ctx context.Context, c *cache, s server) (*process, error) {
	if s.nobody && os.Geteuid() == 0 && !c.isOpen() {
		var err error
		if c, err = newCache(filepath.Join(os.TempDir(), "bulkops-cache")); err != nil {
			return nil, err
		}
	}
	dir, err := s.fetch(ctx, c)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		p, err := startOnce(ctx, c, s, dir)
		if err == nil || attempt == startAttempts || !errors.Is(err, errExited) {
			return p, err
		}
	}
}

func startOnce(ctx context.Context, c *cache, s server, dir string) (*process, error) {
	// The data folder is in the cache and not in the system's temporary folder,
	// which may be a file system without the extended attributes that versitygw
	// stores its metadata in.
	work, err := os.MkdirTemp(c.dir, "run-"+s.id+"-")
	if err != nil {
		return nil, err
	}
	// A server that does not run as root, although this command does, comes through here.
	if err := os.Chmod(work, 0o755); err != nil {
		os.RemoveAll(work)
		return nil, err
	}
	p := &process{name: s.title(), work: work, done: make(chan struct{})}
	if err := p.launch(ctx, s, dir); err != nil {
		os.RemoveAll(work)
		return nil, err
	}
	ready := s.ready
	if ready == nil {
		ready = answersHTTP
	}
	if err := p.awaitAnswer(ctx, ready); err != nil {
		err = fmt.Errorf("%w: %s", err, p.log())
		p.stop()
		return nil, err
	}
	return p, nil
}

// launch starts the process and the goroutine that waits for its end.
func (p *process) launch(ctx context.Context, s server, dir string) error {
	data := filepath.Join(p.work, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		return err
	}
	if s.prepare != nil {
		if err := s.prepare(ctx, dir, data); err != nil {
			return err
		}
	}
	log, err := os.Create(filepath.Join(p.work, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	port, err := freePort()
	if err != nil {
		return err
	}
	if p.cmd, p.env, err = s.command(dir, data, port); err != nil {
		return err
	}
	p.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	if s.url != nil {
		p.url = s.url(port)
	}
	p.env = append(p.env, s.variable+"="+p.url)
	p.cmd.Stdout = log
	p.cmd.Stderr = log
	ownGroup(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return nil
}

// awaitAnswer returns when the server is ready.
func (p *process) awaitAnswer(ctx context.Context, ready func(ctx context.Context, url string) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("no answer within %v", startTimeout))
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.done:
			return fmt.Errorf("%w before it answered: %v", errExited, p.err)
		case <-tick.C:
		}
		if ready(ctx, p.url) == nil {
			return p.exited() // someone else may be listening there
		}
	}
}

// answersHTTP returns nil when a server has answered a request, in whatever way: one
// without credentials is often refused.
func answersHTTP(ctx context.Context, url string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// exited tells how the process ended, or is nil while it runs.
func (p *process) exited() error {
	select {
	case <-p.done:
		return fmt.Errorf("%w: %v: %s", errExited, p.err, p.log())
	default:
		return nil
	}
}

// stop ends the process and all it started, and removes its files.
func (p *process) stop() {
	_ = terminateGroup(p.cmd.Process) // fails if it has ended
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
	}
	_ = killGroup(p.cmd.Process)
	<-p.done
	if err := os.RemoveAll(p.work); err != nil {
		fmt.Fprintf(os.Stderr, "testservers: %s: %v\n", p.name, err)
	}
}

// log is the end of what the process wrote, on one line.
func (p *process) log() string {
	text, err := os.ReadFile(filepath.Join(p.work, "log"))
	if err != nil {
		return err.Error()
	}
	text = bytes.TrimSpace(text)
	return oneLine(string(text[max(0, len(text)-maxMessage):]))
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
