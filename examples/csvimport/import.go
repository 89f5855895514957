package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/client"
)

// importFile imports the file, says what became of it, and returns the exit code.
func (p *program) importFile(ctx context.Context, c *client.Client, opts *options, in *input) int {
	if err := in.rewind(); err != nil {
		p.complain(err)
		return exitUsage
	}
	bar := newProgress(p.stdout, in.rows)
	bar.show(0)
	im, err := c.Import(ctx, client.CSV(in.file), &client.Options{
		Import:         &opts.api,
		IdempotencyKey: in.key(opts),
		Progress:       func(state client.Progress) { bar.show(state.Summary.Processed()) },
	})
	bar.end()

	var refused *client.SourceError
	if errors.As(err, &refused) && len(im.Parts) == 0 {
		p.complain(err)
		return exitUsage
	}
	var ended *client.JobError
	if err != nil && !errors.As(err, &ended) {
		p.complain(err)
		p.adviseRetry(im, in)
		return exitFailure
	}
	rest := unimported(ctx, im, in.rows)
	if err := p.report(im, in, opts, rest); err != nil {
		p.complain(err)
		return exitFailure
	}
	switch {
	case ended != nil:
		p.complain(err)
		fmt.Fprintln(p.stderr, "csvimport: run again under another -key, or import the file of -failed")
		return exitFailure
	case rest.count > 0:
		return exitRows
	default:
		return exitFine
	}
}

// adviseRetry says how to go on after an import that was broken off.
func (p *program) adviseRetry(im *client.Import, in *input) {
	if accepted := im.Summary().Total(); accepted > 0 {
		fmt.Fprintf(p.stderr, "csvimport: %s of %s rows were accepted, and are imported whatever happens here\n", thousands(accepted), thousands(in.rows))
	}
	fmt.Fprintln(p.stderr, "csvimport: to continue, run the same command again within 24 hours: nothing is done twice")
}

// report prints the summary and writes the file of the rows that failed.
func (p *program) report(im *client.Import, in *input, opts *options, rest *remainder) error {
	if n := im.Replayed(); n == len(im.Parts) {
		fmt.Fprintln(p.stdout, "This file was imported before, under the same options. These are the results of that time; -key imports it anew.")
	} else if n > 0 {
		fmt.Fprintf(p.stdout, "Continued an earlier import, which had come to row %s.\n", thousands(im.Parts[n].First))
	}
	if opts.api.DryRun {
		fmt.Fprintln(p.stdout, "A dry run: nothing was written. What would have happened:")
	}
	s := im.Summary()
	for _, line := range []struct {
		name  string
		count int
	}{
		{"created", s.Created}, {"updated", s.Updated}, {"unchanged", s.Unchanged}, {"skipped", s.Skipped},
		{"failed", s.Failed}, {"not processed", in.rows - s.Processed()},
	} {
		fmt.Fprintf(p.stdout, "%-13s %9s\n", line.name, thousands(line.count))
	}
	if rest.count == 0 {
		return nil
	}
	return p.reportRest(in, opts, rest)
}

// maxShown is how many failed rows are printed.
const maxShown = 10

// reportRest prints the first rows that failed, and writes them all to a file.
func (p *program) reportRest(in *input, opts *options, rest *remainder) error {
	shown := 0
	see := func(r bulk.RowResult) {
		if shown++; shown > maxShown {
			return
		}
		fmt.Fprintf(p.stdout, "line %d: %s\n", r.Line, reasons(r))
	}
	if opts.failed == "" {
		for r, err := range rest.results {
			if err != nil {
				return err
			}
			if see(r); shown == maxShown {
				break
			}
		}
	} else if err := writeRest(opts.failed, in, rest, see); err != nil {
		return fmt.Errorf("write %s: %w", opts.failed, err)
	}
	if rest.count > maxShown {
		fmt.Fprintf(p.stdout, "and %s more\n", thousands(rest.count-maxShown))
	}
	if opts.failed == "" {
		fmt.Fprintln(p.stdout, "With -failed FILE they are written to a file, to be mended and imported.")
	} else {
		fmt.Fprintf(p.stdout, "They are in %s: mend them there, and import that file.\n", opts.failed)
	}
	return nil
}
