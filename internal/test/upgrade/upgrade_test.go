package upgrade_test

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/upgrade"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

// A job that an earlier version left in the middle is finished by this one: each row is
// applied once, and results and users are those of a job that nobody interrupted.
func TestJobsOfEarlierVersions(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files in testdata, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			m, err := upgrade.Read(file)
			if err != nil {
				t.Fatal(err)
			}
			store := upgrade.NewStore(m.Users...)
			cfg := bulk.Config{Store: store, Blobs: blobs(t, m), Jobs: memjobs.New()}
			before := load(t, cfg.Jobs, m)
			if before.Progress.Rows == before.TotalRecords {
				t.Fatal("the job has nothing left to do")
			}
			worker, err := bulk.NewWorker(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := worker.RunJob(t.Context(), before.ID); err != nil {
				t.Fatal(err)
			}
			job, err := cfg.Jobs.Get(t.Context(), before.ID)
			if err != nil || job.Status != bulk.JobCompleted {
				t.Fatalf("the job is %s, %v: %+v", job.Status, err, job.Error)
			}
			if diff := cmp.Diff(string(m.WantResults), read(t, cfg.Blobs, job.Results)); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(m.WantUsers, users(store)); diff != "" {
				t.Errorf("users (-want +got):\n%s", diff)
			}
			// Users and results are the same if a row is applied twice, but not the versions.
			if diff := cmp.Diff(versions(m.Users, m), versions(store.Users(), m)); diff != "" {
				t.Errorf("users that were written before were written again (-before +after):\n%s", diff)
			}
		})
	}
}

// The files have what makes them worth keeping: rows whose results are durable, rows
// that are written down and were applied, and such that were not.
func TestMomentsAreInTheMiddle(t *testing.T) {
	for _, name := range []string{"middle", "late"} {
		files, err := filepath.Glob("testdata/*-" + name + ".json")
		if err != nil || len(files) == 0 {
			t.Fatalf("no moment %q: %v", name, err)
		}
		for _, file := range files {
			m, err := upgrade.Read(file)
			if err != nil {
				t.Fatal(err)
			}
			var job bulk.Job
			if err := json.Unmarshal(m.Job, &job); err != nil {
				t.Fatal(err)
			}
			kinds := make(map[string]int)
			for key := range m.Blobs {
				for _, kind := range []string{"journal", "segment", "payload"} {
					if strings.Contains(key, kind) {
						kinds[kind]++
					}
				}
			}
			if job.Progress.Rows == 0 || job.Progress.Checkpoint == "" || kinds["journal"] == 0 || kinds["segment"] == 0 || kinds["payload"] != 1 {
				t.Errorf("%s: %d of %d rows are durable, and the blobs are %v", file, job.Progress.Rows, job.TotalRecords, kinds)
			}
		}
	}
}

func blobs(t *testing.T, m *upgrade.Moment) bulk.BlobStore {
	store := memblob.New()
	for key, content := range m.Blobs {
		if err := store.Put(t.Context(), key, bytes.NewReader(content), bulk.BlobInfo{}); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// load makes the job of a moment: one whose last worker has given up its lease.
func load(t *testing.T, jobs bulk.JobQueue, m *upgrade.Moment) bulk.Job {
	t.Helper()
	var job bulk.Job
	if err := json.Unmarshal(m.Job, &job); err != nil {
		t.Fatal(err)
	}
	if err := jobs.Create(t.Context(), job.JobSpec); err != nil {
		t.Fatal(err)
	}
	for token := int64(1); token <= job.Token; token++ {
		if _, err := jobs.Claim(t.Context(), bulk.Claim{JobID: job.ID, Lease: time.Minute, Worker: job.Worker}); err != nil {
			t.Fatal(err)
		}
		var change bulk.JobChange
		if token == job.Token {
			change.Progress = &job.Progress
		}
		if _, err := jobs.Save(t.Context(), job.ID, token, change); err != nil {
			t.Fatal(err)
		}
	}
	return job
}

func read(t *testing.T, blobs bulk.BlobStore, key string) string {
	t.Helper()
	r, err := blobs.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func users(store *upgrade.Store) []bulk.User {
	var all []bulk.User
	for _, u := range store.Users() {
		all = append(all, u.User)
	}
	slices.SortFunc(all, func(a, b bulk.User) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// versions returns the versions of the users that are, at the moment, as they have to
// be in the end.
func versions(of []upgrade.StoredUser, m *upgrade.Moment) map[string]string {
	final := make(map[string]bulk.User)
	for _, u := range m.WantUsers {
		final[u.ID] = u
	}
	ready := make(map[string]bool)
	for _, u := range m.Users {
		ready[u.ID] = final[u.ID] == u.User
	}
	all := make(map[string]string)
	for _, u := range of {
		if ready[u.ID] {
			all[u.ID] = u.Version
		}
	}
	return all
}
