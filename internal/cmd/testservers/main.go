// Command testservers runs another command with the real servers that the
// tests of the backends need, and stops them when the command has ended. It
// also fetches the test data of others that is not part of this module.
//
//	go run ./internal/cmd/testservers [flags] -- COMMAND [ARGS...]
//
// It fetches DynamoDB Local, dynoxide, Postgres and the test data with npm, versitygw with
// go install and ElasticMQ with Maven, as the user has configured these, into a cache that
// later runs reuse, and starts each server on a free loopback port. COMMAND finds them in its
// environment:
//
//	BULKOPS_TEST_DYNAMODB_LOCAL   URL of DynamoDB Local
//	BULKOPS_TEST_DYNOXIDE         URL of dynoxide, another DynamoDB server
//	BULKOPS_TEST_S3               URL of versitygw, an S3 server
//	BULKOPS_TEST_S3_ACCESS_KEY    the credentials that versitygw accepts
//	BULKOPS_TEST_S3_SECRET_KEY
//	BULKOPS_TEST_SQS              URL of ElasticMQ, an SQS server
//	BULKOPS_TEST_POSTGRES         connection string of the superuser of Postgres, and of the
//	BULKOPS_TEST_POSTGRES_OLDEST  oldest version of it that is supported
//	BULKOPS_TEST_DYNOXIDE_PROGRAM the programs of these two, for a command that starts
//	BULKOPS_TEST_S3_PROGRAM       and kills servers of its own
//	BULKOPS_TEST_POSTGRES_PROGRAMS, BULKOPS_TEST_POSTGRES_OLDEST_PROGRAMS
//	                              folders of the programs of Postgres, for the same
//	BULKOPS_TEST_SERVERS          names and versions of the servers that were started
//	BULKOPS_TEST_NAUGHTY          folder of the Big List of Naughty Strings
//	BULKOPS_TEST_CSV_SPECTRUM     folder of csv-spectrum, cases for CSV readers
//	BULKOPS_TEST_AXE              folder of axe-core, rules of accessibility for pages
//	BULKOPS_CHROMIUM              path of Chromium, or of a browser like it, if PATH has one
//
// With -aws COMMAND is any program that uses AWS: the variables of the SDKs, such as
// AWS_ENDPOINT_URL_S3, lead it to dynoxide and versitygw instead. Both are required
// then, so that nothing ever reaches AWS.
//
//	go run ./internal/cmd/testservers -aws -- go run ./examples/server -backend aws -create -bucket bulkops
//
// A server whose URL is set already is not started, data whose folder is set is not
// fetched and a program whose path is set is not looked for: the command then uses the
// one it names. What cannot be fetched, started or found is said in one line each, and
// the command runs without it, unless -require is given.
//
// The exit code is that of COMMAND, 128 plus the signal's number if a signal
// ended it, 1 if something required is not available, and 2 for wrong usage.
// "go run" turns every code but 0 into 1; a script that needs the code builds
// the command first.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

const (
	exitFailure = 1
	exitUsage   = 2

	cacheVariable   = "BULKOPS_CACHE"
	requireVariable = "BULKOPS_REQUIRE_BACKENDS"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stderr)
	stop()
	os.Exit(code)
}

// options are what the command line says.
type options struct {
	require, aws bool
	cacheDir     string
	servers      []server
	data         []dataset
	programs     []program
	command      []string
}

// parse reads the command line. It says itself what is wrong with it.
func parse(args []string, stderr io.Writer) (*options, error) {
	opts := new(options)
	flags := flag.NewFlagSet("testservers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&opts.require, "require", os.Getenv(requireVariable) == "1",
		"fail if a server, test data or a program is not available; the default is true if $"+requireVariable+" is 1")
	flags.BoolVar(&opts.aws, "aws", false,
		"lead COMMAND to "+strings.Join(awsServers, " and ")+" in place of AWS, and fail if they are not available")
	flags.StringVar(&opts.cacheDir, "cache", os.Getenv(cacheVariable),
		"`folder` of what is fetched; the default is $"+cacheVariable+", or .cache beside go.mod")
	only := flags.String("only", "", "comma-separated `names` of the servers to start, the test data to fetch and the programs to find; the default is "+
		strings.Join(names(), ",")+", and with -aws "+strings.Join(awsServers, ","))
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: testservers [flags] -- COMMAND [ARGS...]")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if opts.command = flags.Args(); len(opts.command) == 0 {
		flags.Usage()
		return nil, errors.New("no COMMAND")
	}
	wanted := names()
	switch {
	case *only != "":
		wanted = strings.Split(*only, ",")
	case opts.aws:
		wanted = awsServers
	}
	err := opts.choose(wanted)
	if err == nil && opts.cacheDir == "" {
		opts.cacheDir, err = defaultCache()
	}
	if err != nil {
		fmt.Fprintln(stderr, "testservers:", err)
	}
	return opts, err
}

// run is main without the process around it: what is said goes to stderr, and
// the exit code is returned. When ctx ends, it stops what it started and returns.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	}
	cache, err := newCache(opts.cacheDir)
	if err != nil {
		fmt.Fprintln(stderr, "testservers:", err)
		return exitFailure
	}

	var (
		data    []string
		noData  []error
		fetched sync.WaitGroup
	)
	fetched.Go(func() { data, noData = fetchAll(ctx, cache, opts.data) })
	running, unavailable := startAll(ctx, cache, opts.servers)
	defer stopAll(running)
	fetched.Wait()
	found, missing := find(opts.programs)
	unavailable = slices.Concat(unavailable, noData, missing)
	for _, err := range unavailable {
		consequence := "tests that need it will be skipped"
		if opts.require || opts.aws {
			consequence = "it is required"
		}
		fmt.Fprintf(stderr, "not available: %v; %s\n", err, consequence)
	}
	if (opts.require || opts.aws) && len(unavailable) > 0 {
		return exitFailure
	}
	if ctx.Err() != nil {
		fmt.Fprintln(stderr, "testservers: stopped before the command ran:", context.Cause(ctx))
		return exitFailure
	}
	code := runCommand(ctx, opts.command, opts.environment(running, append(data, found...)), stderr)
	for _, r := range running {
		if err := r.exited(); err != nil {
			fmt.Fprintf(stderr, "testservers: %s ended while the command ran: %v\n", r.name, err)
		}
	}
	return code
}

// environment is that of the command: ours, and what is to be known of servers and of
// the rest.
func (o *options) environment(running []*process, rest []string) []string {
	env := append(os.Environ(), rest...)
	var names []string
	for _, r := range running {
		env = append(env, r.env...)
		names = append(names, r.name)
	}
	env = append(env, "BULKOPS_TEST_SERVERS="+strings.Join(names, ", "))
	if o.require {
		env = append(env, requireVariable+"=1")
	}
	if o.aws {
		env = append(env, awsEnvironment(o.servers, env)...)
	}
	return env
}

// startAll fetches and starts the servers at the same time. It returns those
// that answer, in the order of all, and an error that names the server for each
// of the others.
func startAll(ctx context.Context, c *cache, all []server) (running []*process, unavailable []error) {
	processes := make([]*process, len(all))
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		if os.Getenv(s.variable) != "" {
			continue
		}
		wg.Go(func() {
			if processes[i], errs[i] = start(ctx, c, s); errs[i] != nil {
				errs[i] = fmt.Errorf("%s: %w", s.title(), errs[i])
			}
		})
	}
	wg.Wait()
	for i := range all {
		if processes[i] != nil {
			running = append(running, processes[i])
		}
		if errs[i] != nil {
			unavailable = append(unavailable, errs[i])
		}
	}
	return running, unavailable
}

func stopAll(running []*process) {
	var wg sync.WaitGroup
	for _, r := range running {
		wg.Go(r.stop)
	}
	wg.Wait()
}

// runCommand runs args in a process group of its own and returns its exit code.
// When ctx ends, the group is asked to end, and killed if it does not. Nothing
// of the group is alive when it returns.
func runCommand(ctx context.Context, args, env []string, stderr io.Writer) int {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = env
	cmd.Stdout = os.Stdout
	cmd.Stderr = os.Stderr
	ownGroup(cmd)
	cmd.Cancel = func() error { return terminateGroup(cmd.Process) }
	cmd.WaitDelay = stopTimeout

	if err := cmd.Start(); err != nil {
		fmt.Fprintln(stderr, "testservers:", err)
		return exitFailure
	}
	err := cmd.Wait()
	killGroup(cmd.Process)
	if cmd.ProcessState.Exited() {
		if code := cmd.ProcessState.ExitCode(); code != 0 || ctx.Err() == nil {
			return code
		}
		return exitFailure // interrupted, so not a success, whatever the command says
	}
	fmt.Fprintf(stderr, "testservers: %s: %v\n", args[0], err)
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exitFailure
}

// names are what -only may name.
func names() []string {
	var all []string
	for _, s := range servers {
		all = append(all, s.id)
	}
	for _, d := range datasets {
		all = append(all, d.id)
	}
	for _, p := range programs {
		all = append(all, p.id)
	}
	return all
}

// choose sets the servers, the test data and the programs to those of the names.
func (o *options) choose(wanted []string) error {
	services := map[string]int{}
	for _, id := range wanted {
		if i := slices.IndexFunc(servers, func(s server) bool { return s.id == id }); i >= 0 {
			o.servers = append(o.servers, servers[i])
			services[servers[i].service]++
			continue
		}
		if i := slices.IndexFunc(datasets, func(d dataset) bool { return d.id == id }); i >= 0 {
			o.data = append(o.data, datasets[i])
			continue
		}
		i := slices.IndexFunc(programs, func(p program) bool { return p.id == id })
		if i < 0 {
			return fmt.Errorf("-only: there is no %q, only %s", id, strings.Join(names(), ", "))
		}
		o.programs = append(o.programs, programs[i])
	}
	if o.aws && (services[serviceDynamoDB] != 1 || services[serviceS3] != 1) {
		return errors.New("-aws needs one server of DynamoDB and one of S3 in -only")
	}
	return nil
}

// defaultCache is the folder .cache beside the go.mod that is nearest upwards of
// the working directory.
func defaultCache() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".cache"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod in or above %s: set $%s or -cache", start, cacheVariable)
		}
	}
}
