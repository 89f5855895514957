package main

import (
	"fmt"
	"io"

	"github.com/bulkops/bulkops/bulk"
)

// report prints the counts, and three rows that failed for different reasons.
func report(out io.Writer, o *outcome) {
	s := o.Summary
	fmt.Fprintln(out)
	for _, line := range []struct {
		name  string
		count int
	}{
		{"created", s.Created},
		{"updated", s.Updated},
		{"unchanged", s.Unchanged},
		{"skipped", s.Skipped},
		{"failed", s.Failed},
		{"not processed", s.NotProcessed},
	} {
		fmt.Fprintf(out, "%-14s %6s\n", line.name, thousands(line.count))
	}
	shown := make(map[bulk.RowCode]bool)
	for _, r := range o.Results {
		if len(r.Errors) == 0 || shown[r.Errors[0].Code] {
			continue
		}
		if len(shown) == 0 {
			fmt.Fprintln(out, "\nsome of the rows that failed:")
		}
		fmt.Fprintf(out, "  row %s: %s: %s\n", thousands(r.Index), r.Errors[0].Code, r.Errors[0].Message)
		shown[r.Errors[0].Code] = true
		if len(shown) == 3 {
			break
		}
	}
}

// verify returns what does not add up: every row has one result, in order, that
// is as expected, and the counts are those of the results.
func verify(b *body, o *outcome) error {
	if len(o.Results) != len(b.rows) || o.TotalRecords != len(b.rows) {
		return fmt.Errorf("%d results and totalRecords %d for %d users", len(o.Results), o.TotalRecords, len(b.rows))
	}
	if o.Summary.Total() != len(b.rows) {
		return fmt.Errorf("the summary adds up to %d, not %d: %+v", o.Summary.Total(), len(b.rows), o.Summary)
	}
	counts := make(map[bulk.Status]int)
	for i, r := range o.Results {
		if r.Index != i {
			return fmt.Errorf("result %d has the index %d", i, r.Index)
		}
		if err := b.rows[i].check(r); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
		counts[r.Status]++
	}
	counted := bulk.Summary{
		Created:      counts[bulk.StatusCreated],
		Updated:      counts[bulk.StatusUpdated],
		Unchanged:    counts[bulk.StatusUnchanged],
		Skipped:      counts[bulk.StatusSkipped],
		Failed:       counts[bulk.StatusFailed],
		NotProcessed: counts[bulk.StatusNotProcessed],
	}
	if counted != o.Summary {
		return fmt.Errorf("the summary is %+v, the results have %+v", o.Summary, counted)
	}
	return nil
}

// check returns how a result differs from what is expected of its row.
func (w want) check(r bulk.RowResult) error {
	if (r.Status == bulk.StatusFailed) != (len(r.Errors) > 0) {
		return fmt.Errorf("is %s with the errors %+v", r.Status, r.Errors)
	}
	if w.status == "" {
		return nil
	}
	if r.Status != w.status {
		return fmt.Errorf("is %s, not %s: %+v", r.Status, w.status, r.Errors)
	}
	if w.code == "" {
		return nil
	}
	for _, e := range r.Errors {
		if e.Code == w.code {
			return nil
		}
	}
	return fmt.Errorf("failed with %+v, not with %s", r.Errors, w.code)
}
