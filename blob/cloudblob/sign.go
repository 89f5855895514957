package cloudblob

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"gocloud.dev/blob"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/disposition"
)

// A SigningStore is a [Store] whose driver signs URLs: a [bulk.URLSigner]. Make one
// with [NewSigning].
type SigningStore struct {
	*Store
	attach Attach
}

var _ bulk.URLSigner = (*SigningStore)(nil)

// An Attach makes a driver's request to sign a GET say what the answer's headers
// Content-Disposition and Content-Type are to be. It reports whether it knows the
// driver. as is that of [blob.SignedURLOptions.BeforeSign]: it fills a variable of
// a type of the driver. For S3:
//
//	func(as func(any) bool, disposition, contentType string) bool {
//		var in *s3.GetObjectInput
//		if !as(&in) {
//			return false
//		}
//		in.ResponseContentDisposition, in.ResponseContentType = &disposition, &contentType
//		return true
//	}
//
// For Google Cloud Storage the type is *storage.SignedURLOptions, whose
// QueryParameters take response-content-disposition and response-content-type. The
// drivers of Azure and of files let no header be set: on those package httpapi serves
// downloads.
type Attach func(as func(any) bool, disposition, contentType string) bool

// NewSigning returns a store that also signs URLs, or a [*bulk.ConfigError].
func NewSigning(bucket *blob.Bucket, opts Options, attach Attach) (*SigningStore, error) {
	if attach == nil {
		return nil, &bulk.ConfigError{Field: "attach", Problem: "is required"}
	}
	store, err := New(bucket, opts)
	if err != nil {
		return nil, err
	}
	return &SigningStore{store, attach}, nil
}

// MaxSignTTL is the longest time that a signed URL of S3 and of Google Cloud Storage
// can be valid for.
const MaxSignTTL = 7 * 24 * time.Hour

var (
	errShortTTL = errors.New("the time to live is below one second")
	errDriver   = errors.New("the driver is not the one that URLs can be signed for")
)

// SignURL implements [bulk.URLSigner]. The URL stops working after the time asked
// for or seven days. Drivers do not tell when the credentials end that they sign
// with, and a signature dies with them: ask for less than these live.
func (s *SigningStore) SignURL(ctx context.Context, key string, opts bulk.SignOptions) (string, time.Time, error) {
	err := bulk.CheckBlobKey(key)
	var signed string
	var expires time.Time
	if err == nil {
		signed, expires, err = s.sign(ctx, key, opts)
	}
	if err != nil {
		return "", time.Time{}, fmt.Errorf("cloudblob: sign URL of %q: %w", key, err)
	}
	return signed, expires, nil
}

func (s *SigningStore) sign(ctx context.Context, key string, opts bulk.SignOptions) (string, time.Time, error) {
	if opts.TTL < time.Second {
		return "", time.Time{}, bulk.Permanent(errShortTTL)
	}
	ttl := min(opts.TTL, MaxSignTTL).Truncate(time.Second) // the unit of signatures
	before := time.Now().Truncate(time.Second)
	signed, err := s.bucket.SignedURL(ctx, key, &blob.SignedURLOptions{
		Expiry: ttl,
		BeforeSign: func(as func(any) bool) error {
			if !s.attach(as, disposition.Attachment(opts.FileName), opts.ContentType) {
				return bulk.Permanent(errDriver)
			}
			return nil
		},
	})
	if err != nil {
		return "", time.Time{}, classify(ctx, err)
	}
	if expires, ok := expiry(signed); ok {
		return signed, expires, nil
	}
	return signed, before.Add(ttl), nil
}

// expiry returns when a signed URL of S3 or Google Cloud Storage stops working, by
// what it says itself: their parameters differ in the prefix.
func expiry(signed string) (time.Time, bool) {
	u, err := url.Parse(signed)
	if err != nil {
		return time.Time{}, false
	}
	query := u.Query()
	for _, prefix := range []string{"X-Amz-", "X-Goog-"} {
		date, dateErr := time.Parse("20060102T150405Z", query.Get(prefix+"Date"))
		seconds, secondsErr := strconv.Atoi(query.Get(prefix + "Expires"))
		if dateErr == nil && secondsErr == nil {
			return date.Add(time.Duration(seconds) * time.Second), true
		}
	}
	return time.Time{}, false
}
