package dynamostore_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/store/dynamostore"
)

func TestOptionsAtFault(t *testing.T) {
	type options = dynamostore.Options
	type attributes = dynamostore.Attributes
	valid := options{UsersTable: "users", ClaimsTable: "claims"}
	client := struct{ dynamostore.Client }{}
	if _, err := dynamostore.New(client, valid); err != nil {
		t.Fatalf("the smallest options are refused: %v", err)
	}
	var config *bulk.ConfigError
	if _, err := dynamostore.New(nil, valid); !errors.As(err, &config) || config.Field != "client" {
		t.Errorf("without a client: %v", err)
	}
	for field, change := range map[string]func(o *options){
		"Options.UsersTable":              func(o *options) { o.UsersTable = "" },
		"Options.ClaimsTable":             func(o *options) { o.ClaimsTable = "not a name" },
		"Options.Mode":                    func(o *options) { o.Mode = 7 },
		"Options.MaxAttempts":             func(o *options) { o.MaxAttempts = -1 },
		"Options.MaxConcurrency":          func(o *options) { o.MaxConcurrency = -1 },
		"Options.Attributes.Key":          func(o *options) { o.Attributes.Key = strings.Repeat("k", 256) },
		"Options.Attributes.SortKey":      func(o *options) { o.Attributes.SortKey = "pk" },
		"Options.Attributes.CustomFields": func(o *options) { o.Attributes = attributes{Email: "x", CustomFields: "x"} },
		"Options.Attributes.UserID":       func(o *options) { o.Attributes.UserID = "metadata" },
		"Options.Attributes.Mark":         func(o *options) { o.Attributes.Mark = "a\x00" },
		"Options.Attributes.ClaimUserID":  func(o *options) { o.Attributes.ClaimUserID = "pk" },
	} {
		opts := valid
		change(&opts)
		if _, err := dynamostore.New(client, opts); !errors.As(err, &config) || config.Field != field {
			t.Errorf("%s: got %v, want an error that names it", field, err)
		}
	}
	opts := valid
	opts.ClaimsTable = "users"
	if _, err := dynamostore.New(client, opts); !errors.As(err, &config) || config.Field != "Options.ClaimsTable" {
		t.Errorf("one table for both: %v", err)
	}
}
