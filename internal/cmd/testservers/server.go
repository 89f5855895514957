package main

import (
	"context"
	"os/exec"
	"strings"
)

// A server is one of the real servers: what it is called, how it is fetched and
// how it is run.
type server struct {
	id       string // for -only and folder names
	name     string // for people
	version  string
	variable string // the environment variable that tells its URL
	service  string // what the SDKs of AWS call what it serves, in AWS_ENDPOINT_URL_...; "" if it is not of AWS

	// nobody is set for a server that does not run as root: if this command does, the
	// server's user is nobody, who has to come through to its folders.
	nobody bool

	// fetch brings the program into the cache and returns its folder there. It
	// says what is missing in an error of one line.
	fetch func(ctx context.Context, c *cache) (dir string, err error)

	// prepare fills the empty folder data before the server runs; nil for one that
	// needs nothing there.
	prepare func(ctx context.Context, dir, data string) error

	// command is the command line that serves on 127.0.0.1:port until it is
	// killed. data is removed afterwards. env is what the tests must know besides
	// the URL, as KEY=value.
	command func(dir, data string, port int) (cmd *exec.Cmd, env []string, err error)

	// url is where the tests find the server, and ready returns nil when it answers
	// there. nil is HTTP: a server that answers a GET in whatever way.
	url   func(port int) string
	ready func(ctx context.Context, url string) error
}

// title is the name and the version.
func (s *server) title() string { return strings.TrimSpace(s.name + " " + s.version) }

var servers = []server{dynamoDBLocal, dynoxide, versitygw, elasticMQ, oldestPostgres, newestPostgres}
