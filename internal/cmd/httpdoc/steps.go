package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
)

const preamble = `# The HTTP API by example

Every endpoint and every error, as ` + "`curl`" + ` sees them. This file is made by ` + "`go run ./internal/cmd/httpdoc`" + `, which runs
each command against ` + "[`examples/server`](../examples/server)" + `, or, where a backend has to fail, against a handler whose
backends do; CI fails if it would come out differently. Ids, times, download links and cursors are replaced by others,
JSON is indented, some headers and the middle of long answers are left out. The reference is the OpenAPI document,
[` + "`httpapi/openapi.json`" + `](../httpapi/openapi.json).

The commands need these variables, the tokens being those of the server's ` + "`-tokens`" + `:

` + "```sh" + `
URL=http://127.0.0.1:8080
TOKEN=...        # of an admin of the tenant acme
OTHER_TOKEN=...  # of an admin of another tenant
USER_TOKEN=...   # of a caller who is no admin
` + "```" + `
`

const (
	auth     = ` -H "Authorization: Bearer $TOKEN"`
	jsonType = ` -H "Content-Type: application/json"`
	importTo = auth + jsonType + ` "$URL/v1/bulk/users"`
	get      = `curl -sS -i` + auth
	post     = `curl -sS -i` + importTo
	many     = `seq 150 | awk '{ printf "{\"userId\": \"u-%d\", \"email\": \"user%d@example.com\"}\n", 4000 + $1, $1 }' |
  curl -sS -i` + auth + ` -H "Content-Type: application/x-ndjson" --data-binary @- "$URL/v1/bulk/users"`
)

// data is the body of a command, on lines of its own.
func data(text string) string { return " \\\n  -d '" + text + "'" }

var steps = []step{
	{
		title: "## Import users\n\n### JSON",
		text:  "Fewer than 100 users are imported at once. The row without an address fails on its own.",
		shell: post + data(`{"users": [
    {"userId": "u-1001", "email": "ana@example.com", "customFields": {"team": "Lakers", "points": 9007199254740993}},
    {"userId": "u-1002", "email": "bo@example.com", "metadata": {"source": "crm"}},
    {"userId": "u-1003", "email": "not-an-email"}]}`),
		want: 200,
	},
	{
		text: "The same users again: `customFields` and `metadata` merge key by key, null removes a key, and a row that changes\nnothing writes nothing.",
		shell: post + data(`{"users": [
    {"userId": "u-1001", "customFields": {"team": null, "points": 9007199254740994}},
    {"email": "BO@example.com", "metadata": {"source": "crm"}}]}`),
		want: 200,
	},
	{
		title: "### NDJSON",
		text:  "A user a line, with the options as query parameters. Users that exist are left as they are.",
		shell: `printf '%s\n' '{"userId": "u-1001", "customFields": {"team": "Bulls"}}' '{"email": "cy@example.com"}' |
  curl -sS -i` + auth + ` -H "Content-Type: application/x-ndjson" --data-binary @- "$URL/v1/bulk/users?skipDuplicates=true&sendWelcomeEmail=true"`,
		want: 200,
	},
	{
		title: "### CSV",
		text:  "Here as a dry run: every row is decided and reported, updates with what they would change, and nothing is written. Results give the line of each row.",
		shell: `printf '%s\n' 'userId,email,customFields.team,customFields.points:number' 'u-1004,dee@example.com,"Lakers, LA",7' 'u-1001,,Bulls,7' 'u-1005,,,seven' |
  curl -sS -i` + auth + ` -H "Content-Type: text/csv" --data-binary @- "$URL/v1/bulk/users?dryRun=true"`,
		want: 200,
	},
	{
		title: "### Compressed",
		text:  "Each of the three may be sent with gzip.",
		shell: `echo '{"users": [{"userId": "u-1001", "metadata": {"source": "web"}}]}' | gzip |
  curl -sS -i -H "Content-Encoding: gzip" --data-binary @-` + importTo,
		want: 200,
	},
	{
		title: "### What can be wrong with a row",
		text: "An address is free for a row once the rows before it have given it up: [usecases/addresses.md](usecases/addresses.md)\n" +
			"has the order for chains and swaps.",
		shell: `big=$(head -c 500000 /dev/zero | tr '\0' x)
curl -sS -i` + importTo + ` --data-binary @- <<END
{"options": {"upsert": true}, "users": [
  "u-1006",
  {"customFields": {}},
  {"userId": "u-\u0007"},
  {"userId": "u-1006", "email": "not-an-email"},
  {"userId": "u-1006", "customFields": [1]},
  {"userId": "u-1006", "metadata": {"": 1}},
  {"userId": "u-1006", "role": "admin"},
  {"userId": "u-1006", "customFields": {"a": 1, "a": 2}},
  {"userId": "u-1006", "metadata": {"text": "$big"}},
  {"userId": "u-1006", "email": "ana@example.com"}]}
END`,
		want: 200, whole: true,
	},
	{
		text:  "With `upsert` off, a user that exists is an error.",
		shell: post + data(`{"options": {"upsert": false}, "users": [{"userId": "u-1001"}]}`),
		want:  200,
	},
	{
		text:  "With `updateOnly`, one that does not exist is.",
		shell: post + data(`{"options": {"updateOnly": true}, "users": [{"userId": "u-9999", "email": "nobody@example.com"}]}`),
		want:  200,
	},
	{
		text: "With `maxFailed`, an import in which more rows have failed stops before its next batch.",
		shell: `(seq 30 | sed 's/.*/{"email": "not-an-email"}/'; seq 30 | sed 's/.*/{"userId": "u-3&"}/') |
  curl -sS -i` + auth + ` -H "Content-Type: application/x-ndjson" --data-binary @- "$URL/v1/bulk/users?maxFailed=10"`,
		want: 200,
	},
	{
		text: "A user that could not be written, after all retries, may be sent again. If the database did not answer, so that\n" +
			"nobody knows whether it was written, look at the user first.",
		server: failing,
		shell:  post + data(`{"users": [{"userId": "u-2001"}, {"userId": "u-2002"}, {"userId": "u-2003"}]}`),
		want:   200,
	},
	{
		text: "A service may have rules of its own for custom fields and metadata. They are in its OpenAPI document, in words, as\n" +
			"`x-field-rules`.",
		server: failing,
		shell:  post + data(`{"users": [{"userId": "u-2004", "customFields": {"plan": "gold"}}]}`),
		want:   200,
	},

	{
		title: "## Jobs\n\n### From 100 users on",
		text:  "A larger request becomes a job. `Location` is relative to the URL of the request.",
		shell: many,
		want:  202,
	},
	{
		title: "### Status",
		text:  "With the `jobId` as `$JOB`. While the job runs there is a `Retry-After`; this one has ended.",
		shell: get + ` "$URL/v1/bulk/jobs/$JOB"`, before: ended,
		want: 200,
	},
	{
		title: "### Download",
		text:  "With the `downloadUrl` as `$LINK`: it needs no credentials.",
		shell: `curl -sS -i "$LINK"`,
		want:  200,
	},
	{
		title: "### Results",
		text:  "The same for callers with credentials, and in other formats.",
		shell: `printf '%s\n' '{"userId": "u-1001", "customFields": {"note": "=1+1"}}' '{"userId": "u-1007", "email": "eve", "customFields": {"note": "=1+1"}}' |
  curl -sS -i -H "Prefer: respond-async"` + auth + ` -H "Content-Type: application/x-ndjson" --data-binary @- "$URL/v1/bulk/users"`,
		want: 202,
	},
	{shell: get + ` "$URL/v1/bulk/jobs/$JOB/results"`, before: ended, want: 200},
	{shell: get + ` "$URL/v1/bulk/jobs/$JOB/results?format=ndjson"`, want: 200},
	{
		text:  "The CSV of the failed rows can be mended and sent again as it is. A byte order mark stands in front of it.",
		shell: get + ` "$URL/v1/bulk/jobs/$JOB/results?format=csv&only=failed"`, want: 200,
	},
	{shell: get + ` -I "$URL/v1/bulk/jobs/$JOB/results"`, text: "HEAD is served wherever GET is.", want: 200},
	{
		title: "### List",
		text:  "Newest first, a page at a time.",
		shell: get + ` "$URL/v1/bulk/jobs?status=completed&limit=1"`,
		want:  200,
	},
	{
		text:  "The next page, with the `cursor` as `$CURSOR`.",
		shell: get + ` "$URL/v1/bulk/jobs?status=completed&limit=1&cursor=$CURSOR"`,
		want:  200,
	},
	{
		title:  "### Cancel",
		text:   "A job that waits for a worker:",
		server: waiting,
		shell:  `curl -sS -i -H "Prefer: respond-async"` + importTo + data(`{"users": [{"userId": "u-1001"}, {"userId": "u-1002"}]}`),
		want:   202,
	},
	{server: waiting, shell: get + ` "$URL/v1/bulk/jobs/$JOB"`, want: 200},
	{
		text:   "It has no results before it has ended.",
		server: waiting,
		shell:  get + ` "$URL/v1/bulk/jobs/$JOB/results"`, want: 404, code: "NOT_FOUND",
	},
	{
		text:   "It cannot be removed either.",
		server: waiting,
		shell:  get + ` -X DELETE "$URL/v1/bulk/jobs/$JOB"`, want: 409, code: "JOB_NOT_ENDED",
	},
	{
		text:   "A pending job is cancelled at once, a running one before its next batch. Once the status is `cancelled` no row is\nwritten any more.",
		server: waiting,
		shell:  get + ` -X POST "$URL/v1/bulk/jobs/$JOB/cancel"`, want: 200,
	},
	{server: waiting, shell: get + ` "$URL/v1/bulk/jobs/$JOB/results"`, want: 200},
	{
		text:   "A job that has ended cannot be cancelled.",
		server: waiting,
		shell:  get + ` -X POST "$URL/v1/bulk/jobs/$JOB/cancel"`, want: 409, code: "JOB_ENDED",
	},
	{
		title:  "### Retry",
		text:   "Rows of an ended job that failed or were not processed can be tried again, if there are any of the kind that is asked for.",
		server: waiting,
		shell:  get + jsonType + ` "$URL/v1/bulk/jobs/$JOB/retry"` + data(`{"only": "retryable"}`), want: 409, code: "NOTHING_TO_RETRY",
	},
	{
		text:   "They become a new job.",
		server: waiting,
		shell:  get + ` -X POST "$URL/v1/bulk/jobs/$JOB/retry"`, want: 202,
	},
	{server: waiting, shell: get + ` -X POST "$URL/v1/bulk/jobs/$JOB/cancel"`, want: 200},
	{
		title:  "### Remove",
		text:   "A job that has ended can be removed, with its users as sent and its results.",
		server: waiting,
		shell:  get + ` -X DELETE "$URL/v1/bulk/jobs/$JOB"`, want: 200,
	},
	{server: waiting, shell: get + ` "$URL/v1/bulk/jobs/$JOB"`, want: 404, code: "JOB_NOT_FOUND"},

	{
		title: "## Idempotency keys",
		text:  "A request with an `Idempotency-Key` can be repeated safely.",
		shell: `curl -sS -i -H "Idempotency-Key: 0b5e7a3e"` + importTo + data(`{"users": [{"userId": "u-3001"}]}`),
		want:  200,
	},
	{
		text:  "The same again gets the first answer: the row is still `created`.",
		shell: `curl -sS -i -H "Idempotency-Key: 0b5e7a3e"` + importTo + data(`{"users": [{"userId": "u-3001"}]}`),
		want:  200,
	},
	{
		title: "### IDEMPOTENCY_KEY_REUSED",
		text:  "Other users, or other options, need another key.",
		shell: `curl -sS -i -H "Idempotency-Key: 0b5e7a3e"` + importTo + data(`{"users": [{"userId": "u-3002"}]}`),
		want:  422, code: "IDEMPOTENCY_KEY_REUSED",
	},
	{
		title: "### IDEMPOTENCY_IN_PROGRESS",
		text:  "While another client is still sending a request with the key:",
		shell: `curl -sS -i -H "Idempotency-Key: 7f1c2d90"` + importTo + data(`{"users": [{"userId": "u-3003"}]}`),
		want:  409, code: "IDEMPOTENCY_IN_PROGRESS", before: sending("7f1c2d90"),
	},

	{
		title: "## Errors of a request\n\nA request that is refused has written nothing and made no job.\n\n### INVALID_JSON",
		shell: post + data(`{"users": [{"userId": "u-1001"}`),
		want:  400, code: "INVALID_JSON",
	},
	{
		title: "### INVALID_REQUEST",
		shell: post + data(`{"users": [{"userId": "u-1001"}], "options": {"overwrite": true}}`),
		want:  400, code: "INVALID_REQUEST",
	},
	{
		text:  "Options of a JSON body stand in it.",
		shell: `curl -sS -i` + auth + jsonType + ` "$URL/v1/bulk/users?dryRun=true"` + data(`{"users": [{"userId": "u-1001"}]}`),
		want:  400, code: "INVALID_REQUEST",
	},
	{shell: get + ` "$URL/v1/bulk/jobs?limit=101"`, want: 400, code: "INVALID_REQUEST"},
	{
		title: "### EMPTY_USERS",
		shell: post + data(`{"users": []}`),
		want:  400, code: "EMPTY_USERS",
	},
	{
		title: "### TOO_MANY_USERS",
		shell: strings.Replace(many, "seq 150", "seq 10001", 1),
		want:  400, code: "TOO_MANY_USERS",
	},
	{
		title: "### UNAUTHENTICATED",
		shell: `curl -sS -i "$URL/v1/bulk/jobs"`,
		want:  401, code: "UNAUTHENTICATED",
	},
	{
		title: "### FORBIDDEN",
		shell: `curl -sS -i -H "Authorization: Bearer $USER_TOKEN" "$URL/v1/bulk/jobs"`,
		want:  403, code: "FORBIDDEN",
	},
	{
		text:  "A download link that has expired or was altered:",
		shell: `curl -sS -i "$URL/v1/bulk/downloads/AAABmLs"`,
		want:  403, code: "FORBIDDEN",
	},
	{
		text:  "A page of another origin made a browser send a request that would change something:",
		shell: `curl -sS -i -H "Origin: https://evil.example" -H "Sec-Fetch-Site: cross-site"` + importTo + data(`{"users": [{"userId": "u-1001"}]}`),
		want:  403, code: "FORBIDDEN",
	},
	{
		title: "### JOB_NOT_FOUND",
		text:  "A job of another tenant is as one that never existed.",
		shell: `curl -sS -i -H "Authorization: Bearer $OTHER_TOKEN" "$URL/v1/bulk/jobs/$JOB"`,
		want:  404, code: "JOB_NOT_FOUND",
	},
	{
		title: "### NOT_FOUND",
		shell: get + ` "$URL/v1/bulk/users/u-1001"`,
		want:  404, code: "NOT_FOUND",
	},
	{
		title: "### METHOD_NOT_ALLOWED",
		shell: get + ` -X DELETE "$URL/v1/bulk/users"`,
		want:  405, code: "METHOD_NOT_ALLOWED",
	},
	{
		title: "### REQUEST_TIMEOUT",
		text: "The body was silent for 30 seconds, or took more than 5 minutes to arrive. The connection is closed. " +
			"(The server of this example waits for one second.)",
		server: failing,
		shell:  `(printf '{"users": ['; sleep 2) | curl -sS -i -X POST -T -` + importTo,
		want:   408, code: "REQUEST_TIMEOUT",
	},
	{
		title: "### BODY_TOO_LARGE",
		text:  "As sent or after decompression; or the request alone would take more memory than the service gives to all at once.",
		shell: `head -c 70000000 /dev/zero | curl -sS -i --data-binary @-` + importTo,
		want:  413, code: "BODY_TOO_LARGE",
	},
	{
		title: "### UNSUPPORTED_MEDIA_TYPE",
		shell: `curl -sS -i` + auth + ` "$URL/v1/bulk/users"` + data(`userId=u-1001`),
		want:  415, code: "UNSUPPORTED_MEDIA_TYPE",
	},
	{
		shell: `curl -sS -i -H "Content-Encoding: br"` + importTo + data(`{"users": [{"userId": "u-1001"}]}`),
		want:  415, code: "UNSUPPORTED_MEDIA_TYPE",
	},
	{
		title:  "### INTERNAL_ERROR",
		text:   "A backend refuses what the service asks of it. The log of the service has the cause.",
		server: failing,
		shell:  get + ` "$URL/v1/bulk/jobs/job_00000000-0000-7000-8000-000000000001"`,
		want:   500, code: "INTERNAL_ERROR",
	},
	{
		title:  "### UNAVAILABLE",
		text:   "A backend is down or throttled, or the requests under way take all the memory that the service gives them.",
		server: failing,
		shell:  get + ` "$URL/v1/bulk/jobs/job_00000000-0000-7000-8000-000000000002"`,
		want:   503, code: "UNAVAILABLE",
	},

	{
		title: "## The OpenAPI document",
		shell: get + ` "$URL/v1/bulk/openapi.json" | head -n 12`,
		want:  200,
	},
}

// sending has a request with the key under way, whose body is not complete.
func sending(key string) func(context.Context, *transcript) (func() error, error) {
	return func(ctx context.Context, tr *transcript) (func() error, error) {
		body, rest := io.Pipe()
		// The server asks for the body once the handler reads it.
		reading := make(chan struct{})
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got100Continue: func() { close(reading) }})
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, tr.servers[working]+"/v1/bulk/users", body)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+tr.tokens["TOKEN"])
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", key)
		r.Header.Set("Expect", "100-continue")
		answered := make(chan error, 1)
		go func() {
			res, err := http.DefaultClient.Do(r)
			if err == nil {
				_ = res.Body.Close()
				if res.StatusCode != http.StatusOK {
					err = fmt.Errorf("the request that was under way: %s", res.Status)
				}
			}
			answered <- err
		}()
		select {
		case <-reading:
		case err := <-answered:
			return nil, errors.Join(errors.New("the request was answered before it was sent"), err)
		}
		return func() error {
			_, err := io.WriteString(rest, `{"users": [{"userId": "u-3003"}]}`)
			return errors.Join(err, rest.Close(), <-answered)
		}, nil
	}
}
