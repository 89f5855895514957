// Command csvimport imports the users of a CSV file through the bulk API.
//
//	csvimport -url https://example.com/api users.csv
//
// The file has a header row with the columns userId, email, customFields.NAME and
// metadata.NAME; -map "Team=customFields.team" is for one that has other names, and
// "-" is standard input. It may be as a spreadsheet saves it, with commas, semicolons
// or tabs and in UTF-8 or UTF-16, and compressed with gzip. It may have any number of
// rows: they are sent in requests of up to 10,000 users, each once the one before has
// been applied. The token is that of -token or, better, since command lines can be
// seen by others, of the environment variable BULKOPS_TOKEN.
//
// # Failed rows
//
// With -failed FILE the rows that were not imported are written to FILE as they
// stand in the file, with the reasons in columns that are passed over when FILE is
// imported in its turn. So mend them there, and import FILE with the same flags. A
// FILE of an earlier run is removed if no row failed.
//
// # Interruption
//
// The requests have idempotency keys that derive from the options and from the rows
// up to the end of each. So after Ctrl-C, a crash or a failure, run the same command
// again within 24 hours: it continues where it was, and nothing is done twice. A file
// that was mended in between, or has more rows at its end, continues at the first
// request that differs. For the same reason a file that was imported already is not
// imported again: the results of the first time are shown. -key NAME imports it anew,
// under that name. A dry run has no keys: it always shows what would happen now.
//
// # Exit codes
//
//	0  all rows were imported
//	1  all rows were reached, and some failed
//	2  nothing was imported: the command line, the file, the address or the token is wrong
//	3  the import was not completed: it was interrupted or cancelled, or the service failed
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/client"
)

// The exit codes.
const (
	exitFine    = 0
	exitRows    = 1
	exitUsage   = 2
	exitFailure = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := &program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	os.Exit(p.run(ctx, os.Args[1:]))
}

// A program is the command, without the process around it.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	transport      http.RoundTripper // nil for the default

	opts   *options
	client *client.Client
	in     *input
	failed *failedFile // nil if it is not asked for
	bar    *progress
}

func (p *program) run(ctx context.Context, args []string) int {
	var err error
	p.opts, err = parse(args, p.getenv)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(p.stdout, help())
		return exitFine
	case err != nil:
		p.complain(err)
		fmt.Fprint(p.stderr, usage+"csvimport -h shows the flags.\n")
		return exitUsage
	}
	if err = p.open(ctx); err != nil {
		p.complain(err)
		if ctx.Err() != nil {
			return exitFailure
		}
		return exitUsage
	}
	defer p.in.close()
	return p.importFile(ctx)
}

// open sees to all that is needed before something is sent.
func (p *program) open(ctx context.Context) error {
	var err error
	p.client, err = client.New(client.Config{
		BaseURL:    p.opts.url,
		Token:      p.opts.token,
		MaxUsers:   p.opts.maxUsers,
		HTTPClient: &http.Client{Transport: p.transport},
		OnRetry:    p.sayRetry,
	})
	if err != nil {
		return err
	}
	if p.in, err = openInput(ctx, p.opts, p.stdin); err != nil {
		return err
	}
	if p.failed, err = openFailed(p.opts.failed, p.in.info); err != nil {
		p.in.close()
		return fmt.Errorf("-failed: %w", err)
	}
	return nil
}

func (p *program) sayRetry(r client.Retry) {
	p.bar.leave()
	fmt.Fprintf(p.stderr, "csvimport: %s; trying again in %.0f s\n", plain(r.Err), math.Ceil(r.Wait.Seconds()))
}

func (p *program) complain(err error) { fmt.Fprintln(p.stderr, "csvimport:", plain(err)) }

// fields are the flags that package client knows by other names.
var fields = map[string]string{
	"client.Config.BaseURL":         "-url",
	"client.Config.Token":           "the token of -token or " + tokenVariable,
	"client.Options.IdempotencyKey": "-key",
}

// plain is the text of an error in the words of the command line.
func plain(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	var config *bulk.ConfigError
	if errors.As(err, &config) && fields[config.Field] != "" {
		return fields[config.Field] + " " + config.Problem
	}
	var part *client.PartError
	if !errors.As(err, &part) {
		return strings.TrimPrefix(err.Error(), "client: ")
	}
	text := strings.TrimPrefix(part.Err.Error(), "client: ")
	if part.Part > 1 {
		text = fmt.Sprintf("from line %d on: %s", part.Line, text)
	}
	return text
}
