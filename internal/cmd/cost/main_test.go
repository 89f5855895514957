package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/internal/cmd/internal/section"
	"github.com/bulkops/bulkops/internal/test/awstest"
)

// What imports cost is what docs/operations.md says, to the unit.
func TestTableIsCurrent(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		s3 := awstest.S3(t)
		var out strings.Builder
		text, err := measure(t.Context(), server.Config(awstest.Transport(t)), s3.Config(awstest.Transport(t)), 100, &out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		if err := section.Check("../../../docs/operations.md", "cost", text); err != nil {
			t.Error(err)
		}
	})
}

// Every kind of row costs the least that the promises allow, in exclusive mode no more
// than in guarded mode, and dynoxide charges what is counted here.
func TestRowsCostTheLeast(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		const n = 50
		rows, err := measureRows(t.Context(), server.Config(awstest.Transport(t)), awstest.Name(t), n)
		if err != nil {
			t.Fatal(err)
		}
		guarded := make(map[string]units)
		dearer := 0 // kinds of rows, in exclusive mode
		for _, m := range rows {
			name := m.rows + " by " + m.named
			if m.named == byBoth {
				kind := strings.ReplaceAll(modeName(m.mode)+" "+m.rows, " ", "-")
				t.Attr(kind+"-writes", fmt.Sprint(m.writes*tabled/n))
				t.Attr(kind+"-reads", fmt.Sprint(m.reads*tabled/n))
			}
			if want := (units{m.least.reads * n, m.least.writes * n}); m.units != want {
				t.Errorf("%s, %s: %+v, want %+v", name, modeName(m.mode), m.units, want)
			}
			if server.Name == "dynoxide" && m.reported != m.units {
				t.Errorf("%s, %s: counted %+v, and the server charged %+v", name, modeName(m.mode), m.units, m.reported)
			}
			if modeName(m.mode) == "guarded" {
				guarded[name] = m.units
			} else if g := guarded[name]; m.writes > g.writes || m.reads > g.reads {
				t.Errorf("%s: exclusive mode takes %+v, guarded mode %+v", name, m.units, g)
				dearer++
			}
		}
		t.Attr("dearer-kinds", fmt.Sprint(dearer))
		if len(rows) != 14 {
			t.Errorf("%d kinds of rows, want 14", len(rows))
		}
	})
}

// A job that costs more than the table says is noticed.
func TestJobCostsMore(t *testing.T) {
	if more := most.exceeds(most); more != "" {
		t.Errorf("what is just the limit: %s", more)
	}
	for name, raise := range map[string]func(*jobCost){
		"requests of":             func(c *jobCost) { c.table.requests++ },
		"read units":              func(c *jobCost) { c.table.reads++ },
		"write units of the jobs": func(c *jobCost) { c.table.reported.writes = most.table.writes + 1 },
		"puts":                    func(c *jobCost) { c.blobs.puts++ },
		"gets":                    func(c *jobCost) { c.blobs.gets++ },
	} {
		cost := most
		raise(&cost)
		if more := cost.exceeds(most); !strings.Contains(more, name) {
			t.Errorf("one more of %s: %q", name, more)
		}
	}
}
