package bulk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/rowio"
	"github.com/bulkops/bulkops/internal/test/cputime"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// benchUsers is the number of users of the benchmarks' requests.
const benchUsers = 10_000

// body is a request of users of about 370 bytes each, 3.7 MB in all.
var body = func() []byte {
	var b bytes.Buffer
	b.WriteString(`{"options":{"upsert":true},"users":[`)
	for i := range benchUsers {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"userId":"user-%08d","email":"first.last-%08d@mail.example.com","customFields":{"team":"Los Angeles Lakers",`+
			`"points":%d,"level":%d,"active":true,"joined":"2026-01-%02dT08:30:00Z","tags":["alpha","beta","gamma"],`+
			`"address":{"street":"Main Street %d","city":"Springfield","zip":"%05d"}},"metadata":{"source":"crm-export","batch":"2026-11",`+
			`"externalId":"crm/%08d/contact"}}`, i, i, 9007199254740993+i, i%7, i%28+1, i%900, i%100_000, i)
	}
	b.WriteString("]}")
	return b.Bytes()
}()

// perUser runs op and reports it by user: users a second and allocations.
func perUser(b *testing.B, op func()) {
	b.Helper()
	b.SetBytes(int64(len(body)))
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		op()
	}
	runtime.ReadMemStats(&after)
	users := float64(b.N) * benchUsers
	b.ReportMetric(users/b.Elapsed().Seconds(), "users/s")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/users, "allocs/user")
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/users, "ns/user")
}

func benchConfig() bulk.Config {
	return bulk.Config{
		Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New(),
		SyncThreshold: benchUsers + 1, Logger: slog.New(slog.DiscardHandler),
	}
}

// unmarshalMaps is the measure of the pipeline: encoding/json decodes the same body
// into maps, and nothing else.
func unmarshalMaps(b *testing.B) {
	var decoded map[string]any
	if err := json.Unmarshal(body, &decoded); err != nil {
		b.Fatal(err)
	}
}

// pipeline takes the body all the way: decoded, validated, looked up, decided, stored
// in memory, and the results encoded. It returns the text of the results, in the space
// of that given.
func pipeline(b *testing.B, text []byte) []byte {
	im, err := bulk.NewImporter(benchConfig())
	if err != nil {
		b.Fatal(err)
	}
	req := bulk.Request{Principal: admin, Options: bulk.DefaultOptions()}
	req.Rows = rowio.NewJSON(bytes.NewReader(body), req.Options)
	report, err := im.Import(context.Background(), req)
	if err != nil {
		b.Fatal(err)
	}
	if report.Summary.Created != benchUsers {
		b.Fatalf("%+v", report.Summary)
	}
	text = text[:0]
	for i := range report.Results {
		text = bulk.AppendResult(report.Results[i], text)
	}
	return text
}

func BenchmarkUnmarshalMaps(b *testing.B) {
	perUser(b, func() { unmarshalMaps(b) })
}

// BenchmarkPipeline is the pipeline alone. Run it with -cpu 1,2.
func BenchmarkPipeline(b *testing.B) {
	var text []byte
	perUser(b, func() { text = pipeline(b, text) })
}

// BenchmarkPipelineToUnmarshal runs the pipeline and its measure by turns on one core.
// It reports the median of the processor time that one takes of the other's, which so holds
// on a machine that has other work too, and of the allocations that the pipeline makes for
// a user.
func BenchmarkPipelineToUnmarshal(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var (
		text           []byte
		ratios, allocs []float64
		before, after  runtime.MemStats
	)
	timed := func(op func()) time.Duration {
		runtime.GC() // of what came before
		runtime.ReadMemStats(&before)
		start := cputime.Used()
		op()
		took := cputime.Used() - start
		runtime.ReadMemStats(&after)
		return took
	}
	for b.Loop() {
		measure := timed(func() { unmarshalMaps(b) })
		took := timed(func() { text = pipeline(b, text) })
		ratios = append(ratios, took.Seconds()/measure.Seconds())
		allocs = append(allocs, float64(after.Mallocs-before.Mallocs)/benchUsers)
	}
	b.ReportMetric(middle(ratios), "pipeline/unmarshal")
	b.ReportMetric(middle(allocs), "allocs/user")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkJob takes the body through a job: payload, worker, checkpoints and the
// results file.
func BenchmarkJob(b *testing.B) {
	perUser(b, func() {
		ctx, cfg := context.Background(), benchConfig()
		im, err := bulk.NewImporter(cfg)
		if err != nil {
			b.Fatal(err)
		}
		w, err := bulk.NewWorker(cfg)
		if err != nil {
			b.Fatal(err)
		}
		req := bulk.Request{Principal: admin, Options: bulk.DefaultOptions()}
		req.Rows = rowio.NewJSON(bytes.NewReader(body), req.Options)
		job, err := im.Submit(ctx, req)
		if err != nil {
			b.Fatal(err)
		}
		if err := w.RunJob(ctx, job.ID); err != nil {
			b.Fatal(err)
		}
		if job, err = im.Job(ctx, admin, job.ID); err != nil || job.Progress.Summary.Created != benchUsers {
			b.Fatalf("%v, %+v", err, job)
		}
		results, err := im.Results(ctx, job)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, results); err != nil {
			b.Fatal(err)
		}
		if err := results.Close(); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	r := bulk.RowResult{Index: 4711, UserID: "user-00004711", Email: "first.last-00004711@mail.example.com", Status: bulk.StatusCreated}
	var text []byte
	b.ReportAllocs()
	for b.Loop() {
		text = bulk.AppendResult(r, text[:0])
	}
}
