package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
)

// dynoxideVersion is the version of the packages @dynoxide/OS-CPU, which hold one
// program each. Source: npm; the project is github.com/nubo-db/dynoxide.
const dynoxideVersion = "1.2.1"

// npmCPU is what npm calls the processors that dynoxide is built for.
var npmCPU = map[string]string{"amd64": "x64", "arm64": "arm64"}

var dynoxide = server{
	id:       "dynoxide",
	name:     "dynoxide",
	version:  dynoxideVersion,
	variable: "BULKOPS_TEST_DYNOXIDE",
	service:  serviceDynamoDB,
	fetch: func(ctx context.Context, c *cache) (string, error) {
		cpu, ok := npmCPU[runtime.GOARCH]
		if !ok || runtime.GOOS == "windows" {
			return "", fmt.Errorf("no build for %s/%s", runtime.GOOS, runtime.GOARCH)
		}
		platform := runtime.GOOS + "-" + cpu
		return c.get(ctx, "dynoxide-"+platform+"@"+dynoxideVersion, func(ctx context.Context, dir string) error {
			return npmPackage(ctx, "@dynoxide/"+platform+"@"+dynoxideVersion, dir)
		})
	},
	command: func(dir, data string, port int) (*exec.Cmd, []string, error) {
		// Without -db-path the tables are in memory.
		cmd := exec.Command(filepath.Join(dir, "dynoxide"), "--host", "127.0.0.1", "--port", strconv.Itoa(port))
		cmd.Dir = data
		return cmd, []string{"BULKOPS_TEST_DYNOXIDE_PROGRAM=" + cmd.Path}, nil
	},
}
