// Command httpdoc writes docs/http.md: a transcript of every endpoint and every
// error of the HTTP API, made by running the curl commands that it shows.
//
//	go run ./internal/cmd/httpdoc          write docs/http.md
//	go run ./internal/cmd/httpdoc -check   fail if it would be another text
//
// The commands run against examples/server, those of failures against a handler
// whose backends fail. Ids, times and tokens are replaced, so the text is the
// same with each run. It needs sh, curl, seq, awk, gzip and the go command.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	check := flag.Bool("check", false, "compare docs/http.md instead of writing it")
	flag.Parse()
	if err := run(context.Background(), *check, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "httpdoc:", err)
		os.Exit(1)
	}
}

// run makes the text and writes it, or compares it with what is there.
func run(ctx context.Context, check bool, out io.Writer) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	file := filepath.Join(strings.TrimSpace(string(root)), "docs", "http.md")
	text, err := transcribe(ctx)
	if err != nil {
		return err
	}
	if !check {
		return os.WriteFile(file, text, 0o644)
	}
	was, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if string(was) == string(text) {
		return nil
	}
	diff(out, strings.Split(string(was), "\n"), strings.Split(string(text), "\n"))
	return errors.New("docs/http.md is not what the commands print now: run go run ./internal/cmd/httpdoc, and read what changed")
}

// diff shows where two texts part, which is enough to find the command.
func diff(out io.Writer, was, is []string) {
	for i := range max(len(was), len(is)) {
		if i < len(was) && i < len(is) && was[i] == is[i] {
			continue
		}
		fmt.Fprintf(out, "line %d\n", i+1)
		for _, part := range []struct {
			sign  string
			lines []string
		}{{"-", was}, {"+", is}} {
			for j := i; j < min(i+5, len(part.lines)); j++ {
				fmt.Fprintln(out, part.sign+part.lines[j])
			}
		}
		return
	}
}
