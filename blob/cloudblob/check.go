package cloudblob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// ErrNoCondition is what [Store.Check] says of a bucket that puts a blob although its
// key is in use. No repetition mends it.
var ErrNoCondition = bulk.Permanent(errors.New("cloudblob: the bucket does not put if absent: it replaces blobs"))

// Check puts a small blob twice, reads and removes it, and so finds out whether the
// bucket refuses the second, whether the first can be read and whether the program
// may do all that. A bucket that replaces blobs is [ErrNoCondition]. It is for the
// start of a program.
func (s *Store) Check(ctx context.Context) error {
	if err := s.check(ctx, "check/"+rand.Text()); err != nil {
		return fmt.Errorf("cloudblob: check: %w", err)
	}
	return nil
}

func (s *Store) check(ctx context.Context, key string) error {
	if err := s.Put(ctx, key, strings.NewReader("first"), bulk.BlobInfo{}); err != nil {
		return err
	}
	second := s.Put(ctx, key, strings.NewReader("second"), bulk.BlobInfo{})
	content, err := s.content(ctx, key)
	if deleteErr := s.Delete(ctx, key); deleteErr != nil {
		err = errors.Join(err, deleteErr)
	}
	switch {
	case second == nil:
		return ErrNoCondition
	case !errors.Is(second, bulk.ErrBlobExists):
		return second
	case err != nil:
		return err
	case content != "first":
		return ErrNoCondition
	}
	return nil
}

func (s *Store) content(ctx context.Context, key string) (string, error) {
	r, err := s.Get(ctx, key)
	if err != nil {
		return "", err
	}
	content, err := io.ReadAll(r)
	return string(content), errors.Join(err, r.Close())
}
