package bulktest_test

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk/bulktest"
)

// The suites are tested with backends that are simple and right, but for one
// fault each. A suite that lets a fault pass, or that finds one in the backend
// without faults, is wrong.

// A fault is a mistake that backends make, and the case that finds it.
type fault struct {
	name string
	// caught is the case that must fail; "" if none may.
	caught string
}

// sound is the name of no fault.
const sound = "none"

// topic is the part of the suite that the case belongs to, "Put" of "Put/BigBlob".
func (f fault) topic() string {
	topic, _, _ := strings.Cut(f.caught, "/")
	return topic
}

// suites run a suite against a backend with a fault.
var suites = []struct {
	name   string
	faults []fault
	run    func(t *testing.T, fault string)
}{
	{"jobs", jobFaults, testBrokenJobs}, // the slowest first
	{"store", storeFaults, testBrokenStore},
	{"blob", blobFaults, testBrokenBlobs},
	{"keys", keyFaults, testBrokenKeys},
}

// TestPlantedFaults runs the suites against every fault, in other processes, as
// the failure of a case cannot be undone. To save time a fault meets only the
// cases of the topic of the one that must fail, and the backend without faults
// meets all. The faults of one topic share a process.
func TestPlantedFaults(t *testing.T) {
	if os.Getenv(processVariable) != "" {
		t.Skip("this process runs faults")
	}
	limit := make(chan struct{}, 4*runtime.GOMAXPROCS(0)) // they wait for leases most of the time
	var checks []func()
	for _, suite := range suites {
		byTopic := make(map[string][]fault)
		for _, f := range suite.faults {
			byTopic[f.topic()] = append(byTopic[f.topic()], f)
		}
		for topic, faults := range byTopic {
			results := make(chan result, 1)
			go func() {
				limit <- struct{}{}
				defer func() { <-limit }()
				results <- runProcess(t.Context(), suite.name, topic)
			}()
			checks = append(checks, func() {
				r := <-results
				for _, f := range faults {
					t.Run(suite.name+"/"+f.name, func(t *testing.T) { f.check(t, r) })
				}
			})
		}
	}
	for _, check := range checks {
		check()
	}
}

// check fails unless the fault was found by the cases that failed.
func (f fault) check(t *testing.T, r result) {
	failed := r.failed[strings.ReplaceAll(f.name, " ", "_")] // as package testing writes it
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("output of the process:\n%s", r.output)
		}
	})
	switch {
	case !bytes.HasSuffix(r.output, []byte("\nPASS\n")) && !bytes.HasSuffix(r.output, []byte("\nFAIL\n")):
		t.Error("the suite did not run to its end")
	case f.caught == "" && len(failed) > 0:
		t.Errorf("a backend without faults fails %q", failed)
	case f.caught != "" && !slices.Contains(failed, f.caught):
		t.Errorf("the fault is not found by case %q; failed are %q", f.caught, failed)
	case f.caught != "" && !bytes.Contains(r.output, []byte("violated rule: ")):
		t.Error("the output does not name the rule that is violated")
	}
	t.Logf("found by %d cases: %s", len(failed), strings.Join(failed, " "))
}

// processVariable tells the test binary, when it runs itself, the suite and the
// topic whose faults it runs: "store/Create".
const processVariable = "BULKTEST_FAULTS"

// A result is what a process that ran faults said.
type result struct {
	failed map[string][]string // the cases that failed, by fault
	output []byte
}

// failedCase is the line of a case that failed.
var failedCase = regexp.MustCompile(`(?m)^ +--- FAIL: TestFaults/([^/\s]+)/(\S+) `)

func runProcess(ctx context.Context, suite, topic string) result {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0],
		"-test.run=^TestFaults$/.*/^"+cmp.Or(topic, ".*")+"$", "-test.v", "-test.parallel=256", "-test.timeout=2m")
	command.Env = append(os.Environ(), processVariable+"="+suite+"/"+topic)
	output, _ := command.CombinedOutput() // it fails: that is what it is for
	r := result{failed: make(map[string][]string), output: output}
	for _, match := range failedCase.FindAllSubmatch(output, -1) {
		r.failed[string(match[1])] = append(r.failed[string(match[1])], string(match[2]))
	}
	return r
}

// TestFaults runs a suite against the faults of one topic, in the process that
// TestPlantedFaults made for them.
func TestFaults(t *testing.T) {
	name, topic, ok := strings.Cut(os.Getenv(processVariable), "/")
	if !ok {
		t.Skip("run by TestPlantedFaults")
	}
	bulktest.SetPatience(1500 * time.Millisecond)
	for _, suite := range suites {
		for _, f := range suite.faults {
			if suite.name == name && f.topic() == topic {
				t.Run(f.name, func(t *testing.T) {
					t.Parallel()
					suite.run(t, f.name)
				})
			}
		}
	}
}
