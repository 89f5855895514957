//go:build unix

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/bulkops/bulkops/internal/test/soak"
)

// Servers implements [soak.Backend].
func (c *cloud) Servers(_ context.Context, dir string) ([]*soak.Server, error) {
	database, err := newDatabase(c.dynoxide, dir)
	if err != nil {
		return nil, err
	}
	objects, err := newBlobServer(c.versitygw, dir)
	return []*soak.Server{database, objects}, err
}

// newDatabase returns dynoxide with its tables in a file. It takes any credentials.
func newDatabase(program, dir string) (*soak.Server, error) {
	port, err := soak.FreePort()
	if err != nil {
		return nil, err
	}
	return &soak.Server{
		Name: "database", URL: address(port, "soak", "soak"), Log: filepath.Join(dir, "dynoxide.log"),
		Command: func() (*exec.Cmd, error) {
			return exec.Command(program, "--host", "127.0.0.1", "--port", strconv.Itoa(port),
				"--db-path", filepath.Join(dir, "dynoxide.db")), nil
		},
		Ready: answers(port), Crash: soak.Kill, Stop: soak.Terminate,
	}, nil
}

// newBlobServer returns versitygw with its objects in a folder.
func newBlobServer(program, dir string) (*soak.Server, error) {
	port, err := soak.FreePort()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "objects")
	if err := os.Mkdir(data, 0o755); err != nil {
		return nil, err
	}
	accessKey, secretKey := rand.Text(), rand.Text()
	return &soak.Server{
		Name: "blob server", URL: address(port, accessKey, secretKey), Log: filepath.Join(dir, "versitygw.log"),
		Command: func() (*exec.Cmd, error) {
			cmd := exec.Command(program, "--quiet", "--keep-alive",
				"--port", fmt.Sprintf("127.0.0.1:%d", port), "posix", data)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey)
			return cmd, nil
		},
		Ready: answers(port), Crash: soak.Kill, Stop: soak.Terminate,
	}, nil
}

// address is a URL with credentials.
func address(port int, accessKey, secretKey string) string {
	u := url.URL{Scheme: "http", User: url.UserPassword(accessKey, secretKey), Host: fmt.Sprintf("127.0.0.1:%d", port)}
	return u.String()
}

// answers asks the server on a port for anything.
func answers(port int) func(context.Context) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d", port), nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
}
