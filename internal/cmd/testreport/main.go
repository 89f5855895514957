// Command testreport runs "go test" with the given arguments and says at the end
// which tests were skipped and why, so that no skip goes unseen.
//
//	go run ./internal/cmd/testreport -race ./...
//
// Apart from that the output is that of "go test": a line for each package, and
// the output of the tests that failed. The exit code is that of "go test"; "go
// run" turns every code but 0 into 1.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run runs "go test" and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	// Whoever interrupts this program interrupts "go test" too, which then ends
	// its tests, and so this program. They are caught and not ignored: what is
	// ignored here would be ignored there.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM)
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		fmt.Fprintln(stderr, "testreport:", err)
		return 1
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(stderr, "testreport:", err)
		return 1
	}
	r := newReport(stdout)
	readErr := r.read(events)
	err = cmd.Wait()
	r.end()
	if readErr != nil {
		fmt.Fprintln(stderr, "testreport:", readErr)
		return 1
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode()
	default:
		fmt.Fprintln(stderr, "testreport:", err)
		return 1
	}
}

// An event is a line of "go test -json". Source: go doc test2json.
type event struct {
	Action  string
	Package string
	Test    string // "" for the package as a whole
	Output  string
}

// A report turns events into text.
type report struct {
	out      io.Writer
	packages map[string]*pkg
	skipped  []string
	passed   int
	failed   int
}

// A pkg is a package whose tests run.
type pkg struct {
	output []string // of the package as a whole
	tests  map[string]*test
	order  []string // the names of tests, as they began
}

type test struct {
	output []string
	passed bool // or skipped
}

func newReport(out io.Writer) *report {
	return &report{out: out, packages: make(map[string]*pkg)}
}

// read reads events to their end. A line that is none is passed on.
func (r *report) read(events io.Reader) error {
	in := bufio.NewReader(events)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				r.add(e)
			} else {
				r.print(string(line))
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) add(e event) {
	if e.Action == "build-output" {
		r.print(e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	p := r.packages[e.Package]
	if p == nil {
		p = &pkg{tests: make(map[string]*test)}
		r.packages[e.Package] = p
	}
	if e.Test == "" {
		switch e.Action {
		case "output":
			p.output = append(p.output, e.Output)
		case "pass", "skip":
			r.endPackage(e.Package, false)
		case "fail":
			r.endPackage(e.Package, true)
		}
		return
	}
	t := p.tests[e.Test]
	if t == nil {
		t = new(test)
		p.tests[e.Test] = t
		p.order = append(p.order, e.Test)
	}
	switch e.Action {
	case "output":
		if !strings.HasPrefix(e.Output, "=== ") {
			t.output = append(t.output, e.Output)
		}
	case "pass":
		r.passed++
		t.passed, t.output = true, nil
	case "skip":
		r.skipped = append(r.skipped, fmt.Sprintf("%s %s: %s", e.Package, e.Test, t.reason()))
		t.passed, t.output = true, nil
	case "fail":
		r.failed++
	}
}

// reason is what a test that was skipped said.
func (t *test) reason() string {
	var lines []string
	for _, line := range t.output {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--- SKIP") {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return "no reason given"
	}
	return strings.Join(lines, " ")
}

// endPackage prints what "go test" would print of a package.
func (r *report) endPackage(name string, failed bool) {
	p := r.packages[name]
	delete(r.packages, name)
	if failed {
		for _, name := range p.order {
			if t := p.tests[name]; !t.passed {
				r.print(t.output...)
			}
		}
		r.print(p.output...)
		return
	}
	for _, line := range p.output {
		if strings.HasPrefix(line, "ok ") || strings.HasPrefix(line, "? ") || strings.Contains(line, "coverage:") && strings.Contains(line, name) {
			r.print(line)
		}
	}
}

// end prints what is left and the skipped tests.
func (r *report) end() {
	for name := range r.packages {
		r.endPackage(name, true) // "go test" ended before it
	}
	fmt.Fprintf(r.out, "\n%d tests passed, %d failed, %d skipped\n", r.passed, r.failed, len(r.skipped))
	for _, line := range r.skipped {
		r.print("skipped: " + line + "\n")
	}
}

func (r *report) print(lines ...string) {
	for _, line := range lines {
		_, _ = io.WriteString(r.out, line) // nobody is left to tell
	}
}
