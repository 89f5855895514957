// Command customfields changes custom fields of many users at once: some fields are
// set, one is removed, and all others stay. docs/usecases/custom-fields.md explains
// it.
package main

import (
	"context"
	"encoding/json"
	"errors"
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
		log.Fatal("customfields: ", err)
	}
}

func run(ctx context.Context, service *demo.Service, out io.Writer) error {
	before, err := bulk.ParseFields([]byte(`{"plan": "trial", "trialEnds": "2026-12-01", "team": "Lakers"}`))
	if err != nil {
		return err
	}
	for i := range 150 {
		user := bulk.User{ID: fmt.Sprintf("u-%d", i), CustomFields: before}
		if err := service.Users.Put(demo.Tenant, user); err != nil {
			return err
		}
	}
	c, err := service.Client()
	if err != nil {
		return err
	}
	changes, err := upgrades()
	if err != nil {
		return err
	}
	if err := update(ctx, c, changes, out); err != nil {
		return err
	}
	user, _ := service.Users.Get(demo.Tenant, "u-3")
	fmt.Fprintf(out, "u-3: %s\n", user.CustomFields)

	unknown := append(changes, bulk.User{ID: "u-99999", CustomFields: changes[0].CustomFields})
	fmt.Fprintf(out, "with an unknown id: %v\n", update(ctx, c, unknown, out))
	return nil
}

// upgrades returns what is to change of each user, and nothing else.
func upgrades() ([]bulk.User, error) {
	changes := make([]bulk.User, 150)
	for i := range changes {
		fields, err := bulk.NewFields(map[string]any{
			"plan":      "pro",
			"trialEnds": nil, // removes the field; one that is not named stays
			// A float64 has 15 digits. What needs more is a json.Number.
			"credit": json.Number(fmt.Sprintf("90071992547409%02d.25", i%100)),
		})
		if err != nil {
			return nil, err
		}
		changes[i] = bulk.User{ID: fmt.Sprintf("u-%d", i), CustomFields: fields}
	}
	return changes, nil
}

var errUnknownUsers = errors.New("some users do not exist, and would be created")

// update changes users that exist. An import creates those that do not, so a dry
// run asks first whether there are any.
func update(ctx context.Context, c *client.Client, changes []bulk.User, out io.Writer) error {
	check, err := c.Import(ctx, client.Users(changes), &client.Options{Import: &bulk.Options{Upsert: true, DryRun: true}})
	if err != nil {
		return err
	}
	if check.Summary().Created > 0 {
		return errUnknownUsers
	}
	updated, err := c.Import(ctx, client.Users(changes), nil)
	if err != nil {
		return err
	}
	s := updated.Summary()
	fmt.Fprintf(out, "%d updated, %d unchanged, %d failed\n", s.Updated, s.Unchanged, s.Failed)
	return nil
}
