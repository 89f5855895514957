package main

import (
	"context"
	"os/exec"
)

// A server is one of the real servers: what it is called, how it is fetched and
// how it is run.
type server struct {
	id       string // for -only and folder names
	name     string // for people
	variable string // the environment variable that tells its URL
	service  string // what the SDKs of AWS call what it serves, in AWS_ENDPOINT_URL_...

	// fetch brings the program into the cache and returns its folder there. It
	// says what is missing in an error of one line.
	fetch func(ctx context.Context, c *cache) (dir string, err error)

	// command is the command line that serves on 127.0.0.1:port until it is
	// killed. data is an empty folder that is removed afterwards. env is what the
	// tests must know besides the URL, as KEY=value.
	command func(dir, data string, port int) (cmd *exec.Cmd, env []string)
}

var servers = []server{dynamoDBLocal, dynoxide, versitygw, elasticMQ}
