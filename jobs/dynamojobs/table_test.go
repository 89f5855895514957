package dynamojobs_test

import (
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
)

func TestCreateTableIsIdempotent(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		client := server.DynamoDB(awstest.Transport(t))
		opts := dynamojobs.Options{Table: awstest.Name(t)}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := dynamojobs.CreateTable(t.Context(), client, opts); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		out, err := client.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(opts.Table)})
		if err != nil {
			t.Fatal(err)
		}
		ttl := out.TimeToLiveDescription
		if ttl.TimeToLiveStatus != types.TimeToLiveStatusEnabled || aws.ToString(ttl.AttributeName) != dynamojobs.TTLAttribute {
			t.Errorf("time to live is %s for %q", ttl.TimeToLiveStatus, aws.ToString(ttl.AttributeName))
		}
	})
}

func TestCreateTableRefusesAnotherSchema(t *testing.T) {
	awstest.EachDynamoDB(t, func(t *testing.T, server awstest.Server) {
		client := server.DynamoDB(awstest.Transport(t))
		for name, change := range map[string]func(*dynamodb.CreateTableInput){
			"index missing": func(in *dynamodb.CreateTableInput) {
				in.GlobalSecondaryIndexes = in.GlobalSecondaryIndexes[:1]
				in.AttributeDefinitions = in.AttributeDefinitions[:2]
			},
			"index with another key": func(in *dynamodb.CreateTableInput) {
				keys := in.GlobalSecondaryIndexes[0].KeySchema
				keys[0].AttributeName, keys[1].AttributeName = keys[1].AttributeName, keys[0].AttributeName
			},
		} {
			t.Run(name, func(t *testing.T) {
				opts := dynamojobs.Options{Table: awstest.Name(t)}
				definition := dynamojobs.Definition(opts)
				change(definition)
				if _, err := client.CreateTable(t.Context(), definition); err != nil {
					t.Fatal(err)
				}
				err := dynamojobs.CreateTable(t.Context(), client, opts)
				if err == nil || bulk.Retryable(err) {
					t.Errorf("CreateTable: %v; want an error that is not retryable", err)
				}
			})
		}
	})
}
