package awse2e_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/awstest"
)

// BenchmarkJobVersusBareLoop measures what a job costs on top of its calls to the
// store: 10,000 creates as a job, and as a bare loop of the same lookups and
// commits at the same concurrency, each into new tables of the same server, by
// turns. An op is a pair of both. The metrics are medians over pairs:
//
//   - job/loop is the time of the worker, from the claim to the end of the job, by
//     that of the loop;
//   - submit+job/loop has the time in which the request became a job as well.
func BenchmarkJobVersusBareLoop(b *testing.B) {
	users := 10_000
	if testing.Short() {
		users = 1_000
	}
	for _, server := range []struct {
		name string
		of   func(testing.TB) awstest.Server
	}{{"DynamoDBLocal", awstest.DynamoDBLocal}, {"dynoxide", awstest.Dynoxide}} {
		for _, m := range both {
			b.Run(server.name+"/"+m.name, func(b *testing.B) { benchmarkJob(b, server.of(b), m, users) })
		}
	}
}

// leastPairs is how many pairs are measured at least: servers on the same machine
// make single ones differ by a fifth.
const leastPairs = 5

func benchmarkJob(b *testing.B, server awstest.Server, m mode, users int) {
	rows := rowsOf(b, users, person)
	job := func() (submitted, worked time.Duration) {
		cfg := newCloud(b, server, m).open()
		began := time.Now()
		id := submit(b, cfg, rows, bulk.DefaultOptions()).ID
		accepted := time.Now()
		if ended := run(b, cfg, id); ended.Progress.Summary != (bulk.Summary{Created: users}) {
			b.Fatalf("the job came to %+v", ended.Progress.Summary)
		}
		return accepted.Sub(began), time.Since(accepted)
	}
	loop := func() time.Duration {
		cfg := newCloud(b, server, m).open()
		batches := writesOf(b, rows)
		began := time.Now()
		if err := bareLoop(b, cfg.Store, batches); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	loop() // a server in Java is slow at first
	var ratios, withSubmit, rates []float64
	pair := func(n int) {
		var submitted, worked, looped time.Duration
		if n%2 == 0 { // the first of two is at no advantage
			submitted, worked = job()
			looped = loop()
		} else {
			looped = loop()
			submitted, worked = job()
		}
		ratios = append(ratios, worked.Seconds()/looped.Seconds())
		withSubmit = append(withSubmit, (submitted+worked).Seconds()/looped.Seconds())
		rates = append(rates, float64(users)/worked.Seconds())
	}
	least := leastPairs
	if testing.Short() {
		least = 1
	}
	n := 0
	for b.Loop() {
		pair(n)
		n++
	}
	for ; n < least; n++ {
		pair(n)
	}
	b.ReportMetric(median(ratios), "job/loop")
	b.ReportMetric(median(withSubmit), "submit+job/loop")
	b.ReportMetric(median(rates), "users/s")
}

// BenchmarkJob is the job of [BenchmarkJobVersusBareLoop] alone, on dynoxide.
func BenchmarkJob(b *testing.B) {
	server, rows := awstest.Dynoxide(b), rowsOf(b, 10_000, person)
	for b.Loop() {
		cfg := newCloud(b, server, both[0]).open()
		if ended := run(b, cfg, submit(b, cfg, rows, bulk.DefaultOptions()).ID); ended.Progress.Summary != (bulk.Summary{Created: len(rows)}) {
			b.Fatalf("the job came to %+v", ended.Progress.Summary)
		}
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}

// person makes a row of about 370 bytes.
func person(i int) user {
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	return user{
		ID: fmt.Sprintf("user-%06d", i), Email: fmt.Sprintf("first.last.%06d@example.com", i),
		CustomFields: map[string]json.RawMessage{
			"team": raw(`"Lakers"`), "points": raw(fmt.Sprint(9007199254740993 + i)), "active": raw("true"),
			"address": raw(`{"street":"12 Main Street","city":"Springfield","zip":"12345"}`),
			"tags":    raw(`["alpha","beta","gamma"]`),
		},
		Metadata: map[string]json.RawMessage{"source": raw(`"crm"`), "batch": raw(fmt.Sprint(i / 25))},
	}
}

// writesOf returns the creates of rows in the batches of a job.
func writesOf(tb testing.TB, rows []bulk.Row) [][]bulk.Write {
	tb.Helper()
	var batches [][]bulk.Write
	for start := 0; start < len(rows); start += bulk.MaxBatch {
		var writes []bulk.Write
		for i := start; i < min(start+bulk.MaxBatch, len(rows)); i++ {
			var u bulk.User
			if err := json.Unmarshal(rows[i].JSON, &u); err != nil {
				tb.Fatal(err)
			}
			if u.ID == "" || u.CustomFields.IsZero() {
				tb.Fatalf("row %d is read as %+v", i, u)
			}
			writes = append(writes, bulk.Write{User: u, Mark: fmt.Sprintf("job_0190f5c8-0000-7000-8000-000000000000:%dc", i)})
		}
		batches = append(batches, writes)
	}
	return batches
}

// bareLoop looks up and commits batches, as many at a time as a job does.
func bareLoop(tb testing.TB, store bulk.Store, batches [][]bulk.Write) error {
	group, ctx := errgroup.WithContext(tb.Context())
	group.SetLimit(bulk.DefaultParallel)
	for _, writes := range batches {
		group.Go(func() error {
			refs := make([]bulk.Ref, len(writes))
			for i, w := range writes {
				refs[i] = bulk.Ref{ID: w.User.ID, Email: w.User.Email}
			}
			if _, err := store.Lookup(ctx, tenant, refs); err != nil {
				return err
			}
			for _, err := range store.Commit(ctx, tenant, writes) {
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
