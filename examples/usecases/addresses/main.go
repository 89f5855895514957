// Command addresses moves email addresses between users: along a chain, and between
// two users who swap theirs. docs/usecases/addresses.md explains in which order.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/examples/usecases/internal/demo"
	"github.com/bulkops/bulkops/httpapi/client"
)

func main() {
	if err := demo.Main(run, os.Stdout); err != nil {
		log.Fatal("addresses: ", err)
	}
}

// ana leads, bob is her deputy.
var staff = []bulk.User{
	{ID: "ana", Email: "lead@example.com"},
	{ID: "bob", Email: "deputy@example.com"},
}

// Ana leaves her address, and bob takes it: who gives comes before who takes.
var chain = []bulk.User{
	{ID: "ana", Email: "ana@example.com"},
	{ID: "bob", Email: "lead@example.com"},
	{ID: "cleo", Email: "deputy@example.com"}, // a new user may take one too
}

// Nobody can be first in a swap: one of the two waits at an address that is free.
var swap = []bulk.User{
	{ID: "bob", Email: "moving-bob@example.com"},
	{ID: "cleo", Email: "lead@example.com"},
	{ID: "bob", Email: "deputy@example.com"},
}

func run(ctx context.Context, service *demo.Service, out io.Writer) error {
	for _, user := range staff {
		if err := service.Users.Put(demo.Tenant, user); err != nil {
			return err
		}
	}
	c, err := service.Client()
	if err != nil {
		return err
	}
	for _, step := range []struct {
		title string
		rows  []bulk.User
	}{
		{"the taker first", []bulk.User{chain[1], chain[0]}},
		{"the rest of the chain, in order", chain[1:]},
		{"a swap of two rows", []bulk.User{swap[1], swap[2]}},
		{"a swap by a free address", swap},
	} {
		fmt.Fprintf(out, "%s:\n", step.title)
		if err := move(ctx, c, step.rows, out); err != nil {
			return err
		}
	}
	for _, id := range []string{"ana", "bob", "cleo"} {
		user, _ := service.Users.Get(demo.Tenant, id)
		fmt.Fprintf(out, "%s has %s\n", id, user.Email)
	}
	return nil
}

// move imports the rows and prints what became of each.
func move(ctx context.Context, c *client.Client, rows []bulk.User, out io.Writer) error {
	imported, err := c.Import(ctx, client.Users(rows), nil)
	if err != nil {
		return err
	}
	for result, err := range imported.Results(ctx) {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %s to %s: %s", result.UserID, result.Email, result.Status)
		for _, reason := range result.Errors {
			fmt.Fprintf(out, ", %s by %s", reason.Code, reason.ConflictsWith)
		}
		fmt.Fprintln(out)
	}
	return nil
}
