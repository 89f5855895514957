package dynamojobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
)

// definition returns what the table is made of. Time to live is enabled apart from
// it.
func definition(opts Options) *dynamodb.CreateTableInput {
	// The indexes have no more than the filters need: most of a record, and most of
	// what changes of it, is not in them.
	index := func(name, hash, sort string, others ...string) types.GlobalSecondaryIndex {
		return types.GlobalSecondaryIndex{
			IndexName: aws.String(name),
			KeySchema: keySchema(hash, sort),
			Projection: &types.Projection{
				ProjectionType:   types.ProjectionTypeInclude,
				NonKeyAttributes: others,
			},
		}
	}
	return &dynamodb.CreateTableInput{
		TableName:   aws.String(opts.Table),
		BillingMode: types.BillingModePayPerRequest,
		KeySchema:   keySchema(attrID),
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(attrID), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(attrTenant), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(attrShard), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(attrTurn), AttributeType: types.ScalarAttributeTypeS},
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			index(opts.TenantIndex, attrTenant, attrID, attrStatus, attrExpires),
			index(opts.ClaimIndex, attrShard, attrTurn, attrClaimAt, attrExpires),
		},
	}
}

func keySchema(hash string, sort ...string) []types.KeySchemaElement {
	schema := []types.KeySchemaElement{{AttributeName: aws.String(hash), KeyType: types.KeyTypeHash}}
	for _, attr := range sort {
		schema = append(schema, types.KeySchemaElement{AttributeName: aws.String(attr), KeyType: types.KeyTypeRange})
	}
	return schema
}

// A TableClient is what [CreateTable] calls of *[dynamodb.Client].
type TableClient interface {
	CreateTable(context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error)
	UpdateTimeToLive(context.Context, *dynamodb.UpdateTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateTimeToLiveOutput, error)
}

// CreateTable creates the table of jobs unless it is there, waits until it and its
// indexes can be used, and enables time to live. It may be called any number of
// times, also at once. A table that is there and has other keys or lacks an index
// is an error, and is not changed. It is for tests and small installations; others
// have a template, see docs/infra.
func CreateTable(ctx context.Context, client TableClient, opts Options) error {
	if err := opts.fill(); err != nil {
		return err
	}
	if err := createTable(ctx, client, opts); err != nil {
		return fmt.Errorf("dynamojobs: create table %q: %w", opts.Table, classify(err))
	}
	return nil
}

func createTable(ctx context.Context, client TableClient, opts Options) error {
	want := definition(opts)
	_, err := client.CreateTable(ctx, want)
	var there *types.ResourceInUseException
	if err != nil && !errors.As(err, &there) {
		return err
	}
	active, err := waitActive(ctx, client, opts.Table)
	if err != nil {
		return err
	}
	if err := compare(active, want); err != nil {
		return bulk.Permanent(err)
	}
	return enableTTL(ctx, client, opts.Table)
}

// pollTable is how often the state of a new table is asked for.
const pollTable = 500 * time.Millisecond

func waitActive(ctx context.Context, client TableClient, name string) (*types.TableDescription, error) {
	for {
		out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(name)})
		var missing *types.ResourceNotFoundException // DescribeTable is eventually consistent
		switch {
		case errors.As(err, &missing):
		case err != nil:
			return nil, err
		case isActive(out.Table):
			return out.Table, nil
		}
		timer := time.NewTimer(pollTable)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

func isActive(table *types.TableDescription) bool {
	return (table.TableStatus == types.TableStatusActive || table.TableStatus == types.TableStatusUpdating) &&
		!slices.ContainsFunc(table.GlobalSecondaryIndexes, func(index types.GlobalSecondaryIndexDescription) bool {
			return index.IndexStatus == types.IndexStatusCreating
		})
}

// compare returns an error if the table's keys and indexes are not those of the
// definition. More indexes, and indexes with more attributes, do no harm.
func compare(table *types.TableDescription, definition *dynamodb.CreateTableInput) error {
	if !sameKeys(table.KeySchema, definition.KeySchema) {
		return errors.New("the table is there and has another key")
	}
	for _, want := range definition.GlobalSecondaryIndexes {
		i := slices.IndexFunc(table.GlobalSecondaryIndexes, func(index types.GlobalSecondaryIndexDescription) bool {
			return aws.ToString(index.IndexName) == aws.ToString(want.IndexName)
		})
		if i < 0 {
			return fmt.Errorf("the table is there and has no index %q", aws.ToString(want.IndexName))
		}
		if !sameKeys(table.GlobalSecondaryIndexes[i].KeySchema, want.KeySchema) {
			return fmt.Errorf("the table is there and its index %q has another key", aws.ToString(want.IndexName))
		}
	}
	return nil
}

func sameKeys(a, b []types.KeySchemaElement) bool {
	return slices.EqualFunc(a, b, func(a, b types.KeySchemaElement) bool {
		return aws.ToString(a.AttributeName) == aws.ToString(b.AttributeName) && a.KeyType == b.KeyType
	})
}

// enableTTL enables time to live. It takes effect within an hour, which is not
// waited for: expired jobs do not exist in any case.
func enableTTL(ctx context.Context, client TableClient, name string) error {
	enabled, err := hasTTL(ctx, client, name)
	if err != nil || enabled {
		return err
	}
	_, err = client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: aws.String(name),
		TimeToLiveSpecification: &types.TimeToLiveSpecification{
			AttributeName: aws.String(attrTTL),
			Enabled:       aws.Bool(true),
		},
	})
	if err == nil {
		return nil
	}
	// A second change within the hour is refused, also one that changes nothing.
	if enabled, again := hasTTL(ctx, client, name); again == nil && enabled {
		return nil
	}
	return err
}

func hasTTL(ctx context.Context, client TableClient, name string) (bool, error) {
	out, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(name)})
	if err != nil {
		return false, err
	}
	ttl := out.TimeToLiveDescription
	if ttl == nil {
		return false, nil
	}
	switch ttl.TimeToLiveStatus {
	case types.TimeToLiveStatusEnabled, types.TimeToLiveStatusEnabling:
		if attr := aws.ToString(ttl.AttributeName); attr != attrTTL {
			return false, bulk.Permanent(fmt.Errorf("time to live is enabled for the attribute %q instead of %q", attr, attrTTL))
		}
		return true, nil
	default:
		return false, nil
	}
}
