package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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

// A cost is what somebody's code takes of an operation.
type cost struct {
	Milliseconds float64 `json:"ms"` // of a processor
	Megabytes    float64 `json:"mb"` // allocated
}

// A costs is the cost of an operation, by its owners.
type costs map[string]cost

// profile runs work of the tree in that folder under the profiler.
func profile(ctx context.Context, root string, p profiled) (costs, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	times, sizes := filepath.Join(dir, "cpu"), filepath.Join(dir, "bytes")
	args := append(p.args(), "-benchtime", "5s", "-cpuprofile", times, "-memprofile", sizes, "-memprofilerate", "65536", "-o", filepath.Join(dir, "test"))
	text, err := output(ctx, filepath.Join(root, p.module), "go", args...)
	if err != nil {
		return nil, err
	}
	done := operations.FindStringSubmatch(text)
	if done == nil {
		return nil, fmt.Errorf("%s does not say how often it ran:\n%s", p.name, text)
	}
	n, err := strconv.ParseFloat(done[1], 64)
	if err != nil {
		return nil, err
	}
	timeBy, err := amounts(ctx, root, times)
	if err != nil {
		return nil, err
	}
	bytesBy, err := amounts(ctx, root, "-sample_index=alloc_space", sizes)
	if err != nil {
		return nil, err
	}
	by := make(costs)
	for owner, seconds := range timeBy {
		by[owner] = cost{Milliseconds: tenths(1e3 * seconds / n)}
	}
	for owner, size := range bytesBy {
		by[owner] = cost{by[owner].Milliseconds, tenths(size / 1e6 / n)}
	}
	return by, nil
}

func tenths(amount float64) float64 { return math.Round(10*amount) / 10 }

// operations finds how often a benchmark ran.
var operations = regexp.MustCompile(`(?m)^Benchmark\S+\s+(\d+)\s`)

// costTable has whose the costs of an operation are now, beside those before, which may be
// nil.
func costTable(before, now costs) string {
	var text strings.Builder
	text.WriteString("| whose | processor, ms: before | now | allocated, MB: before | now |\n| --- | --: | --: | --: | --: |\n")
	amount := func(amount float64) string {
		if amount < 0.05 {
			return ""
		}
		return strconv.FormatFloat(amount, 'f', 1, 64)
	}
	row := func(name string, b, n cost) {
		cells := []string{amount(b.Milliseconds), amount(n.Milliseconds), amount(b.Megabytes), amount(n.Megabytes)}
		if strings.Join(cells, "") != "" {
			fmt.Fprintf(&text, "| %s | %s |\n", name, strings.Join(cells, " | "))
		}
	}
	var all [2]cost
	names := make(map[string]bool)
	for i, by := range []costs{before, now} {
		for name, c := range by {
			names[name] = true
			all[i].Milliseconds += c.Milliseconds
			all[i].Megabytes += c.Megabytes
		}
	}
	sorted := slices.SortedFunc(maps.Keys(names), func(x, y string) int {
		return cmp.Or(cmp.Compare(now[y].Milliseconds, now[x].Milliseconds), cmp.Compare(before[y].Milliseconds, before[x].Milliseconds), cmp.Compare(x, y))
	})
	for _, name := range sorted {
		row(name, before[name], now[name])
	}
	row("**all**", all[0], all[1])
	return text.String()
}

// Earlier profiles are those of a tree before work on the goals began.
type earlier struct {
	Commit   string           `json:"commit"`
	Machine  string           `json:"machine"`
	Profiles map[string]costs `json:"profiles"` // by what was profiled
}

// beforeFile has the earlier profiles.
const beforeFile = "internal/cmd/bench/before.json"

// keepBefore profiles the tree of an earlier commit in that folder, and keeps that.
func (b *bench) keepBefore(ctx context.Context, dir string) error {
	commit, err := output(ctx, dir, "git", "rev-parse", "--short", "HEAD")
	if err != nil {
		return err
	}
	before := earlier{Commit: strings.TrimSpace(commit), Machine: machine(ctx), Profiles: make(map[string]costs)}
	for _, p := range b.profiles {
		if before.Profiles[p.what], err = profile(ctx, dir, p); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(before, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.root, beforeFile), append(text, '\n'), 0o644)
}

// profilePage is the part of the page about profiles.
func (b *bench) profilePage(ctx context.Context) (string, error) {
	text, err := os.ReadFile(filepath.Join(b.root, beforeFile))
	if err != nil {
		return "", err
	}
	var before earlier
	if err := json.Unmarshal(text, &before); err != nil {
		return "", fmt.Errorf("%s: %w", beforeFile, err)
	}
	var page strings.Builder
	fmt.Fprintf(&page, "By the innermost function that belongs to somebody; what the standard library does belongs to whoever called it. "+
		"*Before* is commit %s, of which `go run ./internal/cmd/bench -before DIRECTORY` profiled a checkout, on: %s\n", before.Commit, before.Machine)
	for _, p := range b.profiles {
		now, err := profile(ctx, b.root, p)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&page, "\n%s (`%s -benchtime 5s -cpuprofile cpu -memprofile bytes`):\n\n%s", p.what, p.command(), costTable(before.Profiles[p.what], now))
	}
	return page.String(), nil
}

// amounts returns what of a profile belongs to whom.
func amounts(ctx context.Context, root string, args ...string) (map[string]float64, error) {
	text, err := output(ctx, root, "go", append([]string{"tool", "pprof", "-traces"}, args...)...)
	if err != nil {
		return nil, err
	}
	return amountsOf(text)
}

var sample = regexp.MustCompile(`^ *([0-9.]+)([a-zA-Z]*)   (\S.*)$`)

// amountsOf adds up the samples that "pprof -traces" lists: a line of dashes before each,
// the value before its innermost function, and then the functions that called it.
func amountsOf(traces string) (map[string]float64, error) {
	by := make(map[string]float64)
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
		}
	}
	if len(by) == 0 {
		return nil, errors.New("a profile without samples")
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
