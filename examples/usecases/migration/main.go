// Command migration moves an existing user base into the service: a dry run first,
// then the import, in as many requests as it takes, and then once more, to show
// that a repetition does nothing twice. docs/usecases/migration.md explains it.
package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log"
	"os"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/examples/usecases/internal/demo"
	"github.com/bulkops/bulkops/httpapi/client"
)

func main() {
	if err := demo.Main(run, os.Stdout); err != nil {
		log.Fatal("migration: ", err)
	}
}

func run(ctx context.Context, service *demo.Service, out io.Writer) error {
	// Two users are there already: they registered while the migration was prepared.
	if err := service.Users.Put(demo.Tenant, oldUser(7), oldUser(11_111)); err != nil {
		return err
	}
	c, err := service.Client()
	if err != nil {
		return err
	}
	if err := rehearse(ctx, c, out); err != nil {
		return err
	}
	for range 2 { // the second time, as after a crash
		if err := migrate(ctx, c, out); err != nil {
			return err
		}
	}
	return nil
}

// rehearse decides every row and writes nothing. Every row that would fail, or
// that names a user who exists, is known before the first one is written.
func rehearse(ctx context.Context, c *client.Client, out io.Writer) error {
	rehearsal, err := c.Import(ctx, client.Sequence(oldUsers()), &client.Options{
		Import: &bulk.Options{Upsert: false, DryRun: true},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "dry run: %d would be created, %d would fail\n", rehearsal.Summary().Created, rehearsal.Summary().Failed)
	for result, err := range rehearsal.Failed(ctx) {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  user %d, %s: %s\n", result.Index, result.UserID, result.Errors[0].Code)
	}
	return nil
}

// migrate imports all users. It may be run again, by whoever and whenever within 24
// hours, until it succeeds.
func migrate(ctx context.Context, c *client.Client, out io.Writer) error {
	migration, err := c.Import(ctx, client.Sequence(oldUsers()), &client.Options{
		// Who is there already stays as it is.
		Import: &bulk.Options{SkipDuplicates: true},
		// The key of this migration, and not of this run.
		IdempotencyKey: "migration-2026",
	})
	if err != nil {
		return err // what was accepted so far is safe: run it again
	}
	s := migration.Summary()
	fmt.Fprintf(out, "import: %d requests, %d of them answered before; %d created, %d skipped, %d failed\n",
		len(migration.Parts), migration.Replayed(), s.Created, s.Skipped, s.Failed)
	return nil
}

// oldUsers iterates over the users of the old system. They are fetched while the
// import goes on, so there may be more than fit into memory.
func oldUsers() iter.Seq2[bulk.User, error] {
	return func(yield func(bulk.User, error) bool) {
		for i := range 12_000 { // rows.Next() of a database
			if !yield(oldUser(i), nil) {
				return
			}
		}
	}
}

func oldUser(i int) bulk.User {
	user := bulk.User{ID: fmt.Sprintf("old-%05d", i), Email: fmt.Sprintf("user%d@example.com", i)}
	if i == 10_500 {
		user.Email = "user10500@example" // old systems let such things in
	}
	return user
}
