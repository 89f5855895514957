package infra

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/jobs/sqsjobs"
)

const program = "../../../examples/lambda/"

// maxVisibility is the longest visibility timeout of a queue, in seconds. Source: SQS
// API reference, CreateQueue.
const maxVisibility = 12 * 60 * 60

// A doorbell is what the templates say of the queue and its function.
type doorbell struct {
	Name                           string
	Timeout, Visibility            float64
	Batch, Concurrency, Deaths     float64
	Responses                      []string
	Retries, Age                   float64
	Recursion, Schedule            string
	Architecture, Runtime, Handler string
	APIArchitecture, APIRuntime    string
	URLMode, URLAuth               string
}

func cloudFormationDoorbell(t *testing.T, timeout int) doorbell {
	t.Helper()
	given := maps.Clone(everything)
	given["WorkerTimeout"] = timeout
	all := newStack(t, given).resources()
	number := func(id string, path ...string) float64 { return at(t, all[id].properties, path...).(float64) }
	text := func(id string, path ...string) string { return at(t, all[id].properties, path...).(string) }
	return doorbell{
		text("Doorbell", "QueueName"), number("Worker", "Timeout"), number("Doorbell", "VisibilityTimeout"),
		number("WorkerMessages", "BatchSize"), number("WorkerMessages", "ScalingConfig", "MaximumConcurrency"),
		number("Doorbell", "RedrivePolicy", "maxReceiveCount"), texts(at(t, all["WorkerMessages"].properties, "FunctionResponseTypes")),
		number("WorkerInvocations", "MaximumRetryAttempts"), number("WorkerInvocations", "MaximumEventAgeInSeconds"),
		text("Worker", "RecursiveLoop"), text("Sweep", "ScheduleExpression"),
		text("Worker", "Architectures", "0"), text("Worker", "Runtime"), text("Worker", "Handler"),
		text("Api", "Architectures", "0"), text("Api", "Runtime"), text("ApiUrl", "InvokeMode"), text("ApiUrl", "AuthType"),
	}
}

func terraformDoorbell(t *testing.T, timeout int) doorbell {
	t.Helper()
	given := maps.Clone(everythingToo)
	given["worker_timeout"] = timeout
	all := newConfiguration(t, given).resources()
	number := func(address string, path ...string) float64 { return at(t, all[address].properties, path...).(float64) }
	text := func(address string, path ...string) string { return at(t, all[address].properties, path...).(string) }
	var redrive struct{ MaxReceiveCount float64 }
	if err := json.Unmarshal([]byte(text("aws_sqs_queue.doorbell", "redrive_policy")), &redrive); err != nil {
		t.Fatal(err)
	}
	const source, worker, api = "aws_lambda_event_source_mapping.worker", "aws_lambda_function.worker", "aws_lambda_function.api"
	return doorbell{
		text("aws_sqs_queue.doorbell", "name"), number(worker, "timeout"), number("aws_sqs_queue.doorbell", "visibility_timeout_seconds"),
		number(source, "batch_size"), number(source, "scaling_config", "0", "maximum_concurrency"),
		redrive.MaxReceiveCount, texts(at(t, all[source].properties, "function_response_types")),
		number("aws_lambda_function_event_invoke_config.worker", "maximum_retry_attempts"),
		number("aws_lambda_function_event_invoke_config.worker", "maximum_event_age_in_seconds"),
		text("aws_lambda_function_recursion_config.worker", "recursive_loop"), text("aws_cloudwatch_event_rule.sweep", "schedule_expression"),
		text(worker, "architectures", "0"), text(worker, "runtime"), text(worker, "handler"),
		text(api, "architectures", "0"), text(api, "runtime"),
		text("aws_lambda_function_url.api", "invoke_mode"), text("aws_lambda_function_url.api", "authorization_type"),
	}
}

func TestDoorbell(t *testing.T) {
	grace := stopGrace(t)
	for _, allowed := range newStack(t, nil).template.Parameters["WorkerTimeout"].AllowedValues {
		timeout := allowed.(int)
		t.Run(fmt.Sprint(timeout), func(t *testing.T) {
			got := cloudFormationDoorbell(t, timeout)
			if diff := cmp.Diff(got, terraformDoorbell(t, timeout)); diff != "" {
				t.Errorf("CloudFormation makes (-), and Terraform (+):\n%s", diff)
			}
			want := doorbell{
				Name: "bulkops-doorbell", Timeout: float64(timeout), Visibility: 6 * float64(timeout),
				Batch: 1, Concurrency: 10, Deaths: 5, Responses: []string{"ReportBatchItemFailures"},
				Age: 60, Recursion: "Allow", Schedule: "rate(1 minute)",
				Architecture: "arm64", Runtime: "provided.al2023", Handler: "bootstrap", APIArchitecture: "arm64", APIRuntime: "provided.al2023",
				URLMode: "RESPONSE_STREAM", URLAuth: "NONE",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("wanted (-), made (+):\n%s", diff)
			}
			if got.Visibility > maxVisibility {
				t.Errorf("a visibility timeout of %v s is more than SQS has", got.Visibility)
			}
			if got.Timeout < 2*grace {
				t.Errorf("of %v s the worker has %v to stop in: that leaves it little to work in", got.Timeout, grace)
			}
			if _, err := sqsjobs.New(memjobs.New(), struct{ sqsjobs.Client }{}, sqsjobs.Options{QueueURL: "https://sqs/1/" + got.Name}); err != nil {
				t.Errorf("sqsjobs refuses the queue: %v", err)
			}
		})
	}
}

// stopGrace returns how many seconds before its deadline the worker stops.
func stopGrace(t *testing.T) float64 {
	t.Helper()
	text, err := os.ReadFile(program + "settings.go")
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`cmp\.Or\(s\.stopGrace, ([0-9]+)\*time\.Second\)`).FindSubmatch(text)
	if match == nil {
		t.Fatal("the default of BULKOPS_STOP_GRACE is not found")
	}
	seconds, err := strconv.ParseFloat(string(match[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return seconds
}

// variables returns the names of the environment variables that the program reads.
func variables(t *testing.T) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), program+"settings.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	name := regexp.MustCompile(`^BULKOPS_[A-Z_]+$`)
	ast.Inspect(file, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil && name.MatchString(text) {
				names[text] = true
			}
		}
		return true
	})
	return names
}

// What the functions are told is what the program reads.
func TestEnvironment(t *testing.T) {
	// These have defaults that suit the functions of the templates.
	want := variables(t)
	for _, name := range []string{"BULKOPS_BUFFERED", "BULKOPS_STOP_GRACE", "BULKOPS_LEASE", "BULKOPS_PARALLEL"} {
		if !want[name] {
			t.Errorf("the program does not read %s any more", name)
		}
		delete(want, name)
	}
	yaml, hcl := newStack(t, everything).resources(), newConfiguration(t, everythingToo).resources()
	for role, of := range map[string][2]resource{
		"worker": {yaml["Worker"], hcl["aws_lambda_function.worker"]},
		"api":    {yaml["Api"], hcl["aws_lambda_function.api"]},
	} {
		for i, environment := range []map[string]any{
			at(t, of[0].properties, "Environment", "Variables").(map[string]any),
			at(t, of[1].properties, "environment", "0", "variables").(map[string]any),
		} {
			template := []string{"CloudFormation", "Terraform"}[i]
			want := maps.Clone(want)
			if role == "worker" {
				delete(want, "BULKOPS_TOKENS")
			}
			if diff := cmp.Diff(sorted(want), slices.Sorted(maps.Keys(environment))); diff != "" {
				t.Errorf("%s, %s: the program reads (-), and is told (+):\n%s", template, role, diff)
			}
			if environment["BULKOPS_ROLE"] != role {
				t.Errorf("%s, %s: the role is %v", template, role, environment["BULKOPS_ROLE"])
			}
			for name, resource := range map[string]string{
				"BULKOPS_USERS_TABLE": "users", "BULKOPS_CLAIMS_TABLE": "claims", "BULKOPS_JOBS_TABLE": "jobs",
				"BULKOPS_BUCKET": "blobs", "BULKOPS_QUEUE_URL": "doorbell",
			} {
				if got := strings.ToLower(fmt.Sprint(environment[name])); !strings.Contains(got, resource) {
					t.Errorf("%s, %s: %s is %s", template, role, name, got)
				}
			}
		}
	}
}

// Both templates can be told the same, and begin with the same.
func TestParameters(t *testing.T) {
	s, c := newStack(t, nil), newConfiguration(t, nil)
	yaml, hcl := map[string]any{}, map[string]any{}
	for name, v := range s.parameters {
		yaml[snake(name)] = s.eval(v)
	}
	for name, v := range c.context.Variables["var"].AsValueMap() {
		hcl[name] = ""
		if !v.IsNull() {
			hcl[name] = c.plain(v)
		}
	}
	if diff := cmp.Diff(yaml, hcl); diff != "" {
		t.Errorf("CloudFormation has (-), and Terraform (+):\n%s", diff)
	}
}

// Both templates refuse the same values, and take those next to them.
func TestRefusedParameters(t *testing.T) {
	for _, c := range []struct {
		name           string
		taken, refused []any
	}{
		{"Prefix", []any{"bulkops", "b2"}, []any{"Bulkops", "2b", "b"}},
		{"BlobExpireDays", []any{30, 31}, []any{29}},
		{"WorkerTimeout", []any{60, 900}, []any{59, 901}},
		{"WorkerMemory", []any{256, 10240}, []any{255, 10241}},
		{"WorkerConcurrency", []any{2, 1000}, []any{1, 1001}},
		{"FunctionUrlAuth", []any{"NONE", "AWS_IAM"}, []any{"IAM"}},
		{"ApiMemory", []any{512, 10240}, []any{511, 10241}},
		{"LogDays", []any{1, 3653}, []any{0, 2}},
		{"OldestJobSeconds", []any{900}, []any{899}},
	} {
		for _, v := range append(c.taken, c.refused...) {
			want := slices.Contains(c.taken, v)
			s := newStack(t, map[string]any{c.name: v})
			if got := s.takes(c.name); got != want {
				t.Errorf("CloudFormation: %s = %v is taken: %t", c.name, v, got)
			}
			if got := newConfiguration(t, map[string]any{snake(c.name): v}).takes(snake(c.name)); got != want {
				t.Errorf("Terraform: %s = %v is taken: %t", snake(c.name), v, got)
			}
		}
	}
}

// takes reports whether a parameter may have the value that it has.
func (s *stack) takes(name string) bool {
	p, v := s.template.Parameters[name], s.eval(s.parameters[name])
	n, _ := v.(float64)
	return (p.AllowedValues == nil || slices.ContainsFunc(p.AllowedValues, func(allowed any) bool { return s.eval(allowed) == v })) &&
		(p.MinValue == nil || n >= s.eval(p.MinValue).(float64)) &&
		(p.MaxValue == nil || n <= s.eval(p.MaxValue).(float64)) &&
		(p.AllowedPattern == "" || regexp.MustCompile("^(?:"+p.AllowedPattern+")$").MatchString(v.(string)))
}

// takes reports whether a variable may have the value that it has.
func (c *configuration) takes(name string) bool {
	for _, block := range c.all("variable") {
		for _, validation := range block.Body.Blocks {
			if block.Labels[0] == name && c.value(validation.Body.Attributes["condition"].Expr, c.context) != true {
				return false
			}
		}
	}
	return true
}

// snake returns a name of CloudFormation as Terraform would have it.
func snake(name string) string {
	return strings.ToLower(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(name, "${1}_$2"))
}
