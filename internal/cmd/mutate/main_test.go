package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every fault of the list can be planted in the source as it is now. Whether it is
// caught is for the command itself, as that needs servers and minutes.
func TestMutationsApply(t *testing.T) {
	names := make(map[string]bool)
	for _, m := range mutations() {
		source, err := m.plant("../../..")
		if err != nil {
			t.Errorf("%s: %v", m, err)
			continue
		}
		if m.old == m.new || len(source) == 0 || m.test == "" {
			t.Errorf("%s: changes nothing, or names no test", m)
		}
		if names[m.String()] {
			t.Errorf("%s: the name is not unique", m)
		}
		names[m.String()] = true
	}
}

// TestVerdicts plants faults in a module of its own, whose tests are those that a
// verdict can go wrong with: one that fails anyway, and one that is skipped, which must
// not pass for one that has noticed nothing.
func TestVerdicts(t *testing.T) {
	root := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":      "module example.com/m\n\ngo 1.26\n",
		"p/p.go":      "package p\n\nfunc Even(n int) bool { return n%2 == 0 }\n\nfunc Odd(n int) bool { return !Even(n) }\n",
		"p/p_test.go": "package p\n\nimport \"testing\"\n\nfunc TestEven(t *testing.T) {\n\tif !Even(2) {\n\t\tt.Error(2)\n\t}\n}\n\nfunc TestBroken(t *testing.T) { t.Error() }\n\nfunc TestSkipped(t *testing.T) { t.Skip() }\n",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		old, new, test string
		want           string // "" for caught
	}{
		"caught":             {"n%2 == 0", "n%2 == 1", "TestEven", ""},
		"caught by a panic":  {"return n%2 == 0", `panic("x")`, "TestEven", ""},
		"survives":           {"!Even(n)", "Even(n)", "TestEven", "SURVIVED TestEven"},
		"text is not there":  {"nowhere", "", "TestEven", "0 times"},
		"text is there more": {"Even", "Odd", "TestEven", "2 times"},
		"does not compile":   {"n%2 == 0", "n%2", "TestEven", "cannot be built"},
		"test is missing":    {"n%2 == 0", "false", "TestNone", "TestNone runs no test"},
		"test is skipped":    {"n%2 == 0", "false", "TestSkipped", "TestSkipped runs no test"},
		"test fails anyway":  {"n%2 == 0", "false", "TestBroken", "without the fault: TestBroken fails"},
	} {
		t.Run(name, func(t *testing.T) {
			l := &lab{root: root, dir: t.TempDir(), times: 1, sound: make(map[trial]error)}
			err := l.try(t.Context(), mutation{file: "p/p.go", old: test.old, new: test.new, test: test.test})
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
