//go:build unix

package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/cmd/soak/audit"
)

// mostShown bounds how many findings are written out.
const mostShown = 40

// report writes what was found, and the figures of the run as a table.
func (d *driver) report(w io.Writer, findings []audit.Finding) {
	for i, f := range findings {
		if i == mostShown {
			fmt.Fprintf(w, "and %d findings more\n", len(findings)-i)
			break
		}
		fmt.Fprintln(w, f)
	}
	t, ended, found := d.auditor.Tally(), d.jobs.ended(), audit.Count(findings)
	fmt.Fprintf(w, "\n| what | how often |\n| --- | --- |\n")
	line := func(what string, figure any) { fmt.Fprintf(w, "| %s | %v |\n", what, figure) }
	line("time", d.now().Round(time.Second))
	line("SIGKILLs of workers and importers", d.counts.sum(kills...))
	line("SIGSTOPs of workers and importers", d.counts.sum(stops...))
	for _, f := range allFaults {
		line(string(f), d.counts.sum(f))
	}
	line("imports", t.Imports)
	line("jobs completed, cancelled, failed",
		fmt.Sprintf("%d, %d, %d", ended[bulk.JobCompleted], ended[bulk.JobCancelled], ended[bulk.JobFailed]))
	line("rows with a result", t.Rows.Total())
	line("rows created, updated, unchanged, skipped, failed, notProcessed", strings.Trim(fmt.Sprintf("%d, %d, %d, %d, %d, %d",
		t.Rows.Created, t.Rows.Updated, t.Rows.Unchanged, t.Rows.Skipped, t.Rows.Failed, t.Rows.NotProcessed), " "))
	line("of the failed rows: STORE_ERROR, OUTCOME_UNKNOWN", fmt.Sprintf("%d, %d", t.StoreErrors, t.OutcomeUnknown))
	line("rows reported as applied and seen where they were reported", t.Explained)
	line("writes by the host program", t.HostWrites)
	line("users at the end", t.Users)
	line("reads of single users meanwhile", t.Samples)
	for _, kind := range audit.Kinds {
		line("**"+string(kind)+"**", fmt.Sprintf("**%d**", found[kind]))
	}
}
