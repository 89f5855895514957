package sesmail_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/sesmail"
)

// printer stands for SES. A program has *sesv2.Client here.
type printer struct{}

func (printer) SendBulkEmail(_ context.Context, in *sesv2.SendBulkEmailInput, _ ...func(*sesv2.Options)) (*sesv2.SendBulkEmailOutput, error) {
	out := new(sesv2.SendBulkEmailOutput)
	for _, entry := range in.BulkEmailEntries {
		fmt.Println(entry.Destination.ToAddresses[0], aws.ToString(in.DefaultContent.Template.TemplateName),
			aws.ToString(entry.ReplacementEmailContent.ReplacementTemplate.ReplacementTemplateData))
		out.BulkEmailEntryResults = append(out.BulkEmailEntryResults, types.BulkEmailEntryResult{Status: types.BulkEmailStatusSuccess})
	}
	return out, nil
}

// The data of the template can be made of all that is known of a user.
func ExampleNew() {
	mailer, err := sesmail.New(printer{}, sesmail.Options{
		From:            "Example <hello@example.com>",
		Template:        "welcome",
		EmailsPerSecond: 50,
		TemplateData: func(message bulk.Welcome) (any, error) {
			name, _ := message.User.CustomFields.Get("name")
			return map[string]json.RawMessage{"name": name}, nil
		},
	})
	if err != nil {
		panic(err)
	}
	fields, err := bulk.NewFields(map[string]any{"name": "Ana"})
	if err != nil {
		panic(err)
	}
	outcomes := mailer.SendWelcome(context.Background(), []bulk.Welcome{
		{Key: "job_1/0", User: bulk.User{ID: "u-1", Email: "ana@example.com", CustomFields: fields}},
	})
	fmt.Println(outcomes)
	// Output:
	// ana@example.com welcome {"name":"Ana"}
	// [<nil>]
}
