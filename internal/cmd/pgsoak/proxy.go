//go:build unix

package main

import (
	"context"
	"net"
	"net/url"

	"github.com/bulkops/bulkops/internal/test/soak"
)

// A proxy takes connections to a server. What goes to and fro is in session.go.
type proxy struct {
	ctx    context.Context // of the run
	server string          // host and port
	link   soak.Link
}

// Proxy implements [soak.Backend].
func (p *postgres) Proxy(ctx context.Context, target string, link soak.Link) (string, error) {
	u, err := url.Parse(target)
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	between := &proxy{ctx: ctx, server: u.Host, link: link}
	go between.accept(listener)
	u.Host = listener.Addr().String()
	return u.String(), nil
}

// accept serves connections until the listener is closed.
func (p *proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go p.serve(client)
	}
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(p.ctx, "tcp", p.server)
	if err != nil {
		return // the server is down: so is the connection
	}
	s := newSession(p, client, server)
	defer context.AfterFunc(p.ctx, s.close)()
	defer s.close()
	_ = s.run() // one side is gone
}
