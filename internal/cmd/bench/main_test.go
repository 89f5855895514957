package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParse(t *testing.T) {
	got := parse(`goos: linux
=== RUN   TestFleet
=== ATTR  TestFleet speed-up-of-2 1.96
=== ATTR  TestFleet name not-a-number
BenchmarkPair/one-2         	       1	1502870898 ns/op	         1.31 time/time
BenchmarkPair/two         	       1	        0.75 a/b	         3 c/d
BenchmarkPair/one
PASS
ok  	github.com/bulkops/bulkops/bulk	53.685s
`)
	want := map[string]map[string]float64{
		"TestFleet":         {"speed-up-of-2": 1.96},
		"BenchmarkPair/one": {"ns/op": 1502870898, "time/time": 1.31},
		"BenchmarkPair/two": {"a/b": 0.75, "c/d": 3},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCommandRunsWhatIsNamed(t *testing.T) {
	s := source{module: "store/pgstore", pkg: ".", name: "BenchmarkPair/one"}
	if got, want := s.command(), "cd store/pgstore && go test -run '^$' -bench '^BenchmarkPair$/^one$' -timeout 60m ."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s = source{pkg: "./bulk", name: "TestPair"}
	if got, want := s.command(), "go test -count=1 -v -run '^TestPair$' ./bulk"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// pair are goals of which the first is met, the second missed, and the third not measured.
func pair() ([]goal, map[key][]float64) {
	s := source{pkg: "./bulk", name: "TestPair"}
	goals := []goal{
		{id: "S1", what: "one", before: "2", missed: "it is not", figures: []figure{{source: s, unit: "a", limit: 1.5, counted: true, tolerance: 0.1}}},
		{id: "S2", what: "two", missed: "it is slow", figures: []figure{
			{source: s, unit: "b", limit: 2, least: true, name: "few", counted: true}, {source: s, unit: "c", name: "many", limit: 2},
		}},
	}
	return goals, map[key][]float64{{s, "TestPair", "a"}: {1.6, 1.2, 1.4}, {s, "TestPair", "b"}: {1}}
}

func TestTableHidesNothing(t *testing.T) {
	goals, values := pair()
	want := `| | what | figure | goal | | before |
| --- | --- | --: | --: | --- | --- |
| S1 | one | 1.4 (1.2–1.6) | ≤ 1.5 | met | 2 |
| S2 | two: few | 1 | ≥ 2 | **missed** |  |
|  | many | not measured | ≤ 2 | not measured |  |
`
	if diff := cmp.Diff(want, table(goals, values)); diff != "" {
		t.Error(diff)
	}
	page, err := (&bench{root: "../../..", values: values}).page(t.Context(), goals)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"- **S2**: it is slow\n", "`go test -count=1 -v -run '^TestPair$' ./bulk`"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "it is not") {
		t.Error("what is met is said to be missed")
	}
}

func TestWorstOfSeveral(t *testing.T) {
	s := source{pkg: "./bulk", name: "BenchmarkPair"}
	values := map[key][]float64{
		{s, "BenchmarkPair/a/1", "x"}: {1, 5}, {s, "BenchmarkPair/a/2", "x"}: {3, 4}, {s, "BenchmarkPair/b/1", "x"}: {0, 9}, {s, "BenchmarkPair/a/1", "y"}: {7},
	}
	f := figure{source: s, part: "BenchmarkPair/a/*", unit: "x"}
	if got := f.of(values); !slices.Equal(got, []float64{3, 5}) {
		t.Errorf("at most: %v", got)
	}
	f.least = true
	if got := f.of(values); !slices.Equal(got, []float64{1, 4}) {
		t.Errorf("at least: %v", got)
	}
}

func TestAmountsOfProfile(t *testing.T) {
	got, err := amountsOf(`File: test
Type: cpu
-----------+-------------------------------------------------------
      30ms   runtime.memmove
             bytes.Clone
             github.com/bulkops/bulkops/bulk.(*journal).put
             github.com/aws/aws-sdk-go-v2/service/s3.(*Client).PutObject
-----------+-------------------------------------------------------
     0.01s   syscall.Syscall
             net/http.(*persistConn).writeLoop
-----------+-------------------------------------------------------
      60ms   github.com/aws/aws-sdk-go-v2/service/s3.(*Client).PutObject
             github.com/bulkops/bulkops/bulk.(*journal).put
-----------+-------------------------------------------------------
`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"`bulk`: rows, decisions, journal, results": 0.03, "connections of HTTP": 0.01, "the AWS SDK, with HTTP below it": 0.06}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]float64{"1.5s": 1.5, "20ms": 0.02, "2kB": 2048, "1.50MB": 1.5 * (1 << 20), "0": 0} {
		number := strings.TrimRight(text, "msMkB")
		if got, err := quantity(number, text[len(number):]); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	if _, err := amountsOf("File: test\n"); err == nil {
		t.Error("a profile without samples")
	}
}

func TestCostTable(t *testing.T) {
	before := costs{"stores": {20, 1.5}, "JSON": {0.04, 8}, "nothing": {0.01, 0.01}}
	now := costs{"stores": {15, 0.5}, "JSON": {30, 4}}
	want := `| whose | processor, ms: before | now | allocated, MB: before | now |
| --- | --: | --: | --: | --: |
| JSON |  | 30.0 | 8.0 | 4.0 |
| stores | 20.0 | 15.0 | 1.5 | 0.5 |
| **all** | 20.1 | 45.0 | 9.5 | 4.5 |
`
	if diff := cmp.Diff(want, costTable(before, now)); diff != "" {
		t.Error(diff)
	}
}

func TestCountsAreCompared(t *testing.T) {
	goals, values := pair()
	b := &bench{root: t.TempDir(), values: values}
	file := filepath.Join(b.root, countsFile)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct{ accepted, want string }{
		"same":            {`{"S1": 1.4, "S2, few": 1}`, ""},
		"in tolerance":    {`{"S1": 1.5, "S2, few": 1}`, ""},
		"far":             {`{"S1": 1.6, "S2, few": 1}`, `S1 is 1\.4, and 1\.6 was accepted .*\n.*make counts ACCEPT=1`},
		"fewer":           {`{"S1": 1.4, "S2, few": 1.1}`, `S2, few is 1, and 1\.1 was accepted`},
		"without a count": {`{"S1": 1.4}`, `S2, few is 1 and has no accepted count`},
	} {
		write(test.accepted)
		got := ""
		if err := b.compare(goals, false); err != nil {
			got = err.Error()
		}
		if (got == "") != (test.want == "") || !regexp.MustCompile(test.want).MatchString(got) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	write(`{}`)
	if err := b.compare(goals, true); err != nil {
		t.Fatal(err)
	}
	if err := b.compare(goals, false); err != nil {
		t.Errorf("after all was accepted: %v", err)
	}
	b.values = nil
	if err := b.compare(goals, true); err == nil || !strings.Contains(err.Error(), "S1 was not counted") {
		t.Errorf("what was not counted: %v", err)
	}
}

// Every goal says how it is measured, and each of its figures is another value.
func TestGoals(t *testing.T) {
	seen := make(map[key]string)
	for _, g := range goals() {
		if g.how == "" || g.what == "" || len(g.figures) == 0 {
			t.Errorf("%s lacks something: %+v", g.id, g)
		}
		for _, f := range g.figures {
			k := key{f.source, f.part, f.unit}
			if other, twice := seen[k]; twice {
				t.Errorf("%s and %s have the same figure %+v", other, g.id, k)
			}
			seen[k] = g.id
			if f.name == "" && len(g.figures) > 1 {
				t.Errorf("%s has a figure without a name", g.id)
			}
		}
	}
}
