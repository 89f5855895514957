package fieldrules_test

import (
	"context"
	"fmt"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/fieldrules"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

func fields(values map[string]any) bulk.Fields {
	f, err := bulk.NewFields(values)
	if err != nil {
		panic(err)
	}
	return f
}

func Example() {
	rules, err := fieldrules.New(fieldrules.Rules{CustomFields: map[string]string{
		"plan": "required,oneof=free pro",
		"age":  "number,min=0,max=150",
	}})
	if err != nil {
		panic(err)
	}
	importer, err := bulk.NewImporter(bulk.Config{
		Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New(), FieldRules: rules,
	})
	if err != nil {
		panic(err)
	}
	report, err := importer.Import(context.Background(), bulk.Request{
		Principal: bulk.Principal{ID: "admin", Tenant: "acme", Role: bulk.RoleAdmin},
		Rows: bulk.Users(
			bulk.User{ID: "u-1", CustomFields: fields(map[string]any{"plan": "pro", "age": 41})},
			bulk.User{ID: "u-1", CustomFields: fields(map[string]any{"age": nil})},
			bulk.User{ID: "u-2", CustomFields: fields(map[string]any{"plan": "pro", "age": 151})},
			bulk.User{ID: "u-3"},
		),
		Options: bulk.Options{Upsert: true},
	})
	if err != nil {
		panic(err)
	}
	for _, row := range report.Results {
		fmt.Println(row.UserID, row.Status)
		for _, e := range row.Errors {
			fmt.Println("   ", e.Code, e.Message)
		}
	}
	// Output:
	// u-1 created
	// u-1 updated
	// u-2 failed
	//     FIELD_RULE customFields.age: must be at most 150
	// u-3 failed
	//     FIELD_RULE customFields.plan: is required of a new user
}
