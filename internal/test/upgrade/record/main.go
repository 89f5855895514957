// Command record runs a job and stores what its backends hold at some moments of it:
// see package upgrade.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/upgrade"
	"github.com/bulkops/bulkops/jobs/memjobs"
)

// moments are the commits in the middle of which everything is stored.
var moments = map[int]string{1: "begun", 6: "middle", 11: "late"}

func main() {
	commit := flag.String("commit", "", "the `commit` that is checked out")
	dir := flag.String("dir", "internal/test/upgrade/testdata", "`folder` of the files")
	flag.Parse()
	if *commit == "" {
		log.Fatal("record: -commit is required")
	}
	if err := record(context.Background(), *commit, *dir); err != nil {
		log.Fatal("record: ", err)
	}
}

func record(ctx context.Context, commit, dir string) error {
	w := &world{Store: upgrade.NewStore(), blobs: make(map[string][]byte), memory: memblob.New(), JobQueue: memjobs.New()}
	cfg := bulk.Config{
		Store: w, Blobs: w, Jobs: queue{w}, SyncThreshold: 1, SegmentRows: 20, Parallel: 2, WorkerName: "recorder",
		Retention: 100 * 365 * 24 * time.Hour, // as long as anybody may want to run it
	}
	admin := bulk.Principal{ID: "ana", Tenant: "acme", Role: bulk.RoleAdmin}
	before, err := finish(ctx, cfg, admin, earlier())
	if err != nil || before.Status != bulk.JobCompleted {
		return fmt.Errorf("the import before: %v, %w", before, err)
	}
	clear(w.blobs)
	w.take = true
	job, err := finish(ctx, cfg, admin, rows())
	if err != nil {
		return err
	}
	if len(w.taken) != len(moments) {
		return fmt.Errorf("the job had %d of %d moments", len(w.taken), len(moments))
	}
	users := w.users()
	for name, m := range w.taken {
		m.Commit, m.WantUsers, m.WantResults = commit, users, w.blobs[job.Results]
		text, err := json.MarshalIndent(m, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, commit+"-"+name+".json"), append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// finish imports rows, one JSON value a line, by a job.
func finish(ctx context.Context, cfg bulk.Config, admin bulk.Principal, rows string) (*bulk.Job, error) {
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		return nil, err
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		return nil, err
	}
	lines := lines(strings.Split(strings.TrimSpace(rows), "\n"))
	job, err := importer.Submit(ctx, bulk.Request{Principal: admin, Options: bulk.DefaultOptions(), Rows: &lines})
	if err != nil {
		return nil, err
	}
	if err := worker.RunJob(ctx, job.ID); err != nil {
		return nil, err
	}
	return importer.Job(ctx, admin, job.ID)
}

type lines []string

func (l *lines) Next() (bulk.Row, error) {
	if len(*l) == 0 {
		return bulk.Row{}, io.EOF
	}
	row := bulk.Row{JSON: []byte((*l)[0])}
	*l = (*l)[1:]
	return row, nil
}

// earlier are the users that there are before.
func earlier() string {
	var b strings.Builder
	for i := range 120 {
		fmt.Fprintf(&b, `{"userId":"old-%d","email":"old%d@example.com","customFields":{"n":%d,"keep":true}}`+"\n", i, i, i)
	}
	return b.String()
}

// rows are of every sort: creates by id and by email, updates, moved and taken
// addresses, rows that change nothing, that are wrong, and that name a user again.
func rows() string {
	var b strings.Builder
	for i := range 40 {
		for _, row := range []string{
			fmt.Sprintf(`{"userId":"new-%d","email":"new%d@example.com","customFields":{"n":%d}}`, i, i, i),
			fmt.Sprintf(`{"email":"alone%d@example.com","metadata":{"m":9007199254740993}}`, i),
			fmt.Sprintf(`{"userId":"old-%d","customFields":{"n":null,"changed":%d}}`, i, i),
			fmt.Sprintf(`{"userId":"old-%d","email":"OLD%d@example.org"}`, 40+i, i),
			fmt.Sprintf(`{"userId":"old-%d","email":"old%d@example.com","customFields":{"keep":true}}`, 80+i, 80+i),
			fmt.Sprintf(`{"userId":"bad-%d","email":"no address"}`, i),
			fmt.Sprintf(`{"userId":"taker-%d","email":"old%d@example.com"}`, i, 80+i),
			fmt.Sprintf(`{"email":"new%d@example.com","customFields":{"again":true}}`, i),
		} {
			b.WriteString(row + "\n")
		}
	}
	return b.String()
}

// A world is the backends of a job. What changes them takes turns, so that a moment of
// them is one that a crash could leave.
type world struct {
	*upgrade.Store
	bulk.JobQueue
	memory *memblob.Store

	mu      sync.Mutex
	blobs   map[string][]byte
	job     string
	take    bool
	commits int
	taken   map[string]*upgrade.Moment
}

// Commit stores a moment when half of the writes of a commit are done.
func (w *world) Commit(ctx context.Context, tenant string, writes []bulk.Write) []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	half := len(writes) / 2
	outcomes := w.Store.Commit(ctx, tenant, writes[:half])
	if w.take {
		w.commits++
		if name := moments[w.commits]; name != "" {
			if err := w.moment(ctx, name); err != nil {
				log.Fatal("record: ", err)
			}
		}
	}
	return append(outcomes, w.Store.Commit(ctx, tenant, writes[half:])...)
}

func (w *world) moment(ctx context.Context, name string) error {
	job, err := w.JobQueue.Get(ctx, w.job)
	if err != nil {
		return err
	}
	text, err := json.Marshal(job)
	if err != nil {
		return err
	}
	if w.taken == nil {
		w.taken = make(map[string]*upgrade.Moment)
	}
	users := w.Users()
	slices.SortFunc(users, func(a, b upgrade.StoredUser) int { return strings.Compare(a.ID, b.ID) })
	w.taken[name] = &upgrade.Moment{Job: text, Blobs: maps.Clone(w.blobs), Users: users}
	return nil
}

func (w *world) users() []bulk.User {
	var users []bulk.User
	for _, u := range w.Users() {
		users = append(users, u.User)
	}
	slices.SortFunc(users, func(a, b bulk.User) int { return strings.Compare(a.ID, b.ID) })
	return users
}

func (w *world) Put(ctx context.Context, key string, r io.Reader, info bulk.BlobInfo) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.memory.Put(ctx, key, bytes.NewReader(content), info); err != nil {
		return err
	}
	w.blobs[key] = content
	return nil
}

func (w *world) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	return w.memory.Get(ctx, key)
}

func (w *world) Delete(ctx context.Context, key string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.blobs, key)
	return w.memory.Delete(ctx, key)
}

// A queue is the world as a [bulk.JobQueue], two of whose methods have the names of
// those of a [bulk.BlobStore].
type queue struct{ *world }

func (q queue) Get(ctx context.Context, id string) (bulk.Job, error) { return q.JobQueue.Get(ctx, id) }
func (q queue) Delete(ctx context.Context, id string) error          { return q.JobQueue.Delete(ctx, id) }

func (q queue) Create(ctx context.Context, spec bulk.JobSpec) error {
	q.job = spec.ID
	return q.JobQueue.Create(ctx, spec)
}

func (q queue) Save(ctx context.Context, id string, token int64, change bulk.JobChange) (bulk.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.JobQueue.Save(ctx, id, token, change)
}
