package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/bulkops/bulkops/internal/test/required"
)

// A lab builds test programs, with and without faults, and runs them.
type lab struct {
	root  string // of the module
	dir   string // for files that are thrown away
	times int    // how often a fault must be caught
	sound map[trial]error
}

// A trial is a test of a package.
type trial struct{ pkg, test string }

var errSurvived = errors.New("SURVIVED")

// try returns nil if the fault is caught by its test.
func (l *lab) try(ctx context.Context, m mutation) error {
	source, err := m.plant(l.root)
	if err != nil {
		return err
	}
	t := trial{m.pkg(), m.test}
	if err := l.checkSound(ctx, t); err != nil {
		return fmt.Errorf("without the fault: %w", err)
	}
	overlay, err := l.overlay(m.file, source)
	if err != nil {
		return err
	}
	program := filepath.Join(l.dir, "faulty.test")
	if err := l.build(ctx, t.pkg, program, "-overlay", overlay); err != nil {
		return err
	}
	for n := range l.times {
		passed, output, err := l.runTest(ctx, program, t)
		switch {
		case err != nil:
			return err
		case passed && l.times > 1:
			return fmt.Errorf("%w run %d of %d of %s", errSurvived, n+1, l.times, t.test)
		case passed:
			return fmt.Errorf("%w %s", errSurvived, t.test)
		case !bytes.Contains(output, []byte("--- FAIL: ")):
			return fmt.Errorf("%s ended without a test that failed:\n%s", t.test, output)
		}
	}
	return nil
}

// checkSound returns an error unless the test passes without any fault.
func (l *lab) checkSound(ctx context.Context, t trial) error {
	if err, known := l.sound[t]; known {
		return err
	}
	err := func() error {
		program := filepath.Join(l.dir, "sound.test")
		if err := l.build(ctx, t.pkg, program); err != nil {
			return err
		}
		passed, output, err := l.runTest(ctx, program, t)
		switch {
		case err != nil:
			return err
		case !passed:
			return fmt.Errorf("%s fails:\n%s", t.test, output)
		case bytes.Contains(output, []byte("no tests to run")) || !bytes.Contains(output, []byte("--- PASS: ")):
			return fmt.Errorf("%s runs no test", t.test)
		}
		return nil
	}()
	l.sound[t] = err
	return err
}

// overlay writes what the go command needs to see a file as source is.
func (l *lab) overlay(file string, source []byte) (string, error) {
	replaced, err := filepath.Abs(filepath.Join(l.root, filepath.FromSlash(file)))
	if err != nil {
		return "", err
	}
	replacement := filepath.Join(l.dir, "faulty.go")
	if err := os.WriteFile(replacement, source, 0o600); err != nil {
		return "", err
	}
	content, err := json.Marshal(map[string]map[string]string{"Replace": {replaced: replacement}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(l.dir, "overlay.json")
	return overlay, os.WriteFile(overlay, content, 0o600)
}

// build makes the test program of a package.
func (l *lab) build(ctx context.Context, pkg, program string, flags ...string) error {
	args := append([]string{"test", "-c", "-o", program}, flags...)
	command := exec.CommandContext(ctx, "go", append(args, ".")...)
	command.Dir = filepath.Join(l.root, filepath.FromSlash(pkg)) // which may be in a module of its own
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("the test program cannot be built: %w\n%s", err, output)
	}
	return nil
}

// progress are the lines of package testing that say what runs.
var progress = regexp.MustCompile(`(?m)^=== .*\n`)

// runTest runs a test. A test whose server is missing fails, where it would be
// skipped otherwise.
func (l *lab) runTest(ctx context.Context, program string, t trial) (passed bool, output []byte, err error) {
	command := exec.CommandContext(ctx, program, "-test.v", "-test.timeout=5m", "-test.run="+t.test)
	command.Dir = filepath.Join(l.root, filepath.FromSlash(t.pkg))
	command.Env = append(os.Environ(), required.Env+"="+strconv.Itoa(1))
	output, err = command.CombinedOutput()
	output = progress.ReplaceAll(output, nil)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return false, output, ctx.Err()
	case err == nil:
		return true, output, nil
	case errors.As(err, &exit):
		return false, output, nil
	default:
		return false, output, err
	}
}
