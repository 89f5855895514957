// Command csvimport imports the users of a CSV file through the bulk API.
//
//	csvimport -url https://example.com/api users.csv
//
// The file has a header row with the columns userId, email, customFields.NAME and
// metadata.NAME; "-" is standard input. It may be as a spreadsheet saves it, with
// commas, semicolons or tabs and in UTF-8 or UTF-16, and compressed with gzip. It
// may have any number of rows: they are sent in requests of up to 10,000 users, each
// once the one before has been applied. The token is that of -token or, better,
// since command lines can be seen by others, of the environment variable
// BULKOPS_TOKEN.
//
// # Failed rows
//
// With -failed FILE the rows that were not imported are written to FILE as they
// stand in the file, with the reasons in columns that are passed over when FILE is
// imported in its turn. So mend them there, and import FILE.
//
// # Interruption
//
// The requests have idempotency keys that derive from the content of the file and
// the options. So after Ctrl-C, a crash or a failure, run the same command again
// within 24 hours: it continues where it was, and nothing is done twice. For the
// same reason a file that was imported already is not imported again: the results
// of the first time are shown. -key NAME imports it anew, under that name.
//
// # Exit codes
//
//	0  all rows were imported
//	1  all rows were reached, and some failed
//	2  nothing was sent: the command line or the file is wrong
//	3  a request or the service failed, or the import was interrupted or cancelled
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
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

// tokenVariable is the environment variable with the token.
const tokenVariable = "BULKOPS_TOKEN"

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
}

// options are what the command line says.
type options struct {
	url, token string
	file       string
	failed     string
	key        string
	maxUsers   int
	api        bulk.Options
}

// errUsage is a command line that has been complained about already.
var errUsage = errors.New("wrong usage")

func (p *program) run(ctx context.Context, args []string) int {
	opts, err := p.parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitFine
	case err != nil:
		if err != errUsage {
			p.complain(err)
		}
		return exitUsage
	}
	c, err := client.New(client.Config{
		BaseURL:    opts.url,
		Token:      opts.token,
		MaxUsers:   opts.maxUsers,
		HTTPClient: &http.Client{Transport: p.transport},
		OnRetry: func(r client.Retry) {
			fmt.Fprintf(p.stderr, "\ncsvimport: %v; trying again in %.0f s\n", r.Err, r.Wait.Seconds())
		},
	})
	if err != nil {
		p.complain(err)
		return exitUsage
	}
	in, err := openInput(ctx, opts.file, p.stdin)
	if err != nil {
		p.complain(err)
		if ctx.Err() != nil {
			return exitFailure
		}
		return exitUsage
	}
	defer in.close()
	return p.importFile(ctx, c, opts, in)
}

func (p *program) complain(err error) {
	fmt.Fprintln(p.stderr, "csvimport:", strings.TrimPrefix(err.Error(), "client: "))
}

func (p *program) parse(args []string) (*options, error) {
	opts := new(options)
	flags := flag.NewFlagSet("csvimport", flag.ContinueOnError)
	flags.SetOutput(p.stderr)
	flags.Usage = func() {
		fmt.Fprintln(p.stderr, "usage: csvimport -url URL [flags] users.csv\n\n\"-\" reads standard input. Flags:")
		flags.PrintDefaults()
		fmt.Fprintln(p.stderr, "\nExit codes: 0 all rows were imported; 1 some failed; 2 nothing was sent, since the command line or the\n"+
			"file is wrong; 3 a request or the service failed, or the import was interrupted: run the same command\nagain to continue.")
	}
	flags.StringVar(&opts.url, "url", "", "`URL` under which /v1/bulk/ is reached, without that part")
	flags.StringVar(&opts.token, "token", "", "bearer `token`; others can see it here, unlike in the environment variable "+tokenVariable)
	flags.StringVar(&opts.failed, "failed", "", "`file` to write the rows to that were not imported, to be mended and imported in their turn")
	flags.StringVar(&opts.key, "key", "", "`name` of the import, instead of one made of the file's content and the options; a new one imports a file again")
	flags.IntVar(&opts.maxUsers, "max-users", client.DefaultMaxUsers, "most `users` of one request")
	flags.BoolVar(&opts.api.DryRun, "dry-run", false, "say what would happen and write nothing")
	flags.BoolVar(&opts.api.Upsert, "upsert", true, "update users that exist; if false, their rows fail")
	flags.BoolVar(&opts.api.SkipDuplicates, "skip-duplicates", false, "leave users that exist as they are; wins over -upsert")
	flags.BoolVar(&opts.api.SendWelcomeEmail, "send-welcome-email", false, "send an email to each user that is created")
	flags.BoolVar(&opts.api.UpdateOnly, "update-only", false, "create nobody; rows of users that do not exist fail")
	flags.TextVar(&opts.api.Merge, "merge", bulk.MergeKeys, "how custom fields and metadata change users that exist: `mode` merge (key by key), fill (what they lack) or replace (whole objects)")
	flags.Func("max-failed", "stop once more than `n` rows have failed; for each request", func(text string) error {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return errors.New("not a whole number")
		}
		opts.api.MaxFailed = new(int(n))
		return nil
	})
	flags.StringVar(&opts.api.Label, "label", "", "`text` to be shown with the jobs of the import")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, errUsage
	}
	if opts.token == "" {
		opts.token = p.getenv(tokenVariable)
	}
	switch {
	case opts.url == "":
		return nil, errors.New("-url is required")
	case flags.NArg() == 0:
		return nil, errors.New("no file given; - is standard input")
	case flags.NArg() > 1:
		return nil, fmt.Errorf("unexpected argument %q; flags stand before the file", flags.Arg(1))
	case opts.api.UpdateOnly && !opts.api.Upsert:
		return nil, errors.New("-update-only needs -upsert: without both, nothing could happen")
	case opts.maxUsers < 1:
		return nil, fmt.Errorf("-max-users %d is less than 1", opts.maxUsers)
	}
	opts.file = flags.Arg(0)
	if opts.failed != "" && sameFile(opts.failed, opts.file) {
		return nil, errors.New("-failed is the file to import; it needs another name")
	}
	return opts, nil
}

// sameFile reports whether both names are those of one file.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
