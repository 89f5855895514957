// Command csvfile imports a CSV file, gets the rows that failed as CSV, mends them
// and imports them in their turn. docs/usecases/csv.md explains it.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/bulkops/bulkops/examples/usecases/internal/demo"
	"github.com/bulkops/bulkops/httpapi/client"
)

func main() {
	if err := demo.Main(run, os.Stdout); err != nil {
		log.Fatal("csvfile: ", err)
	}
}

// table is what a spreadsheet exports.
const table = `userId,email,customFields.team,customFields.points:number,customFields.active:boolean,customFields.tags:json,metadata.source
u-1,ana@example.com,Lakers,9007199254740993,TRUE,"[""new"",""vip""]",crm
u-2,bob@example.com,"Bulls
of Chicago",12.50,false,,crm
u-3,cleo.example.com,,7,,,crm
u-4,dan@example.com,Lakers,seven,,,crm
`

func run(ctx context.Context, service *demo.Service, out io.Writer) error {
	c, err := service.Client()
	if err != nil {
		return err
	}
	failed, err := importTable(ctx, c, strings.NewReader(table), out)
	if err != nil {
		return err
	}
	for _, file := range failed {
		fmt.Fprint(out, file)
		// A person does this, in a spreadsheet.
		mended := strings.NewReplacer("cleo.example.com", "cleo@example.com", `"""seven"""`, "7").Replace(file)
		if _, err := importTable(ctx, c, strings.NewReader(mended), out); err != nil {
			return err
		}
	}
	for _, id := range []string{"u-1", "u-2", "u-4"} {
		user, _ := service.Users.Get(demo.Tenant, id)
		fmt.Fprintf(out, "%s: %s\n", id, user.CustomFields)
	}
	return nil
}

// importTable imports a CSV text of any length and returns the rows that failed,
// as CSV with the reasons, a text for each request. They may be imported again as
// they are: the columns that they add are passed over.
func importTable(ctx context.Context, c *client.Client, text io.Reader, out io.Writer) (failed []string, err error) {
	// Rows of a job can be had as CSV later, so a job is made however few they are.
	imported, err := c.Import(ctx, client.CSV(text), &client.Options{Async: true})
	if err != nil {
		return nil, err
	}
	s := imported.Summary()
	fmt.Fprintf(out, "%d created, %d failed\n", s.Created, s.Failed)
	for result, err := range imported.Failed(ctx) {
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(out, "  line %d: %s %s\n", result.Line, result.Errors[0].Code, result.Errors[0].Field)
	}
	for _, part := range imported.Parts {
		if part.Job.Summary.Failed == 0 {
			continue
		}
		file, err := c.OpenResults(ctx, part.Job.ID, client.FormatCSV, true)
		if err != nil {
			return nil, err
		}
		table, err := io.ReadAll(file)
		_ = file.Close() // it has been read
		if err != nil {
			return nil, err
		}
		failed = append(failed, string(table))
	}
	return failed, nil
}
