package s3blob

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/disposition"
)

// MaxSignTTL is the longest time that a signed URL can be valid for. Source: Amazon
// S3 User Guide, "Download and upload objects with presigned URLs".
const MaxSignTTL = 7 * 24 * time.Hour

// SignURL implements [bulk.URLSigner]. The URL stops working at the earliest of
// the time asked for, seven days, and the end of the credentials that sign it: a
// signature dies with its credentials. With those of a role that can be minutes
// from now. A TTL below one second cannot be had.
func (s *Store) SignURL(ctx context.Context, key string, opts bulk.SignOptions) (string, time.Time, error) {
	err := bulk.CheckBlobKey(key)
	var signed string
	var expires time.Time
	if err == nil {
		signed, expires, err = s.sign(ctx, key, opts)
	}
	if err != nil {
		return "", time.Time{}, fmt.Errorf("s3blob: sign URL of %q: %w", key, err)
	}
	return signed, expires, nil
}

var (
	errShortTTL    = errors.New("the time to live is below one second")
	errCredentials = errors.New("the credentials have ended")
	errSignedURL   = errors.New("the signed URL does not say when it expires, or needs headers")
)

func (s *Store) sign(ctx context.Context, key string, opts bulk.SignOptions) (string, time.Time, error) {
	if opts.TTL < time.Second {
		return "", time.Time{}, bulk.Permanent(errShortTTL)
	}
	creds, err := s.opts.Credentials.Retrieve(ctx)
	if err != nil {
		return "", time.Time{}, classify(ctx, err)
	}
	ttl := min(opts.TTL, MaxSignTTL)
	if creds.CanExpire {
		ttl = min(ttl, time.Until(creds.Expires))
	}
	ttl = ttl.Truncate(time.Second) // the unit of the signature
	if ttl <= 0 {
		return "", time.Time{}, errCredentials
	}
	input := &s3.GetObjectInput{
		Bucket:                     aws.String(s.opts.Bucket),
		Key:                        s.objectKey(key),
		ResponseContentDisposition: aws.String(disposition.Attachment(opts.FileName)),
	}
	if opts.ContentType != "" {
		input.ResponseContentType = aws.String(opts.ContentType)
	}
	request, err := s.opts.Presigner.PresignGetObject(ctx, input, func(o *s3.PresignOptions) {
		o.Expires = ttl
		// The very credentials that were asked when they end: the provider may have
		// others by now.
		o.ClientOptions = append(o.ClientOptions, func(o *s3.Options) {
			o.Credentials = credentials.StaticCredentialsProvider{Value: creds}
		})
	})
	if err != nil {
		return "", time.Time{}, classify(ctx, err)
	}
	expires, ok := expiry(request.URL)
	if len(request.SignedHeader) > 1 || !ok { // Host, which every client sends
		return "", time.Time{}, bulk.Permanent(errSignedURL)
	}
	return request.URL, expires, nil
}

// expiry returns when a signed URL stops working, by what it says itself. Source:
// Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters (AWS
// Signature Version 4)".
func expiry(signed string) (time.Time, bool) {
	u, err := url.Parse(signed)
	if err != nil {
		return time.Time{}, false
	}
	query := u.Query()
	date, dateErr := time.Parse("20060102T150405Z", query.Get("X-Amz-Date"))
	seconds, secondsErr := strconv.Atoi(query.Get("X-Amz-Expires"))
	if dateErr != nil || secondsErr != nil {
		return time.Time{}, false
	}
	return date.Add(time.Duration(seconds) * time.Second), true
}
