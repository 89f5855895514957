package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// versitygwVersion is the version of the Go module github.com/versity/versitygw.
const (
	versitygwVersion = "v1.8.0"
	versitygwCommand = "github.com/versity/versitygw/cmd/versitygw@" + versitygwVersion
)

var versitygw = server{
	id:       "versitygw",
	name:     "versitygw",
	version:  versitygwVersion,
	variable: "BULKOPS_TEST_S3",
	service:  serviceS3,
	fetch: func(ctx context.Context, c *cache) (string, error) {
		if runtime.GOOS == "windows" {
			return "", fmt.Errorf("no build for %s", runtime.GOOS)
		}
		key := fmt.Sprintf("versitygw-%s-%s@%s", runtime.GOOS, runtime.GOARCH, versitygwVersion)
		return c.get(ctx, key, func(ctx context.Context, dir string) error {
			return goProgram(ctx, versitygwCommand, dir)
		})
	},
	command: func(dir, data string, port int) (*exec.Cmd, []string, error) {
		accessKey, secretKey := rand.Text(), rand.Text()
		// Without --keep-alive every request would be a connection of its own.
		cmd := exec.Command(filepath.Join(dir, "versitygw"), "--quiet", "--keep-alive",
			"--port", fmt.Sprintf("127.0.0.1:%d", port), "posix", data)
		cmd.Dir = data
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey)
		return cmd, []string{
			"BULKOPS_TEST_S3_ACCESS_KEY=" + accessKey,
			"BULKOPS_TEST_S3_SECRET_KEY=" + secretKey,
			"BULKOPS_TEST_S3_PROGRAM=" + cmd.Path,
		}, nil
	},
}
