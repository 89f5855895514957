package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html"
	"net/http"
	"strings"
	"time"
)

//go:embed page
var page embed.FS

// scripts are the sources of the script in the order in which it has them. They are one
// script, so that the page needs one request for it, and are joined when the handler is made,
// so that nothing has to be built.
var scripts = []string{
	"texts", "words", "decode", "csv", "json", "table", "worker", "rows", "api", "dom", "guess", "importing",
	"view", "view_import", "view_preview", "view_running", "view_mend", "view_result", "view_jobs", "view_job", "main",
}

// A file is a part of the page as it is served.
type file struct {
	name, contentType, etag string
	content                 []byte
}

// makeFiles returns the files by the last names of their paths.
func makeFiles(cfg Config) (map[string]*file, error) {
	style, err := page.ReadFile("page/console.css")
	if err != nil {
		return nil, err
	}
	script, err := joinScripts()
	if err != nil {
		return nil, err
	}
	document, err := page.ReadFile("page/index.html")
	if err != nil {
		return nil, err
	}
	document = bytes.Replace(document, []byte("<!-- host -->\n"), []byte(hostHead(cfg)), 1)
	files := make(map[string]*file)
	for name, content := range map[string][]byte{"": document, "console.css": slim(style), "console.js": script} {
		sum := sha256.Sum256(content)
		files[name] = &file{
			name: name, content: content, etag: `"` + hex.EncodeToString(sum[:16]) + `"`,
			contentType: map[string]string{"": "text/html", "console.css": "text/css", "console.js": "text/javascript"}[name] + "; charset=utf-8",
		}
	}
	return files, nil
}

// joinScripts returns the sources as one script with a scope of its own.
func joinScripts() ([]byte, error) {
	var all bytes.Buffer
	all.WriteString("\"use strict\";\n(() => {\n")
	for _, name := range scripts {
		text, err := page.ReadFile("page/" + name + ".js")
		if err != nil {
			return nil, err
		}
		all.Write(slim(text))
	}
	all.WriteString("})();\n")
	return all.Bytes(), nil
}

// slim leaves out indentation, empty lines and lines of comments, which are a fifth of the
// script and for those who read its sources. No text of the script has a line break in it.
func slim(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && !bytes.HasPrefix(line, []byte("//")) {
			out = append(append(out, line...), '\n')
		}
	}
	return out
}

// hostHead is what the head of the document says of the host.
func hostHead(cfg Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<meta name=\"bulkops-api\" content=\"%s\">\n", html.EscapeString(cfg.API))
	if cfg.SignIn != "" {
		fmt.Fprintf(&b, "<meta name=\"bulkops-sign-in\" content=\"%s\">\n", html.EscapeString(cfg.SignIn))
	}
	if cfg.Script != "" {
		fmt.Fprintf(&b, "<script src=\"%s\" defer></script>\n", html.EscapeString(cfg.Script))
	}
	return b.String()
}

// serve answers with the file, or says that the browser's copy is still good: copies are
// asked about each time, so that the three files are always of one version.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", f.contentType)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", f.etag)
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(f.content))
}
