package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestCacheKeepsOnlyWhatWasFilledCompletely(t *testing.T) {
	c, err := newCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	interrupted := errors.New("interrupted")
	_, err = c.get(t.Context(), "tool@1", func(_ context.Context, dir string) error {
		writeFile(t, filepath.Join(dir, "half"))
		return interrupted
	})
	if !errors.Is(err, interrupted) {
		t.Fatalf("get returned %v, want the error of fill", err)
	}
	if left, _ := os.ReadDir(c.dir); len(left) != 0 {
		t.Fatalf("a failed fill left %v in the cache", left)
	}

	dir, err := c.get(t.Context(), "tool@1", func(_ context.Context, dir string) error {
		writeFile(t, filepath.Join(dir, "whole"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "whole")); err != nil {
		t.Fatal(err)
	}
	again, err := c.get(t.Context(), "tool@1", func(context.Context, string) error {
		t.Error("fill was called for a key that is in the cache")
		return nil
	})
	if err != nil || again != dir {
		t.Fatalf("get returned %q, %v; want %q again", again, err, dir)
	}
}

func TestCacheUsesWhatAnotherProcessFilledMeanwhile(t *testing.T) {
	c, err := newCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := c.get(t.Context(), "tool@1", func(ctx context.Context, _ string) error {
		_, err := c.get(ctx, "tool@1", func(_ context.Context, dir string) error {
			writeFile(t, filepath.Join(dir, "first"))
			return nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "first")); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(c.dir); len(entries) != 1 {
		t.Fatalf("the cache holds %v, want the one result", entries)
	}
}

func writeFile(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(name, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestCacheIsOpen(t *testing.T) {
	dir, err := os.MkdirTemp("", "testservers-") // closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c, err := newCache(filepath.Join(dir, "cache"))
	if err != nil {
		t.Fatal(err)
	}
	if c.isOpen() {
		t.Error("a cache in a closed folder is said to be open")
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if !c.isOpen() {
		t.Error("a cache in an open folder is said to be closed")
	}
}
