// Command mutate plants faults in the product, one at a time, and reports whether
// the tests of the package notice:
//
//	go run ./internal/cmd/testservers -- go run ./internal/cmd/mutate
//	go run ./internal/cmd/testservers -- go run ./internal/cmd/mutate -run 'dynamostore.*token'
//
// Each fault is a [mutation]: an edit of one source file, and the test that must
// fail because of it. The source tree is not touched, as the go command overlays the
// edited file. Before that, the same test must pass without the fault. The exit
// status is 1 if a fault survives its test, or cannot be planted.
//
// To add faults of a package, list them in a file of their own and name the list in
// [mutations].
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	pattern := flags.String("run", "", "plant only faults whose `package: name` matches the regular expression")
	times := flags.Int("times", 1, "run the test of each fault this often; it must fail every time")
	root := flags.String("C", ".", "the `directory` of the module")
	if err := flags.Parse(args); err != nil {
		return err
	}
	selected, err := regexp.Compile(*pattern)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l := &lab{root: *root, dir: dir, times: *times, sound: make(map[trial]error)}
	return l.tryAll(ctx, out, func(m mutation) bool { return selected.MatchString(m.String()) })
}

// tryAll plants the selected faults and prints a line for each.
func (l *lab) tryAll(ctx context.Context, out io.Writer, selected func(mutation) bool) error {
	planted, survived := 0, 0
	for _, m := range mutations() {
		if !selected(m) {
			continue
		}
		planted++
		start := time.Now()
		verdict := "caught"
		if err := l.try(ctx, m); err != nil {
			survived++
			verdict = err.Error()
		}
		fmt.Fprintf(out, "%s: %s (%.1fs)\n", m, verdict, time.Since(start).Seconds())
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	switch {
	case planted == 0:
		return fmt.Errorf("no fault is selected")
	case survived > 0:
		return fmt.Errorf("%d of %d faults were not caught", survived, planted)
	}
	fmt.Fprintf(out, "all %d faults were caught\n", planted)
	return nil
}
