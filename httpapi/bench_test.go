package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// benchBody is a request of so many users of about 370 bytes each, from the one of that number on.
func benchBody(first, users int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"users":[`)
	for i := first; i < first+users; i++ {
		if i > first {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"userId":"user-%08d","email":"first.last-%08d@mail.example.com","customFields":{"team":"Los Angeles Lakers",`+
			`"points":%d,"level":%d,"active":true,"joined":"2026-01-%02dT08:30:00Z","tags":["alpha","beta","gamma"],`+
			`"address":{"street":"Main Street %d","city":"Springfield","zip":"%05d"}},"metadata":{"source":"crm-export","batch":"2026-11",`+
			`"externalId":"crm/%08d/contact"}}`, i, i, 9007199254740993+i, i%7, i%28+1, i%900, i%100_000, i)
	}
	b.WriteString("]}")
	return b.Bytes()
}

// benchAPI is the handler on new backends in memory.
func benchAPI(b *testing.B) http.Handler {
	b.Helper()
	importer, err := bulk.NewImporter(bulk.Config{
		Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	handler, err := httpapi.New(httpapi.Config{Importer: importer, Authorize: authorize})
	if err != nil {
		b.Fatal(err)
	}
	return handler
}

// benchClient is a client of servers on the loopback interface, which keeps its connections.
func benchClient(b *testing.B, connections int) *http.Client {
	b.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}
	b.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// send posts a body and reads the answer, which has that status.
func send(client *http.Client, url string, body []byte, status int) error {
	req, err := http.NewRequest(http.MethodPost, url+usersPath, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+admin)
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != status {
		return fmt.Errorf("%s: %s, %w", res.Status, text, err)
	}
	return nil
}

func benchMedian(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkAcceptVersusUpload measures how long a caller waits for the 202 to 10,000 users of
// 370 bytes, beside an upload of the same bytes to a handler that does nothing but put the body
// into a blob store of the same kind. Both are net/http servers on the loopback interface, with
// everything in memory, and are sent the body by turns over a connection that is kept. An op is
// a pair; the metric is the median of the pairs' ratios.
func BenchmarkAcceptVersusUpload(b *testing.B) {
	body, client := benchBody(0, 10_000), benchClient(b, 1)
	var api, upload http.Handler
	serve := func(handler *http.Handler) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler).ServeHTTP(w, r) }))
		b.Cleanup(server.Close)
		return server.URL
	}
	apiURL, uploadURL := serve(&api), serve(&upload)
	measure := func(url string, status int) float64 {
		began := time.Now()
		if err := send(client, url, body, status); err != nil {
			b.Fatal(err)
		}
		return time.Since(began).Seconds()
	}
	runs := []func() float64{
		func() float64 { return measure(apiURL, http.StatusAccepted) },
		func() float64 { return measure(uploadURL, http.StatusOK) },
	}
	var ratios []float64
	pair := func(n int) {
		blobs := memblob.New() // new ones for each pair, so that no memory adds up
		api, upload = benchAPI(b), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := blobs.Put(r.Context(), "body", r.Body, bulk.BlobInfo{}); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
		var took [2]float64
		for i := range runs { // the first of two is at no advantage
			run := (i + n) % 2
			took[run] = runs[run]()
		}
		ratios = append(ratios, took[0]/took[1])
	}
	pair(0) // opens the connections
	ratios = nil
	n := 0
	for b.Loop() {
		pair(n)
		n++
	}
	b.ReportMetric(benchMedian(ratios), "accept/upload")
}

// A handWritten handler is what a user would write in place of the API: encoding/json, a
// mutex and maps. It has the rules that callers notice, answers row by row, and lacks the rest:
// limits, exact numbers, idempotency keys, jobs, other formats, and protection from stores that
// fail.
type handWritten struct {
	mu      sync.Mutex
	users   map[string]*handUser
	byEmail map[string]*handUser
}

type handUser struct {
	UserID       string         `json:"userId"`
	Email        string         `json:"email"`
	CustomFields map[string]any `json:"customFields"`
	Metadata     map[string]any `json:"metadata"`
}

type handResult struct {
	Index  int    `json:"index"`
	UserID string `json:"userId,omitempty"`
	Email  string `json:"email,omitempty"`
	Status string `json:"status"`
	Error  string `json:"error,omitempty"`
}

var handEmail = regexp.MustCompile(`^[^\s@]+@[^\s@]+\.[^\s@]+$`)

func (h *handWritten) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := authorize(r); err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	var request struct {
		Users   []handUser `json:"users"`
		Options struct {
			Upsert bool `json:"upsert"`
		} `json:"options"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<20))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var answer struct {
		Success bool `json:"success"`
		Data    struct {
			Summary map[string]int `json:"summary"`
			Results []handResult   `json:"results"`
		} `json:"data"`
	}
	answer.Success, answer.Data.Summary = true, map[string]int{}
	for i := range request.Users {
		result := h.put(&request.Users[i])
		result.Index = i
		answer.Data.Summary[result.Status]++
		answer.Data.Results = append(answer.Data.Results, result)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// put creates or updates a user.
func (h *handWritten) put(user *handUser) handResult {
	result := handResult{UserID: user.UserID, Email: user.Email, Status: "failed"}
	switch {
	case user.UserID == "":
		result.Error = "no userId"
		return result
	case user.Email != "" && !handEmail.MatchString(user.Email):
		result.Error = "not an email address"
		return result
	}
	address := strings.ToLower(user.Email)
	h.mu.Lock()
	defer h.mu.Unlock()
	if owner := h.byEmail[address]; owner != nil && owner.UserID != user.UserID {
		result.Error = "the address is another user's"
		return result
	}
	stored := h.users[user.UserID]
	if stored == nil {
		stored, result.Status = &handUser{UserID: user.UserID, CustomFields: map[string]any{}, Metadata: map[string]any{}}, "created"
		h.users[user.UserID] = stored
	} else {
		result.Status = "updated"
	}
	if address != "" {
		delete(h.byEmail, strings.ToLower(stored.Email))
		stored.Email, h.byEmail[address] = user.Email, stored
	}
	maps.Copy(stored.CustomFields, user.CustomFields)
	maps.Copy(stored.Metadata, user.Metadata)
	return result
}

const (
	benchClients = 50
	benchPosts   = 100 // of a client, in a turn
	benchRows    = 20  // of a post
	benchPairs   = 7   // of turns, at least
)

// BenchmarkPostsVersusHandWritten measures 50 clients that each post 20 new users at a time, as
// fast as they are answered, to the API and to [handWritten]. Both are net/http servers on the
// loopback interface with everything in memory, and take turns of 5,000 posts. An op is a pair
// of turns, and there are at least 7 after one that does not count; the metrics are medians over
// the pairs: posts a second of the API by those of the handler, and the 99th percentile of its
// answer times by that of the handler.
func BenchmarkPostsVersusHandWritten(b *testing.B) {
	posts := make([][]byte, benchClients*benchPosts)
	for i := range posts {
		body := benchBody(i*benchRows, benchRows)
		posts[i] = append(fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n"+
			"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", usersPath, admin, len(body)), body...)
	}
	newHandler := [2]func() http.Handler{
		func() http.Handler { return benchAPI(b) },
		func() http.Handler {
			return &handWritten{users: map[string]*handUser{}, byEmail: map[string]*handUser{}}
		},
	}
	var handlers [2]http.Handler
	var clients [2][]*benchConn
	for i := range handlers {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handlers[i].ServeHTTP(w, r) }))
		b.Cleanup(server.Close)
		for range benchClients {
			clients[i] = append(clients[i], dialBench(b, server.Listener.Addr().String()))
		}
	}
	var rates, tails []float64
	pair := func(n int) {
		var rate, tail [2]float64
		for i := range handlers { // the first of two is at no advantage
			turn := (i + n) % 2
			handlers[turn] = newHandler[turn]()
			rate[turn], tail[turn] = postAll(b, clients[turn], posts)
			handlers[turn] = nil // what it holds is not to cost the other one
		}
		rates, tails = append(rates, rate[0]/rate[1]), append(tails, tail[0]/tail[1])
	}
	pair(0) // the first posts of a program have a tail of their own
	rates, tails = nil, nil
	n := 0
	for b.Loop() {
		pair(n)
		n++
	}
	for ; n < benchPairs && !testing.Short(); n++ {
		pair(n)
	}
	b.ReportMetric(benchMedian(rates), "requests/s-ratio")
	b.ReportMetric(benchMedian(tails), "p99-ratio")
}

// postAll has the clients send posts, and returns how many a second were answered and the 99th
// percentile of the seconds that an answer took.
func postAll(b *testing.B, clients []*benchConn, posts [][]byte) (rate, tail float64) {
	b.Helper()
	took := make([]float64, len(posts))
	var sending errgroup.Group
	runtime.GC()
	began := time.Now()
	for c, client := range clients {
		sending.Go(func() error {
			for i := c; i < len(posts); i += len(clients) {
				sent := time.Now()
				if err := client.post(posts[i]); err != nil {
					return err
				}
				took[i] = time.Since(sent).Seconds()
			}
			return nil
		})
	}
	if err := sending.Wait(); err != nil {
		b.Fatal(err)
	}
	rate = float64(len(posts)) / time.Since(began).Seconds()
	slices.Sort(took)
	return rate, took[len(took)*99/100]
}

// A benchConn is the connection of a client that costs next to nothing beside the servers.
type benchConn struct {
	net.Conn
	in *bufio.Reader
}

func dialBench(b *testing.B, address string) *benchConn {
	b.Helper()
	conn, err := new(net.Dialer).DialContext(b.Context(), "tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return &benchConn{conn, bufio.NewReader(conn)}
}

// post sends a request as it stands in its text and reads the answer.
func (c *benchConn) post(text []byte) error {
	if _, err := c.Write(text); err != nil {
		return err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s, %w", res.Status, err)
	}
	return nil
}

// BenchmarkMemoryOfMillionRows measures the memory that it takes to accept and to run a job of
// 10,000 and of 1,000,000 rows of about 370 bytes: the live heap above that before, after a
// garbage collection, the most of about 20 looks on the way. Blobs are files and the store
// forgets, so nothing counts but the request and the worker. heap-MB is that of the worker with
// 1,000,000 rows, heap-million/heap-10k how many times as much that is as with 10,000, and
// accept-bytes/body the heap while the million is accepted, by its body of 370 MB.
func BenchmarkMemoryOfMillionRows(b *testing.B) {
	var accept, work, ratio float64
	for b.Loop() {
		_, few := heapOfJob(b, 10_000)
		body, many := heapOfJob(b, 1_000_000)
		accept, work, ratio = max(accept, body), max(work, many), max(ratio, many/few)
	}
	b.ReportMetric(work/1e6, "heap-MB")
	b.ReportMetric(ratio, "heap-million/heap-10k")
	b.ReportMetric(accept, "accept-bytes/body")
}

// heapOfJob returns the most live heap while the job is accepted, by the size of its body, and
// while a worker runs it, in bytes.
func heapOfJob(b *testing.B, rows int) (accept, work float64) {
	b.Helper()
	var accepting, working heapPeak
	blobs := &fileBlobs{dir: b.TempDir(), wait: working.wait}
	cfg := bulk.Config{
		Store: forgetful{working.every(rows / 20 / bulk.MaxBatch), working.wait}, Blobs: blobs, Jobs: memjobs.New(),
		MaxUsers: rows, Logger: slog.New(slog.DiscardHandler),
	}
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		b.Fatal(err)
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		b.Fatal(err)
	}
	handler, err := httpapi.New(httpapi.Config{Importer: importer, Authorize: authorize, MaxBody: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	body := &rowStream{rows: rows, look: accepting.every(rows / 20)}
	accepting.begin()
	r := httptest.NewRequest(http.MethodPost, usersPath, body)
	r.Header = http.Header{"Authorization": {"Bearer " + admin}, "Content-Type": {"application/json"}}
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, r)
	var answer struct{ Data struct{ JobID string } }
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != http.StatusAccepted {
		b.Fatalf("%d: %s, %v", rec.Code, rec.Body, err)
	}
	working.begin()
	blobs.look = working.every(rows / 20 * 128 / (32 << 10)) // and while the results are composed
	if err := worker.RunJob(b.Context(), answer.Data.JobID); err != nil {
		b.Fatal(err)
	}
	job, err := importer.JobByID(b.Context(), answer.Data.JobID)
	if err != nil || job.Progress.Summary.Created != rows {
		b.Fatalf("%+v, %v", job, err)
	}
	return accepting.most() / float64(body.sent), working.most()
}

// A heapPeak is the most live heap above that of its begin. The backends stand still during a
// look, as what is allocated while the collector works counts as live.
type heapPeak struct {
	mu         sync.Mutex
	idle, peak float64
}

// wait returns once no look is under way.
func (p *heapPeak) wait() {
	p.mu.Lock()
	defer p.mu.Unlock()
}

func liveHeap() float64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return float64(sample[0].Value.Uint64())
}

func (p *heapPeak) begin() {
	runtime.GC() // what pools keep is gone after two
	p.idle = liveHeap()
}

func (p *heapPeak) most() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peak - p.idle
}

// every returns a function that looks at the heap at each nth of its calls.
func (p *heapPeak) every(n int) func() {
	calls := 0
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if calls++; calls%max(n, 1) == 0 {
			time.Sleep(time.Millisecond) // until the others stand still
			p.peak = max(p.peak, liveHeap())
		}
	}
}

// A rowStream is a body of so many rows that takes no memory.
type rowStream struct {
	rows, row int
	unread    []byte
	sent      int
	look      func() // is called for each row
}

func (s *rowStream) Read(p []byte) (int, error) {
	if len(s.unread) == 0 {
		if s.row == s.rows {
			return 0, io.EOF
		}
		text := benchBody(s.row, 1)
		row := bytes.TrimSuffix(bytes.TrimPrefix(text, []byte(`{"users":[`)), []byte("]}"))
		switch s.row {
		case 0:
			s.unread = append(append(s.unread, `{"users":[`...), row...)
		default:
			s.unread = append([]byte{','}, row...)
		}
		if s.row++; s.row == s.rows {
			s.unread = append(s.unread, "]}"...)
		}
		s.look()
	}
	n := copy(p, s.unread)
	s.unread = s.unread[n:]
	s.sent += n
	return n, nil
}

// forgetful is a store that takes all users and has none.
type forgetful struct {
	look func()
	wait func()
}

func (f forgetful) Lookup(_ context.Context, _ string, refs []bulk.Ref) ([]bulk.Found, error) {
	f.wait()
	return make([]bulk.Found, len(refs)), nil
}

func (f forgetful) Commit(_ context.Context, _ string, writes []bulk.Write) []error {
	f.look()
	return make([]error, len(writes))
}

// fileBlobs are blobs in files.
type fileBlobs struct {
	dir  string
	wait func() // is called before each read
	look func() // is called for each read of a results file that is put
}

func (f *fileBlobs) name(key string) string { return filepath.Join(f.dir, url.PathEscape(key)) }

func (f *fileBlobs) Put(_ context.Context, key string, r io.Reader, _ bulk.BlobInfo) error {
	file, err := os.OpenFile(f.name(key), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return bulk.ErrBlobExists
	}
	if err != nil {
		return err
	}
	look := f.look
	_, err = io.Copy(file, readerFunc(func(p []byte) (int, error) {
		if look != nil && strings.Contains(key, "results") {
			look()
		}
		f.wait()
		return r.Read(p)
	}))
	return errors.Join(err, file.Close())
}

func (f *fileBlobs) Get(_ context.Context, key string) (io.ReadCloser, error) {
	file, err := os.Open(f.name(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, bulk.ErrBlobNotFound
	}
	return struct {
		io.Reader
		io.Closer
	}{readerFunc(func(p []byte) (int, error) { f.wait(); return file.Read(p) }), file}, err
}

func (f *fileBlobs) Delete(_ context.Context, key string) error {
	if err := os.Remove(f.name(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
