package client_test

import (
	"context"
	"fmt"
	"os"

	"github.com/bulkops/bulkops/httpapi/client"
)

// importFile imports a CSV file of any length and says which rows failed.
func importFile(ctx context.Context, url, token, name string) error {
	c, err := client.New(client.Config{BaseURL: url, Token: token})
	if err != nil {
		return err
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	imported, err := c.Import(ctx, client.CSV(file), &client.Options{
		IdempotencyKey: "staff-2026-11", // run again, nothing is done twice
	})
	if err != nil {
		return err // what was accepted so far is safe: run it again
	}
	fmt.Printf("%+v\n", imported.Summary())
	for row, err := range imported.Failed(ctx) {
		if err != nil {
			return err
		}
		fmt.Printf("line %d: %s\n", row.Line, row.Errors[0].Code)
	}
	return nil
}

func ExampleClient() {
	url, stop := startServer()
	defer stop()

	if err := importFile(context.Background(), url, token, "../../examples/users.csv"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {Created:5 Updated:0 Unchanged:0 Skipped:0 Failed:1 NotProcessed:0}
	// line 5: INVALID_EMAIL
}
