// Command cost counts what imports cost: the requests and capacity units of 10,000
// creates, updates, unchanged rows and new emails in each mode of dynamostore, beside a bare loop
// of BatchWriteItem and the least that the promises allow, what a job takes of its
// table and bucket, and what an idle worker takes. The table in docs/operations.md is
// made by it.
//
//	make cost                                        count, and write the table
//	go run ./internal/cmd/cost -check -rows 100      fail if it would be another table
//
// It creates tables and a bucket of its own, on the servers to which the variables of
// the SDK lead it; "testservers -aws --" sets them. Units are counted by AWS's rules
// from what the calls say. Where the server reports what it charges, that is printed
// beside it.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/bulkops/bulkops/internal/cmd/internal/section"
)

func main() {
	check := flag.Bool("check", false, "compare docs/operations.md instead of writing it")
	rows := flag.Int("rows", tabled, "count so many `rows` of each kind, whole batches of 25")
	flag.Parse()
	if err := run(context.Background(), *rows, *check, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rows int, check bool, out io.Writer) error {
	if rows < batch || rows%batch != 0 {
		return fmt.Errorf("-rows is %d; it must be a multiple of %d", rows, batch)
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	file := filepath.Join(strings.TrimSpace(string(root)), "docs", "operations.md")
	text, err := measure(ctx, cfg, cfg, rows, out)
	if err != nil {
		return err
	}
	if check {
		return section.Check(file, "cost", text)
	}
	return section.Put(file, "cost", text)
}

// measure counts everything with so many rows and returns the table. What servers
// report is printed.
func measure(ctx context.Context, dynamoDB, s3 aws.Config, rows int, out io.Writer) (string, error) {
	name := "cost-" + strings.ToLower(rand.Text()[:12])
	measured, err := measureRows(ctx, dynamoDB, name, rows)
	if err != nil {
		return "", err
	}
	for _, m := range measured {
		fmt.Fprintf(out, "%s, %s, %s: counted %g writes and %g reads, reported %g and %g\n", m.rows, m.named, modeName(m.mode),
			m.writes, m.reads, m.reported.writes, m.reported.reads)
	}
	bare, err := measureBare(ctx, dynamoDB, name+"-bare", rows)
	if err != nil {
		return "", err
	}
	job, err := measureJob(ctx, dynamoDB, s3, name, rows)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(out, "a job: jobs table %d requests, counted %g writes and %g reads, reported %g and %g; S3 %d puts, %d gets\n",
		job.table.requests, job.table.writes, job.table.reads, job.table.reported.writes, job.table.reported.reads, job.blobs.puts, job.blobs.gets)
	if more := job.exceeds(most); more != "" {
		return "", errors.New(more)
	}
	return table(rows, measured, bare, job.poll), nil
}
