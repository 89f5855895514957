package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A source is where figures come from: benchmarks or a test of a package.
type source struct {
	module string // its folder, "" for the main module
	pkg    string // "./bulk"
	name   string // of the benchmarks or the test, as -bench or -run has it
}

// args are those of the go command.
func (s source) args() []string {
	if strings.HasPrefix(s.name, "Test") {
		return []string{"test", "-count=1", "-v", "-run", pattern(s.name), s.pkg}
	}
	return []string{"test", "-run", "^$", "-bench", pattern(s.name), "-timeout", "60m", s.pkg}
}

// pattern matches the names and nothing that only begins with them.
func pattern(name string) string {
	return "^" + strings.ReplaceAll(name, "/", "$/^") + "$"
}

// command is what somebody types.
func (s source) command() string {
	args := s.args()
	for i, arg := range args {
		if strings.ContainsAny(arg, "^$") {
			args[i] = "'" + arg + "'"
		}
	}
	command := "go " + strings.Join(args, " ")
	if s.module != "" {
		command = "cd " + s.module + " && " + command
	}
	return command
}

// A key names a value of a source: the benchmark or test with its parts, and the unit.
type key struct {
	source
	part, unit string
}

// A bench has what was measured.
type bench struct {
	root     string
	profiles []profiled
	short    bool
	out      io.Writer
	values   map[key][]float64 // one for each run
}

// measure runs the sources of all goals, by turns. What fails is in the error, when
// everything was run.
func (b *bench) measure(ctx context.Context, goals []goal, runs int) error {
	b.values = make(map[key][]float64)
	var sources []source
	for _, g := range goals {
		for _, f := range g.figures {
			if !slices.Contains(sources, f.source) {
				sources = append(sources, f.source)
			}
		}
	}
	var failed error
	for range runs {
		for _, s := range sources {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			failed = errors.Join(failed, b.run(ctx, s))
		}
	}
	return failed
}

func (b *bench) run(ctx context.Context, s source) error {
	args := s.args()
	if b.short {
		args = slices.Insert(args, 1, "-short", "-benchtime=1x")
	}
	begun := time.Now()
	text, err := output(ctx, filepath.Join(b.root, s.module), "go", args...)
	fmt.Fprintf(b.out, "%s %s: %.0f s\n", s.pkg, s.name, time.Since(begun).Seconds())
	for part, values := range parse(text) {
		for unit, value := range values {
			k := key{s, part, unit}
			b.values[k] = append(b.values[k], value)
		}
	}
	return err
}

// parse returns the metrics and attributes in the output of the go command: by the name
// of the benchmark or test, and then by unit. Of several with the same name the last one
// counts.
func parse(text string) map[string]map[string]float64 {
	found := make(map[string]map[string]float64)
	set := func(name, unit, text string) {
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return
		}
		if found[name] == nil {
			found[name] = make(map[string]float64)
		}
		found[name][unit] = value
	}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 5 && fields[0] == "===" && fields[1] == "ATTR":
			set(fields[2], fields[3], fields[4])
		case len(fields) >= 4 && strings.HasPrefix(fields[0], "Benchmark"):
			for i := 2; i+1 < len(fields); i += 2 {
				set(withoutProcessors(fields[0]), fields[i+1], fields[i])
			}
		}
	}
	return found
}

// withoutProcessors returns the name of a benchmark without the "-2" that stands for
// GOMAXPROCS. It is not there if that is 1.
func withoutProcessors(name string) string {
	if i := strings.LastIndexByte(name, '-'); i >= 0 {
		if _, err := strconv.Atoi(name[i+1:]); err == nil {
			return name[:i]
		}
	}
	return name
}

// median returns the middle of the values.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
