package infra

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/jobs/dynamojobs"
	"github.com/bulkops/bulkops/jobs/sqsjobs"
)

// everything makes all that the templates can make.
var (
	everything = map[string]any{
		"CodeBucket": "code", "FunctionUrlAuth": "NONE", "AlarmTopicArn": "topic", "KmsKeyArn": "key", "SesIdentityArn": "identity",
	}
	everythingToo = map[string]any{
		"code_bucket": "code", "function_url_auth": "NONE", "alarm_topic_arn": "topic", "kms_key_arn": "key", "ses_identity_arn": "identity",
	}
)

// actions returns what a role's own policy and the one that is attached allow, by the
// ids of their statements.
func cloudFormationActions(t *testing.T, policy, role string) map[string][]string {
	t.Helper()
	all := newStack(t, everything).resources()
	if got := texts(at(t, all[role].properties, "ManagedPolicyArns")); !slices.Equal(got, []string{policy}) {
		t.Errorf("%s has the policies %v, want %s", role, got, policy)
	}
	statements := append(list(at(t, all[policy].properties, "PolicyDocument", "Statement")),
		list(at(t, all[role].properties, "Policies", "0", "PolicyDocument", "Statement"))...)
	actions := map[string][]string{}
	for _, s := range statements {
		actions[s["Sid"].(string)] = texts(s["Action"])
	}
	return actions
}

func terraformActions(t *testing.T, name string) map[string][]string {
	t.Helper()
	all := newConfiguration(t, everythingToo).resources()
	for address, want := range map[string][2]string{
		"aws_iam_policy." + name:                 {"policy", "data.aws_iam_policy_document." + name + ".json"},
		"aws_iam_role_policy_attachment." + name: {"policy_arn", "aws_iam_policy." + name + ".arn"},
		"aws_iam_role_policy." + name:            {"policy", "data.aws_iam_policy_document." + name + "_function.json"},
		"aws_lambda_function." + name:            {"role", "aws_iam_role." + name + ".arn"},
	} {
		if got := all[address].properties[want[0]]; got != want[1] {
			t.Errorf("%s has the %s %v, want %s", address, want[0], got, want[1])
		}
	}
	actions := map[string][]string{}
	for _, document := range []string{"both", name, name + "_function"} {
		for _, s := range list(all["data.aws_iam_policy_document."+document].properties["statement"]) {
			actions[s["sid"].(string)] = texts(s["actions"])
		}
	}
	return actions
}

// Each operation that a queue calls is allowed to those who call it, and to nobody
// else; and both templates allow the same.
func TestPolicies(t *testing.T) {
	var dynamo, sqs []string
	for i := range reflect.TypeFor[dynamojobs.Client]().NumMethod() {
		dynamo = append(dynamo, "dynamodb:"+reflect.TypeFor[dynamojobs.Client]().Method(i).Name)
	}
	for i := range reflect.TypeFor[sqsjobs.Client]().NumMethod() {
		sqs = append(sqs, "sqs:"+reflect.TypeFor[sqsjobs.Client]().Method(i).Name)
	}
	sqs = append(sqs, "sqs:GetQueueAttributes") // for the event source
	slices.Sort(sqs)
	for _, c := range []struct {
		name, policy, role string
		jobs, doorbell     []string
	}{
		{"api", "ApiPolicy", "ApiRole", dynamo, []string{"sqs:SendMessage"}},
		{"worker", "WorkerPolicy", "WorkerRole", []string{"dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"}, sqs},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := cloudFormationActions(t, c.policy, c.role)
			if diff := cmp.Diff(got, terraformActions(t, c.name)); diff != "" {
				t.Errorf("CloudFormation allows (-), and Terraform (+):\n%s", diff)
			}
			jobs := slices.Concat(got["Jobs"], got["ListJobs"], got["FindJobs"])
			slices.Sort(jobs)
			if diff := cmp.Diff(c.jobs, slices.Compact(jobs)); diff != "" {
				t.Errorf("of the jobs are called (-), and allowed (+):\n%s", diff)
			}
			if diff := cmp.Diff(c.doorbell, got["Doorbell"]); diff != "" {
				t.Errorf("of the doorbell are called (-), and allowed (+):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"logs:CreateLogStream", "logs:PutLogEvents"}, got["Log"]); diff != "" {
				t.Errorf("of the log are called (-), and allowed (+):\n%s", diff)
			}
		})
	}
}

// Every resource of a statement is one that it is about: a policy that allows a
// function's actions on everything would pass the test above.
func TestPoliciesNameResources(t *testing.T) {
	all := newStack(t, everything).resources()
	for id, r := range all {
		if r.kind != "AWS::IAM::ManagedPolicy" && r.kind != "AWS::IAM::Role" {
			continue
		}
		text, err := json.Marshal(r.properties)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), `"Resource":"*"`) || strings.Contains(string(text), `:*"]`) {
			t.Errorf("%s allows something on everything: %s", id, text)
		}
	}
	for address, r := range of(newConfiguration(t, everythingToo).resources(), "aws_iam_policy_document") {
		for _, s := range list(r.properties["statement"]) {
			if slices.Contains(texts(s["resources"]), "*") {
				t.Errorf("%s allows %v on everything", address, s["actions"])
			}
		}
	}
}
