package disposition

import (
	"mime"
	"strings"
	"testing"
)

func TestAttachment(t *testing.T) {
	for name, want := range map[string]string{
		"":                     `attachment`,
		"\r\n":                 `attachment`,
		"results.json":         `attachment; filename="results.json"`,
		"my results; a=b.json": `attachment; filename="my results; a=b.json"`,
		"../etc/passwd":        `attachment; filename=".._etc_passwd"`,
		`a\b`:                  `attachment; filename="a_b"`,
		"a\r\nX-Evil: 1":       `attachment; filename="aX-Evil: 1"`,
		`a".json`:              `attachment; filename="a_.json"; filename*=UTF-8''a%22.json`,
		"50%.json":             `attachment; filename="50_.json"; filename*=UTF-8''50%25.json`,
		"für.json":             `attachment; filename="f_r.json"; filename*=UTF-8''f%C3%BCr.json`,
		"\xff.json":            `attachment; filename=".json"`,
		"日本 (1)'*.json":        `attachment; filename="__ (1)'*.json"; filename*=UTF-8''%E6%97%A5%E6%9C%AC%20%281%29%27%2A.json`,
	} {
		if got := Attachment(name); got != want {
			t.Errorf("Attachment(%q) is\n%s\nwant\n%s", name, got, want)
		}
	}
}

func FuzzAttachment(f *testing.F) {
	f.Add("results.json")
	f.Add("a\"\\\r\nß%27")
	f.Fuzz(func(t *testing.T, name string) {
		got := Attachment(name)
		for _, c := range []byte(got) {
			if c < ' ' || c > '~' {
				t.Fatalf("Attachment(%q) has the byte %#x: %s", name, c, got)
			}
		}
		// The encoded name hides the plain one, which is checked for itself.
		plain, _, _ := strings.Cut(got, "; filename*=")
		for _, header := range []string{plain, got} {
			if _, _, err := mime.ParseMediaType(header); err != nil {
				t.Fatalf("Attachment(%q) is %s: %v", name, header, err)
			}
		}
	})
}
