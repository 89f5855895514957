package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/client"
)

// importFile imports the file, says what became of it, and returns the exit code.
func (p *program) importFile(ctx context.Context) int {
	defer p.failed.close()
	if err := p.in.rewind(); err != nil {
		p.complain(err)
		return exitUsage
	}
	p.bar = newProgress(p.stdout, p.in.rows)
	im, err := p.client.Import(ctx, p.opts.format.Source(p.in.file), &client.Options{
		Import:         &p.opts.api,
		IdempotencyKey: p.opts.key,
		ContentKeys:    true,
		Progress:       p.bar.set,
	})
	p.bar.end()
	if err != nil {
		return p.broken(ctx, im, err)
	}
	left, err := p.report(ctx, im)
	switch {
	case err != nil:
		p.complain(err)
		return exitFailure
	case left > 0:
		return exitRows
	default:
		return exitFine
	}
}

// broken says what became of an import that did not come to its end, and how to go on.
func (p *program) broken(ctx context.Context, im *client.Import, err error) int {
	p.complain(err)
	accepted := im.Summary().Total()
	var part *client.PartError
	if ctx.Err() != nil || errors.As(err, &part) && part.Retryable() {
		if accepted > 0 {
			fmt.Fprintf(p.stderr, "%s of %s rows were accepted, and are imported whatever happens here.\n", thousands(accepted), thousands(p.in.rows))
		}
		if p.opts.api.DryRun {
			fmt.Fprintln(p.stderr, "To try again, run the same command again.")
		} else {
			fmt.Fprintln(p.stderr, "To continue, run the same command again within 24 hours: nothing is done twice.")
		}
		return exitFailure
	}
	if accepted > 0 {
		if _, err := p.report(ctx, im); err != nil {
			p.complain(err)
		}
	} else {
		fmt.Fprintln(p.stderr, "Nothing was imported.")
	}
	if text := advice(err, p.opts, accepted > 0); text != "" {
		fmt.Fprintln(p.stderr, text)
	}
	if accepted > 0 || isServiceFault(err) {
		return exitFailure
	}
	return exitUsage
}

// report prints the summary and writes the file of the rows that were not imported. It
// returns how many these are.
func (p *program) report(ctx context.Context, im *client.Import) (left int, err error) {
	switch n := replayed(im); {
	case n == p.in.rows:
		fmt.Fprintln(p.stdout, "This file was imported before, under the same options. These are the results of that time; -key imports it anew.")
	case n > 0:
		fmt.Fprintf(p.stdout, "Continued an earlier import, which had come to row %s.\n", thousands(n))
	}
	if p.opts.api.DryRun {
		fmt.Fprintln(p.stdout, "A dry run: nothing was written. What would have happened:")
	}
	s := im.Summary()
	for _, line := range []struct {
		name  string
		count int
	}{
		{"created", s.Created}, {"updated", s.Updated}, {"unchanged", s.Unchanged}, {"skipped", s.Skipped},
		{"failed", s.Failed}, {"not processed", p.in.rows - s.Processed()},
	} {
		fmt.Fprintf(p.stdout, "%-13s %9s\n", line.name, thousands(line.count))
	}
	left = s.Failed + p.in.rows - s.Processed()
	if left == 0 {
		return 0, p.failed.clear()
	}
	return left, p.reportRest(ctx, im, left)
}

// replayed returns how many rows an earlier run had sent.
func replayed(im *client.Import) int {
	for i := len(im.Parts) - 1; i >= 0; i-- {
		if im.Parts[i].Replayed {
			return im.Parts[i].First + im.Parts[i].Rows
		}
	}
	return 0
}

// maxShown is how many rows that failed are printed.
const maxShown = 10

// reportRest prints the first rows that failed, and writes all that were not imported
// to a file.
func (p *program) reportRest(ctx context.Context, im *client.Import, left int) error {
	shown := 0
	see := func(r bulk.RowResult) {
		if r.Status == bulk.StatusFailed && shown < maxShown {
			shown++
			fmt.Fprintf(p.stdout, "line %d: %s\n", r.Line, reasons(r))
		}
	}
	if p.failed == nil {
		for r, err := range im.Failed(ctx) {
			if err != nil {
				return err
			}
			if see(r); shown == maxShown {
				break
			}
		}
	} else if err := p.writeRest(ctx, im, see); err != nil {
		return fmt.Errorf("write %s: %w", p.opts.failed, err)
	}
	if more := im.Summary().Failed - maxShown; more > 0 {
		fmt.Fprintf(p.stdout, "and %s more\n", thousands(more))
	}
	if p.failed == nil {
		fmt.Fprintln(p.stdout, "With -failed FILE, rows that were not imported are written to a file, to be mended and imported.")
	} else {
		fmt.Fprintf(p.stdout, "Rows not imported: %s. They are in %s: mend them there, and import that file with the same flags.\n",
			thousands(left), p.opts.failed)
	}
	return nil
}

func (p *program) writeRest(ctx context.Context, im *client.Import, see func(bulk.RowResult)) error {
	if err := p.in.rewind(); err != nil {
		return err
	}
	return p.failed.write(func(w io.Writer) error { return im.WriteRest(ctx, w, p.in.file, p.opts.format, see) })
}

// reasons says for people why a row failed.
func reasons(r bulk.RowResult) string {
	texts := make([]string, len(r.Errors))
	for i, e := range r.Errors {
		texts[i] = fmt.Sprintf("%s: %s", e.Code, e.Message)
	}
	return strings.Join(texts, "; ")
}

// thousands formats n with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
