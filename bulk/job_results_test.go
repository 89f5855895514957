package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A blobMap is the simplest store of blobs.
type blobMap map[string]string

func (b blobMap) Put(_ context.Context, key string, r io.Reader, _ BlobInfo) error {
	if _, ok := b[key]; ok {
		return ErrBlobExists
	}
	text, err := io.ReadAll(r)
	if err == nil {
		b[key] = string(text)
	}
	return err
}

func (b blobMap) Get(_ context.Context, key string) (io.ReadCloser, error) {
	text, ok := b[key]
	if !ok {
		return nil, ErrBlobNotFound
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func (b blobMap) Delete(_ context.Context, key string) error {
	delete(b, key)
	return nil
}

// rowResults has n results from that index on.
func rowResults(first, n int, status Status) []RowResult {
	rows := make([]RowResult, n)
	for i := range rows {
		rows[i] = RowResult{Index: first + i, UserID: fmt.Sprintf("u%d", first+i), Status: status}
	}
	return rows
}

// guarded puts a guard in front of a blob store that does not need any.
func guarded(blobs BlobStore) guardedBlobs {
	return guardedBlobs{blobs, guard{timeout: time.Minute, grace: time.Second}}
}

func lines(rows []RowResult) string { return string(appendResults(nil, rows)) }

// a job of 10 rows in segments of 4.
func composeJob(t *testing.T) (*Job, blobMap) {
	t.Helper()
	job := &Job{JobSpec: JobSpec{ID: "job_1", Tenant: "acme", TotalRecords: 10, SegmentRows: 4, Payload: "payload"}, Token: 7}
	var rows []Row
	for i := range 10 {
		rows = append(rows, Row{JSON: fmt.Appendf(nil, `{"userId":"u%d","email":"u%d@x.y"}`, i, i), Line: i + 2})
	}
	return job, blobMap{"payload": string(payloadOf(t, rows...))}
}

// TestResultsFile composes results files from every kind of rest.
func TestResultsFile(t *testing.T) {
	missing := func(rows []RowResult, at ...int) []RowResult {
		for _, i := range at {
			rows[i] = RowResult{}
		}
		return rows
	}
	const c, u, n = StatusCreated, StatusUpdated, StatusNotProcessed
	for _, test := range []struct {
		name    string
		prepare func(job *Job, at *checkpoint, blobs blobMap) map[int]*segment
		want    []Status
	}{
		{"Nothing", func(*Job, *checkpoint, blobMap) map[int]*segment { return nil }, []Status{n, n, n, n, n, n, n, n, n, n}},
		{"All", func(job *Job, at *checkpoint, blobs blobMap) map[int]*segment {
			job.Progress = Progress{Rows: 10, Summary: Summary{Created: 6, Updated: 4}}
			at.Spans = []span{{3, 1}, {5, 3}}
			blobs[segmentKey(job, 0, 3)] = lines(rowResults(0, 4, c))
			blobs[segmentKey(job, 1, 5)] = lines(rowResults(4, 4, u))
			blobs[segmentKey(job, 2, 5)] = lines(rowResults(8, 2, c))
			return nil
		}, []Status{c, c, c, c, u, u, u, u, c, c}},
		{"Mailed", func(job *Job, at *checkpoint, blobs blobMap) map[int]*segment {
			job.Progress = Progress{Rows: 8, Summary: Summary{Created: 8}}
			at.Spans, at.MailSpans = []span{{3, 2}}, []span{{4, 1}}
			blobs[mailedKey(job, 0, 4)] = lines(rowResults(0, 4, c))
			blobs[segmentKey(job, 1, 3)] = lines(rowResults(4, 4, c))
			return nil
		}, []Status{c, c, c, c, c, c, c, c, n, n}},
		{"Rest", func(job *Job, at *checkpoint, blobs blobMap) map[int]*segment {
			job.Progress = Progress{Rows: 4, Summary: Summary{Created: 4}}
			at.Spans = []span{{3, 1}}
			blobs[segmentKey(job, 0, 3)] = lines(rowResults(0, 4, c))
			rest := append(rowResults(4, 2, c), rowResults(6, 2, u)...)
			return map[int]*segment{1: {first: 4, rows: missing(rest, 2)}}
		}, []Status{c, c, c, c, c, c, n, u, n, n}},
		{"RestAhead", func(*Job, *checkpoint, blobMap) map[int]*segment {
			return map[int]*segment{
				0: {first: 0, rows: missing(rowResults(0, 4, c), 0, 3)},
				2: {first: 8, rows: rowResults(8, 2, u)},
			}
		}, []Status{n, c, c, n, n, n, n, n, u, u}},
	} {
		t.Run(test.name, func(t *testing.T) {
			job, blobs := composeJob(t)
			at := new(checkpoint)
			rest := test.prepare(job, at, blobs)
			key, summary, err := (&composition{blobs: guarded(blobs), backoff: syncBackoff, job: job, at: at, rest: rest}).put(t.Context(), JobCancelled)
			require.NoError(t, err)
			assert.Equal(t, resultsKey(job, 7), key)
			var file struct {
				resultsHead
				Results []RowResult `json:"results"`
			}
			require.NoError(t, json.Unmarshal([]byte(blobs[key]), &file), blobs[key])
			var got []Status
			var count Summary
			for i, r := range file.Results {
				assert.Equal(t, i, r.Index)
				assert.Equal(t, fmt.Sprintf("u%d", i), r.UserID, "row %d", i)
				if r.Status == n {
					assert.Equal(t, RowResult{Index: i, Line: i + 2, UserID: r.UserID, Email: r.UserID + "@x.y", Status: n}, r,
						"a row that was not reached says whom it is about")
				}
				got = append(got, r.Status)
				count.add(r.Status)
			}
			assert.Equal(t, test.want, got)
			assert.Equal(t, count, summary)
			assert.Equal(t, resultsHead{"job_1", JobCancelled, 10, count}, file.resultsHead)
		})
	}
}

func TestResultsFileIsACorrectReader(t *testing.T) {
	job, blobs := composeJob(t)
	file := func() *resultsFile {
		r := &composition{backoff: syncBackoff, blobs: guarded(blobs), job: job, at: new(checkpoint)}
		return r.file(t.Context(), resultsHead{})
	}
	whole := file()
	defer whole.close()
	text, err := io.ReadAll(whole)
	require.NoError(t, err)
	f := file()
	defer f.close()
	require.NoError(t, iotest.TestReader(f, text))
}

func TestResultsFileFails(t *testing.T) {
	for name, breakIt := range map[string]func(job *Job, blobs blobMap){
		"NoSegment": func(*Job, blobMap) {},
		"CutSegment": func(job *Job, blobs blobMap) {
			blobs[segmentKey(job, 0, 1)] = "{"
		},
	} {
		t.Run(name, func(t *testing.T) {
			job, blobs := composeJob(t)
			job.Progress = Progress{Rows: 4}
			breakIt(job, blobs)
			before := len(blobs)
			rest := map[int]*segment{2: {first: 8, rows: make([]RowResult, 2)}}
			_, _, err := (&composition{blobs: guarded(blobs), backoff: syncBackoff, job: job, at: &checkpoint{Spans: []span{{1, 1}}}, rest: rest}).put(t.Context(), JobFailed)
			assert.Error(t, err)
			assert.Len(t, blobs, before, "there is no part of a file")
		})
	}
}

// largeJob is a job of 20 segments of two rows, whose results are durable.
func largeJob(t *testing.T) (*Job, blobMap, *checkpoint) {
	t.Helper()
	job, blobs := composeJob(t)
	job.TotalRecords, job.SegmentRows = 40, 2
	job.Progress = Progress{Rows: 40}
	for n := range 20 {
		blobs[segmentKey(job, n, 1)] = lines(rowResults(2*n, 2, StatusCreated))
	}
	return job, blobs, &checkpoint{Spans: []span{{1, 20}}}
}

// TestResultsFileReadsSegmentsAhead composes the results of a large job from a store that
// takes a while for each blob.
func TestResultsFileReadsSegmentsAhead(t *testing.T) {
	for damaged, takes := range map[bool]time.Duration{false: 3 * slowGet, true: 2 * slowGet} {
		t.Run(fmt.Sprintf("damaged=%t", damaged), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				job, blobs, at := largeJob(t)
				if damaged {
					blobs[segmentKey(job, 12, 1)] = "{"
				}
				slow := &slowGets{BlobStore: blobs, connections: make(chan struct{}, 100)}
				c := &composition{blobs: guarded(slow), backoff: syncBackoff, job: job, at: at}
				f := c.file(t.Context(), resultsHead{})
				began := time.Now()
				text, err := io.ReadAll(f)
				assert.Equal(t, takes, time.Since(began), "rule: 20 segments are read 8 at a time")
				f.close()
				assert.Zero(t, len(slow.connections), "rule: what was opened is closed")
				assert.Equal(t, segmentsAhead, slow.most)
				if damaged {
					assert.ErrorContains(t, err, "a line that is cut off")
					return
				}
				require.NoError(t, err)
				var file struct{ Results []RowResult }
				require.NoError(t, json.Unmarshal(text, &file))
				assert.Equal(t, rowResults(0, 40, StatusCreated), file.Results)
			})
		})
	}
}

// TestResultsFileNeedsTwoConnections has a store with one for the put, and one for all
// that is read meanwhile.
func TestResultsFileNeedsTwoConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job, blobs, at := largeJob(t)
		few := &slowGets{BlobStore: blobs, connections: make(chan struct{}, 1)}
		_, _, err := (&composition{blobs: guarded(few), backoff: syncBackoff, job: job, at: at}).put(t.Context(), JobCompleted)
		assert.NoError(t, err)
	})
}

const slowGet = 100 * time.Millisecond

// slowGets takes a while to open a blob, which has one of the connections from then on
// until it is closed.
type slowGets struct {
	BlobStore
	connections chan struct{}
	mu          sync.Mutex
	most        int // connections at a time
}

func (b *slowGets) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	select {
	case b.connections <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	b.mu.Lock()
	b.most = max(b.most, len(b.connections))
	b.mu.Unlock()
	time.Sleep(slowGet)
	r, err := b.BlobStore.Get(ctx, key)
	return connected{r, b.connections}, err
}

type connected struct {
	io.Reader
	to chan struct{}
}

func (c connected) Close() error {
	<-c.to
	return nil
}

// TestResultsFileOfRowsThatCannotBeRead composes the file of a job whose payload is
// damaged: a row that cannot be read is there all the same.
func TestResultsFileOfRowsThatCannotBeRead(t *testing.T) {
	const whole, bare = true, false
	for name, test := range map[string]struct {
		damage func(payload string) string
		want   func(row int) bool
	}{
		"Gone":  {func(string) string { return "" }, func(int) bool { return bare }},
		"Short": {func(p string) string { return strings.Join(strings.SplitAfter(p, "\n")[:4], "") }, func(row int) bool { return row < 4 }},
		"Cut":   {func(p string) string { return p[:len(p)-5] }, func(row int) bool { return row < 9 }},
		"Bit":   {func(p string) string { return strings.Replace(p, "u3@", "v3@", 1) }, func(row int) bool { return row != 3 }},
		"Other": {func(p string) string { return strings.Repeat("what is this?\n", 10) }, func(int) bool { return bare }},
	} {
		t.Run(name, func(t *testing.T) {
			job, blobs := composeJob(t)
			if blobs["payload"] = test.damage(blobs["payload"]); blobs["payload"] == "" {
				delete(blobs, "payload")
			}
			key, summary, err := (&composition{blobs: guarded(blobs), backoff: syncBackoff, job: job, at: new(checkpoint)}).put(t.Context(), JobFailed)
			require.NoError(t, err)
			assert.Equal(t, Summary{NotProcessed: 10}, summary)
			var file struct {
				Results []RowResult `json:"results"`
			}
			require.NoError(t, json.Unmarshal([]byte(blobs[key]), &file))
			require.Len(t, file.Results, 10)
			for i, r := range file.Results {
				want := RowResult{Index: i, Status: StatusNotProcessed}
				if test.want(i) == whole {
					want.Line, want.UserID, want.Email = i+2, fmt.Sprintf("u%d", i), fmt.Sprintf("u%d@x.y", i)
				}
				assert.Equal(t, want, r, "row %d", i)
			}
		})
	}
	t.Run("NotNow", func(t *testing.T) {
		job, blobs := composeJob(t)
		reset := errors.New("reset")
		_, _, err := (&composition{blobs: guarded(failingGets{blobs, reset}), backoff: syncBackoff, job: job, at: new(checkpoint)}).put(t.Context(), JobFailed)
		assert.ErrorIs(t, err, reset, "what may pass is waited for")
	})
}

// failingGets opens no blob.
type failingGets struct {
	BlobStore
	err error
}

func (b failingGets) Get(context.Context, string) (io.ReadCloser, error) { return nil, b.err }

func TestPutOnceTakesItsOwnBlobForDone(t *testing.T) {
	blobs := guarded(blobMap{"k": "first"})
	assert.NoError(t, putOnce(t.Context(), blobs, "k", strings.NewReader("again"), resultsType))
	assert.Equal(t, "first", blobs.BlobStore.(blobMap)["k"])
	reset := errors.New("reset")
	assert.ErrorIs(t, putOnce(t.Context(), blobs, "l", iotest.ErrReader(reset), resultsType), reset)
}

func TestStretches(t *testing.T) {
	var stretches []stretch
	for _, segment := range []int{0, 3, 4, 7} {
		stretches = include(stretches, segment)
	}
	assert.Equal(t, []stretch{{0, 1}, {3, 5}, {7, 8}}, stretches)
	for segment := 10; segment < 1000; segment += 2 {
		stretches = include(stretches, segment)
	}
	assert.Len(t, stretches, maxStretches, "rule: a checkpoint is of bounded size")
	assert.Equal(t, stretch{10, 11}, stretches[3])
	assert.Equal(t, 999, stretches[maxStretches-1].Until, "rule: none is left out")
}

// TestInheritTaints reads the rows of unknown outcome, as long as the job is to go on.
func TestInheritTaints(t *testing.T) {
	job, blobs := composeJob(t)
	rows := rowResults(4, 4, StatusCreated)
	rows[1].Status, rows[1].Email, rows[1].Errors = StatusFailed, "a@x.y", []RowError{outcomeUnknown()}
	blobs[segmentKey(job, 1, 7)] = lines(rows)
	halted := make(chan struct{})
	a := &attempt{
		job: job, blobs: guarded(blobs), patience: syncBackoff, engine: &engine{halted: halted},
		at: checkpoint{Spans: []span{{7, 3}}, Unknown: []stretch{{1, 2}}},
	}
	require.NoError(t, a.inheritTaints(t.Context()))
	assert.True(t, a.engine.taints.reach(&plan{index: 9, User: User{ID: "u5"}}, nil))
	assert.True(t, a.engine.taints.reach(&plan{index: 9, User: User{Email: "a@x.y"}}, nil))
	assert.False(t, a.engine.taints.reach(&plan{index: 9, User: User{ID: "u4"}}, nil))

	blobs[segmentKey(job, 1, 7)] = "{"
	err := a.inheritTaints(t.Context())
	assert.ErrorContains(t, err, segmentKey(job, 1, 7))
	assert.False(t, Retryable(err), "it would be as damaged the next time")
	close(halted)
	assert.NoError(t, a.inheritTaints(t.Context()), "nothing will be decided")
}

func TestSpans(t *testing.T) {
	spans := extend(nil, 1, 2)
	assert.Equal(t, []span{{1, 2}}, spans)
	spans = extend(spans, 1, 4)
	assert.Equal(t, []span{{1, 4}}, spans)
	spans = extend(extend(spans, 5, 5), 9, 12)
	assert.Equal(t, []span{{1, 4}, {5, 5}, {9, 12}}, spans)
	for segment, want := range map[int]int64{0: 1, 3: 1, 4: 5, 5: 9, 11: 9} {
		token, ok := spanToken(spans, segment)
		assert.True(t, ok)
		assert.Equal(t, want, token, "segment %d", segment)
	}
	_, ok := spanToken(spans, 12)
	assert.False(t, ok)
	_, ok = spanToken(nil, 0)
	assert.False(t, ok)
}
