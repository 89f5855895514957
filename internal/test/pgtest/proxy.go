package pgtest

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// A Chunk is what went through a [Proxy] in one piece: often, but not always, what one side
// sent in one piece.
type Chunk struct {
	ToServer bool // a request, not an answer
	Bytes    int
}

// A Fault is what a [Proxy] does with a chunk: it waits for Delay, then it passes the chunk on,
// or ends the connection and drops it if Cut is set. A request that is cut was not done; one
// whose answer is cut was, and its client does not know.
type Fault struct {
	Delay time.Duration
	Cut   bool
}

// A Proxy stands between a client and a server, and makes faults.
type Proxy struct {
	URL string // the connection string that leads through it

	listener net.Listener
	server   string
	running  sync.WaitGroup

	mu    sync.Mutex
	fault func(Chunk) Fault
	conns map[net.Conn]bool // nil when the proxy has ended
}

// NewProxy starts a proxy in front of the server of a connection string. It ends with the
// test. Until [Proxy.SetFault] it makes no faults.
func NewProxy(tb testing.TB, connection string) *Proxy {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{listener: listener, conns: map[net.Conn]bool{}}
	p.URL = edit(tb, connection, func(u *url.URL) { p.server, u.Host = u.Host, listener.Addr().String() })
	p.running.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// SetFault sets what is done with each chunk from now on; nil passes all on. The function is
// called by several goroutines at once.
func (p *Proxy) SetFault(fault func(Chunk) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			client.Close()
			continue
		}
		if !p.keep(client, server) {
			return
		}
		p.running.Go(func() { p.copy(client, server, true) })
		p.running.Go(func() { p.copy(server, client, false) })
	}
}

// keep remembers the two ends of a connection for close. It reports false, and closes them, if
// the proxy has ended.
func (p *Proxy) keep(ends ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, end := range ends {
		if p.conns == nil {
			end.Close()
			continue
		}
		p.conns[end] = true
	}
	return p.conns != nil
}

// copy passes chunks on until one side ends or a fault cuts the connection.
func (p *Proxy) copy(from, to net.Conn, toServer bool) {
	defer p.drop(from, to)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			fault := p.decide(Chunk{toServer, n})
			time.Sleep(fault.Delay)
			if fault.Cut {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return // io.EOF, or the connection is gone
		}
	}
}

func (p *Proxy) decide(chunk Chunk) Fault {
	p.mu.Lock()
	fault := p.fault
	p.mu.Unlock()
	if fault == nil {
		return Fault{}
	}
	return fault(chunk)
}

func (p *Proxy) drop(ends ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, end := range ends {
		end.Close()
		delete(p.conns, end)
	}
}

func (p *Proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	for end := range p.conns {
		end.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.running.Wait()
}
