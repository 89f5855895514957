package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What cannot be written is refused before anything is sent.
func TestFailedFileIsCheckedFirst(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		table := writeFile(t, userTable(1))
		dir := t.TempDir()
		link := filepath.Join(dir, "link.csv")
		if err := os.Symlink(table, link); err != nil {
			t.Fatal(err)
		}
		for name, part := range map[string]string{
			dir:                                 "is a folder",
			table:                               "is the file to import",
			link:                                "is the file to import",
			filepath.Join(dir, "none", "f.csv"): "there can be no file in " + filepath.Join(dir, "none"),
		} {
			code, _, stderr := s.run(t.Context(), "-failed", name, table)
			want(t, exitUsage, code, stderr, "csvimport: -failed: ", part)
		}
		if s.posts > 0 {
			t.Errorf("%d requests were sent", s.posts)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("the check leaves %v", entries)
		}
	})
}

// A file of an earlier run is gone after one without failed rows, and stays as long as
// it is not known that there are none.
func TestOldFailedFile(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		dir := t.TempDir()
		failed, link := filepath.Join(dir, "failed.csv"), filepath.Join(dir, "link.csv")
		if err := os.Symlink(failed, link); err != nil {
			t.Fatal(err)
		}
		bad := writeFile(t, "email\nnowhere\n")
		code, out, _ := s.run(t.Context(), "-failed", failed, bad)
		want(t, exitRows, code, out, "Rows not imported: 1. They are in "+failed)
		old := readFile(t, failed)

		s.answer(2, 401, nil, problem("UNAUTHENTICATED", "no", "null"))
		code, _, _ = s.run(t.Context(), "-failed", failed, writeFile(t, userTable(2)))
		want(t, exitUsage, code, "")
		if readFile(t, failed) != old {
			t.Error("an import that was refused changed the file")
		}

		s.before = nil
		code, out, _ = s.run(t.Context(), "-failed", link, writeFile(t, "email\nelsewhere\n"))
		want(t, exitRows, code, out)
		if text := readFile(t, failed); !strings.Contains(text, "elsewhere") {
			t.Errorf("a link was replaced, and not what it leads to: %s", text)
		}

		code, out, _ = s.run(t.Context(), "-failed", failed, writeFile(t, userTable(2)))
		want(t, exitFine, code, out)
		if _, err := os.Stat(failed); !os.IsNotExist(err) {
			t.Errorf("the file of an earlier run is there: %v", err)
		}
	})
}

func TestFailedRowsGoToADevice(t *testing.T) {
	withService(t, func(t *testing.T, s *service) {
		code, out, _ := s.run(t.Context(), "-failed", os.DevNull, writeFile(t, "email\nnowhere\n"))
		want(t, exitRows, code, out)
		if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
			t.Errorf("the device was replaced: %v, %v", info, err)
		}
	})
}
