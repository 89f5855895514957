package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReportOfGoTest runs "go test" in a module whose tests pass, fail, and are
// skipped.
func TestReportOfGoTest(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":       "module example.com/m\n",
		"ok/a_test.go": "package ok\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Log(\"quiet\") }\n",
		"skip/a_test.go": "package skip\nimport \"testing\"\n" +
			"func TestA(t *testing.T) { t.Run(\"sub\", func(t *testing.T) { t.Skip(\"no server\\nhere\") }) }\n" +
			"func TestB(t *testing.T) { t.SkipNow() }\n",
		"fail/a_test.go": "package fail\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Error(\"broken\") }\n" +
			"func TestB(t *testing.T) { t.Log(\"quiet\") }\n",
		"none/a.go":         "package none\n",
		"broken/a_test.go":  "package broken\nvar x int = \"\"\n",
		"crashes/a_test.go": "package crashes\nimport \"testing\"\nfunc TestA(t *testing.T) { panic(\"crashed\") }\n",
	} {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("GOWORK", "off")

	for _, test := range []struct {
		name   string
		args   []string
		code   int
		want   []string
		absent []string
	}{
		{
			"all is well", []string{"./ok", "./none"}, 0,
			[]string{"ok  \texample.com/m/ok\t", "?   \texample.com/m/none\t[no test files]\n", "1 tests passed, 0 failed, 0 skipped\n"},
			[]string{"quiet", "=== RUN", "PASS", "skipped:"},
		},
		{
			"skipped", []string{"./skip"}, 0,
			[]string{
				"ok  \texample.com/m/skip\t", "1 tests passed, 0 failed, 2 skipped\n",
				"skipped: example.com/m/skip TestA/sub: a_test.go:3: no server here\n",
				"skipped: example.com/m/skip TestB: no reason given\n",
			},
			nil,
		},
		{
			"failed", []string{"./ok", "./fail"}, 1,
			[]string{"--- FAIL: TestA", "a_test.go:3: broken\n", "FAIL\texample.com/m/fail\t", "ok  \texample.com/m/ok\t", "2 tests passed, 1 failed"},
			[]string{"quiet"},
		},
		{"does not build", []string{"./broken"}, 1, []string{"cannot use", "FAIL\texample.com/m/broken [build failed]\n"}, nil},
		{"crashed", []string{"./crashes"}, 1, []string{"panic: crashed", "FAIL\texample.com/m/crashes\t"}, nil},
		{"covered", []string{"-cover", "./ok"}, 0, []string{"ok  \texample.com/m/ok\t", "coverage: "}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(test.args, &stdout, &stderr); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("the output lacks %q", want)
				}
			}
			for _, absent := range test.absent {
				if strings.Contains(stdout.String(), absent) {
					t.Errorf("the output has %q", absent)
				}
			}
			if t.Failed() {
				t.Logf("the output is\n%s\n%s", stdout.String(), stderr.String())
			}
		})
	}
}
