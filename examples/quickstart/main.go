// Command quickstart imports 10,000 users in one program: it serves the API on a
// loopback port over the in-memory backends, makes the users, posts them, watches
// the job, downloads the results, and checks that every single row is accounted
// for.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -users 99
//	go run ./examples/quickstart -file users.json
//	go run ./examples/quickstart -url http://127.0.0.1:8080 -token TOKEN
//
// -url imports into a service that runs already, such as examples/server on the AWS
// backends, for the caller with that bearer token. The checks hold for a tenant that
// has none of the users yet.
//
// Below 100 users the answer to the request already has the results; from there
// on the request becomes a job. -file sends a file as the request's body.
//
// It exits with 1 if anything does not add up, and with 2 for wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stderr)
	users := flags.Int("users", bulk.DefaultMaxUsers, "`number` of users to make and import")
	file := flags.String("file", "", "JSON `file` to send as the request's body, instead of made users")
	url := flags.String("url", "", "`URL` of a service that runs already, without /v1/bulk; without it one is started")
	token := flags.String("token", "", "bearer `token` of an admin of the service at -url")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitUsage
	}
	if (*url == "") != (*token == "") {
		fmt.Fprintln(stderr, "quickstart: -url and -token need each other")
		return exitUsage
	}
	body, err := newBody(*users, *file, flags.Args())
	if err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
		return exitUsage
	}
	if *url != "" {
		err = importInto(ctx, *url, *token, body, stdout)
	} else {
		err = quickstart(ctx, body, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
		return exitFailure
	}
	return 0
}

// newBody returns the body that the command line asks for.
func newBody(users int, file string, rest []string) (*body, error) {
	switch {
	case len(rest) > 0:
		return nil, fmt.Errorf("unexpected argument %q", rest[0])
	case file != "":
		return readBody(file)
	case users < 1:
		return nil, fmt.Errorf("-users %d: a request has at least one user", users)
	case users > bulk.DefaultMaxUsers:
		return nil, fmt.Errorf("-users %d: a request has at most %s users; split the import into several requests, "+
			"or raise the limit of your own service with bulk.Config.MaxUsers", users, thousands(bulk.DefaultMaxUsers))
	default:
		return makeBody(users), nil
	}
}

// quickstart starts a service and imports the users of the body into it.
func quickstart(ctx context.Context, b *body, out io.Writer) (err error) {
	service, err := startService()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.stop()) }()
	return importInto(ctx, service.url, service.token, b, out)
}

// importInto imports the users of the body into a service and checks the outcome.
func importInto(ctx context.Context, url, token string, b *body, out io.Writer) error {
	client := newClient(url, token)
	defer client.close()
	fmt.Fprintf(out, "importing %s users (%s kB) at %s/v1/bulk/users\n",
		thousands(len(b.rows)), thousands((len(b.text)+500)/1000), url)
	start := time.Now()
	outcome, err := importUsers(ctx, client, b, out)
	if err != nil {
		return err
	}
	took := time.Since(start)

	report(out, outcome)
	if err := verify(b, outcome); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s users in %.2f s, results included: %s users/s\n",
		thousands(len(b.rows)), took.Seconds(), thousands(int(float64(len(b.rows))/took.Seconds())))
	fmt.Fprintf(out, "%s of %s users accounted for: one result each, in order, and the counts add up\n",
		thousands(len(outcome.Results)), thousands(len(b.rows)))
	return nil
}

// importUsers posts the body and returns the results: those of the answer, or, if
// the request became a job, those of the file that the job ends with.
func importUsers(ctx context.Context, c *client, b *body, out io.Writer) (*outcome, error) {
	outcome, jobURL, err := c.post(ctx, b.text)
	if err != nil || jobURL == "" {
		return outcome, err
	}
	fmt.Fprintf(out, "accepted as a job: %s\n", jobURL)
	bar := newProgress(out)
	job, err := c.wait(ctx, jobURL, bar.show)
	bar.end()
	if err != nil {
		return nil, err
	}
	if job.Status != bulk.JobCompleted {
		return nil, fmt.Errorf("the job is %s: %+v", job.Status, job.Error)
	}
	if outcome, err = c.download(ctx, job.DownloadURL); err != nil {
		return nil, err
	}
	if outcome.JobID != job.JobID || outcome.Status != job.Status || outcome.Summary != job.Summary {
		return nil, fmt.Errorf("the results file differs from the job: %s %s %+v, job %s %s %+v",
			outcome.JobID, outcome.Status, outcome.Summary, job.JobID, job.Status, job.Summary)
	}
	return outcome, nil
}
