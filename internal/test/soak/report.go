//go:build unix

package soak

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/soak/audit"
)

// mostShown bounds how many findings of each kind are shown.
const mostShown = 10

// keepFindings writes all findings to a file beside the logs.
func (d *driver) keepFindings(findings []audit.Finding) error {
	var text strings.Builder
	for _, f := range findings {
		fmt.Fprintln(&text, f)
	}
	return os.WriteFile(filepath.Join(d.dir, "findings.txt"), []byte(text.String()), 0o644)
}

// report shows what was found, and the figures of the run as a table.
func (d *driver) report(w io.Writer, findings []audit.Finding) {
	shown := make(map[audit.Kind]int)
	for _, f := range findings {
		if shown[f.Kind]++; shown[f.Kind] <= mostShown {
			fmt.Fprintln(w, f)
		}
	}
	t, ended, found := d.auditor.Tally(), d.jobs.ended(), audit.Count(findings)
	for _, kind := range audit.Kinds {
		if n := found[kind] - mostShown; n > 0 {
			fmt.Fprintf(w, "%s: %d more in findings.txt\n", kind, n)
		}
	}
	fmt.Fprintf(w, "\n| what | how often |\n| --- | --- |\n")
	line := func(what string, figure any) { fmt.Fprintf(w, "| %s | %v |\n", what, figure) }
	line("seed", d.seed)
	line("time", d.now().Round(time.Second))
	line("SIGKILLs of workers and importers", d.counts.sum(kills...))
	line("SIGSTOPs of workers and importers", d.counts.sum(stops...))
	faults := reported
	for _, s := range d.servers {
		faults = append(faults, s.restarted(s.Crash), s.restarted(s.Stop))
	}
	for _, f := range faults {
		line(string(f), d.counts.sum(f))
	}
	line("jobs claimed again by another worker", d.jobs.takeovers())
	line("imports", t.Imports)
	line("jobs completed, cancelled, failed",
		fmt.Sprintf("%d, %d, %d", ended[bulk.JobCompleted], ended[bulk.JobCancelled], ended[bulk.JobFailed]))
	line("rows with a result", t.Rows.Total())
	line("rows created, updated, unchanged, skipped, failed, notProcessed", strings.Trim(fmt.Sprintf("%d, %d, %d, %d, %d, %d",
		t.Rows.Created, t.Rows.Updated, t.Rows.Unchanged, t.Rows.Skipped, t.Rows.Failed, t.Rows.NotProcessed), " "))
	line("of the failed rows: STORE_ERROR, OUTCOME_UNKNOWN", fmt.Sprintf("%d, %d", t.StoreErrors, t.OutcomeUnknown))
	line("rows reported as applied and seen where they were reported", t.Explained)
	line("rows overwritten by a later import before their own had ended", t.Overwritten)
	line("writes by the host program", t.HostWrites)
	line("users at the end", t.Users)
	line("reads of single users meanwhile", t.Samples)
	for _, kind := range audit.Kinds {
		line("**"+string(kind)+"**", fmt.Sprintf("**%d**", found[kind]))
	}
}
