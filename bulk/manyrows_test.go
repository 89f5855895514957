package bulk_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/cputime"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

// A voidStore finds nobody and keeps nobody.
type voidStore struct{}

func (voidStore) Lookup(_ context.Context, _ string, refs []bulk.Ref) ([]bulk.Found, error) {
	return make([]bulk.Found, len(refs)), nil
}

func (voidStore) Commit(_ context.Context, _ string, writes []bulk.Write) []error {
	return make([]error, len(writes))
}

// fileBlobs keeps each blob in a file of a folder.
type fileBlobs string

func (dir fileBlobs) file(key string) string { return filepath.Join(string(dir), url.PathEscape(key)) }

func (dir fileBlobs) Put(_ context.Context, key string, r io.Reader, _ bulk.BlobInfo) error {
	file, err := os.OpenFile(dir.file(key), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return bulk.ErrBlobExists
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(file, r)
	return errors.Join(err, file.Close())
}

func (dir fileBlobs) Get(_ context.Context, key string) (io.ReadCloser, error) {
	file, err := os.Open(dir.file(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, bulk.ErrBlobNotFound
	}
	return file, err
}

func (dir fileBlobs) Delete(_ context.Context, key string) error {
	if err := os.Remove(dir.file(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// manyPeople is a source of users of about 370 bytes, none of which is held.
type manyPeople struct{ next, users int }

func (p *manyPeople) Next() (bulk.Row, error) {
	if p.next == p.users {
		return bulk.Row{}, io.EOF
	}
	p.next++
	return bulk.Row{JSON: fmt.Appendf(nil, `{"userId":"user-%08d","email":"first.last-%08d@mail.example.com","customFields":{"team":"Los Angeles Lakers",`+
		`"points":%d,"active":true,"tags":["alpha","beta","gamma"],"address":{"street":"Main Street %d","city":"Springfield"}},`+
		`"metadata":{"source":"crm-export","batch":"2026-11","externalId":"crm/%08d/contact"}}`, p.next, p.next, p.next, p.next%900, p.next)}, nil
}

// BenchmarkManyRows measures what the size of a job does to the time of a row: a job of
// 1,000,000 rows and, before and after it, jobs of 10,000, on a store that keeps nothing,
// with blobs in files. The metric is the median over such turns of the processor time of
// a row in the large job by that in the small ones: nothing here waits.
func BenchmarkManyRows(b *testing.B) {
	few, many, times, turns := 10_000, 1_000_000, 10, 3
	if testing.Short() {
		many, times, turns = 50_000, 1, 1
	}
	small := func() (took time.Duration) {
		for range times {
			took += runMany(b, few)
		}
		return took
	}
	runMany(b, few) // the first is at a disadvantage
	var ratios []float64
	turn := func() {
		before := small()
		large := runMany(b, many)
		after := small()
		ratios = append(ratios, large.Seconds()/float64(many)/((before+after).Seconds()/float64(2*times*few)))
	}
	for b.Loop() {
		turn()
	}
	for len(ratios) < turns {
		turn()
	}
	b.ReportMetric(middle(ratios), "time/time")
}

// middle returns the median of values.
func middle[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

// runMany returns what a worker takes of the processor for a job of so many rows.
func runMany(b *testing.B, rows int) time.Duration {
	b.Helper()
	dir := b.TempDir()
	defer os.RemoveAll(dir)
	cfg := bulk.Config{
		Store: voidStore{}, Blobs: fileBlobs(dir), Jobs: memjobs.New(), MaxUsers: rows, SyncThreshold: 1, Logger: slog.New(slog.DiscardHandler),
	}
	im, err := bulk.NewImporter(cfg)
	if err != nil {
		b.Fatal(err)
	}
	w, err := bulk.NewWorker(cfg)
	if err != nil {
		b.Fatal(err)
	}
	job, err := im.Submit(b.Context(), bulk.Request{Principal: admin, Options: bulk.DefaultOptions(), Rows: &manyPeople{users: rows}})
	if err != nil {
		b.Fatal(err)
	}
	begun := cputime.Used()
	if err := w.RunJob(b.Context(), job.ID); err != nil {
		b.Fatal(err)
	}
	took := cputime.Used() - begun
	if job, err = im.Job(b.Context(), admin, job.ID); err != nil || job.Progress.Summary.Created != rows {
		b.Fatalf("%v, %+v", err, job)
	}
	return took
}
