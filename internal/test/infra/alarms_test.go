package infra

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An alarm is what CloudWatch is told of it. Metrics are those that are summed, if
// there are several: name, table and index.
type alarm struct {
	Description, Namespace, Metric, Of, Statistic string
	Period, Threshold, Periods, Datapoints        float64
	Comparison, Missing, Expression               string
	Actions                                       []string
	Metrics                                       map[string]string
}

func cloudFormationAlarms(t *testing.T) map[string]alarm {
	t.Helper()
	alarms := map[string]alarm{}
	all := newStack(t, everything).resources()
	for _, r := range of(all, "AWS::CloudWatch::Alarm") {
		p := r.properties
		a := alarm{
			str(p["AlarmDescription"]), str(p["Namespace"]), str(p["MetricName"]), "", str(p["Statistic"]),
			num(p["Period"]), num(p["Threshold"]), num(p["EvaluationPeriods"]), num(p["DatapointsToAlarm"]),
			str(p["ComparisonOperator"]), str(p["TreatMissingData"]), "", texts(p["AlarmActions"]), nil,
		}
		for _, d := range list(p["Dimensions"]) {
			a.Of = str(d["Name"]) + " " + named(all[strings.Split(str(d["Value"]), ".")[0]].properties)
		}
		for _, q := range list(p["Metrics"]) {
			if q["MetricStat"] == nil {
				a.Expression, a.Period = str(q["Expression"]), num(q["Period"])
				continue
			}
			if a.Metrics == nil {
				a.Metrics = map[string]string{}
			}
			var of []string
			for _, d := range list(at(t, q, "MetricStat", "Metric", "Dimensions")) {
				of = append(of, strings.TrimSuffix(strings.ToLower(str(d["Value"])), "table"))
			}
			a.Metrics[str(q["Id"])] = fmt.Sprint(at(t, q, "MetricStat", "Metric", "MetricName"), " ", strings.Join(of, " "),
				" ", at(t, q, "MetricStat", "Stat"), " ", at(t, q, "MetricStat", "Period"), " ", q["ReturnData"] == true)
		}
		alarms[str(p["AlarmName"])] = a
	}
	return alarms
}

func terraformAlarms(t *testing.T) map[string]alarm {
	t.Helper()
	alarms := map[string]alarm{}
	all := newConfiguration(t, everythingToo).resources()
	for _, r := range of(all, "aws_cloudwatch_metric_alarm") {
		p := r.properties
		a := alarm{
			str(p["alarm_description"]), str(p["namespace"]), str(p["metric_name"]), "", str(p["statistic"]),
			num(p["period"]), num(p["threshold"]), num(p["evaluation_periods"]), num(p["datapoints_to_alarm"]),
			str(p["comparison_operator"]), str(p["treat_missing_data"]), "", texts(p["alarm_actions"]), nil,
		}
		dimensions, _ := p["dimensions"].(map[string]any)
		for name, v := range dimensions {
			address := strings.Split(str(v), ".")
			a.Of = name + " " + named(all[address[0]+"."+address[1]].properties)
		}
		for _, q := range list(p["metric_query"]) {
			if q["metric"] == nil {
				a.Expression, a.Period = str(q["expression"]), num(q["period"])
				continue
			}
			if a.Metrics == nil {
				a.Metrics = map[string]string{}
			}
			m := list(q["metric"])[0]
			d := m["dimensions"].(map[string]any)
			of := []string{strings.Split(str(d["TableName"]), ".")[1]}
			if index, ok := d["GlobalSecondaryIndexName"]; ok {
				of = append(of, str(index))
			}
			a.Metrics[str(q["id"])] = fmt.Sprint(m["metric_name"], " ", strings.Join(of, " "), " ", m["stat"], " ", m["period"],
				" ", q["return_data"] == true)
		}
		alarms[str(p["alarm_name"])] = a
	}
	return alarms
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

func num(v any) float64 {
	n, _ := v.(float64)
	return n
}

// named returns the name that a resource of either template gives itself.
func named(properties map[string]any) string {
	for _, key := range []string{"QueueName", "FunctionName", "Name", "name", "function_name"} {
		if name := str(properties[key]); name != "" {
			return name
		}
	}
	return ""
}

func TestAlarms(t *testing.T) {
	got := cloudFormationAlarms(t)
	if diff := cmp.Diff(got, terraformAlarms(t)); diff != "" {
		t.Errorf("CloudFormation makes (-), and Terraform (+):\n%s", diff)
	}
	watched := map[string]string{}
	for name, a := range got {
		watched[name] = strings.TrimSpace(a.Namespace + " " + a.Metric + " " + a.Of + a.Expression)
		if a.Description == "" || a.Periods == 0 || a.Period == 0 || len(a.Actions) != 1 {
			t.Errorf("%s is not whole: %+v", name, a)
		}
	}
	want := map[string]string{
		"bulkops-oldest-job":       "AWS/SQS ApproximateAgeOfOldestMessage QueueName bulkops-doorbell",
		"bulkops-dead-letters":     "AWS/SQS ApproximateNumberOfMessagesVisible QueueName bulkops-doorbell-dead",
		"bulkops-sweep":            "AWS/Events Invocations RuleName bulkops-sweep",
		"bulkops-failed-jobs":      "bulkops FailedJobs",
		"bulkops-worker-errors":    "AWS/Lambda Errors FunctionName bulkops-worker",
		"bulkops-worker-throttles": "AWS/Lambda Throttles FunctionName bulkops-worker",
		"bulkops-api-errors":       "AWS/Lambda Url5xxCount FunctionName bulkops-api",
		"bulkops-api-throttles":    "AWS/Lambda Throttles FunctionName bulkops-api",
		"bulkops-table-throttles":  "SUM(METRICS())",
	}
	if diff := cmp.Diff(want, watched); diff != "" {
		t.Errorf("wanted (-), made (+):\n%s", diff)
	}
}

// maxAlarmMetrics is how many metrics an alarm can be about. Source: CloudWatch API
// reference, PutMetricAlarm, Metrics.
const maxAlarmMetrics = 10

// Reads and writes of each table are watched for throttles, and writes of each index:
// these hold up the writes of the table.
func TestThrottles(t *testing.T) {
	want := map[string]bool{}
	for name, table := range created(t) {
		want["ReadThrottleEvents "+name] = true
		want["WriteThrottleEvents "+name] = true
		for index := range table.Indexes {
			want["WriteThrottleEvents "+name+" "+index] = true
		}
	}
	a := cloudFormationAlarms(t)["bulkops-table-throttles"]
	got := map[string]bool{}
	for _, m := range a.Metrics {
		name, ok := strings.CutSuffix(m, fmt.Sprintf(" Sum %v false", a.Period))
		if !ok {
			t.Errorf("%s is not a sum like the alarm's", m)
		}
		got[name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the code makes (-), and is watched (+):\n%s", diff)
	}
	if len(a.Metrics) > maxAlarmMetrics {
		t.Errorf("an alarm of %d metrics is more than CloudWatch takes", len(a.Metrics))
	}
}

// What failed jobs are counted by is logged by the worker, as an error.
func TestFailedJobs(t *testing.T) {
	yaml := newStack(t, everything).resources()["FailedJobs"].properties
	hcl := newConfiguration(t, everythingToo).resources()["aws_cloudwatch_log_metric_filter.failed_jobs"].properties
	if yaml["FilterPattern"] != hcl["pattern"] {
		t.Errorf("CloudFormation counts %v, and Terraform %v", yaml["FilterPattern"], hcl["pattern"])
	}
	if diff := cmp.Diff(
		map[string]any{"namespace": "bulkops", "name": "FailedJobs", "value": "1", "default_value": "0"},
		at(t, hcl, "metric_transformation", "0"),
	); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(
		map[string]any{"MetricNamespace": "bulkops", "MetricName": "FailedJobs", "MetricValue": "1", "DefaultValue": float64(0)},
		at(t, yaml, "MetricTransformations", "0"),
	); diff != "" {
		t.Error(diff)
	}
	match := regexp.MustCompile(`^\{ \$\.msg = ("[a-z ]+") \}$`).FindStringSubmatch(str(yaml["FilterPattern"]))
	if match == nil {
		t.Fatalf("the pattern is %v", yaml["FilterPattern"])
	}
	names, err := filepath.Glob("../../../bulk/*.go")
	if err != nil {
		t.Fatal(err)
	}
	logged := false
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		logged = logged || !strings.HasSuffix(name, "_test.go") && strings.Contains(string(text), "Logger.ErrorContext(ctx, "+match[1])
	}
	if !logged {
		t.Errorf("package bulk does not log the error %s", match[1])
	}
}

// Both dashboards are the same, and about what the templates make.
func TestDashboard(t *testing.T) {
	yaml := newStack(t, everything).resources()
	hcl := newConfiguration(t, everythingToo).resources()
	text := str(yaml["Dashboard"].properties["DashboardBody"])
	other := str(hcl["aws_cloudwatch_dashboard.bulkops"].properties["dashboard_body"])
	other = strings.ReplaceAll(other, "data.aws_region.current.id", "AWS::Region")
	if diff := cmp.Diff(strings.TrimSpace(text), strings.TrimSpace(other)); diff != "" {
		t.Errorf("CloudFormation makes (-), and Terraform (+):\n%s", diff)
	}
	var dashboard struct {
		Widgets []struct {
			Type       string
			Properties struct {
				Title, Region, Query string
				Metrics              [][]any
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for _, r := range yaml {
		for _, key := range []string{"QueueName", "FunctionName", "TableName"} {
			if name := str(r.properties[key]); name != "" {
				made[key+" "+name] = true
			}
		}
		if name := str(r.properties["LogGroupName"]); r.kind == "AWS::Logs::LogGroup" {
			made[name] = true
		}
	}
	made["bulkops FailedJobs"] = true // of TestFailedJobs
	for _, w := range dashboard.Widgets {
		if w.Properties.Region != "AWS::Region" || w.Properties.Title == "" {
			t.Errorf("a widget has the title %q and the region %q", w.Properties.Title, w.Properties.Region)
		}
		if w.Type == "log" {
			if name := strings.Split(w.Properties.Query, "'")[1]; !made[name] {
				t.Errorf("%s: there is no log %s", w.Properties.Title, name)
			}
			continue
		}
		for _, m := range w.Properties.Metrics {
			of := fmt.Sprint(m[0], " ", m[1])
			if len(m) > 3 {
				of = fmt.Sprint(m[2], " ", m[3])
			}
			if !made[of] {
				t.Errorf("%s: there is no %s", w.Properties.Title, of)
			}
		}
	}
	if len(dashboard.Widgets) == 0 {
		t.Error("there is nothing on the dashboard")
	}
}
