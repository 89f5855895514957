package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A profiled is work whose profile is on the page.
type profiled struct {
	source
	what string
}

var profiles = []profiled{
	{source{pkg: "./internal/test/awse2e", name: "BenchmarkJob"}, "A job of 10,000 creates on dynoxide and versitygw, from the request to its end"},
	{source{pkg: "./bulk", name: "BenchmarkJob"}, "The same job with all backends in memory"},
}

// owners say whom code belongs to, by the beginning of a function's name; the first that
// fits counts. What fits none is the standard library's, and belongs to whoever called it.
var owners = []struct{ begins, owner string }{
	{"github.com/bulkops/bulkops/internal/test", "the benchmark"},
	{"github.com/bulkops/bulkops/bulk_test", "the benchmark"},
	{"github.com/bulkops/bulkops/bulk", "`bulk`: rows, decisions, journal, results"},
	{"github.com/bulkops/bulkops/internal/canon", "`internal/canon`: canonical text of fields"},
	{"github.com/bulkops/bulkops/internal/rowio", "`internal/rowio`: reading rows"},
	{"github.com/bulkops/bulkops/store", "stores"},
	{"github.com/bulkops/bulkops/blob", "blob stores"},
	{"github.com/bulkops/bulkops/jobs", "job queues"},
	{"github.com/bulkops/bulkops/", "other packages of this module"},
	{"github.com/aws/", "the AWS SDK, with HTTP below it"},
	{"github.com/go-json-experiment/", "JSON"},
	{"encoding/json", "JSON"},
	{"net/http.(*persistConn)", "connections of HTTP"},
	{"runtime.gcBgMarkWorker", "garbage collection"},
	{"runtime.bgsweep", "garbage collection"},
	{"runtime.bgscavenge", "garbage collection"},
	{"runtime.mcall", "the scheduler"},
	{"runtime.schedule", "the scheduler"},
	{"runtime.mstart", "the scheduler"},
}

// ownerOf returns whose a sample is: that of the innermost function which has an owner.
func ownerOf(stack []string) string {
	for _, function := range stack {
		for _, o := range owners {
			if strings.HasPrefix(function, o.begins) {
				return o.owner
			}
		}
	}
	return "the rest"
}

// profile runs work under the profiler and returns a table of whose its processor time
// and its allocated bytes are.
func (b *bench) profile(ctx context.Context, p profiled) (string, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	cpu, bytes := filepath.Join(dir, "cpu"), filepath.Join(dir, "bytes")
	args := append(p.args(), "-cpuprofile", cpu, "-memprofile", bytes, "-memprofilerate", "65536", "-o", filepath.Join(dir, "test"))
	if _, err := output(ctx, filepath.Join(b.root, p.module), "go", args...); err != nil {
		return "", err
	}
	timeBy, err := b.shares(ctx, cpu)
	if err != nil {
		return "", err
	}
	bytesBy, err := b.shares(ctx, "-sample_index=alloc_space", bytes)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s (`%s -cpuprofile cpu -memprofile bytes`):\n\n| whose | processor | bytes allocated |\n| --- | --: | --: |\n", p.what, p.command())
	names := slices.Collect(maps.Keys(timeBy))
	for name := range bytesBy {
		if _, both := timeBy[name]; !both {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(x, y string) int { return cmp.Or(cmp.Compare(timeBy[y], timeBy[x]), cmp.Compare(x, y)) })
	for _, name := range names {
		if timeBy[name] >= 0.005 || bytesBy[name] >= 0.005 {
			fmt.Fprintf(&text, "| %s | %.0f %% | %.0f %% |\n", name, 100*timeBy[name], 100*bytesBy[name])
		}
	}
	return text.String(), nil
}

// shares returns what part of a profile belongs to whom.
func (b *bench) shares(ctx context.Context, args ...string) (map[string]float64, error) {
	text, err := output(ctx, b.root, "go", append([]string{"tool", "pprof", "-traces"}, args...)...)
	if err != nil {
		return nil, err
	}
	return sharesOf(text)
}

var sample = regexp.MustCompile(`^ *([0-9.]+)([a-zA-Z]*)   (\S.*)$`)

// sharesOf adds up the samples that "pprof -traces" lists: a line of dashes before each,
// the value before its innermost function, and then the functions that called it.
func sharesOf(traces string) (map[string]float64, error) {
	by, total := make(map[string]float64), 0.0
	_, rest, _ := strings.Cut(traces, "-----------+")
	for trace := range strings.SplitSeq(rest, "-----------+") {
		var (
			stack []string
			value float64
		)
		for line := range strings.Lines(trace) {
			line = strings.TrimRight(line, "\n")
			switch match := sample.FindStringSubmatch(line); {
			case match != nil:
				var err error
				if value, err = quantity(match[1], match[2]); err != nil {
					return nil, err
				}
				stack = append(stack, match[3])
			case len(stack) > 0:
				stack = append(stack, strings.TrimSpace(line))
			}
		}
		if len(stack) > 0 {
			by[ownerOf(stack)] += value
			total += value
		}
	}
	if total == 0 {
		return nil, fmt.Errorf("a profile without samples")
	}
	for name := range by {
		by[name] /= total
	}
	return by, nil
}

// quantity reads a time or a number of bytes as pprof writes it.
func quantity(number, unit string) (float64, error) {
	if power := map[string]float64{"": 1, "B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}[unit]; power > 0 {
		var n float64
		_, err := fmt.Sscan(number, &n)
		return n * power, err
	}
	took, err := time.ParseDuration(number + unit)
	return took.Seconds(), err
}
