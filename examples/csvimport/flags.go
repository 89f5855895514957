package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi/client"
)

// tokenVariable is the environment variable with the token.
const tokenVariable = "BULKOPS_TOKEN"

// options are what the command line says.
type options struct {
	url, token string
	file       string
	failed     string
	key        string
	maxUsers   int
	format     client.CSVFormat
	api        bulk.Options
}

const usage = "usage: csvimport -url URL [flags] users.csv\n"

// help is what -h shows.
func help() string {
	var b strings.Builder
	b.WriteString(usage + "\n\"-\" reads standard input. Flags:\n")
	flags := flagsOf(new(options))
	flags.SetOutput(&b)
	flags.PrintDefaults()
	b.WriteString("\nExit codes: 0 all rows were imported; 1 some failed; 2 nothing was imported, since the command line, the\n" +
		"file, the address or the token is wrong; 3 the import was not completed.\n")
	return b.String()
}

func flagsOf(opts *options) *flag.FlagSet {
	flags := flag.NewFlagSet("csvimport", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.StringVar(&opts.url, "url", "", "`URL` under which /v1/bulk/ is reached, without that part")
	flags.StringVar(&opts.token, "token", "", "bearer `token`; others can see it here, unlike in the environment variable "+tokenVariable)
	flags.StringVar(&opts.failed, "failed", "", "`file` to write the rows to that were not imported, to be mended and imported in their turn")
	flags.StringVar(&opts.key, "key", "csvimport", "`name` of the import; under a new one, a file that was imported in the last 24 hours is imported again")
	flags.IntVar(&opts.maxUsers, "max-users", client.DefaultMaxUsers, "most `users` of one request")
	flags.Func("map", "import the column with a header as another, as often as needed: `header=column`, which is userId, email,\n"+
		"customFields.NAME or metadata.NAME, or nothing to leave it out", opts.rename)
	flags.Func("delimiter", "`character` between cells: , ; | or tab (default: what the header shows)", opts.delimit)
	flags.BoolVar(&opts.api.DryRun, "dry-run", false, "say what would happen and write nothing")
	flags.BoolVar(&opts.api.Upsert, "upsert", true, "update users that exist; if false, their rows fail")
	flags.BoolVar(&opts.api.SkipDuplicates, "skip-duplicates", false, "leave users that exist as they are; wins over -upsert")
	flags.BoolVar(&opts.api.SendWelcomeEmail, "send-welcome-email", false, "send an email to each user that is created")
	flags.BoolVar(&opts.api.UpdateOnly, "update-only", false, "create nobody; rows of users that do not exist fail")
	flags.TextVar(&opts.api.Merge, "merge", bulk.MergeKeys, "how custom fields and metadata change users that exist: `mode` merge (key by key), fill (what they lack)\n"+
		"or replace (whole objects)")
	flags.Func("max-failed", "stop once more than `n` rows have failed; for each request", opts.limitFailed)
	flags.StringVar(&opts.api.Label, "label", "", "`text` to be shown with the jobs of the import")
	return flags
}

func parse(args []string, getenv func(string) string) (*options, error) {
	opts := new(options)
	flags := flagsOf(opts)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, errors.New(strings.Replace(err.Error(), ": bulk: ", ": ", 1))
	}
	opts.token = cmp.Or(opts.token, getenv(tokenVariable))
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
	case opts.key == "":
		return nil, errors.New("-key needs a name")
	case utf8.RuneCountInString(opts.api.Label) > bulk.MaxLabel:
		return nil, fmt.Errorf("-label has more than %d characters", bulk.MaxLabel)
	}
	opts.file = flags.Arg(0)
	return opts, nil
}

func (o *options) rename(text string) error {
	i := strings.LastIndexByte(text, '=')
	if i < 1 {
		return errors.New(`it should be like "User ID=userId"`)
	}
	if o.format.Rename == nil {
		o.format.Rename = make(map[string]string)
	}
	header := strings.TrimSpace(text[:i])
	if _, twice := o.format.Rename[header]; twice {
		return errors.New("the header was given before")
	}
	o.format.Rename[header] = strings.TrimSpace(text[i+1:])
	return nil
}

func (o *options) delimit(text string) error {
	switch text {
	case ",", ";", "|", "\t":
		o.format.Separator = text[0]
	case "tab", `\t`:
		o.format.Separator = '\t'
	default:
		return errors.New("it should be , ; | or tab")
	}
	return nil
}

func (o *options) limitFailed(text string) error {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return errors.New("not a whole number")
	}
	o.api.MaxFailed = new(int(n))
	return nil
}
