package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

// A scraped has the labels of each metric that a scrape shows.
type scraped map[string]map[string]bool

var (
	sample = regexp.MustCompile(`(?m)^(\w+)(?:\{(.*)\})? \S+$`)
	label  = regexp.MustCompile(`(\w+)="`)
)

func readScrape(text string) scraped {
	metrics := scraped{}
	for _, match := range sample.FindAllStringSubmatch(text, -1) {
		labels := metrics[match[1]]
		if labels == nil {
			// What Prometheus adds to each.
			labels = map[string]bool{"job": true, "instance": true}
			metrics[match[1]] = labels
		}
		for _, l := range label.FindAllStringSubmatch(match[2], -1) {
			labels[l[1]] = true
		}
	}
	return metrics
}

// everything returns a scrape after one of each thing that there is to tell.
func everything(t *testing.T) scraped {
	t.Helper()
	tel, err := newTelemetry()
	if err != nil {
		t.Fatal(err)
	}
	cfg := bulk.Config{Jobs: memjobs.New()}
	stop, err := observe(&cfg, tel)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	failure := bulk.Ending{Took: time.Second, Err: errors.New("down")}
	job := &bulk.Job{Status: bulk.JobFailed, Token: 1, Error: &bulk.JobError{Code: bulk.JobErrorUnavailable}}
	for _, e := range []bulk.Event{
		&bulk.RequestEvent{Operation: "Accept", Ending: failure}, &bulk.AttemptEvent{Job: job, Ending: failure}, &bulk.BatchEvent{Ending: failure},
		&bulk.CheckpointEvent{Rows: bulk.Summary{Created: 1}, Ending: failure},
		&bulk.CallEvent{Backend: "Store", Operation: "Commit", Size: 2, Failed: 1, Throttled: 1, Ending: failure},
	} {
		cfg.Observer.End(cfg.Observer.Begin(context.Background(), e), e)
	}
	recorder := httptest.NewRecorder()
	tel.scrape.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return readScrape(recorder.Body.String())
}

// A dashboard is what the test reads of one of Grafana.
type dashboard struct {
	Panels []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ H, W, X, Y int }
		Targets []struct{ Expr string }
	}
	Templating struct {
		List []struct{ Name, Definition string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("../../docs/infra/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDashboard: every query of the dashboard can be read, the metrics and labels that
// it names exist, and every metric of the module is shown.
func TestDashboard(t *testing.T) {
	there, shown := everything(t), map[string]bool{}
	queries := 0
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			queries++
			for _, problem := range there.check(target.Expr, shown) {
				t.Errorf("panel %q: %s: %s", panel.Title, target.Expr, problem)
			}
		}
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("panel %q shows nothing", panel.Title)
		}
	}
	if queries == 0 {
		t.Fatal("the dashboard has no query")
	}
	for name := range there {
		if family := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count"); strings.HasPrefix(name, "bulkops_") &&
			!shown[name] && !shown[family+"_bucket"] && !shown[family+"_count"] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// check returns what is wrong with a query, and notes which metrics it shows.
func (s scraped) check(query string, shown map[string]bool) (problems []string) {
	query = strings.ReplaceAll(query, "$__rate_interval", "5m")
	parsed, err := metricsql.Parse(query)
	if err != nil {
		return []string{err.Error()}
	}
	found := map[string]bool{} // labels of the metrics in it
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		m, ok := e.(*metricsql.MetricExpr)
		if !ok {
			return
		}
		for _, filters := range m.LabelFilterss {
			name := ""
			for _, f := range filters {
				if f.Label == "__name__" {
					name = f.Value
				}
			}
			labels, ok := s[name]
			if !ok {
				problems = append(problems, "there is no metric "+name)
				continue
			}
			shown[name] = true
			maps.Copy(found, labels)
			for _, f := range filters {
				if f.Label != "__name__" && !labels[f.Label] {
					problems = append(problems, name+" has no label "+f.Label)
				}
			}
		}
	})
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		if a, ok := e.(*metricsql.AggrFuncExpr); ok {
			for _, by := range a.Modifier.Args {
				if !found[by] {
					problems = append(problems, "there is no label "+by)
				}
			}
		}
	})
	return problems
}

// TestDashboardCheckFindsMistakes: the check above is no check of nothing.
func TestDashboardCheckFindsMistakes(t *testing.T) {
	there := everything(t)
	for query, want := range map[string]string{
		`sum(rate(bulkops_rows_total[$__rate_interval]))`:                                   "",
		`sum(rate(bulkops_row_total[$__rate_interval]))`:                                    "there is no metric bulkops_row_total",
		`sum by (status) (rate(bulkops_rows_total[$__rate_interval]))`:                      "there is no label status",
		`sum(rate(bulkops_rows_total{bulkops_mode="sync"}[$__rate_interval]))`:              "bulkops_rows_total has no label bulkops_mode",
		`histogram_quantile(0.5, sum by (le) (rate(bulkops_rows_total[$__rate_interval])))`: "there is no label le",
	} {
		if got := strings.Join(there.check(query, map[string]bool{}), "; "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if len(there.check(`sum(rate(bulkops_rows_total[5m])`, map[string]bool{})) == 0 {
		t.Error("a query that cannot be read passes")
	}
}

// TestDashboardLayout: panels have ids of their own, and none lies upon another.
func TestDashboardLayout(t *testing.T) {
	type cell struct{ x, y int }
	taken, ids := map[cell]string{}, map[int]bool{}
	for _, p := range readDashboard(t).Panels {
		if ids[p.ID] {
			t.Errorf("the id %d is of two panels", p.ID)
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X+g.W > 24 {
			t.Errorf("panel %q lies outside of the grid", p.Title)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, ok := taken[cell{x, y}]; ok {
					t.Fatalf("panels %q and %q lie upon each other", p.Title, other)
				}
				taken[cell{x, y}] = p.Title
			}
		}
	}
}

// TestDocumentNamesMetrics: the names of Prometheus in docs/operations.md exist, as those
// that the dashboard's variables ask for do.
func TestDocumentNamesMetrics(t *testing.T) {
	there := everything(t)
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	all := string(text)
	for _, variable := range readDashboard(t).Templating.List {
		all += " " + variable.Definition
	}
	names := regexp.MustCompile(`\bbulkops_\w+`).FindAllString(all, -1)
	if len(names) < 3 {
		t.Fatalf("only %v are named", names)
	}
	for _, name := range names {
		if there[name] == nil {
			t.Errorf("there is no metric %s", name)
		}
	}
}
