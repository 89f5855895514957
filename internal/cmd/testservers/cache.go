package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// A cache is a folder of fetched packages, one complete folder each. Several
// processes may use it at once.
type cache struct {
	dir string // absolute, for servers run in other folders
}

func newCache(dir string) (*cache, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return &cache{dir: dir}, nil
}

// isOpen reports whether everybody can come through to the cache, as to one in a home
// folder nobody else often can.
func (c *cache) isOpen() bool {
	for dir := c.dir; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// get returns the folder named key, which fill fills the first time. The folder
// comes into being by a rename after fill has succeeded, so an interrupted or
// failed fill leaves nothing that looks like a result. Of two processes that fill
// the same key at the same time, the second uses what the first made.
func (c *cache) get(ctx context.Context, key string, fill func(ctx context.Context, dir string) error) (string, error) {
	final := filepath.Join(c.dir, key)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	partial, err := os.MkdirTemp(c.dir, "partial-"+key+"-")
	if err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	defer os.RemoveAll(partial)
	if err := fill(ctx, partial); err != nil {
		return "", err
	}
	if err := os.Rename(partial, final); err != nil {
		if _, statErr := os.Stat(final); statErr == nil {
			return final, nil
		}
		return "", fmt.Errorf("cache: %w", err)
	}
	return final, nil
}
