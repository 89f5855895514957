// Package infra checks that the templates here make what the backends expect.
package infra

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

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

// created returns what the backends create with their defaults.
func created(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{tables: make(map[string]*dynamodb.CreateTableInput), ttl: make(map[string]string)}
	if err := dynamostore.CreateTables(t.Context(), r, dynamostore.Options{UsersTable: "users", ClaimsTable: "claims"}); err != nil {
		t.Fatal(err)
	}
	if err := dynamojobs.CreateTable(t.Context(), r, dynamojobs.Options{Table: "jobs"}); err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section returns the lines from the one that is first up to the next with as
// little indentation.
func section(t *testing.T, text, first string) string {
	t.Helper()
	_, rest, ok := strings.Cut("\n"+text, "\n"+first+"\n")
	if !ok {
		t.Fatalf("there is no line %q", first)
	}
	indent := len(first) - len(strings.TrimLeft(first, " "))
	var b strings.Builder
	for line := range strings.Lines(rest) {
		if content := strings.TrimLeft(line, " "); content != "\n" && len(line)-len(content) <= indent {
			break
		}
		b.WriteString(line)
	}
	return b.String()
}

func wantText(t *testing.T, in, want string) {
	t.Helper()
	if !strings.Contains(in, want) {
		t.Errorf("this is missing:\n%s\nin:\n%s", want, in)
	}
}

func TestCloudFormationTables(t *testing.T) {
	template := read(t, "cloudformation.yaml")
	r := created(t)
	for name, resource := range map[string]string{"users": "UsersTable", "claims": "ClaimsTable", "jobs": "JobsTable"} {
		t.Run(name, func(t *testing.T) {
			got, want := section(t, template, "  "+resource+":"), r.tables[name]
			attributes := "      AttributeDefinitions:\n"
			for _, a := range want.AttributeDefinitions {
				attributes += fmt.Sprintf("        - AttributeName: %s\n          AttributeType: %s\n", *a.AttributeName, a.AttributeType)
			}
			wantText(t, got, attributes+"      KeySchema:\n"+yamlKeys(want.KeySchema, "        "))
			wantText(t, got, fmt.Sprintf("      BillingMode: %s\n", want.BillingMode))
			var indexes string
			for _, index := range want.GlobalSecondaryIndexes {
				indexes += fmt.Sprintf("        - IndexName: %s\n          KeySchema:\n%s", *index.IndexName, yamlKeys(index.KeySchema, "            ")) +
					fmt.Sprintf("          Projection:\n            ProjectionType: %s\n            NonKeyAttributes: [%s]\n",
						index.Projection.ProjectionType, strings.Join(index.Projection.NonKeyAttributes, ", "))
			}
			wantText(t, got, indexes)
			if ttl := r.ttl[name]; ttl != "" {
				wantText(t, got, "      TimeToLiveSpecification:\n        AttributeName: "+ttl+"\n        Enabled: true\n")
			}
		})
	}
}

func yamlKeys(schema []types.KeySchemaElement, indent string) string {
	var b strings.Builder
	for _, key := range schema {
		fmt.Fprintf(&b, "%s- AttributeName: %s\n%s  KeyType: %s\n", indent, *key.AttributeName, indent, key.KeyType)
	}
	return b.String()
}

func TestTerraformTables(t *testing.T) {
	tables := read(t, "terraform/tables.tf")
	r := created(t)
	for name := range r.tables {
		t.Run(name, func(t *testing.T) {
			got, want := squeeze(section(t, tables, fmt.Sprintf("resource \"aws_dynamodb_table\" %q {", name))), r.tables[name]
			for _, a := range want.AttributeDefinitions {
				wantText(t, got, fmt.Sprintf("attribute { name = %q type = %q }", *a.AttributeName, a.AttributeType))
			}
			wantText(t, got, hclKeys(want.KeySchema))
			wantText(t, got, fmt.Sprintf("billing_mode = %q", want.BillingMode))
			for _, index := range want.GlobalSecondaryIndexes {
				wantText(t, got, fmt.Sprintf("global_secondary_index { name = %q %s projection_type = %q non_key_attributes = [\"%s\"] }",
					*index.IndexName, hclKeys(index.KeySchema), index.Projection.ProjectionType,
					strings.Join(index.Projection.NonKeyAttributes, `", "`)))
			}
			if ttl := r.ttl[name]; ttl != "" {
				wantText(t, got, fmt.Sprintf("ttl { attribute_name = %q enabled = true }", ttl))
			}
		})
	}
}

func hclKeys(schema []types.KeySchemaElement) string {
	var keys []string
	for _, key := range schema {
		keys = append(keys, fmt.Sprintf("%s_key = %q", strings.ToLower(string(key.KeyType)), *key.AttributeName))
	}
	return strings.Join(keys, " ")
}

// squeeze makes single spaces of all white space.
func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }

// Each operation that a queue calls is allowed to those who call it, and to nobody
// else.
func TestPoliciesOfJobs(t *testing.T) {
	template, policies := read(t, "cloudformation.yaml"), squeeze(read(t, "terraform/policies.tf"))
	both := map[string]bool{"GetItem": true, "UpdateItem": true, "Query": true}
	operations := reflect.TypeFor[dynamojobs.Client]()
	for i := range operations.NumMethod() {
		operation := operations.Method(i).Name
		for resource, allowed := range map[string]bool{"ApiPolicy": true, "WorkerPolicy": both[operation]} {
			_, jobs, _ := strings.Cut(section(t, template, "  "+resource+":"), "Sid: Jobs\n")
			jobs, _, _ = strings.Cut(jobs, "Sid: Blobs\n")
			if strings.Contains(jobs, "dynamodb:"+operation+"\n") != allowed {
				t.Errorf("CloudFormation: %s: %s allowed is %t, want %t", resource, operation, !allowed, allowed)
			}
		}
		for name, allowed := range map[string]bool{"api": true, "worker": both[operation]} {
			_, jobs, _ := strings.Cut(policies, fmt.Sprintf("data \"aws_iam_policy_document\" %q {", name))
			jobs, _, _ = strings.Cut(jobs, "} data ")
			jobs, _, _ = strings.Cut(jobs, "} resource ")
			if strings.Contains(jobs, `"dynamodb:`+operation+`"`) != allowed {
				t.Errorf("Terraform: %s: %s allowed is %t, want %t", name, operation, !allowed, allowed)
			}
		}
	}
}

func TestLifecycle(t *testing.T) {
	rule, err := s3blob.LifecycleRule(s3blob.Options{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	days := fmt.Sprint(*rule.Expiration.Days)
	template := read(t, "cloudformation.yaml")
	wantText(t, section(t, template, "  BlobExpireDays:"), "    Default: "+days+"\n    MinValue: "+days+"\n")
	blobs := section(t, template, "  Blobs:")
	wantText(t, blobs, fmt.Sprintf("NoncurrentDays: %d\n", *rule.NoncurrentVersionExpiration.NoncurrentDays))
	wantText(t, blobs, fmt.Sprintf("DaysAfterInitiation: %d\n", *rule.AbortIncompleteMultipartUpload.DaysAfterInitiation))

	wantText(t, squeeze(section(t, read(t, "terraform/variables.tf"), `variable "blob_expire_days" {`)), "default = "+days)
	bucket := squeeze(read(t, "terraform/bucket.tf"))
	wantText(t, bucket, fmt.Sprintf("noncurrent_days = %d", *rule.NoncurrentVersionExpiration.NoncurrentDays))
	wantText(t, bucket, fmt.Sprintf("days_after_initiation = %d", *rule.AbortIncompleteMultipartUpload.DaysAfterInitiation))
}
