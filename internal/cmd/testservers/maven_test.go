//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// withProgram puts a shell script in front of all programs of that name.
func withProgram(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestMavenJars(t *testing.T) {
	withProgram(t, "mvn", `for arg; do case $arg in -DoutputDirectory=*) out=${arg#*=};; esac; done
grep -q "<groupId>org.example</groupId> <artifactId>name</artifactId> <version>1.2</version>" pom.xml && echo x >"$out/name-1.2.jar"`)
	dir := t.TempDir()
	if err := mavenJars(t.Context(), "org.example:name:1.2", dir); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "name-1.2.jar" {
		t.Errorf("the folder holds %v, %v; want the jar alone", left, err)
	}
	if err := mavenJars(t.Context(), "name:1.2", dir); err == nil {
		t.Error("mavenJars took an artifact without a group")
	}

	withProgram(t, "mvn", `echo "[ERROR] no such artifact"; exit 1`)
	if err := mavenJars(t.Context(), "org.example:name:1.2", t.TempDir()); err == nil || !strings.Contains(err.Error(), "no such artifact") {
		t.Errorf("mavenJars returned %v, which does not say what Maven said", err)
	}
}
