package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/bulkops/bulkops/bulk"
)

type classified bool

func (c classified) Error() string   { return "classified" }
func (c classified) Retryable() bool { return bool(c) }

func TestRetryable(t *testing.T) {
	for _, final := range []error{
		nil, context.Canceled, bulk.ErrConflict, bulk.ErrEmailTaken, bulk.ErrUserTooLarge, bulk.ErrBatchTooLarge,
		bulk.ErrBlobExists, bulk.ErrBlobNotFound, bulk.ErrBadBlobKey, bulk.ErrJobExists, bulk.ErrJobNotFound,
		bulk.ErrNoJob, bulk.ErrLeaseLost, bulk.ErrJobEnded, bulk.ErrBadCursor, bulk.ErrNoResults, bulk.ErrForbidden,
		classified(false), bulk.Permanent(errors.New("denied")),
	} {
		assert.False(t, bulk.Retryable(final), "%v", final)
		if final != nil {
			assert.False(t, bulk.Retryable(fmt.Errorf("call: %w", final)), "wrapped: %v", final)
		}
	}
	for _, passing := range []error{
		errors.New("reset by peer"), context.DeadlineExceeded, classified(true),
		fmt.Errorf("call: %w", classified(true)), bulk.ErrUnavailable,
	} {
		assert.True(t, bulk.Retryable(passing), "%v", passing)
	}
	assert.False(t, bulk.Retryable(bulk.Permanent(classified(true))), "the outermost says so")
}

func TestPermanent(t *testing.T) {
	assert.NoError(t, bulk.Permanent(nil))
	cause := errors.New("access denied")
	err := bulk.Permanent(cause)
	assert.ErrorIs(t, err, cause)
	assert.Equal(t, "access denied", err.Error())
}

func TestErrorTexts(t *testing.T) {
	assert.EqualError(t, &bulk.RequestError{Code: bulk.CodeEmptyUsers, Message: "users is empty"}, "bulk: EMPTY_USERS: users is empty")
	assert.EqualError(t, &bulk.ConfigError{Field: "Config.Store", Problem: "is required"}, "bulk: Config.Store is required")
}
