package cloudblob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.uber.org/goleak"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"

	"github.com/bulkops/bulkops/blob/cloudblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
	"github.com/bulkops/bulkops/internal/test/awstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newStore(t *testing.T, bucket *blob.Bucket, opts cloudblob.Options) *cloudblob.Store {
	t.Helper()
	t.Cleanup(func() {
		if err := bucket.Close(); err != nil {
			t.Error(err)
		}
	})
	store, err := cloudblob.New(bucket, opts)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func openFiles(t *testing.T) *blob.Bucket {
	t.Helper()
	bucket, err := fileblob.OpenBucket(t.TempDir(), &fileblob.Options{NoTempDir: true})
	if err != nil {
		t.Fatal(err)
	}
	return bucket
}

// client returns one that tries again and does not wait long.
func client(server awstest.Server, transport http.RoundTripper) *s3.Client {
	options := server.S3(transport).Options()
	options.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 8
		o.RateLimiter = ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
	})
	return s3.New(options)
}

// newBucket creates a bucket on the server and returns its name.
func newBucket(t *testing.T, server awstest.Server) string {
	t.Helper()
	name := awstest.Name(t)
	if _, err := server.S3(awstest.Transport(t)).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(name)}); err != nil {
		t.Fatal(err)
	}
	return name
}

func openS3(t *testing.T, client *s3.Client, bucket string) *blob.Bucket {
	t.Helper()
	opened, err := s3blob.OpenBucket(t.Context(), client, bucket, &s3blob.Options{RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired})
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

// attachS3 is that of the documentation of [cloudblob.Attach].
func attachS3(as func(any) bool, disposition, contentType string) bool {
	var in *s3.GetObjectInput
	if !as(&in) {
		return false
	}
	in.ResponseContentDisposition, in.ResponseContentType = &disposition, &contentType
	return true
}

func TestConformance(t *testing.T) {
	t.Run("memblob", func(t *testing.T) {
		bulktest.TestBlobStore(t, func(t *testing.T) bulk.BlobStore {
			return newStore(t, memblob.OpenBucket(nil), cloudblob.Options{})
		})
	})
	t.Run("fileblob", func(t *testing.T) {
		bulktest.TestBlobStore(t, func(t *testing.T) bulk.BlobStore {
			return newStore(t, openFiles(t), cloudblob.Options{OneProcess: true})
		})
	})
	t.Run("s3blob", func(t *testing.T) {
		server := awstest.S3(t)
		bucket := newBucket(t, server)
		bulktest.TestBlobStore(t, func(t *testing.T) bulk.BlobStore {
			opened := openS3(t, client(server, awstest.Transport(t)), bucket)
			t.Cleanup(func() { _ = opened.Close() })
			store, err := cloudblob.NewSigning(opened, cloudblob.Options{}, attachS3)
			if err != nil {
				t.Fatal(err)
			}
			return store
		})
	})
}

// The package is light: whose bucket it is decides what else a program links.
func TestLinksNoDriver(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if len(packages) < 50 {
		t.Fatalf("go list has only %d packages", len(packages))
	}
	for _, name := range packages {
		for _, heavy := range []string{"github.com/aws/", "github.com/Azure/", "cloud.google.com/", "gocloud.dev/blob/fileblob", "gocloud.dev/blob/memblob"} {
			if strings.HasPrefix(name, heavy) {
				t.Errorf("the package links %s", name)
			}
		}
	}
}

func TestFilesNeedOneProcess(t *testing.T) {
	bucket := openFiles(t)
	defer bucket.Close()
	for name, bucket := range map[string]*blob.Bucket{"bucket": bucket, "below a prefix": blob.PrefixedBucket(openFiles(t), "a/")} {
		_, err := cloudblob.New(bucket, cloudblob.Options{})
		var bad *bulk.ConfigError
		if !errors.As(err, &bad) || bad.Field != "Options.OneProcess" {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestOptions(t *testing.T) {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	for field, opts := range map[string]cloudblob.Options{
		"Options.PartSize": {PartSize: 1}, "Options.Concurrency": {Concurrency: -1},
	} {
		_, err := cloudblob.New(bucket, opts)
		var bad *bulk.ConfigError
		if !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%s: error is %v", field, err)
		}
	}
	if _, err := cloudblob.New(nil, cloudblob.Options{}); err == nil {
		t.Error("a store without a bucket")
	}
	if _, err := cloudblob.NewSigning(bucket, cloudblob.Options{}, nil); err == nil {
		t.Error("a store that signs without knowing how")
	}
	store, err := cloudblob.New(bucket, cloudblob.Options{PartSize: 6 << 20, Concurrency: 2})
	if err != nil || bulk.PutMemory(store) != 50<<20 {
		t.Errorf("a Put holds %d bytes, want 50 MiB; %v", bulk.PutMemory(store), err)
	}
}

// A bucket that looks as if it put if absent, and replaces.
func TestCheck(t *testing.T) {
	good := newStore(t, memblob.OpenBucket(nil), cloudblob.Options{})
	if err := good.Check(t.Context()); err != nil {
		t.Errorf("memblob: %v", err)
	}
	bad := newStore(t, blob.NewBucket(&replacing{blobs: make(map[string][]byte)}), cloudblob.Options{})
	if err := bad.Check(t.Context()); !errors.Is(err, cloudblob.ErrNoCondition) || bulk.Retryable(err) {
		t.Errorf("a bucket that replaces: error is %v, want %q, not retryable", err, cloudblob.ErrNoCondition)
	}
	if err := newStore(t, openFiles(t), cloudblob.Options{OneProcess: true}).Check(t.Context()); err != nil {
		t.Errorf("fileblob: %v", err)
	}
	server := awstest.S3(t)
	opened := openS3(t, client(server, awstest.Transport(t)), newBucket(t, server))
	if err := newStore(t, opened, cloudblob.Options{}).Check(t.Context()); err != nil {
		t.Errorf("s3blob: %v", err)
	}
}

// replacing is a driver that ignores the condition, as some servers do that speak
// the protocol of S3.
type replacing struct {
	driver.Bucket // what is not called
	blobs         map[string][]byte
}

type replacingWriter struct {
	bytes.Buffer
	end func([]byte)
}

func (w *replacingWriter) Close() error { w.end(w.Bytes()); return nil }

type replacingReader struct{ *bytes.Reader }

func (r replacingReader) Close() error { return nil }
func (r replacingReader) As(any) bool  { return false }
func (r replacingReader) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{Size: r.Size()}
}

func (b *replacing) NewTypedWriter(_ context.Context, key, _ string, _ *driver.WriterOptions) (driver.Writer, error) {
	return &replacingWriter{end: func(content []byte) { b.blobs[key] = content }}, nil
}

func (b *replacing) NewRangeReader(_ context.Context, key string, _, _ int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	return replacingReader{bytes.NewReader(b.blobs[key])}, nil
}

func (b *replacing) Delete(_ context.Context, key string, _ *driver.DeleteOptions) error {
	delete(b.blobs, key)
	return nil
}
func (b *replacing) As(any) bool                        { return false }
func (b *replacing) ErrorCode(error) gcerrors.ErrorCode { return gcerrors.Unknown }
func (b *replacing) Close() error                       { return nil }

// TestPutsOfOneProcessEndInTurn has a driver that looks before it writes, and takes a while
// from the one to the other.
func TestPutsOfOneProcessEndInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drv := &looking{there: make(map[string]bool)}
		store := newStore(t, blob.NewBucket(drv), cloudblob.Options{OneProcess: true})
		var puts sync.WaitGroup
		outcomes := make([]error, 3)
		for i := range outcomes {
			puts.Go(func() { outcomes[i] = store.Put(t.Context(), "key", strings.NewReader("content"), bulk.BlobInfo{}) })
		}
		puts.Wait()
		if refused := slices.DeleteFunc(outcomes, func(err error) bool { return !errors.Is(err, bulk.ErrBlobExists) }); len(refused) != 2 {
			t.Errorf("%d of 3 puts of one key were refused, want 2", len(refused))
		}
		if drv.written != 1 {
			t.Errorf("one blob was written %d times", drv.written)
		}
	})
}

// looking is a driver that looks before it writes.
type looking struct {
	replacing
	there   map[string]bool
	written int
}

func (b *looking) NewTypedWriter(_ context.Context, key, _ string, _ *driver.WriterOptions) (driver.Writer, error) {
	return &lookingWriter{end: func() error {
		if b.there[key] {
			return errors.New("exists")
		}
		time.Sleep(time.Second)
		b.there[key] = true
		b.written++
		return nil
	}}, nil
}

func (b *looking) Attributes(context.Context, string) (*driver.Attributes, error) {
	return &driver.Attributes{}, nil
}

type lookingWriter struct {
	bytes.Buffer
	end func() error
}

func (w *lookingWriter) Close() error { return w.end() }

// inParts is the size of a blob that the driver of S3 uploads in parts: from 16 MiB on.
const inParts = 17 << 20

// A write that was done and whose answer was lost is known for the store's own: the
// driver sends it again, and is told that there is an object.
func TestLostAnswers(t *testing.T) {
	server := awstest.S3(t)
	bucket := newBucket(t, server)
	for operation, size := range map[string]int{"PutObject": 1000, "CompleteMultipartUpload": inParts} {
		for name, client := range map[string]func(awstest.Server, http.RoundTripper) *s3.Client{
			"sent again": client,
			"sent once":  awstest.Server.S3,
		} {
			t.Run(operation+"/"+name, func(t *testing.T) {
				faults := awstest.NewFaults(t, awstest.Transport(t), 1, awstest.Rule{Kind: awstest.LostAnswer, Operations: []string{operation}, Times: 1})
				store := newStore(t, openS3(t, client(server, faults), bucket), cloudblob.Options{})
				want := content(size)
				key := "lost/" + strings.ReplaceAll(t.Name(), "#", "-")
				if err := store.Put(t.Context(), key, iotest.HalfReader(bytes.NewReader(want)), bulk.BlobInfo{}); err != nil {
					t.Fatal(err)
				}
				if faults.Injected(awstest.LostAnswer) != 1 {
					t.Error("no answer was lost")
				}
				if got := read(t, store, key); !bytes.Equal(got, want) {
					t.Errorf("the blob has %d bytes, want %d", len(got), len(want))
				}
				err := store.Put(t.Context(), key, strings.NewReader("other"), bulk.BlobInfo{})
				if !errors.Is(err, bulk.ErrBlobExists) {
					t.Errorf("Put of another: %v", err)
				}
			})
		}
	}
}

// Of two large blobs that are uploaded at the same time one is stored.
func TestLargeBlobsRace(t *testing.T) {
	server := awstest.S3(t)
	store := newStore(t, openS3(t, client(server, awstest.Transport(t)), newBucket(t, server)), cloudblob.Options{})
	contents, outcomes := [2][]byte{content(inParts), content(inParts + 1)}, [2]error{}
	var puts sync.WaitGroup
	for i := range contents {
		puts.Go(func() { outcomes[i] = store.Put(t.Context(), "large", bytes.NewReader(contents[i]), bulk.BlobInfo{}) })
	}
	puts.Wait()
	winner := 0
	if outcomes[0] != nil {
		winner = 1
	}
	if outcomes[winner] != nil || outcomes[1-winner] == nil {
		t.Fatalf("outcomes are %v, want one error", outcomes)
	}
	if got := read(t, store, "large"); !bytes.Equal(got, contents[winner]) {
		t.Errorf("the blob has %d bytes, want %d", len(got), len(contents[winner]))
	}
}

func content(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b) // never fails
	return b
}

func read(t *testing.T, store bulk.BlobStore, key string) []byte {
	t.Helper()
	r, err := store.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// A blob that was stored just when the context ended stays, and is known to be there: others may have seen it.
func TestCancelledTooLate(t *testing.T) {
	server := awstest.S3(t)
	bucket := newBucket(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	next := awstest.Transport(t)
	store := newStore(t, openS3(t, client(server, roundTripper(func(request *http.Request) (*http.Response, error) {
		if request.Method != http.MethodPut {
			return next.RoundTrip(request)
		}
		response, err := next.RoundTrip(request.WithContext(context.WithoutCancel(ctx)))
		if err == nil {
			response.Body.Close()
		}
		cancel()
		return nil, context.Canceled
	})), bucket), cloudblob.Options{})
	if err := store.Put(ctx, "late", bytes.NewReader(content(1000)), bulk.BlobInfo{}); err != nil {
		t.Errorf("Put: %v", err)
	}
	if got := read(t, store, "late"); !bytes.Equal(got, content(1000)) {
		t.Error("the blob is not as written")
	}
}

// A connection that breaks while a blob is read is opened again where it broke.
func TestBrokenConnection(t *testing.T) {
	server := awstest.S3(t)
	bucket := newBucket(t, server)
	want := content(1 << 20)
	if err := newStore(t, openS3(t, client(server, awstest.Transport(t)), bucket), cloudblob.Options{}).Put(t.Context(), "k", bytes.NewReader(want), bulk.BlobInfo{}); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		yields int // bytes, before the connection breaks
		fails  bool
	}{
		"sometimes": {yields: 200_000},
		"at once":   {yields: 0, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			next := awstest.Transport(t)
			opened := 0
			store := newStore(t, openS3(t, client(server, roundTripper(func(request *http.Request) (*http.Response, error) {
				response, err := next.RoundTrip(request)
				if err == nil && request.Method == http.MethodGet {
					opened++
					response.Body = &breaking{response.Body, test.yields, broken}
				}
				return response, err
			})), bucket), cloudblob.Options{})
			r, err := store.Get(t.Context(), "k")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			got, err := io.ReadAll(r)
			if test.fails {
				if !errors.Is(err, broken) {
					t.Errorf("error is %v", err)
				}
				return
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("read %d of %d bytes: %v", len(got), len(want), err)
			}
			if opened < 5 {
				t.Errorf("opened %d times", opened)
			}
		})
	}
}

// breaking is a body that fails after a number of bytes, unless it ends before.
type breaking struct {
	io.ReadCloser
	left int
	err  error
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// A bucket that is not there is not a blob that is not there.
func TestMissingBucket(t *testing.T) {
	server := awstest.S3(t)
	store := newStore(t, openS3(t, client(server, awstest.Transport(t)), "no-such-bucket"), cloudblob.Options{})
	_, getErr := store.Get(t.Context(), "k")
	for method, err := range map[string]error{
		"Get":    getErr,
		"Delete": store.Delete(t.Context(), "k"),
		"Put":    store.Put(t.Context(), "k", strings.NewReader("x"), bulk.BlobInfo{}),
		"Check":  store.Check(t.Context()),
	} {
		if err == nil || errors.Is(err, bulk.ErrBlobNotFound) || bulk.Retryable(err) {
			t.Errorf("%s: error is %v, want one that is not retryable", method, err)
		}
	}
}

func TestThrottleIsRetryable(t *testing.T) {
	server := awstest.S3(t)
	bucket := newBucket(t, server)
	for _, kind := range []awstest.Kind{awstest.Throttle, awstest.ServerError} {
		faults := awstest.NewFaults(t, awstest.Transport(t), 1, awstest.Rule{Kind: kind})
		store := newStore(t, openS3(t, server.S3(faults), bucket), cloudblob.Options{})
		if err := store.Put(t.Context(), "k", strings.NewReader("abc"), bulk.BlobInfo{}); err == nil || !bulk.Retryable(err) {
			t.Errorf("%s: error is %v, want one that is retryable", kind, err)
		}
	}
}

// Links for a driver that they were not meant for are an error, not links that
// download the blob under any name.
func TestSignForAnotherDriver(t *testing.T) {
	bucket := openFiles(t)
	defer bucket.Close()
	store, err := cloudblob.NewSigning(bucket, cloudblob.Options{OneProcess: true}, attachS3)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.SignURL(t.Context(), "k", bulk.SignOptions{TTL: time.Minute, FileName: "a"}); err == nil || bulk.Retryable(err) {
		t.Errorf("error is %v, want one that is not retryable", err)
	}
}
