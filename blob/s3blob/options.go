package s3blob

import (
	"cmp"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bulkops/bulkops/bulk"
)

// Limits of the service, and defaults. Source of the limits: Amazon S3 User Guide,
// "Amazon S3 multipart upload limits".
const (
	// MinPartSize is the least size in bytes of a part of an upload but the last.
	MinPartSize = 5 << 20
	// MaxPartSize is the most.
	MaxPartSize = 5 << 30
	// MaxParts is how many parts an upload has at most.
	MaxParts = 10_000

	// bufferedParts is how many parts the transfer manager holds beyond those that are
	// being sent.
	bufferedParts = 3

	DefaultPartSize    = MinPartSize
	DefaultConcurrency = 3
	// DefaultExpireDays is [bulk.DefaultRetention].
	DefaultExpireDays = int(bulk.DefaultRetention / (24 * time.Hour))
)

// Options say where a [Store] keeps blobs and how. Bucket is required; the zero
// value of every other field takes its default. All stores of the same bucket must
// have the same Prefix.
type Options struct {
	// Bucket is the bucket's name. Required.
	Bucket string
	// Prefix is put before the keys of all blobs, followed by a slash: up to 123
	// bytes that would be a key of [bulk.BlobStore] themselves. Defaults to none.
	Prefix string

	// SSE is how objects are encrypted: "AES256", "aws:kms" or "aws:kms:dsse".
	// Defaults to what the bucket says, or "aws:kms" if there is a KMSKeyID.
	SSE string
	// KMSKeyID is the id or ARN of the KMS key that objects are encrypted with.
	// Defaults to what the bucket says.
	KMSKeyID string

	// PartSize is the size in bytes from which on a blob is uploaded in parts, and
	// that of a part: 5 MiB to 5 GiB. A Put takes up to (Concurrency + 3) ×
	// PartSize bytes of memory, and one of a smaller blob up to three times the
	// blob's size. A blob has at most 10,000 parts. Defaults to 5 MiB.
	PartSize int64
	// Concurrency is how many parts of a blob are sent at the same time. Defaults
	// to 3.
	Concurrency int
	// Checksums is when the transfer manager sends checksums. Defaults to what the
	// client does, if it is an *[s3.Client].
	Checksums aws.RequestChecksumCalculation

	// Presigner and Credentials sign URLs: Credentials are the ones that Presigner
	// signs with, and say when they end. They default to those of the client if it
	// is an *[s3.Client], and are required otherwise.
	Presigner   Presigner
	Credentials aws.CredentialsProvider

	// Region is where [EnsureBucket] creates the bucket. Defaults to the region of
	// the client if that is an *[s3.Client].
	Region string
	// ExpireDays is how many days blobs are kept, see [LifecycleRule]: at least 30,
	// and no less than [bulk.Config.Retention]. Defaults to 30.
	ExpireDays int
}

// fillFrom takes from a client of the SDK what the options do not say.
func (o *Options) fillFrom(client *s3.Client) {
	of := client.Options()
	o.Checksums = cmp.Or(o.Checksums, of.RequestChecksumCalculation)
	o.Region = cmp.Or(o.Region, of.Region)
	if o.Credentials == nil {
		o.Credentials = of.Credentials
	}
	if o.Presigner == nil {
		o.Presigner = s3.NewPresignClient(client)
	}
}

func (o *Options) fill() error {
	o.PartSize = cmp.Or(o.PartSize, DefaultPartSize)
	o.Concurrency = cmp.Or(o.Concurrency, DefaultConcurrency)
	o.ExpireDays = cmp.Or(o.ExpireDays, DefaultExpireDays)
	var clean bool
	o.Prefix, clean = cleanPrefix(o.Prefix)
	var field, problem string
	switch {
	case o.Bucket == "":
		field, problem = "Bucket", "is required"
	case !clean:
		field, problem = "Prefix", fmt.Sprintf("is not a key of a blob of up to %d bytes", MaxPrefix-1)
	case o.PartSize < MinPartSize || o.PartSize > MaxPartSize:
		field, problem = "PartSize", fmt.Sprintf("is %d; it must be from %d to %d", o.PartSize, MinPartSize, int64(MaxPartSize))
	case o.Concurrency < 1:
		field, problem = "Concurrency", "is negative"
	case o.ExpireDays < DefaultExpireDays:
		field, problem = "ExpireDays", fmt.Sprintf("is %d; blobs are kept for at least %d days", o.ExpireDays, DefaultExpireDays)
	default:
		return nil
	}
	return &bulk.ConfigError{Field: "Options." + field, Problem: problem}
}
