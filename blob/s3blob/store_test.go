package s3blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/blob/s3blob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/bulktest"
	"github.com/bulkops/bulkops/internal/test/awstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const prefix = "blobs/of-tests"

// newBucket creates a bucket and returns its name. It stays on the server, whose
// folder is removed with it.
func newBucket(t *testing.T, server awstest.Server) string {
	t.Helper()
	bucket := awstest.Name(t)
	client := server.S3(awstest.Transport(t))
	if err := s3blob.EnsureBucket(t.Context(), client, s3blob.Options{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	// A server that keeps objects as files removes the folder of a prefix with the
	// last object there, and may then refuse one that is just being put: not so
	// while this one is there.
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(prefix + "/keep")})
	if err != nil {
		t.Fatal(err)
	}
	return bucket
}

func newStore(t *testing.T, client *s3.Client, bucket string) *s3blob.Store {
	t.Helper()
	store, err := s3blob.New(client, s3blob.Options{Bucket: bucket, Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// patient returns a client that tries again, as that of [s3blob.NewClient] does,
// but does not wait long.
func patient(server awstest.Server, transport http.RoundTripper) *s3.Client {
	options := s3blob.NewClient(server.Config(transport)).Options()
	options.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 8
		o.RateLimiter = ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
	})
	return s3.New(options)
}

func content(size int) []byte {
	random := rand.NewChaCha8([32]byte{})
	b := make([]byte, size)
	random.Read(b)
	return b
}

func read(t *testing.T, store bulk.BlobStore, key string) []byte {
	t.Helper()
	r, err := store.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Sizes around the bounds between one request and parts.
var sizes = map[string]int{
	"empty":        0,
	"small":        1000,
	"below a part": s3blob.MinPartSize - 1,
	"one part":     s3blob.MinPartSize,
	"three parts":  2*s3blob.MinPartSize + 1,
}

func TestConformance(t *testing.T) {
	server := awstest.S3(t)
	store := newStore(t, server.S3(awstest.Transport(t)), newBucket(t, server))
	bulktest.TestBlobStore(t, func(*testing.T) bulk.BlobStore { return store })
}

// The rules hold while calls are throttled, fail and lose their answers.
func TestConformanceUnderFaults(t *testing.T) {
	server := awstest.S3(t)
	faults := awstest.NewFaults(t, awstest.Transport(t), 1,
		awstest.Rule{Kind: awstest.LostAnswer, Probability: 0.2, MaxConsecutive: 2},
		awstest.Rule{Kind: awstest.Throttle, Probability: 0.1, MaxConsecutive: 2},
		awstest.Rule{Kind: awstest.ServerError, Probability: 0.1, MaxConsecutive: 2},
	)
	store := newStore(t, patient(server, faults), newBucket(t, server))
	t.Run("suite", func(t *testing.T) { // returns when its parallel cases have ended
		bulktest.TestBlobStore(t, func(*testing.T) bulk.BlobStore { return store })
	})
	for _, kind := range []awstest.Kind{awstest.LostAnswer, awstest.Throttle, awstest.ServerError} {
		if faults.Injected(kind) == 0 {
			t.Errorf("no %s was injected", kind)
		}
	}
	t.Log(faults)
}

func TestSizes(t *testing.T) {
	server := awstest.S3(t)
	bucket := newBucket(t, server)
	for name, size := range sizes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// No fault: the calls are counted.
			calls := awstest.NewFaults(t, awstest.Transport(t), 1)
			store := newStore(t, server.S3(calls), bucket)
			want := content(size)
			key := "size/" + strings.ReplaceAll(name, " ", "-")
			if err := store.Put(t.Context(), key, iotest.HalfReader(bytes.NewReader(want)), bulk.BlobInfo{}); err != nil {
				t.Fatal(err)
			}
			wantPuts := 1
			if size >= s3blob.MinPartSize {
				wantPuts = 0
			}
			if n := calls.Calls("PutObject"); n != wantPuts {
				t.Errorf("%d calls of PutObject, want %d", n, wantPuts)
			}
			if !bytes.Equal(read(t, store, key), want) {
				t.Error("the blob is not as written")
			}
		})
	}
}

// A key in use stays as it is, also when the same bytes are put again.
func TestKeyInUse(t *testing.T) {
	server := awstest.S3(t)
	bucket := newBucket(t, server)
	for name, size := range sizes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := server.S3(awstest.Transport(t))
			store := newStore(t, client, bucket)
			key, want := "used/"+strings.ReplaceAll(name, " ", "-"), content(size)
			if err := store.Put(t.Context(), key, bytes.NewReader(want), bulk.BlobInfo{}); err != nil {
				t.Fatal(err)
			}
			for _, other := range [][]byte{want, []byte("other"), content(s3blob.MinPartSize + 1)} {
				err := store.Put(t.Context(), key, iotest.HalfReader(bytes.NewReader(other)), bulk.BlobInfo{})
				if !errors.Is(err, bulk.ErrBlobExists) {
					t.Errorf("second Put: %v", err)
				}
			}
			if !bytes.Equal(read(t, store, key), want) {
				t.Error("the blob is not as written first")
			}
			noUploads(t, client, bucket, key)
		})
	}
}

// noUploads fails if there are parts of an upload that was not completed.
func noUploads(t *testing.T, client *s3.Client, bucket, key string) {
	t.Helper()
	out, err := client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
	if err != nil {
		t.Fatal(err)
	}
	for _, upload := range out.Uploads {
		if strings.HasSuffix(aws.ToString(upload.Key), key) {
			t.Errorf("an upload of %s stayed behind", key)
		}
	}
}

// A Put whose answers are lost stores the blob once and succeeds.
func TestLostAnswers(t *testing.T) {
	server := awstest.S3(t)
	bucket := newBucket(t, server)
	for operation, size := range map[string]int{"PutObject": 1000, "CompleteMultipartUpload": s3blob.MinPartSize + 1} {
		for name, newClient := range map[string]func(http.RoundTripper) *s3.Client{
			"tried again by the client": func(transport http.RoundTripper) *s3.Client { return patient(server, transport) },
			"not tried again":           server.S3,
			"tried again and lost again": func(transport http.RoundTripper) *s3.Client {
				return patient(server, awstest.NewFaults(t, transport, 1, awstest.Rule{
					Kind: awstest.LostAnswer, Operations: []string{operation}, Times: 3,
				}))
			},
		} {
			t.Run(operation+" "+name, func(t *testing.T) {
				t.Parallel()
				faults := awstest.NewFaults(t, awstest.Transport(t), 1, awstest.Rule{
					Kind: awstest.LostAnswer, Operations: []string{operation}, Times: 1,
				})
				store := newStore(t, newClient(faults), bucket)
				key, want := "lost/"+operation+"/"+strings.ReplaceAll(name, " ", "-"), content(size)
				if err := store.Put(t.Context(), key, iotest.HalfReader(bytes.NewReader(want)), bulk.BlobInfo{}); err != nil {
					t.Fatal(err)
				}
				if faults.Injected(awstest.LostAnswer) != 1 {
					t.Error("no answer was lost")
				}
				if !bytes.Equal(read(t, store, key), want) {
					t.Error("the blob is not as written")
				}
				noUploads(t, server.S3(awstest.Transport(t)), bucket, key)
			})
		}
	}
}

// A reader that fails, or a context that ends, leaves nothing.
func TestAbortedPut(t *testing.T) {
	server := awstest.S3(t)
	bucket := newBucket(t, server)
	broken := errors.New("broken")
	for name, size := range sizes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := server.S3(awstest.Transport(t))
			store := newStore(t, client, bucket)
			key := "aborted/" + strings.ReplaceAll(name, " ", "-")
			gone := func() {
				t.Helper()
				if _, err := store.Get(t.Context(), key); !errors.Is(err, bulk.ErrBlobNotFound) {
					t.Errorf("Get: %v", err)
				}
				noUploads(t, client, bucket, key)
			}
			r := io.MultiReader(bytes.NewReader(content(size)), iotest.ErrReader(broken))
			if err := store.Put(t.Context(), key, r, bulk.BlobInfo{}); !errors.Is(err, broken) {
				t.Errorf("failed reader: %v", err)
			}
			gone()

			ctx, cancel := context.WithCancel(t.Context())
			r = io.MultiReader(bytes.NewReader(content(size)), readerFunc(func([]byte) (int, error) {
				cancel()
				return 0, io.EOF
			}))
			if err := store.Put(ctx, key, r, bulk.BlobInfo{}); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled context: %v", err)
			}
			gone()
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A blob that was stored just when the context ended stays, and is known to be there: others may have seen it.
func TestCancelledTooLate(t *testing.T) {
	server := awstest.S3(t)
	bucket := newBucket(t, server)
	for operation, size := range map[string]int{"PutObject": 1000, "CompleteMultipartUpload": s3blob.MinPartSize + 1} {
		t.Run(operation, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			next := awstest.Transport(t)
			store := newStore(t, server.S3(roundTripper(func(request *http.Request) (*http.Response, error) {
				done := operation == "PutObject" && request.Method == http.MethodPut ||
					operation == "CompleteMultipartUpload" && request.Method == http.MethodPost && request.URL.Query().Has("uploadId")
				if !done {
					return next.RoundTrip(request)
				}
				response, err := next.RoundTrip(request.WithContext(context.WithoutCancel(ctx)))
				if err == nil {
					response.Body.Close()
				}
				cancel()
				return nil, context.Canceled
			})), bucket)
			key := "late/" + operation
			if err := store.Put(ctx, key, bytes.NewReader(content(size)), bulk.BlobInfo{}); err != nil {
				t.Errorf("Put: %v", err)
			}
			if got := read(t, store, key); !bytes.Equal(got, content(size)) {
				t.Error("the blob is not as written")
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// A connection that breaks while a blob is read is opened again where it broke.
func TestBrokenConnection(t *testing.T) {
	server := awstest.S3(t)
	bucket := newBucket(t, server)
	want := content(1 << 20)
	if err := newStore(t, server.S3(awstest.Transport(t)), bucket).Put(t.Context(), "k", bytes.NewReader(want), bulk.BlobInfo{}); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		yields int // bytes, before the connection breaks
		fails  bool
	}{
		"sometimes": {yields: 100_000},
		"at once":   {yields: 0, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			next := awstest.Transport(t)
			var opened atomic.Int32
			store := newStore(t, server.S3(roundTripper(func(request *http.Request) (*http.Response, error) {
				response, err := next.RoundTrip(request)
				if err == nil && request.Method == http.MethodGet {
					opened.Add(1)
					response.Body = &breaking{response.Body, test.yields, broken}
				}
				return response, err
			})), bucket)
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
			if n := opened.Load(); n < 10 {
				t.Errorf("opened %d times", n)
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

func TestReadAfterCancel(t *testing.T) {
	server := awstest.S3(t)
	store := newStore(t, server.S3(awstest.Transport(t)), newBucket(t, server))
	if err := store.Put(t.Context(), "k", strings.NewReader("abc"), bulk.BlobInfo{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := store.Get(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Errorf("read after cancel: %v", err)
	}
}

func TestErrorsAreClassified(t *testing.T) {
	server := awstest.S3(t)
	bucket := newBucket(t, server)
	_, err := newStore(t, server.S3(awstest.Transport(t)), "no-such-bucket").Get(t.Context(), "k")
	if errors.Is(err, bulk.ErrBlobNotFound) || bulk.Retryable(err) {
		t.Errorf("missing bucket: %v; want an error that is not retryable", err)
	}
	wrong := server
	wrong.SecretKey += "x"
	err = newStore(t, wrong.S3(awstest.Transport(t)), bucket).Put(t.Context(), "k", strings.NewReader("abc"), bulk.BlobInfo{})
	if err == nil || bulk.Retryable(err) {
		t.Errorf("wrong credentials: %v; want an error that is not retryable", err)
	}
	for _, kind := range []awstest.Kind{awstest.Throttle, awstest.ServerError} {
		store := newStore(t, server.S3(awstest.NewFaults(t, awstest.Transport(t), 1, awstest.Rule{Kind: kind})), bucket)
		if err := store.Put(t.Context(), "k", strings.NewReader("abc"), bulk.BlobInfo{}); !bulk.Retryable(err) {
			t.Errorf("%s: %v; want a retryable error", kind, err)
		}
	}
}

func TestOptions(t *testing.T) {
	client := awstest.Server{AccessKey: "a", SecretKey: "s"}.S3(http.DefaultTransport)
	for field, opts := range map[string]s3blob.Options{
		"Options.Bucket":      {},
		"Options.Prefix":      {Bucket: "b", Prefix: "/a"},
		"Options.PartSize":    {Bucket: "b", PartSize: 1},
		"Options.Concurrency": {Bucket: "b", Concurrency: -1},
		"Options.ExpireDays":  {Bucket: "b", ExpireDays: 29},
	} {
		_, err := s3blob.New(client, opts)
		_, ruleErr := s3blob.LifecycleRule(opts)
		ensureErr := s3blob.EnsureBucket(t.Context(), client, opts)
		for _, err := range []error{err, ruleErr, ensureErr} {
			var bad *bulk.ConfigError
			if !errors.As(err, &bad) || bad.Field != field {
				t.Errorf("%s: %v", field, err)
			}
		}
	}
	opts := s3blob.Options{Bucket: "b"}
	for name, client := range map[string]s3blob.Client{
		"none":         nil,
		"another kind": struct{ s3blob.Client }{client},
		"cannot sign":  s3blob.NewClient(aws.Config{Credentials: aws.AnonymousCredentials{}}),
	} {
		if _, err := s3blob.New(client, opts); err == nil {
			t.Errorf("client of the kind %q: no error", name)
		}
	}
}

func TestNewClient(t *testing.T) {
	own := s3blob.NewClient(aws.Config{Region: "eu-central-1"}).Options()
	if own.UsePathStyle || own.RequestChecksumCalculation == aws.RequestChecksumCalculationWhenRequired {
		t.Error("a client of AWS is set up as for another server")
	}
	other := s3blob.NewClient(aws.Config{BaseEndpoint: aws.String("http://localhost")}).Options()
	if !other.UsePathStyle ||
		other.RequestChecksumCalculation != aws.RequestChecksumCalculationWhenRequired ||
		other.ResponseChecksumValidation != aws.ResponseChecksumValidationWhenRequired {
		t.Error("a client of another server is set up as for AWS")
	}
}

// A custom endpoint gets no checksum that S3 does not require, from the transfer
// manager either.
func TestChecksumsOfCustomEndpoint(t *testing.T) {
	server := awstest.S3(t)
	bucket := newBucket(t, server)
	next := awstest.Transport(t)
	store := newStore(t, patient(server, roundTripper(func(request *http.Request) (*http.Response, error) {
		for name := range request.Header {
			if strings.HasPrefix(name, "X-Amz-Checksum") || strings.HasPrefix(name, "X-Amz-Sdk-Checksum") || name == "X-Amz-Trailer" {
				t.Errorf("%s %s has the header %s", request.Method, request.URL, name)
			}
		}
		return next.RoundTrip(request)
	})), bucket)
	for name, size := range sizes {
		if err := store.Put(t.Context(), strings.ReplaceAll(name, " ", "-"), bytes.NewReader(content(size)), bulk.BlobInfo{}); err != nil {
			t.Error(err)
		}
	}
}
