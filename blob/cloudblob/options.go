package cloudblob

import (
	"cmp"
	"fmt"

	"github.com/bulkops/bulkops/bulk"
)

// Limits and defaults of [Options].
const (
	// MinPartSize is the least size in bytes of a part of an upload: that of Amazon
	// S3. Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits".
	MinPartSize = 5 << 20

	DefaultPartSize    = MinPartSize
	DefaultConcurrency = 3

	// bufferedParts is how many parts drivers hold beyond those that are being sent, and
	// bufferedStart how many bytes of a blob that of S3 reads before it decides to make
	// parts of it, with what its buffer has to spare.
	bufferedParts = 3
	bufferedStart = 20 << 20
)

// Options say how a [Store] writes. The zero value of every field takes its default.
type Options struct {
	// PartSize is the size in bytes of the parts in which a driver uploads a larger
	// blob. A Put takes up to (Concurrency + 3) × PartSize + 20 MiB of memory. S3 takes
	// 10,000 parts. Defaults to 5 MiB, which is the least.
	PartSize int
	// Concurrency is how many parts of a blob are sent at the same time, where the
	// driver can. Defaults to 3.
	Concurrency int

	// OneProcess says that no other Store, of this process or another, puts blobs into
	// the bucket. Puts then end one after the other, which makes up for a driver
	// that looks before it writes: fileblob, which is refused without it.
	OneProcess bool
}

func (o *Options) fill() error {
	o.PartSize = cmp.Or(o.PartSize, DefaultPartSize)
	o.Concurrency = cmp.Or(o.Concurrency, DefaultConcurrency)
	switch {
	case o.PartSize < MinPartSize:
		return &bulk.ConfigError{Field: "Options.PartSize", Problem: fmt.Sprintf("is %d; it must be at least %d", o.PartSize, MinPartSize)}
	case o.Concurrency < 1:
		return &bulk.ConfigError{Field: "Options.Concurrency", Problem: "is negative"}
	}
	return nil
}
