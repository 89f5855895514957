package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A mutation is a fault that can be planted.
type mutation struct {
	// name says what is wrong, as in "the condition lacks the old email".
	name string
	// file is the source file, relative to the module. Its tests are those of its
	// package, or of the one that in names.
	file, in string
	// old is replaced by new. It occurs exactly once in the file.
	old, new string
	// test is the test that must fail, as a pattern for go test -run.
	test string
}

// mutations returns all faults, by package.
func mutations() []mutation {
	return slices.Concat(bulkFaults, httpapiFaults, dynamostore, dynamojobs, sqsjobs, pgjobs, cloudblob, console, page)
}

// pkg is the import path of the package under test, relative to the module. A file that is
// not Go is embedded by the package of the folder above.
func (m mutation) pkg() string {
	if m.in != "" {
		return m.in
	}
	dir := path.Dir(m.file)
	if path.Ext(m.file) != ".go" {
		dir = path.Dir(dir)
	}
	return dir
}

func (m mutation) String() string { return m.pkg() + ": " + m.name }

// plant returns the source file of the module with the fault in it.
func (m mutation) plant(root string) ([]byte, error) {
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		return nil, fmt.Errorf("%s has the text to replace %d times, want once: %q", m.file, n, m.old)
	}
	return []byte(strings.Replace(string(source), m.old, m.new, 1)), nil
}
