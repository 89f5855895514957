package otelbulk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/observe/otelbulk"
)

// A tree is the spans of a test by their ids.
type tree struct {
	t     *testing.T
	spans tracetest.SpanStubs
	byID  map[trace.SpanID]tracetest.SpanStub
}

func (w *world) tree() *tree {
	tr := &tree{w.t, w.spans.GetSpans(), map[trace.SpanID]tracetest.SpanStub{}}
	for _, s := range tr.spans {
		tr.byID[s.SpanContext.SpanID()] = s
	}
	return tr
}

// path returns the names of a span and those around it, the outermost first.
func (tr *tree) path(s tracetest.SpanStub) string {
	names := []string{s.Name}
	for s.Parent.SpanID().IsValid() {
		outer, ok := tr.byID[s.Parent.SpanID()]
		if !ok {
			tr.t.Fatalf("the span %q has a parent that never ended", s.Name)
		}
		s = outer
		names = append([]string{s.Name}, names...)
	}
	return strings.Join(names, " > ")
}

// paths counts the spans by their paths.
func (tr *tree) paths() map[string]int {
	counts := map[string]int{}
	for _, s := range tr.spans {
		counts[tr.path(s)]++
	}
	return counts
}

// TestTrace follows a request to the last batch of its job, through the death of a
// worker.
func TestTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		host := sdk.NewTracerProvider(sdk.WithSyncer(w.spans)).Tracer("host")
		ctx, server := host.Start(t.Context(), "POST /v1/bulk/users")
		job := w.job(ctx, 0, 500)
		server.End()

		cut := sync.OnceFunc(func() {
			_, _ = w.jobs.Save(t.Context(), job.ID, 1, bulk.JobChange{})
			_, _ = w.jobs.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: time.Second})
		})
		w.store.set(func() { w.store.onCommit = cut })
		w.run(t.Context(), job.ID, bulk.ErrLeaseLost)
		// So slow that results are made durable before the end.
		w.store.set(func() { w.store.onCommit = func() { time.Sleep(time.Second) } })
		time.Sleep(time.Minute)
		w.run(t.Context(), job.ID, nil)

		tr := w.tree()
		const request, attempt = "POST /v1/bulk/users > Importer.Accept", "POST /v1/bulk/users > Importer.Accept > job"
		paths := tr.paths()
		for path, want := range map[string]int{
			"POST /v1/bulk/users": 1, request: 1, request + " > JobQueue.Create": 1, request + " > BlobStore.Put": 1, attempt: 2,
		} {
			if paths[path] != want {
				t.Errorf("%d spans %s, want %d", paths[path], path, want)
			}
		}
		for _, path := range []string{
			" > batch > Store.Lookup", " > batch > Store.Commit", " > batch > BlobStore.Put", " > checkpoint > BlobStore.Put", " > checkpoint > JobQueue.Save",
		} {
			if paths[attempt+path] == 0 {
				t.Errorf("no span %s", attempt+path)
			}
		}
		var rows, last int
		for _, s := range tr.spans {
			if s.SpanContext.TraceID() != server.SpanContext().TraceID() {
				t.Errorf("the span %s is of another trace", tr.path(s))
			}
			if s.Name == "batch" && s.Status.Code != codes.Error {
				rows += int(number(s, "bulkops.size"))
				last++
			}
		}
		if rows < 500 || last < 20 {
			t.Errorf("%d batches with %d rows were traced, want all 500 rows", last, rows)
		}
		var attempts []string
		for _, s := range tr.spans {
			if s.Name == "job" {
				if s.SpanKind != trace.SpanKindConsumer || text(s, "bulkops.job.id") != job.ID || text(s, "bulkops.tenant") != "acme" {
					t.Errorf("the span of an attempt is %+v", s)
				}
				attempts = append(attempts, fmt.Sprint(number(s, "bulkops.job.attempt"), " ", text(s, "bulkops.outcome"), " ", s.Status.Code, " ", text(s, "bulkops.job.status")))
			}
		}
		if got := strings.Join(attempts, ", "); got != "1 lost Error processing, 3 ok Unset completed" {
			t.Errorf("the attempts are %s", got)
		}
		tr.checkTexts()
	})
}

func text(s tracetest.SpanStub, key string) string {
	for _, a := range s.Attributes {
		if string(a.Key) == key {
			return a.Value.AsString()
		}
	}
	return ""
}

func number(s tracetest.SpanStub, key string) int64 {
	for _, a := range s.Attributes {
		if string(a.Key) == key {
			return a.Value.AsInt64()
		}
	}
	return 0
}

// checkTexts checks that no span names a user.
func (tr *tree) checkTexts() {
	for _, s := range tr.spans {
		if all := fmt.Sprintf("%s %+v %+v %+v", s.Name, s.Attributes, s.Status, s.Events); strings.Contains(all, "@") {
			tr.t.Errorf("the span %s has an email: %s", tr.path(s), all)
		}
	}
}

// What failed is told in one word, and names nobody.
func TestTraceOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.set(func() { w.store.down = true })
		if _, err := w.accept(t.Context(), 0, 20, nil); err == nil {
			t.Fatal("a store that is down imports")
		}
		if _, err := w.accept(t.Context(), 0, 0, nil); err == nil {
			t.Fatal("no rows are accepted")
		}
		tr := w.tree()
		var requests []string
		for _, s := range tr.spans {
			switch s.Name {
			case "Importer.Accept":
				requests = append(requests, fmt.Sprint(text(s, "bulkops.outcome"), " ", text(s, "error.type"), " ", s.Status.Code, " ", s.Status.Description))
			case "Store.Lookup":
				if s.Status.Code != codes.Error || text(s, "error.type") != "_OTHER" {
					t.Errorf("the span of a call that failed is %+v", s)
				}
			}
		}
		if got := strings.Join(requests, ", "); got != "failed UNAVAILABLE Error UNAVAILABLE, refused EMPTY_USERS Unset " {
			t.Errorf("requests are %q", got)
		}
		tr.checkTexts()
	})
}

// An idle worker makes no spans, and a job without a trace begins one.
func TestTraceOfAWorkerAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		if err := w.worker().Run(ctx); err != nil {
			t.Fatal(err)
		}
		if n := len(w.spans.GetSpans()); n != 0 {
			t.Errorf("%d spans of an idle worker", n)
		}
		w.cfg.Observer = nil
		job := w.job(t.Context(), 0, 100)
		w.cfg.Observer = w.observer
		w.run(t.Context(), job.ID, nil)
		if paths := w.tree().paths(); paths["job"] != 1 || paths["job > batch"] != 4 {
			t.Errorf("spans are %v, want an attempt with four batches", paths)
		}
	})
}

// A trace that is not sampled is not in the job's spans either, and its state travels.
func TestTraceContextTravels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, flags := range []trace.TraceFlags{0, trace.FlagsSampled} {
			w := newWorld(t)
			state, err := trace.ParseTraceState("vendor=value,other=x")
			if err != nil {
				t.Fatal(err)
			}
			caller := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags, TraceState: state, Remote: true})
			job := w.job(trace.ContextWithSpanContext(t.Context(), caller), 0, 100)
			parent, rest, _ := strings.Cut(job.TraceContext, " ")
			if !strings.HasPrefix(parent, "00-01000000000000000000000000000000-") || rest != "vendor=value,other=x" {
				t.Errorf("the job's trace context is %q", job.TraceContext)
			}
			w.run(t.Context(), job.ID, nil)
			spans := w.spans.GetSpans()
			if (len(spans) > 0) != flags.IsSampled() {
				t.Errorf("%d spans with the flags %v", len(spans), flags)
			}
			for _, s := range spans {
				if s.SpanContext.TraceState().Get("vendor") != "value" {
					t.Errorf("the span %s has lost the state of its trace", s.Name)
				}
			}
		}
	})
}

// A queue is asked once in a while, however often metrics are collected.
func TestWatchQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		counter := &counter{JobQueue: w.jobs}
		registration, err := w.observer.WatchQueue(counter, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		ready := func() float64 {
			values, _ := w.series()
			return values["bulkops.queue.jobs{bulkops.queue.state=ready}"]
		}
		w.job(t.Context(), 0, 100)
		for range 3 {
			if n := ready(); n != 1 {
				t.Errorf("%v jobs are ready, want 1", n)
			}
		}
		w.job(t.Context(), 0, 100)
		if n := ready(); n != 1 || counter.calls != 1 {
			t.Errorf("%v jobs are ready after %d calls; within a minute the queue is asked once", n, counter.calls)
		}
		time.Sleep(time.Minute)
		if n := ready(); n != 2 || counter.calls != 2 {
			t.Errorf("%v jobs are ready after %d calls, want 2 and 2", n, counter.calls)
		}
		if err := registration.Unregister(); err != nil {
			t.Fatal(err)
		}
		if values, _ := w.series(); len(values) != 0 && values["bulkops.queue.jobs{bulkops.queue.state=ready}"] != 0 {
			t.Errorf("the queue is watched after all: %v", values)
		}
	})
}

// A queue that cannot count is an error of the collection.
func TestWatchQueueThatDoesNotCount(t *testing.T) {
	w := newWorld(t)
	registration, err := w.observer.WatchQueue(struct{ bulk.JobQueue }{w.jobs}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer registration.Unregister()
	if err := w.reader.Collect(t.Context(), new(metricdata.ResourceMetrics)); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("the collection returned %v, want %v", err, errors.ErrUnsupported)
	}
}

// A counter counts how often it counts.
type counter struct {
	bulk.JobQueue
	calls int
}

func (c *counter) CountJobs(ctx context.Context) (bulk.JobCounts, error) {
	c.calls++
	return bulk.CountJobs(ctx, c.JobQueue)
}

// What is told out of order, as after a panic of an observer around it, does no harm.
func TestEndWithoutBegin(t *testing.T) {
	observer, err := otelbulk.New(otelbulk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	outer := &bulk.BatchEvent{Import: "job_1", Size: 25}
	ctx := w.observer.Begin(t.Context(), outer)
	w.observer.End(ctx, &bulk.CallEvent{Backend: "Store", Operation: "Lookup"})
	if n := len(w.spans.GetSpans()); n != 0 {
		t.Error("the end of a call ended the span of the batch around it")
	}
	w.observer.End(ctx, outer)
	if n := len(w.spans.GetSpans()); n != 1 {
		t.Errorf("%d spans, want that of the batch", n)
	}
	observer.End(observer.Begin(t.Context(), outer), outer) // with the global providers
}
