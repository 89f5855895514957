// Command backfillclaims puts the claims of emails that the users of an existing
// DynamoDB table have already, so that imports into it know who has which email.
//
//	backfillclaims -users-table people -claims-table people-emails -tenant acme -key id
//
// With -tenant all items are users of that tenant whose ids are their keys; without it
// items have the default keys and attributes of package dynamostore. A table of another
// kind takes a program of its own like this one: see dynamostore.Store.BackfillClaims,
// which also says what it promises while others write.
//
// It saves where it stands after each page of users, so that the same command goes on
// after it was stopped. Emails that have another owner are printed, one user a line.
// Then it ends with 2, and with 1 for errors.
//
// Region and credentials are those of the AWS SDK.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/store/dynamostore"
)

const (
	exitFailure = 1
	exitProblem = 2
)

type options struct {
	users, claims      string
	tenant, key, email string
	checkpoint         string
	rate               int
	create             bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("backfillclaims", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.users, "users-table", "bulkops-users", "`name` of the table with the users")
	flags.StringVar(&o.claims, "claims-table", "bulkops-claims", "`name` of the table with the emails")
	flags.StringVar(&o.tenant, "tenant", "", "the one `tenant` whose users the table has, by their ids as keys")
	flags.StringVar(&o.key, "key", "pk", "`name` of the partition key of the users table")
	flags.StringVar(&o.email, "email", "email", "`name` of the attribute with the email")
	flags.StringVar(&o.checkpoint, "checkpoint", "backfill.checkpoint", "`file` that says where it stands; removed at the end")
	flags.IntVar(&o.rate, "rate", 500, "`users` a second at most")
	flags.BoolVar(&o.create, "create", false, "create the tables that are missing")
	if err := flags.Parse(args); err != nil {
		return exitFailure
	}
	done, err := backfill(ctx, o, stdout)
	fmt.Fprintf(stdout, "%d items: %d emails claimed, %d had their claims, %d problems; %d users without email, %d gone meanwhile, %d items that are no users\n",
		done.Items, done.Claimed, done.Had, done.Problems, done.WithoutEmail, done.Gone, done.Foreign)
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "backfillclaims:", err)
		return exitFailure
	case done.Problems > 0:
		return exitProblem
	}
	return 0
}

// backfill goes on from the checkpoint file and keeps it.
func backfill(ctx context.Context, o options, out io.Writer) (dynamostore.BackfillProgress, error) {
	var none dynamostore.BackfillProgress
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return none, err
	}
	client := dynamostore.NewClient(cfg)
	opts, owner := o.table()
	if o.create {
		if err := dynamostore.CreateTables(ctx, client, opts); err != nil {
			return none, err
		}
	}
	store, err := dynamostore.New(client, opts)
	if err != nil {
		return none, err
	}
	after, err := os.ReadFile(o.checkpoint)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return none, err
	}
	if len(after) > 0 {
		fmt.Fprintf(out, "going on where %s says\n", o.checkpoint)
	}
	done, err := store.BackfillClaims(ctx, client, dynamostore.Backfill{
		Owner: owner, UsersPerSecond: o.rate, After: string(after),
		Progress: func(p dynamostore.BackfillProgress) error { return save(o.checkpoint, p.Checkpoint) },
		Problem: func(p dynamostore.BackfillProblem) {
			fmt.Fprintf(out, "tenant %q user %q has an email of %q: %v\n", p.Tenant, p.UserID, cmp.Or(p.Other, "?"), p.Err)
		},
	})
	if err != nil {
		return done, err
	}
	return done, os.Remove(o.checkpoint)
}

// save replaces the checkpoint in one step, so that a crash leaves the old one or the
// new one.
func save(file, checkpoint string) error {
	if err := os.WriteFile(file+".new", []byte(checkpoint), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// table returns how the table is made, and whose its items are.
func (o *options) table() (dynamostore.Options, func(map[string]types.AttributeValue) (string, string, bool)) {
	opts := dynamostore.Options{
		UsersTable: o.users, ClaimsTable: o.claims,
		Attributes: dynamostore.Attributes{Key: o.key, Email: o.email},
	}
	if o.tenant == "" {
		return opts, nil
	}
	opts.UserKey = func(_, userID string) dynamostore.Key { return dynamostore.Key{Partition: userID} }
	return opts, func(item map[string]types.AttributeValue) (string, string, bool) {
		id, ok := item[o.key].(*types.AttributeValueMemberS)
		if !ok {
			return "", "", false
		}
		return o.tenant, id.Value, true
	}
}

var _ dynamostore.ScanClient = (*dynamodb.Client)(nil)
