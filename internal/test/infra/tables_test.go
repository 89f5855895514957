package infra

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/store/dynamostore"
)

// recorder is a DynamoDB that keeps what it is told to create.
type recorder struct {
	tables map[string]*dynamodb.CreateTableInput
	ttl    map[string]string
}

func (r *recorder) CreateTable(_ context.Context, in *dynamodb.CreateTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error) {
	r.tables[aws.ToString(in.TableName)] = in
	return &dynamodb.CreateTableOutput{}, nil
}

func (r *recorder) DescribeTable(_ context.Context, in *dynamodb.DescribeTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	created := r.tables[aws.ToString(in.TableName)]
	table := &types.TableDescription{
		TableStatus:          types.TableStatusActive,
		KeySchema:            created.KeySchema,
		AttributeDefinitions: created.AttributeDefinitions,
	}
	for _, index := range created.GlobalSecondaryIndexes {
		table.GlobalSecondaryIndexes = append(table.GlobalSecondaryIndexes, types.GlobalSecondaryIndexDescription{
			IndexName: index.IndexName, KeySchema: index.KeySchema, IndexStatus: types.IndexStatusActive,
		})
	}
	return &dynamodb.DescribeTableOutput{Table: table}, nil
}

func (r *recorder) DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error) {
	return &dynamodb.DescribeTimeToLiveOutput{}, nil
}

func (r *recorder) UpdateTimeToLive(_ context.Context, in *dynamodb.UpdateTimeToLiveInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateTimeToLiveOutput, error) {
	r.ttl[aws.ToString(in.TableName)] = aws.ToString(in.TimeToLiveSpecification.AttributeName)
	return &dynamodb.UpdateTimeToLiveOutput{}, nil
}

// A table is what the templates and the code have to agree on.
type table struct {
	Billing    string
	Attributes map[string]string // their types
	Keys       keys
	Indexes    map[string]index
	TTL        string
}

type keys struct{ Hash, Range string }

type index struct {
	Keys       keys
	Projection string
	Attributes []string
}

// created returns what the backends create with their defaults: tables users, claims
// and jobs.
func created(t *testing.T) map[string]table {
	t.Helper()
	r := &recorder{tables: make(map[string]*dynamodb.CreateTableInput), ttl: make(map[string]string)}
	if err := dynamostore.CreateTables(t.Context(), r, dynamostore.Options{UsersTable: "users", ClaimsTable: "claims"}); err != nil {
		t.Fatal(err)
	}
	if err := dynamojobs.CreateTable(t.Context(), r, dynamojobs.Options{Table: "jobs"}); err != nil {
		t.Fatal(err)
	}
	tables := map[string]table{}
	for name, in := range r.tables {
		made := table{string(in.BillingMode), map[string]string{}, keysOf(in.KeySchema), map[string]index{}, r.ttl[name]}
		for _, a := range in.AttributeDefinitions {
			made.Attributes[*a.AttributeName] = string(a.AttributeType)
		}
		for _, i := range in.GlobalSecondaryIndexes {
			made.Indexes[*i.IndexName] = index{keysOf(i.KeySchema), string(i.Projection.ProjectionType), i.Projection.NonKeyAttributes}
		}
		tables[name] = made
	}
	return tables
}

func keysOf(schema []types.KeySchemaElement) (k keys) {
	for _, key := range schema {
		if key.KeyType == types.KeyTypeHash {
			k.Hash = *key.AttributeName
		} else {
			k.Range = *key.AttributeName
		}
	}
	return k
}

func TestCloudFormationTables(t *testing.T) {
	tables := map[string]table{}
	for _, r := range of(newStack(t, nil).resources(), "AWS::DynamoDB::Table") {
		p := r.properties
		made := table{p["BillingMode"].(string), map[string]string{}, yamlKeys(p["KeySchema"]), map[string]index{}, ""}
		for _, a := range list(p["AttributeDefinitions"]) {
			made.Attributes[a["AttributeName"].(string)] = a["AttributeType"].(string)
		}
		for _, i := range list(p["GlobalSecondaryIndexes"]) {
			made.Indexes[i["IndexName"].(string)] = index{
				yamlKeys(i["KeySchema"]), at(t, i, "Projection", "ProjectionType").(string), texts(at(t, i, "Projection", "NonKeyAttributes")),
			}
		}
		if ttl, ok := p["TimeToLiveSpecification"].(map[string]any); ok && ttl["Enabled"] == true {
			made.TTL = ttl["AttributeName"].(string)
		}
		tables[strings.TrimPrefix(p["TableName"].(string), "bulkops-")] = made
	}
	if diff := cmp.Diff(created(t), tables); diff != "" {
		t.Errorf("the code makes (-), and the template (+):\n%s", diff)
	}
}

func yamlKeys(schema any) (k keys) {
	for _, key := range list(schema) {
		if key["KeyType"] == "HASH" {
			k.Hash = key["AttributeName"].(string)
		} else {
			k.Range = key["AttributeName"].(string)
		}
	}
	return k
}

func TestTerraformTables(t *testing.T) {
	tables := map[string]table{}
	for _, r := range of(newConfiguration(t, nil).resources(), "aws_dynamodb_table") {
		p := r.properties
		made := table{p["billing_mode"].(string), map[string]string{}, hclKeys(p), map[string]index{}, ""}
		for _, a := range list(p["attribute"]) {
			made.Attributes[a["name"].(string)] = a["type"].(string)
		}
		for _, i := range list(p["global_secondary_index"]) {
			made.Indexes[i["name"].(string)] = index{hclKeys(i), i["projection_type"].(string), texts(i["non_key_attributes"])}
		}
		for _, ttl := range list(p["ttl"]) {
			if ttl["enabled"] == true {
				made.TTL = ttl["attribute_name"].(string)
			}
		}
		tables[strings.TrimPrefix(p["name"].(string), "bulkops-")] = made
	}
	if diff := cmp.Diff(created(t), tables); diff != "" {
		t.Errorf("the code makes (-), and the module (+):\n%s", diff)
	}
}

func hclKeys(m map[string]any) (k keys) {
	k.Hash, _ = m["hash_key"].(string)
	k.Range, _ = m["range_key"].(string)
	return k
}

// list returns a list of maps, nil if there is none.
func list(v any) []map[string]any {
	var maps []map[string]any
	items, _ := v.([]any)
	for _, item := range items {
		maps = append(maps, item.(map[string]any))
	}
	return maps
}

// texts returns a text, or a list of them, as a list.
func texts(v any) []string {
	if text, ok := v.(string); ok {
		return []string{text}
	}
	var all []string
	items, _ := v.([]any)
	for _, item := range items {
		all = append(all, item.(string))
	}
	return all
}

func TestLifecycle(t *testing.T) {
	rule, err := s3blob.LifecycleRule(s3blob.Options{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	want := []any{
		float64(*rule.Expiration.Days), float64(*rule.NoncurrentVersionExpiration.NoncurrentDays),
		float64(*rule.AbortIncompleteMultipartUpload.DaysAfterInitiation),
	}

	s := newStack(t, nil)
	r := at(t, s.resources()["Blobs"].properties, "LifecycleConfiguration", "Rules", "0")
	got := []any{
		at(t, r, "ExpirationInDays"), at(t, r, "NoncurrentVersionExpiration", "NoncurrentDays"),
		at(t, r, "AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the code's rule (-), and the template's (+):\n%s", diff)
	}
	if least := s.template.Parameters["BlobExpireDays"].MinValue; s.eval(least) != want[0] {
		t.Errorf("the least of BlobExpireDays is %v, want %v", least, want[0])
	}

	r = at(t, newConfiguration(t, nil).resources()["aws_s3_bucket_lifecycle_configuration.blobs"].properties, "rule", "0")
	got = []any{
		at(t, r, "expiration", "0", "days"), at(t, r, "noncurrent_version_expiration", "0", "noncurrent_days"),
		at(t, r, "abort_incomplete_multipart_upload", "0", "days_after_initiation"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the code's rule (-), and the module's (+):\n%s", diff)
	}
}

// Hosts that run workers themselves get what they had.
func TestNoFunctions(t *testing.T) {
	want := map[string]bool{
		"AWS::DynamoDB::Table": true, "AWS::S3::Bucket": true, "AWS::S3::BucketPolicy": true, "AWS::IAM::ManagedPolicy": true,
		"aws_dynamodb_table": true, "aws_iam_policy": true, "aws_s3_bucket": true, "aws_s3_bucket_lifecycle_configuration": true,
		"aws_s3_bucket_ownership_controls": true, "aws_s3_bucket_policy": true, "aws_s3_bucket_public_access_block": true,
		"aws_s3_bucket_server_side_encryption_configuration": true,
	}
	got := map[string]bool{}
	all := newStack(t, map[string]any{"FunctionUrlAuth": "NONE"}).resources()
	maps.Copy(all, newConfiguration(t, map[string]any{"function_url_auth": "NONE"}).resources())
	for address, r := range all {
		if !strings.HasPrefix(address, "data.") {
			got[r.kind] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wanted (-), made (+):\n%s", diff)
	}
}

func sorted(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
