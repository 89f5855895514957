package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// A TablesClient is what [CreateTables] calls of DynamoDB. [*dynamodb.Client] is
// one.
type TablesClient interface {
	CreateTable(context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
}

// Waiting for a new table, which takes some seconds.
const (
	tableTimeout  = 5 * time.Minute
	tableMinDelay = 100 * time.Millisecond
	tableMaxDelay = 2 * time.Second
)

// CreateTables makes the users table and the claims table of opts where they are
// missing, with on-demand capacity and AWS's own encryption, and returns when both
// can be used. It is for tests and small installations; a table that needs backups,
// a key of its own or tags is better made by an infrastructure template.
//
// A table that exists stays as it is. If its primary key is not that of opts, the
// error says so.
func CreateTables(ctx context.Context, client TablesClient, opts Options) error {
	if err := opts.fill(); err != nil {
		return err
	}
	users := []types.KeySchemaElement{{AttributeName: &opts.Attributes.Key, KeyType: types.KeyTypeHash}}
	if opts.Attributes.SortKey != "" {
		users = append(users, types.KeySchemaElement{AttributeName: &opts.Attributes.SortKey, KeyType: types.KeyTypeRange})
	}
	claims := []types.KeySchemaElement{{AttributeName: &opts.Attributes.ClaimKey, KeyType: types.KeyTypeHash}}
	if err := createTable(ctx, client, opts.UsersTable, users); err != nil {
		return fmt.Errorf("dynamostore: create table %s: %w", opts.UsersTable, err)
	}
	if err := createTable(ctx, client, opts.ClaimsTable, claims); err != nil {
		return fmt.Errorf("dynamostore: create table %s: %w", opts.ClaimsTable, err)
	}
	return nil
}

func createTable(ctx context.Context, client TablesClient, name string, key []types.KeySchemaElement) error {
	input := &dynamodb.CreateTableInput{
		TableName:   &name,
		KeySchema:   key,
		BillingMode: types.BillingModePayPerRequest,
	}
	for _, element := range key {
		input.AttributeDefinitions = append(input.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: element.AttributeName, AttributeType: types.ScalarAttributeTypeS,
		})
	}
	var exists *types.ResourceInUseException
	if _, err := client.CreateTable(ctx, input); err != nil && !errors.As(err, &exists) {
		return callError(ctx, err)
	}
	waiter := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = tableMinDelay, tableMaxDelay
	})
	out, err := waiter.WaitForOutput(ctx, &dynamodb.DescribeTableInput{TableName: &name}, tableTimeout)
	if err != nil {
		return callError(ctx, err)
	}
	return checkKey(out.Table, input)
}

// checkKey returns an error if the table does not have the key that is asked for.
func checkKey(table *types.TableDescription, want *dynamodb.CreateTableInput) error {
	if len(table.KeySchema) != len(want.KeySchema) {
		return fmt.Errorf("there is a table with a key of %d attributes, not %d", len(table.KeySchema), len(want.KeySchema))
	}
	kinds := make(map[string]types.ScalarAttributeType)
	for _, attribute := range table.AttributeDefinitions {
		kinds[*attribute.AttributeName] = attribute.AttributeType
	}
	for i, element := range table.KeySchema {
		name := *want.KeySchema[i].AttributeName
		if *element.AttributeName != name || kinds[name] != types.ScalarAttributeTypeS {
			return fmt.Errorf("there is a table whose key does not have the string %q as attribute %d", name, i+1)
		}
	}
	return nil
}
