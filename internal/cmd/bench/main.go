// Command bench measures the goals of the project: what an import costs and how long it
// takes, each against the best that a user would write by hand, side by side in one run.
//
//	make bench               measure all, print the table and write docs/performance.md
//	make bench ROW=S9        measure the goals whose name matches, and print them
//	make counts              run all in short and compare what does not depend on the machine
//	make counts ACCEPT=1     take the counts as they are now
//
// Each figure comes from a benchmark, which reports it as a metric, or from a test, which
// reports it as an attribute ("go test -v"). [goals] lists them. What cannot be measured
// here, as its server is not there, is said and not hidden.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkops/bulkops/internal/cmd/internal/section"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	row := flags.String("row", "", "measure only the goals whose name, such as S9, matches the regular expression; nothing is written then")
	runs := flags.Int("runs", 1, "run everything so many `times`, by turns, and take the medians")
	counts := flags.Bool("counts", false, "run everything once, in short, and compare what does not depend on the machine with "+countsFile)
	accept := flags.Bool("accept", false, "with -counts: write what was counted to that file")
	before := flags.String("before", "", "profile the tree of an earlier commit in this `directory` and keep that in "+beforeFile)
	if err := flags.Parse(args); err != nil {
		return err
	}
	matches, err := regexp.Compile("^(" + *row + ")")
	if err != nil {
		return fmt.Errorf("-row: %w", err)
	}
	root, err := output(ctx, ".", "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return err
	}
	b := &bench{root: strings.TrimSpace(root), profiles: profiles, short: *counts, out: out}
	if *before != "" {
		return b.keepBefore(ctx, *before)
	}
	selected := slices.DeleteFunc(goals(), func(g goal) bool { return !matches.MatchString(g.id) })
	if len(selected) == 0 {
		return fmt.Errorf("no goal matches %q", *row)
	}
	failed := b.measure(ctx, selected, max(*runs, 1))
	if *counts {
		return errors.Join(failed, b.compare(selected, *accept))
	}
	fmt.Fprint(out, table(selected, b.values))
	if *row != "" || failed != nil {
		return failed
	}
	text, err := b.page(ctx, selected)
	if err != nil {
		return err
	}
	return section.Put(filepath.Join(b.root, "docs", "performance.md"), "bench", text)
}

// output runs a command in a folder and returns what it prints. Its error has what went
// wrong.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return string(text), fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, text, stderr.String())
	}
	return string(text), nil
}
