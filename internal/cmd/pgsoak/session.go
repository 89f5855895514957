//go:build unix

package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/bulkops/bulkops/internal/test/soak"
)

// deliveryTimeout bounds a call behind the proxy. It is longer than its caller
// waits.
const deliveryTimeout = 30 * time.Second

// A session passes on what a process and the server say to each other. What the
// process sends up to a Sync, or a simple query, is a call: the server answers
// it with messages up to ReadyForQuery. Source: PostgreSQL documentation, "Frontend/Backend
// Protocol".
type session struct {
	proxy          *proxy
	client, server net.Conn
	process        string            // the application_name
	statements     map[string]string // by name
	ready          chan struct{}     // has an element when a call was answered
	over           chan struct{}     // closed when the server is gone

	mu      sync.Mutex
	calling bool
	answer  []byte // to the call, kept until the process may see it
}

func newSession(p *proxy, client, server net.Conn) *session {
	return &session{
		proxy: p, client: client, server: server,
		statements: make(map[string]string), ready: make(chan struct{}, 1), over: make(chan struct{}),
	}
}

func (s *session) close() {
	s.client.Close()
	s.server.Close()
}

// run returns when one side is gone.
func (s *session) run() error {
	from := bufio.NewReader(s.client)
	first, err := readBody(from, nil)
	if err != nil {
		return err
	}
	s.process = applicationName(first)
	if _, err := s.server.Write(first); err != nil {
		return err
	}
	go s.listen()
	var text []byte // of the call
	var call soak.Call
	for {
		m, err := readMessage(from)
		if err != nil {
			return err
		}
		text = append(text, m...)
		switch m[0] {
		case 'P':
			name, rest := cut(m[5:])
			s.statements[name], _ = cut(rest)
			continue
		case 'B':
			_, rest := cut(m[5:])
			name, _ := cut(rest)
			s.note(&call, s.statements[name])
			continue
		case 'D', 'E', 'C': // Describe, Execute, Close
			continue
		case 'Q':
			query, _ := cut(m[5:])
			s.note(&call, query)
			err = s.call(call, text)
		case 'S':
			err = s.call(call, text)
		default: // a password, Terminate
			_, err = s.server.Write(text)
		}
		if err != nil {
			return err
		}
		text, call = nil, soak.Call{}
	}
}

var (
	writing = regexp.MustCompile(`\b(INSERT|UPDATE|DELETE)(?: INTO| FROM)? "?(bulkops_\w+)`)
	reading = regexp.MustCompile(`\b(FROM) "?(bulkops_\w+)`)
)

// note adds a statement to what is known of a call. The call is named by its first
// statement that writes, or else by its first that reads.
func (s *session) note(call *soak.Call, statement string) {
	if match := writing.FindStringSubmatch(statement); match != nil {
		if !call.Writes {
			call.Operation, call.Writes = match[1]+" "+match[2], true
		}
	} else if match := reading.FindStringSubmatch(statement); match != nil && call.Operation == "" {
		call.Operation = "SELECT " + match[2]
	}
}

var errUnseen = errors.New("the process is not to see the answer")

// call sends a call to the server and its answer to the process.
func (s *session) call(call soak.Call, text []byte) (err error) {
	call.Process = s.process
	seen := s.proxy.link(s.proxy.ctx, call, func() { err = s.deliver(text) })
	if !seen {
		return errUnseen
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calling = false
	_, unsent := s.client.Write(s.answer)
	s.answer = nil
	return errors.Join(err, unsent)
}

// deliver sends a call to the server and returns when it is answered, or can be no
// more.
func (s *session) deliver(text []byte) error {
	s.mu.Lock()
	s.calling = true
	s.mu.Unlock()
	if _, err := s.server.Write(text); err != nil {
		return err
	}
	select {
	case <-s.ready:
		return nil
	case <-s.over:
		return io.EOF
	case <-time.After(deliveryTimeout):
		return errors.New("no answer")
	}
}

// listen takes what the server says: answers to calls, and what it says by itself.
func (s *session) listen() {
	defer close(s.over)
	from := bufio.NewReader(s.server)
	for {
		m, err := readMessage(from)
		if err != nil || s.hear(m) != nil {
			return
		}
	}
}

func (s *session) hear(m []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.calling {
		_, err := s.client.Write(m)
		return err
	}
	s.answer = append(s.answer, m...)
	if m[0] == 'Z' {
		s.ready <- struct{}{}
	}
	return nil
}

// readMessage reads a message as it is: its type, its length, what it says.
func readMessage(r *bufio.Reader) ([]byte, error) {
	kind, err := r.ReadByte()
	if err != nil {
		return nil, err
	}
	return readBody(r, []byte{kind})
}

// readBody reads a length, which counts itself, and what has that length, and adds
// it to m.
func readBody(r *bufio.Reader, m []byte) ([]byte, error) {
	length := make([]byte, 4)
	if _, err := io.ReadFull(r, length); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length)
	if n < 4 || n > 1<<30 {
		return nil, errors.New("a message of no length")
	}
	m = append(m, length...)
	start := len(m)
	m = append(m, make([]byte, n-4)...)
	_, err := io.ReadFull(r, m[start:])
	return m, err
}

// cut splits a text that ends with a zero from what follows.
func cut(m []byte) (text string, rest []byte) {
	text, after, _ := strings.Cut(string(m), "\x00")
	return text, []byte(after)
}

// applicationName reads the first message of a connection; "" for one that only cancels
// what another connection does.
func applicationName(startup []byte) string {
	words := strings.Split(string(startup[min(8, len(startup)):]), "\x00")
	for i := 0; i+1 < len(words); i += 2 {
		if words[i] == "application_name" {
			return words[i+1]
		}
	}
	return ""
}
