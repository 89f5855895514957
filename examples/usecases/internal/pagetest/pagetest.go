// Package pagetest checks the pages of docs/usecases against the programs that
// they are about.
package pagetest

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bulkops/bulkops/examples/usecases/internal/demo"
)

// root is the folder of the module, seen from that of a program.
const root = "../../.."

var (
	fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")
	// moving are lines of output that depend on when a job was asked for.
	moving = regexp.MustCompile(`(?m)^(pending|processing): .*\n`)
)

// Check checks the page of a program, which is in the test's folder: its Go code
// stands word for word in the program, its command runs the program, its text block
// is what the program prints, and its requests are accepted by the service.
func Check(t *testing.T, page, program string, run func(context.Context, *demo.Service, io.Writer) error) {
	dir := filepath.Join(root, "docs", "usecases")
	text := read(t, filepath.Join(dir, page))
	source := read(t, "main.go")
	blocks := map[string][]string{}
	for _, match := range fence.FindAllStringSubmatch(text, -1) {
		blocks[match[1]] = append(blocks[match[1]], match[2])
	}
	for kind, least := range map[string]int{"go": 1, "sh": 1, "text": 1, "http": 1} {
		if len(blocks[kind]) < least {
			t.Fatalf("%s has no %s block", page, kind)
		}
	}
	for _, code := range blocks["go"] {
		if !strings.Contains(source, "\n"+code) {
			t.Errorf("%s: this code is not that of the program:\n%s", page, code)
		}
	}
	if want := "go run ./examples/usecases/" + program + "\n"; blocks["sh"][0] != want {
		t.Errorf("%s: the command is %q, want %q", page, blocks["sh"][0], want)
	}
	synctest.Test(t, func(t *testing.T) {
		s, err := demo.Start()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Stop()
		var out bytes.Buffer
		if err := run(t.Context(), s, &out); err != nil {
			t.Fatal(err)
		}
		shown, printed := blocks["text"][0], strings.TrimPrefix(strings.ReplaceAll(out.String(), "\ufeff", ""), "\n")
		printed = strings.ReplaceAll(printed, "\r\n", "\n")
		if moving.ReplaceAllString(shown, "") != moving.ReplaceAllString(printed, "") {
			t.Errorf("%s: the program prints\n%s\nand not\n%s", page, printed, shown)
		}
		other, err := demo.Start() // where nothing has happened
		if err != nil {
			t.Fatal(err)
		}
		defer other.Stop()
		for _, request := range blocks["http"] {
			send(t, other, page, request)
		}
	})
}

// send sends a request of a page: a request line, headers, an empty line, a body.
func send(t *testing.T, s *demo.Service, page, text string) {
	line, rest, _ := strings.Cut(text, "\n")
	if !strings.Contains(rest, "\n\n") {
		rest += "\n" // no body
	}
	method, target, _ := strings.Cut(line, " ")
	head, body, _ := strings.Cut(rest, "\n\n")
	r, err := http.NewRequestWithContext(t.Context(), method, demo.URL+target, strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", page, err)
	}
	for scan := bufio.NewScanner(strings.NewReader(head)); scan.Scan(); {
		name, value, _ := strings.Cut(scan.Text(), ": ")
		r.Header.Set(name, value)
	}
	r.Header.Set("Authorization", "Bearer "+demo.Token)
	res, err := s.HTTPClient().Do(r)
	if err != nil {
		t.Fatalf("%s: %v", page, err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(res.Body)
	if res.StatusCode > 299 || strings.Contains(string(answer), `"status":"failed"`) {
		t.Errorf("%s: %s is answered with %s: %s", page, line, res.Status, answer)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
