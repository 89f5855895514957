//go:build unix

package soak

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

// options are what the command line says.
type options struct {
	backend                      Backend
	dir                          string
	keep                         bool
	seed                         uint64
	workers, clients             int
	kills, stops, restarts       int
	cancels, payloads, lateCalls int
	lease, reservation           time.Duration
	least, duration, drain       time.Duration
}

// Main is a program that soaks a backend. The exit code is 0 if nothing was found
// and all faults have happened as often as asked, 1 if not, and 2 for wrong usage.
func Main(b Backend) {
	if len(os.Args) == 2 && (os.Args[1] == roleWorker || os.Args[1] == roleImporter) {
		if err := runRole(b, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "soak:", err)
			os.Exit(exitFailure)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, b, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is Main without the process around it.
func run(ctx context.Context, b Backend, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(b, args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "soak:", err)
		return exitUsage
	}
	d, findings, err := drive(ctx, o, stdout)
	if d != nil && d.jobs != nil {
		d.report(stdout, findings)
	}
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "soak:", err)
		return exitFailure
	case len(findings) > 0:
		fmt.Fprintf(stderr, "soak: %d findings with seed %d\n", len(findings), o.seed)
		return exitFailure
	default:
		return 0
	}
}

func parseOptions(b Backend, args []string, stderr io.Writer) (options, error) {
	o := options{backend: b}
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	quick := flags.Bool("quick", false, "a fifth of all or less, in half a minute; other flags count all the same")
	b.Flags(flags)
	flags.StringVar(&o.dir, "dir", ".", "`folder` for data and logs, as the servers need it")
	flags.BoolVar(&o.keep, "keep", false, "leave data and logs there when nothing was found, too")
	flags.Uint64Var(&o.seed, "seed", 1, "`number` that rows and faults follow from")
	flags.IntVar(&o.workers, "workers", 4, "`number` of worker processes")
	flags.IntVar(&o.clients, "clients", 3, "`number` of importer processes")
	flags.IntVar(&o.kills, "kills", 200, "least `number` of SIGKILLs of workers and importers")
	flags.IntVar(&o.stops, "stops", 100, "least `number` of SIGSTOPs of workers and importers, each longer than the lease")
	flags.IntVar(&o.restarts, "restarts", 10, "least `number` of restarts of each server that was ended at once; half as many times it is stopped in good order")
	flags.IntVar(&o.cancels, "cancels", 60, "`number` of cancelled jobs")
	flags.IntVar(&o.payloads, "payloads", 6, "`number` of jobs whose payload is removed")
	flags.IntVar(&o.lateCalls, "late-calls", 40, "least `number` of calls that reach a server after their process was killed or stopped")
	flags.DurationVar(&o.lease, "lease", time.Second, "lease of a job")
	flags.DurationVar(&o.reservation, "reservation", 2*time.Second, "how long the reservation of an idempotency key keeps others away")
	flags.DurationVar(&o.least, "least", 0, "the least time that imports and faults take, however soon there were enough faults")
	flags.DurationVar(&o.duration, "duration", 15*time.Minute, "the longest that faults may take")
	flags.DurationVar(&o.drain, "drain", 2*time.Minute, "how long everything may take to end when there are no more faults")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		given := make(map[string]bool)
		flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
		for name, value := range map[string]string{
			"kills": "40", "stops": "15", "restarts": "2", "cancels": "12", "payloads": "2", "late-calls": "8", "duration": "2m",
		} {
			if !given[name] {
				if err := flags.Set(name, value); err != nil {
					return o, err
				}
			}
		}
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.workers < 1 || o.clients < 1:
		return o, errors.New("-workers and -clients are at least 1")
	case o.lease < time.Second || o.reservation < o.lease:
		return o, errors.New("-lease is at least 1s, and -reservation at least -lease")
	}
	return o, b.Check()
}
