package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
)

// A step is a command and its answer in the text.
type step struct {
	title string // "" to go on under the title before
	text  string // Markdown, in front of the command
	shell string
	// server is what $URL leads to.
	server string
	// want is the status that the answer has to have, and code the error code.
	want int
	code string
	// whole is set where the middle of the answer matters.
	whole bool
	// before, if not nil, is done before the command runs. What it returns is
	// done afterwards.
	before func(context.Context, *transcript) (after func() error, err error)
}

// A transcript is the text as far as it was made.
type transcript struct {
	servers map[string]string // base URLs
	tokens  map[string]string // environment variables for the shell
	vars    map[string]string // likewise, from answers
	ids     map[string]string // what stands for an id
	out     bytes.Buffer
	codes   map[string]bool
	paths   map[string]bool
}

// transcribe runs all steps.
func transcribe(ctx context.Context) ([]byte, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	servers, tokens, err := startServers(ctx)
	if err != nil {
		return nil, err
	}
	tr := &transcript{
		servers: servers, tokens: tokens, vars: map[string]string{}, ids: map[string]string{},
		codes: map[string]bool{}, paths: map[string]bool{},
	}
	tr.out.WriteString(preamble)
	for _, s := range steps {
		if err := tr.run(ctx, s); err != nil {
			return nil, fmt.Errorf("%s: %s\n%w", s.title, s.shell, err)
		}
	}
	return tr.out.Bytes(), tr.complete()
}

// run runs a step and writes it.
func (tr *transcript) run(ctx context.Context, s step) error {
	if s.title != "" {
		fmt.Fprintf(&tr.out, "\n%s\n", s.title)
	}
	if s.text != "" {
		fmt.Fprintf(&tr.out, "\n%s\n", s.text)
	}
	if s.shell == "" {
		return nil
	}
	after := func() error { return nil }
	if s.before != nil {
		var err error
		if after, err = s.before(ctx, tr); err != nil {
			return err
		}
	}
	answer, err := tr.shell(ctx, s)
	if err != nil {
		return err
	}
	if err := after(); err != nil {
		return err
	}
	head, body, err := split(answer)
	if err != nil {
		return err
	}
	if status := strings.Fields(head)[1]; status != strconv.Itoa(s.want) {
		return fmt.Errorf("the status is not %d:\n%s", s.want, answer)
	}
	if err := tr.learn(s, body); err != nil {
		return fmt.Errorf("%w:\n%s", err, answer)
	}
	fmt.Fprintf(&tr.out, "\n```sh\n%s\n```\n\n```http\n%s\n```\n", s.shell, tr.normal(s, head, body))
	return nil
}

// shell runs the command of a step as it is shown.
func (tr *transcript) shell(ctx context.Context, s step) (string, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", s.shell)
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", "URL=" + tr.servers[s.server]}
	for _, vars := range []map[string]string{tr.tokens, tr.vars} {
		for name, value := range vars {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, stderr.String())
	}
	return string(out), nil
}

// split returns the status line with the headers, and the body of an answer.
func split(answer string) (head, body string, err error) {
	for {
		var ok bool
		head, body, ok = strings.Cut(answer, "\r\n\r\n")
		if !ok || !strings.HasPrefix(head, "HTTP/1.1 ") {
			return "", "", fmt.Errorf("no answer: %q", answer)
		}
		if !strings.HasPrefix(head, "HTTP/1.1 100") {
			return head, body, nil
		}
		answer = body // what comes before it is about sending the body
	}
}

var operation = regexp.MustCompile(`(?:-X (POST|GET|HEAD|DELETE) )?.*"(?:\$URL|\$LINK)(/v1/bulk/[a-z/A-Z$.]*)?`)

// learn keeps what later steps need, and checks the error code.
func (tr *transcript) learn(s step, body string) error {
	type job struct {
		JobID       string
		Status      string
		DownloadURL string
	}
	var answer struct {
		Data *struct {
			job
			Cursor  string
			Results []result
		}
		Error   *struct{ Code string }
		Results []result
	}
	// What is no JSON has nothing to learn from.
	_ = json.Unmarshal([]byte(body), &answer)
	code := ""
	if answer.Error != nil {
		code = answer.Error.Code
	}
	if code != s.code {
		return fmt.Errorf("the code is not %q", s.code)
	}
	tr.codes[code] = true
	results := answer.Results
	if d := answer.Data; d != nil {
		for name, value := range map[string]string{"JOB": d.JobID, "LINK": d.DownloadURL, "CURSOR": d.Cursor} {
			if value != "" {
				tr.vars[name] = value
			}
		}
		results = append(results, d.Results...)
	}
	for _, r := range results {
		for _, e := range r.Errors {
			tr.codes[e.Code] = true
		}
	}
	if m := operation.FindStringSubmatch(s.shell); m != nil {
		tr.paths[m[2]] = true
	}
	return nil
}

type result struct{ Errors []struct{ Code string } }

// ended waits until the job of the last answer has ended.
func ended(ctx context.Context, tr *transcript) (func() error, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, tr.servers[working]+"/v1/bulk/jobs/"+tr.vars["JOB"], nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+tr.tokens["TOKEN"])
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, err
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return nil, errors.New("status of the job: " + res.Status)
		}
		if res.Header.Get("Retry-After") == "" {
			return func() error { return nil }, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// What is another with each run.
var (
	uuid       = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	expiry     = regexp.MustCompile(`("expiresAt": )"[^"]*"`)
	linkExpiry = regexp.MustCompile(`("downloadUrlExpiresAt": )"[^"]*"`)
	timestamp  = regexp.MustCompile(`"20[0-9]{2}-[^"]*Z"`)
	link       = regexp.MustCompile(`/downloads/[A-Za-z0-9_-]+`)
	cursor     = regexp.MustCompile(`("cursor": )"[^"]*"`)
)

// normal is an answer as the text shows it.
func (tr *transcript) normal(s step, head, body string) string {
	lines := strings.Split(head, "\r\n")
	lines = slices.DeleteFunc(lines, func(line string) bool {
		name, _, _ := strings.Cut(line, ":")
		return slices.Contains([]string{"Date", "Content-Length", "Transfer-Encoding", "Connection"}, name)
	})
	var pretty bytes.Buffer
	if json.Indent(&pretty, []byte(body), "", "  ") == nil && !strings.Contains(head, "Content-Type: application/x-ndjson") {
		body = pretty.String()
	}
	body = strings.ReplaceAll(strings.TrimPrefix(body, "\ufeff"), "\r\n", "\n")
	if !s.whole {
		body = shorten(body)
	}
	text := strings.TrimSpace(strings.Join(lines, "\n") + "\n\n" + body)
	for base := range tr.servers {
		text = strings.ReplaceAll(text, tr.servers[base], "http://127.0.0.1:8080")
	}
	text = uuid.ReplaceAllStringFunc(text, func(id string) string {
		if strings.HasPrefix(id, "00000000") {
			return id // one of ours
		}
		if tr.ids[id] == "" {
			tr.ids[id] = fmt.Sprintf("019b5a00-3c5e-7c6d-9d1e-%012d", len(tr.ids)+1)
		}
		return tr.ids[id]
	})
	text = timestamp.ReplaceAllString(text, `"2026-01-02T03:04:05.678Z"`)
	text = expiry.ReplaceAllString(text, `${1}"2026-02-01T03:04:05.678Z"`)
	text = linkExpiry.ReplaceAllString(text, `${1}"2026-01-02T04:04:05.678Z"`)
	text = link.ReplaceAllString(text, "/downloads/AAABmLs...")
	return cursor.ReplaceAllString(text, `${1}"AAABmLs..."`)
}

// shorten leaves out the middle of a long body.
func shorten(body string) string {
	const most, ends = 80, 24
	lines := strings.Split(strings.TrimRight(body, "\n"), "\n")
	if len(lines) <= most {
		return body
	}
	left := fmt.Sprintf("... %d lines ...", len(lines)-2*ends)
	return strings.Join(slices.Concat(lines[:ends], []string{left}, lines[len(lines)-ends:]), "\n")
}

// complete checks that the text has every path and every code of the document.
func (tr *transcript) complete() error {
	var doc struct {
		Paths      map[string]any
		Components struct {
			Schemas map[string]struct{ Enum []string }
		}
	}
	if err := json.Unmarshal(httpapi.OpenAPI(), &doc); err != nil {
		return err
	}
	var missing []string
	for _, schema := range []string{"ErrorCode", "RowErrorCode"} {
		for _, code := range doc.Components.Schemas[schema].Enum {
			if !tr.codes[code] && code != string(bulk.CodeOutcomeUnknown) { // which takes a crash in the middle of a write
				missing = append(missing, code)
			}
		}
	}
	shown := strings.NewReplacer("{jobId}", "$JOB", "/v1/bulk/downloads/{token}", "")
	for path := range doc.Paths {
		if !tr.paths[shown.Replace(path)] {
			missing = append(missing, path)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("the transcript lacks %s", strings.Join(missing, ", "))
	}
	return nil
}
