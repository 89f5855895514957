package bulktest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// BenchmarkStore measures the calls of a store: full batches of users of about
// 300 bytes. An op is a call.
func BenchmarkStore(b *testing.B, open func(b *testing.B) bulk.Store) {
	batch := func(round int) ([]bulk.Ref, []bulk.Write) {
		refs, writes := make([]bulk.Ref, bulk.MaxBatch), make([]bulk.Write, bulk.MaxBatch)
		for i := range writes {
			n := round*bulk.MaxBatch + i
			user := bulk.User{
				ID:    fmt.Sprintf("user-%09d", n),
				Email: fmt.Sprintf("user-%09d@example.com", n),
				CustomFields: fields(fmt.Sprintf(
					`{"department":"engineering","level":%d,"points":9007199254740993,"skills":["go","sql"],"team":"Lakers"}`, n%7)),
				Metadata: fields(`{"batch":"2026-11","source":"crm"}`),
			}
			refs[i] = bulk.Ref{ID: user.ID, Email: user.Email}
			writes[i] = bulk.Write{User: user, Mark: fmt.Sprint("job_0190f5c8/", n)}
		}
		return refs, writes
	}
	commit := func(b *testing.B, s bulk.Store, tenant string, writes []bulk.Write) {
		for _, err := range s.Commit(b.Context(), tenant, writes) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("LookupMissing", func(b *testing.B) {
		s, tenant := open(b), unique("tenant")
		refs, _ := batch(0)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Lookup(b.Context(), tenant, refs); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("LookupFound", func(b *testing.B) {
		s, tenant := open(b), unique("tenant")
		refs, writes := batch(0)
		commit(b, s, tenant, writes)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Lookup(b.Context(), tenant, refs); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Create", func(b *testing.B) {
		s, tenant := open(b), unique("tenant")
		b.ReportAllocs()
		for round := 0; b.Loop(); round++ {
			b.StopTimer()
			_, writes := batch(round)
			b.StartTimer()
			commit(b, s, tenant, writes)
		}
	})
	b.Run("Update", func(b *testing.B) {
		s, tenant := open(b), unique("tenant")
		refs, writes := batch(0)
		commit(b, s, tenant, writes)
		b.ReportAllocs()
		for round := 0; b.Loop(); round++ {
			b.StopTimer()
			found, err := s.Lookup(b.Context(), tenant, refs)
			if err != nil {
				b.Fatal(err)
			}
			patch := bulk.Patch{CustomFields: fields(fmt.Sprintf(`{"level":%d,"team":"Bulls"}`, round))}
			for i := range writes {
				writes[i] = update(found[i].ByID, patch)
			}
			b.StartTimer()
			commit(b, s, tenant, writes)
		}
	})
}

// BenchmarkBlobStore measures the calls of a blob store with blobs of 1 KiB and
// of 4 MiB.
func BenchmarkBlobStore(b *testing.B, open func(b *testing.B) bulk.BlobStore) {
	for _, size := range []int{1 << 10, 4 << 20} {
		content := noise(size)
		b.Run(fmt.Sprintf("Put/%dKiB", size>>10), func(b *testing.B) {
			s, prefix := open(b), unique("blob")
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for round := 0; b.Loop(); round++ {
				key := fmt.Sprintf("%s/%d", prefix, round)
				if err := s.Put(b.Context(), key, io.MultiReader(bytes.NewReader(content)), bulk.BlobInfo{}); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := s.Delete(b.Context(), key); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
		b.Run(fmt.Sprintf("Get/%dKiB", size>>10), func(b *testing.B) {
			s, key := open(b), unique("blob")
			if err := s.Put(b.Context(), key, bytes.NewReader(content), bulk.BlobInfo{}); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				r, err := s.Get(b.Context(), key)
				if err != nil {
					b.Fatal(err)
				}
				_, err = io.Copy(io.Discard, r)
				if err := errors.Join(err, r.Close()); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			if err := s.Delete(b.Context(), key); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkJobQueue measures the calls of a job queue that holds a thousand other
// jobs.
func BenchmarkJobQueue(b *testing.B, open func(b *testing.B) bulk.JobQueue) {
	filled := func(b *testing.B) (bulk.JobQueue, string) {
		q, tenant := open(b), unique("tenant")
		for range 1000 {
			if err := q.Create(b.Context(), benchmarkJob(tenant)); err != nil {
				b.Fatal(err)
			}
		}
		return q, tenant
	}
	b.Run("CreateClaimEnd", func(b *testing.B) {
		q, tenant := filled(b)
		b.ReportAllocs()
		for b.Loop() {
			if err := q.Create(b.Context(), benchmarkJob(tenant)); err != nil {
				b.Fatal(err)
			}
			job, err := q.Claim(b.Context(), bulk.Claim{Lease: longLease})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := q.Save(b.Context(), job.ID, job.Token, bulk.JobChange{End: bulk.JobCompleted}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Checkpoint", func(b *testing.B) {
		q, _ := filled(b)
		job, err := q.Claim(b.Context(), bulk.Claim{Lease: longLease})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := q.Save(b.Context(), job.ID, job.Token, bulk.JobChange{Lease: longLease, Progress: fullProgress()}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("List", func(b *testing.B) {
		q, tenant := filled(b)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := q.List(b.Context(), bulk.JobFilter{Tenant: tenant, Limit: 20}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// benchmarkJob returns a job that expires soon after the benchmark.
func benchmarkJob(tenant string) bulk.JobSpec {
	created := now()
	return bulk.JobSpec{
		ID: jobID(created), Tenant: tenant, Type: bulk.JobTypeUserImport, TotalRecords: 10_000,
		CreatedAt: created, ExpiresAt: created.Add(10 * time.Minute), Payload: "bulktest/payload", SegmentRows: 500,
	}
}
