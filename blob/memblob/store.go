// Package memblob keeps blobs in memory, for unit tests, examples and programs
// that need no blob store.
//
// It follows the same rules as the stores of real services and returns the same
// errors. Nothing is durable: the blobs are gone with the [Store].
package memblob

import (
	"container/list"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// Retention is how long a blob is kept after it was put. Later it does not exist
// any more, and its memory is given back with the next call of the store.
const Retention = 30 * 24 * time.Hour

// A Store is a [bulk.BlobStore] in memory. It does not sign URLs: package httpapi
// serves its downloads. It is safe for concurrent use and has no goroutines. Make
// one with [New].
type Store struct {
	mu    sync.Mutex
	blobs map[string]*list.Element // of blob
	byAge list.List                // of blob, the oldest first
}

type blob struct {
	key     string
	content content
	put     time.Time
}

var _ bulk.BlobStore = (*Store)(nil)

// New returns a store without blobs.
func New() *Store {
	return &Store{blobs: make(map[string]*list.Element)}
}

// Put implements [bulk.BlobStore]. It looks at ctx between two reads of r; a read
// that blocks is for r to end.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, _ bulk.BlobInfo) error {
	if err := s.store(ctx, key, r); err != nil {
		return fmt.Errorf("memblob: put %q: %w", key, err)
	}
	return nil
}

func (s *Store) store(ctx context.Context, key string, r io.Reader) error {
	if err := bulk.CheckBlobKey(key); err != nil {
		return err
	}
	if s.has(key) { // saves reading r; the check that counts is the one below
		return bulk.ErrBlobExists
	}
	c, err := readContent(ctx, r)
	if err != nil {
		return err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.drop(now)
	if s.blobs[key] != nil {
		return bulk.ErrBlobExists
	}
	s.blobs[key] = s.byAge.PushBack(blob{key: key, content: c, put: now})
	return nil
}

// Get implements [bulk.BlobStore].
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	c, err := s.open(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("memblob: get %q: %w", key, err)
	}
	return &reader{ctx: ctx, chunks: c.chunks}, nil
}

func (s *Store) open(ctx context.Context, key string) (content, error) {
	if err := bulk.CheckBlobKey(key); err != nil {
		return content{}, err
	}
	if err := ctx.Err(); err != nil {
		return content{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(time.Now())
	e := s.blobs[key]
	if e == nil {
		return content{}, bulk.ErrBlobNotFound
	}
	return e.Value.(blob).content, nil
}

// Delete implements [bulk.BlobStore].
func (s *Store) Delete(ctx context.Context, key string) error {
	err := bulk.CheckBlobKey(key)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("memblob: delete %q: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(time.Now())
	if e := s.blobs[key]; e != nil {
		s.remove(e)
	}
	return nil
}

// Keys returns the keys of all blobs in order, for tests that want to know what
// was left behind.
func (s *Store) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(time.Now())
	keys := make([]string, 0, len(s.blobs))
	for key := range s.blobs {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Size returns how many bytes all blobs have together.
func (s *Store) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(time.Now())
	var size int64
	for e := s.byAge.Front(); e != nil; e = e.Next() {
		size += e.Value.(blob).content.size
	}
	return size
}

func (s *Store) has(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(time.Now())
	return s.blobs[key] != nil
}

// drop removes the blobs that are too old. Every call does it, so that a blob
// which nobody asks for again goes too; they stand in the order of their age, so
// that it costs nothing when there are none.
func (s *Store) drop(now time.Time) {
	for e := s.byAge.Front(); e != nil && now.Sub(e.Value.(blob).put) >= Retention; e = s.byAge.Front() {
		s.remove(e)
	}
}

func (s *Store) remove(e *list.Element) {
	delete(s.blobs, e.Value.(blob).key)
	s.byAge.Remove(e)
}
