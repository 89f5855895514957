package cloudblob

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/bulkops/bulkops/bulk"
)

// classify makes permanent, for [bulk.Retryable], what no repetition mends. What the
// driver has no code for may pass. It sees to it that the error of a context that
// has ended is in the chain.
func classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	switch gcerrors.Code(err) {
	case gcerrors.NotFound, gcerrors.InvalidArgument, gcerrors.Unimplemented, gcerrors.PermissionDenied:
		return bulk.Permanent(err)
	}
	return err
}

func isMissing(err error) bool { return gcerrors.Code(err) == gcerrors.NotFound }

// errMissing is [bulk.ErrBlobNotFound] of a bucket that is there.
var errMissing = fmt.Errorf("%w in the bucket", bulk.ErrBlobNotFound)

var errNoBucket = errors.New("the bucket is missing or may not be listed")

// missing tells what it means that the driver found nothing under a key: it returns
// errMissing, or why nobody can know.
func (s *Store) missing(ctx context.Context, key string) error {
	_, err := s.bucket.List(&blob.ListOptions{Prefix: key}).Next(ctx)
	switch {
	case err == nil, err == io.EOF: //nolint:errorlint // as it is documented
		return errMissing
	case isMissing(err), gcerrors.Code(err) == gcerrors.PermissionDenied:
		return bulk.Permanent(fmt.Errorf("%w: %w", errNoBucket, err))
	default:
		return classify(ctx, err)
	}
}
